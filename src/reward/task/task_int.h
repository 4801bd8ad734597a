/* task_int: what a family of problems gives, and the counted randomness it draws from.
 * SPDX-License-Identifier: MIT */
#ifndef TASK_INT_H
#define TASK_INT_H

#include "json/json.h"
#include "reward/task/task.h"

enum { TASK_STATE_BYTES = 4096 };

/* Draws are numbered: draw n of a problem is a function of (seed, index, attempt, n). */
typedef struct task_draw {
    uint64_t seed, index;
    uint32_t attempt, next;
} task_draw;
/* Uniform in [0, n) and in [low, high]. */
uint64_t task_below(task_draw *d, uint64_t n);
int64_t task_between(task_draw *d, int64_t low, int64_t high);

/* A problem's state lives in TASK_STATE_BYTES of the caller's memory, zeroed before each draw. */
struct task_family {
    const char *name, *kind, *about;
    int levels;
    size_t state_bytes;
    /* false: these numbers make no good problem, draw again. */
    bool (*draw)(void *state, task_draw *d, int level);
    /* What makes two problems the same, as canonical bytes (operands sorted where order is no matter). */
    void (*key)(const void *state, buf *out);
    void (*prompt)(const void *state, enum task_lang lang, buf *out);
    void (*answer)(const void *state, buf *out);
    void (*puzzle)(const void *state, json_writer *w); /* NULL: the answer decides */
    /* Writes the reasoning and the answer it ends with. d gives it randomness of its own. */
    void (*trace)(const void *state, const task_options *o, task_draw *d, buf *trace, buf *answer);
};

#endif
