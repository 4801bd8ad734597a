/* Attention over one span, for every vector length and cell: included once by the file of each
 * instruction set.
 * SPDX-License-Identifier: MIT
 *
 * Scores and outputs are the same product, c[r][j] += sum_i a[r][i] * b[i][j]: queries times keys,
 * then weights times values. What is summed over goes by cells: one float, or a pair of BF16 that
 * one instruction multiplies and adds. The layouts of the pages are such that j lies in the lanes
 * both times. A tile of rows and vectors stays in registers; each of its numbers is one chain of
 * multiply-adds in the order of i, over exactly the columns (or positions) of its own row, so the
 * shape of the tile cannot be seen in the result.
 *
 * The file that includes this says before:
 *   cell, cells        what a sum goes by, and a vector of W of them
 *   CELL               columns or positions in a cell
 *   cell_load, cell_load_first (the cells' first halves, the second ones zero)
 *   cell_fma(a, b, c)  c + a * b, a being one cell for all lanes
 *   cell_weights(p, e) stores W weights; returns them as stored
 *   TILE_ROWS, WIDE, HALF, NARROW: a tile is up to TILE_ROWS rows of so many vectors
 *   queries, keys, values, latent_values: the operands as cells, in `attn_room` if need be */
#ifndef KERN_ATTN_SPAN_H
#define KERN_ATTN_SPAN_H

#include "kern/x86/exp.h"

#include <math.h>

typedef struct product {
    float *c;
    const cell *a, *b;
    size_t ldc, lda;
    size_t b_step, b_vector; /* cells from one i to the next, from one vector of j to the next */
    size_t n[TILE_ROWS];     /* columns or positions summed in each row */
    size_t b_row[TILE_ROWS]; /* where a row's b begins, in cells; all 0 unless the rows are of several heads */
    size_t ahead_row[TILE_ROWS];
    bool fresh;              /* c = instead of c += */
    const uint8_t *ahead;    /* memory to bring near meanwhile, from ahead_row on, */
    size_t ahead_step;       /* so many bytes of it per i; 0: none */
} product;

/* Cells that all rows sum. */
KERN_INLINE size_t common_cells(size_t rows, const product *p)
{
    size_t n = p->n[0];
    for (size_t r = 1; r < rows; r++) n = size_min(n, p->n[r]);
    return n / CELL;
}

/* What all rows sum; a single row also its half cell. H: heads the rows are of, 1 or as many as rows. A head's
 * row alone would wait for each of its sums; several heads keep the units busy. */
KERN_INLINE void tile(size_t R, size_t V, size_t H, const product *p)
{
    const cell *a = p->a, *b[TILE_ROWS];
    const uint8_t *ahead[TILE_ROWS];
    const size_t lda = p->lda, step = p->b_step, vector = p->b_vector, ahead_step = p->ahead_step;
    const size_t common = common_cells(R, p);
    vf acc[TILE_ROWS][WIDE];
    for (size_t h = 0; h < H; h++) {
        b[h] = p->b + p->b_row[h];
        ahead[h] = ahead_step ? p->ahead + p->ahead_row[h] : NULL;
    }
    for (size_t r = 0; r < R; r++)
        for (size_t v = 0; v < V; v++)
            acc[r][v] = p->fresh ? vf_set1(0) : vf_load(p->c + r * p->ldc + v * W);
    for (size_t i = 0; i < common; i++) {
        cells x[WIDE];
        if (ahead_step) /* to the second level: the first is full of this page */
            for (size_t h = 0; h < H; h++)
                for (size_t v = 0; v < V; v++)
                    __builtin_prefetch(ahead[h] + i * ahead_step + v * (ahead_step / V), 0, 2);
        for (size_t r = 0; r < R; r++) {
            if (r < H)
                for (size_t v = 0; v < V; v++) x[v] = cell_load(b[r] + i * step + v * vector);
            for (size_t v = 0; v < V; v++) acc[r][v] = cell_fma(a[r * lda + i], x[v], acc[r][v]);
        }
    }
    if (R == 1 && p->n[0] % CELL)
        for (size_t v = 0; v < V; v++)
            acc[0][v] =
                cell_fma(a[common], cell_load_first(b[0] + common * step + v * vector), acc[0][v]);
    for (size_t r = 0; r < R; r++)
        for (size_t v = 0; v < V; v++) vf_store(p->c + r * p->ldc + v * W, acc[r][v]);
}

