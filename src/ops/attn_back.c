/* Gradient of causal attention.
 * SPDX-License-Identifier: MIT
 *
 * A unit is a query head of a sequence and of those that go on from it, which add to the gradients of its keys
 * and values in their order. For a block of queries the probabilities over all they see
 * are made again from queries and keys, so that nothing but those is kept from forward; five
 * products follow, all by one kernel: S = Q K^T, dP = dO V^T, dQ = dS K, dV += P^T dO, dK += dS^T
 * Q. Keys and values that heads share get their gradients head by head, summed in order afterwards.
 */
#include "ops/ops_int.h"

enum { QUERIES = 32 };

/* A worker's room for one unit: panels, rows in the form that products read, and lanes of what cannot be read as it
 * stands. */
struct lane {
    void *key_rows, *value_rows;  /* panels of K [n, d] and V [n, dv] */
    void *key_lanes;              /* of K */
    float *p, *ds;                /* [QUERIES, n] */
    void *p_lanes, *ds_lanes;
    void *q, *dout, *ds_form;     /* rows: [QUERIES, d], [QUERIES, dv], [QUERIES, n] */
    void *q_lanes, *dout_lanes;
    void *room;                   /* KERN_ROWS rows of keys or values */
    float *k, *v, *dk, *dv;       /* of a sequence with its prefix: [n, d], [n, dv] */
};

struct attend {
    ops *o;
    const ops_attention_back *a;
    const kern_mm *mm;
    const ops_sequence *seq;
    size_t *start, units, group; /* start: [n + 1] sequences without a prefix, then n */
    float *dk, *dv;          /* [T, H, d], [T, H, dv] of each query head; latent: dv is dk */
    size_t lddk, lddv, wide; /* wide: columns of a head in dv */
    struct lane *lanes;
};

/* Rows in the form that products read. */
static const void *form_rows(const struct attend *t, void *to, const float *x, size_t ld, size_t n,
                             size_t width)
{
    if (t->mm->act == KERN_ACT_F32 && ld == width) return x;
    for (size_t r = 0; r < n; r++) t->o->k->act[t->mm->act](to, r, n, x + r * ld, width);
    return to;
}

/* Rows of n tokens as the panels of a weight [n, width]. */
static void pack_rows(const struct attend *t, void *panels, const float *x, size_t ld, size_t n,
                      size_t width, void *room)
{
    size_t units = size_ceil_div(width, t->mm->block), bytes = kern_panel_bytes(t->mm, width);
    for (size_t r = 0; r < n; r += KERN_ROWS) {
        size_t have = size_min(KERN_ROWS, n - r);
        const void *rows = form_rows(t, room, x + r * ld, ld, have, width);
        t->o->k->interleave((uint8_t *)panels + r / KERN_ROWS * bytes, rows,
                            units * sizeof(uint32_t), have, units);
    }
}

/* The same rows as lanes, or as columns: those of F32 as they stand where nothing past their ends is read. */
static kern_lanes lanes_of(const struct attend *t, void *room, const float *x, size_t ld, size_t n, size_t width,
                           bool columns)
{
    if (t->mm->act == KERN_ACT_F32 && (columns || width % KERN_ROWS == 0))
        return (kern_lanes){(void *)(uintptr_t)x, KERN_LINE, ld * sizeof *x};
    kern_lanes all = {room, KERN_LINE, kern_panels(width) * KERN_LINE};
    for (size_t r = 0; r < n; r += KERN_ROWS) {
        kern_lanes to = ops_lanes_from(all, r / t->mm->block);
        t->o->k->lanes[t->mm->act](&to, x + r * ld, ld, size_min(KERN_ROWS, n - r), width);
    }
    return all;
}

/* A head of a sequence as its blocks see it. */
struct unit {
    const struct lane *l;
    const float *k, *v;    /* of position 0 */
    size_t ldk, ldv;
    kern_lanes keys;
    const float *q, *dout; /* of position pos, the first that asks */
    float *dq;
    float *dk, *dv;        /* of position 0, zeroed here */
    size_t lddk, lddv, pos, n; /* n: positions that ask */
};

/* Probabilities and the gradient of scores, in place of scores and of dP. */
static void score_rows(const struct attend *t, const struct lane *l, size_t at, size_t rows)
{
    const kern *k = t->o->k;
    size_t seen = at + rows;
    for (size_t r = 0; r < rows; r++) {
        float *p = l->p + r * seen;
        size_t own = at + r + 1;
        k->softmax(p, t->a->scale, p, own);
        memset(p + own, 0, (seen - own) * sizeof *p);
        k->softmax_back(l->ds + r * seen, t->a->scale, p, seen);
    }
}

