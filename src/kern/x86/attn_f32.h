/* Attention with float arithmetic: pages of every type are read as floats, one page at a time.
 * SPDX-License-Identifier: MIT */
#ifndef KERN_ATTN_F32_H
#define KERN_ATTN_F32_H

typedef float cell;
typedef vf cells;
enum { CELL = 1 };

static inline cells cell_load(const cell *p) { return vf_load(p); }
static inline cells cell_load_first(const cell *p) { return vf_load(p); }
static inline vf cell_fma(cell a, cells b, vf c) { return vf_fma(vf_set1(a), b, c); }
static inline vf cell_weights(cell *p, vf e)
{
    vf_store(p, e);
    return e;
}

#include "kern/x86/attn_span.h"

static const cell *queries(const kern_attn_args *a, attn_room *room, size_t *ld)
{
    (void)room;
    *ld = a->ldq;
    return a->q;
}

static void floats_of_f16(float *to, const uint16_t *from, size_t n)
{
    for (size_t i = 0; i < n; i += W) vf_store(to + i, vf_of_f16(from + i));
}

/* BF16 [n][width][2] to floats [n][2][width]: keys with width 16, values with width dv. */
static void floats_of_bf16(float *to, const uint16_t *from, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++, from += 2 * width, to += 2 * width) {
        for (size_t j = 0; j < width; j += W) {
            vf_store(to + j, vf_of_bf16_first(from + 2 * j));
            vf_store(to + width + j, vf_of_bf16_second(from + 2 * j));
        }
    }
}

static void floats_of_q8_keys(float *to, const int8_t *page, size_t groups, size_t d)
{
    const float *scale = (const float *)(const void *)(page + KERN_PAGE * d);
    for (size_t i = 0; i < groups * (d / 4); i++, page += 64, to += 64) { /* four columns */
        for (size_t lane = 0; lane < 16; lane += W) {
            vf s = vf_load(scale + i / 8 * 16 + lane);
            for (int c = 0; c < 4; c++)
                vf_store(to + 16 * c + lane, vf_mul(vf_of_i8_quads(page + 4 * lane, c), s));
        }
    }
}

static void floats_of_q8_values(float *to, const int8_t *page, size_t n, size_t dv)
{
    const float *scale = (const float *)(const void *)(page + KERN_PAGE * dv);
    for (size_t i = 0; i < n * dv; i += 32)
        for (size_t j = 0; j < 32; j += W)
            vf_store(to + i + j, vf_mul(vf_of_i8(page + i + j), vf_set1(scale[i / 32])));
}

KERN_INLINE const cell *keys(enum kern_kv t, cell *to, const void *page, size_t groups, size_t d)
{
    if (t == KERN_KV_F32) return page;
    if (t == KERN_KV_F16) floats_of_f16(to, page, groups * 16 * d);
    if (t == KERN_KV_BF16) floats_of_bf16(to, page, groups * (d / 2), 16);
    if (t == KERN_KV_Q8) floats_of_q8_keys(to, page, groups, d);
    return to;
}

KERN_INLINE const cell *values(enum kern_kv t, cell *to, const void *page, size_t positions,
                               size_t dv)
{
    if (t == KERN_KV_F32) return page;
    if (t == KERN_KV_F16) floats_of_f16(to, page, positions * dv);
    if (t == KERN_KV_BF16) floats_of_bf16(to, page, size_ceil_div(positions, 2), dv);
    if (t == KERN_KV_Q8) floats_of_q8_values(to, page, positions, dv);
    return to;
}

static const cell *latent_values(attn_room *room, const cell *key, size_t groups, size_t d,
                                 size_t dv)
{
    for (size_t at = 0; at < groups * 16; at += W) {
        const float *from = key + at / 16 * 16 * d + at % 16;
        for (size_t j = 0; j < dv; j += W) {
            vf block[W];
            for (size_t i = 0; i < W; i++) block[i] = vf_load(from + (j + i) * 16);
            vf_transpose(block);
            for (size_t i = 0; i < W; i++) vf_store(room->value + (at + i) * dv + j, block[i]);
        }
    }
    return room->value;
}

#endif
