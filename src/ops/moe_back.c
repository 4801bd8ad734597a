/* Gradients of a mixture of experts: of the experts by their rows, of the router through the
 * weights of the chosen, and of the loss that balances them. SPDX-License-Identifier: MIT */
#include "ops/ops_int.h"

struct moe_back {
    ops *o;
    const ops_moe_back *b;
    const ops_moe *m;
    const ops_moe_kept *k;
    ops_input in; /* the normalised rows: every expert of a token reads them */
    size_t T, D, E, used;
    float *pair;        /* [pairs, D]: gradient of an expert's input */
    float *factor;      /* [pairs]: weight of a pair in its token's output */
    float *weight;      /* [T, used]: gradient of the choices' weights */
    float *logits;      /* [T, E] */
    uint32_t *sequence; /* [T], with a balance loss */
    float *share;       /* [sequences, E]: of the choices, times E */
    double *loss;       /* [sequences] */
};

/* ---- rows of pairs
 * -------------------------------------------------------------------------------- */

static void weigh(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct moe_back *s = arg;
    const kern *k = s->o->k;
    for (size_t t = begin; t < end; t++) {
        const float *dy = s->b->dy + t * s->D;
        for (size_t j = t * s->used; j < (t + 1) * s->used; j++) {
            size_t row = s->k->slot[j];
            s->factor[row] = s->k->weight[j];
            s->weight[j] = (float)k->dot(dy, s->k->down + row * s->D, s->D);
        }
    }
}

static void collect(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct moe_back *s = arg;
    for (size_t t = begin; t < end; t++) {
        float *dx = s->b->dx + t * s->D;
        memset(dx, 0, s->D * sizeof *dx);
        for (size_t j = t * s->used; j < (t + 1) * s->used; j++)
            s->o->k->add(dx, s->pair + (size_t)s->k->slot[j] * s->D, s->D);
    }
}

/* ---- the router
 * ------------------------------------------------------------------------------------- */

/* Shares of a sequence, and its loss. */
static void survey(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct moe_back *s = arg;
    const ops_balance *l = s->b->balance;
    float score[OPS_EXPERTS];
    for (size_t i = begin; i < end; i++) {
        const ops_sequence *q = &l->seq[i];
        float *share = s->share + i * s->E;
        double unit = (double)s->E / (double)(s->used * q->n), loss = 0;
        memset(share, 0, s->E * sizeof *share);
        for (size_t t = q->first; t < q->first + q->n; t++) {
            s->sequence[t] = (uint32_t)i;
            for (size_t j = t * s->used; j < (t + 1) * s->used; j++)
                share[s->k->expert[j]] += (float)unit;
        }
        for (size_t t = q->first; t < q->first + q->n; t++) {
            double all = 0, along = 0;
            ops_moe_scores(s->m, s->k->logits + t * s->E, score);
            for (size_t e = 0; e < s->E; e++) {
                all += (double)score[e];
                along += (double)score[e] * (double)share[e];
            }
            loss += along / all / (double)q->n;
        }
        s->loss[i] = loss * (double)l->weight[i];
    }
}

/* Adds the balance loss's gradient of token t's scores. */
static void add_balance(const struct moe_back *s, size_t t, const float *score, float *d)
{
    const ops_balance *l = s->b->balance;
    size_t i = s->sequence[t];
    const float *share = s->share + i * s->E;
    double all = 0, along = 0, unit = (double)l->weight[i] / (double)l->seq[i].n;
    for (size_t e = 0; e < s->E; e++) {
        all += (double)score[e];
        along += (double)score[e] * (double)share[e];
    }
    for (size_t e = 0; e < s->E; e++)
        d[e] += (float)(unit * ((double)share[e] - along / all) / all);
}

/* Of the chosen experts' scores through their weights. */
static void add_choices(const struct moe_back *s, size_t t, const float *score, float *d)
{
    const uint32_t *expert = s->k->expert + t * s->used;
    const float *dw = s->weight + t * s->used;
    float sum = 1e-20f, along = 0;
    for (size_t j = 0; j < s->used; j++) {
        sum += score[expert[j]];
        along += dw[j] * score[expert[j]];
    }
    for (size_t j = 0; j < s->used; j++)
        d[expert[j]] += s->m->scale * (s->m->normalize ? (dw[j] - along / sum) / sum : dw[j]);
}

