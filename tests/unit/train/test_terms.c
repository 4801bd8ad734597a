/* terms: rewards by regular expression, verifier and program, and what is wrong with them.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "train/terms_int.h"

#include <math.h>

enum { N = 3 };

typedef struct fixture {
    question q[N];
    term_answer a[N];
    float earned[N * TERMS_MAX];
} fixture;

static void fixture_open(fixture *f)
{
    static const char *const RESPONSES[N] = {
        "<think>\nis it 4?\n</think>\n<answer>0.5</answer>", "<think>hm</think>no idea",
        "<answer>\xE4\xBA\x8C</answer>"};
    static const char *const GOLD[N] = {"1/2", "3", ""};
    *f = (fixture){0};
    for (size_t i = 0; i < N; i++) {
        buf_printf(&f->q[i].prompt, "what is \"%zu\"?\n", i);
        buf_add_str(&f->q[i].gold, str_of(GOLD[i]));
        f->q[i].task = "here.jsonl";
        f->a[i] = (term_answer){.asked = &f->q[i], .response = str_of(RESPONSES[i])};
    }
    ponder_error err;
    check_ok(json_parse(&f->q[0].puzzle, STR("{\"n\": [1, 2]}"), "puzzle", &err));
    f->q[0].row = f->q[0].puzzle;
}

static void fixture_close(fixture *f)
{
    for (size_t i = 0; i < N; i++) question_free(&f->q[i]);
}

static const recipe PLACE = {.name = (char *)(uintptr_t) "r.json", .dir = (char *)(uintptr_t) ""};

/* With `start` programs are started. */
static ponder_status open_list(terms **t, json_t **list, const char *text, bool start,
                               ponder_error *err)
{
    const stage_context c = {.recipe = &PLACE};
    assert_int_equal(json_parse(list, str_of(text), "rewards", err), PONDER_OK);
    return terms_open(t, *list, &PLACE, "r.json", start ? &c : NULL, err);
}

static ponder_status judge(fixture *f, const char *list, size_t n, ponder_error *err)
{
    terms *t;
    json_t *json;
    assert_int_equal(open_list(&t, &json, list, true, err), PONDER_OK);
    ponder_status st = terms_judge(t, f->a, n, f->earned, err);
    terms_close(t);
    json_decref(json);
    return st;
}

static float at(const fixture *f, size_t answer, size_t term)
{
    return f->earned[answer * TERMS_MAX + term];
}

static void patterns_see_the_response_or_the_answer(void **state)
{
    (void)state;
    fixture f;
    ponder_error err;
    fixture_open(&f);
    check_ok(judge(&f, "[{\"weight\": 1, \"regex\": \"is it \\\\d\"},"
                       " {\"weight\": 1, \"regex\": \"^.$\", \"form\": \"answer\"},"
                       " {\"weight\": 1, \"regex\": \"(x+x+)+y\"},"
                       " {\"weight\": 1, \"regex\": \"\", \"form\": \"answer\"}]", N, &err));
    const float want[N][4] = {{1, 0, 0, 1}, {0, 0, 0, 0}, {0, 1, 0, 1}};
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < 4; k++) assert_float_equal(at(&f, i, k), want[i][k], 0);
    fixture_close(&f);
}

static void verifiers_by_name(void **state)
{
    (void)state;
    fixture f;
    ponder_error err;
    fixture_open(&f);
    check_ok(judge(&f, "[{\"weight\": 1, \"kind\": \"math\"}, {\"weight\": 1, \"kind\": \"exact\"}]",
                   N, &err));
    assert_float_equal(at(&f, 0, 0), 1, 0);
    assert_float_equal(at(&f, 0, 1), 0, 0);
    assert_float_equal(at(&f, 1, 0), 0, 0);
    fixture_close(&f);
}

/* Tokens of bytes make texts that are not whole UTF-8; what is text in them is still looked at. */
static void patterns_see_past_broken_text(void **state)
{
    (void)state;
    fixture f;
    ponder_error err;
    fixture_open(&f);
    f.a[0].response = STR("\xE4\xBA so 7\xFF");
    check_ok(judge(&f, "[{\"weight\": 1, \"regex\": \"7\"}, {\"weight\": 1, \"regex\": \"[^s]7\"},"
                       " {\"weight\": 1, \"regex\": \"7.\"}]", 1, &err));
    const float want[] = {1, 1, 0};
    for (size_t k = 0; k < 3; k++) assert_float_equal(at(&f, 0, k), want[k], 0);
    fixture_close(&f);
}

