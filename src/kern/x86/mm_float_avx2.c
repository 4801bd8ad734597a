/* Products with floating-point weights on AVX2: one fused multiply-add per column, in order of k.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { COLUMNS = 8, HALF = KERN_ROWS / 2, F8_BLOCK = 128, F8_BYTES = 132 * KERN_ROWS };

/* Column u of a unit (1, 1, 2 or 4 columns) for eight rows of a panel. */
INLINE __m256 weight(const uint8_t *unit, int h, int u, const num_type t)
{
    if (t == NUM_F32) return _mm256_loadu_ps((const float *)(const void *)unit + HALF * h);
    if (t == NUM_F16) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)unit + h));
    const __m256i w = _mm256_loadu_si256((const __m256i *)(const void *)unit + h);
    if (t == NUM_BF16)
        return _mm256_castsi256_ps(u ? _mm256_and_si256(w, _mm256_set1_epi32((int)0xffff0000)) : _mm256_slli_epi32(w, 16));
    /* E4M3: the exponent and mantissa fields in place, rebiased by 2^120 (exact, subnormals too) */
    const __m256i b = _mm256_and_si256(_mm256_srli_epi32(w, 8 * u), _mm256_set1_epi32(255));
    const __m256i low = _mm256_and_si256(b, _mm256_set1_epi32(127));
    __m256 v = _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(low, 20)), _mm256_set1_ps(0x1p120f));
    v = _mm256_or_ps(v, _mm256_castsi256_ps(_mm256_cmpeq_epi32(low, _mm256_set1_epi32(127)))); /* NaN */
    return _mm256_or_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_srli_epi32(b, 7), 31)));
}

INLINE __m256 input(const void *x, size_t i, const bool bf16)
{
    if (!bf16) return _mm256_broadcast_ss((const float *)x + i);
    return _mm256_castsi256_ps(_mm256_set1_epi32((int)((uint32_t)((const uint16_t *)x)[i] << 16)));
}

/* Columns [0, n) of eight rows times C rows of x, added to acc. Row c of x is c * ldx away, a unit of
 * columns `step` from the one before; units of w are unit_bytes apart. */
INLINE void dot(__m256 acc[COLUMNS], const uint8_t *w, int h, const void *x, size_t first, size_t ldx, size_t step,
                size_t n, const int C, const num_type t, const int unit, size_t unit_bytes)
{
    const bool bf16 = t == NUM_BF16 || t == NUM_F8_E4M3;
    for (size_t k = 0; k < n; k += (size_t)unit, w += unit_bytes, first += step) {
#pragma GCC unroll 4
        for (int u = 0; u < unit; u++) {
            if (unit == 4 && k + (size_t)u >= n) break;
            const __m256 v = weight(w, h, u, t);
#pragma GCC unroll 8
            for (int c = 0; c < C; c++)
                acc[c] = _mm256_fmadd_ps(v, input(x, first + (size_t)c * ldx + (size_t)u, bf16), acc[c]);
        }
    }
}

/* Up to eight floats on a row of y. */
INLINE void load_sums(__m256 sum[COLUMNS], const float *y, size_t ldy, size_t have, bool fresh, const int C)
{
    for (int c = 0; c < C; c++) {
        float v[HALF] = {0};
        if (!fresh) memcpy(v, y + (size_t)c * ldy, have * sizeof *v);
        sum[c] = _mm256_loadu_ps(v);
    }
}

INLINE void tile(const kern_mm_args *a, size_t n, size_t m, const uint8_t *panel, int h, size_t ldx, const int C,
                 const num_type t)
{
    __m256 acc[COLUMNS], sum[COLUMNS];
    const size_t at = n + HALF * (size_t)h, r = a->first + m, unit = t == NUM_BF16 ? 2 : 1;
    if (at >= a->N) return;
    float *y = a->y + m * a->ldy + at;
    const size_t have = size_min(HALF, a->N - at);
    size_t first = r * ldx, row = ldx, step = unit;
    if (a->x_step) {
        first = unit * r;
        row = unit;
        step = unit * a->x_step / 4;
    }
    const size_t line = a->w_step ? a->w_step : KERN_LINE;
    load_sums(sum, y, a->ldy, have, !a->add, C);
    if (t == NUM_F32) dot(sum, panel, h, a->x, first, row, step, a->K, C, t, 1, line);
    if (t == NUM_F16) dot(sum, panel, h, a->x, first, row, step, a->K, C, t, 1, 32);
    if (t == NUM_BF16) dot(sum, panel, h, a->x, first, row, step, size_round_up(a->K, 2), C, t, 2, line);
    if (t == NUM_F8_E4M3) {
        for (size_t k = 0; k < a->K; k += F8_BLOCK, panel += F8_BYTES) {
            for (int c = 0; c < C; c++) acc[c] = _mm256_setzero_ps();
            dot(acc, panel + 64, h, a->x, first + k, ldx, 4, size_min(F8_BLOCK, a->K - k), C, t, 4, 64);
            const __m256 scale = _mm256_loadu_ps((const float *)(const void *)panel + HALF * h);
            for (int c = 0; c < C; c++) sum[c] = _mm256_fmadd_ps(acc[c], scale, sum[c]);
        }
    }
    for (int c = 0; c < C; c++) {
        float v[HALF];
        _mm256_storeu_ps(v, sum[c]);
        memcpy(y + (size_t)c * a->ldy, v, have * sizeof *v);
    }
}

INLINE void mul(const kern_mm_args *a, size_t panel_bytes, size_t ldx, const num_type t)
{
    if (a->w_panel) panel_bytes = a->w_panel;
    for (size_t n = 0; n < a->N; n += KERN_ROWS) {
        const uint8_t *panel = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        for (int h = 0; h < 2; h++) {
            size_t m = 0;
            for (; m + COLUMNS <= a->M; m += COLUMNS) tile(a, n, m, panel, h, ldx, COLUMNS, t);
            for (; m < a->M; m++) tile(a, n, m, panel, h, ldx, 1, t);
        }
    }
}

static void mul_f32(const kern_mm_args *a) { mul(a, a->K * 64, a->K, NUM_F32); }
static void mul_f16(const kern_mm_args *a) { mul(a, a->K * 32, a->K, NUM_F16); }
static void mul_bf16(const kern_mm_args *a)
{
    mul(a, size_round_up(a->K, 2) * 32, size_round_up(a->K, 2), NUM_BF16);
}
static void mul_f8(const kern_mm_args *a)
{
    mul(a, size_ceil_div(a->K, F8_BLOCK) * F8_BYTES, size_round_up(a->K, 2), NUM_F8_E4M3);
}

void kern_init_mm_float_avx2(kern *k)
{
    k->mm[NUM_F32].mul = mul_f32;
    k->mm[NUM_F16].mul = mul_f16;
    k->mm[NUM_BF16].mul = mul_bf16;
    k->mm[kern_slot(NUM_F8_E4M3)].mul = mul_f8;
}
