/* kern: the innermost loops, behind one table filled at run time.
 * SPDX-License-Identifier: MIT
 *
 * Kernels are pure: pointers and sizes in, numbers out; no threads, no allocation, no errors. Each
 * exists as scalar C in ref/, which is its specification; x86/ and arm/ overlay what they do better.
 *
 * The law every entry keeps: on one instruction-set level each output number is produced by one
 * fixed sequence of roundings that depends on K (or d, or the positions attended to) alone, never on
 * how many rows, columns or queries are computed together.
 *
 * Letters: M rows of activations (tokens), N rows of a weight (outputs), K columns (inputs). */
#ifndef KERN_H
#define KERN_H

#include "num/num.h"

/* ---- matrix times activations ------------------------------------------------------------------
 *
 * A weight [N, K] is kept as panels of KERN_ROWS consecutive rows, interleaved so that one vector
 * register holds one column (or four bytes of columns) of all rows of the panel: lane r is row r.
 * The last panel is padded with zero rows. A panel is a sequence of panel blocks along K, each
 * `block` columns wide and KERN_ROWS times the bytes of the file's block: a file block is cut into
 * units of 2 or 4 bytes (its scales, its groups of four numbers ...), and a panel block holds for
 * each unit, in file order, the sixteen rows' units side by side. So packing changes the order of a
 * file's bytes and not their number, and one routine packs every type. FP8 blocks are 128 columns
 * with their f32 scale as a first unit. */
enum { KERN_ROWS = 16 };

/* How a row of activations is handed to a kernel. */
enum kern_act {
    KERN_ACT_F32,  /* float [M][K] */
    KERN_ACT_BF16, /* uint16_t [M][K rounded up to 2], nearest even, zero padded */
    KERN_ACT_Q8,   /* kern_q8  [K / 32][M]: the blocks of one column range of all rows are neighbours */
    KERN_ACT_Q8K,  /* kern_q8k [K / 256][M] */
    KERN_ACT_E4M3  /* as BF16, but each 128 columns rounded to E4M3 times a power of two (training in FP8) */
};
enum { KERN_ACTS = 5 };

typedef struct kern_q8 {
    int8_t q[32];  /* x ~ d * q, d = max|x| / 127 */
    float d;
    int32_t sum;   /* of q */
} kern_q8;

typedef struct kern_q8k {
    int8_t q[256];
    int16_t sum16[16], sum32[8]; /* of each 16 and 32 q */
    float d;
} kern_q8k;

/* y[m * ldy + n] = sum_k w[n, k] * x[m, k] for n < N, m < M.
 * w: ceil(N / KERN_ROWS) panels. x: an activation of `rows` rows in the type's form (of which the M
 * from `first` on are used).
 *
 * What training asks for besides, of F32 and BF16 weights only; all zero otherwise: sums over the rows of
 * matrices as they stand. In units of four bytes (a column, or a pair of BF16 columns), all distances in bytes: w
 * may be lanes (below), and x columns, unit k of row m standing at k * x_step + 4 * m. */
typedef struct kern_mm_args {
    float *y;
    size_t ldy;
    const void *w;
    const void *x;
    size_t rows, first; /* of x */
    size_t N, M, K;
    bool add;               /* to what y has, instead of to 0 */
    size_t w_panel, w_step; /* of lanes; 0: of packed panels of K columns */
    size_t x_step;          /* not 0: x is columns */
} kern_mm_args;

/* A matrix as lanes: its columns, KERN_ROWS to a panel. Unit k of panel p, KERN_ROWS times four bytes, stands at
 * p * panel + k * step and holds row k, or of BF16 rows 2k and 2k + 1 as pairs. A packed weight is the lanes of its
 * transpose (step KERN_LINE), and rows of F32 numbers are lanes as they stand (panel KERN_LINE), if what follows
 * the last row's columns up to a multiple of KERN_ROWS may be read. */
typedef struct kern_lanes {
    void *at;
    size_t panel, step; /* bytes */
} kern_lanes;
enum { KERN_LINE = 4 * KERN_ROWS };

typedef struct kern_mm {
    enum kern_act act;
    uint32_t block;       /* columns of a panel block; K must be a multiple (BF16: is rounded up) */
    uint32_t block_bytes; /* bytes of a panel block */
    void (*mul)(const kern_mm_args *a); /* NULL: no weights of this type */
} kern_mm;

