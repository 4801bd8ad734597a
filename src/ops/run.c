/* Many matrix products in one parallel phase.
 * SPDX-License-Identifier: MIT
 *
 * A job is cut into pieces of a few panels times a block of rows. The rows' activations should stay
 * in a core's cache while panel after panel passes by, so the row blocks are the outer loop. Every
 * worker begins with its part of each job, so that rows stay with who had them in the phase before. */
#include "ops/ops_int.h"

enum {
    PIECE_BYTES = 32 << 10, /* of weights: a few microseconds of memory traffic */
    PIECE_PANELS = 16,
    BLOCK_BYTES = 512 << 10, /* of activations: half of a usual second-level cache */
    BLOCK_ROWS = 512,
    NEAR_BYTES = 1 << 20, /* of weights that every worker can have in its cache: then few rows are split too */
    SPLIT_ROWS = 24,      /* when each gets so many: two tiles */
    FEW_JOBS = 8,         /* share their rows; more are experts or heads, and the pool's parts are whole ones */
    LEAST_ROWS = 64, /* of a block, however long: weights come from farther away than activations */
    STEPS_WORTH_A_THREAD = 4096,
    /* Products of lanes and columns have long sums and few outputs: a block of these and a step of the sum's
     * operands stay in the cache together. Of rows as they stand more is taken side by side, and fewer of them. */
    LANES_ROWS = 96,
    LANES_PANELS = 8,
    LANES_STEP = 512, /* units */
    STANDING_ROWS = 144,
    STANDING_PANELS = 16,
    STANDING_STEP = 256
};

/* Grains are as even as can be: every operator then gives a token to the same worker, which has it near. */
void ops_for(ops *o, size_t n, size_t grain, pool_fn *fn, void *arg)
{
    const size_t workers = (size_t)pool_threads(o->pool), each = n / grain / workers;
    if (grain > 1 && each) grain = size_ceil_div(n, each * workers);
    if (!ops_counting(o)) pool_run(o->pool, n, grain, fn, arg);
}

size_t ops_grain(size_t cost) { return size_max(1, STEPS_WORTH_A_THREAD / size_max(1, cost)); }

/* Pieces of a job from `first` on, in the order they are run in. */
struct segment {
    const ops_job *job;
    size_t start, first;
};

struct run {
    const kern *k;
    struct segment *segment;
    size_t n;
    float *tile; /* per worker, for jobs with row pointers */
    size_t tile_size;
};

/* Rows of a block, `most` at most: as many blocks for each worker where that costs nothing. Weights of other types
 * are expanded for each block. */
static size_t rows_together(const ops_job *j, size_t most, size_t workers)
{
    const num_type t = j->w->type;
    const bool plain = t == NUM_F32 || t == NUM_BF16, near = kern_panels(j->w->N) * j->w->panel_bytes <= NEAR_BYTES;
    size_t blocks = size_max(1, size_ceil_div(j->M, most));
    if (blocks >= workers || (plain && near && j->M >= SPLIT_ROWS * workers))
        blocks = size_ceil_div(blocks, workers) * workers;
    return size_round_up(size_ceil_div(j->M, blocks), KERN_ROWS);
}

static size_t cut(ops_job *j, size_t workers)
{
    size_t row_bytes = size_max(1, kern_act_bytes(j->w->mm->act, 1, j->w->K));
    size_t least = j->M > 1 ? 2 : 1;
    j->panels = size_min(size_max(least, PIECE_BYTES / j->w->panel_bytes), PIECE_PANELS);
    j->m_block = size_min(size_max(BLOCK_BYTES / row_bytes, LEAST_ROWS), BLOCK_ROWS) & ~(size_t)15;
    j->m_block = rows_together(j, j->m_block, workers);
    if (j->w_step) {
        bool packed = j->w_step == KERN_LINE;
        j->panels = packed ? LANES_PANELS : STANDING_PANELS;
        j->m_block = packed ? LANES_ROWS : STANDING_ROWS;
    }
    j->column_pieces = size_ceil_div(kern_panels(j->w->N), j->panels);
    return j->M ? size_ceil_div(j->M, j->m_block) * j->column_pieces : 0;
}

/* The last segment that starts at or before piece i; none is empty. */
static const struct segment *segment_of(const struct run *r, size_t i)
{
    size_t low = 0, high = r->n;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (r->segment[mid].start <= i) low = mid;
        else high = mid;
    }
    return &r->segment[low];
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
        const struct segment *s = segment_of(r, i);
        run_piece(r, s->job, s->first + i - s->start, tile);
    }
}

/* Worker after worker its part of each job, or one job after the other. Returns the pieces. */
static size_t arrange(struct run *r, const ops_job *jobs, size_t n, size_t parts)
{
    size_t start = 0;
    for (size_t w = 0; w < parts; w++) {
        for (size_t i = 0; i < n; i++) {
            size_t first = pool_part(jobs[i].pieces, w, parts), end = pool_part(jobs[i].pieces, w + 1, parts);
            if (first == end) continue;
            r->segment[r->n++] = (struct segment){&jobs[i], start, first};
            start += end - first;
        }
    }
    return start;
}

void ops_run_jobs(ops *o, ops_job *jobs, size_t n)
{
    const size_t mark = arena_mark(o->scratch), workers = (size_t)pool_threads(o->pool);
    const size_t parts = n <= FEW_JOBS ? workers : 1;
    struct run r = {.k = o->k, .tile_size = BLOCK_ROWS * PIECE_PANELS * KERN_ROWS};
    bool scatter = false;
    r.segment = arena_new(o->scratch, struct segment, workers * FEW_JOBS + n); /* for any n jobs or fewer */
    for (size_t i = 0; jobs && i < n; i++) {
        jobs[i].pieces = cut(&jobs[i], workers);
        scatter |= jobs[i].row != NULL;
    }
    if (scatter) r.tile = arena_new(o->scratch, float, workers * r.tile_size);
    if (!ops_counting(o)) pool_run(o->pool, arrange(&r, jobs, n, parts), 1, run_pieces, &r);
    arena_reset(o->scratch, mark);
}
