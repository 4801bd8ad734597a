/* task_sat: an assignment that makes a formula of clauses true, or "unsat".
 * SPDX-License-Identifier: MIT
 *
 * As many formulas can be satisfied as not, so that a guess is worth no more. With at most ten
 * variables a set of assignments is a table of 1024 bits. */
#include "reward/task/task_puzzle.h"

enum { VARIABLES = 10, CLAUSES = 22, WORDS = 16 };

/* Bit v: variable v stands plain, negated. */
struct clause {
    uint16_t yes, no;
};

typedef struct sat {
    int n, clauses;
    bool satisfiable;
    struct clause clause[CLAUSES];
} sat;

/* ---- tables of assignments ------------------------------------------------------------------- */

struct table {
    uint64_t w[WORDS];
};

static int words(int n) { return n <= 6 ? 1 : 1 << (n - 6); }
static uint64_t used(int n) { return n >= 6 ? UINT64_MAX : (UINT64_C(1) << (1 << n)) - 1; }

/* Word i of the assignments in which v is true. */
static uint64_t is_true(int v, int i)
{
    static const uint64_t LOW[] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0,
                                   0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000};
    return v < 6 ? LOW[v] : i >> (v - 6) & 1 ? UINT64_MAX : 0;
}

/* Word i of the assignments in which the clause is false. */
static uint64_t is_false(struct clause c, int i, int n)
{
    uint64_t w = used(n);
    for (unsigned m = c.yes; m; m &= m - 1) w &= ~is_true(__builtin_ctz(m), i);
    for (unsigned m = c.no; m; m &= m - 1) w &= is_true(__builtin_ctz(m), i);
    return w;
}

/* Assignments that make no clause false, and exactly one. */
static void count_false(const sat *f, struct table *none, struct table *one)
{
    for (int i = 0; i < words(f->n); i++) {
        uint64_t some = 0, more = 0;
        for (int c = 0; c < f->clauses; c++) {
            uint64_t w = is_false(f->clause[c], i, f->n);
            more |= some & w, some |= w;
        }
        none->w[i] = used(f->n) & ~some, one->w[i] = some & ~more;
    }
}

/* An assignment in the table, as bits of variables that are true; -1: the table is empty. */
static int first_in(const struct table *t, int n)
{
    for (int i = 0; i < words(n); i++)
        if (t->w[i]) return i << 6 | __builtin_ctzll(t->w[i]);
    return -1;
}

/* The assignments of the table in which just this clause is false. */
static struct table only_false(const sat *f, const struct table *one, int clause)
{
    struct table t = {{0}};
    for (int i = 0; i < words(f->n); i++) t.w[i] = one->w[i] & is_false(f->clause[clause], i, f->n);
    return t;
}

/* ---- the problem ----------------------------------------------------------------------------- */

static bool draw_clause(sat *f, task_draw *d, int width)
{
    struct clause c = {0, 0};
    for (int i = 0; i < width;) {
        unsigned bit = 1u << task_below(d, (uint64_t)f->n);
        if ((c.yes | c.no) & bit) continue;
        *(task_below(d, 2) ? &c.yes : &c.no) |= (uint16_t)bit;
        i++;
    }
    for (int i = 0; i < f->clauses; i++)
        if (f->clause[i].yes == c.yes && f->clause[i].no == c.no) return false;
    f->clause[f->clauses++] = c;
    return true;
}

/* Overlooking one of some clauses must be able to mislead. */
static bool can_mislead(const sat *f, const struct table *one)
{
    int good = 0;
    for (int c = 0; c < f->clauses; c++) {
        struct table t = only_false(f, one, c);
        good += first_in(&t, f->n) >= 0;
    }
    return good >= 3;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const struct {
        int n, clauses;
    } LADDER[] = {{3, 5}, {4, 8}, {5, 10}, {6, 12}, {8, 17}, {10, 22}};
    sat *f = state;
    f->n = LADDER[level - 1].n;
    f->satisfiable = task_below(d, 2);
    struct table none, one;
    for (int tries = 0; tries < 300; tries++) {
        f->clauses = 0;
        while (f->clauses < LADDER[level - 1].clauses) draw_clause(f, d, 2 + (int)task_below(d, 2));
        count_false(f, &none, &one);
        if ((first_in(&none, f->n) >= 0) == f->satisfiable && can_mislead(f, &one)) return true;
    }
    return false;
}

static void put_literal(buf *out, int v, bool negated)
{
    if (negated) buf_add_char(out, '~');
    buf_add_char(out, 'x'), task_put(out, v + 1);
}

