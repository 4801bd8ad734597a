/* Mathematical equality: classes of notation, symmetry of identity, budgets, threads.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "reward/reward.h"
#include "tests/unit/reward/math_pairs.h"

#include <flint/flint.h>
#include <stdlib.h>

static bool same(const char *gold, const char *answer)
{
    return math_equal(str_of(gold), str_of(answer), NULL);
}

static void pairs(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(PAIRS); i++) {
        const char *reason;
        bool got = math_equal(str_of(PAIRS[i].gold), str_of(PAIRS[i].answer), &reason);
        if (got == PAIRS[i].equal) continue;
        print_message("# %s | %s: want %d (%s)\n", PAIRS[i].gold, PAIRS[i].answer, PAIRS[i].equal,
                      reason);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* Every expression that is understood equals itself, also when dressed up. */
static void dressed(void **state)
{
    (void)state;
    static const char *const DRESS[] = {"$%s$",   " %s ", "\\(%s\\)",   "\\boxed{%s}",      "%s.",
                                        "**%s**", "{%s}", "\\[ %s \\]", "\\displaystyle %s"};
    for (size_t i = 0; i < COUNT_OF(PAIRS); i++) {
        if (PAIRS[i].gold[0] == '<') continue;
        for (size_t k = 0; k < COUNT_OF(DRESS); k++) {
            char text[512], form[32];
            const char *at = strstr(DRESS[k], "%s");
            snprintf(form, sizeof form, "%.*s", (int)(at - DRESS[k]), DRESS[k]);
            snprintf(text, sizeof text, "%s%s%s", form, PAIRS[i].gold, at + 2);
            if (!same(PAIRS[i].gold, text)) fail_msg("%s | %s", PAIRS[i].gold, text);
        }
    }
}

static char *repeat(const char *open, const char *middle, const char *close, size_t n)
{
    size_t a = strlen(open), m = strlen(middle), c = strlen(close);
    char *text = malloc(n * (a + c) + m + 1), *p = text;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++, p += a) memcpy(p, open, a);
    memcpy(p, middle, m), p += m;
    for (size_t i = 0; i < n; i++, p += c) memcpy(p, close, c);
    *p = '\0';
    return text;
}

/* Each hostile answer comes back in little time, and unequal. The limit is generous: what it guards
 * against takes minutes. */
static void bombs(void **state)
{
    (void)state;
    static const struct {
        const char *open, *middle, *close;
        size_t n;
    } BOMBS[] = {
        {"(", "5", ")", 10000},
        {"{", "5", "}", 10000},
        {"\\sqrt{", "2", "}", 10000},
        {"\\frac{1}{", "2", "}", 10000},
        {"-", "5", "", 100001},
        {"9^{", "9", "}", 1000},
        {"1+", "1", "", 200000},
        {"x+", "1", "", 10000},
        {"\\sqrt{2+", "2", "}", 150},
        {"\\sin(", "1", ")", 150},
        {"e^{", "1", "}", 100},
        {"\\ln(2+", "1", ")", 150},
        {"", "1", "!", 100},
        {"\\binom{1000}{", "500", "}", 60},
        {"1/3+1/7+", "1/11", "", 2000},
        {"|", "1", "|", 150},
        {"\\sqrt{2}+\\sqrt{3}+", "\\sqrt{5}", "", 1000},
        {"\\{", "1", "\\}", 150},
        {"\\pm", "1", "", 1000},
        {"1,", "2", "", 5000},
        {"\\ln 2+\\ln 3+", "\\ln 5", "", 1000},
        {"x^", "2", "", 5000},
        {"(x+y)^", "9", "", 50},
        {"\\lfloor ", "\\pi^{99}", "\\rfloor", 150},
        {"\\boxed{", "7", "}", 5000},
        {"<", "5", "", 5000},
        {"a=", "b", "", 5000},
        {"(1,2)\\cup", "(3,4)", "", 3000},
        {"\\text{", "a", "}", 1000},
        {"\\begin{pmatrix}", "1", "\\end{pmatrix}", 150},
        {"\\sum_{k=1}^{9}", "k)", "", 150},
        {"\\sum_{k=", "1", "}^{9} k", 150},
        {"\\text{1", "a", "}", 1000},
        {"f(", "x", ")", 150},
        {"{1\\over ", "2", "}", 150},
    };
    for (size_t i = 0; i < COUNT_OF(BOMBS); i++) {
        char *text = repeat(BOMBS[i].open, BOMBS[i].middle, BOMBS[i].close, BOMBS[i].n);
        double start = check_cpu_seconds();
        bool equal = same("8", text), back = same(text, "8");
        double took = check_cpu_seconds() - start;
        if (equal || back) fail_msg("bomb %zu is equal", i);
        if (took > 2) fail_msg("bomb %zu took %.2f s", i, took);
        free(text);
    }
}

/* A prefix of an answer is read without harm and decided the same way twice. */
static void prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(PAIRS); i++) {
        str whole = str_of(PAIRS[i].answer);
        for (size_t n = 0; n <= whole.n; n++) {
            char *exact = malloc(n ? n : 1);
            assert_non_null(exact);
            memcpy(exact, whole.p, n);
            str part = {exact, n};
            bool once = math_equal(str_of(PAIRS[i].gold), part, NULL);
            assert_int_equal(once, math_equal(str_of(PAIRS[i].gold), part, NULL));
            free(exact);
        }
    }
}

struct shared_work {
    bool *out;
};

static void grade_some(void *arg, size_t begin, size_t end, int worker)
{
    struct shared_work *w = arg;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        size_t k = i % COUNT_OF(PAIRS);
        w->out[i] = same(PAIRS[k].gold, PAIRS[k].answer);
    }
}

static void threads(void **state)
{
    (void)state;
    enum { ROUNDS = 6 };
    ponder_error err;
    pool *p;
    size_t n = ROUNDS * COUNT_OF(PAIRS);
    struct shared_work w = {calloc(n, 1)};
    assert_non_null(w.out);
    check_ok(pool_open(&p, 4, &err));
    pool_run(p, n, 1, grade_some, &w);
    pool_close(p);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(w.out[i],
                         same(PAIRS[i % COUNT_OF(PAIRS)].gold, PAIRS[i % COUNT_OF(PAIRS)].answer));
    free(w.out);
}

static int forget(void **state)
{
    (void)state;
    flint_cleanup_master(); /* FLINT keeps tables for the life of a thread */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),    cmocka_unit_test(dressed), cmocka_unit_test(bombs),
        cmocka_unit_test(prefixes), cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
