/* Parameters in a row, and the panels made from them.
 * SPDX-License-Identifier: MIT */
#include "model/train_int.h"

#include <math.h>
#include <stdlib.h>

enum { ALIGN = 64, PACK_ROWS = 128 };

#define W(f)    offsetof(struct model_layer, f)
#define BACK(f) offsetof(struct model_back, f)

/* Which matrices share an input: their transposes stand side by side, in this order. */
static const struct {
    size_t back, w[5];
    int n;
} GROUPS[] = {
    {BACK(in), {W(q), W(q_a), W(kv_a), W(k), W(v)}, 5},
    {BACK(q_b), {W(q_b)}, 1},
    {BACK(k_b), {W(k_b)}, 1},
    {BACK(v_b), {W(v_b)}, 1},
    {BACK(o), {W(o)}, 1},
    {BACK(gate_up), {W(gate), W(up)}, 2},
    {BACK(down), {W(down)}, 1},
    {BACK(router), {W(router)}, 1},
    {BACK(gate_up_exps), {W(gate_exps), W(up_exps)}, 2},
    {BACK(down_exps), {W(down_exps)}, 1},
    {BACK(gate_up_shexp), {W(gate_shexp), W(up_shexp)}, 2},
    {BACK(down_shexp), {W(down_shexp)}, 1},
    {BACK(eh_proj), {W(eh_proj)}, 1},
};

static ops_weight *weight_at(struct model_layer *l, size_t field)
{
    return (ops_weight *)(void *)((uint8_t *)l + field);
}

/* A linear layer's matrix in FP8. The absorbed projections of heads belong to attention. */
static bool is_e4m3(const model_trainable *t, const model_tensor *tensor)
{
    bool linear = tensor->role == MODEL_MATRIX && tensor->field != W(k_b) && tensor->field != W(v_b);
    return t->o.precision == MODEL_FP8 && linear;
}

static num_type type_of(const model_trainable *t, enum model_tensor_role role)
{
    return role == MODEL_ROUTER || t->o.precision == MODEL_F32 ? NUM_F32 : NUM_BF16;
}

/* Panels at the end of what has been placed. Counting: t->m.memory is NULL. */
static ponder_status place(model_trainable *t, ops_weight *w, num_type type, size_t N, size_t K,
                           size_t E, ponder_error *err)
{
    size_t bytes;
    if (!ops_weight_bytes(&bytes, &t->m.kern, type, N, K, E) ||
        !size_add(&t->m.bytes, size_round_up(t->m.bytes, ALIGN), bytes) || t->m.bytes > SIZE_MAX / 4)
        return err_set(err, PONDER_ELIMIT, "a matrix of %zu x %zu cannot be trained", N, K);
    uint8_t *at = t->m.memory ? (uint8_t *)t->m.memory + t->m.bytes - bytes : NULL;
    *w = ops_weight_at(&t->m.kern, type, N, K, E, at);
    return PONDER_OK;
}

static bool is_param(const model_tensor *t) { return t->role != MODEL_FACTORS; }

static void describe(model_param *p, const model_tensor *t, size_t at)
{
    *p = (model_param){.tensor = *t, .at = at, .columns = (size_t)t->dim[0],
                       .rows = (size_t)t->dim[1], .experts = (size_t)t->dim[2]};
    p->n = p->rows * p->columns * p->experts;
    p->decays = t->role == MODEL_MATRIX || t->role == MODEL_HEAD || t->role == MODEL_ROUTER;
}

static void add_pack(model_trainable *t, const float *rows, ops_weight *w)
{
    struct model_pack *p = &t->packs[t->n_packs++];
    *p = (struct model_pack){.rows = rows, .w = w, .first_block = t->pack_blocks,
                             .blocks = size_ceil_div(w->N, PACK_ROWS)};
    t->pack_blocks += p->blocks * w->experts;
    size_t floats = PACK_ROWS * w->K * sizeof(float); /* rounded rows, and a file's */
    t->pack_room = size_max(t->pack_room, size_round_up(floats + floats / 2 + 256, 4096));
}

static void set_back(model_trainable *t, const ops_weight *w, ops_weight *back, size_t at)
{
    for (size_t i = 0; i < t->n_packs; i++)
        if (t->packs[i].w == w) t->packs[i].back = back, t->packs[i].at = at;
}

static ponder_status bind_params(model_trainable *t, ponder_error *err)
{
    for (size_t i = 0; i < t->n_params; i++) {
        const model_param *p = &t->params[i];
        void *slot = model_slot(&t->m, &p->tensor);
        if (p->tensor.n_dims == 1) {
            *(const float **)slot = t->masters ? t->masters + p->at : NULL;
            continue;
        }
        ops_weight *w = slot;
        TRY(place(t, w, type_of(t, p->tensor.role), p->rows, p->columns, p->experts, err));
        if (is_e4m3(t, &p->tensor)) w->mm = &t->m.kern.mm_e4m3;
        w->grad = t->gradients ? t->gradients + p->at : NULL;
        add_pack(t, t->masters ? t->masters + p->at : NULL, w);
    }
    return PONDER_OK;
}

