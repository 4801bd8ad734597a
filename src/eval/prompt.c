/* Prompt templates, in English and Chinese.
 * SPDX-License-Identifier: MIT
 *
 * R1 is asked without examples and without a system message, everything in the user's turn (README
 * of DeepSeek-R1, "usage recommendations"); the forms of answers are those of simple-evals. The
 * wording is our own. */
#include "eval/prompt.h"

#include <stdlib.h>

static const char *const STYLES[EVAL_STYLES] = {"r1", "zero", "base"};

const char *eval_style_name(enum eval_style s) { return STYLES[s]; }

bool eval_style_by_name(enum eval_style *out, const char *name)
{
    for (int i = 0; i < EVAL_STYLES; i++)
        if (!strcmp(name, STYLES[i])) return *out = (enum eval_style)i, true;
    return false;
}

bool eval_style_suits(enum eval_style s, enum eval_form f)
{
    return s != EVAL_BASE || f == EVAL_ANSWER || f == EVAL_CHOICE;
}

eval_order eval_order_of(const eval_prompter *p, const eval_question *q, size_t sample)
{
    eval_order o;
    for (size_t i = 0; i < EVAL_CHOICES; i++) o.from[i] = (uint8_t)i;
    for (size_t i = p->permute ? q->n_choices : 0; i > 1; i--) { /* Fisher and Yates */
        size_t j = rng_below(i, p->seed ^ q->key, sample, i, RNG_DATA);
        uint8_t t = o.from[i - 1];
        o.from[i - 1] = o.from[j];
        o.from[j] = t;
    }
    return o;
}

static str choice(const eval_question *q, size_t i) { return json_str(json_array_get(q->choices, i)); }

static void add_choices(buf *out, const eval_question *q, const eval_order *o, const char *mark)
{
    for (size_t i = 0; i < q->n_choices; i++) {
        buf_printf(out, "\n%c%s ", (char)('A' + i), mark);
        buf_add_str(out, choice(q, o->from[i]));
    }
}

/* ---- programs ---------------------------------------------------------------------------------- */

/* A call and its result, from the row's first case. */
static void add_example(buf *out, const eval_question *q, const char *name)
{
    const json_t *c = json_array_get(json_object_get(q->row, "cases"), 0);
    const json_t *args = json_object_get(c, "args");
    buf_printf(out, "%s(", name);
    for (size_t i = 0; i < json_array_size(args); i++) {
        char *text = json_dumps(json_array_get(args, i), JSON_ENCODE_ANY);
        buf_printf(out, "%s%s", i ? ", " : "", text ? text : "");
        free(text);
    }
    char *text = json_dumps(json_object_get(c, "expect"), JSON_ENCODE_ANY);
    buf_printf(out, ") == %s", text ? text : "");
    free(text);
}

static void add_function(buf *out, const eval_question *q)
{
    const char *name = json_string_value(json_object_get(q->row, "entry_point"));
    bool starts_it = str_find(q->problem, STR("def "), 0) != SIZE_MAX;
    if (starts_it) {
        buf_printf(out, "Complete the Python function `%s`:\n\n```python\n", name);
        buf_add_str(out, q->problem);
        buf_add_str(out, STR("\n```"));
    } else {
        buf_add_str(out, q->problem);
        buf_printf(out, "\n\nName the function `%s`. An example of its use, in JSON notation: ",
                   name);
        add_example(out, q, name);
    }
    buf_add_str(out, STR("\n\nThink about it first. Then give the whole function, with the imports it "
                         "needs, in one ```python block."));
}

const char *eval_prompt_language(const eval_prompter *p, const eval_question *q)
{
    const char *own = json_string_value(json_object_get(q->row, "language"));
    return own ? own : p->language ? p->language : "python";
}

static void add_program(buf *out, const eval_prompter *p, const eval_question *q)
{
    const char *language = eval_prompt_language(p, q);
    const char *name = !strcmp(language, "cpp") ? "C++" : !strcmp(language, "c") ? "C" : "Python";
    buf_add_str(out, q->problem);
    buf_printf(out,
               "\n\nWrite a %s program that reads the input from standard input and writes the "
               "output to standard output. Think about it first. Then give the whole program in one "
               "```%s block.",
               name, language);
}

