/* metrics: what a set of right and wrong answers says, and how surely.
 * SPDX-License-Identifier: MIT
 *
 * Intervals are two-sided at 95 %. Sources: pass@k, Chen et al., 2021, arXiv 2107.03374, section
 * 2.1; clustered and paired errors, Miller, 2024, arXiv 2411.00640; small samples, Bowyer et al.,
 * 2025, arXiv 2503.01747; Wilson, "Probable inference", 1927; ratings, CodeElo, Quan et al., 2025,
 * arXiv 2501.01257. */
#ifndef EVAL_METRICS_H
#define EVAL_METRICS_H

#include "base/base.h"

/* The samples of one question. */
typedef struct metric_count {
    size_t n, correct;
} metric_count;

typedef struct metric_interval {
    double low, high;
} metric_interval;

/* Chance that k samples drawn of c.n hold a right one: 1 - C(n-c, k) / C(n, k). False, *out
 * untouched, when it is not defined: k is 0 or more than n. */
bool metric_pass_at_k(double *out, metric_count c, size_t k);
/* Mean over n questions; false when one of them is not defined, or there is none. */
bool metric_pass_at_k_mean(double *out, const metric_count *q, size_t n, size_t k);

/* Wilson's interval for a share of n trials. n 0: [0, 1]. */
metric_interval metric_wilson(double share, size_t n);

/* The mean over questions. Samples of one question hang together, so the question is the unit: se =
 * sd of the questions' means / sqrt(n). That variance of the means is split into what differs
 * between questions and what is noise of sampling (mean of p(1-p) k/(k-1) / k): more samples per
 * question lower the second part alone. */
typedef struct metric_mean {
    double mean, se; /* se is 0 for fewer than two questions */
    double between;  /* variance of the true means of questions, at least 0 */
    double within;   /* variance of a mean of k samples, on average */
} metric_mean;
metric_mean metric_clustered(const metric_count *q, size_t n);

/* Percentile bootstrap of the mean of n values: `rounds` draws of n with replacement, a function of
 * seed. ENOMEM only. */
ponder_status metric_bootstrap(metric_interval *out, const double *values, size_t n, size_t rounds,
                               uint64_t seed, ponder_error *err);
/* The mean of n shares of questions with its interval: METRIC_ROUNDS of bootstrap, or Wilson's where
 * all values are equal and drawing would find no spread (*wilson, may be NULL, says so). */
enum { METRIC_ROUNDS = 10000 };
ponder_status metric_share(double *mean, metric_interval *out, bool *wilson, const double *values,
                           size_t n, uint64_t seed, ponder_error *err);

/* Two runs on the same n questions, a - b: mean difference, its standard error, z = their ratio (0
 * when both are), and the two-sided p of z under the normal distribution. */
typedef struct metric_paired {
    double difference, se, z, p;
} metric_paired;
metric_paired metric_compare(const double *a, const double *b, size_t n);

/* A vote among n answers. class_of[i] numbers the answer's class from 0, METRIC_NO_VOTE for none;
 * right[c] says whether class c is right. When several classes have most votes, one of them is
 * picked at random, and this is the expected value: right ones / tied ones. Nobody votes: 0.
 * `counts` is scratch [classes]. */
enum { METRIC_NO_VOTE = UINT32_MAX };
double metric_vote(const uint32_t *class_of, size_t n, const bool *right, size_t classes,
                   size_t *counts);

/* Linear interpolation between the sorted values next to q (0..1); n > 0. */
double metric_quantile(const double *sorted, size_t n, double q);

/* ---- contests ----------------------------------------------------------------------------------- */

/* Chance that one rated a beats one rated b: 1 / (1 + 10^((b - a) / 400)). */
double metric_win_probability(double a, double b);
/* The rating x whose expected rank among n rivals is `rank`: sum of 1 / (1 + 10^((x - r_i) / 400)).
 * Ranks that no rating reaches give the end of the search, 4000 beyond the rivals. n > 0. */
double metric_rating(const double *ratings, size_t n, double rank);

/* How many users have which rating. */
typedef struct metric_histogram {
    double *rating; /* [n] */
    double *users;  /* [n] */
    size_t n;
} metric_histogram;
/* A CSV file with the header rating,users. EFORMAT names file and line. */
ponder_status metric_histogram_read(metric_histogram *out, const char *path, ponder_error *err);
void metric_histogram_free(metric_histogram *h);
/* Users strictly below, in percent. */
double metric_percentile(const metric_histogram *h, double rating);

/* ---- training ----------------------------------------------------------------------------------- */

/* (reward - mean) / sd of a group of n; all 0 when the rewards are equal. `sample`: the sd divides
 * by n - 1, else by n. */
void metric_advantages(double *out, const double *rewards, size_t n, bool sample);

#endif
