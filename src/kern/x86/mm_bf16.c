/* Products with BF16 and FP8 weights on the BF16 dot-product unit.
 * SPDX-License-Identifier: MIT
 *
 * FP8 (E4M3) numbers are exact in BF16; a block of 128 columns is summed alone and then scaled. */
#include "kern/kern_int.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { COLUMNS = 12, STEP = 512, LANES = 2 * KERN_ROWS, F8_BLOCK = 128, F8_BYTES = 132 * KERN_ROWS };

INLINE __m512bh pair_of(const uint16_t *x)
{
    int32_t v;
    memcpy(&v, x, sizeof v);
    return (__m512bh)_mm512_set1_epi32(v);
}

/* Pairs of columns [0, pairs) of two panels, `step` bytes apart, times C rows of x, added to acc. Pair i of row c
 * stands at c * ldx + 2 * i, or where x is columns at i * ldx + 2 * c. With P = 1 the second panel is left out. */
INLINE void dot(__m512 acc[2][COLUMNS], const uint8_t *w0, const uint8_t *w1, size_t step, const uint16_t *x,
                size_t ldx, size_t pairs, const int P, const int C, const bool columns)
{
    const size_t column = columns ? ldx : 2, row = columns ? 2 : ldx;
    const uint16_t *rows0 = x, *rows4 = x + 4 * row, *rows8 = x + 8 * row;
    for (size_t i = 0; i < pairs; i++, w0 += step, w1 += step) {
        const __m512bh a = (__m512bh)_mm512_loadu_si512(w0);
        const __m512bh b = (__m512bh)_mm512_loadu_si512(w1);
#pragma GCC unroll 12
        for (int c = 0; c < C; c++) {
            const uint16_t *rows = c < 4 ? rows0 : c < 8 ? rows4 : rows8;
            const __m512bh v = pair_of(rows + (size_t)(c % 4) * row);
            acc[0][c] = _mm512_dpbf16_ps(acc[0][c], a, v);
            if (P > 1) acc[1][c] = _mm512_dpbf16_ps(acc[1][c], b, v);
        }
        rows0 += column;
        rows4 += column;
        rows8 += column;
        KERN_OPAQUE(rows0);
        KERN_OPAQUE(rows4);
        KERN_OPAQUE(rows8);
    }
}

INLINE void load_rows(__m512 acc[2][COLUMNS], const float *y, size_t ldy, uint32_t mask, bool zero, const int C)
{
#pragma GCC unroll 12
    for (int c = 0; c < C; c++) {
        acc[0][c] = zero ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps((__mmask16)mask, y + (size_t)c * ldy);
        acc[1][c] = zero ? _mm512_setzero_ps()
                         : _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), y + (size_t)c * ldy + 16);
    }
}

/* Without masks where all lanes count: they cost. */
INLINE void store_rows(__m512 acc[2][COLUMNS], float *y, size_t ldy, uint32_t mask, const int P, const int C)
{
    const __mmask16 low = (__mmask16)mask, high = (__mmask16)(mask >> 16);
#pragma GCC unroll 12
    for (int c = 0; c < C; c++) {
        float *row = y + (size_t)c * ldy;
        if (low == 0xFFFF) _mm512_storeu_ps(row, acc[0][c]);
        else _mm512_mask_storeu_ps(row, low, acc[0][c]);
        if (P == 1) continue;
        if (high == 0xFFFF) _mm512_storeu_ps(row + 16, acc[1][c]);
        else _mm512_mask_storeu_ps(row + 16, high, acc[1][c]);
    }
}

/* Outputs on their way from memory while others, or sums that start from zero, are computed. */
INLINE void fetch_rows(const float *y, size_t ldy, const int P, const int C)
{
#pragma GCC unroll 12
    for (int c = 0; c < C; c++) {
        _mm_prefetch((const char *)(y + (size_t)c * ldy), _MM_HINT_T1);
        if (P > 1) _mm_prefetch((const char *)(y + (size_t)c * ldy + 16), _MM_HINT_T1);
    }
}

static uint32_t lanes_mask(size_t rows) { return rows >= LANES ? ~0u : (1u << rows) - 1; }

INLINE void bf16_tile(float *y, size_t ldy, const kern_operands *at, size_t m, size_t pairs, uint32_t mask, bool zero,
                      const int P, const int C, const bool columns)
{
    __m512 acc[2][COLUMNS];
    const uint16_t *x = (const uint16_t *)at->x + m * (columns ? 2 : at->ldx);
    y += m * ldy;
    load_rows(acc, y, ldy, mask, zero, C);
    fetch_rows(zero ? y : y + (size_t)C * ldy, ldy, P, C);
    dot(acc, at->w0, at->w1, at->step, x, at->ldx, pairs, P, C, columns);
    store_rows(acc, y, ldy, mask, P, C);
}

