/* task_divisibility: remainders, prime factors, numbers of divisors, remainders of powers.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

enum asked { REMAINDER, LARGEST_PRIME, DIVISORS, POWER };
enum { MAX_FACTORS = 16, MAX_EXPONENT_BITS = 5 };

typedef struct question {
    enum asked asked;
    int64_t n, by, exponent; /* by: REMAINDER and POWER; exponent: POWER */
} question;

static const int64_t PRIMES[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47};

/* A product of small primes: a free number often has a prime too large to find by hand. */
static int64_t smooth(task_draw *d, int64_t least, int64_t most)
{
    int64_t n = 1;
    while (n < least) n *= task_pick(d, PRIMES);
    return n <= most ? n : 0;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const enum asked ASKED[] = {REMAINDER, REMAINDER, LARGEST_PRIME,
                                       DIVISORS,  LARGEST_PRIME, POWER};
    question *q = state;
    q->asked = ASKED[level - 1];
    switch (level) {
    case 1: q->n = task_between(d, 10, 99), q->by = task_between(d, 2, 9); break;
    case 2: q->n = task_between(d, 100, 9999), q->by = task_between(d, 3, 19); break;
    case 3: q->n = task_between(d, 10, 299); break;
    case 4: q->n = task_between(d, 12, 999); break;
    case 5: q->n = smooth(d, 500, 9999); break;
    default:
        q->n = task_between(d, 2, 19);
        q->exponent = task_between(d, 5, 24);
        q->by = task_between(d, 7, 50);
        return q->n % q->by > 1;
    }
    return q->n > 0;
}

static void key(const void *state, buf *out)
{
    const question *q = state;
    buf_printf(out, "%d %d %d %d", q->asked, (int)q->n, (int)q->by, (int)q->exponent);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[][3] = {
        {"What is the remainder of # divided by #?", "Compute # mod #.",
         "Divide # by # and give the remainder."},
        {"What is the largest prime factor of #?", "Find the largest prime that divides #.",
         "Factor # and give its largest prime factor."},
        {"How many positive divisors does # have?",
         "Count the divisors of #, 1 and itself included.",
         "Find the number of positive divisors of #."},
        {"What is the remainder of #^# divided by #?", "Compute #^# mod #.",
         "Raise # to the power # and give the remainder modulo #."},
    };
    static const char *const ZH[][3] = {
        {"# 除以 # 的余数是多少？", "计算 # mod #。", "用 # 除以 #，给出余数。"},
        {"# 的最大质因数是多少？", "求能整除 # 的最大质数。", "分解 #，给出最大的质因数。"},
        {"# 有多少个正因数？", "数出 # 的因数个数，包括 1 和它本身。", "求 # 的正因数的个数。"},
        {"#^# 除以 # 的余数是多少？", "计算 #^# mod #。", "求 # 的 # 次方除以 # 的余数。"},
    };
    const question *q = state;
    task_digits n, exponent, by;
    const str with_exponent[] = {task_number(&n, q->n), task_number(&exponent, q->exponent),
                                 task_number(&by, q->by)};
    const str without[] = {with_exponent[0], with_exponent[2]};
    task_ask(out, lang, d, EN[q->asked], ZH[q->asked], q->asked == POWER ? with_exponent : without);
}

static int factors_of(int64_t n, int64_t factor[MAX_FACTORS])
{
    int k = 0;
    for (int64_t p = 2; p * p <= n; p++)
        for (; n % p == 0; n /= p) factor[k++] = p;
    if (n > 1) factor[k++] = n;
    return k;
}

/* How often each of the ascending factors is there; returns how many different ones. */
static int exponents_of(const int64_t *factor, int k, int64_t exponent[MAX_FACTORS])
{
    int n = 0;
    for (int i = 0; i < k; i++) {
        if (i == 0 || factor[i] != factor[i - 1]) exponent[n++] = 0;
        exponent[n - 1]++;
    }
    return n;
}

static int64_t divisor_count(const int64_t *factor, int k)
{
    int64_t exponent[MAX_FACTORS], count = 1;
    int n = exponents_of(factor, k, exponent);
    for (int i = 0; i < n; i++) count *= exponent[i] + 1;
    return count;
}

static int64_t power_mod(int64_t n, int64_t exponent, int64_t by)
{
    int64_t r = 1;
    while (exponent-- > 0) r = r * n % by;
    return r;
}

static void answer(const void *state, buf *out)
{
    const question *q = state;
    int64_t factor[MAX_FACTORS];
    int k = factors_of(q->n, factor);
    switch (q->asked) {
    case REMAINDER: task_put(out, q->n % q->by); break;
    case LARGEST_PRIME: task_put(out, factor[k - 1]); break;
    case DIVISORS: task_put(out, divisor_count(factor, k)); break;
    case POWER: task_put(out, power_mod(q->n, q->exponent, q->by));
    }
}

/* ---- remainders ------------------------------------------------------------------------------ */

/* Digit by digit; the quotient goes to *whole. */
static int64_t long_division(task_tale *t, int64_t n, int64_t by, int64_t *whole)
{
    int64_t place = 1, r = 0;
    while (place <= n / 10) place *= 10;
    for (*whole = 0; place > 0; place /= 10) {
        int64_t v = 10 * r + n / place % 10, q = 0;
        r = v < by && place > 1 ? v : task_divide(t, v, by, &q);
        *whole = *whole * 10 + q;
    }
    return r;
}

/* The remainder of each place by itself, then of their sum. */
static int64_t by_places(task_tale *t, int64_t n, int64_t by)
{
    int64_t place = 1, sum = 0, q;
    while (place <= n / 10) place *= 10;
    for (; place > 0; n %= place, place /= 10) {
        int64_t part = n / place * place;
        if (part >= by) part = task_divide(t, part, by, &q);
        if (part) sum = sum ? task_step(t, sum, '+', part) : part;
    }
    return sum < by ? sum : task_divide(t, sum, by, &q);
}

