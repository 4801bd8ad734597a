/* countdown: the problem of task_countdown as its traces tell it.
 * SPDX-License-Identifier: MIT */
#ifndef COUNTDOWN_H
#define COUNTDOWN_H

#include "reward/task/task_int.h"

enum { COUNTDOWN_NUMBERS = 6 };

struct countdown_step {
    uint8_t a, b; /* values; a's is not the smaller one */
    char op;
};

/* Values 0..n-1 are the given numbers, n + i is the result of step i, the last the target. */
typedef struct countdown {
    int n;
    int32_t value[2 * COUNTDOWN_NUMBERS - 1];
    struct countdown_step step[COUNTDOWN_NUMBERS - 1];
} countdown;

int32_t countdown_target(const countdown *c);
/* The values v[0..n) from the smallest on. */
void countdown_sort(int32_t *v, int n);
/* a op b where it is a natural number of at most `most`, else 0. */
int32_t countdown_join(int32_t a, char op, int32_t b, int32_t most);
/* Value v as an expression of the values before `known`. */
void countdown_put(const countdown *c, int v, int known, buf *out);

/* Every way in turn, in words, with the answer it finds; a flawed one gives up and guesses. */
void countdown_search(task_tale *t, const countdown *c);

#endif
