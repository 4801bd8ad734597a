/* Answers from an endpoint that speaks the OpenAI dialect: POST .../v1/chat/completions, one request
 * per sample.
 * SPDX-License-Identifier: MIT */
#include "eval/backend.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>

enum { STEP_MS = 200 };

/* One of the requests that may be under way; the HTTP client drops them silently when closed. */
typedef struct place {
    struct endpoint *b;
    bool taken;
    size_t question, sample;
} place;

typedef struct endpoint {
    eval_backend base; /* first: one pointer for both */
    eval_endpoint_options opt;
    http_client *http;
    buf url;
    place *places; /* [concurrency] */
} endpoint;

/* ---- what comes back --------------------------------------------------------------------------- */

typedef struct completion {
    buf text, reasoning;
    char finish[32];
    double prompt_tokens, tokens, reasoning_tokens;
} completion;

static double count(const json_t *usage, const char *key)
{
    const json_t *v = json_object_get(usage, key);
    return json_is_integer(v) && json_integer_value(v) >= 0 ? (double)json_integer_value(v) : -1;
}

/* Thinking comes apart in "reasoning_content" (DeepSeek) or "reasoning" (others), or stands in the
 * content between its tags. */
static void read_message(completion *c, const json_t *message)
{
    str content = json_str(json_object_get(message, "content"));
    const json_t *apart = json_object_get(message, "reasoning_content");
    if (!json_is_string(apart)) apart = json_object_get(message, "reasoning");
    chat_splitter split = {0};
    chat_split(&split, content, &c->reasoning, &c->text, NULL);
    chat_split_end(&split, &c->reasoning, &c->text, NULL);
    chat_splitter_free(&split);
    buf_add_str(&c->reasoning, json_str(apart));
}

static ponder_status read_completion(completion *c, str body, ponder_error *err)
{
    json_t *doc;
    TRY(json_parse(&doc, body, "the endpoint's answer", err));
    const json_t *choice = json_array_get(json_object_get(doc, "choices"), 0);
    const json_t *message = json_object_get(choice, "message");
    const json_t *usage = json_object_get(doc, "usage");
    str finish = json_str(json_object_get(choice, "finish_reason"));
    snprintf(c->finish, sizeof c->finish, "%.*s", STR_ARG(finish.n ? finish : STR("stop")));
    c->prompt_tokens = count(usage, "prompt_tokens");
    c->tokens = count(usage, "completion_tokens");
    c->reasoning_tokens =
        count(json_object_get(usage, "completion_tokens_details"), "reasoning_tokens");
    read_message(c, message);
    bool ok = json_is_object(message), failed = c->text.failed || c->reasoning.failed;
    json_decref(doc);
    if (failed) return err_set(err, PONDER_ENOMEM, "no memory for the answer");
    return ok ? PONDER_OK
              : err_set(err, PONDER_EFORMAT, "the endpoint's answer has no choices[0].message");
}

static void on_response(void *user, const http_response *h)
{
    place *s = user;
    ponder_error err;
    completion c = {0};
    ponder_status st = PONDER_OK;
    if (h->error) err = *h->error, st = err.code;
    else st = read_completion(&c, h->body, &err);
    eval_reply r = {.question = s->question,
                    .sample = s->sample,
                    .text = buf_str(&c.text),
                    .reasoning = buf_str(&c.reasoning),
                    .finish = st == PONDER_OK ? c.finish : NULL,
                    .prompt_tokens = c.prompt_tokens,
                    .tokens = c.tokens,
                    .reasoning_tokens = c.reasoning_tokens,
                    .error = st == PONDER_OK ? NULL : err.message};
    s->b->base.reply(s->b->base.user, &r);
    buf_free(&c.text);
    buf_free(&c.reasoning);
    s->taken = false;
}

/* ---- what is asked ----------------------------------------------------------------------------- */

