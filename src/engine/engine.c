/* Opening an engine, and taking requests.
 * SPDX-License-Identifier: MIT */
#include "engine/engine_int.h"

#include <math.h>
#include <stdlib.h>

enum { BATCH_TOKENS = 512, SEQUENCES = 64, TEXT_BYTES = 4096, SMALLEST_CONTEXT = 512 };

const char *engine_finish_name(enum engine_finish f)
{
    static const char *const NAMES[] = {"stop", "length", "loop", "cancelled", "broken"};
    return NAMES[f];
}

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t max_sequences(const engine_options *o)
{
    return o->max_sequences ? o->max_sequences : SEQUENCES;
}

size_t engine_step_tokens(const engine_options *o)
{
    return size_max(o->max_batch_tokens ? o->max_batch_tokens : BATCH_TOKENS, max_sequences(o));
}

static double mb(size_t bytes) { return (double)bytes * 1e-6; }

/* Where keys and values begin in memory that is lent. */
static size_t behind_step(size_t step) { return size_round_up(step, 4096); }

/* How many pages, and how long a context they allow. */
static ponder_status size_cache(engine *e, const engine_options *o, size_t *pages,
                                ponder_error *err)
{
    const model_config *c = model_config_of(e->m);
    size_t page = model_kv_page_bytes(c, o->kv), trained = (size_t)c->context;
    size_t step = model_step_bytes(e->m, o->pool, e->max_batch), ready = mem_available_bytes();
    size_t room = (ready - size_min(ready, step)) / 10 * 9;
    if (o->memory) room = o->memory_bytes - size_min(o->memory_bytes, behind_step(step));
    if (o->context > trained)
        return err_set(err, PONDER_ELIMIT, "a context of %zu: the model was made for %zu positions",
                       o->context, trained);
    if (o->kv_bytes > room)
        return err_set(err, PONDER_ELIMIT,
                       "%.0f MB for keys and values: %.0f MB of memory can be had for them",
                       mb(o->kv_bytes), mb(room));
    size_t fit = (o->kv_bytes ? o->kv_bytes : room) / page;
    size_t least = o->context ? o->context : size_min(trained, SMALLEST_CONTEXT);
    if (size_ceil_div(least, KERN_PAGE) > fit)
        return err_set(
            err, PONDER_ELIMIT,
            "a context of %zu takes %.1f MB of keys and values (%.1f KB a token), and %.1f MB "
            "can be had: at most %zu positions fit; a smaller type for them takes less",
            least, mb(size_ceil_div(least, KERN_PAGE) * page), (double)page / KERN_PAGE * 1e-3,
            mb(o->kv_bytes ? o->kv_bytes : room), fit * KERN_PAGE);
    e->context = o->context ? o->context : size_min(trained, fit * KERN_PAGE);
    e->table_pages = size_ceil_div(e->context, KERN_PAGE);
    *pages = size_min(fit, e->max_seqs * e->table_pages);
    return PONDER_OK;
}

/* Tables of the engine, from a counting arena or a real one: what every request uses. */
static bool place_used(engine *e, arena *a, size_t pages)
{
    size_t n = e->max_seqs, threads = (size_t)(e->pool ? pool_threads(e->pool) : 1);
    if (pages_place(&e->pages, pages, a) != PONDER_OK) return false;
    e->seqs = arena_new(a, seq, n);
    e->order = arena_new(a, seq *, n);
    e->spans = arena_new(a, model_span, n);
    e->picks = arena_new(a, struct pick_job, n);
    e->samplers = arena_new(a, sampler, threads);
    e->logits = arena_new(a, float, n * e->vocab);
    int32_t *ids = arena_new(a, int32_t, n * e->context);
    uint32_t *tables = arena_new(a, uint32_t, n * e->table_pages);
    sampler counted;
    bool ok = tables;
    for (size_t i = 0; i < threads; i++)
        ok = sampler_place(a->base ? &e->samplers[i] : &counted, e->vocab, a) && ok;
    for (size_t i = 0; a->base && ok && i < n; i++) {
        e->seqs[i].ids = ids + i * e->context;
        e->seqs[i].table = tables + i * e->table_pages;
    }
    return ok;
}

/* And behind them, so that it is not touched before, what those with biases and penalties use. */
static bool place(engine *e, arena *a, size_t pages)
{
    size_t n = e->max_seqs;
    if (!place_used(e, a, pages)) return false;
    engine_bias *biases = arena_new(a, engine_bias, n * ENGINE_BIASES);
    uint32_t *counts = arena_new(a, uint32_t, n * e->vocab);
    int32_t *seen = arena_new(a, int32_t, n * e->vocab);
    for (size_t i = 0; a->base && seen && i < n; i++) {
        e->seqs[i].bias = biases + i * ENGINE_BIASES;
        e->seqs[i].past = (history){counts + i * e->vocab, seen + i * e->vocab, 0};
    }
    return seen;
}

size_t engine_table_bytes(const engine_options *o, size_t vocab)
{
    size_t pages = size_ceil_div(o->context, KERN_PAGE), n = max_sequences(o);
    engine e = {.pool = o->pool, .vocab = vocab, .context = o->context, .table_pages = pages, .max_seqs = n};
    arena count = {0};
    return place_used(&e, &count, n * pages) ? count.used : SIZE_MAX / 64;
}

