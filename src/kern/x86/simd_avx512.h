/* One vector of floats by AVX-512, in the words that the shared kernel bodies are written in
 * (simd_avx2.h has the same words). Only for files compiled with the matching flags.
 * SPDX-License-Identifier: MIT */
#ifndef KERN_SIMD_AVX512_H
#define KERN_SIMD_AVX512_H

#include "kern/kern_int.h"

#include <immintrin.h>

enum { W = 16 };
typedef __m512 vf;

static inline __mmask16 vf_first(size_t n) { return n < W ? (__mmask16)((1u << n) - 1) : 0xFFFF; }

static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_load(const void *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
/* The first n < W lanes (all when n >= W); the others read as `fill` and are not written. */
static inline vf vf_load_n(const float *p, size_t n, vf fill)
{
    return _mm512_mask_loadu_ps(fill, vf_first(n), p);
}
static inline void vf_store_n(float *p, vf v, size_t n)
{
    _mm512_mask_storeu_ps(p, vf_first(n), v);
}

static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a * b */
static inline vf vf_abs(vf a) { return _mm512_abs_ps(a); }
/* The power of two at or below |a|; and the upper halves of two floats side by side. */
static inline vf vf_power(vf a)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7F800000)));
}
static inline vf vf_pair(vf low, vf high)
{
    __m512i l = _mm512_srli_epi32(_mm512_castps_si512(low), 16), h = _mm512_castps_si512(high);
    return _mm512_castsi512_ps(_mm512_or_si512(l, _mm512_and_si512(h, _mm512_set1_epi32((int)0xFFFF0000))));
}
/* b where either is NaN. */
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
/* The first n lanes of v, the others from `rest`. */
static inline vf vf_keep(vf v, size_t n, vf rest)
{
    return _mm512_mask_mov_ps(rest, vf_first(n), v);
}
/* yes in the lanes whose sign bit is set. */
static inline vf vf_if_negative(vf x, vf yes, vf no)
{
    return _mm512_mask_mov_ps(no, _mm512_movepi32_mask(_mm512_castps_si512(x)), yes);
}
/* Nearest integer, ties to even. */
static inline vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
/* a * 2^n rounded once; n integral, -252 <= n <= 0. */
static inline vf vf_scale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }

/* Across the lanes, by halves. */
static inline float vf_sum(vf v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
static inline float vf_top(vf v)
{
    __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* The lanes of a vf as doubles. */
typedef struct vd {
    __m512d lo, hi;
} vd;

static inline vd vd_zero(void) { return (vd){_mm512_setzero_pd(), _mm512_setzero_pd()}; }
static inline vd vd_of(vf v)
{
    return (vd){_mm512_cvtps_pd(_mm512_castps512_ps256(v)),
                _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))};
}
static inline vd vd_add(vd a, vd b)
{
    return (vd){_mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi)};
}
static inline vd vd_fma(vd a, vd b, vd c)
{
    return (vd){_mm512_fmadd_pd(a.lo, b.lo, c.lo), _mm512_fmadd_pd(a.hi, b.hi, c.hi)};
}
static inline double vd_sum(vd v)
{
    __m512d a = _mm512_add_pd(v.lo, v.hi);
    __m256d b = _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1));
    __m128d c = _mm_add_pd(_mm256_castpd256_pd128(b), _mm256_extractf128_pd(b, 1));
    return _mm_cvtsd_f64(_mm_add_sd(c, _mm_unpackhi_pd(c, c)));
}

/* Rotation of neighbours: W / 2 numbers (the first n of them) each twice; lanes 2i and 2i+1
 * swapped; a - b in even lanes, a + b in odd ones. */
static inline vf vf_twice(const float *p, size_t n)
{
    __m512i index = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    __mmask16 low = vf_first(n) & 0xFF;
    return _mm512_permutexvar_ps(index, _mm512_maskz_loadu_ps(low, p));
}
static inline vf vf_swap(vf v) { return _mm512_permute_ps(v, 0xB1); }
static inline vf vf_subadd(vf a, vf b)
{
    return _mm512_mask_sub_ps(_mm512_add_ps(a, b), 0x5555, a, b);
}

/* W numbers of other formats. */
static inline vf vf_of_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline vf vf_of_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
/* Of W pairs of BF16: the first or the second of each. */
static inline vf vf_of_bf16_first(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}
static inline vf vf_of_bf16_second(const void *p)
{
    __m512i high = _mm512_set1_epi32((int)0xFFFF0000);
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), high));
}
/* Of W groups of four int8: number i of each. */
static inline vf vf_of_i8_quads(const void *p, int i)
{
    __m512i v = _mm512_sll_epi32(_mm512_loadu_si512(p), _mm_cvtsi32_si128(24 - 8 * i));
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(v, 24));
}

/* To nearest even, as num.h has it. */
static inline void vf_to_f16(uint16_t *p, vf v)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline void vf_to_bf16(uint16_t *p, vf v)
{
    __m512i u = _mm512_castps_si512(v), top = _mm512_srli_epi32(u, 16);
    __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7FFF)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    up = _mm512_mask_or_epi32(_mm512_srli_epi32(up, 16), nan, top, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(up));
}
/* |v| <= 127; what is no number becomes 0. */
static inline void vf_to_i8(int8_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

/* Column j of the rows becomes row j; rows of 32-bit lanes. */
static inline void vf_transpose(vf row[W])
{
    vf t[W];
    for (int i = 0; i < W; i += 2) { /* pairs of rows, then of pairs: 4x4 blocks of one lane */
        t[i] = _mm512_unpacklo_ps(row[i], row[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < W; i += 4) {
        __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 1]);
        __m512d c = _mm512_castps_pd(t[i + 2]), d = _mm512_castps_pd(t[i + 3]);
        row[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        row[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        row[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        row[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    for (int i = 0; i < 4; i++) { /* row[4k + i]: quarter q is column 4q + i of rows 4k .. 4k+3 */
        vf a = _mm512_shuffle_f32x4(row[i], row[4 + i], 0x88);
        vf b = _mm512_shuffle_f32x4(row[8 + i], row[12 + i], 0x88);
        vf c = _mm512_shuffle_f32x4(row[i], row[4 + i], 0xDD);
        vf d = _mm512_shuffle_f32x4(row[8 + i], row[12 + i], 0xDD);
        t[i] = _mm512_shuffle_f32x4(a, b, 0x88);
        t[8 + i] = _mm512_shuffle_f32x4(a, b, 0xDD);
        t[4 + i] = _mm512_shuffle_f32x4(c, d, 0x88);
        t[12 + i] = _mm512_shuffle_f32x4(c, d, 0xDD);
    }
    for (int i = 0; i < W; i++) row[i] = t[i];
}

#endif
