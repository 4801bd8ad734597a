/* task_chain: sums and differences of several numbers, left to right.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

#include <stdlib.h>

enum { MAX_TERMS = 12, MAX_TERM = 999 };

typedef struct chain {
    int n;
    int64_t v[MAX_TERMS]; /* signed; the first is positive */
} chain;

static bool draw(void *state, task_draw *d, int level)
{
    static const struct { int terms, most; } LADDER[] = {{2, 9},  {3, 9},   {4, 99},
                                                         {6, 99}, {8, 999}, {12, 999}};
    chain *c = state;
    c->n = LADDER[level - 1].terms;
    for (int i = 0; i < c->n; i++) {
        c->v[i] = task_between(d, 1, LADDER[level - 1].most);
        if (i && task_below(d, 2)) c->v[i] = -c->v[i];
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void key(const void *state, buf *out)
{
    chain c = *(const chain *)state;
    qsort(c.v, (size_t)c.n, sizeof *c.v, by_value);
    for (int i = 0; i < c.n; i++) task_put(out, c.v[i]), buf_add_char(out, ' ');
}

static void put_chain(const int64_t *v, int n, buf *out)
{
    for (int i = 0; i < n; i++) {
        if (i) task_text(out, v[i] < 0 ? " - " : " + ");
        task_put(out, v[i] < 0 ? -v[i] : v[i]);
    }
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {"Compute #.", "What is #?", "Work out # and give the result.",
                                     "Find the value of #."};
    static const char *const ZH[] = {"计算 #。", "# 等于多少？", "求 # 的值。", "算出 # 的结果。"};
    const chain *c = state;
    buf text = {0};
    put_chain(c->v, c->n, &text);
    const str parts[] = {buf_str(&text)};
    task_ask(out, lang, d, EN, ZH, parts);
    buf_free(&text);
}

static int64_t sum(const chain *c)
{
    int64_t s = 0;
    for (int i = 0; i < c->n; i++) s += c->v[i];
    return s;
}

static void answer(const void *state, buf *out) { task_put(out, sum(state)); }

static int64_t from_left(task_tale *t, const int64_t *v, int n)
{
    int64_t s = v[0];
    for (int i = 1; i < n; i++) s = task_step(t, s, '+', v[i]);
    return s;
}

/* Taking the terms off again, last first, must leave the first. */
static int64_t and_check(task_tale *t, const chain *c)
{
    int64_t v[MAX_TERMS];
    for (int i = 0; i < c->n; i++)
        v[i] = c->v[i] < 0 ? -task_read(t, -c->v[i], 1, MAX_TERM)
                           : task_read(t, c->v[i], 1, MAX_TERM);
    put_chain(v, c->n, t->out);
    buf_add_char(t->out, '\n');
    int64_t s = from_left(t, v, c->n), back = s;
    task_checks(t);
    for (int i = c->n - 1; i > 0; i--) back = task_step(t, back, '-', v[i]);
    return s;
}

/* What is added and what is taken away, each summed on its own. */
static int64_t by_sign(task_tale *t, const chain *c)
{
    int64_t plus = 0, minus = 0;
    int added = 0, taken = 0;
    task_say(t, "plus\n", "加\n");
    for (int i = 0; i < c->n; i++)
        if (c->v[i] > 0) plus = added++ ? task_step(t, plus, '+', c->v[i]) : c->v[i];
    task_say(t, "minus\n", "减\n");
    for (int i = 0; i < c->n; i++)
        if (c->v[i] < 0) minus = taken++ ? task_step(t, minus, '+', -c->v[i]) : -c->v[i];
    task_say(t, "together\n", "合计\n");
    return task_step(t, plus, '-', minus);
}

static int64_t from_right(task_tale *t, const chain *c)
{
    int64_t s = c->v[c->n - 1];
    for (int i = c->n - 2; i >= 0; i--) s = task_step(t, s, '+', c->v[i]);
    return s;
}

static void trace(const void *state, task_tale *t)
{
    const chain *c = state;
    int64_t s;
    switch (t->o->style) {
    case TASK_VERIFICATION: s = and_check(t, c); break;
    case TASK_SUBGOALS: s = by_sign(t, c); break;
    case TASK_BACKWARD: s = from_right(t, c); break;
    default: s = from_left(t, c->v, c->n);
    }
    task_put(t->answer, s);
}

const task_family task_chain = {
    .name = "chain",
    .kind = "integer",
    .about = "additions and subtractions in a row",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS | 1 << TASK_BACKWARD,
    .state_bytes = sizeof(chain),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
