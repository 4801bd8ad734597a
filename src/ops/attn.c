/* Attention over paged keys and values.
 * SPDX-License-Identifier: MIT
 *
 * A unit is a tile of query rows (a row is a token and a head of the group) of one key/value head
 * of one sequence, or all rows of several heads when they are few. Its positions are taken in spans
 * of KERN_SPAN, each from a fresh state, merged in order. With enough units a worker does a unit's
 * spans one after the other; else the spans are spread over the workers too and merged afterwards,
 * the same numbers either way. */
#include "ops/ops_int.h"

#include <math.h>

enum { SPAN_PAGES = KERN_SPAN / KERN_PAGE, LEAST_TILE = 8, PARTS = 64, FEW_ROWS = 3, HEADS = 4 };

/* State of query rows over some positions. */
struct part {
    float *o; /* [tile, dv] */
    float max[KERN_ATTN_ROWS], sum[KERN_ATTN_ROWS];
};

/* A worker's scratch. */
struct lane {
    float *q; /* [tile, d] */
    struct part fresh, all;
    int32_t n[KERN_ATTN_ROWS];
    void *kern;
    const void *next; /* as in kern_attn_args */
    size_t n_next;
};

struct attend {
    ops *o;
    const ops_attention *a;
    const ops_sequence *seq;
    size_t n, group, tile, heads, units; /* heads: that a unit of few rows has, at most */
    size_t *start; /* [n]: first unit of a sequence */
    struct lane *lanes;
    /* spread over spans: window of spans [s0, s0 + window) of every unit */
    struct part *parts, *sums; /* [units, window], [units] */
    size_t s0, window;
};

struct unit {
    const ops_sequence *seq;
    size_t head, heads, row0, rows; /* of the key/value heads; query rows of the n * group of each */
    size_t spans;
};

/* Heads that a sequence's units are of: as even as can be. */
static size_t heads_together(const struct attend *t, const ops_sequence *seq)
{
    size_t all = t->a->kv_heads;
    if (seq->n * t->group > FEW_ROWS) return 1;
    return size_ceil_div(all, size_ceil_div(all, t->heads));
}

static struct unit unit_at(const struct attend *t, size_t i)
{
    size_t low = 0, high = t->n;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (t->start[mid] <= i) low = mid;
        else high = mid;
    }
    const ops_sequence *seq = &t->seq[low];
    size_t rows = seq->n * t->group, tiles = size_ceil_div(rows, t->tile), at = i - t->start[low];
    size_t heads = heads_together(t, seq);
    struct unit u = {.seq = seq, .head = at / tiles * heads, .row0 = at % tiles * t->tile};
    u.heads = size_min(heads, t->a->kv_heads - u.head);
    u.rows = size_min(t->tile, rows - u.row0);
    u.spans = size_ceil_div(seq->pos + (u.row0 + u.rows - 1) / t->group + 1, KERN_SPAN);
    return u;
}

static size_t rows_of(const struct unit *u) { return u->heads * u->rows; }

/* Where a query row stands when tokens are `ld` and heads `width` apart. */
static size_t row_at(const struct attend *t, const struct unit *u, size_t row, size_t ld,
                     size_t width)
{
    size_t r = u->row0 + row % u->rows, head = u->head + row / u->rows;
    return (u->seq->first + r / t->group) * ld + (head * t->group + r % t->group) * width;
}

static void load_queries(const struct attend *t, const struct unit *u, float *q)
{
    size_t d = t->a->d;
    for (size_t r = 0; r < rows_of(u); r++)
        memcpy(q + r * d, t->a->q + row_at(t, u, r, t->a->ldq, d), d * sizeof *q);
}

