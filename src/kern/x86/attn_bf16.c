/* Attention over BF16 and Q8 pages by the dot-product instruction of AVX512_BF16: queries, weights
 * and what a Q8 page says are rounded to BF16 (2^-9 of each), sums are kept in floats. Numbers
 * below 2^-126 count as zero. SPDX-License-Identifier: MIT */
#include "kern/x86/simd_avx512.h"

typedef uint32_t cell; /* two BF16, the first one low */
typedef __m512bh cells;
enum { CELL = 2, TILE_ROWS = 6, WIDE = 4, HALF = 2, NARROW = 1 };

static inline cells cell_load(const cell *p) { return (cells)_mm512_loadu_si512(p); }
static inline cells cell_load_first(const cell *p)
{
    return (cells)_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(0xFFFF));
}
static inline vf cell_fma(cell a, cells b, vf c)
{
    return _mm512_dpbf16_ps(c, (cells)_mm512_set1_epi32((int)a), b);
}
static inline vf cell_weights(cell *p, vf e)
{
    __m256i half = (__m256i)_mm512_cvtneps_pbh(e);
    _mm256_storeu_si256((__m256i *)p, half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

#include "kern/x86/attn_span.h"

static const cell *queries(const kern_attn_args *a, attn_room *room, size_t *ld)
{
    *ld = KERN_HEAD_MAX / CELL;
    for (size_t r = 0; r < rows_of(a); r++)
        for (size_t i = 0; i < a->d; i += W)
            _mm256_storeu_si256((__m256i *)(room->query[r] + i / CELL),
                                (__m256i)_mm512_cvtneps_pbh(vf_load(a->q + r * a->ldq + i)));
    return room->query[0];
}

/* Cells of W first and W second numbers. */
static inline void store_cells(cell *to, vf first, vf second)
{
    __m512i pair = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                                    23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(pair, both));
}

static void cells_of_q8_keys(cell *to, const int8_t *page, size_t groups, size_t d)
{
    const float *scale = (const float *)(const void *)(page + KERN_PAGE * d);
    for (size_t i = 0; i < groups * (d / 4); i++, page += 64, to += 32) { /* four columns */
        vf s = vf_load(scale + i / 8 * 16);
        for (int c = 0; c < 4; c += 2)
            store_cells(to + 8 * c, vf_mul(vf_of_i8_quads(page, c), s),
                        vf_mul(vf_of_i8_quads(page, c + 1), s));
    }
}

static void cells_of_q8_values(cell *to, const int8_t *page, size_t n, size_t dv)
{
    const float *scale = (const float *)(const void *)(page + KERN_PAGE * dv);
    for (size_t i = 0; i < n; i += 2, page += 2 * dv, scale += 2 * (dv / 32), to += dv) {
        for (size_t j = 0; j < dv; j += W) {
            vf s = vf_set1(scale[j / 32]), t = vf_set1(scale[(dv + j) / 32]);
            store_cells(to + j, vf_mul(vf_of_i8(page + j), s), vf_mul(vf_of_i8(page + dv + j), t));
        }
    }
}

KERN_INLINE const cell *keys(enum kern_kv t, cell *to, const void *page, size_t groups, size_t d)
{
    if (t == KERN_KV_BF16) return page;
    cells_of_q8_keys(to, page, groups, d);
    return to;
}

KERN_INLINE const cell *values(enum kern_kv t, cell *to, const void *page, size_t positions,
                               size_t dv)
{
    if (t == KERN_KV_BF16) return page;
    cells_of_q8_values(to, page, positions, dv);
    return to;
}

/* Rows a and b of 32 numbers to pairs: numbers 0-15 of both, then 16-31. */
static inline void store_pairs(cell *to, vf a, vf b, bool both)
{
    __m512i x = _mm512_castps_si512(a), y = _mm512_castps_si512(b);
    __m512i pair = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
                                    39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    _mm512_storeu_si512(to, _mm512_permutex2var_epi16(x, pair, y));
    pair = _mm512_add_epi16(pair, _mm512_set1_epi16(16));
    if (both) _mm512_storeu_si512(to + W, _mm512_permutex2var_epi16(x, pair, y));
}

/* Pairs of columns become pairs of positions: [groups][d / 2][16][2] to [positions / 2][dv][2]. */
static const cell *latent_values(attn_room *room, const cell *key, size_t groups, size_t d,
                                 size_t dv)
{
    for (size_t g = 0; g < groups; g++, key += 16 * (d / 2)) {
        for (size_t j = 0; j < dv; j += 32) {
            size_t have = size_min((dv - j) / 2, W);
            vf block[W];
            for (size_t i = 0; i < W; i++)
                block[i] = i < have ? vf_load(key + (j / 2 + i) * 16) : vf_set1(0);
            vf_transpose(block);
            for (size_t i = 0; i < W; i += 2)
                store_pairs(room->value + (g * 8 + i / 2) * dv + j, block[i], block[i + 1],
                            have == W);
        }
    }
    return room->value;
}

static void span_BF16(const kern_attn_args *a) { span(KERN_KV_BF16, a); }
static void span_Q8(const kern_attn_args *a) { span(KERN_KV_Q8, a); }

void kern_init_attn_bf16(kern *k)
{
    k->attn[KERN_KV_BF16].span = span_BF16;
    k->attn[KERN_KV_Q8].span = span_Q8;
}
