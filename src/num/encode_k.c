/* Encoding of the K formats: sub-block scales from the extremes, themselves rounded to their few
 * bits against the super-block scale, and every element then rounded with the scales that a decoder
 * will see.
 * SPDX-License-Identifier: MIT */
#include "num/num_int.h"

#include <math.h>

enum { SUBS = 16 /* most sub-blocks a super-block has */ };

static float quotient(float a, float b) { return b != 0 && isfinite(a / b) ? a / b : 0; }

/* v rounded to a whole number in [0, top]; NaN gives 0. */
static uint8_t whole(float v, float top)
{
    v += 0.5f;
    v = v > 0 ? v : 0;
    return (uint8_t)(int)(v < top ? v : top);
}

/* A super-block whose elements are scale * code - minimum, code in 0 ... top. */
struct affine {
    uint16_t d, dmin;
    uint8_t scale[SUBS], min[SUBS], code[NUM_QK];
};

/* `size` elements per sub-block; scales and minima of `scale_top` at most. */
static void encode_affine(struct affine *a, const float *x, int size, float top, float scale_top)
{
    float range[SUBS], depth[SUBS], widest = 0, deepest = 0;
    int n = NUM_QK / size;
    for (int j = 0; j < n; j++) {
        float low = 0, high = x[j * size]; /* the minimum cannot be positive */
        for (int i = j * size; i < (j + 1) * size; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        range[j] = high / top - low / top;
        depth[j] = -low;
        widest = range[j] > widest ? range[j] : widest;
        deepest = depth[j] > deepest ? depth[j] : deepest;
    }
    a->d = num_f32_to_f16(widest / scale_top);
    a->dmin = num_f32_to_f16(deepest / scale_top);
    float d = num_f16_to_f32(a->d), dmin = num_f16_to_f32(a->dmin);
    for (int j = 0; j < n; j++) {
        a->scale[j] = whole(quotient(range[j], d), scale_top);
        a->min[j] = whole(quotient(depth[j], dmin), scale_top);
        float id = quotient(1, d * (float)a->scale[j]), m = dmin * (float)a->min[j];
        for (int i = j * size; i < (j + 1) * size; i++) a->code[i] = whole((x[i] + m) * id, top);
    }
}

/* A super-block whose elements are scale * (code - half), with sixteen signed scales. */
struct symmetric {
    uint16_t d;
    int8_t scale[SUBS];
    uint8_t code[NUM_QK];
};

static void encode_symmetric(struct symmetric *s, const float *x, float half, float scale_half)
{
    float step[SUBS], widest = 0;
    for (int j = 0; j < SUBS; j++) {
        float low = 0, high = 0;
        for (int i = 16 * j; i < 16 * j + 16; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        step[j] = (high > -low ? high : low) / -half; /* the peak lies on code 0 */
        widest = fabsf(step[j]) > fabsf(widest) ? step[j] : widest;
    }
    s->d = num_f32_to_f16(widest / -scale_half);
    float d = num_f16_to_f32(s->d);
    for (int j = 0; j < SUBS; j++) {
        int scale = whole(quotient(step[j], d) + scale_half, 2 * scale_half - 1);
        s->scale[j] = (int8_t)(scale - (int)scale_half);
        float id = quotient(1, d * (float)s->scale[j]);
        for (int i = 16 * j; i < 16 * j + 16; i++)
            s->code[i] = whole(x[i] * id + half, 2 * half - 1);
    }
}

/* Four runs of 32 two-bit fields into 32 bytes, twice. */
static void put_two_bits(uint8_t qs[64], const uint8_t *code)
{
    for (int g = 0; g < 2; g++)
        for (int i = 0; i < 32; i++) {
            const uint8_t *c = code + 128 * g + i;
            qs[32 * g + i] =
                (uint8_t)((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
        }
}

void num_encode_q2_k(void *out, const float *in)
{
    num_q2_k b;
    struct affine a;
    encode_affine(&a, in, 16, 3, 15);
    b.d = a.d;
    b.dmin = a.dmin;
    for (int j = 0; j < 16; j++) b.scales[j] = (uint8_t)(a.scale[j] | a.min[j] << 4);
    put_two_bits(b.qs, a.code);
    memcpy(out, &b, sizeof b);
}

void num_encode_q3_k(void *out, const float *in)
{
    num_q3_k b = {.hmask = {0}};
    struct symmetric s;
    encode_symmetric(&s, in, 4, 32);
    b.d = s.d;
    for (int j = 0; j < 16; j++) {
        unsigned scale = (unsigned)(s.scale[j] + 32);
        b.scales[j % 8] |= (uint8_t)((scale & 15) << j / 8 * 4);
        b.scales[8 + j % 4] |= (uint8_t)((scale >> 4) << j / 4 * 2);
    }
    for (int e = 0; e < NUM_QK; e++) b.hmask[e % 32] |= (uint8_t)((s.code[e] >> 2) << e / 32);
    put_two_bits(b.qs, s.code);
    memcpy(out, &b, sizeof b);
}

/* The inverse of num_k4_scale_min for all eight. */
static void put_scales_mins(uint8_t b[12], const struct affine *a)
{
    for (int j = 0; j < 4; j++) {
        b[j] = (uint8_t)(a->scale[j] | (a->scale[j + 4] >> 4) << 6);
        b[j + 4] = (uint8_t)(a->min[j] | (a->min[j + 4] >> 4) << 6);
        b[j + 8] = (uint8_t)((a->scale[j + 4] & 15) | (a->min[j + 4] & 15) << 4);
    }
}

/* Sub-blocks of 32 in pairs: low nibbles and high nibbles of the same 32 bytes. */
static void put_nibble_pairs(uint8_t qs[128], const uint8_t *code)
{
    for (int g = 0; g < 4; g++)
        for (int i = 0; i < 32; i++)
            qs[32 * g + i] = (uint8_t)((code[64 * g + i] & 15) | code[64 * g + 32 + i] << 4);
}

void num_encode_q4_k(void *out, const float *in)
{
    num_q4_k b;
    struct affine a;
    encode_affine(&a, in, 32, 15, 63);
    b.d = a.d;
    b.dmin = a.dmin;
    put_scales_mins(b.scales, &a);
    put_nibble_pairs(b.qs, a.code);
    memcpy(out, &b, sizeof b);
}

void num_encode_q5_k(void *out, const float *in)
{
    num_q5_k b = {.qh = {0}};
    struct affine a;
    encode_affine(&a, in, 32, 31, 63);
    b.d = a.d;
    b.dmin = a.dmin;
    put_scales_mins(b.scales, &a);
    put_nibble_pairs(b.qs, a.code);
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++) b.qh[i] |= (uint8_t)((a.code[32 * j + i] >> 4) << j);
    memcpy(out, &b, sizeof b);
}

void num_encode_q6_k(void *out, const float *in)
{
    num_q6_k b;
    struct symmetric s;
    encode_symmetric(&s, in, 32, 128);
    b.d = s.d;
    memcpy(b.scales, s.scale, sizeof b.scales);
    for (int h = 0; h < 2; h++) {
        const uint8_t *c = s.code + 128 * h;
        for (int i = 0; i < 64; i++) b.ql[64 * h + i] = (uint8_t)((c[i] & 15) | c[64 + i] << 4);
        for (int i = 0; i < 32; i++)
            b.qh[32 * h + i] = (uint8_t)(c[i] >> 4 | c[32 + i] >> 4 << 2 | c[64 + i] >> 4 << 4 |
                                         c[96 + i] >> 4 << 6);
    }
    memcpy(out, &b, sizeof b);
}
