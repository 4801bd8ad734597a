/* Gradient of causal attention.
 * SPDX-License-Identifier: MIT
 *
 * A unit is a query head of a sequence. For a block of queries the probabilities over all they see are
 * made again from queries and keys, so that nothing but those is kept from forward; five products
 * follow, all by the F32 kernel: S = Q K^T, dP = dO V^T, dQ = dS K, dV += P^T dO, dK += dS^T Q. Keys and
 * values that heads share get their gradients head by head, summed in order afterwards. */
#include "ops/ops_int.h"

enum { QUERIES = 32 };

/* A worker's room for one unit. */
struct lane {
    float *key_rows, *value_rows;   /* panels of K [n, d] and V [n, dv] */
    float *key_columns;             /* panels of K^T [d, n] */
    float *p, *ds;                  /* [QUERIES, n] */
    float *q, *dout;                /* [QUERIES, d], [QUERIES, dv] */
    float *q_columns, *dout_columns; /* panels of Q^T [d, QUERIES], dO^T [dv, QUERIES] */
};

struct attend {
    ops *o;
    const ops_attention_back *a;
    const ops_sequence *seq;
    size_t n, T, group;
    float *dk, *dv; /* [T, H, d], [T, H, dv] of each query head; latent: dv is dk */
    size_t lddk, lddv, wide; /* wide: columns of a head in dv */
    struct lane *lanes;
};

/* Rows of n tokens as the panels of a weight [n, width]. */
static void pack_rows(float *panels, const float *x, size_t ld, size_t n, size_t width)
{
    for (size_t t = 0; t < n; t += KERN_ROWS)
        kern_pack(panels + t * width, NUM_F32, x + t * ld, ld * sizeof *x, size_min(KERN_ROWS, n - t),
                  width, NULL);
}

static void pack_columns(const kern *k, float *panels, const float *x, size_t ld, size_t n, size_t width)
{
    for (size_t t = 0; t < n; t += KERN_ROWS)
        k->lanes[KERN_ACT_F32](panels, t, n, x + t * ld, ld, size_min(KERN_ROWS, n - t), width);
}

static void copy_rows(float *to, const float *x, size_t ld, size_t n, size_t width)
{
    for (size_t t = 0; t < n; t++) memcpy(to + t * width, x + t * ld, width * sizeof *to);
}

/* One unit as its blocks see it. */
struct unit {
    const struct lane *l;
    const float *q, *dout;      /* of the sequence's first token */
    float *dq, *dk, *dv;
    size_t n;
};

/* Queries [at, at + rows): they see the first `seen` positions. */
static void run_block(const struct attend *t, const struct unit *u, size_t at, size_t rows)
{
    const ops_attention_back *a = t->a;
    const kern *k = t->o->k;
    const struct lane *l = u->l;
    void (*mul)(const kern_mm_args *) = kern_mm_of(k, NUM_F32)->mul;
    size_t d = a->d, dv = a->dv, seen = at + rows;
    copy_rows(l->q, u->q + at * a->ldq, a->ldq, rows, d);
    copy_rows(l->dout, u->dout + at * a->lddout, a->lddout, rows, dv);
    pack_columns(k, l->q_columns, l->q, d, rows, d);
    pack_columns(k, l->dout_columns, l->dout, dv, rows, dv);
    mul(&(kern_mm_args){.y = l->p, .ldy = seen, .w = l->key_rows, .x = l->q, .rows = rows, .N = seen,
                        .M = rows, .K = d});
    mul(&(kern_mm_args){.y = l->ds, .ldy = seen, .w = l->value_rows, .x = l->dout, .rows = rows,
                        .N = seen, .M = rows, .K = dv});
    for (size_t r = 0; r < rows; r++) {
        float *p = l->p + r * seen;
        size_t own = at + r + 1;
        k->softmax(p, a->scale, p, own);
        memset(p + own, 0, (seen - own) * sizeof *p);
        k->softmax_back(l->ds + r * seen, a->scale, p, seen);
    }
    mul(&(kern_mm_args){.y = u->dq + at * a->lddq, .ldy = a->lddq, .w = l->key_columns,
                        .w_panel = u->n * KERN_ROWS * sizeof(float), .x = l->ds, .rows = rows, .N = d,
                        .M = rows, .K = seen});
    mul(&(kern_mm_args){.y = u->dk, .ldy = t->lddk, .w = l->q_columns, .x = l->ds, .x_step = seen,
                        .x_panel = KERN_ROWS, .N = d, .M = seen, .K = rows, .add = true});
    mul(&(kern_mm_args){.y = u->dv, .ldy = t->lddv, .w = l->dout_columns, .x = l->p, .x_step = seen,
                        .x_panel = KERN_ROWS, .N = dv, .M = seen, .K = rows, .add = true});
}

