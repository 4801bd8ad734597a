/* store: the samples of a run on disk, one JSON line each, and what pins the run's settings.
 * SPDX-License-Identifier: MIT
 *
 * A directory holds run.json (settings; a run goes on only with the same ones), samples.jsonl
 * (appended; of several lines for one sample the last counts), and the reports. A line that a crash
 * cut off is dropped on opening. */
#ifndef EVAL_STORE_H
#define EVAL_STORE_H

#include "eval/dataset.h"

/* What metrics need of a sample. */
typedef struct eval_sample {
    bool done;             /* there is a line */
    bool error;            /* it tells of a failure: counts as wrong, is tried again on resuming */
    bool strict, lenient;  /* right, by either reading */
    bool found, answered;  /* an answer was found, by either reading */
    bool truncated, loop;  /* ended by the token limit; by the guard against repetition */
    double language;       /* share of words in the question's language; -1: unknown */
    double tokens, reasoning_tokens; /* of the response; -1: unknown */
    char *answer;          /* NULL: none */
} eval_sample;

typedef struct eval_store {
    const eval_dataset *data;
    size_t k;
    eval_sample *samples; /* [questions, k] */
    char *path;           /* of samples.jsonl */
    int fd;               /* -1: read only */
    uint64_t synced_ns;
    size_t done, errors;
} eval_store;

static inline eval_sample *eval_sample_at(const eval_store *s, size_t question, size_t sample)
{
    return &s->samples[question * s->k + sample];
}

/* Passes each line of a file of JSON lines to fn; a file that is not there has none. With `whole` a
 * last line without its newline was cut off and does not count: *whole gets the bytes before it.
 * Errors name file and line. */
typedef ponder_status eval_line_fn(void *user, json_t *record, ponder_error *err);
ponder_status eval_each_line(const char *path, eval_line_fn *fn, void *user, size_t *whole,
                             ponder_error *err);

/* Compares `settings` with dir's run.json, if there is one. EARG names the settings that differ;
 * "where", the paths of data, may. */
ponder_status eval_pin_check(const char *dir, const json_t *settings, ponder_error *err);
/* The same, or writes it when there is none. */
ponder_status eval_pin(const char *dir, const json_t *settings, ponder_error *err);

/* Reads dir's samples; `append` also opens them for more and locks them (EIO when another run has
 * them). EFORMAT names file and line of a damaged one. Close it in any case. */
ponder_status eval_store_open(eval_store *out, const char *dir, const eval_dataset *data, size_t k,
                              bool append, ponder_error *err);
/* Appends a record, which names "question" and "sample". It survives the process at once, the
 * machine within a second. */
ponder_status eval_store_add(eval_store *s, const json_t *record, ponder_error *err);
/* Makes what was added survive the machine. */
ponder_status eval_store_sync(eval_store *s, ponder_error *err);
void eval_store_close(eval_store *s);

/* Passes every record that counts to fn, which may change it, and replaces the file by the outcome. */
typedef ponder_status eval_change_fn(void *user, const eval_question *q, json_t *record,
                                     ponder_error *err);
ponder_status eval_store_rewrite(const char *dir, const eval_dataset *data, size_t k,
                                 eval_change_fn *fn, void *user, ponder_error *err);

#endif
