/* A model: opening, closing, and what a token costs.
 * SPDX-License-Identifier: MIT */
#include "model/model_int.h"

#include <stdlib.h>

ponder_status model_open(model **out, const fmt_model *file, const model_options *opt,
                         ponder_error *err)
{
    *out = NULL;
    model *m = calloc(1, sizeof *m);
    if (!m) return err_set(err, PONDER_ENOMEM, "no memory for a model");
    kern_init(&m->kern, opt->cpu_mask);
    ponder_status st = model_config_read(&m->config, file, err);
    const model_config *c = &m->config;
    m->expanded = opt->mla_expanded_prefill && model_is_mla(c);
    if (st == PONDER_OK) {
        m->layers = calloc((size_t)(c->layers + c->mtp_layers), sizeof *m->layers);
        if (!m->layers) st = err_set(err, PONDER_ENOMEM, "no memory for %d layers", c->layers);
    }
    if (st == PONDER_OK) st = model_load(m, file, opt, err);
    if (st == PONDER_OK) st = model_rope_init(m, err);
    if (st != PONDER_OK) {
        model_close(m);
        return st;
    }
    if (c->tied) m->head = m->embedding;
    *out = m;
    return PONDER_OK;
}

void model_close(model *m)
{
    if (!m) return;
    mem_unmap(m->memory, m->bytes);
    free(m->rope_freq);
    free(m->layers);
    free(m);
}

const model_config *model_config_of(const model *m) { return &m->config; }
const kern *model_kern(const model *m) { return &m->kern; }
size_t model_weight_bytes(const model *m) { return m->bytes; }

static void add_weight(const ops_weight *w, size_t experts, double *bytes, double *macs)
{
    if (!w->mm) return;
    *bytes += (double)experts * (double)kern_panels(w->N) * (double)w->panel_bytes;
    *macs += (double)experts * (double)w->N * (double)w->K;
}

void model_token_cost(const model *m, size_t context, double *weight_bytes, double *kv_bytes,
                      double *macs, enum kern_kv kv)
{
    const model_config *c = &m->config;
    double bytes = 0, work = 0;
    for (int i = 0; i < c->layers; i++) {
        const struct model_layer *l = &m->layers[i];
        const ops_weight *one[] = {
            &l->q,    &l->k,  &l->v,    &l->o,      &l->q_a,        &l->q_b,      &l->kv_a,
            &l->gate, &l->up, &l->down, &l->router, &l->gate_shexp, &l->up_shexp, &l->down_shexp};
        const ops_weight *some[] = {&l->gate_exps, &l->up_exps, &l->down_exps};
        for (size_t j = 0; j < COUNT_OF(one); j++) add_weight(one[j], 1, &bytes, &work);
        for (size_t j = 0; j < COUNT_OF(some); j++)
            add_weight(some[j], (size_t)c->experts_used, &bytes, &work);
        add_weight(&l->k_b, (size_t)c->heads, &bytes, &work);
        add_weight(&l->v_b, (size_t)c->heads, &bytes, &work);
        double columns = model_is_mla(c) ? 2.0 * c->kv_rank + c->rope_dim : 2.0 * c->head_dim;
        work += (double)context * c->heads * columns;
    }
    add_weight(&m->head, 1, &bytes, &work);
    size_t head_bytes, value_at;
    *weight_bytes = bytes;
    *kv_bytes = (double)context / KERN_PAGE * c->layers *
                (double)model_kv_layer_bytes(c, kv, &head_bytes, &value_at);
    *macs = work;
}