/* y [seen, width] += columns^T times lanes, both of a block of queries. */
static void add_product(const struct attend *t, float *y, size_t ldy, kern_lanes columns, kern_lanes lanes,
                        size_t seen, size_t width, size_t rows)
{
    t->mm->mul(&(kern_mm_args){.y = y,
                               .ldy = ldy,
                               .w = lanes.at,
                               .x = columns.at,
                               .rows = seen,
                               .N = width,
                               .M = seen,
                               .K = rows,
                               .add = true,
                               .w_panel = lanes.panel,
                               .w_step = lanes.step,
                               .x_step = columns.step});
}

/* Queries [at, at + rows) of those that ask: they see the first `seen` positions. */
static void run_block(const struct attend *t, const struct unit *u, size_t at, size_t rows)
{
    const ops_attention_back *a = t->a;
    const struct lane *l = u->l;
    size_t d = a->d, dv = a->dv, seen = u->pos + at + rows;
    const float *q = u->q + at * a->ldq, *dout = u->dout + at * a->lddout;
    t->mm->mul(&(kern_mm_args){.y = l->p,
                               .ldy = seen,
                               .w = l->key_rows,
                               .x = form_rows(t, l->q, q, a->ldq, rows, d),
                               .rows = rows,
                               .N = seen,
                               .M = rows,
                               .K = d});
    t->mm->mul(&(kern_mm_args){.y = l->ds,
                               .ldy = seen,
                               .w = l->value_rows,
                               .x = form_rows(t, l->dout, dout, a->lddout, rows, dv),
                               .rows = rows,
                               .N = seen,
                               .M = rows,
                               .K = dv});
    score_rows(t, l, u->pos + at, rows);
    t->mm->mul(&(kern_mm_args){.y = u->dq + at * a->lddq,
                               .ldy = a->lddq,
                               .w = u->keys.at,
                               .w_panel = u->keys.panel,
                               .w_step = u->keys.step,
                               .x = form_rows(t, l->ds_form, l->ds, seen, rows, seen),
                               .rows = rows,
                               .N = d,
                               .M = rows,
                               .K = seen});
    add_product(t, u->dk, u->lddk, lanes_of(t, l->ds_lanes, l->ds, seen, rows, seen, true),
                lanes_of(t, l->q_lanes, q, a->ldq, rows, d, false), seen, d, rows);
    add_product(t, u->dv, u->lddv, lanes_of(t, l->p_lanes, l->p, seen, rows, seen, true),
                lanes_of(t, l->dout_lanes, dout, a->lddout, rows, dv, false), seen, dv, rows);
}

static void run_unit(const struct attend *t, struct unit *u)
{
    const ops_attention_back *a = t->a;
    const struct lane *l = u->l;
    size_t all = u->pos + u->n;
    pack_rows(t, l->key_rows, u->k, u->ldk, all, a->d, l->room);
    pack_rows(t, l->value_rows, u->v, u->ldv, all, a->dv, l->room);
    u->keys = lanes_of(t, l->key_lanes, u->k, u->ldk, all, a->d, false);
    for (size_t r = 0; r < all; r++) {
        memset(u->dk + r * u->lddk, 0, a->d * sizeof(float));
        if (!a->latent) memset(u->dv + r * u->lddv, 0, a->dv * sizeof(float));
    }
    for (size_t at = 0; at < u->n; at += QUERIES) run_block(t, u, at, size_min(QUERIES, u->n - at));
}

/* Rows of a prefix and of the sequence that goes on from it, one after the other. */
static void join_rows(float *to, size_t width, const float *x, size_t ld, const ops_sequence *s)
{
    for (size_t r = 0; r < s->pos + s->n; r++) {
        size_t row = r < s->pos ? s->prefix + r : s->first + r - s->pos;
        memcpy(to + r * width, x + row * ld, width * sizeof *to);
    }
}

/* And their gradients to where they belong: those of the prefix are added to. */
static void part_rows(const struct attend *t, float *x, size_t ld, const float *from, size_t width,
                      const ops_sequence *s)
{
    for (size_t r = 0; r < s->pos; r++) t->o->k->add(x + (s->prefix + r) * ld, from + r * width, width);
    for (size_t r = 0; r < s->n; r++)
        memcpy(x + (s->first + r) * ld, from + (s->pos + r) * width, width * sizeof *x);
}

