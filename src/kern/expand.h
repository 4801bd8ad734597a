/* Weight formats as unsigned bytes under integer or float scales: each block format is described here
 * once, for every instruction set that multiplies bytes.
 * SPDX-License-Identifier: MIT
 *
 * A pair of panels (32 rows) is expanded 256 columns at a time into L1, whatever the format; an
 * instruction set adds only the tile that multiplies a step with activation rows. A single row, which
 * memory bounds, takes the same words straight from registers into its dot products. Both give the
 * same bits: integer sums are exact, and the float operations of an output are one fused
 * multiply-add per scale, in order of k.
 *
 * The vectors are the compiler's own (GCC vector extensions, also in clang): sixteen words, one per
 * row, become whatever registers the including file is compiled for. It defines, before including:
 *   expand_halves(float out[16], const void *p)  sixteen half-precision numbers
 *   expand_codes(words nibbles)                  bytes through the IQ4 code book, plus 128
 *   expand_dot(words sum, words q, x, form)      sum += four bytes of each row times four of x
 * Block layouts: num.h. Unit order inside a panel: kern.h. */
#ifndef KERN_EXPAND_H
#define KERN_EXPAND_H

#include "kern/kern_int.h"
#include "num/grids.h"

#define INLINE static inline __attribute__((always_inline))

typedef uint32_t words __attribute__((vector_size(64)));

enum {
    PAIR = 2,                  /* panels computed together */
    LANES = PAIR * KERN_ROWS,
    STEP = 256,                /* columns expanded at a time */
    STEP_BLOCKS = STEP / 32,
    CHUNK = 96,                /* activation rows whose sums stay in L1 */
    WORD_ROWS = 4 * KERN_ROWS  /* bytes of one unit of four columns */
};

typedef float sums[LANES];
typedef uint8_t columns[STEP / 4][WORD_ROWS]; /* [columns / 4][row][4] */

/* 256 columns of super-block formats. Value of a column: d * scale * q - dmin * min, or for formats
 * with an offset d * (scale * q - min) with min = scale * offset. */
typedef struct step_k {
    columns q[PAIR];
    int32_t scale[PAIR][16][KERN_ROWS];   /* of 16 or 32 columns: 16 or 8 used */
    int16_t min[PAIR][8][KERN_ROWS][2];   /* two neighbours together; 8 or 4 pairs used */
    float d[PAIR][KERN_ROWS], dmin[PAIR][KERN_ROWS];
} step_k;

/* 256 columns of formats with blocks of 32. Value: d * (q - offset) + m. */
typedef struct step_b {
    columns q[PAIR];
    float d[PAIR][STEP_BLOCKS][KERN_ROWS], m[PAIR][STEP_BLOCKS][KERN_ROWS];
} step_b;

/* How a step's integers become a number: with minimums; with an offset already in `min`; or with offset
 * 128, where an instruction set may take the bytes as signed instead. */
enum form { MIN, OFF, SIGNED };

INLINE void expand_halves(float out[KERN_ROWS], const void *p);
INLINE words expand_codes(words nibbles);
INLINE words expand_dot(words sum, words q, const int8_t *x, const enum form form);

/* Where four columns of sixteen rows go: into the step, or into the dot products of one activation row. */
typedef struct sink {
    uint8_t (*q)[WORD_ROWS]; /* the step's, or NULL */
    const int8_t *x;
    words dot[16];           /* [columns / span] */
    int span;                /* columns of a scale, / 4 */
    enum form form;
} sink;

INLINE void emit(sink *to, int k4, words v)
{
    if (to->q) memcpy(to->q[k4], &v, sizeof v);
    else to->dot[k4 / to->span] = expand_dot(to->dot[k4 / to->span], v, to->x + 4 * k4, to->form);
}

/* ---- words ----------------------------------------------------------------------------------- */

