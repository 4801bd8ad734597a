/* Cross-entropy over the vocabulary, a piece of the batch at a time: logits are never kept.
 * SPDX-License-Identifier: MIT */
#include "model/train_int.h"

#include <math.h>

enum { PIECE_BYTES = 64 << 20, LEAST_ROWS = 64, MOST_ROWS = 1024 };

/* Rows whose next token is asked for. */
struct head {
    struct model_batch *b;
    size_t rows, vocab, D;
    uint32_t *token, *sequence;    /* [rows]: of the batch; [piece] */
    float *hidden, *logits, *back; /* [piece, D], [piece, vocab], [piece, D] */
    float *room;                   /* [worker, vocab] */
    float *gradient;               /* [T, D] */
};

static size_t piece_rows(size_t vocab)
{
    size_t rows = PIECE_BYTES / sizeof(float) / vocab;
    return size_max(size_min(rows, MOST_ROWS), LEAST_ROWS) / LEAST_ROWS * LEAST_ROWS;
}

static void take(struct head *h, size_t T)
{
    arena *a = &h->b->s->scratch;
    size_t piece = size_min(piece_rows(h->vocab), T);
    h->token = arena_new(a, uint32_t, T);
    h->sequence = arena_new(a, uint32_t, T);
    h->hidden = arena_new(a, float, piece * h->D);
    h->logits = arena_new(a, float, piece * h->vocab);
    h->back = arena_new(a, float, piece * h->D);
    h->room = arena_new(a, float, (size_t)pool_threads(h->b->s->ops.pool) * h->vocab);
}

static void choose_rows(struct head *h)
{
    struct model_batch *b = h->b;
    bool sloped = b->loss && b->loss->slope;
    for (size_t s = 0, t = 0; s < b->n; t += b->seq[s++].n) {
        bool wanted = sloped || b->seq[s].logprob || b->seq[s].entropy;
        for (size_t i = 0; wanted && i + 1 < b->seq[s].n; i++) {
            h->token[h->rows] = (uint32_t)(t + i);
            h->sequence[h->rows++] = (uint32_t)s;
        }
    }
}

/* The piece whose rows begin at `first`. */
struct piece {
    struct head *h;
    size_t first, n;
    bool back;
};

static void gather(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct piece *p = arg;
    const struct head *h = p->h;
    for (size_t i = begin; i < end; i++)
        memcpy(h->hidden + i * h->D, h->b->hidden + h->token[p->first + i] * h->D,
               h->D * sizeof(float));
}

/* Logits into log-probabilities, then into their own gradient. */
static void score(void *arg, size_t begin, size_t end, int worker)
{
    const struct piece *p = arg;
    const struct head *h = p->h;
    struct model_batch *b = h->b;
    const kern *k = b->s->ops.k;
    for (size_t i = begin; i < end; i++) {
        size_t t = h->token[p->first + i], s = h->sequence[p->first + i], V = h->vocab;
        size_t at = t - b->s->seq[s].first;
        const model_train_sequence *q = &b->seq[s];
        float *x = h->logits + i * V;
        size_t id = (size_t)q->ids[at + 1];
        double norm = ops_log_sum_exp(k, x, V, NULL);
        float logprob = (float)((double)x[id] - norm);
        if (q->logprob) q->logprob[at] = logprob;
        float slope =
            p->back && isfinite(logprob) ? b->loss->slope(b->loss->user, s, at, logprob) : 0;
        if (!isfinite(logprob)) b->broken = true;
        b->slope[t] = slope;
        if (q->entropy) {
            float *room = h->room + (size_t)worker * V;
            k->softmax(room, 1, x, V);
            q->entropy[at] = (float)(norm - k->dot(room, x, V));
        }
        if (slope == 0) continue;
        k->softmax(x, 1, x, V);
        k->scale(x, -slope, V);
        x[id] += slope;
    }
}

static void scatter(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct piece *p = arg;
    const struct head *h = p->h;
    for (size_t i = begin; i < end; i++)
        h->b->s->ops.k->add(h->gradient + h->token[p->first + i] * h->D, h->back + i * h->D, h->D);
}

/* Moves the rows that take part in the loss to the front. */
static size_t keep_sloped(struct piece *p)
{
    struct head *h = p->h;
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (h->b->slope[h->token[p->first + i]] == 0) continue;
        if (n != i) {
            memcpy(h->logits + n * h->vocab, h->logits + i * h->vocab, h->vocab * sizeof(float));
            memcpy(h->hidden + n * h->D, h->hidden + i * h->D, h->D * sizeof(float));
            h->token[p->first + n] = h->token[p->first + i];
        }
        n++;
    }
    return n;
}

static void back(struct head *h, struct piece *p, size_t n)
{
    model_step *s = h->b->s;
    const ops_weight *w = &s->m->head;
    ops_linear_back(&s->ops, &(ops_back){.w = &w,
                                         .n = 1,
                                         .back = &s->m->head_back,
                                         .T = n,
                                         .in = {.x = h->hidden, .ldx = h->D},
                                         .dy = h->logits,
                                         .lddy = h->vocab,
                                         .dx = h->back,
                                         .lddx = h->D});
    ops_for(&s->ops, n, ops_grain(h->D), scatter, p);
}

void model_train_head(struct model_batch *b, float *gradient)
{
    model_step *s = b->s;
    size_t mark = arena_mark(&s->scratch);
    struct head h = {.b = b,
                     .vocab = (size_t)s->m->config.vocab,
                     .D = (size_t)s->m->config.width,
                     .gradient = gradient};
    take(&h, b->T);
    size_t most = size_min(piece_rows(h.vocab), b->T);
    bool counting = !s->scratch.base;
    if (counting) h.rows = 1;
    else choose_rows(&h);
    for (size_t first = 0; first < h.rows; first += most) {
        size_t n = counting ? most : size_min(most, h.rows - first);
        struct piece p = {&h, first, n, b->loss && b->loss->slope};
        ops_for(&s->ops, n, ops_grain(h.D), gather, &p);
        ops_linear(&s->ops, &(ops_input){.x = h.hidden, .ldx = h.D}, n,
                   (ops_product[]){{.w = &s->m->head, .y = h.logits, .ldy = h.vocab}}, 1);
        ops_for(&s->ops, n, 1, score, &p);
        size_t sloped = counting ? n : p.back ? keep_sloped(&p) : 0;
        if (sloped) back(&h, &p, sloped);
    }
    arena_reset(&s->scratch, mark);
}
