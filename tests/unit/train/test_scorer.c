/* train/scorer: what training measured is what is scored later, alone or in a batch.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/head.h"
#include "train/reward_model.h"
#include "train/scorer.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAIRS = 40 };

static struct {
    char dir[32], out[64], path[128];
    recipe r;
    pool *pool;
    pipeline_options o;
    stage_context c; /* of a stage after it */
    buf text[3 * PAIRS]; /* prompt, chosen, rejected */
} T;

static const char RECIPE[] =
    "{\"model\":{\"form\":\"qwen2\",\"layers\":2,\"width\":32,\"heads\":2,\"ffn\":64,"
    "\"context\":256},\"tokenizer\":{\"size\":264},\"stages\":[{\"name\":\"help\",\"kind\":"
    "\"reward_model\",\"precision\":\"f32\",\"steps\":12,\"batch\":8,\"lr\":3e-3,\"max_tokens\":80,"
    "\"scored\":\"summary\",\"data\":[{\"file\":\"pairs.jsonl\"}],\"eval_data\":"
    "[{\"file\":\"pairs.jsonl\"}],\"eval_examples\":40},{\"name\":\"half\",\"kind\":"
    "\"reward_model\",\"precision\":\"bf16\",\"steps\":12,\"batch\":8,\"lr\":3e-3,\"max_tokens\":80,"
    "\"data\":[{\"file\":\"pairs.jsonl\"}],\"eval_data\":[{\"file\":\"pairs.jsonl\"}],"
    "\"eval_examples\":40},{\"name\":\"other\",\"kind\":\"sft\","
    "\"steps\":1,\"data\":[{\"task\":\"parity\"}]}]}";

static void add_letters(buf *to, uint64_t which, size_t n)
{
    for (uint64_t i = 0; i < n; i++)
        buf_add_char(to, (char)('a' + (int)rng_below(9, 1, which, i, RNG_TEST)));
}

static void make_pairs(void)
{
    buf rows = {0};
    for (uint64_t i = 0; i < PAIRS; i++) {
        buf *b = &T.text[3 * i];
        add_letters(&b[0], i, 4);
        buf_add_str(&b[1], STR("<think>")), add_letters(&b[1], 100 + i, 5 + i % 7);
        buf_add_str(&b[1], STR("</think>")), add_letters(&b[1], 200 + i, 2 + i % 3);
        add_letters(&b[2], 300 + i, 10 + i % 13);
        buf_printf(&rows, "{\"prompt\":\"%s\",\"chosen\":\"%s\",\"rejected\":\"%s\"}\n", b[0].p,
                   b[1].p, b[2].p);
    }
    snprintf(T.path, sizeof T.path, "%s/pairs.jsonl", T.dir);
    ponder_error err;
    check_ok(stage_write_file(T.path, buf_str(&rows), &err));
    buf_free(&rows);
}

static int set_up(void **state)
{
    (void)state;
    ponder_error err;
    json_t *j;
    strcpy(T.dir, "/tmp/scorer-XXXXXX");
    assert_non_null(mkdtemp(T.dir));
    snprintf(T.out, sizeof T.out, "%s/out", T.dir);
    make_pairs();
    check_ok(json_parse(&j, str_of(RECIPE), "recipe", &err));
    check_ok(recipe_of(&T.r, j, "recipe", T.dir, &err));
    check_ok(pool_open(&T.pool, 2, &err));
    T.o = (pipeline_options){.out = T.out, .only = "help", .pool = T.pool, .cpu_mask = ~0u};
    check_ok(pipeline_run(&T.r, &T.o, &err));
    T.o.only = "half";
    check_ok(pipeline_run(&T.r, &T.o, &err));
    T.c = (stage_context){.recipe = &T.r, .stage = &T.r.stage[2], .o = &T.o, .where = "here"};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    for (size_t i = 0; i < COUNT_OF(T.text); i++) buf_free(&T.text[i]);
    recipe_close(&T.r);
    pool_close(T.pool);
    snprintf(command, sizeof command, "rm -rf %s", T.dir);
    return system(command);
}

/* The last value of a key in the metrics of a stage. */
static double measured(const char *stage, const char *name)
{
    ponder_error err;
    buf text = {0};
    double v = NAN;
    snprintf(T.path, sizeof T.path, "%s/metrics.jsonl", T.out);
    check_ok(file_read(&text, T.path, 1 << 20, &err));
    for (size_t at = 0; at < text.n;) {
        json_t *row;
        size_t end = str_find(buf_str(&text), STR("\n"), at);
        check_ok(json_parse(&row, (str){text.p + at, end - at}, "row", &err));
        bool here = str_eq(json_str(json_object_get(row, "stage")), str_of(stage));
        if (here && json_object_get(row, name)) v = json_number_value(json_object_get(row, name));
        json_decref(row);
        at = end + 1;
    }
    buf_free(&text);
    return v;
}

