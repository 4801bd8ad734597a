/* engine_int: the parts of the engine, for itself and its unit tests.
 * SPDX-License-Identifier: MIT
 *
 *   schedule  what runs in a step            sequence  what a token means: text, thinking, the end
 *   pages     who owns which page            sampler   which token comes next
 *   stop      stop strings                   loop      repetition */
#ifndef ENGINE_INT_H
#define ENGINE_INT_H

#include "engine/engine.h"

/* ---- pages ----------------------------------------------------------------------------------- */

#define PAGE_NONE UINT32_MAX

typedef struct kv_page {
    uint32_t refs;
    uint32_t older, newer; /* neighbours in the list of cached pages */
    uint32_t next;         /* in the bucket */
    uint64_t name, parent; /* 0: none */
    int32_t ids[KERN_PAGE];
} kv_page;

typedef struct page_pool {
    uint32_t count, n_free, n_cached;
    uint32_t old_first, old_last; /* cached pages, the one unused longest first */
    uint64_t names;               /* given so far */
    size_t buckets;               /* a power of two */
    kv_page *page;                /* [count] */
    uint32_t *free_list;          /* [count] a stack */
    uint32_t *bucket;             /* [buckets] */
} page_pool;

/* Places the tables of `count` pages into a, which may be a counting arena; then pages_reset. */
ponder_status pages_place(page_pool *p, size_t count, arena *a);
void pages_reset(page_pool *p);
/* A page with one reference: a free one, else the oldest cached one; PAGE_NONE: all are held. */
uint32_t pages_take(page_pool *p);
void pages_hold(page_pool *p, uint32_t i); /* one more reference, of a held or cached page */
void pages_drop(page_pool *p, uint32_t i); /* one less */
static inline size_t pages_ready(const page_pool *p) { return (size_t)p->n_free + p->n_cached; }
/* The page with these ids [KERN_PAGE] after the page named parent, or PAGE_NONE. */
uint32_t pages_find(const page_pool *p, uint64_t parent, const int32_t *ids);
/* Names a held page; pages_find(parent, ids) must have found none. */
void pages_name(page_pool *p, uint32_t i, uint64_t parent, const int32_t *ids);

/* ---- sampler --------------------------------------------------------------------------------- */

#define HISTORY_PROMPT (1u << 31)

/* What the penalties look at. */
typedef struct history {
    uint32_t *count; /* [V] times in the output, and HISTORY_PROMPT */
    int32_t *seen;   /* [V] the ids whose count is not 0 */
    size_t n_seen;
} history;

bool history_wanted(const engine_sampling *o);
void history_add(history *h, int32_t id, bool prompt);
void history_clear(history *h);

enum { SAMPLER_BINS = 1024, SAMPLER_BLOCK = 128 };

/* Scratch of one thread. */
typedef struct sampler {
    float *x;           /* [V] logits as changed */
    float *w;           /* [V] weights of the candidates, and their ids */
    int32_t *id;        /* [V] */
    float *block_top;   /* [blocks of V] */
    double *block_mass; /* [blocks of V] */
    double bin_mass[SAMPLER_BINS];
    uint32_t bin_count[SAMPLER_BINS];
} sampler;

typedef struct picked {
    int32_t id;
    float logprob, sample_logprob;
    int want_tops; /* in */
    size_t n_top;
    engine_top top[ENGINE_TOPS];
} picked;

/* Places the arrays of s into a, which may be a counting arena. */
bool sampler_place(sampler *s, size_t vocab, arena *a);
/* Draws with u in [0, 1). nudge: one more bias (0: none). h may be NULL without penalties. false
 * when the logits are no numbers or every token is banned. */
bool sampler_pick(sampler *s, const kern *k, const float *logits, size_t n,
                  const engine_sampling *o, const history *h, engine_bias nudge, double u,
                  picked *out);
/* The `want` largest of x, largest first, equal ones by id; their values stand in logprob. */
size_t sampler_tops(const float *x, size_t n, int want, engine_top *top);

/* ---- stop strings ---------------------------------------------------------------------------- */

typedef struct stopper {
    size_t n;
    uint16_t begin[ENGINE_STOPS], len[ENGINE_STOPS];
    uint16_t at[ENGINE_STOPS]; /* length of the prefix seen */
    char bytes[ENGINE_STOP_BYTES];
    uint16_t fail[ENGINE_STOP_BYTES]; /* longest border of each prefix */
    char held[ENGINE_STOP_BYTES + 1];
    size_t n_held;
} stopper;

