/* questions: a weighted mixture of families and files.
 * SPDX-License-Identifier: MIT */
#include "train/questions.h"

#include "json/lines.h"
#include "train/data.h"

#include <stdlib.h>

enum { MIXES = 64, FILE_BYTES = 1 << 30 };

typedef struct file_row {
    json_t *json;
    size_t line;
} file_row;

typedef struct part {
    question_mix mix;
    char *name;     /* of the task or file */
    str kind;       /* of a file's rows that do not say */
    file_row *rows; /* of a file */
    size_t n_rows;
    double until; /* weights up to and with this one, of their sum 1 */
} part;

struct questions {
    part parts[MIXES];
    size_t n;
    enum task_split split;
    bool once; /* a lone file is not drawn from with replacement */
    uint64_t seed;
};

/* ---- opening ---------------------------------------------------------------------------------- */

static const json_t *gold_of(const json_t *row)
{
    const json_t *gold = json_object_get(row, "gold");
    return gold ? gold : json_object_get(row, "answer");
}

static bool text_or_none(const json_t *v) { return !v || json_is_null(v) || json_is_string(v); }

static ponder_status add_row(part *p, size_t *cap, json_t *row, size_t line, const char *where,
                             ponder_error *err)
{
    if (!json_is_string(json_object_get(row, "prompt")) || !text_or_none(gold_of(row)) ||
        !text_or_none(json_object_get(row, "kind"))) {
        json_decref(row);
        return err_set(err, PONDER_EFORMAT,
                       "%s: want an object with \"prompt\" and as a rule \"answer\" and \"kind\", "
                       "all texts", where);
    }
    if (p->n_rows == *cap) {
        *cap = *cap ? 2 * *cap : 256;
        file_row *more = realloc(p->rows, *cap * sizeof *more);
        if (!more) {
            json_decref(row);
            return err_set(err, PONDER_ENOMEM, "%s: no memory", where);
        }
        p->rows = more;
    }
    p->rows[p->n_rows++] = (file_row){row, line};
    return PONDER_OK;
}

static ponder_status read_rows(part *p, const char *path, ponder_error *err)
{
    buf text = {0};
    str line;
    size_t cap = 0;
    ponder_status st = file_read(&text, path, FILE_BYTES, err);
    json_lines lines = {.text = buf_str(&text)};
    while (st == PONDER_OK && json_lines_next(&lines, &line)) {
        char where[512];
        json_t *row;
        snprintf(where, sizeof where, "%s:%zu", path, lines.number);
        st = json_parse(&row, line, where, err);
        if (st == PONDER_OK) st = add_row(p, &cap, row, lines.number, where, err);
    }
    buf_free(&text);
    if (st == PONDER_OK && p->n_rows == 0)
        return err_set(err, PONDER_EFORMAT, "%s: no rows", path);
    return st;
}

static ponder_status read_levels(part *p, str levels, const char *name, ponder_error *err)
{
    int most = task_levels(p->mix.family);
    if (task_read_levels(&p->mix.low, &p->mix.high, levels) && p->mix.low >= 1 &&
        p->mix.high >= p->mix.low && p->mix.high <= most)
        return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "%s: levels \"%.*s\" of %s: want L or L-M within 1-%d",
                   name, STR_ARG(levels), p->name, most);
}

