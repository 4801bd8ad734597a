/* Products with blocks of 32 columns under one float scale (and perhaps a minimum).
 * SPDX-License-Identifier: MIT
 *
 * Block layouts: num.h; unit order inside a panel: kern.h. */
#include "kern/x86/mm_vnni_int.h"

enum { BLOCKS = STEP / 32 };

/* Up to BLOCKS blocks of a pair of panels. Value of a column: d * (q - offset) + m. */
typedef struct step {
    uint8_t q[PAIR][STEP / 4][64]; /* [columns / 4][row][4] */
    float d[PAIR][BLOCKS][KERN_ROWS], m[PAIR][BLOCKS][KERN_ROWS];
} step;

/* Sixteen bytes of nibbles: low ones are columns 0..15, high ones 16..31. */
INLINE void put_nibbles(uint8_t (*q)[64], const uint8_t *p)
{
    for (int j = 0; j < 4; j++) {
        prefetch(p + 64 * j);
        __m512i v = load_bytes(p + 64 * j);
        _mm512_store_si512(q[j], and4(v, 15));
        _mm512_store_si512(q[j + 4], and4(_mm512_srli_epi32(v, 4), 15));
    }
}

/* The same with a fifth bit from a word of 32 bits per row, bit i of column i. */
INLINE void put_fives(uint8_t (*q)[64], const uint8_t *high, const uint8_t *p)
{
    const __m512i h = load_bytes(high);
    /* four bits i..i+3 of a word to bit 4 of its four bytes: spread by a product, no carries */
    const __m512i spread = _mm512_set1_epi32(0x00204081);
    for (int j = 0; j < 4; j++) {
        __m512i v = load_bytes(p + 64 * j);
        __m512i lo = _mm512_and_si512(_mm512_srli_epi32(h, (unsigned)(4 * j)), _mm512_set1_epi32(15));
        __m512i hi = _mm512_and_si512(_mm512_srli_epi32(h, (unsigned)(4 * j + 16)), _mm512_set1_epi32(15));
        lo = _mm512_slli_epi32(and4(_mm512_mullo_epi32(lo, spread), 1), 4);
        hi = _mm512_slli_epi32(and4(_mm512_mullo_epi32(hi, spread), 1), 4);
        prefetch(p + 64 * j);
        _mm512_store_si512(q[j], _mm512_or_si512(and4(v, 15), lo));
        _mm512_store_si512(q[j + 4], _mm512_or_si512(and4(_mm512_srli_epi32(v, 4), 15), hi));
    }
}

INLINE void expand_q8_0(step *s, int r, int b, const uint8_t *p)
{
    _mm512_store_ps(s->d[r][b], load_f16(p));
    for (int j = 0; j < 8; j++) {
        prefetch(p + 64 * j);
        /* signed to unsigned: + 128 */
        _mm512_store_si512(s->q[r][8 * b + j],
                           _mm512_xor_si512(load_bytes(p + 32 + 64 * j), _mm512_set1_epi8((char)0x80)));
    }
}

INLINE void expand_q4_0(step *s, int r, int b, const uint8_t *p)
{
    _mm512_store_ps(s->d[r][b], load_f16(p));
    put_nibbles(s->q[r] + 8 * b, p + 32);
}

INLINE void expand_q4_1(step *s, int r, int b, const uint8_t *p)
{
    _mm512_store_ps(s->d[r][b], load_f16(p));
    _mm512_store_ps(s->m[r][b], load_f16(p + 32));
    put_nibbles(s->q[r] + 8 * b, p + 64);
}

INLINE void expand_q5_0(step *s, int r, int b, const uint8_t *p)
{
    _mm512_store_ps(s->d[r][b], load_f16(p));
    put_fives(s->q[r] + 8 * b, p + 32, p + 96);
}

INLINE void expand_q5_1(step *s, int r, int b, const uint8_t *p)
{
    _mm512_store_ps(s->d[r][b], load_f16(p));
    _mm512_store_ps(s->m[r][b], load_f16(p + 32));
    put_fives(s->q[r] + 8 * b, p + 64, p + 128);
}

/* The codebook of IQ4_NL (ggml-common.h, kvalues_iq4nl), plus 128. */
INLINE void expand_iq4_nl(step *s, int r, int b, const uint8_t *p)
{
    const __m512i codes = _mm512_broadcast_i32x4(
        _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166,
                      (char)181, (char)197, (char)217, (char)241));
    _mm512_store_ps(s->d[r][b], load_f16(p));
    for (int j = 0; j < 4; j++) {
        prefetch(p + 64 * j);
        __m512i v = load_bytes(p + 32 + 64 * j);
        _mm512_store_si512(s->q[r][8 * b + j], _mm512_shuffle_epi8(codes, and4(v, 15)));
        _mm512_store_si512(s->q[r][8 * b + j + 4],
                           _mm512_shuffle_epi8(codes, and4(_mm512_srli_epi32(v, 4), 15)));
    }
}

