/* report.html: plots of metrics.jsonl as SVG, drawn here.
 * SPDX-License-Identifier: MIT
 *
 * A plot's x axis is the number of the line among those that have the key, so that stages stand
 * side by side; a vertical rule and a name mark where one begins. */
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>

enum {
    METRICS_BYTES = 1 << 30,
    MAX_KEYS = 200,
    WIDE = 560, HIGH = 200, LEFT = 64, BOTTOM = 24, TOP = 8, RIGHT = 8, /* pixels */
    POINTS = 800, /* drawn at most; more are averaged */
    TEXTS = 40
};
static const double SMOOTH = 0.03; /* share of the plot that the running mean reaches back */

typedef struct point {
    double v;
    uint32_t row;
} point;

typedef struct series {
    char *key;
    point *p;
    size_t n, cap;
} series;

typedef struct report {
    json_t **row;
    size_t rows, cap;
    series s[MAX_KEYS];
    size_t n;
} report;

/* ---- reading --------------------------------------------------------------------------------- */

static ponder_status add_point(report *r, const char *key, double v, ponder_error *err)
{
    size_t k = 0;
    while (k < r->n && strcmp(r->s[k].key, key)) k++;
    if (k == MAX_KEYS) return PONDER_OK; /* a page has an end */
    series *s = &r->s[k];
    if (k == r->n) {
        s->key = strdup(key);
        if (!s->key) return err_set(err, PONDER_ENOMEM, "report: out of memory");
        r->n++;
    }
    if (s->n == s->cap) {
        size_t cap = size_max(256, 2 * s->cap);
        point *more = realloc(s->p, cap * sizeof *more);
        if (!more) return err_set(err, PONDER_ENOMEM, "report: out of memory");
        s->p = more;
        s->cap = cap;
    }
    s->p[s->n++] = (point){v, (uint32_t)(r->rows - 1)};
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

/* ---- drawing --------------------------------------------------------------------------------- */

static void escaped(buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '<') buf_add_str(out, STR("&lt;"));
        else if (c == '&') buf_add_str(out, STR("&amp;"));
        else if (c == '"') buf_add_str(out, STR("&quot;"));
        else buf_add_char(out, c);
    }
}

/* What is plotted: lowest and highest value, without the outermost hundredth on either side so that
 * one spike does not flatten everything. */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool range_of(const series *s, double *low, double *high)
{
    double *v = malloc(s->n * sizeof *v);
    if (!v) return false;
    for (size_t i = 0; i < s->n; i++) v[i] = s->p[i].v;
    qsort(v, s->n, sizeof *v, by_value);
    *low = v[s->n / 100], *high = v[s->n - 1 - s->n / 100];
    free(v);
    double pad = *high > *low ? 0.04 * (*high - *low) : *low != 0 ? fabs(*low) * 0.1 : 1;
    *low -= pad, *high += pad;
    return true;
}

typedef struct frame {
    double low, high;
    size_t n;
} frame;

static double x_at(const frame *f, double i)
{
    return LEFT + (WIDE - LEFT - RIGHT) * (f->n > 1 ? i / (double)(f->n - 1) : 0.5);
}

static double y_at(const frame *f, double v)
{
    double y = (f->high - v) / (f->high - f->low);
    return TOP + (HIGH - TOP - BOTTOM) * (y < 0 ? 0 : y > 1 ? 1 : y);
}

/* The series as it is, or the mean of the last values with weights that fall off (and are corrected
 * at the start, as Adam's are). */
static void line(buf *out, const series *s, const frame *f, bool smooth)
{
    size_t each = size_ceil_div(s->n, POINTS), in = 0;
    double keep = exp(-1 / (SMOOTH * (double)s->n + 1)), mean = 0, mass = 0, sum = 0;
    buf_printf(out, "<polyline class=\"%s\" points=\"", smooth ? "s" : "r");
    for (size_t i = 0; i < s->n; i++) {
        mean = keep * mean + (1 - keep) * s->p[i].v;
        mass = keep * mass + (1 - keep);
        sum += s->p[i].v;
        if (++in < each && i + 1 < s->n) continue;
        double v = smooth ? mean / mass : sum / (double)in;
        buf_printf(out, "%.1f,%.1f ", x_at(f, (double)i), y_at(f, v));
        in = 0, sum = 0;
    }
    buf_add_str(out, STR("\"/>"));
}

