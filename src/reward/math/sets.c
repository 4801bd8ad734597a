/* math: sets of real numbers as sorted, disjoint intervals.
 * SPDX-License-Identifier: MIT */
#include "reward/math/math_int.h"

enum { PIECES_MAX = 24 };

/* An end: a number, or at .at == 0 an infinity (which one is clear from the place). */
typedef struct piece {
    ref low, high;
    bool low_open, high_open;
} piece;

typedef struct pieces {
    piece p[PIECES_MAX];
    int n;
} pieces;

/* False: no set of real numbers, or the order of its ends cannot be told. `name` is the variable of
 * its inequalities: 0 before the first, then always the same. */
static bool build(math_eval *e, pieces *out, ref r, uint64_t *name);

static int compare(math_eval *e, ref a, bool a_low, ref b, bool b_low)
{
    if (!a.at && !b.at) return a_low == b_low ? 0 : a_low ? -1 : 1;
    if (!a.at) return a_low ? -1 : 1;
    if (!b.at) return b_low ? 1 : -1;
    return math_compare(e, a, b);
}

static bool push(pieces *s, piece p)
{
    if (s->n == PIECES_MAX) return false;
    s->p[s->n++] = p;
    return true;
}

/* Sorted by low end, pieces that touch joined. */
static bool tidy(math_eval *e, pieces *s)
{
    for (int i = 1; i < s->n; i++)
        for (int k = i; k > 0; k--) {
            int c = compare(e, s->p[k - 1].low, true, s->p[k].low, true);
            if (c == 2) return false;
            if (c < 0 || (c == 0 && s->p[k - 1].low_open <= s->p[k].low_open)) break;
            piece t = s->p[k];
            s->p[k] = s->p[k - 1], s->p[k - 1] = t;
        }
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        piece *last = n ? &s->p[n - 1] : NULL, next = s->p[i];
        int c = last ? compare(e, last->high, false, next.low, true) : -1;
        if (c == 2) return false;
        if (c < 0 || (c == 0 && last->high_open && next.low_open)) {
            s->p[n++] = next;
            continue;
        }
        c = compare(e, last->high, false, next.high, false);
        if (c == 2) return false;
        if (c < 0) last->high = next.high, last->high_open = next.high_open;
        else if (c == 0) last->high_open = last->high_open && next.high_open;
    }
    s->n = n;
    return true;
}

static bool complement(pieces *out, const pieces *s)
{
    piece gap = {.low_open = true};
    out->n = 0;
    bool to_the_end = false;
    for (int i = 0; i < s->n; i++) {
        if (s->p[i].low.at) {
            gap.high = s->p[i].low, gap.high_open = !s->p[i].low_open;
            if (!push(out, gap)) return false;
        }
        gap = (piece){.low = s->p[i].high, .low_open = !s->p[i].high_open};
        to_the_end = !s->p[i].high.at;
    }
    gap.high = (ref){0}, gap.high_open = true;
    return to_the_end || push(out, gap);
}

static bool unite(math_eval *e, pieces *a, const pieces *b)
{
    for (int i = 0; i < b->n; i++)
        if (!push(a, b->p[i])) return false;
    return tidy(e, a);
}

/* By De Morgan: what is missing from neither. */
static bool intersect(math_eval *e, pieces *a, const pieces *b)
{
    pieces x, y;
    if (!complement(&x, a) || !complement(&y, b) || !unite(e, &x, &y)) return false;
    return complement(a, &x);
}

static ref end_of(ref r, bool low, bool *open)
{
    const node *n = ref_node(r);
    bool minus = n->kind == K_NEG && ref_node(ref_first(r))->kind == K_INF;
    if ((low && minus) || (!low && n->kind == K_INF)) return *open = true, (ref){0};
    return r;
}

static bool interval(math_eval *e, pieces *out, ref low, bool low_open, ref high, bool high_open)
{
    piece p = {.low_open = low_open, .high_open = high_open};
    p.low = end_of(low, true, &p.low_open);
    p.high = end_of(high, false, &p.high_open);
    int c = compare(e, p.low, true, p.high, false);
    if (c == 2 || c > 0 || (c == 0 && (p.low_open || p.high_open))) return false;
    return push(out, p);
}

