/* Reports in Markdown and HTML.
 * SPDX-License-Identifier: MIT */
#include "eval/report.h"

#include <math.h>
#include <stdlib.h>

static const char *setting(const json_t *settings, const char *key, char scratch[64])
{
    const json_t *v = json_object_get(settings, key);
    if (json_is_string(v)) return json_string_value(v);
    if (json_is_integer(v)) snprintf(scratch, 64, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v)) snprintf(scratch, 64, "%g", json_real_value(v));
    else if (json_is_boolean(v)) snprintf(scratch, 64, "%s", json_is_true(v) ? "yes" : "no");
    else return NULL;
    return scratch;
}

/* ---- rows, the same for both forms ------------------------------------------------------------- */

/* A table row: a name and what it says. */
typedef void row_fn(buf *out, const char *name, const char *value);

static void rate_text(char out[96], const eval_rate *r)
{
    snprintf(out, 96, "%.1f %% (%.1f to %.1f%s)", 100 * r->value, 100 * r->low, 100 * r->high,
             r->wilson ? ", Wilson" : "");
}

static void add_rates(buf *out, const eval_report *r, row_fn *row)
{
    const eval_summary *s = r->s;
    char text[96], name[64];
    const eval_reading *const readings[] = {&s->lenient, &s->strict};
    static const char *const NAMES[] = {"lenient", "strict"};
    for (size_t i = 0; i < 2; i++) {
        rate_text(text, &readings[i]->pass1);
        snprintf(name, sizeof name, "pass@1, %s", NAMES[i]);
        row(out, name, text);
        if (!readings[i]->votes) continue;
        rate_text(text, &readings[i]->cons);
        snprintf(name, sizeof name, "cons@%zu, %s", s->k, NAMES[i]);
        row(out, name, text);
    }
    for (size_t i = 1; i < s->n_sizes; i++) {
        snprintf(name, sizeof name, "pass@%zu, lenient", s->sizes[i]);
        snprintf(text, sizeof text, "%.1f %%", 100 * s->lenient.pass[i]);
        row(out, name, text);
    }
    const metric_mean *m = &s->lenient.mean;
    snprintf(text, sizeof text, "%.2f points", 100 * m->se);
    row(out, "standard error (questions as clusters)", text);
    double all = m->between + m->within;
    snprintf(text, sizeof text, "%.0f %% between questions, %.0f %% sampling",
             all > 0 ? 100 * m->between / all : 0, all > 0 ? 100 * m->within / all : 0);
    row(out, "variance of the mean", text);
}

static void add_counts(buf *out, const eval_report *r, row_fn *row)
{
    const eval_summary *s = r->s;
    const struct {
        const char *name;
        size_t n;
    } counts[] = {{"no answer found", s->unanswered},
                  {"ended by the token limit", s->truncated},
                  {"ended for repeating itself", s->loops},
                  {"in mixed languages", s->mixed},
                  {"errors (counted as wrong)", s->errors}};
    char text[96];
    snprintf(text, sizeof text, "%zu questions, %zu of %zu samples", s->n, s->samples, s->n * s->k);
    row(out, "size", text);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        snprintf(text, sizeof text, "%zu (%.1f %%)", counts[i].n,
                 s->samples ? 100 * (double)counts[i].n / (double)s->samples : 0);
        row(out, counts[i].name, text);
    }
    const eval_lengths *l = &s->lengths;
    if (l->known) {
        snprintf(text, sizeof text, "%.1f; half below %.0f, 90 %% below %.0f, longest %.0f", l->mean,
                 l->p50, l->p90, l->max);
        row(out, "tokens of a response, mean", text);
        snprintf(text, sizeof text, "%.1f right, %.1f wrong", l->mean_right, l->mean_wrong);
        row(out, "the same by verdict", text);
    }
    if (!r->rating) return;
    snprintf(text, sizeof text, "%.0f from %zu contests", r->rating->rating, r->rating->contests);
    row(out, "rating", text);
    if (r->rating->percentile < 0) return;
    snprintf(text, sizeof text, "%.1f of %.60s", r->rating->percentile, r->rating->histogram);
    row(out, "percentile", text);
}

