/* engine: generation. One loaded model, its paged memory of keys and values, and a scheduler that
 * runs any number of requests in one batch.
 * SPDX-License-Identifier: MIT
 *
 * An engine belongs to one thread at a time; everything happens inside engine_step, which calls
 * back with what came out. It borrows model and tokenizer until engine_close. After engine_open no
 * call here allocates memory but for output pieces longer than any seen before.
 *
 * What a request produces depends on its prompt, its settings and its seed alone: not on the other
 * requests, on the order of arrival, on cached prefixes, or on memory running short. */
#ifndef ENGINE_H
#define ENGINE_H

#include "base/base.h"
#include "model/model.h"
#include "text/text.h"

typedef struct engine engine;

typedef struct engine_options {
    enum kern_kv kv; /* how keys and values are kept */
    size_t context;  /* positions of a sequence at most; 0: the model's own, or what fits */
    size_t kv_bytes; /* memory for keys and values at most; 0: nine tenths of what is free */
    size_t max_batch_tokens; /* of a step; 0: 512 */
    size_t max_sequences;    /* at work or waiting; 0: 64 */
    bool no_prefix_cache;    /* requests do not share what they have in common */
    pool *pool;              /* NULL: one thread */
    /* Memory lent for the step and behind it keys and values, of which there are as many as fit; NULL:
     * its own. Whenever no request is at work the lender may use it, so there is no prefix cache. */
    void *memory;
    size_t memory_bytes;
} engine_options;

/* Tokens of a step at most: what memory that is lent must hold a step of, and pages of a context. */
size_t engine_step_tokens(const engine_options *o);
/* What it holds besides, with o->context set and requests without biases and penalties. */
size_t engine_table_bytes(const engine_options *o, size_t vocab);

/* ELIMIT, with the numbers, when the context asked for does not fit into memory. t may be NULL:
 * then there is no text, no end token and no thinking, only ids. */
ponder_status engine_open(engine **out, const model *m, const tokenizer *t, const engine_options *o,
                          ponder_error *err);
void engine_close(engine *e);

/* ---- a request ------------------------------------------------------------------------------- */

enum {
    ENGINE_STOPS = 16,
    ENGINE_STOP_BYTES = 1024, /* all stop strings together */
    ENGINE_BIASES = 1024,
    ENGINE_TOPS = 20,
    ENGINE_LOOP_TOKENS = 384
};

typedef struct engine_bias {
    int32_t id;
    float bias; /* added to the logit; -INFINITY bans the token */
} engine_bias;

/* The logits are changed by repetition penalty, presence and frequency penalties and bias, divided
 * by the temperature, and then cut: top-k first, top-p of what that leaves, min-p of the maximum.
 * Equal probabilities are ordered by id. The repetition penalty r of tokens in prompt or output
 * makes a logit x into x / r, below zero x * r (Keskar et al., 2019, arXiv 1909.05858,
 * section 4.1). */
typedef struct engine_sampling {
    float temperature;         /* 0: the most probable token */
    int top_k;                 /* 0: all */
    float top_p;               /* 1: all */
    float min_p;               /* 0: all */
    float repetition;          /* 1: none */
    float presence, frequency; /* 0: none. Of the output, as in the OpenAI API */
    uint64_t seed; /* token t of choice c is drawn by rng_uniform(seed, c, t, RNG_SAMPLE) */
    const engine_bias *bias;
    size_t n_bias;
} engine_sampling;

/* What the makers of a model family recommend; every field set. */
engine_sampling engine_sampling_of(chat_template c);

/* A budget ends the thinking in two ways. Over its last quarter the closing token gets a bias that
 * rises to ENGINE_NUDGE, at ends of lines and sentences only, so that a thought ends where it may;
 * when the budget is used up the closing tokens are put into the sequence. */
#define ENGINE_NUDGE 12.0f

typedef struct engine_event engine_event;
typedef void engine_event_fn(void *user, const engine_event *ev);