static ponder_status bind_group(model_trainable *t, int layer, size_t g, ponder_error *err)
{
    struct model_layer *l = &t->m.layers[layer];
    ops_weight *back = (ops_weight *)(void *)((uint8_t *)&t->m.back[layer] + GROUPS[g].back);
    const ops_weight *first = NULL;
    size_t N = 0;
    for (int i = 0; i < GROUPS[g].n; i++) {
        const ops_weight *w = weight_at(l, GROUPS[g].w[i]);
        if (!w->mm) continue;
        if (N % 2 && w->type != NUM_F32)
            return err_set(err, PONDER_EUNSUPPORTED,
                           "layer %d: matrices with an odd number of rows are trained in F32 only", layer);
        set_back(t, w, back, N);
        if (!first) first = w;
        N += w->N;
    }
    if (!first) return PONDER_OK;
    TRY(place(t, back, first->type, first->K, N, first->experts, err));
    back->mm = first->mm;
    return PONDER_OK;
}

ponder_status model_train_bind(model_trainable *t, ponder_error *err)
{
    const model_config *c = &t->m.config;
    t->m.bytes = t->n_packs = t->pack_blocks = t->pack_room = 0;
    TRY(bind_params(t, err));
    for (int l = 0; l < c->layers + c->mtp_layers; l++)
        for (size_t g = 0; g < COUNT_OF(GROUPS); g++) TRY(bind_group(t, l, g, err));
    if (c->tied) t->m.head = t->m.embedding;
    ops_weight *head = c->tied ? &t->m.embedding : &t->m.head;
    set_back(t, head, &t->m.head_back, 0);
    return place(t, &t->m.head_back, head->type, head->K, head->N, 1, err);
}

ponder_status model_train_params(const model_config *c, model_param **out, size_t *n, size_t *values,
                                 ponder_error *err)
{
    size_t all = model_tensors(c, NULL, 0), at = 0;
    model_tensor *t = calloc(all, sizeof *t);
    *out = calloc(all, sizeof **out);
    *n = 0;
    if (!t || !*out) {
        free(t);
        return err_set(err, PONDER_ENOMEM, "no memory for %zu tensors", all);
    }
    model_tensors(c, t, all);
    for (size_t i = 0; i < all; i++) {
        if (!is_param(&t[i])) continue;
        model_param *p = &(*out)[(*n)++];
        describe(p, &t[i], at);
        at = size_round_up(at + p->n, ALIGN / sizeof(float));
    }
    free(t);
    *values = at;
    return PONDER_OK;
}

/* ---- masters into panels ---------------------------------------------------------------------- */

/* Rows as a file of the weight's type would have them. */
static const void *file_rows(const model_trainable *t, const ops_weight *w, const float *rows, size_t n,
                             uint8_t *room)
{
    room += PACK_ROWS * w->K * sizeof(float);
    if (w->type == NUM_F32) return rows;
    for (size_t r = 0; r < n; r++)
        t->m.kern.act[KERN_ACT_BF16](room + r * w->K * sizeof(uint16_t), 0, 1, rows + r * w->K, w->K);
    return room;
}

/* Blocks of 128 x 128 to E4M3, each in its own scale. */
static const float *rounded(const model_trainable *t, const float *rows, size_t n, size_t K, float *room)
{
    const kern *k = &t->m.kern;
    for (size_t at = 0; at < K; at += PACK_ROWS) {
        size_t have = size_min(PACK_ROWS, K - at);
        float top = 0;
        for (size_t r = 0; r < n; r++) top = fmaxf(top, k->max_abs(rows + r * K + at, have));
        for (size_t r = 0; r < n; r++) k->round_e4m3(room + r * K + at, rows + r * K + at, have, top);
    }
    return room;
}

static void pack_blocks(void *arg, size_t begin, size_t end, int worker)
{
    const model_trainable *t = arg;
    uint8_t *room = t->room + (size_t)worker * t->pack_room;
    for (size_t b = begin; b < end; b++) {
        size_t low = 0, high = t->n_packs;
        while (high - low > 1) {
            size_t mid = (low + high) / 2;
            if (t->packs[mid].first_block <= b) low = mid;
            else high = mid;
        }
        const struct model_pack *p = &t->packs[low];
        size_t local = b - p->first_block, e = local / p->blocks, row = local % p->blocks * PACK_ROWS;
        size_t n = size_min(PACK_ROWS, p->w->N - row);
        const float *rows = p->rows + (e * p->w->N + row) * p->w->K;
        if (p->w->mm->act == KERN_ACT_E4M3)
            rows = rounded(t, rows, n, p->w->K, (float *)(void *)room);
        ops_weight_pack(p->w, e, row, n, file_rows(t, p->w, rows, n, room), NULL);
        if (p->back) ops_weight_pack_back(p->back, &t->m.kern, e, p->at + row, n, rows);
    }
}

void model_trainable_refresh(model_trainable *t)
{
    pool_run(t->o.pool, t->pack_blocks, 1, pack_blocks, t);
}
