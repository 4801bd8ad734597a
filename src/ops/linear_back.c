/* Gradients of products: of their inputs and of their weights in one parallel phase.
 * SPDX-License-Identifier: MIT
 *
 * dx = dy W is the forward product with the transposed weight. dW = dy^T x sums over rows: both
 * operands are put into panels whose columns are the rows, which takes no transposition, and
 * multiplied by the same kernel. The sum over the rows of an expert is one chain in their order. */
#include "ops/ops_int.h"

/* An expert's rows, and where its panels begin, counted in units of a panel. */
struct region {
    size_t first, n, block, unit;
};

struct back {
    const ops_back *b;
    const kern *k;
    enum kern_act act;
    size_t rows, N, K, experts, per_unit; /* rows of a panel's unit */
    struct region *region;                /* [experts + 1] */
    uint8_t *dy_panels, *x_panels;
    void *dy_rows;   /* in the form the kernel reads; or the caller's dy */
    bool prepare_dy; /* dy_rows is to be filled */
    float *room;     /* per worker: KERN_ROWS rows of the input and of dy */
};

static size_t units_of(const struct back *s, size_t n) { return size_ceil_div(n, s->per_unit); }

static uint8_t *panels_at(const struct region *r, uint8_t *all, size_t columns)
{
    return all + r->unit * kern_panels(columns) * KERN_ROWS * sizeof(uint32_t);
}

static void set_regions(struct back *s)
{
    struct region at = {0};
    for (size_t e = 0; e <= s->experts; e++) {
        at.n = 0;
        if (e < s->experts) at.n = s->b->offset ? s->b->offset[e + 1] - s->b->offset[e] : s->b->T;
        s->region[e] = at;
        at.first += at.n;
        at.block += size_ceil_div(at.n, KERN_ROWS);
        at.unit += units_of(s, at.n);
    }
}

static const struct region *region_of(const struct back *s, size_t block)
{
    size_t low = 0, high = s->experts;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (s->region[mid].block <= block) low = mid;
        else high = mid;
    }
    return &s->region[low];
}

static size_t row_at(const struct back *s, size_t r, size_t ld, size_t ldh)
{
    return r % s->b->T * ld + r / s->b->T * ldh;
}

/* n rows of the input from row r on, *ld apart. */
static const float *input_rows(const struct back *s, size_t r, size_t n, float *room, size_t *ld)
{
    const ops_input *in = &s->b->in;
    if (!in->gain && !in->up && !s->b->source) {
        *ld = in->ldx;
        return in->x + row_at(s, r, in->ldx, in->ldh);
    }
    *ld = s->K;
    for (size_t i = 0; i < n; i++) {
        size_t from = s->b->source ? s->b->source[r + i] : r + i;
        float *to = room + i * s->K;
        const float *row = ops_input_row(s->k, in, s->K, s->b->T, from, to);
        if (row != to) memcpy(to, row, s->K * sizeof *to);
    }
    return room;
}

/* n rows of the gradient from row r on, *ld apart. */
static const float *gradient_rows(const struct back *s, size_t r, size_t n, float *room, size_t *ld)
{
    const ops_back *b = s->b;
    if (!b->gate && !b->dy_source) {
        *ld = b->lddy;
        return b->dy + row_at(s, r, b->lddy, b->lddyh);
    }
    *ld = s->N;
    for (size_t i = r; i < r + n; i++, room += s->N) {
        if (b->gate) {
            size_t at = i * b->lddy, half = s->N / 2;
            s->k->silu_mul_back(room, room + half, b->gate + at, b->up + at, b->dy + at, half);
        } else {
            memcpy(room, b->dy + b->dy_source[i] * b->lddy, s->N * sizeof *room);
            s->k->scale(room, b->dy_weight[i], s->N);
        }
    }
    return room - n * s->N;
}

