/* What the tests of training share: tiny models of every form, a batch with a weighted loss.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_TRAIN_TINY_H
#define TESTS_TRAIN_TINY_H

#include "tests/check.h"

#include "model/train.h"

#include <math.h>
#include <stdlib.h>

enum { SEQUENCES = 3, LONGEST = 45, VOCAB = 96 };

#define TINY                                                                                       \
    .layers = 2, .width = 48, .heads = 4, .ffn = 40, .vocab = VOCAB, .context = 256,               \
    .norm_eps = 1e-5f, .rope_dim = 16, .rope_base = 10000, .bos = -1, .eos = -1
#define DENSE                                                                                      \
    TINY, .kv_heads = 2, .head_dim = 16, .gate = MODEL_GATE_SOFTMAX, .gate_scale = 1,              \
    .expert_groups = 1, .expert_groups_used = 1
#define LATENT                                                                                     \
    TINY, .arch = MODEL_DEEPSEEK2, .kv_heads = 1, .head_dim = 32, .nope_dim = 16, .v_dim = 24,     \
    .kv_rank = 32, .rope_pairs = true, .rope_factor = 1, .dense_layers = 1, .experts = 8,          \
    .experts_used = 3, .expert_ffn = 24

static const model_config LLAMA = {DENSE, .arch = MODEL_LLAMA, .name = "llama", .tied = true, .rope_pairs = true,
                                   .rope = MODEL_ROPE_LLAMA3, .rope_factor = 8, .rope_low = 1, .rope_high = 4,
                                   .rope_original = 32};
static const model_config QWEN = {DENSE, .arch = MODEL_QWEN2, .name = "qwen2", .rope_factor = 1, .qkv_bias = true};
static const model_config V2 = {LATENT, .name = "v2", .experts_shared = 2, .gate = MODEL_GATE_SOFTMAX,
                                .gate_scale = 1, .expert_groups = 1, .expert_groups_used = 1};
static const model_config V3 = {LATENT, .name = "v3", .q_rank = 40, .mtp_layers = 1, .experts_shared = 1,
                                .gate = MODEL_GATE_SIGMOID, .gate_normalize = true, .gate_scale = 2.5f,
                                .expert_groups = 4, .expert_groups_used = 2};
static const float BALANCE = 0.3f, MTP = 0.3f; /* large, so that mistakes show */

/* ---- a batch and its loss ------------------------------------------------------------------------- */

static const size_t LENGTH[SEQUENCES] = {LONGEST, 7, 33};

typedef struct batch {
    int32_t ids[SEQUENCES][LONGEST];
    float weight[SEQUENCES][LONGEST]; /* of the token after; some are 0 */
    float logprob[SEQUENCES][LONGEST], entropy[SEQUENCES][LONGEST];
    model_train_sequence seq[SEQUENCES];
} batch;

static inline void make_batch(batch *b)
{
    for (size_t s = 0; s < SEQUENCES; s++) {
        for (size_t i = 0; i < LENGTH[s]; i++) {
            b->ids[s][i] = (int32_t)rng_below(VOCAB, 5, s, i, RNG_TEST);
            b->weight[s][i] = i % 5 == 3 ? 0 : 0.02f * (1 + (float)((s + i) % 3));
        }
        b->seq[s] = (model_train_sequence){
            .ids = b->ids[s], .n = LENGTH[s], .logprob = b->logprob[s], .entropy = b->entropy[s]};
    }
}

static inline float cross_entropy(void *user, size_t s, size_t i, float logprob)
{
    (void)logprob;
    return -((const batch *)user)->weight[s][i];
}

/* ---- a trainable ------------------------------------------------------------------------------------ */

typedef struct run {
    pool *pool;
    model_trainable *t;
    float *masters, *gradients;
    size_t n;
} run;

static inline void run_open(run *r, const model_config *c, model_train_options o, int threads)
{
    ponder_error err = {0};
    check_ok(pool_open(&r->pool, threads, &err));
    o.pool = r->pool;
    if (!o.max_tokens) o.max_tokens = 160;
    if (!o.max_sequence) o.max_sequence = LONGEST;
    if (!o.max_sequences) o.max_sequences = 50;
    if (!o.cpu_mask) o.cpu_mask = ~0u;
    check_ok(model_trainable_init(&r->t, c, 0.15f, 3, &o, &err));
    r->masters = model_trainable_masters(r->t, &r->n);
    r->gradients = model_trainable_gradients(r->t);
    size_t n;
    const model_param *p = model_trainable_params(r->t, &n);
    for (size_t i = 0; i < n; i++) /* norms and biases as trained ones are */
        for (size_t j = 0; p[i].tensor.n_dims == 1 && j < p[i].n; j++)
            r->masters[p[i].at + j] += 0.3f * (float)(rng_uniform(9, i, j, RNG_TEST) - 0.5);
    model_trainable_refresh(r->t);
}

static inline void run_close(run *r)
{
    model_trainable_close(r->t);
    pool_close(r->pool);
}

static inline void run_batch(run *r, batch *b)
{
    ponder_error err = {0};
    model_train_loss loss = {.slope = cross_entropy, .user = b};
    check_ok(model_train_batch(r->t, b->seq, SEQUENCES, &loss, NULL, &err));
}

static inline model_train_options plain(const model_config *c)
{
    return (model_train_options){.balance_loss = c->experts ? BALANCE : 0, .mtp_weight = c->mtp_layers ? MTP : 0};
}

#endif
