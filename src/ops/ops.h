/* ops: threaded operators. Shapes, threads and scratch live here; the arithmetic is kern's.
 * SPDX-License-Identifier: MIT
 *
 * Row t of every output depends only on row t of the input (attention: on the positions it sees):
 * bit-identical for any batch, chunking or number of threads. Work is cut by size. Letters as in
 * docs/numerics.md: T tokens, D width, H heads, G key/value heads, N outputs, K inputs. */
#ifndef OPS_H
#define OPS_H

#include "kern/kern.h"

/* What an operator needs to run. Scratch is a step arena: marked on entry, reset on exit. */
typedef struct ops {
    const kern *k;
    pool *pool;
    arena *scratch;
} ops;

/* A weight [N, K] packed in panels. `experts` of them lie one after the other (1 for plain ones). */
typedef struct ops_weight {
    num_type type;
    size_t N, K, experts;
    const kern_mm *mm;
    void *panels;
    size_t panel_bytes; /* of one panel */
} ops_weight;

/* Bytes of the panels of a weight; false when there is no kernel for the type or the size overflows. */
bool ops_weight_bytes(size_t *bytes, const kern *k, num_type t, size_t N, size_t K, size_t experts);
/* Packs rows [row0, row0 + n) (row0 a multiple of KERN_ROWS; n one too but for the last) of expert e from
 * the file's bytes. scale: FP8 block scales of expert e [ceil(N/128)][ceil(K/128)], else NULL. */
void ops_weight_pack(ops_weight *w, size_t e, size_t row0, size_t n, const void *rows,
                     const float *scale);

/* One product that shares its input with others: y[T, N] = x W^T (+ bias). */
typedef struct ops_product {
    const ops_weight *w;
    const float *bias; /* [N] or NULL */
    float *y;          /* row stride ldy */
    size_t ldy;
} ops_product;

/* x [T, K], row stride ldx; all products in one parallel phase. */
void ops_linear(ops *o, const float *x, size_t ldx, size_t T, const ops_product *p, size_t n);
size_t ops_linear_scratch(size_t T, size_t K);

#endif
