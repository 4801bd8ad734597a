/* task_draw: draws, slips and text for the families.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

static uint32_t next_word(task_draw *d)
{
    if (d->left == 0) {
        d->bits = rng_at(d->seed, d->sequence, d->stream << 32 | d->block++, RNG_TASK);
        d->left = COUNT_OF(d->bits.v);
    }
    return d->bits.v[--d->left];
}

uint64_t task_below(task_draw *d, uint64_t n)
{
    /* Multiply-high of one word; the bias of n values is below n / 2^32. */
    if (n <= UINT16_MAX) return (uint64_t)next_word(d) * n >> 32;
    uint64_t high = next_word(d);
    return (high << 32 | next_word(d)) % n;
}

int64_t task_between(task_draw *d, int64_t low, int64_t high)
{
    return low + (int64_t)task_below(d, (uint64_t)(high - low) + 1);
}

bool task_slips(task_tale *t) { return t->places++ == t->flaw; }
bool task_turns(task_tale *t)
{
    return t->o->style == TASK_BACKTRACKING && t->forks++ == t->turn;
}

int64_t task_near(task_draw *d, int64_t v, int64_t low, int64_t high)
{
    /* Slips people and models make: off by one or two, a carry lost, a ten too many. */
    static const int64_t NEAR[] = {1, -1, 1, -1, 2, -2, 10, -10};
    for (int tries = 0; tries < 8; tries++) {
        int64_t w = v + task_pick(d, NEAR);
        if (w >= low && w <= high) return w;
    }
    return v < high ? v + 1 : v - 1;
}

int64_t task_slip(task_tale *t, int64_t v, int64_t low, int64_t high)
{
    return task_slips(t) ? task_near(t->slips, v, low, high) : v;
}

int64_t task_read(task_tale *t, int64_t v, int64_t low, int64_t high)
{
    return t->o->style == TASK_VERIFICATION ? task_slip(t, v, low, high) : v;
}

int64_t task_work(task_tale *t, int64_t v, int64_t low, int64_t high)
{
    return t->o->style == TASK_VERIFICATION ? v : task_slip(t, v, low, high);
}

static int64_t compute(int64_t a, char op, int64_t b)
{
    switch (op) {
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    case '/': return a / b;
    default: return a % b;
    }
}

static void put_equation(buf *out, int64_t a, char op, int64_t b, int64_t result)
{
    bool sum = op == '+' || op == '-';
    if (sum && b < 0) op = op == '+' ? '-' : '+', b = -b;
    task_put(out, a);
    buf_add_char(out, op);
    if (b < 0) buf_add_char(out, '(');
    task_put(out, b);
    if (b < 0) buf_add_char(out, ')');
    buf_add_char(out, '=');
    task_put(out, result);
}

int64_t task_step(task_tale *t, int64_t a, char op, int64_t b)
{
    int64_t v = compute(a, op, b);
    int64_t low = v < 0 ? INT64_MIN : 0, high = op == '%' && b > 1 ? b - 1 : INT64_MAX;
    if (task_turns(t)) {
        put_equation(t->out, a, op, b, task_near(t->d, v, low, high));
        task_no(t);
    }
    v = task_work(t, v, low, high);
    put_equation(t->out, a, op, b, v);
    buf_add_char(t->out, '\n');
    return v;
}

static void put_division(buf *out, int64_t a, int64_t b, int64_t q, int64_t r)
{
    const int64_t v[] = {a, b, q, r};
    for (int i = 0; i < 4; i++) {
        if (i) buf_add_char(out, "=*+"[i - 1]);
        task_put(out, v[i]);
    }
}

int64_t task_divide(task_tale *t, int64_t a, int64_t b, int64_t *q)
{
    int64_t r = a % b;
    *q = a / b;
    if (b > 1) { /* by one there is nothing to get wrong */
        if (task_turns(t)) {
            put_division(t->out, a, b, *q, task_near(t->d, r, 0, b - 1));
            task_no(t);
        }
        r = task_work(t, r, 0, b - 1);
    }
    put_division(t->out, a, b, *q, r);
    buf_add_char(t->out, '\n');
    return r;
}

void task_no(task_tale *t) { task_say(t, " no\n", " 不对\n"); }

void task_text(buf *out, const char *text) { buf_add(out, text, strlen(text)); }

void task_say(task_tale *t, const char *en, const char *zh)
{
    task_text(t->out, t->o->lang == TASK_ZH ? zh : en);
}

void task_goal(task_tale *t, const char *en, const char *zh)
{
    if (t->o->style == TASK_SUBGOALS) task_say(t, en, zh);
}

bool task_checks(task_tale *t)
{
    if (t->o->style != TASK_VERIFICATION) return false;
    task_say(t, "check\n", "检查\n");
    return true;
}

str task_number(task_digits *digits, int64_t v)
{
    char *end = digits->text + sizeof digits->text, *p = end;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do *--p = (char)('0' + u % 10), u /= 10;
    while (u);
    if (v < 0) *--p = '-';
    return (str){p, (size_t)(end - p)};
}

void task_put(buf *out, int64_t v)
{
    task_digits digits;
    buf_add_str(out, task_number(&digits, v));
}

void task_fill(buf *out, const char *pattern, const str *parts)
{
    for (const char *p = pattern; *p;) {
        size_t n = strcspn(p, "#");
        buf_add(out, p, n);
        p += n;
        if (*p == '#') buf_add_str(out, *parts++), p++;
    }
}
