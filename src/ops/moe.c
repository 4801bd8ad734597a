/* Mixture of experts: choice, gathering by expert, grouped products.
 * SPDX-License-Identifier: MIT */
#include "ops/ops_int.h"

#include <math.h>

/* ---- the choice (DeepSeek-V3 report, section 2.1.2; V2: softmax scores, group score = best)
 * --------- */

/* Marks the n largest of x[0, len); the lower index wins a tie. */
static void mark_largest(const float *x, size_t len, size_t n, bool *marked)
{
    size_t best[OPS_EXPERTS], have = 0; /* the largest so far, in order */
    memset(marked, 0, len * sizeof *marked);
    for (size_t i = 0; i < len; i++) {
        if (have < n) have++;
        else if (n == 0 || !(x[i] > x[best[n - 1]])) continue;
        size_t at = have - 1;
        for (; at > 0 && x[i] > x[best[at - 1]]; at--) best[at] = best[at - 1];
        best[at] = i;
    }
    for (size_t j = 0; j < have; j++) marked[best[j]] = true;
}

void ops_moe_scores(const ops_moe *m, const float *logits, float *score)
{
    size_t E = m->router->N;
    if (m->sigmoid) {
        for (size_t e = 0; e < E; e++) score[e] = 1.0f / (1.0f + expf(-logits[e]));
        return;
    }
    float top = logits[0];
    double sum = 0;
    for (size_t e = 1; e < E; e++) top = fmaxf(top, logits[e]);
    for (size_t e = 0; e < E; e++) sum += (double)(score[e] = expf(logits[e] - top));
    for (size_t e = 0; e < E; e++) score[e] = (float)((double)score[e] / sum);
}

/* What a group is worth: its best choice, or with sigmoid scores the sum of its two best. */
static float group_score(const float *choice, size_t n, bool two)
{
    float a = -INFINITY, b = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (choice[i] > a) b = a, a = choice[i];
        else if (choice[i] > b) b = choice[i];
    }
    return two && n > 1 ? a + b : a;
}

static void keep_groups(const ops_moe *m, float *choice, size_t E)
{
    float worth[OPS_EXPERTS];
    bool kept[OPS_EXPERTS];
    size_t size = E / m->groups;
    for (size_t g = 0; g < m->groups; g++)
        worth[g] = group_score(choice + g * size, size, m->sigmoid);
    mark_largest(worth, m->groups, m->groups_used, kept);
    for (size_t e = 0; e < E; e++)
        if (!kept[e / size]) choice[e] = -INFINITY;
}

void ops_route(const ops_moe *m, const float *logits, uint32_t *expert, float *weight)
{
    float score[OPS_EXPERTS], choice[OPS_EXPERTS] = {0};
    bool chosen[OPS_EXPERTS];
    size_t E = m->router->N, n = 0;
    ops_moe_scores(m, logits, score);
    for (size_t e = 0; e < E; e++) choice[e] = m->bias ? score[e] + m->bias[e] : score[e];
    if (m->groups > 1 && m->groups_used < m->groups) keep_groups(m, choice, E);
    mark_largest(choice, E, m->used, chosen);
    float sum = 0;
    for (size_t e = 0; e < E; e++) {
        if (!chosen[e]) continue;
        expert[n] = (uint32_t)e;
        weight[n++] = score[e];
        sum += score[e];
    }
    for (size_t j = 0; j < n; j++)
        weight[j] = (m->normalize ? weight[j] / (sum + 1e-20f) : weight[j]) * m->scale;
}

/* ---- one step
 * --------------------------------------------------------------------------------------- */

struct step {
    ops *o;
    const ops_moe *m;
    size_t T, D, F, E, pairs; /* pairs = T * used */
    ops_moe_kept k;
    ops_acts in, sorted; /* rows of tokens; the same by expert */
    float *y;            /* [T, D]: the shared experts' part, then all */
};

