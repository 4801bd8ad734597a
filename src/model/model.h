/* model: what the weights of a reasoning model mean. One forward pass, written once, that serves
 * generation, scoring, rollouts, training and evaluation.
 * SPDX-License-Identifier: MIT
 *
 * A `model` is immutable after model_open and may be shared by threads; a `model_step` (scratch and
 * thread pool) belongs to one thread at a time; a `model_kv` is paged memory whose pages the engine
 * hands to sequences. The law: on one instruction-set level the logits of a token depend on its
 * sequence and the weights alone. */
#ifndef MODEL_H
#define MODEL_H

#include "fmt/fmt.h"
#include "ops/ops.h"

enum model_arch { MODEL_LLAMA, MODEL_QWEN2, MODEL_DEEPSEEK2 /* V2, V3, R1: MLA and MoE */ };
enum model_rope {
    MODEL_ROPE_PLAIN,
    MODEL_ROPE_LLAMA3,
    MODEL_ROPE_YARN,
    MODEL_ROPE_FACTORS,
    MODEL_ROPE_LINEAR
};
enum model_gate { MODEL_GATE_SOFTMAX = 1, MODEL_GATE_SIGMOID = 2 };

/* Numbers of an architecture; sizes in elements. Letters: see docs/numerics.md. */
typedef struct model_config {
    enum model_arch arch;
    char name[64];       /* general.name or the directory's */
    int layers;          /* L, without MTP modules */
    int mtp_layers;      /* multi-token prediction modules after them: 0 or 1 */
    int width;           /* D */
    int heads, kv_heads; /* H, G */
    int head_dim;        /* of q and k: N + P for MLA */
    int ffn;             /* F of a dense layer */
    int vocab;           /* rows of the embedding */
    int context;         /* positions trained for */
    float norm_eps;
    bool tied; /* head shares the embedding */
    bool qkv_bias;

    enum model_rope rope;
    bool rope_pairs;                                    /* pairs (2i, 2i+1), else (i, i + n/2) */
    int rope_dim;                                       /* rotated columns of a head: P for MLA */
    double rope_base, rope_factor, rope_low, rope_high; /* llama3: low/high frequency factors */
    double rope_beta_fast, rope_beta_slow, rope_mscale, rope_mscale_all; /* YaRN */
    int rope_original; /* context before scaling */

    /* MLA; 0 for the others */
    int q_rank, kv_rank; /* Rq (0: no low-rank query), R */
    int nope_dim, v_dim; /* N, V */

    /* MoE; experts 0 for dense models */
    int experts, experts_used, experts_shared; /* E, K, shared */
    int expert_ffn;                            /* F of one expert */
    int dense_layers;                          /* leading layers without experts */
    int expert_groups, expert_groups_used;
    enum model_gate gate;
    bool gate_normalize;
    float gate_scale;

    int bos, eos; /* -1: none; the tokenizer knows better */
} model_config;

/* From an open model file: GGUF metadata or config.json. Every number is checked for plausibility.
 */
ponder_status model_config_read(model_config *c, const fmt_model *m, ponder_error *err);
/* The same check for numbers from elsewhere, and what all architectures start from. */
ponder_status model_config_check(const model_config *c, ponder_error *err);
model_config model_config_defaults(enum model_arch arch);
/* A published architecture by name: "r1-distill-qwen-1.5b", "deepseek-v2-lite",
 * "deepseek-v3-4layers", "smollm2-135m", ...; or a config.json path. */
ponder_status model_config_named(model_config *c, const char *name, ponder_error *err);
/* The i-th name it knows; NULL past the last. */
const char *model_config_name(size_t i);

/* Every tensor a config asks for, in file order: the one table that loading, init, quantising and
 * showing walk. */
enum model_tensor_role {
    MODEL_NORM,
    MODEL_MATRIX,
    MODEL_EMBEDDING,
    MODEL_HEAD,
    MODEL_BIAS,
    MODEL_ROUTER,
    MODEL_FACTORS
};
typedef struct model_tensor {
    char name[96]; /* GGUF name */
    char hf[112];  /* Hugging Face name; `*` stands for the expert's number */
    enum model_tensor_role role;
    int layer; /* -1: none */
    int n_dims;
    uint64_t dim[FMT_MAX_DIMS];
    size_t field; /* where model/ binds it */
} model_tensor;
/* Fills out[0, cap) and returns how many there are. */
size_t model_tensors(const model_config *c, model_tensor *out, size_t cap);

/* ---- random weights ------------------------------------------------------------------------- */

typedef struct model_init_options {
    num_type type; /* of the matrices; NUM_NONE: the q4_k_m mix. Rows that do not divide into
                      its blocks become Q8_0, else BF16 */
    uint64_t seed;
    const char *tokenizer; /* a tokenizer.json to embed; NULL: a made-up one */
    pool *pool;            /* NULL: one thread */
    progress *progress;    /* NULL: none */
} model_init_options;

