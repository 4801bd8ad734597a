/* What an `eval` stage found, for programs and for people.
 * SPDX-License-Identifier: MIT */
#include "train/evaluate.h"

#include <math.h>
#include <stdlib.h>

/* ---- for programs ---------------------------------------------------------------------------- */

static void number(json_writer *w, const char *name, double v)
{
    json_key(w, name), json_f64(w, v);
}

static void interval(json_writer *w, const char *name, double v, metric_interval in)
{
    json_key(w, name);
    json_open(w, '{');
    number(w, "value", v), number(w, "low", in.low), number(w, "high", in.high);
    json_close(w, '}');
}

static void row(json_writer *w, const evaluated *e)
{
    const measured *m = &e->of;
    json_open(w, '{');
    json_key(w, "model"), json_text(w, str_of(e->model));
    json_key(w, "task"), json_text(w, str_of(e->task));
    if (e->level) json_key(w, "level"), json_i64(w, e->level);
    if (e->lang[0]) json_key(w, "lang"), json_text(w, str_of(e->lang));
    json_key(w, "questions"), json_i64(w, (int64_t)m->questions);
    json_key(w, "group"), json_i64(w, (int64_t)m->group);
    interval(w, "pass@1", m->pass1, m->pass1_in);
    interval(w, "cons@k", m->vote, m->vote_in);
    number(w, "pass@k", m->any);
    number(w, "length", m->length);
    number(w, "length_right", m->length_right), number(w, "length_wrong", m->length_wrong);
    number(w, "truncated", m->truncated), number(w, "format", m->format);
    number(w, "language", m->language);
    number(w, "verification", m->verification), number(w, "backtracking", m->backtracking);
    number(w, "reflections", m->reflections);
    if (e->has_gain) {
        json_key(w, "gain");
        json_open(w, '{');
        number(w, "difference", e->gain.difference), number(w, "se", e->gain.se);
        number(w, "p", e->gain.p);
        json_close(w, '}');
    }
    json_close(w, '}');
}

void evaluation_rows(json_writer *w, const evaluation *e)
{
    json_open(w, '[');
    for (size_t i = 0; i < e->n; i++) row(w, &e->row[i]);
    json_close(w, ']');
}

void evaluation_json(buf *out, const evaluation *e)
{
    json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "stage"), json_text(&w, str_of(e->name));
    json_key(&w, "group"), json_i64(&w, (int64_t)e->group);
    number(&w, "temperature", e->temperature);
    json_key(&w, "rows");
    evaluation_rows(&w, e);
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

/* ---- for people ------------------------------------------------------------------------------ */

enum { COLUMNS = 13, CELL = 64, LABEL = 32 };

typedef struct line {
    char of[COLUMNS][CELL];
} line;

static void percent(char out[CELL], double v)
{
    if (isfinite(v)) snprintf(out, CELL, "%.1f", 100 * v);
    else snprintf(out, CELL, "-");
}

static void with_interval(char out[CELL], double v, metric_interval in)
{
    snprintf(out, CELL, "%.1f (%.1f-%.1f)", 100 * v, 100 * in.low, 100 * in.high);
}

static void head(line *l, size_t group)
{
    static const char *const NAMES[COLUMNS] = {"questions", "n",       "model",    "pass@1",
                                               "gain",      "",        "",         "tokens",
                                               "cut",       "format",  "language", "verify",
                                               "backtrack"};
    for (size_t i = 0; i < COLUMNS; i++) snprintf(l->of[i], CELL, "%s", NAMES[i]);
    snprintf(l->of[5], CELL, "cons@%zu", group);
    snprintf(l->of[6], CELL, "pass@%zu", group);
}

static void fill(line *l, const evaluated *e)
{
    const measured *m = &e->of;
    size_t c = 0;
    if (e->level) snprintf(l->of[c++], CELL, "%.48s-%d %s", e->task, e->level, e->lang);
    else snprintf(l->of[c++], CELL, "%.56s %s", e->task, e->lang);
    snprintf(l->of[c++], CELL, "%zu", m->questions);
    size_t long_by = strlen(e->model) > LABEL ? strlen(e->model) - LABEL : 0;
    snprintf(l->of[c++], CELL, "%s%s", long_by ? "..." : "", e->model + long_by);
    with_interval(l->of[c++], m->pass1, m->pass1_in);
    /* A star: p below 0.05, the models being asked the same questions. */
    if (e->has_gain)
        snprintf(l->of[c], CELL, "%+.1f%s", 100 * e->gain.difference, e->gain.p < 0.05 ? "*" : "");
    c++;
    with_interval(l->of[c++], m->vote, m->vote_in);
    percent(l->of[c++], m->any);
    snprintf(l->of[c++], CELL, "%.0f", m->length);
    percent(l->of[c++], m->truncated);
    percent(l->of[c++], m->format);
    percent(l->of[c++], m->language);
    percent(l->of[c++], m->verification);
    percent(l->of[c], m->backtracking);
}

static void put_line(buf *out, const line *l, const size_t *width)
{
    static const bool LEFT[COLUMNS] = {[0] = true, [2] = true};
    for (size_t i = 0; i < COLUMNS; i++) {
        int gap = (int)(width[i] - strlen(l->of[i]));
        buf_printf(out, "| %*s", LEFT[i] ? 0 : gap, "");
        for (const char *p = l->of[i]; *p; p++) buf_add_char(out, *p == '|' ? '/' : *p);
        buf_printf(out, "%*s ", LEFT[i] ? gap : 0, "");
    }
    buf_add_str(out, STR("|\n"));
}

void evaluation_table(buf *out, const evaluation *e)
{
    line *lines = calloc(e->n + 2, sizeof *lines);
    size_t width[COLUMNS] = {0}, each = 0, n = 2; /* each: rows of a model */
    if (!lines) {
        out->failed = true;
        return;
    }
    while (each < e->n && !strcmp(e->row[each].model, e->row[0].model)) each++;
    head(&lines[0], e->group);
    for (size_t k = 0; k < each; k++)
        for (size_t i = k; i < e->n; i += each) fill(&lines[n++], &e->row[i]);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < COLUMNS; c++) width[c] = size_max(width[c], strlen(lines[i].of[c]));
    put_line(out, &lines[0], width);
    for (size_t c = 0; c < COLUMNS; c++) memset(lines[1].of[c], '-', size_min(width[c], CELL - 1));
    put_line(out, &lines[1], width);
    for (size_t i = 2; i < n; i++) put_line(out, &lines[i], width);
    buf_printf(out,
               "\nPercent, with 95 %% intervals over questions. pass@1: of single answers. gain: "
               "over the model above,\n* where p < 0.05 on the same questions. cons@%zu: the answer "
               "that most of %zu give. pass@%zu: one of them.\ntokens: mean length; cut: ended by "
               "the limit. verify, backtrack: answers that do it at least once.\n",
               e->group, e->group, e->group);
    free(lines);
}
