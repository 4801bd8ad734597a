/* math: sums, multiples and products of matrices, worked out into one.
 * SPDX-License-Identifier: MIT */
#include "reward/math/math_int.h"

#include <stdlib.h>

enum { CELLS_MAX = 4096 };

static uint32_t make(math_side *s, int kind)
{
    if (s->n_nodes == s->cap_nodes) {
        uint32_t cap = 2 * s->cap_nodes;
        node *bigger = cap <= 4 * MATH_NODES_MAX ? realloc(s->nodes, cap * sizeof *bigger) : NULL;
        if (!bigger) return 0;
        s->nodes = bigger, s->cap_nodes = cap;
    }
    s->nodes[s->n_nodes] = (node){.kind = (uint8_t)kind};
    return s->n_nodes++;
}

/* A node with the same children, to stand in a second place. */
static uint32_t copy(math_side *s, uint32_t at)
{
    uint32_t n = at ? make(s, K_NUM) : 0;
    if (n) s->nodes[n] = s->nodes[at], s->nodes[n].next = 0, s->nodes[n].hash = 0;
    return n;
}

static uint32_t add(math_side *s, uint32_t parent, uint32_t child)
{
    if (!parent || !child) return 0;
    node *up = &s->nodes[parent];
    if (up->last) s->nodes[up->last].next = child;
    else up->first = child;
    up->last = child, up->n++;
    return parent;
}

static uint32_t two(math_side *s, int kind, uint32_t a, uint32_t b)
{
    uint32_t n = make(s, kind), x = copy(s, a);
    n = add(s, n, x);
    return add(s, n, copy(s, b));
}

static uint32_t cell(const math_side *s, uint32_t m, uint32_t index)
{
    uint32_t at = s->nodes[m].first;
    while (index--) at = s->nodes[at].next;
    return at;
}

static bool is_matrix(const math_side *s, uint32_t at) { return s->nodes[at].kind == K_MATRIX; }
static uint32_t rows(const math_side *s, uint32_t m) { return s->nodes[m].n / s->nodes[m].cols; }

/* Cell by cell: op(a, b), where b is a matrix of the same shape or one scalar. */
static uint32_t each(math_side *s, int kind, uint32_t a, uint32_t b)
{
    bool pair = is_matrix(s, b);
    if (pair && (s->nodes[a].n != s->nodes[b].n || s->nodes[a].cols != s->nodes[b].cols)) return 0;
    uint32_t m = make(s, K_MATRIX), x = s->nodes[a].first, y = pair ? s->nodes[b].first : b;
    if (m) s->nodes[m].cols = s->nodes[a].cols;
    while (m && x) {
        uint32_t next_x = s->nodes[x].next, next_y = pair ? s->nodes[y].next : b;
        m = add(s, m, two(s, kind, x, y));
        x = next_x, y = next_y;
    }
    return m;
}

static uint32_t product(math_side *s, uint32_t a, uint32_t b)
{
    if (!is_matrix(s, a)) return each(s, K_MUL, b, a);
    if (!is_matrix(s, b)) return each(s, K_MUL, a, b);
    uint32_t inner = s->nodes[a].cols, n = rows(s, a), k = s->nodes[b].cols;
    if (rows(s, b) != inner || (size_t)n * k * inner > CELLS_MAX) return 0;
    uint32_t m = make(s, K_MATRIX);
    if (m) s->nodes[m].cols = k;
    for (uint32_t i = 0; m && i < n * k; i++) {
        uint32_t sum = make(s, K_ADD);
        for (uint32_t j = 0; sum && j < inner; j++)
            sum = add(s, sum,
                      two(s, K_MUL, cell(s, a, i / k * inner + j), cell(s, b, j * k + i % k)));
        m = add(s, m, sum);
    }
    return m;
}

static uint32_t negative(math_side *s, uint32_t a)
{
    uint32_t minus = make(s, K_NUM);
    if (!minus) return 0;
    s->nodes[minus].text = STR("1");
    uint32_t n = make(s, K_NEG);
    n = add(s, n, minus);
    return n ? each(s, K_MUL, a, n) : 0;
}

/* Folds below `at` and puts the result in its place. */
static bool fold(math_side *s, uint32_t at)
{
    bool any = false;
    for (uint32_t c = s->nodes[at].first; c; c = s->nodes[c].next) {
        if (!fold(s, c)) return false;
        any |= is_matrix(s, c);
    }
    int kind = s->nodes[at].kind;
    if (!any || (kind != K_ADD && kind != K_MUL && kind != K_NEG && kind != K_DIV)) return true;
    uint32_t all = s->nodes[at].first, next = s->nodes[at].next;
    if (kind == K_NEG) all = negative(s, all);
    uint32_t c = kind == K_NEG ? 0 : s->nodes[all].next;
    while (c && all) {
        uint32_t after = s->nodes[c].next;
        bool a = is_matrix(s, all), b = is_matrix(s, c);
        if (kind == K_ADD) all = a && b ? each(s, K_ADD, all, c) : 0;
        else if (kind == K_DIV) all = a && !b ? each(s, K_DIV, all, c) : 0;
        else if (a || b) all = product(s, all, c);
        else all = two(s, K_MUL, all, c);
        c = after;
    }
    if (!all) return false;
    s->nodes[at] = s->nodes[all];
    s->nodes[at].next = next;
    return true;
}

bool math_fold_matrices(math_side *s)
{
    bool any = false;
    for (uint32_t i = 1; i < s->n_nodes; i++) {
        any |= is_matrix(s, i);
        if (is_matrix(s, i) && s->nodes[i].n > CELLS_MAX) return false;
    }
    return !any || fold(s, s->root);
}
