/* Rows into the forms kernels read, and plain products.
 * SPDX-License-Identifier: MIT */
#include "ops/ops_int.h"

#include <math.h>

struct prepare {
    const kern *k;
    const ops_input *in;
    ops_acts *acts;
    size_t T;
    unsigned forms;
    bool aliased;   /* the F32 form is the caller's rows */
    float *scratch; /* [worker, K]; NULL where no row changes or the F32 form takes it */
};

const float *ops_input_row(const kern *k, const ops_input *in, size_t K, size_t T, size_t r, float *room)
{
    size_t at = r % T * in->ldx + r / T * in->ldh;
    const float *row = in->x ? in->x + at : NULL;
    if (in->stream) {
        float *s = in->stream + r * K;
        if (row) k->add(s, row, K);
        row = s;
    }
    if (in->kept) memcpy(in->kept + r * K, row, K * sizeof *row);
    if (in->gain) {
        k->rms_norm(room, row, in->gain, K, in->eps);
        row = room;
    }
    if (in->up) {
        k->silu_mul(room, row, in->up + at, K);
        row = room;
    }
    return row;
}

static void prepare_rows(void *arg, size_t begin, size_t end, int worker)
{
    const struct prepare *p = arg;
    ops_acts *acts = p->acts;
    size_t K = acts->K, heads = size_max(1, p->in->heads);
    bool keep = (p->forms >> KERN_ACT_F32 & 1) && !p->aliased;
    for (size_t i = begin; i < end; i++) { /* all heads of a token, then the next */
        size_t r = i % heads * p->T + i / heads;
        float *kept = keep ? (float *)acts->form[KERN_ACT_F32] + r * K : NULL;
        const float *row = ops_input_row(p->k, p->in, K, p->T, r,
                                         kept ? kept : p->scratch + (size_t)worker * K);
        if (kept && row != kept) memcpy(kept, row, K * sizeof *row);
        for (int f = KERN_ACT_F32 + 1; f < KERN_ACTS; f++)
            if (p->forms >> f & 1) p->k->act[f](acts->form[f], r, acts->rows, row, K);
    }
}

void ops_prepare(ops *o, ops_acts *out, const ops_input *in, size_t T, size_t K, unsigned forms)
{
    size_t rows = T * size_max(1, in->heads);
    bool changes = in->gain || in->up;
    *out = (ops_acts){.rows = rows, .K = K};
    struct prepare p = {.k = o->k, .in = in, .acts = out, .T = T, .forms = forms};
    const float *whole = in->stream ? in->stream : in->ldx == K && in->heads <= 1 ? in->x : NULL;
    p.aliased = !changes && whole;
    for (int f = 0; f < KERN_ACTS; f++)
        if (forms >> f & 1)
            out->form[f] = arena_alloc(o->scratch, kern_act_bytes((enum kern_act)f, rows, K));
    if (p.aliased && (forms >> KERN_ACT_F32 & 1))
        out->form[KERN_ACT_F32] = (void *)(uintptr_t)whole;
    p.scratch = arena_new(o->scratch, float, (size_t)pool_threads(o->pool) * K);
    if (p.aliased && forms == 1u << KERN_ACT_F32 && !in->stream) return;
    ops_for(o, rows, ops_grain(K), prepare_rows, &p);
}

void ops_multiply(ops *o, const ops_acts *x, const ops_product *p, size_t n)
{
    ops_job jobs[OPS_PRODUCTS];
    for (size_t i = 0; i < n; i++)
        jobs[i] = (ops_job){.w = p[i].w,
                            .expert = p[i].expert,
                            .x = x->form[p[i].w->mm->act],
                            .rows = x->rows,
                            .M = x->rows,
                            .y = p[i].y,
                            .ldy = p[i].ldy,
                            .row = p[i].row,
                            .bias = p[i].bias};
    ops_run_jobs(o, jobs, n);
}

void ops_linear(ops *o, const ops_input *in, size_t T, const ops_product *p, size_t n)
{
    size_t mark = arena_mark(o->scratch);
    unsigned forms = 0;
    for (size_t i = 0; i < n; i++) forms |= ops_form(p[i].w);
    ops_acts acts;
    ops_prepare(o, &acts, in, T, p[0].w->K, forms);
    ops_multiply(o, &acts, p, n);
    arena_reset(o->scratch, mark);
}

void ops_heads(ops *o, const ops_weight *w, const float *x, size_t ldx, size_t ldxh, size_t T,
               float *y, size_t ldy, size_t ldyh)
{
    size_t mark = arena_mark(o->scratch), H = w->experts;
    ops_acts acts;
    ops_prepare(o, &acts, &(ops_input){.x = x, .ldx = ldx, .heads = H, .ldh = ldxh}, T, w->K,
                ops_form(w));
    ops_job *jobs = arena_new(o->scratch, ops_job, H);
    for (size_t h = 0; h < H && !ops_counting(o); h++)
        jobs[h] = (ops_job){.w = w,
                            .expert = h,
                            .x = acts.form[w->mm->act],
                            .rows = H * T,
                            .first = h * T,
                            .M = T,
                            .y = y + h * ldyh,
                            .ldy = ldy};
    ops_run_jobs(o, ops_counting(o) ? NULL : jobs, H);
    arena_reset(o->scratch, mark);
}

double ops_log_sum_exp(const kern *k, const float *x, size_t n, float *top)
{
    float max = k->max(x, n);
    if (top) *top = max;
    return isfinite(max) ? (double)max + log(k->sum_exp(x, n, max)) : (double)max;
}
