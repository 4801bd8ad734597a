/* Writing one position into a page, bit for bit as ref/attn_ref.c does.
 * SPDX-License-Identifier: MIT */
#ifndef KERN_ATTN_STORE_H
#define KERN_ATTN_STORE_H

/* The place of a position in its group of sixteen: cells of `bytes` bytes, 16 to a column. */
KERN_INLINE void scatter(void *page, const void *from, size_t bytes, size_t at, size_t count)
{
    uint8_t *to = (uint8_t *)page + (at / 16 * count * 16 + at % 16) * bytes;
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * 16 * bytes, (const uint8_t *)from + i * bytes, bytes);
}

static void store_F32(void *kp, void *vp, size_t at, const float *k, const float *v, size_t d,
                      size_t dv)
{
    scatter(kp, k, sizeof *k, at, d);
    if (v) memcpy((float *)vp + at * dv, v, dv * sizeof *v);
}

static void store_F16(void *kp, void *vp, size_t at, const float *k, const float *v, size_t d,
                      size_t dv)
{
    uint16_t half[KERN_HEAD_MAX];
    for (size_t i = 0; i < d; i += W) vf_to_f16(half + i, vf_load(k + i));
    scatter(kp, half, 2, at, d);
    for (size_t i = 0; v && i < dv; i += W) vf_to_f16((uint16_t *)vp + at * dv + i, vf_load(v + i));
}

static void store_BF16(void *kp, void *vp, size_t at, const float *k, const float *v, size_t d,
                       size_t dv)
{
    uint16_t half[KERN_HEAD_MAX];
    for (size_t i = 0; i < d; i += W) vf_to_bf16(half + i, vf_load(k + i));
    scatter(kp, half, 4, at, d / 2);
    if (!v) return;
    uint16_t *to = (uint16_t *)vp + at / 2 * dv * 2 + at % 2;
    for (size_t i = 0; i < dv; i += W) vf_to_bf16(half + i, vf_load(v + i));
    for (size_t i = 0; i < dv; i++) to[2 * i] = half[i];
}

/* 32 numbers to int8: scale = max / 127, nearest even. */
static float to_q8(int8_t *q, const float *x)
{
    vf top = vf_set1(0);
    for (size_t i = 0; i < 32; i += W) top = vf_max(vf_abs(vf_load(x + i)), top);
    float most = vf_top(top), inverse = most > 0 ? 127.0f / most : 0;
    for (size_t i = 0; i < 32; i += W) vf_to_i8(q + i, vf_mul(vf_load(x + i), vf_set1(inverse)));
    return most / 127.0f;
}

static void store_Q8(void *kp, void *vp, size_t at, const float *k, const float *v, size_t d,
                     size_t dv)
{
    int8_t q[KERN_HEAD_MAX];
    float scale[KERN_HEAD_MAX / 32];
    for (size_t i = 0; i < d; i += 32) scale[i / 32] = to_q8(q + i, k + i);
    scatter(kp, q, 4, at, d / 4);
    scatter((int8_t *)kp + KERN_PAGE * d, scale, 4, at, d / 32);
    if (!v) return;
    for (size_t i = 0; i < dv; i += 32) scale[i / 32] = to_q8((int8_t *)vp + at * dv + i, v + i);
    memcpy((int8_t *)vp + KERN_PAGE * dv + at * (dv / 32) * 4, scale, dv / 32 * 4);
}

static void span_F32(const kern_attn_args *a) { span(KERN_KV_F32, a); }
static void span_F16(const kern_attn_args *a) { span(KERN_KV_F16, a); }
static void span_BF16(const kern_attn_args *a) { span(KERN_KV_BF16, a); }
static void span_Q8(const kern_attn_args *a) { span(KERN_KV_Q8, a); }

static void overlay(kern *k)
{
    k->attn[KERN_KV_F32] = (kern_attn){store_F32, span_F32};
    k->attn[KERN_KV_F16] = (kern_attn){store_F16, span_F16};
    k->attn[KERN_KV_BF16] = (kern_attn){store_BF16, span_BF16};
    k->attn[KERN_KV_Q8] = (kern_attn){store_Q8, span_Q8};
}

#endif
