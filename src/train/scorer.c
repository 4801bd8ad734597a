/* Scores of answers by the one forward pass.
 * SPDX-License-Identifier: MIT */
#include "train/scorer.h"

#include "train/head.h"
#include "train/reward_model.h"

#include <stdlib.h>

struct scorer {
    const char *name; /* of the stage; borrowed from the recipe */
    reward_model_keys keys;
    tokenizer *t;
    model *m;
    model_step *step;
    model_kv kv;
    scalar_head head;
    example_options examples;
    size_t tokens, sequences; /* of a forward pass at most */
    train_batch batch;
    micro_plan plan;
    model_span *spans; /* [sequences] */
    uint32_t *pages;
    float *hidden; /* [tokens, D] */
};

/* ---- opening --------------------------------------------------------------------------------- */

/* As the stage computed: with bits of its own measurements, but for FP8, which is read in BF16. */
static enum kern_kv kv_of(const scorer *s)
{
    return strcmp(s->keys.t.precision, "f32") ? KERN_KV_BF16 : KERN_KV_F32;
}

static size_t hidden_width(const scorer *s) { return (size_t)model_config_of(s->m)->width; }
static size_t pages_of(const scorer *s) { return s->tokens / KERN_PAGE + s->sequences; }

static ponder_status check_memory(const scorer *s, const stage_context *c, ponder_error *err)
{
    size_t need = model_step_bytes(s->m, c->o->pool, s->tokens) +
                  pages_of(s) * model_kv_page_bytes(model_config_of(s->m), kv_of(s)) +
                  s->tokens * hidden_width(s) * sizeof *s->hidden;
    size_t have = mem_available_bytes();
    if (c->o->screen)
        fprintf(c->o->screen, "%s: scores by \"%s\" take %.0f MB, and %.0f MB more at work\n",
                c->stage->name, s->name, (double)model_weight_bytes(s->m) * 1e-6,
                (double)need * 1e-6);
    if (need <= have) return PONDER_OK;
    return err_set(err, PONDER_ELIMIT,
                   "%s: scoring by \"%s\" needs %.0f MB and %.0f MB are free: lower its "
                   "\"max_tokens\" (%zu)", c->where, s->name, (double)need * 1e-6,
                   (double)have * 1e-6, s->tokens);
}

static ponder_status open_weights(scorer *s, const stage_context *c, const char *path,
                                  ponder_error *err)
{
    fmt_model *file = NULL;
    TRY(fmt_open(&file, path, err));
    ponder_status st = PONDER_OK;
    size_t bytes = fmt_file_bytes(file), have = mem_available_bytes();
    if (bytes > have)
        st = err_set(err, PONDER_ELIMIT, "%s: needs %.0f MB and %.0f MB are free", path,
                     (double)bytes * 1e-6, (double)have * 1e-6);
    const model_options o = {.cpu_mask = c->o->cpu_mask, .pool = c->o->pool,
                             .bf16 = kv_of(s) == KERN_KV_BF16};
    if (st == PONDER_OK) st = model_open(&s->m, file, &o, err);
    fmt_close(file);
    return st;
}

static ponder_status open_room(scorer *s, const stage_context *c, ponder_error *err)
{
    s->tokens = training_micro_tokens(&s->keys.t);
    s->sequences = size_max(2, s->tokens / 16);
    TRY(check_memory(s, c, err));
    TRY(model_step_open(&s->step, s->m, c->o->pool, s->tokens, err));
    TRY(model_kv_open(&s->kv, model_config_of(s->m), kv_of(s), pages_of(s), err));
    s->spans = calloc(s->sequences, sizeof *s->spans);
    s->pages = calloc(pages_of(s), sizeof *s->pages);
    s->hidden = calloc(s->tokens * hidden_width(s), sizeof *s->hidden);
    if (s->spans && s->pages && s->hidden) return PONDER_OK;
    return err_set(err, PONDER_ENOMEM, "%s: no memory to score by \"%s\"", c->where, s->name);
}

static ponder_status open_head(scorer *s, const stage_context *c, ponder_error *err)
{
    const adamw_options o = training_adamw(&s->keys.t);
    TRY(head_open(&s->head, hidden_width(s), 0, 0, &o, err));
    char *path = stage_path(c->o->out, s->name, REWARD_MODEL_HEAD);
    ponder_status st = path ? head_load(&s->head, path, err)
                            : err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    free(path);
    return st;
}

