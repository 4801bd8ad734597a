/* Figures from judged answers.
 * SPDX-License-Identifier: MIT */
#include "train/measure.h"

#include "eval/store.h"
#include "reward/vote.h"

#include <math.h>
#include <stdlib.h>

static ponder_status reserve(measure *m, size_t more, ponder_error *err)
{
    size_t need = m->questions + more, cap = size_max(256, m->cap);
    while (cap < need) cap *= 2;
    if (cap == m->cap) return PONDER_OK;
    double *share = realloc(m->share, cap * sizeof *share);
    if (share) m->share = share;
    double *votes = realloc(m->vote, cap * sizeof *votes);
    if (votes) m->vote = votes;
    if (!share || !votes) return err_set(err, PONDER_ENOMEM, "no memory for %zu questions", cap);
    m->cap = cap;
    return PONDER_OK;
}

/* ---- one question ---------------------------------------------------------------------------- */

typedef struct judged {
    str answer;
    bool right, format, truncated;
    double language;
    int64_t tokens, verification, backtracking;
} judged;

static ponder_status read_answer(judged *a, const json_t *of, const char *where, ponder_error *err)
{
    *a = (judged){.tokens = -1};
    if (!json_is_boolean(json_object_get(of, "right")))
        return err_set(err, PONDER_EFORMAT, "%s: an answer without \"right\"", where);
    TRY(json_field_str(of, where, "answer", &a->answer, err));
    TRY(json_field_bool(of, where, "right", &a->right, err));
    TRY(json_field_bool(of, where, "format", &a->format, err));
    TRY(json_field_bool(of, where, "truncated", &a->truncated, err));
    TRY(json_field_f64(of, where, "language", &a->language, err));
    TRY(json_field_i64(of, where, "tokens", 0, INT32_MAX, &a->tokens, err));
    TRY(json_field_i64(of, where, "verification", 0, INT32_MAX, &a->verification, err));
    TRY(json_field_i64(of, where, "backtracking", 0, INT32_MAX, &a->backtracking, err));
    if (a->tokens >= 0) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "%s: an answer without \"tokens\"", where);
}

static void count_answer(measure *m, const judged *a)
{
    m->answers++;
    m->right += a->right;
    m->length += (double)a->tokens;
    if (a->right) m->length_right += (double)a->tokens;
    m->truncated += a->truncated;
    m->format += a->format;
    m->language += a->language;
    m->verification += a->verification > 0;
    m->backtracking += a->backtracking > 0;
    m->reflections += (double)(a->verification + a->backtracking);
}

/* The vote's class is as right as the sample that opened it. */
static bool vote_right(const vote *v, const json_t *answers)
{
    const vote_class *c = vote_winner(v);
    return c && json_is_true(json_object_get(json_array_get(answers, c->first), "right"));
}

ponder_status measure_add(measure *m, const json_t *line, const char *where, ponder_error *err)
{
    const json_t *answers = json_object_get(line, "answers");
    size_t n = json_array_size(answers), right = 0;
    vote v = {.kind = reward_kind_find(json_str(json_object_get(line, "kind")))};
    ponder_status st = PONDER_OK;
    if (n == 0 || (m->group && n != m->group))
        return err_set(err, PONDER_EFORMAT, "%s: %zu answers, want %zu", where, n,
                       size_max(m->group, 1));
    TRY(reserve(m, 1, err));
    for (size_t i = 0; i < n && st == PONDER_OK; i++) {
        judged a;
        st = read_answer(&a, json_array_get(answers, i), where, err);
        if (st == PONDER_OK) st = vote_cast(&v, a.answer, i, NULL, err);
        if (st != PONDER_OK) break;
        count_answer(m, &a);
        right += a.right;
    }
    m->group = n;
    m->share[m->questions] = (double)right / (double)n;
    m->vote[m->questions] = vote_right(&v, answers);
    m->questions++;
    m->any += right > 0;
    vote_free(&v);
    return st;
}

/* ---- many ------------------------------------------------------------------------------------ */

static ponder_status add_line(void *user, json_t *line, ponder_error *err)
{
    return measure_add(user, line, "answers", err);
}

ponder_status measure_file(measure *m, const char *path, ponder_error *err)
{
    return eval_each_line(path, add_line, m, NULL, err);
}

ponder_status measure_join(measure *m, const measure *of, ponder_error *err)
{
    TRY(reserve(m, of->questions, err));
    for (size_t i = 0; i < of->questions; i++) {
        m->share[m->questions] = of->share[i];
        m->vote[m->questions++] = of->vote[i];
    }
    m->group = of->group;
    m->answers += of->answers, m->right += of->right, m->any += of->any;
    m->length += of->length, m->length_right += of->length_right;
    m->truncated += of->truncated, m->format += of->format, m->language += of->language;
    m->verification += of->verification, m->backtracking += of->backtracking;
    m->reflections += of->reflections;
    return PONDER_OK;
}

void measure_free(measure *m)
{
    free(m->share), free(m->vote);
    *m = (measure){0};
}

static double mean(double sum, size_t n) { return n ? sum / (double)n : (double)NAN; }

ponder_status measure_figures(measured *out, const measure *m, uint64_t seed, ponder_error *err)
{
    size_t n = m->answers;
    *out = (measured){.questions = m->questions, .group = m->group,
                      .any = mean((double)m->any, m->questions),
                      .length = mean(m->length, n),
                      .length_right = mean(m->length_right, m->right),
                      .length_wrong = mean(m->length - m->length_right, n - m->right),
                      .truncated = mean(m->truncated, n), .format = mean(m->format, n),
                      .language = mean(m->language, n),
                      .verification = mean(m->verification, n),
                      .backtracking = mean(m->backtracking, n),
                      .reflections = mean(m->reflections, n)};
    TRY(metric_share(&out->pass1, &out->pass1_in, NULL, m->share, m->questions, seed, err));
    return metric_share(&out->vote, &out->vote_in, NULL, m->vote, m->questions, seed, err);
}
