/* A second opinion on losses and gradients: the models' formulas in double, written for reading. One
 * sequence at a time, no caches, every layer's values in plain arrays.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_DOUBLE_MODEL_H
#define TESTS_DOUBLE_MODEL_H

#include "tests/check.h"

#include "model/train.h"

#include <math.h>
#include <stdlib.h>

typedef struct double_model {
    const model_config *c;
    const model_param *params;
    size_t n_params;
    const double *values; /* the masters */
} double_model;

/* A parameter of a layer (-1: outside them) by its GGUF name; NULL when the model has none. */
static const double *dm_param(const double_model *m, const char *name, int layer)
{
    char full[128];
    if (layer < 0) snprintf(full, sizeof full, "%s", name);
    else snprintf(full, sizeof full, "blk.%d.%s", layer, name);
    for (size_t i = 0; i < m->n_params; i++)
        if (!strcmp(m->params[i].tensor.name, full)) return m->values + m->params[i].at;
    return NULL;
}

static double *dm_new(size_t n)
{
    double *p = calloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    return p;
}

/* y [T, N] = x W^T (+ bias). */
static void dm_linear(double *y, const double *x, const double *w, const double *bias, size_t T, size_t N, size_t K)
{
    assert_non_null(w);
    for (size_t t = 0; t < T; t++)
        for (size_t n = 0; n < N; n++) {
            double sum = bias ? bias[n] : 0;
            for (size_t k = 0; k < K; k++) sum += x[t * K + k] * w[n * K + k];
            y[t * N + n] = sum;
        }
}

static void dm_norm(double *y, const double *x, const double *gain, size_t T, size_t n, size_t ld, double eps)
{
    for (size_t t = 0; t < T; t++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += x[t * ld + i] * x[t * ld + i];
        double r = 1 / sqrt(sum / (double)n + eps);
        for (size_t i = 0; i < n; i++) y[t * ld + i] = x[t * ld + i] * r * gain[i];
    }
}

/* The speed of a pair under the rules that the tests use. */
static double dm_speed(const model_config *c, int pair)
{
    double f = pow(c->rope_base, -2.0 * pair / c->rope_dim), wave = 2 * 3.14159265358979323846 / f;
    if (c->rope != MODEL_ROPE_LLAMA3) return f;
    double original = c->rope_original;
    if (wave < original / c->rope_high) return f;
    if (wave > original / c->rope_low) return f / c->rope_factor;
    double s = (original / wave - c->rope_low) / (c->rope_high - c->rope_low);
    return (1 - s) * f / c->rope_factor + s * f;
}

static void dm_rotate(const model_config *c, double *x, size_t t)
{
    int half = c->rope_dim / 2;
    for (int i = 0; i < half; i++) {
        /* the model keeps cosines as floats, from an exact angle */
        double angle = (double)t * dm_speed(c, i), cs = cos(angle), sn = sin(angle);
        double *a = c->rope_pairs ? &x[2 * i] : &x[i], *b = c->rope_pairs ? &x[2 * i + 1] : &x[i + half];
        double u = *a, v = *b;
        *a = u * cs - v * sn;
        *b = u * sn + v * cs;
    }
}

static double dm_silu(double x) { return x / (1 + exp(-x)); }

/* Causal attention of one head; strides are from token to token. */
static void dm_attend(double *out, size_t ldo, const double *q, size_t ldq, const double *k, size_t ldk, const double *v,
                      size_t ldv, size_t T, size_t d, size_t dv, double scale)
{
    double *p = dm_new(T);
    for (size_t t = 0; t < T; t++) {
        double top = -INFINITY, sum = 0;
        for (size_t j = 0; j <= t; j++) {
            p[j] = 0;
            for (size_t i = 0; i < d; i++) p[j] += scale * q[t * ldq + i] * k[j * ldk + i];
            top = fmax(top, p[j]);
        }
        for (size_t j = 0; j <= t; j++) sum += p[j] = exp(p[j] - top);
        for (size_t i = 0; i < dv; i++) {
            double o = 0;
            for (size_t j = 0; j <= t; j++) o += p[j] / sum * v[j * ldv + i];
            out[t * ldo + i] = o;
        }
    }
    free(p);
}

