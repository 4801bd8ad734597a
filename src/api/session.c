/* Sessions and generation of the C interface.
 * SPDX-License-Identifier: MIT */
#include "api/api_int.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { STOPS_LIMIT = ENGINE_STOPS };

typedef struct message {
    char *role, *text;
} message;

struct ponder_session {
    ponder_model *m;
    ponder_mode mode;
    message *messages; /* of a chat */
    size_t n_messages;
    buf text; /* of a raw session */
    buf answer, reasoning, calls, piece;
    atomic_bool canceled; /* set by ponder_session_cancel, from anywhere */
};

/* ---- what a session holds
 * ------------------------------------------------------------------------ */

ponder_status ponder_session_open(ponder_session **out, ponder_model *m, ponder_mode mode,
                                  ponder_error *err)
{
    *out = NULL;
    if (mode != PONDER_CHAT && mode != PONDER_RAW)
        return err_set(err, PONDER_EARG, "session: no mode %d", (int)mode);
    if (mode == PONDER_CHAT && m->template == CHAT_NONE)
        return err_set(err, PONDER_EUNSUPPORTED,
                       "the model has no chat template that is known: open a raw session");
    ponder_session *s = calloc(1, sizeof *s);
    if (!s) return err_set(err, PONDER_ENOMEM, "session: out of memory");
    s->m = m;
    s->mode = mode;
    atomic_init(&s->canceled, false);
    *out = s;
    return PONDER_OK;
}

/* Back to the first n messages. */
static void truncate_messages(ponder_session *s, size_t n)
{
    while (s->n_messages > n) {
        message *last = &s->messages[--s->n_messages];
        free(last->role);
        free(last->text);
    }
}

void ponder_session_clear(ponder_session *s)
{
    truncate_messages(s, 0);
    buf_clear(&s->text);
}

void ponder_session_close(ponder_session *s)
{
    if (!s) return;
    truncate_messages(s, 0);
    free(s->messages);
    buf_free(&s->text);
    buf_free(&s->answer);
    buf_free(&s->reasoning);
    buf_free(&s->calls);
    buf_free(&s->piece);
    free(s);
}

void ponder_session_cancel(ponder_session *s) { atomic_store(&s->canceled, true); }

static ponder_status add_message(ponder_session *s, const char *role, const char *text,
                                 ponder_error *err)
{
    message *more = realloc(s->messages, (s->n_messages + 1) * sizeof *more);
    message one = {more ? strdup(role) : NULL, more ? strdup(text) : NULL};
    if (more) s->messages = more;
    if (!one.role || !one.text) {
        free(one.role);
        free(one.text);
        return err_set(err, PONDER_ENOMEM, "session: out of memory");
    }
    s->messages[s->n_messages++] = one;
    return PONDER_OK;
}

ponder_status ponder_session_add(ponder_session *s, const char *role, const char *text,
                                 ponder_error *err)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    if (s->mode == PONDER_RAW) {
        if (role) return err_set(err, PONDER_EARG, "a raw session has no roles: want NULL");
        buf_add_str(&s->text, str_of(text));
        return s->text.failed ? err_set(err, PONDER_ENOMEM, "session: out of memory") : PONDER_OK;
    }
    for (size_t i = 0; role && i < COUNT_OF(roles); i++)
        if (strcmp(role, roles[i]) == 0) return add_message(s, role, text, err);
    return err_set(err, PONDER_EARG, "role \"%s\": want system, user or assistant",
                   role ? role : "(none)");
}

/* ---- generation
 * ------------------------------------------------------------------------------------ */

void ponder_generate_options_init(ponder_generate_options *o, size_t size, const ponder_model *m)
{
    engine_sampling s = engine_sampling_of(m->template);
    ponder_generate_options own = {
        .size = sizeof own,
        .temperature = s.temperature,
        .top_k = s.top_k,
        .top_p = s.top_p,
        .min_p = s.min_p,
        .repetition = s.repetition,
        .presence = s.presence,
        .frequency = s.frequency,
        .seed = s.seed,
        .think = PONDER_THINK_AUTO,
    };
    api_give(o, size, &own, sizeof own);
}

