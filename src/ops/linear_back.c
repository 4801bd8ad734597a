/* Gradients of products: of their inputs and of their weights in one parallel phase.
 * SPDX-License-Identifier: MIT
 *
 * dx = dy W is the forward product with the transposed weight. dW = dy^T x sums over rows and takes no
 * transposition: x's columns are the lanes of the same kernel, dy's columns its rows. In F32 both are read as they
 * stand, or as they were prepared; BF16 numbers are multiplied in pairs of rows, which are put side by side. The sum
 * over the rows of an expert is one chain in their order. */
#include "ops/ops_int.h"

/* An expert's rows, and where its blocks and its lanes' units begin. */
struct region {
    size_t first, n, block, unit;
};

struct back {
    const ops_back *b;
    const kern *k;
    enum kern_act act;
    size_t rows, N, K, experts, per_unit; /* rows of a unit of lanes */
    struct region *region;                /* [experts + 1] */
    uint8_t *x_panels; /* lanes of the input, panel after panel; NULL: the caller's rows are read */
    kern_lanes dy;     /* to be filled, row after row; at NULL: the caller's or dy_rows are read */
    void *dy_rows;    /* in the form the kernel reads; or the caller's dy */
    bool prepare_dy;  /* dy_rows is to be filled */
    float *room;      /* per worker: KERN_ROWS rows of the input and of dy */
};

static size_t units_of(const struct back *s, size_t n) { return size_ceil_div(n, s->per_unit); }

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

/* An expert's rows of the input as lanes. */
static kern_lanes input_lanes(const struct back *s, const struct region *g)
{
    const ops_input *in = &s->b->in;
    if (s->x_panels)
        return (kern_lanes){s->x_panels + g->unit * kern_panels(s->K) * KERN_LINE, units_of(s, g->n) * KERN_LINE,
                            KERN_LINE};
    return (kern_lanes){(void *)(uintptr_t)(in->x + row_at(s, g->first, in->ldx, in->ldh)), KERN_LINE,
                        in->ldx * sizeof *in->x};
}

static void prepare_blocks(void *arg, size_t begin, size_t end, int worker)
{
    const struct back *s = arg;
    float *room = s->room + (size_t)worker * KERN_ROWS * (s->K + s->N);
    for (size_t i = begin; i < end; i++) {
        const struct region *g = region_of(s, i);
        size_t t = (i - g->block) * KERN_ROWS, n = size_min(KERN_ROWS, g->n - t), r = g->first + t, ld;
        if (s->x_panels) {
            const float *x = input_rows(s, r, n, room, &ld);
            kern_lanes to = ops_lanes_from(input_lanes(s, g), t / s->per_unit);
            s->k->lanes[s->act](&to, x, ld, n, s->K);
        }
        if (!s->dy.at && !s->prepare_dy) continue;
        const float *dy = gradient_rows(s, r, n, room + KERN_ROWS * s->K, &ld);
        if (s->dy.at) {
            kern_lanes to = ops_lanes_from(s->dy, g->unit + t / s->per_unit);
            s->k->lanes[s->act](&to, dy, ld, n, s->N);
        }
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

/* An expert's rows of dy as columns. */
static kern_lanes gradient_columns(const struct back *s, const struct region *g)
{
    const ops_back *b = s->b;
    if (s->dy.at) return ops_lanes_from(s->dy, g->unit);
    if (s->prepare_dy) return (kern_lanes){(float *)s->dy_rows + g->first * s->N, KERN_LINE, s->N * sizeof(float)};
    return (kern_lanes){(void *)(uintptr_t)(b->dy + row_at(s, g->first, b->lddy, b->lddyh)), KERN_LINE,
                        b->lddy * sizeof *b->dy};
}

/* The gradients of an expert's weights. x becomes the jobs' weight. */
static size_t weight_jobs(const struct back *s, size_t e, ops_job *jobs, ops_weight *x)
{
    const struct region *g = &s->region[e];
    kern_lanes in = input_lanes(s, g), dy = gradient_columns(s, g);
    *x = ops_weight_at(s->k, s->b->w[0]->type, s->K, g->n, 1, in.at);
    x->panel_bytes = in.panel;
    for (size_t i = 0, first = 0; i < s->b->n; first += s->b->w[i++]->N) {
        const ops_weight *w = s->b->w[i];
        jobs[i] = (ops_job){.w = x,
                            .x = dy.at,
                            .rows = s->N,
                            .first = first,
                            .M = w->N,
                            .y = w->grad + e * w->N * w->K,
                            .ldy = w->K,
                            .add = true,
                            .w_step = in.step,
                            .x_step = dy.step};
    }
    return s->b->n;
}

/* The large pieces first: the small ones of dx fill the end. */
static void run(ops *o, const struct back *s, ops_job *jobs, ops_weight *x)
{
    size_t n = 0;
    for (size_t e = 0; e < s->experts; e++)
        if (s->region[e].n) n += weight_jobs(s, e, jobs + n, &x[e]);
    for (size_t e = 0; s->b->dx && e < s->experts; e++)
        if (s->region[e].n) jobs[n++] = input_job(s, e);
    ops_run_jobs(o, jobs, n);
}

/* Decides what is read as it stands, and makes room for the rest; counting, when pointers say nothing, for all.
 * Units of dy are an odd number of lines apart: of even ones too many would fall into the same sets of a cache. */
static void take_operands(struct back *s, arena *a, bool counting)
{
    const ops_back *b = s->b;
    const ops_input *in = &b->in;
    bool f32 = s->act == KERN_ACT_F32, plain_dy = f32 && !b->gate && !b->dy_source && !counting;
    s->per_unit = f32 ? 1 : 2;
    size_t units = s->rows / s->per_unit + s->experts, step = (kern_panels(s->N) | 1) * KERN_LINE;
    if (!f32 || counting || in->gain || in->up || b->source || s->K % KERN_ROWS)
        s->x_panels = arena_alloc(a, units * kern_panels(s->K) * KERN_LINE);
    if (!f32) s->dy = (kern_lanes){arena_alloc(a, units * step), KERN_LINE, step};
    s->prepare_dy = (f32 || b->dx) && !plain_dy;
    if (b->dx && !(b->lddy == s->N && s->rows == b->T)) s->prepare_dy = true;
    s->dy_rows = s->prepare_dy ? arena_alloc(a, kern_act_bytes(s->act, s->rows, s->N)) : (void *)(uintptr_t)b->dy;
}

void ops_linear_back(ops *o, const ops_back *b)
{
    arena *a = o->scratch;
    size_t mark = arena_mark(a);
    struct back s = {.b = b, .k = o->k, .act = b->w[0]->mm->act, .K = b->w[0]->K};
    s.experts = b->w[0]->experts;
    s.rows = b->offset ? b->T : b->T * s.experts;
    for (size_t i = 0; i < b->n; i++) s.N += b->w[i]->N;
    s.region = arena_new(a, struct region, s.experts + 1);
    s.room = arena_new(a, float, (size_t)pool_threads(o->pool) * KERN_ROWS * (s.K + s.N));
    take_operands(&s, a, ops_counting(o));
    ops_job *jobs = arena_new(a, ops_job, s.experts * (b->n + 1));
    ops_weight *x = arena_new(a, ops_weight, s.experts);
    if (ops_counting(o)) {
        ops_run_jobs(o, NULL, s.experts * (b->n + 1));
    } else {
        set_regions(&s);
        if (s.x_panels || s.dy.at || s.prepare_dy) pool_run(o->pool, s.region[s.experts].block, 1, prepare_blocks, &s);
        run(o, &s, jobs, x);
    }
    arena_reset(a, mark);
}