static void write_body(buf *out, const endpoint *b, const eval_ask *a, size_t sample)
{
    const eval_endpoint_options *o = &b->opt;
    json_writer w = {.out = out};
    json_open(&w, '{');
    if (o->model) json_key(&w, "model"), json_text(&w, str_of(o->model));
    json_key(&w, "messages");
    json_open(&w, '[');
    json_open(&w, '{');
    json_key(&w, "role"), json_text(&w, STR("user"));
    json_key(&w, "content"), json_text(&w, a->text);
    json_close(&w, '}');
    json_close(&w, ']');
    json_key(&w, "temperature"), json_f64(&w, o->temperature);
    json_key(&w, "top_p"), json_f64(&w, o->top_p);
    json_key(&w, "max_tokens"), json_i64(&w, (int64_t)o->max_tokens);
    /* 31 bits: what every service's integers hold. */
    uint64_t seed = rng_u64(a->seed, sample, 0, RNG_SAMPLE) & INT32_MAX;
    json_key(&w, "seed"), json_i64(&w, (int64_t)seed);
    json_key(&w, "stream"), json_bool(&w, false);
    json_close(&w, '}');
}

static ponder_status ask_one(endpoint *b, const eval_ask *a, size_t sample, ponder_error *err)
{
    buf body = {0};
    place *s = b->places;
    while (s < b->places + b->opt.concurrency && s->taken) s++;
    if (s == b->places + b->opt.concurrency)
        return err_set(err, PONDER_ELIMIT, "more than %zu requests at once", b->opt.concurrency);
    write_body(&body, b, a, sample);
    *s = (place){b, true, a->question, sample};
    ponder_status st = body.failed ? err_set(err, PONDER_ENOMEM, "no memory for a request")
                                   : http_post_json(b->http, b->url.p, buf_str(&body), on_response,
                                                    s, err);
    s->taken = st == PONDER_OK;
    buf_free(&body);
    return st;
}

static ponder_status endpoint_ask(eval_backend *base, const eval_ask *a, ponder_error *err)
{
    if (!a->turn || a->letters)
        return err_set(err, PONDER_EUNSUPPORTED, "an endpoint takes only turns of a conversation");
    for (size_t i = 0; i < a->n; i++) TRY(ask_one((endpoint *)base, a, a->first + i, err));
    return PONDER_OK;
}

/* ---- the interface ----------------------------------------------------------------------------- */

static size_t endpoint_pending(const eval_backend *base)
{
    return http_client_pending(((const endpoint *)base)->http);
}

static size_t endpoint_room(const eval_backend *base)
{
    size_t most = ((const endpoint *)base)->opt.concurrency, n = endpoint_pending(base);
    return n < most ? most - n : 0;
}

static ponder_status endpoint_step(eval_backend *base, ponder_error *err)
{
    return http_client_step(((endpoint *)base)->http, STEP_MS, err);
}

static void endpoint_close(eval_backend *base)
{
    endpoint *b = (endpoint *)base;
    http_client_close(b->http);
    buf_free(&b->url);
    free(b->places);
    free(b);
}

static void make_url(buf *out, str url)
{
    while (str_ends(url, STR("/"))) url.n--;
    buf_add_str(out, url);
    if (str_ends(url, STR("/chat/completions"))) return;
    buf_add_str(out, str_ends(url, STR("/v1")) ? STR("/chat/completions")
                                               : STR("/v1/chat/completions"));
}

ponder_status eval_endpoint_open(eval_backend **out, const eval_endpoint_options *o,
                                 ponder_error *err)
{
    *out = NULL;
    if (strncmp(o->url, "http://", 7) && strncmp(o->url, "https://", 8))
        return err_set(err, PONDER_EARG, "--endpoint \"%s\": want http://HOST:PORT or https://HOST",
                       o->url);
    endpoint *b = calloc(1, sizeof *b);
    if (!b) return err_set(err, PONDER_ENOMEM, "no memory for a backend");
    *b = (endpoint){.base = {.room = endpoint_room,
                             .ask = endpoint_ask,
                             .step = endpoint_step,
                             .pending = endpoint_pending,
                             .close = endpoint_close},
                    .opt = *o};
    make_url(&b->url, str_of(o->url));
    b->places = calloc(o->concurrency, sizeof *b->places);
    http_options h = {.bearer = o->key,
                      .in_flight = o->concurrency,
                      .total_s = o->timeout_s,
                      .tries = o->tries};
    bool room = b->places && !b->url.failed;
    ponder_status st = !room ? err_set(err, PONDER_ENOMEM, "no memory for a backend")
                             : http_client_open(&b->http, &h, err);
    if (st == PONDER_OK) *out = &b->base;
    else endpoint_close(&b->base);
    return st;
}