/* The session as ids, and where the answer begins. */
static ponder_status make_prompt(const ponder_session *s, ponder_think think, tokens *ids,
                                 enum chat_part *begin, ponder_error *err)
{
    static const enum engine_think thinks[] = {ENGINE_THINK_AUTO, ENGINE_THINK_ON,
                                               ENGINE_THINK_OFF};
    const ponder_model *m = s->m;
    *begin = CHAT_ANSWER;
    if ((size_t)think >= COUNT_OF(thinks))
        return err_set(err, PONDER_EARG, "think %d: no such setting", (int)think);
    if (s->mode == PONDER_RAW)
        return tokenizer_encode(m->tokenizer, ids, buf_str(&s->text), TEXT_BOS, err);
    if (s->n_messages == 0) return err_set(err, PONDER_EARG, "the conversation is empty");
    chat_message *list = calloc(s->n_messages, sizeof *list);
    if (!list) return err_set(err, PONDER_ENOMEM, "session: out of memory");
    for (size_t i = 0; i < s->n_messages; i++)
        list[i] = (chat_message){.role = str_of(s->messages[i].role),
                                 .content = str_of(s->messages[i].text),
                                 .has_content = true};
    chat_request r = {.messages = list,
                      .n_messages = s->n_messages,
                      .generation_prompt = true,
                      .thinking = think != PONDER_THINK_OFF};
    ponder_status st = engine_prompt(ids, begin, m->tokenizer, m->template, &r, thinks[think], err);
    free(list);
    return st;
}

/* One generation on its way. */
typedef struct run {
    ponder_session *s;
    const ponder_generate_options *o;
    uint64_t id;
    bool done;
    enum engine_finish finish;
    engine_usage usage;
} run;

static void take_text(run *r, enum chat_part part, str text)
{
    ponder_session *s = r->s;
    ponder_kind kind = part == CHAT_REASONING ? PONDER_REASONING
                       : part == CHAT_CALLS   ? PONDER_TOOL_CALL
                                              : PONDER_ANSWER;
    buf_add_str(kind == PONDER_REASONING ? &s->reasoning
                : kind == PONDER_ANSWER  ? &s->answer
                                         : &s->calls,
                text);
    buf_clear(&s->piece); /* NUL-terminated, as promised */
    buf_add_str(&s->piece, text);
    if (r->o->piece && !s->piece.failed && r->o->piece(r->o->user, kind, s->piece.p, s->piece.n))
        engine_cancel(s->m->engine, r->id);
}

static void on_event(void *user, const engine_event *ev)
{
    run *r = user;
    if (ev->kind == ENGINE_TEXT) take_text(r, ev->part, ev->text);
    if (ev->kind != ENGINE_FINISH) return;
    r->done = true;
    r->finish = ev->finish;
    r->usage = ev->usage;
}

static ponder_status submit(run *r, const tokens *ids, enum chat_part begin, ponder_error *err)
{
    const ponder_generate_options *o = r->o;
    str stop[STOPS_LIMIT];
    if (o->n_stop > STOPS_LIMIT)
        return err_set(err, PONDER_ELIMIT, "%zu stop texts: at most %d", o->n_stop, STOPS_LIMIT);
    for (size_t i = 0; i < o->n_stop; i++) stop[i] = str_of(o->stop[i]);
    engine_request q = {
        .prompt = ids->p,
        .n_prompt = ids->n,
        .max_tokens = o->max_tokens,
        .sampling = {.temperature = o->temperature,
                     .top_k = o->top_k,
                     .top_p = o->top_p,
                     .min_p = o->min_p,
                     .repetition = o->repetition,
                     .presence = o->presence,
                     .frequency = o->frequency,
                     .seed = o->seed},
        .stop = stop,
        .n_stop = o->n_stop,
        .raw = r->s->mode == PONDER_RAW,
        .begin = begin,
        .think_budget = o->think_budget,
        .loop_tokens = ENGINE_LOOP_TOKENS,
        .event = on_event,
        .user = r,
    };
    return engine_submit(r->s->m->engine, &q, &r->id, err);
}

