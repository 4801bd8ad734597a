/* What counts as the answer in a response.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "reward/reward.h"

#include <stdlib.h>

/* NULL: no answer. */
static void expect(enum reward_form form, const char *response, const char *want)
{
    str got;
    const char *reason = NULL;
    bool found = reward_extract(&got, str_of(response), form, &reason);
    if (found != (want != NULL))
        fail_msg("%s: %s (%s)", response, found ? "found" : "nothing", reason);
    if (want && !str_eq(got, str_of(want))) fail_msg("%s: \"%.*s\"", response, STR_ARG(got));
    if (!want) assert_non_null(reason);
}

static void strict(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {"so \\boxed{42}.", "42"},
        {"\\boxed{1} then \\boxed{2}", "2"},
        {"\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"},
        {"\\boxed{\\{1,2\\}}", "\\{1,2\\}"},
        {"\\boxed{\\boxed{5}}", "\\boxed{5}"},
        {"\\boxed{3} and \\boxed{4", "3"},
        {"\\boxed{4", NULL},
        {"\\boxed{}", NULL},
        {"\\boxed{  }", NULL},
        {"\\fbox{7}", "7"},
        {"\\boxed 5", "5"},
        {"\\boxed -12 apples", "-12"},
        {"\\boxed x", "x"},
        {"\\boxed{5}} \\boxed{6}", "6"},
        {"{{ \\boxed{5} \\boxed{6}", "6"},
        {"boxed{5}", NULL},
        {"The answer is 5.", NULL},
        {"", NULL},
        {"<think>\\boxed{5}</think>", NULL},
        {"<think>\\boxed{5}</think> done", NULL},
        {"<think>\\boxed{5}</think>\\boxed{6}", "6"},
        {"<think>\\boxed{5}", NULL},
        {"<think>a</think>\\boxed{5}<think>b", NULL},
        {"a</think>\\boxed{5}", "5"},
        {"<think>a</think>\\boxed{5}<think>b</think>\\boxed{6}", "6"},
        {"<answer>5</answer>", "5"},
        {"<answer> \\boxed{5} </answer>", "5"},
        {"<answer>4</answer> no: <answer>5</answer>", "5"},
        {"<answer>5", NULL},
        {"<answer></answer>5", NULL},
        {"5</answer>", NULL},
        {"\\boxed{4} <answer>5</answer>", "5"},
        {"<think><answer>5</answer></think>", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        expect(REWARD_RESPONSE, CASES[i][0], CASES[i][1]);
        /* Whatever the strict form finds, the lenient one finds too. */
        if (CASES[i][1]) expect(REWARD_LENIENT, CASES[i][0], CASES[i][1]);
        expect(REWARD_ANSWER, CASES[i][0], CASES[i][0]);
    }
}

static void lenient(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {"The answer is 5.", "5"},
        {"the final answer is $x=2$. I hope it is correct.", "x=2"},
        {"Answer: B", "B"},
        {"Answer: A\nAnswer: B", "B"},
        {"**Answer:** 12", "12"},
        {"work\n#### 1,200", "1,200"},
        {"Final Answer: The sum is 19.", "19"},
        {"\xe7\xad\x94\xe6\xa1\x88\xef\xbc\x9a"
         "12",
         "12"},
        {"So $x = 3$ and therefore $y \\ge 4$ is it.", "y \\ge 4"},
        {"There are 12 ways and then 15 more", "15"},
        {"about 2/3", "2/3"},
        {"it fell to -4", "-4"},
        {"AZ2K", NULL},
        {"I do not know", NULL},
        {"<think>The answer is 5", NULL},
        {"<think>The answer is 5</think>It is 6", "6"},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) expect(REWARD_LENIENT, CASES[i][0], CASES[i][1]);
}

static void code(void **state)
{
    (void)state;
    str language, body;
    assert_true(reward_extract_code(
        &language, &body, STR("```c\nint a;\n```\ntext\n```python\nx = 1\ny = 2\n```\n")));
    assert_true(str_eq(language, STR("python")));
    assert_true(str_eq(body, STR("x = 1\ny = 2\n")));
    assert_true(reward_extract_code(&language, &body, STR("```\nx\n```")));
    assert_int_equal(language.n, 0);
    assert_true(str_eq(body, STR("x\n")));
    assert_true(reward_extract_code(&language, &body, STR("```c\n```")));
    assert_int_equal(body.n, 0);
    assert_false(reward_extract_code(&language, &body, STR("<think>```c\nint a;\n```")));
    assert_false(reward_extract_code(&language, &body, STR("no code")));
}

/* A megabyte of any of these is read in one pass or few. */
static void long_responses(void **state)
{
    (void)state;
    static const char *const PIECES[] = {
        "\\boxed{", "\\boxed ", "<answer>", "</answer>",  "<think>", "</think>",   "$",  "\\[",
        "{",        "}",        "1,",       "answer is ", "```\n",   "\\boxed{1}", "\\("};
    for (size_t i = 0; i < COUNT_OF(PIECES); i++) {
        buf text = {0};
        while (text.n < 1 << 20) buf_add_str(&text, str_of(PIECES[i]));
        assert_false(text.failed);
        double start = check_cpu_seconds();
        str found;
        for (int form = REWARD_RESPONSE; form <= REWARD_LENIENT; form++)
            reward_extract(&found, buf_str(&text), (enum reward_form)form, NULL);
        double took = check_cpu_seconds() - start;
        if (took > 2) fail_msg("1 MB of \"%s\" took %.2f s", PIECES[i], took);
        buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict),
        cmocka_unit_test(lenient),
        cmocka_unit_test(code),
        cmocka_unit_test(long_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
