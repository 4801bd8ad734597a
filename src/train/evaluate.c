/* Models measured on held-out problems: `eval` as a kind of stage (docs/training.md, "eval").
 * SPDX-License-Identifier: MIT
 *
 * What a model answers to the questions of one cell is one file in OUT/NAME/samples, and every
 * figure is computed from these files. A file that is there is not made again, so a stop costs one
 * cell. What is asked, and with which random numbers it is answered, is the same for all models. */
#include "train/evaluate.h"

#include "train/asker.h"
#include "train/metrics.h"
#include "train/origin.h"
#include "train/view.h"

#include <stddef.h>
#include <stdlib.h>

enum { MODELS_MAX = 64, QUESTIONS_MAX = 10000, ANSWER_TOKENS = 256 };

typedef struct evaluate_keys {
    const json_t *stages, *data;
    asker_keys asked;
    size_t questions, group, at_once;
} evaluate_keys;

/* A model to be measured. */
typedef struct subject {
    const char *label; /* a stage's name, or a file as it stands in the recipe */
    char *path, *name; /* of the file; for names of files */
    measure *of;       /* [cells], and of all together */
} subject;

typedef struct evaluate {
    const stage_context *c;
    evaluate_keys k;
    uint64_t seed; /* of the recipe, not of the stage: all `eval` stages ask the same */
    question_cells cells;
    subject subject[MODELS_MAX];
    size_t subjects, done; /* done: questions, of all models */
    train_view view;
    /* the model at work */
    const subject *now;
    asker a;
} evaluate;

/* ---- keys ------------------------------------------------------------------------------------ */

#define AT(field) offsetof(evaluate_keys, field)
static const key own_keys[] = {
    {"stages", KEY_LIST, AT(stages), 0, 0},
    {"data", KEY_LIST, AT(data), 0, 0},
    {"questions", KEY_SIZE, AT(questions), 1, QUESTIONS_MAX},
    {"group", KEY_SIZE, AT(group), 1, 1024},
    {"at_once", KEY_SIZE, AT(at_once), 1, 1 << 16},
    {0},
};
#undef AT

static ponder_status read_keys(evaluate_keys *k, const recipe_stage *s, const char *where,
                               ponder_error *err)
{
    *k = (evaluate_keys){.questions = 100, .group = 4, .at_once = 256,
                         .asked = {.layout = "think_answer", .precision = "bf16",
                                   .max_tokens = 1024, .temperature = 1, .top_p = 1}};
    const key_table tables[] = {{stage_keys, NULL}, {own_keys, k}, {asker_key_list, &k->asked}};
    TRY(keys_read(s->json, where, tables, COUNT_OF(tables), err));
    if (!k->data) return err_set(err, PONDER_EFORMAT, "%s: no \"data\"", where);
    size_t most = k->asked.max_tokens * 3 / 4;
    if (!k->asked.answer_tokens) k->asked.answer_tokens = size_min(ANSWER_TOKENS, most);
    return asker_check(&k->asked, where, err);
}

/* Is `item` an earlier stage or a file, and listed once? */
static ponder_status check_listed(const recipe *r, const recipe_stage *s, const json_t *list,
                                  size_t at, const char *where, ponder_error *err)
{
    const char *name = json_string_value(json_array_get(list, at));
    buf mine = {0};
    if (!name || !*name)
        return err_set(err, PONDER_EFORMAT, "%s: \"stages\" lists names of stages or files", where);
    name_of_file(&mine, str_of(name));
    bool twice = false;
    for (size_t i = 0; i < at; i++) {
        buf other = {0};
        name_of_file(&other, json_str(json_array_get(list, i)));
        twice = twice || str_eq(buf_str(&mine), buf_str(&other));
        buf_free(&other);
    }
    buf_free(&mine);
    if (twice) return err_set(err, PONDER_EFORMAT, "%s: \"%s\" is listed twice", where, name);
    /* A name that is resolved already is no stage any more. */
    if (recipe_find(r, name, (size_t)(s - r->stage)) < r->n) return PONDER_OK;
    char *path = recipe_path(r, name);
    bool there = path && file_exists(path);
    free(path);
    if (there) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "%s: \"%s\" is no earlier stage and no file", where, name);
}

