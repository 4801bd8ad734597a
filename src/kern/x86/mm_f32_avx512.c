/* Products with F32 and F16 weights: one fused multiply-add per column, in order of k.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { COLUMNS = 12, STEP = 256, LANES = 2 * KERN_ROWS };

INLINE __m512 weight(const uint8_t *p, const int size)
{
    return size == 4 ? _mm512_loadu_ps(p) : _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

/* Columns [k0, k1) of a pair of panels into the sums of C rows of x. Row c, column k of x stands at
 * c * ldx + k, or for lanes at k * ldx + c. The sums start from zero or from y itself: the same chain of
 * operations as one pass. */
INLINE void tile(float *y, size_t ldy, const uint8_t *w0, const uint8_t *w1, const float *x, size_t ldx,
                 size_t k0, size_t k1, uint32_t mask, bool fresh, const int C, const int size, const bool lanes)
{
    const __mmask16 m0 = (__mmask16)mask, m1 = (__mmask16)(mask >> 16);
    __m512 acc[2][COLUMNS];
#pragma GCC unroll 12
    for (int c = 0; c < C; c++) {
        acc[0][c] = fresh ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(m0, y + (size_t)c * ldy);
        acc[1][c] = fresh ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(m1, y + (size_t)c * ldy + 16);
    }
    const float *next = fresh ? y : y + (size_t)C * ldy;
#pragma GCC unroll 12
    for (int c = 0; c < C; c++) {
        _mm_prefetch((const char *)(next + (size_t)c * ldy), _MM_HINT_T1);
        _mm_prefetch((const char *)(next + (size_t)c * ldy + 16), _MM_HINT_T1);
    }
    const size_t unit = (size_t)size * KERN_ROWS, column = lanes ? ldx : 1, row = lanes ? 1 : ldx;
    const float *rows0 = x + k0 * column, *rows4 = rows0 + 4 * row, *rows8 = rows0 + 8 * row;
    w0 += k0 * unit;
    w1 += k0 * unit;
    for (size_t k = k0; k < k1; k++, w0 += unit, w1 += unit) {
        const __m512 a = weight(w0, size), b = weight(w1, size);
#pragma GCC unroll 12
        for (int c = 0; c < C; c++) {
            const float *rows = c < 4 ? rows0 : c < 8 ? rows4 : rows8;
            const __m512 v = _mm512_set1_ps(rows[(size_t)(c % 4) * row]);
            acc[0][c] = _mm512_fmadd_ps(a, v, acc[0][c]);
            acc[1][c] = _mm512_fmadd_ps(b, v, acc[1][c]);
        }
        rows0 += column;
        rows4 += column;
        rows8 += column;
        KERN_OPAQUE(rows0);
        KERN_OPAQUE(rows4);
        KERN_OPAQUE(rows8);
    }
#pragma GCC unroll 12
    for (int c = 0; c < C; c++) {
        if (mask == ~0u) { /* without masks: they cost */
            _mm512_storeu_ps(y + (size_t)c * ldy, acc[0][c]);
            _mm512_storeu_ps(y + (size_t)c * ldy + 16, acc[1][c]);
            continue;
        }
        _mm512_mask_storeu_ps(y + (size_t)c * ldy, m0, acc[0][c]);
        _mm512_mask_storeu_ps(y + (size_t)c * ldy + 16, m1, acc[1][c]);
    }
}

/* All rows times columns [k, end) of a pair of panels. */
INLINE void strip(const kern_mm_args *a, size_t n, const uint8_t *w0, const uint8_t *w1, uint32_t mask, size_t k,
                  size_t end, const int size, const bool lanes)
{
    const bool fresh = k == 0 && !a->add;
    float *y = a->y + n;
    size_t m = 0;
    if (lanes) {
        const float *x = a->x;
        for (size_t r = a->first; m < a->M; r = a->first + m) {
            const float *at = x + r / KERN_ROWS * a->x_panel + r % KERN_ROWS;
            if (r % 8 == 0 && m + 8 <= a->M) {
                tile(y + m * a->ldy, a->ldy, w0, w1, at, a->x_step, k, end, mask, fresh, 8, size, true);
                m += 8;
            } else {
                tile(y + m * a->ldy, a->ldy, w0, w1, at, a->x_step, k, end, mask, fresh, 1, size, true);
                m++;
            }
        }
        return;
    }
    const float *x = (const float *)a->x + a->first * a->K;
    for (; m + COLUMNS <= a->M; m += COLUMNS)
        tile(y + m * a->ldy, a->ldy, w0, w1, x + m * a->K, a->K, k, end, mask, fresh, COLUMNS, size, false);
    for (; m + 4 <= a->M; m += 4)
        tile(y + m * a->ldy, a->ldy, w0, w1, x + m * a->K, a->K, k, end, mask, fresh, 4, size, false);
    for (; m < a->M; m++)
        tile(y + m * a->ldy, a->ldy, w0, w1, x + m * a->K, a->K, k, end, mask, fresh, 1, size, false);
}

INLINE void mul(const kern_mm_args *a, const int size, const bool lanes)
{
    const size_t panel_bytes = a->w_panel ? a->w_panel : a->K * (size_t)size * KERN_ROWS;
    for (size_t n = 0; n < a->N; n += LANES) {
        const uint8_t *w0 = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        const uint8_t *w1 = n + KERN_ROWS < a->N ? w0 + panel_bytes : w0;
        const size_t rows = size_min(LANES, a->N - n);
        const uint32_t mask = rows == LANES ? ~0u : (1u << rows) - 1;
        for (size_t k = 0; k < a->K; k += STEP)
            strip(a, n, w0, w1, mask, k, size_min(k + STEP, a->K), size, lanes);
    }
}

static void mul_f32(const kern_mm_args *a)
{
    if (a->x_step) mul(a, 4, true);
    else mul(a, 4, false);
}
static void mul_f16(const kern_mm_args *a) { mul(a, 2, false); }

void kern_init_mm_f32_avx512(kern *k)
{
    k->mm[NUM_F32].mul = mul_f32;
    k->mm[NUM_F16].mul = mul_f16;
}
