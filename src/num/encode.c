/* Encoding: the dispatcher and the 32-element formats. Q4_0 ... Q8_0 round as the reference encoder
 * of the formats does (gguf-py quants.py), bit for bit.
 * SPDX-License-Identifier: MIT */
#include "num/grids.h"
#include "num/num_int.h"

#include <math.h>

/* 1/d, or 0 where d is so small that this overflows: the block then becomes zeros. */
static float inverse(float d)
{
    float r = 1.0f / d;
    return isfinite(r) ? r : 0;
}

/* v cut to a whole number in [0, top]; NaN gives 0. */
static uint8_t cut(float v, float top)
{
    v = v > 0 ? v : 0;
    return (uint8_t)(int)(v < top ? v : top);
}

/* The element of largest magnitude, the first of equals, with its sign. */
static float peak(const float *x, int n)
{
    float largest = 0, best = 0;
    for (int i = 0; i < n; i++) {
        float a = fabsf(x[i]);
        if (a > largest) largest = a, best = x[i];
    }
    return best;
}

/* The scale that puts the peak on -half, and every element's code offset by half. */
static uint16_t codes_around_zero(uint8_t *q, const float *x, int half)
{
    float d = peak(x, 32) / (float)-half, id = inverse(d);
    for (int i = 0; i < 32; i++)
        q[i] = cut(x[i] * id + ((float)half + 0.5f), (float)(2 * half - 1));
    return num_f32_to_f16(d);
}

/* The scale and minimum that spread the elements over 0 ... top. */
static uint16_t codes_from_minimum(uint8_t *q, uint16_t *minimum, const float *x, int top)
{
    float low = x[0], high = x[0];
    for (int i = 1; i < 32; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float d = (high - low) / (float)top, id = inverse(d);
    for (int i = 0; i < 32; i++) q[i] = cut((x[i] - low) * id + 0.5f, (float)top);
    *minimum = num_f32_to_f16(low);
    return num_f32_to_f16(d);
}

static void put_nibbles(uint8_t qs[16], const uint8_t q[32])
{
    for (int i = 0; i < 16; i++) qs[i] = (uint8_t)((q[i] & 15) | q[i + 16] << 4);
}

static void put_fifth_bits(uint8_t qh[4], const uint8_t q[32])
{
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++) bits |= (uint32_t)(q[i] >> 4) << i;
    memcpy(qh, &bits, sizeof bits);
}

void num_encode_q4_0(void *out, const float *in)
{
    num_q4_0 b;
    uint8_t q[32];
    b.d = codes_around_zero(q, in, 8);
    put_nibbles(b.qs, q);
    memcpy(out, &b, sizeof b);
}

void num_encode_q4_1(void *out, const float *in)
{
    num_q4_1 b;
    uint8_t q[32];
    b.d = codes_from_minimum(q, &b.m, in, 15);
    put_nibbles(b.qs, q);
    memcpy(out, &b, sizeof b);
}

void num_encode_q5_0(void *out, const float *in)
{
    num_q5_0 b;
    uint8_t q[32];
    b.d = codes_around_zero(q, in, 16);
    put_nibbles(b.qs, q);
    put_fifth_bits(b.qh, q);
    memcpy(out, &b, sizeof b);
}

void num_encode_q5_1(void *out, const float *in)
{
    num_q5_1 b;
    uint8_t q[32];
    b.d = codes_from_minimum(q, &b.m, in, 31);
    put_nibbles(b.qs, q);
    put_fifth_bits(b.qh, q);
    memcpy(out, &b, sizeof b);
}

void num_encode_q8_0(void *out, const float *in)
{
    num_q8_0 b;
    float largest = 0;
    for (int i = 0; i < 32; i++) largest = fabsf(in[i]) > largest ? fabsf(in[i]) : largest;
    float d = largest / 127, id = inverse(d);
    for (int i = 0; i < 32; i++) {
        float v = fabsf(in[i] * id);
        int q = cut(v, 127);
        q += v - (float)q >= 0.5f && q < 127; /* halves away from zero */
        b.qs[i] = (int8_t)(in[i] < 0 ? -q : q);
    }
    b.d = num_f32_to_f16(d);
    memcpy(out, &b, sizeof b);
}