ponder_status evaluate_check(const recipe *r, const recipe_stage *s, ponder_error *err)
{
    char where[256];
    evaluate_keys k;
    questions *q = NULL;
    recipe_where(where, r, s);
    TRY(read_keys(&k, s, where, err));
    if (k.stages && (json_array_size(k.stages) < 1 || json_array_size(k.stages) > MODELS_MAX))
        return err_set(err, PONDER_EFORMAT, "%s: want 1 to %d \"stages\"", where, MODELS_MAX);
    for (size_t i = 0; i < json_array_size(k.stages); i++)
        TRY(check_listed(r, s, k.stages, i, where, err));
    for (size_t i = 0; i < json_array_size(k.data); i++)
        if (json_object_get(json_array_get(k.data, i), "stage")) return PONDER_OK; /* made later */
    TRY(questions_open(&q, k.data, where, r->dir, TASK_TEST, 0, err));
    ponder_status st = questions_check(q, NULL, "what is measured needs one", err);
    questions_close(q);
    return st;
}

/* ---- models ---------------------------------------------------------------------------------- */

static ponder_status add_subject(evaluate *e, const char *label, char *path, ponder_error *err)
{
    subject *s = &e->subject[e->subjects++];
    buf name = {0};
    name_of_file(&name, str_of(label));
    *s = (subject){.label = label, .path = path, .name = name.p,
                   .of = calloc(e->cells.n + 1, sizeof *s->of)};
    if (path && s->of && !name.failed) return PONDER_OK;
    return err_set(err, PONDER_ENOMEM, "%s: out of memory", e->c->where);
}

/* The stage whose model this one begins with, by name; else the file. */
static const char *label_of_start(const stage_context *c)
{
    const recipe *r = c->recipe;
    size_t i = recipe_find(r, c->stage->name, r->n);
    origin o = origin_of(r, i);
    return o.maker < r->n ? r->stage[o.maker].name : origin_given(r, o.giver);
}

static ponder_status find_subjects(evaluate *e, ponder_error *err)
{
    const recipe *r = e->c->recipe;
    size_t mine = recipe_find(r, e->c->stage->name, r->n), i;
    const json_t *item;
    if (!e->k.stages)
        return add_subject(e, label_of_start(e->c), strdup(e->c->start), err);
    json_array_foreach (e->k.stages, i, item) {
        const char *name = json_string_value(item);
        size_t k = recipe_find(r, name, mine);
        char *path;
        if (k < r->n) TRY(origin_model(&path, r, k, e->c->o->out, err));
        else path = recipe_path(r, name);
        TRY(add_subject(e, name, path, err));
    }
    return PONDER_OK;
}

static ponder_status open_subject(evaluate *e, const subject *s, ponder_error *err)
{
    const answer_reward right = {.accuracy = 1};
    e->now = s;
    view_end(&e->view);
    return asker_open(&e->a, &e->k.asked, e->c, s->path, NULL,
                      size_max(1, e->k.at_once / e->k.group), e->k.group, &right, err);
}

static void close_subject(evaluate *e)
{
    asker_close(&e->a);
    e->now = NULL;
}

/* ---- one cell -------------------------------------------------------------------------------- */

static void put_answer(json_writer *w, answers *a, size_t i)
{
    const answer *of = &a->of[i];
    const rollout_sample *s = &a->r.samples[i];
    str text = answers_text(a, i), found = {0};
    const char *reason;
    if (!reward_extract(&found, text, REWARD_RESPONSE, &reason)) found = STR("");
    json_open(w, '{');
    json_key(w, "response"), json_text(w, text);
    json_key(w, "answer"), json_text(w, found);
    json_key(w, "right"), json_bool(w, of->right);
    json_key(w, "format"), json_bool(w, of->format);
    json_key(w, "language"), json_f64(w, of->language);
    json_key(w, "tokens"), json_i64(w, (int64_t)(s->n - s->prompt));
    json_key(w, "truncated"), json_bool(w, s->finish == ENGINE_LENGTH);
    json_key(w, "verification"), json_i64(w, (int64_t)of->reflection.verification);
    json_key(w, "backtracking"), json_i64(w, (int64_t)of->reflection.backtracking);
    json_close(w, '}');
}

/* A question with all of its answers. */
static void put_question(buf *out, answers *a, size_t place)
{
    const question *q = &a->asked[place];
    json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "task"), json_text(&w, str_of(q->task));
    if (q->level) json_key(&w, "level"), json_i64(&w, q->level);
    json_key(&w, "lang"), json_text(&w, q->lang == TASK_ZH ? STR("zh") : STR("en"));
    json_key(&w, "prompt"), json_text(&w, buf_str(&q->prompt));
    json_key(&w, "gold"), json_text(&w, buf_str(&q->gold));
    json_key(&w, "kind"), json_text(&w, buf_str(&q->kind));
    json_key(&w, "answers");
    json_open(&w, '[');
    for (size_t c = 0; c < a->o.group; c++) put_answer(&w, a, place * a->o.group + c);
    json_close(&w, ']');
    json_close(&w, '}');
    buf_add_char(out, '\n');
    if (a->text.failed) out->failed = true;
}