/* false when there are too many, an empty one, or too long ones. */
bool stop_set(stopper *s, const str *stop, size_t n);
/* Appends what may go out; the index of the stop string that ended, or -1. Not to be called again
 * after a match. */
int stop_push(stopper *s, str text, buf *out);
void stop_flush(stopper *s, buf *out);

/* ---- repetition ------------------------------------------------------------------------------ */

enum { LOOP_PERIODS = 1024 }; /* a power of two */

typedef struct loop_guard {
    size_t n;
    int32_t ring[LOOP_PERIODS];
    uint32_t run[LOOP_PERIODS + 1];
} loop_guard;

void loop_reset(loop_guard *g);
/* The next token. The period of the loop that reached the limit with it, or 0. */
size_t loop_push(loop_guard *g, int32_t id, size_t limit);

/* ---- sequences ------------------------------------------------------------------------------- */

/* One choice of a request.
 *
 *   FREE --submit--> WAITING --admitted--> RUNNING --finished--> FREE
 *                      ^                      |
 *                   FORKING --leader's prompt is computed--> RUNNING
 *
 * Invariants:
 *  S1  ids[0..n) are known; keys and values of the first `done` are in the pages of `table`.
 *
 *  S2  done < n unless the sequence is being sampled. A step computes from `done` on; when it
 *      reaches n the logits give token n. Prompt, answer and tokens put in are all the same to it.
 *
 *  S3  WAITING and FORKING sequences hold no pages.
 *
 *  S4  The first `named` pages of the table are named; `name` is the last one's name. */
typedef struct seq {
    enum { SEQ_FREE, SEQ_WAITING, SEQ_FORKING, SEQ_RUNNING } state;
    uint64_t request;
    size_t choice;
    struct seq *leader; /* FORKING: who computes the prompt */
    bool cancelled, preempted;

    int32_t *ids;    /* [context] */
    uint32_t *table; /* [pages of context] */
    size_t n, done, n_pages, named;
    uint64_t name;
    size_t n_prompt, quota; /* quota: positions of the step at hand */

    engine_sampling sampling;
    engine_bias *bias; /* [ENGINE_BIASES] */
    history past;
    engine_event_fn *event;
    void *user;
    size_t max_tokens, think_budget, loop_tokens;
    int tops;
    bool raw, ignore_end;
    bool at_break; /* the text ends a line or a sentence */
    enum engine_close close;

    utf8_stream utf8;
    chat_splitter split;
    stopper stop;
    loop_guard loop;
    engine_usage usage;
    uint64_t submitted_ns, started_ns, first_ns;
} seq;

/* A sequence whose next token is due, and the token. */
struct pick_job {
    seq *s;
    const float *logits;
    picked got;
    bool ok;
};

struct engine {
    const model *m;
    const kern *k;
    const tokenizer *t;
    pool *pool;
    bool prefix_cache, lent; /* lent: the memory of kv and step */
    size_t context, vocab, max_batch, max_seqs, table_pages;

    model_kv kv;
    page_pool pages;
    model_step *step;
    arena arena; /* everything below */
    seq *seqs;   /* [max_seqs] */
    seq **order; /* [max_seqs] the live ones by arrival */
    size_t n_live;
    uint64_t requests, preempted;
    model_span *spans;      /* [max_seqs] */
    struct pick_job *picks; /* [max_seqs] */
    size_t n_picks;
    float *logits;     /* [max_seqs, V] */
    sampler *samplers; /* [threads] */

    int32_t close_id;                         /* the token </think>, or -1 */
    tokens close_ids;                         /* what ends a thought from outside */
    buf whole, reasoning, answer, calls, out; /* text on its way */
};

/* Takes token `id` (S2: at position n) into the sequence: events, text, thinking, limits. A
 * finished sequence is FREE afterwards. got: NULL for tokens that are put in. */
void seq_accept(engine *e, seq *s, int32_t id, const picked *got);
void seq_finish(engine *e, seq *s, enum engine_finish f, int stop);
/* The bias towards closing the thought, due for the next token. */
engine_bias seq_nudge(const engine *e, const seq *s);
/* Gives all pages back. */
void seq_release(engine *e, seq *s);

#endif
