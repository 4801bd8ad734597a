/* Batches and micro-batches.
 * SPDX-License-Identifier: MIT */
#include "train/batch.h"

#include <stdlib.h>

void batch_clear(train_batch *b)
{
    b->used = b->n = 0;
    b->skipped = 0;
    b->failed = false;
}

void batch_free(train_batch *b)
{
    free(b->ids), free(b->weight), free(b->logprob), free(b->entropy), free(b->seq);
    *b = (train_batch){0};
}

static bool grow(void **p, size_t n, size_t size)
{
    size_t bytes;
    if (!size_mul(&bytes, n, size)) return false;
    void *more = realloc(*p, bytes);
    if (more) *p = more;
    return more != NULL;
}

static bool reserve(train_batch *b, size_t extra)
{
    size_t cap = size_max(b->cap, 4096);
    if (b->failed) return false;
    while (cap - b->used < extra && cap < SIZE_MAX / 2) cap *= 2;
    if (cap == b->cap) return true;
    b->failed = !grow((void **)&b->ids, cap, sizeof *b->ids) ||
                !grow((void **)&b->weight, cap, sizeof *b->weight) ||
                !grow((void **)&b->logprob, cap, sizeof *b->logprob) ||
                !grow((void **)&b->entropy, cap, sizeof *b->entropy);
    if (!b->failed) b->cap = cap;
    return !b->failed;
}

void batch_begin(train_batch *b, enum train_role role)
{
    if (b->n == b->seq_cap) {
        size_t cap = size_max(64, 2 * b->seq_cap);
        if (!grow((void **)&b->seq, cap, sizeof *b->seq)) b->failed = true;
        else b->seq_cap = cap;
    }
    if (!b->failed) b->seq[b->n] = (train_sequence){.at = b->used, .role = role};
}

void batch_put(train_batch *b, const int32_t *ids, size_t n, float weight)
{
    if (!reserve(b, n)) return;
    for (size_t i = 0; i < n; i++) {
        b->ids[b->used + i] = ids[i];
        b->weight[b->used + i] = weight;
    }
    b->used += n;
}

void batch_share(train_batch *b, uint64_t group, size_t shared)
{
    if (b->failed) return;
    b->seq[b->n].group = group;
    b->seq[b->n].shared = shared;
}

void batch_end(train_batch *b)
{
    if (b->failed) return;
    train_sequence *s = &b->seq[b->n];
    s->n = b->used - s->at;
    if (s->n < 2) {
        b->used = s->at;
        return;
    }
    /* From "this token is predicted" to "prediction i". */
    memmove(b->weight + s->at, b->weight + s->at + 1, (s->n - 1) * sizeof *b->weight);
    b->weight[s->at + s->n - 1] = 0;
    b->n++;
}

void batch_drop(train_batch *b)
{
    if (!b->failed) b->used = b->seq[b->n].at;
}

ponder_status batch_check(const train_batch *b, ponder_error *err)
{
    return b->failed ? err_set(err, PONDER_ENOMEM, "training batch: out of memory") : PONDER_OK;
}

double batch_weight(const train_batch *b)
{
    double sum = 0;
    for (size_t i = 0; i < b->used; i++) sum += (double)b->weight[i];
    return sum;
}

/* ---- micro-batches --------------------------------------------------------------------------- */

static ponder_status plan_reserve(micro_plan *p, size_t n, ponder_error *err)
{
    if (n <= p->cap) return PONDER_OK;
    if (!grow((void **)&p->order, n, sizeof *p->order) ||
        !grow((void **)&p->first, n + 1, sizeof *p->first) ||
        !grow((void **)&p->room, n, sizeof *p->room) || !grow((void **)&p->bin, n, sizeof *p->bin))
        return err_set(err, PONDER_ENOMEM, "micro-batches: out of memory");
    p->cap = n;
    return PONDER_OK;
}

/* Sequences that stay together from number `first` on: two of a pair. */
static size_t together(const train_batch *b, size_t first)
{
    return first + 1 < b->n && b->seq[first + 1].role == TRAIN_REJECTED ? 2 : 1;
}

