/* Activations in 8 bits with AVX2.
 * SPDX-License-Identifier: MIT */
#include "kern/x86/act.h"

INLINE float quantize(int8_t *q, const float *x, const size_t n)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 top = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 8) top = _mm256_max_ps(top, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
    __m128 t = _mm_max_ps(_mm256_castps256_ps128(top), _mm256_extractf128_ps(top, 1));
    t = _mm_max_ps(t, _mm_movehl_ps(t, t));
    t = _mm_max_ss(t, _mm_movehdup_ps(t));
    const float max = _mm_cvtss_f32(t);
    const __m256 inverse = _mm256_set1_ps(max > 0 ? 127.0f / max : 0);
    for (size_t i = 0; i < n; i += 8) {
        const __m256i v = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse));
        const __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
        _mm_storel_epi64((__m128i *)(void *)(q + i), _mm_packs_epi16(w, w));
    }
    return max / 127.0f;
}

void kern_init_act_avx2(kern *k)
{
    k->act[KERN_ACT_Q8] = act_q8;
    k->act[KERN_ACT_Q8K] = act_q8k;
}