/* M rows times `pairs` pairs of columns of a pair of panels. */
INLINE void bf16_strip(float *y, size_t ldy, const kern_operands *at, size_t M, size_t pairs, uint32_t mask, bool zero,
                       const int P, const bool columns)
{
    size_t m = 0;
    for (; m + COLUMNS <= M; m += COLUMNS) bf16_tile(y, ldy, at, m, pairs, mask, zero, P, COLUMNS, columns);
#define REST(C)                                                                                                        \
    case C: bf16_tile(y, ldy, at, m, pairs, mask, zero, P, C, columns); break;
    switch (M - m) { /* together: a few rows alone would wait for each of their sums */
        REST(1) REST(2) REST(3) REST(4) REST(5) REST(6) REST(7) REST(8) REST(9) REST(10) REST(11)
    default: break;
    }
#undef REST
}

INLINE void bf16_mul(const kern_mm_args *a, const bool columns)
{
    const size_t K = size_round_up(a->K, 2), panel_bytes = a->w_panel ? a->w_panel : K * 2 * KERN_ROWS;
    const size_t step = a->w_step ? a->w_step : KERN_LINE, ldx = columns ? a->x_step / 2 : K;
    const uint16_t *x = (const uint16_t *)a->x + a->first * (columns ? 2 : K);
    for (size_t n = 0; n < a->N; n += LANES) {
        const uint8_t *w = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        const uint32_t mask = lanes_mask(a->N - n);
        const bool two = n + KERN_ROWS < a->N;
        for (size_t k = 0; k < K; k += STEP, w += step * STEP / 2) {
            const kern_operands at = {w, two ? w + panel_bytes : w, x + (columns ? k / 2 * ldx : k), step, ldx};
            const size_t pairs = size_min(STEP, K - k) / 2;
            const bool zero = k == 0 && !a->add;
            if (two) bf16_strip(a->y + n, a->ldy, &at, a->M, pairs, mask, zero, 2, columns);
            else bf16_strip(a->y + n, a->ldy, &at, a->M, pairs, mask, zero, 1, columns);
        }
    }
}

static void mul_bf16(const kern_mm_args *a)
{
    if (a->x_step) bf16_mul(a, true);
    else bf16_mul(a, false);
}

/* BF16 of the 128 non-negative E4M3 numbers; 0x7f is NaN. */
typedef struct f8_table {
    __m512i part[4];
} f8_table;

static f8_table f8_open(void)
{
    _Alignas(64) uint16_t bits[128];
    f8_table t;
    for (int i = 0; i < 128; i++) bits[i] = num_f32_to_bf16(num_e4m3_to_f32((uint8_t)i));
    for (int i = 0; i < 4; i++) t.part[i] = _mm512_load_si512(bits + 32 * i);
    return t;
}

/* 32 E4M3 bytes, one in the low half of each 16 bits. */
INLINE __m512i f8_to_bf16(const f8_table *t, __m512i b)
{
    const __m512i low = _mm512_permutex2var_epi16(t->part[0], b, t->part[1]);
    const __m512i high = _mm512_permutex2var_epi16(t->part[2], b, t->part[3]);
    const __mmask32 is_high = _mm512_test_epi16_mask(b, _mm512_set1_epi16(0x40));
    const __m512i sign = _mm512_slli_epi16(_mm512_and_si512(b, _mm512_set1_epi16(0x80)), 8);
    return _mm512_or_si512(_mm512_mask_blend_epi16(is_high, low, high), sign);
}

/* One block of 128 columns of a panel as BF16 pairs [64][row][2]. */
INLINE void f8_expand(uint8_t *out, const f8_table *t, const uint8_t *p)
{
    for (int j = 0; j < F8_BLOCK / 4; j++) {
        const __m512i v = _mm512_loadu_si512(p + 64 * j);
        for (int h = 0; h < 2; h++) {
            const __m512i w = _mm512_srli_epi32(v, (unsigned)(16 * h));
            const __m512i two = _mm512_or_si512(_mm512_and_si512(w, _mm512_set1_epi32(0xff)),
                                                _mm512_slli_epi32(_mm512_and_si512(w, _mm512_set1_epi32(0xff00)), 8));
            _mm512_store_si512(out + 64 * (2 * j + h), f8_to_bf16(t, two));
        }
    }
}

