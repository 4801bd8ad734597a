/* sat: an assignment that makes every clause true, or "unsat" where there is none.
 * Puzzle: {"variables":3,"clauses":[[1,-2],[2,3]]}; -2 is "not x2".
 * SPDX-License-Identifier: MIT
 *
 * Assignments: "x1=1, x2=F", or literals "x1 ~x2 x3'". Variables left out must not matter: each
 * clause needs a literal that the answer makes true. */
#include "reward/scan.h"

enum { VARIABLES = 64, CLAUSES = 1024, STEPS = 200000 };

struct clause {
    uint64_t yes, no; /* bit v: variable v + 1 stands plain, negated */
};

struct formula {
    size_t n;
    uint64_t variables; /* all of them, as bits */
    struct clause clause[CLAUSES];
};

struct assignment {
    uint64_t yes, no;
};

static const char *const UNSAT[] = {"unsat", "unsatisfiable", "none", "不可满足", "无解", NULL};
static const char *const NOT[] = {"~", "¬", "!", "not ", "-", "\\neg ", "\\lnot ", "非", NULL};
static const char *const EQUALS[] = {"=", ":", "：", "＝", "为", "是", NULL};
/* Even places are true, odd ones false. */
static const char *const TRUTH[] = {"1", "0", "true", "false", "t", "f", "真", "假", NULL};

static bool read_variable(scan *s, unsigned *v)
{
    int64_t number;
    if (!scan_take(s, "x") && !scan_take(s, "X")) return false;
    bool brace = scan_take(s, "_{");
    if (!brace) scan_take(s, "_");
    if (!scan_number(s, VARIABLES, &number) || number == 0 || (brace && !scan_take(s, "}")))
        return false;
    *v = (unsigned)number - 1;
    return true;
}

/* "x3 = T", "x3", "~x3", "x3'". */
static bool read_item(scan *s, unsigned *v, bool *value)
{
    bool negated = scan_any(s, NOT) >= 0;
    scan_blanks(s);
    if (!read_variable(s, v)) return false;
    *value = !negated;
    if (negated) return true;
    if (scan_take(s, "'")) return *value = false, true;
    scan rest = *s;
    scan_blanks(&rest);
    if (scan_any(&rest, EQUALS) < 0) return true;
    scan_blanks(&rest);
    int word = scan_any(&rest, TRUTH);
    *value = word % 2 == 0;
    *s = rest;
    return word >= 0;
}

/* False: not one assignment. "unsat" is the one that says nothing. */
static bool read_assignment(struct assignment *a, str text)
{
    scan s;
    *a = (struct assignment){0, 0};
    if (!scan_begin(&s, text)) return false;
    scan word = s;
    if (scan_any(&word, UNSAT) >= 0 && scan_done(&word)) return true;
    while (scan_separators(&s), s.p < s.end) {
        unsigned v;
        bool value;
        if (!read_item(&s, &v, &value)) return false;
        /* "x1=10" and "x1=1x2=0" are no items. */
        const char *after = s.p;
        scan_separators(&s);
        if (s.p == after && s.p < s.end) return false;
        if ((a->yes | a->no) >> v & 1) return false;
        *(value ? &a->yes : &a->no) |= UINT64_C(1) << v;
    }
    return a->yes | a->no;
}

static bool read_formula(struct formula *f, const json_t *puzzle)
{
    int64_t variables, literal[VARIABLES];
    const json_t *clauses = json_object_get(puzzle, "clauses");
    f->n = json_array_size(clauses);
    if (!puzzle_int(json_object_get(puzzle, "variables"), 1, VARIABLES, &variables) || f->n == 0 ||
        f->n > CLAUSES)
        return false;
    f->variables = UINT64_MAX >> (VARIABLES - variables);
    for (size_t i = 0; i < f->n; i++) {
        size_t n =
            puzzle_ints(json_array_get(clauses, i), -variables, variables, literal, VARIABLES);
        f->clause[i] = (struct clause){0, 0};
        for (size_t j = 0; j < n; j++) {
            if (literal[j] == 0) return false;
            *(literal[j] > 0 ? &f->clause[i].yes : &f->clause[i].no) |=
                UINT64_C(1) << ((literal[j] > 0 ? literal[j] : -literal[j]) - 1);
        }
        if (n == 0) return false;
    }
    return true;
}

static bool satisfied(struct clause c, struct assignment a)
{
    return (c.yes & a.yes) | (c.no & a.no);
}

enum outcome { CONFLICT, FOUND, GAVE_UP };

/* Davis, Logemann, Loveland (1962): clauses with one free literal decide it; else try both values
 * of a variable of a shortest open clause. */
static enum outcome solve(const struct formula *f, struct assignment a, int64_t *steps)
{
    for (bool more = true; more;) {
        int shortest = VARIABLES + 1;
        struct clause branch = {0, 0};
        more = false;
        if ((*steps -= (int64_t)f->n) < 0) return GAVE_UP;
        for (size_t i = 0; i < f->n; i++) {
            struct clause c = f->clause[i];
            if (satisfied(c, a)) continue;
            c.yes &= ~a.no, c.no &= ~a.yes;
            int free = __builtin_popcountll(c.yes) + __builtin_popcountll(c.no);
            if (free == 0) return CONFLICT;
            if (free == 1) a.yes |= c.yes, a.no |= c.no, more = true;
            else if (free < shortest) shortest = free, branch = c;
        }
        if (more) continue;
        if (shortest > VARIABLES) return FOUND;
        uint64_t any = branch.yes | branch.no, v = any & (0 - any);
        struct assignment yes = {a.yes | v, a.no}, no = {a.yes, a.no | v};
        enum outcome first = solve(f, yes, steps);
        return first == CONFLICT ? solve(f, no, steps) : first;
    }
    return GAVE_UP;
}

bool kind_sat(const reward_question *q, str answer, const char **reason)
{
    struct formula f;
    struct assignment a, known;
    if (q->puzzle && !read_formula(&f, q->puzzle)) return scan_no(reason, reward_bad_puzzle);
    if (!q->puzzle && !read_assignment(&known, q->gold)) return scan_no(reason, reward_bad_gold);
    if (!read_assignment(&a, answer))
        return scan_no(reason, "neither one assignment nor \"unsat\"");
    if (!q->puzzle) {
        bool same = a.yes == known.yes && a.no == known.no;
        *reason = same ? "the same assignment" : "another assignment";
        return same;
    }
    if ((a.yes | a.no) == 0) {
        int64_t steps = STEPS;
        enum outcome o = solve(&f, a, &steps);
        *reason = o == CONFLICT ? "no assignment makes all clauses true"
                  : o == FOUND  ? "some assignment makes all clauses true"
                                : "too hard to decide";
        return o == CONFLICT;
    }
    if ((a.yes | a.no) & ~f.variables)
        return scan_no(reason, "a variable that is not in the formula");
    for (size_t i = 0; i < f.n; i++)
        if (!satisfied(f.clause[i], a)) return scan_no(reason, "a clause is not true");
    *reason = "all clauses are true";
    return true;
}