KERN_INLINE void tile_of_rows(size_t rows, size_t V, bool heads, const product *p)
{
    _Static_assert(TILE_ROWS == 6, "one case per number of rows");
    switch (rows) {
    case 1: tile(1, V, 1, p); return; /* nothing is left over */
    case 2: tile(2, V, heads ? 2 : 1, p); break;
    case 3: tile(3, V, heads ? 3 : 1, p); break;
    case 4: tile(4, V, heads ? 4 : 1, p); break;
    case 5: tile(5, V, heads ? 5 : 1, p); break;
    case 6: tile(6, V, heads ? 6 : 1, p); break;
    }
    const size_t common = common_cells(rows, p);
    for (size_t r = 0; r < rows; r++) { /* what only some rows see, one by one */
        if (p->n[r] == common * CELL) continue;
        product rest = *p;
        rest.c += r * p->ldc;
        rest.a += r * p->lda + common;
        rest.b += common * p->b_step;
        rest.b_row[0] = p->b_row[r];
        rest.n[0] = p->n[r] - common * CELL;
        rest.fresh = false;
        rest.ahead_step = 0;
        tile(1, V, 1, &rest);
    }
}

static void wide_tile(size_t rows, const product *p) { tile_of_rows(rows, WIDE, false, p); }
static void half_tile(size_t rows, const product *p) { tile_of_rows(rows, HALF, false, p); }
static void narrow_tile(size_t rows, const product *p) { tile_of_rows(rows, NARROW, false, p); }
static void wide_heads(size_t rows, const product *p) { tile_of_rows(rows, WIDE, true, p); }
static void half_heads(size_t rows, const product *p) { tile_of_rows(rows, HALF, true, p); }
static void narrow_heads(size_t rows, const product *p) { tile_of_rows(rows, NARROW, true, p); }

/* A tile as wide as fits what is left of a row, and its width. */
typedef struct tile_form {
    void (*run)(size_t rows, const product *p);
    size_t width;
} tile_form;

static tile_form tile_for(const kern_attn_args *a, size_t left)
{
    const bool heads = a->heads > 1;
    if (left >= WIDE * W) return (tile_form){heads ? wide_heads : wide_tile, WIDE * W};
    if (left >= HALF * W) return (tile_form){heads ? half_heads : half_tile, HALF * W};
    return (tile_form){heads ? narrow_heads : narrow_tile, NARROW * W};
}

typedef struct attn_room {
    float score[KERN_ATTN_ROWS][KERN_SPAN]; /* then, in place, the weights as cells */
    cell query[KERN_ATTN_ROWS][KERN_HEAD_MAX / CELL];
    cell key[KERN_PAGE * KERN_HEAD_MAX / CELL];
    cell value[KERN_PAGE * KERN_HEAD_MAX / CELL];
} attn_room;
_Static_assert(sizeof(attn_room) <= KERN_ATTN_SCRATCH, "the caller gives this much");

static size_t rows_of(const kern_attn_args *a) { return size_max(1, a->heads) * a->nq; }

static const cell *queries(const kern_attn_args *a, attn_room *room, size_t *ld);
/* A page's keys as cells [groups][d / CELL][16], its values as [positions / CELL][dv]: the page's own, or
 * made at `to`. */
KERN_INLINE const cell *keys(enum kern_kv t, cell *to, const void *page, size_t groups, size_t d);
KERN_INLINE const cell *values(enum kern_kv t, cell *to, const void *page, size_t positions,
                               size_t dv);
static const cell *latent_values(attn_room *room, const cell *key, size_t groups, size_t d,
                                 size_t dv);

enum operand { KEYS, VALUES };

/* n positions of a page, keys in sixteens, as cells. */
KERN_INLINE const cell *operand(enum kern_kv t, enum operand which, cell *to, const void *page, size_t n,
                                size_t width)
{
    return which == KEYS ? keys(t, to, page, n / 16, width) : values(t, to, page, n, width);
}

