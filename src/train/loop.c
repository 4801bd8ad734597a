/* The steps of a stage.
 * SPDX-License-Identifier: MIT */
#include "train/loop.h"

#include "train/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { REPORT_SECONDS = 30 };

/* ---- running a batch ------------------------------------------------------------------------- */

static float slope_of(void *user, size_t sequence, size_t i, float logprob)
{
    const train_loop *l = user;
    size_t s = l->runner.place[sequence].sequence;
    i += l->runner.place[sequence].from;
    if (l->stage->slope) return l->stage->slope(l->stage->user, l, s, i, logprob);
    return (float)(-(double)l->batch.weight[l->batch.seq[s].at + i] / l->weight);
}

static void head_of(void *user, size_t sequence, const float *hidden, float *gradient)
{
    const train_loop *l = user;
    l->stage->head(l->stage->user, l, l->runner.place[sequence].sequence, hidden, gradient);
}

/* With `learn` gradients are added to. */
static ponder_status run_batch(train_loop *l, train_batch *b, bool learn, bool entropy,
                               ponder_error *err)
{
    bool on_tokens = !l->stage->head || l->stage->slope;
    const model_train_loss loss = {.slope = on_tokens ? slope_of : NULL,
                                   .head = l->stage->head ? head_of : NULL, .user = l,
                                   .look = !learn};
    unsigned want = (on_tokens ? BATCH_LOGPROB : 0u) | (entropy ? BATCH_ENTROPY : 0u);
    return batch_run(&l->runner, b, &loss, want, &l->stats, err);
}

ponder_status train_loop_score(train_loop *l, train_batch *b, bool entropy, ponder_error *err)
{
    uint64_t *load = l->stats.load;
    l->stats.load = NULL; /* what is only looked at does not count */
    ponder_status st = run_batch(l, b, false, entropy, err);
    l->stats.load = load;
    return st;
}

/* Over predictions with a weight: sum of weight * x / sum of weight. */
static double weighted_mean(const train_batch *b, const float *x)
{
    double sum = 0, weight = 0;
    for (size_t s = 0; s < b->n; s++)
        for (size_t i = b->seq[s].at; i + 1 < b->seq[s].at + b->seq[s].n; i++) {
            if (b->weight[i] == 0) continue;
            sum += (double)b->weight[i] * (double)x[i];
            weight += (double)b->weight[i];
        }
    return weight > 0 ? sum / weight : 0;
}

double batch_loss(const train_batch *b) { return -weighted_mean(b, b->logprob); }

/* ---- one step -------------------------------------------------------------------------------- */

typedef struct outcome {
    double loss, entropy, norm, lr, seconds;
} outcome;

/* Names the first parameter whose gradient is no number. */
static ponder_status not_finite(train_loop *l, const outcome *r, ponder_error *err)
{
    size_t n;
    const model_param *p = model_trainable_params(l->t, &n);
    const float *g = model_trainable_gradients(l->t);
    const char *name = NULL;
    for (size_t i = 0; i < n && !name; i++)
        for (size_t k = 0; k < p[i].n && !name; k++)
            if (!isfinite(g[p[i].at + k])) name = p[i].tensor.name;
    return err_set(err, PONDER_EFORMAT,
                   "stage %s, step %" PRIu64
                   ": the loss is %g and the gradient of %s is not finite; "
                   "nothing was updated, the last checkpoint stays. Lower \"lr\" or \"clip\"",
                   l->o->name, l->step + 1, r->loss, name ? name : "no tensor");
}

static ponder_status update(train_loop *l, outcome *r, ponder_error *err)
{
    const float *g = l->lora.rank ? l->lora.gradients : model_trainable_gradients(l->t);
    if (l->lora.rank) lora_gradients(&l->lora, l->o->pool);
    r->norm = adamw_norm(&l->adamw, g, l->o->pool);
    if (!isfinite(r->norm) || !isfinite(r->loss)) return not_finite(l, r, err);
    r->lr = lr_at(&l->o->lr, l->step);
    adamw_step(&l->adamw, l->values, g, (float)r->lr, clip_scale(r->norm, l->o->clip), l->o->pool);
    if (l->lora.rank) lora_apply(&l->lora, l->o->pool);
    if (l->stats.load && l->o->balance_speed > 0 && !l->lora.rank)
        model_train_balance(l->t, l->stats.load, l->o->balance_speed);
    model_trainable_refresh(l->t);
    return PONDER_OK;
}