INLINE words get(const void *p)
{
    words v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Blocks whose parts a single row needs out of file order are first brought into L1 in file order:
 * measured from memory, the hardware prefetcher follows one ascending stream at 25 GB/s a core and a few
 * interleaved ones at 8; software prefetching on top of it only lost. */
typedef uint8_t staged[KERN_ROWS * sizeof(num_q6_k) + sizeof(words)];

static __attribute__((noinline)) const uint8_t *stage(uint8_t *copy, const uint8_t *p, size_t bytes)
{
    size_t i = 0;
    for (; i + sizeof(words) <= bytes; i += sizeof(words)) memcpy(copy + i, p + i, sizeof(words));
    if (i < bytes) memcpy(copy + i, p + i, bytes - i);
    return copy;
}

INLINE void put(void *p, words v) { memcpy(p, &v, sizeof v); }

INLINE words get_halves(const void *p)
{
    typedef uint16_t halves __attribute__((vector_size(32)));
    halves h;
    memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, words);
}

/* The same byte in all four bytes of a mask. */
#define BYTES(b) (0x01010101u * (b))

INLINE words byte_of(words v, int i) { return v >> (8 * i) & 255u; }

INLINE words byte_signed(words v, int i)
{
    typedef int32_t ints __attribute__((vector_size(64)));
    return (words)((ints)(v << (24 - 8 * i)) >> 24);
}

/* Four bits to the low bit of four bytes: the partial products of the factor do not meet. */
INLINE words spread_bits(words four) { return four * 0x00204081u & BYTES(1u); }

/* Words 4e .. of 16 table entries. */
INLINE words look_up(const uint32_t *table, words index)
{
    words v;
    for (int r = 0; r < KERN_ROWS; r++) v[r] = table[index[r]];
    return v;
}

/* offset + g, or offset - g in bytes whose bit of `signs` (four bits) is set. No byte borrows. */
INLINE words signed_bytes(words g, words signs, uint32_t offset)
{
    const words minus = spread_bits(signs) * 255u;
    return ((BYTES(offset) + g) & ~minus) | ((BYTES(offset) - g) & minus);
}

/* ---- scales ------------------------------------------------------------------------------------- */

/* Scales of neighbours 2i, 2i+1 and their minimums. */
INLINE void put_scales(step_k *s, int r, int i, words scale0, words scale1, words min0, words min1)
{
    put(s->scale[r][2 * i], scale0);
    put(s->scale[r][2 * i + 1], scale1);
    put(s->min[r][i], (min0 & 0xffffu) | min1 << 16);
}

INLINE void put_offset_scales(step_k *s, int r, int i, words scale0, words scale1, uint32_t offset)
{
    put_scales(s, r, i, scale0, scale1, scale0 * offset, scale1 * offset);
}

/* The scale that a power of two times the file's one makes of integers. */
INLINE void put_d(float *d, const void *p, float factor)
{
    expand_halves(d, p);
    for (int i = 0; i < KERN_ROWS; i++) d[i] *= factor;
}

/* ---- super-blocks with minimums -------------------------------------------------------------------- */

/* The header of Q4_K and Q5_K: d, dmin, eight 6-bit scales and minimums in three words. */
INLINE const uint8_t *expand_k4_scales(step_k *s, int r, const uint8_t *p)
{
    expand_halves(s->d[r], p);
    expand_halves(s->dmin[r], p + 32);
    const words b0 = get(p + 64), b1 = get(p + 128), b2 = get(p + 192);
    const words scale[2] = {b0 & BYTES(0x3fu), (b2 & BYTES(0x0fu)) | (b0 >> 2 & BYTES(0x30u))};
    const words min[2] = {b1 & BYTES(0x3fu), (b2 >> 4 & BYTES(0x0fu)) | (b1 >> 2 & BYTES(0x30u))};
    for (int i = 0; i < 4; i++) {
        const int h = i / 2, b = i % 2 * 2;
        put_scales(s, r, i, byte_of(scale[h], b), byte_of(scale[h], b + 1), byte_of(min[h], b), byte_of(min[h], b + 1));
    }
    return p + 256;
}

INLINE void unfold_q4_k(step_k *s, int r, const uint8_t *p, sink *to)
{
    p = expand_k4_scales(s, r, p);
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++, p += WORD_ROWS) {
            const words v = get(p);
            emit(to, 16 * g + j, v & BYTES(15u));
            emit(to, 16 * g + 8 + j, v >> 4 & BYTES(15u));
        }
}

