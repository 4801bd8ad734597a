/* Reading questions: JSON lines, checked row by row before a run begins.
 * SPDX-License-Identifier: MIT */
#include "eval/dataset.h"
#include "base/hash.h"
#include "json/lines.h"
#include "reward/task/task.h"

#include <stdlib.h>

enum { FILE_LIMIT = 1 << 30, SHOWN_ERRORS = 3, SHOWN_BYTES = 110 };

const char *eval_form_name(enum eval_form f)
{
    static const char *const NAMES[EVAL_FORMS] = {"answer", "choice", "function", "stdio", "patch"};
    return NAMES[f];
}

/* ---- one row ----------------------------------------------------------------------------------- */

/* More Han characters than Latin letters. Han: U+4E00..U+9FFF, which are E4 B8 80 .. E9 BF BF. */
static bool mostly_chinese(str s)
{
    size_t han = 0, latin = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        latin += (c | 32) >= 'a' && (c | 32) <= 'z';
        han += c >= 0xE4 && c <= 0xE9;
    }
    return han > latin;
}

static ponder_status want(str field, const char *key, ponder_error *err)
{
    return field.n ? PONDER_OK : err_set(err, PONDER_EFORMAT, "no \"%s\"", key);
}

static ponder_status want_list(const json_t *row, const char *key, ponder_error *err)
{
    const json_t *v = json_object_get(row, key);
    if (json_array_size(v)) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "\"%s\" must be a list that is not empty", key);
}

static enum eval_form form_of(const json_t *row)
{
    if (json_object_get(row, "choices")) return EVAL_CHOICE;
    if (json_object_get(row, "entry_point")) return EVAL_FUNCTION;
    if (json_object_get(row, "tests")) return EVAL_STDIO;
    if (json_object_get(row, "base_commit")) return EVAL_PATCH;
    return EVAL_ANSWER;
}

static ponder_status read_choices(eval_question *q, ponder_error *err)
{
    q->choices = json_object_get(q->row, "choices");
    q->n_choices = json_array_size(q->choices);
    if (q->n_choices < 2 || q->n_choices > EVAL_CHOICES)
        return err_set(err, PONDER_EFORMAT, "\"choices\" must be a list of 2 to %d texts",
                       EVAL_CHOICES);
    for (size_t i = 0; i < q->n_choices; i++)
        if (!json_is_string(json_array_get(q->choices, i)))
            return err_set(err, PONDER_EFORMAT, "choice %zu is no text", i + 1);
    TRY(want(q->gold, "answer", err));
    if (q->gold.n != 1 || q->gold.p[0] < 'A' || (size_t)(q->gold.p[0] - 'A') >= q->n_choices)
        return err_set(err, PONDER_EFORMAT, "the answer \"%.*s\" is none of the letters A to %c",
                       (int)size_min(q->gold.n, 20), q->gold.p, (char)('A' + q->n_choices - 1));
    return PONDER_OK;
}

static ponder_status read_form(eval_question *q, ponder_error *err)
{
    str s = {0};
    switch (q->form) {
    case EVAL_CHOICE: return read_choices(q, err);
    case EVAL_FUNCTION:
        TRY(json_field_str(q->row, "row", "entry_point", &s, err));
        TRY(want(s, "entry_point", err));
        return want_list(q->row, "cases", err);
    case EVAL_STDIO: return want_list(q->row, "tests", err);
    case EVAL_PATCH: {
        static const char *const KEYS[] = {"repo", "base_commit", "test_cmd"};
        for (size_t i = 0; i < COUNT_OF(KEYS); i++) {
            s.n = 0;
            TRY(json_field_str(q->row, "row", KEYS[i], &s, err));
            TRY(want(s, KEYS[i], err));
        }
        return PONDER_OK;
    }
    default: break;
    }
    q->puzzle = json_object_get(q->row, "puzzle");
    if (json_is_null(q->puzzle)) q->puzzle = NULL;
    return q->puzzle ? PONDER_OK : want(q->gold, "answer", err);
}

/* A text, or a number's digits kept in `own`. */
static ponder_status read_scalar(str *out, buf *own, const json_t *row, const char *key,
                                 ponder_error *err)
{
    const json_t *v = json_object_get(row, key);
    if (json_is_string(v)) return *out = json_str(v), PONDER_OK;
    if (!v || json_is_null(v)) return PONDER_OK;
    if (json_is_integer(v)) buf_printf(own, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v)) {
        json_writer w = {.out = own};
        json_f64(&w, json_real_value(v));
    } else return err_set(err, PONDER_EFORMAT, "\"%s\" must be a text or a number", key);
    if (own->failed) return err_set(err, PONDER_ENOMEM, "out of memory");
    *out = buf_str(own);
    return PONDER_OK;
}

