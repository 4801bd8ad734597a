/* Counted randomness: Philox 4x32-10.
 * SPDX-License-Identifier: MIT
 *
 * Constants and rounds from Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2,
 * 3", SC 2011, section 3.3 and their published known-answer vectors (tests/unit/base). */
#include "base/base.h"

#include <math.h>

rng_bits rng_at(uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose)
{
    /* The purpose shares a word with the sequence's high half: 2^32 purposes, 2^64 sequences
     * folded so that small numbers never collide. */
    uint32_t c0 = (uint32_t)position, c1 = (uint32_t)(position >> 32);
    uint32_t c2 = (uint32_t)sequence, c3 = (uint32_t)(sequence >> 32) ^ (purpose * 0x01000193u);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (rng_bits){{c0, c1, c2, c3}};
}

uint64_t rng_u64(uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose)
{
    rng_bits b = rng_at(seed, sequence, position, purpose);
    return (uint64_t)b.v[1] << 32 | b.v[0];
}

double rng_uniform(uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose)
{
    return (double)(rng_u64(seed, sequence, position, purpose) >> 11) * 0x1p-53;
}

uint64_t rng_below(uint64_t n, uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose)
{
    /* Multiply-high of a 64-bit number: n values of nearly equal weight. Split in halves because
     * C17 has no 128-bit integer. */
    uint64_t x = rng_u64(seed, sequence, position, purpose);
    uint64_t xl = (uint32_t)x, xh = x >> 32, nl = (uint32_t)n, nh = n >> 32;
    uint64_t mid = xh * nl + ((xl * nl) >> 32);
    uint64_t mid2 = xl * nh + (uint32_t)mid;
    return xh * nh + (mid >> 32) + (mid2 >> 32);
}

void rng_normal2(float out[2], uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose)
{
    rng_bits b = rng_at(seed, sequence, position, purpose);
    /* Box-Muller; u1 in (0, 1] keeps the logarithm finite. */
    double u1 = ((double)b.v[0] + 1.0) * 0x1p-32, u2 = (double)b.v[1] * 0x1p-32;
    double r = sqrt(-2.0 * log(u1)), a = 6.283185307179586 * u2;
    out[0] = (float)(r * cos(a));
    out[1] = (float)(r * sin(a));
}