INLINE void unfold_q5_k(step_k *s, int r, const uint8_t *p, sink *to)
{
    _Alignas(64) staged copy;
    if (!to->q) p = stage(copy, p, KERN_ROWS * sizeof(num_q5_k));
    const uint8_t *high = expand_k4_scales(s, r, p);
    p = high + 8 * WORD_ROWS;
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        const words h = get(high + WORD_ROWS * j); /* bit b of a byte: fifth bit of sub-block b */
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            const words v = get(p + WORD_ROWS * (8 * g + j));
            emit(to, 16 * g + j, (v & BYTES(15u)) | (h >> 2 * g & BYTES(1u)) << 4);
            emit(to, 16 * g + 8 + j, (v >> 4 & BYTES(15u)) | (h >> (2 * g + 1) & BYTES(1u)) << 4);
        }
    }
}

INLINE void unfold_q2_k(step_k *s, int r, const uint8_t *p, sink *to)
{
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const words v = get(p + WORD_ROWS * (i / 2));
        const words a = byte_of(v, i % 2 * 2), b = byte_of(v, i % 2 * 2 + 1);
        put_scales(s, r, i, a & 15u, b & 15u, a >> 4, b >> 4);
    }
    p += 4 * WORD_ROWS;
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++, p += WORD_ROWS) {
        const words v = get(p);
#pragma GCC unroll 4
        for (int run = 0; run < 4; run++)
            emit(to, i / 8 * 32 + 8 * run + i % 8, v >> 2 * run & BYTES(3u));
    }
    expand_halves(s->d[r], p);
    expand_halves(s->dmin[r], p + 32);
}

/* ---- super-blocks with an offset ------------------------------------------------------------------- */

INLINE void unfold_q3_k(step_k *s, int r, const uint8_t *p, sink *to) /* offset 4 */
{
    const uint8_t *low = p + 8 * WORD_ROWS, *scales = low + 16 * WORD_ROWS;
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        const words h = get(p + WORD_ROWS * j); /* bit b: third bit of run b */
#pragma GCC unroll 8
        for (int run = 0; run < 8; run++) {
            const words v = get(low + WORD_ROWS * (run / 4 * 8 + j));
            emit(to, 8 * run + j, (v >> run % 4 * 2 & BYTES(3u)) | (h >> run & BYTES(1u)) << 2);
        }
    }
    const words b0 = get(scales), b1 = get(scales + WORD_ROWS), top = get(scales + 2 * WORD_ROWS);
    const words scale[4] = {
        (b0 & BYTES(15u)) | (top << 4 & BYTES(48u)),
        (b1 & BYTES(15u)) | (top << 2 & BYTES(48u)),
        (b0 >> 4 & BYTES(15u)) | (top & BYTES(48u)),
        (b1 >> 4 & BYTES(15u)) | (top >> 2 & BYTES(48u)),
    };
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        put_offset_scales(s, r, i, byte_of(scale[i / 2], i % 2 * 2) - 32u,
                          byte_of(scale[i / 2], i % 2 * 2 + 1) - 32u, 4);
    expand_halves(s->d[r], scales + 3 * WORD_ROWS);
}

INLINE void unfold_q6_k(step_k *s, int r, const uint8_t *p, sink *to) /* offset 32 */
{
    _Alignas(64) staged copy;
    if (!to->q) p = stage(copy, p, KERN_ROWS * sizeof(num_q6_k));
    const uint8_t *high = p + 32 * WORD_ROWS, *scales = high + 16 * WORD_ROWS;
#pragma GCC unroll 4
    for (int half = 0; half < 4; half++) /* 32 words of low bits in file order, two visits of each high word */
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            const int h = half / 2, b = half % 2, k4 = 32 * h + 8 * b + j;
            const words v = get(p + WORD_ROWS * (8 * half + j)), c = get(high + WORD_ROWS * (8 * h + j)) >> 2 * b;
            emit(to, k4, (v & BYTES(15u)) | (c & BYTES(3u)) << 4);
            emit(to, k4 + 16, (v >> 4 & BYTES(15u)) | (c & BYTES(48u)));
        }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const words v = get(scales + WORD_ROWS * (i / 2));
        put_offset_scales(s, r, i, byte_signed(v, i % 2 * 2), byte_signed(v, i % 2 * 2 + 1), 32);
    }
    expand_halves(s->d[r], scales + 4 * WORD_ROWS);
}

