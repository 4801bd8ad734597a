/* Rows, rules of comparison and frames: what a judge does without running anything.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "reward/code/code_int.h"
#include "reward/reward.h"

static json_t *parse(const char *text)
{
    ponder_error err;
    json_t *v;
    check_ok(json_parse(&v, str_of(text), "test", &err));
    return v;
}

/* ---- comparison ---------------------------------------------------------------------------------- */

static bool same(enum code_rule rule, bool nocase, double tolerance, const char *want, const char *got)
{
    const code_task t = {.rule = rule, .nocase = nocase, .tolerance = tolerance};
    const char *reason;
    return code_same_output(&t, str_of(want), str_of(got), &reason);
}

static void test_tokens(void **state)
{
    (void)state;
    assert_true(same(CODE_TOKENS, false, 0, "1 2\n3\n", "1  2 3"));
    assert_true(same(CODE_TOKENS, false, 0, "", " \n"));
    assert_false(same(CODE_TOKENS, false, 0, "1 2\n", "1"));
    assert_false(same(CODE_TOKENS, false, 0, "1\n", "1 2"));
    assert_false(same(CODE_TOKENS, false, 0, "1", ""));
    assert_false(same(CODE_TOKENS, false, 0, "YES", "yes"));
    assert_true(same(CODE_TOKENS, true, 0, "YES", "yes"));
    assert_false(same(CODE_TOKENS, false, 0, "1.0", "1.00"));
    const code_task t = {.rule = CODE_TOKENS};
    const char *reason;
    assert_false(code_same_output(&t, STR("a"), STR("a\0b"), &reason));
    assert_true(code_same_output(&t, STR("\xff\xfe"), STR("\xff\xfe\n"), &reason));
}

static void test_lines(void **state)
{
    (void)state;
    assert_true(same(CODE_LINES, false, 0, "a b\nc\n", "a b  \nc\n\n\n"));
    assert_true(same(CODE_LINES, false, 0, "a\r\nb\r\n", "a\nb"));
    assert_false(same(CODE_LINES, false, 0, "a b", "a  b"));
    assert_false(same(CODE_LINES, false, 0, " a", "a"));
    assert_false(same(CODE_LINES, false, 0, "a\n\nb", "a\nb"));
    assert_false(same(CODE_LINES, false, 0, "a\nb", "a"));
    assert_false(same(CODE_LINES, false, 0, "a", "a\nb"));
    assert_true(same(CODE_EXACT, false, 0, "a\n", "a\n"));
    assert_false(same(CODE_EXACT, false, 0, "a\n", "a"));
    assert_true(same(CODE_UNORDERED, false, 0, "b\na\na\n", "a\nb\na"));
    assert_false(same(CODE_UNORDERED, false, 0, "b\na\na\n", "a\nb\nb"));
    assert_false(same(CODE_UNORDERED, false, 0, "a\n", "a\na"));
    assert_true(same(CODE_UNORDERED, true, 0, "B\na\n", "A\nb"));
}

static void test_float(void **state)
{
    (void)state;
    assert_true(same(CODE_FLOAT, false, 1e-6, "0.3333333", "0.33333335"));
    assert_true(same(CODE_FLOAT, false, 1e-6, "1000000000", "1000000000.5"));
    assert_true(same(CODE_FLOAT, false, 1e-6, "x 1", "x 1.0000000001"));
    assert_false(same(CODE_FLOAT, false, 1e-6, "0.3333", "0.3334"));
    assert_false(same(CODE_FLOAT, false, 1e-6, "1", "nan"));
    assert_false(same(CODE_FLOAT, false, 1e-6, "1", "inf"));
    assert_false(same(CODE_FLOAT, false, 1e-6, "1", "1e999"));
    assert_false(same(CODE_FLOAT, false, 1e-6, "1", "0x1"));
    assert_false(same(CODE_FLOAT, false, 1e-6, "1", "1x"));
    assert_true(same(CODE_FLOAT, false, 1e-6, "nan", "nan"));
    assert_false(same(CODE_FLOAT, false, 1e-6, "1 2", "1"));
}

