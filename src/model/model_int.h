/* model, inside: what is bound to a model, and the pieces of its forward pass.
 * SPDX-License-Identifier: MIT */
#ifndef MODEL_INT_H
#define MODEL_INT_H

#include "model/model.h"

/* Weights of one layer; those an architecture does not have stay zero. */
struct model_layer {
    const float *attn_norm, *ffn_norm;
    ops_weight q, k, v, o; /* q also for MLA without a low-rank query */
    const float *q_bias, *k_bias, *v_bias;
    ops_weight q_a, q_b, kv_a, k_b, v_b; /* k_b: H experts [R, N]; v_b: H experts [V, R] */
    const float *q_a_norm, *kv_a_norm;
    ops_weight k_up; /* H experts [N, R]: for the expanded prefill only */
    ops_weight gate, up, down;
    ops_weight router, gate_exps, up_exps, down_exps, gate_shexp, up_shexp, down_shexp;
    const float *router_bias;
    ops_weight eh_proj; /* of an MTP module */
    const float *enorm, *hnorm, *head_norm;
};

/* Transposes that backward multiplies with: of matrices that share an input, side by side. */
struct model_back {
    ops_weight in; /* q k v; or q (q_a) and kv_a */
    ops_weight q_b, k_b, v_b, o;
    ops_weight gate_up, down, router, gate_up_exps, down_exps, gate_up_shexp, down_shexp;
    ops_weight eh_proj;
};

/* What the backward of a layer needs of its forward; NULL where not kept. Rows are tokens. */
struct model_record {
    float *attn_in, *ffn_in;   /* [D] the stream before the norms */
    float *q, *k, *v, *out;    /* rotated queries and keys, values, what attention gave */
    float *low, *projected;    /* MLA: [Rq] and [R + P] before their norms; q is before absorption, */
    float *latent, *query;     /* [R + P] and [H, R + P] as attention saw them, */
    float *mixed;              /* [H, R] as it gave them; out is after the values' projection */
    float *gate, *up;          /* [F] */
    ops_moe_kept moe;
};

/* A forward that is to be followed by backward. */
struct model_tape {
    struct model_record *record; /* [layers + mtp_layers] */
    arena *room; /* of the records; NULL: of a record only the attn_in that is given is filled */
};

struct model {
    model_config config;
    kern kern;
    ops_weight embedding, head; /* the same panels when tied */
    const float *final_norm, *rope_factors;
    struct model_layer *layers; /* [layers + mtp_layers] */
    void *memory;
    size_t bytes;
    bool expanded;
    double *rope_freq; /* [rope_dim / 2] radians per position */
    float rope_scale;  /* of cos and sin */
    float attn_scale;  /* of q.k */
    struct model_back *back; /* [layers + mtp_layers] when training, else NULL */
    ops_weight head_back;
};

/* A step's tokens as the layers see them. All arrays are per token unless said. */
struct model_step {
    const model *m;
    arena scratch;
    size_t base; /* of the scratch: what is below is another step's */
    ops ops;
    size_t max_tokens;
    bool lent; /* the scratch is another's */
    model_kv *kv;
    size_t T, n_seq;
    ops_sequence *seq; /* [n_seq] */
    size_t joints, *joint; /* [n_seq]: sequences whose first page begins with a prefix */
    int32_t *ids;
    uint32_t *pos;
    uint8_t **page;    /* the token's page of kv */
    float *cos, *sin;  /* [T, rope_dim / 2] */
    size_t runs, *run; /* tokens [run[i], run[i + 1]) share a page's group of 16 positions */
    float *stream;     /* [T, D] the residual stream */
    float *delta;      /* [T, D] what the last block adds to it */
    const struct model_tape *tape; /* NULL: no backward follows */
    struct model_record *record;   /* of the layer at work; never NULL */
    struct model_record unkept;
};

