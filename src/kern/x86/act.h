/* Rows of activations in the forms the products take; the same numbers as the reference, exactly. The
 * including file has quantize(q, x, n): n = 32 or 256 floats to bytes, nearest even of x * (127 / max|x|);
 * it returns max|x| / 127.
 * SPDX-License-Identifier: MIT */
#ifndef KERN_X86_ACT_H
#define KERN_X86_ACT_H

#include "kern/kern_int.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

INLINE float quantize(int8_t *q, const float *x, const size_t n);

/* Sum of 16 signed bytes. */
INLINE int32_t sum16(const int8_t *q)
{
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)q));
    const __m256i two = _mm256_madd_epi16(wide, _mm256_set1_epi16(1));
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1)));
}

static void act_q8(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    kern_q8 *b = (kern_q8 *)dst + m;
    for (size_t k = 0; k < K; k += 32, b += M) {
        b->d = quantize(b->q, x + k, 32);
        b->sum = sum16(b->q) + sum16(b->q + 16);
    }
}

static void act_q8k(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    kern_q8k *b = (kern_q8k *)dst + m;
    for (size_t k = 0; k < K; k += 256, b += M) {
        b->d = quantize(b->q, x + k, 256);
        for (size_t s = 0; s < 16; s++) b->sum16[s] = (int16_t)sum16(b->q + 16 * s);
        for (size_t s = 0; s < 8; s++) b->sum32[s] = (int16_t)(b->sum16[2 * s] + b->sum16[2 * s + 1]);
    }
}

#endif
