/* Numbers in a file that would poison every answer: NaN and infinity in values and block scales.
 * SPDX-License-Identifier: MIT */
#include "model/model_int.h"

enum { CHUNK = 256 };

/* clang-format off */
/* Where the f16 scales of a block stand. */
static const struct {
    num_type type;
    uint8_t n, at[2];
} SCALES[] = {
    {NUM_Q4_0, 1, {0}}, {NUM_Q4_1, 2, {0, 2}}, {NUM_Q5_0, 1, {0}}, {NUM_Q5_1, 2, {0, 2}},
    {NUM_Q8_0, 1, {0}},
    {NUM_Q2_K, 2, {80, 82}}, {NUM_Q3_K, 1, {108}}, {NUM_Q4_K, 2, {0, 2}}, {NUM_Q5_K, 2, {0, 2}},
    {NUM_Q6_K, 1, {208}}, {NUM_IQ2_XXS, 1, {0}}, {NUM_IQ2_XS, 1, {0}}, {NUM_IQ2_S, 1, {0}},
    {NUM_IQ3_XXS, 1, {0}}, {NUM_IQ3_S, 1, {0}}, {NUM_IQ1_S, 1, {0}}, {NUM_IQ4_NL, 1, {0}},
    {NUM_IQ4_XS, 1, {0}},
};
/* clang-format on */

static bool halves_finite(const uint8_t *p, size_t n, size_t stride, unsigned exponent)
{
    unsigned any = 0;
    for (size_t i = 0; i < n; i++, p += stride) {
        uint16_t h;
        memcpy(&h, p, sizeof h);
        any |= (h & exponent) == exponent;
    }
    return !any;
}

/* The plain types in runs of a fixed length, which compilers turn into vector code. */
static bool run16_finite(const uint8_t *p, uint16_t exponent)
{
    uint16_t v[CHUNK], any = 0;
    memcpy(v, p, sizeof v);
    for (size_t i = 0; i < CHUNK; i++) any |= (uint16_t)((v[i] & exponent) == exponent);
    return !any;
}

static bool run32_finite(const uint8_t *p)
{
    uint32_t v[CHUNK], any = 0;
    memcpy(v, p, sizeof v);
    for (size_t i = 0; i < CHUNK; i++) any |= (v[i] & 0x7F800000u) == 0x7F800000u;
    return !any;
}

static bool plain_finite(num_type t, const uint8_t *p, size_t bytes)
{
    size_t size = t == NUM_F32 ? 4 : 2, whole = bytes / (CHUNK * size) * CHUNK * size;
    uint16_t exponent = t == NUM_BF16 ? 0x7F80 : 0x7C00;
    bool ok = true;
    for (size_t i = 0; i < whole; i += CHUNK * size)
        ok &= t == NUM_F32 ? run32_finite(p + i) : run16_finite(p + i, exponent);
    for (size_t i = whole; i < bytes; i += size) {
        if (t == NUM_F32) {
            uint32_t u;
            memcpy(&u, p + i, sizeof u);
            ok &= (u & 0x7F800000u) != 0x7F800000u;
        } else {
            ok &= halves_finite(p + i, 1, 0, exponent);
        }
    }
    return ok;
}

bool model_bytes_finite(num_type t, const uint8_t *p, size_t bytes)
{
    if (t == NUM_F32 || t == NUM_F16 || t == NUM_BF16) return plain_finite(t, p, bytes);
    if (t == NUM_F8_E4M3) {
        unsigned any = 0;
        for (size_t i = 0; i < bytes; i++) any |= (p[i] & 0x7F) == 0x7F;
        return !any;
    }
    size_t block = num_info_of(t)->block_bytes;
    for (size_t i = 0; i < COUNT_OF(SCALES); i++)
        for (size_t j = 0; SCALES[i].type == t && j < SCALES[i].n; j++)
            if (!halves_finite(p + SCALES[i].at[j], bytes / block, block, 0x7C00)) return false;
    if (t != NUM_IQ1_M) return true;
    for (size_t i = 0; i < bytes;
         i += block) /* its scale is spread over the top nibbles of four words */
        if ((p[i + 55] & 0x70) == 0x70 && (p[i + 53] & 0xC0) == 0xC0) return false;
    return true;
}
