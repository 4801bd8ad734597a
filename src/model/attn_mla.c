/* Multi-head latent attention (DeepSeek-V2 report, section 2.1), absorbed: the up-projections of
 * keys and values are applied to the query and to the result, and all heads attend to one latent of
 * R + P columns a token whose first R are the values.
 * SPDX-License-Identifier: MIT */
#include "model/model_int.h"

struct mla {
    model_step *s;
    const struct model_layer *l;
    float *q;      /* [T, H, N + P] */
    float *projected; /* [T, R + P] */
    float *latent; /* [T, R + P]: normalised and rotated; over projected unless that is kept */
    float *query;  /* [T, H, R + P]: absorbed query, rotated part */
    size_t layer_at, head_bytes, value_at;
};

static void store(void *arg, size_t t, uint8_t *page)
{
    const struct mla *a = arg;
    const model_step *s = a->s;
    size_t d = (size_t)(s->m->config.kv_rank + s->m->config.rope_dim);
    s->m->kern.attn[s->kv->type].store(page + a->layer_at, NULL, s->pos[t] % KERN_PAGE, a->latent + t * d, NULL, d, 0);
}

static void finish_and_store(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct mla *a = arg;
    model_step *s = a->s;
    const kern *k = &s->m->kern;
    const model_config *c = &s->m->config;
    size_t H = (size_t)c->heads, R = (size_t)c->kv_rank, P = (size_t)c->rope_dim,
           N = (size_t)c->nope_dim, run = begin;
    for (size_t t = s->run[begin]; t < s->run[end]; t++) {
        if (t == s->run[run] && ++run < end)
            kern_kv_fetch(s->kv->type, s->page[s->run[run]] + a->layer_at, NULL,
                          s->pos[s->run[run]] % KERN_PAGE, R + P, 0);
        const float *cs = s->cos + t * (P / 2), *sn = s->sin + t * (P / 2);
        float *latent = a->latent + t * (R + P), *projected = a->projected + t * (R + P);
        k->rms_norm(latent, projected, a->l->kv_a_norm, R, c->norm_eps);
        if (latent != projected) memcpy(latent + R, projected + R, P * sizeof *latent);
        k->rope_pairs(latent + R, cs, sn, P);
        store(a, t, s->page[t]);
        for (size_t h = 0; h < H; h++) {
            float *q = a->q + (t * H + h) * (N + P) + N;
            k->rope_pairs(q, cs, sn, P);
            memcpy(a->query + (t * H + h) * (R + P) + R, q, P * sizeof *q);
        }
    }
}

/* Queries and latents from the stream. */
static void project(struct mla *a, bool pending)
{
    model_step *s = a->s;
    const struct model_layer *l = a->l;
    const model_config *c = &s->m->config;
    size_t T = s->T, D = (size_t)c->width, wide = (size_t)c->heads * (size_t)c->head_dim;
    size_t latent = (size_t)(c->kv_rank + c->rope_dim), rank = (size_t)c->q_rank;
    size_t mark = arena_mark(&s->scratch);
    float *low = s->record->low = rank ? model_room(s, T * rank) : NULL;
    ops_linear(&s->ops,
               &(ops_input){.x = pending ? s->delta : NULL,
                            .ldx = D,
                            .stream = s->stream,
                            .kept = s->record->attn_in,
                            .gain = l->attn_norm,
                            .eps = c->norm_eps},
               T,
               (ops_product[]){
                   {.w = rank ? &l->q_a : &l->q, .y = rank ? low : a->q, .ldy = rank ? rank : wide},
                   {.w = &l->kv_a, .y = a->projected, .ldy = latent}},
               2);
    if (rank)
        ops_linear(&s->ops,
                   &(ops_input){.x = low, .ldx = rank, .gain = l->q_a_norm, .eps = c->norm_eps}, T,
                   (ops_product[]){{.w = &l->q_b, .y = a->q, .ldy = wide}}, 1);
    arena_reset(&s->scratch, mark);
}

/* Attention of some sequences in the absorbed form; rows of others come out meaningless. */
static void absorbed(struct mla *a, const ops_sequence *seq, size_t n, float *out)
{
    model_step *s = a->s;
    const model_config *c = &s->m->config;
    size_t mark = arena_mark(&s->scratch), T = s->T, H = (size_t)c->heads, V = (size_t)c->v_dim;
    size_t R = (size_t)c->kv_rank, P = (size_t)c->rope_dim;
    float *mixed = s->record->mixed = model_room(s, T * H * R);
    ops_attend(&s->ops,
               &(ops_attention){.kv = s->kv->type,
                                .base = s->kv->base + a->layer_at,
                                .page_bytes = s->kv->page_bytes,
                                .head_bytes = a->head_bytes,
                                .heads = H,
                                .kv_heads = 1,
                                .d = R + P,
                                .dv = R,
                                .scale = s->m->attn_scale,
                                .q = a->query,
                                .ldq = H * (R + P),
                                .out = mixed,
                                .ldo = H * R},
               seq, n);
    ops_heads(&s->ops, &a->l->v_b, mixed, H * R, R, T, out, H * V, V);
    arena_reset(&s->scratch, mark);
}

void model_attn_mla(model_step *s, const struct model_layer *l, int layer, bool pending)
{
    const model_config *c = &s->m->config;
    size_t mark = arena_mark(&s->scratch), T = s->T, D = (size_t)c->width, H = (size_t)c->heads;
    size_t R = (size_t)c->kv_rank, P = (size_t)c->rope_dim, N = (size_t)c->nope_dim,
           V = (size_t)c->v_dim;
    struct mla a = {.s = s, .l = l};
    a.layer_at = model_kv_layer_at(s->kv, c, layer, &a.head_bytes, &a.value_at);
    struct model_record *r = s->record;
    a.q = r->q = model_room(s, T * H * (N + P));
    a.latent = r->latent = model_room(s, T * (R + P));
    a.projected = r->projected = s->tape && s->tape->room ? model_room(s, T * (R + P)) : a.latent;
    a.query = r->query = model_room(s, T * H * (R + P));
    float *out = r->out = model_room(s, T * H * V);
    project(&a, pending);
    ops_heads(&s->ops, &l->k_b, a.q, H * (N + P), N + P, T, a.query, H * (R + P), R + P);
    ops_for(&s->ops, s->runs, ops_grain((H * P + R) * size_max(1, T / size_max(1, s->runs))),
            finish_and_store, &a);
    model_store_prefixes(s, store, &a);
    ops_sequence *rest = arena_new(&s->scratch, ops_sequence, s->n_seq);
    size_t n = model_mla_absorbed(s, rest);
    if (n) absorbed(&a, rest, n, out);
    if (s->m->expanded) model_mla_expanded(s, l, a.layer_at, a.q, out);
    ops_linear(&s->ops, &(ops_input){.x = out, .ldx = H * V}, T,
               (ops_product[]){{.w = &l->o, .y = s->delta, .ldy = D}}, 1);
    arena_reset(&s->scratch, mark);
}
