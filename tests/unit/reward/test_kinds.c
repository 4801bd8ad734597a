/* Verifiers without computer algebra: text, integer, choice, regex, json, format, language.
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"
#include "tests/check.h"

#include <stdlib.h>

typedef struct row {
    bool equal;
    const char *gold, *answer;
} row;

static bool judge(const char *kind, const char *gold, const char *puzzle, str answer)
{
    ponder_error err;
    json_t *p = NULL;
    reward_verdict v;
    if (puzzle) check_ok(json_parse(&p, str_of(puzzle), "puzzle", &err));
    reward_question q = {str_of(kind), str_of(gold), p};
    ponder_status st = reward_verify(&v, &q, answer, REWARD_ANSWER, &err);
    if (st != PONDER_OK) fail_msg("%s \"%s\": %s", kind, gold, err.message);
    assert_non_null(v.reason);
    json_decref(p);
    return v.equal;
}

static void check_rows(const char *kind, const row *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (judge(kind, r[i].gold, NULL, str_of(r[i].answer)) != r[i].equal)
            fail_msg("%s: gold \"%s\", answer \"%s\" must be %s", kind, r[i].gold, r[i].answer,
                     r[i].equal ? "equal" : "different");
}

static void check_errors(const char *kind, const char *puzzle, const char *gold,
                         const char *message)
{
    ponder_error err = {0};
    json_t *p = NULL;
    reward_verdict v;
    if (puzzle) check_ok(json_parse(&p, str_of(puzzle), "puzzle", &err));
    reward_question q = {str_of(kind), str_of(gold), p};
    assert_int_equal(reward_verify(&v, &q, STR("1"), REWARD_ANSWER, &err), PONDER_EFORMAT);
    assert_string_equal(err.message, message);
    assert_false(v.equal);
    json_decref(p);
}

static void test_text(void **state)
{
    (void)state;
    static const row ROW[] = {
        {true, "Northeast", "northeast"},
        {true, "north east", " North \t East. "},
        {true, "Paris", "\"Paris\"."},
        {true, "Paris", "**Paris**"},
        {true, "Paris", "“Paris”"},
        {true, "Straße", "STRASSE"},
        {true, "北京", "「北京」。"},
        {true, "ABC", "ＡＢＣ"},
        {true, "caf\xC3\xA9", "cafe\xCC\x81"},
        {true, "na\xC3\xAFve", "NA\xC3\x8FVE"},
        {true, "yes",
         "y\xE2\x80\x8B"
         "es"}, /* zero-width space */
        {true, "?", "?"},
        {true, "[\"colour\",\"color\"]", "Color"},
        {true, "[\"colour\",\"color\"]", "colour."},
        {true, "[1, 2]", "[1, 2]"},
        {false, "Northeast", "east"},
        {false, "east", "Northeast"},
        {false, "east", "east or west"},
        {false, "east", "not east"},
        {false, "east", "east, west"},
        {false, "east", "The answer is east"},
        {false, "east", "east east"},
        {false, "[\"colour\",\"color\"]", "colour, color"},
        {false, "[\"colour\",\"color\"]", "[\"colour\",\"color\"]"},
        {false, "C++", "C"},
        {false, "C#", "C"},
        {false, "5!", "5"},
        {false, "-5", "5"},
        {false, ".5", "5"},
        {false, "5%", "5"},
        {false, "x\xC2\xB2", "x2"},
        {false, "(1,2)", "1,2"},
        {false, "Paris", ""},
        {false, "Paris", " . "},
        {false, "Paris", "\xFF\xFE"},
        {false, "?", "!"},
    };
    check_rows("text", ROW, COUNT_OF(ROW));
    check_errors("text", NULL, "  ", "kind text: \"gold\" is empty");
}

