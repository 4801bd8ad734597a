/* ponder eval: finding the questions, and writing down the settings.
 * SPDX-License-Identifier: MIT */
#include "cli/eval.h"

#include <stdlib.h>
#include <unistd.h>

enum { TASK_QUESTIONS = 100 };

/* ---- data -------------------------------------------------------------------------------------- */

static ponder_status open_task(eval_setup *s, const eval_options *o, ponder_error *err)
{
    str name = str_of(o->bench + strlen("task:"));
    size_t colon = str_find(name, STR(":"), 0);
    int level = 1, used = 0;
    if (colon != SIZE_MAX) {
        const char *digits = name.p + colon + 1;
        if (sscanf(digits, "%d%n", &level, &used) != 1 || digits[used])
            return err_set(err, PONDER_EARG, "--bench %s: want task:NAME:LEVEL", o->bench);
        name.n = colon;
    }
    size_t n = o->n ? (size_t)o->n : TASK_QUESTIONS;
    TRY(eval_dataset_tasks(&s->data, name, level, n, o->seed, !strcmp(o->lang, "zh"), err));
    if (s->data.n < n)
        fprintf(stderr, "ponder eval: %s has %zu different test problems, not %zu; all are asked\n",
                s->data.name, s->data.n, n);
    return PONDER_OK;
}

static ponder_status find_file(buf *path, const char *file, const char *bench, const char *dir,
                               ponder_error *err)
{
    if (!dir)
        return err_set(err, PONDER_EARG,
                       "--bench %s: where is %s? Give its directory by --data, or set PONDER_DATA",
                       bench, file);
    buf_printf(path, "%s/%s", dir, file);
    return path->failed ? err_set(err, PONDER_ENOMEM, "out of memory") : PONDER_OK;
}

static ponder_status open_data(eval_setup *s, const eval_options *o, ponder_error *err)
{
    if (!o->bench)
        return err_set(err, PONDER_EARG, "which benchmark? Give --bench NAME or FILE.jsonl; --list "
                                         "shows the names");
    if (!strncmp(o->bench, "task:", 5)) return open_task(s, o, err);
    const eval_bench *b = eval_bench_find(o->bench);
    buf path = {0};
    ponder_status st = PONDER_OK;
    if (b) st = find_file(&path, b->file, o->bench, o->data, err);
    else if (file_exists(o->bench)) buf_add_str(&path, str_of(o->bench));
    else
        st = err_set(err, PONDER_ENOTFOUND,
                     "--bench %s: neither a file nor a name that --list shows", o->bench);
    if (st == PONDER_OK) st = eval_dataset_read(&s->data, path.p, err);
    if (st == PONDER_OK) eval_dataset_cut(&s->data, (size_t)o->n);
    buf_free(&path);
    return st;
}

/* Worked examples: a file that is named, the benchmark's own, or else other questions of the set. */
static ponder_status open_shots(eval_setup *s, const eval_options *o, ponder_error *err)
{
    const eval_bench *b = eval_bench_find(o->bench);
    buf path = {0};
    ponder_status st = PONDER_OK;
    s->prompter.shots = &s->data;
    if (o->shots_file) buf_add_str(&path, str_of(o->shots_file));
    else if (b && b->shots) st = find_file(&path, b->shots, o->bench, o->data, err);
    if (st == PONDER_OK && path.n) {
        st = eval_dataset_read(&s->shots, path.p, err);
        s->own_shots = true;
        s->prompter.shots = &s->shots;
    }
    buf_free(&path);
    return st;
}

/* ---- judges ------------------------------------------------------------------------------------ */

/* What runs programs is open once a question needs it: a judge of code, or a bare sandbox. */
static ponder_status open_sandbox(eval_setup *s, const eval_options *o, bool patches,
                                  ponder_error *err)
{
    code_options co = {.stop_at_first = true};
    if (!sandbox_level_by_name(&co.box.floor, str_of(o->floor)))
        return err_set(err, PONDER_EARG, "--sandbox-floor \"%s\": use A, B or C", o->floor);
    co.box.slots = cpu_cores() < 32 ? cpu_cores() : 32;
    if (!patches) return s->judge.code ? PONDER_OK : code_open(&s->judge.code, &co, err);
    return s->judge.box ? PONDER_OK : sandbox_open(&s->judge.box, &co.box, err);
}

/* Before anything is generated: can every question be put and judged? What is sound but of a kind
 * that is not judged here is left out and said. */
static ponder_status check_questions(eval_setup *s, const eval_options *o, ponder_error *err)
{
    enum eval_style style = s->prompter.style;
    for (size_t i = 0; i < s->data.n;) {
        const eval_question *q = &s->data.q[i];
        if (!eval_style_suits(style, q->form))
            return err_set(err, PONDER_EUNSUPPORTED, "--style %s: not for questions of form %s",
                           eval_style_name(style), eval_form_name(q->form));
        if (eval_judge_is_slow(q)) TRY(open_sandbox(s, o, q->form == EVAL_PATCH, err));
        ponder_status st = eval_judge_check(&s->judge, q, err);
        if (st == PONDER_OK) {
            i++;
            continue;
        }
        err_context(err, st, "%s: question \"%.*s\"", s->data.name, STR_ARG(q->id));
        if (st != PONDER_EUNSUPPORTED || s->data.n == 1) return st;
        if (s->left_out++ == 0) fprintf(stderr, "ponder eval: left out: %s\n", err->message);
        eval_dataset_drop(&s->data, i);
    }
    if (s->left_out > 1)
        fprintf(stderr, "ponder eval: %zu questions are left out\n", s->left_out);
    return PONDER_OK;
}