static void some_look_only_at_open_questions(void **state)
{
    (void)state;
    fixture f;
    ponder_error err;
    fixture_open(&f);
    check_ok(judge(&f, "[{\"weight\": 1, \"regex\": \"\", \"of\": \"open\"},"
                       " {\"weight\": 1, \"regex\": \"\", \"of\": \"known\"},"
                       " {\"weight\": 1, \"regex\": \"\", \"of\": \"all\"}]", N, &err));
    const float want[N][3] = {{0, 1, 1}, {0, 1, 1}, {1, 0, 1}};
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < 3; k++) assert_float_equal(at(&f, i, k), want[i][k], 0);
    fixture_close(&f);
}

static void weights_and_names(void **state)
{
    (void)state;
    terms *t;
    json_t *list;
    ponder_error err;
    check_ok(open_list(&t, &list,
                       "[{\"weight\": -0.5, \"regex\": \"a\"}, {\"weight\": 2, \"regex\": \"b\"},"
                       " {\"weight\": 0, \"kind\": \"text\", \"name\": \"words\", \"about\": \"x\"}]",
                       false, &err));
    assert_int_equal(terms_count(t), 3);
    assert_false(terms_for_open(t));
    assert_string_equal(terms_name(t, 0), "regex");
    assert_string_equal(terms_name(t, 1), "regex_2");
    assert_string_equal(terms_name(t, 2), "words");
    assert_true(terms_weight(t, 0) == -0.5 && terms_weight(t, 2) == 0);
    assert_null(terms_verifier(t, 0));
    assert_string_equal(terms_verifier(t, 2), "text");
    terms_close(t);
    json_decref(list);
    check_ok(terms_open(&t, NULL, &PLACE, "r.json", NULL, &err));
    assert_null(t);
    assert_int_equal(terms_count(t), 0);
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[][2] = {
        {"[3]", "want an object"},
        {"[{\"weight\": 1}]", "\"regex\", \"kind\", \"program\""},
        {"[{\"weight\": 1, \"regex\": \"a\", \"kind\": \"math\"}]", "one of"},
        {"[{\"regex\": \"a\"}]", "no \"weight\""},
        {"[{\"weight\": 1, \"regex\": \"a\", \"of\": \"some\"}]", "all, open or known"},
        {"[{\"weight\": 1e9, \"regex\": \"a\"}]", "weight"},
        {"[{\"weight\": 1, \"regex\": \"(\"}]", "parenthesis"},
        {"[{\"weight\": 1, \"regex\": \"a\", \"form\": \"all\"}]", "response or answer"},
        {"[{\"weight\": 1, \"regex\": \"a\", \"timeout_s\": 1}]", "timeout_s"},
        {"[{\"weight\": 1, \"kind\": \"maths\"}]", "maths"},
        {"[{\"weight\": 1, \"regex\": \"a\", \"name\": \"a b\"}]", "letters"},
        {"[{\"weight\": 1, \"regex\": \"a\"}, {\"weight\": 1, \"regex\": \"a\", \"name\": \"regex\"}]",
         "\"rewards\" 2"},
        {"[{\"weight\": 1, \"program\": []}]", "list"},
        {"[{\"weight\": 1, \"program\": [3]}]", "list"},
        {"[{\"weight\": 1, \"program\": \"a\"}]", "list"},
        {"[{\"weight\": 1, \"program\": [\"./no/such/judge\"]}]", "./no/such/judge"},
        {"[{\"weight\": 1, \"program\": [\"cat\"], \"timeout_s\": 0}]", "timeout_s"},
    };
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        terms *t;
        json_t *list;
        ponder_error err;
        assert_int_not_equal(open_list(&t, &list, BAD[i][0], false, &err), PONDER_OK);
        assert_null(t);
        if (!strstr(err.message, BAD[i][1])) fail_msg("%s: %s", BAD[i][0], err.message);
        assert_non_null(strstr(err.message, "r.json: \"rewards\""));
        json_decref(list);
    }
}

/* A program in the shell: `body` is done for each line, $x. */
static void shell(char out[512], const char *body)
{
    snprintf(out, 512,
             "[{\"weight\": 1, \"program\": [\"/bin/sh\", \"-c\", \"while read -r x; do %s; done\"],"
             " \"timeout_s\": 20}]", body);
}

