/* Panels: interleaving the rows of a weight, for every type by one table.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

/* How a file block is cut: runs of `count` units of `size` bytes. */
typedef struct cut {
    uint8_t size, count;
} cut;

enum { MAX_CUTS = 4 };

static const struct {
    num_type type;
    cut cuts[MAX_CUTS];
} CUTS[] = {
    {NUM_F32, {{4, 1}}},
    {NUM_F16, {{2, 1}}},
    {NUM_BF16, {{4, 1}}}, /* two columns */
    {NUM_Q4_0, {{2, 1}, {4, 4}}},
    {NUM_Q4_1, {{2, 2}, {4, 4}}},
    {NUM_Q5_0, {{2, 1}, {4, 5}}},
    {NUM_Q5_1, {{2, 2}, {4, 5}}},
    {NUM_Q8_0, {{2, 1}, {4, 8}}},
    {NUM_Q2_K, {{4, 20}, {2, 2}}},
    {NUM_Q3_K, {{4, 27}, {2, 1}}},
    {NUM_Q4_K, {{2, 2}, {4, 35}}},
    {NUM_Q5_K, {{2, 2}, {4, 43}}},
    {NUM_Q6_K, {{4, 52}, {2, 1}}},
    {NUM_IQ2_XXS, {{2, 1}, {4, 16}}},
    {NUM_IQ2_XS, {{2, 1}, {4, 18}}},
    {NUM_IQ2_S, {{2, 1}, {4, 20}}},
    {NUM_IQ3_XXS, {{2, 1}, {4, 24}}},
    {NUM_IQ3_S, {{2, 1}, {4, 27}}},
    {NUM_IQ1_S, {{2, 1}, {4, 12}}},
    {NUM_IQ1_M, {{4, 14}}},
    {NUM_IQ4_NL, {{2, 1}, {4, 4}}},
    {NUM_IQ4_XS, {{2, 2}, {4, 33}}},
    {NUM_F8_E4M3, {{4, 32}}}, /* after the scale */
};

static const cut *cuts_of(num_type t)
{
    for (size_t i = 0; i < COUNT_OF(CUTS); i++)
        if (CUTS[i].type == t) return CUTS[i].cuts;
    return NULL;
}

/* Columns and bytes of one file block as panels see it. */
static void file_block(num_type t, size_t *columns, size_t *bytes)
{
    const num_info *info = num_info_of(t);
    *columns = t == NUM_BF16 ? 2 : t == NUM_F8_E4M3 ? 128 : info->block;
    *bytes = *columns / info->block * info->block_bytes;
}

/* One 4-byte unit of each of 16 rows; the constant sizes matter for speed. */
static void interleave4(uint8_t *dst, const uint8_t *src, size_t row_bytes)
{
    for (size_t r = 0; r < KERN_ROWS; r++) memcpy(dst + 4 * r, src + r * row_bytes, 4);
}

static void interleave2(uint8_t *dst, const uint8_t *src, size_t row_bytes)
{
    for (size_t r = 0; r < KERN_ROWS; r++) memcpy(dst + 2 * r, src + r * row_bytes, 2);
}

static uint8_t *pack_block(uint8_t *dst, const cut *c, const uint8_t *src, size_t row_bytes)
{
    for (size_t i = 0; i < MAX_CUTS && c[i].size; i++) {
        for (size_t u = 0; u < c[i].count; u++) {
            if (c[i].size == 4) interleave4(dst, src, row_bytes);
            else interleave2(dst, src, row_bytes);
            dst += (size_t)c[i].size * KERN_ROWS;
            src += c[i].size;
        }
    }
    return dst;
}

/* The general case: missing rows and a ragged last block read as zeros. */
static uint8_t *pack_ragged(uint8_t *dst, const cut *c, const uint8_t *src, size_t row_bytes,
                            size_t n_rows, size_t bytes)
{
    size_t at = 0;
    for (size_t i = 0; i < MAX_CUTS && c[i].size; i++) {
        for (size_t u = 0; u < c[i].count; u++, at += c[i].size) {
            size_t have = at >= bytes ? 0 : size_min(bytes - at, c[i].size);
            for (size_t r = 0; r < KERN_ROWS; r++, dst += c[i].size) {
                memset(dst, 0, c[i].size);
                if (r < n_rows) memcpy(dst, src + r * row_bytes + at, have);
            }
        }
    }
    return dst;
}

void kern_pack(void *panel, num_type t, const void *rows, size_t row_bytes, size_t n_rows, size_t K,
               const float *scale)
{
    const cut *c = cuts_of(t);
    size_t columns, bytes;
    file_block(t, &columns, &bytes);
    const uint8_t *src = rows;
    uint8_t *dst = panel;
    for (size_t k = 0; k < K; k += columns, src += bytes) {
        if (scale) {
            for (size_t r = 0; r < KERN_ROWS; r++, dst += 4) memcpy(dst, &scale[k / columns], 4);
        }
        if (n_rows == KERN_ROWS && K - k >= columns)
            dst = pack_block(dst, c, src, row_bytes);
        else
            dst = pack_ragged(dst, c, src, row_bytes, n_rows,
                              K - k >= columns ? bytes : bytes / columns * (K - k));
    }
}

void kern_unpack(void *row, float *scale, num_type t, const void *panel, size_t r, size_t K)
{
    const cut *c = cuts_of(t);
    size_t columns, bytes;
    file_block(t, &columns, &bytes);
    const uint8_t *src = panel;
    uint8_t *dst = row;
    for (size_t k = 0; k < K; k += columns) {
        size_t left = K - k >= columns ? bytes : bytes / columns * (K - k);
        if (scale) {
            memcpy(&scale[k / columns], src + 4 * r, 4);
            src += 4 * KERN_ROWS;
        }
        for (size_t i = 0; i < MAX_CUTS && c[i].size; i++) {
            for (size_t u = 0; u < c[i].count; u++, src += (size_t)c[i].size * KERN_ROWS) {
                size_t have = size_min(left, c[i].size);
                memcpy(dst, src + c[i].size * r, have);
                dst += have;
                left -= have;
            }
        }
    }
}
