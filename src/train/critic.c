/* A value network beside a policy.
 * SPDX-License-Identifier: MIT
 *
 * What it expected of a chunk is kept with its parameters, so that a run that stopped inside the
 * chunk goes on with the same advantages. */
#include "train/critic.h"

#include "train/head.h"
#include "train/ppo.h"

#include <math.h>
#include <stdlib.h>

struct critic {
    critic_options o;
    size_t answers, longest; /* of a chunk; tokens of prompt and answer */
    double clip;             /* of gradient norms */
    pool *pool;
    model_trainable *m;
    adamw adamw;
    scalar_head head;
    bool packed; /* weights follow the parameters; not yet after a checkpoint was loaded */
    float *value, *target, *advantage, *reward; /* [answers, longest] of answers' tokens */
    /* The batch at work. */
    train_batch batch;
    batch_runner runner;
    const rollout *r;
    size_t *member;      /* [answers] of a sequence: its answer */
    double weight, loss; /* of a token; of the batch */
    /* For the log. */
    double seconds, explained, kl;
};

/* ---- opening --------------------------------------------------------------------------------- */

static ponder_status open_parts(critic *v, const stage_context *c, const training *t,
                                ponder_error *err)
{
    const adamw_options adam = training_adamw(t);
    size_t n;
    TRY(train_adamw_open(&v->adamw, v->m, &adam, err));
    TRY(head_open(&v->head, (size_t)model_config_of(model_trainable_model(v->m))->width, 0, 0,
                  &adam, err));
    v->runner = (batch_runner){.t = v->m, .max_tokens = training_micro_tokens(t),
                               .max_sequences = training_micro_sequences(t)};
    if (!size_mul(&n, v->answers, v->longest)) n = SIZE_MAX / 64;
    v->value = calloc(n, sizeof *v->value);
    v->target = calloc(n, sizeof *v->target);
    v->advantage = calloc(n, sizeof *v->advantage);
    v->reward = calloc(n, sizeof *v->reward);
    v->member = calloc(v->answers, sizeof *v->member);
    if (v->value && v->target && v->advantage && v->reward && v->member) return PONDER_OK;
    return err_set(err, PONDER_ENOMEM, "%s: no memory for %zu answers", c->where, v->answers);
}

ponder_status critic_open(critic **out, model_trainable *m, const stage_context *c,
                          const training *t, const critic_options *o, size_t answers,
                          ponder_error *err)
{
    *out = NULL;
    critic *v = calloc(1, sizeof *v);
    if (!v) return err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    *v = (critic){.o = *o, .answers = answers, .longest = t->max_tokens, .clip = t->clip,
                  .pool = c->o->pool, .m = m};
    ponder_status st = open_parts(v, c, t, err);
    if (st == PONDER_OK) *out = v;
    else critic_close(v);
    return st;
}

void critic_close(critic *v)
{
    if (!v) return;
    adamw_close(&v->adamw);
    head_close(&v->head);
    batch_free(&v->batch);
    batch_runner_free(&v->runner);
    free(v->value), free(v->target), free(v->advantage), free(v->reward), free(v->member);
    free(v);
}

