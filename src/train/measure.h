/* measure: figures from judged answers.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_MEASURE_H
#define TRAIN_MEASURE_H

#include "eval/metrics.h"
#include "json/json.h"

/* What is remembered of the answers to some questions, each asked `group` times. */
typedef struct measure {
    size_t questions, group, cap;
    double *share; /* [questions] of right answers */
    double *vote;  /* [questions] 1: the answer most samples gave is right */
    size_t answers, right, any; /* any: questions with a right answer */
    double length, length_right; /* sums, tokens */
    double truncated, format, language, verification, backtracking, reflections;
} measure;

/* A line of a samples file: {"kind", "answers": [{"answer", "right", "format", "language",
 * "tokens", "truncated", "verification", "backtracking"}]}, as many answers to each question.
 * EFORMAT, with `where`, for what is no such line. */
ponder_status measure_add(measure *m, const json_t *line, const char *where, ponder_error *err);
/* Every line of a file. */
ponder_status measure_file(measure *m, const char *path, ponder_error *err);
/* The questions of `of` too. */
ponder_status measure_join(measure *m, const measure *of, ponder_error *err);
void measure_free(measure *m);

/* Means over answers but for those of questions; intervals at 95 %. What has nothing to be a mean
 * of is NAN. */
typedef struct measured {
    size_t questions, group;
    double pass1, vote, any; /* a question's share of right answers; its majority; a right one */
    metric_interval pass1_in, vote_in;
    double length, length_right, length_wrong; /* tokens */
    double truncated, format, language;
    double verification, backtracking; /* shares of answers that do it */
    double reflections;                /* places where an answer does either */
} measured;
ponder_status measure_figures(measured *out, const measure *m, uint64_t seed, ponder_error *err);

#endif
