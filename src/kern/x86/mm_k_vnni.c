/* Products with super-blocks of 256 columns: integer scales of 16 or 32 columns under float ones.
 * SPDX-License-Identifier: MIT
 *
 * Block layouts: num.h; unit order inside a panel: kern.h. */
#include "kern/x86/mm_vnni_int.h"

/* One super-block of a pair of panels. Value of a column: d * scale * q - dmin * min, or with an
 * offset d * (scale * q - min) where min = scale * offset. */
typedef struct step {
    uint8_t q[PAIR][STEP / 4][64];          /* [columns / 4][row][4] */
    int32_t scale[PAIR][16][KERN_ROWS];     /* of 16 or 32 columns: 16 or 8 used */
    int16_t min[PAIR][8][KERN_ROWS][2];     /* two neighbours together; 8 or 4 pairs used */
    float d[PAIR][KERN_ROWS], dmin[PAIR][KERN_ROWS];
} step;

enum form { MINS, OFFSET };

/* Scale bytes 0..3 of each row, sign- or zero-extended. */
INLINE __m512i byte_signed(__m512i v, int i)
{
    return _mm512_srai_epi32(_mm512_slli_epi32(v, (unsigned)(24 - 8 * i)), 24);
}

INLINE __m512i byte_unsigned(__m512i v, int i)
{
    return _mm512_and_si512(_mm512_srli_epi32(v, (unsigned)(8 * i)), _mm512_set1_epi32(255));
}

/* Four scales and four minimums (bytes of a word per row) to the step's form, sub-blocks 4h..4h+3. */
INLINE void put_scale_min(step *s, int r, int h, __m512i scale, __m512i min)
{
    const __m512i low = _mm512_set1_epi32(0x00ff00ff);
    for (int i = 0; i < 4; i++) _mm512_store_si512(s->scale[r][4 * h + i], byte_unsigned(scale, i));
    /* bytes 0 1 2 3 -> halves (0, 1) and (2, 3) */
    __m512i even = _mm512_and_si512(min, low);                        /* 0 . 2 . */
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(min, 8), low);   /* 1 . 3 . */
    __m512i first = _mm512_or_si512(_mm512_and_si512(even, _mm512_set1_epi32(0xffff)),
                                    _mm512_slli_epi32(odd, 16));
    __m512i second = _mm512_or_si512(_mm512_srli_epi32(even, 16),
                                     _mm512_and_si512(odd, _mm512_set1_epi32((int)0xffff0000)));
    _mm512_store_si512(s->min[r][2 * h], first);
    _mm512_store_si512(s->min[r][2 * h + 1], second);
}

/* The header that Q4_K and Q5_K share: d, dmin, eight 6-bit scales and minimums in 12 bytes. */
INLINE const uint8_t *expand_k4_scales(step *s, int r, const uint8_t *p)
{
    _mm512_store_ps(s->d[r], load_f16(p));
    _mm512_store_ps(s->dmin[r], load_f16(p + 32));
    __m512i b0 = load_bytes(p + 64), b1 = load_bytes(p + 128), b2 = load_bytes(p + 192);
    put_scale_min(s, r, 0, and4(b0, 0x3f), and4(b1, 0x3f));
    put_scale_min(s, r, 1, _mm512_or_si512(and4(b2, 0x0f), and4(_mm512_srli_epi32(b0, 2), 0x30)),
                  _mm512_or_si512(and4(_mm512_srli_epi32(b2, 4), 0x0f),
                                  and4(_mm512_srli_epi32(b1, 2), 0x30)));
    return p + 256;
}

INLINE void expand_q4_k(step *s, int r, const uint8_t *p)
{
    p = expand_k4_scales(s, r, p);
    for (int g = 0; g < 4; g++)
        for (int j = 0; j < 8; j++, p += 64) {
            prefetch(p);
            __m512i v = load_bytes(p);
            _mm512_store_si512(s->q[r][16 * g + j], and4(v, 15));
            _mm512_store_si512(s->q[r][16 * g + 8 + j], and4(_mm512_srli_epi32(v, 4), 15));
        }
}

