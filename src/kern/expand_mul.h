/* Products over expanded steps: the loops around an instruction set's tiles, and one product for each
 * block format.
 * SPDX-License-Identifier: MIT */
#ifndef KERN_EXPAND_MUL_H
#define KERN_EXPAND_MUL_H

#include "kern/expand.h"

typedef void expand_k_fn(step_k *s, int r, const uint8_t *p);
typedef void expand_b_fn(step_b *s, int r, int b, const uint8_t *p);
/* Add a step's contribution to the sums of n activation rows; block b of row i is x[b * stride + i]. */
typedef void tiles_k_fn(sums *acc, const step_k *s, const kern_q8k *x, size_t n);
typedef void tiles_b_fn(sums *acc, const step_b *s, const kern_q8 *x, size_t stride, size_t blocks, size_t n,
                        int offset);
/* The same for one activation row and panel, straight from the packed blocks. */
typedef void direct_k_fn(float *acc, const uint8_t *p, const kern_q8k *x);
typedef void direct_b_fn(float *acc, const uint8_t *p, const kern_q8 *x, size_t stride, size_t blocks);

/* The distinct tiles: X(columns of a scale, form, largest byte) and X(form, largest byte). */
#define EXPAND_K_TILES(X)                                                                          \
    X(32, MIN, 31) X(16, MIN, 3) X(16, OFF, 63) X(16, OFF, 124) X(32, OFF, 124) X(32, SIGNED, 255)
#define EXPAND_B_TILES(X) X(MIN, 31) X(OFF, 31) X(SIGNED, 255)

/* The formats: X(type, its tile...) and X(type, its tile..., offset). */
#define EXPAND_K_TYPES(X)                                                                          \
    X(Q4_K, q4_k, 32, MIN, 31) X(Q5_K, q5_k, 32, MIN, 31) X(Q2_K, q2_k, 16, MIN, 3)                \
    X(Q3_K, q3_k, 16, OFF, 63) X(Q6_K, q6_k, 16, OFF, 63) X(IQ4_XS, iq4_xs, 32, SIGNED, 255)
/* Formats whose look-ups take longer than memory: a row alone is expanded too. */
#define EXPAND_LOOK_UP_TYPES(X)                                                                    \
    X(IQ2_XXS, iq2_xxs, 32, OFF, 124) X(IQ2_XS, iq2_xs, 16, OFF, 124)                              \
    X(IQ2_S, iq2_s, 16, OFF, 124) X(IQ3_XXS, iq3_xxs, 32, OFF, 124)                                \
    X(IQ3_S, iq3_s, 32, OFF, 124) X(IQ1_S, iq1_s, 32, OFF, 124) X(IQ1_M, iq1_m, 16, OFF, 63)
#define EXPAND_B_TYPES(X)                                                                          \
    X(Q8_0, q8_0, SIGNED, 255, 128) X(Q4_0, q4_0, OFF, 31, 8) X(Q4_1, q4_1, MIN, 31, 0)            \
    X(Q5_0, q5_0, OFF, 31, 16) X(Q5_1, q5_1, MIN, 31, 0) X(IQ4_NL, iq4_nl, SIGNED, 255, 128)

static void store_sums(const kern_mm_args *a, size_t m, size_t n, const sums *acc, size_t rows)
{
    const size_t width = size_min(LANES, a->N - n);
    for (size_t i = 0; i < rows; i++) {
        float *y = a->y + (m + i) * a->ldy + n;
        if (width == LANES) memcpy(y, acc[i], sizeof acc[i]);
        else memcpy(y, acc[i], width * sizeof *y);
    }
}

/* One activation row: panel after panel, one stream of memory. */
static void direct_mul_k(const kern_mm_args *a, size_t block_bytes, direct_k_fn *direct)
{
    const size_t blocks = a->K / STEP, panel_bytes = blocks * block_bytes;
    for (size_t n = 0; n < a->N; n += KERN_ROWS) {
        _Alignas(64) float acc[KERN_ROWS] = {0};
        const uint8_t *w = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        const kern_q8k *x = (const kern_q8k *)a->x + a->first;
        for (size_t b = 0; b < blocks; b++, x += a->rows, w += block_bytes) direct(acc, w, x);
        memcpy(a->y + n, acc, size_min(KERN_ROWS, a->N - n) * sizeof *acc);
    }
}

