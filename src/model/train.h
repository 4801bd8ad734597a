/* model/train: gradients. The forward that serves runs with a tape of what backward needs; the
 * products of backward run on the kernels of forward.
 * SPDX-License-Identifier: MIT
 *
 * A trainable model keeps its parameters as flat F32 masters [n] with gradients beside them, and
 * the packed weights that model_forward reads, which model_trainable_refresh makes from the masters.
 * The engine may serve the same model between updates: there is no second copy to bring up to date,
 * and a log-probability computed here has the bits that generation computed.
 *
 * For y = x W^T (x [T, K], W [N, K]):  dx = dy W  is the forward product with W^T as the weight, and
 * dW = dy^T x  the forward product with x^T as the weight and dy^T as lanes (kern.h), both of which are
 * packed from rows without transposing, added to what is there.
 * So one product kernel serves all three. In BF16 and FP8 operands are rounded, sums are F32. FP8
 * follows the DeepSeek-V3 report, section 3.3: E4M3 for the operands of all three products of the
 * linear layers, activations scaled per 1 x 128, weights per 128 x 128 (scales are powers of two
 * here, so that a scaled E4M3 number is a BF16 number); embedding, head, router, norms and attention
 * stay in BF16 or F32.
 *
 * Sums over tokens have an order fixed by the batch, whatever the number of threads. */
#ifndef MODEL_TRAIN_H
#define MODEL_TRAIN_H

#include "model/model.h"

enum model_precision { MODEL_F32, MODEL_BF16, MODEL_FP8 };

/* One parameter tensor among the flat masters: in the order of model_tensors, each row-major as in a
 * file ([experts][rows][columns]). */
typedef struct model_param {
    model_tensor tensor;
    size_t at, n; /* elements */
    size_t rows, columns, experts;
    bool decays; /* matrices do; norms, biases and embeddings do not */
} model_param;

typedef struct model_trainable model_trainable;

typedef struct model_train_options {
    enum model_precision precision;
    pool *pool;
    unsigned cpu_mask;       /* ~0u: all this processor has */
    size_t max_tokens;       /* of a micro-batch */
    size_t max_sequence;     /* positions of its longest sequence */
    size_t max_sequences;    /* of a micro-batch; 0: max_tokens / 16 */
    bool prefixes;           /* sequences may continue others */
    bool recompute;          /* keep only the stream at each layer; run the layer again in backward */
    float balance_loss;      /* alpha of the sequence-wise balance loss (V3 report, section 2.1.2) */
    float mtp_weight;        /* lambda of the prediction module's loss; 0: the module is not run */
    size_t least_work;       /* bytes of model_trainable_work at least; 0: what micro-batches need */
    model_trainable *beside; /* its work is this one's too: they are never at work together; NULL: none */
} model_train_options;

/* ELIMIT with the numbers when it will not fit. From nothing: normal with deviation `init` (V3:
 * 0.006; GPT-2: 0.02) by counted randomness of `seed`, norms 1; or the weights of a file in any type. */
ponder_status model_trainable_init(model_trainable **out, const model_config *c, float init, uint64_t seed,
                                   const model_train_options *o, ponder_error *err);
ponder_status model_trainable_open(model_trainable **out, const fmt_model *file,
                                   const model_train_options *o, ponder_error *err);
void model_trainable_close(model_trainable *t);
/* Bytes that opening takes (optimiser state not counted); zeros when it would be refused. */
typedef struct model_train_size {
    size_t lasting; /* masters, gradients, packed weights */
    size_t work;    /* a micro-batch: keys and values, scratch, tape */
    size_t look;    /* the part of work that a micro-batch takes without a gradient */
} model_train_size;
model_train_size model_trainable_size(const model_config *c, const model_train_options *o);
/* model_step_bytes of the model to serve, before there is one. */
size_t model_trainable_step_bytes(const model_config *c, const model_train_options *o, size_t max_tokens);
/* The memory of micro-batches: between two of them anyone may use it. */
void *model_trainable_work(const model_trainable *t, size_t *bytes);

