/* The stages of a recipe, in order.
 * SPDX-License-Identifier: MIT
 *
 * OUT/NAME/identity says of which settings a stage is, OUT/NAME/done that it is through. A stage's
 * identity takes in those of the stages it builds on, so a change in one is noticed in all. */
#include "train/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct pipeline {
    const recipe *r;
    const pipeline_options *o;
    recipe_model model;
    tokenizer *t;
    char *start;          /* of the first stage; NULL: fresh */
    char *tokenizer_json; /* NULL: a GGUF file brings its own */
    char *metrics, *report;
    uint64_t identity[RECIPE_STAGES];
} pipeline;

static ponder_status no_memory(const pipeline *p, ponder_error *err)
{
    return err_set(err, PONDER_ENOMEM, "%s: out of memory", p->r->name);
}

/* ---- before anything runs -------------------------------------------------------------------- */

static const recipe_stage *stage_named(const recipe *r, const char *name, size_t before)
{
    for (size_t i = 0; i < before; i++)
        if (!strcmp(r->stage[i].name, name)) return &r->stage[i];
    return NULL;
}

static ponder_status check_stage(const recipe *r, size_t i, ponder_error *err)
{
    const recipe_stage *s = &r->stage[i];
    const stage_kind *kind = stage_kind_find(s->kind);
    char where[256];
    recipe_where(where, r, s);
    if (!kind) {
        buf known = {0};
        for (const stage_kind *k = stage_kinds; k->name; k++)
            buf_printf(&known, "%s%s", known.n ? ", " : "", k->name);
        ponder_status st = err_set(err, PONDER_EFORMAT, "%s: no kind \"%s\"; there are %s", where,
                                   s->kind, known.p ? known.p : "none");
        buf_free(&known);
        return st;
    }
    if (s->from && !stage_named(r, s->from, i)) {
        char *path = recipe_path(r, s->from);
        bool there = path && file_exists(path);
        free(path);
        if (!there)
            return err_set(err, PONDER_EFORMAT,
                           "%s: \"from\" \"%s\" is no earlier stage and no file", where, s->from);
    }
    return kind->check(r, s, err);
}

static ponder_status check_all(const recipe *r, const char *only, ponder_error *err)
{
    for (size_t i = 0; i < r->n; i++) TRY(check_stage(r, i, err));
    if (!only || stage_named(r, only, r->n)) return PONDER_OK;
    return err_set(err, PONDER_EARG, "%s has no stage \"%s\"", r->name, only);
}

/* ---- tokenizer and first model --------------------------------------------------------------- */

static bool is_gguf(const char *path) { return str_ends(str_of(path), STR(".gguf")); }

/* A model to begin with brings its tokenizer; else the recipe's is made or read. */
static ponder_status prepare(pipeline *p, ponder_error *err)
{
    recipe_tokenizer t;
    TRY(recipe_read_model(&p->model, p->r, err));
    TRY(recipe_read_tokenizer(&t, p->r, err));
    if (p->model.start) {
        p->start = recipe_path(p->r, p->model.start);
        if (!p->start) return no_memory(p, err);
        if (p->r->tokenizer)
            return err_set(
                err, PONDER_EFORMAT,
                "%s: the model to \"start\" with has a tokenizer; leave \"tokenizer\" out",
                p->r->name);
        if (!is_gguf(p->start)) p->tokenizer_json = stage_path(p->start, "tokenizer.json", NULL);
        return tokenizer_open(&p->t, p->tokenizer_json ? p->tokenizer_json : p->start, err);
    }
    if (!p->r->tokenizer)
        return err_set(err, PONDER_EFORMAT, "%s: no \"tokenizer\"", p->r->name);
    TRY(stage_make_tokenizer(&p->tokenizer_json, p->r, &t, p->o, err));
    TRY(tokenizer_open(&p->t, p->tokenizer_json, err));
    p->model.config.vocab = tokenizer_size(p->t);
    p->model.config.bos = tokenizer_bos(p->t);
    p->model.config.eos = tokenizer_eos(p->t);
    ponder_status st = model_config_check(&p->model.config, err);
    return st == PONDER_OK ? st : err_context(err, st, "%s: \"model\"", p->r->name);
}

/* ---- one stage ------------------------------------------------------------------------------- */

/* The model stage i begins with, and the stage that makes it (r->n: none). */
static ponder_status start_of(const pipeline *p, size_t i, char **path, size_t *maker,
                              ponder_error *err)
{
    const recipe *r = p->r;
    const char *from = r->stage[i].from;
    *maker = r->n;
    *path = NULL;
    for (size_t k = 0; k < i; k++)
        if (from ? !strcmp(r->stage[k].name, from) : k + 1 == i) *maker = k;
    if (*maker < r->n) *path = stage_path(p->o->out, r->stage[*maker].name, "model.gguf");
    else if (from) *path = recipe_path(r, from);
    else if (p->start) *path = strdup(p->start);
    else return PONDER_OK;
    return *path ? PONDER_OK : no_memory(p, err);
}