/* The busiest expert's load over the mean, of each layer that has experts and of the worst one; 1 is
 * perfect balance. */
static void log_load(train_loop *l)
{
    const model_config *c = model_config_of(model_trainable_model(l->t));
    double worst = 0;
    for (int layer = 0; layer < c->layers + c->mtp_layers; layer++) {
        const uint64_t *load = l->stats.load + (size_t)layer * (size_t)c->experts;
        double most = 0, sum = 0;
        char key[32];
        for (int e = 0; e < c->experts; e++) {
            sum += (double)load[e];
            if ((double)load[e] > most) most = (double)load[e];
        }
        if (sum == 0) continue;
        snprintf(key, sizeof key, "expert_load/%d", layer);
        metrics_put(&l->metrics, key, most * c->experts / sum);
        if (most * c->experts / sum > worst) worst = most * c->experts / sum;
    }
    metrics_put(&l->metrics, "expert_load", worst);
}

static ponder_status log_step(train_loop *l, const outcome *r, ponder_error *err)
{
    metrics *m = &l->metrics;
    metrics_begin(m, l->step);
    metrics_put(m, "loss", r->loss);
    metrics_put(m, "lr", r->lr);
    metrics_put(m, "grad_norm", r->norm);
    if (l->wants_entropy) metrics_put(m, "entropy", r->entropy);
    if (l->stats.mtp_loss != 0) metrics_put(m, "mtp_loss", l->stats.mtp_loss);
    if (l->stats.balance_loss != 0) metrics_put(m, "balance_loss", l->stats.balance_loss);
    if (l->stats.load) log_load(l);
    metrics_put(m, "sequences", (double)l->batch.n);
    metrics_put(m, "tokens", (double)l->tokens);
    if (l->batch.skipped) metrics_put(m, "skipped", (double)l->batch.skipped);
    metrics_put(m, "tok_per_s", (double)l->batch.used / r->seconds);
    if (l->stage->after) TRY(l->stage->after(l->stage->user, l, err));
    return metrics_end(m, err);
}

static void show(const train_loop *l, const outcome *r)
{
    char text[192];
    if (l->figures[0]) snprintf(text, sizeof text, "%s", l->figures);
    else
        snprintf(text, sizeof text, "loss %.4f  lr %.2e  |g| %.3g", r->loss, r->lr, r->norm);
    view_step(l->view, l->step, text, (double)l->batch.used / r->seconds);
}

static size_t load_bytes(const model_config *c)
{
    return (size_t)(c->layers + c->mtp_layers) * (size_t)c->experts * sizeof(uint64_t);
}

static ponder_status save(train_loop *l, ponder_error *err);

/* When there is nothing to learn from, say because a program that judges answers is broken, the steps
 * made so far are kept; the first error is the one that matters. */
static ponder_status fill(train_loop *l, ponder_error *err)
{
    ponder_status st = l->stage->fill(l->stage->user, l, err);
    if (st == PONDER_OK) return st;
    bool saved = l->step > 0 && save(l, NULL) == PONDER_OK;
    return err_context(err, st, "step %" PRIu64 "%s", l->step + 1,
                       saved ? " (all before is saved)" : "");
}

static ponder_status step(train_loop *l, ponder_error *err)
{
    outcome r = {0};
    double start = clock_seconds();
    batch_clear(&l->batch);
    TRY(fill(l, err));
    TRY(batch_check(&l->batch, err));
    l->weight = batch_weight(&l->batch);
    if (l->stats.load)
        memset(l->stats.load, 0, load_bytes(model_config_of(model_trainable_model(l->t))));
    l->stats.mtp_loss = l->stats.balance_loss = 0;
    model_trainable_zero(l->t);
    if (l->batch.n && (l->weight > 0 || l->stage->slope || l->stage->head)) {
        ponder_status st = run_batch(l, &l->batch, true, l->wants_entropy, err);
        if (st != PONDER_OK)
            return err_context(err, st, "stage %s, step %" PRIu64, l->o->name, l->step + 1);
        r.loss = l->stage->loss ? l->stage->loss(l->stage->user, l) : batch_loss(&l->batch);
        if (l->wants_entropy) r.entropy = weighted_mean(&l->batch, l->batch.entropy);
    }
    TRY(update(l, &r, err));
    l->step++;
    l->tokens += l->batch.used;
    r.seconds = clock_seconds() - start;
    TRY(log_step(l, &r, err));
    show(l, &r);
    return PONDER_OK;
}

