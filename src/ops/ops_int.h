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
    /* How it is cut, filled by ops_run_jobs. */
    size_t panels, m_block, column_pieces, start;
} ops_job;

/* Runs all jobs in one parallel phase. */
void ops_run_jobs(ops *o, ops_job *jobs, size_t n);

static inline bool ops_counting(const ops *o) { return !o->scratch->base; }

#endif
