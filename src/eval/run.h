/* run: puts every question to a backend, judges what comes back, and keeps it.
 * SPDX-License-Identifier: MIT */
#ifndef EVAL_RUN_H
#define EVAL_RUN_H

#include "eval/backend.h"
#include "eval/prompt.h"
#include "eval/store.h"

typedef struct eval_run_options {
    const eval_dataset *data;
    const eval_judge *judge; /* with the prompter that puts the questions */
    eval_backend *backend;
    eval_store *store;      /* open for appending */
    uint64_t seed;          /* of the samples */
    const json_t *sampling; /* copied into each record */
    bool (*stopped)(void *user); /* asked between steps; NULL: never */
    void *user;
    progress *progress;     /* counts samples; NULL: none */
} eval_run_options;

/* Asks for every sample that the store lacks or has as an error. A question that fails becomes an
 * error sample. ECANCELED when stopped, EIO when nothing but errors comes back or the disk is full;
 * what came until then is kept. */
ponder_status eval_run(const eval_run_options *o, ponder_error *err);

/* Judges the kept samples again, by what they say; nothing is generated. */
ponder_status eval_regrade(const char *dir, const eval_dataset *data, size_t k,
                           const eval_judge *j, ponder_error *err);

#endif