INLINE void unfold_iq4_xs(step_k *s, int r, const uint8_t *p, sink *to) /* offset 128 */
{
    expand_halves(s->d[r], p);
    const words high = get_halves(p + 32), low = get(p + 64);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const words a = (low >> 8 * i & 15u) | (high >> 4 * i & 3u) << 4;
        const words b = (low >> (8 * i + 4) & 15u) | (high >> (4 * i + 2) & 3u) << 4;
        put_offset_scales(s, r, i, a - 32u, b - 32u, 128);
    }
    p += 128;
#pragma GCC unroll 32
    for (int i = 0; i < 32; i++, p += WORD_ROWS) {
        const words v = get(p);
        emit(to, i / 4 * 8 + i % 4, expand_codes(v & BYTES(15u)));
        emit(to, i / 4 * 8 + i % 4 + 4, expand_codes(v >> 4 & BYTES(15u)));
    }
}

/* Eight columns of a grid entry under eight sign bits. */
INLINE void put_grid8(sink *to, int k4, const uint64_t *grid, words index, words signs, uint32_t offset)
{
    /* little-endian: the entry's first four bytes are the even word */
    const uint32_t *table = (const uint32_t *)(const void *)grid;
    emit(to, k4, signed_bytes(look_up(table, 2 * index), signs & 15u, offset));
    emit(to, k4 + 1, signed_bytes(look_up(table + 1, 2 * index), signs >> 4 & 15u, offset));
}

/* The eighth sign of a 7-bit code makes their number even. */
INLINE words even_signs(words code)
{
    words odd = code ^ code >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return code | (odd & 1u) << 7;
}

INLINE void unfold_iq2_xxs(step_k *s, int r, const uint8_t *p, sink *to) /* offset 43, 32 columns a scale */
{
    put_d(s->d[r], p, 0.125f);
    p += 32;
    for (int i = 0; i < 8; i += 2) {
        words scale[2];
        for (int h = 0; h < 2; h++, p += 2 * WORD_ROWS) {
            const words index = get(p), signs = get(p + WORD_ROWS);
            scale[h] = 2 * (signs >> 28) + 1;
            for (int l = 0; l < 4; l++)
                put_grid8(to, 8 * (i + h) + 2 * l, num_grid_iq2_xxs, byte_of(index, l),
                          even_signs(signs >> 7 * l & 127u), 43);
        }
        put_offset_scales(s, r, i / 2, scale[0], scale[1], 43);
    }
}

/* Scales of 16 columns in nibbles, as IQ2_XS and IQ2_S have them: d / 8 * (2 n + 1). */
INLINE void put_iq2_scales(step_k *s, int r, const uint8_t *p)
{
    for (int i = 0; i < 8; i++) {
        const words b = byte_of(get(p + WORD_ROWS * (i / 4)), i % 4);
        put_offset_scales(s, r, i, 2 * (b & 15u) + 1, 2 * (b >> 4) + 1, 43);
    }
}

INLINE void unfold_iq2_xs(step_k *s, int r, const uint8_t *p, sink *to) /* offset 43 */
{
    put_d(s->d[r], p, 0.125f);
    p += 32;
    for (int i = 0; i < 16; i++, p += WORD_ROWS) {
        const words v = get(p);
        for (int h = 0; h < 2; h++) {
            const words code = v >> 16 * h & 0xffffu;
            put_grid8(to, 4 * i + 2 * h, num_grid_iq2_xs, code & 511u, even_signs(code >> 9), 43);
        }
    }
    put_iq2_scales(s, r, p);
}

INLINE void unfold_iq2_s(step_k *s, int r, const uint8_t *p, sink *to) /* offset 43 */
{
    put_d(s->d[r], p, 0.125f);
    p += 32;
    const uint8_t *signs = p + 8 * WORD_ROWS, *high = signs + 8 * WORD_ROWS;
    for (int i = 0; i < 8; i++) { /* 32 columns */
        const words v = get(p + WORD_ROWS * i), sign = get(signs + WORD_ROWS * i);
        const words h = byte_of(get(high + WORD_ROWS * (i / 4)), i % 4);
        for (int l = 0; l < 4; l++)
            put_grid8(to, 8 * i + 2 * l, num_grid_iq2_s, byte_of(v, l) | (h >> 2 * l & 3u) << 8, byte_of(sign, l), 43);
    }
    put_iq2_scales(s, r, high + 2 * WORD_ROWS);
}

