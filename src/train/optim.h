/* optim: from gradients to new parameters.
 * SPDX-License-Identifier: MIT
 *
 * Everything here is a function of its operands and of sizes alone: any number of threads gives the
 * same bits. */
#ifndef TRAIN_OPTIM_H
#define TRAIN_OPTIM_H

#include "base/base.h"

/* ---- AdamW ----------------------------------------------------------------------------------- */

/* Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2: with
 * m and v the running means of g and g^2, after step t
 *   w -= lr * (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + decay * w)
 * where the term with decay stands for the parameters in `decays` only. */
typedef struct adamw_options {
    float beta1, beta2, eps, decay;
    bool bf16_moments; /* as in the DeepSeek-V3 report, section 3.3.3; else F32 */
} adamw_options;

/* Elements [at, at + n) of the flat parameters. */
typedef struct adamw_range {
    size_t at, n;
    bool decays;
} adamw_range;

typedef struct adamw {
    adamw_options o;
    size_t n;
    adamw_range *range; /* [ranges]: ascending, without gaps, covering [0, n) */
    size_t ranges;
    uint64_t steps; /* done so far */
    void *m, *v;    /* [n] floats, or BF16 as uint16_t: to be saved with `steps` */
    double *partial;
} adamw;

/* Moments zero. The ranges are copied; EARG when they leave gaps. */
ponder_status adamw_open(adamw *a, size_t n, const adamw_range *range, size_t ranges,
                         const adamw_options *o, ponder_error *err);
void adamw_close(adamw *a);
size_t adamw_bytes(size_t n, const adamw_options *o);
static inline size_t adamw_moment_bytes(const adamw *a)
{
    return a->n * (a->o.bf16_moments ? sizeof(uint16_t) : sizeof(float));
}

/* sqrt(sum g^2) over all parameters, summed in double in an order that n fixes. Not finite when
 * some gradient is not. */
double adamw_norm(const adamw *a, const float *g, pool *p);
/* One step with gradients g * scale (scale 1 unless they are clipped or averaged). */
void adamw_step(adamw *a, float *w, const float *g, float lr, float scale, pool *p);

/* What gradients of that norm are multiplied by so that it is at most `limit`; limit 0: 1. */
float clip_scale(double norm, double limit);

/* ---- schedules ------------------------------------------------------------------------------- */

enum lr_shape {
    LR_CONSTANT,
    LR_LINEAR, /* from peak to end */
    LR_COSINE, /* the same along half a cosine */
    LR_V3 /* DeepSeek-V3: constant for 10 of 14.8 parts, a cosine to end over 4.3 parts, end for
           * 1/3 part, and the rest (1/6) at a third of it; the report, section 4.2 */
};
bool lr_shape_by_name(enum lr_shape *out, str name); /* "constant", "linear", "cosine", "v3" */

typedef struct lr_schedule {
    enum lr_shape shape;
    double peak, end;
    uint64_t
        warmup; /* steps that rise linearly to peak: step s < warmup has (s + 1) / warmup of it */
    uint64_t steps;  /* in all, warm-up included */
} lr_schedule;

/* The learning rate of step s, counted from 0; past the end it is that of the last step. */
double lr_at(const lr_schedule *l, uint64_t s);

/* A number that grows linearly from `from` at step 0 to `to` at step `over`, then stays: batch
 * sizes. */
uint64_t ramp_at(uint64_t from, uint64_t to, uint64_t over, uint64_t s);

#endif
