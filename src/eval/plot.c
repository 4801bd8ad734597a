/* Small plots as SVG: bars, a curve, a histogram.
 * SPDX-License-Identifier: MIT */
#include "eval/report.h"

#include <math.h>

enum { WIDTH = 640, LEFT = 170, RIGHT = 60, ROW = 26, HEIGHT = 240, MARGIN = 40 };
#define INK "#888"
#define GOOD "#2a78c2"
#define BAD "#d98032"

static void begin(buf *out, double height)
{
    buf_printf(out, "<svg viewBox=\"0 0 %d %.0f\" width=\"%d\" role=\"img\">\n", WIDTH, height, WIDTH);
}

static void line(buf *out, double x1, double y1, double x2, double y2, const char *colour)
{
    buf_printf(out,
               "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2,
               y2, colour);
}

static void rect(buf *out, double x, double y, double w, double h, const char *colour)
{
    buf_printf(out,
               "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y,
               fmax(0, w), fmax(0, h), colour);
}

static void label(buf *out, double x, double y, const char *anchor, str text)
{
    buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    eval_html_text(out, text);
    buf_add_str(out, STR("</text>\n"));
}

/* At most `most` bytes, cut between characters. */
static str shortened(str s, size_t most)
{
    if (s.n <= most) return s;
    s.n = most;
    while (s.n && ((unsigned char)s.p[s.n] & 0xC0) == 0x80) s.n--;
    return s;
}

void eval_plot_bars(buf *out, const eval_bar *bars, size_t n)
{
    double scale = WIDTH - LEFT - RIGHT, height = (double)n * ROW + 24;
    begin(out, height);
    for (int i = 0; i <= 4; i++) {
        char text[16];
        double x = LEFT + scale * i / 4;
        snprintf(text, sizeof text, "%d %%", 25 * i);
        line(out, x, 0, x, height - 20, "#8884");
        label(out, x, height - 4, "middle", str_of(text));
    }
    for (size_t i = 0; i < n; i++) {
        const eval_bar *b = &bars[i];
        double y = (double)i * ROW, mid = y + ROW / 2.0;
        char text[16];
        label(out, LEFT - 8, mid + 4, "end", shortened(b->label, 26));
        rect(out, LEFT, y + 5, scale * b->value, ROW - 10, GOOD);
        if (b->low <= b->high) {
            double x1 = LEFT + scale * b->low, x2 = LEFT + scale * b->high;
            line(out, x1, mid, x2, mid, INK);
            line(out, x1, mid - 4, x1, mid + 4, INK);
            line(out, x2, mid - 4, x2, mid + 4, INK);
        }
        snprintf(text, sizeof text, "%.1f %%", 100 * b->value);
        label(out, WIDTH - 4, mid + 4, "end", str_of(text));
    }
    buf_add_str(out, STR("</svg>\n"));
}

/* A frame for values from 0 to top. */
static void frame(buf *out, double top, const char *unit)
{
    begin(out, HEIGHT);
    for (int i = 0; i <= 4; i++) {
        char text[32];
        double y = HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * i / 4;
        snprintf(text, sizeof text, "%.4g%s", top * i / 4, unit);
        line(out, 60, y, WIDTH - 20, y, "#8884");
        label(out, 54, y + 4, "end", str_of(text));
    }
}

static void curve(buf *out, const double *y, size_t n, const char *colour, const char *name,
                  double name_x)
{
    double step = n > 1 ? (WIDTH - 100.0) / (double)(n - 1) : 0;
    buf_printf(out, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", colour);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%.1f,%.1f ", 70 + step * (double)i,
                   HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * y[i]);
    buf_add_str(out, STR("\"/>\n"));
    rect(out, name_x, 12, 12, 12, colour);
    label(out, name_x + 18, 22, "start", str_of(name));
}

void eval_plot_curve(buf *out, const size_t *x, const double *y, const double *other, size_t n,
                     const char *name, const char *other_name)
{
    double step = n > 1 ? (WIDTH - 100.0) / (double)(n - 1) : 0;
    frame(out, 100, " %");
    for (size_t i = 0; i < n; i++) {
        char text[24];
        snprintf(text, sizeof text, "%zu", x[i]);
        label(out, 70 + step * (double)i, HEIGHT - MARGIN + 18, "middle", str_of(text));
    }
    curve(out, y, n, GOOD, name, 70);
    if (other) curve(out, other, n, BAD, other_name, 170);
    buf_add_str(out, STR("</svg>\n"));
}

void eval_plot_histogram(buf *out, const size_t *right, const size_t *wrong, size_t bins,
                         double width)
{
    size_t top = 1;
    for (size_t i = 0; i < bins; i++) top = size_max(top, right[i] + wrong[i]);
    double step = (WIDTH - 90.0) / (double)bins, unit = (HEIGHT - 2.0 * MARGIN) / (double)top;
    frame(out, (double)top, "");
    for (size_t i = 0; i < bins; i++) {
        double x = 66 + step * (double)i, base = HEIGHT - MARGIN;
        double good = unit * (double)right[i], bad = unit * (double)wrong[i];
        rect(out, x, base - good, step - 2, good, GOOD);
        rect(out, x, base - good - bad, step - 2, bad, BAD);
        if (i % 4) continue;
        char text[24];
        snprintf(text, sizeof text, "%.0f", width * (double)i);
        label(out, x, base + 18, "start", str_of(text));
    }
    rect(out, 70, 12, 12, 12, GOOD);
    label(out, 88, 22, "start", STR("right"));
    rect(out, 150, 12, 12, 12, BAD);
    label(out, 168, 22, "start", STR("wrong"));
    buf_add_str(out, STR("</svg>\n"));
}
