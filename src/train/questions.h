/* questions: what a policy is asked while it is trained by rewards, and how its answers are judged.
 * Question i of a source is a function of (source, seed, i).
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_QUESTIONS_H
#define TRAIN_QUESTIONS_H

#include "json/json.h"
#include "reward/reward.h"
#include "reward/task/task.h"

/* A share of the questions: a procedural family, or a file of rows as `ponder task` writes them. */
typedef struct question_mix {
    const task_family *family; /* NULL: the file */
    int low, high;             /* levels, drawn evenly */
    double weight;
    double chinese;            /* share of questions asked in Chinese */
} question_mix;

typedef struct questions questions;

/* From a JSON list of {"task", "levels": "1-3", "weight"?, "zh"?} and {"file", "weight"?, "kind"?},
 * which must live as long; `name` is for messages, paths are relative to `dir`. A file's rows need a
 * "prompt"; "answer" or "gold", "kind" (without it the part's) and "puzzle" are as in `ponder verify`,
 * and other keys are ignored. */
ponder_status questions_open(questions **out, const json_t *list, const char *name, const char *dir,
                             enum task_split split, uint64_t seed, ponder_error *err);
/* The same for training, but a lone file is gone through row by row, shuffled anew for each pass.
 */
ponder_status questions_open_once(questions **out, const json_t *list, const char *name,
                                  const char *dir, uint64_t seed, ponder_error *err);
uint64_t questions_rows(const questions *q); /* of a lone file gone through; 0: there is no end */
void questions_close(questions *q);

/* Buffers are reused from draw to draw. */
typedef struct question {
    buf prompt, gold, kind;
    json_t *puzzle;    /* owned, or NULL */
    const json_t *row; /* of a file, as it stands there; else NULL */
    size_t line;       /* where */
    const char *task;  /* of a family; of a file what its row says, else its name */
    int level;         /* 0: a file does not say */
    enum task_lang lang;
    uint64_t number;  /* as it was drawn */
    uint64_t key;     /* the same for the same problem; of a file: the number of its row */
} question;

/* Calls fn for every row of its files until one fails; the error then names file and line. */
typedef ponder_status questions_fn(void *user, const question *q, ponder_error *err);
ponder_status questions_each(const questions *q, questions_fn *fn, void *user, ponder_error *err);
/* Can all rows be judged by a verifier (NULL: by that of their own kind)? `remedy` ends the message
 * for one without an answer; NULL: those may stand. */
ponder_status questions_check(const questions *q, const char *kind, const char *remedy,
                              ponder_error *err);

ponder_status questions_draw(question *out, const questions *q, uint64_t i, ponder_error *err);
void question_free(question *q);
/* Is there a known answer to it? */
bool question_known(const question *q);
/* Is the answer of a whole response (with its thinking) right? Without a known answer it is not. */
bool question_judge(const question *q, str response, enum reward_form form);

#endif
