/* task_gcd: the greatest common divisor of two numbers, at the last level of three.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

enum { MAX_NUMBERS = 3, MAX_PRIMES = 16 };

typedef struct numbers {
    int n;
    int64_t v[MAX_NUMBERS];
} numbers;

static int64_t gcd(int64_t a, int64_t b) { return b ? gcd(b, a % b) : a; }

static int64_t common(const numbers *s)
{
    int64_t g = 0;
    for (int i = 0; i < s->n; i++) g = gcd(s->v[i], g);
    return g;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const int64_t BELOW[] = {20, 100, 500, 1000, 10000, 10000};
    numbers *s = state;
    s->n = level == 6 ? 3 : 2;
    /* Of numbers drawn freely most pairs have 1; a factor put in first spreads the answers. */
    int64_t most = BELOW[level - 1] - 1, g = task_between(d, 1, most / 4);
    if (task_below(d, 2)) g = task_between(d, 1, level < 3 ? 5 : 30);
    for (int i = 0; i < s->n; i++) {
        s->v[i] = g * task_between(d, 1, most / g);
        for (int k = 0; k < i; k++)
            if (s->v[k] == s->v[i]) return false;
    }
    /* Answers of 1 are kept few, and such that a number misread can change them. */
    return s->v[0] > 1 && s->v[1] > 1 &&
           (common(s) > 1 || (s->n == 2 && (s->v[0] % 2 == 0 || s->v[1] % 2 == 0)));
}

static void key(const void *state, buf *out)
{
    numbers s = *(const numbers *)state;
    for (int i = 1; i < s.n; i++)
        for (int k = i; k > 0 && s.v[k] < s.v[k - 1]; k--) {
            int64_t v = s.v[k];
            s.v[k] = s.v[k - 1], s.v[k - 1] = v;
        }
    for (int i = 0; i < s.n; i++) task_put(out, s.v[i]), buf_add_char(out, ' ');
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "What is the greatest common divisor of #?", "Find gcd(#).",
        "Which is the largest number that divides each of #?"};
    static const char *const ZH[] = {"# 的最大公约数是多少？", "求 gcd(#)。",
                                     "能同时整除 # 的最大整数是几？"};
    const numbers *s = state;
    char list[80] = "";
    size_t n = 0;
    for (int i = 0; i < s->n; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, i ? ", %d" : "%d", (int)s->v[i]);
    const str parts[] = {{list, n}};
    task_ask(out, lang, d, EN, ZH, parts);
}

static void answer(const void *state, buf *out) { task_put(out, common(state)); }

/* Division with remainder until nothing is left (Euclid, Elements VII.2). */
static int64_t euclid(task_tale *t, int64_t a, int64_t b)
{
    if (a < b) {
        int64_t c = a;
        a = b, b = c;
    }
    while (b > 0) {
        int64_t q, r = task_divide(t, a, b, &q);
        a = b, b = r;
    }
    return a;
}

static int factor(int64_t v, int64_t primes[MAX_PRIMES])
{
    int n = 0;
    for (int64_t p = 2; p * p <= v; p++)
        for (; v % p == 0; v /= p) primes[n++] = p;
    if (v > 1) primes[n++] = v;
    return n;
}

static void put_product(buf *out, const int64_t *primes, int n)
{
    if (n == 0) buf_add_char(out, '1');
    for (int i = 0; i < n; i++) {
        if (i) buf_add_char(out, '*');
        task_put(out, primes[i]);
    }
}

/* What two ascending lists of primes share; returns how many. */
static int shared(int64_t *both, int n, const int64_t *primes, int m)
{
    int kept = 0;
    for (int i = 0, k = 0; i < n && k < m;)
        if (both[i] == primes[k]) both[kept++] = both[i], i++, k++;
        else if (both[i] < primes[k]) i++;
        else k++;
    return kept;
}

static int64_t by_primes(task_tale *t, const numbers *s)
{
    int64_t both[MAX_PRIMES] = {0}, g = 1;
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        int64_t primes[MAX_PRIMES];
        int m = factor(s->v[i], primes);
        task_put(t->out, s->v[i]), buf_add_char(t->out, '=');
        put_product(t->out, primes, m), buf_add_char(t->out, '\n');
        if (i == 0) memcpy(both, primes, sizeof primes), n = m;
        else n = shared(both, n, primes, m);
    }
    if (n && task_slips(t)) n--; /* one of the shared factors is overlooked */
    for (int i = 0; i < n; i++) g *= both[i];
    g = task_work(t, g, 1, INT64_MAX);
    task_say(t, "common ", "公有 ");
    put_product(t->out, both, n), buf_add_char(t->out, '=');
    task_put(t->out, g), buf_add_char(t->out, '\n');
    return g;
}

static int64_t by_division(task_tale *t, const numbers *s)
{
    int64_t v[MAX_NUMBERS] = {0};
    bool check = t->o->style == TASK_VERIFICATION;
    for (int i = 0; i < s->n; i++) {
        v[i] = task_read(t, s->v[i], 2, 9999);
        if (!check) continue;
        task_put(t->out, v[i]), buf_add_char(t->out, i + 1 < s->n ? ' ' : '\n');
    }
    int64_t g = v[0];
    for (int i = 1; i < s->n; i++) g = euclid(t, g, v[i]);
    if (!task_checks(t)) return g;
    for (int i = 0; i < s->n; i++) task_step(t, v[i], '/', g);
    return g;
}

static void trace(const void *state, task_tale *t)
{
    const numbers *s = state;
    task_put(t->answer, t->o->style == TASK_SUBGOALS ? by_primes(t, s) : by_division(t, s));
}

const task_family task_gcd = {
    .name = "gcd",
    .kind = "integer",
    .about = "the greatest common divisor of two or three numbers",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(numbers),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
