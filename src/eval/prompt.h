/* prompt: how a question is put to a model, and how the answer is taken from what it says.
 * SPDX-License-Identifier: MIT */
#ifndef EVAL_PROMPT_H
#define EVAL_PROMPT_H

#include "eval/dataset.h"
#include "reward/code/code.h"

enum eval_style {
    EVAL_R1,   /* a user's turn, no examples: the answer in a box, "Answer: LETTER", or a block */
    EVAL_ZERO, /* plain text for a base model that is to think in tags (R1-Zero's template) */
    EVAL_BASE, /* plain text for a base model: worked examples, then the question */
    EVAL_STYLES
};
bool eval_style_by_name(enum eval_style *out, const char *name); /* "r1", "zero", "base" */
const char *eval_style_name(enum eval_style s);

typedef struct eval_prompter {
    enum eval_style style;
    const eval_dataset *shots; /* worked examples come from here; only for EVAL_BASE */
    size_t n_shots;
    bool permute;              /* choices stand in another order in each sample */
    uint64_t seed;             /* of the orders */
    const char *language;      /* programs are asked for in: "python", "c", "cpp" */
} eval_prompter;

/* The choice shown as letter i is from[i] of the row. */
typedef struct eval_order {
    uint8_t from[EVAL_CHOICES];
} eval_order;

/* The order of a sample: a function of seed, question and sample. */
eval_order eval_order_of(const eval_prompter *p, const eval_question *q, size_t sample);

/* Questions of this form can be put in this style. */
bool eval_style_suits(enum eval_style s, enum eval_form f);

/* Appends the text put to the model: a user's turn for EVAL_R1, else text to be continued. */
void eval_prompt(buf *out, const eval_prompter *p, const eval_question *q, const eval_order *o);

/* The language a program is asked for in. */
const char *eval_prompt_language(const eval_prompter *p, const eval_question *q);

/* Where a continued text ends: fills stops (NULL-terminated, static). */
const char *const *eval_prompt_stops(enum eval_style s);

/* ---- the answer -------------------------------------------------------------------------------- */

/* The letter a response to a multiple-choice question ends on, 0 for none. Strictly: the last
 * "Answer: X", 答案：X, or \boxed{X}; leniently also phrases ("the answer is X", 故选X) and a bare
 * letter. Two letters in one place ("A or B") are no answer. */
char eval_find_letter(str text, size_t n_choices, bool lenient);

typedef struct eval_verdict {
    bool strict, lenient; /* right, by either reading */
    bool found;           /* the strict reading finds an answer */
    bool answered;        /* the lenient one does */
    buf answer;           /* what it finds; choices by the row's own letters; of programs the verdict */
    const char *reason;   /* static text: what decided */
} eval_verdict;

typedef struct eval_judge {
    const eval_prompter *prompter;
    code_judge *code; /* NULL: programs cannot be judged */
    sandbox *box;     /* NULL: patches cannot be judged */
} eval_judge;

/* Can the question be judged at all? An error says what it lacks. */
ponder_status eval_judge_check(const eval_judge *j, const eval_question *q, ponder_error *err);
/* Judges a response: `text` is what follows the thinking. A bad response is wrong, never an error.
 * Clears out->answer first. */
ponder_status eval_judge_text(const eval_judge *j, eval_verdict *out, const eval_question *q,
                              const eval_order *o, str text, ponder_error *err);
/* A question whose judgement takes long: programs are run. */
bool eval_judge_is_slow(const eval_question *q);

#endif
