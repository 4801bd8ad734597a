/* Weights in panels: sizes, packing, reading a row back.
 * SPDX-License-Identifier: MIT */
#include "ops/ops_int.h"

bool ops_weight_bytes(size_t *bytes, const kern *k, num_type t, size_t N, size_t K, size_t experts)
{
    const kern_mm *mm = kern_mm_of(k, t);
    if (!mm || N == 0 || K == 0 || N > SIZE_MAX / 2 || K > SIZE_MAX / 2) return false;
    if (K % mm->block && t != NUM_BF16) return false;
    size_t panel, all;
    return size_mul(&panel, size_ceil_div(K, mm->block), mm->block_bytes) &&
           size_mul(&all, panel, kern_panels(N)) && size_mul(bytes, all, experts);
}

ops_weight ops_weight_at(const kern *k, num_type t, size_t N, size_t K, size_t experts,
                         void *panels)
{
    const kern_mm *mm = kern_mm_of(k, t);
    return (ops_weight){.type = t,
                        .N = N,
                        .K = K,
                        .experts = experts,
                        .mm = mm,
                        .panels = panels,
                        .panel_bytes = kern_panel_bytes(mm, K)};
}

static uint8_t *panel_of(const ops_weight *w, size_t e, size_t row)
{
    return (uint8_t *)w->panels + (e * kern_panels(w->N) + row / KERN_ROWS) * w->panel_bytes;
}

void ops_weight_pack(ops_weight *w, size_t e, size_t row0, size_t n, const void *rows,
                     const float *scale)
{
    size_t row_bytes = 0, scales = size_ceil_div(w->K, 128);
    (void)num_row_bytes(&row_bytes, w->type, w->K);
    for (size_t r = 0; r < n; r += KERN_ROWS)
        kern_pack(panel_of(w, e, row0 + r), w->type, (const uint8_t *)rows + r * row_bytes,
                  row_bytes, size_min(KERN_ROWS, n - r), w->K,
                  scale ? scale + ((row0 + r) / 128 - row0 / 128) * scales : NULL);
}

void ops_weight_pack_back(ops_weight *w, const kern *k, size_t e, size_t row0, size_t n,
                          const float *rows)
{
    const kern_lanes all = {panel_of(w, e, 0), w->panel_bytes, KERN_LINE};
    for (size_t r = 0; r < n; r += KERN_ROWS) {
        kern_lanes to = ops_lanes_from(all, (row0 + r) / w->mm->block);
        k->lanes[w->type == NUM_F32 ? KERN_ACT_F32 : KERN_ACT_BF16](&to, rows + r * w->N, w->N,
                                                                    size_min(KERN_ROWS, n - r), w->N);
    }
}

void ops_weight_row(const ops_weight *w, const kern *k, size_t e, size_t row, float *y)
{
    enum { STEP = 256 }; /* columns at a time: a multiple of every block */
    uint8_t bytes[STEP * sizeof(float)];
    float scale[STEP / 128];
    bool scaled = w->type == NUM_F8_E4M3;
    const uint8_t *panel = panel_of(w, e, row);
    for (size_t c = 0; c < w->K; c += STEP) {
        size_t n = size_min(STEP, w->K - c);
        kern_unpack(bytes, scaled ? scale : NULL, w->type,
                    panel + c / w->mm->block * w->mm->block_bytes, row % KERN_ROWS, n);
        k->decode(w->type, y + c, bytes, n);
        for (size_t i = 0; scaled && i < n; i++) y[c + i] *= scale[i / 128];
    }
}