static bool same_json(const char *want, const char *got, double tolerance)
{
    json_t *a = parse(want), *b = parse(got);
    bool r = code_same_value(a, b, tolerance);
    json_decref(a);
    json_decref(b);
    return r;
}

static void test_values(void **state)
{
    (void)state;
    assert_true(same_json("[1, [2, \"a\", null]]", "[1,[2,\"a\",null]]", 0));
    assert_true(same_json("{\"a\": 1, \"b\": [2]}", "{\"b\": [2], \"a\": 1}", 0));
    assert_true(same_json("1", "1.0", 0));
    assert_true(same_json("true", "1", 0));
    assert_false(same_json("\"1\"", "1", 0));
    assert_false(same_json("null", "0", 0));
    assert_false(same_json("[]", "{}", 0));
    assert_false(same_json("[1, 2]", "[1]", 0));
    assert_false(same_json("{\"a\": 1}", "{\"a\": 1, \"b\": 2}", 0));
    assert_false(same_json("0.1", "0.10000000000000002", 0));
    assert_true(same_json("0.1", "0.10000000000000002", 1e-9));
    assert_false(same_json("9007199254740993", "9007199254740992.0", 0));
    assert_true(same_json("9007199254740992", "9007199254740992.0", 0));
    assert_false(same_json("9223372036854775807", "9223372036854775808.0", 0));
    assert_false(same_json("true", "1.0000001", 1e-3));
}

/* ---- rows ---------------------------------------------------------------------------------------- */

static ponder_status row_status(const char *text, ponder_error *err)
{
    json_t *row = parse(text);
    code_task t;
    ponder_status st = code_task_parse(&t, row, "line 7", err);
    json_decref(row);
    return st;
}

static void test_bad_rows(void **state)
{
    (void)state;
    static const struct {
        const char *row, *says;
    } BAD[] = {
        {"[]", "object"},
        {"{}", "\"code\" or \"prediction\""},
        {"{\"code\":\"x\"}", "language"},
        {"{\"code\":\"x\",\"language\":\"rust\",\"tests\":[{\"input\":\"\",\"output\":\"\"}]}", "rust"},
        {"{\"code\":\"x\",\"language\":\"c\"}", "tests"},
        {"{\"code\":\"x\",\"language\":\"c\",\"tests\":[]}", "tests"},
        {"{\"code\":\"x\",\"language\":\"c\",\"tests\":[{\"input\":\"\"}]}", "item 1"},
        {"{\"code\":\"x\",\"language\":\"c\",\"tests\":[{\"input\":1,\"output\":\"\"}]}", "item 1"},
        {"{\"code\":1,\"language\":\"c\",\"tests\":[{\"input\":\"\",\"output\":\"\"}]}", "code"},
        {"{\"code\":\"x\",\"language\":\"c\",\"tests\":[{\"input\":\"\",\"output\":\"\"}],\"checker\":\"magic\"}", "magic"},
        {"{\"code\":\"x\",\"language\":\"c\",\"tests\":[{\"input\":\"\",\"output\":\"\"}],\"checker\":\"special: any\"}", "checker_code"},
        {"{\"code\":\"x\",\"language\":\"c\",\"tests\":[{\"input\":\"\",\"output\":\"\"}],\"time_limit_ms\":0}", "time_limit_ms"},
        {"{\"code\":\"x\",\"language\":\"c\",\"tests\":[{\"input\":\"\",\"output\":\"\"}],\"float_tolerance\":2}", "float_tolerance"},
        {"{\"code\":\"x\",\"language\":\"c\",\"entry_point\":\"f\",\"cases\":[{\"args\":[],\"expect\":1}]}", "python"},
        {"{\"code\":\"x\",\"entry_point\":\"f g\",\"cases\":[{\"args\":[],\"expect\":1}]}", "entry_point"},
        {"{\"code\":\"x\",\"entry_point\":\"f\",\"cases\":[{\"args\":1,\"expect\":1}]}", "item 1"},
    };
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        ponder_error err = {0};
        if (row_status(BAD[i].row, &err) == PONDER_OK) fail_msg("%s was taken", BAD[i].row);
        if (!strstr(err.message, BAD[i].says) || !strstr(err.message, "line 7"))
            fail_msg("%s: \"%s\" without \"%s\"", BAD[i].row, err.message, BAD[i].says);
    }
}

