/* Examples for the steps of a stage.
 * SPDX-License-Identifier: MIT */
#include "train/feed.h"

#include <math.h>

ponder_status feed_check(const training *t, const char *where, ponder_error *err)
{
    if (!t->data) return err_set(err, PONDER_EFORMAT, "%s: no \"data\"", where);
    if ((t->steps != 0) == (t->passes != 0))
        return err_set(err, PONDER_EFORMAT, "%s: want \"steps\" or \"passes\"", where);
    return PONDER_OK;
}

static ponder_status open_list(train_source **out, const feed *f, const stage_context *c,
                               const json_t *list, uint64_t which, ponder_error *err)
{
    return data_open(out, list, c->where, c->recipe->dir, &f->examples,
                     rng_u64(c->seed, which, 0, RNG_DATA), err);
}

static ponder_status set_steps(training *t, const train_source *data, const stage_context *c,
                               ponder_error *err)
{
    if (t->steps) return PONDER_OK;
    if (!data->n)
        return err_set(err, PONDER_EFORMAT, "%s: tasks have no end: give \"steps\", not \"passes\"",
                       c->where);
    t->steps = (uint64_t)ceil(t->passes * (double)data->n / (double)t->batch);
    if (!t->steps) t->steps = 1;
    return PONDER_OK;
}

ponder_status feed_open(feed *f, const stage_context *c, training *t, const example_options *o,
                        ponder_error *err)
{
    *f = (feed){.t = t, .examples = *o};
    f->examples.t = c->t;
    f->examples.max_tokens = t->max_tokens;
    f->examples.cut = t->cut;
    TRY(stage_template(&f->examples.template, c, t, err));
    TRY(open_list(&f->data, f, c, t->data, 0, err));
    if (t->eval_data) TRY(open_list(&f->eval, f, c, t->eval_data, 1, err));
    return set_steps(t, f->data, c, err);
}

void feed_close(feed *f)
{
    train_source_close(f->data);
    train_source_close(f->eval);
    batch_free(&f->held);
    *f = (feed){0};
}

/* Examples of step number `step`, from 0. */
static uint64_t examples_of(const training *t, uint64_t step)
{
    return ramp_at(t->batch_from ? t->batch_from : t->batch, t->batch, t->ramp, step);
}

/* The largest micro-batch of n examples from *position on. */
static ponder_status measure(train_source *s, uint64_t *position, uint64_t n, const training *t,
                             train_batch *b, micro_plan *plan, micro_size *out, ponder_error *err)
{
    batch_clear(b);
    for (uint64_t i = 0; i < n; i++) TRY(s->draw(s, (*position)++, b, err));
    TRY(batch_check(b, err));
    TRY(micro_plan_make(plan, b, training_micro_tokens(t), training_micro_sequences(t), err));
    *out = micro_plan_largest(plan, b);
    return PONDER_OK;
}

enum { LOOK_STEPS = 32, LOOK_TOKENS = 1 << 19 };

/* The largest micro-batch there will be. Of short runs it is known; of long ones the last steps' batches
 * tell mean and deviation, and the largest of n numbers lies about sqrt(2 ln n) deviations above. */
static ponder_status measure_steps(const feed *f, train_batch *b, micro_plan *plan, micro_size *out,
                                   ponder_error *err)
{
    const training *t = f->t;
    uint64_t first = t->steps - (t->steps < LOOK_STEPS ? t->steps : LOOK_STEPS), position = 0;
    double n = 0, sum = 0, squares = 0, most;
    size_t drawn = 0;
    *out = (micro_size){0};
    for (uint64_t step = first; step < t->steps && drawn < LOOK_TOKENS; step++, n++) {
        micro_size m;
        TRY(measure(f->data, &position, examples_of(t, step), t, b, plan, &m, err));
        sum += (double)m.tokens, squares += (double)m.tokens * (double)m.tokens;
        drawn += b->used;
        if (m.tokens > out->tokens) *out = m;
    }
    if (n >= (double)t->steps || !out->tokens) return PONDER_OK;
    most = sum / n + sqrt(fmax(squares / n - sum * sum / (n * n), 0) * 2 * log((double)t->steps));
    most = fmin(fmax(most / (double)out->tokens, 1), 2);
    out->tokens = (size_t)(most * (double)out->tokens);
    out->sequences = (size_t)(most * (double)out->sequences);
    return PONDER_OK;
}

static uint64_t held_examples(const feed *f)
{
    uint64_t n = f->t->eval_examples;
    return f->eval->n && f->eval->n < n ? f->eval->n : n;
}

ponder_status feed_open_model(feed *f, model_trainable **out, const stage_context *c, ponder_error *err)
{
    stage_besides besides = {0};
    train_batch b = {0};
    micro_plan plan = {0};
    uint64_t position = 0;
    *out = NULL;
    ponder_status st = measure_steps(f, &b, &plan, &besides.learnt, err);
    if (st == PONDER_OK && f->eval)
        st = measure(f->eval, &position, held_examples(f), f->t, &b, &plan, &besides.looked, err);
    batch_free(&b);
    micro_plan_free(&plan);
    return st == PONDER_OK ? stage_open_models(out, NULL, c, f->t, &besides, err) : st;
}

ponder_status feed_step(feed *f, train_loop *l, ponder_error *err)
{
    const training *t = f->t;
    uint64_t n = examples_of(t, l->step);
    for (uint64_t i = 0; i < n; i++) TRY(f->data->draw(f->data, l->position++, &l->batch, err));
    if (l->batch.n) return PONDER_OK;
    return err_set(err, PONDER_ELIMIT,
                   "stage %s: all %llu examples of a step are longer than \"max_tokens\" (%zu)",
                   l->o->name, (unsigned long long)n, t->max_tokens);
}

ponder_status feed_score_held(feed *f, train_loop *l, ponder_error *err)
{
    batch_clear(&f->held);
    for (uint64_t i = 0, n = held_examples(f); i < n; i++)
        TRY(f->eval->draw(f->eval, i, &f->held, err));
    return train_loop_score(l, &f->held, false, err);
}