/* The index of the code-book value nearest to v. */
static uint8_t nearest_iq4(float v)
{
    int i = 0;
    for (int k = 0; k < 15; k++) /* one step up for every midpoint passed */
        i += 2 * v > (float)(num_grid_iq4[k] + num_grid_iq4[k + 1]);
    return (uint8_t)i;
}

void num_encode_iq4_nl(void *out, const float *in)
{
    num_iq4_nl b;
    uint8_t q[32];
    float id = inverse(peak(in, 32) / (float)num_grid_iq4[0]), xc = 0, cc = 0;
    for (int i = 0; i < 32; i++) { /* codes first, then the scale that suits them best */
        q[i] = nearest_iq4(in[i] * id);
        float c = (float)num_grid_iq4[q[i]];
        xc += in[i] * c;
        cc += c * c;
    }
    b.d = num_f32_to_f16(id == 0 ? 0 : xc / cc);
    put_nibbles(b.qs, q);
    memcpy(out, &b, sizeof b);
}

static const struct encoder {
    num_type type;
    num_encode_block *encode;
    size_t scale_at; /* offset of the F16 scale in the block */
} ENCODERS[] = {
    {NUM_Q4_0, num_encode_q4_0, offsetof(num_q4_0, d)},
    {NUM_Q4_1, num_encode_q4_1, offsetof(num_q4_1, d)},
    {NUM_Q5_0, num_encode_q5_0, offsetof(num_q5_0, d)},
    {NUM_Q5_1, num_encode_q5_1, offsetof(num_q5_1, d)},
    {NUM_Q8_0, num_encode_q8_0, offsetof(num_q8_0, d)},
    {NUM_Q2_K, num_encode_q2_k, offsetof(num_q2_k, d)},
    {NUM_Q3_K, num_encode_q3_k, offsetof(num_q3_k, d)},
    {NUM_Q4_K, num_encode_q4_k, offsetof(num_q4_k, d)},
    {NUM_Q5_K, num_encode_q5_k, offsetof(num_q5_k, d)},
    {NUM_Q6_K, num_encode_q6_k, offsetof(num_q6_k, d)},
    {NUM_IQ4_NL, num_encode_iq4_nl, offsetof(num_iq4_nl, d)},
};

static const struct encoder *encoder_of(num_type t)
{
    for (size_t i = 0; i < COUNT_OF(ENCODERS); i++)
        if (ENCODERS[i].type == t) return &ENCODERS[i];
    return NULL;
}

bool num_can_encode(num_type t)
{
    return t == NUM_F32 || t == NUM_F16 || t == NUM_BF16 || t == NUM_F8_E4M3 || encoder_of(t);
}

static bool all_finite(const float *x, size_t n)
{
    uint32_t bad = 0, u;
    for (size_t i = 0; i < n; i++) {
        memcpy(&u, x + i, sizeof u);
        bad |= (u & 0x7F800000) == 0x7F800000;
    }
    return !bad;
}

static void encode_blocks(const struct encoder *e, uint8_t *out, const float *in, size_t n)
{
    const num_info *info = num_info_of(e->type);
    for (size_t i = 0; i < n; i += info->block, out += info->block_bytes) {
        if (all_finite(in + i, info->block)) {
            e->encode(out, in + i);
        } else { /* no code says "not a number": the scale has to */
            const uint16_t nan = 0x7E00;
            memset(out, 0, info->block_bytes);
            memcpy(out + e->scale_at, &nan, sizeof nan);
        }
    }
}

bool num_encode(num_type t, void *out, const float *in, size_t n)
{
    uint8_t *p = out;
    uint16_t h;

    switch (t) {
    case NUM_F32:
        if (n) memcpy(out, in, n * sizeof *in);
        return true;
    case NUM_F16:
        for (size_t i = 0; i < n; i++) h = num_f32_to_f16(in[i]), memcpy(p + 2 * i, &h, 2);
        return true;
    case NUM_BF16:
        for (size_t i = 0; i < n; i++) h = num_f32_to_bf16(in[i]), memcpy(p + 2 * i, &h, 2);
        return true;
    case NUM_F8_E4M3:
        for (size_t i = 0; i < n; i++) p[i] = num_f32_to_e4m3(in[i]);
        return true;
    default: break;
    }
    const struct encoder *e = encoder_of(t);
    if (!e || n % num_info_of(t)->block) return false;
    encode_blocks(e, p, in, n);
    return true;
}