INLINE void expand_q5_k(step *s, int r, const uint8_t *p)
{
    const uint8_t *high = expand_k4_scales(s, r, p);
    p = high + 512;
    for (int j = 0; j < 8; j++) {
        /* bit b of a byte of h: fifth bit of sub-block b */
        __m512i h = load_bytes(high + 64 * j);
        prefetch(high + 64 * j);
        for (int g = 0; g < 4; g++) {
            prefetch(p + 64 * (8 * g + j));
            __m512i v = load_bytes(p + 64 * (8 * g + j));
            __m512i h0 = g < 2 ? _mm512_slli_epi32(h, (unsigned)(4 - 2 * g)) : _mm512_srli_epi32(h, (unsigned)(2 * g - 4));
            __m512i h1 = g < 2 ? _mm512_slli_epi32(h, (unsigned)(3 - 2 * g)) : _mm512_srli_epi32(h, (unsigned)(2 * g - 3));
            _mm512_store_si512(s->q[r][16 * g + j], _mm512_or_si512(and4(v, 15), and4(h0, 16)));
            _mm512_store_si512(s->q[r][16 * g + 8 + j],
                               _mm512_or_si512(and4(_mm512_srli_epi32(v, 4), 15), and4(h1, 16)));
        }
    }
}

/* Signed scales of 16 columns, four bytes of a word per row at a time, and min = scale * offset. */
INLINE void put_offset_scales(step *s, int r, int i, __m512i scale0, __m512i scale1, int offset)
{
    _mm512_store_si512(s->scale[r][2 * i], scale0);
    _mm512_store_si512(s->scale[r][2 * i + 1], scale1);
    __m512i pair = _mm512_or_si512(_mm512_and_si512(scale0, _mm512_set1_epi32(0xffff)),
                                   _mm512_slli_epi32(scale1, 16));
    _mm512_store_si512(s->min[r][i], _mm512_mullo_epi16(pair, _mm512_set1_epi16((short)offset)));
}

INLINE void expand_q6_k(step *s, int r, const uint8_t *p)
{
    const uint8_t *high = p + 2048, *scales = p + 3072;
    _mm512_store_ps(s->d[r], load_f16(p + 3328));
    for (int h = 0; h < 2; h++)
        for (int j = 0; j < 8; j++) {
            const uint8_t *low = p + 64 * (16 * h + j);
            prefetch(low);
            prefetch(low + 512);
            prefetch(high + 64 * (8 * h + j));
            __m512i a = load_bytes(low), b = load_bytes(low + 512), c = load_bytes(high + 64 * (8 * h + j));
            uint8_t(*q)[64] = s->q[r] + 32 * h + j;
            _mm512_store_si512(q[0], _mm512_or_si512(and4(a, 15), and4(_mm512_slli_epi32(c, 4), 48)));
            _mm512_store_si512(q[8], _mm512_or_si512(and4(b, 15), and4(_mm512_slli_epi32(c, 2), 48)));
            _mm512_store_si512(q[16], _mm512_or_si512(and4(_mm512_srli_epi32(a, 4), 15), and4(c, 48)));
            _mm512_store_si512(q[24], _mm512_or_si512(and4(_mm512_srli_epi32(b, 4), 15),
                                                      and4(_mm512_srli_epi32(c, 2), 48)));
        }
    for (int i = 0; i < 4; i++) {
        __m512i v = load_bytes(scales + 64 * i);
        put_offset_scales(s, r, 2 * i, byte_signed(v, 0), byte_signed(v, 1), 32);
        put_offset_scales(s, r, 2 * i + 1, byte_signed(v, 2), byte_signed(v, 3), 32);
    }
}

