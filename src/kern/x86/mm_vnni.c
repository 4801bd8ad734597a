/* Products of byte formats with AVX-512 VNNI: tiles over expanded steps.
 * SPDX-License-Identifier: MIT */
#include "kern/expand_mul.h"

#include <immintrin.h>

INLINE void expand_halves(float out[KERN_ROWS], const void *p)
{
    _mm512_storeu_ps(out, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)));
}

INLINE words expand_codes(words nibbles)
{
    const __m128i plus = _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)num_grid_iq4), _mm_set1_epi8((char)128));
    return (words)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(plus), (__m512i)nibbles);
}

INLINE words expand_dot(words sum, words q, const int8_t *x, const enum form form)
{
    (void)form;
    int32_t v;
    memcpy(&v, x, sizeof v);
    return (words)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)q, _mm512_set1_epi32(v));
}

INLINE __m512i load(const void *p) { return _mm512_loadu_si512(p); }

INLINE __m512i broadcast4(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

/* Twelve dot and twelve sum registers of 32: two panels times six rows. */
enum { COLUMNS = 6 };

/* dot[r][c] += bytes of columns [4 * j0, 4 * j1) of panel r times those of row c. */
INLINE void dots(__m512i dot[PAIR][COLUMNS], const columns *q, const int8_t *const *x, int j0, int j1, const int C)
{
#pragma GCC unroll 8
    for (int j = j0; j < j1; j++) {
        const __m512i w0 = load(q[0][j]), w1 = load(q[1][j]);
#pragma GCC unroll 6
        for (int c = 0; c < C; c++) {
            const __m512i v = broadcast4(x[c] + 4 * j);
            dot[0][c] = _mm512_dpbusd_epi32(dot[0][c], w0, v);
            dot[1][c] = _mm512_dpbusd_epi32(dot[1][c], w1, v);
        }
    }
}

/* A step's scaled sums of one row: one rounding per scale. */
INLINE void add_k(float *acc, const step_k *s, int r, const kern_q8k *x, __m512i sum, const int SUB, const enum form form)
{
    const int16_t *xs = SUB == 16 ? x->sum16 : x->sum32;
    __m512i min = _mm512_setzero_si512();
    for (int i = 0; i < STEP / SUB / 2; i++)
        min = _mm512_dpwssd_epi32(min, load(s->min[r][i]), broadcast4(xs + 2 * i));
    const __m512 dx = _mm512_set1_ps(x->d), d = _mm512_mul_ps(_mm512_loadu_ps(s->d[r]), dx);
    __m512 y = _mm512_load_ps(acc);
    if (form != MIN) {
        y = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, min)), y);
    } else {
        const __m512 dmin = _mm512_mul_ps(_mm512_loadu_ps(s->dmin[r]), dx);
        y = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(sum), y);
        y = _mm512_fnmadd_ps(dmin, _mm512_cvtepi32_ps(min), y);
    }
    _mm512_store_ps(acc, y);
}

INLINE void tile_k(sums *acc, const step_k *s, const kern_q8k *x, const int C, const int SUB, const enum form form)
{
    __m512i sum[PAIR][COLUMNS];
    const int8_t *xq[COLUMNS];
    for (int c = 0; c < C; c++) {
        sum[0][c] = sum[1][c] = _mm512_setzero_si512();
        xq[c] = x[c].q;
    }
    for (int b = 0; b < STEP / SUB; b++) {
        __m512i dot[PAIR][COLUMNS];
        for (int c = 0; c < C; c++) dot[0][c] = dot[1][c] = _mm512_setzero_si512();
        dots(dot, s->q, xq, b * SUB / 4, (b + 1) * SUB / 4, C);
        const __m512i s0 = load(s->scale[0][b]), s1 = load(s->scale[1][b]);
#pragma GCC unroll 6
        for (int c = 0; c < C; c++) {
            sum[0][c] = _mm512_add_epi32(sum[0][c], _mm512_mullo_epi32(dot[0][c], s0));
            sum[1][c] = _mm512_add_epi32(sum[1][c], _mm512_mullo_epi32(dot[1][c], s1));
        }
    }
#pragma GCC unroll 6
    for (int c = 0; c < C; c++) {
        add_k(acc[c], s, 0, &x[c], sum[0][c], SUB, form);
        add_k(acc[c] + KERN_ROWS, s, 1, &x[c], sum[1][c], SUB, form);
    }
}

