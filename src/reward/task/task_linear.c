/* task_linear: equations with integer solutions, one unknown, then two.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

/* One unknown: a (x + p) + b = c x + d. Two: u[0] x + u[1] y = u[2], and v likewise. */
typedef struct equations {
    bool two;
    int64_t a, p, b, c, d;
    int64_t u[3], v[3];
    int64_t x, y;
} equations;

static int64_t nonzero(task_draw *d, int64_t most)
{
    int64_t v = task_between(d, 1, most);
    return task_below(d, 2) ? v : -v;
}

static bool draw_one(equations *e, task_draw *d, int level)
{
    static const int64_t COEFFICIENT[] = {9, 20, 12, 9}, MOST_X[] = {9, 15, 12, 12};
    e->a = task_between(d, 2, COEFFICIENT[level - 1]);
    e->b = level == 1 ? task_between(d, 1, 9) : nonzero(d, 20);
    e->x = task_between(d, level == 1 ? 1 : -MOST_X[level - 1], MOST_X[level - 1]);
    if (level >= 3) e->c = task_between(d, 1, COEFFICIENT[level - 1]);
    if (level == 4) e->p = nonzero(d, 9);
    e->d = e->a * (e->x + e->p) + e->b - e->c * e->x;
    return e->c != e->a && e->d != 0;
}

static int64_t determinant(const equations *e) { return e->u[0] * e->v[1] - e->v[0] * e->u[1]; }

static bool draw_two(equations *e, task_draw *d, int level)
{
    int64_t most = level == 5 ? 5 : 20;
    e->two = true;
    e->x = level == 5 ? task_between(d, 1, 9) : task_between(d, -12, 12);
    e->y = level == 5 ? task_between(d, 1, 9) : task_between(d, -12, 12);
    for (int i = 0; i < 2; i++) {
        e->u[i] = i ? nonzero(d, most) : task_between(d, 1, most);
        e->v[i] = i ? nonzero(d, most) : task_between(d, 1, most);
    }
    e->u[2] = e->u[0] * e->x + e->u[1] * e->y;
    e->v[2] = e->v[0] * e->x + e->v[1] * e->y;
    return determinant(e) != 0;
}

static bool draw(void *state, task_draw *d, int level)
{
    return level < 5 ? draw_one(state, d, level) : draw_two(state, d, level);
}

static void key(const void *state, buf *out)
{
    const equations *e = state;
    if (!e->two) {
        buf_printf(out, "%d %d %d %d %d", (int)e->a, (int)e->p, (int)e->b, (int)e->c, (int)e->d);
        return;
    }
    int i = 0;
    while (i < 2 && e->u[i] == e->v[i]) i++;
    const int64_t *first = e->u[i] <= e->v[i] ? e->u : e->v, *second = first == e->u ? e->v : e->u;
    for (i = 0; i < 3; i++) task_put(out, first[i]), buf_add_char(out, ' ');
    for (i = 0; i < 3; i++) task_put(out, second[i]), buf_add_char(out, ' ');
}

/* " + 3x", " - y", " + 7"; the first of a side without blanks and plus. Nothing for zero. */
static void put_term(buf *out, bool *first, int64_t k, const char *unknown)
{
    if (k == 0) return;
    if (!*first) task_text(out, k < 0 ? " - " : " + ");
    else if (k < 0) buf_add_char(out, '-');
    k = k < 0 ? -k : k;
    if (k != 1 || !*unknown) task_put(out, k);
    task_text(out, unknown);
    *first = false;
}

/* a (x + p) + b = c x + d */
static void put_one(buf *out, int64_t a, int64_t p, int64_t b, int64_t c, int64_t d)
{
    bool first = true;
    if (p) {
        buf_printf(out, "%d(x %c %d)", (int)a, p < 0 ? '-' : '+', (int)(p < 0 ? -p : p));
        first = false;
    } else {
        put_term(out, &first, a, "x");
    }
    put_term(out, &first, b, "");
    task_text(out, " = ");
    first = true;
    put_term(out, &first, c, "x");
    put_term(out, &first, d, "");
    if (first) buf_add_char(out, '0');
}

static void put_two(buf *out, const int64_t u[3])
{
    bool first = true;
    put_term(out, &first, u[0], "x");
    put_term(out, &first, u[1], "y");
    task_text(out, " = ");
    task_put(out, u[2]);
}

static void put_equations(buf *out, const equations *e, const char *between)
{
    if (!e->two) {
        put_one(out, e->a, e->p, e->b, e->c, e->d);
        return;
    }
    put_two(out, e->u);
    task_text(out, between);
    put_two(out, e->v);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const ONE_EN[] = {"Solve # for x. Answer as x = N.",
                                         "Find x if #. Answer in the form x = N.",
                                         "Which x satisfies #? Answer as x = N."};
    static const char *const ONE_ZH[] = {"解方程 #，按 x = N 作答。", "若 #，求 x，按 x = N 作答。",
                                         "满足 # 的 x 是几？按 x = N 作答。"};
    static const char *const TWO_EN[] = {"Solve #. Answer as x = M, y = N.",
                                         "Find x and y if #. Answer as x = M, y = N.",
                                         "Which x and y satisfy #? Answer as x = M, y = N."};
    static const char *const TWO_ZH[] = {"解方程组 #，按 x = M, y = N 作答。",
                                         "若 #，求 x 和 y，按 x = M, y = N 作答。",
                                         "哪组 x 和 y 满足 #？按 x = M, y = N 作答。"};
    const equations *e = state;
    buf text = {0};
    put_equations(&text, e, lang == TASK_ZH ? "，" : " and ");
    const str parts[] = {buf_str(&text)};
    if (e->two) task_ask(out, lang, d, TWO_EN, TWO_ZH, parts);
    else task_ask(out, lang, d, ONE_EN, ONE_ZH, parts);
    out->failed |= text.failed;
    buf_free(&text);
}