static ponder_status stopped(const evaluate *e, ponder_error *err)
{
    if (!e->c->o->stop || !*e->c->o->stop) return PONDER_OK;
    return err_set(err, PONDER_ECANCELED,
                   "stage %s: stopped; the same command goes on with what is not measured yet",
                   e->c->stage->name);
}

static void show(evaluate *e, const question_cell *cell, double right, size_t n,
                 double tokens_per_s)
{
    char text[160];
    snprintf(text, sizeof text, "%.40s %.40s  pass@1 %.1f%%", e->now->label, cell->name,
             100 * right / (double)size_max(n * e->k.group, 1));
    view_step(&e->view, e->done, text, tokens_per_s);
}

/* Asks all questions of a cell and writes what is answered. */
static ponder_status ask_cell(evaluate *e, const question_cell *cell, file_writer *f,
                              ponder_error *err)
{
    double right = 0;
    /* Of the problems, not of the model or of the cell's place. */
    uint64_t seed = rng_u64(e->seed, str_hash(str_of(cell->name)), 0, RNG_SAMPLE);
    buf out = {0};
    ponder_status st = PONDER_OK;
    for (size_t at = 0, n; at < cell->n && st == PONDER_OK; at += n) {
        double start = clock_seconds();
        n = size_min(e->a.a.o.questions, cell->n - at);
        st = stopped(e, err);
        if (st == PONDER_OK)
            st = answers_fill_these(&e->a.a, cell->from, cell->number + at, n, seed, err);
        if (st != PONDER_OK) break;
        buf_clear(&out);
        for (size_t i = 0; i < n; i++) put_question(&out, &e->a.a, i);
        st = out.failed ? err_set(err, PONDER_ENOMEM, "no memory for answers")
                        : file_put(f, out.p, out.n, err);
        answers_summary s = answers_describe(&e->a.a, n);
        right += s.accuracy * (double)(n * e->k.group);
        e->done += n;
        show(e, cell, right, at + n, (double)s.tokens / (clock_seconds() - start));
    }
    buf_free(&out);
    return st;
}

static ponder_status write_cell(evaluate *e, const subject *s, const question_cell *cell,
                                const char *path, ponder_error *err)
{
    file_writer f;
    if (!e->now) TRY(open_subject(e, s, err));
    TRY(file_begin(&f, path, err));
    ponder_status st = ask_cell(e, cell, &f, err);
    if (st == PONDER_OK) return file_commit(&f, err);
    file_abort(&f);
    return st;
}

static ponder_status run_cell(evaluate *e, subject *s, size_t i, ponder_error *err)
{
    const question_cell *cell = &e->cells.cell[i];
    buf path = {0};
    ponder_status st = PONDER_OK;
    buf_printf(&path, "%s/samples/%s-%s.jsonl", e->c->dir, s->name, cell->name);
    if (path.failed) st = err_set(err, PONDER_ENOMEM, "out of memory");
    else if (file_exists(path.p)) e->done += cell->n, e->view.from += cell->n;
    else st = write_cell(e, s, cell, path.p, err);
    if (st == PONDER_OK) st = measure_file(&s->of[i], path.p, err);
    if (st == PONDER_OK) st = measure_join(&s->of[e->cells.n], &s->of[i], err);
    buf_free(&path);
    return st;
}

/* ---- the outcome ----------------------------------------------------------------------------- */

static ponder_status fill_row(evaluated *out, const evaluate *e, size_t subject_of, size_t cell,
                              ponder_error *err)
{
    const subject *s = &e->subject[subject_of];
    const question_cell *c = cell < e->cells.n ? &e->cells.cell[cell] : NULL;
    const measure *m = &s->of[cell];
    *out = (evaluated){.model = s->label, .task = c ? c->task : "all", .level = c ? c->level : 0,
                       .lang = !c ? "" : c->lang == TASK_ZH ? "zh" : "en"};
    if (subject_of) {
        const measure *before = &e->subject[subject_of - 1].of[cell];
        out->gain = metric_compare(m->share, before->share, m->questions);
        out->has_gain = true;
    }
    return measure_figures(&out->of, m, e->seed, err);
}

