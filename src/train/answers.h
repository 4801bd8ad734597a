/* answers: questions asked, answers sampled from the model that is being trained, and what they earn.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_ANSWERS_H
#define TRAIN_ANSWERS_H

#include "reward/reflection.h"
#include "reward/terms.h"
#include "train/data.h"
#include "train/questions.h"
#include "train/rollout.h"
#include "train/terms.h"

/* What an answer earns: a weighted sum of terms. */
typedef struct answer_reward {
    double accuracy, format, language; /* weights of terms from 0 to 1 */
    double overlong;                   /* of a term from -1 to 0 over ... */
    size_t overlong_tokens;            /* ... the last tokens before max_tokens */
    enum reward_layout layout;
    terms *more;                       /* those of "rewards", borrowed; NULL: none */
} answer_reward;

typedef struct answer {
    float reward, advantage;
    bool right, format;
    double language; /* share of words in the question's language in the thinking */
    float earned[TERMS_MAX]; /* by terms.more, not weighted */
    reward_reflection reflection;
} answer;

typedef struct answers_options {
    size_t questions, group; /* at most; answers to each */
    size_t max_tokens;       /* of an answer */
    size_t context;          /* of prompt and answer */
    float temperature, top_p; /* top_p 0: all */
    bool numbered; /* the seed of an answer follows the number of its question, not its place */
    answer_reward reward;
    example_options prompts; /* how a question becomes a prompt */
} answers_options;

typedef struct answers {
    answers_options o;
    engine *e; /* opened with room for questions * group sequences */
    rollout r; /* answer i is of question i / group */
    question *asked;
    tokens *prompt;
    bool *opened; /* the prompt opened the thinking */
    answer *of;
    buf text;
} answers;

ponder_status answers_open(answers *a, engine *e, const answers_options *o, ponder_error *err);
void answers_close(answers *a);

/* Is there room for all prompts that are known beforehand? ELIMIT names file and line. */
ponder_status answers_check(answers *a, const questions *q, ponder_error *err);
/* Fills the places [first, first + n) with questions number, number + 1, ... and judges what is
 * answered. */
ponder_status answers_fill(answers *a, const questions *q, size_t first, size_t n, uint64_t number,
                           uint64_t seed, ponder_error *err);
/* The same in the first n places with questions of any numbers [n]. */
ponder_status answers_fill_these(answers *a, const questions *q, const uint64_t *numbers, size_t n,
                                 uint64_t seed, ponder_error *err);
void answers_swap(answers *a, size_t x, size_t y); /* two questions with all of theirs */
/* The rewards of a question's answers are not all the same. */
bool answers_teach(const answers *a, size_t place);

/* Means over all answers to the first n questions; of what is right, over those whose answer is known,
 * and NAN when there are none. */
typedef struct answers_summary {
    double reward, accuracy, format, language, truncated;
    double length, length_right, length_wrong; /* tokens */
    double earned[TERMS_MAX];
    double any;       /* share of questions with a right answer among theirs: pass@group */
    double verification, backtracking; /* shares of answers that do it */
    double reflections; /* places where an answer does either, on average */
    uint64_t tokens;  /* sampled */
} answers_summary;
answers_summary answers_describe(const answers *a, size_t n);

/* Answer i as text, in a.text until the next call. */
str answers_text(answers *a, size_t i);

#endif
