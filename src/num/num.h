/* num: number formats. What the bytes of a tensor mean, in scalar code that is the specification for
 * every kernel.
 * SPDX-License-Identifier: MIT
 *
 * Block layouts follow the GGUF tensor types (ggml-common.h and gguf-py quants.py of ggml-org/ggml;
 * facts only). All functions are pure. Encoded bytes may stand at any address. */
#ifndef NUM_H
#define NUM_H

#include "base/base.h"

/* Values are the type numbers of GGUF files, so that a file's number needs no translation;
 * formats GGUF does not know stand above NUM_OWN. */
typedef enum num_type {
    NUM_F32 = 0, NUM_F16 = 1, NUM_Q4_0 = 2, NUM_Q4_1 = 3, NUM_Q5_0 = 6, NUM_Q5_1 = 7, NUM_Q8_0 = 8,
    NUM_Q2_K = 10, NUM_Q3_K = 11, NUM_Q4_K = 12, NUM_Q5_K = 13, NUM_Q6_K = 14,
    NUM_IQ2_XXS = 16, NUM_IQ2_XS = 17, NUM_IQ3_XXS = 18, NUM_IQ1_S = 19, NUM_IQ4_NL = 20,
    NUM_IQ3_S = 21, NUM_IQ2_S = 22, NUM_IQ4_XS = 23, NUM_I8 = 24, NUM_I16 = 25, NUM_I32 = 26,
    NUM_I64 = 27, NUM_F64 = 28, NUM_IQ1_M = 29, NUM_BF16 = 30,
    NUM_OWN = 1000,
    NUM_F8_E4M3 = NUM_OWN, /* E4M3FN bytes; scales stand in a separate tensor */
    NUM_NONE = -1
} num_type;

typedef struct num_info {
    const char *name;     /* "Q4_K" */
    uint32_t block;       /* elements per block along a row */
    uint32_t block_bytes;
} num_info;

/* NULL for a number that is no known type. */
const num_info *num_info_of(num_type t);
/* Accepts any letter case: "q4_k", "BF16". NUM_NONE when unknown. */
num_type num_type_by_name(str name);
/* Bytes of a row of n elements; false when n is no multiple of the block or the size overflows. */
bool num_row_bytes(size_t *bytes, num_type t, size_t n);