/* Settings that differ from those of what is there already are an error, not a reason to delete. */
static ponder_status check_identity(const stage_context *c, ponder_error *err)
{
    char text[32];
    buf have = {0};
    snprintf(text, sizeof text, "%016" PRIx64 "\n", c->identity);
    char *path = stage_path(c->o->out, c->stage->name, "identity");
    if (!path) return err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    ponder_status st = file_make_dirs(c->dir, err);
    if (st == PONDER_OK && !file_exists(path)) st = stage_write_file(path, str_of(text), err);
    else if (st == PONDER_OK) st = file_read(&have, path, 64, err);
    if (st == PONDER_OK && have.n && !str_eq(buf_str(&have), str_of(text)))
        st = err_set(err, PONDER_EARG,
                     "%s: %s is of other settings, or of stages before it with others: put them "
                     "back, choose another --out, or remove that folder", c->where, c->dir);
    buf_free(&have);
    free(path);
    return st;
}

static ponder_status run_here(const stage_context *c, bool *ran, ponder_error *err)
{
    char *done = stage_path(c->o->out, c->stage->name, "done");
    if (!done) return err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    ponder_status st = check_identity(c, err);
    *ran = st == PONDER_OK && !file_exists(done);
    if (*ran && c->start && !file_exists(c->start))
        st = err_set(err, PONDER_ENOTFOUND, "%s: %s is not there yet: run the stage that makes it",
                     c->where, c->start);
    if (*ran && st == PONDER_OK) st = stage_kind_find(c->stage->kind)->run(c, err);
    if (*ran && st == PONDER_OK) st = stage_write_file(done, STR("done\n"), err);
    if (!*ran && st == PONDER_OK && c->o->screen)
        fprintf(c->o->screen, "%s: done before\n", c->stage->name);
    free(done);
    return st;
}

static ponder_status run_stage(pipeline *p, size_t i, ponder_error *err)
{
    const recipe_stage *s = &p->r->stage[i];
    char where[256], *start;
    size_t maker;
    bool ran;
    recipe_where(where, p->r, s);
    TRY(start_of(p, i, &start, &maker, err));
    uint64_t h = recipe_hash(0xcbf29ce484222325u ^ p->r->seed, s->json);
    if (maker < p->r->n) h = rng_u64(h, p->identity[maker], 0, RNG_DATA);
    else h = recipe_hash(recipe_hash(h, p->r->model), p->r->tokenizer);
    p->identity[i] = h;
    if (p->o->only && strcmp(p->o->only, s->name)) {
        free(start);
        return PONDER_OK;
    }
    stage_context c = {.recipe = p->r,
                       .stage = s,
                       .o = p->o,
                       .where = where,
                       .metrics = p->metrics,
                       .report = p->report,
                       .start = start,
                       .model = &p->model,
                       .t = p->t,
                       .tokenizer_json = p->tokenizer_json,
                       .identity = h,
                       .seed = rng_u64(p->r->seed, i, 1, RNG_DATA)};
    char *dir = stage_path(p->o->out, s->name, NULL);
    c.dir = dir;
    ponder_status st = dir ? run_here(&c, &ran, err) : no_memory(p, err);
    free(dir), free(start);
    return st;
}

/* ---- the door -------------------------------------------------------------------------------- */

/* Two runs in one folder would spoil each other. The lock goes with the process. */
static ponder_status lock_out(int *fd, const char *out, ponder_error *err)
{
    char *path = stage_path(out, "lock", NULL);
    if (!path) return err_set(err, PONDER_ENOMEM, "%s: out of memory", out);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ponder_status st = PONDER_OK;
    if (*fd < 0) st = err_set(err, PONDER_EIO, "%s: %s", path, strerror(errno));
    else if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        st = err_set(err, PONDER_EIO, "%s: another run is at work in this folder", out);
    free(path);
    return st;
}

static ponder_status run_all(pipeline *p, ponder_error *err)
{
    p->metrics = stage_path(p->o->out, "metrics.jsonl", NULL);
    p->report = stage_path(p->o->out, "report.html", NULL);
    if (!p->metrics || !p->report) return no_memory(p, err);
    TRY(prepare(p, err));
    for (size_t i = 0; i < p->r->n; i++) TRY(run_stage(p, i, err));
    return PONDER_OK;
}

ponder_status pipeline_run(const recipe *r, const pipeline_options *o, ponder_error *err)
{
    pipeline p = {.r = r, .o = o};
    int fd = -1;
    TRY(check_all(r, o->only, err));
    ponder_status st = file_make_dirs(o->out, err);
    if (st == PONDER_OK) st = lock_out(&fd, o->out, err);
    if (st == PONDER_OK) st = run_all(&p, err);
    if (fd >= 0) close(fd);
    tokenizer_close(p.t);
    free(p.start), free(p.tokenizer_json), free(p.metrics), free(p.report);
    return st;
}
