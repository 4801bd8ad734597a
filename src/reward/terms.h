/* terms: the parts of a training reward that do not depend on the question. DeepSeek-R1-Zero is
 * rewarded for accuracy and format; R1 adds the share of words in the language asked for, summed
 * directly (arXiv 2501.12948, sections 2.2.2 and 2.3.2). Accuracy is reward_verify.
 * SPDX-License-Identifier: MIT
 *
 * All terms are functions of their input alone and take linear time. */
#ifndef TERMS_H
#define TERMS_H

#include "text/text.h"

/* ---- format: 0 or 1 -------------------------------------------------------------------------- */

enum reward_layout {
    LAYOUT_THINK,       /* <think> thinking </think> answer */
    LAYOUT_THINK_ANSWER /* <think> thinking </think> <answer> answer </answer>: R1-Zero's */
};
/* "think", "think_answer"; false when unknown. */
bool reward_layout_by_name(enum reward_layout *out, str name);

/* 1 if the response has the layout: each mark once, in order, thinking and answer not blank,
 * nothing but blanks outside. `opened`: the prompt ended inside the thinking, so that the response
 * begins there and must not open it again. Marks are what is spelled like one. */
double reward_format(str response, enum reward_layout layout, bool opened);

/* The same of a response as it was generated. A mark that the vocabulary has as one token is that
 * token alone: spelling it in other tokens, as in quoting a user, neither opens nor closes
 * anything. A mark it does not have is looked for in the text. End tokens may follow the response;
 * any other control token in it gives 0. ENOMEM. */
ponder_status reward_format_tokens(double *out, const tokenizer *t, const int32_t *ids, size_t n,
                                   enum reward_layout layout, bool opened, ponder_error *err);

/* ---- language: 0..1 -------------------------------------------------------------------------- */

/* By identification: en de fr es it pt nl. By script: zh ja ko ru (any Cyrillic) el ar he hi th. */
bool reward_language_known(str language);

typedef struct reward_words {
    double share;         /* target / (target + other); 1 if there are no words */
    size_t target, other; /* in units of 1/6 word */
} reward_words;

/* The share of words in a language, of the thinking as a rule; 0 for one that is not known. What counts as a word, what is
 * neutral and how languages of one script are told apart: docs/rewards.md. */
reward_words reward_language(str text, str language);

/* ---- length ---------------------------------------------------------------------------------- */

/* length in tokens; -1..0: 0 up to `limit - cache`, then falling in a straight line to -1 at
 * `limit` (DAPO's soft overlong punishment, arXiv 2503.14476, eq. 13). cache <= limit. */
double reward_overlong(size_t length, size_t limit, size_t cache);
/* From `at_none` for 0 tokens to `at_limit` for `limit` and more, along half a cosine (arXiv
 * 2502.03373, section 4.1, with other values for right and for wrong answers). */
double reward_cosine(size_t length, size_t limit, double at_none, double at_limit);

/* ---- repetition ------------------------------------------------------------------------------ */

/* 0..1: the share of n-grams of `gram` tokens that occurred before (arXiv 2502.03373, section 4.4,
 * penalises the tokens of such n-grams); 0 for fewer than gram + 1 tokens. gram 1..64. ENOMEM. */
ponder_status reward_repetition(double *out, const int32_t *ids, size_t n, int gram,
                                ponder_error *err);

typedef struct reward_loop {
    size_t period, tokens; /* the last `tokens` tokens repeat every `period`; 0, 0: no loop */
} reward_loop;

/* The longest end of the sequence that consists of at least `times` exact repeats (the last may be
 * cut) and at least `least` tokens: a generation that got caught. ENOMEM. */
ponder_status reward_find_loop(reward_loop *out, const int32_t *ids, size_t n, size_t times,
                               size_t least, ponder_error *err);

#endif