/* Adds `blocks` blocks to the sums of C activation rows; block b of row c is x[b * stride + c]. */
INLINE void tile(sums *acc, const step *s, const kern_q8 *x, size_t stride, size_t blocks, const int C,
                 const int offset, const bool mins)
{
    __m512 y[PAIR][COLUMNS];
#pragma GCC unroll 6
    for (int c = 0; c < C; c++) {
        y[0][c] = _mm512_load_ps(acc[c]);
        y[1][c] = _mm512_load_ps(acc[c] + 16);
    }
    for (size_t b = 0; b < blocks; b++, x += stride) {
        __m512i dot[PAIR][COLUMNS];
#pragma GCC unroll 6
        for (int c = 0; c < C; c++)
            dot[0][c] = dot[1][c] = offset ? _mm512_mullo_epi32(_mm512_set1_epi32(x[c].sum), _mm512_set1_epi32(-offset))
                                           : _mm512_setzero_si512();
#pragma GCC unroll 8
        for (size_t j = 8 * b; j < 8 * b + 8; j++) {
            const __m512i w0 = load_bytes(s->q[0][j]), w1 = load_bytes(s->q[1][j]);
#pragma GCC unroll 6
            for (int c = 0; c < C; c++) {
                const __m512i v = broadcast4(x[c].q + 4 * (j - 8 * b));
                dot[0][c] = _mm512_dpbusd_epi32(dot[0][c], w0, v);
                dot[1][c] = _mm512_dpbusd_epi32(dot[1][c], w1, v);
            }
        }
#pragma GCC unroll 6
        for (int c = 0; c < C; c++) {
            const __m512 dx = _mm512_set1_ps(x[c].d);
            const __m512 sx = _mm512_set1_ps(x[c].d * (float)x[c].sum);
#pragma GCC unroll 2
            for (int r = 0; r < PAIR; r++) {
                const __m512 d = _mm512_mul_ps(_mm512_load_ps(s->d[r][b]), dx);
                y[r][c] = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(dot[r][c]), y[r][c]);
                if (mins) y[r][c] = _mm512_fmadd_ps(_mm512_load_ps(s->m[r][b]), sx, y[r][c]);
            }
        }
    }
#pragma GCC unroll 6
    for (int c = 0; c < C; c++) {
        _mm512_store_ps(acc[c], y[0][c]);
        _mm512_store_ps(acc[c] + 16, y[1][c]);
    }
}

INLINE void tiles(sums *acc, const step *s, const kern_q8 *x, size_t stride, size_t blocks, size_t n,
                  const int offset, const bool mins)
{
    for (; n >= COLUMNS; n -= COLUMNS, acc += COLUMNS, x += COLUMNS)
        tile(acc, s, x, stride, blocks, COLUMNS, offset, mins);
    switch (n) {
    case 1: tile(acc, s, x, stride, blocks, 1, offset, mins); break;
    case 2: tile(acc, s, x, stride, blocks, 2, offset, mins); break;
    case 3: tile(acc, s, x, stride, blocks, 3, offset, mins); break;
    case 4: tile(acc, s, x, stride, blocks, 4, offset, mins); break;
    case 5: tile(acc, s, x, stride, blocks, 5, offset, mins); break;
    default: break;
    }
}

typedef void expand_fn(step *s, int r, int b, const uint8_t *p);

INLINE void mul(const kern_mm_args *a, size_t block_bytes, expand_fn *expand, const int offset,
                const bool mins)
{
    _Alignas(64) step s;
    _Alignas(64) sums acc[CHUNK];
    const size_t blocks = a->K / 32, panel_bytes = blocks * block_bytes;
    for (size_t n = 0; n < a->N; n += LANES) {
        const uint8_t *w0 = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        /* A lone last panel is computed twice and stored once. */
        const uint8_t *w1 = n + KERN_ROWS < a->N ? w0 + panel_bytes : w0;
        for (size_t m = 0; m < a->M; m += CHUNK) {
            const size_t rows = size_min(CHUNK, a->M - m);
            memset(acc, 0, rows * sizeof *acc);
            for (size_t b = 0; b < blocks; b += BLOCKS) {
                const size_t n_blocks = size_min(BLOCKS, blocks - b);
                for (size_t i = 0; i < n_blocks; i++) {
                    expand(&s, 0, (int)i, w0 + (b + i) * block_bytes);
                    expand(&s, 1, (int)i, w1 + (b + i) * block_bytes);
                }
                tiles(acc, &s, (const kern_q8 *)a->x + b * a->rows + a->first + m, a->rows, n_blocks,
                      rows, offset, mins);
            }
            for (size_t i = 0; i < rows; i++) store_sums(a->y + (m + i) * a->ldy + n, acc[i], a->N - n);
        }
    }
}

static void mul_q8_0(const kern_mm_args *a) { mul(a, 16 * 34, expand_q8_0, 128, false); }
static void mul_q4_0(const kern_mm_args *a) { mul(a, 16 * 18, expand_q4_0, 8, false); }
static void mul_q4_1(const kern_mm_args *a) { mul(a, 16 * 20, expand_q4_1, 0, true); }
static void mul_q5_0(const kern_mm_args *a) { mul(a, 16 * 22, expand_q5_0, 16, false); }
static void mul_q5_1(const kern_mm_args *a) { mul(a, 16 * 24, expand_q5_1, 0, true); }
static void mul_iq4_nl(const kern_mm_args *a) { mul(a, 16 * 18, expand_iq4_nl, 128, false); }

void kern_init_mm_b_vnni(kern *k)
{
    k->mm[NUM_Q8_0].mul = mul_q8_0;
    k->mm[NUM_Q4_0].mul = mul_q4_0;
    k->mm[NUM_Q4_1].mul = mul_q4_1;
    k->mm[NUM_Q5_0].mul = mul_q5_0;
    k->mm[NUM_Q5_1].mul = mul_q5_1;
    k->mm[NUM_IQ4_NL].mul = mul_iq4_nl;
}
