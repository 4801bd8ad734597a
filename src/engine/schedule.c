/* What runs in a step, and where its keys and values go.
 * SPDX-License-Identifier: MIT
 *
 * A sequence computes the tokens it knows but has not computed: one while it generates, many of a
 * prompt. Sequences that generate always take part; the rest of the batch is shared evenly by the
 * others, so that a short prompt does not wait behind a long one.
 *
 * When pages run out, the youngest sequence gives its pages back and is computed again later: the
 * law of batch invariance makes that invisible in what it says. The oldest sequence never gives way
 * and there are pages for a whole context, so something always advances. */
#include "engine/engine_int.h"

static size_t pages_for(size_t positions) { return size_ceil_div(positions, KERN_PAGE); }

void seq_release(engine *e, seq *s)
{
    /* Last page first: the end of a sequence is the first thing the cache forgets. */
    while (s->n_pages) pages_drop(&e->pages, s->table[--s->n_pages]);
    s->done = s->named = 0;
    s->name = 0;
}

static void compact(engine *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_live; i++)
        if (e->order[i]->state != SEQ_FREE) e->order[n++] = e->order[i];
    e->n_live = n;
}

static void drop_cancelled(engine *e)
{
    for (size_t i = 0; i < e->n_live; i++)
        if (e->order[i]->cancelled) seq_finish(e, e->order[i], ENGINE_CANCELLED, -1);
    compact(e);
}

/* Takes over pages that hold the next ids already, but for the last id, which gives the logits. */
static void adopt(engine *e, seq *s)
{
    while (e->prefix_cache && s->named * KERN_PAGE == s->done && s->n_pages == s->named &&
           s->done + KERN_PAGE < s->n) {
        uint32_t i = pages_find(&e->pages, s->name, s->ids + s->done);
        if (i == PAGE_NONE) return;
        pages_hold(&e->pages, i);
        s->table[s->n_pages++] = i;
        s->name = e->pages.page[i].name;
        s->named++;
        s->done += KERN_PAGE;
        if (!s->preempted) s->usage.cached += KERN_PAGE;
    }
}

/* Names the pages that have become full. A twin that another sequence computed takes the place of
 * ours: by the law both hold the same bits. */
static void name_pages(engine *e, seq *s)
{
    while (e->prefix_cache && (s->named + 1) * KERN_PAGE <= s->done) {
        uint32_t *mine = &s->table[s->named];
        const int32_t *ids = s->ids + s->named * KERN_PAGE;
        uint32_t twin = pages_find(&e->pages, s->name, ids);
        if (twin == PAGE_NONE) {
            pages_name(&e->pages, *mine, s->name, ids);
        } else {
            pages_hold(&e->pages, twin);
            pages_drop(&e->pages, *mine);
            *mine = twin;
        }
        s->name = e->pages.page[*mine].name;
        s->named++;
    }
}

/* Lets waiting sequences in, oldest first, while there is room for all they know and a page for
 * each of those that generate. */
static void admit(engine *e)
{
    size_t promised = 0, running = 0;
    for (size_t i = 0; i < e->n_live; i++) {
        seq *s = e->order[i];
        if (s->state != SEQ_RUNNING) continue;
        promised += pages_for(s->n) - s->n_pages + 1;
        running++;
    }
    for (size_t i = 0; i < e->n_live; i++) {
        seq *s = e->order[i];
        if (s->state != SEQ_WAITING) continue;
        adopt(e, s);
        size_t need = pages_for(s->n) - s->n_pages;
        if (running && promised + need > pages_ready(&e->pages)) {
            seq_release(e, s);
            if (!s->preempted) s->usage.cached = 0;
            return;
        }
        s->state = SEQ_RUNNING;
        if (!s->started_ns) s->started_ns = clock_ns();
        promised += need + 1;
        running++;
    }
}

static void copy_page(engine *e, uint32_t to, uint32_t from)
{
    memcpy(e->kv.base + to * e->kv.page_bytes, e->kv.base + from * e->kv.page_bytes,
           e->kv.page_bytes);
}

/* Gives s pages of its own for the next q positions; how many of these could be had. */
static size_t provide(engine *e, seq *s, size_t q)
{
    size_t at = s->done / KERN_PAGE;
    if (at < s->n_pages && e->pages.page[s->table[at]].refs > 1) { /* P3: copy on write */
        uint32_t own = pages_take(&e->pages);
        if (own == PAGE_NONE) return 0;
        copy_page(e, own, s->table[at]);
        pages_drop(&e->pages, s->table[at]);
        s->table[at] = own;
    }
    while (s->n_pages * KERN_PAGE < s->done + q) {
        uint32_t i = pages_take(&e->pages);
        if (i == PAGE_NONE) break;
        s->table[s->n_pages++] = i;
    }
    return size_min(q, s->n_pages * KERN_PAGE - s->done);
}

