/* countdown_search: Countdown solved by looking everywhere.
 * SPDX-License-Identifier: MIT
 *
 * The narrator joins numbers until three are left, in an order that is anybody's guess. Three are
 * seen through: two of them make up to four values, the third needs up to four to make the target,
 * and a value in both lists is a solution. What is at hand is written down at each turn, so that
 * nothing has to be remembered; a blank stands before every number and sign, so that a vocabulary
 * with blanks in its tokens has one token for each, wherever it stands. */
#include "reward/task/countdown.h"

enum { EASY_JOIN = 100, EASY_VALUE = 400, SEARCH_WAYS = 7 };

/* Larger values are left out. */
static int32_t easy(int32_t goal) { return goal > EASY_VALUE / 2 ? 2 * goal : EASY_VALUE; }

/* The operations on two numbers that give a natural number of at most `most`. */
static int joins(int32_t a, int32_t b, int32_t most, char op[4], int32_t v[4])
{
    int n = 0;
    for (const char *o = "+-*/"; *o; o++) {
        v[n] = countdown_join(a > b ? a : b, *o, a > b ? b : a, most);
        if (v[n]) op[n++] = *o;
    }
    return n;
}

/* A way so far: which values are left, in the order they are told. */
typedef struct way {
    countdown c;
    uint8_t open[COUNTDOWN_NUMBERS];
    int left;
} way;

static way begin_way(const countdown *c)
{
    way w = {.c = *c, .left = c->n};
    for (int i = 0; i < c->n; i++) w.open[i] = (uint8_t)i;
    return w;
}

/* Joins open values i and j, the larger first; the result is the last of those left. */
static void take(way *w, int i, int j, char op, int32_t v)
{
    uint8_t a = w->open[i], b = w->open[j];
    if (w->c.value[a] < w->c.value[b]) a = w->open[j], b = w->open[i];
    int steps = w->c.n - w->left, kept = 0;
    w->c.step[steps] = (struct countdown_step){a, b, op};
    w->c.value[w->c.n + steps] = v;
    for (int k = 0; k < w->left; k++)
        if (k != i && k != j) w->open[kept++] = w->open[k];
    w->open[kept] = (uint8_t)(w->c.n + steps);
    w->left--;
}

static void say_number(task_tale *t, int32_t v)
{
    buf_add_char(t->out, ' ');
    task_put(t->out, v);
}

/* The join that the way took last, and what it leaves. */
static void tell_take(task_tale *t, const way *w)
{
    int i = w->c.n - w->left - 1;
    struct countdown_step s = w->c.step[i];
    say_number(t, w->c.value[s.a]);
    buf_add(t->out, (char[]){' ', s.op}, 2);
    say_number(t, w->c.value[s.b]);
    task_text(t->out, " =");
    say_number(t, w->c.value[w->c.n + i]);
    task_say(t, ", left", "，余");
    for (int k = 0; k < w->left; k++) say_number(t, w->c.value[w->open[k]]);
    buf_add_char(t->out, '\n');
}

/* What numbers i and j of those left make; returns how many values. */
static int make(task_tale *t, const way *w, int i, int j, char op[4], int32_t v[4])
{
    int32_t a = w->c.value[w->open[i]], b = w->c.value[w->open[j]];
    int n = joins(a, b, easy(countdown_target(&w->c)), op, v);
    say_number(t, a), say_number(t, b);
    task_say(t, " make", " 得");
    for (int k = 0; k < n; k++) say_number(t, v[k]);
    return n;
}

/* The last two numbers; takes the join that makes the goal. */
static bool see_two(task_tale *t, way *w, int32_t goal)
{
    char op[4];
    int32_t v[4];
    int n = make(t, w, 0, 1, op, v);
    for (int k = 0; k < n; k++)
        if (v[k] == goal) return take(w, 0, 1, op[k], v[k]), true;
    return false;
}

/* The operation that makes `goal` of x and v; they stand in the order that it wants. */
static char maker(int32_t x, int32_t v, int32_t goal)
{
    for (const char *o = "+-*/"; *o; o++)
        if (countdown_join(x > v ? x : v, *o, x > v ? v : x, INT32_MAX) == goal) return *o;
    return 0;
}

/* Two of three numbers, i and j, against what the third needs: told up to the first that they make,
 * so that a look at one number is enough to see it. */
static bool see_three(task_tale *t, way *w, int i, int j, int32_t goal)
{
    int32_t x = w->c.value[w->open[3 - i - j]], v[4], need[4];
    char op[4], unused[4];
    int n = make(t, w, i, j, op, v), needs = joins(x, goal, easy(goal), unused, need);
    buf_add_char(t->out, ';'), say_number(t, x);
    task_say(t, " needs", " 要");
    for (int k = 0; k < needs; k++) {
        say_number(t, need[k]);
        for (int made = 0; made < n; made++) {
            if (v[made] != need[k]) continue;
            take(w, i, j, op[made], need[k]);
            take(w, 0, 1, maker(x, need[k], goal), goal);
            return true;
        }
    }
    return false;
}