/* Bytes of a panel of K columns. */
static inline size_t kern_panel_bytes(const kern_mm *mm, size_t K)
{
    return size_ceil_div(K, mm->block) * mm->block_bytes;
}
static inline size_t kern_panels(size_t N) { return size_ceil_div(N, KERN_ROWS); }
/* Packs n_rows <= KERN_ROWS file rows (row_bytes apart) of K columns into one panel.
 * scale: for FP8 the block scales [ceil(K / 128)] of these rows, else NULL. */
void kern_pack(void *panel, num_type t, const void *rows, size_t row_bytes, size_t n_rows, size_t K,
               const float *scale);
/* The inverse: row r of a panel as the file's bytes (FP8: and its scales). */
void kern_unpack(void *row, float *scale, num_type t, const void *panel, size_t r, size_t K);
/* Bytes of an activation of M rows. */
size_t kern_act_bytes(enum kern_act act, size_t M, size_t K);

/* ---- attention -----------------------------------------------------------------------------------
 *
 * Keys and values live in pages of KERN_PAGE positions. What one head of one layer stores in a page:
 *   keys    [KERN_PAGE / 16][d / c][16][c]: sixteen positions side by side, c columns of each
 *           together (c = 1 for F32 and F16, 2 for BF16, 4 for Q8_0)
 *   values  [KERN_PAGE / c][dv][c]: c positions together (c = 2 for BF16, else 1)
 *   Q8_0    has one f32 scale per position and 32 columns after the numbers:
 *           keys [KERN_PAGE / 16][d / 32][16], values [KERN_PAGE][dv / 32]
 * A latent (MLA) page has keys only; the values are the first dv columns of the keys.
 *
 * The softmax runs over spans of KERN_SPAN positions, each from a fresh state, and the spans' results
 * are merged in order: a fixed shape, whoever computes the spans. */
enum { KERN_PAGE = 64, KERN_SPAN = 512, KERN_HEAD_MAX = 576 /* d and dv at most */ };

enum kern_kv { KERN_KV_F32, KERN_KV_F16, KERN_KV_BF16, KERN_KV_Q8 };
enum { KERN_KVS = 4 };

/* Bytes of one head's keys (or values) in a page; d a multiple of 16 (Q8: 32). */
size_t kern_kv_key_bytes(enum kern_kv t, size_t d);
size_t kern_kv_value_bytes(enum kern_kv t, size_t dv);
/* The key of one position back from a page, as d floats. */
void kern_kv_load(enum kern_kv t, float *k, const void *page, size_t at, size_t d);
/* Brings near what storing a position (and the ones of its sixteen after it) will write: the lines of a new
 * token's key are many, and each store would wait for its own. v_page NULL for latent. */
void kern_kv_fetch(enum kern_kv t, const void *k_page, const void *v_page, size_t at, size_t d, size_t dv);

/* The running state of one query row over a span: max of the scores, sum of exp(score - max), and
 * the sum of exp(score - max) * value. */
typedef struct kern_attn_args {
    const float *q;        /* [nq, d], row stride ldq; scores are scale * q.k */
    size_t ldq, nq, d, dv;
    float scale;
    const void *const *k;  /* pages of the span: each page's keys of this head; KERN_SPAN / KERN_PAGE of them */
    const void *const *v;  /* the same for values; NULL: latent, values are in the keys */
    const int32_t *n;      /* [nq]: the row sees the span's first n[i] positions, 0..KERN_SPAN */
    /* With heads > 1 (not latent) there are heads * nq rows of q, o, max and sum, a head's nq after those of
     * the head before, whose keys and values stand head_bytes further on in each page; heads * nq <=
     * KERN_ATTN_ROWS, heads * d and heads * dv <= KERN_HEAD_MAX. */
    size_t heads, head_bytes;
    /* To be brought near meanwhile: the keys that the next call begins with, of a page of which n_next
     * positions are seen. NULL: nothing. */
    const void *next;
    size_t n_next;
    float *o;              /* [nq, dv] out, row stride ldo; unnormalised */
    size_t ldo;
    float *max, *sum;      /* [nq] out; rows with n == 0: max = -inf, sum = 0, o = 0 */
    void *scratch;         /* KERN_ATTN_SCRATCH bytes, 64-byte aligned */
} kern_attn_args;

enum { KERN_ATTN_SCRATCH = 1 << 20, KERN_ATTN_ROWS = 64 /* nq at most */ };

