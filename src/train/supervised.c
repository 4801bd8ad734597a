/* Pre-training and supervised fine-tuning: cross-entropy on texts.
 * SPDX-License-Identifier: MIT */
#include "train/feed.h"

#include <stddef.h>

typedef struct supervised {
    training t;
    const char *learn; /* "all" or "responses" */
    feed feed;
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
    return feed_check(&s->t, where, err);
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
    return feed_step(&((supervised *)user)->feed, l, err);
}

static ponder_status evaluate(void *user, train_loop *l, ponder_error *err)
{
    supervised *s = user;
    TRY(feed_score_held(&s->feed, l, err));
    metrics_put(&l->metrics, "eval_loss", batch_loss(&s->feed.held));
    return PONDER_OK;
}

static ponder_status prepare(supervised *s, const stage_context *c, ponder_error *err)
{
    TRY(read_keys(s, c->stage, c->where, err));
    const example_options o = {.learn_all = !strcmp(s->learn, "all")};
    TRY(feed_open(&s->feed, c, &s->t, &o, err));
    if (!s->feed.data->pairs) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   "%s: preference pairs train a reward model, not this stage", c->where);
}

ponder_status supervised_run(const stage_context *c, ponder_error *err)
{
    supervised s;
    model_trainable *m = NULL;
    train_loop_options o;
    ponder_status st = prepare(&s, c, err);
    if (st == PONDER_OK) st = feed_open_model(&s.feed, &m, c, err);
    if (st == PONDER_OK) st = stage_loop_options(&o, c, &s.t, err);
    if (st == PONDER_OK) {
        const train_stage stage = {.user = &s, .fill = fill,
                                   .evaluate = s.feed.eval ? evaluate : NULL};
        st = train_loop_run(m, &stage, &o, err);
    }
    if (st == PONDER_OK) st = stage_save_model(c, &s.t, m, err);
    model_trainable_close(m);
    feed_close(&s.feed);
    return st;
}
