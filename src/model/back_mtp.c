/* The prediction module in training: its own forward after the model's, its loss and its backward,
 * which ends in the gradient of the model's hidden states. SPDX-License-Identifier: MIT */
#include "model/train_int.h"

/* The module's batch: every sequence without its first token, beside hidden states without the
 * last. */
struct mtp {
    struct model_batch *whole, part;
    model_train_sequence *seq;
    uint32_t *row;           /* [T of the part]: of the whole batch */
    float *hidden, *logprob; /* [T, D], [T] of the part */
    model_train_loss loss;
};

static float mtp_slope(void *user, size_t s, size_t i, float logprob)
{
    (void)logprob;
    const struct mtp *p = user;
    size_t t = p->part.s->seq[s].first + i;
    return p->whole->t->o.mtp_weight * p->whole->slope[p->row[t] + 1];
}

/* Rows of sequence i in the module: a prefix has all of its own, because what comes after it is known. */
static size_t rows_of(const struct model_batch *w, size_t i)
{
    bool prefix = i + 1 < w->n && !w->seq[i].continues && w->seq[i + 1].continues;
    return w->seq[i].n - !prefix;
}

static void split(struct mtp *p, model_span *spans)
{
    struct model_batch *w = p->whole, *b = &p->part;
    size_t D = (size_t)w->t->m.config.width;
    struct model_places places = {0};
    b->n = b->T = 0;
    for (size_t i = 0, first = 0; i < w->n; first += w->seq[i++].n) {
        const model_train_sequence *q = &w->seq[i];
        size_t n = rows_of(w, i);
        if (!n) continue;
        p->seq[b->n] = (model_train_sequence){
            .ids = q->ids + 1, .n = n, .continues = q->continues, .logprob = p->logprob + b->T};
        spans[b->n] = (model_span){
            .ids = q->ids + 1, .n = n, .continues = q->continues, .hidden = b->hidden + b->T * D};
        model_train_place(w->t, &places, &spans[b->n]);
        b->balance[b->n++] = w->balance[i];
        for (size_t j = 0; j < n; j++) {
            memcpy(p->hidden + b->T * D, w->hidden + (first + j) * D, D * sizeof(float));
            p->row[b->T++] = (uint32_t)(first + j);
        }
    }
}

static void report(const struct mtp *p)
{
    double loss = 0, n = 0;
    for (size_t s = 0, t = 0; s < p->part.n; t += p->part.seq[s++].n)
        for (size_t i = t; i + 1 < t + p->part.seq[s].n; i++) {
            if (p->part.slope[i] == 0) continue;
            loss -= (double)p->logprob[i];
            n++;
        }
    if (p->whole->stats && n > 0) p->whole->stats->mtp_loss = loss / n;
}

/* From the gradient of the stream that the join made. */
static void join_back(struct mtp *p)
{
    struct model_batch *b = &p->part;
    model_step *s = b->s;
    const model_config *c = &s->m->config;
    const struct model_layer *l = &s->m->layers[c->layers];
    const ops_weight *w = &l->eh_proj;
    size_t mark = arena_mark(&s->scratch), T = b->T, D = (size_t)c->width;
    float *pairs = arena_new(&s->scratch, float, 2 * T * D),
          *back = arena_new(&s->scratch, float, 2 * T * D);
    float *rows = arena_new(&s->scratch, float, T *D), *drows = arena_new(&s->scratch, float, T *D);
    model_mtp_pairs(s, p->hidden, pairs);
    ops_linear_back(&s->ops, &(ops_back){.w = &w,
                                         .n = 1,
                                         .back = &s->m->back[c->layers].eh_proj,
                                         .T = T,
                                         .in = {.x = pairs, .ldx = 2 * D},
                                         .dy = b->stream,
                                         .lddy = D,
                                         .dx = back,
                                         .lddx = 2 * D});
    if (s->scratch.base) {
        for (size_t t = 0; t < T; t++)
            ops_weight_row(&s->m->embedding, s->ops.k, 0, (size_t)s->ids[t], rows + t * D);
        memset(drows, 0, T * D * sizeof *drows);
    }
    ops_norm_back(&s->ops, drows, D, model_gradient_of(b->t, l->enorm), rows, D, l->enorm,
                  c->norm_eps, back, 2 * D, T, D);
    model_back_embedding(b, s->ids, drows);
    if (s->scratch.base) memset(drows, 0, T * D * sizeof *drows);
    ops_norm_back(&s->ops, drows, D, model_gradient_of(b->t, l->hnorm), p->hidden, D, l->hnorm,
                  c->norm_eps, back + D, 2 * D, T, D);
    for (size_t t = 0; s->scratch.base && t < T; t++)
        s->ops.k->add(p->whole->gradient + p->row[t] * D, drows + t * D, D);
    arena_reset(&s->scratch, mark);
}

/* Room that is needed until the module's backward is done. */
static void take(struct mtp *p)
{
    model_trainable *t = p->whole->t;
    size_t T = p->whole->T, D = (size_t)t->m.config.width;
    p->part = (struct model_batch){.t = t,
                                   .s = p->whole->s,
                                   .n = p->whole->n,
                                   .T = T,
                                   .longest = p->whole->longest,
                                   .stats = p->whole->stats};
    arena *a = &p->whole->s->scratch;
    p->seq = arena_new(a, model_train_sequence, p->whole->n);
    p->row = arena_new(a, uint32_t, T);
    p->hidden = arena_new(a, float, T *D);
    p->logprob = arena_new(a, float, T);
    p->part.hidden = arena_new(a, float, T *D);
    p->part.balance = arena_new(a, float, p->whole->n);
}

static void backward(struct mtp *p)
{
    struct model_batch *b = &p->part;
    const model_config *c = &b->s->m->config;
    model_train_head(b, b->gradient);
    model_back_norm(b, b->s->m->layers[c->layers].head_norm);
    model_back_layer(b, c->layers);
    join_back(p);
}

ponder_status model_train_mtp(struct model_batch *whole, ponder_error *err)
{
    struct mtp p = {.whole = whole};
    model_step *s = whole->s, saved = *s;
    model_trainable *t = whole->t;
    struct model_batch *b = &p.part;
    size_t mark = arena_mark(&s->scratch), kept = arena_mark(&t->kept);
    take(&p);
    t->tape.room = &t->kept;
    ponder_status st = PONDER_OK;
    if (!s->scratch.base) {
        model_step_arrays(s, b->T, b->n);
        model_mtp_join(s, NULL);
        model_block(s, t->m.config.layers, false);
        model_batch_arrays(b);
        backward(&p);
    } else {
        split(&p, t->spans);
        b->seq = p.seq;
        p.loss = (model_train_loss){.slope = mtp_slope, .user = &p};
        b->loss = &p.loss;
        s->base = arena_mark(&s->scratch);
        if (b->T) st = model_mtp_run(s, &t->kv, t->spans, b->n, p.hidden, err);
        if (b->T && st == PONDER_OK) {
            float *balance = b->balance;
            model_batch_arrays(b);
            b->balance = balance;
            backward(&p);
            report(&p);
        }
        if (b->broken)
            st = err_set(err, PONDER_EFORMAT, "numbers stop being finite in the prediction module");
    }
    saved.scratch.peak = s->scratch.peak;
    *s = saved;
    arena_reset(&s->scratch, mark);
    arena_reset(&t->kept, kept);
    return st;
}