static void prepare_blocks(void *arg, size_t begin, size_t end, int worker)
{
    const struct back *s = arg;
    float *room = s->room + (size_t)worker * KERN_ROWS * (s->K + s->N);
    for (size_t i = begin; i < end; i++) {
        const struct region *g = region_of(s, i);
        size_t t = (i - g->block) * KERN_ROWS, n = size_min(KERN_ROWS, g->n - t), r = g->first + t, ld;
        const float *x = input_rows(s, r, n, room, &ld);
        s->k->lanes[s->act](panels_at(g, s->x_panels, s->K), t, g->n, x, ld, n, s->K);
        const float *dy = gradient_rows(s, r, n, room + KERN_ROWS * s->K, &ld);
        s->k->lanes[s->act](panels_at(g, s->dy_panels, s->N), t, g->n, dy, ld, n, s->N);
        for (size_t j = 0; s->prepare_dy && j < n; j++)
            s->k->act[s->act](s->dy_rows, r + j, s->rows, dy + j * ld, s->N);
    }
}

/* The product of an expert's rows with the transposed weights. */
static ops_job input_job(const struct back *s, size_t e)
{
    const ops_back *b = s->b;
    const struct region *g = &s->region[e];
    return (ops_job){.w = b->back,
                     .expert = e,
                     .x = s->dy_rows,
                     .rows = s->rows,
                     .first = g->first,
                     .M = g->n,
                     .y = b->dx + row_at(s, g->first, b->lddx, b->lddxh),
                     .ldy = b->lddx,
                     .add = b->add};
}

/* The gradient of weight i of an expert, whose columns of dy begin at `first`. x is the job's
 * weight. */
static ops_job weight_job(const struct back *s, size_t e, size_t i, size_t first,
                          const ops_weight *x)
{
    const ops_weight *w = s->b->w[i];
    return (ops_job){.w = x,
                     .x = panels_at(&s->region[e], s->dy_panels, s->N),
                     .rows = s->N,
                     .first = first,
                     .M = w->N,
                     .y = w->grad + e * w->N * w->K,
                     .ldy = w->K,
                     .add = true,
                     .lanes = true};
}

static void run(ops *o, const struct back *s, ops_job *jobs, ops_weight *x)
{
    const ops_back *b = s->b;
    size_t n = 0;
    for (size_t e = 0; e < s->experts; e++) {
        const struct region *g = &s->region[e];
        if (g->n == 0) continue;
        x[e] = ops_weight_at(s->k, b->w[0]->type, s->K, g->n, 1, panels_at(g, s->x_panels, s->K));
        if (b->dx) jobs[n++] = input_job(s, e);
        for (size_t i = 0, first = 0; i < b->n; first += b->w[i++]->N)
            jobs[n++] = weight_job(s, e, i, first, &x[e]);
    }
    ops_run_jobs(o, jobs, n);
}

void ops_linear_back(ops *o, const ops_back *b)
{
    arena *a = o->scratch;
    size_t mark = arena_mark(a);
    struct back s = {.b = b, .k = o->k, .act = b->w[0]->mm->act, .K = b->w[0]->K};
    s.experts = b->w[0]->experts;
    s.rows = b->offset ? b->T : b->T * s.experts;
    s.per_unit = s.act == KERN_ACT_F32 ? 1 : 2;
    for (size_t i = 0; i < b->n; i++) s.N += b->w[i]->N;
    size_t units = s.rows / s.per_unit + s.experts, line = KERN_ROWS * sizeof(uint32_t);
    s.region = arena_new(a, struct region, s.experts + 1);
    s.dy_panels = arena_alloc(a, units * kern_panels(s.N) * line);
    s.x_panels = arena_alloc(a, units * kern_panels(s.K) * line);
    s.room = arena_new(a, float, (size_t)pool_threads(o->pool) * KERN_ROWS * (s.K + s.N));
    bool as_it_stands = !b->gate && !b->dy_source && b->lddy == s.N && s.rows == b->T;
    s.prepare_dy = b->dx && !(s.act == KERN_ACT_F32 && as_it_stands);
    s.dy_rows = (void *)(uintptr_t)b->dy;
    if (s.prepare_dy) s.dy_rows = arena_alloc(a, kern_act_bytes(s.act, s.rows, s.N));
    ops_job *jobs = arena_new(a, ops_job, s.experts * (b->n + 1));
    ops_weight *x = arena_new(a, ops_weight, s.experts);
    if (!ops_counting(o)) {
        set_regions(&s);
        pool_run(o->pool, s.region[s.experts].block, 1, prepare_blocks, &s);
        run(o, &s, jobs, x);
    }
    arena_reset(a, mark);
}
