/* Results as JSON, and comparisons.
 * SPDX-License-Identifier: MIT */
#include "eval/report.h"

#include <math.h>

static void put_rate(json_writer *w, const eval_rate *r)
{
    json_key(w, "value"), json_f64(w, r->value);
    json_key(w, "low"), json_f64(w, r->low);
    json_key(w, "high"), json_f64(w, r->high);
    json_key(w, "interval"), json_text(w, r->wilson ? STR("wilson") : STR("bootstrap"));
}

static void put_curve(json_writer *w, const eval_summary *s, const double *y)
{
    json_open(w, '{');
    for (size_t i = 0; i < s->n_sizes; i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", s->sizes[i]);
        json_key(w, key), json_f64(w, y[i]);
    }
    json_close(w, '}');
}

static void put_reading(json_writer *w, const eval_summary *s, const eval_reading *r)
{
    json_key(w, "pass@1");
    json_open(w, '{');
    put_rate(w, &r->pass1);
    json_key(w, "se"), json_f64(w, r->mean.se);
    json_key(w, "variance_between"), json_f64(w, r->mean.between);
    json_key(w, "variance_within"), json_f64(w, r->mean.within);
    json_key(w, "wilson");
    json_open(w, '[');
    json_f64(w, r->wilson.low);
    json_f64(w, r->wilson.high);
    json_close(w, ']');
    json_close(w, '}');
    json_key(w, "pass@k"), put_curve(w, s, r->pass);
    if (!r->votes) return;
    json_key(w, "cons@K");
    json_open(w, '{');
    put_rate(w, &r->cons);
    json_key(w, "k"), json_i64(w, (int64_t)s->k);
    json_key(w, "curve"), put_curve(w, s, r->vote);
    json_close(w, '}');
}

static void put_share(json_writer *w, const char *key, size_t n, const eval_summary *s)
{
    json_key(w, key), json_f64(w, s->samples ? (double)n / (double)s->samples : 0);
}

static void put_lengths(json_writer *w, const eval_summary *s)
{
    const eval_lengths *l = &s->lengths;
    const struct {
        const char *key;
        double v;
    } values[] = {{"mean", l->mean},  {"p10", l->p10}, {"p50", l->p50},
                  {"p90", l->p90},    {"p99", l->p99}, {"max", l->max},
                  {"mean_right", l->mean_right},       {"mean_wrong", l->mean_wrong}};
    json_open(w, '{');
    for (size_t i = 0; i < COUNT_OF(values); i++)
        json_key(w, values[i].key), json_f64(w, l->known ? values[i].v : NAN);
    json_key(w, "reasoning_mean"), json_f64(w, l->reasoning_mean < 0 ? NAN : l->reasoning_mean);
    put_share(w, "truncated", s->truncated, s);
    put_share(w, "loops", s->loops, s);
    json_close(w, '}');
}

static void put_groups(json_writer *w, const eval_summary *s)
{
    json_open(w, '[');
    for (size_t i = 0; i < s->n_groups; i++) {
        const eval_group *g = &s->groups[i];
        json_open(w, '{');
        json_key(w, g->of), json_text(w, g->name);
        json_key(w, "n"), json_i64(w, (int64_t)g->n);
        put_rate(w, &g->rate);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_setting(json_writer *w, const json_t *settings, const char *key)
{
    const json_t *v = json_object_get(settings, key);
    if (json_is_string(v)) json_key(w, key), json_text(w, json_str(v));
    if (json_is_integer(v)) json_key(w, key), json_i64(w, json_integer_value(v));
}

void eval_report_json(buf *out, const eval_report *r)
{
    const eval_summary *s = r->s;
    json_writer w = {.out = out};
    json_open(&w, '{');
    put_setting(&w, r->settings, "bench");
    put_setting(&w, r->settings, "model");
    put_setting(&w, r->settings, "style");
    json_key(&w, "n"), json_i64(&w, (int64_t)s->n);
    json_key(&w, "k"), json_i64(&w, (int64_t)s->k);
    json_key(&w, "samples"), json_i64(&w, (int64_t)s->samples);
    json_key(&w, "reading"), json_text(&w, STR("lenient"));
    put_reading(&w, s, &s->lenient);
    json_key(&w, "strict");
    json_open(&w, '{');
    put_reading(&w, s, &s->strict);
    json_close(&w, '}');
    json_key(&w, "lenient");
    json_open(&w, '{');
    put_reading(&w, s, &s->lenient);
    json_close(&w, '}');
    json_key(&w, "length"), put_lengths(&w, s);
    put_share(&w, "language_mixing", s->mixed, s);
    json_key(&w, "language_share"), json_f64(&w, s->language < 0 ? NAN : s->language);
    put_share(&w, "no_answer", s->unanswered, s);
    json_key(&w, "errors"), json_i64(&w, (int64_t)s->errors);
    if (s->n_groups) json_key(&w, "groups"), put_groups(&w, s);
    if (r->rating) {
        json_key(&w, "rating"), json_f64(&w, r->rating->rating);
        json_key(&w, "contests"), json_i64(&w, (int64_t)r->rating->contests);
        if (r->rating->percentile >= 0)
            json_key(&w, "percentile"), json_f64(&w, r->rating->percentile);
    }
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

/* ---- comparisons ------------------------------------------------------------------------------- */

void eval_comparison_json(buf *out, const eval_comparison *c, const char *a, const char *b)
{
    json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "a"), json_text(&w, str_of(a));
    json_key(&w, "b"), json_text(&w, str_of(b));
    json_key(&w, "n"), json_i64(&w, (int64_t)c->n);
    json_key(&w, "only_a"), json_i64(&w, (int64_t)c->only_a);
    json_key(&w, "only_b"), json_i64(&w, (int64_t)c->only_b);
    json_key(&w, "pass@1_a"), json_f64(&w, c->a);
    json_key(&w, "pass@1_b"), json_f64(&w, c->b);
    json_key(&w, "better_a"), json_i64(&w, (int64_t)c->better_a);
    json_key(&w, "better_b"), json_i64(&w, (int64_t)c->better_b);
    json_key(&w, "difference"), json_f64(&w, c->paired.difference);
    json_key(&w, "low"), json_f64(&w, c->interval.low);
    json_key(&w, "high"), json_f64(&w, c->interval.high);
    json_key(&w, "se"), json_f64(&w, c->paired.se);
    json_key(&w, "z"), json_f64(&w, c->paired.z);
    json_key(&w, "p"), json_f64(&w, c->paired.p);
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

void eval_comparison_text(buf *out, const eval_comparison *c, const char *a, const char *b)
{
    buf_printf(out, "questions in both       %zu (%zu only in A, %zu only in B)\n", c->n, c->only_a,
               c->only_b);
    buf_printf(out, "A  pass@1 %5.1f %%        %s\nB  pass@1 %5.1f %%        %s\n", 100 * c->a, a,
               100 * c->b, b);
    buf_printf(out, "A - B                   %+.2f points (%+.2f to %+.2f), standard error %.2f\n",
               100 * c->paired.difference, 100 * c->interval.low, 100 * c->interval.high,
               100 * c->paired.se);
    buf_printf(out, "p (two-sided)           %.4f\nquestions better in A   %zu, in B %zu\n",
               c->paired.p, c->better_a, c->better_b);
}
