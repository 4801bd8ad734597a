/* Questions for measuring.
 * SPDX-License-Identifier: MIT */
#include "train/cells.h"

#include <ctype.h>
#include <stdlib.h>

enum { CELLS_MAX = 4096 };

void name_of_file(buf *out, str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool plain = isalnum((unsigned char)c) || c == '-' || c == '_' || (c == '.' && out->n);
        buf_add_char(out, plain ? c : '_');
    }
}

/* ---- one cell -------------------------------------------------------------------------------- */

static ponder_status add_cell(question_cell **found, question_cells *c, const questions *from,
                              const question *q, ponder_error *err)
{
    buf name = {0};
    if (c->n == CELLS_MAX)
        return err_set(err, PONDER_ELIMIT, "more than %d kinds of questions", CELLS_MAX);
    question_cell *more = realloc(c->cell, (c->n + 1) * sizeof *more);
    if (!more) return err_set(err, PONDER_ENOMEM, "no memory for questions");
    c->cell = more;
    *found = &c->cell[c->n];
    **found = (question_cell){.from = from, .task = strdup(q->task), .level = q->level,
                              .lang = q->lang};
    c->n++;
    name_of_file(&name, str_of(q->task));
    if (q->level) buf_printf(&name, "-%d", q->level);
    buf_printf(&name, "-%s", q->lang == TASK_ZH ? "zh" : "en");
    (*found)->name = name.p;
    if (!(*found)->task || name.failed)
        return err_set(err, PONDER_ENOMEM, "no memory for questions");
    for (size_t i = 0; i + 1 < c->n; i++)
        if (!strcmp(c->cell[i].name, name.p))
            return err_set(err, PONDER_EFORMAT, "two parts of the data hold %s", name.p);
    return PONDER_OK;
}

static ponder_status find_cell(question_cell **found, question_cells *c, const questions *from,
                               const question *q, ponder_error *err)
{
    for (size_t i = 0; i < c->n; i++) {
        question_cell *k = &c->cell[i];
        if (k->level != q->level || k->lang != q->lang || strcmp(k->task, q->task)) continue;
        *found = k;
        return k->from == from
                   ? PONDER_OK
                   : err_set(err, PONDER_EFORMAT, "two parts of the data hold %s", k->name);
    }
    return add_cell(found, c, from, q, err);
}

static ponder_status keep(question_cell *cell, uint64_t number, ponder_error *err)
{
    uint64_t *numbers = realloc(cell->number, (cell->n + 1) * sizeof *numbers);
    if (!numbers) return err_set(err, PONDER_ENOMEM, "no memory for questions");
    cell->number = numbers;
    numbers[cell->n++] = number;
    return PONDER_OK;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Opens a list of one part, which is taken over. */
static ponder_status open_source(questions **out, question_cells *c, json_t *list, bool file,
                                 const char *where, const char *dir, uint64_t seed,
                                 ponder_error *err)
{
    question_source *more = realloc(c->source, (c->sources + 1) * sizeof *more);
    if (more) c->source = more;
    if (!list || !more) {
        json_decref(list);
        return err_set(err, PONDER_ENOMEM, "%s: out of memory", where);
    }
    question_source *s = &c->source[c->sources++];
    *s = (question_source){.list = list};
    TRY(file ? questions_open_once(&s->q, list, where, dir, seed, err)
             : questions_open(&s->q, list, where, dir, TASK_TEST, seed, err));
    *out = s->q;
    return PONDER_OK;
}

static int by_name(const void *a, const void *b)
{
    const question_cell *x = a, *y = b;
    int order = strcmp(x->task, y->task);
    if (!order) order = (x->level > y->level) - (x->level < y->level);
    return order ? order : (int)x->lang - (int)y->lang;
}

static ponder_status add_file(question_cells *c, const json_t *part, const char *where,
                              const char *dir, size_t each, uint64_t seed, ponder_error *err)
{
    questions *from;
    question q = {0};
    size_t first = c->n;
    TRY(open_source(&from, c, json_pack("[O]", part), true, where, dir, seed, err));
    ponder_status st = PONDER_OK;
    for (uint64_t i = 0; i < questions_rows(from) && st == PONDER_OK; i++) {
        question_cell *cell = NULL;
        st = questions_draw(&q, from, i, err);
        if (st == PONDER_OK) st = find_cell(&cell, c, from, &q, err);
        if (st == PONDER_OK && cell->n < each) st = keep(cell, i, err);
    }
    question_free(&q);
    TRY(st);
    if (c->n > first) qsort(c->cell + first, c->n - first, sizeof *c->cell, by_name);
    return PONDER_OK;
}

static ponder_status add_task(question_cells *c, const json_t *part, const char *where,
                              const char *dir, size_t each, uint64_t seed, ponder_error *err)
{
    int low = 1, high = 1;
    str levels = json_str(json_object_get(part, "levels"));
    const char *name = json_string_value(json_object_get(part, "task"));
    double zh = json_number_value(json_object_get(part, "zh"));
    if (levels.n) task_read_levels(&low, &high, levels);
    for (int level = low; level <= high; level++)
        for (int lang = TASK_EN; lang <= TASK_ZH; lang++) {
            char text[16];
            questions *from;
            question_cell *cell;
            if (lang == TASK_ZH ? zh <= 0 : zh >= 1) continue;
            snprintf(text, sizeof text, "%d", level);
            json_t *list = json_pack("[{s:O,s:s,s:i}]", "task", json_object_get(part, "task"),
                                     "levels", text, "zh", lang == TASK_ZH);
            TRY(open_source(&from, c, list, false, where, dir, seed, err));
            const task_options o = {.level = level, .seed = seed, .split = TASK_TEST,
                                    .lang = (enum task_lang)lang};
            const question q = {.task = name, .level = level, .lang = o.lang};
            TRY(find_cell(&cell, c, from, &q, err));
            TRY(task_distinct(&cell->number, &cell->n, task_find(str_of(name)), &o, each, err));
        }
    return PONDER_OK;
}

ponder_status question_cells_open(question_cells *out, const json_t *data, const char *where,
                                  const char *dir, size_t each, uint64_t seed, ponder_error *err)
{
    questions *all;
    *out = (question_cells){0};
    /* Parts are checked together first, so that what follows may trust them. */
    TRY(questions_open(&all, data, where, dir, TASK_TEST, seed, err));
    ponder_status st = questions_check(all, NULL, "what is measured needs one", err);
    questions_close(all);
    TRY(st);
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *part = json_array_get(data, i);
        TRY(json_object_get(part, "file") ? add_file(out, part, where, dir, each, seed, err)
                                          : add_task(out, part, where, dir, each, seed, err));
    }
    return PONDER_OK;
}

void question_cells_close(question_cells *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->cell[i].task), free(c->cell[i].name), free(c->cell[i].number);
    for (size_t i = 0; i < c->sources; i++)
        questions_close(c->source[i].q), json_decref(c->source[i].list);
    free(c->cell), free(c->source);
    *c = (question_cells){0};
}
