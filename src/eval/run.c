/* A run: questions out, judged samples in.
 * SPDX-License-Identifier: MIT */
#include "eval/run.h"

#include <stdlib.h>

enum { HOPELESS = 16 }; /* errors, and nothing else, that end a run */

typedef struct runner {
    const eval_run_options *o;
    size_t cell;   /* samples before it need nothing: question * k + sample */
    size_t good, bad;
    eval_verdict verdict;
    buf prompt;
    ponder_status status; /* of keeping a sample */
    ponder_error error;
} runner;

/* ---- records ----------------------------------------------------------------------------------- */

static json_t *text_value(str s)
{
    buf whole = {0};
    json_t *v = NULL;
    utf8_repair(&whole, s); /* json wants UTF-8 */
    if (!whole.failed) v = json_stringn(whole.n ? whole.p : "", whole.n);
    buf_free(&whole);
    return v;
}

static bool set(json_t *r, const char *key, json_t *v) { return json_object_set_new(r, key, v) == 0; }

static bool set_count(json_t *r, const char *key, double v)
{
    return v < 0 || set(r, key, json_integer((json_int_t)v));
}

/* The judgement's fields, in a new record or in place of older ones. */
static bool set_verdict(json_t *r, const eval_verdict *v)
{
    return set(r, "answer", v->answered ? text_value(buf_str(&v->answer)) : json_null()) &&
           set(r, "strict", json_boolean(v->strict)) &&
           set(r, "lenient", json_boolean(v->lenient)) && set(r, "found", json_boolean(v->found)) &&
           set(r, "reason", json_string(v->reason));
}

static bool set_error(json_t *r, const char *message)
{
    static const eval_verdict WRONG = {.reason = "error"};
    return set(r, "error", text_value(str_of(message))) && set_verdict(r, &WRONG);
}

/* What a record begins with: which sample this is, and what was asked. */
static json_t *begin_record(runner *r, size_t question, size_t sample)
{
    const eval_run_options *o = r->o;
    const eval_question *q = &o->data->q[question];
    eval_order order = eval_order_of(o->prompter, q, sample);
    buf_clear(&r->prompt);
    eval_prompt(&r->prompt, o->prompter, q, &order);
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)(o->seed ^ q->key));
    json_t *j = json_object();
    bool ok = j && set(j, "id", text_value(q->id)) &&
              set(j, "question", json_integer((json_int_t)question)) &&
              set(j, "sample", json_integer((json_int_t)sample)) &&
              set(j, "prompt", text_value(buf_str(&r->prompt))) &&
              set(j, "gold", text_value(q->gold)) &&
              set(j, "seed", json_string(seed)) &&
              set(j, "sampling", json_deep_copy(o->sampling));
    if (ok && o->prompter->permute && q->form == EVAL_CHOICE) {
        json_t *list = json_array();
        for (size_t i = 0; i < q->n_choices; i++)
            json_array_append_new(list, json_integer(order.from[i]));
        ok = set(j, "order", list);
    }
    if (ok) return j;
    json_decref(j);
    return NULL;
}

static void keep(runner *r, json_t *record, bool ok, bool error)
{
    if (r->status == PONDER_OK && (!ok || !record))
        r->status = err_set(&r->error, PONDER_ENOMEM, "no memory for a record");
    if (r->status == PONDER_OK) r->status = eval_store_add(r->o->store, record, &r->error);
    json_decref(record);
    if (error) r->bad++;
    else r->good++;
    if (r->o->progress) progress_update(r->o->progress, (double)(r->o->store->done));
}

static void keep_error(runner *r, size_t question, size_t sample, const char *message)
{
    json_t *record = begin_record(r, question, sample);
    bool ok = record && set_error(record, message);
    keep(r, record, ok, true);
}

static json_t *logprob_list(const eval_reply *p)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < p->letters; i++)
        json_array_append_new(list, json_real(p->letter_logprobs[i]));
    return list;
}

static void on_reply(void *user, const eval_reply *p)
{
    runner *r = user;
    const eval_run_options *o = r->o;
    const eval_question *q = &o->data->q[p->question];
    ponder_error err;
    if (p->error) {
        keep_error(r, p->question, p->sample, p->error);
        return;
    }
    eval_order order = eval_order_of(o->prompter, q, p->sample);
    json_t *record = begin_record(r, p->question, p->sample);
    bool ok = record && set(record, "text", text_value(p->text)) &&
              set(record, "reasoning", text_value(p->reasoning)) &&
              set(record, "finish_reason", json_string(p->finish)) &&
              set_count(record, "prompt_tokens", p->prompt_tokens) &&
              set_count(record, "tokens", p->tokens) &&
              set_count(record, "reasoning_tokens", p->reasoning_tokens);
    if (ok && p->letters) ok = set(record, "letter_logprobs", logprob_list(p));
    bool failed = eval_judge(&r->verdict, q, o->prompter->style, &order, p->text, &err);
    ok = ok && (failed ? set_error(record, err.message) : set_verdict(record, &r->verdict));
    keep(r, record, ok, failed);
}

