/* batch: the sequences of one optimiser step, and their division into micro-batches.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_BATCH_H
#define TRAIN_BATCH_H

#include "model/train.h"
#include "text/text.h"

enum train_role {
    TRAIN_PLAIN,
    TRAIN_CHOSEN,
    TRAIN_REJECTED, /* of the pair that the sequence before it begins */
    TRAIN_GOOD,     /* labelled 1 */
    TRAIN_BAD       /* labelled 0 */
};

typedef struct train_sequence {
    size_t at, n; /* positions in the arrays of the batch */
    enum train_role role;
    size_t shared;  /* its first tokens, which those of its group have too; 0: none */
    uint64_t group; /* sequences of a group follow each other */
} train_sequence;

/* Grows to the largest batch seen and stays so. Prediction i of a sequence is of its token i + 1;
 * a sequence of n tokens has n - 1 of them. */
typedef struct train_batch {
    int32_t *ids;             /* [used] */
    float *weight;            /* [used] of prediction i in the loss; 0: not learnt */
    float *logprob, *entropy; /* [used] of prediction i; filled when the batch is run */
    size_t used, cap;
    train_sequence *seq;
    size_t n, seq_cap;
    uint64_t skipped; /* examples left out because they are too long */
    bool failed;      /* out of memory; checked once by batch_check */
} train_batch;

void batch_clear(train_batch *b);
void batch_free(train_batch *b);
/* A sequence is begun, gets ids in pieces, and is ended. weight is of each of these tokens being
 * predicted; what the first token of a sequence has is not used. Sequences of fewer than two tokens
 * leave nothing behind. */
void batch_begin(train_batch *b, enum train_role role);
void batch_put(train_batch *b, const int32_t *ids, size_t n, float weight);
/* The sequence begun shares its first tokens, at least one less than it has, with others of the group. They
 * are computed once for those that come into a micro-batch together, and must not be learnt; log-probabilities
 * and entropies are filled for one of them. */
void batch_share(train_batch *b, uint64_t group, size_t shared);
void batch_end(train_batch *b);
void batch_drop(train_batch *b); /* the sequence begun: nothing of it remains */
ponder_status batch_check(const train_batch *b, ponder_error *err);
/* Sum of the weights in order, in double; and tokens of all sequences. */
double batch_weight(const train_batch *b);

/* ---- micro-batches --------------------------------------------------------------------------- */

/* Sequences of micro-batch m: order[first[m]] .. order[first[m + 1] - 1]. */
typedef struct micro_plan {
    uint32_t *order;
    size_t *first, *room, *bin; /* room: tokens a bin has left; bin: of a sequence, in order */
    size_t n, cap;
} micro_plan;

/* Packs whole sequences and pairs, longest first, each into the micro-batch it fills best, so that
 * few are needed; or where sequences share tokens, one group after the other. A function of the lengths
 * alone. max_tokens, max_sequences: of a micro-batch. ELIMIT when a sequence or a pair is longer. */
ponder_status micro_plan_make(micro_plan *p, const train_batch *b, size_t max_tokens,
                              size_t max_sequences, ponder_error *err);
void micro_plan_free(micro_plan *p);

/* Of a micro-batch. */
typedef struct micro_size {
    size_t tokens, sequences, longest;
} micro_size;
/* The one of the plan with the most tokens. */
micro_size micro_plan_largest(const micro_plan *p, const train_batch *b);

/* ---- running --------------------------------------------------------------------------------- */

/* Of what the model runs as one sequence: its number in the batch, and its first token in that. */
typedef struct batch_place {
    size_t sequence, from;
} batch_place;

/* A model that batches run on, and what its micro-batches need; t and its limits are set first. */
typedef struct batch_runner {
    model_trainable *t;
    size_t max_tokens, max_sequences; /* of a micro-batch, as t was opened for */
    micro_plan plan;
    model_train_sequence *run; /* of the micro-batch at work */
    batch_place *place;        /* of each of them, for what the loss calls */
    size_t cap;
} batch_runner;

enum { BATCH_LOGPROB = 1, BATCH_ENTROPY = 2 };
/* All micro-batches of b through model_train_batch; fills what `want` says of b. stats: means over
 * the micro-batches, loads added; or NULL. */
ponder_status batch_run(batch_runner *r, train_batch *b, const model_train_loss *loss,
                        unsigned want, model_train_stats *stats, ponder_error *err);
void batch_runner_free(batch_runner *r);

#endif