typedef struct engine_request {
    const int32_t *prompt; /* copied; at least one id */
    size_t n_prompt;
    size_t choices;      /* independent answers to the prompt, which is computed once; 0: 1 */
    size_t first_choice; /* number of the first one, for its randomness */
    size_t max_tokens;   /* 0: until the context is full */
    engine_sampling sampling;
    int tops;        /* most probable tokens to report with each token, 0..ENGINE_TOPS */
    const str *stop; /* UTF-8, not empty; matched in the answer, not in the reasoning */
    size_t n_stop;
    bool raw;             /* everything is answer: no thinking, no tool calls */
    bool ignore_end;      /* end tokens are tokens like others */
    enum chat_part begin; /* REASONING: the prompt opened the thinking; ANSWER: it closed it */
    size_t think_budget;  /* reasoning tokens before the close is forced; 0: no budget */
    size_t loop_tokens;   /* exactly repeating tokens that count as a loop; 0: no guard */
    engine_event_fn *event;
    void *user;
} engine_request;

/* EARG or ELIMIT for a request that cannot be served; nothing has happened then. */
ponder_status engine_submit(engine *e, const engine_request *r, uint64_t *id, ponder_error *err);
/* The choices of a request end at the next step with what they have. Unknown ids are ignored; may
 * be called from an event. */
void engine_cancel(engine *e, uint64_t id);

/* Runs one batch: a token of every sequence that generates, pieces of the prompts of others. Fails
 * only by a bug. */
ponder_status engine_step(engine *e, ponder_error *err);
/* Something is left to do. */
bool engine_busy(const engine *e);

/* ---- what comes out -------------------------------------------------------------------------- */

enum engine_event_kind {
    ENGINE_TOKEN,  /* one per token, sampled or put in */
    ENGINE_TEXT,   /* whole characters, never a part of a stop string */
    ENGINE_CLOSED, /* the thinking was ended from outside */
    ENGINE_FINISH  /* the last event of a choice */
};
enum engine_finish {
    ENGINE_STOP,   /* end token or stop string */
    ENGINE_LENGTH, /* max_tokens, or the context is full */
    ENGINE_LOOP,   /* the answer repeats itself */
    ENGINE_CANCELLED,
    ENGINE_BROKEN /* the logits are no numbers: damaged weights */
};
const char *engine_finish_name(enum engine_finish f); /* "stop", "length", ... */
enum engine_close { ENGINE_BY_MODEL, ENGINE_BY_BUDGET, ENGINE_BY_LOOP };

typedef struct engine_top {
    int32_t id;
    float logprob;
} engine_top;

typedef struct engine_usage {
    size_t prompt, cached;        /* tokens; cached ones were not computed again */
    size_t completion, reasoning; /* completion counts all output, the end token included */
    uint64_t wait_ns, prompt_ns, decode_ns; /* until started, to the first token, from there on */
} engine_usage;

struct engine_event {
    enum engine_event_kind kind;
    uint64_t request;
    size_t choice;
    /* ENGINE_TOKEN */
    int32_t id;
    bool forced;          /* put in, not sampled: the log-probabilities are 0 */
    float logprob;        /* by the model: log softmax of its logits */
    float sample_logprob; /* in the distribution it was drawn from */
    const engine_top *top;
    size_t n_top;
    /* ENGINE_TOKEN and ENGINE_TEXT: CHAT_REASONING, CHAT_ANSWER or CHAT_CALLS */
    enum chat_part part;
    str text;                /* ENGINE_TEXT */
    enum engine_close close; /* ENGINE_CLOSED and ENGINE_FINISH: how the thinking ended */
    /* ENGINE_FINISH */
    enum engine_finish finish;
    int stop; /* index of the stop string that ended it, or -1 */
    engine_usage usage;
};

/* ---- the state of an engine ------------------------------------------------------------------ */

typedef struct engine_state {
    size_t context;                  /* positions */
    size_t page_bytes, pages;        /* a page is KERN_PAGE positions */
    size_t pages_held, pages_cached; /* in use; kept for requests to come */
    size_t running, waiting;         /* sequences */
    uint64_t preempted;              /* times a sequence gave its pages to an older one */
} engine_state;

engine_state engine_state_of(const engine *e);

/* ---- prompts --------------------------------------------------------------------------------- */

enum engine_think { ENGINE_THINK_AUTO, ENGINE_THINK_ON, ENGINE_THINK_OFF };

/* Renders and encodes a conversation so that the answer can begin. AUTO leaves the thinking to the
 * template; ON opens it if the template does not; OFF closes it at once, as an empty thought, where
 * the family knows thinking. *begin is what engine_request.begin wants. Appends to out. */
ponder_status engine_prompt(tokens *out, enum chat_part *begin, const tokenizer *t, chat_template c,
                            const chat_request *r, enum engine_think think, ponder_error *err);

#endif