static ponder_status read_part(part *p, const json_t *item, const char *name, const char *dir,
                               ponder_error *err)
{
    str task = {0}, file = {0}, levels = STR("1");
    p->mix.weight = 1;
    TRY(json_field_str(item, name, "task", &task, err));
    TRY(json_field_str(item, name, "file", &file, err));
    TRY(json_field_str(item, name, "levels", &levels, err));
    TRY(json_field_f64(item, name, "weight", &p->mix.weight, err));
    TRY(json_field_f64(item, name, "zh", &p->mix.chinese, err));
    if (!task.n == !file.n)
        return err_set(err, PONDER_EFORMAT, "%s: each part has a \"task\" or a \"file\"", name);
    if (!(p->mix.weight > 0 && p->mix.weight < 1e9 && p->mix.chinese >= 0 && p->mix.chinese <= 1))
        return err_set(err, PONDER_EFORMAT, "%s: want weight > 0 and zh from 0 to 1", name);
    if (file.n) TRY(json_field_str(item, name, "kind", &p->kind, err));
    str of = task.n ? task : file;
    p->name = strndup(of.p, of.n);
    if (!p->name) return err_set(err, PONDER_ENOMEM, "%s: no memory", name);
    if (file.n) {
        buf path = {0};
        if (*p->name != '/' && *dir) buf_printf(&path, "%s/", dir);
        buf_add_str(&path, file);
        ponder_status st = path.failed ? err_set(err, PONDER_ENOMEM, "%s: no memory", name)
                                       : read_rows(p, path.p, err);
        buf_free(&path);
        return st;
    }
    p->mix.family = task_find(task);
    if (!p->mix.family)
        return err_set(err, PONDER_EFORMAT, "%s: no task \"%s\"; `ponder task list` shows them",
                       name, p->name);
    return read_levels(p, levels, name, err);
}

ponder_status questions_open(questions **out, const json_t *list, const char *name, const char *dir,
                             enum task_split split, uint64_t seed, ponder_error *err)
{
    size_t n = json_array_size(list);
    double sum = 0, so_far = 0;
    *out = NULL;
    if (n < 1 || n > MIXES)
        return err_set(err, PONDER_EFORMAT, "%s: want a list of 1 to %d parts", name, MIXES);
    questions *q = calloc(1, sizeof *q);
    if (!q) return err_set(err, PONDER_ENOMEM, "%s: no memory", name);
    q->split = split;
    q->seed = seed;
    for (; q->n < n;) {
        part *p = &q->parts[q->n++];
        ponder_status st = read_part(p, json_array_get(list, q->n - 1), name, dir, err);
        if (st != PONDER_OK) {
            questions_close(q);
            return st;
        }
        sum += p->mix.weight;
    }
    for (size_t i = 0; i < n; i++) q->parts[i].until = (so_far += q->parts[i].mix.weight) / sum;
    *out = q;
    return PONDER_OK;
}

ponder_status questions_open_once(questions **out, const json_t *list, const char *name,
                                  const char *dir, uint64_t seed, ponder_error *err)
{
    TRY(questions_open(out, list, name, dir, TASK_TRAIN, seed, err));
    (*out)->once = (*out)->n == 1 && (*out)->parts[0].n_rows;
    return PONDER_OK;
}

uint64_t questions_rows(const questions *q) { return q->once ? q->parts[0].n_rows : 0; }

void questions_close(questions *q)
{
    if (!q) return;
    for (size_t i = 0; i < q->n; i++) {
        for (size_t r = 0; r < q->parts[i].n_rows; r++) json_decref(q->parts[i].rows[r].json);
        free(q->parts[i].rows);
        free(q->parts[i].name);
    }
    free(q);
}

/* ---- drawing ---------------------------------------------------------------------------------- */

/* Purposes of the draws of one question. */
enum { DRAW_PART, DRAW_LEVEL, DRAW_LANG, DRAW_ROW };

static ponder_status from_family(question *out, const questions *q, const part *p, uint64_t i,
                                 ponder_error *err)
{
    const question_mix *m = &p->mix;
    task_problem problem = {.prompt = out->prompt, .answer = out->gold};
    task_options o = {.seed = q->seed, .split = q->split};
    uint64_t levels = (uint64_t)(m->high - m->low) + 1;
    o.level = m->low + (int)rng_below(levels, q->seed, i, DRAW_LEVEL, RNG_DATA);
    o.lang = rng_uniform(q->seed, i, DRAW_LANG, RNG_DATA) < m->chinese ? TASK_ZH : TASK_EN;
    ponder_status st = task_generate(&problem, m->family, &o, i, err);
    out->prompt = problem.prompt, out->gold = problem.answer;
    problem.prompt = problem.answer = (buf){0};
    if (st == PONDER_OK && problem.puzzle.n)
        st = json_parse(&out->puzzle, buf_str(&problem.puzzle), p->name, err);
    buf_add_str(&out->kind, str_of(task_kind(m->family)));
    out->level = o.level;
    out->lang = o.lang;
    out->key = problem.key;
    task_problem_free(&problem);
    return st;
}

