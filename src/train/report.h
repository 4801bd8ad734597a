/* report: the parts of report.html, for its own files.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include "json/json.h"

enum { REPORT_KEYS = 400 };

typedef struct report_point {
    double v;
    uint32_t row;
} report_point;

/* The numbers of a key, in the order of the lines that have it. */
typedef struct report_series {
    char *key;
    report_point *p;
    size_t n, cap;
} report_series;

typedef struct report {
    json_t **row; /* lines of metrics */
    size_t rows, cap;
    report_series s[REPORT_KEYS];
    size_t n;
} report;

/* A figure for every key; keys "NAME/..." share one, with a line for each. */
void report_plots(buf *out, const report *r);
void report_escaped(buf *out, str s);
/* Stage and step of a line. */
str report_stage(const report *r, size_t row);
long long report_step(const report *r, size_t row);

#endif