static void route_tokens(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct step *s = arg;
    for (size_t t = begin; t < end; t++)
        ops_route(s->m, s->k.logits + t * s->E, s->k.expert + t * s->m->used,
                  s->k.weight + t * s->m->used);
}

/* Counting sort of (token, choice) pairs by expert; tokens stay in order. */
static void sort_pairs(struct step *s)
{
    uint32_t at[OPS_EXPERTS];
    memset(s->k.offset, 0, (s->E + 1) * sizeof *s->k.offset);
    for (size_t i = 0; i < s->pairs; i++) s->k.offset[s->k.expert[i] + 1]++;
    for (size_t e = 0; e < s->E; e++) s->k.offset[e + 1] += s->k.offset[e];
    memcpy(at, s->k.offset, s->E * sizeof *at);
    for (size_t i = 0; i < s->pairs; i++) {
        uint32_t row = at[s->k.expert[i]]++;
        s->k.slot[i] = row;
        s->k.token[row] = (uint32_t)(i / s->m->used);
    }
}

/* Bytes of one row's unit of a form, and how many units a row has. Units of one column range of all
 * rows are neighbours in the block forms; the others are one unit a row. */
static size_t form_unit(enum kern_act f, size_t K, size_t *units)
{
    *units = f == KERN_ACT_Q8 ? K / 32 : f == KERN_ACT_Q8K ? K / NUM_QK : 1;
    return kern_act_bytes(f, 1, K) / *units;
}

static void gather_rows(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct step *s = arg;
    for (int f = 0; f < KERN_ACTS; f++) {
        uint8_t *to = s->sorted.form[f];
        const uint8_t *from = s->in.form[f];
        if (!to) continue;
        size_t units, bytes = form_unit((enum kern_act)f, s->D, &units);
        for (size_t u = 0; u < units; u++)
            for (size_t p = begin; p < end; p++)
                memcpy(to + (u * s->pairs + p) * bytes, from + (u * s->T + s->k.token[p]) * bytes,
                       bytes);
    }
}

static void combine(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct step *s = arg;
    size_t used = s->m->used;
    for (size_t t = begin; t < end; t++) {
        float *y = s->y + t * s->D;
        if (!s->m->shared_down) memset(y, 0, s->D * sizeof *y);
        for (size_t j = 0; j < used; j++)
            s->o->k->axpy(y, s->k.weight[t * used + j],
                          s->k.down + (size_t)s->k.slot[t * used + j] * s->D, s->D);
    }
}

/* n products of every expert that has rows, expert by expert; a single token's row serves all of them as it is. */
static size_t expert_jobs(const struct step *s, ops_job *jobs, const ops_acts *x, const ops_weight *const *w,
                          float *const *y, size_t n)
{
    size_t made = 0;
    for (size_t e = 0; e < s->E; e++) {
        size_t first = s->k.offset[e], M = s->k.offset[e + 1] - first;
        for (size_t i = 0; M && i < n; i++)
            jobs[made++] = (ops_job){.w = w[i],
                                     .expert = e,
                                     .x = x->form[w[i]->mm->act],
                                     .rows = x->rows,
                                     .first = x->rows == 1 ? 0 : first,
                                     .M = M,
                                     .y = y[i] + first * w[i]->N,
                                     .ldy = w[i]->N};
    }
    return made;
}

static ops_job shared_job(const ops_weight *w, const ops_acts *x, float *y)
{
    return (ops_job){
        .w = w, .x = x->form[w->mm->act], .rows = x->rows, .M = x->rows, .y = y, .ldy = w->N};
}

