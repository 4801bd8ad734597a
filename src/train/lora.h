/* lora: adapters of low rank on frozen matrices.
 * SPDX-License-Identifier: MIT
 *
 * Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022: W = W0 + s B A with
 * A [r, K] drawn at first, B [N, r] zero, s = alpha / r. What is learnt are A and B of every matrix
 * of attention and feed-forward (of every expert); all else stays. The gradients of A and B come
 * from that of W, so the model's own passes are those of full training, and the model that is
 * served or saved has the adapters in it. */
#ifndef TRAIN_LORA_H
#define TRAIN_LORA_H

#include "model/train.h"

typedef struct lora_matrix {
    size_t w;    /* among the masters */
    size_t a, b; /* among the values */
    size_t N, K;
} lora_matrix;

typedef struct lora {
    model_trainable *t;
    size_t rank;
    float scale;
    lora_matrix *m; /* [n]: each expert is one */
    size_t n;
    float *values, *gradients; /* [count]: A, then B, of each matrix */
    size_t count;
    float *base; /* the masters as they were */
    size_t base_count;
} lora;

/* Takes the masters as the base. The start of A is a function of the seed. */
ponder_status lora_open(lora *l, model_trainable *t, size_t rank, double alpha, uint64_t seed,
                        ponder_error *err);
void lora_close(lora *l);
/* Gradients of A and B from those of the masters. Any number of threads gives the same bits. */
void lora_gradients(lora *l, pool *p);
/* Masters from base and adapters; model_trainable_refresh is the caller's. */
void lora_apply(lora *l, pool *p);

#endif
