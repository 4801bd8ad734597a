/* Products of byte formats with AVX2: tiles over expanded steps. The integers are the same as with
 * VNNI and so are the float operations.
 * SPDX-License-Identifier: MIT */
#include "kern/expand_mul.h"

#include <immintrin.h>

INLINE void expand_halves(float out[KERN_ROWS], const void *p)
{
    const __m128i *h = p;
    _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128(h)));
    _mm256_storeu_ps(out + 8, _mm256_cvtph_ps(_mm_loadu_si128(h + 1)));
}

INLINE words expand_codes(words nibbles)
{
    const __m128i plus = _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)num_grid_iq4), _mm_set1_epi8((char)128));
    const __m256i table = _mm256_broadcastsi128_si256(plus);
    __m256i half[2];
    memcpy(half, &nibbles, sizeof half);
    half[0] = _mm256_shuffle_epi8(table, half[0]);
    half[1] = _mm256_shuffle_epi8(table, half[1]);
    memcpy(&nibbles, half, sizeof half);
    return nibbles;
}

INLINE __m256i load(const void *p) { return _mm256_loadu_si256(p); }

INLINE __m256i broadcast4(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

enum { COLUMNS = 4, HALF = KERN_ROWS / 2 };

/* Pairs of products in 16 bits. Bytes up to 128 cannot saturate: 2 * 128 * 127 < 2^15; larger ones
 * (SIGNED) are taken as signed, their sign moved to the activation. */
INLINE __m256i pairs(__m256i w, __m256i x, const enum form form)
{
    if (form != SIGNED) return _mm256_maddubs_epi16(w, x);
    const __m256i v = _mm256_xor_si256(w, _mm256_set1_epi8((char)0x80));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(v), _mm256_sign_epi8(x, v));
}

INLINE words expand_dot(words sum, words q, const int8_t *x, const enum form form)
{
    const __m256i v = broadcast4(x), one = _mm256_set1_epi16(1);
    __m256i acc[2], w[2];
    memcpy(acc, &sum, sizeof acc);
    memcpy(w, &q, sizeof w);
    for (int h = 0; h < 2; h++) acc[h] = _mm256_add_epi32(acc[h], _mm256_madd_epi16(pairs(w[h], v, form), one));
    memcpy(&sum, acc, sizeof sum);
    return sum;
}

/* sum[c] += factor (16-bit, equal in both halves of a word) times the dot product of columns
 * [4 * j0, 4 * j1), eight rows. Sums of `depth` pairs fit in 16 bits. */
INLINE void dots(__m256i sum[COLUMNS], const uint8_t (*q)[WORD_ROWS], const int8_t *const *x, __m256i factor, int j0,
                 int j1, const int C, const enum form form, const int top)
{
    const int fits = form == SIGNED ? 1 : 32767 / (top * 254);
    const int depth = fits > 8 ? 8 : fits > 3 ? 4 : fits > 1 ? 2 : 1;
    for (int j = j0; j < j1; j += depth) {
        __m256i part[COLUMNS];
#pragma GCC unroll 8
        for (int i = 0; i < depth; i++) {
            const __m256i w = load(q[j + i]);
#pragma GCC unroll 4
            for (int c = 0; c < C; c++) {
                const __m256i v = pairs(w, broadcast4(x[c] + 4 * (j + i)), form);
                part[c] = i ? _mm256_add_epi16(part[c], v) : v;
            }
        }
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(part[c], factor));
    }
}

/* A step's scaled sums of eight rows: one rounding per scale and minimum. */
INLINE void add_k(float *acc, const step_k *s, int r, int h, const kern_q8k *x, __m256i sum, const int SUB,
                  const enum form form)
{
    const int16_t *xs = SUB == 16 ? x->sum16 : x->sum32;
    __m256i min = _mm256_setzero_si256();
    for (int i = 0; i < STEP / SUB / 2 && form != SIGNED; i++)
        min = _mm256_add_epi32(min, _mm256_madd_epi16(load(s->min[r][i] + HALF * h), broadcast4(xs + 2 * i)));
    const __m256 dx = _mm256_set1_ps(x->d), d = _mm256_mul_ps(_mm256_loadu_ps(s->d[r] + HALF * h), dx);
    __m256 y = _mm256_load_ps(acc);
    if (form != MIN) {
        y = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, min)), y);
    } else {
        const __m256 dmin = _mm256_mul_ps(_mm256_loadu_ps(s->dmin[r] + HALF * h), dx);
        y = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(sum), y);
        y = _mm256_fnmadd_ps(dmin, _mm256_cvtepi32_ps(min), y);
    }
    _mm256_store_ps(acc, y);
}

