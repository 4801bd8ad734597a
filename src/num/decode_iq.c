/* Decoding of the IQ formats: code-book entries times sub-block scales. As in decode.c every
 * expression is rounded as the reference decoder rounds it.
 * SPDX-License-Identifier: MIT */
#include "num/grids.h"
#include "num/num_int.h"

/* Eight elements: the entry's bytes times db, negated where a bit of signs is set. */
static void put8(float *out, float db, uint64_t entry, unsigned signs)
{
    for (int i = 0; i < 8; i++) {
        float x = db * (float)(entry >> 8 * i & 255);
        out[i] = signs >> i & 1 ? -x : x;
    }
}

static uint64_t pair(uint32_t first, uint32_t second) { return first | (uint64_t)second << 32; }

void num_decode_iq2_xxs(float *out, const void *in)
{
    num_iq2_xxs b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int j = 0; j < 8; j++) {
        uint32_t codes = b.qs[4 * j] | (uint32_t)b.qs[4 * j + 1] << 16;
        uint32_t signs = b.qs[4 * j + 2] | (uint32_t)b.qs[4 * j + 3] << 16;
        float db = d * (0.5f + (float)(signs >> 28)) * 0.25f;
        for (int k = 0; k < 4; k++)
            put8(out + 32 * j + 8 * k, db, num_grid_iq2_xxs[codes >> 8 * k & 255],
                 num_grid_signs(signs >> 7 * k & 127));
    }
}

void num_decode_iq2_xs(float *out, const void *in)
{
    num_iq2_xs b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int k = 0; k < 32; k++) {
        float db = d * (0.5f + (float)(b.scales[k / 4] >> k / 2 % 2 * 4 & 15)) * 0.25f;
        put8(out + 8 * k, db, num_grid_iq2_xs[b.qs[k] & 511], num_grid_signs(b.qs[k] >> 9));
    }
}

void num_decode_iq2_s(float *out, const void *in)
{
    num_iq2_s b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int k = 0; k < 32; k++) {
        float db = d * (0.5f + (float)(b.scales[k / 4] >> k / 2 % 2 * 4 & 15)) * 0.25f;
        unsigned code = b.qs[k] | (unsigned)(b.qh[k / 4] >> k % 4 * 2 & 3) << 8;
        put8(out + 8 * k, db, num_grid_iq2_s[code], b.qs[32 + k]);
    }
}

void num_decode_iq3_xxs(float *out, const void *in)
{
    num_iq3_xxs b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int j = 0; j < 8; j++) {
        uint32_t signs;
        memcpy(&signs, b.qs + 64 + 4 * j, sizeof signs);
        float db = d * (0.5f + (float)(signs >> 28)) * 0.5f;
        const uint8_t *code = b.qs + 8 * j;
        for (int k = 0; k < 4; k++)
            put8(out + 32 * j + 8 * k, db,
                 pair(num_grid_iq3_xxs[code[2 * k]], num_grid_iq3_xxs[code[2 * k + 1]]),
                 num_grid_signs(signs >> 7 * k & 127));
    }
}

void num_decode_iq3_s(float *out, const void *in)
{
    num_iq3_s b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int k = 0; k < 32; k++) {
        float db = d * (float)(1 + 2 * (b.scales[k / 8] >> k / 4 % 2 * 4 & 15));
        unsigned high = b.qh[k / 4] >> k % 4 * 2;
        put8(out + 8 * k, db,
             pair(num_grid_iq3_s[b.qs[2 * k] | (high & 1) << 8],
                  num_grid_iq3_s[b.qs[2 * k + 1] | (high >> 1 & 1) << 8]),
             b.signs[k]);
    }
}

/* IQ1 grid values are shifted by an eighth, one way or the other. */
static void put8_iq1(float *out, float dl, uint64_t entry, bool minus)
{
    float delta = minus ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++) out[i] = dl * ((float)(int8_t)(entry >> 8 * i & 255) + delta);
}

void num_decode_iq1_s(float *out, const void *in)
{
    num_iq1_s b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int k = 0; k < 32; k++) {
        unsigned qh = b.qh[k / 4];
        unsigned code = b.qs[k] | (qh >> 3 * (k % 4) & 7) << 8;
        put8_iq1(out + 8 * k, d * (float)(2 * (qh >> 12 & 7) + 1), num_grid_iq1[code], qh >> 15);
    }
}

void num_decode_iq1_m(float *out, const void *in)
{
    num_iq1_m b;
    uint16_t sc[4];
    memcpy(&b, in, sizeof b);
    memcpy(sc, b.scales, sizeof sc);
    float d = num_f16_to_f32(num_iq1_m_scale(b.scales));
    for (int k = 0; k < 32; k++) {
        unsigned qh = b.qh[k / 2] >> k % 2 * 4, scale = sc[k / 8] >> 3 * (k / 2 % 4) & 7;
        unsigned code = b.qs[k] | (qh & 7) << 8;
        put8_iq1(out + 8 * k, d * (float)(2 * scale + 1), num_grid_iq1[code], qh & 8);
    }
}

void num_decode_iq4_nl(float *out, const void *in)
{
    num_iq4_nl b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)num_grid_iq4[b.qs[i] & 15];
        out[i + 16] = d * (float)num_grid_iq4[b.qs[i] >> 4];
    }
}

void num_decode_iq4_xs(float *out, const void *in)
{
    num_iq4_xs b;
    memcpy(&b, in, sizeof b);
    float d = num_f16_to_f32(b.d);
    for (int j = 0; j < 8; j++) {
        int scale = (b.scales_l[j / 2] >> j % 2 * 4 & 15) | (b.scales_h >> 2 * j & 3) << 4;
        float dl = d * (float)(scale - 32);
        for (int i = 0; i < 16; i++) {
            out[32 * j + i] = dl * (float)num_grid_iq4[b.qs[16 * j + i] & 15];
            out[32 * j + i + 16] = dl * (float)num_grid_iq4[b.qs[16 * j + i] >> 4];
        }
    }
}