static void run_units(void *arg, size_t begin, size_t end, int worker)
{
    const struct attend *t = arg;
    const ops_attention_back *a = t->a;
    const struct lane *l = &t->lanes[worker];
    for (size_t i = begin; i < end; i++) {
        const ops_sequence *s = &t->seq[i / a->heads];
        size_t h = i % a->heads, g = h / t->group, first = s->first;
        const float *key = a->k + first * a->ldk + g * a->d;
        const float *value = a->latent ? key : a->v + first * a->ldv + g * a->dv;
        pack_rows(l->key_rows, key, a->ldk, s->n, a->d);
        pack_rows(l->value_rows, value, a->latent ? a->ldk : a->ldv, s->n, a->dv);
        pack_columns(t->o->k, l->key_columns, key, a->ldk, s->n, a->d);
        struct unit u = {.l = l,
                         .q = a->q + first * a->ldq + h * a->d,
                         .dout = a->dout + first * a->lddout + h * a->dv,
                         .dq = a->dq + first * a->lddq + h * a->d,
                         .dk = t->dk + first * t->lddk + h * a->d,
                         .dv = t->dv + first * t->lddv + h * t->wide,
                         .n = s->n};
        for (size_t r = 0; r < s->n; r++) {
            memset(u.dk + r * t->lddk, 0, a->d * sizeof(float));
            if (!a->latent) memset(u.dv + r * t->lddv, 0, a->dv * sizeof(float));
        }
        for (size_t at = 0; at < s->n; at += QUERIES)
            run_block(t, &u, at, size_min(QUERIES, s->n - at));
    }
}

/* Sums what the heads of a group gave. */
static void sum_heads(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct attend *t = arg;
    const ops_attention_back *a = t->a;
    for (size_t i = begin; i < end; i++) {
        for (size_t h = 0; h < a->heads; h++) {
            float *dk = a->dk + i * a->lddk + h / t->group * a->d;
            const float *from = t->dk + i * t->lddk + h * a->d;
            if (h % t->group) t->o->k->add(dk, from, a->d);
            else memcpy(dk, from, a->d * sizeof *dk);
            if (a->latent) continue;
            float *dv = a->dv_out + i * a->lddv + h / t->group * a->dv;
            from = t->dv + i * t->lddv + h * a->dv;
            if (h % t->group) t->o->k->add(dv, from, a->dv);
            else memcpy(dv, from, a->dv * sizeof *dv);
        }
    }
}

static void take_lanes(struct attend *t, size_t longest)
{
    const ops_attention_back *a = t->a;
    arena *s = t->o->scratch;
    size_t n = size_round_up(longest, KERN_ROWS), threads = (size_t)pool_threads(t->o->pool);
    size_t d = size_round_up(a->d, KERN_ROWS), dv = size_round_up(a->dv, KERN_ROWS);
    t->lanes = arena_new(s, struct lane, threads);
    for (size_t i = 0; i < threads; i++) {
        struct lane l = {
            .key_rows = arena_new(s, float, n *d),
            .value_rows = arena_new(s, float, n *dv),
            .key_columns = arena_new(s, float, n *d),
            .p = arena_new(s, float, QUERIES *n),
            .ds = arena_new(s, float, QUERIES *n),
            .q = arena_new(s, float, QUERIES *d),
            .dout = arena_new(s, float, QUERIES *dv),
            .q_columns = arena_new(s, float, QUERIES *d),
            .dout_columns = arena_new(s, float, QUERIES *dv),
        };
        if (!ops_counting(t->o)) t->lanes[i] = l;
    }
}

void ops_attend_back(ops *o, const ops_attention_back *a, const ops_sequence *seq, size_t n, size_t T,
                     size_t longest)
{
    size_t mark = arena_mark(o->scratch);
    struct attend t = {.o = o, .a = a, .seq = seq, .n = n, .T = T, .group = a->heads / a->kv_heads};
    take_lanes(&t, longest);
    bool own = t.group == 1; /* no two heads share: straight to where it goes */
    t.lddk = own ? a->lddk : a->heads * a->d;
    t.dk = own ? a->dk : arena_new(o->scratch, float, T * t.lddk);
    t.wide = a->latent ? a->d : a->dv;
    t.lddv = a->latent ? t.lddk : own ? a->lddv : a->heads * a->dv;
    t.dv = a->latent ? t.dk : own ? a->dv_out : arena_new(o->scratch, float, T * t.lddv);
    ops_for(o, n * a->heads, 1, run_units, &t);
    if (!own) ops_for(o, T, ops_grain(a->heads * a->d), sum_heads, &t);
    arena_reset(o->scratch, mark);
}
