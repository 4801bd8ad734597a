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

/* Latent attention as published, not absorbed: keys and values are built from the latents. */
static void dm_mla(const double_model *m, int l, const double *x, double *y, size_t T)
{
    const model_config *c = m->c;
    size_t D = (size_t)c->width, H = (size_t)c->heads, N = (size_t)c->nope_dim, P = (size_t)c->rope_dim;
    size_t R = (size_t)c->kv_rank, V = (size_t)c->v_dim, Rq = (size_t)c->q_rank, d = N + P;
    double *q = dm_new(T * H * d), *kv = dm_new(T * (R + P)), *o = dm_new(T * H * V);
    double *k = dm_new(T * d), *v = dm_new(T * V);
    if (Rq) {
        double *low = dm_new(T * Rq);
        dm_linear(low, x, dm_param(m, "attn_q_a.weight", l), NULL, T, Rq, D);
        dm_norm(low, low, dm_param(m, "attn_q_a_norm.weight", l), T, Rq, Rq, (double)c->norm_eps);
        dm_linear(q, low, dm_param(m, "attn_q_b.weight", l), NULL, T, H * d, Rq);
        free(low);
    } else {
        dm_linear(q, x, dm_param(m, "attn_q.weight", l), NULL, T, H * d, D);
    }
    dm_linear(kv, x, dm_param(m, "attn_kv_a_mqa.weight", l), NULL, T, R + P, D);
    dm_norm(kv, kv, dm_param(m, "attn_kv_a_norm.weight", l), T, R, R + P, (double)c->norm_eps);
    for (size_t t = 0; t < T; t++) {
        dm_rotate(c, kv + t * (R + P) + R, t);
        for (size_t h = 0; h < H; h++) dm_rotate(c, q + (t * H + h) * d + N, t);
    }
    const double *k_b = dm_param(m, "attn_k_b.weight", l), *v_b = dm_param(m, "attn_v_b.weight", l);
    for (size_t h = 0; h < H; h++) {
        for (size_t t = 0; t < T; t++) {
            const double *latent = kv + t * (R + P);
            for (size_t n = 0; n < N; n++) {
                k[t * d + n] = 0;
                for (size_t r = 0; r < R; r++) k[t * d + n] += k_b[(h * R + r) * N + n] * latent[r];
            }
            memcpy(k + t * d + N, latent + R, P * sizeof *k);
            for (size_t i = 0; i < V; i++) {
                v[t * V + i] = 0;
                for (size_t r = 0; r < R; r++) v[t * V + i] += v_b[(h * V + i) * R + r] * latent[r];
            }
        }
        dm_attend(o + h * V, H * V, q + h * d, H * d, k, d, v, V, T, d, V, 1 / sqrt((double)d));
    }
    dm_linear(y, o, dm_param(m, "attn_output.weight", l), NULL, T, D, H * V);
    free(q), free(kv), free(o), free(k), free(v);
}

/* The experts of one token, by trying: an expert is chosen when fewer than K are better. */
static bool dm_chosen(const double_model *m, const double *choice, size_t e)
{
    const model_config *c = m->c;
    size_t E = (size_t)c->experts, size = E / (size_t)c->expert_groups, better = 0;
    double worth[64];
    for (size_t g = 0; g < E / size; g++) {
        double a = -INFINITY, b = -INFINITY;
        for (size_t i = g * size; i < (g + 1) * size; i++) {
            if (choice[i] > a) b = a, a = choice[i];
            else b = fmax(b, choice[i]);
        }
        worth[g] = c->gate == MODEL_GATE_SIGMOID ? a + b : a;
    }
    for (size_t i = 0; i < E; i++) {
        size_t above = 0;
        for (size_t g = 0; g < E / size; g++) above += worth[g] > worth[i / size];
        bool open = above < (size_t)c->expert_groups_used;
        if (i == e && !open) return false;
        better += open && choice[i] > choice[e];
    }
    return better < (size_t)c->experts_used;
}

/* share [E] counts the choices, mean [E] sums the normalised scores. */
static void dm_route(const double_model *m, int l, const double *x, double *weight, double *share, double *mean)
{
    const model_config *c = m->c;
    size_t E = (size_t)c->experts;
    double score[64], choice[64], all = 0, chosen = 0;
    dm_linear(score, x, dm_param(m, "ffn_gate_inp.weight", l), NULL, 1, E, (size_t)c->width);
    for (size_t e = 0; e < E; e++) score[e] = c->gate == MODEL_GATE_SIGMOID ? 1 / (1 + exp(-score[e])) : exp(score[e]);
    for (size_t e = 0; e < E; e++) all += score[e];
    for (size_t e = 0; e < E && c->gate != MODEL_GATE_SIGMOID; e++) score[e] /= all;
    const double *bias = dm_param(m, "exp_probs_b.bias", l);
    for (size_t e = 0; e < E; e++) choice[e] = score[e] + (bias ? bias[e] : 0);
    for (size_t e = 0; e < E; e++) {
        bool is = dm_chosen(m, choice, e);
        weight[e] = is ? score[e] : 0;
        chosen += weight[e];
        share[e] += is;
        mean[e] += c->gate == MODEL_GATE_SIGMOID ? score[e] / all : score[e];
    }
    for (size_t e = 0; e < E; e++) weight[e] *= (double)c->gate_scale / (c->gate_normalize ? chosen : 1);
}

