/* task: procedural problems with exact answers, for training and for tests.
 * SPDX-License-Identifier: MIT
 *
 * Problem i of (family, level, seed, split) is a function of these alone; wording and trace change
 * nothing in it. Whether a problem belongs to train or test is decided by a hash of what makes two
 * problems the same, so the splits cannot meet whatever the seeds. */
#ifndef TASK_H
#define TASK_H

#include "base/base.h"

enum task_split { TASK_TRAIN, TASK_TEST };
enum task_lang { TASK_EN, TASK_ZH };
/* How a solution is told (Gandhi et al., 2025, arXiv 2503.01307, name the behaviours). */
enum task_style {
    TASK_NO_TRACE,
    TASK_DIRECT,       /* the steps */
    TASK_VERIFICATION, /* the steps, then a check of the result */
    TASK_BACKTRACKING, /* a wrong turn, noticed and taken back */
    TASK_SUBGOALS,     /* parts named first, then done */
    TASK_BACKWARD,     /* from the goal to what is given */
    TASK_SEARCH,       /* every way in turn, what is at hand written down at each */
    TASK_STYLES        /* how many there are */
};
/* "none", "direct", ...; false when unknown. */
const char *task_style_name(enum task_style style);
bool task_style_by_name(enum task_style *out, str name);

typedef struct task_family task_family;

typedef struct task_options {
    int level; /* 1..task_levels */
    uint64_t seed;
    enum task_split split;
    enum task_lang lang;
    enum task_style style;
    bool flawed; /* the trace makes one mistake, does not notice it, and ends in a wrong answer */
} task_options;

/* Buffers are reused from problem to problem. */
typedef struct task_problem {
    buf prompt;       /* the question, with the form of the answer in words */
    buf answer;       /* a right answer in canonical form; the verifier may accept others */
    buf puzzle;       /* JSON object for reward_question.puzzle; empty: the answer decides */
    buf trace;        /* reasoning in the style asked for; empty without one */
    buf trace_answer; /* the answer the trace ends with; differs from `answer` when flawed */
    uint64_t key;     /* hash of what makes two problems the same */
} task_problem;

/* All families, ends with NULL. */
const task_family *const *task_families(void);
const task_family *task_find(str name); /* NULL: unknown */
const char *task_name(const task_family *f);
const char *task_kind(const task_family *f); /* of reward_kinds */
const char *task_about(const task_family *f);
int task_levels(const task_family *f);
/* "3" or "1-4"; false when it is neither. Whether there are such levels is not looked at. */
bool task_read_levels(int *low, int *high, str text);
bool task_has_style(const task_family *f, enum task_style style);

/* EARG for a level or style the family does not have, ELIMIT when a level has no problem in the
 * split. Any number of threads may generate at once, each into a problem of its own. */
ponder_status task_generate(task_problem *out, const task_family *f, const task_options *o,
                            uint64_t index, ponder_error *err);
void task_problem_free(task_problem *p);

/* The numbers of the first `most` problems that differ from all before them, [*n], in order; the
 * caller frees them, *numbers is NULL on failure. A level with fewer gives those it has: all that
 * came up until long nothing new did. */
ponder_status task_distinct(uint64_t **numbers, size_t *n, const task_family *f,
                            const task_options *o, size_t most, ponder_error *err);

#endif
