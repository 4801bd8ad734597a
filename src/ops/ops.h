/* ops: threaded operators. Shapes, threads and scratch live here; the arithmetic is kern's.
 * SPDX-License-Identifier: MIT
 *
 * Row t of every output depends only on row t of the input (attention: on the positions it sees):
 * bit-identical for any batch, chunking or number of threads. Work is cut by size. Letters as in
 * docs/numerics.md: T tokens, D width, H heads, G key/value heads, E experts, N outputs, K inputs.
 *
 * An operator whose scratch is a counting arena (base NULL) takes its memory and does nothing else:
 * running a step that way tells what the real one needs. */
#ifndef OPS_H
#define OPS_H

#include "kern/kern.h"

/* What an operator needs to run. Scratch is a step arena: marked on entry, reset on exit. */
typedef struct ops {
    const kern *k;
    pool *pool;
    arena *scratch;
} ops;

/* pool_run, unless only memory is being counted. */
void ops_for(ops *o, size_t n, size_t grain, pool_fn *fn, void *arg);
/* Items of `cost` elementary steps each that make a piece worth handing to another thread. */
size_t ops_grain(size_t cost);

/* ---- weights -------------------------------------------------------------------------------- */

/* A weight [N, K] packed in panels. `experts` of them lie one after the other (1 for plain ones).
 */
typedef struct ops_weight {
    num_type type;
    size_t N, K, experts;
    const kern_mm *mm;
    void *panels;
    size_t panel_bytes; /* of one panel */
    float *grad;        /* training: gradient [experts][N][K], added to; else NULL */
} ops_weight;

/* Bytes of the panels of a weight; false when there is no kernel for the type, K does not divide
 * into its blocks, or the size overflows. */
bool ops_weight_bytes(size_t *bytes, const kern *k, num_type t, size_t N, size_t K, size_t experts);
/* Describes such a weight whose panels stand at `panels`. */
ops_weight ops_weight_at(const kern *k, num_type t, size_t N, size_t K, size_t experts,
                         void *panels);
/* Packs rows [row0, row0 + n) (row0 a multiple of KERN_ROWS; n one too but for the last) of expert
 * e from the file's bytes. scale: FP8 block scales [..][ceil(K/128)] from row0's block row on, else
 * NULL. */
void ops_weight_pack(ops_weight *w, size_t e, size_t row0, size_t n, const void *rows,
                     const float *scale);
/* Packs rows [row0, row0 + n) of expert e of a matrix [w->K, w->N] whose transpose w is to hold; row0
 * even. F32 and BF16 only. */
void ops_weight_pack_back(ops_weight *w, const kern *k, size_t e, size_t row0, size_t n,
                          const float *rows);
/* Row `row` of expert e as K floats: the way an embedding is read. */
void ops_weight_row(const ops_weight *w, const kern *k, size_t e, size_t row, float *y);

/* ---- rows on their way into products -------------------------------------------------------- */

/* x [T, K]. In this order, each where its pointer is set: the row is added to the residual stream
 * and goes on as the stream's; it is RMS-normalised; it becomes silu(row) * up. With heads > 1
 * there are heads * T rows, row h * T + t standing at x + t * ldx + h * ldh. */
typedef struct ops_input {
    const float *x; /* NULL with a stream: nothing to add */
    size_t ldx;
    size_t heads, ldh;
    float *stream; /* [T, K], updated */
    const float *gain;
    float eps;
    const float *up; /* row stride ldx */
    float *kept;     /* [T, K] or NULL: the row as the stream has it, for backward */
} ops_input;

/* The rows in the forms kernels read; in scratch. */
typedef struct ops_acts {
    size_t rows, K;
    void *form[KERN_ACTS]; /* NULL where not asked for */
} ops_acts;

static inline unsigned ops_form(const ops_weight *w) { return 1u << w->mm->act; }
/* Stays in scratch: the caller marks and resets. forms: a set of 1 << enum kern_act. */
void ops_prepare(ops *o, ops_acts *out, const ops_input *in, size_t T, size_t K, unsigned forms);

