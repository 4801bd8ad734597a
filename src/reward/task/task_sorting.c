/* task_sorting: numbers in order: ascending, descending, by last digit, by sum of digits.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_puzzle.h"

enum { LENGTH = 16, MOST = 999 };
enum order { ASCENDING, DESCENDING, LAST_DIGIT, DIGIT_SUM };

typedef struct sorting {
    int n, most;
    enum order order;
    int32_t v[LENGTH];
} sorting;

static int digit_key(enum order o, int32_t v)
{
    return o == LAST_DIGIT ? v % 10 : v / 100 + v / 10 % 10 + v % 10;
}

/* Numbers stand in the order of their ranks; only equal numbers have equal ranks. */
static int rank_of(const sorting *s, int32_t v)
{
    return s->order == ASCENDING    ? v
           : s->order == DESCENDING ? -v
                                    : digit_key(s->order, v) * (MOST + 1) + v;
}

static void sort(const sorting *s, int32_t *v, int n)
{
    for (int i = 1; i < n; i++) {
        int32_t x = v[i];
        int j = i;
        for (; j > 0 && rank_of(s, v[j - 1]) > rank_of(s, x); j--) v[j] = v[j - 1];
        v[j] = x;
    }
}

static bool draw(void *state, task_draw *d, int level)
{
    static const struct {
        int n, most, orders;
    } LADDER[] = {{3, 9, 2}, {5, 99, 2}, {7, 99, 3}, {9, 999, 3}, {12, 999, 4}, {16, 999, 4}};
    sorting *s = state;
    s->n = LADDER[level - 1].n, s->most = LADDER[level - 1].most;
    s->order = (enum order)task_below(d, (uint64_t)LADDER[level - 1].orders);
    bool sorted = true, equal = true;
    for (int i = 0; i < s->n; i++) {
        s->v[i] = (int32_t)task_between(d, 0, s->most);
        if (i && rank_of(s, s->v[i]) < rank_of(s, s->v[i - 1])) sorted = false;
        if (s->v[i] != s->v[0]) equal = false;
    }
    return !equal && !sorted;
}

/* The numbers in any order are one problem. */
static void key(const void *state, buf *out)
{
    sorting s = *(const sorting *)state;
    task_put(out, s.order);
    buf_add_char(out, ' ');
    sort(&s, s.v, s.n);
    task_numbers(out, s.v, s.n);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {"Sort # #.", "Numbers: #. List them #.",
                                     "Here are some numbers: #. Arrange them #."};
    static const char *const ZH[] = {"把 # #。", "数字：#。#。", "给定 #，请#。"};
    static const char *const HOW[][2] = {
        {"in ascending order", "从小到大排列"},
        {"in descending order", "从大到小排列"},
        {"by last digit, the smaller first where it is the same",
         "按个位数从小到大排列，个位相同的小数在前"},
        {"by sum of digits, the smaller first where it is the same",
         "按各位数字之和从小到大排列，和相同的小数在前"},
    };
    const sorting *s = state;
    buf list = {0};
    task_numbers(&list, s->v, s->n);
    task_ask(out, lang, d, EN, ZH,
             ((const str[]){buf_str(&list), str_of(HOW[s->order][lang == TASK_ZH])}));
    buf_free(&list);
}

static void answer(const void *state, buf *out)
{
    sorting s = *(const sorting *)state;
    sort(&s, s.v, s.n);
    task_numbers(out, s.v, s.n);
}

/* ---- traces ---------------------------------------------------------------------------------- */

/* What the order goes by, where that is not the number itself: "12:3 40:4". */
static void put_keys(const sorting *s, task_tale *t)
{
    if (s->order < LAST_DIGIT) return;
    for (int i = 0; i < s->n; i++)
        buf_printf(t->out, i ? " %d:%d" : "%d:%d", (int)s->v[i], digit_key(s->order, s->v[i]));
    buf_add_char(t->out, '\n');
}

/* Picks one number after the other, the first or (backward) the last of those left: "3 | 9 5". */
static void select_each(const sorting *s, task_tale *t, bool last, int32_t *out)
{
    int32_t left[LENGTH];
    memcpy(left, s->v, sizeof left);
    for (int n = s->n; n > 0; n--) {
        int best = 0, other;
        for (int i = 1; i < n; i++)
            if (rank_of(s, left[i]) != rank_of(s, left[best]) &&
                (rank_of(s, left[i]) < rank_of(s, left[best])) != last)
                best = i;
        for (other = 0; other < n && left[other] == left[best]; other++) continue;
        if (other < n && task_turns(t)) {
            task_put(t->out, left[other]);
            task_no(t);
        }
        if (other < n && task_slips(t)) best = other;
        int32_t v = left[best];
        memmove(left + best, left + best + 1, (size_t)(n - best - 1) * sizeof *left);
        out[last ? n - 1 : s->n - n] = v;
        task_put(t->out, v);
        if (n > 1) {
            task_text(t->out, " | ");
            task_numbers(t->out, left, n - 1);
        }
        buf_add_char(t->out, '\n');
    }
}

/* The group of a number: its leading digit, or what the order goes by. */
static int group_of(const sorting *s, int32_t v)
{
    if (s->order >= LAST_DIGIT) return digit_key(s->order, v);
    return s->most < 10 ? v / 5 : s->most < 100 ? v / 10 : v / 100;
}

/* One line for each group with its numbers in order: "4: 41 47". A slip loses a number, unless they
 * are compared afterwards. */
static int in_groups(const sorting *s, task_tale *t, int32_t *out)
{
    enum { GROUPS = 28 };
    bool checks = t->o->style == TASK_VERIFICATION;
    int n = 0;
    for (int i = 0; i < GROUPS; i++) {
        int g = s->order == DESCENDING ? GROUPS - 1 - i : i, start = n;
        for (int j = 0; j < s->n; j++)
            if (group_of(s, s->v[j]) == g && (checks || !task_slips(t))) out[n++] = s->v[j];
        if (n == start) continue;
        sort(s, out + start, n - start);
        task_put(t->out, g);
        task_text(t->out, ": ");
        task_numbers(t->out, out + start, n - start);
        buf_add_char(t->out, '\n');
    }
    return n;
}

static void trace(const void *state, task_tale *t)
{
    sorting s = *(const sorting *)state;
    int32_t out[LENGTH];
    int n = s.n;
    for (int i = 0; i < s.n; i++) s.v[i] = (int32_t)task_read(t, s.v[i], 0, s.most);
    put_keys(&s, t);
    if (t->o->style == TASK_SUBGOALS || t->o->style == TASK_VERIFICATION) n = in_groups(&s, t, out);
    else select_each(&s, t, t->o->style == TASK_BACKWARD, out);
    if (t->o->style == TASK_VERIFICATION) {
        task_say(t, "check: ", "检查：");
        for (int i = 0; i < n; i++) {
            if (i)
                task_text(t->out, s.order == ASCENDING ? "<=" : s.order == DESCENDING ? ">=" : " ");
            if (s.order < LAST_DIGIT) task_put(t->out, out[i]);
            else task_put(t->out, digit_key(s.order, out[i]));
        }
    }
    task_numbers(t->answer, out, n);
}

const task_family task_sorting = {
    .name = "sorting",
    .kind = "list",
    .about = "numbers in ascending or descending order, by last digit or sum of digits",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS | 1 << TASK_BACKWARD,
    .state_bytes = sizeof(sorting),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
