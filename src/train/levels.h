/* levels: how often answers are right, by task and level.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_LEVELS_H
#define TRAIN_LEVELS_H

#include "train/answers.h"
#include "train/metrics.h"

enum { LEVELS_MAX = 64 }; /* what comes after is not told apart */

typedef struct level_count {
    const char *task; /* borrowed from the questions */
    int level;
    size_t answers, right;
} level_count;

typedef struct level_counts {
    level_count at[LEVELS_MAX];
    size_t n;
} level_counts;

/* All answers to the first n questions. */
void level_counts_add(level_counts *c, const answers *a, size_t n);
/* "PREFIX/TASK-LEVEL" for each, sorted. */
void level_counts_put(level_counts *c, metrics *m, const char *prefix);

#endif
