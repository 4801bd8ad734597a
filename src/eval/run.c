/* A run: questions out, judged samples in.
 * SPDX-License-Identifier: MIT */
#include "eval/run.h"
#include "eval/queue.h"
#include "reward/terms.h"

#include <stdlib.h>

enum {
    HOPELESS = 16,   /* errors, and nothing else, that end a run */
    QUEUED = 64,     /* responses that wait for judgement: no more are asked for */
    QUEUE_MS = 200
};

typedef struct runner {
    const eval_run_options *o;
    const eval_prompter *p;
    eval_queue *queue; /* of slow judgements; NULL: none was needed yet */
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
    eval_order order = eval_order_of(r->p, q, sample);
    buf_clear(&r->prompt);
    eval_prompt(&r->prompt, r->p, q, &order);
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
    if (ok && r->p->permute && q->form == EVAL_CHOICE) {
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

/* How much of the thinking, or of the answer where there is none, is in the question's language. */
static bool set_language(json_t *record, const eval_question *q, const eval_reply *p)
{
    str text = p->reasoning.n ? p->reasoning : p->text;
    reward_words w = reward_language(text, q->chinese ? STR("zh") : STR("en"));
    return set(record, "language_share", json_real(w.share));
}

static void keep_judged(runner *r, json_t *record, bool ok, ponder_status st,
                        const eval_verdict *v, const char *message)
{
    bool failed = st != PONDER_OK;
    ok = ok && (failed ? set_error(record, message) : set_verdict(record, v));
    keep(r, record, ok, failed);
}

/* Hands a response to the background; false when it must be judged here. */
static bool judge_later(runner *r, const eval_question *q, const eval_order *o, str text,
                        json_t *record)
{
    if (!r->queue && eval_queue_open(&r->queue, r->o->judge, NULL) != PONDER_OK) return false;
    eval_job *j = malloc(sizeof *j);
    if (!j) return false;
    *j = (eval_job){.q = q, .order = *o, .tag = record};
    buf_add_str(&j->text, text);
    if (j->text.failed) {
        eval_job_free(j);
        return false;
    }
    eval_queue_put(r->queue, j);
    return true;
}

static size_t queued(const runner *r) { return r->queue ? eval_queue_pending(r->queue) : 0; }

/* Keeps what the background has judged; waits for something when nothing else goes on. */
static void collect(runner *r, bool wait)
{
    eval_job *j;
    while (queued(r) && (j = eval_queue_take(r->queue, wait ? QUEUE_MS : 0)) != NULL) {
        keep_judged(r, j->tag, true, j->status, &j->verdict, j->error.message);
        eval_job_free(j);
        wait = false;
    }
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
    eval_order order = eval_order_of(r->p, q, p->sample);
    json_t *record = begin_record(r, p->question, p->sample);
    bool ok = record && set(record, "text", text_value(p->text)) &&
              set(record, "reasoning", text_value(p->reasoning)) &&
              set(record, "finish_reason", json_string(p->finish)) &&
              set_count(record, "prompt_tokens", p->prompt_tokens) &&
              set_count(record, "tokens", p->tokens) &&
              set_count(record, "reasoning_tokens", p->reasoning_tokens);
    if (ok && p->letters) ok = set(record, "letter_logprobs", logprob_list(p));
    if (ok) ok = set_language(record, q, p);
    if (ok && eval_judge_is_slow(q) && judge_later(r, q, &order, p->text, record)) return;
    ponder_status st = eval_judge_text(o->judge, &r->verdict, q, &order, p->text, &err);
    keep_judged(r, record, ok, st, &r->verdict, err.message);
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
    bool letters = r->p->style == EVAL_BASE && q->form == EVAL_CHOICE;
    bool alone = letters || (r->p->permute && q->form == EVAL_CHOICE);
    do {
        a->n++;
        r->cell++;
    } while (!alone && a->n < room && r->cell % k && wanted(r, r->cell));
    a->turn = r->p->style == EVAL_R1;
    a->thinks = r->p->style == EVAL_ZERO;
    a->letters = letters ? q->n_choices : 0;
    a->seed = o->seed ^ q->key;
}

static void ask(runner *r, eval_ask *a)
{
    const eval_run_options *o = r->o;
    const eval_question *q = &o->data->q[a->question];
    ponder_error err;
    eval_order order = eval_order_of(r->p, q, a->first);
    buf_clear(&r->prompt);
    eval_prompt(&r->prompt, r->p, q, &order);
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
    runner r = {.o = o, .p = o->judge->prompter};
    size_t cells = o->data->n * o->store->k, room;
    ponder_status st = PONDER_OK;
    o->backend->reply = on_reply;
    o->backend->user = &r;
    while (st == PONDER_OK) {
        eval_ask a;
        while (r.cell < cells && queued(&r) < QUEUED && (room = o->backend->room(o->backend)) > 0) {
            next_ask(&r, &a, room);
            if (a.n) ask(&r, &a);
        }
        bool idle = o->backend->pending(o->backend) == 0;
        if (idle && r.cell == cells && queued(&r) == 0) break;
        if (!idle) st = o->backend->step(o->backend, err);
        collect(&r, idle);
        if (st == PONDER_OK) st = check(&r, err);
    }
    if (st == PONDER_OK) st = check(&r, err);
    while (queued(&r)) collect(&r, true); /* these responses are there already */
    eval_queue_close(r.queue);
    ponder_error late;
    ponder_status synced = eval_store_sync(o->store, &late);
    if (st == PONDER_OK && synced != PONDER_OK) *err = late, st = synced;
    buf_free(&r.verdict.answer);
    buf_free(&r.prompt);
    return st;
}

/* ---- judging again ----------------------------------------------------------------------------- */

typedef struct regrader {
    const eval_judge *judge;
    eval_verdict verdict;
} regrader;

static ponder_status regrade_record(void *user, const eval_question *q, json_t *record,
                                    ponder_error *err)
{
    regrader *g = user;
    const json_t *text = json_object_get(record, "text");
    if (!json_is_string(text)) return PONDER_OK; /* nothing was generated */
    size_t sample = (size_t)json_integer_value(json_object_get(record, "sample"));
    eval_order order = eval_order_of(g->judge->prompter, q, sample);
    ponder_error bad;
    ponder_status st = eval_judge_text(g->judge, &g->verdict, q, &order, json_str(text), &bad);
    if (st == PONDER_OK) json_object_del(record, "error");
    bool ok = st == PONDER_OK ? set_verdict(record, &g->verdict) : set_error(record, bad.message);
    return ok ? PONDER_OK : err_set(err, PONDER_ENOMEM, "no memory for a record");
}

ponder_status eval_regrade(const char *dir, const eval_dataset *data, size_t k,
                           const eval_judge *j, ponder_error *err)
{
    regrader g = {.judge = j};
    ponder_status st = eval_store_rewrite(dir, data, k, regrade_record, &g, err);
    buf_free(&g.verdict.answer);
    return st;
}
