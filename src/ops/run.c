/* Many matrix products in one parallel phase.
 * SPDX-License-Identifier: MIT
 *
 * A job is cut into pieces of a few panels times a block of rows. The rows' activations should stay
 * in a core's cache while panel after panel passes by, so the row blocks are the outer loop. */
#include "ops/ops_int.h"

enum {
    PIECE_BYTES = 32 << 10, /* of weights: a few microseconds of memory traffic */
    PIECE_PANELS = 16,
    BLOCK_BYTES = 512 << 10, /* of activations: half of a usual second-level cache */
    BLOCK_ROWS = 512,
    LEAST_ROWS = 64, /* of a block, however long: weights come from farther away than activations */
    STEPS_WORTH_A_THREAD = 16384,
    /* Products of lanes and columns have long sums and few outputs: a block of these and a step of the sum's
     * operands stay in the cache together. Of rows as they stand more is taken side by side, and fewer of them. */
    LANES_ROWS = 96,
    LANES_PANELS = 8,
    LANES_STEP = 512, /* units */
    STANDING_ROWS = 144,
    STANDING_PANELS = 16,
    STANDING_STEP = 256
};

void ops_for(ops *o, size_t n, size_t grain, pool_fn *fn, void *arg)
{
    if (!ops_counting(o)) pool_run(o->pool, n, grain, fn, arg);
}

size_t ops_grain(size_t cost) { return size_max(1, STEPS_WORTH_A_THREAD / size_max(1, cost)); }

struct run {
    const kern *k;
    ops_job *jobs;
    size_t n;
    float *tile; /* per worker, for jobs with row pointers */
    size_t tile_size;
};

static void cut(ops_job *j)
{
    size_t row_bytes = size_max(1, kern_act_bytes(j->w->mm->act, 1, j->w->K));
    size_t least = j->M > 1 ? 2 : 1;
    j->panels = size_min(size_max(least, PIECE_BYTES / j->w->panel_bytes), PIECE_PANELS);
    j->m_block = size_min(size_max(BLOCK_BYTES / row_bytes, LEAST_ROWS), BLOCK_ROWS) & ~(size_t)15;
    if (j->w_step) {
        bool packed = j->w_step == KERN_LINE;
        j->panels = packed ? LANES_PANELS : STANDING_PANELS;
        j->m_block = packed ? LANES_ROWS : STANDING_ROWS;
    }
    j->column_pieces = size_ceil_div(kern_panels(j->w->N), j->panels);
}

/* The last job that starts at or before piece i; jobs without rows have no pieces. */
static const ops_job *job_of(const struct run *r, size_t i)
{
    size_t low = 0, high = r->n;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (r->jobs[mid].start <= i) low = mid;
        else high = mid;
    }
    return &r->jobs[low];
}

static void add_bias(const kern *k, const kern_mm_args *a, const float *bias)
{
    for (size_t m = 0; m < a->M; m++) k->add(a->y + m * a->ldy, bias, a->N);
}

/* The sum in steps, each over the whole piece. */
static void multiply_lanes(const ops_weight *w, const kern_mm_args *whole)
{
    kern_mm_args a = *whole;
    size_t step = (a.w_step == KERN_LINE ? LANES_STEP : STANDING_STEP) * w->mm->block;
    for (size_t k = 0; k < whole->K; k += step, a.add = true) {
        a.K = size_min(step, whole->K - k);
        a.w = (const uint8_t *)whole->w + k / w->mm->block * a.w_step;
        a.x = (const uint8_t *)whole->x + k / w->mm->block * a.x_step;
        w->mm->mul(&a);
    }
}

static void run_piece(const struct run *r, const ops_job *j, size_t piece, float *tile)
{
    size_t m0 = piece / j->column_pieces * j->m_block;
    size_t panel = piece % j->column_pieces * j->panels, n0 = panel * KERN_ROWS;
    const ops_weight *w = j->w;
    kern_mm_args a = {
        .w = (const uint8_t *)w->panels + (j->expert * kern_panels(w->N) + panel) * w->panel_bytes,
        .x = j->x,
        .rows = j->rows,
        .first = j->first + m0,
        .N = size_min(j->panels * KERN_ROWS, w->N - n0),
        .M = size_min(j->m_block, j->M - m0),
        .K = w->K,
        .y = j->row ? tile : j->y + m0 * j->ldy + n0,
        .ldy = j->row ? j->panels * KERN_ROWS : j->ldy,
        .add = j->add,
        .w_panel = j->w_step ? w->panel_bytes : 0,
        .w_step = j->w_step,
        .x_step = j->x_step,
    };
    if (j->w_step) multiply_lanes(w, &a);
    else w->mm->mul(&a);
    if (j->bias) add_bias(r->k, &a, j->bias + n0);
    for (size_t m = 0; j->row && m < a.M; m++)
        memcpy(j->row[m0 + m] + n0, tile + m * a.ldy, a.N * sizeof(float));
}

static void run_pieces(void *arg, size_t begin, size_t end, int worker)
{
    const struct run *r = arg;
    float *tile = r->tile ? r->tile + (size_t)worker * r->tile_size : NULL;
    for (size_t i = begin; i < end; i++) {
        const ops_job *j = job_of(r, i);
        run_piece(r, j, i - j->start, tile);
    }
}

void ops_run_jobs(ops *o, ops_job *jobs, size_t n)
{
    size_t mark = arena_mark(o->scratch), pieces = 0;
    struct run r = {
        .k = o->k, .jobs = jobs, .n = n, .tile_size = BLOCK_ROWS * PIECE_PANELS * KERN_ROWS};
    bool scatter = false;
    for (size_t i = 0; i < n; i++) {
        cut(&jobs[i]);
        jobs[i].start = pieces;
        pieces += size_ceil_div(jobs[i].M, jobs[i].m_block) * jobs[i].column_pieces;
        scatter |= jobs[i].row != NULL;
    }
    if (scatter) r.tile = arena_new(o->scratch, float, (size_t)pool_threads(o->pool) * r.tile_size);
    ops_for(o, pieces, 1, run_pieces, &r);
    arena_reset(o->scratch, mark);
}
