/* From samples to figures.
 * SPDX-License-Identifier: MIT */
#include "eval/summary.h"
#include "reward/vote.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWS = 64, GROUPS_SHOWN = 200 };
static const double UNMIXED = 0.9; /* share of words that counts as one language */

/* Scratch for one question's vote and one reading's questions. */
typedef struct work {
    const eval_store *store;
    uint64_t seed;
    metric_count *counts; /* [n] */
    double *values;       /* [n] */
    uint32_t *class_of;   /* [k] */
    uint32_t *drawn;      /* [k] */
    bool *right;          /* [k], of classes */
    size_t *votes;        /* [k], of classes */
} work;

static ponder_status work_open(work *w, const eval_store *s, uint64_t seed, ponder_error *err)
{
    size_t n = s->data->n, k = s->k;
    *w = (work){.store = s,
                .seed = seed,
                .counts = calloc(n, sizeof *w->counts),
                .values = calloc(n, sizeof *w->values),
                .class_of = calloc(k, sizeof *w->class_of),
                .drawn = calloc(k, sizeof *w->drawn),
                .right = calloc(k, sizeof *w->right),
                .votes = calloc(k, sizeof *w->votes)};
    bool all = w->counts && w->values && w->class_of && w->drawn && w->right && w->votes;
    return all ? PONDER_OK : err_set(err, PONDER_ENOMEM, "no memory for a summary");
}

static void work_close(work *w)
{
    free(w->counts);
    free(w->values);
    free(w->class_of);
    free(w->drawn);
    free(w->right);
    free(w->votes);
}

/* ---- rates ------------------------------------------------------------------------------------- */

/* The mean of w->values[0, n) with its interval. */
static ponder_status rate_of(eval_rate *out, work *w, size_t n, ponder_error *err)
{
    metric_interval m;
    TRY(metric_share(&out->value, &m, &out->wilson, w->values, n, w->seed, err));
    out->low = m.low;
    out->high = m.high;
    return PONDER_OK;
}

static bool is_right(const eval_sample *s, bool strict)
{
    return s->done && (strict ? s->strict : s->lenient);
}

static void count_questions(work *w, bool strict)
{
    const eval_store *s = w->store;
    for (size_t q = 0; q < s->data->n; q++) {
        w->counts[q] = (metric_count){.n = s->k};
        for (size_t i = 0; i < s->k; i++)
            w->counts[q].correct += is_right(eval_sample_at(s, q, i), strict);
        w->values[q] = (double)w->counts[q].correct / (double)s->k;
    }
}

/* ---- votes ------------------------------------------------------------------------------------- */

/* Puts a question's samples into *classes classes of equal answers; a class is as right as the
 * sample that opened it. */
static ponder_status classify(size_t *classes, work *w, size_t question, bool strict,
                              ponder_error *err)
{
    const eval_store *s = w->store;
    const eval_question *q = &s->data->q[question];
    bool votes = q->form == EVAL_ANSWER || q->form == EVAL_CHOICE; /* programs are all different */
    vote v = {.kind = reward_kind_find(q->form == EVAL_CHOICE ? STR("exact") : q->kind)};
    ponder_status st = PONDER_OK;
    for (size_t i = 0; i < s->k && st == PONDER_OK; i++) {
        const eval_sample *e = eval_sample_at(s, question, i);
        size_t n = v.n, class;
        w->class_of[i] = METRIC_NO_VOTE;
        if (!votes || !e->done || !e->answer || (strict && !e->found)) continue;
        st = vote_cast(&v, str_of(e->answer), i, &class, err);
        if (st != PONDER_OK || class == VOTE_BLANK) continue;
        if (class == n) w->right[class] = is_right(e, strict);
        w->class_of[i] = (uint32_t)class;
    }
    *classes = v.n;
    vote_free(&v);
    return st;
}

