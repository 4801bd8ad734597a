/* Attention with heads sharing keys and values (llama, qwen2).
 * SPDX-License-Identifier: MIT */
#include "model/model_int.h"

struct gqa {
    model_step *s;
    float *q, *k, *v;                      /* [T, H, d], [T, G, d] twice */
    size_t layer_at, head_bytes, value_at; /* of this layer in a page; of a head; of its values */
};

static void rotate(const model_step *s, float *x, size_t heads, size_t d, size_t t)
{
    const model_config *c = &s->m->config;
    size_t n = (size_t)c->rope_dim, half = n / 2;
    for (size_t h = 0; h < heads; h++) {
        if (c->rope_pairs)
            s->m->kern.rope_pairs(x + h * d, s->cos + t * half, s->sin + t * half, n);
        else s->m->kern.rope_halves(x + h * d, s->cos + t * half, s->sin + t * half, n);
    }
}

static uint8_t *head_of(const struct gqa *a, uint8_t *page, size_t head)
{
    return page + a->layer_at + head * a->head_bytes;
}

static void fetch(const struct gqa *a, size_t t)
{
    const model_config *c = &a->s->m->config;
    size_t d = (size_t)c->head_dim, at = a->s->pos[t] % KERN_PAGE;
    for (size_t g = 0; g < (size_t)c->kv_heads; g++) {
        const uint8_t *page = head_of(a, a->s->page[t], g);
        kern_kv_fetch(a->s->kv->type, page, page + a->value_at, at, d, d);
    }
}

static void store(void *arg, size_t t, uint8_t *to)
{
    const struct gqa *a = arg;
    const model_step *s = a->s;
    size_t d = (size_t)s->m->config.head_dim, G = (size_t)s->m->config.kv_heads, at = s->pos[t] % KERN_PAGE;
    for (size_t g = 0; g < G; g++) {
        uint8_t *page = head_of(a, to, g);
        const float *k = a->k + (t * G + g) * d, *v = a->v + (t * G + g) * d;
        s->m->kern.attn[s->kv->type].store(page, page + a->value_at, at, k, v, d, d);
    }
}

static void rotate_and_store(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct gqa *a = arg;
    model_step *s = a->s;
    const model_config *c = &s->m->config;
    size_t d = (size_t)c->head_dim, H = (size_t)c->heads, G = (size_t)c->kv_heads, run = begin;
    for (size_t t = s->run[begin]; t < s->run[end]; t++) {
        if (t == s->run[run] && ++run < end) fetch(a, s->run[run]);
        rotate(s, a->q + t * H * d, H, d, t);
        rotate(s, a->k + t * G * d, G, d, t);
        store(a, t, s->page[t]);
    }
}

void model_attn_gqa(model_step *s, const struct model_layer *l, int layer, bool pending)
{
    const model_config *c = &s->m->config;
    size_t mark = arena_mark(&s->scratch), T = s->T, D = (size_t)c->width, d = (size_t)c->head_dim;
    size_t H = (size_t)c->heads, G = (size_t)c->kv_heads;
    struct gqa a = {.s = s};
    a.layer_at = model_kv_layer_at(s->kv, c, layer, &a.head_bytes, &a.value_at);
    struct model_record *r = s->record;
    a.q = r->q = model_room(s, T * H * d);
    a.k = r->k = model_room(s, T * G * d);
    a.v = r->v = model_room(s, T * G * d);
    float *out = r->out = model_room(s, T * H * d);
    ops_linear(&s->ops,
               &(ops_input){.x = pending ? s->delta : NULL,
                            .ldx = D,
                            .stream = s->stream,
                            .kept = r->attn_in,
                            .gain = l->attn_norm,
                            .eps = c->norm_eps},
               T,
               (ops_product[]){{.w = &l->q, .bias = l->q_bias, .y = a.q, .ldy = H * d},
                               {.w = &l->k, .bias = l->k_bias, .y = a.k, .ldy = G * d},
                               {.w = &l->v, .bias = l->v_bias, .y = a.v, .ldy = G * d}},
               3);
    ops_for(&s->ops, s->runs, ops_grain((H + 4 * G) * d * size_max(1, T / size_max(1, s->runs))),
            rotate_and_store, &a);
    model_store_prefixes(s, store, &a);
    ops_attend(&s->ops,
               &(ops_attention){.kv = s->kv->type,
                                .base = s->kv->base + a.layer_at,
                                .page_bytes = s->kv->page_bytes,
                                .head_bytes = a.head_bytes,
                                .value_at = a.value_at,
                                .heads = H,
                                .kv_heads = G,
                                .d = d,
                                .dv = d,
                                .scale = s->m->attn_scale,
                                .q = a.q,
                                .ldq = H * d,
                                .out = out,
                                .ldo = H * d},
               s->seq, s->n_seq);
    ops_linear(&s->ops, &(ops_input){.x = out, .ldx = H * d}, T,
               (ops_product[]){{.w = &l->o, .y = s->delta, .ldy = D}}, 1);
    arena_reset(&s->scratch, mark);
}