static void put_solution(buf *out, const equations *e)
{
    task_text(out, "x = "), task_put(out, e->x);
    if (e->two) task_text(out, ", y = "), task_put(out, e->y);
}

static void answer(const void *state, buf *out) { put_solution(out, state); }

/* A step that a flaw leaves alone: from a wrong value here the rest could not be told in
 * integers. */
static int64_t sure_step(task_tale *t, int64_t a, char op, int64_t b)
{
    uint32_t flaw = t->flaw, places = t->places;
    t->flaw = UINT32_MAX;
    int64_t v = task_step(t, a, op, b);
    t->flaw = flaw, t->places = places;
    return v;
}

/* The last division, "x=12/4" and "12/4=3"; a quotient that does not come out (after a flaw) stays
 * a fraction, in the answer as well. */
static int64_t quotient(task_tale *t, const char *unknown, int64_t v, int64_t by)
{
    if (by < 0) v = -v, by = -by;
    task_text(t->answer, unknown), task_text(t->answer, " = ");
    if (v % by) {
        buf_printf(t->out, "%s=%d/%d\n", unknown, (int)v, (int)by);
        buf_printf(t->answer, "%d/%d", (int)v, (int)by);
        return v / by;
    }
    if (by != 1) v = task_step(t, v, '/', by);
    buf_printf(t->out, "%s=%d\n", unknown, (int)v);
    task_put(t->answer, v);
    return v;
}

static void solve_one(task_tale *t, const equations *e)
{
    int64_t b = e->b, a = e->a, d = e->d;
    if (e->p) {
        task_goal(t, "brackets\n", "去括号\n");
        b = task_step(t, task_step(t, a, '*', e->p), '+', b);
        put_one(t->out, a, 0, b, e->c, d), buf_add_char(t->out, '\n');
    }
    task_goal(t, "numbers\n", "移项\n");
    d = task_step(t, d, '-', b);
    if (e->c) {
        task_goal(t, "unknowns\n", "合并\n");
        a = sure_step(t, a, '-', e->c);
    }
    task_goal(t, "divide\n", "相除\n");
    put_one(t->out, a, 0, 0, 0, d), buf_add_char(t->out, '\n');
    quotient(t, "x", d, a);
}

/* y eliminated by multiplying each equation with the other's factor of y. */
static void solve_two(task_tale *t, const equations *e)
{
    const int64_t *u = e->u, *v = e->v;
    task_goal(t, "eliminate y\n", "消去 y\n");
    int64_t left = sure_step(t, u[0], '*', v[1]);
    left = sure_step(t, left, '-', sure_step(t, v[0], '*', u[1]));
    int64_t right = sure_step(t, u[2], '*', v[1]), other = sure_step(t, v[2], '*', u[1]);
    if (t->o->style != TASK_VERIFICATION && task_slips(t)) {
        int64_t wrong = right - other + left;
        buf_printf(t->out, other < 0 ? "%d+%d=%d\n" : "%d-%d=%d\n", (int)right,
                   (int)(other < 0 ? -other : other), (int)wrong);
        right = wrong;
    } else {
        right = sure_step(t, right, '-', other);
    }
    put_one(t->out, left, 0, 0, 0, right), buf_add_char(t->out, '\n');
    task_goal(t, "find x\n", "求 x\n");
    int64_t x = quotient(t, "x", right, left);
    task_goal(t, "find y\n", "求 y\n");
    int64_t rest = task_step(t, u[2], '-', task_step(t, u[0], '*', x));
    task_text(t->answer, ", ");
    quotient(t, "y", rest, u[1]);
}

/* The problem with its right-hand side misread, such that the solution is still in integers. */
static void misread(task_tale *t, equations *e)
{
    if (!task_slips(t)) return;
    int64_t sign = task_below(t->slips, 2) ? 1 : -1;
    if (e->two) {
        e->u[2] += sign * determinant(e);
        e->x += sign * e->v[1];
        e->y -= sign * e->v[0];
    } else {
        e->d += sign * (e->a - e->c);
        e->x += sign;
    }
}

static void check_one(task_tale *t, const equations *e)
{
    int64_t left = task_step(t, e->a, '*', e->p ? task_step(t, e->x, '+', e->p) : e->x);
    task_step(t, left, '+', e->b);
    if (e->c) task_step(t, task_step(t, e->c, '*', e->x), '+', e->d);
}

static void check_two(task_tale *t, const equations *e, const int64_t u[3])
{
    int64_t first = task_step(t, u[0], '*', e->x), second = task_step(t, u[1], '*', e->y);
    task_step(t, first, '+', second);
}

static void trace(const void *state, task_tale *t)
{
    equations e = *(const equations *)state;
    if (t->o->style == TASK_VERIFICATION) {
        misread(t, &e);
        put_equations(t->out, &e, "\n");
        buf_add_char(t->out, '\n');
    }
    if (e.two) solve_two(t, &e);
    else solve_one(t, &e);
    if (!task_checks(t)) return;
    if (e.two) check_two(t, &e, e.u), check_two(t, &e, e.v);
    else check_one(t, &e);
}

const task_family task_linear = {
    .name = "linear",
    .kind = "assignment",
    .about = "linear equations with one or two unknowns",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(equations),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