static str stage_of(const report *r, const point *p)
{
    return json_str(json_object_get(r->row[p->row], "stage"));
}

static long long step_of(const report *r, const point *p)
{
    return (long long)json_integer_value(json_object_get(r->row[p->row], "step"));
}

static void axes(buf *out, const report *r, const series *s, const frame *f)
{
    for (int k = 0; k <= 4; k++) {
        double v = f->low + (f->high - f->low) * k / 4;
        double y = y_at(f, v);
        buf_printf(out, "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                        "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>",
                   LEFT, WIDE - RIGHT, y, y, LEFT - 6, y + 4, v);
    }
    str stage = {0};
    for (size_t i = 0; i < s->n; i++) {
        str now = stage_of(r, &s->p[i]);
        if (i && str_eq(now, stage)) continue;
        double x = x_at(f, (double)i);
        buf_printf(out, "<line class=\"m\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                        "<text x=\"%.1f\" y=\"%d\">", x, x, TOP, HIGH - BOTTOM, x + 3, HIGH - 8);
        escaped(out, now);
        buf_add_str(out, STR("</text>"));
        stage = now;
    }
    buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">step %lld</text>", WIDE - RIGHT,
               HIGH - 8, step_of(r, &s->p[s->n - 1]));
}

static void plot(buf *out, const report *r, const series *s)
{
    frame f = {.n = s->n};
    if (!range_of(s, &f.low, &f.high)) {
        out->failed = true;
        return;
    }
    buf_add_str(out, STR("<figure><figcaption>"));
    escaped(out, str_of(s->key));
    buf_printf(out, " <b>%.5g</b></figcaption><svg viewBox=\"0 0 %d %d\">", s->p[s->n - 1].v, WIDE,
               HIGH);
    axes(out, r, s, &f);
    line(out, s, &f, false);
    line(out, s, &f, true);
    buf_add_str(out, STR("</svg></figure>\n"));
}

/* The last texts, newest first. */
static void texts(buf *out, const report *r)
{
    size_t shown = 0;
    const char *key;
    json_t *v;
    for (size_t i = r->rows; i-- > 0 && shown < TEXTS;)
        json_object_foreach (r->row[i], key, v) {
            if (!json_is_string(v) || !strcmp(key, "stage")) continue;
            if (!shown++) buf_add_str(out, STR("<h2>What the model wrote</h2>\n"));
            buf_add_str(out, STR("<details><summary>"));
            escaped(out, json_str(json_object_get(r->row[i], "stage")));
            buf_printf(out, ", step %lld: ",
                       (long long)json_integer_value(json_object_get(r->row[i], "step")));
            escaped(out, str_of(key));
            buf_add_str(out, STR("</summary><pre>"));
            escaped(out, json_str(v));
            buf_add_str(out, STR("</pre></details>\n"));
        }
}

static const char STYLE[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}h1{font-size:1.4em}h2{font-size:1.1em}"
    "main{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0;flex:1 1 480px;max-width:580px}"
    "figcaption{color:#555}svg{width:100%;height:auto;border:1px solid #ddd}"
    "svg text{font:11px system-ui,sans-serif;fill:#777}.g{stroke:#eee}.m{stroke:#bbb;"
    "stroke-dasharray:3 3}polyline{fill:none}.r{stroke:#9ec5e8;stroke-width:1}"
    ".s{stroke:#14599d;stroke-width:1.8}pre{white-space:pre-wrap;background:#f6f6f6;padding:.7em}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}svg{border-color:#444}"
    ".g{stroke:#2a2a2a}.r{stroke:#3d5f80}.s{stroke:#7db8f0}pre{background:#222}}";

static void page(buf *out, const report *r, const char *title)
{
    buf_add_str(out, STR("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta "
                         "name=\"viewport\" content=\"width=device-width\">\n<title>"));
    escaped(out, str_of(title));
    buf_printf(out, "</title>\n<style>%s</style>\n<h1>", STYLE);
    escaped(out, str_of(title));
    buf_add_str(out, STR("</h1>\n<main>\n"));
    for (size_t k = 0; k < r->n; k++) plot(out, r, &r->s[k]);
    if (r->n == 0) buf_add_str(out, STR("<p>No steps yet.</p>\n"));
    buf_add_str(out, STR("</main>\n"));
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
