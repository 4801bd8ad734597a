/* Decoding: the dispatcher, the 32-element formats, and the K formats. Each expression is rounded
 * as the reference decoder of the format rounds it (gguf-py quants.py), so results agree in every
 * bit.
 * SPDX-License-Identifier: MIT */
#include "num/num_int.h"

void num_decode_q4_0(float *out, const void *in)
{
    num_q4_0 b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((b.qs[i] & 15) - 8);
        out[i + 16] = d * (float)((b.qs[i] >> 4) - 8);
    }
}

void num_decode_q4_1(float *out, const void *in)
{
    num_q4_1 b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d), m = num_f16_to_f32(b.m);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)(b.qs[i] & 15) + m;
        out[i + 16] = d * (float)(b.qs[i] >> 4) + m;
    }
}

/* Code i (0..31) of nibbles plus one high bit each. */
static int five_bits(const uint8_t qs[16], const uint8_t qh[4], int i)
{
    int low = i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
    return low | (qh[i / 8] >> i % 8 & 1) << 4;
}

void num_decode_q5_0(float *out, const void *in)
{
    num_q5_0 b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(five_bits(b.qs, b.qh, i) - 16);
}

void num_decode_q5_1(float *out, const void *in)
{
    num_q5_1 b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d), m = num_f16_to_f32(b.m);
    for (int i = 0; i < 32; i++) out[i] = d * (float)five_bits(b.qs, b.qh, i) + m;
}

void num_decode_q8_0(float *out, const void *in)
{
    num_q8_0 b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int i = 0; i < 32; i++) out[i] = (float)b.qs[i] * d;
}

/* The 2-bit field of element e in Q2_K and Q3_K: 32 bytes carry four runs of 32 elements. */
static int two_bits(const uint8_t *qs, int e)
{
    return qs[e / 128 * 32 + e % 32] >> (e % 128 / 32 * 2) & 3;
}

void num_decode_q2_k(float *out, const void *in)
{
    num_q2_k b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d), dmin = num_f16_to_f32(b.dmin);
    for (int j = 0; j < 16; j++) {
        float dl = d * (float)(b.scales[j] & 15), ml = dmin * (float)(b.scales[j] >> 4);
        for (int e = 16 * j; e < 16 * j + 16; e++) out[e] = dl * (float)two_bits(b.qs, e) - ml;
    }
}

void num_decode_q3_k(float *out, const void *in)
{
    num_q3_k b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int j = 0; j < 16; j++) {
        float dl = d * (float)num_k3_scale(b.scales, j);
        for (int e = 16 * j; e < 16 * j + 16; e++) {
            int high = b.hmask[e % 32] >> e / 32 & 1; /* a clear bit subtracts 4 */
            out[e] = dl * (float)(two_bits(b.qs, e) - (high ? 0 : 4));
        }
    }
}

void num_decode_q4_k(float *out, const void *in)
{
    num_q4_k b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d), dmin = num_f16_to_f32(b.dmin);
    for (int j = 0; j < 8; j++) {
        uint8_t sc, m;
        num_k4_scale_min(b.scales, j, &sc, &m);
        float dl = d * (float)sc, ml = dmin * (float)m;
        const uint8_t *qs = b.qs + j / 2 * 32;
        for (int i = 0; i < 32; i++) out[32 * j + i] = dl * (float)(qs[i] >> j % 2 * 4 & 15) - ml;
    }
}

void num_decode_q5_k(float *out, const void *in)
{
    num_q5_k b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d), dmin = num_f16_to_f32(b.dmin);
    for (int j = 0; j < 8; j++) {
        uint8_t sc, m;
        num_k4_scale_min(b.scales, j, &sc, &m);
        float dl = d * (float)sc, ml = dmin * (float)m;
        const uint8_t *qs = b.qs + j / 2 * 32;
        for (int i = 0; i < 32; i++) {
            int q = (qs[i] >> j % 2 * 4 & 15) | (b.qh[i] >> j & 1) << 4;
            out[32 * j + i] = dl * (float)q - ml;
        }
    }
}

void num_decode_q6_k(float *out, const void *in)
{
    num_q6_k b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int j = 0; j < 16; j++) {
        float dl = d * (float)b.scales[j];
        for (int e = 16 * j; e < 16 * j + 16; e++) {
            int low = b.ql[e / 128 * 64 + e % 64] >> (e % 128 / 64 * 4) & 15;
            int high = b.qh[e / 128 * 32 + e % 32] >> (e % 128 / 32 * 2) & 3;
            out[e] = dl * (float)((low | high << 4) - 32);
        }
    }
}

static num_decode_block *decoder_of(num_type t)
{
    switch (t) {
    case NUM_Q4_0: return num_decode_q4_0;
    case NUM_Q4_1: return num_decode_q4_1;
    case NUM_Q5_0: return num_decode_q5_0;
    case NUM_Q5_1: return num_decode_q5_1;
    case NUM_Q8_0: return num_decode_q8_0;
    case NUM_Q2_K: return num_decode_q2_k;
    case NUM_Q3_K: return num_decode_q3_k;
    case NUM_Q4_K: return num_decode_q4_k;
    case NUM_Q5_K: return num_decode_q5_k;
    case NUM_Q6_K: return num_decode_q6_k;
    case NUM_IQ1_S: return num_decode_iq1_s;
    case NUM_IQ1_M: return num_decode_iq1_m;
    case NUM_IQ2_XXS: return num_decode_iq2_xxs;
    case NUM_IQ2_XS: return num_decode_iq2_xs;
    case NUM_IQ2_S: return num_decode_iq2_s;
    case NUM_IQ3_XXS: return num_decode_iq3_xxs;
    case NUM_IQ3_S: return num_decode_iq3_s;
    case NUM_IQ4_NL: return num_decode_iq4_nl;
    case NUM_IQ4_XS: return num_decode_iq4_xs;
    default: return NULL;
    }
}

bool num_decode(num_type t, float *out, const void *in, size_t n)
{
    const uint8_t *p = in;
    uint16_t h;

    switch (t) {
    case NUM_F32:
        if (n) memcpy(out, in, n * sizeof *out);
        return true;
    case NUM_F16:
        for (size_t i = 0; i < n; i++) memcpy(&h, p + 2 * i, 2), out[i] = num_f16_to_f32(h);
        return true;
    case NUM_BF16:
        for (size_t i = 0; i < n; i++) memcpy(&h, p + 2 * i, 2), out[i] = num_bf16_to_f32(h);
        return true;
    case NUM_F8_E4M3:
        for (size_t i = 0; i < n; i++) out[i] = num_e4m3_to_f32(p[i]);
        return true;
    default: break;
    }
    num_decode_block *decode = decoder_of(t);
    if (!decode) return false;
    const num_info *info = num_info_of(t);
    if (n % info->block) return false;
    for (size_t i = 0; i < n; i += info->block, p += info->block_bytes) decode(out + i, p);
    return true;
}