/* Eight rows (half h of panel r) of C columns. */
INLINE void tile_k(sums *acc, const step_k *s, int r, int h, const kern_q8k *x, const int C, const int SUB,
                   const enum form form, const int top)
{
    const uint8_t(*q)[WORD_ROWS] = (const uint8_t(*)[WORD_ROWS])(s->q[r][0] + 32 * h);
    const int8_t *xq[COLUMNS];
    __m256i sum[COLUMNS];
    for (int c = 0; c < C; c++) {
        sum[c] = _mm256_setzero_si256();
        xq[c] = x[c].q;
    }
    for (int b = 0; b < STEP / SUB; b++) {
        const __m256i scale = load(s->scale[r][b] + HALF * h);
        const __m256i twice = _mm256_or_si256(_mm256_and_si256(scale, _mm256_set1_epi32(0xffff)), _mm256_slli_epi32(scale, 16));
        dots(sum, q, xq, twice, b * SUB / 4, (b + 1) * SUB / 4, C, form, SUB == 16 && top < 31 ? 31 : top);
    }
    for (int c = 0; c < C; c++) add_k(acc[c] + KERN_ROWS * r + HALF * h, s, r, h, &x[c], sum[c], SUB, form);
}

INLINE void finish_k(float *acc, const step_k *s, const sink *to, const kern_q8k *x, const int SUB, const enum form form)
{
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 16
    for (int b = 0; b < STEP / SUB; b++) {
        __m256i dot[2];
        memcpy(dot, &to->dot[b], sizeof dot);
        for (int h = 0; h < 2; h++)
            sum[h] = _mm256_add_epi32(sum[h], _mm256_mullo_epi32(dot[h], load(s->scale[0][b] + HALF * h)));
    }
    for (int h = 0; h < 2; h++) add_k(acc + HALF * h, s, 0, h, x, sum[h], SUB, form);
}

INLINE void tiles_k(sums *acc, const step_k *s, const kern_q8k *x, size_t n, const int SUB, const enum form form,
                    const int top)
{
    for (int part = 0; part < 2 * PAIR; part++) {
        const int r = part / 2, h = part % 2;
        size_t i = 0;
        for (; i + COLUMNS <= n; i += COLUMNS) tile_k(acc + i, s, r, h, x + i, COLUMNS, SUB, form, top);
        for (; i < n; i++) tile_k(acc + i, s, r, h, x + i, 1, SUB, form, top);
    }
}

/* A block's dot products of eight rows as floats into the sums. */
INLINE __m256 add_b(__m256 y, const float *d, const float *m, __m256i dot, const kern_q8 *x, const enum form form)
{
    const __m256 dx = _mm256_set1_ps(x->d), sx = _mm256_set1_ps(x->d * (float)x->sum);
    y = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_loadu_ps(d), dx), _mm256_cvtepi32_ps(dot), y);
    return form == MIN ? _mm256_fmadd_ps(_mm256_loadu_ps(m), sx, y) : y;
}

INLINE void finish_b(float *acc, const step_b *s, const sink *to, const kern_q8 *x, int offset, const enum form form)
{
    __m256i dot[2];
    memcpy(dot, &to->dot[0], sizeof dot);
    for (int h = 0; h < 2; h++) {
        if (form == OFF) dot[h] = _mm256_sub_epi32(dot[h], _mm256_set1_epi32(offset * x->sum));
        float *a = acc + HALF * h;
        _mm256_store_ps(a, add_b(_mm256_load_ps(a), s->d[0][0] + HALF * h, s->m[0][0] + HALF * h, dot[h], x, form));
    }
}

INLINE void tile_b(sums *acc, const step_b *s, int r, int h, const kern_q8 *x, size_t stride, size_t blocks,
                   const int C, int offset, const enum form form, const int top)
{
    const uint8_t(*q)[WORD_ROWS] = (const uint8_t(*)[WORD_ROWS])(s->q[r][0] + 32 * h);
    const int8_t *xq[COLUMNS];
    __m256 y[COLUMNS];
    for (int c = 0; c < C; c++) y[c] = _mm256_load_ps(acc[c] + KERN_ROWS * r + HALF * h);
    for (size_t b = 0; b < blocks; b++, x += stride) {
        __m256i sum[COLUMNS];
        for (int c = 0; c < C; c++) {
            xq[c] = x[c].q - 32 * b;
            sum[c] = _mm256_set1_epi32(form == OFF ? -offset * x[c].sum : 0);
        }
        dots(sum, q, xq, _mm256_set1_epi16(1), (int)(8 * b), (int)(8 * b + 8), C, form, top);
        for (int c = 0; c < C; c++)
            y[c] = add_b(y[c], s->d[r][b] + HALF * h, s->m[r][b] + HALF * h, sum[c], &x[c], form);
    }
    for (int c = 0; c < C; c++) _mm256_store_ps(acc[c] + KERN_ROWS * r + HALF * h, y[c]);
}

INLINE void tiles_b(sums *acc, const step_b *s, const kern_q8 *x, size_t stride, size_t blocks, size_t n,
                    int offset, const enum form form, const int top)
{
    for (int part = 0; part < 2 * PAIR; part++) {
        const int r = part / 2, h = part % 2;
        size_t i = 0;
        for (; i + COLUMNS <= n; i += COLUMNS)
            tile_b(acc + i, s, r, h, x + i, stride, blocks, COLUMNS, offset, form, top);
        for (; i < n; i++) tile_b(acc + i, s, r, h, x + i, stride, blocks, 1, offset, form, top);
    }
}

EXPAND_PRODUCTS(kern_init_mm_avx2)
