/* A micro-batch: forward with a tape, the loss, and backward.
 * SPDX-License-Identifier: MIT */
#include "model/train_int.h"

#include <math.h>

/* ---- memory ---------------------------------------------------------------------------------------- */

/* The prediction module's layers are among them where it is trained. */
static int layers_run(const model_trainable *t)
{
    return t->m.config.layers + (t->o.mtp_weight != 0 ? t->m.config.mtp_layers : 0);
}

/* What stays from forward to the end: the streams before layers, the last hidden states. */
static void keep_streams(struct model_batch *b)
{
    const model_config *c = &b->s->m->config;
    size_t n = b->T * (size_t)c->width;
    b->hidden = arena_new(&b->t->kept, float, n);
    for (int l = 0; l < layers_run(b->t); l++)
        b->t->records[l] = (struct model_record){.attn_in = arena_new(&b->t->kept, float, n)};
}

static void set_inverse(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct model_batch *b = arg;
    for (size_t i = begin; i < end; i++) b->back_sin[i] = -b->s->sin[i];
}

void model_batch_arrays(struct model_batch *b)
{
    const model_config *c = &b->s->m->config;
    arena *a = &b->s->scratch;
    b->balance = arena_new(a, float, b->n);
    b->slope = arena_new(a, float, b->T);
    b->back_sin = arena_new(a, float, b->T * (size_t)c->rope_dim / 2);
    b->stream = arena_new(a, float, b->T * (size_t)c->width);
    b->gradient = arena_new(a, float, b->T * (size_t)c->width);
    ops_for(&b->s->ops, b->T * (size_t)c->rope_dim / 2, 1 << 16, set_inverse, b);
    if (!a->base) return;
    memset(b->slope, 0, b->T * sizeof(float));
    memset(b->stream, 0, b->T * (size_t)c->width * sizeof(float));
    memset(b->gradient, 0, b->T * (size_t)c->width * sizeof(float));
}

void model_train_count(model_trainable *t, bool look, size_t *scratch, size_t *kept)
{
    model_step *s = &t->step;
    struct model_batch b = {.t = t, .s = s, .n = t->o.max_sequences, .T = t->o.max_tokens,
                            .longest = t->o.max_sequence};
    t->kept = (arena){0};
    s->m = &t->m;
    keep_streams(&b);
    size_t streams = t->kept.used, most = 0;
    t->tape.room = t->o.recompute || look ? NULL : &t->kept;
    model_step_count(s, &t->m, t->o.pool, b.T, &t->tape);
    t->tape.room = &t->kept;
    model_kv kv = {.type = t->kv.type, .layers = 1, .base = (uint8_t *)s};
    s->kv = &kv;
    size_t records = t->kept.used - streams;
    arena_reset(&s->scratch, 0);
    model_step_arrays(s, b.T, b.n);
    model_batch_arrays(&b);
    if (t->o.mtp_weight != 0 && !look) (void)model_train_mtp(&b, NULL);
    size_t module = t->kept.peak;
    model_train_head(&b, b.gradient);
    for (int l = 0; l < layers_run(t) && !look; l++) {
        size_t mark = arena_mark(&t->kept);
        if (t->o.recompute) model_block(s, l, false);
        most = size_max(most, t->kept.used - mark);
        model_back_layer(&b, l);
    }
    /* A batch that is only looked at keeps nothing: what others keep it has in scratch. */
    *scratch = size_max(s->scratch.peak, model_step_bytes(&t->m, t->o.pool, b.T));
    *kept = size_max(streams + (t->o.recompute ? most : records), module);
    t->kept = (arena){0};
    *s = (model_step){0};
}

/* ---- checks ---------------------------------------------------------------------------------------- */

static ponder_status check_batch(const struct model_batch *b, ponder_error *err)
{
    const model_train_options *o = &b->t->o;
    if (b->n == 0 || b->n > o->max_sequences)
        return err_set(err, PONDER_EARG, "%zu sequences in a micro-batch of at most %zu", b->n, o->max_sequences);
    size_t T = 0, prefix = 0;
    for (size_t i = 0; i < b->n; i++) {
        const model_train_sequence *q = &b->seq[i];
        if (q->continues && (i == 0 || !o->prefixes))
            return err_set(err, PONDER_EARG, "sequence %zu continues %s", i,
                           i ? "another, which was not provided for" : "none");
        size_t before = q->continues ? prefix : 0;
        if (q->n < 1 || q->n > o->max_sequence - before)
            return err_set(err, PONDER_EARG, "sequence %zu has %zu tokens; at most %zu were provided for", i,
                           before + q->n, o->max_sequence);
        if (!q->continues) prefix = q->n;
        if (q->n > o->max_tokens - T)
            return err_set(err, PONDER_EARG, "micro-batches of more than %zu tokens", o->max_tokens);
        T += q->n;
    }
    return PONDER_OK;
}

static bool is_finite(const struct model_batch *b, const float *x, size_t n)
{
    return isfinite(b->s->ops.k->dot(x, x, n)); /* squares of floats do not overflow doubles */
}

static ponder_status broken_forward(const struct model_batch *b, ponder_error *err)
{
    const model_config *c = &b->s->m->config;
    for (int l = 0; b->loss && l < c->layers; l++)
        if (!is_finite(b, b->t->records[l].attn_in, b->T * (size_t)c->width))
            return err_set(err, PONDER_EFORMAT, "numbers stop being finite in %s %d",
                           l ? "layer" : "the embedding, before layer", l ? l - 1 : 0);
    return err_set(err, PONDER_EFORMAT, "numbers stop being finite in the last layer or the output head");
}

