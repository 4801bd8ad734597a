/* reward: decides what an answer is worth. Extraction of the answer from a response, verifiers by
 * kind, and the terms of a training reward that do not depend on the question.
 * SPDX-License-Identifier: MIT
 *
 * A verifier says equal only if it is sure: what is too hard, too large or malformed is not equal.
 * Verdicts are functions of their input alone: budgets are counted in steps, never in time. All
 * functions may be called from several threads at once. */
#ifndef REWARD_H
#define REWARD_H

#include "base/base.h"
#include "json/json.h"

/* ---- the answer in a response ------------------------------------------------------------------- */

enum reward_form {
    REWARD_ANSWER,   /* the text is the answer */
    REWARD_RESPONSE, /* a whole completion, strictly: what follows the thinking, last <answer> or box */
    REWARD_LENIENT   /* the same, and if there is none, phrases such as "the answer is" */
};
/* "answer", "response", "lenient"; false when unknown. */
bool reward_form_by_name(enum reward_form *out, str name);

/* The answer inside a response, borrowed from it. False: there is none (reason, static text, says
 * why). Rules: docs/rewards.md. */
bool reward_extract(str *answer, str response, enum reward_form form, const char **reason);
/* What follows the thinking; empty when an opened thinking was never closed. */
str reward_after_thinking(str response);
/* The last fenced block of code after the thinking, its language word (may be empty) and body. */
bool reward_extract_code(str *language, str *code, str response);

/* ---- verdicts ----------------------------------------------------------------------------------- */

typedef struct reward_question {
    str kind;               /* a name of reward_kinds; empty: "math" */
    str gold;               /* the known answer */
    const json_t *puzzle;   /* what kinds with many right answers check against (numbers and target,
                             * clauses, a maze), as `ponder task` writes it; NULL: gold decides */
} reward_question;

typedef struct reward_verdict {
    bool equal;
    const char *reason; /* static text: what decided */
    str answer;         /* what was taken from the prediction, borrowed; empty: nothing */
} reward_verdict;

/* A verifier of one kind; `answer` is extracted already. False reasons are static text. */
typedef bool reward_kind_fn(const reward_question *q, str answer, const char **reason);
/* Is the question one that its kind can judge? EFORMAT names what is wrong with gold or puzzle. */
typedef ponder_status reward_check_fn(const reward_question *q, ponder_error *err);
typedef struct reward_kind {
    const char *name, *about;
    reward_kind_fn *equal;
    reward_check_fn *check; /* NULL: any question will do */
    bool describes;         /* gold says what answers are like, and is none itself */
} reward_kind;
extern const reward_kind reward_kinds[]; /* ends with name NULL */
/* NULL when there is no such kind. Empty: math. */
const reward_kind *reward_kind_find(str name);

/* EARG for an unknown kind, EFORMAT for a gold or puzzle its kind cannot use. */
ponder_status reward_check(const reward_question *q, ponder_error *err);
/* The errors of reward_check; a bad prediction is a verdict, never an error. Code is judged by
 * reward/code.h. */
ponder_status reward_verify(reward_verdict *out, const reward_question *q, str prediction,
                            enum reward_form form, ponder_error *err);

/* ---- kinds that others build on ------------------------------------------------------------------ */

/* Are two mathematical answers the same, by the conventions of docs/rewards.md? `reason` (may be
 * NULL) gets static text. Not symmetric: an interval known accepts a solved inequality. */
bool math_equal(str gold, str prediction, const char **reason);

#endif