/* ---- saving and going on --------------------------------------------------------------------- */

static size_t sections(train_loop *l, checkpoint_section s[CHECKPOINT_SECTIONS])
{
    size_t n = l->n_values;
    num_type moments = l->adamw.o.bf16_moments ? NUM_BF16 : NUM_F32;
    s[0] = (checkpoint_section){l->lora.rank ? "adapters" : "masters", NUM_F32, l->values, n};
    s[1] = (checkpoint_section){"adam.m", moments, l->adamw.m, n};
    s[2] = (checkpoint_section){"adam.v", moments, l->adamw.v, n};
    return 3 + (l->stage->sections ? l->stage->sections(l->stage->user, s + 3) : 0);
}

static ponder_status save(train_loop *l, ponder_error *err)
{
    checkpoint_section s[CHECKPOINT_SECTIONS];
    size_t n = sections(l, s);
    buf state = {0};
    json_writer w = {.out = &state};
    char identity[20];
    snprintf(identity, sizeof identity, "%016" PRIx64, l->o->identity);
    json_open(&w, '{');
    json_key(&w, "stage"), json_text(&w, str_of(l->o->name));
    json_key(&w, "identity"), json_text(&w, str_of(identity));
    json_key(&w, "step"), json_i64(&w, (int64_t)l->step);
    json_key(&w, "position"), json_i64(&w, (int64_t)l->position);
    json_key(&w, "tokens"), json_i64(&w, (int64_t)l->tokens);
    json_key(&w, "adam_steps"), json_i64(&w, (int64_t)l->adamw.steps);
    json_close(&w, '}');
    ponder_status st =
        state.failed ? err_set(err, PONDER_ENOMEM, "checkpoint: out of memory")
                     : checkpoint_save(l->o->dir, l->step, buf_str(&state), s, n, l->o->keep, err);
    buf_free(&state);
    return st;
}

static ponder_status read_state(train_loop *l, const json_t *state, const char *path,
                                ponder_error *err)
{
    char identity[20];
    int64_t at = 0, position = 0, tokens_done = 0, adam = 0;
    snprintf(identity, sizeof identity, "%016" PRIx64, l->o->identity);
    if (!str_eq(json_str(json_object_get(state, "identity")), str_of(identity)))
        return err_set(
            err, PONDER_EARG,
            "%s: is of a run with other settings; put them back, choose another --out, or "
            "remove %s to begin the stage anew",
            path, l->o->dir);
    TRY(json_field_i64(state, path, "step", 0, (int64_t)l->o->lr.steps, &at, err));
    TRY(json_field_i64(state, path, "position", 0, INT64_MAX, &position, err));
    TRY(json_field_i64(state, path, "tokens", 0, INT64_MAX, &tokens_done, err));
    TRY(json_field_i64(state, path, "adam_steps", 0, INT64_MAX, &adam, err));
    l->step = (uint64_t)at;
    l->position = (uint64_t)position;
    l->tokens = (uint64_t)tokens_done;
    l->adamw.steps = (uint64_t)adam;
    return PONDER_OK;
}

