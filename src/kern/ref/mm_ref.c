/* Matrix products, the specification: what the weight says times what the activation says, summed in
 * double.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

#include <math.h>

enum { STEP = 256 }; /* columns decoded at a time; a multiple of every block */

/* Elements [k, k + n) of a lane, or of a column, whose units are `step` bytes apart. */
static void lane_floats(float *out, enum kern_act act, const uint8_t *lane, size_t step, size_t k, size_t n)
{
    for (size_t i = 0; i < n; i++, k++) {
        uint16_t half;
        if (act == KERN_ACT_F32) {
            memcpy(&out[i], lane + k * step, sizeof *out);
        } else {
            memcpy(&half, lane + k / 2 * step + k % 2 * sizeof half, sizeof half);
            out[i] = num_bf16_to_f32(half);
        }
    }
}

/* Elements [k, k + n) of activation row m. */
static void act_floats(float *out, enum kern_act act, const void *x, size_t m, size_t M, size_t K,
                       size_t k, size_t n)
{
    for (size_t i = 0; i < n; i++, k++) {
        const kern_q8 *q8 = x;
        const kern_q8k *q8k = x;
        switch (act) {
        case KERN_ACT_F32: out[i] = ((const float *)x)[m * K + k]; break;
        case KERN_ACT_E4M3:
        case KERN_ACT_BF16:
            out[i] = num_bf16_to_f32(((const uint16_t *)x)[m * size_round_up(K, 2) + k]);
            break;
        case KERN_ACT_Q8: out[i] = q8[k / 32 * M + m].d * q8[k / 32 * M + m].q[k % 32]; break;
        case KERN_ACT_Q8K: out[i] = q8k[k / 256 * M + m].d * q8k[k / 256 * M + m].q[k % 256]; break;
        }
    }
}

/* Row r of a panel, columns [k, k + n): n <= STEP and k a multiple of STEP. */
static void weight_floats(float *out, num_type t, const kern_mm *mm, const uint8_t *panel, size_t r,
                          size_t k, size_t n)
{
    uint8_t row[STEP * sizeof(float)];
    float scale[STEP / 128];
    kern_unpack(row, t == NUM_F8_E4M3 ? scale : NULL, t, panel + k / mm->block * mm->block_bytes, r, n);
    num_decode(t, out, row, n);
    if (t == NUM_F8_E4M3)
        for (size_t i = 0; i < n; i++) out[i] *= scale[i / 128];
}

static void mul(num_type t, const kern_mm *mm, const kern_mm_args *a)
{
    float w[STEP], x[STEP];
    size_t panel_bytes = a->w_panel ? a->w_panel : kern_panel_bytes(mm, a->K);
    for (size_t n = 0; n < a->N; n++) {
        const uint8_t *panel = (const uint8_t *)a->w + n / KERN_ROWS * panel_bytes;
        for (size_t m = 0; m < a->M; m++) {
            double sum = a->add ? (double)a->y[m * a->ldy + n] : 0;
            for (size_t k = 0; k < a->K; k += STEP) {
                size_t len = size_min(STEP, a->K - k);
                if (a->w_step) lane_floats(w, mm->act, panel + n % KERN_ROWS * 4, a->w_step, k, len);
                else weight_floats(w, t, mm, panel, n % KERN_ROWS, k, len);
                if (a->x_step) lane_floats(x, mm->act, (const uint8_t *)a->x + (a->first + m) * 4, a->x_step, k, len);
                else act_floats(x, mm->act, a->x, a->first + m, a->rows, a->K, k, len);
                for (size_t i = 0; i < len; i++) sum += (double)w[i] * (double)x[i];
            }
            a->y[m * a->ldy + n] = (float)sum;
        }
    }
}

static void act_f32(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    (void)M;
    memcpy((float *)dst + m * K, x, K * sizeof *x);
}

static void interleave(void *panel, const void *rows, size_t row_bytes, size_t n, size_t units)
{
    uint32_t *to = panel;
    for (size_t u = 0; u < units; u++)
        for (size_t r = 0; r < KERN_ROWS; r++, to++) {
            if (r < n) memcpy(to, (const uint8_t *)rows + r * row_bytes + 4 * u, 4);
            else *to = 0;
        }
}

static void *line_of(const kern_lanes *l, size_t column, size_t unit)
{
    return (uint8_t *)l->at + column / KERN_ROWS * l->panel + unit * l->step;
}

static void lanes_f32(const kern_lanes *to, const float *x, size_t ldx, size_t n, size_t K)
{
    for (size_t r = 0; r < n; r++, x += ldx)
        for (size_t k = 0; k < K; k += KERN_ROWS) {
            float *line = line_of(to, k, r);
            if (K - k >= KERN_ROWS) { /* whole lines: the constant size matters for speed */
                memcpy(line, x + k, KERN_LINE);
                continue;
            }
            memset(line, 0, KERN_LINE);
            memcpy(line, x + k, (K - k) * sizeof *line);
        }
}

static void lanes_bf16(const kern_lanes *to, const float *x, size_t ldx, size_t n, size_t K)
{
    for (size_t k = 0; k < K; k += KERN_ROWS)
        for (size_t r = 0; r < size_round_up(n, 2); r++) {
            uint16_t *line = line_of(to, k, r / 2);
            for (size_t i = 0; i < KERN_ROWS; i++)
                line[2 * i + r % 2] = r < n && k + i < K ? num_f32_to_bf16(x[r * ldx + k + i]) : 0;
        }
}

