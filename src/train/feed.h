/* feed: the examples of a stage that learns from a data list, step by step.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_FEED_H
#define TRAIN_FEED_H

#include "train/stage.h"

typedef struct feed {
    const training *t;
    example_options examples;
    train_source *data, *eval; /* eval: NULL without "eval_data" */
    train_batch held;          /* the examples of `eval` */
} feed;

/* "data", and "steps" or "passes". */
ponder_status feed_check(const training *t, const char *where, ponder_error *err);
/* Opens the lists of *t, which is borrowed; its steps are set from "passes". o: tokenizer, template
 * and length are filled in. */
ponder_status feed_open(feed *f, const stage_context *c, training *t, const example_options *o,
                        ponder_error *err);
void feed_close(feed *f);
/* The model the stage begins with (stage_open_models), with the memory that its examples take: the first
 * steps' are drawn and measured. */
ponder_status feed_open_model(feed *f, model_trainable **out, const stage_context *c, ponder_error *err);
/* The examples of step l->step into l->batch. */
ponder_status feed_step(feed *f, train_loop *l, ponder_error *err);
/* Draws f->held and runs it forward (train_loop_score). */
ponder_status feed_score_held(feed *f, train_loop *l, ponder_error *err);

#endif