static void put_clause(struct clause c, const char *between, buf *out)
{
    bool first = true;
    for (int v = 0; v < VARIABLES; v++) {
        if (!((c.yes | c.no) >> v & 1)) continue;
        if (!first) task_text(out, between);
        first = false;
        put_literal(out, v, c.no >> v & 1);
    }
}

static void key(const void *state, buf *out)
{
    const sat *f = state;
    uint32_t code[CLAUSES];
    for (int i = 0; i < f->clauses; i++) {
        uint32_t x = (uint32_t)f->clause[i].yes << 16 | f->clause[i].no;
        int j = i;
        for (; j > 0 && code[j - 1] > x; j--) code[j] = code[j - 1];
        code[j] = x;
    }
    for (int i = 0; i < f->clauses; i++) task_put(out, code[i]), buf_add_char(out, ' ');
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Find values (1 or 0) of # that make this true, or answer unsat: #",
        "Variables #. Give an assignment (x1=1 x2=0 ...) that satisfies # or say unsat.",
        "Are there values of # that satisfy #? Give them (x1=1 x2=0 ...), else answer unsat.",
    };
    static const char *const ZH[] = {
        "求 # 的取值（1 或 0）使下式为真，无解则答 unsat：#",
        "变量 #；~ 非，| 或，& 且。写出使 # 成立的赋值（如 x1=1 x2=0），不可满足就答 unsat。",
        "# 有没有取值满足 #？有就写出（x1=1 x2=0 …），没有答 unsat。",
    };
    const sat *f = state;
    buf names = {0}, formula = {0};
    task_text(&names, "x1-x"), task_put(&names, f->n);
    for (int i = 0; i < f->clauses; i++) {
        task_text(&formula, i ? " & (" : "(");
        put_clause(f->clause[i], " | ", &formula);
        buf_add_char(&formula, ')');
    }
    task_ask(out, lang, d, EN, ZH, ((const str[]){buf_str(&names), buf_str(&formula)}));
    buf_free(&names), buf_free(&formula);
}

static void put_assignment(int n, unsigned yes, buf *out)
{
    for (int v = 0; v < n; v++) {
        if (v) buf_add_char(out, ' ');
        put_literal(out, v, false);
        task_text(out, yes >> v & 1 ? "=1" : "=0");
    }
}

static void answer(const void *state, buf *out)
{
    const sat *f = state;
    struct table none, one;
    count_false(f, &none, &one);
    if (f->satisfiable) put_assignment(f->n, (unsigned)first_in(&none, f->n), out);
    else task_text(out, "unsat");
}

static void puzzle(const void *state, json_writer *w)
{
    const sat *f = state;
    json_open(w, '{');
    json_key(w, "variables");
    json_i64(w, f->n);
    json_key(w, "clauses");
    json_open(w, '[');
    for (int i = 0; i < f->clauses; i++) {
        json_open(w, '[');
        for (int v = 0; v < f->n; v++)
            if ((f->clause[i].yes | f->clause[i].no) >> v & 1)
                json_i64(w, f->clause[i].no >> v & 1 ? -(v + 1) : v + 1);
        json_close(w, ']');
    }
    json_close(w, ']');
    json_close(w, '}');
}

/* ---- traces ---------------------------------------------------------------------------------- */

struct telling {
    task_tale *t;
    const sat *f;
    struct table solutions;
    int first;           /* the value tried first for each variable, as bits */
    uint16_t known, yes; /* variables with a value, and which are true */
};

static bool satisfied(const struct telling *s, struct clause c)
{
    return (c.yes & s->known & s->yes) | (c.no & s->known & ~s->yes);
}

static void give(struct telling *s, int v, bool value)
{
    s->known |= (uint16_t)(1u << v);
    s->yes = (uint16_t)((s->yes & ~(1u << v)) | (unsigned)value << v);
    put_literal(s->t->out, v, false);
    task_text(s->t->out, value ? "=1" : "=0");
}

/* Clauses with one literal left give it its value: ", x3=0 (x1|~x3)". False: one is false, " no".
 */
static bool propagate(struct telling *s)
{
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < s->f->clauses; i++) {
            struct clause c = s->f->clause[i];
            unsigned open = (unsigned)(c.yes | c.no) & ~(unsigned)s->known;
            if (satisfied(s, c) || (open & (open - 1))) continue;
            task_text(s->t->out, ", ");
            if (open) give(s, __builtin_ctz(open), c.yes & open), more = true;
            buf_add_char(s->t->out, open ? ' ' : '(');
            if (open) buf_add_char(s->t->out, '(');
            put_clause(c, "|", s->t->out);
            buf_add_char(s->t->out, ')');
            if (!open) return task_no(s->t), false;
        }
    }
    buf_add_char(s->t->out, '\n');
    return true;
}

