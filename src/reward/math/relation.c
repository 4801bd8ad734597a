/* math: equations and inequalities.
 * SPDX-License-Identifier: MIT */
#include "reward/math/math_int.h"

bool math_is_name(ref r)
{
    const node *n = ref_node(r);
    if (n->kind == K_VAR || n->kind == K_APPLY) return true;
    if (n->kind != K_MUL && n->kind != K_TUPLE) return n->kind == K_E || n->kind == K_I;
    for (ref c = ref_first(r); c.at; c = ref_next(c))
        if (!math_is_name(c)) return false;
    return true;
}

bool math_is_equation(ref r)
{
    if (ref_node(r)->kind != K_REL) return false;
    for (ref c = ref_next(ref_first(r)); c.at; c = ref_next(c))
        if (ref_node(c)->rel != '=' && ref_node(c)->rel != TOK_APPROX) return false;
    return true;
}

ref math_last(ref r) { return (ref){r.s, ref_node(r)->last}; }

/* Is a - b a constant multiple of c - d as a function of the variables? The factor's sign. */
static bool proportional(math_eval *e, ref a, ref b, ref c, ref d, int *sign)
{
    enum { POINTS = 8, WANTED = 4 };
    ref all[] = {a, b, c, d};
    bool defined, real, vars = false;
    e->n_whole = 0;
    e->seed = 0;
    fmpq_t x;
    fmpq_init(x);
    e->small = false, e->complex = true;
    for (int i = 0; i < 4; i++) {
        if (ref_node(all[i])->kind >= K_SCALARS_END) return fmpq_clear(x), false;
        vars |= math_has_variables(e, all[i]);
        e->seed = e->seed * 31 + math_hash(all[i]);
    }
    for (int i = 0; i < 4; i++) e->small |= math_rational(e, x, all[i]) == Q_IRRATIONAL;
    fmpq_clear(x);
    int start = -1, good = 0;
    bool same = vars;
    for (e->point = 0; e->point < POINTS && same && good < WANTED; e->point++) {
        if (start < 0) { /* a point where neither is zero */
            if (math_zero(e, a, b, &defined, &real) == FALSE_SURE && defined &&
                math_zero(e, c, d, &defined, &real) == FALSE_SURE && defined) {
                start = e->point;
                int s = math_compare(e, a, b), t = math_compare(e, c, d);
                *sign = s == 2 || t == 2 ? 0 : s * t;
            }
            continue;
        }
        enum truth t = math_proportional(e, a, b, c, d, start, &defined);
        if (!defined) continue;
        same = t == TRUE_SURE;
        good++;
    }
    e->point = 0, e->small = false;
    return same && start >= 0 && good >= 2;
}

static int mirrored(int op)
{
    return op == '<' ? '>' : op == '>' ? '<' : op == TOK_LE ? TOK_GE : op == TOK_GE ? TOK_LE : op;
}

static bool same_step(math_eval *e, ref a, ref b, int op, ref c, ref d, int op2)
{
    int sign;
    math_eval probe = *e;
    bool vars = math_has_variables(&probe, a);
    vars |= math_has_variables(&probe, b);
    if (!vars) return op == op2 && math_same(e, a, c) && math_same(e, b, d);
    if (!proportional(e, a, b, c, d, &sign)) return false;
    if (op == '=' || op == TOK_NE) return op == op2;
    if (op == TOK_IN || op == TOK_REL || op == TOK_APPROX) return false;
    return sign && op2 == (sign > 0 ? op : mirrored(op));
}

/* Step by step; `back` reads the answer from its right end. */
static bool same_chain(math_eval *e, ref gold, ref answer, bool back)
{
    enum { SIDES_MAX = 16 };
    ref side[SIDES_MAX];
    size_t n = 0;
    if (ref_node(gold)->n != ref_node(answer)->n || ref_node(gold)->n > SIDES_MAX) return false;
    for (ref c = ref_first(answer); c.at; c = ref_next(c)) side[n++] = c;
    size_t i = 1;
    ref a = ref_first(gold);
    for (ref b = ref_next(a); b.at; a = b, b = ref_next(b), i++) {
        ref c = back ? side[n - i] : side[i - 1], d = back ? side[n - i - 1] : side[i];
        int op = back ? mirrored(ref_node(c)->rel) : ref_node(d)->rel;
        if (!same_step(e, a, b, ref_node(b)->rel, c, d, op)) return false;
    }
    return true;
}

/* The same sides and signs, also where sides are sets, points or words. */
static bool same_parts(math_eval *e, ref gold, ref answer)
{
    if (ref_node(gold)->n != ref_node(answer)->n ||
        !str_eq(ref_node(gold)->text, ref_node(answer)->text))
        return false;
    ref c = ref_first(answer);
    for (ref a = ref_first(gold); a.at; a = ref_next(a), c = ref_next(c))
        if (ref_node(a)->rel != ref_node(c)->rel || !math_same(e, a, c)) return false;
    return true;
}

bool math_same_relation(math_eval *e, ref gold, ref answer)
{
    if (math_is_equation(gold) && math_is_equation(answer)) {
        ref a = ref_first(gold), c = ref_first(answer), b = math_last(gold), d = math_last(answer);
        int sign;
        if (math_is_name(a) && math_is_name(c) && math_same(e, a, c) && math_same(e, b, d))
            return true;
        return proportional(e, a, b, c, d, &sign) || same_parts(e, gold, answer);
    }
    if (math_is_equation(gold) || math_is_equation(answer)) return false;
    return same_parts(e, gold, answer) || same_chain(e, gold, answer, false) ||
           same_chain(e, gold, answer, true) || math_same_set(e, gold, answer);
}