static ponder_status steps(run *r, ponder_error *err)
{
    engine *e = r->s->m->engine;
    ponder_status st = PONDER_OK;
    while (!r->done && st == PONDER_OK) {
        if (atomic_load(&r->s->canceled)) engine_cancel(e, r->id);
        st = engine_step(e, err);
    }
    if (st == PONDER_OK && r->finish == ENGINE_BROKEN)
        st = err_set(err, PONDER_EFORMAT,
                     "the model's output is no numbers: its weights are damaged");
    const buf *parts[] = {&r->s->answer, &r->s->reasoning, &r->s->calls, &r->s->piece};
    for (size_t i = 0; st == PONDER_OK && i < COUNT_OF(parts); i++)
        if (parts[i]->failed) st = err_set(err, PONDER_ENOMEM, "answer: out of memory");
    return st;
}

/* The answer becomes a part of the session. */
static ponder_status keep_answer(ponder_session *s, ponder_error *err)
{
    str answer = buf_str(&s->answer);
    if (s->mode == PONDER_CHAT) return add_message(s, "assistant", answer.p, err);
    buf_add_str(&s->text, answer);
    return s->text.failed ? err_set(err, PONDER_ENOMEM, "session: out of memory") : PONDER_OK;
}

static ponder_finish finish_of(enum engine_finish f)
{
    switch (f) {
    case ENGINE_LENGTH: return PONDER_FINISH_LENGTH;
    case ENGINE_LOOP: return PONDER_FINISH_LOOP;
    case ENGINE_CANCELLED: return PONDER_FINISH_CANCELED;
    default: return PONDER_FINISH_STOP;
    }
}

static void report(const run *r, ponder_result *out)
{
    const engine_usage *u = &r->usage;
    ponder_result own = {
        .finish = finish_of(r->finish),
        .answer = buf_str(&r->s->answer).p,
        .reasoning = buf_str(&r->s->reasoning).p,
        .prompt_tokens = u->prompt,
        .cached_tokens = u->cached,
        .completion_tokens = u->completion,
        .reasoning_tokens = u->reasoning,
        .prompt_seconds = (double)u->prompt_ns * 1e-9,
        .decode_seconds = (double)u->decode_ns * 1e-9,
    };
    api_give(out, out->size, &own, sizeof own);
}

static ponder_status generate(ponder_session *s, const ponder_generate_options *o,
                              ponder_result *out, ponder_error *err)
{
    tokens ids = {0};
    enum chat_part begin;
    run r = {.s = s, .o = o};
    buf *parts[] = {&s->answer, &s->reasoning, &s->calls};
    for (size_t i = 0; i < COUNT_OF(parts); i++) buf_clear(parts[i]);
    ponder_status st = make_prompt(s, o->think, &ids, &begin, err);
    if (st == PONDER_OK && ids.failed) st = err_set(err, PONDER_ENOMEM, "prompt: out of memory");
    if (st == PONDER_OK) st = submit(&r, &ids, begin, err);
    if (st == PONDER_OK) st = steps(&r, err);
    tokens_free(&ids);
    if (st == PONDER_OK) st = keep_answer(s, err);
    if (st == PONDER_OK && out) report(&r, out);
    return st;
}

ponder_status ponder_generate(ponder_session *s, const char *text, const ponder_generate_options *o,
                              ponder_result *r, ponder_error *err)
{
    ponder_generate_options own;
    ponder_generate_options_init(&own, sizeof own, s->m);
    size_t messages = s->n_messages, bytes = s->text.n;
    ponder_status st = PONDER_OK;
    if (r && (r->size < sizeof r->size || r->size > 4096))
        st = err_set(err, PONDER_EARG,
                     "ponder_result: size is %zu: set it to sizeof(ponder_result)", r->size);
    if (st == PONDER_OK && o) st = api_take(&own, sizeof own, o, "ponder_generate_options", err);
    if (st == PONDER_OK && text)
        st = ponder_session_add(s, s->mode == PONDER_CHAT ? "user" : NULL, text, err);
    if (st == PONDER_OK) st = generate(s, &own, r, err);
    atomic_store(&s->canceled, false);
    if (st != PONDER_OK) {
        truncate_messages(s, messages);
        s->text.n = bytes;
        s->text.failed = false;
        if (s->text.p) s->text.p[bytes] = '\0';
    }
    return st;
}