INLINE void unfold_iq3_xxs(step_k *s, int r, const uint8_t *p, sink *to) /* offset 62, 32 columns a scale */
{
    put_d(s->d[r], p, 0.25f);
    p += 32;
    for (int i = 0; i < 8; i += 2) {
        words scale[2];
        for (int h = 0; h < 2; h++) {
            const words signs = get(p + WORD_ROWS * (16 + i + h));
            scale[h] = 2 * (signs >> 28) + 1;
            for (int l = 0; l < 8; l++) {
                const words index = byte_of(get(p + WORD_ROWS * (2 * (i + h) + l / 4)), l % 4);
                const words sign = even_signs(signs >> l / 2 * 7 & 127u) >> l % 2 * 4 & 15u;
                emit(to, 8 * (i + h) + l, signed_bytes(look_up(num_grid_iq3_xxs, index), sign, 62));
            }
        }
        put_offset_scales(s, r, i / 2, scale[0], scale[1], 62);
    }
}

INLINE void unfold_iq3_s(step_k *s, int r, const uint8_t *p, sink *to) /* offset 15, 32 columns a scale */
{
    expand_halves(s->d[r], p);
    p += 32;
    const uint8_t *high = p + 16 * WORD_ROWS, *signs = high + 2 * WORD_ROWS, *scales = signs + 8 * WORD_ROWS;
    for (int i = 0; i < 8; i++) {
        const words h = byte_of(get(high + WORD_ROWS * (i / 4)), i % 4), sign = get(signs + WORD_ROWS * i);
        for (int l = 0; l < 8; l++) {
            const words index = byte_of(get(p + WORD_ROWS * (2 * i + l / 4)), l % 4) | (h >> l & 1u) << 8;
            emit(to, 8 * i + l, signed_bytes(look_up(num_grid_iq3_s, index), sign >> 4 * l & 15u, 15));
        }
    }
    for (int i = 0; i < 4; i++) {
        const words b = byte_of(get(scales), i);
        put_offset_scales(s, r, i, 2 * (b & 15u) + 1, 2 * (b >> 4) + 1, 15);
    }
}

/* Eight columns of IQ1: 8 * grid and one more or less, plus 16. */
INLINE void put_iq1(sink *to, int k4, words index, words minus)
{
    const uint32_t *table = (const uint32_t *)(const void *)num_grid_iq1;
    const words delta = BYTES(9u) - minus * BYTES(2u);
    for (int h = 0; h < 2; h++) {
        /* grid bytes -1, 0, 1 become 0, 1, 2: adding 1 to each byte without carries */
        const words g = look_up(table + h, 2 * index);
        const words up = ((g & BYTES(1u)) ^ BYTES(1u)) + ((~g >> 6 & BYTES(2u)) & (g << 1));
        emit(to, k4 + h, 8 * up + delta);
    }
}

INLINE void unfold_iq1_s(step_k *s, int r, const uint8_t *p, sink *to) /* offset 16, 32 columns a scale */
{
    put_d(s->d[r], p, 0.125f);
    p += 32;
    const uint8_t *high = p + 8 * WORD_ROWS;
    for (int i = 0; i < 8; i += 2) {
        words scale[2];
        for (int j = 0; j < 2; j++) {
            const words h = get(high + WORD_ROWS * (i / 2)) >> 16 * j & 0xffffu;
            const words v = get(p + WORD_ROWS * (i + j));
            scale[j] = 2 * (h >> 12 & 7u) + 1;
            for (int l = 0; l < 4; l++)
                put_iq1(to, 8 * (i + j) + 2 * l, byte_of(v, l) | (h >> 3 * l & 7u) << 8, h >> 15);
        }
        put_offset_scales(s, r, i / 2, scale[0], scale[1], 16);
    }
}

