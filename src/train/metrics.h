/* metrics: what a run says about itself, a JSON object a step, and the page made of it.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include "json/json.h"

/* Lines {"stage": S, "step": N, key: number, ...} appended to one file. */
typedef struct metrics {
    FILE *f;
    char *path;
    const char *stage; /* borrowed */
    buf line;
    json_writer w;
} metrics;

/* Goes on with a file: lines of this stage with a step above `step`, which are going to be written
 * again, and a torn last line are taken out. step -1: the stage begins anew. */
ponder_status metrics_open(metrics *m, const char *path, const char *stage, int64_t step,
                           ponder_error *err);
void metrics_close(metrics *m);
void metrics_begin(metrics *m, uint64_t step);
void metrics_put(metrics *m, const char *key, double v);
/* A text to be shown in the report: a sample of what the model writes. */
void metrics_text(metrics *m, const char *key, str v);
/* Writes the line; it is in the file when this returns. */
ponder_status metrics_end(metrics *m, ponder_error *err);

/* One HTML page, without anything from elsewhere: a plot for every key of the file, stages side by
 * side, raw and smoothed, and the last texts. `title` stands on top. */
ponder_status report_write(const char *path, const char *metrics_path, const char *title,
                           ponder_error *err);

#endif
