/* Plots of report.html as SVG, drawn here.
 * SPDX-License-Identifier: MIT
 *
 * A figure's x axis is the number of the line among those that have one of its keys, so that stages
 * stand side by side; a vertical rule and a name mark where one begins. */
#include "train/report.h"

#include <math.h>
#include <stdlib.h>

enum {
    WIDE = 560, HIGH = 200, LEFT = 64, BOTTOM = 24, TOP = 8, RIGHT = 8, /* pixels */
    POINTS = 800, /* drawn at most; more are averaged */
    COLOURS = 8,
    LINES = 64 /* of a figure */
};
static const double SMOOTH = 0.03; /* share of the plot that the running mean reaches back */

typedef struct figure {
    const report_series *line[LINES];
    size_t lines;
    str name;
    uint32_t *x; /* [rows] place on the axis of a line of metrics that has one of the keys */
    uint32_t *row; /* [n] and the line at a place */
    size_t n;
    double low, high;
} figure;

/* ---- what belongs together ------------------------------------------------------------------- */

/* "accuracy" of "accuracy/countdown-2"; empty when the key stands alone. */
static str group_of(const char *key)
{
    size_t n = str_find(str_of(key), STR("/"), 0);
    return n == SIZE_MAX ? STR("") : (str){key, n};
}

/* Series k and those after it of its group; false when an earlier one has drawn them. */
static bool gather(figure *f, const report *r, size_t k)
{
    str group = group_of(r->s[k].key);
    *f = (figure){.line = {&r->s[k]}, .lines = 1, .name = group.n ? group : str_of(r->s[k].key)};
    for (size_t i = 0; i < r->n && group.n; i++) {
        if (!str_eq(group_of(r->s[i].key), group)) continue;
        if (i < k) return false;
        if (i > k && f->lines < LINES) f->line[f->lines++] = &r->s[i];
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What is plotted: lowest and highest value, without the outermost hundredth on either side so that
 * one spike does not flatten everything. */
static bool find_range(figure *f)
{
    size_t n = 0;
    for (size_t k = 0; k < f->lines; k++) n += f->line[k]->n;
    double *v = malloc(size_max(n, 1) * sizeof *v);
    if (!v) return false;
    n = 0;
    for (size_t k = 0; k < f->lines; k++)
        for (size_t i = 0; i < f->line[k]->n; i++) v[n++] = f->line[k]->p[i].v;
    qsort(v, n, sizeof *v, by_value);
    f->low = v[n / 100], f->high = v[n - 1 - n / 100];
    free(v);
    double pad = 0.04 * (f->high - f->low);
    if (pad <= 0) pad = f->low != 0 ? fabs(f->low) * 0.1 : 1;
    f->low -= pad, f->high += pad;
    return true;
}

static bool find_places(figure *f, const report *r)
{
    f->x = calloc(r->rows, sizeof *f->x);
    f->row = calloc(r->rows, sizeof *f->row);
    if (!f->x || !f->row) return false;
    for (size_t k = 0; k < f->lines; k++)
        for (size_t i = 0; i < f->line[k]->n; i++) f->x[f->line[k]->p[i].row] = 1;
    for (size_t i = 0; i < r->rows; i++) {
        if (!f->x[i]) continue;
        f->row[f->n] = (uint32_t)i;
        f->x[i] = (uint32_t)f->n++;
    }
    return true;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static double x_at(const figure *f, double i)
{
    return LEFT + (WIDE - LEFT - RIGHT) * (f->n > 1 ? i / (double)(f->n - 1) : 0.5);
}

static double y_at(const figure *f, double v)
{
    double y = (f->high - v) / (f->high - f->low);
    return TOP + (HIGH - TOP - BOTTOM) * (y < 0 ? 0 : y > 1 ? 1 : y);
}

/* The series as it is, or the mean of the last values with weights that fall off (and are corrected
 * at the start, as Adam's are). */
static void draw(buf *out, const report_series *s, const figure *f, size_t colour, bool smooth)
{
    size_t each = size_ceil_div(s->n, POINTS), in = 0;
    double keep = exp(-1 / (SMOOTH * (double)s->n + 1)), mean = 0, mass = 0, sum = 0;
    buf_printf(out, "<polyline class=\"%s c%zu\" points=\"", smooth ? "s" : "r", colour % COLOURS);
    for (size_t i = 0; i < s->n; i++) {
        mean = keep * mean + (1 - keep) * s->p[i].v;
        mass = keep * mass + (1 - keep);
        sum += s->p[i].v;
        if (++in < each && i + 1 < s->n) continue;
        double v = smooth ? mean / mass : sum / (double)in;
        buf_printf(out, "%.1f,%.1f ", x_at(f, (double)f->x[s->p[i].row]), y_at(f, v));
        in = 0, sum = 0;
    }
    buf_add_str(out, STR("\"/>"));
}

static void axes(buf *out, const report *r, const figure *f)
{
    for (int k = 0; k <= 4; k++) {
        double v = f->low + (f->high - f->low) * k / 4;
        double y = y_at(f, v);
        buf_printf(out, "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                        "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>",
                   LEFT, WIDE - RIGHT, y, y, LEFT - 6, y + 4, v);
    }
    str stage = {0};
    for (size_t i = 0; i < f->n; i++) {
        str now = report_stage(r, f->row[i]);
        if (i && str_eq(now, stage)) continue;
        double x = x_at(f, (double)i);
        buf_printf(out, "<line class=\"m\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                        "<text x=\"%.1f\" y=\"%d\">", x, x, TOP, HIGH - BOTTOM, x + 3, HIGH - 8);
        report_escaped(out, now);
        buf_add_str(out, STR("</text>"));
        stage = now;
    }
    buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">step %lld</text>", WIDE - RIGHT,
               HIGH - 8, report_step(r, f->row[f->n - 1]));
}

/* The name, and the last value of each line. */
static void caption(buf *out, const figure *f)
{
    bool group = group_of(f->line[0]->key).n > 0;
    buf_add_str(out, STR("<figure><figcaption>"));
    report_escaped(out, f->name);
    if (group) buf_add_char(out, ':');
    for (size_t k = 0; k < f->lines; k++) {
        const report_series *s = f->line[k];
        buf_printf(out, " <b class=\"c%zu\">", k % COLOURS);
        if (group) {
            report_escaped(out, str_of(s->key + f->name.n + 1));
            buf_add_char(out, ' ');
        }
        buf_printf(out, "%.5g</b>", s->p[s->n - 1].v);
    }
    buf_printf(out, "</figcaption><svg viewBox=\"0 0 %d %d\">", WIDE, HIGH);
}

void report_plots(buf *out, const report *r)
{
    for (size_t k = 0; k < r->n; k++) {
        figure f;
        if (!gather(&f, r, k)) continue;
        if (find_range(&f) && find_places(&f, r)) {
            caption(out, &f);
            axes(out, r, &f);
            for (size_t i = 0; i < f.lines; i++) draw(out, f.line[i], &f, i, false);
            for (size_t i = 0; i < f.lines; i++) draw(out, f.line[i], &f, i, true);
            buf_add_str(out, STR("</svg></figure>\n"));
        } else {
            out->failed = true;
        }
        free(f.x), free(f.row);
    }
}
