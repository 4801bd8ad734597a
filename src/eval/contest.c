/* A rating from contest results, by CodeElo's method (arXiv 2501.01257, section 3.3).
 * SPDX-License-Identifier: MIT
 *
 * A file of JSON lines, one contest each:
 *   {"contest", "problems": [{"id", "points"?}], "standings": [{"rating", "points", "penalty"?}]}
 * The samples of the question with a problem's id are the tries, in order. A solved problem earns
 * its points less 50 for each earlier try, never below 0; in contests without points it earns 1, and
 * each earlier try 10 minutes of penalty. The rank among the rated participants gives the rating;
 * the mean over contests is the result. Contests of few participants say too little. */
#include "eval/report.h"

#include <math.h>
#include <stdlib.h>

enum { FEWEST = 200, POINTS_LOST = 50, MINUTES_LOST = 10, BEYOND_BEST = 100 };

typedef struct contests {
    const eval_store *store;
    eval_rating *out;
    double sum;
} contests;

typedef struct score {
    double points, penalty;
} score;

/* Tries before the first right sample; SIZE_MAX: none is right. */
static size_t failed_tries(const eval_store *s, str id)
{
    for (size_t q = 0; q < s->data->n; q++) {
        if (!str_eq(s->data->q[q].id, id)) continue;
        for (size_t i = 0; i < s->k; i++)
            if (eval_sample_at(s, q, i)->strict) return i;
    }
    return SIZE_MAX;
}

static ponder_status score_of(score *out, const eval_store *s, const json_t *problems,
                              ponder_error *err)
{
    *out = (score){0};
    for (size_t i = 0; i < json_array_size(problems); i++) {
        const json_t *p = json_array_get(problems, i);
        str id = {0};
        double points = 0;
        TRY(json_field_str(p, "problem", "id", &id, err));
        TRY(json_field_f64(p, "problem", "points", &points, err));
        size_t failed = failed_tries(s, id);
        if (failed == SIZE_MAX) continue;
        if (points > 0) {
            out->points += fmax(0, points - POINTS_LOST * (double)failed);
        } else {
            out->points += 1;
            out->penalty += MINUTES_LOST * (double)failed;
        }
    }
    return PONDER_OK;
}

static ponder_status rate(contests *c, const score *mine, const json_t *standings, ponder_error *err)
{
    size_t n = json_array_size(standings), ahead = 0;
    double *ratings = malloc((n ? n : 1) * sizeof *ratings), best = 0;
    ponder_status st = ratings ? PONDER_OK : err_set(err, PONDER_ENOMEM, "no memory for ratings");
    for (size_t i = 0; i < n && st == PONDER_OK; i++) {
        const json_t *row = json_array_get(standings, i);
        score s = {0};
        ratings[i] = NAN;
        st = json_field_f64(row, "standing", "rating", &ratings[i], err);
        if (st == PONDER_OK) st = json_field_f64(row, "standing", "points", &s.points, err);
        if (st == PONDER_OK) st = json_field_f64(row, "standing", "penalty", &s.penalty, err);
        if (st == PONDER_OK && isnan(ratings[i]))
            st = err_set(err, PONDER_EFORMAT, "standing %zu has no \"rating\"", i + 1);
        best = fmax(best, ratings[i]);
        ahead += s.points > mine->points || (s.points == mine->points && s.penalty < mine->penalty);
    }
    if (st == PONDER_OK) {
        double x = metric_rating(ratings, n, 1 + (double)ahead);
        c->sum += fmin(fmax(x, 0), best + BEYOND_BEST);
        c->out->contests++;
    }
    free(ratings);
    return st;
}

static ponder_status add(void *user, json_t *record, ponder_error *err)
{
    contests *c = user;
    const json_t *problems = json_object_get(record, "problems");
    const json_t *standings = json_object_get(record, "standings");
    score mine;
    if (!json_array_size(problems) || !json_is_array(standings))
        return err_set(err, PONDER_EFORMAT, "want \"problems\" and \"standings\"");
    if (json_array_size(standings) <= FEWEST) {
        c->out->skipped++;
        return PONDER_OK;
    }
    TRY(score_of(&mine, c->store, problems, err));
    return rate(c, &mine, standings, err);
}

ponder_status eval_rate_contests(eval_rating *out, const char *path, const char *histogram,
                                 const eval_store *s, ponder_error *err)
{
    contests c = {.store = s, .out = out};
    metric_histogram h;
    *out = (eval_rating){.percentile = -1, .histogram = histogram};
    if (!file_exists(path)) return err_set(err, PONDER_ENOTFOUND, "%s: no such file", path);
    TRY(eval_each_line(path, add, &c, NULL, err));
    if (out->contests == 0)
        return err_set(err, PONDER_EFORMAT, "%s: no contest with more than %d rated participants",
                       path, FEWEST);
    out->rating = c.sum / (double)out->contests;
    if (!histogram) return PONDER_OK;
    TRY(metric_histogram_read(&h, histogram, err));
    out->percentile = metric_percentile(&h, out->rating);
    metric_histogram_free(&h);
    return PONDER_OK;
}
