/* Backward through the layers of a dense or grouped-query model; the other forms have their own
 * files. SPDX-License-Identifier: MIT */
#include "model/train_int.h"

/* ---- attention with heads sharing keys and values
 * ------------------------------------------------ */

struct unrotate {
    struct model_batch *b;
    float *x;
    size_t ld, heads, d;
};

static void unrotate_rows(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct unrotate *u = arg;
    const model_step *s = u->b->s;
    const model_config *c = &s->m->config;
    size_t n = (size_t)c->rope_dim, half = n / 2;
    for (size_t t = begin; t < end; t++) {
        const float *cs = s->cos + t * half, *sn = u->b->back_sin + t * half;
        for (size_t h = 0; h < u->heads; h++) {
            float *x = u->x + t * u->ld + h * u->d;
            if (c->rope_pairs) s->m->kern.rope_pairs(x, cs, sn, n);
            else s->m->kern.rope_halves(x, cs, sn, n);
        }
    }
}

void model_back_rotation(struct model_batch *b, float *x, size_t ld, size_t heads, size_t d)
{
    struct unrotate u = {b, x, ld, heads, d};
    ops_for(&b->s->ops, b->T, ops_grain(heads * d), unrotate_rows, &u);
}

/* The last product of a block, whose gradient is the stream's: into dx [T, K]. */
void model_back_out(struct model_batch *b, const ops_weight *w, const ops_weight *back,
                    const ops_input *in, float *dx)
{
    ops_linear_back(&b->s->ops, &(ops_back){.w = &w,
                                            .n = 1,
                                            .back = back,
                                            .T = b->T,
                                            .in = *in,
                                            .dy = b->stream,
                                            .lddy = w->N,
                                            .dx = dx,
                                            .lddx = w->K});
}

/* Products that read the normalised stream: `p` without input and output, through them and the norm. */
void model_back_in(struct model_batch *b, ops_back p, const float *x, const float *gain)
{
    ops *o = &b->s->ops;
    const model_config *c = &b->s->m->config;
    size_t mark = arena_mark(o->scratch), D = (size_t)c->width;
    p.T = b->T;
    p.in = (ops_input){.x = x, .ldx = D, .gain = gain, .eps = c->norm_eps};
    p.dx = arena_new(o->scratch, float, b->T *D);
    p.lddx = D;
    ops_linear_back(o, &p);
    ops_norm_back(o, b->stream, D, model_gradient_of(b->t, gain), x, D, gain, c->norm_eps, p.dx, D, b->T, D);
    arena_reset(o->scratch, mark);
}

void model_back_gqa(struct model_batch *b, int layer)
{
    model_step *s = b->s;
    const model_config *c = &s->m->config;
    const struct model_layer *l = &s->m->layers[layer];
    const struct model_back *back = &s->m->back[layer];
    const struct model_record *r = &b->t->records[layer];
    size_t mark = arena_mark(&s->scratch), T = b->T, d = (size_t)c->head_dim;
    size_t H = (size_t)c->heads, G = (size_t)c->kv_heads, ld = (H + 2 * G) * d;
    float *dout = arena_new(&s->scratch, float, T *H *d),
          *dqkv = arena_new(&s->scratch, float, T *ld);
    model_back_out(b, &l->o, &back->o, &(ops_input){.x = r->out, .ldx = H * d}, dout);
    float *dk = dqkv + H * d, *dv = dk + G * d;
    ops_attend_back(&s->ops,
                    &(ops_attention_back){.type = s->m->layers[layer].o.type,
                                          .heads = H,
                                          .kv_heads = G,
                                          .d = d,
                                          .dv = d,
                                          .scale = s->m->attn_scale,
                                          .q = r->q,
                                          .ldq = H * d,
                                          .k = r->k,
                                          .ldk = G * d,
                                          .v = r->v,
                                          .ldv = G * d,
                                          .dout = dout,
                                          .lddout = H * d,
                                          .dq = dqkv,
                                          .lddq = ld,
                                          .dk = dk,
                                          .lddk = ld,
                                          .dv_out = dv,
                                          .lddv = ld},
                    s->seq, b->n, T, b->longest);
    model_back_rotation(b, dqkv, ld, H + G, d);
    const float *bias[] = {l->q_bias, l->k_bias, l->v_bias};
    const size_t at[] = {0, H * d, (H + G) * d, ld};
    for (size_t i = 0; i < 3 && c->qkv_bias; i++)
        ops_sum_back(&s->ops, model_gradient_of(b->t, bias[i]), dqkv + at[i], ld, T,
                     at[i + 1] - at[i]);
    const ops_weight *const w[] = {&l->q, &l->k, &l->v};
    model_back_in(b, (ops_back){.w = w, .n = 3, .back = &back->in, .dy = dqkv, .lddy = ld}, r->attn_in, l->attn_norm);
    arena_reset(&s->scratch, mark);
}

/* ---- feed-forward
 * ---------------------------------------------------------------------------------- */

void model_back_dense(struct model_batch *b, int layer)
{
    model_step *s = b->s;
    const struct model_layer *l = &s->m->layers[layer];
    const struct model_back *back = &s->m->back[layer];
    const struct model_record *r = &b->t->records[layer];
    size_t mark = arena_mark(&s->scratch), T = b->T, F = l->gate.N;
    float *dh = arena_new(&s->scratch, float, T *F);
    model_back_out(b, &l->down, &back->down, &(ops_input){.x = r->gate, .ldx = F, .up = r->up}, dh);
    const ops_weight *const w[] = {&l->gate, &l->up};
    ops_back p = {.w = w, .n = 2, .back = &back->gate_up, .dy = dh, .lddy = F, .gate = r->gate, .up = r->up};
    model_back_in(b, p, r->ffn_in, l->ffn_norm);
    arena_reset(&s->scratch, mark);
}

/* ---- all of it
 * -------------------------------------------------------------------------------------- */

void model_back_layer(struct model_batch *b, int layer)
{
    const model_config *c = &b->s->m->config;
    if (model_layer_is_dense(c, layer)) model_back_dense(b, layer);
    else model_back_moe(b, layer);
    if (model_is_mla(c)) model_back_mla(b, layer);
    else model_back_gqa(b, layer);
}

struct embedding {
    struct model_batch *b;
    const int32_t *ids;
    const float *stream;
};

enum { COLUMNS = 64 };

/* Columns [begin, end) * COLUMNS of all tokens: rows of one token are met in the batch's order. */
static void embedding_columns(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct embedding *e = arg;
    const ops_weight *w = &e->b->s->m->embedding;
    size_t at = begin * COLUMNS, n = size_min(end * COLUMNS, w->K) - at;
    for (size_t t = 0; t < e->b->T; t++)
        e->b->s->ops.k->add(w->grad + (size_t)e->ids[t] * w->K + at, e->stream + t * w->K + at, n);
}

void model_back_embedding(struct model_batch *b, const int32_t *ids, const float *stream)
{
    struct embedding e = {b, ids, stream};
    ops_for(&b->s->ops, size_ceil_div(b->s->m->embedding.K, COLUMNS), 1, embedding_columns, &e);
}
