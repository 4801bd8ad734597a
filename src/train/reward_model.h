/* reward_model: what a stage of that kind leaves, for those that ask it.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_REWARD_MODEL_H
#define TRAIN_REWARD_MODEL_H

#include "train/stage.h"

/* Beside OUT/NAME/model.gguf. */
#define REWARD_MODEL_HEAD "head.safetensors"

typedef struct reward_model_keys {
    training t;
    const char *scored; /* "summary" or "response" */
} reward_model_keys;

ponder_status reward_model_read(reward_model_keys *k, const recipe_stage *s, const char *where,
                                ponder_error *err);
static inline bool reward_model_reads_summary(const reward_model_keys *k)
{
    return !strcmp(k->scored, "summary");
}

#endif