/* The model to serve or to roll out with; follows model_trainable_refresh. Log-probabilities have the
 * bits of an engine that keeps keys and values as model_trainable_kv says: F32 for F32, else BF16. */
const model *model_trainable_model(const model_trainable *t);
enum kern_kv model_trainable_kv(const model_trainable *t);
const model_param *model_trainable_params(const model_trainable *t, size_t *n);
float *model_trainable_masters(model_trainable *t, size_t *n);
float *model_trainable_gradients(model_trainable *t);
void model_trainable_zero(model_trainable *t); /* gradients = 0 */
/* Masters into packed weights; to be called after every change of the masters. */
void model_trainable_refresh(model_trainable *t);

/* ---- a micro-batch ------------------------------------------------------------------------------ */

/* One sequence from its first position on; sequences do not see each other. But what several of them begin
 * with may be computed once: as a prefix, a sequence of its own, which they continue. Their tokens have the
 * log-probabilities that they have in whole sequences. */
typedef struct model_train_sequence {
    const int32_t *ids; /* [n]; of a prefix [n + 1], the last being what all that continue it begin with */
    size_t n;
    float *logprob; /* out [n - 1]: of ids[i + 1] after all before; or NULL */
    float *entropy; /* out [n - 1]: of the distribution there, in nats; or NULL */
    bool continues; /* the last sequence before it that does not; both together are within max_sequence. With
                     * an MTP module the token after its first is not learnt twice as in whole sequences */
} model_train_sequence;

/* What the loss is, told token by token: the derivative of the loss by the log-probability of token
 * i + 1 of sequence s, given that log-probability. Cross-entropy: -weight. 0: no part of the loss.
 * Called from worker threads. */
typedef float model_train_slope(void *user, size_t sequence, size_t i, float logprob);
/* For heads of one's own: final hidden states [n, D] of a sequence, to be given their gradient
 * (zeroed before; NULL when the batch is only looked at). Called on one thread, sequence by sequence;
 * both stay until the last call, so what compares sequences may write to those of earlier ones. */
typedef void model_train_head_fn(void *user, size_t sequence, const float *hidden, float *gradient);

typedef struct model_train_loss {
    model_train_slope *slope; /* NULL: no loss on tokens */
    model_train_head_fn *head;   /* NULL: none */
    void *user;
    bool look;                   /* forward only: no slope is asked, no gradient made */
} model_train_loss;

/* What a batch did besides. */
typedef struct model_train_stats {
    double mtp_loss;      /* mean cross-entropy of the prediction module's tokens with slope != 0 */
    double balance_loss;
    uint64_t *load;       /* [layers + mtp_layers, experts] tokens per expert, added to; or NULL */
} model_train_stats;

/* Forward; with a loss also backward, adding to the gradients. EARG for ids out of range or batches
 * larger than opened for; EFORMAT naming layer and tensor when numbers stop being finite. */
ponder_status model_train_batch(model_trainable *t, const model_train_sequence *seq, size_t n,
                                const model_train_loss *loss, model_train_stats *stats, ponder_error *err);

/* Auxiliary-loss-free balancing: bias of experts with more than the mean load falls by `speed`, of
 * the others rises (V3 report, section 2.1.2). */
void model_train_balance(model_trainable *t, const uint64_t *load, float speed);

/* ---- out ---------------------------------------------------------------------------------------- */

/* The masters as a GGUF file (matrices as `type`: NUM_F32, NUM_BF16 or a quantised one by plain
 * rounding), with the tokenizer's metadata that `vocab` writes (NULL: a made-up one). Rows that do not
 * divide into the type's blocks become BF16. */
typedef ponder_status model_vocab_fn(void *user, gguf_writer *w, ponder_error *err);
ponder_status model_trainable_save(const model_trainable *t, const char *path, num_type type,
                                   model_vocab_fn *vocab, void *user, ponder_error *err);
/* The same as a Hugging Face directory without its tokenizer: config.json and model.safetensors, with
 * matrices in F32 or BF16. */
ponder_status model_trainable_save_hf(const model_trainable *t, const char *dir, num_type type,
                                      ponder_error *err);

#endif