static size_t tokens_of(const train_batch *b, size_t first)
{
    return b->seq[first].n + (together(b, first) == 2 ? b->seq[first + 1].n : 0);
}

/* Longest first, then in order: a counting sort would do as well, but batches are small. */
static void sort_by_length(uint32_t *order, size_t n, const train_batch *b)
{
    for (size_t gap = n / 2; gap; gap /= 2)
        for (size_t i = gap; i < n; i++) {
            uint32_t v = order[i];
            size_t k = i;
            for (; k >= gap; k -= gap) {
                uint32_t u = order[k - gap];
                size_t nv = tokens_of(b, v), nu = tokens_of(b, u);
                if (nu > nv || (nu == nv && u < v)) break;
                order[k] = u;
            }
            order[k] = v;
        }
}

/* Gives each of n sequences or pairs, longest first, its bin; `first` counts what a bin has. */
static void best_fit(micro_plan *p, size_t n, const train_batch *b, size_t max_tokens,
                     size_t max_sequences)
{
    p->n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t s = p->order[i], need = tokens_of(b, s), count = together(b, s), best = p->n;
        for (size_t k = 0; k < p->n; k++)
            if (p->room[k] >= need && p->first[k] + count <= max_sequences &&
                (best == p->n || p->room[k] < p->room[best]))
                best = k;
        if (best == p->n) {
            p->room[p->n] = max_tokens;
            p->first[p->n++] = 0;
        }
        p->room[best] -= need;
        p->first[best] += count;
        for (size_t k = 0; k < count; k++) p->bin[s + k] = best;
    }
}

/* Do two sequences that follow each other share tokens? */
static bool share(const train_sequence *a, const train_sequence *b)
{
    return a->shared && a->shared == b->shared && a->group == b->group;
}

/* One group after the other, each micro-batch as full as it gets: what is shared is computed once in each, as a
 * sequence of its own. */
static void fit_groups(micro_plan *p, const train_batch *b, size_t max_tokens, size_t max_sequences)
{
    size_t room = 0, left = 0;
    bool alone = false; /* the sequence before has met none of its group */
    p->n = 0;
    for (size_t s = 0; s < b->n; s++) {
        const train_sequence *q = &b->seq[s];
        bool joins = s && share(q - 1, q);
        size_t need = joins ? q->n - q->shared : q->n, count = joins && alone ? 2 : 1;
        if (room < need || left < count) {
            room = max_tokens;
            left = max_sequences;
            p->first[p->n++] = 0;
            joins = false, need = q->n, count = 1;
        }
        alone = !joins;
        room -= need;
        left -= count;
        p->bin[s] = p->n - 1;
        p->first[p->n - 1]++;
    }
}

ponder_status micro_plan_make(micro_plan *p, const train_batch *b, size_t max_tokens,
                              size_t max_sequences, ponder_error *err)
{
    size_t n = 0;
    bool groups = false;
    TRY(plan_reserve(p, b->n, err));
    for (size_t i = 0; i < b->n; i += together(b, i)) {
        if (tokens_of(b, i) > max_tokens || together(b, i) > max_sequences)
            return err_set(err, PONDER_ELIMIT,
                           "a sequence (or pair) of %zu tokens does not fit a micro-batch of %zu: "
                           "raise \"micro_tokens\" or lower \"max_tokens\"", tokens_of(b, i),
                           max_tokens);
        p->order[n++] = (uint32_t)i;
        groups |= b->seq[i].shared > 0;
    }
    if (groups) {
        fit_groups(p, b, max_tokens, max_sequences);
    } else {
        sort_by_length(p->order, n, b);
        best_fit(p, n, b, max_tokens, max_sequences);
    }
    /* Sequences by bin, each bin's in the order of the batch; `room` is where the next one goes. */
    size_t at = 0;
    for (size_t k = 0; k < p->n; k++) {
        size_t count = p->first[k];
        p->first[k] = p->room[k] = at;
        at += count;
    }
    if (p->n) p->first[p->n] = at;
    for (size_t s = 0; s < b->n; s++) p->order[p->room[p->bin[s]]++] = (uint32_t)s;
    return PONDER_OK;
}

