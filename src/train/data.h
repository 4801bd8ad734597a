/* data: what is trained on, example by example.
 * SPDX-License-Identifier: MIT
 *
 * Example i of a source is a function of (what the source was opened with, i): files are shuffled
 * by a permutation that is computed, not stored, anew for each pass. So the whole state of reading
 * is one number, and going on after a stop is exact. */
#ifndef TRAIN_DATA_H
#define TRAIN_DATA_H

#include "json/json.h"
#include "reward/task/task.h"
#include "train/batch.h"

/* ---- from texts to sequences ----------------------------------------------------------------- */

typedef struct example_options {
    const tokenizer *t;     /* may be NULL for sources of which only texts are asked */
    chat_template template; /* CHAT_NONE: prompt and response are put together as they are */
    size_t max_tokens;      /* of a sequence; longer texts are cut into several, others are left out
                             * (batch.skipped) or, with `cut`, lose their end */
    bool cut;
    bool learn_all; /* the loss is on prompts too; else on responses only */
    bool summary;   /* of a response only what follows its thinking */
} example_options;

/* BOS text EOS; learnt from the first token on. */
ponder_status example_text(const example_options *o, train_batch *b, str text, ponder_error *err);
/* The conversation as the template shows it to the model, then the response and the token that ends
 * a turn. The thinking of the response stands in <think> tags; a prompt that opens them itself has
 * the opening one only once, and a response without thinking closes it at once. */
ponder_status example_chat(const example_options *o, train_batch *b, const chat_request *r,
                           str response, enum train_role role, ponder_error *err);
/* The same with one message of a user. */
ponder_status example_answer(const example_options *o, train_batch *b, str prompt, str response,
                             enum train_role role, ponder_error *err);
/* Appends the ids of the prompt alone, as example_answer has them. *opened: it ends inside the
 * thinking. */
ponder_status example_prompt(const example_options *o, tokens *out, str prompt, bool *opened,
                             ponder_error *err);

/* ---- sources --------------------------------------------------------------------------------- */

typedef struct train_source train_source;
struct train_source {
    /* Adds the sequences of example i to b (none when it is too long). Errors name file and line.
     */
    ponder_status (*draw)(train_source *s, uint64_t i, train_batch *b, ponder_error *err);
    /* Appends the texts of example i: what a vocabulary is made for. */
    ponder_status (*text)(train_source *s, uint64_t i, buf *out, ponder_error *err);
    void (*close)(train_source *s);
    uint64_t n;    /* examples of a pass; 0: there is no end */
    bool pairs;    /* preference pairs: each example is a chosen and a rejected sequence */
    bool labelled; /* each example is a response that is good or bad */
};

static inline void train_source_close(train_source *s)
{
    if (s) s->close(s);
}

enum { DATA_LINE_BYTES = 64 << 20, DATA_FILES = 64 };

/* JSON lines, each an object with
 *   "text"                            a document
 *   "prompt", "response"              a question and what is to be answered; with "label" 0 or 1:
 *                                     an answer that is bad or good
 *   "messages" (and "tools")          a conversation; its last message, of the assistant, is learnt
 *   "prompt", "chosen", "rejected"    two responses, the better one first
 * All lines are checked when it is opened: EFORMAT names file and line. Other keys are ignored. */
ponder_status data_file_open(train_source **out, const char *path, const example_options *o,
                             uint64_t seed, ponder_error *err);

/* Procedural tasks with traces (reward/task/task.h). */
typedef struct data_task {
    const task_family *family;
    int low, high;    /* levels, drawn evenly */
    double chinese;   /* share told in Chinese */
    double mixed;     /* share whose trace is in the other language than the question */
    double flawed;    /* share of traces that go wrong */
    unsigned styles;  /* bits of enum task_style, drawn evenly */
} data_task;
ponder_status data_task_open(train_source **out, const data_task *task, const example_options *o,
                             uint64_t seed, ponder_error *err);

/* A mixture from a JSON list of
 *   {"file": PATH, "weight": 1}
 *   {"task": NAME, "levels": "1-3", "weight": 1, "zh": 0, "mixed": 0, "flawed": 0,
 *    "styles": ["direct", ...]}
 * Weights are shares of examples. `name` is for messages; paths are relative to `dir`. */
ponder_status data_open(train_source **out, const json_t *list, const char *name, const char *dir,
                        const example_options *o, uint64_t seed, ponder_error *err);

/* The place of i in pass i / n over n things: a permutation of [0, n) for each pass and seed. */
uint64_t data_shuffle(uint64_t n, uint64_t seed, uint64_t i);

#endif