static void preempt(engine *e, seq *s)
{
    seq_release(e, s);
    s->state = SEQ_WAITING;
    s->preempted = true;
    e->preempted++;
}

/* At least one of q positions for s, at the cost of younger sequences, and of itself at last. */
static size_t secure(engine *e, seq *s, size_t q)
{
    size_t got;
    while ((got = provide(e, s, q)) == 0) {
        size_t i = e->n_live - 1;
        while (e->order[i]->state != SEQ_RUNNING) i--;
        preempt(e, e->order[i]);
        if (e->order[i] == s) return 0;
    }
    return got;
}

/* Sets the quota of every sequence and the spans of the step; the number of spans. */
static size_t plan(engine *e)
{
    size_t left = e->max_batch, sharers = 0, n = 0;
    for (size_t i = 0; i < e->n_live; i++) {
        seq *s = e->order[i];
        s->quota = 0;
        if (s->state != SEQ_RUNNING) continue;
        adopt(e, s);
        if (s->n - s->done == 1) left--;
        else sharers++;
    }
    for (size_t i = 0; i < e->n_live; i++) {
        seq *s = e->order[i];
        if (s->state != SEQ_RUNNING) continue;
        size_t rest = s->n - s->done, q = 1;
        if (rest > 1) {
            q = size_min(rest, size_ceil_div(left, sharers--));
            if (q == 0) continue;
        }
        s->quota = secure(e, s, q);
        if (rest > 1) left -= s->quota;
        if (s->quota == 0) continue;
        bool whole = s->quota == rest;
        e->spans[n] = (model_span){.ids = s->ids + s->done,
                                   .n = s->quota,
                                   .pos = s->done,
                                   .pages = s->table,
                                   .want = whole ? 1 : 0,
                                   .logits = whole ? e->logits + n * e->vocab : NULL};
        n++;
    }
    return n;
}

static void add_pick(engine *e, seq *s, const float *logits)
{
    e->picks[e->n_picks] = (struct pick_job){.s = s, .logits = logits};
    e->picks[e->n_picks++].got.want_tops = s->tops;
}

/* The other choices of a prompt share its pages from where it ends. */
static void fork_choices(engine *e, const seq *s, const float *logits)
{
    for (size_t i = 0; i < e->n_live; i++) {
        seq *c = e->order[i];
        if (c->state != SEQ_FORKING || c->leader != s) continue;
        for (size_t p = 0; p < s->n_pages; p++) pages_hold(&e->pages, c->table[p] = s->table[p]);
        c->n_pages = s->n_pages;
        c->done = s->done;
        c->named = s->named;
        c->name = s->name;
        c->usage.cached = c->n_prompt;
        c->started_ns = s->started_ns;
        c->state = SEQ_RUNNING;
        add_pick(e, c, logits);
    }
}

/* Takes in what the step computed; the sequences that are due a token become picks. */
static void collect(engine *e)
{
    size_t n = 0;
    e->n_picks = 0;
    for (size_t i = 0; i < e->n_live; i++) {
        seq *s = e->order[i];
        if (s->quota == 0) continue;
        const float *logits = e->spans[n++].logits;
        s->done += s->quota;
        s->quota = 0;
        name_pages(e, s);
        if (s->done < s->n) continue;
        add_pick(e, s, logits);
        if (s->n == s->n_prompt) fork_choices(e, s, logits);
    }
}

static void pick(void *arg, size_t begin, size_t end, int worker)
{
    engine *e = arg;
    for (size_t i = begin; i < end; i++) {
        struct pick_job *j = &e->picks[i];
        const seq *s = j->s;
        double u = rng_uniform(s->sampling.seed, s->choice, s->n, RNG_SAMPLE);
        j->ok = sampler_pick(&e->samplers[worker], e->k, j->logits, e->vocab, &s->sampling,
                             &s->past, seq_nudge(e, s), u, &j->got);
    }
}

ponder_status engine_step(engine *e, ponder_error *err)
{
    drop_cancelled(e);
    admit(e);
    size_t n = plan(e);
    if (n == 0) return PONDER_OK;
    TRY(model_forward(e->step, e->m, &e->kv, e->spans, n, err));
    collect(e);
    pool_run(e->pool, e->n_picks, 1, pick, e);
    for (size_t i = 0; i < e->n_picks; i++) {
        struct pick_job *j = &e->picks[i];
        if (j->ok) seq_accept(e, j->s, j->got.id, &j->got);
        else seq_finish(e, j->s, ENGINE_BROKEN, -1);
    }
    compact(e);
    return PONDER_OK;
}