static int64_t remainder_of(task_tale *t, const question *q)
{
    if (t->o->style == TASK_SUBGOALS) return by_places(t, q->n, q->by);
    int64_t whole, r = long_division(t, q->n, q->by, &whole);
    if (task_checks(t)) task_step(t, task_step(t, whole, '*', q->by), '+', r);
    return r;
}

/* ---- factors --------------------------------------------------------------------------------- */

/* Trial division; lines for the trials that fail, too. Returns how many factors, ascending. */
static int by_trial(task_tale *t, int64_t n, int64_t factor[MAX_FACTORS])
{
    int k = 0;
    for (size_t i = 0; i < COUNT_OF(PRIMES) && PRIMES[i] * PRIMES[i] <= n;) {
        int64_t q, r;
        if (t->o->style == TASK_SUBGOALS && (k == 0 || factor[k - 1] != PRIMES[i])) {
            task_say(t, "try ", "试 ");
            task_put(t->out, PRIMES[i]), buf_add_char(t->out, '\n');
        }
        r = task_divide(t, n, PRIMES[i], &q);
        if (r == 0 && k < MAX_FACTORS - 1) factor[k++] = PRIMES[i], n = q;
        else i++;
    }
    if (n > 1) {
        task_put(t->out, n);
        task_say(t, " is prime\n", " 是质数\n");
        factor[k++] = n;
    }
    return k;
}

static int64_t largest_prime(task_tale *t, const question *q)
{
    int64_t factor[MAX_FACTORS];
    int k = by_trial(t, q->n, factor);
    int64_t n = 1;
    for (int i = 0, check = task_checks(t); check && i < k; i++)
        n = task_step(t, n, '*', factor[i]);
    return factor[k - 1];
}

/* Every pair of divisors. */
static void list_pairs(task_tale *t, int64_t n)
{
    for (int64_t i = 1; i * i <= n; i++)
        if (n % i == 0) task_step(t, i, '*', n / i);
}

static int64_t count_divisors(task_tale *t, const question *q)
{
    int64_t factor[MAX_FACTORS], exponent[MAX_FACTORS], count = 1;
    int n = exponents_of(factor, by_trial(t, q->n, factor), exponent);
    task_say(t, "exponents", "指数");
    for (int i = 0; i < n; i++) buf_add_char(t->out, ' '), task_put(t->out, exponent[i]);
    buf_add_char(t->out, '\n');
    for (int i = 0; i < n; i++) count = task_step(t, count, '*', exponent[i] + 1);
    if (task_checks(t)) list_pairs(t, q->n);
    return count;
}

/* ---- powers ---------------------------------------------------------------------------------- */

static int64_t times_mod(task_tale *t, int64_t a, int64_t b, int64_t by)
{
    int64_t q, v = task_step(t, a, '*', b);
    return v < by ? v : task_divide(t, v, by, &q);
}

/* Squares for each binary digit of the exponent from the top, times n where it is 1. */
static int64_t by_squaring(task_tale *t, const question *q, int64_t n)
{
    int bit = MAX_EXPONENT_BITS - 1;
    int64_t r = n;
    while (!(q->exponent >> bit & 1)) bit--;
    while (bit-- > 0) {
        r = times_mod(t, r, r, q->by);
        if (q->exponent >> bit & 1) r = times_mod(t, r, n, q->by);
    }
    return r;
}

/* The squares first, then those whose binary digit is 1 multiplied. */
static int64_t by_squares(task_tale *t, const question *q, int64_t n)
{
    int64_t square[MAX_EXPONENT_BITS] = {n}, r = 0;
    int bits = 1;
    task_say(t, "squares\n", "平方\n");
    for (; q->exponent >> bits; bits++)
        square[bits] = times_mod(t, square[bits - 1], square[bits - 1], q->by);
    task_say(t, "product\n", "相乘\n");
    for (int i = 0; i < bits; i++)
        if (q->exponent >> i & 1) r = r ? times_mod(t, r, square[i], q->by) : square[i];
    return r;
}

static int64_t power_of(task_tale *t, const question *q)
{
    int64_t whole, n = q->n < q->by ? q->n : task_divide(t, q->n, q->by, &whole);
    if (t->o->style == TASK_SUBGOALS) return by_squares(t, q, n);
    int64_t r = by_squaring(t, q, n);
    if (task_checks(t)) by_squares(t, q, n);
    return r;
}

static void trace(const void *state, task_tale *t)
{
    question q = *(const question *)state;
    if (t->o->style == TASK_VERIFICATION) {
        q.n = task_read(t, q.n, 2, 9999);
        if (q.exponent) q.exponent = task_read(t, q.exponent, 2, (1 << MAX_EXPONENT_BITS) - 1);
        if (q.by) q.by = task_read(t, q.by, 2, 50);
        task_put(t->out, q.n);
        if (q.asked == POWER) buf_add_char(t->out, '^'), task_put(t->out, q.exponent);
        if (q.by) task_text(t->out, " mod "), task_put(t->out, q.by);
        buf_add_char(t->out, '\n');
    }
    int64_t v = 0;
    switch (q.asked) {
    case REMAINDER: v = remainder_of(t, &q); break;
    case LARGEST_PRIME: v = largest_prime(t, &q); break;
    case DIVISORS: v = count_divisors(t, &q); break;
    case POWER: v = power_of(t, &q);
    }
    task_put(t->answer, v);
}

const task_family task_divisibility = {
    .name = "divisibility",
    .kind = "integer",
    .about = "remainders, largest prime factors, numbers of divisors, remainders of powers",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(question),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
