/* Activations in 8 bits with AVX-512.
 * SPDX-License-Identifier: MIT */
#include "kern/x86/act.h"

INLINE float quantize(int8_t *q, const float *x, const size_t n)
{
    __m512 top = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) top = _mm512_max_ps(top, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
    const float max = _mm512_reduce_max_ps(top);
    const __m512 inverse = _mm512_set1_ps(max > 0 ? 127.0f / max : 0);
    for (size_t i = 0; i < n; i += 16) {
        const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse));
        _mm_storeu_si128((__m128i *)(q + i), _mm512_cvtepi32_epi8(v));
    }
    return max / 127.0f;
}

void kern_init_act_avx512(kern *k)
{
    k->act[KERN_ACT_Q8] = act_q8;
    k->act[KERN_ACT_Q8K] = act_q8k;
}