/* Writes a GGUF file of that architecture with random weights (standard deviation 0.02; norms 1),
 * the same bytes for the same seed and any number of threads. */
ponder_status model_init(const char *path, const model_config *c, const model_init_options *opt,
                         ponder_error *err);

/* A tokenizer.json as the metadata of a GGUF file. Ids beyond it, up to `rows`, become unused. */
typedef struct model_vocab {
    const char *tokenizer; /* path of the tokenizer.json */
    const char *pre;       /* tokenizer.ggml.pre: the name of its pre-tokenizer */
    int bos, eos;          /* -1: none */
    bool adds_bos;
} model_vocab;
ponder_status model_vocab_put(gguf_writer *w, size_t rows, const model_vocab *from,
                              ponder_error *err);

/* ---- weights -------------------------------------------------------------------------------- */

typedef struct model model;

typedef struct model_options {
    unsigned cpu_mask;  /* ~0u: all this processor has */
    pool *pool;         /* for packing; NULL: one thread */
    progress *progress; /* NULL: none */
    bool mla_expanded_prefill;
    bool bf16; /* matrices that are F32 in the file are kept in BF16, as training in BF16 has them */
} model_options;

/* Opens, checks and packs; the file is not needed afterwards (fmt is borrowed only during the
 * call). */
ponder_status model_open(model **out, const fmt_model *file, const model_options *opt,
                         ponder_error *err);
void model_close(model *m);
const model_config *model_config_of(const model *m);
const kern *model_kern(const model *m);
size_t model_weight_bytes(const model *m);
/* Bytes of weights one decoded token reads, and multiply-adds it costs at a context length. */
void model_token_cost(const model *m, size_t context, double *weight_bytes, double *kv_bytes,
                      double *macs, enum kern_kv kv);

/* ---- paged memory of keys and values -------------------------------------------------------- */

/* Pages of KERN_PAGE positions, all layers of a position range together. Only memory: who owns
 * which page is the engine's business. */
typedef struct model_kv {
    uint8_t *base;
    enum kern_kv type;
    int layers; /* that a page has room for: layer l stands at l % layers */
    size_t pages, page_bytes; /* page p starts at base + p * page_bytes */
} model_kv;

size_t model_kv_page_bytes(const model_config *c, enum kern_kv t);
ponder_status model_kv_open(model_kv *kv, const model_config *c, enum kern_kv t, size_t pages,
                            ponder_error *err);
void model_kv_close(model_kv *kv);
/* The same in memory that the caller lends, pages * model_kv_page_bytes; it is not closed. */
void model_kv_place(model_kv *kv, const model_config *c, enum kern_kv t, size_t pages, void *memory);

/* ---- forward -------------------------------------------------------------------------------- */

typedef struct model_step model_step;

/* Scratch for steps of at most max_tokens tokens; no allocation happens after this. */
ponder_status model_step_open(model_step **out, const model *m, pool *p, size_t max_tokens,
                              ponder_error *err);
/* The same in memory that the caller lends until model_step_close, model_step_bytes of it; between steps
 * nothing in it is needed. */
ponder_status model_step_open_in(model_step **out, const model *m, pool *p, size_t max_tokens,
                                 void *memory, ponder_error *err);
void model_step_close(model_step *s);
size_t model_step_bytes(const model *m, pool *p, size_t max_tokens);

/* Tokens of one sequence that enter together: positions [pos, pos + n) follow what is in its pages.
 */
typedef struct model_span {
    const int32_t *ids; /* [n], each < vocab */
    size_t n, pos;
    const uint32_t *pages; /* page numbers of positions 0.. in order; enough for pos + n */
    bool continues;        /* positions before pos are the last span's of this step that does not continue, all
                            * of it: the page of pos is its own, and gets what that span has in it */
    int want;              /* logits of: 0 none, 1 the last token, 2 every token */
    float *logits;         /* [1 or n, vocab] out; NULL when want is 0 */
    float *hidden;         /* [n, D] out: after the final norm; or NULL (MTP drafting reads it) */
} model_span;

/* Runs all spans as one batch: stores keys and values, fills logits. The sum of n must not exceed
 * the step's max_tokens. EARG for ids or positions out of range; never fails otherwise. */
ponder_status model_forward(model_step *s, const model *m, model_kv *kv, const model_span *spans,
                            size_t n_spans, ponder_error *err);

/* The MTP module (config.mtp_layers = 1): for a span whose `hidden` rows were filled by
 * model_forward, logits of the token after next. It has its own layer in kv. next_ids[i] is the
 * token at pos + i + 1. */
ponder_status model_forward_mtp(model_step *s, const model *m, model_kv *kv, const model_span *span,
                                const int32_t *next_ids, ponder_error *err);

#endif
