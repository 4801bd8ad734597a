/* Procedural tasks as a source: pre-training needs no files.
 * SPDX-License-Identifier: MIT */
#include "train/data.h"

#include <stdlib.h>

typedef struct task_source {
    train_source source;
    example_options o;
    data_task task;
    uint64_t seed;
    task_problem problem, told; /* told: the same in the other language, where the two are mixed */
    buf response;
} task_source;

/* What is drawn for one example. */
enum { DRAW_LEVEL, DRAW_LANG, DRAW_FLAW, DRAW_STYLE, DRAW_MIXED };

static enum task_style style_at(unsigned styles, uint64_t k)
{
    for (int s = 0; s < TASK_STYLES; s++)
        if (styles >> s & 1 && k-- == 0) return (enum task_style)s;
    return TASK_DIRECT;
}

/* Problem and response of example i. */
static ponder_status make(task_source *t, uint64_t i, ponder_error *err)
{
    const data_task *k = &t->task;
    uint64_t levels = (uint64_t)(k->high - k->low) + 1;
    uint64_t styles = (uint64_t)__builtin_popcount(k->styles);
    task_options o = {.seed = t->seed, .split = TASK_TRAIN};
    o.level = k->low + (int)rng_below(levels, t->seed, i, DRAW_LEVEL, RNG_DATA);
    o.lang = rng_uniform(t->seed, i, DRAW_LANG, RNG_DATA) < k->chinese ? TASK_ZH : TASK_EN;
    o.style = style_at(k->styles, rng_below(styles, t->seed, i, DRAW_STYLE, RNG_DATA));
    o.flawed = o.style != TASK_NO_TRACE && rng_uniform(t->seed, i, DRAW_FLAW, RNG_DATA) < k->flawed;
    TRY(task_generate(&t->problem, k->family, &o, i, err));
    const task_problem *told = &t->problem;
    if (rng_uniform(t->seed, i, DRAW_MIXED, RNG_DATA) < k->mixed) {
        o.lang = o.lang == TASK_ZH ? TASK_EN : TASK_ZH;
        TRY(task_generate(&t->told, k->family, &o, i, err));
        told = &t->told;
    }
    buf *r = &t->response;
    buf_clear(r);
    if (told->trace.n)
        buf_printf(r, "<think>\n%s\n</think>\n\n<answer>%s</answer>", told->trace.p,
                   told->trace_answer.p);
    else buf_printf(r, "<answer>%s</answer>", t->problem.answer.p);
    if (t->o.template == CHAT_NONE) buf_add_char(&t->problem.prompt, '\n');
    if (r->failed || t->problem.prompt.failed)
        return err_set(err, PONDER_ENOMEM, "task %s: out of memory", task_name(k->family));
    return PONDER_OK;
}

static ponder_status draw(train_source *s, uint64_t i, train_batch *b, ponder_error *err)
{
    task_source *t = (task_source *)s;
    TRY(make(t, i, err));
    return example_answer(&t->o, b, buf_str(&t->problem.prompt), buf_str(&t->response),
                          TRAIN_PLAIN, err);
}

static ponder_status text(train_source *s, uint64_t i, buf *out, ponder_error *err)
{
    task_source *t = (task_source *)s;
    TRY(make(t, i, err));
    buf_add_str(out, buf_str(&t->problem.prompt));
    buf_add_char(out, '\n');
    buf_add_str(out, buf_str(&t->response));
    return PONDER_OK;
}

static void close_tasks(train_source *s)
{
    task_source *t = (task_source *)s;
    task_problem_free(&t->problem);
    task_problem_free(&t->told);
    buf_free(&t->response);
    free(t);
}

static bool is_share(double x) { return x >= 0 && x <= 1; }

static ponder_status check(const data_task *k, ponder_error *err)
{
    const char *name = task_name(k->family);
    if (k->low < 1 || k->high < k->low || k->high > task_levels(k->family))
        return err_set(err, PONDER_EARG, "task %s: levels %d-%d: it has 1-%d", name, k->low,
                       k->high, task_levels(k->family));
    if (!is_share(k->chinese) || !is_share(k->flawed) || !is_share(k->mixed))
        return err_set(err, PONDER_EARG, "task %s: shares must lie from 0 to 1", name);
    if (!k->styles) return err_set(err, PONDER_EARG, "task %s: no style of trace", name);
    for (int s = 0; s < TASK_STYLES; s++)
        if (k->styles >> s & 1 && !task_has_style(k->family, (enum task_style)s))
            return err_set(err, PONDER_EARG, "task %s has no %s traces", name,
                           task_style_name((enum task_style)s));
    return PONDER_OK;
}

ponder_status data_task_open(train_source **out, const data_task *task, const example_options *o,
                             uint64_t seed, ponder_error *err)
{
    *out = NULL;
    TRY(check(task, err));
    task_source *t = calloc(1, sizeof *t);
    if (!t) return err_set(err, PONDER_ENOMEM, "task %s: out of memory", task_name(task->family));
    *t = (task_source){.source = {.draw = draw, .text = text, .close = close_tasks}, .o = *o,
                       .task = *task, .seed = seed};
    *out = &t->source;
    return PONDER_OK;
}
