/* Reward models: a model with a scalar head learns to score answers (docs/training.md,
 * "reward_model").
 * SPDX-License-Identifier: MIT
 *
 * From pairs by -log sigmoid(r_chosen - r_rejected) (Bradley and Terry, 1952; Ouyang et al., 2022,
 * arXiv 2203.02155, section 3.5), from labelled answers by -log sigmoid(+-r). DeepSeek-R1 has one
 * of each: of helpfulness, which reads the final summary only, and of safety, which reads the whole
 * response (arXiv 2501.12948v2). The score is read at an answer's last token. */
#include "train/reward_model.h"

#include "train/feed.h"
#include "train/head.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

/* Where a sequence ends, and the score read there. */
typedef struct reading {
    const float *hidden; /* [D] */
    float *gradient;     /* [D]; NULL when only looked at */
    double score;
} reading;

typedef struct tally {
    double loss, margin;
    uint64_t right, n;
} tally;

typedef struct reward_model {
    reward_model_keys k;
    feed feed;
    scalar_head head;
    size_t examples; /* of the step: pairs or answers */
    reading chosen;  /* of the pair at work */
    tally now;
} reward_model;

/* ---- keys ------------------------------------------------------------------------------------ */

static const key own_keys[] = {
    {"scored", KEY_TEXT, offsetof(reward_model_keys, scored), 0, 0},
    {0},
};

/* DeepSeek-R1's numbers: a rate of 6e-6, one pass. Small models want more. */
ponder_status reward_model_read(reward_model_keys *k, const recipe_stage *s, const char *where,
                                ponder_error *err)
{
    *k = (reward_model_keys){.t = training_defaults(), .scored = "response"};
    k->t.lr = 6e-6;
    k->t.balance_loss = k->t.balance_speed = k->t.mtp_weight = 0;
    const key_table tables[] = {{stage_keys, NULL}, {training_keys, &k->t}, {own_keys, k}};
    TRY(keys_read(s->json, where, tables, COUNT_OF(tables), err));
    TRY(training_check(&k->t, where, err));
    if (strcmp(k->scored, "summary") && strcmp(k->scored, "response"))
        return err_set(err, PONDER_EFORMAT, "%s: \"scored\" \"%s\": want summary or response",
                       where, k->scored);
    if (!k->t.micro_tokens) /* the two of a pair are computed together */
        k->t.micro_tokens = size_max(STAGE_MICRO_TOKENS, 2 * k->t.max_tokens);
    return feed_check(&k->t, where, err);
}

ponder_status reward_model_check(const recipe *r, const recipe_stage *s, ponder_error *err)
{
    char where[256];
    reward_model_keys k;
    recipe_where(where, r, s);
    return reward_model_read(&k, s, where, err);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static size_t examples_of(const train_batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) n += b->seq[i].role != TRAIN_REJECTED;
    return n;
}

static ponder_status fill(void *user, train_loop *l, ponder_error *err)
{
    reward_model *r = user;
    TRY(feed_step(&r->feed, l, err));
    r->examples = examples_of(&l->batch);
    r->now = (tally){0};
    return PONDER_OK;
}

/* How far an example is on its right side, which grows with the score of `up` and falls with that
 * of `down`; either may be NULL. */
static void judge(reward_model *r, const reading *up, const reading *down)
{
    double margin = (up ? up->score : 0) - (down ? down->score : 0), slope;
    r->now.loss += logistic_loss(margin, &slope);
    r->now.margin += margin;
    r->now.right += margin > 0;
    r->now.n++;
    slope /= (double)r->examples;
    if (up && up->gradient) head_back(&r->head, up->hidden, slope, up->gradient);
    if (down && down->gradient) head_back(&r->head, down->hidden, -slope, down->gradient);
}

static void read_score(void *user, const train_loop *l, size_t sequence, const float *hidden,
                       float *gradient)
{
    reward_model *r = user;
    const train_batch *b = gradient ? &l->batch : &r->feed.held;
    size_t at = (b->seq[sequence].n - 1) * r->head.D;
    reading here = {hidden + at, gradient ? gradient + at : NULL,
                    head_score(&r->head, hidden + at)};
    switch (b->seq[sequence].role) {
    case TRAIN_CHOSEN: r->chosen = here; break;
    case TRAIN_REJECTED: judge(r, &r->chosen, &here); break;
    case TRAIN_BAD: judge(r, NULL, &here); break;
    default: judge(r, &here, NULL); break;
    }
}