/* The mean vote of `size` of the k samples, over draws without replacement. */
static double vote_of(work *w, size_t question, size_t classes, size_t size)
{
    size_t k = w->store->k, draws = size == k ? 1 : DRAWS;
    uint64_t key = w->store->data->q[question].key;
    double sum = 0;
    for (size_t d = 0; d < draws; d++) {
        memcpy(w->drawn, w->class_of, k * sizeof *w->drawn);
        for (size_t i = 0; i < size && size < k; i++) {
            size_t j = i + rng_below(k - i, w->seed ^ key, d * EVAL_CURVE * 64 + size, i, RNG_DATA);
            uint32_t t = w->drawn[i];
            w->drawn[i] = w->drawn[j];
            w->drawn[j] = t;
        }
        sum += metric_vote(w->drawn, size, w->right, classes, w->votes);
    }
    return sum / (double)draws;
}

static bool can_vote(const eval_store *s)
{
    for (size_t q = 0; q < s->data->n; q++)
        if (s->data->q[q].form == EVAL_ANSWER || s->data->q[q].form == EVAL_CHOICE) return s->k > 1;
    return false;
}

static ponder_status read_votes(eval_reading *r, work *w, const eval_summary *s, bool strict,
                                ponder_error *err)
{
    size_t n = w->store->data->n;
    r->votes = can_vote(w->store);
    if (!r->votes) return PONDER_OK;
    for (size_t q = 0; q < n; q++) {
        size_t classes;
        TRY(classify(&classes, w, q, strict, err));
        for (size_t i = 0; i < s->n_sizes; i++) {
            double v = vote_of(w, q, classes, s->sizes[i]);
            r->vote[i] += v / (double)n;
            w->values[q] = v; /* the last size is k */
        }
    }
    return rate_of(&r->cons, w, n, err);
}

static ponder_status read_samples(eval_reading *r, work *w, const eval_summary *s, bool strict,
                                  ponder_error *err)
{
    size_t n = w->store->data->n;
    count_questions(w, strict);
    TRY(rate_of(&r->pass1, w, n, err));
    r->mean = metric_clustered(w->counts, n);
    r->wilson = metric_wilson(r->pass1.value, n);
    for (size_t i = 0; i < s->n_sizes; i++)
        metric_pass_at_k_mean(&r->pass[i], w->counts, n, s->sizes[i]);
    return read_votes(r, w, s, strict, err);
}

/* ---- lengths ----------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fill_bins(eval_lengths *l, const eval_store *s)
{
    double top = l->p99 > 0 ? l->p99 : 1;
    l->bin = ceil(top / (EVAL_BINS - 1));
    size_t rights = 0, wrongs = 0;
    for (size_t i = 0; i < s->data->n * s->k; i++) {
        const eval_sample *e = &s->samples[i];
        if (!e->done || e->tokens < 0) continue;
        size_t b = size_min((size_t)(e->tokens / l->bin), EVAL_BINS - 1);
        if (e->lenient) l->right[b]++, rights++, l->mean_right += e->tokens;
        else l->wrong[b]++, wrongs++, l->mean_wrong += e->tokens;
    }
    if (rights) l->mean_right /= (double)rights;
    if (wrongs) l->mean_wrong /= (double)wrongs;
}

static ponder_status measure_lengths(eval_lengths *l, const eval_store *s, ponder_error *err)
{
    size_t cells = s->data->n * s->k, thoughts = 0;
    double *x = malloc((cells ? cells : 1) * sizeof *x), reasoning = 0;
    if (!x) return err_set(err, PONDER_ENOMEM, "no memory for %zu lengths", cells);
    for (size_t i = 0; i < cells; i++) {
        const eval_sample *e = &s->samples[i];
        if (!e->done || e->tokens < 0) continue;
        x[l->known++] = e->tokens;
        l->mean += e->tokens;
        if (e->reasoning_tokens >= 0) reasoning += e->reasoning_tokens, thoughts++;
    }
    l->reasoning_mean = thoughts ? reasoning / (double)thoughts : -1;
    if (l->known) {
        l->mean /= (double)l->known;
        qsort(x, l->known, sizeof *x, ascending);
        l->p10 = metric_quantile(x, l->known, 0.1);
        l->p50 = metric_quantile(x, l->known, 0.5);
        l->p90 = metric_quantile(x, l->known, 0.9);
        l->p99 = metric_quantile(x, l->known, 0.99);
        l->max = x[l->known - 1];
        fill_bins(l, s);
    }
    free(x);
    return PONDER_OK;
}

/* ---- subjects and levels ----------------------------------------------------------------------- */

