/* report.html: what metrics.jsonl says, for people.
 * SPDX-License-Identifier: MIT */
#include "train/report.h"
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>

enum { METRICS_BYTES = 1 << 30, TEXTS = 40 };

/* ---- reading --------------------------------------------------------------------------------- */

static ponder_status add_point(report *r, const char *key, double v, ponder_error *err)
{
    size_t k = 0;
    while (k < r->n && strcmp(r->s[k].key, key)) k++;
    if (k == REPORT_KEYS) return PONDER_OK; /* a page has an end */
    report_series *s = &r->s[k];
    if (k == r->n) {
        s->key = strdup(key);
        if (!s->key) return err_set(err, PONDER_ENOMEM, "report: out of memory");
        r->n++;
    }
    if (s->n == s->cap) {
        size_t cap = size_max(256, 2 * s->cap);
        report_point *more = realloc(s->p, cap * sizeof *more);
        if (!more) return err_set(err, PONDER_ENOMEM, "report: out of memory");
        s->p = more;
        s->cap = cap;
    }
    s->p[s->n++] = (report_point){v, (uint32_t)(r->rows - 1)};
    return PONDER_OK;
}

static ponder_status add_row(report *r, json_t *row, ponder_error *err)
{
    const char *key;
    json_t *v;
    if (r->rows == r->cap) {
        size_t cap = size_max(1024, 2 * r->cap);
        json_t **more = realloc(r->row, cap * sizeof *more);
        if (!more) {
            json_decref(row);
            return err_set(err, PONDER_ENOMEM, "report: out of memory");
        }
        r->row = more;
        r->cap = cap;
    }
    r->row[r->rows++] = row;
    json_object_foreach (row, key, v)
        if (json_is_number(v) && strcmp(key, "step") && isfinite(json_number_value(v)))
            TRY(add_point(r, key, json_number_value(v), err));
    return PONDER_OK;
}

static ponder_status read_rows(report *r, str text, ponder_error *err)
{
    for (size_t at = 0; at < text.n;) {
        size_t end = size_min(str_find(text, STR("\n"), at), text.n);
        json_t *row;
        if (json_parse(&row, (str){text.p + at, end - at}, "metrics", NULL) == PONDER_OK)
            TRY(add_row(r, row, err)); /* a torn line is one that will be written again */
        at = end + 1;
    }
    return PONDER_OK;
}

static void free_report(report *r)
{
    for (size_t i = 0; i < r->rows; i++) json_decref(r->row[i]);
    for (size_t k = 0; k < r->n; k++) free(r->s[k].key), free(r->s[k].p);
    free(r->row);
}

/* ---- what the parts share -------------------------------------------------------------------- */

void report_escaped(buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '<') buf_add_str(out, STR("&lt;"));
        else if (c == '&') buf_add_str(out, STR("&amp;"));
        else if (c == '"') buf_add_str(out, STR("&quot;"));
        else buf_add_char(out, c);
    }
}

str report_stage(const report *r, size_t row)
{
    return json_str(json_object_get(r->row[row], "stage"));
}

