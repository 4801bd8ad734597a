/* policy_keys: what a stage of GRPO or PPO is told.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_POLICY_KEYS_H
#define TRAIN_POLICY_KEYS_H

#include "train/answers.h"
#include "train/critic.h"
#include "train/grpo.h"
#include "train/stage.h"

enum { POLICY_GROUP_MAX = 1024 };

typedef struct policy_keys {
    const char *mean, *layout;
    const json_t *rewards;
    size_t questions, group, updates, passes, redraw, answer_tokens;
    uint64_t refresh, eval_group;
    float temperature, eval_temperature;
    grpo_objective objective;
    answer_reward reward;
    critic_options critic;
    double value_lr; /* 0: as the policy's */
    bool ppo, shared_prompts; /* shared: a group's prompt is computed once a micro-batch when learning */
} policy_keys;

/* Reads the keys of a stage of kind "grpo" or "ppo" into defaults and checks them. */
ponder_status policy_keys_read(policy_keys *k, training *t, const recipe_stage *stage,
                               const char *where, ponder_error *err);

#endif
