/* need: the memory of a stage that trains, said before it is taken.
 * SPDX-License-Identifier: MIT
 *
 * A run holds what lasts (parameters, gradients, packed weights, the optimiser) and one piece of work at
 * a time: a micro-batch that is learnt from, one that is looked at, or answers being sampled. They are
 * never at work together, so all of them have the same memory. */
#ifndef TRAIN_NEED_H
#define TRAIN_NEED_H

#include "train/batch.h"
#include "train/stage.h"

typedef struct need {
    size_t peak;    /* bytes that will be held, as far as the data tells */
    size_t at_most; /* with micro-batches as full as they may become */
} need;

/* *o is the model's options, of which least_work is set for the answers that are sampled. models: that
 * learn side by side. */
need need_of(const model_config *config, const training *t, model_train_options *o, size_t models,
             const stage_besides *b);
/* Parameters of all tensors of a config, and of adapters of that rank on its matrices. */
size_t need_parameters(const model_config *config, size_t rank, size_t *adapters);
/* Pages of keys and values that sampling so many answers must have: as many as speed wants, not all.
 * Where answers are long, the last ones wait. */
size_t need_pages(size_t answers, size_t group, size_t answer_tokens, size_t max_tokens);

#endif