INLINE void f8_tile(float *y, size_t ldy, const uint8_t *q, const float *scale0, const float *scale1,
                    const uint16_t *x, size_t ldx, size_t pairs, uint32_t mask, bool zero, const int C)
{
    __m512 acc[2][COLUMNS], sum[2][COLUMNS];
    load_rows(sum, NULL, 0, 0, true, C);
    dot(sum, q, q + F8_BLOCK / 2 * 64, KERN_LINE, x, ldx, pairs, 2, C, false);
    load_rows(acc, y, ldy, mask, zero, C);
    const __m512 d0 = _mm512_loadu_ps(scale0), d1 = _mm512_loadu_ps(scale1);
#pragma GCC unroll 12
    for (int c = 0; c < C; c++) {
        acc[0][c] = _mm512_fmadd_ps(sum[0][c], d0, acc[0][c]);
        acc[1][c] = _mm512_fmadd_ps(sum[1][c], d1, acc[1][c]);
    }
    store_rows(acc, y, ldy, mask, 2, C);
}

static void mul_f8(const kern_mm_args *a)
{
    _Alignas(64) uint8_t q[2 * F8_BLOCK / 2 * 64];
    const f8_table table = f8_open();
    const size_t ldx = size_round_up(a->K, 2), panel_bytes = size_ceil_div(a->K, F8_BLOCK) * F8_BYTES;
    const uint16_t *x0 = (const uint16_t *)a->x + a->first * ldx;
    for (size_t n = 0; n < a->N; n += LANES) {
        const uint8_t *w0 = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        const uint8_t *w1 = n + KERN_ROWS < a->N ? w0 + panel_bytes : w0;
        const uint32_t mask = lanes_mask(a->N - n);
        for (size_t k = 0; k < a->K; k += F8_BLOCK, w0 += F8_BYTES, w1 += F8_BYTES) {
            f8_expand(q, &table, w0 + 64);
            f8_expand(q + F8_BLOCK / 2 * 64, &table, w1 + 64);
            const size_t pairs = size_min(F8_BLOCK, ldx - k) / 2;
            const float *s0 = (const float *)(const void *)w0, *s1 = (const float *)(const void *)w1;
            const uint16_t *x = x0 + k;
            float *y = a->y + n;
            size_t m = 0;
            for (; m + 6 <= a->M; m += 6)
                f8_tile(y + m * a->ldy, a->ldy, q, s0, s1, x + m * ldx, ldx, pairs, mask, k == 0, 6);
            for (; m < a->M; m++)
                f8_tile(y + m * a->ldy, a->ldy, q, s0, s1, x + m * ldx, ldx, pairs, mask, k == 0, 1);
        }
    }
}

static void act_bf16(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    (void)M;
    uint16_t *d = (uint16_t *)dst + m * size_round_up(K, 2);
    size_t k = 0;
    for (; k + 32 <= K; k += 32)
        _mm512_storeu_si512(d + k, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + k + 16), _mm512_loadu_ps(x + k)));
    for (; k + 16 <= K; k += 16)
        _mm256_storeu_si256((__m256i *)(d + k), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + k)));
    for (; k < K; k++) d[k] = num_f32_to_bf16(x[k]);
    if (K % 2) d[K] = 0;
}

/* Rows two by two into one line of pairs; a row of zeros stands in for the one past the last. */
static void lanes_bf16(const kern_lanes *to, const float *x, size_t ldx, size_t n, size_t K)
{
    const __m512i pair = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                          21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const kern_lanes out = *to; /* which a store to a line might change, for all the compiler knows */
    for (size_t k = 0; k < K; k += KERN_ROWS) {
        const __mmask16 have = K - k < KERN_ROWS ? (__mmask16)((1u << (K - k)) - 1) : 0xFFFF;
        uint8_t *line = (uint8_t *)out.at + k / KERN_ROWS * out.panel;
        for (size_t r = 0; r < n; r += 2, line += out.step) {
            const float *row = x + r * ldx + k;
            const __m512 a = _mm512_maskz_loadu_ps(have, row);
            const __m512 b = r + 1 < n ? _mm512_maskz_loadu_ps(have, row + ldx) : _mm512_setzero_ps();
            _mm512_storeu_si512(line, _mm512_permutexvar_epi16(pair, (__m512i)_mm512_cvtne2ps_pbh(b, a)));
        }
    }
}

void kern_init_mm_bf16(kern *k)
{
    k->lanes[KERN_ACT_BF16] = lanes_bf16;
    k->mm[NUM_BF16].mul = mul_bf16;
    k->mm[kern_slot(NUM_F8_E4M3)].mul = mul_f8;
    k->act[KERN_ACT_BF16] = act_bf16;
}
