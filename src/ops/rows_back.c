/* Gradients that sum over rows: blocks of rows each have their sum, and the blocks are summed in
 * order, whatever thread made them. SPDX-License-Identifier: MIT */
#include "ops/ops_int.h"

enum { BLOCK = 64 /* rows */, COLUMNS = 256 };

struct rows {
    const kern *k;
    size_t T, n, ldx, lddx, ldy;
    float *dx, *part, *sum; /* [T, n], [blocks, n], [n] */
    const float *x, *gain, *y;
    float eps;
};

static void norm_blocks(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct rows *s = arg;
    for (size_t b = begin; b < end; b++) {
        float *part = s->part + b * s->n;
        memset(part, 0, s->n * sizeof *part);
        for (size_t t = b * BLOCK; t < size_min((b + 1) * BLOCK, s->T); t++)
            s->k->rms_norm_back(s->dx + t * s->lddx, part, s->x + t * s->ldx, s->gain,
                                s->y + t * s->ldy, s->n, s->eps);
    }
}

static void sum_blocks(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct rows *s = arg;
    for (size_t b = begin; b < end; b++) {
        float *part = s->part + b * s->n;
        memset(part, 0, s->n * sizeof *part);
        for (size_t t = b * BLOCK; t < size_min((b + 1) * BLOCK, s->T); t++)
            s->k->add(part, s->y + t * s->ldy, s->n);
    }
}

/* Pieces of COLUMNS columns of all blocks. */
static void sum_parts(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct rows *s = arg;
    for (size_t p = begin; p < end; p++) {
        size_t at = p * COLUMNS, n = size_min(COLUMNS, s->n - at);
        for (size_t b = 0; b < size_ceil_div(s->T, BLOCK); b++)
            s->k->add(s->sum + at, s->part + b * s->n + at, n);
    }
}

static void run(ops *o, struct rows *s, pool_fn *fn)
{
    size_t mark = arena_mark(o->scratch), blocks = size_ceil_div(s->T, BLOCK);
    s->k = o->k;
    s->part = arena_new(o->scratch, float, blocks * s->n);
    ops_for(o, blocks, 1, fn, s);
    ops_for(o, size_ceil_div(s->n, COLUMNS), 1, sum_parts, s);
    arena_reset(o->scratch, mark);
}

void ops_sum_back(ops *o, float *sum, const float *y, size_t ldy, size_t T, size_t n)
{
    run(o, &(struct rows){.T = T, .n = n, .y = y, .ldy = ldy, .sum = sum}, sum_blocks);
}

void ops_norm_back(ops *o, float *dx, size_t lddx, float *dgain, const float *x, size_t ldx,
                   const float *gain, float eps, const float *dy, size_t lddy, size_t T, size_t n)
{
    struct rows s = {.T = T,
                     .n = n,
                     .dx = dx,
                     .lddx = lddx,
                     .sum = dgain,
                     .x = x,
                     .ldx = ldx,
                     .gain = gain,
                     .eps = eps,
                     .y = dy,
                     .ldy = lddy};
    run(o, &s, norm_blocks);
}
