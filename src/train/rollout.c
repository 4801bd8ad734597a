/* rollout: groups of answers through the engine that serves.
 * SPDX-License-Identifier: MIT */
#include "train/rollout.h"

/* What an event needs to find its sample; one per question. */
struct rollout_question {
    rollout *r;
    size_t first; /* sample */
    size_t *ended;
};

/* All arrays, on a counting arena or a real one. */
static void place(rollout *r, arena *a)
{
    size_t n = r->questions * r->group;
    r->samples = arena_new(a, rollout_sample, n);
    r->asked = arena_new(a, struct rollout_question, r->questions);
    int32_t *ids = arena_new(a, int32_t, n * r->longest);
    float *logprob = arena_new(a, float, n * r->longest);
    if (!a->base) return;
    for (size_t i = 0; i < n; i++)
        r->samples[i] =
            (rollout_sample){.ids = ids + i * r->longest, .logprob = logprob + i * r->longest};
}

ponder_status rollout_open(rollout *r, size_t questions, size_t group, size_t longest,
                           ponder_error *err)
{
    *r = (rollout){.questions = questions, .group = group, .longest = longest};
    size_t samples, numbers;
    if (!size_mul(&samples, questions, group) || !size_mul(&numbers, samples, longest) ||
        numbers > SIZE_MAX / 64)
        return err_set(err, PONDER_ELIMIT, "%zu questions times %zu answers of %zu tokens",
                       questions, group, longest);
    arena count = {0};
    place(r, &count);
    TRY(arena_open(&r->memory, count.used, err));
    place(r, &r->memory);
    return PONDER_OK;
}

void rollout_close(rollout *r)
{
    arena_close(&r->memory);
    *r = (rollout){0};
}

static void on_event(void *user, const engine_event *ev)
{
    const struct rollout_question *q = user;
    rollout_sample *s = &q->r->samples[q->first + ev->choice];
    if (ev->kind == ENGINE_TOKEN) {
        s->logprob[s->n - s->prompt] = ev->logprob;
        s->ids[s->n++] = ev->id;
    } else if (ev->kind == ENGINE_FINISH) {
        s->finish = ev->finish;
        ++*q->ended;
    }
}

static ponder_status submit(rollout *r, engine *e, const rollout_prompt *p,
                            struct rollout_question *q, const engine_request *form,
                            ponder_error *err)
{
    engine_request ask = *form;
    if (p->n >= r->longest)
        return err_set(err, PONDER_ELIMIT, "a prompt of %zu tokens leaves no room in %zu", p->n,
                       r->longest);
    ask.prompt = p->ids;
    ask.n_prompt = p->n;
    ask.max_tokens = size_min(form->max_tokens, r->longest - p->n);
    ask.sampling.seed = p->seed;
    ask.user = q;
    for (size_t c = 0; c < r->group; c++) {
        rollout_sample *s = &r->samples[q->first + c];
        memcpy(s->ids, p->ids, p->n * sizeof *s->ids);
        s->n = s->prompt = p->n;
    }
    uint64_t id;
    return engine_submit(e, &ask, &id, err);
}

ponder_status rollout_fill(rollout *r, engine *e, size_t first, const rollout_prompt *prompt,
                           size_t n, const engine_sampling *sampling, size_t max_tokens,
                           progress *bar, ponder_error *err)
{
    const engine_request form = {
        .choices = r->group,
        .max_tokens = max_tokens,
        .sampling = *sampling,
        .raw = true,
        .event = on_event,
    };
    size_t ended = 0;
    for (size_t i = 0; i < n; i++) {
        r->asked[i] = (struct rollout_question){r, (first + i) * r->group, &ended};
        TRY(submit(r, e, &prompt[i], &r->asked[i], &form, err));
    }
    while (engine_busy(e)) {
        TRY(engine_step(e, err));
        if (bar) progress_update(bar, (double)ended);
    }
    for (size_t i = first * r->group; i < (first + n) * r->group; i++)
        if (r->samples[i].finish == ENGINE_BROKEN)
            return err_set(err, PONDER_EFORMAT, "the model computes no numbers any more");
    return PONDER_OK;
}