static void route_back(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct moe_back *s = arg;
    float score[OPS_EXPERTS], d[OPS_EXPERTS];
    for (size_t t = begin; t < end; t++) {
        float *out = s->logits + t * s->E, mean = 0;
        memset(d, 0, s->E * sizeof *d);
        ops_moe_scores(s->m, s->k->logits + t * s->E, score);
        add_choices(s, t, score, d);
        if (s->b->balance) add_balance(s, t, score, d);
        for (size_t e = 0; !s->m->sigmoid && e < s->E; e++) mean += d[e] * score[e];
        for (size_t e = 0; e < s->E; e++)
            out[e] = score[e] * (s->m->sigmoid ? d[e] * (1 - score[e]) : d[e] - mean);
    }
}

static void balance(struct moe_back *s)
{
    ops_balance *l = s->b->balance;
    arena *a = s->o->scratch;
    s->sequence = arena_new(a, uint32_t, s->T);
    s->share = arena_new(a, float, l->n * s->E);
    s->loss = arena_new(a, double, l->n);
    ops_for(s->o, l->n, 1, survey, s);
    for (size_t i = 0; i < l->n && !ops_counting(s->o); i++) l->loss += s->loss[i];
}

/* ---- all together
 * -------------------------------------------------------------------------------- */

/* Two products with a gate between, of rows that met `offset`'s experts (NULL: all the same). */
struct expert_set {
    const ops_weight *gate, *up, *down, *gate_up_back, *down_back;
    const float *gated, *upped;
    const uint32_t *offset, *source; /* source: the tokens of the rows, */
    const float *factor;             /* and the rows' weights in their gradient */
    size_t rows;
    float *dx;
    bool add;
};

static void experts_back(const struct moe_back *s, const struct expert_set *x)
{
    ops *o = s->o;
    size_t mark = arena_mark(o->scratch), F = x->gate->N;
    float *hidden = arena_new(o->scratch, float, x->rows *F);
    ops_linear_back(o, &(ops_back){.w = &x->down,
                                   .n = 1,
                                   .back = x->down_back,
                                   .T = x->rows,
                                   .offset = x->offset,
                                   .in = {.x = x->gated, .ldx = F, .up = x->upped},
                                   .dy = s->b->dy,
                                   .lddy = s->D,
                                   .dy_source = x->source,
                                   .dy_weight = x->factor,
                                   .dx = hidden,
                                   .lddx = F});
    ops_linear_back(o, &(ops_back){.w = (const ops_weight *[]){x->gate, x->up},
                                   .n = 2,
                                   .back = x->gate_up_back,
                                   .T = x->rows,
                                   .offset = x->offset,
                                   .source = x->source,
                                   .in = s->in,
                                   .dy = hidden,
                                   .lddy = F,
                                   .gate = x->gated,
                                   .up = x->upped,
                                   .dx = x->dx,
                                   .lddx = s->D,
                                   .add = x->add});
    arena_reset(o->scratch, mark);
}

void ops_moe_run_back(ops *o, const ops_moe_back *b, size_t T)
{
    const ops_moe *m = b->m;
    const ops_moe_kept *k = m->kept;
    size_t mark = arena_mark(o->scratch), pairs = T * m->used;
    struct moe_back s = {.o = o,
                         .b = b,
                         .m = m,
                         .k = k,
                         .T = T,
                         .D = m->router->K,
                         .E = m->router->N,
                         .used = m->used};
    ops_acts normed;
    ops_prepare(o, &normed, &b->in, T, s.D, 1u << KERN_ACT_F32);
    s.in = (ops_input){.x = normed.form[KERN_ACT_F32], .ldx = s.D};
    s.pair = arena_new(o->scratch, float, pairs *s.D);
    s.factor = arena_new(o->scratch, float, pairs);
    s.weight = arena_new(o->scratch, float, pairs);
    s.logits = arena_new(o->scratch, float, T *s.E);
    if (b->balance) balance(&s);
    ops_for(o, T, ops_grain(s.D * m->used / 4), weigh, &s);
    experts_back(&s,
                 &(struct expert_set){m->gate, m->up, m->down, b->gate_up, b->down, k->gate, k->up,
                                      k->offset, k->token, s.factor, pairs, s.pair, false});
    ops_for(o, T, ops_grain(s.D * m->used / 4), collect, &s);
    ops_for(o, T, ops_grain(16 * s.E), route_back, &s);
    ops_linear_back(o, &(ops_back){.w = &m->router,
                                   .n = 1,
                                   .back = b->router,
                                   .T = T,
                                   .in = s.in,
                                   .dy = s.logits,
                                   .lddy = s.E,
                                   .dx = b->dx,
                                   .lddx = s.D,
                                   .add = true});
    if (m->shared_gate)
        experts_back(&s, &(struct expert_set){m->shared_gate, m->shared_up, m->shared_down,
                                              b->shared_gate_up, b->shared_down, k->shared_gate,
                                              k->shared_up, NULL, NULL, NULL, T, b->dx, true});
    arena_reset(o->scratch, mark);
}
