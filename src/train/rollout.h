/* rollout: answers sampled from the model that is being trained, with the log-probabilities they had.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_ROLLOUT_H
#define TRAIN_ROLLOUT_H

#include "engine/engine.h"

/* One sampled sequence, from its first prompt token on. */
typedef struct rollout_sample {
    int32_t *ids;   /* [n] */
    float *logprob; /* [n - prompt]: of each answer token, by the model (temperature 1) */
    size_t prompt, n;
    enum engine_finish finish;
} rollout_sample;

/* Room for `questions` groups of `group` answers, made once; group q is samples
 * [q * group, (q + 1) * group). */
typedef struct rollout {
    rollout_sample *samples;
    size_t questions, group, longest; /* tokens of a sample at most */
    struct rollout_question *asked;
    arena memory;
} rollout;

typedef struct rollout_prompt {
    const int32_t *ids;
    size_t n;
    uint64_t seed;
} rollout_prompt;

ponder_status rollout_open(rollout *r, size_t questions, size_t group, size_t longest,
                           ponder_error *err);
void rollout_close(rollout *r);

/* Fills the groups [first, first + n). e: opened with room for n * group sequences and without a prefix cache,
 * which would outlive the weights. Answer t of choice c to prompt q is a function of the weights,
 * the prompt, and (its seed, c, t). The seed of `sampling` is not used. ELIMIT for prompts that
 * leave no room; `bar` may be NULL. */
ponder_status rollout_fill(rollout *r, engine *e, size_t first, const rollout_prompt *prompt,
                           size_t n, const engine_sampling *sampling, size_t max_tokens,
                           progress *bar, ponder_error *err);

#endif
