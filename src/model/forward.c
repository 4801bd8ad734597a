/* The forward pass over a batch of spans.
 * SPDX-License-Identifier: MIT */
#include "model/model_int.h"

#include <math.h>
#include <stdlib.h>

/* ---- the step's own arrays
 * ---------------------------------------------------------------------------- */

/* Places the arrays of a step of T tokens in n_seq spans; on a counting arena it only measures. */
void model_step_arrays(model_step *s, size_t T, size_t n_seq)
{
    arena *a = &s->scratch;
    const model_config *c = &s->m->config;
    size_t half = (size_t)c->rope_dim / 2, D = (size_t)c->width;
    s->T = T;
    s->n_seq = n_seq;
    s->seq = arena_new(a, ops_sequence, n_seq);
    s->joint = arena_new(a, size_t, n_seq);
    s->joints = 0;
    s->ids = arena_new(a, int32_t, T);
    s->pos = arena_new(a, uint32_t, T);
    s->page = arena_new(a, uint8_t *, T);
    s->cos = arena_new(a, float, T *half);
    s->sin = arena_new(a, float, T *half);
    s->run = arena_new(a, size_t, T + 1);
    s->runs = 0;
    s->stream = arena_new(a, float, T *D);
    s->delta = arena_new(a, float, T *D);
}

static void set_angles(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    model_step *s = arg;
    const model *m = s->m;
    size_t half = (size_t)m->config.rope_dim / 2;
    for (size_t t = begin; t < end; t++) {
        for (size_t i = 0; i < half; i++) {
            double angle = s->pos[t] * m->rope_freq[i];
            s->cos[t * half + i] = (float)cos(angle) * m->rope_scale;
            s->sin[t * half + i] = (float)sin(angle) * m->rope_scale;
        }
    }
}

static void set_tokens(model_step *s, const model_span *spans, size_t n)
{
    size_t t = 0, prefix = 0;
    for (size_t i = 0; i < n; i++) {
        const model_span *p = &spans[i];
        if (!p->continues) prefix = t;
        else if (p->pos % KERN_PAGE) s->joint[s->joints++] = i;
        s->seq[i] = (ops_sequence){.first = t, .n = p->n, .pos = p->pos, .prefix = prefix, .pages = p->pages};
        for (size_t j = 0; j < p->n; j++, t++) {
            size_t pos = p->pos + j;
            s->ids[t] = p->ids[j];
            s->pos[t] = (uint32_t)pos;
            s->page[t] = s->kv->base + p->pages[pos / KERN_PAGE] * s->kv->page_bytes;
            if (j == 0 || pos % 16 == 0) s->run[s->runs++] = t;
        }
    }
    s->run[s->runs] = t;
    ops_for(&s->ops, s->T, ops_grain(64 * (size_t)s->m->config.rope_dim), set_angles, s);
}

struct prefixes {
    model_step *s;
    model_store *store;
    void *arg;
};

static void store_prefixes(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct prefixes *p = arg;
    for (size_t i = begin; i < end; i++) {
        const ops_sequence *q = &p->s->seq[p->s->joint[i]];
        for (size_t pos = q->pos / KERN_PAGE * KERN_PAGE; pos < q->pos; pos++)
            p->store(p->arg, q->prefix + pos, p->s->page[q->first]);
    }
}

void model_store_prefixes(model_step *s, model_store *store, void *arg)
{
    struct prefixes p = {s, store, arg};
    if (s->joints) ops_for(&s->ops, s->joints, 1, store_prefixes, &p);
}

static void embed(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    model_step *s = arg;
    size_t D = (size_t)s->m->config.width;
    for (size_t t = begin; t < end; t++)
        ops_weight_row(&s->m->embedding, &s->m->kern, 0, (size_t)s->ids[t], s->stream + t * D);
}

/* ---- results
 * ---------------------------------------------------------------------------------------------- */

/* Rows whose logits or hidden state are wanted; memory is counted for all of them. */
struct results {
    model_step *s;
    size_t n;
    uint32_t *token; /* [n] row of the stream */
    float **logits;  /* [n] or NULL */
    float **hidden;  /* [n] or NULL */
    float *rows;     /* [n, D] normalised */
    const float *gain;
};

static void add_delta_and_norm(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct results *r = arg;
    model_step *s = r->s;
    const kern *k = &s->m->kern;
    size_t D = (size_t)s->m->config.width;
    for (size_t i = begin; i < end; i++) {
        size_t t = r->token[i];
        float *x = s->stream + t * D;
        k->add(x, s->delta + t * D, D);
        k->rms_norm(r->rows + i * D, x, r->gain, D, s->m->config.norm_eps);
        if (r->hidden[i]) memcpy(r->hidden[i], r->rows + i * D, D * sizeof(float));
    }
}