static ponder_status write_text(const evaluate *e, const char *name, const buf *text,
                                ponder_error *err)
{
    char *path = stage_path(e->c->o->out, e->c->stage->name, name);
    ponder_status st = path && !text->failed
                           ? stage_write_file(path, buf_str(text), err)
                           : err_set(err, PONDER_ENOMEM, "%s: out of memory", e->c->where);
    free(path);
    return st;
}

static ponder_status tell_metrics(const evaluate *e, const evaluation *of, ponder_error *err)
{
    const stage_context *c = e->c;
    metrics m;
    TRY(metrics_open(&m, c->metrics, c->stage->name, -1, err));
    metrics_begin(&m, 0);
    json_key(&m.w, "evaluation");
    evaluation_rows(&m.w, of);
    ponder_status st = metrics_end(&m, err);
    metrics_close(&m);
    const char *title = c->recipe->about ? c->recipe->about : c->recipe->name;
    return st == PONDER_OK ? report_write(c->report, c->metrics, title, err) : st;
}

static ponder_status tell(evaluate *e, ponder_error *err)
{
    size_t each = e->cells.n + 1;
    evaluation of = {.name = e->c->stage->name, .group = e->k.group,
                     .temperature = (double)e->k.asked.temperature};
    buf json = {0}, table = {0};
    ponder_status st = PONDER_OK;
    of.row = calloc(each * e->subjects, sizeof *of.row);
    if (!of.row) return err_set(err, PONDER_ENOMEM, "%s: out of memory", e->c->where);
    for (size_t s = 0; s < e->subjects && st == PONDER_OK; s++)
        for (size_t i = 0; i < each && st == PONDER_OK; i++)
            st = fill_row(&of.row[of.n++], e, s, i, err);
    if (st == PONDER_OK) evaluation_json(&json, &of), evaluation_table(&table, &of);
    if (st == PONDER_OK) st = write_text(e, "eval.json", &json, err);
    if (st == PONDER_OK) st = write_text(e, "eval.md", &table, err);
    if (st == PONDER_OK) st = tell_metrics(e, &of, err);
    if (st == PONDER_OK && e->c->o->screen) fprintf(e->c->o->screen, "\n%s\n", table.p);
    buf_free(&json), buf_free(&table);
    free(of.row);
    return st;
}

/* ---- the stage ------------------------------------------------------------------------------- */

static ponder_status prepare(evaluate *e, ponder_error *err)
{
    const stage_context *c = e->c;
    TRY(read_keys(&e->k, c->stage, c->where, err));
    e->seed = rng_u64(c->recipe->seed, 0, 2, RNG_DATA);
    TRY(question_cells_open(&e->cells, e->k.data, c->where, c->recipe->dir, e->k.questions, e->seed,
                            err));
    TRY(find_subjects(e, err));
    char *samples = stage_path(c->o->out, c->stage->name, "samples");
    ponder_status st = samples ? file_make_dirs(samples, err)
                               : err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    free(samples);
    return st;
}

static ponder_status run_all(evaluate *e, ponder_error *err)
{
    size_t all = 0;
    for (size_t i = 0; i < e->cells.n; i++) all += e->cells.cell[i].n * e->subjects;
    view_begin(&e->view, e->c->o->screen, e->c->stage->name, 0, all);
    for (size_t s = 0; s < e->subjects; s++) {
        ponder_status st = PONDER_OK;
        for (size_t i = 0; i < e->cells.n && st == PONDER_OK; i++) {
            st = run_cell(e, &e->subject[s], i, err);
            if (st != PONDER_OK && st != PONDER_ECANCELED)
                err_context(err, st, "%s: %s on %s", e->c->where, e->subject[s].label,
                            e->cells.cell[i].name);
        }
        close_subject(e);
        TRY(st);
    }
    return PONDER_OK;
}

ponder_status evaluate_run(const stage_context *c, ponder_error *err)
{
    evaluate e = {.c = c};
    ponder_status st = prepare(&e, err);
    if (st == PONDER_OK) {
        st = run_all(&e, err);
        view_end(&e.view);
    }
    if (st == PONDER_OK) st = tell(&e, err);
    for (size_t s = 0; s < e.subjects; s++) {
        subject *x = &e.subject[s];
        for (size_t i = 0; x->of && i <= e.cells.n; i++) measure_free(&x->of[i]);
        free(x->of), free(x->path), free(x->name);
    }
    question_cells_close(&e.cells);
    return st;
}
