/* terms_int: what a kind of term is. A row in the table of terms.c makes it usable.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_TERMS_INT_H
#define TRAIN_TERMS_INT_H

#include "train/terms.h"

/* A row of "rewards"; each kind has keys for some of it. Texts are borrowed from the recipe. */
typedef struct term_settings {
    double weight;
    const char *name, *of, *regex, *form, *kind, *model;
    const json_t *program;
    double timeout_s;
} term_settings;

/* Where a term stands. */
typedef struct term_place {
    const recipe *r;
    const char *where;      /* for messages; names the term */
    const stage_context *c; /* NULL: only check */
} term_place;

typedef struct term_kind {
    const char *key; /* the key that tells the kind, and the name of a term without one */
    const key *keys; /* beside "about", "name" and "weight" */
    /* *state is NULL before; closed whatever open returns. */
    ponder_status (*open)(void **state, const term_settings *s, const term_place *p,
                          ponder_error *err);
    /* out[k] of answer k. */
    ponder_status (*judge)(void *state, const term_answer *a, size_t n, float *out,
                           ponder_error *err);
    void (*close)(void *state);
} term_kind;

extern const term_kind term_regex, term_verifier, term_program, term_model;

/* ---- of the program's answers ---------------------------------------------------------------- */

/* The line a program may print for line `id`: a number, true or false, or an object with one of them as
 * "reward" and perhaps the "id". False: it is none of these, not within +-TERM_REWARD_MAX, or another's. */
bool term_read_reward(float *out, str line, uint64_t id);
enum { TERM_REWARD_MAX = 1000000 };

#endif
