/* task_multiplication: two numbers of one to four digits, by partial products.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

typedef struct product {
    int64_t a, b;
} product;

static int64_t of_digits(task_draw *d, int digits)
{
    int64_t low = 1;
    for (int i = 1; i < digits; i++) low *= 10;
    return task_between(d, low, 10 * low - 1);
}

static bool draw(void *state, task_draw *d, int level)
{
    static const int DIGITS[][2] = {{1, 1}, {2, 1}, {2, 2}, {3, 2}, {3, 3}, {4, 4}};
    product *p = state;
    bool swap = task_below(d, 2);
    p->a = of_digits(d, DIGITS[level - 1][swap]);
    p->b = of_digits(d, DIGITS[level - 1][!swap]);
    return true;
}

static void key(const void *state, buf *out)
{
    const product *p = state;
    bool in_order = p->a <= p->b;
    task_put(out, in_order ? p->a : p->b);
    buf_add_char(out, ' ');
    task_put(out, in_order ? p->b : p->a);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {"Multiply # by #.", "What is # * #?", "Compute # * #.",
                                     "Find the product of # and #."};
    static const char *const ZH[] = {"# 乘以 # 等于多少？", "计算 # * #。", "求 # 与 # 的积。",
                                     "# * # 是多少？"};
    const product *p = state;
    task_digits a, b;
    const str parts[] = {task_number(&a, p->a), task_number(&b, p->b)};
    task_ask(out, lang, d, EN, ZH, parts);
}

static void answer(const void *state, buf *out)
{
    const product *p = state;
    task_put(out, p->a * p->b);
}

/* The first number times each digit of the second in its place, then the sum. */
static int64_t by_digits(task_tale *t, int64_t a, int64_t b)
{
    int64_t rows[8], sum = 0;
    int n = 0;
    for (int64_t place = 1; b > 0; b /= 10, place *= 10)
        if (b % 10) rows[n++] = task_step(t, a, '*', b % 10 * place);
    for (int i = 0; i < n; i++) sum = i ? task_step(t, sum, '+', rows[i]) : rows[i];
    return sum;
}

/* The lower half of a number's digits, which is split off; 0 for a single digit. */
static int64_t low_half(int64_t v)
{
    return v >= 100 ? v % 100 : v >= 10 ? v % 10 : 0;
}

static void name_split(task_tale *t, int64_t v, const int64_t part[2])
{
    if (!part[0] || !part[1]) return;
    task_put(t->out, v), buf_add_char(t->out, '=');
    task_put(t->out, part[0]), buf_add_char(t->out, '+');
    task_put(t->out, part[1]), buf_add_char(t->out, '\n');
}

/* Both numbers split in two, the products of the parts, then the sum. */
static int64_t by_halves(task_tale *t, int64_t a, int64_t b)
{
    const int64_t x[2] = {a - low_half(a), low_half(a)}, y[2] = {b - low_half(b), low_half(b)};
    int64_t rows[4], sum = 0;
    int n = 0;
    name_split(t, a, x);
    name_split(t, b, y);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (x[i] && y[j]) rows[n++] = task_step(t, x[i], '*', y[j]);
    for (int i = 0; i < n; i++) sum = i ? task_step(t, sum, '+', rows[i]) : rows[i];
    return sum;
}

static void trace(const void *state, task_tale *t)
{
    const product *p = state;
    int64_t a = task_read(t, p->a, 1, 9999), b = task_read(t, p->b, 1, 9999);
    if (t->o->style == TASK_VERIFICATION) {
        task_put(t->out, a), task_text(t->out, " * ");
        task_put(t->out, b), buf_add_char(t->out, '\n');
    }
    int64_t result = t->o->style == TASK_SUBGOALS ? by_halves(t, a, b) : by_digits(t, a, b);
    if (task_checks(t)) task_step(t, result, '/', b);
    task_put(t->answer, result);
}

const task_family task_multiplication = {
    .name = "multiplication",
    .kind = "integer",
    .about = "the product of two numbers of 1 to 4 digits",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(product),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
