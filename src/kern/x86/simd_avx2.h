/* One vector of floats by AVX2 with FMA and F16C, in the words of simd_avx512.h.
 * SPDX-License-Identifier: MIT */
#ifndef KERN_SIMD_AVX2_H
#define KERN_SIMD_AVX2_H

#include "kern/kern_int.h"

#include <immintrin.h>

enum { W = 8 };
typedef __m256 vf;

static inline __m256i vf_first(size_t n)
{
    __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < W ? (int)n : W), lane);
}

static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_load(const void *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
/* Masked stores are slow on some processors: whole vectors go without. */
static inline vf vf_load_n(const float *p, size_t n, vf fill)
{
    if (n >= W) return vf_load(p);
    __m256i m = vf_first(n);
    return _mm256_blendv_ps(fill, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
}
static inline void vf_store_n(float *p, vf v, size_t n)
{
    if (n >= W) vf_store(p, v);
    else _mm256_maskstore_ps(p, vf_first(n), v);
}

static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
static inline vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vf vf_power(vf a)
{
    return _mm256_and_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(0x7F800000)));
}
static inline vf vf_pair(vf low, vf high)
{
    __m256i l = _mm256_srli_epi32(_mm256_castps_si256(low), 16), h = _mm256_castps_si256(high);
    return _mm256_castsi256_ps(_mm256_or_si256(l, _mm256_and_si256(h, _mm256_set1_epi32((int)0xFFFF0000))));
}
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_keep(vf v, size_t n, vf rest)
{
    return _mm256_blendv_ps(rest, v, _mm256_castsi256_ps(vf_first(n)));
}
static inline vf vf_if_negative(vf x, vf yes, vf no) { return _mm256_blendv_ps(no, yes, x); }
static inline vf vf_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* In two exact-or-last steps, because 2^n itself may be too small for a float. */
static inline vf vf_scale2(vf a, vf n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i rest = _mm256_sub_epi32(whole, half), bias = _mm256_set1_epi32(127);
    __m256i x = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i y = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(a, _mm256_castsi256_ps(x)), _mm256_castsi256_ps(y));
}

static inline float vf_sum(vf v)
{
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
static inline float vf_top(vf v)
{
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

typedef struct vd {
    __m256d lo, hi;
} vd;

static inline vd vd_zero(void) { return (vd){_mm256_setzero_pd(), _mm256_setzero_pd()}; }
static inline vd vd_of(vf v)
{
    return (vd){_mm256_cvtps_pd(_mm256_castps256_ps128(v)),
                _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}
static inline vd vd_add(vd a, vd b)
{
    return (vd){_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)};
}
static inline vd vd_fma(vd a, vd b, vd c)
{
    return (vd){_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)};
}
static inline double vd_sum(vd v)
{
    __m256d b = _mm256_add_pd(v.lo, v.hi);
    __m128d c = _mm_add_pd(_mm256_castpd256_pd128(b), _mm256_extractf128_pd(b, 1));
    return _mm_cvtsd_f64(_mm_add_sd(c, _mm_unpackhi_pd(c, c)));
}

static inline vf vf_twice(const float *p, size_t n)
{
    __m128i m =
        _mm_cmpgt_epi32(_mm_set1_epi32(n < W / 2 ? (int)n : W / 2), _mm_set_epi32(3, 2, 1, 0));
    __m256 v = _mm256_castps128_ps256(_mm_maskload_ps(p, m));
    return _mm256_permutevar8x32_ps(v, _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0));
}
static inline vf vf_swap(vf v) { return _mm256_permute_ps(v, 0xB1); }
static inline vf vf_subadd(vf a, vf b) { return _mm256_addsub_ps(a, b); }

static inline vf vf_of_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline vf vf_of_i8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline vf vf_of_bf16_first(const void *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(p), 16));
}
static inline vf vf_of_bf16_second(const void *p)
{
    __m256i high = _mm256_set1_epi32((int)0xFFFF0000);
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(p), high));
}
static inline vf vf_of_i8_quads(const void *p, int i)
{
    __m256i v = _mm256_sll_epi32(_mm256_loadu_si256(p), _mm_cvtsi32_si128(24 - 8 * i));
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(v, 24));
}

static inline void vf_to_f16(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline void vf_to_bf16(uint16_t *p, vf v)
{
    __m256i u = _mm256_castps_si256(v), top = _mm256_srli_epi32(u, 16);
    __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7FFF)), odd);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    up = _mm256_blendv_epi8(_mm256_srli_epi32(up, 16),
                            _mm256_or_si256(top, _mm256_set1_epi32(0x40)), nan);
    __m128i lo = _mm256_castsi256_si128(up), hi = _mm256_extracti128_si256(up, 1);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(lo, hi));
}
static inline void vf_to_i8(int8_t *p, vf v)
{
    __m256i byte = _mm256_and_si256(_mm256_cvtps_epi32(v), _mm256_set1_epi32(255));
    __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(byte), _mm256_extracti128_si256(byte, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
}

static inline void vf_transpose(vf row[W])
{
    vf t[W];
    for (int i = 0; i < W; i += 2) {
        t[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < W; i += 4) {
        __m256d a = _mm256_castps_pd(t[i]), b = _mm256_castps_pd(t[i + 1]);
        __m256d c = _mm256_castps_pd(t[i + 2]), d = _mm256_castps_pd(t[i + 3]);
        row[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
        row[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
        row[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
        row[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(row[i], row[4 + i], 0x20);
        t[4 + i] = _mm256_permute2f128_ps(row[i], row[4 + i], 0x31);
    }
    for (int i = 0; i < W; i++) row[i] = t[i];
}

#endif
