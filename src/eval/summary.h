/* summary: what the samples of a run say.
 * SPDX-License-Identifier: MIT */
#ifndef EVAL_SUMMARY_H
#define EVAL_SUMMARY_H

#include "eval/metrics.h"
#include "eval/store.h"

enum { EVAL_CURVE = 32, EVAL_BINS = 24 };

/* A share with its 95 % interval: bootstrap over questions, Wilson's for as many trials as there are
 * questions where all questions agree and the bootstrap has nothing to say. */
typedef struct eval_rate {
    double value, low, high;
    bool wilson;
} eval_rate;

/* One way of reading the answers. */
typedef struct eval_reading {
    eval_rate pass1;
    metric_interval wilson;
    metric_mean mean;
    double pass[EVAL_CURVE];  /* pass@k of the summary's sizes */
    bool votes;               /* there is something to vote about */
    eval_rate cons;           /* majority of all k */
    double vote[EVAL_CURVE];  /* majority of so many, on average over draws */
} eval_reading;

typedef struct eval_group {
    const char *of; /* "subject" or "level" */
    str name;
    size_t n;
    eval_rate rate; /* lenient */
} eval_group;

typedef struct eval_lengths {
    size_t known; /* responses whose length is known */
    double mean, p10, p50, p90, p99, max; /* tokens */
    double mean_right, mean_wrong;        /* 0 when there is none */
    double reasoning_mean;                /* -1: unknown */
    double bin;                           /* width of a bin; the last one holds the rest */
    size_t right[EVAL_BINS], wrong[EVAL_BINS];
} eval_lengths;

typedef struct eval_summary {
    size_t n, k, samples; /* samples present; less than n k after an interruption */
    size_t errors, unanswered, truncated, loops;
    size_t mixed;    /* fewer than 9 of 10 words in the language of the question */
    double language; /* share of its words, on average; -1: unknown */
    size_t sizes[EVAL_CURVE], n_sizes; /* 1, 2, 4, ..., k */
    eval_reading strict, lenient;
    eval_lengths lengths;
    eval_group *groups; /* owned; names are borrowed from the data set */
    size_t n_groups;
} eval_summary;

/* Samples that are missing count as wrong. A function of samples and seed. Close it in any case. */
ponder_status eval_summarize(eval_summary *out, const eval_store *s, uint64_t seed,
                             ponder_error *err);
void eval_summary_close(eval_summary *s);

/* ---- two runs ---------------------------------------------------------------------------------- */

typedef struct eval_comparison {
    size_t n;              /* questions both runs have */
    size_t only_a, only_b; /* questions one of them has */
    double a, b;           /* pass@1 on the common ones */
    size_t better_a, better_b; /* questions with a higher share in a, in b */
    metric_paired paired;
    metric_interval interval; /* of the difference, bootstrap over questions */
} eval_comparison;

/* Pairs the questions of two run directories by id; lenient verdicts. EFORMAT when they share none. */
ponder_status eval_compare(eval_comparison *out, const char *dir_a, const char *dir_b,
                           ponder_error *err);

#endif
