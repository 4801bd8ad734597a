/* train/keys, train/recipe: strict reading, and what a recipe means.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/recipe.h"

#include <math.h>
#include <stdlib.h>

static ponder_status of(recipe *r, const char *text, ponder_error *err)
{
    json_t *j;
    TRY(json_parse(&j, str_of(text), "r.json", err));
    return recipe_of(r, j, "r.json", "", err);
}

#define STAGE "\"stages\":[{\"kind\":\"sft\"}]"

static void near_names_are_found(void **state)
{
    (void)state;
    static const char *const names[] = {"steps", "batch", "lr", "lr_end", "warmup"};
    assert_string_equal(nearest_name("stpes", names, 5), "steps");
    assert_string_equal(nearest_name("Batch", names, 5), "batch");
    assert_string_equal(nearest_name("lrend", names, 5), "lr_end");
    assert_string_equal(nearest_name("warm_up", names, 5), "warmup");
    assert_null(nearest_name("precision", names, 5));
    assert_null(nearest_name(
        "a name so long that no key of any table could be meant by it, ever, at all", names, 5));
}

static void mistakes_name_the_place(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"[]", "r.json: want an object"},
        {"{}", "\"stages\""},
        {"{\"stages\":[]}", "1 to 64"},
        {"{\"stages\":[{}]}", "stage 1 has no \"kind\""},
        {"{\"stages\":[3]}", "stage 1 has no \"kind\""},
        {"{\"stages\":[{\"kind\":\"a\",\"name\":\"b/c\"}]}", "\"b/c\" cannot name"},
        {"{\"sead\":1," STAGE "}", "\"sead\"; is \"seed\" meant"},
        {"{\"seed\":-1," STAGE "}", "\"seed\" is -1"},
        {"{\"seed\":1.5," STAGE "}", "whole number"},
        {"{\"seed\":\"1\"," STAGE "}", "whole number"},
        {"{\"model\":[]," STAGE "}", "\"model\" must be an object"},
        {"{\"about\":3," STAGE "}", "\"about\" must be text"},
        {"{\"data\":[]," STAGE "}", "\"data\" must be an object"},
        {"{\"data\":{\"a\":[]},\"stages\":[{\"kind\":\"b\",\"data\":\"c\"}]}", "\"c\" is no list"},
        {"{\"stages\":[{\"kind\":\"b\",\"eval_data\":\"c\"}]}", "\"eval_data\" \"c\""},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ponder_error err = {0};
        recipe r;
        assert_int_equal(of(&r, bad[i][0], &err), PONDER_EFORMAT);
        if (!strstr(err.message, bad[i][1])) fail_msg("case %zu: %s", i, err.message);
    }
}

static void lists_by_name_are_lists(void **state)
{
    (void)state;
    ponder_error err;
    recipe named, spelt;
    check_ok(of(&named, "{\"data\":{\"p\":[{\"task\":\"gcd\"}]},"
                        "\"stages\":[{\"kind\":\"a\",\"data\":\"p\",\"eval_data\":\"p\"}]}", &err));
    check_ok(of(&spelt, "{\"stages\":[{\"kind\":\"a\",\"data\":[{\"task\":\"gcd\"}],"
                        "\"eval_data\":[{\"task\":\"gcd\"}]}]}", &err));
    assert_true(json_equal(named.stage[0].json, spelt.stage[0].json));
    assert_int_equal(recipe_hash(1, named.stage[0].json), recipe_hash(1, spelt.stage[0].json));
    recipe_close(&named), recipe_close(&spelt);
}

static void models_are_completed(void **state)
{
    (void)state;
    ponder_error err;
    recipe r;
    recipe_model m;
    check_ok(of(&r,
                "{\"model\":{\"form\":\"llama\",\"layers\":3,\"width\":96,\"heads\":6}," STAGE "}",
                &err));
    check_ok(recipe_read_model(&m, &r, r.model, r.name, &err));
    assert_int_equal(m.config.head_dim, 16);
    assert_int_equal(m.config.kv_heads, 6);
    assert_int_equal(m.config.ffn, 256);
    assert_int_equal(m.config.rope_dim, 16);
    assert_true(m.config.rope_pairs);
    m.config.vocab = 300;
    check_ok(model_config_check(&m.config, &err));
    recipe_close(&r);
    check_ok(of(&r, "{\"model\":{\"form\":\"deepseek_v3\",\"layers\":2,\"width\":64,\"heads\":4,"
                    "\"kv_rank\":32,\"rope_dim\":16,\"nope_dim\":16,\"v_dim\":16,\"experts\":8,"
                    "\"experts_used\":2,\"experts_shared\":1,\"expert_ffn\":64,\"dense_layers\":1,"
                    "\"mtp_layers\":1,\"init\":0.006}," STAGE "}", &err));
    check_ok(recipe_read_model(&m, &r, r.model, r.name, &err));
    assert_int_equal(m.config.head_dim, 32);
    assert_int_equal(m.config.gate, MODEL_GATE_SIGMOID);
    assert_true(m.init == 0.006f);
    m.config.vocab = 300;
    check_ok(model_config_check(&m.config, &err));
    recipe_close(&r);
}

static void schedules_and_precisions_by_name(void **state)
{
    (void)state;
    ponder_error err;
    lr_schedule l;
    enum model_precision p;
    training t = training_defaults();
    t.steps = 100;
    check_ok(training_schedule(&l, &t, "x", &err));
    assert_int_equal(l.shape, LR_COSINE);
    assert_true(fabs(l.end - t.lr / 10) < 1e-12 && l.steps == 100);
    check_ok(training_precision(&p, &t, "x", &err));
    assert_int_equal(p, MODEL_BF16);
    t.schedule = "cosin", t.precision = "fp16";
    assert_int_equal(training_schedule(&l, &t, "x", &err), PONDER_EFORMAT);
    assert_int_equal(training_precision(&p, &t, "x", &err), PONDER_EFORMAT);
}

static uint64_t hash_of(const char *text)
{
    ponder_error err;
    json_t *j;
    check_ok(json_parse(&j, str_of(text), "x", &err));
    uint64_t h = recipe_hash(1, j);
    json_decref(j);
    return h;
}

static void identity_is_what_changes_results(void **state)
{
    (void)state;
    uint64_t h = hash_of("{\"lr\":0.1,\"steps\":5}");
    assert_true(h == hash_of("{ \"steps\": 5, \"lr\": 0.1, \"about\": \"x\", \"keep\": 9 }"));
    assert_true(h != hash_of("{\"lr\":0.2,\"steps\":5}"));
    assert_true(h != hash_of("{\"lr\":0.1,\"steps\":5,\"clip\":1}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_names_are_found),
        cmocka_unit_test(mistakes_name_the_place),
        cmocka_unit_test(lists_by_name_are_lists),
        cmocka_unit_test(models_are_completed),
        cmocka_unit_test(schedules_and_precisions_by_name),
        cmocka_unit_test(identity_is_what_changes_results),
    };
    return cmocka_run_group_tests_name("train/recipe", tests, NULL, NULL);
}
