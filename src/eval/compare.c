/* Two runs on the same questions.
 * SPDX-License-Identifier: MIT */
#include "eval/summary.h"

#include <stdlib.h>

/* The verdicts of one run: one entry per sample, sorted so that a question's stand together and a
 * sample's last line comes last. */
typedef struct verdict {
    char *id;
    int64_t sample;
    size_t line;
    bool right;
} verdict;

typedef struct verdicts {
    verdict *v;
    size_t n, cap;
} verdicts;

static ponder_status add(void *user, json_t *record, ponder_error *err)
{
    verdicts *all = user;
    str id = json_str(json_object_get(record, "id"));
    if (id.n == 0) return err_set(err, PONDER_EFORMAT, "no \"id\"");
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 1024;
        verdict *v = realloc(all->v, cap * sizeof *v);
        if (!v) return err_set(err, PONDER_ENOMEM, "no memory for %zu samples", cap);
        all->v = v;
        all->cap = cap;
    }
    all->v[all->n] = (verdict){.id = strndup(id.p, id.n),
                               .sample = json_integer_value(json_object_get(record, "sample")),
                               .line = all->n,
                               .right = json_is_true(json_object_get(record, "lenient"))};
    if (!all->v[all->n].id) return err_set(err, PONDER_ENOMEM, "no memory for an id");
    all->n++;
    return PONDER_OK;
}

static int in_order(const void *a, const void *b)
{
    const verdict *x = a, *y = b;
    int d = strcmp(x->id, y->id);
    if (d) return d;
    if (x->sample != y->sample) return x->sample < y->sample ? -1 : 1;
    return x->line < y->line ? -1 : 1;
}

static ponder_status load(verdicts *out, const char *dir, ponder_error *err)
{
    buf path = {0};
    size_t whole;
    buf_printf(&path, "%s/samples.jsonl", dir);
    ponder_status st = path.failed ? err_set(err, PONDER_ENOMEM, "out of memory")
                                   : eval_each_line(path.p, add, out, &whole, err);
    if (st == PONDER_OK && out->n == 0)
        st = err_set(err, PONDER_ENOTFOUND, "%s: no samples there", path.p);
    if (st == PONDER_OK) qsort(out->v, out->n, sizeof *out->v, in_order);
    buf_free(&path);
    return st;
}

static void unload(verdicts *v)
{
    for (size_t i = 0; i < v->n; i++) free(v->v[i].id);
    free(v->v);
}

/* The share of right samples of the question that begins at *at, which moves behind it. */
static double next_share(const verdicts *v, size_t *at)
{
    const char *id = v->v[*at].id;
    size_t n = 0, right = 0;
    for (; *at < v->n && !strcmp(v->v[*at].id, id); ++*at) {
        const verdict *x = &v->v[*at], *y = x + 1;
        bool last = *at + 1 == v->n || strcmp(y->id, id) != 0 || y->sample != x->sample;
        n += last;
        right += last && x->right;
    }
    return (double)right / (double)n;
}

/* Walks both in the order of ids. */
static void pair(eval_comparison *out, const verdicts *a, const verdicts *b, double *x, double *y)
{
    size_t i = 0, j = 0;
    while (i < a->n || j < b->n) {
        int d = i == a->n ? 1 : j == b->n ? -1 : strcmp(a->v[i].id, b->v[j].id);
        double left = d <= 0 ? next_share(a, &i) : 0, right = d >= 0 ? next_share(b, &j) : 0;
        if (d < 0) out->only_a++;
        else if (d > 0) out->only_b++;
        else {
            x[out->n] = left;
            y[out->n++] = right;
            out->a += left;
            out->b += right;
            out->better_a += left > right;
            out->better_b += right > left;
        }
    }
}

static ponder_status compare(eval_comparison *out, const verdicts *a, const verdicts *b,
                             const char *dir_a, const char *dir_b, ponder_error *err)
{
    double *x = malloc(a->n * sizeof *x), *y = malloc(b->n * sizeof *y);
    ponder_status st = PONDER_OK;
    if (!x || !y) st = err_set(err, PONDER_ENOMEM, "no memory for a comparison");
    if (st == PONDER_OK) pair(out, a, b, x, y);
    if (st == PONDER_OK && out->n == 0)
        st = err_set(err, PONDER_EFORMAT, "%s and %s have no question in common", dir_a, dir_b);
    if (st == PONDER_OK) {
        out->a /= (double)out->n;
        out->b /= (double)out->n;
        out->paired = metric_compare(x, y, out->n);
        for (size_t i = 0; i < out->n; i++) x[i] -= y[i];
        st = metric_bootstrap(&out->interval, x, out->n, METRIC_ROUNDS, 0, err);
    }
    free(x);
    free(y);
    return st;
}

ponder_status eval_compare(eval_comparison *out, const char *dir_a, const char *dir_b,
                           ponder_error *err)
{
    verdicts a = {0}, b = {0};
    *out = (eval_comparison){0};
    ponder_status st = load(&a, dir_a, err);
    if (st == PONDER_OK) st = load(&b, dir_b, err);
    if (st == PONDER_OK) st = compare(out, &a, &b, dir_a, dir_b, err);
    unload(&a);
    unload(&b);
    return st;
}
