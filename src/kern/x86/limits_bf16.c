/* The peaks of a processor with AVX-512, VNNI and BF16: independent chains in registers.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

#include <immintrin.h>

enum { CHAINS = 16 };

static uint64_t read_memory(const void *p, size_t bytes)
{
    const uint8_t *b = p;
    __m512i s[4];
    for (int i = 0; i < 4; i++) s[i] = _mm512_setzero_si512();
    for (size_t at = 0; at + 256 <= bytes; at += 256) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) s[i] = _mm512_add_epi64(s[i], _mm512_loadu_si512(b + at + 64 * i));
    }
    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(_mm512_add_epi64(s[0], s[1]), _mm512_add_epi64(s[2], s[3])));
}

/* Keeps the chains alive without a store in the loop. */
static double total_i(__m512i *acc, double operations)
{
    volatile int32_t sink = 0;
    for (int i = 0; i < CHAINS; i++) sink += _mm512_reduce_add_epi32(acc[i]);
    return operations + 0.0 * sink;
}

static double total_f(__m512 *acc, double operations)
{
    volatile float sink = 0;
    for (int i = 0; i < CHAINS; i++) sink += _mm512_reduce_add_ps(acc[i]);
    return operations + 0.0 * (double)(sink > 0);
}

static double burn_int8(size_t rounds)
{
    __m512i acc[CHAINS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8((char)rounds);
    for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_setzero_si512();
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
    }
    return total_i(acc, (double)rounds * CHAINS * 128);
}

static double burn_bf16(size_t rounds)
{
    __m512 acc[CHAINS];
    const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f80), b = (__m512bh)_mm512_set1_epi16((short)(rounds & 15));
    for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_setzero_ps();
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_dpbf16_ps(acc[i], a, b);
    }
    return total_f(acc, (double)rounds * CHAINS * 64);
}

static double burn_f32(size_t rounds)
{
    __m512 acc[CHAINS], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps((float)rounds);
    for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_setzero_ps();
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_fmadd_ps(acc[i], a, b);
    }
    return total_f(acc, (double)rounds * CHAINS * 32);
}

void kern_init_limits_bf16(kern *k)
{
    k->read_memory = read_memory;
    k->burn_int8 = burn_int8;
    k->burn_bf16 = burn_bf16;
    k->burn_f32 = burn_f32;
}