ponder_status eval_setup_open(eval_setup *s, const eval_options *o, ponder_error *err)
{
    *s = (eval_setup){.k = (size_t)o->k};
    if (!eval_style_by_name(&s->prompter.style, o->style))
        return err_set(err, PONDER_EARG, "--style \"%s\": use r1, zero or base", o->style);
    if (strcmp(o->lang, "en") && strcmp(o->lang, "zh"))
        return err_set(err, PONDER_EARG, "--lang \"%s\": use en or zh", o->lang);
    TRY(open_data(s, o, err));
    const eval_bench *b = eval_bench_find(o->bench);
    s->prompter.permute = o->permute;
    s->prompter.seed = o->seed;
    s->prompter.language = o->language ? o->language : b ? b->language : NULL;
    s->prompter.n_shots = s->prompter.style == EVAL_BASE ? (size_t)o->shots : 0;
    if (s->prompter.n_shots) TRY(open_shots(s, o, err));
    s->judge.prompter = &s->prompter;
    return check_questions(s, o, err);
}

void eval_setup_close(eval_setup *s)
{
    eval_dataset_close(&s->data);
    if (s->own_shots) eval_dataset_close(&s->shots);
    code_close(s->judge.code);
    sandbox_close(s->judge.box);
    *s = (eval_setup){0};
}

/* ---- settings ---------------------------------------------------------------------------------- */

static json_t *hex(uint64_t v)
{
    char text[20];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)v);
    return json_string(text);
}

static json_t *maybe(const char *text) { return text ? json_string(text) : json_null(); }

static json_t *where_of(const eval_options *o, const eval_setup *s)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "data_dir", maybe(o->data), "file",
                     json_string(s->data.name), "shots_file", maybe(o->shots_file), "lang",
                     json_string(o->lang));
}

json_t *eval_settings(const eval_options *o, const eval_setup *s, const char *name, const char *kv,
                      size_t weights)
{
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    json_t *j = json_pack(
        "{s:i, s:s, s:I, s:o, s:i, s:s, s:s, s:i, s:b, s:f, s:f, s:i}", "format", 1, "bench",
        o->bench, "questions", (json_int_t)s->data.n, "data_hash", hex(s->data.hash), "k", o->k,
        "seed", seed, "style", o->style, "shots", (int)s->prompter.n_shots, "permute", o->permute,
        "temperature", o->temp, "top_p", o->top_p, "max_tokens", o->max_tokens);
    bool ok = j && !json_object_set_new(j, "model", maybe(name)) &&
              !json_object_set_new(j, "endpoint", maybe(o->endpoint)) &&
              !json_object_set_new(j, "language", maybe(s->prompter.language)) &&
              !json_object_set_new(j, "where", where_of(o, s));
    if (ok && s->left_out)
        ok = !json_object_set_new(j, "left_out", json_integer((json_int_t)s->left_out));
    if (ok && s->own_shots) ok = !json_object_set_new(j, "shots_hash", hex(s->shots.hash));
    if (ok && weights) /* of an engine in this process */
        ok = !json_object_set_new(j, "weight_bytes", json_integer((json_int_t)weights)) &&
             !json_object_set_new(j, "kv", json_string(kv)) &&
             !json_object_set_new(j, "think", json_string(o->think)) &&
             !json_object_set_new(j, "loop", json_integer(o->loop));
    if (ok) return j;
    json_decref(j);
    return NULL;
}

static const char *text_of(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

ponder_status eval_options_from(eval_options *o, const json_t *settings, ponder_error *err)
{
    const json_t *where = json_object_get(settings, "where");
    int64_t n = 0, k = 0, shots = 0;
    TRY(json_field_i64(settings, "run.json", "questions", 1, INT32_MAX, &n, err));
    TRY(json_field_i64(settings, "run.json", "k", 1, INT32_MAX, &k, err));
    TRY(json_field_i64(settings, "run.json", "shots", 0, INT32_MAX, &shots, err));
    TRY(json_field_bool(settings, "run.json", "permute", &o->permute, err));
    const char *seed = text_of(settings, "seed");
    o->bench = text_of(settings, "bench");
    o->style = text_of(settings, "style");
    o->lang = text_of(where, "lang");
    o->language = text_of(settings, "language");
    o->shots_file = text_of(where, "shots_file");
    if (!o->data) o->data = text_of(where, "data_dir");
    if (!n || !k || !seed || !o->bench || !o->style || !o->lang)
        return err_set(err, PONDER_EFORMAT, "run.json: no settings of an evaluation");
    o->seed = strtoull(seed, NULL, 10);
    int64_t left_out = 0;
    TRY(json_field_i64(settings, "run.json", "left_out", 0, INT32_MAX, &left_out, err));
    o->n = (int)(n + left_out);
    o->k = (int)k;
    o->shots = (int)shots;
    return PONDER_OK;
}
