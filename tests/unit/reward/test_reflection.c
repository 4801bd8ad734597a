/* reflection: words that look back, and words that only look so.
 * SPDX-License-Identifier: MIT */
#include "reward/reflection.h"
#include "reward/task/task.h"
#include "tests/check.h"

static void expect(const char *text, size_t verification, size_t backtracking)
{
    reward_reflection r = reward_reflect(str_of(text));
    if (r.verification != verification || r.backtracking != backtracking)
        fail_msg("\"%s\": %zu verifications, %zu ways back", text, r.verification, r.backtracking);
}

static void english_words(void **state)
{
    (void)state;
    expect("", 0, 0);
    expect("Let me check: 3+4=7.", 1, 0);
    expect("CHECK this, then verify that; rechecking", 3, 0);
    expect("Wait, that is wrong. Let me try again.", 0, 3);
    expect("Hold on. Actually, 7 doesn't work", 0, 3);
    expect("We await the paycheck of a waiter in Checkers", 0, 0);
    expect("check", 1, 0);
    expect("nothing wrong here", 0, 0);
    expect("x instead of y; y instead", 0, 1);
}

static void no_at_the_end_of_a_line(void **state)
{
    (void)state;
    expect("7+70=76 no\n7+70=77", 0, 1);
    expect("7+70=76 no  \r\n7+70=77", 0, 1);
    expect("no", 0, 0);
    expect("No, that leaves 3.", 0, 1);
    expect("It is 4. No, 5.", 0, 1);
    expect("there is no way and so no, none", 0, 0);
    expect("casino\npiano", 0, 0);
}

static void chinese_words(void **state)
{
    (void)state;
    expect("检查：3+4=7", 1, 0);
    expect("7+70=76 不对\n7+70=77", 0, 1);
    expect("重新检查一下", 1, 0);
    expect("重新算", 0, 1);
    expect("看看对不对，再验证", 1, 0);
    expect("矩阵不对称", 0, 0);
    expect("等等，错了", 0, 2);
    expect("苹果、梨等等。", 0, 0);
    expect("so检查check", 2, 0);
    expect("\xe6\xa3", 0, 0); /* half a character */
}

static void ways_back_in_a_walk(void **state)
{
    (void)state;
    expect("at most 5: 32 33 24 x x 43 x 22\nat most 7: 32 x", 0, 3);
    expect("至多 4: 51 x\n", 0, 1);
    expect("32 x 14 = 448", 0, 0);
}

/* The traces of this project do what their styles say. */
static void traces_of_tasks(void **state)
{
    (void)state;
    ponder_error err;
    for (const task_family *const *f = task_families(); *f; f++)
        for (int lang = TASK_EN; lang <= TASK_ZH; lang++) {
            size_t shows[TASK_STYLES][2] = {0};
            static const enum task_style STYLES[] = {TASK_DIRECT, TASK_VERIFICATION,
                                                     TASK_BACKTRACKING};
            enum { N = 20 };
            for (size_t s = 0; s < COUNT_OF(STYLES); s++)
                for (uint64_t i = 0; i < N; i++) {
                    const task_options o = {.level = 3, .seed = 5, .lang = (enum task_lang)lang,
                                            .style = STYLES[s]};
                    task_problem p = {0};
                    check_ok(task_generate(&p, *f, &o, i, &err));
                    reward_reflection r = reward_reflect(buf_str(&p.trace));
                    shows[STYLES[s]][0] += r.verification > 0;
                    shows[STYLES[s]][1] += r.backtracking > 0;
                    task_problem_free(&p);
                }
            /* Searches turn back by themselves, and what has no solution has no check. */
            bool search = !strcmp(task_name(*f), "sat") || !strcmp(task_name(*f), "coloring");
            if (shows[TASK_VERIFICATION][0] < N / 4 || shows[TASK_BACKTRACKING][1] < N / 4 ||
                shows[TASK_DIRECT][0] || shows[TASK_BACKTRACKING][0] ||
                (shows[TASK_DIRECT][1] && !search))
                fail_msg("%s %s: direct %zu %zu, verification %zu, backtracking %zu (and %zu)",
                         task_name(*f), lang ? "zh" : "en", shows[TASK_DIRECT][0],
                         shows[TASK_DIRECT][1], shows[TASK_VERIFICATION][0],
                         shows[TASK_BACKTRACKING][1], shows[TASK_BACKTRACKING][0]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(english_words),       cmocka_unit_test(no_at_the_end_of_a_line),
        cmocka_unit_test(chinese_words),       cmocka_unit_test(ways_back_in_a_walk),
        cmocka_unit_test(traces_of_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
