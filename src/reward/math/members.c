/* math: lists and sets: the same members, in any order, however often.
 * SPDX-License-Identifier: MIT */
#include "reward/math/math_int.h"

#include <stdlib.h>

enum { MEMBERS_MAX = 4096, SIGNS_MAX = 6, PAIRS_MAX = 20000 };

typedef struct member {
    ref r;
    uint32_t pm;
    uint64_t hash;
    bool matched;
} member;

typedef struct members {
    member *p;
    size_t n, cap;
    uint32_t from; /* first number for signs of this side */
} members;

bool math_number_signs(ref r, uint32_t from, uint32_t *n)
{
    node *k = &r.s->nodes[r.at];
    bool together = k->kind == K_PM && k->op;
    if (k->kind == K_PM) k->cols = from + size_min(*n, 15), ++*n;
    for (ref c = ref_first(r); c.at; c = ref_next(c)) together |= math_number_signs(c, from, n);
    return together;
}

static bool push(members *m, ref r, uint32_t pm)
{
    if (m->n == MEMBERS_MAX) return false;
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 16;
        member *p = realloc(m->p, cap * sizeof *p);
        if (!p) return false;
        m->p = p, m->cap = cap;
    }
    m->p[m->n++] = (member){r, pm, math_hash(r) + pm, false};
    return true;
}

/* One member, or as many as its plus-minus signs make of it. */
static bool push_signs(members *m, ref r)
{
    uint32_t n = 0;
    bool together = math_number_signs(r, m->from, &n);
    if (n == 0) return push(m, r, 0);
    if (n > SIGNS_MAX && !together) return false;
    if (together) {
        uint32_t all = n >= 16 ? 0xFFFF : (1u << n) - 1;
        return push(m, r, 0) && push(m, r, all << m->from);
    }
    for (uint32_t pm = 0; pm < 1u << n; pm++)
        if (!push(m, r, pm << m->from)) return false;
    return true;
}

static bool collect(members *m, ref r)
{
    const node *n = ref_node(r);
    if (n->kind == K_EMPTY) return true;
    bool many = n->kind == K_LIST || n->kind == K_SET || (n->kind == K_SETOP && n->op == TOK_CUP);
    if (!many) return push_signs(m, r);
    for (ref c = ref_first(r); c.at; c = ref_next(c))
        if (!(ref_node(c)->kind == K_LIST ? collect(m, c) : push_signs(m, c))) return false;
    return true;
}

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const member *)a)->hash, y = ((const member *)b)->hash;
    return (x > y) - (x < y);
}

static void drop_repeats(members *m)
{
    size_t n = 0;
    qsort(m->p, m->n, sizeof *m->p, by_hash);
    for (size_t i = 0; i < m->n; i++)
        if (n == 0 || m->p[n - 1].hash != m->p[i].hash) m->p[n++] = m->p[i];
    m->n = n;
}

/* The same expression on both sides needs no arithmetic. */
static void match_hashes(members *a, members *b)
{
    for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
        if (a->p[i].hash == b->p[k].hash && a->p[i].pm == 0)
            a->p[i++].matched = b->p[k++].matched = true;
        else if (a->p[i].hash < b->p[k].hash) i++;
        else k++;
    }
}

static bool each_has_a_match(math_eval *e, members *a, members *b)
{
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < b->n && !a->p[i].matched; k++) {
            e->pm = a->p[i].pm | b->p[k].pm;
            if (e->steps <= 0 || !math_same(e, a->p[i].r, b->p[k].r)) continue;
            a->p[i].matched = b->p[k].matched = true;
        }
        if (!a->p[i].matched) return false;
    }
    for (size_t k = 0; k < b->n; k++) {
        for (size_t i = 0; i < a->n && !b->p[k].matched; i++) {
            e->pm = a->p[i].pm | b->p[k].pm;
            b->p[k].matched = e->steps > 0 && math_same(e, a->p[i].r, b->p[k].r);
        }
        if (!b->p[k].matched) return false;
    }
    return true;
}

bool math_same_members(math_eval *e, ref gold, ref answer)
{
    members a = {.from = 0}, b = {.from = 16};
    uint32_t pm = e->pm;
    bool inside = e->in_members;
    e->in_members = true;
    bool same = collect(&a, gold) && collect(&b, answer);
    if (same && a.n && b.n) {
        drop_repeats(&a), drop_repeats(&b);
        match_hashes(&a, &b);
        same = a.n * b.n <= PAIRS_MAX || a.n == b.n;
        same = same && each_has_a_match(e, &a, &b);
    } else {
        same = same && a.n == b.n;
    }
    e->pm = pm, e->in_members = inside;
    free(a.p);
    free(b.p);
    return same;
}