static void add_settings(buf *out, const eval_report *r, row_fn *row)
{
    const char *key;
    json_t *v;
    char scratch[64];
    json_object_foreach((json_t *)(uintptr_t)r->settings, key, v)
    {
        const char *text = setting(r->settings, key, scratch);
        if (text) row(out, key, text);
    }
}

/* ---- Markdown ---------------------------------------------------------------------------------- */

static void markdown_text(buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr("|\\`*_<>[]", s.p[i]) && s.p[i]) buf_add_char(out, '\\');
        buf_add_char(out, s.p[i] == '\n' ? ' ' : s.p[i]);
    }
}

static void markdown_row(buf *out, const char *name, const char *value)
{
    buf_add_str(out, STR("| "));
    markdown_text(out, str_of(name));
    buf_add_str(out, STR(" | "));
    markdown_text(out, str_of(value));
    buf_add_str(out, STR(" |\n"));
}

static void markdown_groups(buf *out, const eval_summary *s)
{
    const char *of = "";
    for (size_t i = 0; i < s->n_groups; i++) {
        const eval_group *g = &s->groups[i];
        char text[96];
        if (strcmp(of, g->of) != 0) {
            of = g->of;
            buf_printf(out, "\n## By %s\n\n| %s | questions | pass@1, lenient |\n|---|---|---|\n", of,
                       of);
        }
        rate_text(text, &g->rate);
        buf_add_str(out, STR("| "));
        markdown_text(out, g->name);
        buf_printf(out, " | %zu | %s |\n", g->n, text);
    }
}

static const char READING[] =
    "Shares carry 95 % intervals: bootstrap over questions, or Wilson's where all questions agree. "
    "The lenient reading also takes answers that are not in the form asked for; the strict one does "
    "not. In a vote, answers that are equal count together, samples without an answer do not vote, "
    "and a tie gives the share of right answers among the tied ones.";

void eval_report_markdown(buf *out, const eval_report *r)
{
    char scratch[64];
    const char *bench = setting(r->settings, "bench", scratch);
    buf_add_str(out, STR("# Evaluation: "));
    markdown_text(out, str_of(bench ? bench : ""));
    buf_add_str(out, STR("\n\n| | |\n|---|---|\n"));
    add_rates(out, r, markdown_row);
    add_counts(out, r, markdown_row);
    buf_printf(out, "\n%s\n", READING);
    markdown_groups(out, r->s);
    buf_add_str(out, STR("\n## Settings\n\n| | |\n|---|---|\n"));
    add_settings(out, r, markdown_row);
}

/* ---- HTML -------------------------------------------------------------------------------------- */

void eval_html_text(buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&': buf_add_str(out, STR("&amp;")); break;
        case '<': buf_add_str(out, STR("&lt;")); break;
        case '>': buf_add_str(out, STR("&gt;")); break;
        case '"': buf_add_str(out, STR("&quot;")); break;
        default: buf_add_char(out, s.p[i]);
        }
    }
}

static void html_row(buf *out, const char *name, const char *value)
{
    buf_add_str(out, STR("<tr><th>"));
    eval_html_text(out, str_of(name));
    buf_add_str(out, STR("</th><td>"));
    eval_html_text(out, str_of(value));
    buf_add_str(out, STR("</td></tr>\n"));
}

static void html_accuracy(buf *out, const eval_summary *s)
{
    eval_bar bars[4];
    size_t n = 0;
    char names[4][32];
    const eval_reading *const readings[] = {&s->lenient, &s->strict};
    static const char *const NAMES[] = {"lenient", "strict"};
    for (size_t i = 0; i < 2; i++) {
        const eval_rate *rates[] = {&readings[i]->pass1, &readings[i]->cons};
        for (size_t j = 0; j < (readings[i]->votes ? 2u : 1u); j++) {
            if (j) snprintf(names[n], 32, "cons@%zu %s", s->k, NAMES[i]);
            else snprintf(names[n], 32, "pass@1 %s", NAMES[i]);
            bars[n] = (eval_bar){str_of(names[n]), rates[j]->value, rates[j]->low, rates[j]->high};
            n++;
        }
    }
    buf_add_str(out, STR("<h2>Accuracy</h2>\n"));
    eval_plot_bars(out, bars, n);
}