/* own[2]: texts of a level and an answer that were numbers. */
static ponder_status read_question(eval_question *q, buf own[2], const json_t *row,
                                   ponder_error *err)
{
    str prompt = {0};
    *q = (eval_question){.row = row};
    if (!json_is_object(row)) return err_set(err, PONDER_EFORMAT, "no JSON object");
    TRY(json_field_str(row, "row", "id", &q->id, err));
    TRY(want(q->id, "id", err));
    TRY(json_field_str(row, "row", "problem", &q->problem, err));
    TRY(json_field_str(row, "row", "prompt", &prompt, err));
    q->as_is = q->problem.n == 0;
    if (q->as_is) q->problem = prompt;
    TRY(want(q->problem, "problem\" or \"prompt", err));
    TRY(json_field_str(row, "row", "kind", &q->kind, err));
    TRY(json_field_str(row, "row", "subject", &q->subject, err));
    TRY(read_scalar(&q->level, &own[0], row, "level", err));
    if (q->level.n == 0) TRY(read_scalar(&q->level, &own[0], row, "grade", err));
    TRY(read_scalar(&q->gold, &own[1], row, "answer", err));
    q->form = form_of(row);
    q->chinese = mostly_chinese(q->problem);
    q->key = hash_bytes(HASH_BEGIN, q->id);
    return read_form(q, err);
}

/* ---- all rows ---------------------------------------------------------------------------------- */

/* The first few errors of a file, gathered into one line. */
typedef struct complaints {
    buf text;
    size_t n;
} complaints;

static void complain(complaints *c, size_t line, const ponder_error *err)
{
    if (c->n++ >= SHOWN_ERRORS) return;
    buf_printf(&c->text, "%sline %zu: %.*s", c->n > 1 ? "; " : "", line, SHOWN_BYTES, err->message);
}

static ponder_status report(complaints *c, const char *name, ponder_error *err)
{
    ponder_status st = PONDER_OK;
    if (c->n > SHOWN_ERRORS) buf_printf(&c->text, "; and %zu more", c->n - SHOWN_ERRORS);
    if (c->n) st = err_set(err, PONDER_EFORMAT, "%s: %s", name, buf_str(&c->text).p);
    buf_free(&c->text);
    return st;
}

/* Ids in order, so that equal ones are neighbours. */
typedef struct id_line {
    str id;
    size_t line;
} id_line;

