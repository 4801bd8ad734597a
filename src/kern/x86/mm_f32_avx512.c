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

/* `units` columns of a pair of panels into the sums of C rows of x from row m on. The sums start from zero or from y
 * itself: the same chain of operations as one pass. */
INLINE void tile(float *y, size_t ldy, const kern_operands *at, size_t m, size_t units, uint32_t mask, bool fresh,
                 const int C, const int size, const bool columns)
{
    const __mmask16 m0 = (__mmask16)mask, m1 = (__mmask16)(mask >> 16);
    __m512 acc[2][COLUMNS];
    y += m * ldy;
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
    const size_t column = columns ? at->ldx : 1, row = columns ? 1 : at->ldx;
    const float *rows0 = (const float *)at->x + m * row, *rows4 = rows0 + 4 * row, *rows8 = rows0 + 8 * row;
    const uint8_t *w0 = at->w0, *w1 = at->w1;
    for (size_t k = 0; k < units; k++, w0 += at->step, w1 += at->step) {
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

/* M rows times `units` columns of a pair of panels. */
INLINE void strip(float *y, size_t ldy, const kern_operands *at, size_t M, size_t units, uint32_t mask, bool fresh,
                  const int size, const bool columns)
{
    size_t m = 0;
    for (; m + COLUMNS <= M; m += COLUMNS) tile(y, ldy, at, m, units, mask, fresh, COLUMNS, size, columns);
    for (; m + 4 <= M; m += 4) tile(y, ldy, at, m, units, mask, fresh, 4, size, columns);
    for (; m < M; m++) tile(y, ldy, at, m, units, mask, fresh, 1, size, columns);
}

INLINE void mul(const kern_mm_args *a, const int size, const bool columns)
{
    const size_t panel_bytes = a->w_panel ? a->w_panel : a->K * (size_t)size * KERN_ROWS;
    const size_t step = a->w_step ? a->w_step : (size_t)size * KERN_ROWS, ldx = columns ? a->x_step / 4 : a->K;
    const float *x = (const float *)a->x + a->first * (columns ? 1 : ldx);
    for (size_t n = 0; n < a->N; n += LANES) {
        const uint8_t *w = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        const size_t rows = size_min(LANES, a->N - n), next = n + KERN_ROWS < a->N ? panel_bytes : 0;
        const uint32_t mask = rows == LANES ? ~0u : (1u << rows) - 1;
        for (size_t k = 0; k < a->K; k += STEP, w += step * STEP) {
            const kern_operands at = {w, w + next, x + k * (columns ? ldx : 1), step, ldx};
            strip(a->y + n, a->ldy, &at, a->M, size_min(STEP, a->K - k), mask, k == 0 && !a->add, size, columns);
        }
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