/* One span of a unit whose queries are loaded. */
static void run_span(const struct attend *t, const struct unit *u, size_t span, struct lane *l,
                     struct part *out)
{
    const ops_attention *a = t->a;
    const void *k[SPAN_PAGES], *v[SPAN_PAGES];
    size_t last = (u->seq->pos + (u->row0 + u->rows - 1) / t->group) / KERN_PAGE;
    for (size_t i = 0; i < SPAN_PAGES;
         i++) { /* pages past the end are never read: any address will do */
        size_t page = size_min(span * SPAN_PAGES + i, last);
        const uint8_t *p = a->base + u->seq->pages[page] * a->page_bytes + u->head * a->head_bytes;
        k[i] = p;
        v[i] = p + a->value_at;
    }
    for (size_t r = 0; r < u->rows; r++) {
        size_t seen = u->seq->pos + (u->row0 + r) / t->group + 1;
        l->n[r] =
            seen > span * KERN_SPAN ? (int32_t)size_min(seen - span * KERN_SPAN, KERN_SPAN) : 0;
    }
    kern_attn_args args = {
        .q = l->q,
        .ldq = a->d,
        .nq = u->rows,
        .d = a->d,
        .dv = a->dv,
        .scale = a->scale,
        .k = k,
        .v = a->value_at ? v : NULL,
        .n = l->n,
        .heads = u->heads,
        .head_bytes = a->head_bytes,
        .o = out->o,
        .ldo = a->dv,
        .max = out->max,
        .sum = out->sum,
        .scratch = l->kern,
        .next = l->next,
        .n_next = l->n_next,
    };
    t->o->k->attn[a->kv].span(&args);
}

/* Tells a lane what comes after a span of unit u: more of it, or the unit `after`, or nothing. */
static void find_next(const struct attend *t, const struct unit *u, const struct unit *after,
                      size_t span, struct lane *l)
{
    const bool same = span + 1 < u->spans;
    const size_t from = same ? (span + 1) * KERN_SPAN : 0;
    const struct unit *next = same ? u : after;
    l->next = NULL;
    if (!next) return;
    l->next = t->a->base + next->seq->pages[from / KERN_PAGE] * t->a->page_bytes +
              next->head * t->a->head_bytes;
    l->n_next = next->seq->pos + next->seq->n - from;
}

/* Takes a later span's state into that of the earlier ones; `first` starts afresh. */
static void merge(const struct attend *t, struct part *all, const struct part *next, size_t rows,
                  bool first)
{
    const kern *k = t->o->k;
    size_t dv = t->a->dv;
    if (first) {
        memcpy(all->o, next->o, rows * dv * sizeof(float));
        memcpy(all->max, next->max, sizeof all->max);
        memcpy(all->sum, next->sum, sizeof all->sum);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        if (next->max[r] == -INFINITY) continue; /* sees nothing of the span */
        float top = fmaxf(all->max[r], next->max[r]);
        float e[2] = {all->max[r] - top, next->max[r] - top};
        k->exp(e, e, 2);
        float *o = all->o + r * dv;
        k->scale(o, e[0], dv);
        k->axpy(o, e[1], next->o + r * dv, dv);
        all->sum[r] = fmaf(e[1], next->sum[r], e[0] * all->sum[r]);
        all->max[r] = top;
    }
}

static void finish(const struct attend *t, const struct unit *u, const struct part *all)
{
    size_t dv = t->a->dv;
    for (size_t r = 0; r < rows_of(u); r++) {
        float *out = t->a->out + row_at(t, u, r, t->a->ldo, dv);
        memcpy(out, all->o + r * dv, dv * sizeof *out);
        t->o->k->scale(out, 1.0f / all->sum[r], dv);
    }
}

static void run_units(void *arg, size_t begin, size_t end, int worker)
{
    const struct attend *t = arg;
    struct lane *l = &t->lanes[worker];
    struct unit u, after = unit_at(t, begin);
    for (size_t i = begin; i < end; i++) {
        const bool last = i + 1 == end;
        u = after;
        if (!last) after = unit_at(t, i + 1);
        load_queries(t, &u, l->q);
        for (size_t s = 0; s < u.spans; s++) {
            find_next(t, &u, last ? NULL : &after, s, l);
            run_span(t, &u, s, l, &l->fresh);
            merge(t, &l->all, &l->fresh, rows_of(&u), s == 0);
        }
        finish(t, &u, &l->all);
    }
}

static void run_parts(void *arg, size_t begin, size_t end, int worker)
{
    const struct attend *t = arg;
    struct lane *l = &t->lanes[worker];
    for (size_t i = begin; i < end; i++) {
        struct unit u = unit_at(t, i / t->window);
        size_t span = t->s0 + i % t->window;
        if (span >= u.spans) continue;
        load_queries(t, &u, l->q);
        l->next = NULL;
        run_span(t, &u, span, l, &t->parts[i]);
    }
}

