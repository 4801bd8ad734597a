/* The stages of a recipe, in order.
 * SPDX-License-Identifier: MIT
 *
 * OUT/NAME/identity says of which settings a stage is, OUT/NAME/done that it is through. A stage's
 * identity takes in those of the stages it builds on, so a change in one is noticed in all. */
#include "base/hash.h"
#include "train/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct pipeline {
    const recipe *r;
    const pipeline_options *o;
    recipe_model model, own[RECIPE_STAGES]; /* the recipe's, and those of stages that have one */
    tokenizer *t;                           /* the recipe's; NULL: no stage needs it */
    char *tokenizer_json;
    char *metrics, *report;
    uint64_t identity[RECIPE_STAGES];
} pipeline;

static ponder_status no_memory(const pipeline *p, ponder_error *err)
{
    return err_set(err, PONDER_ENOMEM, "%s: out of memory", p->r->name);
}

/* ---- before anything runs -------------------------------------------------------------------- */

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
    uint64_t reads;
    TRY(kind->check(r, s, err));
    TRY(origin_check(r, i, err));
    return origin_reads(&reads, r, i, err);
}

static ponder_status check_all(const recipe *r, const char *only, ponder_error *err)
{
    for (size_t i = 0; i < r->n; i++) TRY(check_stage(r, i, err));
    if (!only || recipe_find(r, only, r->n) < r->n) return PONDER_OK;
    return err_set(err, PONDER_EARG, "%s has no stage \"%s\"", r->name, only);
}

/* ---- models and tokenizers ------------------------------------------------------------------- */

static bool is_gguf(const char *path) { return str_ends(str_of(path), STR(".gguf")); }

/* The recipe's tokenizer, where there are models that bring none. */
static ponder_status make_tokenizer(pipeline *p, const recipe_tokenizer *t, ponder_error *err)
{
    if (!p->r->tokenizer)
        return err_set(err, PONDER_EFORMAT, "%s: no \"tokenizer\"", p->r->name);
    TRY(stage_make_tokenizer(&p->tokenizer_json, p->r, t, p->o, err));
    return tokenizer_open(&p->t, p->tokenizer_json, err);
}

/* Fresh weights are for the recipe's tokenizer. */
static ponder_status complete_model(const pipeline *p, recipe_model *m, const char *where,
                                    ponder_error *err)
{
    m->config.vocab = tokenizer_size(p->t);
    m->config.bos = tokenizer_bos(p->t);
    m->config.eos = tokenizer_eos(p->t);
    ponder_status st = model_config_check(&m->config, err);
    return st == PONDER_OK ? st : err_context(err, st, "%s: \"model\"", where);
}

static ponder_status read_models(pipeline *p, bool *fresh, ponder_error *err)
{
    const recipe *r = p->r;
    bool recipes = r->model != NULL;
    *fresh = false;
    for (size_t i = 0; i < r->n; i++) {
        char where[256];
        size_t giver = origin_of(r, i).giver;
        recipe_where(where, r, &r->stage[i]);
        if (r->stage[i].model)
            TRY(recipe_read_model(&p->own[i], r, r->stage[i].model, where, err));
        *fresh = *fresh || !origin_given(r, giver);
        recipes = recipes || origin_is_recipes(r, giver);
    }
    return recipes ? recipe_read_model(&p->model, r, r->model, r->name, err) : PONDER_OK;
}

static ponder_status prepare(pipeline *p, ponder_error *err)
{
    const recipe *r = p->r;
    recipe_tokenizer t;
    bool fresh;
    TRY(read_models(p, &fresh, err));
    TRY(recipe_read_tokenizer(&t, r, err));
    if (!fresh && p->model.start && r->tokenizer)
        return err_set(err, PONDER_EFORMAT,
                       "%s: the model to \"start\" with has a tokenizer; leave \"tokenizer\" out",
                       r->name);
    if (!fresh) return PONDER_OK;
    TRY(make_tokenizer(p, &t, err));
    if (r->model && !p->model.start) TRY(complete_model(p, &p->model, r->name, err));
    for (size_t i = 0; i < r->n; i++) {
        char where[256];
        recipe_where(where, r, &r->stage[i]);
        if (r->stage[i].model && !p->own[i].start)
            TRY(complete_model(p, &p->own[i], where, err));
    }
    return PONDER_OK;
}

/* A stage with what it begins with: its line of models brings the tokenizer. */
typedef struct begun {
    stage_context c;
    size_t number;
    origin from;
    char *start, *dir, *given, *tokenizer_json;
    tokenizer *t;
    recipe_stage stage; /* with files in place of stages' names */
    json_t *json;
} begun;

static ponder_status open_tokenizer(pipeline *p, begun *b, ponder_error *err)
{
    b->c.t = p->t;
    b->c.tokenizer_json = p->tokenizer_json;
    if (!b->given) return PONDER_OK;
    if (!is_gguf(b->given)) {
        b->tokenizer_json = stage_path(b->given, "tokenizer.json", NULL);
        if (!b->tokenizer_json) return no_memory(p, err);
    }
    b->c.tokenizer_json = b->tokenizer_json;
    TRY(tokenizer_open(&b->t, b->tokenizer_json ? b->tokenizer_json : b->given, err));
    b->c.t = b->t;
    return PONDER_OK;
}

