/* task_addition: two numbers of many digits, in columns.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

typedef struct sum {
    int64_t a, b;
} sum;

static const int64_t MOST = 999999999999;

static bool draw(void *state, task_draw *d, int level)
{
    static const int DIGITS[] = {2, 3, 4, 6, 8, 12};
    sum *s = state;
    int64_t low = 1;
    for (int i = 1; i < DIGITS[level - 1]; i++) low *= 10;
    s->a = task_between(d, low, 10 * low - 1);
    s->b = task_between(d, low, 10 * low - 1);
    return true;
}

static void key(const void *state, buf *out)
{
    const sum *s = state;
    bool in_order = s->a <= s->b;
    task_put(out, in_order ? s->a : s->b);
    buf_add_char(out, ' ');
    task_put(out, in_order ? s->b : s->a);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {"Add # and #.", "What is # + #?", "Compute # + #.",
                                     "Find the sum of # and #."};
    static const char *const ZH[] = {"# 加 # 等于多少？", "计算 # + #。", "求 # 与 # 的和。",
                                     "# + # 是多少？"};
    const sum *s = state;
    task_digits a, b;
    const str parts[] = {task_number(&a, s->a), task_number(&b, s->b)};
    task_ask(out, lang, d, EN, ZH, parts);
}

static void answer(const void *state, buf *out)
{
    const sum *s = state;
    task_put(out, s->a + s->b);
}

static void put_column(buf *out, int64_t x, int64_t y, int64_t carry, int64_t total)
{
    task_put(out, x), buf_add_char(out, '+'), task_put(out, y);
    if (carry) buf_add_char(out, '+'), task_put(out, carry);
    buf_add_char(out, '='), task_put(out, total);
}

/* A line for each column from the right: its units are the digit, its tens the carry. */
static int64_t in_columns(task_tale *t, int64_t a, int64_t b)
{
    int64_t result = 0, carry = 0, place = 1;
    for (; a > 0 || b > 0; a /= 10, b /= 10, place *= 10) {
        int64_t x = a % 10, y = b % 10, total = x + y + carry;
        if (task_turns(t)) {
            put_column(t->out, x, y, carry, task_near(t->d, total, 0, 19));
            task_no(t);
        }
        total = task_work(t, total, 0, 19);
        put_column(t->out, x, y, carry, total);
        buf_add_char(t->out, '\n');
        result += total % 10 * place;
        carry = total / 10;
    }
    return result + carry * place;
}

/* The second number added place by place. */
static int64_t by_places(task_tale *t, int64_t a, int64_t b)
{
    int64_t place = 1;
    while (place <= b / 10) place *= 10;
    for (; b > 0; b %= place, place /= 10)
        if (b / place) a = task_step(t, a, '+', b / place * place);
    return a;
}

static void trace(const void *state, task_tale *t)
{
    const sum *s = state;
    int64_t a = task_read(t, s->a, 1, MOST), b = task_read(t, s->b, 1, MOST), result;
    if (t->o->style == TASK_SUBGOALS) {
        result = by_places(t, a, b);
    } else {
        if (t->o->style == TASK_VERIFICATION) {
            task_put(t->out, a), task_text(t->out, " + ");
            task_put(t->out, b), buf_add_char(t->out, '\n');
        }
        result = in_columns(t, a, b);
        task_say(t, "sum ", "和 ");
        task_put(t->out, result), buf_add_char(t->out, '\n');
    }
    if (task_checks(t)) task_step(t, result, '-', b);
    task_put(t->answer, result);
}

const task_family task_addition = {
    .name = "addition",
    .kind = "integer",
    .about = "the sum of two numbers of 2 to 12 digits",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(sum),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
