/* evaluate: the parts of an `eval` stage, for itself and its tests.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_EVALUATE_H
#define TRAIN_EVALUATE_H

#include "train/cells.h"
#include "train/measure.h"
#include "train/stage.h"

/* One line of the outcome: a model on a cell, or on all questions of its cells together. */
typedef struct evaluated {
    const char *model, *task; /* borrowed; task "all" */
    int level;                /* 0: none */
    const char *lang;         /* "en", "zh", or "" for all */
    measured of;
    metric_paired gain; /* over the model before, on the same questions */
    bool has_gain;
} evaluated;

typedef struct evaluation {
    const char *name; /* of the stage */
    size_t group;
    double temperature;
    evaluated *row; /* [n] all of the first model, of the second one, ... */
    size_t n;
} evaluation;

/* {"stage", "group", "temperature", "rows": [...]} */
void evaluation_json(buf *out, const evaluation *e);
/* The list of rows alone. */
void evaluation_rows(json_writer *w, const evaluation *e);
/* A Markdown table in columns, questions of one kind together, models below each other. */
void evaluation_table(buf *out, const evaluation *e);

#endif