long long report_step(const report *r, size_t row)
{
    return (long long)json_integer_value(json_object_get(r->row[row], "step"));
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void percent_cell(buf *out, const json_t *v)
{
    const json_t *value = json_is_object(v) ? json_object_get(v, "value") : v;
    if (!json_is_number(value)) {
        buf_add_str(out, STR("<td>-</td>"));
        return;
    }
    buf_printf(out, "<td>%.1f", 100 * json_number_value(value));
    if (json_is_object(v))
        buf_printf(out, " <i>%.1f-%.1f</i>", 100 * json_number_value(json_object_get(v, "low")),
                   100 * json_number_value(json_object_get(v, "high")));
    buf_add_str(out, STR("</td>"));
}

static void evaluated_row(buf *out, const json_t *row)
{
    static const char *const SHARES[] = {"pass@1", "cons@k", "pass@k", "truncated", "format",
                                         "language", "verification", "backtracking"};
    const json_t *level = json_object_get(row, "level");
    buf_add_str(out, STR("<tr><td>"));
    report_escaped(out, json_str(json_object_get(row, "model")));
    buf_add_str(out, STR("</td><td>"));
    report_escaped(out, json_str(json_object_get(row, "task")));
    if (level) buf_printf(out, "-%lld", (long long)json_integer_value(level));
    buf_add_char(out, ' ');
    report_escaped(out, json_str(json_object_get(row, "lang")));
    buf_printf(out, "</td><td>%lld</td><td>%.0f</td>",
               (long long)json_integer_value(json_object_get(row, "questions")),
               json_number_value(json_object_get(row, "length")));
    for (size_t i = 0; i < COUNT_OF(SHARES); i++)
        percent_cell(out, json_object_get(row, SHARES[i]));
    buf_add_str(out, STR("</tr>\n"));
}

/* What `eval` stages found. */
static void tables(buf *out, const report *r)
{
    for (size_t i = 0; i < r->rows; i++) {
        const json_t *list = json_object_get(r->row[i], "evaluation");
        if (!json_is_array(list)) continue;
        buf_add_str(out, STR("<h2>"));
        report_escaped(out, json_str(json_object_get(r->row[i], "stage")));
        buf_add_str(out, STR(", on held-out problems</h2>\n<table><tr><th>model</th>"
                             "<th>questions</th>"
                             "<th>n</th><th>tokens</th><th>pass@1 %</th><th>cons@k %</th>"
                             "<th>pass@k %</th><th>cut %</th><th>format %</th><th>language %</th>"
                             "<th>verify %</th><th>backtrack %</th></tr>\n"));
        for (size_t k = 0; k < json_array_size(list); k++)
            evaluated_row(out, json_array_get(list, k));
        buf_add_str(out, STR("</table>\n"));
    }
}

/* ---- texts ----------------------------------------------------------------------------------- */

static bool is_text(const char *key, const json_t *v)
{
    return json_is_string(v) && strcmp(key, "stage") != 0;
}

static size_t count_texts(const report *r)
{
    size_t n = 0;
    const char *key;
    json_t *v;
    for (size_t i = 0; i < r->rows; i++)
        json_object_foreach (r->row[i], key, v) n += is_text(key, v);
    return n;
}

static void text(buf *out, const report *r, size_t row, const char *key, const json_t *v)
{
    buf_add_str(out, STR("<details><summary>"));
    report_escaped(out, report_stage(r, row));
    buf_printf(out, ", step %lld: ", report_step(r, row));
    report_escaped(out, str_of(key));
    buf_add_str(out, STR("</summary><pre>"));
    report_escaped(out, json_str(v));
    buf_add_str(out, STR("</pre></details>\n"));
}

/* Texts from the first to the last one, evenly spread over the run. */
static void texts(buf *out, const report *r)
{
    size_t all = count_texts(r), shown = size_min(all, TEXTS), at = 0, next = 0;
    const char *key;
    json_t *v;
    if (all) buf_add_str(out, STR("<h2>What the model wrote</h2>\n"));
    for (size_t i = 0; i < r->rows; i++)
        json_object_foreach (r->row[i], key, v) {
            if (!is_text(key, v)) continue;
            if (at++ != (shown > 1 ? next * (all - 1) / (shown - 1) : 0)) continue;
            text(out, r, i, key, v);
            next++;
        }
}

static const char STYLE[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}h1{font-size:1.4em}h2{font-size:1.1em}"
    "main{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0;flex:1 1 480px;max-width:580px}"
    "figcaption{color:#555}svg{width:100%;height:auto;border:1px solid #ddd}"
    "svg text{font:11px system-ui,sans-serif;fill:#777}.g{stroke:#eee}.m{stroke:#bbb;"
    "stroke-dasharray:3 3}polyline{fill:none;stroke:currentColor}.r{opacity:.3}"
    ".c0{color:#14599d}.c1{color:#c2571a}.c2{color:#2b8a3e}.c3{color:#9c36b5}.c4{color:#c92a2a}"
    ".c5{color:#0b7285}.c6{color:#8a6d00}.c7{color:#5f5f5f}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.15em .6em;text-align:right}"
    "td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}tr:nth-child(odd){background:#8881}"
    "td i{font-size:11px;color:#888}"
    ".s{stroke-width:1.8}pre{white-space:pre-wrap;background:#f6f6f6;padding:.7em}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}svg{border-color:#444}"
    ".g{stroke:#2a2a2a}pre{background:#222}.c0{color:#7db8f0}.c1{color:#f5a26b}.c2{color:#7fd18f}"
    ".c3{color:#d9a2ec}.c4{color:#f28b8b}.c5{color:#6fcbdc}.c6{color:#dcc25c}.c7{color:#aaa}}";

static void page(buf *out, const report *r, const char *title)
{
    buf_add_str(out, STR("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta "
                         "name=\"viewport\" content=\"width=device-width\">\n<title>"));
    report_escaped(out, str_of(title));
    buf_printf(out, "</title>\n<style>%s</style>\n<h1>", STYLE);
    report_escaped(out, str_of(title));
    buf_add_str(out, STR("</h1>\n<main>\n"));
    report_plots(out, r);
    if (r->n == 0) buf_add_str(out, STR("<p>No steps yet.</p>\n"));
    buf_add_str(out, STR("</main>\n"));
    tables(out, r);
    texts(out, r);
    buf_add_str(out, STR("</html>\n"));
}

ponder_status report_write(const char *path, const char *metrics_path, const char *title,
                           ponder_error *err)
{
    buf text = {0}, out = {0};
    file_writer w;
    report r = {0};
    ponder_status st = PONDER_OK;
    if (file_exists(metrics_path)) st = file_read(&text, metrics_path, METRICS_BYTES, err);
    if (st == PONDER_OK) st = read_rows(&r, buf_str(&text), err);
    if (st == PONDER_OK) page(&out, &r, title);
    if (st == PONDER_OK && out.failed) st = err_set(err, PONDER_ENOMEM, "report: out of memory");
    if (st == PONDER_OK) st = file_begin(&w, path, err);
    if (st == PONDER_OK) {
        st = file_put(&w, out.p, out.n, err);
        if (st == PONDER_OK) st = file_commit(&w, err);
        else file_abort(&w);
    }
    free_report(&r);
    buf_free(&text);
    buf_free(&out);
    return st;
}