/* ---- asking ------------------------------------------------------------------------------------ */

static bool wanted(const runner *r, size_t cell)
{
    const eval_sample *s = &r->o->store->samples[cell];
    return !s->done || s->error;
}

/* The next samples of one question that share a prompt; n 0 when there are none left. */
static void next_ask(runner *r, eval_ask *a, size_t room)
{
    const eval_run_options *o = r->o;
    size_t k = o->store->k, cells = o->data->n * k;
    while (r->cell < cells && !wanted(r, r->cell)) r->cell++;
    *a = (eval_ask){.question = r->cell / k, .first = r->cell % k};
    if (r->cell == cells) return;
    const eval_question *q = &o->data->q[a->question];
    bool letters = o->prompter->style == EVAL_BASE && q->form == EVAL_CHOICE;
    bool alone = letters || (o->prompter->permute && q->form == EVAL_CHOICE);
    do {
        a->n++;
        r->cell++;
    } while (!alone && a->n < room && r->cell % k && wanted(r, r->cell));
    a->turn = o->prompter->style == EVAL_R1;
    a->thinks = o->prompter->style == EVAL_ZERO;
    a->letters = letters ? q->n_choices : 0;
    a->seed = o->seed ^ q->key;
}

static void ask(runner *r, eval_ask *a)
{
    const eval_run_options *o = r->o;
    const eval_question *q = &o->data->q[a->question];
    ponder_error err;
    eval_order order = eval_order_of(o->prompter, q, a->first);
    buf_clear(&r->prompt);
    eval_prompt(&r->prompt, o->prompter, q, &order);
    a->text = buf_str(&r->prompt);
    ponder_status st = r->prompt.failed ? err_set(&err, PONDER_ENOMEM, "no memory for the prompt")
                                        : o->backend->ask(o->backend, a, &err);
    for (size_t i = 0; st != PONDER_OK && i < a->n; i++)
        keep_error(r, a->question, a->first + i, err.message);
}

static ponder_status check(const runner *r, ponder_error *err)
{
    const eval_run_options *o = r->o;
    if (r->status != PONDER_OK) {
        *err = r->error;
        return r->status;
    }
    if (r->good == 0 && r->bad >= HOPELESS)
        return err_set(err, PONDER_EIO, "the first %zu answers all failed; see \"error\" in %s",
                       r->bad, o->store->path);
    if (o->stopped && o->stopped(o->user))
        return err_set(err, PONDER_ECANCELED, "stopped after %zu of %zu samples", o->store->done,
                       o->data->n * o->store->k);
    return PONDER_OK;
}

ponder_status eval_run(const eval_run_options *o, ponder_error *err)
{
    runner r = {.o = o};
    size_t cells = o->data->n * o->store->k, room;
    ponder_status st = PONDER_OK;
    o->backend->reply = on_reply;
    o->backend->user = &r;
    while (st == PONDER_OK) {
        eval_ask a;
        while (r.cell < cells && (room = o->backend->room(o->backend)) > 0) {
            next_ask(&r, &a, room);
            if (a.n) ask(&r, &a);
        }
        if (o->backend->pending(o->backend) == 0 && r.cell == cells) break;
        st = o->backend->step(o->backend, err);
        if (st == PONDER_OK) st = check(&r, err);
    }
    if (st == PONDER_OK) st = check(&r, err);
    ponder_error late;
    ponder_status synced = eval_store_sync(o->store, &late);
    if (st == PONDER_OK && synced != PONDER_OK) *err = late, st = synced;
    buf_free(&r.verdict.answer);
    buf_free(&r.prompt);
    return st;
}

/* ---- judging again ----------------------------------------------------------------------------- */

typedef struct regrader {
    const eval_prompter *p;
    eval_verdict verdict;
} regrader;

static ponder_status regrade_record(void *user, const eval_question *q, json_t *record,
                                    ponder_error *err)
{
    regrader *g = user;
    const json_t *text = json_object_get(record, "text");
    if (!json_is_string(text)) return PONDER_OK; /* nothing was generated */
    size_t sample = (size_t)json_integer_value(json_object_get(record, "sample"));
    eval_order order = eval_order_of(g->p, q, sample);
    ponder_error bad;
    ponder_status st = eval_judge(&g->verdict, q, g->p->style, &order, json_str(text), &bad);
    if (st == PONDER_OK) json_object_del(record, "error");
    bool ok = st == PONDER_OK ? set_verdict(record, &g->verdict) : set_error(record, bad.message);
    return ok ? PONDER_OK : err_set(err, PONDER_ENOMEM, "no memory for a record");
}

ponder_status eval_regrade(const char *dir, const eval_dataset *data, size_t k,
                           const eval_prompter *p, ponder_error *err)
{
    regrader g = {.p = p};
    ponder_status st = eval_store_rewrite(dir, data, k, regrade_record, &g, err);
    buf_free(&g.verdict.answer);
    return st;
}
