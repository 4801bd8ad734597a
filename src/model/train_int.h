/* model, training inside: the flat parameters, what is packed from them, and the passes of backward.
 * SPDX-License-Identifier: MIT */
#ifndef MODEL_TRAIN_INT_H
#define MODEL_TRAIN_INT_H

#include "model/model_int.h"
#include "model/train.h"

#include <stdatomic.h>

/* A matrix on its way from the masters into panels: rows [first_block * PACK_ROWS ..] of all. */
struct model_pack {
    const float *rows; /* [experts][N][K] */
    ops_weight *w, *back; /* back NULL: no gradient flows to the input (an embedding that is not a head) */
    size_t at;            /* of its rows among back's columns */
    size_t first_block, blocks; /* blocks of an expert */
};

struct model_trainable {
    model m;
    model_train_options o;
    float *factors; /* of a rope that the file gives; or NULL */
    model_param *params;
    size_t n_params, n_values;
    float *masters, *gradients;
    struct model_pack *packs;
    size_t n_packs, pack_blocks, pack_room; /* room: bytes of a worker */
    uint8_t *room;
    arena work; /* keys and values, scratch and tape of a micro-batch; base NULL: another's */
    model_step step;
    model_kv kv;
    uint32_t *pages; /* [n_listed] of the sequences, one after the other */
    size_t n_pages, n_listed;
    model_span *spans; /* [max_sequences] */
    arena kept; /* the tape */
    struct model_record *records;
    struct model_tape tape;
};

/* A batch at work. */
struct model_batch {
    model_trainable *t;
    model_step *s;
    const model_train_sequence *seq;
    size_t n, T, longest;
    const model_train_loss *loss;
    model_train_stats *stats;
    float *hidden;     /* [T, D] after the final norm */
    float *balance;    /* [n] weight of each sequence's balance loss */
    float *slope;      /* [T] of the token after it */
    float *stream;     /* [T, D] gradient of the stream */
    float *gradient;   /* [T, D] of the hidden states */
    atomic_bool broken; /* a log-probability was no number */
    float *back_sin;   /* [T, rope_dim / 2] -sin: the inverse rotation */
};

/* What of the pages is taken; the prefix, for sequences that continue it. */
struct model_places {
    size_t page, listed;
    const model_span *prefix;
};
/* The span's position and pages; the rest of it stands. */
void model_train_place(model_trainable *t, struct model_places *p, model_span *span);

/* The gradient that belongs to a vector among the masters. */
static inline float *model_gradient_of(const model_trainable *t, const float *p)
{
    return t->gradients + (p - t->masters);
}

/* Binds every tensor of m's configuration to masters and panels; with memory NULL it only counts. */
ponder_status model_train_bind(model_trainable *t, ponder_error *err);
/* The parameters of a configuration; *values is the length of the masters. */
ponder_status model_train_params(const model_config *c, model_param **out, size_t *n, size_t *values,
                                 ponder_error *err);

/* Gradients of one block each: read and update b->stream. */
void model_back_gqa(struct model_batch *b, int layer);
void model_back_mla(struct model_batch *b, int layer);
void model_back_dense(struct model_batch *b, int layer);
void model_back_moe(struct model_batch *b, int layer);
void model_back_layer(struct model_batch *b, int layer);
/* Adds a gradient of the stream [T, D] to the rows of the embedding that `ids` chose. */
void model_back_embedding(struct model_batch *b, const int32_t *ids, const float *stream);

/* The arrays of a batch's backward, behind those of the step, set to zero. */
void model_batch_arrays(struct model_batch *b);
/* From the gradient of hidden states through the norm that made them of the stream. */
void model_back_norm(struct model_batch *b, const float *gain);
/* The prediction module's forward and backward, after the model's forward and loss. */
ponder_status model_train_mtp(struct model_batch *b, ponder_error *err);

/* Bytes of the step's scratch and of the tape for the largest micro-batch; `look`: for one that is only
 * looked at. */
void model_train_count(model_trainable *t, bool look, size_t *scratch, size_t *kept);

/* What blocks share: the gradient of rotated rows becomes that of the rows; the product that ends a
 * block, into dx [T, K]; the products (p without T, input and output) and the norm that begin one. */
void model_back_rotation(struct model_batch *b, float *x, size_t ld, size_t heads, size_t d);
void model_back_out(struct model_batch *b, const ops_weight *w, const ops_weight *back,
                    const ops_input *in, float *dx);
void model_back_in(struct model_batch *b, ops_back p, const float *x, const float *gain);

/* Log-probabilities, entropies and slopes of hidden states [T, D]; with a loss their gradient too,
 * added to `gradient` [T, D]. */
void model_train_head(struct model_batch *b, float *gradient);

#endif