static void merge_parts(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct attend *t = arg;
    for (size_t i = begin; i < end; i++) {
        struct unit u = unit_at(t, i);
        size_t stop = size_min(u.spans, t->s0 + t->window);
        for (size_t s = t->s0; s < stop; s++)
            merge(t, &t->sums[i], &t->parts[i * t->window + s - t->s0], rows_of(&u), s == 0);
        if (stop == u.spans && u.spans > t->s0) finish(t, &u, &t->sums[i]);
    }
}

/* Cuts the work: units of `tile` query rows, or of `heads` heads. Returns the pieces there would be with
 * spans spread. */
static size_t cut(struct attend *t, size_t tile, size_t heads, size_t *longest)
{
    size_t pieces = 0;
    t->tile = tile;
    t->heads = heads;
    t->units = 0;
    *longest = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t units = size_ceil_div(t->a->kv_heads, heads_together(t, &t->seq[i])) *
                       size_ceil_div(t->seq[i].n * t->group, tile);
        size_t spans = size_ceil_div(t->seq[i].pos + t->seq[i].n, KERN_SPAN);
        t->start[i] = t->units;
        t->units += units;
        pieces += units * spans;
        *longest = size_max(*longest, spans);
    }
    return pieces;
}

/* Heads of FEW_ROWS rows each that the kernel takes at once. */
static size_t most_heads(const ops_attention *a)
{
    return a->value_at ? size_min(HEADS, KERN_HEAD_MAX / size_max(a->d, a->dv)) : 1;
}

static void take_part(ops *o, struct part *p, size_t dv)
{
    float *rows = arena_new(o->scratch, float, KERN_ATTN_ROWS *dv);
    if (!ops_counting(o)) p->o = rows;
}

static void take_lanes(struct attend *t, size_t threads)
{
    ops *o = t->o;
    t->lanes = arena_new(o->scratch, struct lane, threads);
    for (size_t i = 0; i < threads; i++) {
        struct lane counted, *l = ops_counting(o) ? &counted : &t->lanes[i];
        l->q = arena_new(o->scratch, float, KERN_ATTN_ROWS * t->a->d);
        l->kern = arena_alloc(o->scratch, KERN_ATTN_SCRATCH);
        take_part(o, &l->fresh, t->a->dv);
        take_part(o, &l->all, t->a->dv);
    }
}

void ops_attend(ops *o, const ops_attention *a, const ops_sequence *seq, size_t n)
{
    size_t mark = arena_mark(o->scratch), threads = (size_t)pool_threads(o->pool), longest = 0;
    struct attend t = {.o = o, .a = a, .seq = seq, .n = n, .group = a->heads / a->kv_heads};
    t.start = arena_new(o->scratch, size_t, n);
    take_lanes(&t, threads);
    size_t few = size_max(4 * threads, PARTS / 4); /* units worth spreading */
    size_t parts = size_max(PARTS, few);
    t.parts = arena_new(o->scratch, struct part, parts);
    t.sums = arena_new(o->scratch, struct part, few);
    for (size_t i = 0; i < parts; i++) take_part(o, ops_counting(o) ? NULL : &t.parts[i], a->dv);
    for (size_t i = 0; i < few; i++) take_part(o, ops_counting(o) ? NULL : &t.sums[i], a->dv);
    if (!ops_counting(o)) {
        size_t tile = KERN_ATTN_ROWS, heads = most_heads(a), pieces = cut(&t, tile, heads, &longest);
        while (pieces < 2 * threads && heads > 1) pieces = cut(&t, tile, heads /= 2, &longest);
        while (pieces < 2 * threads && tile > LEAST_TILE)
            pieces = cut(&t, tile /= 2, heads, &longest);
        if (t.units >= few || longest == 1) {
            pool_run(o->pool, t.units, 1, run_units, &t);
        } else {
            t.window = size_min(longest, parts / t.units);
            for (t.s0 = 0; t.s0 < longest; t.s0 += t.window) {
                pool_run(o->pool, t.units * t.window, 1, run_parts, &t);
                pool_run(o->pool, t.units, 1, merge_parts, &t);
            }
        }
    }
    arena_reset(o->scratch, mark);
}