/* Adds the step's contribution to the sums of C activation rows. SUB: columns of a scale. */
INLINE void tile(sums *acc, const step *s, const kern_q8k *x, const int C, const int SUB,
                 const enum form form)
{
    __m512i sum[PAIR][COLUMNS];
    for (int c = 0; c < C; c++) sum[0][c] = sum[1][c] = _mm512_setzero_si512();
    for (int b = 0; b < STEP / SUB; b++) {
        __m512i dot[PAIR][COLUMNS];
        for (int c = 0; c < C; c++) dot[0][c] = dot[1][c] = _mm512_setzero_si512();
#pragma GCC unroll 8
        for (int j = b * SUB / 4; j < (b + 1) * SUB / 4; j++) {
            const __m512i w0 = load_bytes(s->q[0][j]), w1 = load_bytes(s->q[1][j]);
#pragma GCC unroll 6
            for (int c = 0; c < C; c++) {
                const __m512i v = broadcast4(x[c].q + 4 * j);
                dot[0][c] = _mm512_dpbusd_epi32(dot[0][c], w0, v);
                dot[1][c] = _mm512_dpbusd_epi32(dot[1][c], w1, v);
            }
        }
        const __m512i s0 = load_bytes(s->scale[0][b]), s1 = load_bytes(s->scale[1][b]);
#pragma GCC unroll 6
        for (int c = 0; c < C; c++) {
            sum[0][c] = _mm512_add_epi32(sum[0][c], _mm512_mullo_epi32(dot[0][c], s0));
            sum[1][c] = _mm512_add_epi32(sum[1][c], _mm512_mullo_epi32(dot[1][c], s1));
        }
    }
#pragma GCC unroll 6
    for (int c = 0; c < C; c++) {
        const int16_t *xs = SUB == 16 ? x[c].sum16 : x[c].sum32;
        const __m512 dx = _mm512_set1_ps(x[c].d);
#pragma GCC unroll 2
        for (int r = 0; r < PAIR; r++) {
            __m512i min = _mm512_setzero_si512();
#pragma GCC unroll 8
            for (int i = 0; i < STEP / SUB / 2; i++)
                min = _mm512_dpwssd_epi32(min, load_bytes(s->min[r][i]), broadcast4(xs + 2 * i));
            const __m512 d = _mm512_mul_ps(_mm512_load_ps(s->d[r]), dx);
            float *a = acc[c] + r * KERN_ROWS;
            __m512 y = _mm512_load_ps(a);
            if (form == OFFSET) {
                y = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][c], min)), y);
            } else {
                const __m512 dmin = _mm512_mul_ps(_mm512_load_ps(s->dmin[r]), dx);
                y = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(sum[r][c]), y);
                y = _mm512_fnmadd_ps(dmin, _mm512_cvtepi32_ps(min), y);
            }
            _mm512_store_ps(a, y);
        }
    }
}

INLINE void tiles(sums *acc, const step *s, const kern_q8k *x, size_t n, const int SUB,
                  const enum form form)
{
    for (; n >= COLUMNS; n -= COLUMNS, acc += COLUMNS, x += COLUMNS) tile(acc, s, x, COLUMNS, SUB, form);
    switch (n) {
    case 1: tile(acc, s, x, 1, SUB, form); break;
    case 2: tile(acc, s, x, 2, SUB, form); break;
    case 3: tile(acc, s, x, 3, SUB, form); break;
    case 4: tile(acc, s, x, 4, SUB, form); break;
    case 5: tile(acc, s, x, 5, SUB, form); break;
    default: break;
    }
}

typedef void expand_fn(step *s, int r, const uint8_t *p);

INLINE void mul(const kern_mm_args *a, size_t block_bytes, expand_fn *expand, const int SUB,
                const enum form form)
{
    _Alignas(64) step s;
    _Alignas(64) sums acc[CHUNK];
    const size_t blocks = a->K / STEP, panel_bytes = blocks * block_bytes;
    for (size_t n = 0; n < a->N; n += LANES) {
        const uint8_t *w0 = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        /* A lone last panel is computed twice and stored once. */
        const uint8_t *w1 = n + KERN_ROWS < a->N ? w0 + panel_bytes : w0;
        for (size_t m = 0; m < a->M; m += CHUNK) {
            const size_t rows = size_min(CHUNK, a->M - m);
            memset(acc, 0, rows * sizeof *acc);
            for (size_t b = 0; b < blocks; b++) {
                expand(&s, 0, w0 + b * block_bytes);
                expand(&s, 1, w1 + b * block_bytes);
                tiles(acc, &s, (const kern_q8k *)a->x + b * a->rows + a->first + m, rows, SUB, form);
            }
            for (size_t i = 0; i < rows; i++) store_sums(a->y + (m + i) * a->ldy + n, acc[i], a->N - n);
        }
    }
}

static void mul_q4_k(const kern_mm_args *a) { mul(a, 16 * 144, expand_q4_k, 32, MINS); }
static void mul_q5_k(const kern_mm_args *a) { mul(a, 16 * 176, expand_q5_k, 32, MINS); }
static void mul_q6_k(const kern_mm_args *a) { mul(a, 16 * 210, expand_q6_k, 16, OFFSET); }

void kern_init_mm_k_vnni(kern *k)
{
    k->mm[NUM_Q4_K].mul = mul_q4_k;
    k->mm[NUM_Q5_K].mul = mul_q5_k;
    k->mm[NUM_Q6_K].mul = mul_q6_k;
}