/* Head h of one sequence. */
static void run_sequence(const struct attend *t, const struct lane *l, const ops_sequence *s, size_t h)
{
    const ops_attention_back *a = t->a;
    size_t g = h / t->group, first = s->first;
    const float *k = a->k + g * a->d, *v = a->latent ? k : a->v + g * a->dv;
    size_t ldv = a->latent ? a->ldk : a->ldv;
    float *dk = t->dk + h * a->d, *dv = t->dv + h * t->wide;
    struct unit u = {.l = l,
                     .k = k + first * a->ldk,
                     .v = v + first * ldv,
                     .ldk = a->ldk,
                     .ldv = ldv,
                     .q = a->q + first * a->ldq + h * a->d,
                     .dout = a->dout + first * a->lddout + h * a->dv,
                     .dq = a->dq + first * a->lddq + h * a->d,
                     .dk = dk + first * t->lddk,
                     .dv = dv + first * t->lddv,
                     .lddk = t->lddk,
                     .lddv = t->lddv,
                     .pos = s->pos,
                     .n = s->n};
    if (s->pos == 0) {
        run_unit(t, &u);
        return;
    }
    u.k = l->k, u.dk = l->dk, u.ldk = u.lddk = a->d;
    u.v = a->latent ? l->k : l->v, u.dv = a->latent ? l->dk : l->dv, u.ldv = u.lddv = t->wide;
    join_rows(l->k, a->d, k, a->ldk, s);
    if (!a->latent) join_rows(l->v, a->dv, v, ldv, s);
    run_unit(t, &u);
    part_rows(t, dk, t->lddk, l->dk, a->d, s);
    if (!a->latent) part_rows(t, dv, t->lddv, l->dv, a->dv, s);
}

static void run_units(void *arg, size_t begin, size_t end, int worker)
{
    const struct attend *t = arg;
    for (size_t i = begin; i < end; i++) {
        size_t unit = i / t->a->heads;
        for (size_t s = t->start[unit]; s < t->start[unit + 1]; s++)
            run_sequence(t, &t->lanes[worker], &t->seq[s], i % t->a->heads);
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
    for (size_t i = 0; i < threads; i++) { /* as many bytes as F32 takes */
        struct lane l = {
            .key_rows = arena_new(s, float, n *d),
            .value_rows = arena_new(s, float, n *dv),
            .key_lanes = arena_new(s, float, n *d),
            .p = arena_new(s, float, QUERIES *n),
            .ds = arena_new(s, float, QUERIES *n),
            .p_lanes = arena_new(s, float, QUERIES *n),
            .ds_lanes = arena_new(s, float, QUERIES *n),
            .q = arena_new(s, float, QUERIES *d),
            .dout = arena_new(s, float, QUERIES *dv),
            .ds_form = arena_new(s, float, QUERIES *n),
            .q_lanes = arena_new(s, float, QUERIES *d),
            .dout_lanes = arena_new(s, float, QUERIES *dv),
            .room = arena_new(s, float, KERN_ROWS *size_max(d, dv)),
            .k = arena_new(s, float, n *d),
            .v = arena_new(s, float, n *dv),
            .dk = arena_new(s, float, n *d),
            .dv = arena_new(s, float, n *dv),
        };
        if (!ops_counting(t->o)) t->lanes[i] = l;
    }
}

/* A unit begins with each sequence that has no prefix. */
static void find_units(struct attend *t, size_t n)
{
    t->start = arena_new(t->o->scratch, size_t, n + 1);
    for (size_t i = 0; i < n && !ops_counting(t->o); i++)
        if (t->seq[i].pos == 0) t->start[t->units++] = i;
    if (!ops_counting(t->o)) t->start[t->units] = n;
}

void ops_attend_back(ops *o, const ops_attention_back *a, const ops_sequence *seq, size_t n,
                     size_t T, size_t longest)
{
    size_t mark = arena_mark(o->scratch);
    struct attend t = {.o = o, .a = a, .seq = seq, .group = a->heads / a->kv_heads};
    t.mm = kern_mm_of(o->k, a->type);
    find_units(&t, n);
    take_lanes(&t, longest);
    bool own = t.group == 1; /* no two heads share: straight to where it goes */
    t.lddk = own ? a->lddk : a->heads * a->d;
    t.dk = own ? a->dk : arena_new(o->scratch, float, T *t.lddk);
    t.wide = a->latent ? a->d : a->dv;
    t.lddv = a->latent ? t.lddk : own ? a->lddv : a->heads * a->dv;
    t.dv = a->latent ? t.dk : own ? a->dv_out : arena_new(o->scratch, float, T *t.lddv);
    ops_for(o, t.units * a->heads, 1, run_units, &t);
    if (!own) ops_for(o, T, ops_grain(a->heads * a->d), sum_heads, &t);
    arena_reset(o->scratch, mark);
}
