/* Metrics of right and wrong answers.
 * SPDX-License-Identifier: MIT */
#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>

static const double Z95 = 1.959963984540054; /* the normal distribution's 97.5 % quantile */

bool metric_pass_at_k(double *out, metric_count c, size_t k)
{
    if (k == 0 || k > c.n || c.correct > c.n) return false;
    double miss = 1;
    if (c.n - c.correct < k) miss = 0;
    else
        for (size_t i = c.n - c.correct + 1; i <= c.n; i++) miss *= 1 - (double)k / (double)i;
    *out = 1 - miss;
    return true;
}

bool metric_pass_at_k_mean(double *out, const metric_count *q, size_t n, size_t k)
{
    double sum = 0, one;
    for (size_t i = 0; i < n; i++) {
        if (!metric_pass_at_k(&one, q[i], k)) return false;
        sum += one;
    }
    if (n) *out = sum / (double)n;
    return n > 0;
}

metric_interval metric_wilson(double share, size_t n)
{
    if (n == 0) return (metric_interval){0, 1};
    double m = (double)n, z2 = Z95 * Z95, scale = 1 + z2 / m;
    double mid = (share + z2 / (2 * m)) / scale;
    double half = Z95 / scale * sqrt(share * (1 - share) / m + z2 / (4 * m * m));
    return (metric_interval){fmax(0, mid - half), fmin(1, mid + half)};
}

/* Sum of squared distances from the mean. */
static double spread(const double *x, size_t n, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sum;
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return n ? sum / (double)n : 0;
}

static double share_of(metric_count c) { return c.n ? (double)c.correct / (double)c.n : 0; }

metric_mean metric_clustered(const metric_count *q, size_t n)
{
    metric_mean m = {0};
    double squares = 0, noise = 0;
    for (size_t i = 0; i < n; i++) m.mean += share_of(q[i]);
    if (n) m.mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double p = share_of(q[i]);
        squares += (p - m.mean) * (p - m.mean);
        if (q[i].n > 1) noise += p * (1 - p) / (double)(q[i].n - 1);
    }
    if (n < 2) return m;
    double of_means = squares / (double)(n - 1);
    m.se = sqrt(of_means / (double)n);
    m.within = noise / (double)n;
    m.between = fmax(0, of_means - m.within);
    return m;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double metric_quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1), below = floor(at);
    size_t i = (size_t)below;
    return i + 1 < n ? sorted[i] + (at - below) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

ponder_status metric_bootstrap(metric_interval *out, const double *values, size_t n, size_t rounds,
                               uint64_t seed, ponder_error *err)
{
    *out = (metric_interval){0, 0};
    if (n == 0 || rounds == 0) return PONDER_OK;
    double *means = malloc(rounds * sizeof *means);
    if (!means) return err_set(err, PONDER_ENOMEM, "no memory for %zu bootstrap rounds", rounds);
    for (size_t r = 0; r < rounds; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i += 4) { /* four numbers a call */
            rng_bits b = rng_at(seed, r, i / 4, RNG_DATA);
            for (size_t j = 0; j < 4 && i + j < n; j++)
                sum += values[(size_t)(((uint64_t)b.v[j] * n) >> 32)];
        }
        means[r] = sum / (double)n;
    }
    qsort(means, rounds, sizeof *means, ascending);
    out->low = metric_quantile(means, rounds, 0.025);
    out->high = metric_quantile(means, rounds, 0.975);
    free(means);
    return PONDER_OK;
}

ponder_status metric_share(double *mean, metric_interval *out, bool *wilson, const double *values,
                           size_t n, uint64_t seed, ponder_error *err)
{
    bool equal = true;
    *mean = mean_of(values, n);
    for (size_t i = 0; i < n; i++) equal = equal && values[i] == values[0];
    if (wilson) *wilson = equal;
    *out = metric_wilson(*mean, n);
    return equal ? PONDER_OK : metric_bootstrap(out, values, n, METRIC_ROUNDS, seed, err);
}

metric_paired metric_compare(const double *a, const double *b, size_t n)
{
    metric_paired m = {.p = 1};
    double squares = 0;
    for (size_t i = 0; i < n; i++) m.difference += a[i] - b[i];
    if (n) m.difference /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = a[i] - b[i] - m.difference;
        squares += d * d;
    }
    if (n < 2) return m;
    m.se = sqrt(squares / (double)(n - 1) / (double)n);
    if (m.difference != 0) {
        m.z = m.difference / m.se; /* infinite when every question differs by the same */
        m.p = erfc(fabs(m.z) / sqrt(2));
    }
    return m;
}

double metric_vote(const uint32_t *class_of, size_t n, const bool *right, size_t classes,
                   size_t *counts)
{
    size_t most = 0, tied = 0, good = 0;
    memset(counts, 0, classes * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        if (class_of[i] != METRIC_NO_VOTE && ++counts[class_of[i]] > most)
            most = counts[class_of[i]];
    for (size_t c = 0; c < classes && most; c++) {
        if (counts[c] != most) continue;
        tied++;
        good += right[c];
    }
    return tied ? (double)good / (double)tied : 0;
}

void metric_advantages(double *out, const double *rewards, size_t n, bool sample)
{
    double mean = mean_of(rewards, n), squares = spread(rewards, n, mean);
    bool equal = true;
    for (size_t i = 1; i < n; i++) equal = equal && rewards[i] == rewards[0];
    double sd = equal ? 1 : sqrt(squares / (double)(sample ? n - 1 : n));
    for (size_t i = 0; i < n; i++) out[i] = equal ? 0 : (rewards[i] - mean) / sd;
}