static void dm_gqa(const double_model *m, int l, const double *x, double *y, size_t T)
{
    const model_config *c = m->c;
    size_t D = (size_t)c->width, d = (size_t)c->head_dim, H = (size_t)c->heads, G = (size_t)c->kv_heads;
    double *q = dm_new(T * H * d), *k = dm_new(T * G * d), *v = dm_new(T * G * d), *o = dm_new(T * H * d);
    dm_linear(q, x, dm_param(m, "attn_q.weight", l), dm_param(m, "attn_q.bias", l), T, H * d, D);
    dm_linear(k, x, dm_param(m, "attn_k.weight", l), dm_param(m, "attn_k.bias", l), T, G * d, D);
    dm_linear(v, x, dm_param(m, "attn_v.weight", l), dm_param(m, "attn_v.bias", l), T, G * d, D);
    for (size_t t = 0; t < T; t++) {
        for (size_t h = 0; h < H; h++) dm_rotate(c, q + (t * H + h) * d, t);
        for (size_t g = 0; g < G; g++) dm_rotate(c, k + (t * G + g) * d, t);
    }
    for (size_t h = 0; h < H; h++)
        dm_attend(o + h * d, H * d, q + h * d, H * d, k + h / (H / G) * d, G * d, v + h / (H / G) * d, G * d, T, d, d,
                  1 / sqrt((double)d));
    dm_linear(y, o, dm_param(m, "attn_output.weight", l), NULL, T, D, H * d);
    free(q), free(k), free(v), free(o);
}

static void dm_swiglu(double *y, const double *x, const double *gate, const double *up, const double *down, size_t T,
                      size_t D, size_t F)
{
    double *a = dm_new(T * F), *b = dm_new(T * F);
    dm_linear(a, x, gate, NULL, T, F, D);
    dm_linear(b, x, up, NULL, T, F, D);
    for (size_t i = 0; i < T * F; i++) a[i] = dm_silu(a[i]) * b[i];
    dm_linear(y, a, down, NULL, T, D, F);
    free(a), free(b);
}

static void dm_dense(const double_model *m, int l, const double *x, double *y, size_t T)
{
    dm_swiglu(y, x, dm_param(m, "ffn_gate.weight", l), dm_param(m, "ffn_up.weight", l),
              dm_param(m, "ffn_down.weight", l), T, (size_t)m->c->width, (size_t)m->c->ffn);
}

/* log p(id) of one row of logits. */
static double dm_logprob(const double *hidden, const double *head, size_t V, size_t D, size_t id)
{
    double *x = dm_new(V), top = -INFINITY, sum = 0;
    dm_linear(x, hidden, head, NULL, 1, V, D);
    for (size_t i = 0; i < V; i++) top = fmax(top, x[i]);
    for (size_t i = 0; i < V; i++) sum += exp(x[i] - top);
    double p = x[id] - top - log(sum);
    free(x);
    return p;
}

static void dm_block(const double_model *m, int l, double *x, size_t T)
{
    const model_config *c = m->c;
    size_t D = (size_t)c->width;
    double *n = dm_new(T * D), *y = dm_new(T * D);
    dm_norm(n, x, dm_param(m, "attn_norm.weight", l), T, D, D, (double)c->norm_eps);
    dm_gqa(m, l, n, y, T);
    for (size_t i = 0; i < T * D; i++) x[i] += y[i];
    dm_norm(n, x, dm_param(m, "ffn_norm.weight", l), T, D, D, (double)c->norm_eps);
    dm_dense(m, l, n, y, T);
    for (size_t i = 0; i < T * D; i++) x[i] += y[i];
    free(n), free(y);
}

/* logprob [T - 1] of a sequence. */
static void dm_run(const double_model *m, const int32_t *ids, size_t T, double *logprob)
{
    const model_config *c = m->c;
    size_t D = (size_t)c->width, V = (size_t)c->vocab;
    const double *embedding = dm_param(m, "token_embd.weight", -1);
    const double *head = c->tied ? embedding : dm_param(m, "output.weight", -1);
    double *x = dm_new(T * D);
    for (size_t t = 0; t < T; t++) memcpy(x + t * D, embedding + (size_t)ids[t] * D, D * sizeof *x);
    for (int l = 0; l < c->layers; l++) dm_block(m, l, x, T);
    dm_norm(x, x, dm_param(m, "output_norm.weight", -1), T, D, D, (double)c->norm_eps);
    for (size_t t = 0; t + 1 < T; t++) logprob[t] = dm_logprob(x + t * D, head, V, D, (size_t)ids[t + 1]);
    free(x);
}

#endif