static ponder_status resume(train_loop *l, bool *resumed, ponder_error *err)
{
    char *path;
    json_t *state = NULL;
    checkpoint_section s[CHECKPOINT_SECTIONS];
    *resumed = checkpoint_find(&path, l->o->dir, NULL) == PONDER_OK;
    if (!*resumed) return PONDER_OK;
    ponder_status st = checkpoint_state(&state, path, err);
    if (st == PONDER_OK) st = read_state(l, state, path, err);
    if (st == PONDER_OK) st = checkpoint_load(path, s, sections(l, s), err);
    if (st == PONDER_OK && l->lora.rank) lora_apply(&l->lora, l->o->pool);
    if (st == PONDER_OK) model_trainable_refresh(l->t);
    if (st == PONDER_OK && l->o->screen)
        fprintf(l->o->screen, "%s: goes on from step %" PRIu64 "\n", l->o->name, l->step);
    json_decref(state);
    free(path);
    return st;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Adapters, which all decay as the matrices they are. */
static ponder_status open_lora(train_loop *l, ponder_error *err)
{
    const train_loop_options *o = l->o;
    TRY(lora_open(&l->lora, l->t, o->lora_rank, o->lora_alpha, o->lora_seed, err));
    l->values = l->lora.values;
    l->n_values = l->lora.count;
    const adamw_range all = {0, l->n_values, true};
    return adamw_open(&l->adamw, l->n_values, &all, 1, &o->adamw, err);
}

ponder_status train_adamw_open(adamw *a, model_trainable *t, const adamw_options *o,
                               ponder_error *err)
{
    size_t n, values;
    const model_param *p = model_trainable_params(t, &n);
    (void)model_trainable_masters(t, &values);
    adamw_range *range = malloc(size_max(n, 1) * sizeof *range);
    if (!range) return err_set(err, PONDER_ENOMEM, "optimiser: out of memory");
    for (size_t i = 0; i < n; i++) { /* up to the next one: what pads between them stays zero */
        size_t end = i + 1 < n ? p[i + 1].at : values;
        range[i] = (adamw_range){p[i].at, end - p[i].at, p[i].decays};
    }
    ponder_status st = adamw_open(a, values, range, n, o, err);
    free(range);
    return st;
}

static ponder_status open_adamw(train_loop *l, ponder_error *err)
{
    if (l->o->lora_rank) return open_lora(l, err);
    l->values = model_trainable_masters(l->t, &l->n_values);
    return train_adamw_open(&l->adamw, l->t, &l->o->adamw, err);
}

static ponder_status open_loop(train_loop *l, ponder_error *err)
{
    const model_config *c = model_config_of(model_trainable_model(l->t));
    TRY(open_adamw(l, err));
    l->stats.load = c->experts ? calloc(1, load_bytes(c)) : NULL;
    if (c->experts && !l->stats.load) return err_set(err, PONDER_ENOMEM, "stage: out of memory");
    bool resumed;
    TRY(resume(l, &resumed, err));
    return metrics_open(&l->metrics, l->o->metrics, l->o->name, resumed ? (int64_t)l->step : -1,
                        err);
}

static ponder_status evaluate(train_loop *l, ponder_error *err)
{
    if (!l->stage->evaluate) return PONDER_OK;
    view_end(l->view);
    metrics_begin(&l->metrics, l->step);
    TRY(l->stage->evaluate(l->stage->user, l, err));
    return metrics_end(&l->metrics, err);
}

static bool due(uint64_t step, uint64_t every) { return every && step % every == 0; }

static ponder_status report(const train_loop *l, double *last, bool now, ponder_error *err)
{
    if (!l->o->report || (!now && clock_seconds() - *last < REPORT_SECONDS)) return PONDER_OK;
    *last = clock_seconds();
    return report_write(l->o->report, l->o->metrics, l->o->title, err);
}

static ponder_status run_steps(train_loop *l, ponder_error *err)
{
    double reported = clock_seconds();
    const uint64_t steps = l->o->lr.steps;
    if (l->step == 0) TRY(evaluate(l, err));
    while (l->step < steps) {
        TRY(step(l, err));
        bool last = l->step == steps, stop = l->o->stop && *l->o->stop;
        if (last || due(l->step, l->o->eval_every)) TRY(evaluate(l, err));
        if (last || stop || due(l->step, l->o->save_every)) TRY(save(l, err));
        TRY(report(l, &reported, last || stop, err));
        if (stop && !last)
            return err_set(err, PONDER_ECANCELED,
                           "stage %s: stopped and saved after step %" PRIu64 " of %" PRIu64
                           "; the same command goes on from there", l->o->name, l->step, steps);
    }
    return PONDER_OK;
}

ponder_status train_loop_run(model_trainable *t, const train_stage *stage,
                             const train_loop_options *o, ponder_error *err)
{
    train_view view;
    train_loop l = {.o = o, .stage = stage, .t = t, .view = &view,
                    .runner = {.t = t, .max_tokens = o->micro_tokens,
                               .max_sequences = o->micro_sequences}};
    ponder_status st = open_loop(&l, err);
    view_begin(&view, o->screen, o->name, l.step, o->lr.steps);
    if (st == PONDER_OK) st = run_steps(&l, err);
    view_end(&view);
    metrics_close(&l.metrics);
    adamw_close(&l.adamw);
    lora_close(&l.lora);
    batch_free(&l.batch);
    batch_runner_free(&l.runner);
    free(l.stats.load);
    return st;
}