static void gather_wanted(struct results *r, const model_span *spans, size_t n)
{
    size_t vocab = (size_t)r->s->m->config.vocab, D = (size_t)r->s->m->config.width, t = 0;
    for (size_t i = 0; i < n; i++) {
        const model_span *p = &spans[i];
        float *logits = p->want ? p->logits : NULL;
        for (size_t j = 0; j < p->n; j++, t++) {
            bool wanted = logits && (p->want == 2 || j == p->n - 1);
            if (!wanted && !p->hidden) continue;
            r->token[r->n] = (uint32_t)t;
            r->logits[r->n] = wanted ? logits : NULL;
            r->hidden[r->n] = p->hidden ? p->hidden + j * D : NULL;
            r->n++;
            if (wanted) logits += vocab;
        }
    }
}

/* Moves the rows that want logits to the front, in order; returns how many. */
static size_t with_logits_first(struct results *r)
{
    size_t n = 0, D = (size_t)r->s->m->config.width;
    for (size_t i = 0; i < r->n; i++) {
        if (!r->logits[i]) continue;
        if (n != i) memmove(r->rows + n * D, r->rows + i * D, D * sizeof(float));
        r->logits[n++] = r->logits[i];
    }
    return n;
}

static void finish(model_step *s, const model_span *spans, size_t n, const float *gain)
{
    arena *a = &s->scratch;
    size_t mark = arena_mark(a), D = (size_t)s->m->config.width, wanted = s->T;
    struct results r = {.s = s, .gain = gain};
    r.token = arena_new(a, uint32_t, s->T);
    r.logits = arena_new(a, float *, s->T);
    r.hidden = arena_new(a, float *, s->T);
    r.rows = arena_new(a, float, s->T *D);
    if (spans) { /* none: counting */
        gather_wanted(&r, spans, n);
        ops_for(&s->ops, r.n, ops_grain(D), add_delta_and_norm, &r);
        wanted = with_logits_first(&r);
    }
    if (wanted)
        ops_linear(&s->ops, &(ops_input){.x = r.rows, .ldx = D}, wanted,
                   (ops_product[]){{.w = &s->m->head, .row = r.logits}}, 1);
    arena_reset(a, mark);
}

/* ---- opening -------------------------------------------------------------------------------- */

void model_step_count(model_step *s, const model *m, pool *p, size_t max_tokens,
                      const struct model_tape *tape)
{
    model_kv kv = {.type = KERN_KV_F32, .layers = 1, .base = (uint8_t *)s};
    *s = (model_step){.m = m, .max_tokens = max_tokens, .kv = &kv};
    s->record = &s->unkept;
    s->tape = tape;
    s->ops = (ops){.k = &m->kern, .pool = p, .scratch = &s->scratch};
    model_step_arrays(s, max_tokens, max_tokens);
    /* Training counts the prediction module where it runs it. */
    int module = tape ? 0 : m->config.mtp_layers;
    for (int l = 0; l < m->config.layers + module; l++) model_block(s, l, l > 0);
    if (module) model_mtp_join(s, NULL);
    finish(s, NULL, 0, m->final_norm);
}

size_t model_step_bytes(const model *m, pool *p, size_t max_tokens)
{
    model_step s;
    model_step_count(&s, m, p, max_tokens, NULL);
    return s.scratch.peak;
}

ponder_status model_step_open_in(model_step **out, const model *m, pool *p, size_t max_tokens,
                                 void *memory, ponder_error *err)
{
    *out = NULL;
    if (max_tokens < 1 || max_tokens > 1 << 20)
        return err_set(err, PONDER_EARG, "steps of %zu tokens: use 1 to %d", max_tokens, 1 << 20);
    model_step *s = calloc(1, sizeof *s);
    if (!s) return err_set(err, PONDER_ENOMEM, "no memory for a step");
    *s = (model_step){.m = m, .max_tokens = max_tokens, .lent = true};
    s->scratch = (arena){.base = memory, .cap = model_step_bytes(m, p, max_tokens)};
    s->record = &s->unkept;
    s->ops = (ops){.k = &m->kern, .pool = p, .scratch = &s->scratch};
    *out = s;
    return PONDER_OK;
}

