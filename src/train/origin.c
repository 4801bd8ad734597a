/* Lines of models and of data through a recipe.
 * SPDX-License-Identifier: MIT */
#include "train/origin.h"

#include <stdlib.h>

_Static_assert(RECIPE_STAGES <= 64, "a bit for each stage");

/* ---- models ---------------------------------------------------------------------------------- */

/* The stage that hands its model to stage i; r->n: none. */
static size_t stage_before(const recipe *r, size_t i)
{
    const recipe_stage *s = &r->stage[i];
    if (s->from) return recipe_find(r, s->from, i);
    return s->model || i == 0 ? r->n : i - 1;
}

static enum stage_makes makes_of(const recipe *r, size_t i)
{
    return stage_kind_find(r->stage[i].kind)->makes;
}

origin origin_of(const recipe *r, size_t i)
{
    origin o = {.maker = r->n, .giver = i};
    for (size_t k; (k = stage_before(r, o.giver)) < r->n; o.giver = k)
        if (o.maker == r->n && makes_of(r, k) == STAGE_MODEL) o.maker = k;
    return o;
}

bool origin_is_recipes(const recipe *r, size_t giver)
{
    return !r->stage[giver].from && !r->stage[giver].model;
}

const char *origin_given(const recipe *r, size_t giver)
{
    const recipe_stage *s = &r->stage[giver];
    if (s->from) return s->from;
    return json_string_value(json_object_get(s->model ? s->model : r->model, "start"));
}

ponder_status origin_check(const recipe *r, size_t i, ponder_error *err)
{
    const recipe_stage *s = &r->stage[i];
    char where[256];
    recipe_where(where, r, s);
    if (s->from && s->model)
        return err_set(err, PONDER_EFORMAT, "%s: want \"from\" or \"model\", not both", where);
    origin o = origin_of(r, i);
    const char *given = origin_given(r, o.giver);
    bool trains = makes_of(r, i) == STAGE_MODEL || makes_of(r, i) == STAGE_SCORER;
    if (o.maker == r->n && !given && !trains)
        return err_set(err, PONDER_EFORMAT,
                       "%s: it would begin with fresh weights: name a model in \"from\", or put "
                       "a stage that trains before it", where);
    if (o.giver != i || !given || origin_is_recipes(r, i)) return PONDER_OK;
    char *path = recipe_path(r, given);
    bool there = path && file_exists(path);
    free(path);
    if (there) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   s->from ? "%s: \"from\" \"%s\" is no earlier stage and no file"
                           : "%s: \"start\" \"%s\" is no file",
                   where, given);
}

ponder_status origin_model(char **path, const recipe *r, size_t k, const char *dir,
                           ponder_error *err)
{
    origin o = makes_of(r, k) == STAGE_MODEL ? (origin){k, k} : origin_of(r, k);
    const char *given = o.maker == r->n ? origin_given(r, o.giver) : NULL;
    *path = given ? recipe_path(r, given)
                  : stage_path(dir, r->stage[size_min(o.maker, r->n - 1)].name, "model.gguf");
    if (!*path) return err_set(err, PONDER_ENOMEM, "%s: out of memory", r->name);
    if (file_exists(*path)) return PONDER_OK;
    ponder_status st = err_set(err, PONDER_ENOTFOUND,
                               "%s: %s is not there yet: run the stage that makes it", r->name,
                               *path);
    free(*path);
    *path = NULL;
    return st;
}

/* ---- data ------------------------------------------------------------------------------------ */

static const char *const LISTS[] = {"data", "eval_data"};

static ponder_status check_item(const json_t *item, const char *where, ponder_error *err)
{
    const char *name;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)item, name, v)
        if (strcmp(name, "stage") && strcmp(name, "weight") && strcmp(name, "pairs"))
            return err_set(err, PONDER_EFORMAT,
                           "%s: no key \"%s\": a stage has stage, weight, pairs", where, name);
    if (json_is_string(json_object_get(item, "stage"))) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "%s: \"stage\" must be the name of one", where);
}