/* Has the formula a solution with v at this value, and what is known? */
static bool leads_on(const struct telling *s, int v, bool value)
{
    for (int i = 0; i < words(s->f->n); i++) {
        uint64_t w = s->solutions.w[i] & (value ? is_true(v, i) : ~is_true(v, i));
        for (int k = 0; k < s->f->n; k++)
            if (s->known >> k & 1) w &= s->yes >> k & 1 ? is_true(k, i) : ~is_true(k, i);
        if (w) return true;
    }
    return false;
}

/* A variable of a shortest clause that is not true yet, or -1. At the start of a backtracking trace
 * one whose other value leads nowhere. */
static int choose(const struct telling *s, bool *value)
{
    int best = -1, least = VARIABLES + 1;
    for (int i = 0; i < s->f->clauses; i++) {
        struct clause c = s->f->clause[i];
        unsigned open = (unsigned)(c.yes | c.no) & ~(unsigned)s->known;
        if (satisfied(s, c) || __builtin_popcount(open) >= least) continue;
        least = __builtin_popcount(open), best = __builtin_ctz(open);
    }
    if (best >= 0) *value = s->first >> best & 1;
    if (best < 0 || s->known || s->t->o->style != TASK_BACKTRACKING) return best;
    for (int v = 0; v < s->f->n; v++)
        if (!leads_on(s, v, !(s->first >> v & 1))) return *value = !(s->first >> v & 1), v;
    return best;
}

/* Davis, Logemann, Loveland: try a value, follow what it forces, go back from a false clause. */
static bool by_search(struct telling *s)
{
    bool value = false;
    int v = choose(s, &value);
    if (v < 0) return true;
    struct telling before = *s;
    for (int tries = 0; tries < 2; tries++, value = !value) {
        *s = before;
        task_say(s->t, tries ? "so " : "try ", tries ? "故 " : "试 ");
        give(s, v, value);
        if (propagate(s) && by_search(s)) return true;
    }
    *s = before;
    return false;
}

/* Variables that no longer matter get the values that were to be tried first. */
static void put_rest(struct telling *s)
{
    bool any = false;
    for (int v = 0; v < s->f->n; v++) {
        if (s->known >> v & 1) continue;
        task_say(s->t, any ? " " : "rest ", any ? " " : "其余 ");
        any = true;
        give(s, v, s->first >> v & 1);
    }
    if (any) buf_add_char(s->t->out, '\n');
}

static void check(const struct telling *s)
{
    task_say(s->t, "check:", "检查：");
    for (int i = 0; i < s->f->clauses; i++) {
        struct clause c = s->f->clause[i];
        unsigned m = (c.yes & s->yes) | (c.no & ~s->yes);
        buf_add_char(s->t->out, ' ');
        put_literal(s->t->out, __builtin_ctz(m), c.no & m & (0 - m));
    }
}

static void trace(const void *state, task_tale *t)
{
    sat seen = *(const sat *)state;
    struct table none, one;
    int target = -1;
    count_false(&seen, &none, &one);
    for (int c = 0; c < seen.clauses; c++) {
        if (!task_slips(t)) continue;
        /* This clause is overlooked; where that misleads it is to an assignment that makes it
         * false. */
        struct table t_only = only_false(&seen, &one, c);
        target = first_in(&t_only, seen.n);
        memmove(seen.clause + c, seen.clause + c + 1,
                (size_t)(seen.clauses - c - 1) * sizeof *seen.clause);
        seen.clauses--, c--;
        count_false(&seen, &none, &one);
    }
    if (target < 0) target = first_in(&none, seen.n);
    struct telling s = {.t = t, .f = &seen, .solutions = none, .first = target < 0 ? 0 : target};
    if (!by_search(&s)) {
        task_say(t, "both fail", "都不行");
        task_text(t->answer, "unsat");
        return;
    }
    put_rest(&s);
    if (t->o->style == TASK_VERIFICATION) check(&s);
    put_assignment(seen.n, s.yes, t->answer);
}

const task_family task_sat = {
    .name = "sat",
    .kind = "sat",
    .about = "an assignment that satisfies a formula of clauses, or unsat",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING,
    .state_bytes = sizeof(sat),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .puzzle = puzzle,
    .trace = trace,
};
