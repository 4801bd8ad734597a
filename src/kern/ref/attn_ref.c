/* Attention over paged keys and values, the specification: layouts and softmax over one span.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

#include <math.h>

size_t kern_kv_key_bytes(enum kern_kv t, size_t d)
{
    size_t n = KERN_PAGE * d;
    return t == KERN_KV_F32 ? 4 * n : t == KERN_KV_Q8 ? n + n / 32 * sizeof(float) : 2 * n;
}

size_t kern_kv_value_bytes(enum kern_kv t, size_t dv) { return kern_kv_key_bytes(t, dv); }

/* Where column i of position `at` stands, counted in elements. */
static size_t key_index(size_t c, size_t at, size_t i, size_t d)
{
    return (at / 16 * (d / c) + i / c) * 16 * c + at % 16 * c + i % c;
}

static size_t value_index(size_t c, size_t at, size_t i, size_t dv)
{
    return (at / c * dv + i) * c + at % c;
}

static size_t key_columns(enum kern_kv t) { return t == KERN_KV_BF16 ? 2 : t == KERN_KV_Q8 ? 4 : 1; }
static size_t value_rows(enum kern_kv t) { return t == KERN_KV_BF16 ? 2 : 1; }

static void put(enum kern_kv t, void *page, size_t index, float x)
{
    if (t == KERN_KV_F32) ((float *)page)[index] = x;
    else if (t == KERN_KV_F16) ((uint16_t *)page)[index] = num_f32_to_f16(x);
    else ((uint16_t *)page)[index] = num_f32_to_bf16(x);
}

/* Element of a page; `scale` is the place of its Q8 scale. */
static float get(enum kern_kv t, const void *page, size_t index, const float *scale)
{
    switch (t) {
    case KERN_KV_F32: return ((const float *)page)[index];
    case KERN_KV_F16: return num_f16_to_f32(((const uint16_t *)page)[index]);
    case KERN_KV_BF16: return num_bf16_to_f32(((const uint16_t *)page)[index]);
    case KERN_KV_Q8: return *scale * ((const int8_t *)page)[index];
    }
    return 0;
}

/* The scales of a Q8 page stand after its numbers. */
static float *key_scale(const void *page, size_t at, size_t i, size_t d)
{
    return (float *)((uintptr_t)page + KERN_PAGE * d) + (at / 16 * (d / 32) + i / 32) * 16 + at % 16;
}

static float *value_scale(const void *page, size_t at, size_t i, size_t dv)
{
    return (float *)((uintptr_t)page + KERN_PAGE * dv) + at * (dv / 32) + i / 32;
}

/* 32 numbers to int8: d = max / 127, nearest even. */
static float quantize32(int8_t q[32], const float *x)
{
    float top = 0;
    for (size_t i = 0; i < 32; i++) top = fmaxf(top, fabsf(x[i]));
    float inverse = top > 0 ? 127.0f / top : 0;
    for (size_t i = 0; i < 32; i++) q[i] = (int8_t)lrintf(x[i] * inverse);
    return top / 127.0f;
}

static void store_q8(void *kp, void *vp, size_t at, const float *k, const float *v, size_t d, size_t dv)
{
    int8_t q[32];
    for (size_t i = 0; i < d; i += 32) {
        *key_scale(kp, at, i, d) = quantize32(q, k + i);
        for (size_t j = 0; j < 32; j++) ((int8_t *)kp)[key_index(4, at, i + j, d)] = q[j];
    }
    for (size_t i = 0; v && i < dv; i += 32) {
        *value_scale(vp, at, i, dv) = quantize32(q, v + i);
        for (size_t j = 0; j < 32; j++) ((int8_t *)vp)[value_index(1, at, i + j, dv)] = q[j];
    }
}

static void store(enum kern_kv t, void *kp, void *vp, size_t at, const float *k, const float *v,
                  size_t d, size_t dv)
{
    for (size_t i = 0; i < d; i++) put(t, kp, key_index(key_columns(t), at, i, d), k[i]);
    for (size_t i = 0; v && i < dv; i++) put(t, vp, value_index(value_rows(t), at, i, dv), v[i]);
}

