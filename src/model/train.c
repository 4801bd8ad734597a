/* A trainable model: memory, first weights, access.
 * SPDX-License-Identifier: MIT */
#include "model/train_int.h"

#include <math.h>
#include <stdlib.h>

/* ---- size -------------------------------------------------------------------------------------- */

static ponder_status check_options(const model_config *c, const model_train_options *o, ponder_error *err)
{
    if (o->max_tokens < 2 || o->max_tokens > 1 << 24)
        return err_set(err, PONDER_EARG, "micro-batches of %zu tokens: use 2 to %d", o->max_tokens, 1 << 24);
    if (o->max_sequence < 2 || o->max_sequence > o->max_tokens)
        return err_set(err, PONDER_EARG, "sequences of %zu tokens in micro-batches of %zu", o->max_sequence,
                       o->max_tokens);
    if (o->mtp_weight != 0 && !c->mtp_layers)
        return err_set(err, PONDER_EARG, "model \"%s\" has no prediction module to train", c->name);
    return PONDER_OK;
}

/* Everything but the large memory: enough to count with. */
static ponder_status plan(model_trainable *t, const model_config *c, const model_train_options *o,
                          ponder_error *err)
{
    size_t layers = (size_t)(c->layers + c->mtp_layers);
    TRY(check_options(c, o, err));
    t->o = *o;
    if (!t->o.max_sequences) t->o.max_sequences = o->max_tokens / 16;
    t->o.max_sequences = size_max(t->o.max_sequences, 1);
    t->m.config = *c;
    kern_init(&t->m.kern, o->cpu_mask);
    t->m.layers = calloc(layers, sizeof *t->m.layers);
    t->m.back = calloc(layers, sizeof *t->m.back);
    t->records = calloc(layers, sizeof *t->records);
    t->spans = calloc(t->o.max_sequences, sizeof *t->spans);
    t->n_pages = o->max_tokens / KERN_PAGE + (o->prefixes ? 2 : 1) * t->o.max_sequences;
    t->n_listed = o->prefixes ? t->o.max_sequences * size_ceil_div(o->max_sequence, KERN_PAGE) : t->n_pages;
    t->pages = calloc(t->n_listed, sizeof *t->pages);
    if (!t->m.layers || !t->m.back || !t->records || !t->spans || !t->pages)
        return err_set(err, PONDER_ENOMEM, "no memory for %zu layers", layers);
    TRY(model_train_params(c, &t->params, &t->n_params, &t->n_values, err));
    t->packs = calloc(t->n_params, sizeof *t->packs);
    if (!t->packs) return err_set(err, PONDER_ENOMEM, "no memory for %zu tensors", t->n_params);
    t->tape.record = t->records;
    t->kv = (model_kv){.type = model_trainable_kv(t), .layers = 1, .pages = t->n_pages};
    size_t head_bytes, value_at;
    t->kv.page_bytes = model_kv_layer_bytes(c, t->kv.type, &head_bytes, &value_at);
    return model_train_bind(t, err);
}

static void drop(model_trainable *t)
{
    free(t->m.layers);
    free(t->m.back);
    free(t->m.rope_freq);
    free(t->factors);
    free(t->records);
    free(t->spans);
    free(t->pages);
    free(t->params);
    free(t->packs);
}

static size_t masters_bytes(const model_trainable *t) { return t->n_values * sizeof(float); }

static size_t room_bytes(const model_trainable *t)
{
    return (size_t)pool_threads(t->o.pool) * t->pack_room;
}

static size_t lasting_bytes(const model_trainable *t)
{
    return 2 * mem_map_bytes(masters_bytes(t)) + mem_map_bytes(t->m.bytes) + mem_map_bytes(room_bytes(t));
}

/* The parts of work, in this order. Each begins on a page of its own, large ones on a huge page: what a
 * smaller micro-batch touches is what such a one needs. */
struct work {
    size_t kv, scratch, kept;
};

static struct work work_of(model_trainable *t, bool look)
{
    size_t scratch, kept;
    model_train_count(t, look, &scratch, &kept);
    return (struct work){mem_map_bytes(t->kv.pages * t->kv.page_bytes), mem_map_bytes(scratch),
                         mem_map_bytes(kept)};
}

