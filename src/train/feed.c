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

ponder_status feed_step(feed *f, train_loop *l, ponder_error *err)
{
    const training *t = f->t;
    uint64_t n = ramp_at(t->batch_from ? t->batch_from : t->batch, t->batch, t->ramp, l->step);
    for (uint64_t i = 0; i < n; i++) TRY(f->data->draw(f->data, l->position++, &l->batch, err));
    if (l->batch.n) return PONDER_OK;
    return err_set(err, PONDER_ELIMIT,
                   "stage %s: all %llu examples of a step are longer than \"max_tokens\" (%zu)",
                   l->o->name, (unsigned long long)n, t->max_tokens);
}

ponder_status feed_score_held(feed *f, train_loop *l, ponder_error *err)
{
    batch_clear(&f->held);
    for (uint64_t i = 0; i < f->t->eval_examples && (!f->eval->n || i < f->eval->n); i++)
        TRY(f->eval->draw(f->eval, i, &f->held, err));
    return train_loop_score(l, &f->held, false, err);
}