ponder_status model_step_open(model_step **out, const model *m, pool *p, size_t max_tokens,
                              ponder_error *err)
{
    TRY(model_step_open_in(out, m, p, max_tokens, NULL, err));
    size_t bytes = (*out)->scratch.cap, have = mem_available_bytes();
    ponder_status st = PONDER_OK;
    if (bytes > have)
        st = err_set(
            err, PONDER_ELIMIT,
            "a step of %zu tokens takes %.2f GB and %.2f GB of memory are free: use smaller steps",
            max_tokens, (double)bytes * 1e-9, (double)have * 1e-9);
    if (st == PONDER_OK) st = arena_open(&(*out)->scratch, bytes, err);
    (*out)->lent = st != PONDER_OK;
    if (st == PONDER_OK) return st;
    model_step_close(*out);
    *out = NULL;
    return st;
}

void model_step_close(model_step *s)
{
    if (!s) return;
    if (!s->lent) arena_close(&s->scratch);
    free(s);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static ponder_status check_span(const model *m, const model_kv *kv, const model_span *p, size_t i,
                                ponder_error *err)
{
    const model_config *c = &m->config;
    if (p->n == 0 || p->n > INT32_MAX)
        return err_set(err, PONDER_EARG, "span %zu: %zu tokens", i, p->n);
    if (p->pos > INT32_MAX - p->n)
        return err_set(err, PONDER_EARG, "span %zu: position %zu is out of range", i, p->pos);
    if (p->want && !p->logits)
        return err_set(err, PONDER_EARG, "span %zu wants logits but gives no room", i);
    for (size_t j = 0; j < p->n; j++)
        if (p->ids[j] < 0 || p->ids[j] >= c->vocab)
            return err_set(err, PONDER_EARG, "span %zu: token %d is not in the vocabulary of %d", i,
                           p->ids[j], c->vocab);
    for (size_t j = 0; j <= (p->pos + p->n - 1) / KERN_PAGE; j++)
        if (p->pages[j] >= kv->pages)
            return err_set(err, PONDER_EARG, "span %zu: page %u of %zu", i, p->pages[j], kv->pages);
    return PONDER_OK;
}

static ponder_status check_spans(const model_step *s, const model_kv *kv, const model_span *spans,
                                 size_t n, ponder_error *err)
{
    size_t T = 0;
    if (n == 0) return err_set(err, PONDER_EARG, "a step without spans");
    for (size_t i = 0; i < n; i++) {
        TRY(check_span(s->m, kv, &spans[i], i, err));
        if (spans[i].n > s->max_tokens - T)
            return err_set(err, PONDER_EARG, "a step of more than %zu tokens", s->max_tokens);
        T += spans[i].n;
    }
    return PONDER_OK;
}

static ponder_status begin_step(model_step *s, model_kv *kv, const model_span *spans, size_t n,
                                ponder_error *err)
{
    TRY(check_spans(s, kv, spans, n, err));
    size_t T = 0;
    for (size_t i = 0; i < n; i++) T += spans[i].n;
    arena_reset(&s->scratch, s->base);
    s->kv = kv;
    model_step_arrays(s, T, n);
    set_tokens(s, spans, n);
    return PONDER_OK;
}

ponder_status model_forward(model_step *s, const model *m, model_kv *kv, const model_span *spans,
                            size_t n_spans, ponder_error *err)
{
    TRY(begin_step(s, kv, spans, n_spans, err));
    ops_for(&s->ops, s->T, ops_grain((size_t)m->config.width * 4), embed, s);
    for (int l = 0; l < m->config.layers; l++) model_block(s, l, l > 0);
    finish(s, spans, n_spans, m->final_norm);
    return PONDER_OK;
}

ponder_status model_mtp_run(model_step *s, model_kv *kv, const model_span *spans, size_t n, const float *hidden,
                            ponder_error *err)
{
    const model *m = s->m;
    TRY(begin_step(s, kv, spans, n, err));
    model_mtp_join(s, hidden);
    model_block(s, m->config.layers, false);
    finish(s, spans, n, m->layers[m->config.layers].head_norm);
    return PONDER_OK;
}

ponder_status model_forward_mtp(model_step *s, const model *m, model_kv *kv, const model_span *span,
                                const int32_t *next_ids, ponder_error *err)
{
    if (!m->config.mtp_layers)
        return err_set(err, PONDER_EUNSUPPORTED, "the model has no prediction module");
    if (!span->hidden)
        return err_set(err, PONDER_EARG, "the prediction module needs the hidden states");
    model_span shifted = *span;
    shifted.ids = next_ids;
    shifted.hidden = NULL;
    return model_mtp_run(s, kv, &shifted, 1, span->hidden, err);
}
