/* backend: where answers come from. The engine in this process, or an endpoint that speaks the
 * OpenAI dialect.
 * SPDX-License-Identifier: MIT */
#ifndef EVAL_BACKEND_H
#define EVAL_BACKEND_H

#include "engine/engine.h"
#include "http/http.h"

/* n answers to one prompt: samples first .. first + n - 1 of a question. */
typedef struct eval_ask {
    size_t question, first, n;
    str text;       /* copied */
    bool turn;      /* a user's turn; else text to be continued */
    bool thinks;    /* a continued text may think in tags */
    size_t letters; /* not 0: instead of writing, the likeliest of the letters A.. comes next (n 1) */
    uint64_t seed;
} eval_ask;

typedef struct eval_reply {
    size_t question, sample;
    str text, reasoning;  /* after the thinking; the thinking */
    const char *finish;   /* "stop", "length", "loop", ...; NULL with an error */
    double prompt_tokens, tokens, reasoning_tokens; /* -1: unknown */
    const double *letter_logprobs; /* [letters], or NULL */
    size_t letters;
    const char *error;    /* NULL: none */
} eval_reply;

typedef void eval_reply_fn(void *user, const eval_reply *r);

typedef struct eval_backend eval_backend;
struct eval_backend {
    eval_reply_fn *reply; /* set before the first ask; called from step */
    void *user;
    /* Samples that may be asked for now, so that all work and none waits long. */
    size_t (*room)(const eval_backend *b);
    /* An error concerns this ask alone. */
    ponder_status (*ask)(eval_backend *b, const eval_ask *a, ponder_error *err);
    /* Goes on for a moment; an error ends everything. */
    ponder_status (*step)(eval_backend *b, ponder_error *err);
    size_t (*pending)(const eval_backend *b); /* samples asked for and not replied to */
    void (*close)(eval_backend *b);           /* drops what is pending, frees */
};

enum { EVAL_LETTERS = 26 }; /* sequences that one ask for a letter may take */

typedef struct eval_engine_options {
    engine *e; /* borrowed; made for concurrency + EVAL_LETTERS sequences */
    const tokenizer *t;
    chat_template template; /* CHAT_NONE: turns are continued as they are */
    enum engine_think think;
    engine_sampling sampling; /* its seed is not used */
    size_t max_tokens, loop_tokens, concurrency;
    const char *const *stops; /* of continued texts; ends with NULL */
} eval_engine_options;
ponder_status eval_engine_open(eval_backend **out, const eval_engine_options *o, ponder_error *err);

typedef struct eval_endpoint_options {
    const char *url;   /* of the service, or of its chat/completions */
    const char *model; /* as the service calls it; NULL: not said */
    const char *key;   /* bearer; NULL: none */
    double temperature, top_p;
    size_t max_tokens, concurrency;
    double timeout_s;  /* of one try; 0: an hour */
    int tries;         /* 0: 6 */
} eval_endpoint_options;
/* Continued texts and letters are EUNSUPPORTED there. */
ponder_status eval_endpoint_open(eval_backend **out, const eval_endpoint_options *o,
                                 ponder_error *err);

#endif
