/* Backward through latent attention in its absorbed form.
 * SPDX-License-Identifier: MIT */
#include "model/train_int.h"

/* Gradients on their way back to the products that read the stream. */
struct mla {
    struct model_batch *b;
    const struct model_record *r;
    float *query;  /* [T, H, R + P] */
    float *latent; /* [T, R + P] */
    float *q;      /* [T, H, N + P], ldq from token to token */
    float *in;     /* [T, Rq or H (N + P), then R + P], ld from token to token */
    size_t ldq, ld;
};

/* One expert a head: dy and the input are given from token to token and from head to head. */
static void heads_back(struct model_batch *b, const ops_weight *w, const ops_weight *back,
                       const float *x, size_t ldx, size_t ldxh, const float *dy, size_t lddy,
                       size_t lddyh, float *dx, size_t lddx, size_t lddxh)
{
    ops_linear_back(&b->s->ops,
                    &(ops_back){.w = &w,
                                .n = 1,
                                .back = back,
                                .T = b->T,
                                .in = {.x = x, .ldx = ldx, .heads = w->experts, .ldh = ldxh},
                                .dy = dy,
                                .lddy = lddy,
                                .lddyh = lddyh,
                                .dx = dx,
                                .lddx = lddx,
                                .lddxh = lddxh});
}

/* The rotated parts go where they came from; what norms will add to starts from zero. */
static void copy_rotated(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct mla *a = arg;
    const model_config *c = &a->b->s->m->config;
    size_t H = (size_t)c->heads, N = (size_t)c->nope_dim, P = (size_t)c->rope_dim,
           R = (size_t)c->kv_rank;
    for (size_t t = begin; t < end; t++) {
        float *in = a->in + t * a->ld, *kv = in + a->ld - (R + P);
        if (c->q_rank) memset(in, 0, (size_t)c->q_rank * sizeof *in);
        memset(kv, 0, R * sizeof *kv);
        memcpy(kv + R, a->latent + t * (R + P) + R, P * sizeof *kv);
        for (size_t h = 0; h < H; h++)
            memcpy(a->q + t * a->ldq + h * (N + P) + N, a->query + (t * H + h) * (R + P) + R,
                   P * sizeof *in);
    }
}

/* From dout [T, H, V] to the gradients of queries and latents. */
static void attend_back(struct mla *a, const float *dout)
{
    model_step *s = a->b->s;
    const model_config *c = &s->m->config;
    const struct model_record *r = a->r;
    size_t mark = arena_mark(&s->scratch), H = (size_t)c->heads, R = (size_t)c->kv_rank;
    size_t P = (size_t)c->rope_dim, V = (size_t)c->v_dim;
    int layer = (int)(r - a->b->t->records);
    float *mixed = arena_new(&s->scratch, float, a->b->T *H *R);
    heads_back(a->b, &s->m->layers[layer].v_b, &s->m->back[layer].v_b, r->mixed, H * R, R, dout,
               H * V, V, mixed, H * R, R);
    ops_attend_back(&s->ops,
                    &(ops_attention_back){.type = s->m->layers[layer].o.type,
                                          .heads = H,
                                          .kv_heads = 1,
                                          .d = R + P,
                                          .dv = R,
                                          .scale = s->m->attn_scale,
                                          .latent = true,
                                          .q = r->query,
                                          .ldq = H * (R + P),
                                          .k = r->latent,
                                          .ldk = R + P,
                                          .dout = mixed,
                                          .lddout = H * R,
                                          .dq = a->query,
                                          .lddq = H * (R + P),
                                          .dk = a->latent,
                                          .lddk = R + P},
                    s->seq, a->b->n, a->b->T, a->b->longest);
    arena_reset(&s->scratch, mark);
}

/* The low-rank query: from dq to the gradient of q_a's output. */
static void low_rank_back(struct mla *a, const struct model_layer *l, const ops_weight *back)
{
    model_step *s = a->b->s;
    const model_config *c = &s->m->config;
    const ops_weight *w = &l->q_b;
    size_t mark = arena_mark(&s->scratch), T = a->b->T, rank = (size_t)c->q_rank;
    float *low = arena_new(&s->scratch, float, T *rank);
    ops_linear_back(
        &s->ops,
        &(ops_back){.w = &w,
                    .n = 1,
                    .back = back,
                    .T = T,
                    .in = {.x = a->r->low, .ldx = rank, .gain = l->q_a_norm, .eps = c->norm_eps},
                    .dy = a->q,
                    .lddy = a->ldq,
                    .dx = low,
                    .lddx = rank});
    ops_norm_back(&s->ops, a->in, a->ld, model_gradient_of(a->b->t, l->q_a_norm), a->r->low, rank,
                  l->q_a_norm, c->norm_eps, low, rank, T, rank);
    arena_reset(&s->scratch, mark);
}

void model_back_mla(struct model_batch *b, int layer)
{
    model_step *s = b->s;
    const model_config *c = &s->m->config;
    const struct model_layer *l = &s->m->layers[layer];
    const struct model_back *back = &s->m->back[layer];
    const struct model_record *r = &b->t->records[layer];
    size_t mark = arena_mark(&s->scratch), T = b->T, H = (size_t)c->heads, N = (size_t)c->nope_dim;
    size_t P = (size_t)c->rope_dim, R = (size_t)c->kv_rank, V = (size_t)c->v_dim,
           wide = H * (N + P);
    struct mla a = {.b = b, .r = r, .ld = back->in.K};
    a.query = arena_new(&s->scratch, float, T *H *(R + P));
    a.latent = arena_new(&s->scratch, float, T *(R + P));
    a.in = arena_new(&s->scratch, float, T *a.ld);
    a.ldq = c->q_rank ? wide : a.ld;
    a.q = c->q_rank ? arena_new(&s->scratch, float, T *wide) : a.in;
    size_t inner = arena_mark(&s->scratch);
    float *dout = arena_new(&s->scratch, float, T *H *V);
    model_back_out(b, &l->o, &back->o, &(ops_input){.x = r->out, .ldx = H * V}, dout);
    attend_back(&a, dout);
    arena_reset(&s->scratch, inner);
    heads_back(b, &l->k_b, &back->k_b, r->q, wide, N + P, a.query, H * (R + P), R + P, a.q, a.ldq,
               N + P);
    ops_for(&s->ops, T, ops_grain(wide), copy_rotated, &a);
    model_back_rotation(b, a.q + N, a.ldq, H, N + P);
    float *kv = a.in + a.ld - (R + P);
    model_back_rotation(b, kv + R, a.ld, 1, P);
    ops_norm_back(&s->ops, kv, a.ld, model_gradient_of(b->t, l->kv_a_norm), r->projected, R + P,
                  l->kv_a_norm, c->norm_eps, a.latent, R + P, T, R);
    if (c->q_rank) low_rank_back(&a, l, &back->q_b);
    const ops_weight *const w[] = {c->q_rank ? &l->q_a : &l->q, &l->kv_a};
    model_back_in(b, (ops_back){.w = w, .n = 2, .back = &back->in, .dy = a.in, .lddy = back->in.K}, r->attn_in,
                  l->attn_norm);
    arena_reset(&s->scratch, mark);
}
