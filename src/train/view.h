/* view: how a run goes, on a terminal.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_VIEW_H
#define TRAIN_VIEW_H

#include "base/base.h"

/* One line that is rewritten on a terminal and fits into it; elsewhere a line every ten seconds. */
typedef struct train_view {
    FILE *out; /* NULL: silent */
    const char *name;
    uint64_t from, steps; /* where this process began; in all */
    double started, shown_at;
    bool tty, shown;
} train_view;

void view_begin(train_view *v, FILE *out, const char *name, uint64_t from, uint64_t steps);
/* `figures`: what there is to know, "loss 0.3512  lr 1.00e-03". */
void view_step(train_view *v, uint64_t step, const char *figures, double tokens_per_s);
/* Ends the line, so that something else can be printed. */
void view_end(train_view *v);
/* The line itself, at most `columns` long: name, bar, steps, figures, rate, time left. When it does
 * not fit, the bar is left out, and then the end. */
void view_line(buf *out, const train_view *v, uint64_t step, const char *figures,
               double tokens_per_s, double now, size_t columns);

#endif