static bool reserve_text(engine *e)
{
    buf *all[] = {&e->whole, &e->reasoning, &e->answer, &e->calls, &e->out};
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(all); i++) ok = buf_reserve(all[i], TEXT_BYTES) && ok;
    for (size_t i = 0; i < e->max_seqs; i++)
        ok = buf_reserve(&e->seqs[i].split.held, TEXT_BYTES / 16) && ok;
    return ok;
}

static ponder_status open_memory(engine *e, const engine_options *o, size_t pages, ponder_error *err)
{
    const model_config *c = model_config_of(e->m);
    if (!o->memory) {
        TRY(model_kv_open(&e->kv, c, o->kv, pages, err));
        return model_step_open(&e->step, e->m, e->pool, e->max_batch, err);
    }
    size_t step = model_step_bytes(e->m, o->pool, e->max_batch);
    model_kv_place(&e->kv, c, o->kv, pages, (uint8_t *)o->memory + behind_step(step));
    return model_step_open_in(&e->step, e->m, e->pool, e->max_batch, o->memory, err);
}

static ponder_status open_parts(engine *e, const engine_options *o, ponder_error *err)
{
    size_t pages = 0;
    TRY(size_cache(e, o, &pages, err));
    arena count = {0};
    if (!place(e, &count, pages)) return err_set(err, PONDER_EARG, "max_sequences is too large");
    TRY(arena_open(&e->arena, count.used, err));
    place(e, &e->arena, pages);
    pages_reset(&e->pages);
    TRY(open_memory(e, o, pages, err));
    if (!reserve_text(e)) return err_set(err, PONDER_ENOMEM, "no memory for text");
    e->close_id = e->t ? tokenizer_find(e->t, STR("</think>")) : -1;
    if (e->t) TRY(tokenizer_encode(e->t, &e->close_ids, STR("\n</think>\n\n"), 0, err));
    for (size_t i = 0; i < e->close_ids.n; i++)
        if ((size_t)e->close_ids.p[i] >= e->vocab)
            return err_set(err, PONDER_EFORMAT, "the tokenizer has %d tokens, the model %zu",
                           tokenizer_size(e->t), e->vocab);
    return PONDER_OK;
}

ponder_status engine_open(engine **out, const model *m, const tokenizer *t, const engine_options *o,
                          ponder_error *err)
{
    *out = NULL;
    engine *e = calloc(1, sizeof *e);
    if (!e) return err_set(err, PONDER_ENOMEM, "no memory for an engine");
    e->m = m;
    e->k = model_kern(m);
    e->t = t;
    e->pool = o->pool;
    e->prefix_cache = !o->no_prefix_cache && !o->memory;
    e->lent = o->memory != NULL;
    e->vocab = (size_t)model_config_of(m)->vocab;
    e->max_seqs = max_sequences(o);
    e->max_batch = engine_step_tokens(o);
    ponder_status st = open_parts(e, o, err);
    if (st != PONDER_OK) {
        engine_close(e);
        return st;
    }
    *out = e;
    return PONDER_OK;
}

void engine_close(engine *e)
{
    if (!e) return;
    model_step_close(e->step);
    if (!e->lent) model_kv_close(&e->kv);
    for (size_t i = 0; e->arena.base && i < e->max_seqs; i++) chat_splitter_free(&e->seqs[i].split);
    arena_close(&e->arena);
    tokens_free(&e->close_ids);
    buf_free(&e->whole);
    buf_free(&e->reasoning);
    buf_free(&e->answer);
    buf_free(&e->calls);
    buf_free(&e->out);
    free(e);
}

engine_state engine_state_of(const engine *e)
{
    engine_state s = {.context = e->context,
                      .page_bytes = e->kv.page_bytes,
                      .pages = e->pages.count,
                      .pages_held = e->pages.count - pages_ready(&e->pages),
                      .pages_cached = e->pages.n_cached,
                      .preempted = e->preempted};
    for (size_t i = 0; i < e->n_live; i++)
        *(e->order[i]->state == SEQ_RUNNING ? &s.running : &s.waiting) += 1;
    return s;
}

/* ---- requests -------------------------------------------------------------------------------- */

static ponder_status check_sampling(const engine *e, const engine_sampling *o, ponder_error *err)
{
    if (!(o->temperature >= 0 && o->temperature <= 100))
        return err_set(err, PONDER_EARG, "temperature %g: want 0 to 100", (double)o->temperature);
    if (o->top_k < 0) return err_set(err, PONDER_EARG, "top_k %d: want 0 or more", o->top_k);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return err_set(err, PONDER_EARG, "top_p %g: want more than 0, at most 1", (double)o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1))
        return err_set(err, PONDER_EARG, "min_p %g: want 0 to 1", (double)o->min_p);
    if (!(o->repetition > 0 && o->repetition <= 100))
        return err_set(err, PONDER_EARG, "repetition penalty %g: want more than 0, at most 100",
                       (double)o->repetition);
    if (!isfinite(o->presence) || !isfinite(o->frequency))
        return err_set(err, PONDER_EARG, "presence and frequency penalties must be numbers");
    if (o->n_bias > ENGINE_BIASES)
        return err_set(err, PONDER_ELIMIT, "%zu logit biases: at most %d", o->n_bias,
                       ENGINE_BIASES);
    for (size_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].id < 0 || (size_t)o->bias[i].id >= e->vocab || isnan(o->bias[i].bias) ||
            o->bias[i].bias == INFINITY)
            return err_set(err, PONDER_EARG,
                           "logit bias of token %d: want a number, for a token below %zu",
                           o->bias[i].id, e->vocab);
    return PONDER_OK;
}

