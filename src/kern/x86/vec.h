/* Vector kernels for every vector length: included once by the file of each instruction set, after
 * its simd header.
 * SPDX-License-Identifier: MIT
 *
 * All but exp, silu_mul and the sums round exactly as ref/vec_ref.c does. The sums keep W partial
 * sums in double, one per lane, and add those by halves: an order that n alone fixes. */
#include "kern/x86/exp.h"

#include <math.h>

static void rms_norm(float *y, const float *x, const float *g, size_t n, float eps)
{
    vd sum = vd_zero();
    for (size_t i = 0; i < n; i += W) {
        vd v = vd_of(vf_load_n(x + i, n - i, vf_set1(0)));
        sum = vd_fma(v, v, sum);
    }
    vf r = vf_set1((float)(1.0 / sqrt(vd_sum(sum) / (double)n + (double)eps)));
    for (size_t i = 0; i < n; i += W) {
        vf v = vf_load_n(x + i, n - i, vf_set1(0)), w = vf_load_n(g + i, n - i, vf_set1(0));
        vf_store_n(y + i, vf_mul(vf_mul(v, r), w), n - i);
    }
}

/* g / (1 + exp(-g)) with the exponential of -|g| only, so that nothing overflows. */
static void silu_mul(float *y, const float *gate, const float *up, size_t n)
{
    vf one = vf_set1(1);
    for (size_t i = 0; i < n; i += W) {
        vf g = vf_load_n(gate + i, n - i, vf_set1(0)), u = vf_load_n(up + i, n - i, vf_set1(0));
        vf e = vf_exp(vf_sub(vf_set1(0), vf_abs(g)));
        vf top = vf_if_negative(g, vf_mul(g, e), g);
        vf_store_n(y + i, vf_mul(vf_div(top, vf_add(one, e)), u), n - i);
    }
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += W) {
        vf a = vf_load_n(y + i, n - i, vf_set1(0)), b = vf_load_n(x + i, n - i, vf_set1(0));
        vf_store_n(y + i, vf_add(a, b), n - i);
    }
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += W) {
        vf c = vf_load_n(y + i, n - i, vf_set1(0)), b = vf_load_n(x + i, n - i, vf_set1(0));
        vf_store_n(y + i, vf_fma(vf_set1(a), b, c), n - i);
    }
}

static void scale(float *y, float a, size_t n)
{
    for (size_t i = 0; i < n; i += W)
        vf_store_n(y + i, vf_mul(vf_load_n(y + i, n - i, vf_set1(0)), vf_set1(a)), n - i);
}

static float max(const float *x, size_t n)
{
    vf top = vf_set1(-INFINITY);
    for (size_t i = 0; i < n; i += W)
        top = vf_max(vf_load_n(x + i, n - i, vf_set1(-INFINITY)), top);
    return vf_top(top);
}

static double sum_exp(const float *x, size_t n, float top)
{
    vd sum = vd_zero();
    for (size_t i = 0; i < n; i += W) {
        vf v = vf_load_n(x + i, n - i, vf_set1(-INFINITY));
        sum = vd_add(sum, vd_of(vf_exp(vf_sub(v, vf_set1(top)))));
    }
    return vd_sum(sum);
}

static void vec_exp(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += W)
        vf_store_n(y + i, vf_exp(vf_load_n(x + i, n - i, vf_set1(0))), n - i);
}

static float max_abs(const float *x, size_t n)
{
    vf top = vf_set1(0);
    for (size_t i = 0; i < n; i += W) top = vf_max(vf_abs(vf_load_n(x + i, n - i, vf_set1(0))), top);
    return vf_top(top);
}

/* Adding and subtracting 1.5 * 2^23 units in the last place rounds; the unit is an eighth of the number's
 * power of two, or of the smallest normal number's. */
static void round_e4m3(float *y, const float *x, size_t n, float top)
{
    float power, nearest = 0;
    if (top >= 0x1p-90f) {
        uint32_t bits;
        memcpy(&bits, &top, sizeof bits);
        bits &= 0x7F800000;
        memcpy(&power, &bits, sizeof power);
        nearest = top > 1.75f * power ? power * 0x1p-13f : power * 0x1p-14f; /* 2^(e - 6) */
    }
    vf least = vf_set1(nearest), zero = vf_set1(0);
    for (size_t i = 0; i < n; i += W) {
        vf v = nearest == 0 ? vf_mul(vf_load_n(x + i, n - i, zero), zero) : vf_load_n(x + i, n - i, zero);
        vf big = vf_mul(vf_max(vf_power(v), least), vf_set1(0x1.8p20f));
        vf_store_n(y + i, vf_sub(vf_add(v, big), big), n - i);
    }
}

