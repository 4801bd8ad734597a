/* ponder eval: from samples to reports and to what is printed.
 * SPDX-License-Identifier: MIT */
#include "cli/eval.h"

static void print_rate(const char *name, const eval_rate *r)
{
    printf("%-22s %5.1f %%  (%.1f to %.1f)\n", name, 100 * r->value, 100 * r->low, 100 * r->high);
}

static void print_summary(const char *dir, const eval_options *o, const eval_report *r)
{
    const eval_summary *s = r->s;
    char name[48];
    printf("%s: %zu questions, %zu samples each\n", o->bench, s->n, s->k);
    snprintf(name, sizeof name, "cons@%zu", s->k);
    if (o->votes) print_rate(name, &s->lenient.cons);
    print_rate("pass@1", &s->lenient.pass1);
    print_rate("pass@1, strict", &s->strict.pass1);
    if (!o->votes && s->lenient.votes) print_rate(name, &s->lenient.cons);
    for (size_t i = 1; i < s->n_sizes; i++) {
        snprintf(name, sizeof name, "pass@%zu", s->sizes[i]);
        printf("%-22s %5.1f %%\n", name, 100 * s->lenient.pass[i]);
    }
    if (s->lengths.known)
        printf("%-22s %.1f tokens (median %.0f)\n", "length", s->lengths.mean, s->lengths.p50);
    printf("%-22s %zu cut off, %zu without an answer, %zu errors\n", "of the samples",
           s->truncated, s->unanswered, s->errors);
    if (r->rating) printf("%-22s %.0f\n", "rating", r->rating->rating);
    printf("%-22s %s/report.html, report.md, samples.jsonl\n", "written to", dir);
}

ponder_status eval_finish(const char *dir, const eval_setup *s, const eval_options *o,
                          const json_t *settings, ponder_error *err)
{
    eval_store store;
    eval_summary sum = {0};
    eval_rating rating;
    buf json = {0};
    ponder_status st = eval_store_open(&store, dir, &s->data, s->k, false, err);
    if (st == PONDER_OK) st = eval_summarize(&sum, &store, o->seed, err);
    eval_report r = {.settings = settings, .s = &sum};
    if (st == PONDER_OK && o->contests) {
        st = eval_rate_contests(&rating, o->contests, o->histogram, &store, err);
        r.rating = &rating;
    }
    if (st == PONDER_OK) st = eval_report_write(dir, &r, err);
    if (st == PONDER_OK && o->json) {
        eval_report_json(&json, &r);
        fputs(buf_str(&json).p, stdout);
    } else if (st == PONDER_OK) {
        print_summary(dir, o, &r);
    }
    buf_free(&json);
    eval_summary_close(&sum);
    eval_store_close(&store);
    return st;
}