static void check_scores(const char *stage)
{
    ponder_error err;
    scorer *s;
    scorer_text text[2 * PAIRS];
    float score[2 * PAIRS], alone;
    check_ok(scorer_open(&s, &T.c, stage, "here", &err));
    for (size_t i = 0; i < 2 * PAIRS; i++)
        text[i] = (scorer_text){buf_str(&T.text[i / 2 * 3]),
                                buf_str(&T.text[i / 2 * 3 + 1 + i % 2])};
    check_ok(scorer_score(s, text, 2 * PAIRS, score, &err));
    double margin = 0, right = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        double d = (double)score[2 * i] - (double)score[2 * i + 1];
        margin += d / PAIRS;
        right += (d > 0) / (double)PAIRS;
    }
    /* Scores are rounded to floats here; else they are the same. */
    assert_float_equal(margin, measured(stage, "eval_margin"), 1e-6);
    assert_float_equal(right, measured(stage, "eval_accuracy"), 1e-12);
    assert_true(fabs(margin) > 1e-3);
    for (size_t i = 0; i < 2 * PAIRS; i += 7) {
        check_ok(scorer_score(s, &text[i], 1, &alone, &err));
        assert_memory_equal(&alone, &score[i], sizeof alone);
    }
    scorer_close(s);
}

static void scores_are_what_training_measured(void **state)
{
    (void)state;
    check_scores("help");
    check_scores("half");
}

static void a_summary_is_what_follows_the_thinking(void **state)
{
    (void)state;
    ponder_error err;
    scorer *s;
    float score[2];
    check_ok(scorer_open(&s, &T.c, "help", "here", &err));
    scorer_text two[] = {{STR("abc"), STR("<think>one</think>hat")}, {STR("abc"), STR("hat")}};
    check_ok(scorer_score(s, two, 2, score, &err));
    assert_memory_equal(&score[0], &score[1], sizeof *score);
    two[1].response = STR("hut");
    check_ok(scorer_score(s, two, 2, score, &err));
    assert_true(score[0] != score[1]);
    scorer_close(s);
}

static void long_ones_are_cut_or_refused(void **state)
{
    (void)state;
    ponder_error err;
    scorer *s;
    char many[400];
    float score[2];
    memset(many, 'a', sizeof many);
    check_ok(scorer_open(&s, &T.c, "help", "here", &err));
    scorer_text text[] = {{STR("abc"), {many, 300}}, {STR("abc"), {many, 400}}};
    check_ok(scorer_score(s, text, 2, score, &err));
    assert_true(isfinite(score[0]) && score[0] == score[1]); /* the same 80 tokens */
    text[1].prompt = (str){many, 100};
    assert_int_equal(scorer_score(s, text, 2, score, &err), PONDER_ELIMIT);
    assert_non_null(strstr(err.message, "max_tokens"));
    check_ok(scorer_score(s, text, 1, score, &err)); /* nothing is left of the failure */
    scorer_close(s);
}

static void what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    ponder_error err;
    scorer *s;
    scalar_head wide;
    static const char *const no[] = {"other", "none"};
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        assert_int_equal(scorer_open(&s, &T.c, no[i], "here", &err), PONDER_EFORMAT);
        assert_non_null(strstr(err.message, "makes a reward model"));
    }
    check_ok(head_open(&wide, 33, 1, 1, &(adamw_options){.eps = 1e-8f}, &err));
    snprintf(T.path, sizeof T.path, "%s/help/%s", T.out, REWARD_MODEL_HEAD);
    check_ok(head_save(&wide, T.path, &err));
    head_close(&wide);
    assert_int_equal(scorer_open(&s, &T.c, "help", "here", &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "want \"weight\" with 32 numbers"));
    assert_null(s);
    unlink(T.path);
    assert_int_equal(scorer_open(&s, &T.c, "help", "here", &err), PONDER_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_what_training_measured),
        cmocka_unit_test(a_summary_is_what_follows_the_thinking),
        cmocka_unit_test(long_ones_are_cut_or_refused),
        cmocka_unit_test(what_does_not_belong_together_is_refused),
    };
    return cmocka_run_group_tests_name("train/scorer", tests, set_up, tear_down);
}