enum { TILE = 128 };

static void act_e4m3(void *dst, size_t m, size_t M, const float *x, size_t K)
{
    (void)M;
    float tile[TILE];
    uint16_t *d = (uint16_t *)dst + m * size_round_up(K, 2);
    for (size_t k = 0; k < K; k += TILE) {
        size_t n = size_min(TILE, K - k);
        for (size_t i = n; i < TILE; i++) tile[i] = 0;
        round_e4m3(tile, x + k, n, max_abs(x + k, n));
        if (n == TILE) {
            for (size_t i = 0; i < TILE; i += W) vf_to_bf16(d + k + i, vf_load(tile + i));
        } else {
            for (size_t i = 0; i < size_round_up(n, 2); i++) d[k + i] = num_f32_to_bf16(tile[i]);
        }
    }
}

static void lanes_e4m3(const kern_lanes *to, const float *x, size_t ldx, size_t n, size_t K)
{
    float tile[2][TILE];
    for (size_t k = 0; k < K; k += TILE) {
        size_t have = size_min(TILE, K - k);
        for (size_t r = 0; r < n; r += 2) {
            memset(tile, 0, sizeof tile);
            for (size_t i = 0; i < 2 && r + i < n; i++) {
                const float *row = x + (r + i) * ldx + k;
                round_e4m3(tile[i], row, have, max_abs(row, have));
            }
            for (size_t i = 0; i < size_round_up(have, KERN_ROWS); i += W) {
                uint8_t *line = (uint8_t *)to->at + (k + i) / KERN_ROWS * to->panel + r / 2 * to->step;
                vf_store((float *)(void *)line + i % KERN_ROWS, vf_pair(vf_load(tile[0] + i), vf_load(tile[1] + i)));
            }
        }
    }
}

static void interleave(void *panel, const void *rows, size_t row_bytes, size_t n, size_t units)
{
    for (size_t u = 0; u < units; u += W)
        for (size_t h = 0; h < KERN_ROWS; h += W) {
            vf block[W];
            for (size_t i = 0; i < W; i++) {
                const float *row = (const void *)((const uint8_t *)rows + (h + i) * row_bytes + 4 * u);
                block[i] = h + i < n ? vf_load_n(row, units - u, vf_set1(0)) : vf_set1(0);
            }
            vf_transpose(block);
            for (size_t i = 0; i < W && u + i < units; i++)
                vf_store((float *)panel + (u + i) * KERN_ROWS + h, block[i]);
        }
}

static double dot(const float *x, const float *y, size_t n)
{
    vd sum = vd_zero();
    for (size_t i = 0; i < n; i += W)
        sum = vd_fma(vd_of(vf_load_n(x + i, n - i, vf_set1(0))),
                     vd_of(vf_load_n(y + i, n - i, vf_set1(0))), sum);
    return vd_sum(sum);
}

/* Sums of exponentials and of weighted gradients stay in floats, a lane each: they are as long as a
 * sequence, and what they scale was rounded to floats before. */
static void softmax(float *y, float a, const float *x, size_t n)
{
    vf top = vf_set1(-INFINITY), sum = vf_set1(0), factor = vf_set1(a);
    for (size_t i = 0; i < n; i += W) {
        vf v = vf_mul(vf_load_n(x + i, n - i, vf_set1(0)), factor);
        top = vf_max(vf_keep(v, n - i, vf_set1(-INFINITY)), top);
        vf_store_n(y + i, v, n - i);
    }
    vf most = vf_set1(vf_top(top));
    for (size_t i = 0; i < n; i += W) {
        vf e = vf_exp(vf_sub(vf_load_n(y + i, n - i, vf_set1(-INFINITY)), most));
        sum = vf_add(sum, e);
        vf_store_n(y + i, e, n - i);
    }
    scale(y, 1 / vf_sum(sum), n);
}

static void softmax_back(float *dx, float a, const float *y, size_t n)
{
    vf sum = vf_set1(0), factor = vf_set1(a);
    for (size_t i = 0; i < n; i += W)
        sum = vf_fma(vf_load_n(dx + i, n - i, vf_set1(0)), vf_load_n(y + i, n - i, vf_set1(0)), sum);
    vf mean = vf_set1(vf_sum(sum));
    for (size_t i = 0; i < n; i += W) {
        vf d = vf_load_n(dx + i, n - i, vf_set1(0)), v = vf_load_n(y + i, n - i, vf_set1(0));
        vf_store_n(dx + i, vf_mul(vf_mul(v, factor), vf_sub(d, mean)), n - i);
    }
}