void kern_kv_load(enum kern_kv t, float *k, const void *page, size_t at, size_t d)
{
    for (size_t i = 0; i < d; i++)
        k[i] = get(t, page, key_index(key_columns(t), at, i, d), key_scale(page, at, i, d));
}

static void fetch(const void *from, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i += 64) __builtin_prefetch((const uint8_t *)from + i, 1, 2);
}

void kern_kv_fetch(enum kern_kv t, const void *k_page, const void *v_page, size_t at, size_t d, size_t dv)
{
    const size_t size = t == KERN_KV_F32 ? 4 : t == KERN_KV_Q8 ? 1 : 2, rows = value_rows(t);
    fetch(k_page, at / 16 * 16 * d * size, (at / 16 + 1) * 16 * d * size);
    if (v_page) fetch(v_page, at / rows * rows * dv * size, (at / rows + 1) * rows * dv * size);
}

/* Column i of position p of the span, of a head's keys or (latent or not) of the values. */
static float key_at(enum kern_kv t, const kern_attn_args *a, size_t head, size_t p, size_t i)
{
    const void *page = (const uint8_t *)a->k[p / KERN_PAGE] + head * a->head_bytes;
    size_t at = p % KERN_PAGE;
    return get(t, page, key_index(key_columns(t), at, i, a->d), key_scale(page, at, i, a->d));
}

static float value_at(enum kern_kv t, const kern_attn_args *a, size_t head, size_t p, size_t i)
{
    if (!a->v) return key_at(t, a, head, p, i);
    const void *page = (const uint8_t *)a->v[p / KERN_PAGE] + head * a->head_bytes;
    size_t at = p % KERN_PAGE;
    return get(t, page, value_index(value_rows(t), at, i, a->dv), value_scale(page, at, i, a->dv));
}

static void span(enum kern_kv t, const kern_attn_args *a)
{
    float s[KERN_SPAN];
    for (size_t r = 0; r < size_max(1, a->heads) * a->nq; r++) {
        const float *q = a->q + r * a->ldq;
        float *o = a->o + r * a->ldo, top = -INFINITY;
        size_t n = (size_t)a->n[r % a->nq], head = r / a->nq;
        for (size_t p = 0; p < n; p++) {
            double dot = 0;
            for (size_t i = 0; i < a->d; i++) dot += (double)q[i] * (double)key_at(t, a, head, p, i);
            s[p] = (float)dot * a->scale;
            top = fmaxf(top, s[p]);
        }
        double sum = 0;
        for (size_t p = 0; p < n; p++) sum += (double)(s[p] = expf(s[p] - top));
        for (size_t i = 0; i < a->dv; i++) {
            double acc = 0;
            for (size_t p = 0; p < n; p++) acc += (double)s[p] * (double)value_at(t, a, head, p, i);
            o[i] = (float)acc;
        }
        a->max[r] = top;
        a->sum[r] = (float)sum;
    }
}

#define TYPE(name, store_call)                                                                     \
    static void store_##name(void *kp, void *vp, size_t at, const float *k, const float *v,        \
                             size_t d, size_t dv)                                                  \
    {                                                                                              \
        store_call;                                                                                \
    }                                                                                              \
    static void span_##name(const kern_attn_args *a) { span(KERN_KV_##name, a); }
TYPE(F32, store(KERN_KV_F32, kp, vp, at, k, v, d, dv))
TYPE(F16, store(KERN_KV_F16, kp, vp, at, k, v, d, dv))
TYPE(BF16, store(KERN_KV_BF16, kp, vp, at, k, v, d, dv))
TYPE(Q8, store_q8(kp, vp, at, k, v, d, dv))

void kern_init_attn_ref(kern *k)
{
    k->attn[KERN_KV_F32] = (kern_attn){store_F32, span_F32};
    k->attn[KERN_KV_F16] = (kern_attn){store_F16, span_F16};
    k->attn[KERN_KV_BF16] = (kern_attn){store_BF16, span_BF16};
    k->attn[KERN_KV_Q8] = (kern_attn){store_Q8, span_Q8};
}
