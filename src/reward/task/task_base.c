/* task_base: a number written in another base.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

enum { MAX_DIGITS = 20, MAX_VALUE = 65535 };

typedef struct conversion {
    int64_t value;
    int from, to;
} conversion;

static bool draw(void *state, task_draw *d, int level)
{
    static const int64_t LEAST[] = {2, 16, 64, 256, 1024, 4096};
    static const int64_t BELOW[] = {32, 64, 256, 1024, 4096, MAX_VALUE + 1};
    static const int SMALL[] = {2, 10, 16};
    conversion *c = state;
    c->value = task_between(d, LEAST[level - 1], BELOW[level - 1] - 1);
    if (level <= 2) {
        c->from = SMALL[task_below(d, (uint64_t)level + 1)];
        c->to = SMALL[task_below(d, (uint64_t)level + 1)];
    } else {
        c->from = (int)task_between(d, 2, 16);
        c->to = (int)task_between(d, 2, 16);
    }
    return c->from != c->to;
}

static void key(const void *state, buf *out)
{
    const conversion *c = state;
    buf_printf(out, "%d %d %d", (int)c->value, c->from, c->to);
}

/* Digits of v, units first; returns how many. */
static int digits_of(int64_t v, int base, int64_t digit[MAX_DIGITS])
{
    int n = 0;
    do digit[n++] = v % base, v /= base;
    while (v);
    return n;
}

/* From units-first digits. */
static str spell(const int64_t *digit, int n, char text[MAX_DIGITS])
{
    for (int i = 0; i < n; i++) text[i] = "0123456789abcdef"[digit[n - 1 - i]];
    return (str){text, (size_t)n};
}

static str written(int64_t v, int base, char text[MAX_DIGITS])
{
    int64_t digit[MAX_DIGITS];
    return spell(digit, digits_of(v, base, digit), text);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Write # (base #) in base #. Use the digits 0-9 and a-f.",
        "Convert # from base # to base #. Give the digits only.",
        "The number # is in base #. What is it in base #? Answer with its digits.",
    };
    static const char *const ZH[] = {
        "把 #（# 进制）写成 # 进制。用数字 0-9 和 a-f。",
        "将 # 从 # 进制转换为 # 进制，只答数字。",
        "# 是 # 进制数，用 # 进制怎么写？只答数字。",
    };
    const conversion *c = state;
    char text[MAX_DIGITS];
    task_digits from, to;
    const str parts[] = {written(c->value, c->from, text), task_number(&from, c->from),
                         task_number(&to, c->to)};
    task_ask(out, lang, d, EN, ZH, parts);
}

static void answer(const void *state, buf *out)
{
    const conversion *c = state;
    char text[MAX_DIGITS];
    buf_add_str(out, written(c->value, c->to, text));
}

static int64_t power(int base, int exponent)
{
    int64_t p = 1;
    while (exponent-- > 0) p *= base;
    return p;
}

static void put_horner(buf *out, int64_t v, int base, int64_t digit, int64_t sum)
{
    const int64_t part[] = {v, base, digit, sum};
    for (int i = 0; i < 4; i++) {
        if (i) buf_add_char(out, "*+="[i - 1]);
        task_put(out, part[i]);
    }
}

/* The value of units-first digits: from the first digit on, times the base plus the next one. */
static int64_t value_of(task_tale *t, const int64_t *digit, int n, int base)
{
    int64_t v = digit[n - 1];
    for (int i = n - 2; i >= 0; i--) {
        int64_t sum = v * base + digit[i];
        if (task_turns(t)) {
            put_horner(t->out, v, base, digit[i], task_near(t->d, sum, 0, INT64_MAX));
            task_no(t);
        }
        sum = task_work(t, sum, 0, INT64_MAX);
        put_horner(t->out, v, base, digit[i], sum);
        buf_add_char(t->out, '\n');
        v = sum;
    }
    return v;
}

/* The same by places: each digit times its power, then the sum. */
static int64_t value_by_places(task_tale *t, const int64_t *digit, int n, int base)
{
    int64_t sum = 0;
    int terms = 0;
    for (int i = n - 1; i >= 0; i--) {
        if (!digit[i]) continue;
        int64_t term = task_step(t, digit[i], '*', power(base, i));
        sum = terms++ ? task_step(t, sum, '+', term) : term;
    }
    return sum;
}

/* Divides down; the remainders are the digits from the units up. */
static int by_division(task_tale *t, int64_t v, int base, int64_t digit[MAX_DIGITS])
{
    int n = 0;
    do digit[n++] = task_divide(t, v, base, &v);
    while (v);
    return n;
}

/* Takes the largest powers out, first digit first. */
static int by_powers(task_tale *t, int64_t v, int base, int64_t digit[MAX_DIGITS])
{
    int n = 1;
    while (power(base, n) <= v) n++;
    for (int i = n - 1; i > 0; i--) v = task_divide(t, v, power(base, i), &digit[i]);
    digit[0] = v;
    return n;
}

static void trace(const void *state, task_tale *t)
{
    const conversion *c = state;
    bool places = t->o->style == TASK_SUBGOALS;
    int64_t given[MAX_DIGITS], made[MAX_DIGITS];
    char text[MAX_DIGITS];
    int n = digits_of(c->value, c->from, given);
    for (int i = 0; i < n; i++)
        if (i + 1 < n || c->from > 2) /* the first of a binary number can only be 1 */
            given[i] = task_read(t, given[i], i + 1 == n, c->from - 1);
    if (t->o->style == TASK_VERIFICATION)
        buf_add_str(t->out, spell(given, n, text)), buf_add_char(t->out, '\n');

    int64_t v = 0;
    if (c->from == 10)
        for (int i = n - 1; i >= 0; i--) v = v * 10 + given[i];
    else v = places ? value_by_places(t, given, n, c->from) : value_of(t, given, n, c->from);
    if (c->to == 10) {
        if (task_checks(t)) by_division(t, v, c->from, made);
        task_put(t->answer, v);
        return;
    }
    int m = places ? by_powers(t, v, c->to, made) : by_division(t, v, c->to, made);
    if (task_checks(t)) value_of(t, made, m, c->to);
    buf_add_str(t->answer, spell(made, m, text));
}

const task_family task_base = {
    .name = "base",
    .kind = "digits",
    .about = "numbers from one base to another, 2 to 16",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(conversion),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