static ponder_status broken_gradient(const struct model_batch *b, ponder_error *err)
{
    for (size_t i = b->t->n_params; i-- > 0;) { /* the order in which backward meets them */
        const model_param *p = &b->t->params[i];
        if (!is_finite(b, b->t->gradients + p->at, p->n))
            return err_set(err, PONDER_EFORMAT, "the gradient of %s stops being finite", p->tensor.name);
    }
    return err_set(err, PONDER_EFORMAT, "the gradient of the stream stops being finite");
}

/* ---- running ----------------------------------------------------------------------------------------- */

/* A sequence that continues another has that one's whole pages, and from there on pages of its own. */
void model_train_place(model_trainable *t, struct model_places *p, model_span *span)
{
    uint32_t *pages = t->pages + p->listed;
    size_t shared = 0;
    if (span->continues) {
        span->pos = p->prefix->n;
        shared = span->pos / KERN_PAGE;
        memcpy(pages, p->prefix->pages, shared * sizeof *pages);
    } else {
        p->prefix = span;
    }
    size_t n = size_ceil_div(span->pos + span->n, KERN_PAGE);
    for (size_t j = shared; j < n; j++) pages[j] = (uint32_t)p->page++;
    span->pages = pages;
    p->listed += n;
}

static ponder_status forward(struct model_batch *b, ponder_error *err)
{
    model_trainable *t = b->t;
    size_t D = (size_t)t->m.config.width, at = 0;
    struct model_places places = {0};
    for (size_t i = 0; i < b->n; i++) {
        const model_train_sequence *q = &b->seq[i];
        t->spans[i] = (model_span){.ids = q->ids, .n = q->n, .continues = q->continues, .hidden = b->hidden + at * D};
        model_train_place(t, &places, &t->spans[i]);
        at += q->n;
    }
    b->s->tape = b->loss ? &t->tape : NULL;
    t->tape.room = t->o.recompute ? NULL : &t->kept;
    return model_forward(b->s, &t->m, &t->kv, t->spans, b->n, err);
}

/* A sequence counts in the balance loss as its tokens do in the loss. */
static void weigh_sequences(struct model_batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const ops_sequence *q = &b->s->seq[i];
        double sum = 0;
        for (size_t t = q->first; t < q->first + q->n; t++) sum += fabs((double)b->slope[t]);
        b->balance[i] = (float)((double)b->t->o.balance_loss * sum);
    }
}

/* A layer's records again from the stream it began with. */
static void run_again(struct model_batch *b, int layer)
{
    size_t n = b->T * (size_t)b->s->m->config.width;
    b->t->tape.room = &b->t->kept;
    memcpy(b->s->stream, b->t->records[layer].attn_in, n * sizeof(float));
    model_block(b->s, layer, false);
}

void model_back_norm(struct model_batch *b, const float *gain)
{
    const model_config *c = &b->s->m->config;
    size_t D = (size_t)c->width;
    ops_norm_back(&b->s->ops, b->stream, D, model_gradient_of(b->t, gain), b->s->stream, D, gain, c->norm_eps,
                  b->gradient, D, b->T, D);
}

static void backward(struct model_batch *b)
{
    model_step *s = b->s;
    const model_config *c = &s->m->config;
    model_back_norm(b, s->m->final_norm);
    for (int l = c->layers - 1; l >= 0; l--) {
        size_t mark = arena_mark(&b->t->kept);
        if (b->t->o.recompute) run_again(b, l);
        model_back_layer(b, l);
        arena_reset(&b->t->kept, mark);
    }
    model_back_embedding(b, s->ids, b->stream);
}

static void call_head(const struct model_batch *b, const model_train_loss *loss)
{
    size_t D = (size_t)b->s->m->config.width;
    for (size_t i = 0; i < b->n; i++) {
        size_t at = b->s->seq[i].first * D;
        loss->head(loss->user, i, b->hidden + at, loss->look ? NULL : b->gradient + at);
    }
}

ponder_status model_train_batch(model_trainable *t, const model_train_sequence *seq, size_t n,
                                const model_train_loss *loss, model_train_stats *stats, ponder_error *err)
{
    bool learn = loss && !loss->look;
    struct model_batch b = {.t = t, .s = &t->step, .seq = seq, .n = n, .loss = learn ? loss : NULL,
                            .stats = stats};
    TRY(check_batch(&b, err));
    for (size_t i = 0, prefix = 0; i < n; i++) {
        b.T += seq[i].n;
        b.longest = size_max(b.longest, seq[i].n + (seq[i].continues ? prefix : 0));
        if (!seq[i].continues) prefix = seq[i].n;
    }
    arena_reset(&t->kept, 0);
    keep_streams(&b);
    TRY(forward(&b, err));
    model_batch_arrays(&b);
    model_train_head(&b, b.gradient);
    if (b.broken) return broken_forward(&b, err);
    if (loss && loss->head) call_head(&b, loss);
    if (!learn) return PONDER_OK;
    weigh_sequences(&b);
    if (t->o.mtp_weight != 0) TRY(model_train_mtp(&b, err));
    backward(&b);
    return is_finite(&b, b.stream, b.T * (size_t)t->m.config.width) ? PONDER_OK : broken_gradient(&b, err);
}
