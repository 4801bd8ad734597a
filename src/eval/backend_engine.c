/* Answers from the engine of this process.
 * SPDX-License-Identifier: MIT */
#include "eval/backend.h"

#include <math.h>
#include <stdlib.h>

/* Above any logit: makes its token the only choice. The log-probability reported is the model's own. */
static const float FORCE = 1e6f;

struct ask;
/* What one sequence of the engine writes: a sample, or the trial of one letter. */
typedef struct piece {
    struct ask *ask;
    size_t index; /* of the sample in its ask, or of the letter */
    buf text, reasoning;
    double logprob;
} piece;

typedef struct ask {
    struct ask *next;
    struct engine_backend *b;
    size_t question, first, letters;
    size_t n, left; /* pieces; those not finished */
    bool refused;   /* not every letter could be tried */
    double prompt_tokens;
    piece pieces[];
} ask;

typedef struct engine_backend {
    eval_backend base; /* first: one pointer for both */
    eval_engine_options opt;
    engine_bias letter_bias[EVAL_LETTERS]; /* filled when letters are first asked for */
    bool letter_blank; /* the letters' tokens come after a blank of the prompt */
    size_t at_work;    /* sequences */
    ask *asks;
    str stops[ENGINE_STOPS];
    size_t n_stops;
} engine_backend;

static void ask_free(ask *a)
{
    for (size_t i = 0; i < a->n; i++) {
        buf_free(&a->pieces[i].text);
        buf_free(&a->pieces[i].reasoning);
    }
    free(a);
}