/* The number of the stage that an item names. */
static ponder_status stage_read(size_t *out, const json_t *item, const recipe *r, size_t i,
                                ponder_error *err)
{
    char where[256];
    recipe_where(where, r, &r->stage[i]);
    TRY(check_item(item, where, err));
    const char *name = json_string_value(json_object_get(item, "stage"));
    size_t k = *out = recipe_find(r, name, r->n);
    if (k >= i)
        return err_set(err, PONDER_EFORMAT, k == r->n ? "%s: no stage \"%s\" to take samples from"
                                                      : "%s: stage \"%s\" does not come before it",
                       where, name);
    if (makes_of(r, k) != STAGE_SAMPLES)
        return err_set(err, PONDER_EFORMAT, "%s: stage \"%s\" makes no samples: its kind is %s",
                       where, name, r->stage[k].kind);
    if (json_is_true(json_object_get(item, "pairs")) &&
        !json_is_true(json_object_get(r->stage[k].json, "pairs")))
        return err_set(err, PONDER_EFORMAT, "%s: stage \"%s\" makes no \"pairs\"", where, name);
    return PONDER_OK;
}

/* The stages whose reward models judge answers of stage i. */
static ponder_status read_scorers(uint64_t *out, const recipe *r, size_t i, ponder_error *err)
{
    const json_t *list = json_object_get(r->stage[i].json, "rewards"), *row;
    size_t n;
    char where[256];
    recipe_where(where, r, &r->stage[i]);
    json_array_foreach (list, n, row) {
        const char *name = json_string_value(json_object_get(row, "model"));
        if (!name) continue;
        size_t k = recipe_find(r, name, i);
        if (k == r->n || makes_of(r, k) != STAGE_SCORER)
            return err_set(err, PONDER_EFORMAT,
                           "%s: \"rewards\" %zu: \"%s\" is no earlier stage of the kind "
                           "reward_model", where, n + 1, name);
        *out |= 1ull << k;
    }
    return PONDER_OK;
}

ponder_status origin_reads(uint64_t *out, const recipe *r, size_t i, ponder_error *err)
{
    *out = 0;
    for (size_t l = 0; l < COUNT_OF(LISTS); l++) {
        const json_t *list = json_object_get(r->stage[i].json, LISTS[l]), *item;
        size_t n, k;
        json_array_foreach (list, n, item) {
            if (!json_object_get(item, "stage")) continue;
            TRY(stage_read(&k, item, r, i, err));
            *out |= 1ull << k;
        }
    }
    const json_t *item;
    size_t n;
    json_array_foreach (json_object_get(r->stage[i].json, "stages"), n, item) {
        const char *name = json_string_value(item);
        size_t k = name ? recipe_find(r, name, i) : r->n; /* else a file */
        if (k < r->n) *out |= 1ull << (makes_of(r, k) == STAGE_MODEL ? k : size_min(origin_of(r, k).maker, k));
    }
    return read_scorers(out, r, i, err);
}

/* The name of a stage in an item becomes the path of its file. */
static ponder_status resolve(json_t *item, const recipe *r, const recipe_stage *s, const char *dir,
                             ponder_error *err)
{
    char where[256];
    bool pairs = json_is_true(json_object_get(item, "pairs"));
    recipe_where(where, r, s);
    char *path = stage_path(dir, json_string_value(json_object_get(item, "stage")),
                            pairs ? "pairs.jsonl" : "samples.jsonl");
    ponder_status st = PONDER_OK;
    if (path && !file_exists(path))
        st = err_set(err, PONDER_ENOTFOUND, "%s: %s is not there yet: run the stage that makes it",
                     where, path);
    else if (!path || json_object_set_new(item, "file", json_string(path)) != 0)
        st = err_set(err, PONDER_ENOMEM, "%s: out of memory", where);
    json_object_del(item, "stage"), json_object_del(item, "pairs");
    free(path);
    return st;
}

ponder_status origin_resolve(json_t **out, const recipe *r, size_t i, const char *dir,
                             ponder_error *err)
{
    ponder_status st = PONDER_OK;
    char *full = realpath(dir, NULL); /* other paths of a recipe are relative to its folder */
    *out = full ? json_deep_copy(r->stage[i].json) : NULL;
    if (!*out) st = err_set(err, PONDER_ENOMEM, "%s: out of memory", r->name);
    for (size_t l = 0; l < COUNT_OF(LISTS); l++) {
        const json_t *list = json_object_get(*out, LISTS[l]);
        for (size_t n = 0; n < json_array_size(list) && st == PONDER_OK; n++) {
            json_t *item = json_array_get(list, n);
            if (json_object_get(item, "stage")) st = resolve(item, r, &r->stage[i], full, err);
        }
    }
    free(full);
    if (st != PONDER_OK) json_decref(*out), *out = NULL;
    return st;
}
