/* Pre-training and supervised fine-tuning: cross-entropy on texts.
 * SPDX-License-Identifier: MIT */
#include "train/stage.h"

#include <math.h>
#include <stddef.h>

typedef struct supervised {
    training t;
    const char *learn; /* "all" or "responses" */
    example_options examples;
    train_source *data, *eval;
    train_batch scored;
} supervised;

static const key own_keys[] = {
    {"learn", KEY_TEXT, offsetof(supervised, learn), 0, 0},
    {0},
};

static ponder_status read_keys(supervised *s, const recipe_stage *stage, const char *where,
                               ponder_error *err)
{
    bool sft = strcmp(stage->kind, "pretrain") != 0;
    *s = (supervised){.t = training_defaults(), .learn = sft ? "responses" : "all"};
    if (sft) s->t.lr = 1e-4; /* between what the distilled models were made with */
    const key_table tables[] = {{stage_keys, NULL}, {training_keys, &s->t}, {own_keys, s}};
    TRY(keys_read(stage->json, where, tables, COUNT_OF(tables), err));
    TRY(training_check(&s->t, where, err));
    if (strcmp(s->learn, "all") && strcmp(s->learn, "responses"))
        return err_set(err, PONDER_EFORMAT, "%s: \"learn\" must be \"all\" or \"responses\"",
                       where);
    if (!s->t.data) return err_set(err, PONDER_EFORMAT, "%s: no \"data\"", where);
    if ((s->t.steps != 0) == (s->t.passes != 0))
        return err_set(err, PONDER_EFORMAT, "%s: want \"steps\" or \"passes\"", where);
    return PONDER_OK;
}

ponder_status supervised_check(const recipe *r, const recipe_stage *stage, ponder_error *err)
{
    char where[256];
    supervised s;
    recipe_where(where, r, stage);
    return read_keys(&s, stage, where, err);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static ponder_status fill(void *user, train_loop *l, ponder_error *err)
{
    supervised *s = user;
    uint64_t from = s->t.batch_from ? s->t.batch_from : s->t.batch;
    uint64_t n = ramp_at(from, s->t.batch, s->t.ramp, l->step);
    for (uint64_t i = 0; i < n; i++) TRY(s->data->draw(s->data, l->position++, &l->batch, err));
    if (l->batch.n) return PONDER_OK;
    return err_set(err, PONDER_ELIMIT,
                   "stage %s: all %llu examples of a step are longer than \"max_tokens\" (%zu)",
                   l->o->name, (unsigned long long)n, s->t.max_tokens);
}

static ponder_status evaluate(void *user, train_loop *l, ponder_error *err)
{
    supervised *s = user;
    batch_clear(&s->scored);
    for (uint64_t i = 0; i < s->t.eval_examples && (!s->eval->n || i < s->eval->n); i++)
        TRY(s->eval->draw(s->eval, i, &s->scored, err));
    TRY(train_loop_score(l, &s->scored, false, err));
    metrics_put(&l->metrics, "eval_loss", batch_loss(&s->scored));
    return PONDER_OK;
}

static ponder_status open_data(train_source **out, const supervised *s, const stage_context *c,
                               const json_t *list, uint64_t which, ponder_error *err)
{
    return data_open(out, list, c->where, c->recipe->dir, &s->examples,
                     rng_u64(c->seed, which, 0, RNG_DATA), err);
}

static ponder_status set_steps(supervised *s, const stage_context *c, ponder_error *err)
{
    if (s->t.steps) return PONDER_OK;
    if (!s->data->n)
        return err_set(err, PONDER_EFORMAT, "%s: tasks have no end: give \"steps\", not \"passes\"",
                       c->where);
    s->t.steps = (uint64_t)ceil(s->t.passes * (double)s->data->n / (double)s->t.batch);
    if (!s->t.steps) s->t.steps = 1;
    return PONDER_OK;
}

static ponder_status prepare(supervised *s, const stage_context *c, ponder_error *err)
{
    TRY(read_keys(s, c->stage, c->where, err));
    s->examples = (example_options){.t = c->t, .max_tokens = s->t.max_tokens, .cut = s->t.cut,
                                    .learn_all = !strcmp(s->learn, "all")};
    TRY(stage_template(&s->examples.template, c, &s->t, err));
    TRY(open_data(&s->data, s, c, s->t.data, 0, err));
    if (s->data->pairs)
        return err_set(err, PONDER_EFORMAT,
                       "%s: preference pairs train a reward model, not this stage", c->where);
    if (s->t.eval_data) TRY(open_data(&s->eval, s, c, s->t.eval_data, 1, err));
    return set_steps(s, c, err);
}

ponder_status supervised_run(const stage_context *c, ponder_error *err)
{
    supervised s;
    model_trainable *m = NULL;
    train_loop_options o;
    ponder_status st = prepare(&s, c, err);
    if (st == PONDER_OK) st = stage_open_model(&m, c, &s.t, err);
    if (st == PONDER_OK) st = stage_loop_options(&o, c, &s.t, err);
    if (st == PONDER_OK) {
        const train_stage stage = {.user = &s, .fill = fill, .evaluate = s.eval ? evaluate : NULL};
        st = train_loop_run(m, &stage, &o, err);
    }
    if (st == PONDER_OK) st = stage_save_model(c, &s.t, m, err);
    model_trainable_close(m);
    train_source_close(s.data);
    train_source_close(s.eval);
    batch_free(&s.scored);
    return st;
}