static ponder_status open_model(scorer *s, const stage_context *c, ponder_error *err)
{
    char *path = stage_path(c->o->out, s->name, "model.gguf");
    ponder_status st = PONDER_OK;
    if (!path) st = err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    else if (!file_exists(path))
        st = err_set(err, PONDER_ENOTFOUND, "%s: %s is not there yet: run the stage that makes it",
                     c->where, path);
    if (st == PONDER_OK) st = tokenizer_open(&s->t, path, err);
    if (st == PONDER_OK) st = open_weights(s, c, path, err);
    free(path);
    return st;
}

ponder_status scorer_open(scorer **out, const stage_context *c, const char *stage,
                          const char *where, ponder_error *err)
{
    size_t k = recipe_find(c->recipe, stage, c->recipe->n);
    const recipe_stage *of = &c->recipe->stage[k];
    *out = NULL;
    if (k == c->recipe->n || stage_kind_find(of->kind)->makes != STAGE_SCORER)
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" is no stage that makes a reward model",
                       where, stage);
    scorer *s = calloc(1, sizeof *s);
    if (!s) return err_set(err, PONDER_ENOMEM, "%s: out of memory", where);
    s->name = of->name;
    stage_context mine = *c;
    mine.where = where;
    ponder_status st = reward_model_read(&s->keys, of, where, err);
    if (st == PONDER_OK) st = open_model(s, &mine, err);
    if (st == PONDER_OK) st = open_room(s, &mine, err);
    if (st == PONDER_OK) st = open_head(s, &mine, err);
    mine.t = s->t; /* it reads with its own tokenizer */
    s->examples = (example_options){.t = s->t, .max_tokens = s->keys.t.max_tokens, .cut = true,
                                    .summary = reward_model_reads_summary(&s->keys)};
    if (st == PONDER_OK) st = stage_template(&s->examples.template, &mine, &s->keys.t, err);
    if (st == PONDER_OK) *out = s;
    else scorer_close(s);
    return st;
}

void scorer_close(scorer *s)
{
    if (!s) return;
    head_close(&s->head);
    model_step_close(s->step);
    model_kv_close(&s->kv);
    model_close(s->m);
    tokenizer_close(s->t);
    batch_free(&s->batch);
    micro_plan_free(&s->plan);
    free(s->spans), free(s->pages), free(s->hidden);
    free(s);
}

/* ---- scoring --------------------------------------------------------------------------------- */

/* The sequences order[0, n) in one forward pass, each from its first position. */
static ponder_status run(scorer *s, const uint32_t *order, size_t n, float *score,
                         ponder_error *err)
{
    size_t D = hidden_width(s), at = 0, page = 0;
    for (size_t i = 0; i < n; i++) {
        const train_sequence *q = &s->batch.seq[order[i]];
        s->spans[i] = (model_span){.ids = s->batch.ids + q->at, .n = q->n,
                                   .pages = s->pages + page, .hidden = s->hidden + at * D};
        for (size_t k = 0; k < size_ceil_div(q->n, KERN_PAGE); k++, page++)
            s->pages[page] = (uint32_t)page;
        at += q->n;
    }
    TRY(model_forward(s->step, s->m, &s->kv, s->spans, n, err));
    for (size_t i = 0; i < n; i++)
        score[order[i]] =
            (float)head_score(&s->head, s->spans[i].hidden + (s->spans[i].n - 1) * D);
    return PONDER_OK;
}

ponder_status scorer_score(scorer *s, const scorer_text *text, size_t n, float *score,
                           ponder_error *err)
{
    train_batch *b = &s->batch;
    batch_clear(b);
    for (size_t i = 0; i < n; i++) {
        TRY(example_answer(&s->examples, b, text[i].prompt, text[i].response, TRAIN_PLAIN, err));
        if (b->n != i + 1)
            return err_set(err, PONDER_ELIMIT,
                           "\"%s\" has no room for an answer after a prompt of %zu bytes: raise "
                           "its \"max_tokens\" (%zu)", s->name, text[i].prompt.n,
                           s->keys.t.max_tokens);
    }
    TRY(micro_plan_make(&s->plan, b, s->tokens, s->sequences, err));
    for (size_t k = 0; k < s->plan.n; k++) {
        size_t first = s->plan.first[k];
        TRY(run(s, s->plan.order + first, s->plan.first[k + 1] - first, score, err));
    }
    return PONDER_OK;
}