static void dm_moe(const double_model *m, int l, const double *x, double *y, size_t T, double *balance)
{
    const model_config *c = m->c;
    size_t D = (size_t)c->width, E = (size_t)c->experts, F = (size_t)c->expert_ffn;
    const double *gate = dm_param(m, "ffn_gate_exps.weight", l), *up = dm_param(m, "ffn_up_exps.weight", l);
    const double *down = dm_param(m, "ffn_down_exps.weight", l);
    double *part = dm_new(D), weight[64], share[64] = {0}, mean[64] = {0};
    memset(y, 0, T * D * sizeof *y);
    if (c->experts_shared)
        dm_swiglu(y, x, dm_param(m, "ffn_gate_shexp.weight", l), dm_param(m, "ffn_up_shexp.weight", l),
                  dm_param(m, "ffn_down_shexp.weight", l), T, D, F * (size_t)c->experts_shared);
    for (size_t t = 0; t < T; t++) {
        dm_route(m, l, x + t * D, weight, share, mean);
        for (size_t e = 0; e < E; e++) {
            if (weight[e] == 0) continue;
            dm_swiglu(part, x + t * D, gate + e * F * D, up + e * F * D, down + e * D * F, 1, D, F);
            for (size_t i = 0; i < D; i++) y[t * D + i] += weight[e] * part[i];
        }
    }
    for (size_t e = 0; e < E; e++)
        *balance += share[e] * (double)E / (double)((size_t)c->experts_used * T) * mean[e] / (double)T;
    free(part);
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

static void dm_block(const double_model *m, int l, double *x, size_t T, double *balance)
{
    const model_config *c = m->c;
    size_t D = (size_t)c->width;
    double *n = dm_new(T * D), *y = dm_new(T * D);
    dm_norm(n, x, dm_param(m, "attn_norm.weight", l), T, D, D, (double)c->norm_eps);
    if (c->arch == MODEL_DEEPSEEK2) dm_mla(m, l, n, y, T);
    else dm_gqa(m, l, n, y, T);
    for (size_t i = 0; i < T * D; i++) x[i] += y[i];
    dm_norm(n, x, dm_param(m, "ffn_norm.weight", l), T, D, D, (double)c->norm_eps);
    if (c->experts && l >= c->dense_layers) dm_moe(m, l, n, y, T, balance);
    else dm_dense(m, l, n, y, T);
    for (size_t i = 0; i < T * D; i++) x[i] += y[i];
    free(n), free(y);
}

/* The prediction module: from hidden states [T, D], log p of the token after the next, [T - 2]. */
static void dm_mtp(const double_model *m, const int32_t *ids, size_t T, const double *hidden, const double *embedding,
                   const double *head, double *logprob, double *balance)
{
    const model_config *c = m->c;
    size_t D = (size_t)c->width, n = T - 1;
    int l = c->layers;
    double *pair = dm_new(2 * n * D), *x = dm_new(n * D);
    for (size_t t = 0; t < n; t++) {
        memcpy(pair + 2 * t * D, embedding + (size_t)ids[t + 1] * D, D * sizeof *x);
        memcpy(pair + (2 * t + 1) * D, hidden + t * D, D * sizeof *x);
    }
    dm_norm(pair, pair, dm_param(m, "nextn.enorm.weight", l), n, D, 2 * D, (double)c->norm_eps);
    dm_norm(pair + D, pair + D, dm_param(m, "nextn.hnorm.weight", l), n, D, 2 * D, (double)c->norm_eps);
    dm_linear(x, pair, dm_param(m, "nextn.eh_proj.weight", l), NULL, n, D, 2 * D);
    dm_block(m, l, x, n, balance);
    dm_norm(x, x, dm_param(m, "nextn.shared_head_norm.weight", l), n, D, D, (double)c->norm_eps);
    for (size_t t = 0; t + 2 < T; t++)
        logprob[t] = dm_logprob(x + t * D, head, (size_t)c->vocab, D, (size_t)ids[t + 2]);
    free(pair), free(x);
}

/* logprob [T - 1] of a sequence, mtp [T - 2] of the prediction module (NULL: not run); *balance is the
 * sum of the layers' balance losses. */
static void dm_run(const double_model *m, const int32_t *ids, size_t T, double *logprob, double *mtp, double *balance)
{
    const model_config *c = m->c;
    size_t D = (size_t)c->width, V = (size_t)c->vocab;
    const double *embedding = dm_param(m, "token_embd.weight", -1);
    const double *head = c->tied ? embedding : dm_param(m, "output.weight", -1);
    double *x = dm_new(T * D);
    *balance = 0;
    for (size_t t = 0; t < T; t++) memcpy(x + t * D, embedding + (size_t)ids[t] * D, D * sizeof *x);
    for (int l = 0; l < c->layers; l++) dm_block(m, l, x, T, balance);
    dm_norm(x, x, dm_param(m, "output_norm.weight", -1), T, D, D, (double)c->norm_eps);
    for (size_t t = 0; t + 1 < T; t++) logprob[t] = dm_logprob(x + t * D, head, V, D, (size_t)ids[t + 1]);
    if (mtp) dm_mtp(m, ids, T, x, embedding, head, mtp, balance);
    free(x);
}

#endif
