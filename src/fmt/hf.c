/* Hugging Face directories: config.json beside model.safetensors, or beside
 * model.safetensors.index.json and the shards it names.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <stdlib.h>

enum { MAX_CONFIG = 4 << 20, MAX_INDEX = 256 << 20, MAX_SHARDS = 9999 };

static const char CONFIG[] = "config.json", SINGLE[] = "model.safetensors",
                  INDEX[] = "model.safetensors.index.json";

static char *join(const char *dir, const char *file)
{
    buf b = {0};
    buf_printf(&b, "%s%s%s", dir, str_ends(str_of(dir), STR("/")) ? "" : "/", file);
    if (!b.failed) return b.p;
    buf_free(&b);
    return NULL;
}

/* A JSON file of the directory; it must be an object. */
static ponder_status read_object(json_t **out, const char *dir, const char *file, size_t limit,
                                 ponder_error *err)
{
    *out = NULL;
    char *path = join(dir, file);
    if (!path) return err_set(err, PONDER_ENOMEM, "%s: out of memory", dir);
    ponder_status st = json_parse_file(out, path, limit, err);
    if (st == PONDER_OK && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        st = err_set(err, PONDER_EFORMAT, "%s: no JSON object", path);
    }
    free(path);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The index is foreign: its file names must not lead out of the directory. */
static bool plain_name(const char *z)
{
    return fmt_name_ok(str_of(z), FMT_MAX_NAME) && z[0] != '.' && !strchr(z, '/') &&
           str_ends(str_of(z), STR(".safetensors"));
}

ponder_status hf_shards(const char ***out, size_t *n, const json_t *index, const char *name,
                        ponder_error *err)
{
    json_t *map = json_object_get(index, "weight_map"), *v;
    const char *key;
    size_t all = json_object_size(map), k = 0;
    *out = NULL;
    *n = 0;
    if (all == 0)
        return err_set(err, PONDER_EFORMAT, "%s: no \"weight_map\" that names tensors", name);
    const char **files = malloc(all * sizeof(*files));
    if (!files) return err_set(err, PONDER_ENOMEM, "%s: out of memory", name);
    ponder_status st = PONDER_OK;
    json_object_foreach (map, key, v) {
        files[k] = json_string_value(v);
        if (!files[k] || !plain_name(files[k])) {
            st = err_set(err, PONDER_EFORMAT,
                         "%s: \"%.200s\" is not in a file named X.safetensors of "
                         "the same directory",
                         name, key);
            break;
        }
        k++;
    }
    if (st == PONDER_OK) {
        qsort(files, k, sizeof(*files), by_name);
        for (size_t i = 0; i < k; i++)
            if (i == 0 || strcmp(files[i], files[*n - 1])) files[(*n)++] = files[i];
        if (*n > MAX_SHARDS)
            st = err_set(err, PONDER_ELIMIT, "%s: more than %d shards", name, MAX_SHARDS);
    }
    if (st == PONDER_OK) *out = files;
    else free(files);
    return st;
}

static ponder_status open_files(fmt_model *m, const char *const *names, size_t n, ponder_error *err)
{
    m->files = calloc(n, sizeof *m->files);
    if (!m->files) return err_set(err, PONDER_ENOMEM, "%s: out of memory", m->path);
    for (size_t i = 0; i < n; i++) {
        fmt_file *f = &m->files[i];
        f->path = join(m->path, names[i]);
        if (!f->path) return err_set(err, PONDER_ENOMEM, "%s: out of memory", m->path);
        m->n_files = i + 1;
        TRY(file_map(&f->map, f->path, err));
        TRY(safetensors_parse(m, i, err));
    }
    return PONDER_OK;
}

/* Every tensor the index promises stands where it says. */
static ponder_status check_promises(const fmt_model *m, const json_t *index, ponder_error *err)
{
    const char *key;
    json_t *v;
    json_object_foreach (json_object_get(index, "weight_map"), key, v) {
        const fmt_tensor *t = fmt_find(m, key);
        if (!t || !str_ends(str_of(t->path), json_str(v)))
            return err_set(err, PONDER_EFORMAT,
                           "%s/%s: tensor \"%.200s\" is not in %.200s: fetch the "
                           "shard again",
                           m->path, INDEX, key, json_string_value(v));
    }
    return PONDER_OK;
}

static ponder_status open_sharded(fmt_model *m, ponder_error *err)
{
    json_t *index;
    const char **names = NULL;
    size_t n;
    TRY(read_object(&index, m->path, INDEX, MAX_INDEX, err));
    ponder_status st = hf_shards(&names, &n, index, INDEX, err);
    if (st == PONDER_OK) st = open_files(m, names, n, err);
    if (st == PONDER_OK) st = fmt_model_finish(m, err);
    if (st == PONDER_OK) st = check_promises(m, index, err);
    free(names);
    json_decref(index);
    return st;
}

ponder_status hf_open(fmt_model *m, ponder_error *err)
{
    TRY(read_object(&m->config, m->path, CONFIG, MAX_CONFIG, err));
    char *single = join(m->path, SINGLE), *index = join(m->path, INDEX);
    bool has_single = single && file_exists(single), has_index = index && file_exists(index);
    bool no_memory = !single || !index;
    free(single);
    free(index);
    if (no_memory) return err_set(err, PONDER_ENOMEM, "%s: out of memory", m->path);
    if (has_single) {
        const char *name = SINGLE;
        TRY(open_files(m, &name, 1, err));
        return fmt_model_finish(m, err);
    }
    if (has_index) return open_sharded(m, err);
    return err_set(err, PONDER_ENOTFOUND,
                   "%s: has neither %s nor %s; other weight files must be "
                   "converted to safetensors or GGUF",
                   m->path, SINGLE, INDEX);
}
