/* grpo: group relative policy optimisation, token by token.
 * SPDX-License-Identifier: MIT
 *
 * DeepSeekMath (Shao et al., 2024, arXiv 2402.03300) and DeepSeek-R1, with the variants people use:
 * Dr. GRPO (Liu et al., 2025, arXiv 2503.20783) divides by no deviation and no response length;
 * DAPO (Yu et al., 2025, arXiv 2503.14476) clips higher upwards, averages over the tokens of the
 * batch and leaves out groups whose rewards are all the same. */
#ifndef TRAIN_GRPO_H
#define TRAIN_GRPO_H

#include "base/base.h"

/* What a token's loss is divided by. */
enum grpo_mean {
    GRPO_MEAN_RESPONSE, /* its response's length, then the number of responses (as published) */
    GRPO_MEAN_TOKEN,    /* the tokens of all responses of the update (DAPO) */
    GRPO_MEAN_CONSTANT  /* a fixed length, then the number of responses (Dr. GRPO) */
};

typedef struct grpo_objective {
    float clip_low, clip_high; /* the ratio counts within [1 - clip_low, 1 + clip_high] */
    float kl;                  /* beta; 0: no reference is asked */
    enum grpo_mean mean;
    float constant;            /* of GRPO_MEAN_CONSTANT, tokens */
    bool no_deviation;         /* advantages are not divided by the group's deviation */
} grpo_objective;

/* (r - mean) / deviation within each of n groups of `size` rewards; all zero where a group's rewards
 * are the same. The deviation is that of the group itself (divided by size), 1e-4 added as the
 * implementations do. Returns the number of groups with two different rewards. */
size_t grpo_advantages(float *out, const float *reward, size_t n, size_t size, bool no_deviation);

/* Sums over tokens, for the log. */
typedef struct grpo_tokens {
    double loss, kl, ratio, entropy;
    uint64_t n, clipped, exact; /* exact: ratio 1 to the bit */
} grpo_tokens;

/* The loss of one token, -min(ratio * a, clip(ratio) * a) + kl * k3, times `weight`; its derivative by
 * the log-probability is returned. old: when it was sampled; ref: by the reference (only with kl).
 * k3 is exp(ref - lp) - (ref - lp) - 1 (Schulman, 2020, "Approximating KL divergence"). */
float grpo_token(const grpo_objective *o, float lp, float old, float ref, float a, float weight,
                 grpo_tokens *log);
/* The weight of a token of a response of `length` tokens among `responses` responses that have
 * `tokens` tokens together. */
float grpo_weight(const grpo_objective *o, size_t length, size_t responses, size_t tokens);

#endif