static void direct_mul_b(const kern_mm_args *a, size_t block_bytes, direct_b_fn *direct)
{
    const size_t blocks = a->K / 32, panel_bytes = blocks * block_bytes;
    for (size_t n = 0; n < a->N; n += KERN_ROWS) {
        _Alignas(64) float acc[KERN_ROWS] = {0};
        direct(acc, (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes, (const kern_q8 *)a->x + a->first, a->rows,
               blocks);
        memcpy(a->y + n, acc, size_min(KERN_ROWS, a->N - n) * sizeof *acc);
    }
}

/* While a group of rows is computed, its share of the next step comes near: rows [at, at + group) of
 * `rows` bring as much of `bytes`. Small groups keep memory busy; eight shares of a step are enough. */
INLINE size_t group_of(size_t rows) { return size_max(6, rows / 48 * 6); }

INLINE void bring(const uint8_t *p, size_t bytes, size_t at, size_t group, size_t rows)
{
    const size_t groups = size_ceil_div(rows, group), g = at / group;
    for (size_t i = bytes * g / groups & ~(size_t)63; i < bytes * (g + 1) / groups; i += 64) __builtin_prefetch(p + i);
}

static void expand_mul_k(const kern_mm_args *a, size_t block_bytes, expand_k_fn *expand, tiles_k_fn *tiles)
{
    _Alignas(64) step_k s;
    _Alignas(64) sums acc[CHUNK];
    const size_t blocks = a->K / STEP, panel_bytes = blocks * block_bytes;
    for (size_t n = 0; n < a->N; n += LANES) {
        const uint8_t *w0 = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        /* A lone last panel is computed twice and stored once. */
        const uint8_t *w1 = n + KERN_ROWS < a->N ? w0 + panel_bytes : w0;
        for (size_t m = 0; m < a->M; m += CHUNK) {
            const size_t rows = size_min(CHUNK, a->M - m), group = group_of(rows);
            const kern_q8k *x = (const kern_q8k *)a->x + a->first + m;
            memset(acc, 0, rows * sizeof *acc);
            for (size_t b = 0; b < blocks; b++, x += a->rows) {
                expand(&s, 0, w0 + b * block_bytes);
                expand(&s, 1, w1 + b * block_bytes);
                for (size_t i = 0; i < rows; i += group) {
                    bring(w0 + (b + 1) * block_bytes, block_bytes, i, group, rows);
                    bring(w1 + (b + 1) * block_bytes, block_bytes, i, group, rows);
                    tiles(acc + i, &s, x + i, size_min(group, rows - i));
                }
            }
            store_sums(a, m, n, acc, rows);
        }
    }
}

static void expand_mul_b(const kern_mm_args *a, size_t block_bytes, expand_b_fn *expand, tiles_b_fn *tiles, int offset)
{
    _Alignas(64) step_b s;
    _Alignas(64) sums acc[CHUNK];
    const size_t blocks = a->K / 32, panel_bytes = blocks * block_bytes;
    for (size_t n = 0; n < a->N; n += LANES) {
        const uint8_t *w0 = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        const uint8_t *w1 = n + KERN_ROWS < a->N ? w0 + panel_bytes : w0;
        for (size_t m = 0; m < a->M; m += CHUNK) {
            const size_t rows = size_min(CHUNK, a->M - m), group = group_of(rows);
            memset(acc, 0, rows * sizeof *acc);
            for (size_t b = 0; b < blocks; b += STEP_BLOCKS) {
                const size_t n_blocks = size_min(STEP_BLOCKS, blocks - b);
                for (size_t i = 0; i < n_blocks; i++) {
                    expand(&s, 0, (int)i, w0 + (b + i) * block_bytes);
                    expand(&s, 1, (int)i, w1 + (b + i) * block_bytes);
                }
                const kern_q8 *x = (const kern_q8 *)a->x + b * a->rows + a->first + m;
                for (size_t i = 0; i < rows; i += group) {
                    bring(w0 + (b + STEP_BLOCKS) * block_bytes, STEP_BLOCKS * block_bytes, i, group, rows);
                    bring(w1 + (b + STEP_BLOCKS) * block_bytes, STEP_BLOCKS * block_bytes, i, group, rows);
                    tiles(acc + i, &s, x + i, a->rows, n_blocks, size_min(group, rows - i), offset);
                }
            }
            store_sums(a, m, n, acc, rows);
        }
    }
}

/* The including file has always-inline tiles_k(acc, s, x, n, SUB, form, top), tiles_b(acc, s, x, stride,
 * blocks, n, offset, form, top) and, for one row whose dot products are in a sink, finish_k(acc, s, to, x,
 * SUB, form) and finish_b(acc, s, to, x, offset, form); these make one function of each tile, one product of each format, and
 * put the products into the table. */
#define EXPAND_TILES_K(SUB, FORM, TOP)                                                             \
    static void tiles_k_##SUB##_##FORM##_##TOP(sums *acc, const step_k *s, const kern_q8k *x, size_t n) \
    {                                                                                              \
        tiles_k(acc, s, x, n, SUB, FORM, TOP);                                                     \
    }
#define EXPAND_TILES_B(FORM, TOP)                                                                  \
    static void tiles_b_##FORM##_##TOP(sums *acc, const step_b *s, const kern_q8 *x, size_t stride, \
                                       size_t blocks, size_t n, int offset)                        \
    {                                                                                              \
        tiles_b(acc, s, x, stride, blocks, n, offset, FORM, TOP);                                  \
    }