INLINE void tiles_k(sums *acc, const step_k *s, const kern_q8k *x, size_t n, const int SUB, const enum form form, int top)
{
    (void)top;
    for (; n >= COLUMNS; n -= COLUMNS, acc += COLUMNS, x += COLUMNS) tile_k(acc, s, x, COLUMNS, SUB, form);
    if (n & 4) {
        tile_k(acc, s, x, 4, SUB, form);
        acc += 4;
        x += 4;
    }
    if (n & 2) {
        tile_k(acc, s, x, 2, SUB, form);
        acc += 2;
        x += 2;
    }
    if (n & 1) tile_k(acc, s, x, 1, SUB, form);
}

INLINE void finish_k(float *acc, const step_k *s, const sink *to, const kern_q8k *x, const int SUB, const enum form form)
{
    __m512i sum = _mm512_setzero_si512();
#pragma GCC unroll 16
    for (int b = 0; b < STEP / SUB; b++)
        sum = _mm512_add_epi32(sum, _mm512_mullo_epi32((__m512i)to->dot[b], load(s->scale[0][b])));
    add_k(acc, s, 0, x, sum, SUB, form);
}

/* A block's dot products as floats into the sums: one rounding per scale and minimum. */
INLINE __m512 add_b(__m512 y, const float *d, const float *m, __m512i dot, const kern_q8 *x, const enum form form)
{
    const __m512 dx = _mm512_set1_ps(x->d), sx = _mm512_set1_ps(x->d * (float)x->sum);
    y = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_loadu_ps(d), dx), _mm512_cvtepi32_ps(dot), y);
    return form == MIN ? _mm512_fmadd_ps(_mm512_loadu_ps(m), sx, y) : y;
}

INLINE void finish_b(float *acc, const step_b *s, const sink *to, const kern_q8 *x, int offset, const enum form form)
{
    __m512i dot = (__m512i)to->dot[0];
    if (form != MIN) dot = _mm512_sub_epi32(dot, _mm512_set1_epi32(offset * x->sum));
    _mm512_store_ps(acc, add_b(_mm512_load_ps(acc), s->d[0][0], s->m[0][0], dot, x, form));
}

INLINE void tile_b(sums *acc, const step_b *s, const kern_q8 *x, size_t stride, size_t blocks, const int C,
                   int offset, const enum form form)
{
    __m512 y[PAIR][COLUMNS];
    const int8_t *xq[COLUMNS];
#pragma GCC unroll 6
    for (int c = 0; c < C; c++) {
        y[0][c] = _mm512_load_ps(acc[c]);
        y[1][c] = _mm512_load_ps(acc[c] + KERN_ROWS);
    }
    for (size_t b = 0; b < blocks; b++, x += stride) {
        __m512i dot[PAIR][COLUMNS];
#pragma GCC unroll 6
        for (int c = 0; c < C; c++) {
            xq[c] = x[c].q - 32 * b;
            dot[0][c] = dot[1][c] = form == MIN ? _mm512_setzero_si512() : _mm512_set1_epi32(-offset * x[c].sum);
        }
        dots(dot, s->q, xq, (int)(8 * b), (int)(8 * b + 8), C);
#pragma GCC unroll 6
        for (int c = 0; c < C; c++) {
            y[0][c] = add_b(y[0][c], s->d[0][b], s->m[0][b], dot[0][c], &x[c], form);
            y[1][c] = add_b(y[1][c], s->d[1][b], s->m[1][b], dot[1][c], &x[c], form);
        }
    }
#pragma GCC unroll 6
    for (int c = 0; c < C; c++) {
        _mm512_store_ps(acc[c], y[0][c]);
        _mm512_store_ps(acc[c] + KERN_ROWS, y[1][c]);
    }
}

INLINE void tiles_b(sums *acc, const step_b *s, const kern_q8 *x, size_t stride, size_t blocks, size_t n,
                    int offset, const enum form form, int top)
{
    (void)top;
    for (; n >= COLUMNS; n -= COLUMNS, acc += COLUMNS, x += COLUMNS)
        tile_b(acc, s, x, stride, blocks, COLUMNS, offset, form);
    if (n & 4) {
        tile_b(acc, s, x, stride, blocks, 4, offset, form);
        acc += 4;
        x += 4;
    }
    if (n & 2) {
        tile_b(acc, s, x, stride, blocks, 2, offset, form);
        acc += 2;
        x += 2;
    }
    if (n & 1) tile_b(acc, s, x, stride, blocks, 1, offset, form);
}

EXPAND_PRODUCTS(kern_init_mm_vnni)
