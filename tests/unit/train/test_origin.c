/* train/origin: which model and which samples a stage begins with.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/origin.h"

#include <stdlib.h>
#include <unistd.h>

static const char RECIPE[] =
    "{\"model\":{\"start\":\"top.gguf\"},\"stages\":["
    "{\"name\":\"base\",\"kind\":\"pretrain\"},"                           /* 0 */
    "{\"name\":\"cold\",\"kind\":\"sample\",\"pairs\":true},"              /* 1 */
    "{\"name\":\"more\",\"kind\":\"sample\"},"                             /* 2 */
    "{\"name\":\"sft\",\"kind\":\"sft\",\"data\":[{\"stage\":\"cold\"}]}," /* 3 */
    "{\"name\":\"big\",\"kind\":\"sample\",\"from\":\"big.gguf\"},"        /* 4 */
    "{\"name\":\"small\",\"kind\":\"sft\",\"model\":{\"form\":\"qwen2\"},"
    "\"data\":[{\"stage\":\"big\"},{\"stage\":\"cold\",\"weight\":2},{\"task\":\"sum\"}],"
    "\"eval_data\":[{\"stage\":\"more\"}]},"                               /* 5 */
    "{\"name\":\"next\",\"kind\":\"sft\"},"                                /* 6 */
    "{\"name\":\"big2\",\"kind\":\"sample\",\"from\":\"big\"},"            /* 7 */
    "{\"name\":\"tail\",\"kind\":\"sft\"}]}";                              /* 8 */

static void open_recipe(recipe *r, const char *text)
{
    ponder_error err;
    json_t *json;
    check_ok(json_parse(&json, str_of(text), "r.json", &err));
    check_ok(recipe_of(r, json, "r.json", "", &err));
}

static void stages_that_make_no_model_are_looked_through(void **state)
{
    (void)state;
    recipe r;
    open_recipe(&r, RECIPE);
    const size_t none = r.n;
    const struct {
        size_t maker, giver;
        const char *given;
    } want[] = {{none, 0, "top.gguf"}, {0, 0, "top.gguf"}, {0, 0, "top.gguf"},
                {0, 0, "top.gguf"},    {none, 4, "big.gguf"}, {none, 5, NULL},
                {5, 5, NULL},          {none, 4, "big.gguf"}, {none, 4, "big.gguf"}};
    assert_int_equal(r.n, COUNT_OF(want));
    for (size_t i = 0; i < r.n; i++) {
        origin o = origin_of(&r, i);
        const char *given = origin_given(&r, o.giver);
        assert_int_equal(o.maker, want[i].maker);
        assert_int_equal(o.giver, want[i].giver);
        assert_int_equal(given == NULL, want[i].given == NULL);
        if (given) assert_string_equal(given, want[i].given);
        assert_int_equal(origin_is_recipes(&r, o.giver), o.giver == 0);
    }
    recipe_close(&r);
}

static void samples_are_read_from_stages(void **state)
{
    (void)state;
    ponder_error err;
    recipe r;
    uint64_t reads;
    open_recipe(&r, RECIPE);
    check_ok(origin_reads(&reads, &r, 3, &err));
    assert_int_equal(reads, 1 << 1);
    check_ok(origin_reads(&reads, &r, 5, &err));
    assert_int_equal(reads, 1 << 1 | 1 << 2 | 1 << 4);
    check_ok(origin_reads(&reads, &r, 6, &err));
    assert_int_equal(reads, 0);
    recipe_close(&r);
}

static void names_become_files(void **state)
{
    (void)state;
    ponder_error err;
    recipe r;
    json_t *json;
    char dir[] = "/tmp/origin-XXXXXX", path[64];
    open_recipe(&r, "{\"stages\":[{\"name\":\"a\",\"kind\":\"sample\",\"pairs\":true},"
                    "{\"kind\":\"sft\",\"data\":[{\"stage\":\"a\",\"weight\":3},"
                    "{\"stage\":\"a\",\"pairs\":true},{\"task\":\"x\"}]}]}");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(origin_resolve(&json, &r, 1, dir, &err), PONDER_ENOTFOUND);
    assert_non_null(strstr(err.message, "run the stage that makes it"));
    assert_null(json);
    snprintf(path, sizeof path, "%s/a", dir);
    check_ok(file_make_dirs(path, &err));
    static const char *const files[] = {"samples.jsonl", "pairs.jsonl"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/a/%s", dir, files[i]);
        check_ok(stage_write_file(path, STR("{}\n"), &err));
    }
    check_ok(origin_resolve(&json, &r, 1, dir, &err));
    const json_t *list = json_object_get(json, "data");
    for (size_t i = 0; i < 2; i++) {
        const json_t *item = json_array_get(list, i);
        assert_true(str_ends(json_str(json_object_get(item, "file")), str_of(files[i])));
        assert_int_equal(json_object_size(item), i ? 1 : 2);
        snprintf(path, sizeof path, "%s/a/%s", dir, files[i]);
        unlink(path);
    }
    assert_true(json_same(json_array_get(list, 2),
                          json_array_get(json_object_get(r.stage[1].json, "data"), 2)));
    json_decref(json);
    snprintf(path, sizeof path, "%s/a", dir);
    rmdir(path), rmdir(dir);
    recipe_close(&r);
}

static void mistakes_are_named(void **state)
{
    (void)state;
#define SAMPLE "{\"name\":\"a\",\"kind\":\"sample\"},{\"name\":\"b\",\"kind\":\"sft\","
    static const char *const bad[][2] = {
        {SAMPLE "\"data\":[{\"stage\":\"c\"}]}", "no stage \"c\""},
        {SAMPLE "\"data\":[{\"stage\":\"b\"}]}", "does not come before"},
        {SAMPLE "\"data\":[{\"stage\":3}]}", "must be the name"},
        {SAMPLE "\"data\":[{\"stage\":\"a\",\"pairs\":true}]}", "makes no \"pairs\""},
        {SAMPLE "\"data\":[{\"stage\":\"a\",\"share\":1}]}", "no key \"share\""},
        {SAMPLE "\"model\":{\"form\":\"llama\"},\"from\":\"a\"}", "not both"},
        {SAMPLE "\"from\":\"absent.gguf\"}", "no earlier stage and no file"},
        {SAMPLE "\"model\":{\"start\":\"absent.gguf\"}}", "\"absent.gguf\" is no file"},
        {"{\"name\":\"a\",\"kind\":\"sft\"},{\"name\":\"b\",\"kind\":\"sft\","
         "\"eval_data\":[{\"stage\":\"a\"}]}", "makes no samples"},
        {"{\"name\":\"a\",\"kind\":\"sft\"},{\"name\":\"b\",\"kind\":\"sample\","
         "\"model\":{\"form\":\"llama\"}}", "fresh weights"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ponder_error err = {0};
        recipe r;
        uint64_t reads;
        char text[512];
        snprintf(text, sizeof text, "{\"stages\":[%s]}", bad[i][0]);
        open_recipe(&r, text);
        ponder_status st = origin_check(&r, 1, &err);
        if (st == PONDER_OK) st = origin_reads(&reads, &r, 1, &err);
        assert_int_equal(st, PONDER_EFORMAT);
        if (!strstr(err.message, bad[i][1])) fail_msg("case %zu: %s", i, err.message);
        recipe_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_that_make_no_model_are_looked_through),
        cmocka_unit_test(samples_are_read_from_stages),
        cmocka_unit_test(names_become_files),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