static void check_code(const char *response, const char *language, const char *code)
{
    str l, c;
    bool found = reward_extract_code(&l, &c, str_of(response));
    assert_int_equal(found, code != NULL);
    if (!code) return;
    if (!str_eq(l, str_of(language)) || !str_eq(c, str_of(code)))
        fail_msg("\"%.*s\" \"%.*s\" from %s", STR_ARG(l), STR_ARG(c), response);
}

static void test_extraction(void **state)
{
    (void)state;
    check_code("```c\none\n```\ntext\n```python\ntwo\n```\n", "python", "two\n");
    check_code("<think>\n```c\none\n```\n</think>\nno block", "", NULL);
    check_code("<think>\n```c\none\n```\n", "", NULL);
    check_code("<think>\n```c\none\n```\n</think>```py\ntwo\n```", "py", "two\n");
    check_code("````c\n```\ninner\n```\n````", "c", "```\ninner\n```\n");
    check_code("~~~\nx\n~~~", "", "x\n");
    check_code("no code", "", NULL);
    check_code("", "", NULL);
}

/* ---- frames -------------------------------------------------------------------------------------- */

#define NONCE "0123456789abcdef0123456789abcdef"

static bool frames(const char *text, enum code_call out[3])
{
    json_t *cases = parse("[{\"args\":[],\"expect\":1},{\"args\":[],\"expect\":\"a\"},{\"args\":[],\"expect\":[2]}]");
    const code_task t = {.cases = cases, .total = 3};
    bool clean = code_read_frames(out, &t, str_of(text), NONCE, NULL);
    json_decref(cases);
    return clean;
}

static void test_frames(void **state)
{
    (void)state;
    enum code_call c[3];
    assert_true(frames(NONCE " v 0 1\n" NONCE " v 1 \"a\"\n" NONCE " v 2 [2]\n", c));
    for (int i = 0; i < 3; i++) assert_int_equal(c[i], CALL_SAME);
    assert_true(frames(NONCE " v 0 2\n" NONCE " e 1 \"ValueError: x\"\n" NONCE " v 2 [2", c));
    assert_int_equal(c[0], CALL_OTHER);
    assert_int_equal(c[1], CALL_RAISED);
    assert_int_equal(c[2], CALL_MISSING);
    assert_true(frames(NONCE " e 0 \"MemoryError: \"\n" NONCE " u 1 \"no form\"\n" NONCE " v 2 {\n", c));
    assert_int_equal(c[0], CALL_MEMORY);
    assert_int_equal(c[1], CALL_OTHER);
    assert_int_equal(c[2], CALL_OTHER);
    static const char *const FOREIGN[] = {
        "hello\n", "\n", "0123456789abcdef0123456789abcdee v 0 1\n", NONCE " v 1 \"a\"\n",
        NONCE " v 0 1\n" NONCE " v 0 1\n", NONCE " x 0 1\n", NONCE " v -1 1\n", NONCE " v  1\n",
        NONCE " v 0 1\n" NONCE " v 1 \"a\"\n" NONCE " v 2 [2]\n" NONCE " v 3 1\n",
        NONCE " v 99999999999999999999 1\n"};
    for (size_t i = 0; i < COUNT_OF(FOREIGN); i++)
        if (frames(FOREIGN[i], c)) fail_msg("taken: %s", FOREIGN[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),   cmocka_unit_test(test_lines),      cmocka_unit_test(test_float),
        cmocka_unit_test(test_values),   cmocka_unit_test(test_bad_rows),   cmocka_unit_test(test_extraction),
        cmocka_unit_test(test_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