size_t critic_sections(critic *v, checkpoint_section out[CRITIC_SECTIONS])
{
    size_t n;
    float *w = model_trainable_masters(v->m, &n);
    num_type moments = v->adamw.o.bf16_moments ? NUM_BF16 : NUM_F32;
    out[0] = (checkpoint_section){"critic", NUM_F32, w, n};
    out[1] = (checkpoint_section){"critic.m", moments, v->adamw.m, n};
    out[2] = (checkpoint_section){"critic.v", moments, v->adamw.v, n};
    out[3] = (checkpoint_section){"expected", NUM_F32, v->value, v->answers * v->longest};
    return 4 + head_sections(&v->head, out + 4);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Values before each token of an answer: read where that token is predicted. */
static void read_values(void *user, size_t sequence, const float *hidden, float *gradient)
{
    critic *v = user;
    size_t i = v->member[v->runner.place[sequence].sequence], D = v->head.D, at = i * v->longest;
    const rollout_sample *s = &v->r->samples[i];
    for (size_t t = 0; t < s->n - s->prompt; t++) {
        size_t h = (s->prompt - 1 + t) * D;
        double value = head_score(&v->head, hidden + h), slope;
        if (!gradient) {
            v->value[at + t] = (float)value;
            continue;
        }
        v->loss += v->weight * ppo_value_loss(value, (double)v->value[at + t],
                                              (double)v->target[at + t], (double)v->o.clip, &slope);
        head_back(&v->head, hidden + h, v->weight * slope, gradient + h);
    }
}

/* Answers [from, from + n) through the model. */
static ponder_status run(critic *v, const rollout *r, size_t from, size_t n, bool learn,
                         ponder_error *err)
{
    const model_train_loss loss = {.head = read_values, .user = v, .look = !learn};
    size_t answered = 0;
    if (!v->packed) model_trainable_refresh(v->m);
    v->packed = true;
    v->r = r;
    v->loss = 0;
    batch_clear(&v->batch);
    for (size_t i = from; i < from + n; i++) {
        const rollout_sample *s = &r->samples[i];
        if (s->n == s->prompt) continue;
        v->member[v->batch.n] = i;
        answered += s->n - s->prompt;
        batch_begin(&v->batch, TRAIN_PLAIN);
        batch_put(&v->batch, s->ids, s->n, 0);
        batch_end(&v->batch);
    }
    TRY(batch_check(&v->batch, err));
    v->weight = answered ? 1 / (double)answered : 0;
    return batch_run(&v->runner, &v->batch, &loss, 0, NULL, err);
}

ponder_status critic_expect(critic *v, const rollout *r, ponder_error *err)
{
    double start = clock_seconds();
    ponder_status st = run(v, r, 0, v->answers, false, err);
    v->seconds += clock_seconds() - start;
    return st;
}

static ponder_status update(critic *v, uint64_t steps, double lr, ponder_error *err)
{
    size_t n;
    float *w = model_trainable_masters(v->m, &n);
    const float *g = model_trainable_gradients(v->m);
    double norm = adamw_norm(&v->adamw, g, v->pool);
    if (!isfinite(norm) || !isfinite(v->loss))
        return err_set(err, PONDER_EFORMAT,
                       "the critic's loss is %g and its gradient is not finite: lower \"value_lr\"",
                       v->loss);
    TRY(head_step(&v->head, steps, lr, v->clip, err));
    v->adamw.steps = steps - 1;
    adamw_step(&v->adamw, w, g, (float)lr, clip_scale(norm, v->clip), v->pool);
    model_trainable_refresh(v->m);
    return PONDER_OK;
}

ponder_status critic_learn(critic *v, const rollout *r, size_t from, size_t n, uint64_t steps,
                           double lr, ponder_error *err)
{
    double start = clock_seconds();
    model_trainable_zero(v->m);
    TRY(run(v, r, from, n, true, err));
    TRY(update(v, steps, lr, err));
    v->seconds += clock_seconds() - start;
    return PONDER_OK;
}

/* ---- advantages ------------------------------------------------------------------------------ */

typedef struct moments {
    double sum, squares;
    size_t n;
} moments;

static void add(moments *m, double x) { m->sum += x, m->squares += x * x, m->n++; }
static double mean(const moments *m) { return m->n ? m->sum / (double)m->n : 0; }
static double variance(const moments *m)
{
    return m->n ? fmax(m->squares / (double)m->n - mean(m) * mean(m), 0) : 0;
}

void critic_advise(critic *v, const rollout *r, const float *reward, const float *reference)
{
    moments advantages = {0}, targets = {0}, penalties = {0};
    for (size_t i = 0; i < v->answers; i++) {
        const rollout_sample *s = &r->samples[i];
        size_t n = s->n - s->prompt, at = i * v->longest;
        for (size_t t = 0; t < n; t++) {
            double kl = reference ? (double)s->logprob[t] - (double)reference[at + t] : 0;
            v->reward[at + t] = (float)(-(double)v->o.kl * kl);
            add(&penalties, kl);
        }
        if (n) v->reward[at + n - 1] += reward[i];
        ppo_advantages(v->advantage + at, v->target + at, v->reward + at, v->value + at, n,
                       v->o.gamma, v->o.lambda);
        for (size_t t = at; t < at + n; t++)
            add(&advantages, (double)v->advantage[t]), add(&targets, (double)v->target[t]);
    }
    v->kl = mean(&penalties);
    /* The advantage is by how much the value was off. */
    v->explained = variance(&targets) > 0 ? 1 - variance(&advantages) / variance(&targets) : 0;
    double off = mean(&advantages), scale = 1 / (sqrt(variance(&advantages)) + 1e-8);
    for (size_t i = 0; i < v->answers && !v->o.raw; i++)
        for (size_t t = 0; t < r->samples[i].n - r->samples[i].prompt; t++) {
            float *a = &v->advantage[i * v->longest + t];
            *a = (float)(((double)*a - off) * scale);
        }
}

const float *critic_advantages(const critic *v, size_t answer)
{
    return v->advantage + answer * v->longest;
}

void critic_tell(critic *v, metrics *m)
{
    metrics_put(m, "value_loss", v->loss);
    metrics_put(m, "value_explained", v->explained);
    if (v->o.kl > 0) metrics_put(m, "kl", v->kl);
    metrics_put(m, "value_s", v->seconds);
    v->seconds = 0;
}