INLINE void unfold_iq1_m(step_k *s, int r, const uint8_t *p, sink *to) /* offset 16 */
{
    const uint8_t *high = p + 8 * WORD_ROWS, *scales = high + 4 * WORD_ROWS;
    const words s0 = get(scales), s1 = get(scales + WORD_ROWS);
    /* the half-precision scale lies in the top nibbles of four 16-bit words */
    const words d = (s0 >> 12 & 15u) | (s0 >> 28) << 4 | (s1 >> 12 & 15u) << 8 | (s1 >> 28) << 12;
    uint16_t half[KERN_ROWS];
    for (int i = 0; i < KERN_ROWS; i++) half[i] = (uint16_t)d[i];
    put_d(s->d[r], half, 0.125f);
    for (int i = 0; i < 8; i++) { /* 32 columns: two scales */
        const words v = get(p + WORD_ROWS * i), sc = (i < 4 ? s0 : s1) >> i / 2 % 2 * 16;
        const words h = get(high + WORD_ROWS * (i / 2)) >> i % 2 * 16;
        for (int l = 0; l < 4; l++) {
            const words bits = h >> 4 * l & 15u;
            put_iq1(to, 8 * i + 2 * l, byte_of(v, l) | (bits & 7u) << 8, bits >> 3);
        }
        put_offset_scales(s, r, i, 2 * (sc >> i % 2 * 6 & 7u) + 1, 2 * (sc >> (i % 2 * 6 + 3) & 7u) + 1, 16);
    }
}

/* ---- blocks of 32 ---------------------------------------------------------------------------------- */

/* Sixteen bytes of nibbles: low ones are columns 0..15, high ones 16..31; `high` has a fifth bit per
 * column, `use_high` says whether. */
INLINE void put_nibbles(sink *to, int k4, const uint8_t *p, words high, const bool use_high)
{
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const words v = get(p + WORD_ROWS * j);
        words lo = v & BYTES(15u), hi = v >> 4 & BYTES(15u);
        if (use_high) {
            lo |= spread_bits(high >> 4 * j & 15u) << 4;
            hi |= spread_bits(high >> (4 * j + 16) & 15u) << 4;
        }
        emit(to, k4 + j, lo);
        emit(to, k4 + j + 4, hi);
    }
}

INLINE void unfold_q8_0(step_b *s, int r, int b, const uint8_t *p, sink *to) /* offset 128 */
{
    expand_halves(s->d[r][b], p);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) emit(to, 8 * b + j, get(p + 32 + WORD_ROWS * j) ^ BYTES(0x80u));
}

INLINE void unfold_q4_0(step_b *s, int r, int b, const uint8_t *p, sink *to) /* offset 8 */
{
    expand_halves(s->d[r][b], p);
    put_nibbles(to, 8 * b, p + 32, (words){0}, false);
}

INLINE void unfold_q4_1(step_b *s, int r, int b, const uint8_t *p, sink *to)
{
    expand_halves(s->d[r][b], p);
    expand_halves(s->m[r][b], p + 32);
    put_nibbles(to, 8 * b, p + 64, (words){0}, false);
}

INLINE void unfold_q5_0(step_b *s, int r, int b, const uint8_t *p, sink *to) /* offset 16 */
{
    expand_halves(s->d[r][b], p);
    put_nibbles(to, 8 * b, p + 32 + WORD_ROWS, get(p + 32), true);
}

INLINE void unfold_q5_1(step_b *s, int r, int b, const uint8_t *p, sink *to)
{
    expand_halves(s->d[r][b], p);
    expand_halves(s->m[r][b], p + 32);
    put_nibbles(to, 8 * b, p + 64 + WORD_ROWS, get(p + 64), true);
}

INLINE void unfold_iq4_nl(step_b *s, int r, int b, const uint8_t *p, sink *to) /* offset 128 */
{
    expand_halves(s->d[r][b], p);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const words v = get(p + 32 + WORD_ROWS * j);
        emit(to, 8 * b + j, expand_codes(v & BYTES(15u)));
        emit(to, 8 * b + j + 4, expand_codes(v >> 4 & BYTES(15u)));
    }
}

#endif
