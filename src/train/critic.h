/* critic: the value network of PPO. A second model of the policy's form, begun from the same
 * weights, with a scalar head that says at every token of an answer what the answer will earn.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_CRITIC_H
#define TRAIN_CRITIC_H

#include "train/rollout.h"
#include "train/stage.h"

typedef struct critic critic;

typedef struct critic_options {
    float gamma, lambda; /* ppo_advantages */
    float clip;          /* ppo_value_loss */
    float kl;            /* a token earns -kl * (log-probability - the reference's) */
    bool raw;            /* advantages are not made to have mean 0 and deviation 1 over the chunk */
} critic_options;

/* m: borrowed, opened as the policy's. answers: of a chunk. */
ponder_status critic_open(critic **out, model_trainable *m, const stage_context *c,
                          const training *t, const critic_options *o, size_t answers,
                          ponder_error *err);
void critic_close(critic *v);

/* What it expects at every token of a chunk's answers: before the chunk is learnt from. */
ponder_status critic_expect(critic *v, const rollout *r, ponder_error *err);
/* Advantages of all tokens from what was expected and what was earned: reward [answers] at the last
 * token, and of the reference's log-probabilities [answers, max_tokens] (NULL: none) at each. */
void critic_advise(critic *v, const rollout *r, const float *reward, const float *reference);
/* Of an answer's tokens, after critic_advise. */
const float *critic_advantages(const critic *v, size_t answer);

/* Update number `steps` (from 1), from answers [from, from + n). */
ponder_status critic_learn(critic *v, const rollout *r, size_t from, size_t n, uint64_t steps,
                           double lr, ponder_error *err);
/* Adds to an open line: loss of values, share of the variance of what was to be expected that they
 * explain (in the whole chunk), kl, seconds since the last time. */
void critic_tell(critic *v, metrics *m);

enum { CRITIC_SECTIONS = 7 };
size_t critic_sections(critic *v, checkpoint_section out[CRITIC_SECTIONS]);

#endif
