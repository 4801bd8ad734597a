/* Ratings from ranks in contests, percentiles from a histogram of ratings.
 * SPDX-License-Identifier: MIT */
#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>

enum { BEYOND = 4000, HALVINGS = 80, FILE_LIMIT = 64 << 20 };

double metric_win_probability(double a, double b) { return 1 / (1 + pow(10, (b - a) / 400)); }

double metric_rating(const double *ratings, size_t n, double rank)
{
    double low = ratings[0], high = ratings[0];
    for (size_t i = 1; i < n; i++) {
        low = fmin(low, ratings[i]);
        high = fmax(high, ratings[i]);
    }
    low -= BEYOND;
    high += BEYOND;
    for (int i = 0; i < HALVINGS; i++) {
        double x = (low + high) / 2, expected = 0;
        for (size_t j = 0; j < n; j++) expected += metric_win_probability(ratings[j], x);
        if (expected > rank) low = x; /* the expected rank falls as the rating rises */
        else high = x;
    }
    return (low + high) / 2;
}

static ponder_status add_row(metric_histogram *h, size_t *cap, double rating, double users,
                             ponder_error *err)
{
    if (h->n == *cap) {
        *cap = *cap ? 2 * *cap : 1024;
        double *r = realloc(h->rating, *cap * sizeof *r);
        if (r) h->rating = r;
        double *u = r ? realloc(h->users, *cap * sizeof *u) : NULL;
        if (!u) return err_set(err, PONDER_ENOMEM, "no memory for %zu ratings", *cap);
        h->users = u;
    }
    h->rating[h->n] = rating;
    h->users[h->n++] = users;
    return PONDER_OK;
}

ponder_status metric_histogram_read(metric_histogram *out, const char *path, ponder_error *err)
{
    buf text = {0};
    size_t cap = 0, line = 0;
    *out = (metric_histogram){0};
    ponder_status st = file_read(&text, path, FILE_LIMIT, err);
    for (char *at = text.p, *end; st == PONDER_OK && at && *at; at = end) {
        char *newline = strchr(at, '\n'), *after;
        end = newline ? newline + 1 : at + strlen(at);
        line++;
        if (newline) *newline = '\0';
        if (line == 1 && !strncmp(at, "rating,users", 12)) continue;
        if (*at == '\0' || *at == '\r') continue;
        double rating = strtod(at, &after), users = -1;
        if (after != at && *after == ',') users = strtod(after + 1, &after);
        if (!isfinite(rating) || !isfinite(users) || users < 0 || (*after && *after != '\r'))
            st = err_set(err, PONDER_EFORMAT, "%s: line %zu: want RATING,USERS", path, line);
        else st = add_row(out, &cap, rating, users, err);
    }
    if (st == PONDER_OK && out->n == 0)
        st = err_set(err, PONDER_EFORMAT, "%s: holds no ratings", path);
    if (st != PONDER_OK) metric_histogram_free(out);
    buf_free(&text);
    return st;
}

void metric_histogram_free(metric_histogram *h)
{
    free(h->rating);
    free(h->users);
    *h = (metric_histogram){0};
}

double metric_percentile(const metric_histogram *h, double rating)
{
    double all = 0, below = 0;
    for (size_t i = 0; i < h->n; i++) {
        all += h->users[i];
        if (h->rating[i] < rating) below += h->users[i];
    }
    return all > 0 ? 100 * below / all : 0;
}