/* Sees through what is left of a way; false: nothing there, or the narrator has had enough. */
static bool see(task_tale *t, way *w, bool *tired)
{
    const int32_t goal = countdown_target(&w->c);
    if (w->left == 2) {
        bool found = see_two(t, w, goal);
        *tired = task_slips(t);
        return found && !*tired;
    }
    for (int k = 0; k < 3 && !*tired; k++) {
        if (k) buf_add_char(t->out, '\n');
        bool found = see_three(t, w, k == 2, k ? 2 : 1, goal);
        *tired = task_slips(t);
        if (found && !*tired) return true;
    }
    return false;
}

/* Ways told already, by the three numbers they leave: a search does not repeat itself. */
typedef struct told {
    int32_t v[SEARCH_WAYS][3];
    int n;
} told;

static bool is_new(told *seen, const way *w)
{
    int32_t v[3] = {0};
    for (int i = 0; i < w->left; i++) v[i] = w->c.value[w->open[i]];
    countdown_sort(v, w->left);
    for (int i = 0; i < seen->n; i++)
        if (!memcmp(seen->v[i], v, sizeof v)) return false;
    memcpy(seen->v[seen->n++], v, sizeof v);
    return true;
}

/* Joins at random until three numbers are left that were not seen through yet. */
static bool go_anywhere(task_tale *t, way *w, const countdown *c, told *seen)
{
    enum { TRIES = 40 };
    size_t start = t->out->n;
    for (int tries = 0; seen->n < SEARCH_WAYS && tries < TRIES; tries++) {
        *w = begin_way(c);
        while (w->left > 3) {
            int i = (int)task_below(t->d, (uint64_t)w->left),
                j = (int)task_below(t->d, (uint64_t)w->left - 1);
            if (j >= i) j++;
            char op[4];
            int32_t v[4];
            int n = joins(w->c.value[w->open[i]], w->c.value[w->open[j]], EASY_JOIN, op, v);
            int k = (int)task_below(t->d, (uint64_t)n);
            take(w, i, j, op[k], v[k]);
            tell_take(t, w);
        }
        if (is_new(seen, w)) return true;
        t->out->n = start;
    }
    return false;
}

/* The way that the problem was made of. */
static void go_right(task_tale *t, way *w, const countdown *c)
{
    *w = begin_way(c);
    for (int step = 0; w->left > 1; step++) {
        int at[2] = {0};
        for (int k = 0; k < w->left; k++) {
            if (w->open[k] == c->step[step].a) at[0] = k;
            if (w->open[k] == c->step[step].b) at[1] = k;
        }
        take(w, at[0], at[1], c->step[step].op, c->value[c->n + step]);
        tell_take(t, w);
    }
}

/* The solution from the values before `known`. */
static void put_solution(const countdown *c, int known, buf *out)
{
    buf tight = {0};
    countdown_put(c, 2 * c->n - 2, known, &tight);
    for (size_t i = 0; i < tight.n; i++) {
        bool number = tight.p[i] >= '0';
        if (i && !(number && tight.p[i - 1] >= '0')) buf_add_char(out, ' ');
        buf_add_char(out, tight.p[i]);
    }
    out->failed |= tight.failed;
    buf_free(&tight);
}

/* The solution put together from its end. */
static void conclude(task_tale *t, const countdown *c)
{
    task_say(t, "so", "所以");
    for (int known = 2 * c->n - 2; known >= c->n; known--) {
        buf_add_char(t->out, ' ');
        put_solution(c, known, t->out);
        buf_add_char(t->out, '\n');
    }
    put_solution(c, c->n, t->answer);
}

static void guess(task_tale *t, const countdown *c)
{
    for (int i = 0; i < c->n; i++) {
        if (i) buf_add(t->answer, (char[]){' ', "+-*"[task_below(t->slips, 3)], ' '}, 3);
        task_put(t->answer, c->value[i]);
    }
}

void countdown_search(task_tale *t, const countdown *c)
{
    told seen = {0};
    bool tired = false, found = false;
    way w;
    while (!found && !tired) {
        if (go_anywhere(t, &w, c, &seen)) {
            found = see(t, &w, &tired);
            if (!found) task_no(t);
            else buf_add_char(t->out, '\n');
        } else {
            go_right(t, &w, c);
            found = true;
        }
    }
    if (found) conclude(t, &w.c);
    else guess(t, c);
}
