/* run: what one answer and a conversation share.
 * SPDX-License-Identifier: MIT */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/model_arg.h"
#include "engine/engine.h"
#include "json/json.h"

/* How to answer: the command line, once read. */
typedef struct run_settings {
    engine_sampling sampling;
    enum engine_think think;
    chat_template template;
    size_t max_tokens, think_budget, loop_tokens;
    str stop[ENGINE_STOPS];
    size_t n_stop;
    bool raw, ignore_end;
} run_settings;

/* An answer, as it comes and when it is there. */
typedef struct run_answer {
    bool show_text;          /* stream the answer to stdout */
    bool show_thoughts;      /* stream the reasoning to stderr */
    bool count_thoughts;     /* or only how long it is */
    bool text_tty, note_tty; /* of stdout and stderr: colours, no control characters */
    enum chat_part shown;    /* what came last */
    uint64_t counted_ns;
    size_t thoughts; /* reasoning tokens so far */

    buf text, reasoning;
    enum engine_finish finish;
    enum engine_close close;
    engine_usage usage;
} run_answer;

/* Streams to what stdout and stderr are. */
run_answer run_answer_new(void);
void run_answer_free(run_answer *a);

/* Answers a conversation (raw: the content of its last message). Ctrl-C ends it with what there is.
 */
ponder_status run_one(run_answer *a, engine *e, const model_arg *m, const run_settings *s,
                      const chat_message *messages, size_t n, ponder_error *err);
/* The parts of run_one: any number of choices, whose events go to `event`; takes one event into a
 * run_answer; the error of a finished answer, if it is one. */
ponder_status run_ask(engine *e, const model_arg *m, const run_settings *s,
                      const chat_message *messages, size_t n, size_t choices,
                      engine_event_fn *event, void *user, ponder_error *err);
void run_on_event(void *user, const engine_event *ev);
ponder_status run_check(const run_answer *a, ponder_error *err);
/* Writes model output; on a terminal without control characters. */
void run_put(FILE *out, str s, bool tty);
/* Writes what --json says of an answer: keys of the object that is open. `u` has the costs. */
void run_write(json_writer *w, const run_answer *a, const engine_usage *u);
/* What a person should know of an answer that did not simply end; NULL: nothing. */
const char *run_remark(const run_answer *a);
double run_prompt_tps(const run_answer *a);
double run_decode_tps(const run_answer *a);

/* What --best-of asks of an answer: `row` is JSON as `ponder verify` takes it, or a file with it. It
 * may fork: to be opened before a model is. */
typedef struct run_verifier run_verifier;
ponder_status run_verifier_open(run_verifier **out, const char *row, ponder_error *err);
void run_verifier_close(run_verifier *v);
ponder_status run_verifier_judge(bool *passed, run_verifier *v, str response, ponder_error *err);

/* Several answers to one question: the one most agree on, or the first that a verifier passes. */
typedef struct run_many {
    size_t k;
    run_verifier *verifier; /* NULL: vote */
    bool json, quiet;
} run_many;
/* Prints the answer; returns an exit status: 1 where a verifier passed none. */
int run_several(const run_many *how, engine *e, const model_arg *m, const run_settings *s,
                const chat_message *messages, size_t n);

/* Ctrl-C from here on sets a flag. run_interrupted tells of it and clears it. */
void run_catch_interrupts(void);
bool run_interrupted(void);

/* The interactive conversation; returns an exit status. system: NULL for none. */
int run_chat(engine *e, const model_arg *m, run_settings *s, const char *system);

#endif