static void test_integer(void **state)
{
    (void)state;
    static const row ROW[] = {
        {true, "42", " 42. "},
        {true, "42", "+42"},
        {true, "42", "0042"},
        {true, "42", "42.000"},
        {true, "-42",
         "\xE2\x88\x92"
         "42"},
        {true, "0", "-0"},
        {true, "1234567", "1,234,567"},
        {true, "1234567", "1 234 567"},
        {true, "1234567", "１２３４５６７"},
        {true, "1234567", "１，２３４，５６７"},
        {true, "1,234", "1234"},
        {true, "123456789012345678901234567890", "123,456,789,012,345,678,901,234,567,890"},
        {false, "123456789012345678901234567890", "123456789012345678901234567891"},
        {false, "9007199254740993", "9007199254740992"},
        {false, "1234", "12,34"},
        {false, "1234", "1,2345"},
        {false, "1234567", "1,234 567"},
        {false, "1234567", "1234,567"},
        {false, "125", "0,125"},
        {false, "42", "42.5"},
        {false, "42", "-42"},
        {false, "42", "42 or 43"},
        {false, "42", "42, 43"},
        {false, "42", "x=42"},
        {false, "42", "4.2e1"},
        {false, "42", "42%"},
        {false, "52", "5\xC2\xB2"},
        {false, "42", ""},
        {false, "42", "--42"},
        {false, "0", "-"},
        {false, "0", "."},
        {false, "42", "forty-two"},
    };
    check_rows("integer", ROW, COUNT_OF(ROW));
    check_errors("integer", NULL, "4.5", "kind integer: \"gold\" \"4.5\" is not a whole number");
}

static void test_choice(void **state)
{
    (void)state;
    static const row ROW[] = {
        {true, "B", "B"},
        {true, "B", "b"},
        {true, "B", "(B)"},
        {true, "B", "[B]"},
        {true, "B", "B."},
        {true, "B", "B)"},
        {true, "B", "Ｂ"},
        {true, "B", "（Ｂ）"},
        {true, "B", "**B**"},
        {true, "B", "$B$"},
        {true, "B", "\\text{B}"},
        {true, "B", "\\textbf{(B)}"},
        {true, "B", "Answer: B"},
        {true, "B", "The correct answer is (B)."},
        {true, "B", "Option B"},
        {true, "B", "选B"},
        {true, "B", "答案是B。"},
        {true, "B", "正确答案：Ｂ"},
        {true, "B", "故选：B"},
        {true, "B", "B) Vitamin C"},
        {true, "B", "B) Vitamin C."},
        {true, "B", "(B) a dog"},
        {true, "B", "B. Not enough information"},
        {true, "B", "B: f(x) = 2"},
        {true, "B", "B、北京"},
        {true, "J", "J"},
        {true, "I", "I"},
        {true, "A,C", "A, C"},
        {true, "A,C", "CA"},
        {true, "A,C", "C and A"},
        {true, "A,C", "A、C"},
        {true, "[\"A\",\"C\"]", "(A) and (C)"},
        {true, "AC", "选AC"},
        {false, "B", "A"},
        {false, "B", "K"},
        {false, "B", "AB"},
        {false, "B", "A, B"},
        {false, "B", "A and B"},
        {false, "B", "A or B"},
        {false, "B", "B or C"},
        {false, "B", "A/B"},
        {false, "B", "B/C"},
        {false, "B", "A, B, C, D"},
        {false, "B", "ABCD"},
        {false, "B", "A. B. C. D."},
        {false, "B", "A) x B) y"},
        {false, "B", "B) x or C) y"},
        {false, "B", "B) x, (C) y"},
        {false, "B", "B. x C. y"},
        {false, "B", "B: x; C: y"},
        {false, "B", "B) x or C"},
        {false, "B", "B) is wrong"},
        {false, "B", "not B"},
        {false, "B", "The answer is not B"},
        {false, "B", "B is wrong"},
        {false, "B", "Be"},
        {false, "B", "Because"},
        {false, "B", "B?"},
        {false, "B", "B B"},
        {false, "B", "B, B"},
        {false, "B", "(B"},
        {false, "B", ""},
        {false, "B", "\xFF"},
        {false, "A", "A dog"},
        {false, "A,C", "A"},
        {false, "A,C", "A, B, C"},
        {false, "A,C", "A or C"},
    };
    check_rows("choice", ROW, COUNT_OF(ROW));
    check_errors("choice", NULL, "K",
                 "kind choice: \"gold\" \"K\" is neither a letter A to J nor a list of such");
    check_errors("choice", "{\"choices\":3}", "A",
                 "kind choice: \"puzzle.choices\" must be a list of texts");
    const char *cities = "{\"choices\":[\"Rome\",\"Paris\",\"Rome and Paris\",\"Bonn\"]}";
    assert_true(judge("choice", "B", cities, STR("B) Paris")));
    assert_true(judge("choice", "B", cities, STR("paris")));
    assert_true(judge("choice", "C", cities, STR("Rome and Paris")));
    assert_false(judge("choice", "B", cities, STR("B) Rome")));
    assert_false(judge("choice", "B", cities, STR("Rome, Paris")));
    assert_false(judge("choice", "B", cities, STR("not Paris")));
}

