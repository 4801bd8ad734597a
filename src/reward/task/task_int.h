/* task_int: what a family of problems gives, and the counted randomness it draws from.
 * SPDX-License-Identifier: MIT */
#ifndef TASK_INT_H
#define TASK_INT_H

#include "json/json.h"
#include "reward/task/task.h"

enum { TASK_STATE_BYTES = 4096 };

/* Counted draws: draw n of a stream is a function of (seed, sequence, stream, n) alone. Each block
 * of the generator gives four words, taken one after the other. */
typedef struct task_draw {
    uint64_t seed, sequence, stream;
    uint32_t block, left;
    rng_bits bits;
} task_draw;
/* Uniform in [0, n), n > 0, and in [low, high]. */
uint64_t task_below(task_draw *d, uint64_t n);
int64_t task_between(task_draw *d, int64_t low, int64_t high);
/* One of the texts of a table. */
#define task_pick(d, table) ((table)[task_below((d), COUNT_OF(table))])

/* A trace being told: lines of reasoning to out, the answer it ends with to answer. A line states
 * one thing that a reader can check, such as "12+30=42"; a last newline is taken off.
 *
 * A flaw is one wrong value at one place, from which the rest follows correctly. The places where
 * it may be are the calls of task_slip, in the order of the telling; the framework tells the trace
 * once to count them and then again with the flaw in one of them, until the answer is wrong. A
 * telling must therefore have a slip in reach whatever the problem, and may depend on nothing but
 * the state, the options, and d (which starts afresh each time). Likewise the wrong turn of a
 * backtracking trace is at one of the calls of task_turns; a family that searches needs none. */
typedef struct task_tale {
    const task_options *o;
    task_draw *d;     /* for the choice of ways and wrong turns */
    task_draw *slips; /* for the wrong values */
    buf *out, *answer;
    uint32_t places, flaw; /* calls of task_slip so far; the one that goes wrong, or UINT32_MAX */
    uint32_t forks, turn;  /* the same for task_turns */
} task_tale;
/* True once: the flaw is here. For flaws that are no numbers. */
bool task_slips(task_tale *t);
/* v, or where the flaw is another value near it in [low, high], which holds v and one more. */
int64_t task_slip(task_tale *t, int64_t v, int64_t low, int64_t high);
/* In a trace that ends with a check the flaw is a number of the problem misread, so that the check
 * agrees with what was worked out; in the other styles it is a step done wrong. */
int64_t task_read(task_tale *t, int64_t v, int64_t low, int64_t high);
int64_t task_work(task_tale *t, int64_t v, int64_t low, int64_t high);
/* True once in a backtracking trace: a wrong turn is due here. */
bool task_turns(task_tale *t);
/* Another value near v in [low, high], for a wrong turn. */
int64_t task_near(task_draw *d, int64_t v, int64_t low, int64_t high);
/* Ends the line of a wrong turn: " no" and a newline. */
void task_no(task_tale *t);
/* A line "a+b=c" and its result, with the slip and the wrong turn that may be due. op is one of
 * + - * / %; / must come out even. */
int64_t task_step(task_tale *t, int64_t a, char op, int64_t b);
/* A line "a=b*q+r" for a >= 0, b > 0; the slip is in the remainder, which is returned. */
int64_t task_divide(task_tale *t, int64_t a, int64_t b, int64_t *q);
/* Appends the text of the trace's language. */
void task_say(task_tale *t, const char *en, const char *zh);

/* Names the next part in a subgoals trace; nothing in the others. */
void task_goal(task_tale *t, const char *en, const char *zh);
/* True in a verification trace, for which it writes the heading "check". */
bool task_checks(task_tale *t);

/* Decimal; a faster buf_printf("%lld"). */
void task_put(buf *out, int64_t v);
void task_text(buf *out, const char *text);
/* A pattern of the language's table with each '#' replaced by the next text of parts. */
#define task_ask(out, lang, d, en, zh, parts) \
    task_fill((out), (lang) == TASK_ZH ? task_pick(d, zh) : task_pick(d, en), (parts))
void task_fill(buf *out, const char *pattern, const str *parts);
/* A number as a part; the text lives in the caller's `digits`. */
typedef struct task_digits {
    char text[24];
} task_digits;
str task_number(task_digits *digits, int64_t v);

/* A problem's state lives in state_bytes of the framework's memory, zeroed before each draw. */
struct task_family {
    const char *name, *kind, *about;
    int levels;
    unsigned styles; /* bits 1 << enum task_style */
    size_t state_bytes;
    /* false: these numbers make no good problem, draw again. */
    bool (*draw)(void *state, task_draw *d, int level);
    /* What makes two problems the same, as canonical bytes (operands sorted where order is no
     * matter). The same problem at two levels has one key. */
    void (*key)(const void *state, buf *out);
    void (*prompt)(const void *state, enum task_lang lang, task_draw *d, buf *out);
    void (*answer)(const void *state, buf *out);
    void (*puzzle)(const void *state, json_writer *w); /* NULL: the answer decides */
    void (*trace)(const void *state, task_tale *t);
};

extern const task_family task_parity, task_chain, task_addition, task_multiplication, task_gcd,
    task_expression, task_base, task_linear, task_divisibility, task_calendar;
extern const task_family task_countdown, task_sorting, task_lists, task_boolean, task_sudoku;
extern const task_family task_knights, task_path, task_sat, task_coloring;

#endif