float num_f16_to_f32(uint16_t h);
uint16_t num_f32_to_f16(float f);  /* nearest even; overflow to infinity */
static inline float num_bf16_to_f32(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
uint16_t num_f32_to_bf16(float f); /* nearest even; NaN stays NaN */
float num_e4m3_to_f32(uint8_t b);  /* FN variant: bias 7, max 448, 0x7F and 0xFF are NaN */
uint8_t num_f32_to_e4m3(float f);  /* nearest even, saturating to +-448 */

/* Decodes n elements. false when the type has no decoder or n is no multiple of its block. */
bool num_decode(num_type t, float *out, const void *in, size_t n);
/* Encodes by plain rounding with the format's usual scale rule. false when the type has no encoder or
 * n is no multiple of its block. Values that are not finite give some block and spoil it alone. */
bool num_encode(num_type t, void *out, const float *in, size_t n);
bool num_can_encode(num_type t);

/* The block layouts, little-endian, packed by construction. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are read in place");
enum { NUM_QK = 256 /* elements of a super-block */ };
typedef struct num_q4_0 { uint16_t d; uint8_t qs[16]; } num_q4_0;
typedef struct num_q4_1 { uint16_t d, m; uint8_t qs[16]; } num_q4_1;
typedef struct num_q5_0 { uint16_t d; uint8_t qh[4], qs[16]; } num_q5_0;
typedef struct num_q5_1 { uint16_t d, m; uint8_t qh[4], qs[16]; } num_q5_1;
typedef struct num_q8_0 { uint16_t d; int8_t qs[32]; } num_q8_0;
typedef struct num_q2_k { uint8_t scales[16], qs[64]; uint16_t d, dmin; } num_q2_k;
typedef struct num_q3_k { uint8_t hmask[32], qs[64], scales[12]; uint16_t d; } num_q3_k;
typedef struct num_q4_k { uint16_t d, dmin; uint8_t scales[12], qs[128]; } num_q4_k;
typedef struct num_q5_k { uint16_t d, dmin; uint8_t scales[12], qh[32], qs[128]; } num_q5_k;
typedef struct num_q6_k { uint8_t ql[128], qh[64]; int8_t scales[16]; uint16_t d; } num_q6_k;
typedef struct num_iq2_xxs { uint16_t d, qs[32]; } num_iq2_xxs;
typedef struct num_iq2_xs { uint16_t d, qs[32]; uint8_t scales[8]; } num_iq2_xs;
typedef struct num_iq2_s { uint16_t d; uint8_t qs[64], qh[8], scales[8]; } num_iq2_s;
typedef struct num_iq3_xxs { uint16_t d; uint8_t qs[96]; } num_iq3_xxs;
typedef struct num_iq3_s { uint16_t d; uint8_t qs[64], qh[8], signs[32], scales[4]; } num_iq3_s;
typedef struct num_iq1_s { uint16_t d; uint8_t qs[32]; uint16_t qh[8]; } num_iq1_s;
typedef struct num_iq1_m { uint8_t qs[32], qh[16], scales[8]; } num_iq1_m;
typedef struct num_iq4_nl { uint16_t d; uint8_t qs[16]; } num_iq4_nl;
typedef struct num_iq4_xs { uint16_t d, scales_h; uint8_t scales_l[4], qs[128]; } num_iq4_xs;

_Static_assert(sizeof(num_q4_0) == 18 && sizeof(num_q4_1) == 20 && sizeof(num_q5_0) == 22 &&
               sizeof(num_q5_1) == 24 && sizeof(num_q8_0) == 34 && sizeof(num_q2_k) == 84 &&
               sizeof(num_q3_k) == 110 && sizeof(num_q4_k) == 144 && sizeof(num_q5_k) == 176 &&
               sizeof(num_q6_k) == 210 && sizeof(num_iq2_xxs) == 66 && sizeof(num_iq2_xs) == 74 &&
               sizeof(num_iq2_s) == 82 && sizeof(num_iq3_xxs) == 98 && sizeof(num_iq3_s) == 110 &&
               sizeof(num_iq1_s) == 50 && sizeof(num_iq1_m) == 56 && sizeof(num_iq4_nl) == 18 &&
               sizeof(num_iq4_xs) == 136, "block layouts are those of the file format");

/* Scale and minimum j (0..7) of the 12 packed bytes of Q4_K and Q5_K: six bits each. */
static inline void num_k4_scale_min(const uint8_t *b, int j, uint8_t *scale, uint8_t *min)
{
    if (j < 4) {
        *scale = b[j] & 63;
        *min = b[j + 4] & 63;
    } else {
        *scale = (uint8_t)((b[j + 4] & 15) | ((b[j - 4] >> 6) << 4));
        *min = (uint8_t)((b[j + 4] >> 4) | ((b[j] >> 6) << 4));
    }
}

/* Scale j (0..15) of the 12 packed bytes of Q3_K: -32..31. */
static inline int num_k3_scale(const uint8_t *b, int j)
{
    return ((b[j % 8] >> j / 8 * 4 & 15) | (b[8 + j % 4] >> j / 4 * 2 & 3) << 4) - 32;
}

/* The F16 bits of the block scale of IQ1_M, spread over the top nibbles of four 16-bit words. */
static inline uint16_t num_iq1_m_scale(const uint8_t *b)
{
    return (uint16_t)(b[1] >> 4 | (b[3] & 0xF0) | (b[5] & 0xF0) << 4 | (b[7] & 0xF0) << 8);
}

#endif