/* x op b, or b op x with the variable on the right. */
static bool half_line(math_eval *e, pieces *out, ref b, int op, bool mirrored)
{
    math_eval probe = *e;
    if (ref_node(b)->kind >= K_SCALARS_END || math_has_variables(&probe, b)) return false;
    if (mirrored)
        op = op == '<' ? '>' : op == '>' ? '<' : op == TOK_LE ? TOK_GE : op == TOK_GE ? TOK_LE : op;
    piece p = {.low_open = true, .high_open = true};
    switch (op) {
    case '<':
    case TOK_LE: p.high = b, p.high_open = op == '<'; break;
    case '>':
    case TOK_GE: p.low = b, p.low_open = op == '>'; break;
    case TOK_NE:
        p.high = b;
        return push(out, p) && push(out, (piece){.low = b, .low_open = true, .high_open = true});
    case '=': p = (piece){.low = b, .high = b}; break;
    default: return false;
    }
    p.low = p.low.at ? end_of(p.low, true, &p.low_open) : p.low;
    p.high = p.high.at ? end_of(p.high, false, &p.high_open) : p.high;
    return push(out, p);
}

/* A solved inequality: the variable stands alone on one side, or in the middle. */
static bool inequality(math_eval *e, pieces *out, ref r, uint64_t *name)
{
    ref a = ref_first(r), b = ref_next(a), c = ref_next(b);
    pieces other = {.n = 0};
    bool left = ref_node(a)->kind == K_VAR, right = ref_node(b)->kind == K_VAR;
    if (ref_node(r)->n > 3 || (c.at ? !right : left == right)) return false;
    uint64_t n = 5381;
    str text = ref_node(right ? b : a)->text;
    for (size_t i = 0; i < text.n; i++) n = n * 33 + (uint8_t)text.p[i];
    if (*name && *name != n) return false;
    *name = n;
    if (ref_node(b)->rel == TOK_IN) return !c.at && left && build(e, out, b, name);
    if (!half_line(e, out, right ? a : b, ref_node(b)->rel, right)) return false;
    if (!c.at) return true;
    return half_line(e, &other, c, ref_node(c)->rel, false) && intersect(e, out, &other);
}

static bool combined(math_eval *e, pieces *out, ref r, int op, uint64_t *name)
{
    bool first = true;
    for (ref c = ref_first(r); c.at; c = ref_next(c), first = false) {
        pieces one = {.n = 0}, rest;
        if (!build(e, &one, c, name)) return false;
        bool ok = true;
        if (first) *out = one;
        else if (op == TOK_CUP) ok = unite(e, out, &one);
        else if (op == TOK_CAP) ok = intersect(e, out, &one);
        else ok = complement(&rest, &one) && intersect(e, out, &rest);
        if (!ok) return false;
    }
    return true;
}

static bool build_inside(math_eval *e, pieces *out, ref r, uint64_t *name)
{
    const node *n = ref_node(r);
    ref a = ref_first(r);
    switch (n->kind) {
    case K_TUPLE:
        return n->n == 2 && interval(e, out, a, n->open == '(', ref_next(a), n->close == ')');
    case K_REALS: return push(out, (piece){.low_open = true, .high_open = true});
    case K_EMPTY: return true;
    case K_SET:
        for (; a.at; a = ref_next(a)) {
            if (ref_node(a)->kind >= K_SCALARS_END) return false;
            if (!push(out, (piece){.low = a, .high = a})) return false;
        }
        return tidy(e, out);
    case K_SETOP: return combined(e, out, r, n->op, name);
    case K_REL: return inequality(e, out, r, name);
    case K_BUILDER: return build(e, out, ref_next(a), name);
    case K_LIST:
        for (; a.at; a = ref_next(a))
            if (ref_node(a)->kind != K_REL) return false;
        return combined(e, out, r, n->sep == TOK_OR ? TOK_CUP : TOK_CAP, name);
    default: return false;
    }
}

static bool build(math_eval *e, pieces *out, ref r, uint64_t *name)
{
    return build_inside(e, out, r, name) && tidy(e, out);
}

bool math_same_set(math_eval *e, ref gold, ref answer)
{
    pieces a = {.n = 0}, b = {.n = 0};
    uint64_t name_a = 0, name_b = 0;
    if (!build(e, &a, gold, &name_a) || !build(e, &b, answer, &name_b)) return false;
    if (a.n != b.n || (name_a && name_b && name_a != name_b)) return false;
    for (int i = 0; i < a.n; i++) {
        piece *x = &a.p[i], *y = &b.p[i];
        if (x->low_open != y->low_open || x->high_open != y->high_open) return false;
        if (compare(e, x->low, true, y->low, true) || compare(e, x->high, false, y->high, false))
            return false;
    }
    return true;
}
