/* Sixteen- and eight-bit floats, exact in every case. Quiet NaNs keep their payload's top bits, as
 * the processors' own conversions do, so that scalar and vector code agree in every bit.
 * SPDX-License-Identifier: MIT */
#include "num/num.h"

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float num_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3FF;
    if (exponent == 0) return float_of(sign | bits_of((float)mantissa * 0x1p-24f));
    if (exponent == 31)
        return float_of(sign | 0x7F800000 | (mantissa ? 0x400000 | mantissa << 13 : 0));
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* Both narrowing conversions below a format's smallest normal number let the adder round: the sum
 * with a power of two whose last place is the format's smallest step holds the answer in its low
 * bits. */
uint16_t num_f32_to_f16(float f)
{
    uint32_t u = bits_of(f), sign = (u >> 16) & 0x8000;
    u &= 0x7FFFFFFF;
    if (u > 0x7F800000) return (uint16_t)(sign | 0x7E00 | ((u >> 13) & 0x3FF));
    if (u >= 0x477FF000) return (uint16_t)(sign | 0x7C00); /* 65520, half way past the largest */
    if (u < 0x38800000) return (uint16_t)(sign | (bits_of(float_of(u) + 0.5f) - bits_of(0.5f)));
    u += 0xFFF + ((u >> 13) & 1);
    return (uint16_t)(sign | ((u >> 13) - (112 << 10)));
}

uint16_t num_f32_to_bf16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)((u >> 16) | 0x40);
    return (uint16_t)((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

/* E4M3FN of "FP8 formats for deep learning" (Micikevicius et al., 2022). */
float num_e4m3_to_f32(uint8_t b)
{
    uint32_t sign = (uint32_t)(b & 0x80) << 24, exponent = (b >> 3) & 15, mantissa = b & 7;
    if ((b & 0x7F) == 0x7F) return float_of(sign | 0x7FC00000);
    if (exponent == 0) return float_of(sign | bits_of((float)mantissa * 0x1p-9f));
    return float_of(sign | (exponent + 120) << 23 | mantissa << 20);
}

uint8_t num_f32_to_e4m3(float f)
{
    uint32_t u = bits_of(f), sign = (u >> 24) & 0x80;
    u &= 0x7FFFFFFF;
    if (u > 0x7F800000) return (uint8_t)(sign | 0x7F);
    if (u >= 0x43E00000) return (uint8_t)(sign | 0x7E); /* 448 and above */
    if (u < 0x3C800000)
        return (uint8_t)(sign | (bits_of(float_of(u) + 0x1p14f) - bits_of(0x1p14f)));
    u += 0x7FFFF + ((u >> 20) & 1);
    return (uint8_t)(sign | ((u >> 20) - (120 << 3)));
}