/* ---- products ------------------------------------------------------------------------------- */

/* One product that shares its input with others: y[T, N] = x W^T (+ bias). */
typedef struct ops_product {
    const ops_weight *w;
    size_t expert;
    const float *bias; /* [N] or NULL */
    float *y;          /* row stride ldy */
    size_t ldy;
    float *const *row; /* instead of y: where each output row stands */
} ops_product;

enum { OPS_PRODUCTS = 4 };

/* All n <= OPS_PRODUCTS products of prepared rows in one parallel phase. */
void ops_multiply(ops *o, const ops_acts *x, const ops_product *p, size_t n);
/* The same after a phase that prepares the rows. */
void ops_linear(ops *o, const ops_input *in, size_t T, const ops_product *p, size_t n);
/* Head h of token t: y[t * ldy + h * ldyh + n] = W_h x[t * ldx + h * ldxh ..], one expert a head.
 */
void ops_heads(ops *o, const ops_weight *w, const float *x, size_t ldx, size_t ldxh, size_t T,
               float *y, size_t ldy, size_t ldyh);

/* log sum exp(x): what a log-probability is x[i] minus of, the same bits wherever a model is sampled or
 * scored. *top is the largest x (may be NULL). Not finite when the logits are no numbers. */
double ops_log_sum_exp(const kern *k, const float *x, size_t n, float *top);

/* ---- mixture of experts --------------------------------------------------------------------- */

/* What the backward of a step asks for: rows of tokens, and rows of (token, choice) pairs by expert. */
typedef struct ops_moe_kept {
    float *logits, *weight;           /* [T, E], [T, used] */
    uint32_t *expert, *slot;          /* [T, used]: chosen, and its row among the sorted pairs */
    uint32_t *token, *offset;         /* [pairs] of a sorted row; [E + 1] where an expert's rows start */
    float *gate, *up, *down;          /* [pairs, F], [pairs, F], [pairs, D] */
    float *shared_gate, *shared_up;   /* [T, F of the shared experts] or NULL */
} ops_moe_kept;

typedef struct ops_moe {
    const ops_weight *router;                                /* F32 [E, D] */
    const float *bias;                                       /* [E], for the choice only; or NULL */
    const ops_weight *gate, *up, *down;                      /* E experts */
    const ops_weight *shared_gate, *shared_up, *shared_down; /* or NULL */
    size_t used, groups, groups_used; /* experts a token; limits of the choice */
    bool sigmoid, normalize;          /* scores, and their sum made 1 */
    float scale;
    ops_moe_kept *kept; /* filled, in `room`; or NULL */
    arena *room;
} ops_moe;

enum { OPS_EXPERTS = 1024 /* at most */ };

/* The choice of one token from its logits [E]: experts in ascending order and their weights, [used]
 * each. DeepSeek-V3 report, section 2.1.2; outside the kept groups the choice is -inf. */
void ops_route(const ops_moe *m, const float *logits, uint32_t *expert, float *weight);
/* y [T, D] = sum over the chosen experts (in ascending order, after the shared ones). */
void ops_moe_run(ops *o, const ops_moe *m, const ops_input *in, size_t T, float *y);

/* ---- attention ------------------------------------------------------------------------------ */

/* Rows [first, first + n) of the batch are positions [pos, pos + n) of one sequence. Where the positions
 * before are in the batch too, as a prefix that several sequences go on from, rows [prefix, prefix + pos)
 * are these. */
typedef struct ops_sequence {
    size_t first, n, pos, prefix;
    const uint32_t *pages; /* page numbers of positions 0.. */
} ops_sequence;

/* One layer's attention over paged keys and values; causal. */
typedef struct ops_attention {
    enum kern_kv kv;
    const uint8_t *base; /* page p of head g: base + p * page_bytes + g * head_bytes */
    size_t page_bytes, head_bytes;
    size_t value_at; /* of the values in a head's bytes; 0: latent, values are in the keys */
    size_t heads, kv_heads, d, dv;
    float scale;
    const float *q; /* [T, H, d], ldq from token to token */
    float *out;     /* [T, H, dv], ldo from token to token */
    size_t ldq, ldo;
} ops_attention;