static int by_id(const void *a, const void *b)
{
    const id_line *x = a, *y = b;
    int d = memcmp(x->id.p, y->id.p, size_min(x->id.n, y->id.n));
    if (d) return d;
    if (x->id.n != y->id.n) return x->id.n < y->id.n ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static void find_duplicates(id_line *ids, size_t n, complaints *bad, ponder_error *err)
{
    if (n) qsort(ids, n, sizeof *ids, by_id);
    for (size_t i = 1; i < n; i++) {
        if (!str_eq(ids[i].id, ids[i - 1].id)) continue;
        err_set(err, PONDER_EFORMAT, "the id \"%.*s\" is that of line %zu",
                (int)size_min(ids[i].id.n, 60), ids[i].id.p, ids[i - 1].line);
        complain(bad, ids[i].line, err);
    }
}

static ponder_status make_room(eval_dataset *d, id_line **ids, size_t *cap, ponder_error *err)
{
    if (d->n < *cap) return PONDER_OK;
    size_t more = *cap ? 2 * *cap : 256;
    eval_question *q = realloc(d->q, more * sizeof *q);
    if (q) d->q = q;
    buf *own = realloc(d->own, 2 * more * sizeof *own);
    if (own) d->own = own;
    id_line *i = realloc(*ids, more * sizeof *i);
    if (i) *ids = i;
    if (!q || !own || !i) return err_set(err, PONDER_ENOMEM, "no memory for %zu questions", more);
    *cap = more;
    return PONDER_OK;
}

static ponder_status add_line(eval_dataset *d, str text, size_t line, id_line *ids,
                              ponder_error *err)
{
    json_t *row;
    TRY(json_parse(&row, text, "the row", err));
    if (json_array_append_new(d->rows, row))
        return err_set(err, PONDER_ENOMEM, "no memory for rows");
    buf *own = d->own + 2 * d->n;
    own[0] = own[1] = (buf){0};
    ponder_status st = read_question(&d->q[d->n], own, row, err);
    if (st != PONDER_OK) {
        buf_free(&own[0]);
        buf_free(&own[1]);
        return st;
    }
    ids[d->n] = (id_line){d->q[d->n].id, line};
    d->n++;
    return PONDER_OK;
}

static ponder_status read_lines(eval_dataset *d, str text, ponder_error *err)
{
    complaints bad = {0};
    id_line *ids = NULL;
    json_lines lines = {.text = text};
    str row;
    size_t cap = 0;
    ponder_status st = PONDER_OK;
    while (st == PONDER_OK && json_lines_next(&lines, &row)) {
        st = make_room(d, &ids, &cap, err);
        if (st == PONDER_OK) st = add_line(d, row, lines.number, ids, err);
        if (st == PONDER_EFORMAT) {
            complain(&bad, lines.number, err);
            st = PONDER_OK;
        }
    }
    if (st == PONDER_OK) find_duplicates(ids, d->n, &bad, err);
    free(ids);
    ponder_status found = st == PONDER_OK ? report(&bad, d->name, err) : st;
    buf_free(&bad.text);
    if (found == PONDER_OK && d->n == 0)
        found = err_set(err, PONDER_EFORMAT, "%s: holds no questions", d->name);
    return found;
}

static ponder_status open_empty(eval_dataset *out, const char *name, ponder_error *err)
{
    *out = (eval_dataset){.name = strdup(name), .rows = json_array()};
    if (!out->name || !out->rows) return err_set(err, PONDER_ENOMEM, "no memory for a data set");
    return PONDER_OK;
}

static void set_hash(eval_dataset *d)
{
    d->hash = HASH_BEGIN;
    for (size_t i = 0; i < d->n; i++) {
        const eval_question *q = &d->q[i];
        const str parts[] = {q->id, q->problem, q->gold};
        for (size_t j = 0; j < COUNT_OF(parts); j++)
            d->hash = hash_bytes(hash_bytes(d->hash, parts[j]), STR("\n"));
        for (size_t j = 0; j < q->n_choices; j++)
            d->hash = hash_bytes(d->hash, json_str(json_array_get(q->choices, j)));
    }
}

ponder_status eval_dataset_parse(eval_dataset *out, const char *name, str text, ponder_error *err)
{
    TRY(open_empty(out, name, err));
    ponder_status st = read_lines(out, text, err);
    set_hash(out);
    return st;
}

ponder_status eval_dataset_read(eval_dataset *out, const char *path, ponder_error *err)
{
    buf text = {0};
    *out = (eval_dataset){0};
    ponder_status st = file_read(&text, path, FILE_LIMIT, err);
    if (st == PONDER_OK) st = eval_dataset_parse(out, path, buf_str(&text), err);
    buf_free(&text);
    return st;
}

void eval_dataset_cut(eval_dataset *d, size_t n)
{
    if (n && n < d->n) {
        for (size_t i = 2 * n; i < 2 * d->n; i++) buf_free(&d->own[i]);
        d->n = n;
    }
    set_hash(d);
}

void eval_dataset_drop(eval_dataset *d, size_t i)
{
    size_t after = d->n - i - 1;
    buf_free(&d->own[2 * i]);
    buf_free(&d->own[2 * i + 1]);
    memmove(d->own + 2 * i, d->own + 2 * (i + 1), 2 * after * sizeof *d->own);
    memmove(d->q + i, d->q + i + 1, after * sizeof *d->q);
    d->n--;
    set_hash(d);
}

void eval_dataset_close(eval_dataset *d)
{
    for (size_t i = 0; i < 2 * d->n; i++) buf_free(&d->own[i]);
    free(d->own);
    free(d->q);
    free(d->name);
    json_decref(d->rows);
    *d = (eval_dataset){0};
}

/* ---- procedural tasks -------------------------------------------------------------------------- */

static void write_task(buf *out, const char *name, int level, uint64_t i, const char *kind,
                       const task_problem *p)
{
    char id[96];
    json_writer w = {.out = out};
    snprintf(id, sizeof id, "%s-%d-%llu", name, level, (unsigned long long)i);
    json_open(&w, '{');
    json_key(&w, "id"), json_text(&w, str_of(id));
    json_key(&w, "prompt"), json_text(&w, buf_str(&p->prompt));
    json_key(&w, "answer"), json_text(&w, buf_str(&p->answer));
    json_key(&w, "kind"), json_text(&w, str_of(kind));
    json_key(&w, "level"), json_i64(&w, level);
    if (p->puzzle.n) json_key(&w, "puzzle"), json_raw(&w, buf_str(&p->puzzle));
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

ponder_status eval_dataset_tasks(eval_dataset *out, str family, int level, size_t n, uint64_t seed,
                                 bool chinese, ponder_error *err)
{
    char name[80];
    buf lines = {0};
    task_problem p = {0};
    snprintf(name, sizeof name, "task:%.*s:%d", (int)size_min(family.n, 60), family.p, level);
    *out = (eval_dataset){0};
    const task_family *f = task_find(family);
    if (!f) return err_set(err, PONDER_ENOTFOUND, "%s: no such task; see `ponder task list`", name);
    const task_options o = {.level = level,
                            .seed = seed,
                            .split = TASK_TEST,
                            .lang = chinese ? TASK_ZH : TASK_EN};
    uint64_t *number;
    ponder_status st = task_distinct(&number, &n, f, &o, n, err);
    for (size_t i = 0; i < n && st == PONDER_OK; i++) {
        st = task_generate(&p, f, &o, number[i], err);
        if (st == PONDER_OK) write_task(&lines, task_name(f), level, number[i], task_kind(f), &p);
    }
    free(number);
    task_problem_free(&p);
    if (st == PONDER_OK && lines.failed) st = err_set(err, PONDER_ENOMEM, "no memory for %s", name);
    if (st == PONDER_OK) st = eval_dataset_parse(out, name, buf_str(&lines), err);
    buf_free(&lines);
    return st;
}
