/* kind_assignment: integers for named unknowns, "x = 3, y = -2", each once, in any order. A single
 * unknown may go without its name.
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

enum { MAX_UNKNOWNS = 8 };

typedef struct assignment {
    size_t n;
    char name[MAX_UNKNOWNS];
    int64_t value[MAX_UNKNOWNS];
} assignment;

static bool take(str *s, const char *text)
{
    size_t n = strlen(text);
    if (s->n < n || memcmp(s->p, text, n) != 0) return false;
    s->p += n, s->n -= n;
    return true;
}

static void skip_blanks(str *s)
{
    while (take(s, " ") || take(s, "\n") || take(s, "\t") || take(s, "$")) {}
}

/* What may stand between two parts: a comma, a semicolon, a word for "and", or blanks. */
static void skip_separator(str *s)
{
    static const char *const BETWEEN[] = {",", ";", "，", "；", "、", "and", "和"};
    skip_blanks(s);
    for (size_t i = 0; i < COUNT_OF(BETWEEN); i++)
        if (take(s, BETWEEN[i])) break;
    skip_blanks(s);
}

static bool take_integer(str *s, int64_t *out)
{
    bool minus = take(s, "-") || take(s, "−"), any = false;
    if (!minus) take(s, "+");
    skip_blanks(s);
    for (*out = 0; s->n && *s->p >= '0' && *s->p <= '9'; s->p++, s->n--, any = true)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *s->p - '0', out))
            return false;
    if (minus) *out = -*out;
    return any;
}

static bool parse(assignment *a, str s)
{
    *a = (assignment){0};
    for (skip_blanks(&s); s.n && a->n < MAX_UNKNOWNS; skip_separator(&s)) {
        char name = 0;
        if (*s.p >= 'a' && *s.p <= 'z') {
            name = *s.p++, s.n--;
            skip_blanks(&s);
            if (!take(&s, "=")) return false;
            skip_blanks(&s);
        }
        a->name[a->n] = name;
        if (!take_integer(&s, &a->value[a->n++])) return false;
    }
    return s.n == 0 && a->n > 0;
}

/* Index of the name, or -1. */
static int find(const assignment *a, char name)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->name[i] == name) return (int)i;
    return -1;
}

bool kind_assignment(const reward_question *q, str answer, const char **reason)
{
    assignment gold, given;
    *reason = "not of the form x = 1, y = 2";
    if (!parse(&gold, q->gold) || !parse(&given, answer)) return false;
    if (gold.n == 1 && given.n == 1 && !given.name[0]) given.name[0] = gold.name[0];
    *reason = "other unknowns";
    if (gold.n != given.n) return false;
    for (size_t i = 0; i < gold.n; i++) {
        int at = find(&given, gold.name[i]);
        if (at < 0) return false;
        if (given.value[at] != gold.value[i]) return *reason = "other values", false;
    }
    *reason = "same values";
    return true;
}
