/* dataset: questions with known answers, from JSON lines or from the procedural tasks.
 * SPDX-License-Identifier: MIT
 *
 * A row's fields say what kind of question it is; docs/eval.md lists them. Everything in a question
 * is borrowed from its dataset. */
#ifndef EVAL_DATASET_H
#define EVAL_DATASET_H

#include "base/base.h"
#include "json/json.h"

enum eval_form {
    EVAL_ANSWER,   /* problem or prompt, answer, kind: decided by a verifier */
    EVAL_CHOICE,   /* problem, choices, answer (a letter) */
    EVAL_FUNCTION, /* prompt, entry_point, cases: a Python function is called */
    EVAL_STDIO,    /* prompt, tests: a program reads stdin and writes stdout */
    EVAL_PATCH,    /* problem, repo, base_commit, test_patch, test_cmd: a diff is applied, tests run */
    EVAL_FORMS
};
const char *eval_form_name(enum eval_form f); /* "answer", ... */

enum { EVAL_CHOICES = 26 };

typedef struct eval_question {
    str id, problem, gold, kind;
    str subject, level; /* empty: the row has none; a level may be a grade */
    enum eval_form form;
    bool chinese;       /* the text is mostly Chinese: so are the words around it */
    bool as_is;         /* the text says itself how to answer */
    size_t n_choices;
    const json_t *choices, *puzzle, *row;
    uint64_t key; /* hash of the id: where the question's randomness is drawn */
} eval_question;

typedef struct eval_dataset {
    eval_question *q;
    size_t n;
    char *name;        /* the file, or task:NAME:LEVEL */
    uint64_t hash;     /* of the questions in use */
    json_t *rows;      /* owns what questions borrow */
    buf *own;          /* levels and answers that were numbers [2 n] */
} eval_dataset;

/* Reads all rows. A row that is no question, or whose id was seen before, is EFORMAT; the message
 * names file and line of the first few. Close it in any case. */
ponder_status eval_dataset_read(eval_dataset *out, const char *path, ponder_error *err);
/* The same of a text; `name` stands in messages. */
ponder_status eval_dataset_parse(eval_dataset *out, const char *name, str text, ponder_error *err);
/* The first n different problems of a procedural family at a level, of the test split; fewer where
 * the level has no more. */
ponder_status eval_dataset_tasks(eval_dataset *out, str family, int level, size_t n, uint64_t seed,
                                 bool chinese, ponder_error *err);
/* Keeps the first n questions (0: all). */
void eval_dataset_cut(eval_dataset *d, size_t n);
/* Takes out question i. */
void eval_dataset_drop(eval_dataset *d, size_t i);
void eval_dataset_close(eval_dataset *d);

/* Benchmarks by name. */
typedef struct eval_bench {
    const char *name, *file; /* in the data directory */
    const char *shots;       /* file of worked examples for base models; NULL: none */
    const char *language;    /* programs are asked for in; NULL: Python */
    const char *about;
} eval_bench;
extern const eval_bench eval_benches[]; /* ends with name NULL */
const eval_bench *eval_bench_find(const char *name); /* NULL: unknown */

#endif