static void rms_norm_back(float *dx, float *dg, const float *x, const float *g, const float *dy,
                          size_t n, float eps)
{
    vd sum = vd_zero(), along = vd_zero();
    vf zero = vf_set1(0);
    for (size_t i = 0; i < n; i += W) {
        vf v = vf_load_n(x + i, n - i, zero);
        vf d = vf_mul(vf_load_n(g + i, n - i, zero), vf_load_n(dy + i, n - i, zero));
        sum = vd_fma(vd_of(v), vd_of(v), sum);
        along = vd_fma(vd_of(v), vd_of(d), along);
    }
    double r = 1.0 / sqrt(vd_sum(sum) / (double)n + (double)eps);
    vf back = vf_set1((float)(vd_sum(along) * r * r * r / (double)n)), scaled = vf_set1((float)r);
    for (size_t i = 0; i < n; i += W) {
        vf v = vf_load_n(x + i, n - i, zero), d = vf_mul(vf_load_n(dy + i, n - i, zero), scaled);
        vf_store_n(dg + i, vf_fma(d, v, vf_load_n(dg + i, n - i, zero)), n - i);
        vf in = vf_fma(d, vf_load_n(g + i, n - i, zero), vf_load_n(dx + i, n - i, zero));
        vf_store_n(dx + i, vf_fnma(v, back, in), n - i);
    }
}

static void silu_mul_back(float *dgate, float *dup, const float *gate, const float *up,
                          const float *dy, size_t n)
{
    vf one = vf_set1(1), zero = vf_set1(0);
    for (size_t i = 0; i < n; i += W) {
        vf g = vf_load_n(gate + i, n - i, zero), u = vf_load_n(up + i, n - i, zero);
        vf e = vf_exp(vf_sub(zero, vf_abs(g)));
        vf s = vf_div(vf_if_negative(g, e, one), vf_add(one, e));
        vf d = vf_mul(vf_load_n(dy + i, n - i, zero), s);
        vf_store_n(dup + i, vf_mul(d, g), n - i);
        vf_store_n(dgate + i, vf_mul(vf_mul(d, u), vf_fma(g, vf_sub(one, s), one)), n - i);
    }
}

static void rope_pairs(float *x, const float *c, const float *s, size_t n)
{
    for (size_t i = 0; i < n / 2; i += W / 2) {
        size_t left = 2 * (n / 2 - i);
        vf v = vf_load_n(x + 2 * i, left, vf_set1(0));
        vf vc = vf_mul(v, vf_twice(c + i, n / 2 - i));
        vf vs = vf_mul(vf_swap(v), vf_twice(s + i, n / 2 - i));
        vf_store_n(x + 2 * i, vf_subadd(vc, vs), left);
    }
}

static void rope_halves(float *x, const float *c, const float *s, size_t n)
{
    size_t half = n / 2;
    for (size_t i = 0; i < half; i += W) {
        size_t left = half - i;
        vf a = vf_load_n(x + i, left, vf_set1(0)), b = vf_load_n(x + half + i, left, vf_set1(0));
        vf vc = vf_load_n(c + i, left, vf_set1(0)), vs = vf_load_n(s + i, left, vf_set1(0));
        vf_store_n(x + i, vf_sub(vf_mul(a, vc), vf_mul(b, vs)), left);
        vf_store_n(x + half + i, vf_add(vf_mul(a, vs), vf_mul(b, vc)), left);
    }
}

static void overlay(kern *k)
{
    k->rms_norm = rms_norm;
    k->silu_mul = silu_mul;
    k->add = add;
    k->axpy = axpy;
    k->scale = scale;
    k->max = max;
    k->sum_exp = sum_exp;
    k->exp = vec_exp;
    k->max_abs = max_abs;
    k->round_e4m3 = round_e4m3;
    k->act[KERN_ACT_E4M3] = act_e4m3;
    k->lanes[KERN_ACT_E4M3] = lanes_e4m3;
    k->interleave = interleave;
    k->dot = dot;
    k->softmax = softmax;
    k->softmax_back = softmax_back;
    k->rms_norm_back = rms_norm_back;
    k->silu_mul_back = silu_mul_back;
    k->rope_pairs = rope_pairs;
    k->rope_halves = rope_halves;
}
