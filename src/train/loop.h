/* loop: steps of training, whatever is trained on.
 * SPDX-License-Identifier: MIT
 *
 * A stage says where a step's sequences come from and what the loss is; the loop divides them into
 * micro-batches, updates, measures, saves and goes on after a stop with the same bits as if there
 * had been none. */
#ifndef TRAIN_LOOP_H
#define TRAIN_LOOP_H

#include "model/train.h"
#include "train/batch.h"
#include "train/checkpoint.h"
#include "train/lora.h"
#include "train/metrics.h"
#include "train/optim.h"

#include <signal.h>

typedef struct train_loop train_loop;

typedef struct train_stage {
    void *user;
    /* Puts the sequences of step l->step (from 0) into l->batch, which is empty, and moves
     * l->position on. Whatever it needs it takes from these two numbers and its sections. */
    ponder_status (*fill)(void *user, train_loop *l, ponder_error *err);
    /* As model_train_slope, with the number of the sequence in the batch; called from worker
     * threads. NULL: cross-entropy, averaged over the step by batch.weight; of a stage with a head
     * none, and log-probabilities are not computed. */
    float (*slope)(void *user, const train_loop *l, size_t sequence, size_t i, float logprob);
    /* As model_train_head_fn, with the number of the sequence in the batch, which is l->batch or
     * (gradient NULL) the one that train_loop_score was given; NULL: none. */
    void (*head)(void *user, const train_loop *l, size_t sequence, const float *hidden,
                 float *gradient);
    /* Of the batch that was run. NULL: its cross-entropy. */
    double (*loss)(void *user, const train_loop *l);
    /* After the update of a step, with the step's line of metrics open: adds to it. NULL: nothing.
     */
    ponder_status (*after)(void *user, train_loop *l, ponder_error *err);
    /* Before the first step, after every `eval_every` steps and after the last one, with a line of
     * metrics open. NULL: none. */
    ponder_status (*evaluate)(void *user, train_loop *l, ponder_error *err);
    /* Memory of its own to be saved with the run: fills out and returns how many (at most
     * STAGE_SECTIONS). NULL: none. */
    size_t (*sections)(void *user, checkpoint_section *out);
} train_stage;

enum { STAGE_SECTIONS = 32 };

typedef struct train_loop_options {
    const char *name;        /* of the stage */
    const char *dir;         /* where its checkpoints go */
    const char *metrics;     /* the file, shared by stages */
    const char *report;      /* the page made of it, now and then; NULL: none */
    const char *title;       /* of the page */
    lr_schedule lr;          /* lr.steps are the steps of the stage */
    adamw_options adamw;
    double clip;             /* gradient norm; 0: no limit */
    size_t micro_tokens, micro_sequences; /* as the model was opened for */
    size_t lora_rank;        /* 0: all parameters are learnt; else adapters (lora.h) */
    double lora_alpha;
    uint64_t lora_seed;
    float balance_speed;     /* of expert biases; 0: they stay */
    uint64_t save_every, eval_every; /* steps; 0: at the ends only */
    int keep;                /* checkpoints */
    uint64_t identity; /* hash of what makes the run what it is; a checkpoint of another one is
                        * refused */
    pool *pool;
    FILE *screen;            /* a line that shows how it goes; NULL: none */
    const volatile sig_atomic_t *stop; /* not 0: save and end with ECANCELED; NULL: never */
} train_loop_options;

struct train_loop {
    const train_loop_options *o;
    const train_stage *stage;
    model_trainable *t;
    lora lora;         /* rank 0: none */
    float *values;     /* what is learnt: the masters, or the adapters */
    size_t n_values;
    adamw adamw;
    train_batch batch;
    metrics metrics;
    uint64_t step;     /* done */
    uint64_t position; /* of the data, in the stage's own counting */
    uint64_t tokens;   /* trained on */
    double weight;     /* sum of batch.weight in this step */
    char figures[128]; /* for the view, where a stage has better ones than its loss */
    bool wants_entropy; /* set by a stage that reads batch.entropy; costs a little */

    batch_runner runner;
    model_train_stats stats;
    struct train_view *view;
    double started;
};

/* Runs the stage on t, from its last checkpoint if there is one, to its last step. ECANCELED after
 * a stop; EFORMAT naming step and tensor when numbers are no longer finite, with the last
 * checkpoint left as it is; ELIMIT or EIO when a checkpoint cannot be written. */
ponder_status train_loop_run(model_trainable *t, const train_stage *stage,
                             const train_loop_options *o, ponder_error *err);

/* Runs batch b forward only: fills its logprob (and entropy if asked). Used by stages that
 * evaluate. */
ponder_status train_loop_score(train_loop *l, train_batch *b, bool entropy, ponder_error *err);
/* AdamW for all parameters of a model: matrices decay. */
ponder_status train_adamw_open(adamw *a, model_trainable *t, const adamw_options *o,
                               ponder_error *err);
/* Mean of -logprob by weight, of a batch that was run. */
double batch_loss(const train_batch *b);

#endif