static size_t work_bytes(const struct work *w) { return w->kv + w->scratch + w->kept; }

model_train_size model_trainable_size(const model_config *c, const model_train_options *o)
{
    model_trainable t = {0};
    model_train_size size = {0};
    if (plan(&t, c, o, NULL) == PONDER_OK) {
        const struct work work = work_of(&t, false), look = work_of(&t, true);
        size = (model_train_size){lasting_bytes(&t), size_max(work_bytes(&work), o->least_work),
                                  work_bytes(&look)};
    }
    drop(&t);
    return size;
}

size_t model_trainable_step_bytes(const model_config *c, const model_train_options *o, size_t max_tokens)
{
    model_trainable t = {0};
    size_t bytes = plan(&t, c, o, NULL) == PONDER_OK ? model_step_bytes(&t.m, o->pool, max_tokens) : 0;
    drop(&t);
    return bytes;
}

void *model_trainable_work(const model_trainable *t, size_t *bytes)
{
    const arena *work = t->o.beside ? &t->o.beside->work : &t->work;
    *bytes = work->cap;
    return work->base;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static ponder_status map_all(model_trainable *t, const struct work *w, ponder_error *err)
{
    void *p;
    TRY(mem_map(&p, masters_bytes(t), err));
    t->masters = p;
    TRY(mem_map(&p, masters_bytes(t), err));
    t->gradients = p;
    TRY(mem_map(&t->m.memory, t->m.bytes, err));
    TRY(mem_map(&p, room_bytes(t), err));
    t->room = p;
    if (!t->o.beside)
        TRY(arena_open(&t->work, size_max(work_bytes(w), t->o.least_work), err));
    size_t bytes;
    uint8_t *at = model_trainable_work(t, &bytes);
    if (bytes < work_bytes(w))
        return err_set(err, PONDER_EARG, "micro-batches need %zu bytes and are lent %zu", work_bytes(w), bytes);
    t->kv.base = at;
    t->step.scratch = (arena){.base = at + w->kv, .cap = w->scratch};
    t->kept = (arena){.base = at + w->kv + w->scratch, .cap = w->kept};
    return PONDER_OK;
}

static ponder_status build(model_trainable *t, const model_config *c, const float *factors,
                           const model_train_options *o, ponder_error *err)
{
    size_t have = mem_available_bytes();
    TRY(plan(t, c, o, err));
    const struct work work = work_of(t, false);
    size_t bytes = lasting_bytes(t) + (o->beside ? 0 : size_max(work_bytes(&work), o->least_work));
    if (bytes > have)
        return err_set(err, PONDER_ELIMIT,
                       "training takes %.2f GB (parameters and gradients %.2f, a micro-batch %.2f) and "
                       "%.2f GB of memory are free: use smaller micro-batches or recomputation",
                       (double)bytes * 1e-9, 2e-9 * (double)masters_bytes(t),
                       (double)work_bytes(&work) * 1e-9, (double)have * 1e-9);
    TRY(map_all(t, &work, err));
    TRY(model_train_bind(t, err));
    if (factors) {
        size_t n = (size_t)c->rope_dim / 2;
        t->factors = malloc(n * sizeof *t->factors);
        if (!t->factors) return err_set(err, PONDER_ENOMEM, "no memory for %zu factors", n);
        memcpy(t->factors, factors, n * sizeof *t->factors);
        t->m.rope_factors = t->factors;
    }
    TRY(model_rope_init(&t->m, err));
    t->step.m = &t->m;
    t->step.max_tokens = t->o.max_tokens;
    t->step.ops = (ops){.k = &t->m.kern, .pool = t->o.pool, .scratch = &t->step.scratch};
    t->step.record = &t->step.unkept;
    return PONDER_OK;
}

static ponder_status make(model_trainable **out, const model_config *c, const float *factors,
                          const model_train_options *o, ponder_error *err)
{
    *out = NULL;
    model_trainable *t = calloc(1, sizeof *t);
    if (!t) return err_set(err, PONDER_ENOMEM, "no memory for a model");
    ponder_status st = build(t, c, factors, o, err);
    if (st == PONDER_OK) *out = t;
    else model_trainable_close(t);
    return st;
}

void model_trainable_close(model_trainable *t)
{
    if (!t) return;
    if (t->masters) mem_unmap(t->masters, masters_bytes(t));
    if (t->gradients) mem_unmap(t->gradients, masters_bytes(t));
    if (t->m.memory) mem_unmap(t->m.memory, t->m.bytes);
    if (t->room) mem_unmap(t->room, room_bytes(t));
    arena_close(&t->work);
    drop(t);
    free(t);
}

/* ---- first weights -------------------------------------------------------------------------------- */

struct fill {
    const model_param *p;
    float *to;
    const ops_weight *from; /* or random: */
    const kern *k;
    uint64_t seed, index;
    float deviation;
};

static void fill_rows(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct fill *f = arg;
    size_t K = f->p->columns;
    for (size_t r = begin; r < end; r++) {
        float *x = f->to + r * K;
        if (f->from) {
            ops_weight_row(f->from, f->k, r / f->p->rows, r % f->p->rows, x);
            continue;
        }
        for (size_t i = 0; i < K; i += 2) {
            float two[2];
            rng_normal2(two, f->seed, f->index, r * ((K + 1) / 2) + i / 2, RNG_INIT);
            x[i] = two[0] * f->deviation;
            if (i + 1 < K) x[i + 1] = two[1] * f->deviation;
        }
    }
}

static void fill_matrix(model_trainable *t, struct fill *f)
{
    f->to = t->masters + f->p->at;
    pool_run(t->o.pool, f->p->rows * f->p->experts, size_max(1, 16384 / f->p->columns), fill_rows, f);
}

ponder_status model_trainable_init(model_trainable **out, const model_config *c, float init, uint64_t seed,
                                   const model_train_options *o, ponder_error *err)
{
    TRY(make(out, c, NULL, o, err));
    model_trainable *t = *out;
    for (size_t i = 0; i < t->n_params; i++) {
        const model_param *p = &t->params[i];
        float *x = t->masters + p->at;
        if (p->tensor.n_dims > 1)
            fill_matrix(t, &(struct fill){.p = p, .seed = seed, .index = i, .deviation = init});
        for (size_t j = 0; p->tensor.role == MODEL_NORM && j < p->n; j++) x[j] = 1;
    }
    model_trainable_refresh(t);
    return PONDER_OK;
}

ponder_status model_trainable_open(model_trainable **out, const fmt_model *file,
                                   const model_train_options *o, ponder_error *err)
{
    model *m;
    *out = NULL;
    TRY(model_open(&m, file, &(model_options){.cpu_mask = o->cpu_mask, .pool = o->pool}, err));
    bool given = m->config.rope == MODEL_ROPE_FACTORS;
    ponder_status st = make(out, &m->config, given ? m->rope_factors : NULL, o, err);
    for (size_t i = 0; st == PONDER_OK && i < (*out)->n_params; i++) {
        const model_param *p = &(*out)->params[i];
        void *slot = model_slot(m, &p->tensor);
        if (p->tensor.n_dims > 1) fill_matrix(*out, &(struct fill){.p = p, .from = slot, .k = &m->kern});
        else memcpy((*out)->masters + p->at, *(float **)slot, p->n * sizeof(float));
    }
    model_close(m);
    if (st == PONDER_OK) model_trainable_refresh(*out);
    return st;
}

/* ---- access ---------------------------------------------------------------------------------------- */

const model *model_trainable_model(const model_trainable *t) { return &t->m; }

enum kern_kv model_trainable_kv(const model_trainable *t)
{
    return t->o.precision == MODEL_F32 ? KERN_KV_F32 : KERN_KV_BF16;
}

const model_param *model_trainable_params(const model_trainable *t, size_t *n)
{
    *n = t->n_params;
    return t->params;
}

float *model_trainable_masters(model_trainable *t, size_t *n)
{
    *n = t->n_values;
    return t->masters;
}

float *model_trainable_gradients(model_trainable *t) { return t->gradients; }

static void zero_values(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    memset((float *)arg + begin, 0, (end - begin) * sizeof(float));
}

void model_trainable_zero(model_trainable *t)
{
    pool_run(t->o.pool, t->n_values, 1 << 16, zero_values, t->gradients);
}
