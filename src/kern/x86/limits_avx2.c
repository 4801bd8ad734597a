/* The peaks of a processor with AVX2: independent chains in registers.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

#include <immintrin.h>

enum { CHAINS = 12 };

static double burn_int8(size_t rounds)
{
    volatile int32_t sink = 0;
    __m256i acc[CHAINS];
    const __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8((char)rounds), one = _mm256_set1_epi16(1);
    for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_setzero_si256();
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) /* the activation differs, or one product would serve all */
            acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(_mm256_maddubs_epi16(a, _mm256_xor_si256(b, acc[i])), one));
    }
    for (int i = 0; i < CHAINS; i++) sink += _mm256_extract_epi32(acc[i], 0);
    return (double)rounds * CHAINS * 64 + 0.0 * sink;
}

static double burn_f32(size_t rounds)
{
    volatile float sink = 0;
    __m256 acc[CHAINS];
    const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps((float)rounds);
    for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_setzero_ps();
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_fmadd_ps(acc[i], a, b);
    }
    for (int i = 0; i < CHAINS; i++) sink += _mm256_cvtss_f32(acc[i]);
    return (double)rounds * CHAINS * 16 + 0.0 * (double)(sink > 0);
}

void kern_init_limits_avx2(kern *k)
{
    k->burn_int8 = burn_int8;
    k->burn_bf16 = burn_f32; /* BF16 is computed in single precision here */
    k->burn_f32 = burn_f32;
}
