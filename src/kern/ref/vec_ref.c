/* Vector kernels, the specification.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

#include <math.h>

static void rms_norm(float *y, const float *x, const float *g, size_t n, float eps)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    float r = (float)(1.0 / sqrt(sum / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++) y[i] = x[i] * r * g[i];
}

static void silu_mul(float *y, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

static void scale(float *y, float a, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] *= a;
}

static float max(const float *x, size_t n)
{
    float m = x[0];
    for (size_t i = 1; i < n; i++) m = fmaxf(m, x[i]);
    return m;
}

static double sum_exp(const float *x, size_t n, float top)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)(x[i] - top));
    return sum;
}

static void vec_exp(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = expf(x[i]);
}

static void rope_pairs(float *x, const float *c, const float *s, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * c[i] - b * s[i];
        x[2 * i + 1] = a * s[i] + b * c[i];
    }
}

static void rope_halves(float *x, const float *c, const float *s, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[i], b = x[i + n / 2];
        x[i] = a * c[i] - b * s[i];
        x[i + n / 2] = a * s[i] + b * c[i];
    }
}

static void decode(num_type t, float *y, const void *x, size_t n) { (void)num_decode(t, y, x, n); }

void kern_init_vec_ref(kern *k)
{
    k->rms_norm = rms_norm;
    k->silu_mul = silu_mul;
    k->add = add;
    k->axpy = axpy;
    k->scale = scale;
    k->max = max;
    k->sum_exp = sum_exp;
    k->exp = vec_exp;
    k->rope_pairs = rope_pairs;
    k->rope_halves = rope_halves;
    k->decode = decode;
}