static void from_file(question *out, const part *p, size_t at)
{
    const json_t *row = p->rows[at].json, *kind = json_object_get(row, "kind");
    const json_t *task = json_object_get(row, "task");
    json_t *puzzle = json_object_get(row, "puzzle");
    buf_add_str(&out->prompt, json_str(json_object_get(row, "prompt")));
    buf_add_str(&out->gold, json_str(gold_of(row)));
    buf_add_str(&out->kind, json_is_string(kind) ? json_str(kind) : p->kind);
    out->row = row;
    out->line = p->rows[at].line;
    out->puzzle = json_is_null(puzzle) ? NULL : json_incref(puzzle);
    out->key = at;
    json_int_t level = json_integer_value(json_object_get(row, "level"));
    out->level = level > 0 && level < INT32_MAX ? (int)level : 0;
    if (json_is_string(task)) out->task = json_string_value(task);
    out->lang = str_eq(json_str(json_object_get(row, "lang")), STR("zh")) ? TASK_ZH : TASK_EN;
}

static void begin(question *out, const part *p)
{
    json_decref(out->puzzle);
    out->puzzle = NULL;
    out->row = NULL;
    buf_clear(&out->prompt), buf_clear(&out->gold), buf_clear(&out->kind);
    out->task = p->name;
}

static ponder_status complete(const question *q, ponder_error *err)
{
    return q->prompt.failed || q->gold.failed || q->kind.failed
               ? err_set(err, PONDER_ENOMEM, "no memory for a question")
               : PONDER_OK;
}

ponder_status questions_draw(question *out, const questions *q, uint64_t i, ponder_error *err)
{
    double u = rng_uniform(q->seed, i, DRAW_PART, RNG_DATA);
    size_t at = 0;
    while (at + 1 < q->n && u >= q->parts[at].until) at++;
    const part *p = &q->parts[at];
    begin(out, p);
    out->number = i;
    if (p->mix.family) TRY(from_family(out, q, p, i, err));
    else from_file(out, p, q->once ? data_shuffle(p->n_rows, q->seed, i)
                                   : rng_below(p->n_rows, q->seed, i, DRAW_ROW, RNG_DATA));
    return complete(out, err);
}

/* ---- looking at all ----------------------------------------------------------------------------- */

ponder_status questions_each(const questions *q, questions_fn *fn, void *user, ponder_error *err)
{
    question row = {0};
    ponder_status st = PONDER_OK;
    for (const part *p = q->parts; p < q->parts + q->n; p++)
        for (size_t i = 0; i < p->n_rows && st == PONDER_OK; i++) {
            begin(&row, p);
            from_file(&row, p, i);
            st = complete(&row, err);
            if (st == PONDER_OK) st = fn(user, &row, err);
            if (st != PONDER_OK) err_context(err, st, "%s:%zu", p->name, p->rows[i].line);
        }
    question_free(&row);
    return st;
}

typedef struct wanted {
    const char *kind, *remedy;
} wanted;

static ponder_status check_row(void *user, const question *q, ponder_error *err)
{
    const wanted *w = user;
    const reward_question ask = {w->kind ? str_of(w->kind) : buf_str(&q->kind), buf_str(&q->gold),
                                 q->puzzle};
    if (question_known(q)) return reward_check(&ask, err);
    if (!w->remedy) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "no \"answer\" to judge by; %s", w->remedy);
}

ponder_status questions_check(const questions *q, const char *kind, const char *remedy,
                              ponder_error *err)
{
    wanted w = {kind, remedy};
    return questions_each(q, check_row, &w, err);
}

void question_free(question *q)
{
    buf_free(&q->prompt), buf_free(&q->gold), buf_free(&q->kind);
    json_decref(q->puzzle);
    *q = (question){0};
}

bool question_known(const question *q) { return q->gold.n > 0 || q->puzzle; }

bool question_judge(const question *q, str response, enum reward_form form)
{
    if (!question_known(q)) return false;
    const reward_question ask = {buf_str(&q->kind), buf_str(&q->gold), q->puzzle};
    reward_verdict v;
    return reward_verify(&v, &ask, response, form, NULL) == PONDER_OK && v.equal;
}