/* ---- questions --------------------------------------------------------------------------------- */

static void add_turn(buf *out, const eval_prompter *p, const eval_question *q, const eval_order *o)
{
    bool zh = q->chinese;
    switch (q->form) {
    case EVAL_FUNCTION: add_function(out, q); return;
    case EVAL_STDIO: add_program(out, p, q); return;
    case EVAL_PATCH:
        buf_add_str(out, q->problem);
        buf_add_str(out, STR("\n\nThink about it first. Then give the change to the repository as a "
                             "unified diff, paths from its root, in one ```diff block."));
        return;
    case EVAL_CHOICE:
        buf_add_str(out, q->problem);
        buf_add_char(out, '\n');
        add_choices(out, q, o, ")");
        buf_printf(out,
                   zh ? "\n\n请先思考，最后单独用一行写出“答案：X”，其中 X 是 A 到 %c 中的一个字母。"
                      : "\n\nThink it through first. End with one line of the form \"Answer: X\", "
                        "where X is one of the letters A to %c.",
                   (char)('A' + q->n_choices - 1));
        return;
    default: break;
    }
    buf_add_str(out, q->problem);
    if (q->as_is) return;
    buf_add_str(out, zh ? STR("\n\n请一步一步地推理，并把最终答案写在 \\boxed{} 中。")
                        : STR("\n\nReason step by step and put the final answer in \\boxed{}."));
}

/* The template of R1-Zero's training says only where thinking and answer stand (arXiv 2501.12948,
 * table 1). */
static void add_zero(buf *out, const eval_prompter *p, const eval_question *q, const eval_order *o)
{
    buf_add_str(out,
                STR("This is a conversation of a user and an assistant. The user asks a question, "
                    "and the assistant solves it: first it thinks about the reasoning, then it "
                    "gives the user the answer. The thinking stands in <think> </think> tags, the "
                    "answer in <answer> </answer> tags.\nUser: "));
    add_turn(out, p, q, o);
    buf_add_str(out, STR("\nAssistant:"));
}

/* ---- worked examples --------------------------------------------------------------------------- */

static void add_base(buf *out, const eval_question *q, const eval_order *o, bool solved)
{
    buf_add_str(out, q->chinese ? STR("问题：") : STR("Question: "));
    buf_add_str(out, q->problem);
    add_choices(out, q, o, ".");
    buf_add_str(out, q->chinese ? STR("\n答案：") : STR("\nAnswer:"));
    if (!solved) return;
    if (!q->chinese) buf_add_char(out, ' ');
    buf_add_str(out, q->gold);
    buf_add_str(out, STR("\n\n"));
}

/* Examples of the question's own subject if there are any, in the order of their file. */
static void add_shots(buf *out, const eval_prompter *p, const eval_question *q)
{
    static const eval_prompter IN_ORDER = {0};
    const eval_dataset *d = p->shots;
    bool subject = false;
    size_t n = 0;
    for (size_t i = 0; i < d->n && q->subject.n; i++)
        subject |= str_eq(d->q[i].subject, q->subject) && !str_eq(d->q[i].id, q->id);
    for (size_t i = 0; i < d->n && n < p->n_shots; i++) {
        const eval_question *e = &d->q[i];
        if (e->form != q->form || e->gold.n == 0 || str_eq(e->id, q->id)) continue;
        if (subject && !str_eq(e->subject, q->subject)) continue;
        eval_order o = eval_order_of(&IN_ORDER, e, 0);
        add_base(out, e, &o, true);
        n++;
    }
}

void eval_prompt(buf *out, const eval_prompter *p, const eval_question *q, const eval_order *o)
{
    switch (p->style) {
    case EVAL_ZERO: add_zero(out, p, q, o); return;
    case EVAL_BASE:
        if (p->n_shots) add_shots(out, p, q);
        add_base(out, q, o, false);
        return;
    default: add_turn(out, p, q, o); return;
    }
}

const char *const *eval_prompt_stops(enum eval_style s)
{
    static const char *const NONE[] = {NULL}, *const TURN[] = {"\nUser:", NULL},
                             *const LINE[] = {"\n", NULL};
    return s == EVAL_BASE ? LINE : s == EVAL_ZERO ? TURN : NONE;
}