#define EXPAND_MUL_K(T, t, SUB, FORM, TOP)                                                         \
    static void expand_##t(step_k *s, int r, const uint8_t *p)                                     \
    {                                                                                              \
        unfold_##t(s, r, p, &(sink){.q = s->q[r]});                                                \
    }                                                                                              \
    static void direct_##t(float *acc, const uint8_t *p, const kern_q8k *x)                        \
    {                                                                                              \
        step_k s;                                                                                  \
        sink to = {.x = x->q, .span = SUB / 4, .form = FORM};                                      \
        unfold_##t(&s, 0, p, &to);                                                                 \
        finish_k(acc, &s, &to, x, SUB, FORM);                                                      \
    }                                                                                              \
    static void mul_##t(const kern_mm_args *a)                                                     \
    {                                                                                              \
        const size_t bytes = KERN_ROWS * sizeof(num_##t);                                          \
        if (a->M == 1) direct_mul_k(a, bytes, direct_##t);                                         \
        else expand_mul_k(a, bytes, expand_##t, tiles_k_##SUB##_##FORM##_##TOP);                   \
    }
#define EXPAND_MUL_LOOK_UP(T, t, SUB, FORM, TOP)                                                   \
    static void expand_##t(step_k *s, int r, const uint8_t *p)                                     \
    {                                                                                              \
        unfold_##t(s, r, p, &(sink){.q = s->q[r]});                                                \
    }                                                                                              \
    static void mul_##t(const kern_mm_args *a)                                                     \
    {                                                                                              \
        expand_mul_k(a, KERN_ROWS * sizeof(num_##t), expand_##t, tiles_k_##SUB##_##FORM##_##TOP);  \
    }
#define EXPAND_MUL_B(T, t, FORM, TOP, offset)                                                      \
    static void expand_##t(step_b *s, int r, int b, const uint8_t *p)                              \
    {                                                                                              \
        unfold_##t(s, r, b, p, &(sink){.q = s->q[r]});                                             \
    }                                                                                              \
    static void direct_##t(float *acc, const uint8_t *p, const kern_q8 *x, size_t stride, size_t blocks) \
    {                                                                                              \
        for (; blocks > 0; blocks--, x += stride, p += KERN_ROWS * sizeof(num_##t)) {              \
            step_b s;                                                                              \
            sink to = {.x = x->q, .span = 8, .form = FORM};                                        \
            unfold_##t(&s, 0, 0, p, &to);                                                          \
            finish_b(acc, &s, &to, x, offset, FORM);                                               \
        }                                                                                          \
    }                                                                                              \
    static void mul_##t(const kern_mm_args *a)                                                     \
    {                                                                                              \
        const size_t bytes = KERN_ROWS * sizeof(num_##t);                                          \
        if (a->M == 1) direct_mul_b(a, bytes, direct_##t);                                         \
        else expand_mul_b(a, bytes, expand_##t, tiles_b_##FORM##_##TOP, offset);                   \
    }
#define EXPAND_ENTRY_K(T, t, SUB, FORM, TOP) table->mm[NUM_##T].mul = mul_##t;
#define EXPAND_ENTRY_B(T, t, FORM, TOP, offset) table->mm[NUM_##T].mul = mul_##t;
#define EXPAND_PRODUCTS(init)                                                                      \
    EXPAND_K_TILES(EXPAND_TILES_K)                                                                 \
    EXPAND_B_TILES(EXPAND_TILES_B)                                                                 \
    EXPAND_K_TYPES(EXPAND_MUL_K)                                                                   \
    EXPAND_LOOK_UP_TYPES(EXPAND_MUL_LOOK_UP)                                                       \
    EXPAND_B_TYPES(EXPAND_MUL_B)                                                                   \
    void init(kern *table)                                                                         \
    {                                                                                              \
        EXPAND_K_TYPES(EXPAND_ENTRY_K)                                                             \
        EXPAND_LOOK_UP_TYPES(EXPAND_ENTRY_K)                                                       \
        EXPAND_B_TYPES(EXPAND_ENTRY_B)                                                             \
    }

#endif