/* The same of all heads, from position `at` of the span on, *apart cells from head to head. */
KERN_INLINE const cell *of_heads(enum kern_kv t, enum operand which, const kern_attn_args *a, attn_room *room,
                                 size_t at, size_t n, size_t *apart)
{
    const uint8_t *page = (which == KEYS ? a->k : a->v)[at / KERN_PAGE];
    cell *to = which == KEYS ? room->key : room->value;
    const size_t width = which == KEYS ? a->d : a->dv;
    const cell *first = operand(t, which, to, page, n, width);
    const bool made = first == to;
    *apart = made ? size_ceil_div(n, CELL) * width : a->head_bytes / sizeof(cell);
    for (size_t h = 1; made && h < a->heads; h++)
        operand(t, which, to + h * *apart, page + h * a->head_bytes, n, width);
    return first;
}

/* Positions that row r sees. */
static size_t seen_by(const kern_attn_args *a, size_t r) { return (size_t)a->n[r % a->nq]; }

static size_t most(const kern_attn_args *a, size_t r, size_t rows)
{
    size_t top = 0;
    for (size_t i = r; i < r + rows; i++) top = size_max(top, seen_by(a, i));
    return top;
}

/* Where the operands of rows r.. are, their heads being `apart` cells apart. */
static void find_rows(product *p, const kern_attn_args *a, size_t r, size_t rows, size_t apart)
{
    for (size_t i = 0; i < rows; i++) {
        p->b_row[i] = (r + i) / a->nq * apart;
        p->ahead_row[i] = (r + i) / a->nq * a->head_bytes;
    }
}

/* Rows of each tile but the last: as even as can be. */
static size_t rows_per_tile(size_t nq) { return size_ceil_div(nq, size_ceil_div(nq, TILE_ROWS)); }

/* A page that will be wanted next. A head's first tile of rows brings it to the cache: without that, a
 * few rows would wait for memory and compute in turns. */
typedef struct upcoming {
    const void *page;
    size_t bytes; /* 0: none */
} upcoming;

/* The keys of n positions of a page. */
static upcoming keys_to_come(enum kern_kv t, const kern_attn_args *a, const void *page, size_t n)
{
    size_t groups = size_ceil_div(size_min(n, KERN_PAGE), 16);
    return (upcoming){page, kern_kv_key_bytes(t, a->d) / (KERN_PAGE / 16) * groups};
}

static upcoming upcoming_keys(enum kern_kv t, const kern_attn_args *a, size_t at, size_t seen)
{
    if (at < seen) return keys_to_come(t, a, a->k[at / KERN_PAGE], seen - at);
    return keys_to_come(t, a, a->next, a->next ? a->n_next : 0);
}

static upcoming upcoming_values(enum kern_kv t, const kern_attn_args *a, size_t at, size_t seen)
{
    if (!a->v || at >= seen) return upcoming_keys(t, a, at, seen);
    size_t n = size_min(seen - at, KERN_PAGE);
    return (upcoming){a->v[at / KERN_PAGE], kern_kv_value_bytes(t, a->dv) * n / KERN_PAGE};
}

/* Spreads part [from, to) of `whole` of the next page over the n steps of a product. */
static void look_ahead(product *p, const upcoming *next, size_t from, size_t to, size_t whole,
                       size_t n)
{
    p->ahead = next->bytes ? (const uint8_t *)next->page + next->bytes * from / whole : NULL;
    p->ahead_step = next->bytes * (to - from) / whole / n;
}

/* Scores, not yet scaled, of one tile of rows with `groups` of sixteen positions. */
static void score_rows(product *p, const kern_attn_args *a, size_t rows, size_t groups,
                       const upcoming *next)
{
    const size_t d = a->d, group = 16 * (d / CELL);
    p->b_step = 16;
    p->b_vector = W == 16 ? group : W;
    p->fresh = true;
    for (size_t r = 0; r < rows; r++) p->n[r] = d;
    for (size_t j = 0; j < groups * 16;) {
        const tile_form form = tile_for(a, groups * 16 - j);
        look_ahead(p, next, j, j + form.width, groups * 16, d / CELL);
        form.run(rows, p);
        p->c += form.width;
        p->b += form.width / 16 * group;
        j += form.width;
    }
}

