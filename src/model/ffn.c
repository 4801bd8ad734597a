/* The feed-forward part: dense SwiGLU, or experts.
 * SPDX-License-Identifier: MIT */
#include "model/model_int.h"

static void dense(model_step *s, const struct model_layer *l, const ops_input *in)
{
    size_t mark = arena_mark(&s->scratch), F = l->gate.N, D = l->gate.K;
    float *gate = s->record->gate = model_room(s, s->T * F);
    float *up = s->record->up = model_room(s, s->T * F);
    ops_linear(
        &s->ops, in, s->T,
        (ops_product[]){{.w = &l->gate, .y = gate, .ldy = F}, {.w = &l->up, .y = up, .ldy = F}}, 2);
    ops_linear(&s->ops, &(ops_input){.x = gate, .ldx = F, .up = up}, s->T,
               (ops_product[]){{.w = &l->down, .y = s->delta, .ldy = D}}, 1);
    arena_reset(&s->scratch, mark);
}

ops_moe model_moe_of(const model *m, const struct model_layer *l)
{
    const model_config *c = &m->config;
    bool shared = c->experts_shared > 0;
    return (ops_moe){
        .router = &l->router,
        .bias = l->router_bias,
        .gate = &l->gate_exps,
        .up = &l->up_exps,
        .down = &l->down_exps,
        .shared_gate = shared ? &l->gate_shexp : NULL,
        .shared_up = shared ? &l->up_shexp : NULL,
        .shared_down = shared ? &l->down_shexp : NULL,
        .used = (size_t)c->experts_used,
        .groups = (size_t)c->expert_groups,
        .groups_used = (size_t)c->expert_groups_used,
        .sigmoid = c->gate == MODEL_GATE_SIGMOID,
        .normalize = c->gate_normalize,
        .scale = c->gate_scale,
    };
}

void model_ffn(model_step *s, const struct model_layer *l, int layer)
{
    const model_config *c = &s->m->config;
    ops_input in = {.x = s->delta,
                    .ldx = (size_t)c->width,
                    .stream = s->stream,
                    .kept = s->record->ffn_in,
                    .gain = l->ffn_norm,
                    .eps = c->norm_eps};
    if (model_layer_is_dense(c, layer)) {
        dense(s, l, &in);
        return;
    }
    ops_moe moe = model_moe_of(s->m, l);
    if (s->tape && s->tape->room) moe.room = s->tape->room, moe.kept = &s->record->moe;
    ops_moe_run(&s->ops, &moe, &in, s->T, s->delta);
}

void model_block(model_step *s, int layer, bool pending)
{
    const struct model_layer *l = &s->m->layers[layer];
    s->record = s->tape ? &s->tape->record[layer] : &s->unkept;
    if (s->tape && s->tape->room) s->record->ffn_in = model_room(s, s->T * (size_t)s->m->config.width);
    if (model_is_mla(&s->m->config)) model_attn_mla(s, l, layer, pending);
    else model_attn_gqa(s, l, layer, pending);
    model_ffn(s, l, layer);
}