static void drop(ask *a)
{
    ask **at = &a->b->asks;
    while (*at != a) at = &(*at)->next;
    *at = a->next;
    ask_free(a);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void reply_sample(piece *p, const engine_event *ev)
{
    engine_backend *b = p->ask->b;
    eval_reply r = {.question = p->ask->question,
                    .sample = p->ask->first + p->index,
                    .text = buf_str(&p->text),
                    .reasoning = buf_str(&p->reasoning),
                    .finish = engine_finish_name(ev->finish),
                    .prompt_tokens = (double)ev->usage.prompt,
                    .tokens = (double)ev->usage.completion,
                    .reasoning_tokens = (double)ev->usage.reasoning};
    if (ev->finish == ENGINE_BROKEN) r.error = "the model computes no numbers: damaged weights";
    if (p->text.failed || p->reasoning.failed) r.error = "no memory for the answer";
    b->base.reply(b->base.user, &r);
}

static void reply_letter(ask *a)
{
    double logprobs[EVAL_LETTERS];
    char best = 'A';
    for (size_t i = 0; i < a->n; i++) {
        logprobs[i] = a->pieces[i].logprob;
        if (logprobs[i] > logprobs[best - 'A']) best = (char)('A' + i);
    }
    eval_reply r = {.question = a->question,
                    .sample = a->first,
                    .text = {&best, 1},
                    .finish = "stop",
                    .prompt_tokens = a->prompt_tokens,
                    .tokens = 1,
                    .letter_logprobs = logprobs,
                    .letters = a->n};
    if (isnan(logprobs[0])) r.error = "the model computes no numbers: damaged weights";
    if (a->refused) r.error = "the engine had no room for all letters";
    a->b->base.reply(a->b->base.user, &r);
}

static void on_finish(piece *p, const engine_event *ev)
{
    ask *a = p->ask;
    a->b->at_work--;
    a->left--;
    a->prompt_tokens = (double)ev->usage.prompt;
    if (ev->finish == ENGINE_BROKEN) p->logprob = NAN;
    if (!a->letters && ev->finish != ENGINE_CANCELLED) reply_sample(p, ev);
    if (a->letters && a->left == 0) reply_letter(a);
    if (a->left == 0) drop(a);
}

static void on_event(void *user, const engine_event *ev)
{
    ask *a = user;
    piece *p = a->letters ? NULL : &a->pieces[ev->choice - a->first];
    switch (ev->kind) {
    case ENGINE_TEXT:
        buf_add_str(ev->part == CHAT_REASONING ? &p->reasoning : &p->text, ev->text);
        break;
    case ENGINE_FINISH: on_finish(p, ev); break;
    default: break;
    }
}

/* Trials of letters are requests of their own: each has its piece. */
static void on_letter_event(void *user, const engine_event *ev)
{
    piece *p = user;
    if (ev->kind == ENGINE_TOKEN) p->logprob = (double)ev->logprob;
    if (ev->kind == ENGINE_FINISH) on_finish(p, ev);
}

/* ---- asking ------------------------------------------------------------------------------------ */

/* The tokens of " A", " B", ..., or where a blank is a token of its own, "A", "B", ... */
static ponder_status find_letters(engine_backend *b, ponder_error *err)
{
    for (int blank = 0; blank < 2; blank++) {
        bool all = true;
        for (int i = 0; i < EVAL_LETTERS && all; i++) {
            char text[3] = {' ', (char)('A' + i), '\0'};
            tokens ids = {0};
            TRY(tokenizer_encode(b->opt.t, &ids, str_of(text + blank), TEXT_PLAIN, err));
            all = ids.n == 1;
            if (all) b->letter_bias[i] = (engine_bias){ids.p[0], FORCE};
            tokens_free(&ids);
        }
        b->letter_blank = blank;
        if (all) return PONDER_OK;
    }
    return err_set(err, PONDER_EUNSUPPORTED, "the tokenizer has no tokens for single letters");
}

static ponder_status encode(engine_backend *b, tokens *ids, enum chat_part *begin,
                            const eval_ask *a, ponder_error *err)
{
    *begin = CHAT_START;
    if (a->turn && b->opt.template != CHAT_NONE) {
        chat_message m = {.role = STR("user"), .content = a->text, .has_content = true};
        chat_request chat = {.messages = &m, .n_messages = 1, .generation_prompt = true};
        return engine_prompt(ids, begin, b->opt.t, b->opt.template, &chat, b->opt.think, err);
    }
    if (a->letters && b->letter_bias[0].bias == 0) TRY(find_letters(b, err));
    buf text = {0};
    buf_add_str(&text, a->text);
    bool ends_blank = str_ends(a->text, STR("：")); /* Chinese puts no blank there */
    if (a->letters && b->letter_blank && !ends_blank) buf_add_char(&text, ' ');
    ponder_status st = text.failed ? err_set(err, PONDER_ENOMEM, "no memory for the prompt")
                                   : tokenizer_encode(b->opt.t, ids, buf_str(&text),
                                                      TEXT_BOS | TEXT_PLAIN, err);
    buf_free(&text);
    return st;
}

static ponder_status submit_letters(engine_backend *b, ask *a, engine_request *r, ponder_error *err)
{
    uint64_t sent[EVAL_LETTERS];
    r->max_tokens = 1;
    r->raw = true;
    r->ignore_end = true;
    r->sampling = (engine_sampling){.top_p = 1, .repetition = 1};
    r->sampling.n_bias = 1;
    r->event = on_letter_event;
    for (size_t i = 0; i < a->n; i++) {
        r->sampling.bias = &b->letter_bias[i];
        r->user = &a->pieces[i];
        ponder_status st = engine_submit(b->opt.e, r, &sent[i], err);
        if (st == PONDER_OK) continue;
        if (i == 0) return st;
        for (size_t j = 0; j < i; j++) engine_cancel(b->opt.e, sent[j]);
        a->left = i; /* they still report their end, and the last one replies */
        a->refused = true;
        break;
    }
    return PONDER_OK;
}

static ponder_status submit(engine_backend *b, ask *a, const eval_ask *q, ponder_error *err)
{
    tokens ids = {0};
    engine_request r = {.choices = q->n,
                        .first_choice = q->first,
                        .max_tokens = b->opt.max_tokens,
                        .sampling = b->opt.sampling,
                        .raw = !q->turn && !q->thinks,
                        .loop_tokens = b->opt.loop_tokens,
                        .event = on_event,
                        .user = a};
    r.sampling.seed = q->seed;
    if (!q->turn) r.stop = b->stops, r.n_stop = b->n_stops;
    ponder_status st = encode(b, &ids, &r.begin, q, err);
    if (st == PONDER_OK && ids.failed) st = err_set(err, PONDER_ENOMEM, "no memory for the prompt");
    r.prompt = ids.p;
    r.n_prompt = ids.n;
    uint64_t id;
    if (st == PONDER_OK)
        st = q->letters ? submit_letters(b, a, &r, err) : engine_submit(b->opt.e, &r, &id, err);
    tokens_free(&ids);
    return st;
}

static ponder_status engine_ask(eval_backend *base, const eval_ask *q, ponder_error *err)
{
    engine_backend *b = (engine_backend *)base;
    size_t n = q->letters ? q->letters : q->n;
    ask *a = n <= EVAL_LETTERS || !q->letters ? calloc(1, sizeof *a + n * sizeof a->pieces[0]) : NULL;
    if (!a) return err_set(err, PONDER_ENOMEM, "no memory for %zu answers", n);
    *a = (ask){.next = b->asks,
               .b = b,
               .question = q->question,
               .first = q->first,
               .letters = q->letters,
               .n = n,
               .left = n};
    for (size_t i = 0; i < n; i++) a->pieces[i] = (piece){.ask = a, .index = i};
    ponder_status st = submit(b, a, q, err);
    if (st != PONDER_OK) {
        ask_free(a);
        return st;
    }
    b->asks = a;
    b->at_work += a->left;
    return PONDER_OK;
}

/* ---- the interface ----------------------------------------------------------------------------- */

static size_t engine_room(const eval_backend *base)
{
    const engine_backend *b = (const engine_backend *)base;
    return b->at_work < b->opt.concurrency ? b->opt.concurrency - b->at_work : 0;
}

static size_t engine_pending(const eval_backend *base)
{
    return ((const engine_backend *)base)->at_work;
}

static ponder_status step(eval_backend *base, ponder_error *err)
{
    return engine_step(((engine_backend *)base)->opt.e, err);
}

/* The engine is closed after its backend, and calls back no more. */
static void engine_backend_close(eval_backend *base)
{
    engine_backend *b = (engine_backend *)base;
    while (b->asks) drop(b->asks);
    free(b);
}

ponder_status eval_engine_open(eval_backend **out, const eval_engine_options *o, ponder_error *err)
{
    engine_backend *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!b) return err_set(err, PONDER_ENOMEM, "no memory for a backend");
    *b = (engine_backend){.base = {.room = engine_room,
                                   .ask = engine_ask,
                                   .step = step,
                                   .pending = engine_pending,
                                   .close = engine_backend_close},
                          .opt = *o};
    while (o->stops[b->n_stops] && b->n_stops < ENGINE_STOPS) {
        b->stops[b->n_stops] = str_of(o->stops[b->n_stops]);
        b->n_stops++;
    }
    *out = &b->base;
    return PONDER_OK;
}