typedef struct kern_attn {
    /* Writes one position's key (and value; NULL for latent) into a page. */
    void (*store)(void *k_page, void *v_page, size_t at, const float *k, const float *v, size_t d,
                  size_t dv);
    void (*span)(const kern_attn_args *a);
} kern_attn;

/* ---- the table ------------------------------------------------------------------------------------ */

enum { KERN_TYPES = 40 };
/* Index of a weight type in kern.mm, or -1. */
int kern_slot(num_type t);

typedef struct kern {
    unsigned cpu; /* the features in use */
    kern_mm mm[KERN_TYPES]; /* by kern_slot(type) */
    kern_mm mm_e4m3; /* BF16 weights that were rounded to E4M3, with activations of that form */
    /* Row m (of M) of an activation from K floats. */
    void (*act[KERN_ACTS])(void *dst, size_t m, size_t M, const float *x, size_t K);
    /* n <= KERN_ROWS rows as the lanes from to->at on; columns up to a multiple of KERN_ROWS and, for pairs, a row
     * after an odd last one are filled with zeros. For the forms F32, BF16 and E4M3. */
    void (*lanes[KERN_ACTS])(const kern_lanes *to, const float *x, size_t ldx, size_t n, size_t K);
    /* One panel of at most KERN_ROWS rows of `units` times four bytes: F32 numbers, or pairs of BF16. What
     * kern_pack does for those types, faster. */
    void (*interleave)(void *panel, const void *rows, size_t row_bytes, size_t n, size_t units);
    kern_attn attn[KERN_KVS];

    /* y = x * g / sqrt(mean(x^2) + eps); y may be x. */
    void (*rms_norm)(float *y, const float *x, const float *g, size_t n, float eps);
    /* y = silu(gate) * up; y may be either. */
    void (*silu_mul)(float *y, const float *gate, const float *up, size_t n);
    void (*add)(float *y, const float *x, size_t n);             /* y += x */
    void (*axpy)(float *y, float a, const float *x, size_t n);   /* y += a * x, fused */
    void (*scale)(float *y, float a, size_t n);                  /* y *= a */
    float (*max)(const float *x, size_t n);                      /* n > 0 */
    /* sum of exp(x - max) in double, in a fixed order. */
    double (*sum_exp)(const float *x, size_t n, float max);
    /* y = exp(x) for x <= 0 (to 2 ulp); y may be x. */
    void (*exp)(float *y, const float *x, size_t n);
    float (*max_abs)(const float *x, size_t n);
    /* To the nearest E4M3 number times 2^e, ties to even, e the least with top <= 448 * 2^e; all |x| <= top. */
    void (*round_e4m3)(float *y, const float *x, size_t n, float top);
    /* y = softmax(a * x), y may be x; and its gradient: dx = a * y * (dx - sum(dx * y)). */
    void (*softmax)(float *y, float a, const float *x, size_t n);
    void (*softmax_back)(float *dx, float a, const float *y, size_t n);
    /* dx and dg are added to, given the gradient dy of what rms_norm made of x. */
    void (*rms_norm_back)(float *dx, float *dg, const float *x, const float *g, const float *dy,
                          size_t n, float eps);
    /* Given the gradient dy of what silu_mul made; dgate and dup may be gate and up. */
    void (*silu_mul_back)(float *dgate, float *dup, const float *gate, const float *up,
                          const float *dy, size_t n);
    double (*dot)(const float *x, const float *y, size_t n); /* in double, in a fixed order */
    /* Rotates pairs of x by the angles of cos/sin [n / 2]: pairs (2i, 2i+1), or (i, i + n/2). */
    void (*rope_pairs)(float *x, const float *cos, const float *sin, size_t n);
    void (*rope_halves)(float *x, const float *cos, const float *sin, size_t n);
    /* n floats of a row of any type from the file's bytes (embedding look-up). */
    void (*decode)(num_type t, float *y, const void *x, size_t n);

    /* Limits, for measuring: reads all bytes (returns some sum); runs `rounds` rounds of dot products
     * in registers and returns the number of operations (a multiply-add is two). */
    uint64_t (*read_memory)(const void *p, size_t bytes);
    double (*burn_int8)(size_t rounds);
    double (*burn_bf16)(size_t rounds);
    double (*burn_f32)(size_t rounds);
} kern;

/* Fills the table for the features in `cpu_mask` that this processor has. */
void kern_init(kern *k, unsigned cpu_mask);
/* The entry for a weight type, or NULL. */
const kern_mm *kern_mm_of(const kern *k, num_type t);

#endif
