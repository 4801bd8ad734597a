/* vote: classes of equal answers, counted.
 * SPDX-License-Identifier: MIT */
#include "reward/vote.h"

#include <stdlib.h>

/* What no verifier can read is still the same as itself. Either may be the gold: some verifiers
 * accept more forms of a prediction than of a gold; but an answer is never taken for a pattern. */
static bool same(const reward_kind *k, str a, str b)
{
    const char *reason;
    reward_question ab = {.gold = a}, ba = {.gold = b};
    if (str_eq(a, b) || k->describes) return str_eq(a, b);
    return k->equal(&ab, b, &reason) || k->equal(&ba, a, &reason);
}

static ponder_status open_class(vote *v, str answer, size_t sample, ponder_error *err)
{
    if (v->n == v->cap) {
        size_t cap = v->cap ? 2 * v->cap : 16;
        vote_class *more = realloc(v->classes, cap * sizeof *more);
        if (!more) return err_set(err, PONDER_ENOMEM, "no memory for %zu answers", cap);
        v->classes = more;
        v->cap = cap;
    }
    vote_class c = {.count = 1, .first = sample};
    buf_add_str(&c.answer, answer);
    if (c.answer.failed) return err_set(err, PONDER_ENOMEM, "no memory for an answer");
    v->classes[v->n++] = c;
    return PONDER_OK;
}

ponder_status vote_cast(vote *v, str answer, size_t sample, size_t *class, ponder_error *err)
{
    size_t i = 0;
    if (class) *class = VOTE_BLANK;
    if (answer.n == 0) return v->blank++, PONDER_OK;
    v->cast++;
    if (!v->kind) v->kind = reward_kind_find((str){0});
    while (i < v->n && !same(v->kind, buf_str(&v->classes[i].answer), answer)) i++;
    if (class) *class = i;
    if (i == v->n) return open_class(v, answer, sample, err);
    v->classes[i].count++;
    v->classes[i].first = size_min(v->classes[i].first, sample);
    return PONDER_OK;
}

static bool before(const vote_class *a, const vote_class *b)
{
    return a->count != b->count ? a->count > b->count : a->first < b->first;
}

const vote_class *vote_winner(const vote *v)
{
    const vote_class *best = NULL;
    for (size_t i = 0; i < v->n; i++)
        if (!best || before(&v->classes[i], best)) best = &v->classes[i];
    return best;
}

/* A tie is not decided: the samples to come may have lower numbers. */
bool vote_decided(const vote *v, size_t to_come)
{
    const vote_class *best = vote_winner(v);
    size_t second = 0;
    if (!best) return to_come == 0;
    for (size_t i = 0; i < v->n; i++)
        if (&v->classes[i] != best) second = size_max(second, v->classes[i].count);
    return to_come == 0 || best->count > second + to_come;
}

void vote_free(vote *v)
{
    for (size_t i = 0; i < v->n; i++) buf_free(&v->classes[i].answer);
    free(v->classes);
    *v = (vote){0};
}