/* Scores, choice, and the tokens' rows by expert. */
static void dispatch(struct step *s, const ops_input *in)
{
    ops *o = s->o;
    const ops_moe *m = s->m;
    unsigned experts = ops_form(m->gate) | ops_form(m->up);
    unsigned shared = m->shared_gate ? ops_form(m->shared_gate) | ops_form(m->shared_up) : 0;
    ops_prepare(o, &s->in, in, s->T, s->D, ops_form(m->router) | experts | shared);
    ops_job route = shared_job(m->router, &s->in, s->k.logits);
    ops_run_jobs(o, &route, 1);
    ops_for(o, s->T, ops_grain(s->E * 16), route_tokens, s);
    if (!ops_counting(o)) sort_pairs(s);
    s->sorted = s->in;
    if (s->T == 1) return;
    s->sorted = (ops_acts){.rows = s->pairs, .K = s->D};
    for (int f = 0; f < KERN_ACTS; f++)
        if (experts >> f & 1)
            s->sorted.form[f] =
                arena_alloc(o->scratch, kern_act_bytes((enum kern_act)f, s->pairs, s->D));
    ops_for(o, s->pairs, ops_grain(s->D / 4), gather_rows, s);
}

static void run_experts(struct step *s, ops_job *jobs)
{
    ops *o = s->o;
    const ops_moe *m = s->m;
    ops_acts hidden, shared = {0};
    if (!ops_counting(o)) {
        size_t n = expert_jobs(s, jobs, &s->sorted, (const ops_weight *[]){m->gate, m->up},
                               (float *[]){s->k.gate, s->k.up}, 2);
        if (m->shared_gate) {
            jobs[n++] = shared_job(m->shared_gate, &s->in, s->k.shared_gate);
            jobs[n++] = shared_job(m->shared_up, &s->in, s->k.shared_up);
        }
        ops_run_jobs(o, jobs, n);
    }
    ops_prepare(o, &hidden, &(ops_input){.x = s->k.gate, .ldx = s->F, .up = s->k.up}, s->pairs, s->F,
                ops_form(m->down));
    if (m->shared_gate)
        ops_prepare(o, &shared,
                    &(ops_input){.x = s->k.shared_gate, .ldx = m->shared_gate->N, .up = s->k.shared_up},
                    s->T, m->shared_gate->N, ops_form(m->shared_down));
    if (ops_counting(o)) {
        ops_run_jobs(o, NULL, 2 * s->E + 2);
        return;
    }
    size_t n = expert_jobs(s, jobs, &hidden, &m->down, &s->k.down, 1);
    if (m->shared_down) jobs[n++] = shared_job(m->shared_down, &shared, s->y);
    ops_run_jobs(o, jobs, n);
}

void ops_moe_run(ops *o, const ops_moe *m, const ops_input *in, size_t T, float *y)
{
    size_t mark = arena_mark(o->scratch);
    struct step s = {.o = o,
                     .m = m,
                     .T = T,
                     .D = m->router->K,
                     .F = m->gate->N,
                     .E = m->router->N,
                     .pairs = T * m->used,
                     .y = y};
    arena *a = m->room ? m->room : o->scratch;
    s.k.logits = arena_new(a, float, T * s.E);
    s.k.expert = arena_new(a, uint32_t, s.pairs);
    s.k.slot = arena_new(a, uint32_t, s.pairs);
    s.k.token = arena_new(a, uint32_t, s.pairs);
    s.k.offset = arena_new(a, uint32_t, s.E + 1);
    s.k.weight = arena_new(a, float, s.pairs);
    s.k.gate = arena_new(a, float, s.pairs *s.F);
    s.k.up = arena_new(a, float, s.pairs *s.F);
    s.k.down = arena_new(a, float, s.pairs *s.D);
    if (m->shared_gate) {
        s.k.shared_gate = arena_new(a, float, T * m->shared_gate->N);
        s.k.shared_up = arena_new(a, float, T * m->shared_gate->N);
    }
    if (m->kept) *m->kept = s.k;
    ops_job *jobs = arena_new(o->scratch, ops_job, 2 * s.E + 2);
    dispatch(&s, in);
    run_experts(&s, jobs);
    ops_for(o, T, ops_grain(s.D * m->used / 4), combine, &s);
    arena_reset(o->scratch, mark);
}