static double share(double sum, uint64_t n) { return n ? sum / (double)n : 0; }

static double loss(void *user, const train_loop *l)
{
    const reward_model *r = user;
    (void)l;
    return share(r->now.loss, r->now.n);
}

static ponder_status after(void *user, train_loop *l, ponder_error *err)
{
    reward_model *r = user;
    metrics_put(&l->metrics, "accuracy", share((double)r->now.right, r->now.n));
    metrics_put(&l->metrics, "margin", share(r->now.margin, r->now.n));
    return head_step(&r->head, l->adamw.steps, lr_at(&l->o->lr, l->step - 1), l->o->clip, err);
}

static ponder_status evaluate(void *user, train_loop *l, ponder_error *err)
{
    reward_model *r = user;
    r->now = (tally){0};
    r->examples = 1;
    TRY(feed_score_held(&r->feed, l, err));
    metrics_put(&l->metrics, "eval_loss", share(r->now.loss, r->now.n));
    metrics_put(&l->metrics, "eval_accuracy", share((double)r->now.right, r->now.n));
    metrics_put(&l->metrics, "eval_margin", share(r->now.margin, r->now.n));
    return PONDER_OK;
}

static size_t sections(void *user, checkpoint_section *out)
{
    return head_sections(&((reward_model *)user)->head, out);
}

/* ---- running --------------------------------------------------------------------------------- */

static ponder_status check_data(const reward_model *r, const train_source *s,
                                const stage_context *c, ponder_error *err)
{
    const training *t = &r->k.t;
    if (!s->pairs && !s->labelled)
        return err_set(err, PONDER_EFORMAT,
                       "%s: want rows with \"prompt\", \"chosen\" and \"rejected\", or all with "
                       "\"prompt\", \"response\" and \"label\" (0 or 1)", c->where);
    if (s->pairs && t->micro_tokens < 2 * t->max_tokens)
        return err_set(err, PONDER_EFORMAT,
                       "%s: \"micro_tokens\" (%zu) must hold two sequences of \"max_tokens\" (%zu)",
                       c->where, t->micro_tokens, t->max_tokens);
    return PONDER_OK;
}

static ponder_status prepare(reward_model *r, const stage_context *c, ponder_error *err)
{
    *r = (reward_model){0};
    TRY(reward_model_read(&r->k, c->stage, c->where, err));
    const example_options o = {.summary = reward_model_reads_summary(&r->k)};
    TRY(feed_open(&r->feed, c, &r->k.t, &o, err));
    TRY(check_data(r, r->feed.data, c, err));
    return r->feed.eval ? check_data(r, r->feed.eval, c, err) : PONDER_OK;
}

/* The deviation is that of Ziegler et al. (2019, arXiv 1909.08593), section 2. */
static ponder_status open_head(reward_model *r, const stage_context *c, const model_trainable *m,
                               ponder_error *err)
{
    const adamw_options o = training_adamw(&r->k.t);
    size_t D = (size_t)model_config_of(model_trainable_model(m))->width;
    return head_open(&r->head, D, (float)(1 / sqrt((double)D + 1)), c->seed, &o, err);
}

static ponder_status save_head(const reward_model *r, const stage_context *c, ponder_error *err)
{
    char *path = stage_path(c->o->out, c->stage->name, REWARD_MODEL_HEAD);
    ponder_status st = path ? head_save(&r->head, path, err)
                            : err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    free(path);
    return st;
}

ponder_status reward_model_run(const stage_context *c, ponder_error *err)
{
    reward_model r;
    model_trainable *m = NULL;
    train_loop_options o;
    ponder_status st = prepare(&r, c, err);
    if (st == PONDER_OK) st = feed_open_model(&r.feed, &m, c, err);
    if (st == PONDER_OK) st = open_head(&r, c, m, err);
    if (st == PONDER_OK) st = stage_loop_options(&o, c, &r.k.t, err);
    if (st == PONDER_OK) {
        const train_stage stage = {.user = &r, .fill = fill, .head = read_score, .loss = loss,
                                   .after = after, .evaluate = r.feed.eval ? evaluate : NULL,
                                   .sections = sections};
        st = train_loop_run(m, &stage, &o, err);
    }
    if (st == PONDER_OK) st = save_head(&r, c, err);
    if (st == PONDER_OK) st = stage_save_model(c, &r.k.t, m, err);
    model_trainable_close(m);
    head_close(&r.head);
    feed_close(&r.feed);
    return st;
}
