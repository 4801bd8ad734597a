/* Latent attention with keys and values built again from the latents: fewer multiplications for
 * long prompts, at the price of other roundings than the absorbed form. Only on request.
 * SPDX-License-Identifier: MIT
 *
 * One head at a time: its keys [N + P] and values [V] of all positions so far go into pages of F32
 * in scratch, which the attention operator then reads like any others. */
#include "model/model_int.h"

enum { LONGEST = 32768 /* positions; longer sequences stay absorbed, as scratch is bounded */ };

struct expand {
    model_step *s;
    const ops_sequence *seq;
    size_t layer_at, length;
    float *latent;      /* [length, R + P] */
    float *key, *value; /* [length, N], [length, V] of the head at hand */
    uint8_t *pages;     /* of the head at hand */
    size_t page_bytes, value_at;
};

static bool is_expanded(const model_step *s, const ops_sequence *q)
{
    return s->m->expanded && q->n > 1 && q->pos + q->n <= LONGEST;
}

size_t model_mla_absorbed(const model_step *s, ops_sequence *out)
{
    size_t n = 0;
    if (!s->scratch.base) return 1; /* counting */
    for (size_t i = 0; i < s->n_seq; i++)
        if (!is_expanded(s, &s->seq[i])) out[n++] = s->seq[i];
    return n;
}

static void load_latents(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct expand *x = arg;
    const model_kv *kv = x->s->kv;
    const model_config *c = &x->s->m->config;
    size_t d = (size_t)(c->kv_rank + c->rope_dim);
    for (size_t p = begin; p < end; p++)
        kern_kv_load(kv->type, x->latent + p * d,
                     kv->base + x->seq->pages[p / KERN_PAGE] * kv->page_bytes + x->layer_at,
                     p % KERN_PAGE, d);
}

static void store_head(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct expand *x = arg;
    const model_config *c = &x->s->m->config;
    size_t R = (size_t)c->kv_rank, P = (size_t)c->rope_dim, N = (size_t)c->nope_dim,
           V = (size_t)c->v_dim;
    float key[KERN_HEAD_MAX];
    for (size_t p = begin * KERN_PAGE; p < size_min(end * KERN_PAGE, x->length); p++) {
        uint8_t *page = x->pages + p / KERN_PAGE * x->page_bytes;
        memcpy(key, x->key + p * N, N * sizeof *key);
        memcpy(key + N, x->latent + p * (R + P) + R, P * sizeof *key);
        x->s->m->kern.attn[KERN_KV_F32].store(page, page + x->value_at, p % KERN_PAGE, key,
                                              x->value + p * V, N + P, V);
    }
}

static void expand_sequence(struct expand *x, const struct model_layer *l, const float *q,
                            float *out)
{
    model_step *s = x->s;
    arena *a = &s->scratch;
    const model_config *c = &s->m->config;
    size_t mark = arena_mark(a), H = (size_t)c->heads, R = (size_t)c->kv_rank,
           P = (size_t)c->rope_dim;
    size_t N = (size_t)c->nope_dim, V = (size_t)c->v_dim,
           n_pages = size_ceil_div(x->length, KERN_PAGE);
    x->value_at = kern_kv_key_bytes(KERN_KV_F32, N + P);
    x->page_bytes = x->value_at + kern_kv_value_bytes(KERN_KV_F32, V);
    x->latent = arena_new(a, float, x->length *(R + P));
    x->key = arena_new(a, float, x->length *N);
    x->value = arena_new(a, float, x->length *V);
    x->pages = arena_alloc(a, n_pages * x->page_bytes);
    uint32_t *order = arena_new(a, uint32_t, n_pages);
    ops_for(&s->ops, x->length, ops_grain(R + P), load_latents, x);
    ops_acts acts;
    ops_prepare(&s->ops, &acts, &(ops_input){.x = x->latent, .ldx = R + P}, x->length, R,
                ops_form(&l->k_up) | ops_form(&l->v_b));
    ops_sequence seq = x->seq ? *x->seq : (ops_sequence){0};
    seq.pages = order;
    for (size_t i = 0; a->base && i < n_pages; i++) order[i] = (uint32_t)i;
    for (size_t h = 0; h < H; h++) {
        ops_multiply(&s->ops, &acts,
                     (ops_product[]){{.w = &l->k_up, .expert = h, .y = x->key, .ldy = N},
                                     {.w = &l->v_b, .expert = h, .y = x->value, .ldy = V}},
                     2);
        ops_for(&s->ops, n_pages, 1, store_head, x);
        ops_attend(&s->ops,
                   &(ops_attention){.kv = KERN_KV_F32,
                                    .base = x->pages,
                                    .page_bytes = x->page_bytes,
                                    .head_bytes = x->page_bytes,
                                    .value_at = x->value_at,
                                    .heads = 1,
                                    .kv_heads = 1,
                                    .d = N + P,
                                    .dv = V,
                                    .scale = s->m->attn_scale,
                                    .q = q + h * (N + P),
                                    .ldq = H * (N + P),
                                    .out = out + h * V,
                                    .ldo = H * V},
                   &seq, 1);
    }
    arena_reset(a, mark);
}

void model_mla_expanded(model_step *s, const struct model_layer *l, size_t layer_at, const float *q,
                        float *out)
{
    struct expand x = {.s = s, .layer_at = layer_at};
    if (!s->scratch.base) { /* counting: the longest there may be */
        x.length = size_min(LONGEST, (size_t)s->m->config.context);
        expand_sequence(&x, l, q, out);
        return;
    }
    for (size_t i = 0; i < s->n_seq; i++) {
        if (!is_expanded(s, &s->seq[i])) continue;
        x.seq = &s->seq[i];
        x.length = x.seq->pos + x.seq->n;
        expand_sequence(&x, l, q, out);
    }
}