static void html_groups(buf *out, const eval_summary *s)
{
    eval_bar *bars = calloc(s->n_groups ? s->n_groups : 1, sizeof *bars);
    if (!bars) {
        out->failed = true;
        return;
    }
    for (size_t i = 0, n; i < s->n_groups; i += n) {
        for (n = 0; i + n < s->n_groups && !strcmp(s->groups[i + n].of, s->groups[i].of); n++) {
            const eval_group *g = &s->groups[i + n];
            bars[n] = (eval_bar){g->name, g->rate.value, g->rate.low, g->rate.high};
        }
        buf_printf(out, "<h2>By %s</h2>\n", s->groups[i].of);
        eval_plot_bars(out, bars, n);
    }
    free(bars);
}

static const char STYLE[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}table{border-collapse:collapse;margin:1em 0}th{text-align:left;"
    "font-weight:400;padding:.15em 1.5em .15em 0;color:#555}td{padding:.15em 0}svg{max-width:100%;"
    "height:auto}svg text{font:12px system-ui,sans-serif;fill:#333}h2{margin-top:1.6em}"
    "@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}th{color:#999}"
    "svg text{fill:#ccc}}";

void eval_report_html(buf *out, const eval_report *r)
{
    const eval_summary *s = r->s;
    char scratch[64];
    const char *bench = setting(r->settings, "bench", scratch);
    buf_add_str(out, STR("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                         "<meta name=\"viewport\" content=\"width=device-width\">"
                         "<title>Evaluation</title><style>"));
    buf_add_str(out, str_of(STYLE));
    buf_add_str(out, STR("</style></head><body>\n<h1>Evaluation: "));
    eval_html_text(out, str_of(bench ? bench : ""));
    buf_add_str(out, STR("</h1>\n"));
    html_accuracy(out, s);
    buf_add_str(out, STR("<table>\n"));
    add_rates(out, r, html_row);
    add_counts(out, r, html_row);
    buf_printf(out, "</table>\n<p>%s</p>\n", READING);
    if (s->n_sizes > 1) {
        buf_add_str(out, STR("<h2>More samples</h2>\n"));
        eval_plot_curve(out, s->sizes, s->lenient.pass, s->lenient.votes ? s->lenient.vote : NULL,
                        s->n_sizes, "pass@k", "cons@k");
    }
    if (s->lengths.known) {
        buf_add_str(out, STR("<h2>Length of responses (tokens)</h2>\n"));
        eval_plot_histogram(out, s->lengths.right, s->lengths.wrong, EVAL_BINS, s->lengths.bin);
    }
    html_groups(out, s);
    buf_add_str(out, STR("<h2>Settings</h2>\n<table>\n"));
    add_settings(out, r, html_row);
    buf_add_str(out, STR("</table>\n</body></html>\n"));
}

/* ---- files ------------------------------------------------------------------------------------- */

static ponder_status write_file(const char *dir, const char *name, const buf *text,
                                ponder_error *err)
{
    buf path = {0};
    file_writer w;
    buf_printf(&path, "%s/%s", dir, name);
    ponder_status st = path.failed || text->failed
                           ? err_set(err, PONDER_ENOMEM, "no memory for %s/%s", dir, name)
                           : file_begin(&w, path.p, err);
    if (st == PONDER_OK) {
        st = file_put(&w, buf_str(text).p, text->n, err);
        if (st == PONDER_OK) st = file_commit(&w, err);
        else file_abort(&w);
    }
    buf_free(&path);
    return st;
}

ponder_status eval_report_write(const char *dir, const eval_report *r, ponder_error *err)
{
    static const struct {
        const char *name;
        void (*make)(buf *out, const eval_report *r);
    } FILES[] = {{"report.md", eval_report_markdown},
                 {"report.html", eval_report_html},
                 {"result.json", eval_report_json}};
    ponder_status st = PONDER_OK;
    for (size_t i = 0; i < COUNT_OF(FILES) && st == PONDER_OK; i++) {
        buf text = {0};
        FILES[i].make(&text, r);
        st = write_file(dir, FILES[i].name, &text, err);
        buf_free(&text);
    }
    return st;
}
