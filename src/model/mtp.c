/* The multi-token prediction module's input: the next token's embedding and the hidden state, each
 * normalised, joined in this order and projected back to the width (DeepSeek-V3 report,
 * section 2.2; the order is that of the published eh_proj). SPDX-License-Identifier: MIT */
#include "model/model_int.h"

struct join {
    model_step *s;
    const struct model_layer *l;
    const float *hidden; /* [T, D] */
    float *pair;         /* [T, 2 D] */
};

static void join_rows(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct join *j = arg;
    const model *m = j->s->m;
    size_t D = (size_t)m->config.width;
    for (size_t t = begin; t < end; t++) {
        float *e = j->pair + 2 * t * D;
        ops_weight_row(&m->embedding, &m->kern, 0, (size_t)j->s->ids[t], e);
        m->kern.rms_norm(e, e, j->l->enorm, D, m->config.norm_eps);
        m->kern.rms_norm(e + D, j->hidden + t * D, j->l->hnorm, D, m->config.norm_eps);
    }
}

void model_mtp_pairs(model_step *s, const float *hidden, float *pairs)
{
    struct join j = {s, &s->m->layers[s->m->config.layers], hidden, pairs};
    ops_for(&s->ops, s->T, ops_grain(4 * (size_t)s->m->config.width), join_rows, &j);
}

void model_mtp_join(model_step *s, const float *hidden)
{
    const struct model_layer *l = &s->m->layers[s->m->config.layers];
    size_t mark = arena_mark(&s->scratch), D = (size_t)s->m->config.width;
    float *pairs = arena_new(&s->scratch, float, 2 * s->T * D);
    model_mtp_pairs(s, hidden, pairs);
    ops_linear(&s->ops, &(ops_input){.x = pairs, .ldx = 2 * D}, s->T,
               (ops_product[]){{.w = &l->eh_proj, .y = s->stream, .ldy = D}}, 1);
    arena_reset(&s->scratch, mark);
}