static ponder_status check_stops(const engine_request *r, ponder_error *err)
{
    stopper s;
    for (size_t i = 0; i < r->n_stop; i++)
        for (size_t at = 0; at < r->stop[i].n;) {
            int n = utf8_step(r->stop[i].p + at, r->stop[i].n - at);
            if (n <= 0) return err_set(err, PONDER_EARG, "stop string %zu is not UTF-8", i + 1);
            at += (size_t)n;
        }
    if (!stop_set(&s, r->stop, r->n_stop))
        return err_set(err, PONDER_EARG, "stop strings: at most %d, none empty, %d bytes together",
                       ENGINE_STOPS, ENGINE_STOP_BYTES);
    return PONDER_OK;
}

static ponder_status check(const engine *e, const engine_request *r, ponder_error *err)
{
    if (r->n_prompt == 0) return err_set(err, PONDER_EARG, "the prompt is empty");
    if (!r->event) return err_set(err, PONDER_EARG, "the request has no event function");
    if (r->n_prompt >= e->context)
        return err_set(err, PONDER_ELIMIT,
                       "the prompt has %zu tokens and the context %zu positions, of which an "
                       "answer needs some",
                       r->n_prompt, e->context);
    for (size_t i = 0; i < r->n_prompt; i++)
        if (r->prompt[i] < 0 || (size_t)r->prompt[i] >= e->vocab)
            return err_set(err, PONDER_EARG, "token %d at position %zu: the model has %zu",
                           r->prompt[i], i, e->vocab);
    if (r->tops < 0 || r->tops > ENGINE_TOPS)
        return err_set(err, PONDER_EARG, "%d top log-probabilities: want 0 to %d", r->tops,
                       ENGINE_TOPS);
    TRY(check_stops(r, err));
    return check_sampling(e, &r->sampling, err);
}

static void start(engine *e, seq *s, const engine_request *r, size_t choice)
{
    seq fresh = {.ids = s->ids,
                 .table = s->table,
                 .bias = s->bias,
                 .past = s->past,
                 .split.held = s->split.held};
    *s = fresh;
    buf_clear(&s->split.held);
    s->state = SEQ_WAITING;
    s->request = e->requests;
    s->choice = r->first_choice + choice;
    memcpy(s->ids, r->prompt, r->n_prompt * sizeof *s->ids);
    s->n = s->n_prompt = s->usage.prompt = r->n_prompt;
    s->sampling = r->sampling;
    if (r->sampling.n_bias) memcpy(s->bias, r->sampling.bias, r->sampling.n_bias * sizeof *s->bias);
    s->sampling.bias = s->bias;
    if (history_wanted(&s->sampling))
        for (size_t i = 0; i < s->n; i++) history_add(&s->past, s->ids[i], true);
    s->event = r->event;
    s->user = r->user;
    s->max_tokens = r->max_tokens ? r->max_tokens : SIZE_MAX;
    s->think_budget = r->think_budget;
    s->loop_tokens = r->loop_tokens;
    s->tops = r->tops;
    s->raw = r->raw || !e->t;
    s->ignore_end = r->ignore_end;
    s->split.state = r->begin;
    s->split.skip_breaks = r->begin != CHAT_START;
    stop_set(&s->stop, r->stop, r->n_stop);
    s->submitted_ns = clock_ns();
    e->order[e->n_live++] = s;
}

ponder_status engine_submit(engine *e, const engine_request *r, uint64_t *id, ponder_error *err)
{
    size_t choices = r->choices ? r->choices : 1;
    TRY(check(e, r, err));
    if (choices > e->max_seqs - e->n_live)
        return err_set(err, PONDER_ELIMIT, "%zu more answers at once: %zu of %zu are at work",
                       choices, e->n_live, e->max_seqs);
    seq *leader = NULL, *s = e->seqs;
    e->requests++;
    for (size_t c = 0; c < choices; c++, s++) {
        while (s->state != SEQ_FREE) s++;
        start(e, s, r, c);
        if (!leader) {
            leader = s;
        } else {
            s->state = SEQ_FORKING;
            s->leader = leader;
        }
    }
    if (id) *id = e->requests;
    return PONDER_OK;
}

void engine_cancel(engine *e, uint64_t id)
{
    for (size_t i = 0; i < e->n_live; i++)
        if (e->order[i]->request == id) e->order[i]->cancelled = true;
}

bool engine_busy(const engine *e) { return e->n_live > 0; }
