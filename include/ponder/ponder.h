/* ponder: run a reasoning model inside a program.
 * SPDX-License-Identifier: MIT
 *
 * A model is opened from a GGUF file or a Hugging Face directory. A session is a conversation with
 * it (or, raw, one growing text); ponder_generate continues the session and hands out the text as
 * it comes, reasoning and answer apart. Everything that can fail returns a status and fills the
 * caller's ponder_error (may be NULL). Nothing here prints, exits, or reads the environment.
 *
 * Threads: a model and its sessions belong to one thread at a time; ponder_session_cancel alone may
 * come from another thread or a signal handler. Different models are independent.
 * Ownership: *_open ... *_close; close accepts NULL. A model must outlive its sessions.
 * Growth: structs that may grow begin with their size, as the caller was compiled; the init
 * functions set it, together with the defaults. Texts are UTF-8. */
#ifndef PONDER_PONDER_H
#define PONDER_PONDER_H

#include <ponder/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PONDER_API __attribute__((visibility("default")))
#else
#define PONDER_API
#endif

/* "0.1.0" */
PONDER_API const char *ponder_version(void);
/* A status as a word: "ok", "format", ... */
PONDER_API const char *ponder_status_name(ponder_status status);

/* ---- models ------------------------------------------------------------------------------------ */

typedef struct ponder_model ponder_model;

/* How keys and values are kept. */
typedef enum ponder_cache {
    PONDER_CACHE_F32,
    PONDER_CACHE_F16,
    PONDER_CACHE_BF16, /* the default */
    PONDER_CACHE_Q8_0
} ponder_cache;

typedef struct ponder_model_options {
    size_t size;
    int threads;        /* 0: one per physical core */
    const char *cpu;    /* instruction set: NULL or "native", "ref", "avx2", "avx512", ... */
    size_t context;     /* tokens of a session at most; 0: the model's own, if memory allows */
    ponder_cache cache;
} ponder_model_options;

PONDER_API void ponder_model_options_init(ponder_model_options *o, size_t size);

/* o may be NULL: the defaults. */
PONDER_API ponder_status ponder_model_open(ponder_model **out, const char *path,
                                           const ponder_model_options *o, ponder_error *err);
PONDER_API void ponder_model_close(ponder_model *m);
PONDER_API size_t ponder_model_vocab(const ponder_model *m);   /* token ids are below this */
PONDER_API size_t ponder_model_context(const ponder_model *m); /* tokens of a session at most */

/* ---- tokens ------------------------------------------------------------------------------------ */

enum {
    PONDER_CONTROL = 1, /* control tokens written out in the text are recognised; not for foreign text */
    PONDER_BOS = 2      /* the begin token first, if the model wants one */
};

/* Writes the first `cap` ids of text[0, n) and sets *count to how many there are. */
PONDER_API ponder_status ponder_tokenize(const ponder_model *m, const char *text, size_t n,
                                         unsigned flags, int32_t *ids, size_t cap, size_t *count,
                                         ponder_error *err);
/* Writes the first `cap` bytes of the ids' text (not NUL-terminated; a lone token may be a part of
 * a character) and sets *n to how many there are. */
PONDER_API ponder_status ponder_detokenize(const ponder_model *m, const int32_t *ids, size_t count,
                                           char *text, size_t cap, size_t *n, ponder_error *err);
/* logprobs[i] = ln p(ids[i + 1] | ids[0..i]), for i < count - 1. */
PONDER_API ponder_status ponder_score(ponder_model *m, const int32_t *ids, size_t count,
                                      float *logprobs, ponder_error *err);

/* ---- sessions ---------------------------------------------------------------------------------- */

typedef struct ponder_session ponder_session;

typedef enum ponder_mode {
    PONDER_CHAT, /* messages, through the model's chat template */
    PONDER_RAW   /* plain text that the model continues */
} ponder_mode;

PONDER_API ponder_status ponder_session_open(ponder_session **out, ponder_model *m,
                                             ponder_mode mode, ponder_error *err);
PONDER_API void ponder_session_close(ponder_session *s);
/* Adds a message to a chat: role "system", "user" or "assistant". To a raw session: text, role
 * NULL. */
PONDER_API ponder_status ponder_session_add(ponder_session *s, const char *role, const char *text,
                                            ponder_error *err);
/* Back to an empty session. */
PONDER_API void ponder_session_clear(ponder_session *s);
/* Ends the ponder_generate under way in the session; without one, the next. */
PONDER_API void ponder_session_cancel(ponder_session *s);

/* ---- generation -------------------------------------------------------------------------------- */

typedef enum ponder_kind { PONDER_REASONING = 1, PONDER_ANSWER, PONDER_TOOL_CALL } ponder_kind;

/* Whole characters as they come; text is NUL-terminated and valid during the call. Returning
 * anything but 0 ends the generation. Must not call back into the model. */
typedef int ponder_piece_fn(void *user, ponder_kind kind, const char *text, size_t n);

typedef enum ponder_think {
    PONDER_THINK_AUTO, /* as the model's template has it */
    PONDER_THINK_ON,
    PONDER_THINK_OFF
} ponder_think;

typedef struct ponder_generate_options {
    size_t size;
    ponder_piece_fn *piece; /* NULL: only the result */
    void *user;
    size_t max_tokens;                     /* 0: until the context is full */
    float temperature;                     /* 0: always the most probable token */
    int top_k;                             /* 0: all */
    float top_p, min_p;                    /* 1 and 0: all */
    float repetition, presence, frequency; /* 1, 0 and 0: none */
    uint64_t seed;                         /* the same seed gives the same answer */
    ponder_think think;
    size_t think_budget;     /* tokens of reasoning after which it is closed; 0: no limit */
    const char *const *stop; /* texts that end the answer */
    size_t n_stop;
} ponder_generate_options;

/* Defaults are what the makers of the model recommend. */
PONDER_API void ponder_generate_options_init(ponder_generate_options *o, size_t size,
                                             const ponder_model *m);

typedef enum ponder_finish {
    PONDER_FINISH_STOP,   /* the model ended it, or a stop text came */
    PONDER_FINISH_LENGTH, /* max_tokens, or the context is full */
    PONDER_FINISH_LOOP,   /* the model repeated itself without end */
    PONDER_FINISH_CANCELED
} ponder_finish;

typedef struct ponder_result {
    size_t size; /* set by the caller: sizeof(ponder_result) */
    ponder_finish finish;
    const char *answer, *reasoning;             /* whole; the session's until its next call */
    size_t prompt_tokens, cached_tokens;        /* cached: known from before, not computed again */
    size_t completion_tokens, reasoning_tokens; /* completion counts both */
    double prompt_seconds, decode_seconds;
} ponder_result;

/* Continues the session. text, unless NULL, is added first: as the user's message, or to the raw
 * text. The answer (not the reasoning) becomes a part of the session. o may be NULL: the defaults;
 * so may r. On failure the session is as before. */
PONDER_API ponder_status ponder_generate(ponder_session *s, const char *text,
                                         const ponder_generate_options *o, ponder_result *r,
                                         ponder_error *err);

#ifdef __cplusplus
}
#endif
#endif