static str group_name(const eval_question *q, bool level) { return level ? q->level : q->subject; }

static ponder_status add_group(eval_summary *out, work *w, str name, bool level, ponder_error *err)
{
    const eval_store *s = w->store;
    size_t n = 0;
    for (size_t q = 0; q < s->data->n; q++) {
        if (!str_eq(group_name(&s->data->q[q], level), name)) continue;
        size_t right = 0;
        for (size_t i = 0; i < s->k; i++) right += is_right(eval_sample_at(s, q, i), false);
        w->values[n++] = (double)right / (double)s->k;
    }
    eval_group *g = &out->groups[out->n_groups++];
    *g = (eval_group){.of = level ? "level" : "subject", .name = name, .n = n};
    return rate_of(&g->rate, w, n, err);
}

static int by_name(const void *a, const void *b)
{
    const eval_group *x = a, *y = b;
    if (x->of != y->of) return strcmp(y->of, x->of); /* subjects first */
    int d = memcmp(x->name.p, y->name.p, size_min(x->name.n, y->name.n));
    return d ? d : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static ponder_status add_groups(eval_summary *out, work *w, ponder_error *err)
{
    const eval_dataset *d = w->store->data;
    out->groups = calloc(GROUPS_SHOWN, sizeof *out->groups);
    if (!out->groups) return err_set(err, PONDER_ENOMEM, "no memory for groups");
    for (int level = 0; level < 2; level++)
        for (size_t q = 0; q < d->n && out->n_groups < GROUPS_SHOWN; q++) {
            str name = group_name(&d->q[q], level);
            bool known = name.n == 0;
            for (size_t g = 0; g < out->n_groups && !known; g++)
                known = str_eq(out->groups[g].name, name) &&
                        !strcmp(out->groups[g].of, level ? "level" : "subject");
            if (!known) TRY(add_group(out, w, name, level, err));
        }
    if (out->n_groups) qsort(out->groups, out->n_groups, sizeof *out->groups, by_name);
    return PONDER_OK;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void count_samples(eval_summary *out, const eval_store *s)
{
    size_t known = 0;
    for (size_t i = 0; i < s->data->n * s->k; i++) {
        const eval_sample *e = &s->samples[i];
        out->samples += e->done;
        out->errors += e->error;
        out->unanswered += e->done && !e->error && !e->answered;
        out->truncated += e->truncated;
        out->loops += e->loop;
        if (!e->done || e->language < 0) continue;
        out->mixed += e->language < UNMIXED;
        out->language += e->language;
        known++;
    }
    out->language = known ? out->language / (double)known : -1;
}

ponder_status eval_summarize(eval_summary *out, const eval_store *s, uint64_t seed,
                             ponder_error *err)
{
    work w;
    *out = (eval_summary){.n = s->data->n, .k = s->k};
    for (size_t k = 1; k < s->k && out->n_sizes < EVAL_CURVE - 1; k *= 2)
        out->sizes[out->n_sizes++] = k;
    out->sizes[out->n_sizes++] = s->k;
    count_samples(out, s);
    ponder_status st = work_open(&w, s, seed, err);
    if (st == PONDER_OK) st = read_samples(&out->strict, &w, out, true, err);
    if (st == PONDER_OK) st = read_samples(&out->lenient, &w, out, false, err);
    if (st == PONDER_OK) st = add_groups(out, &w, err);
    if (st == PONDER_OK) st = measure_lengths(&out->lengths, s, err);
    work_close(&w);
    return st;
}

void eval_summary_close(eval_summary *s)
{
    free(s->groups);
    *s = (eval_summary){0};
}