KERN_INLINE void scores(enum kern_kv t, const kern_attn_args *a, attn_room *room, size_t seen)
{
    const upcoming none = {NULL, 0};
    size_t ldq, all = rows_of(a), step = rows_per_tile(all), apart;
    const cell *q = queries(a, room, &ldq);
    for (size_t at = 0; at < seen; at += KERN_PAGE) {
        size_t groups = size_ceil_div(size_min(seen - at, KERN_PAGE), 16), then = at + KERN_PAGE;
        const cell *k = of_heads(t, KEYS, a, room, at, groups * 16, &apart);
        upcoming next =
            then < seen ? upcoming_keys(t, a, then, seen) : upcoming_values(t, a, 0, seen);
        for (size_t r = 0; r < all; r += step) {
            size_t rows = size_min(step, all - r), top = most(a, r, rows);
            if (top <= at) continue;
            product p = {
                .c = room->score[r] + at, .ldc = KERN_SPAN, .a = q + r * ldq, .lda = ldq, .b = k};
            find_rows(&p, a, r, rows, apart);
            score_rows(&p, a, rows, size_ceil_div(size_min(top - at, KERN_PAGE), 16),
                       r == 0 || a->heads > 1 ? &next : &none);
        }
    }
}

/* One row: scores to weights in place, max and sum. The sum is of the weights as they are stored:
 * what rounding does to a weight then moves the average it takes part in and not its total. */
static void weigh(float *s, size_t n, float scale, float *top, float *sum)
{
    const vf none = vf_set1(-INFINITY), factor = vf_set1(scale);
    vf most_lanes = none, total = vf_set1(0);
    for (size_t i = 0; i < n; i += W) {
        vf x = vf_keep(vf_mul(vf_load(s + i), factor), n - i, none);
        vf_store(s + i, x);
        most_lanes = vf_max(x, most_lanes);
    }
    *top = vf_top(most_lanes);
    cell *p = (cell *)(void *)s;
    for (size_t i = 0; i < n; i += W) {
        vf e = vf_exp(vf_sub(vf_load(s + i), vf_set1(*top)));
        total = vf_add(total, cell_weights(p + i / CELL, e));
    }
    *sum = vf_sum(total);
}

/* Adds one page's values [positions / CELL][dv] to all outputs. */
static void add_page(const kern_attn_args *a, const attn_room *room, const cell *v, size_t apart,
                     size_t at, const upcoming *next)
{
    size_t all = rows_of(a), step = rows_per_tile(all);
    tile_form form;
    for (size_t j = 0; j < a->dv; j += form.width) {
        form = tile_for(a, a->dv - j);
        for (size_t r = 0; r < all; r += step) {
            size_t rows = size_min(step, all - r);
            if (at > 0 && most(a, r, rows) <= at) continue;
            const void *weights = room->score[r];
            product p = {.c = a->o + r * a->ldo + j,
                         .ldc = a->ldo,
                         .a = (const cell *)weights + at / CELL,
                         .lda = KERN_SPAN,
                         .b = v + j,
                         .b_step = a->dv,
                         .b_vector = W,
                         .fresh = at == 0};
            for (size_t i = 0; i < rows; i++) {
                size_t n = seen_by(a, r + i);
                p.n[i] = n > at ? size_min(n - at, KERN_PAGE) : 0;
            }
            find_rows(&p, a, r, rows, apart);
            if (r == 0 || a->heads > 1)
                look_ahead(&p, next, j, j + form.width, a->dv, size_max(1, common_cells(rows, &p)));
            form.run(rows, &p);
        }
    }
}

KERN_INLINE void span(enum kern_kv t, const kern_attn_args *a)
{
    attn_room *room = a->scratch;
    size_t seen = most(a, 0, a->nq), at = 0, apart = 0;
    scores(t, a, room, seen);
    for (size_t r = 0; r < rows_of(a); r++)
        weigh(room->score[r], seen_by(a, r), a->scale, a->max + r, a->sum + r);
    do { /* the first page also when nothing is seen: it clears the outputs */
        size_t n = size_min(seen - at, KERN_PAGE), groups = size_ceil_div(n, 16);
        const cell *v =
            a->v ? of_heads(t, VALUES, a, room, at, n, &apart)
                 : latent_values(room, keys(t, room->key, a->k[at / KERN_PAGE], groups, a->d),
                                 groups, a->d, a->dv);
        at += KERN_PAGE;
        upcoming next = upcoming_values(t, a, at, seen);
        add_page(a, room, v, apart, at - KERN_PAGE, &next);
    } while (at < seen);
}

#endif
