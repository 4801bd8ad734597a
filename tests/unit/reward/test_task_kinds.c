/* The kinds that tasks brought: digits and assignment.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "reward/reward.h"

static ponder_error err;

static bool same(const char *kind, const char *gold, const char *prediction)
{
    const reward_question q = {str_of(kind), str_of(gold), NULL};
    reward_verdict v;
    check_ok(reward_verify(&v, &q, str_of(prediction), REWARD_ANSWER, &err));
    assert_non_null(v.reason);
    return v.equal;
}

static void digits(void **state)
{
    (void)state;
    const char *const right[][2] = {{"1f", "1f"}, {"1f", "1F"}, {"1f", "001f"}, {"0", "0"},
                                    {"0", "000"}, {"101", " 101\n"}};
    const char *const wrong[][2] = {{"1f", "f1"}, {"1f", "1f0"}, {"1f", ""}, {"101", "5"},
                                    {"101", "101.0"}, {"101", "1 01"}, {"101", "-101"},
                                    {"101", "101 or 110"}, {"0", ""}, {"10", "1０"}};
    for (size_t i = 0; i < COUNT_OF(right); i++)
        assert_true(same("digits", right[i][0], right[i][1]));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (same("digits", wrong[i][0], wrong[i][1])) fail_msg("%s = %s", wrong[i][0], wrong[i][1]);
}

static void assignment(void **state)
{
    (void)state;
    const char *const two = "x = 3, y = -2", *const one = "x = 3";
    const char *const right[] = {
        "x = 3, y = -2", "x=3,y=-2",      "y = -2, x = 3",     "x = 3 and y = -2",
        "x = +3; y = - 2", "x = 03 y = -2", "x = 3，y = −2", "$x = 3$, $y = -2$",
    };
    for (size_t i = 0; i < COUNT_OF(right); i++)
        if (!same("assignment", two, right[i])) fail_msg("%s", right[i]);
    const char *const wrong[] = {
        "x = 3", "x = -2, y = 3", "3, -2", "x = 3, x = 3", "x = 3, y = -2, z = 0",
        "x = 3, y = -2, y = 5", "x = 3, y = -2/1", "x = 3.0, y = -2", "x = 3 or 4, y = -2",
        "x = 3, y = ", "", ",", "x", "x = 3, y = -2 x", "x = 3, y = 18446744073709551614",
        "x == 3, y = -2", "x = --3, y = -2", "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,x=3,y=-2",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (same("assignment", two, wrong[i])) fail_msg("%s", wrong[i]);
    assert_true(same("assignment", one, "3"));
    assert_true(same("assignment", one, "x = 3"));
    assert_false(same("assignment", one, "y = 3"));
    assert_false(same("assignment", one, "-3"));
    assert_false(same("assignment", one, "3, 3"));
    assert_false(same("assignment", one, "x = 3x"));
    /* Every prefix of an answer is judged without harm, and only the whole is right. */
    for (size_t n = 0; n < strlen(two); n++) {
        const reward_question q = {STR("assignment"), str_of(two), NULL};
        reward_verdict v;
        check_ok(reward_verify(&v, &q, (str){two, n}, REWARD_ANSWER, &err));
        assert_false(v.equal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digits), cmocka_unit_test(assignment)};
    return cmocka_run_group_tests_name("task kinds", tests, NULL, NULL);
}