micro_size micro_plan_largest(const micro_plan *p, const train_batch *b)
{
    micro_size largest = {0};
    for (size_t m = 0; m < p->n; m++) {
        micro_size of = {.sequences = p->first[m + 1] - p->first[m]};
        for (size_t i = p->first[m]; i < p->first[m + 1]; i++) {
            size_t n = b->seq[p->order[i]].n;
            of.tokens += n;
            of.longest = size_max(of.longest, n);
        }
        if (of.tokens > largest.tokens) largest = of;
    }
    return largest;
}

void micro_plan_free(micro_plan *p)
{
    free(p->order), free(p->first), free(p->room), free(p->bin);
    *p = (micro_plan){0};
}

/* ---- running --------------------------------------------------------------------------------- */

static ponder_status runner_reserve(batch_runner *r, size_t n, ponder_error *err)
{
    if (n <= r->cap) return PONDER_OK;
    if (!grow((void **)&r->run, n, sizeof *r->run) || !grow((void **)&r->place, n, sizeof *r->place))
        return err_set(err, PONDER_ENOMEM, "micro-batch: out of memory");
    r->cap = n;
    return PONDER_OK;
}

/* Tokens [from, to) of sequence s. */
static model_train_sequence part_of(const train_batch *b, const train_sequence *s, size_t from, size_t to,
                                    unsigned want)
{
    return (model_train_sequence){.ids = b->ids + s->at + from,
                                  .n = to - from,
                                  .logprob = want & BATCH_LOGPROB ? b->logprob + s->at + from : NULL,
                                  .entropy = want & BATCH_ENTROPY ? b->entropy + s->at + from : NULL,
                                  .continues = from > 0};
}

/* The n sequences of a micro-batch: what follow each other and share is cut where they part. Returns the
 * parts. */
static size_t cut(batch_runner *r, const train_batch *b, const uint32_t *order, size_t n, unsigned want)
{
    size_t parts = 0;
    for (size_t i = 0; i < n; i++) {
        const train_sequence *s = &b->seq[order[i]];
        bool before = i && share(&b->seq[order[i - 1]], s);
        bool after = i + 1 < n && share(s, &b->seq[order[i + 1]]);
        size_t shared = before || after ? s->shared : 0;
        if (shared && !before) {
            r->place[parts] = (batch_place){order[i], 0};
            r->run[parts++] = part_of(b, s, 0, shared, want);
        }
        r->place[parts] = (batch_place){order[i], shared};
        r->run[parts++] = part_of(b, s, shared, s->n, want);
    }
    return parts;
}

static ponder_status run_micro(batch_runner *r, train_batch *b, size_t m, const model_train_loss *loss,
                               unsigned want, model_train_stats *stats, ponder_error *err)
{
    size_t first = r->plan.first[m], n = r->plan.first[m + 1] - first;
    TRY(runner_reserve(r, 2 * n, err));
    n = cut(r, b, r->plan.order + first, n, want);
    return model_train_batch(r->t, r->run, n, loss, stats, err);
}

ponder_status batch_run(batch_runner *r, train_batch *b, const model_train_loss *loss,
                        unsigned want, model_train_stats *stats, ponder_error *err)
{
    model_train_stats unused = {0};
    double mtp = 0, balance = 0;
    if (!stats) stats = &unused;
    TRY(micro_plan_make(&r->plan, b, r->max_tokens, r->max_sequences, err));
    for (size_t m = 0; m < r->plan.n; m++) {
        TRY(run_micro(r, b, m, loss, want, stats, err));
        mtp += stats->mtp_loss / (double)r->plan.n;
        balance += stats->balance_loss / (double)r->plan.n;
    }
    stats->mtp_loss = mtp;
    stats->balance_loss = balance;
    return PONDER_OK;
}

void batch_runner_free(batch_runner *r)
{
    micro_plan_free(&r->plan);
    free(r->run), free(r->place);
    *r = (batch_runner){0};
}
