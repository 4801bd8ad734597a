/* head: one number from a hidden state, w . h + b: what a reward model says of an answer, and a
 * value network of a token.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_HEAD_H
#define TRAIN_HEAD_H

#include "train/checkpoint.h"
#include "train/optim.h"

typedef struct scalar_head {
    size_t D;
    float *value, *gradient; /* [D + 1]: w, then b */
    adamw adamw;             /* w decays, b does not */
} scalar_head;

/* w normal with that deviation by counted randomness of `seed`, b zero. */
ponder_status head_open(scalar_head *h, size_t D, float deviation, uint64_t seed,
                        const adamw_options *o, ponder_error *err);
void head_close(scalar_head *h);

/* hidden [D] -> the number, summed in double in the order of D. */
double head_score(const scalar_head *h, const float *hidden);
/* slope: of the loss by that number. Adds to the gradients of the head and of the hidden state. */
void head_back(scalar_head *h, const float *hidden, double slope, float *gradient);
/* Update number `steps` (from 1) with what was added, which is then zero again. EFORMAT when that
 * is not finite, before anything changed. */
ponder_status head_step(scalar_head *h, uint64_t steps, double lr, double clip, ponder_error *err);

/* What a checkpoint needs of it: "head", "head.m", "head.v". */
enum { HEAD_SECTIONS = 3 };
size_t head_sections(scalar_head *h, checkpoint_section out[HEAD_SECTIONS]);

/* A safetensors file with "weight" [D] and "bias" [1] in F32. */
ponder_status head_save(const scalar_head *h, const char *path, ponder_error *err);
/* Into an open head; EFORMAT when the file has another shape or numbers that are not finite. */
ponder_status head_load(scalar_head *h, const char *path, ponder_error *err);

/* -log sigmoid(margin), and its derivative by the margin in *slope. */
double logistic_loss(double margin, double *slope);

#endif
