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

float kern_max_abs_ref(const float *x, size_t n)
{
    float m = 0;
    for (size_t i = 0; i < n; i++) m = fmaxf(m, fabsf(x[i]));
    return m;
}

void kern_round_e4m3_ref(float *y, const float *x, size_t n, float top)
{
    int e;
    float f = frexpf(top, &e); /* top = f * 2^e, 1/2 <= f < 1; 448 = 0.875 * 2^9 */
    e -= f > 0.875f ? 8 : 9;
    for (size_t i = 0; i < n; i++) /* what is too small for the way of the kernels counts as zero */
        y[i] = top < 0x1p-90f ? 0 * x[i] : ldexpf(num_e4m3_to_f32(num_f32_to_e4m3(ldexpf(x[i], -e))), e);
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

static double dot(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

static void softmax(float *y, float a, const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) y[i] = a * x[i];
    float top = max(y, n);
    for (size_t i = 0; i < n; i++) sum += (double)(y[i] = expf(y[i] - top));
    scale(y, (float)(1 / sum), n);
}

static void softmax_back(float *dx, float a, const float *y, size_t n)
{
    float mean = (float)dot(dx, y, n);
    for (size_t i = 0; i < n; i++) dx[i] = a * y[i] * (dx[i] - mean);
}

static void rms_norm_back(float *dx, float *dg, const float *x, const float *g, const float *dy,
                          size_t n, float eps)
{
    double sum = 0, along = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
        along += (double)(g[i] * dy[i]) * (double)x[i];
    }
    double r = 1.0 / sqrt(sum / (double)n + (double)eps);
    float back = (float)(along * r * r * r / (double)n);
    for (size_t i = 0; i < n; i++) {
        float d = dy[i] * (float)r;
        dg[i] += d * x[i];
        dx[i] += d * g[i] - x[i] * back;
    }
}

static void silu_mul_back(float *dgate, float *dup, const float *gate, const float *up,
                          const float *dy, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float g = gate[i], s = 1.0f / (1.0f + expf(-g)), d = dy[i] * s, u = up[i];
        dup[i] = d * g;
        dgate[i] = d * u * (1 + g * (1 - s));
    }
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
    k->max_abs = kern_max_abs_ref;
    k->round_e4m3 = kern_round_e4m3_ref;
    k->dot = dot;
    k->softmax = softmax;
    k->softmax_back = softmax_back;
    k->rms_norm_back = rms_norm_back;
    k->silu_mul_back = silu_mul_back;
    k->rope_pairs = rope_pairs;
    k->rope_halves = rope_halves;
    k->decode = decode;
}