/* Columns in tiles of 128, each in its own scale. */
static void round_row(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 128) {
        size_t have = size_min(128, n - i);
        kern_round_e4m3_ref(y + i, x + i, have, kern_max_abs_ref(x + i, have));
    }
}

static void lanes_e4m3(const kern_lanes *to, const float *x, size_t ldx, size_t n, size_t K)
{
    float tile[KERN_ROWS * 128];
    for (size_t k = 0; k < K; k += 128) {
        size_t have = size_min(128, K - k);
        for (size_t r = 0; r < n; r++) round_row(tile + r * 128, x + r * ldx + k, have);
        lanes_bf16(&(kern_lanes){line_of(to, k, 0), to->panel, to->step}, tile, 128, n, have);
    }
}

static void act_bf16(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    (void)M;
    uint16_t *d = (uint16_t *)dst + m * size_round_up(K, 2);
    for (size_t k = 0; k < K; k++) d[k] = num_f32_to_bf16(x[k]);
    if (K % 2) d[K] = 0;
}

static void act_e4m3(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    float tile[128];
    (void)M;
    uint16_t *d = (uint16_t *)dst + m * size_round_up(K, 2);
    for (size_t k = 0; k < K; k += 128) {
        size_t have = size_min(128, K - k);
        round_row(tile, x + k, have);
        act_bf16(d + k, 0, 1, tile, have);
    }
}

/* q = nearest even of x / d with d = max|x| / 127; all zero when the block is. */
static float quantize(int8_t *q, const float *x, size_t n)
{
    float top = 0;
    for (size_t i = 0; i < n; i++) top = fmaxf(top, fabsf(x[i]));
    float inverse = top > 0 ? 127.0f / top : 0;
    for (size_t i = 0; i < n; i++) q[i] = (int8_t)lrintf(x[i] * inverse);
    return top / 127.0f;
}

static void act_q8(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    kern_q8 *b = (kern_q8 *)dst + m;
    for (size_t k = 0; k < K; k += 32, b += M) {
        b->d = quantize(b->q, x + k, 32);
        b->sum = 0;
        for (size_t i = 0; i < 32; i++) b->sum += b->q[i];
    }
}

static void act_q8k(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    kern_q8k *b = (kern_q8k *)dst + m;
    for (size_t k = 0; k < K; k += 256, b += M) {
        b->d = quantize(b->q, x + k, 256);
        for (size_t s = 0; s < 16; s++) {
            int sum = 0;
            for (size_t i = 0; i < 16; i++) sum += b->q[16 * s + i];
            b->sum16[s] = (int16_t)sum;
        }
        for (size_t s = 0; s < 8; s++) b->sum32[s] = (int16_t)(b->sum16[2 * s] + b->sum16[2 * s + 1]);
    }
}

/* One row per weight type: X(name, activation form, columns of a panel block). */
#define TYPES(X)                                                                                   \
    X(F32, F32, 1) X(F16, F32, 1) X(BF16, BF16, 2) X(F8_E4M3, BF16, 128)                           \
    X(Q4_0, Q8, 32) X(Q4_1, Q8, 32) X(Q5_0, Q8, 32) X(Q5_1, Q8, 32) X(Q8_0, Q8, 32)                \
    X(IQ4_NL, Q8, 32) X(Q2_K, Q8K, 256) X(Q3_K, Q8K, 256) X(Q4_K, Q8K, 256) X(Q5_K, Q8K, 256)      \
    X(Q6_K, Q8K, 256) X(IQ2_XXS, Q8K, 256) X(IQ2_XS, Q8K, 256) X(IQ2_S, Q8K, 256)                  \
    X(IQ3_XXS, Q8K, 256) X(IQ3_S, Q8K, 256) X(IQ1_S, Q8K, 256) X(IQ1_M, Q8K, 256)                  \
    X(IQ4_XS, Q8K, 256)

/* Panel bytes: the file's, and for FP8 the scale. */
#define BLOCK_BYTES(t, columns)                                                                    \
    ((t) == NUM_F8_E4M3 ? 132 : (columns) / num_info_of(t)->block * num_info_of(t)->block_bytes)

#define MUL(name, a, c)                                                                            \
    static void mul_##name(const kern_mm_args *args)                                               \
    {                                                                                              \
        const kern_mm mm = {.act = KERN_ACT_##a, .block = (c),                                     \
                            .block_bytes = KERN_ROWS * BLOCK_BYTES(NUM_##name, (c))};              \
        mul(NUM_##name, &mm, args);                                                                \
    }
TYPES(MUL)

void kern_init_mm_ref(kern *k)
{
#define ENTRY(name, a, c)                                                                          \
    k->mm[kern_slot(NUM_##name)] = (kern_mm){.act = KERN_ACT_##a, .block = (c),                    \
        .block_bytes = KERN_ROWS * BLOCK_BYTES(NUM_##name, (c)), .mul = mul_##name};
    TYPES(ENTRY)
    k->interleave = interleave;
    k->lanes[KERN_ACT_E4M3] = lanes_e4m3;
    k->act[KERN_ACT_E4M3] = act_e4m3;
    k->lanes[KERN_ACT_F32] = lanes_f32;
    k->lanes[KERN_ACT_BF16] = lanes_bf16;
    k->act[KERN_ACT_F32] = act_f32;
    k->act[KERN_ACT_BF16] = act_bf16;
    k->act[KERN_ACT_Q8] = act_q8;
    k->act[KERN_ACT_Q8K] = act_q8k;
}
