/* Backward through a layer of experts.
 * SPDX-License-Identifier: MIT */
#include "model/train_int.h"

void model_back_moe(struct model_batch *b, int layer)
{
    model_step *s = b->s;
    const model_config *c = &s->m->config;
    const struct model_layer *l = &s->m->layers[layer];
    const struct model_back *back = &s->m->back[layer];
    struct model_record *r = &b->t->records[layer];
    size_t mark = arena_mark(&s->scratch), D = (size_t)c->width;
    float *dx = arena_new(&s->scratch, float, b->T *D);
    ops_moe moe = model_moe_of(s->m, l);
    moe.kept = &r->moe;
    ops_balance balance = {.seq = s->seq, .n = b->n, .weight = b->balance};
    bool balanced = b->t->o.balance_loss != 0;
    ops_moe_run_back(
        &s->ops,
        &(ops_moe_back){.m = &moe,
                        .router = &back->router,
                        .gate_up = &back->gate_up_exps,
                        .down = &back->down_exps,
                        .shared_gate_up = &back->gate_up_shexp,
                        .shared_down = &back->down_shexp,
                        .in = {.x = r->ffn_in, .ldx = D, .gain = l->ffn_norm, .eps = c->norm_eps},
                        .dy = b->stream,
                        .dx = dx,
                        .balance = balanced ? &balance : NULL},
        b->T);
    ops_norm_back(&s->ops, b->stream, D, model_gradient_of(b->t, l->ffn_norm), r->ffn_in, D,
                  l->ffn_norm, c->norm_eps, dx, D, b->T, D);
    if (s->scratch.base && b->stats) {
        b->stats->balance_loss += balance.loss;
        uint64_t *load =
            b->stats->load ? b->stats->load + (size_t)layer * (size_t)c->experts : NULL;
        for (size_t e = 0; load && e < (size_t)c->experts; e++)
            load[e] += r->moe.offset[e + 1] - r->moe.offset[e];
    }
    arena_reset(&s->scratch, mark);
}