void ops_attend(ops *o, const ops_attention *a, const ops_sequence *seq, size_t n);

/* ---- backward ------------------------------------------------------------------------------- */

/* Products that shared an input. Rows [offset[e], offset[e + 1]) met expert e; without offsets there is
 * an expert a head, as in ops_heads. */
typedef struct ops_back {
    const ops_weight *const *w; /* [n], of one type; their gradients are added to */
    size_t n;
    const ops_weight *back; /* the transposes side by side: [K, sum of N] */
    size_t T;
    const uint32_t *offset; /* [experts + 1] or NULL */
    const uint32_t *source; /* [T]: which row of `in` a row was; NULL: its own */
    ops_input in;           /* as forward, without the stream: x is what was normalised or gated */
    const float *dy;        /* [T, sum of N]: row r of T * heads at r % T * lddy + r / T * lddyh */
    size_t lddy, lddyh;
    /* dy that is made when it is read: row r is row dy_source[r] times dy_weight[r]; or dy [T, sum of N / 2]
     * is the gradient of silu(gate) * up, the products' outputs, of the same row stride. Else NULL. */
    const uint32_t *dy_source;
    const float *dy_weight, *gate, *up;
    float *dx; /* [T, K], likewise; or NULL. Apart from x and dy, which are read meanwhile */
    size_t lddx, lddxh;
    bool add; /* to what dx has */
} ops_back;

void ops_linear_back(ops *o, const ops_back *b);
/* sum [n] += the sum of rows y [T, n]. */
void ops_sum_back(ops *o, float *sum, const float *y, size_t ldy, size_t T, size_t n);
/* dx [T, n] and dgain [n] are added to; x is what was normalised, dy the gradient of what came out. */
void ops_norm_back(ops *o, float *dx, size_t lddx, float *dgain, const float *x, size_t ldx,
                   const float *gain, float eps, const float *dy, size_t lddy, size_t T, size_t n);

/* The loss that keeps experts in use within a sequence (DeepSeek-V3 report, section 2.1.2):
 * weight * sum over experts of (share of the choices * E) * (mean share of the scores). */
typedef struct ops_balance {
    const ops_sequence *seq;
    size_t n;
    const float *weight; /* [n] */
    double loss;         /* added to */
} ops_balance;

typedef struct ops_moe_back {
    const ops_moe *m; /* m->kept as forward filled it */
    const ops_weight *router, *gate_up, *down, *shared_gate_up, *shared_down; /* transposes */
    ops_input in;        /* as in ops_back */
    const float *dy;     /* [T, D] */
    float *dx;           /* [T, D] out: of the normalised input */
    ops_balance *balance; /* or NULL */
} ops_moe_back;

void ops_moe_run_back(ops *o, const ops_moe_back *b, size_t T);

/* Causal attention, from the queries and keys as they entered. A sequence with pos > 0 goes on from the
 * last one before it with pos 0, all of that one. */
typedef struct ops_attention_back {
    num_type type; /* of the products' operands: NUM_F32 or NUM_BF16 */
    size_t heads, kv_heads, d, dv;
    float scale;
    bool latent; /* the values are the first dv columns of the keys */
    const float *q, *k, *v, *dout; /* [T, H, d], [T, G, d], [T, G, dv] (NULL: latent), [T, H, dv] */
    size_t ldq, ldk, ldv, lddout;  /* from token to token */
    float *dq, *dk, *dv_out;       /* written; dv_out NULL: latent, all in dk */
    size_t lddq, lddk, lddv;
} ops_attention_back;

/* `longest` is the largest pos + n. */
void ops_attend_back(ops *o, const ops_attention_back *a, const ops_sequence *seq, size_t n, size_t T,
                     size_t longest);

#endif
