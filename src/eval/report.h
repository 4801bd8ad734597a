/* report: a summary as JSON, Markdown and HTML.
 * SPDX-License-Identifier: MIT
 *
 * A report is a function of settings and samples: no times, no dates, so that a run that was
 * interrupted ends in the same bytes as one that was not. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include "eval/summary.h"

/* A rating from contests, if there are any; contests 0: none. */
typedef struct eval_rating {
    double rating, percentile; /* percentile -1: no histogram was given */
    size_t contests, skipped;  /* counted; left out for having too few rivals */
    const char *histogram;     /* its file */
} eval_rating;

/* CodeElo's method on the contests of a file (docs/eval.md gives its form); histogram (may be NULL)
 * is a CSV file of rating,users. A question's samples are its tries, in order. */
ponder_status eval_rate_contests(eval_rating *out, const char *contests, const char *histogram,
                                 const eval_store *s, ponder_error *err);

typedef struct eval_report {
    const json_t *settings; /* of run.json */
    const eval_summary *s;
    const eval_rating *rating; /* NULL: none */
} eval_report;

/* One JSON object. */
void eval_report_json(buf *out, const eval_report *r);
void eval_report_markdown(buf *out, const eval_report *r);
/* One page with its plots, nothing fetched from elsewhere. */
void eval_report_html(buf *out, const eval_report *r);
/* Writes report.md, report.html and result.json into dir. */
ponder_status eval_report_write(const char *dir, const eval_report *r, ponder_error *err);

void eval_comparison_json(buf *out, const eval_comparison *c, const char *a, const char *b);
void eval_comparison_text(buf *out, const eval_comparison *c, const char *a, const char *b);

/* ---- plots: SVG elements appended to out -------------------------------------------------------- */

typedef struct eval_bar {
    str label;
    double value, low, high; /* shares; low > high: no interval */
} eval_bar;
void eval_plot_bars(buf *out, const eval_bar *bars, size_t n);

/* A curve of shares over sizes, the x axis in powers of two; other (may be NULL) is a second one. */
void eval_plot_curve(buf *out, const size_t *x, const double *y, const double *other, size_t n,
                     const char *name, const char *other_name);
/* Two stacked counts per bin of `width`. */
void eval_plot_histogram(buf *out, const size_t *right, const size_t *wrong, size_t bins,
                         double width);
/* Text with &, <, > and quotes made harmless. */
void eval_html_text(buf *out, str s);

#endif