/* Paths of the model that stage b->number begins with. */
static ponder_status find_start(const pipeline *p, begun *b, ponder_error *err)
{
    const recipe *r = p->r;
    const char *given = origin_given(r, b->from.giver);
    if (given && !(b->given = recipe_path(r, given))) return no_memory(p, err);
    if (b->from.maker < r->n) {
        b->start = stage_path(p->o->out, r->stage[b->from.maker].name, "model.gguf");
        if (!b->start) return no_memory(p, err);
    } else if (b->given && !(b->start = strdup(b->given))) {
        return no_memory(p, err);
    }
    return PONDER_OK;
}

static void end(begun *b)
{
    tokenizer_close(b->t);
    free(b->start), free(b->dir), free(b->given), free(b->tokenizer_json);
    json_decref(b->json);
}

/* ---- one stage ------------------------------------------------------------------------------- */

/* Takes in everything that stage i builds on. */
static uint64_t identity_of(const pipeline *p, size_t i, origin from, uint64_t reads)
{
    const recipe *r = p->r;
    const recipe_stage *giver = &r->stage[from.giver];
    uint64_t h = recipe_hash(HASH_BEGIN ^ r->seed, r->stage[i].json);
    if (from.maker < r->n) {
        h = rng_u64(h, p->identity[from.maker], 0, RNG_DATA);
    } else {
        if (from.giver != i) { /* a stage between them made no model */
            h = recipe_hash(h, giver->model);
            h = recipe_hash(h, json_object_get(giver->json, "from"));
        }
        if (!giver->model) h = recipe_hash(h, r->model);
        if (!giver->model || !origin_given(r, from.giver)) h = recipe_hash(h, r->tokenizer);
    }
    for (size_t k = 0; k < i; k++)
        if (reads >> k & 1) h = rng_u64(h, p->identity[k], 1, RNG_DATA);
    return h;
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

/* Opens what the stage needs and does it. */
static ponder_status run_kind(pipeline *p, begun *b, ponder_error *err)
{
    stage_context *c = &b->c;
    if (c->start && !file_exists(c->start))
        return err_set(err, PONDER_ENOTFOUND,
                       "%s: %s is not there yet: run the stage that makes it", c->where, c->start);
    TRY(origin_resolve(&b->json, p->r, b->number, p->o->out, err));
    b->stage = *c->stage;
    b->stage.json = b->json;
    c->stage = &b->stage;
    TRY(open_tokenizer(p, b, err));
    return stage_kind_find(c->stage->kind)->run(c, err);
}

static ponder_status run_here(pipeline *p, begun *b, ponder_error *err)
{
    const stage_context *c = &b->c;
    char *done = stage_path(c->o->out, c->stage->name, "done");
    if (!done) return no_memory(p, err);
    ponder_status st = check_identity(c, err);
    if (st == PONDER_OK && !file_exists(done)) {
        st = run_kind(p, b, err);
        if (st == PONDER_OK) st = stage_write_file(done, STR("done\n"), err);
    } else if (st == PONDER_OK && c->o->screen) {
        fprintf(c->o->screen, "%s: done before\n", c->stage->name);
    }
    free(done);
    return st;
}

/* A stage has a seed of its own by its place among those that leave something, so that one which only
 * measures can be put anywhere; or it says which. */
static uint64_t seed_of(const recipe *r, size_t i)
{
    const json_t *own = json_object_get(r->stage[i].json, "seed");
    uint64_t place = 0;
    if (own) return rng_u64((uint64_t)json_number_value(own), 0, 1, RNG_DATA);
    for (size_t k = 0; k < i; k++)
        place += stage_kind_find(r->stage[k].kind)->makes != STAGE_NOTHING;
    return rng_u64(r->seed, place, 1, RNG_DATA);
}

static ponder_status run_stage(pipeline *p, size_t i, ponder_error *err)
{
    const recipe *r = p->r;
    const recipe_stage *s = &r->stage[i];
    char where[256];
    uint64_t reads;
    recipe_where(where, r, s);
    TRY(origin_reads(&reads, r, i, err));
    begun b = {.number = i, .from = origin_of(r, i)};
    p->identity[i] = identity_of(p, i, b.from, reads);
    if (p->o->only && strcmp(p->o->only, s->name)) return PONDER_OK;
    b.dir = stage_path(p->o->out, s->name, NULL);
    ponder_status st = b.dir ? find_start(p, &b, err) : no_memory(p, err);
    if (st == PONDER_OK) {
        b.c = (stage_context){.recipe = r,
                              .stage = s,
                              .o = p->o,
                              .where = where,
                              .dir = b.dir,
                              .metrics = p->metrics,
                              .report = p->report,
                              .start = b.start,
                              .model = s->model ? &p->own[i] : &p->model,
                              .identity = p->identity[i],
                              .seed = seed_of(r, i)};
        st = run_here(p, &b, err);
    }
    end(&b);
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
    free(p.tokenizer_json), free(p.metrics), free(p.report);
    return st;
}
