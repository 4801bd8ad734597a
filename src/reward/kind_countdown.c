/* countdown: an expression over the given numbers, each exactly once, with the value of the target.
 * SPDX-License-Identifier: MIT
 *
 * expression = term {(+|-) term}; term = factor {(*|/) factor}; factor = integer | ( expression ).
 * No signs, powers, decimals or implied products. Values are exact fractions. "= target" may
 * follow. */
#include "reward/scan.h"

#include <stdlib.h>

enum { NUMBERS = 16, DEPTH = 32, NUMBER_MAX = 1000000, TARGET_MAX = 1000000000 };

typedef struct ratio {
    int64_t num, den; /* den > 0, lowest terms */
} ratio;

struct reading {
    scan s;
    int depth;
    size_t n;
    int64_t used[NUMBERS];
    const char *reason;
};

static const char *const PLUS[] = {"+", "＋", NULL};
static const char *const MINUS[] = {"-", "−", "–", "－", NULL};
static const char *const TIMES[] = {"*", "x", "×", "·", "⋅", "∗", "＊", "\\times", "\\cdot", NULL};
static const char *const OVER[] = {"/", "÷", "／", "\\div", NULL};
static const char *const OPEN[] = {"(", "（", "\\left(", "[", NULL};
static const char *const CLOSE[] = {")", "）", "\\right)", "]", NULL};

static bool fail(struct reading *r, const char *why)
{
    if (!r->reason) r->reason = why;
    return false;
}

static bool ratio_set(struct reading *r, ratio *out, int64_t num, int64_t den)
{
    if (den == 0) return fail(r, "a division by zero");
    int64_t a = num, b = den;
    while (b) {
        int64_t rest = a % b;
        a = b, b = rest;
    }
    if (den < 0 ? a > 0 : a < 0) a = -a;
    *out = (ratio){num / a, den / a};
    return true;
}

static bool ratio_add(struct reading *r, ratio *a, ratio b, bool minus)
{
    int64_t left, right, num, den;
    if (__builtin_mul_overflow(a->num, b.den, &left) ||
        __builtin_mul_overflow(minus ? -b.num : b.num, a->den, &right) ||
        __builtin_add_overflow(left, right, &num) || __builtin_mul_overflow(a->den, b.den, &den) ||
        num == INT64_MIN)
        return fail(r, "values too large");
    return ratio_set(r, a, num, den);
}

static bool ratio_mul(struct reading *r, ratio *a, ratio b, bool over)
{
    int64_t num, den;
    if (__builtin_mul_overflow(a->num, over ? b.den : b.num, &num) ||
        __builtin_mul_overflow(a->den, over ? b.num : b.den, &den) || num == INT64_MIN ||
        den == INT64_MIN)
        return fail(r, "values too large");
    return ratio_set(r, a, num, den);
}

static bool expression(struct reading *r, ratio *out);

static bool factor(struct reading *r, ratio *out)
{
    static const char NOT[] = "not an expression of numbers, + - * / and brackets";
    scan_blanks(&r->s);
    int open = scan_any(&r->s, OPEN);
    if (open >= 0) {
        if (++r->depth > DEPTH) return fail(r, "brackets too deep");
        if (!expression(r, out)) return false;
        r->depth--;
        return scan_any(&r->s, CLOSE) == open || fail(r, NOT);
    }
    if (!scan_number(&r->s, NUMBER_MAX, &out->num)) return fail(r, NOT);
    if (r->n == NUMBERS) return fail(r, "other numbers than the given ones");
    r->used[r->n++] = out->num;
    out->den = 1;
    return true;
}

static bool term(struct reading *r, ratio *out)
{
    if (!factor(r, out)) return false;
    for (;;) {
        scan_blanks(&r->s);
        bool over = scan_any(&r->s, OVER) >= 0;
        if (!over && scan_any(&r->s, TIMES) < 0) return true;
        ratio b;
        if (!factor(r, &b) || !ratio_mul(r, out, b, over)) return false;
    }
}

static bool expression(struct reading *r, ratio *out)
{
    if (!term(r, out)) return false;
    for (;;) {
        bool minus = scan_any(&r->s, MINUS) >= 0;
        if (!minus && scan_any(&r->s, PLUS) < 0) return true;
        ratio b;
        if (!term(r, &b) || !ratio_add(r, out, b, minus)) return false;
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Reads the whole of an answer: its value, and its numbers sorted. */
static bool read_answer(struct reading *r, str answer, ratio *value)
{
    int64_t said;
    *r = (struct reading){0};
    if (!scan_begin(&r->s, answer)) return fail(r, "empty or too long");
    if (!expression(r, value)) return false;
    if (scan_take(&r->s, "=")) {
        scan_blanks(&r->s);
        if (!scan_number(&r->s, TARGET_MAX, &said) || value->den != 1 || value->num != said)
            return fail(r, "what follows \"=\" is not its value");
    }
    if (!scan_done(&r->s)) return fail(r, "more than one expression of + - * / and brackets");
    qsort(r->used, r->n, sizeof *r->used, by_value);
    return true;
}

bool kind_countdown(const reward_question *q, str answer, const char **reason)
{
    struct reading given, got;
    ratio target = {0, 1}, value;
    if (q->puzzle) {
        given.n =
            puzzle_ints(json_object_get(q->puzzle, "numbers"), 0, NUMBER_MAX, given.used, NUMBERS);
        if (given.n == 0 ||
            !puzzle_int(json_object_get(q->puzzle, "target"), -TARGET_MAX, TARGET_MAX, &target.num))
            return scan_no(reason, reward_bad_puzzle);
        qsort(given.used, given.n, sizeof *given.used, by_value);
    } else if (!read_answer(&given, q->gold, &target)) {
        return scan_no(reason, reward_bad_gold);
    }
    if (!read_answer(&got, answer, &value)) return scan_no(reason, got.reason);
    if (got.n != given.n || memcmp(got.used, given.used, got.n * sizeof *got.used) != 0)
        return scan_no(reason, "not each given number exactly once");
    if (value.num != target.num || value.den != target.den) return scan_no(reason, "another value");
    *reason = "each number once, and the value is the target";
    return true;
}