static void programs_are_told_everything_and_believed(void **state)
{
    (void)state;
    fixture f;
    ponder_error err;
    char list[512];
    fixture_open(&f);
    static const char *const TOLD[] = {
        "{\\\"id\\\":0,\\\"prompt\\\":\\\"what is ", "\\\"response\\\":\\\"<think>", "\\\"answer\\\":\\\"0.5\\\"",
        "\\\"gold\\\":\\\"1/2\\\"", "\\\"kind\\\":null", "\\\"task\\\":\\\"here.jsonl\\\"",
        "\\\"lang\\\":\\\"en\\\"", "\\\"truncated\\\":false", "\\\"puzzle\\\":{\\\"n\\\":[1,2]}",
        "\\\"row\\\":{\\\"n\\\":[1,2]}"};
    for (size_t i = 0; i < COUNT_OF(TOLD); i++) {
        char body[256];
        snprintf(body, sizeof body, "case $x in *'%s'*) echo 1;; *) echo 0;; esac", TOLD[i]);
        shell(list, body);
        check_ok(judge(&f, list, 1, &err));
        if (at(&f, 0, 0) != 1) fail_msg("not told: %s", TOLD[i]);
    }
    shell(list, "i=$((i+1)); echo '{\\\"reward\\\": -'$i'.25, \\\"why\\\": \\\"so\\\"}'");
    check_ok(judge(&f, list, N, &err));
    for (size_t i = 0; i < N; i++) assert_float_equal(at(&f, i, 0), -(float)(i + 1) - 0.25f, 0);
    fixture_close(&f);
}

static void bad_programs_are_named_with_the_answer(void **state)
{
    (void)state;
    static const char *const BAD[][2] = {
        {"i=$((i+1)); if [ $i = 2 ]; then echo oh >&2; exit 3; fi; echo 1",
         "/bin/sh ended with status 3 before answer 2 of 3, saying \"oh\""},
        {"i=$((i+1)); if [ $i = 3 ]; then echo good; else echo 1; fi",
         "printed \"good\" for answer 3 of 3"},
        {"echo NaN", "printed \"NaN\" for answer 1 of 3"},
        {"echo", "printed \"\" for answer 1"},
        {"echo 1e300", "for answer 1 of 3"},
        {"echo '{\\\"score\\\": 1}'", "for answer 1 of 3"},
        {"seq 9", "more than a line"},
        {"kill -9 $$", "signal 9 before answer 1 of 3"},
    };
    fixture f;
    fixture_open(&f);
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        char list[512];
        ponder_error err;
        shell(list, BAD[i][0]);
        assert_int_not_equal(judge(&f, list, N, &err), PONDER_OK);
        if (!strstr(err.message, BAD[i][1])) fail_msg("%s: %s", BAD[i][0], err.message);
        assert_non_null(strstr(err.message, "mend it"));
        assert_null(strchr(err.message, '\n'));
    }
    ponder_error err;
    assert_int_equal(judge(&f, "[{\"weight\": 1, \"program\": [\"sleep\", \"1000\"],"
                               " \"timeout_s\": 0.2}]", N, &err), PONDER_EIO);
    assert_non_null(strstr(err.message, "timeout_s"));
    fixture_close(&f);
}

static void rewards_as_they_may_be_written(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        float want;
    } GOOD[] = {{"1", 1}, {" -0.5\r", -0.5f}, {"true", 1}, {"false", 0}, {"1e3", 1000},
                {"{\"reward\": 0.25}", 0.25f}, {"{\"why\": [], \"reward\": true}", 1},
                {"-1000000", -1000000}, {"{\"id\": 7, \"reward\": 2}", 2}};
    static const char *const BAD[] = {"", "one", "NaN", "Infinity", "1e400", "1000001", "null", "[1]",
                                      "\"1\"", "1 2", "{}", "{\"reward\": \"1\"}",
                                      "{\"reward\": null}", "{\"reward\": 1", "0x10", "{\"id\": 8, \"reward\": 1}",
                                      "{\"id\": \"7\", \"reward\": 1}"};
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        float r = NAN;
        assert_true(term_read_reward(&r, str_of(GOOD[i].line), 7));
        assert_float_equal(r, GOOD[i].want, 0);
    }
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        float r = 7;
        if (term_read_reward(&r, str_of(BAD[i]), 7)) fail_msg("%s", BAD[i]);
        assert_float_equal(r, 7, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_see_the_response_or_the_answer),
        cmocka_unit_test(verifiers_by_name),
        cmocka_unit_test(patterns_see_past_broken_text),
        cmocka_unit_test(some_look_only_at_open_questions),
        cmocka_unit_test(weights_and_names),
        cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(programs_are_told_everything_and_believed),
        cmocka_unit_test(bad_programs_are_named_with_the_answer),
        cmocka_unit_test(rewards_as_they_may_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