static void test_regex(void **state)
{
    (void)state;
    static const row ROW[] = {
        {true, "a+b", "aaab"},
        {true, "(?i)yes|y", "YES"},
        {true, "\\d{3}-\\d{4}", "555-1234"},
        {true, "[\\p{Han}]+", "北京"},
        {true, "", ""},
        {false, "a+b", "xaab"},
        {false, "a+b", "aab\n"},
        {false, "a|ab", "abc"},
        {false, "^a+b$", "c\naab"},
        {false, "a+", "\xFF"},
        {false, "(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"},
        {false, "(?:(a)|b|\\g<0>)*c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    };
    check_rows("regex", ROW, COUNT_OF(ROW));
    assert_true(judge("regex", "a|ab", NULL, STR("ab"))); /* the whole, not the first alternative */
    check_errors("regex", NULL, "a(b",
                 "kind regex: \"gold\": regular expression \"a(b\": missing closing parenthesis at "
                 "byte 3");
    check_errors("regex", NULL, "\\C",
                 "kind regex: \"gold\": regular expression \"\\C\": using \\C is disabled by the "
                 "application at byte 2");
    /* Hours for a matcher without a budget. */
    buf b = {0};
    for (int i = 0; i < 200000; i++) buf_add_char(&b, 'a');
    double start = check_cpu_seconds();
    assert_false(judge("regex", "(.*)(.*)(.*)(.*)(.*)[b]", NULL, buf_str(&b)));
    assert_true(judge("regex", "(a|b)*+", NULL, buf_str(&b)));
    assert_true(check_cpu_seconds() - start < 20);
    buf_free(&b);
}

static void test_json(void **state)
{
    (void)state;
    static const row ROW[] = {
        {true, "{\"a\":[1,2],\"b\":null}", " {\"b\":null, \"a\":[1.0,2]}\n"},
        {true, "3", "3.0"},
        {true, "\"x\"", "\"\\u0078\""},
        {true, "100", "1e2"},
        {false, "{\"a\":1}", "{\"a\":1,\"b\":2}"},
        {false, "{\"a\":1,\"b\":2}", "{\"a\":1}"},
        {false, "{\"a\":1}", "{\"a\":2,\"a\":1}"},
        {false, "{\"a\":1}", "{'a':1}"},
        {false, "{\"a\":1}", "{\"a\":1,}"},
        {false, "{\"a\":1}", "{\"a\":1} {\"a\":2}"},
        {false, "{\"a\":1}", "{\"a\":\"1\"}"},
        {false, "[1,2]", "[2,1]"},
        {false, "1", "true"},
        {false, "0", "false"},
        {false, "null", ""},
        {false, "9007199254740993", "9007199254740992"},
        {false, "9007199254740993", "9007199254740992.0"},
    };
    check_rows("json", ROW, COUNT_OF(ROW));
    const char *person = "{\"schema\":{\"type\":\"object\",\"required\":[\"name\"],\"properties\":"
                         "{\"name\":{\"type\":\"string\"},\"age\":{\"minimum\":0}},"
                         "\"additionalProperties\":false}}";
    assert_true(judge("json", "", person, STR("{\"name\":\"Bo\",\"age\":3}")));
    assert_false(judge("json", "", person, STR("{\"name\":\"Bo\",\"age\":-3}")));
    assert_false(judge("json", "", person, STR("{\"name\":\"Bo\",\"x\":1}")));
    assert_false(judge("json", "", person, STR("name: Bo")));
    assert_true(judge("json", "{\"name\":\"Bo\"}", person, STR("{\"name\":\"Bo\"}")));
    assert_false(judge("json", "{\"name\":\"Bo\"}", person, STR("{\"name\":\"Al\"}")));
    assert_false(judge("json", "", "{\"schema\":{\"$ref\":\"#\"}}", STR("1")));
    check_errors("json", "{\"schema\":{\"type\":\"text\"}}", "",
                 "puzzle.schema#/type: must be the name of a JSON type, or a list of such");
    check_errors(
        "json", NULL, "{",
        "kind json: \"gold\": not valid JSON at line 1 column 1: string or '}' expected near "
        "end of file");
}

static void test_terms_as_kinds(void **state)
{
    (void)state;
    const char *opened = "{\"opened\":true}", *half = "{\"share\":0.5}";
    assert_true(judge("format", "think", NULL, STR("<think>so</think>4")));
    assert_false(judge("format", "think", NULL, STR("so</think>4")));
    assert_true(judge("format", "think", opened, STR("so</think>4")));
    assert_true(
        judge("format", "think_answer", NULL, STR("<think>so</think>\n<answer>4</answer>\n")));
    assert_false(judge("format", "think_answer", NULL, STR("<think>so</think>4")));
    assert_true(judge("language", "en", NULL, STR("This is the whole of it.")));
    assert_false(judge("language", "zh", NULL, STR("This is the whole of it.")));
    assert_true(judge("language", "zh", half, STR("所以答案是四 because it is")));
    assert_false(judge("language", "zh", NULL, STR("所以答案是四 because it is")));
    check_errors("format", NULL, "box",
                 "kind format: \"gold\" \"box\" must be \"think\" or \"think_answer\"");
    check_errors(
        "language", NULL, "xx",
        "kind language: \"gold\" \"xx\" must be one of en de fr es it pt nl zh ja ko ru el ar "
        "he hi th");
    check_errors("language", "{\"share\":\"all\"}", "en",
                 "kind language: \"puzzle.share\" must be a number");
}

/* A megabyte of anything is decided, and soon. */
static void test_large(void **state)
{
    (void)state;
    static const char *const PIECE[] = {"9", "(",   "**", "A, ", "\"",  "\xCC\x81",
                                        "[", "a b", "$x", "$ ",  "\\(", "。"};
    static const char *const KIND[] = {"text", "integer", "choice", "json", "format", "language"};
    static const char *const GOLD[] = {"x", "1", "A", "{}", "think", "en"};
    double start = check_cpu_seconds();
    for (size_t p = 0; p < COUNT_OF(PIECE); p++) {
        buf b = {0};
        while (b.n < 1 << 20) buf_add_str(&b, str_of(PIECE[p]));
        for (size_t k = 0; k < COUNT_OF(KIND); k++) {
            bool equal = judge(KIND[k], GOLD[k], NULL, buf_str(&b));
            assert_true(!equal || strcmp(KIND[k], "language") == 0);
        }
        buf_free(&b);
    }
    assert_true(check_cpu_seconds() - start < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),   cmocka_unit_test(test_integer),
        cmocka_unit_test(test_choice), cmocka_unit_test(test_regex),
        cmocka_unit_test(test_json),   cmocka_unit_test(test_terms_as_kinds),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