/* Stores token t into a page; `arg` is the block's. */
typedef void model_store(void *arg, size_t t, uint8_t *page);
/* Stores what the first pages of sequences begin with, after all tokens are in their own pages. */
void model_store_prefixes(model_step *s, model_store *store, void *arg);

/* Room for `n` floats that backward may need. */
static inline float *model_room(model_step *s, size_t n)
{
    return arena_new(s->tape && s->tape->room ? s->tape->room : &s->scratch, float, n);
}

bool model_is_mla(const model_config *c);
bool model_layer_is_dense(const model_config *c, int layer);

/* Angles per position and the scales that go with the scaling rule. */
ponder_status model_rope_init(model *m, ponder_error *err);

/* What the llama3 rule divides the speed of a pair by. */
double model_rope_llama3_divisor(const model_config *c, int pair);

/* Writes all metadata but the tokenizer's. mix: the types are those of q4_k_m. */
ponder_status model_metadata_write(gguf_writer *w, const model_config *c, bool mix, ponder_error *err);
/* The type a tensor gets in a file whose matrices are to be `asked` (NUM_NONE: the q4_k_m mix). */
num_type model_file_type(const model_config *c, const model_tensor *t, num_type asked);

/* Writes the tokenizer's metadata: of a tokenizer.json, or one made up to the size of the
 * vocabulary. */
ponder_status model_vocab_write(gguf_writer *w, const model_config *c, const char *tokenizer,
                                ponder_error *err);

/* Bytes of one layer in a page, and of one head in it; *value_at is 0 for latent pages. */
size_t model_kv_layer_bytes(const model_config *c, enum kern_kv t, size_t *head_bytes,
                            size_t *value_at);
/* The same, and where a layer begins in a page. */
size_t model_kv_layer_at(const model_kv *kv, const model_config *c, int layer, size_t *head_bytes,
                         size_t *value_at);

/* One block each: reads the stream after adding delta (where pending), leaves its result in delta.
 */
void model_attn_gqa(model_step *s, const struct model_layer *l, int layer, bool pending);
void model_attn_mla(model_step *s, const struct model_layer *l, int layer, bool pending);
/* The sequences that keep the absorbed form, into out [n_seq]; all of them unless the model was
 * opened for expanded prefill. */
size_t model_mla_absorbed(const model_step *s, ops_sequence *out);
/* The others: q [T, H, N + P] rotated, out [T, H, V]. */
void model_mla_expanded(model_step *s, const struct model_layer *l, size_t layer_at, const float *q,
                        float *out);
void model_ffn(model_step *s, const struct model_layer *l, int layer);
/* A layer's experts and how they are chosen. */
ops_moe model_moe_of(const model *m, const struct model_layer *l);
void model_block(model_step *s, int layer, bool pending);
/* The prediction module: stream = eh_proj [enorm(embedding of ids); hnorm(hidden)], hidden [T, D]; the
 * joined rows [T, 2 D] alone; and its whole forward, the spans' ids being the next tokens. */
void model_mtp_join(model_step *s, const float *hidden);
void model_mtp_pairs(model_step *s, const float *hidden, float *pairs);
ponder_status model_mtp_run(model_step *s, model_kv *kv, const model_span *spans, size_t n, const float *hidden,
                            ponder_error *err);

ponder_status model_config_from_file(model_config *c, const char *path, ponder_error *err);

/* Arrays of a step of T tokens in n_seq sequences, placed or counted. */
void model_step_arrays(model_step *s, size_t T, size_t n_seq);
/* Counts the largest step. */
void model_step_count(model_step *s, const model *m, pool *p, size_t max_tokens,
                      const struct model_tape *tape);
/* Where a tensor is bound: an ops_weight, or a const float * for vectors. */
void *model_slot(model *m, const model_tensor *t);

/* Loading. */
/* false when a value or block scale among these bytes is NaN or infinite. */
bool model_bytes_finite(num_type t, const uint8_t *p, size_t bytes);
ponder_status model_load(model *m, const fmt_model *file, const model_options *opt,
                         ponder_error *err);

#endif
