/* ops, inside: jobs of matrix products.
 * SPDX-License-Identifier: MIT */
#ifndef OPS_INT_H
#define OPS_INT_H

#include "ops/ops.h"

/* Rows [first, first + M) of an activation times one expert of a weight. */
typedef struct ops_job {
    const ops_weight *w;
    size_t expert;
    const void *x; /* in the weight's form, of `rows` rows */
    size_t rows, first, M;
    float *y; /* of the first row; or row pointers */
    size_t ldy;
    float *const *row;
    const float *bias;
    bool add; /* to what y has */
    /* Not 0: w is lanes, of panel_bytes, and x columns, whose units are so many bytes apart. */
    size_t w_step, x_step;
    /* How it is cut, filled by ops_run_jobs. */
    size_t panels, m_block, column_pieces, pieces;
} ops_job;

/* Runs all jobs in one parallel phase. Memory is counted with `jobs` or, where none has row pointers, without. */
void ops_run_jobs(ops *o, ops_job *jobs, size_t n);

/* Row r of T * heads after stream, norm and gate; `room` [K] is where a changed row may stand. */
const float *ops_input_row(const kern *k, const ops_input *in, size_t K, size_t T, size_t r, float *room);

/* Scores [E] of the experts from a token's logits. */
void ops_moe_scores(const ops_moe *m, const float *logits, float *score);

/* Lanes from a unit on. */
static inline kern_lanes ops_lanes_from(kern_lanes l, size_t unit)
{
    l.at = (uint8_t *)l.at + unit * l.step;
    return l;
}

static inline bool ops_counting(const ops *o) { return !o->scratch->base; }

#endif
