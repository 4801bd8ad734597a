/* Names of models on a hub, and which files of a repository they mean.
 * SPDX-License-Identifier: MIT */
#include "fmt/hub_int.h"

#include <stdlib.h>

enum { TREE_LIMIT = 100000, PART_LIMIT = 96 };

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* An owner or repository: letters, digits, '-', '_', '.', the first one alphanumeric, no "..". */
static bool part_ok(str s)
{
    if (s.n == 0 || s.n > PART_LIMIT || !is_alnum(s.p[0]) || str_find(s, STR(".."), 0) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !strchr("-_.", s.p[i])) return false;
    return true;
}

static bool revision_ok(str s)
{
    if (s.n == 0 || s.n > 128 || !is_alnum(s.p[0]) || str_find(s, STR(".."), 0) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !strchr("-_./", s.p[i])) return false;
    return true;
}

/* Cuts `*s` at its first `mark` and returns what stood behind it; p is NULL when there is none. */
static str cut(str *s, char mark)
{
    const char *at = memchr(s->p, mark, s->n);
    if (!at) return (str){0};
    str rest = {at + 1, s->n - (size_t)(at + 1 - s->p)};
    s->n = (size_t)(at - s->p);
    return rest;
}

static bool parse(hub_name *out, str s)
{
    if (str_starts(s, STR("hf:"))) s = (str){s.p + 3, s.n - 3};
    str file = cut(&s, ':');
    str revision = cut(&s, '@');
    if (file.p && !revision.p) revision = cut(&file, '@');
    str repo = s, owner = s;
    str second = cut(&owner, '/');
    if (!second.p || !part_ok(owner) || !part_ok(second)) return false;
    if (!revision.p) revision = STR("main");
    if (!revision_ok(revision)) return false;
    if (file.p && (!store_path_ok(file) || !str_ends(file, STR(".gguf")))) return false;
    snprintf(out->repo, sizeof out->repo, "%.*s", STR_ARG(repo));
    snprintf(out->revision, sizeof out->revision, "%.*s", STR_ARG(revision));
    snprintf(out->file, sizeof out->file, "%.*s", STR_ARG(file.p ? file : STR("")));
    return true;
}

ponder_status hub_name_parse(hub_name *out, const char *text, ponder_error *err)
{
    *out = (hub_name){0};
    if (parse(out, str_of(text))) return PONDER_OK;
    return err_set(err, PONDER_EARG,
                   "\"%s\": want OWNER/REPO, OWNER/REPO:FILE.gguf, or one of them with @REVISION",
                   text);
}

bool hub_is_name(const char *text)
{
    hub_name n;
    return parse(&n, str_of(text));
}

void hub_name_write(buf *out, const hub_name *n)
{
    buf_add_str(out, str_of(n->repo));
    if (strcmp(n->revision, "main") != 0) buf_printf(out, "@%s", n->revision);
    if (n->file[0]) buf_printf(out, ":%s", n->file);
}

/* ---- the answer to "what files are there" ---------------------------------------------------- */

void hub_tree_free(hub_tree *t)
{
    for (size_t i = 0; i < t->n; i++) free(t->v[i].path);
    free(t->v);
    *t = (hub_tree){0};
}

static bool hex(str s, size_t digits)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) return false;
    return s.n == digits;
}

/* One entry; *is_file false for directories. The path is borrowed. */
static ponder_status read_entry(hub_file *f, str *path, bool *is_file, const json_t *e,
                                const char *source, ponder_error *err)
{
    str type = STR(""), oid = STR("");
    int64_t size = -1, lfs_size = -1;
    if (!json_is_object(e))
        return err_set(err, PONDER_EFORMAT, "%s: an entry is no object", source);
    TRY(json_field_str(e, source, "type", &type, err));
    TRY(json_field_str(e, source, "path", path, err));
    TRY(json_field_str(e, source, "oid", &oid, err));
    TRY(json_field_i64(e, source, "size", 0, INT64_MAX, &size, err));
    if (!store_path_ok(*path))
        return err_set(err, PONDER_EFORMAT,
                       "%s: refused: the file name \"%.*s\" is no plain relative path", source,
                       STR_ARG(*path));
    *is_file = str_eq(type, STR("file"));
    if (!*is_file) return PONDER_OK;
    const json_t *lfs = json_object_get(e, "lfs");
    bool large = json_is_object(lfs);
    if (large) {
        oid = STR("");
        lfs_size = size;
        TRY(json_field_str(lfs, source, "oid", &oid, err));
        TRY(json_field_i64(lfs, source, "size", 0, INT64_MAX, &lfs_size, err));
    }
    if (!hex(oid, large ? 64 : 40) || size < 0 || (large && lfs_size != size))
        return err_set(err, PONDER_EFORMAT, "%s: \"%.*s\" has no usable size and hash", source,
                       STR_ARG(*path));
    f->size = (uint64_t)size;
    memcpy(f->oid, oid.p, oid.n);
    f->oid[oid.n] = '\0';
    return PONDER_OK;
}

static ponder_status add_file(hub_tree *t, hub_file f, str path, ponder_error *err)
{
    if (t->n >= TREE_LIMIT) return err_set(err, PONDER_ELIMIT, "more than %d files", TREE_LIMIT);
    f.path = strndup(path.p, path.n);
    hub_file *v = f.path ? realloc(t->v, (t->n + 1) * sizeof *v) : NULL;
    if (!v) {
        free(f.path);
        return err_set(err, PONDER_ENOMEM, "file list: out of memory");
    }
    t->v = v;
    t->v[t->n++] = f;
    return PONDER_OK;
}

ponder_status hub_tree_add(hub_tree *t, str page, const char *source, ponder_error *err)
{
    json_t *doc;
    TRY(json_parse(&doc, page, source, err));
    ponder_status st = PONDER_OK;
    if (!json_is_array(doc)) st = err_set(err, PONDER_EFORMAT, "%s: not a list of files", source);
    for (size_t i = 0; st == PONDER_OK && i < json_array_size(doc); i++) {
        hub_file f = {0};
        str path = STR("");
        bool is_file = false;
        st = read_entry(&f, &path, &is_file, json_array_get(doc, i), source, err);
        if (st == PONDER_OK && is_file) st = add_file(t, f, path, err);
    }
    json_decref(doc);
    return st;
}

/* ---- selection ------------------------------------------------------------------------------- */

/* "X-00002-of-00005.gguf": the length of X, and how many shards; 0 for a file that is not split
 * (naming rule of ggml's gguf-split). */
static size_t shard_stem(str path, int *count)
{
    enum { TAIL = sizeof "-00001-of-00001.gguf" - 1 };
    *count = 0;
    if (path.n <= TAIL) return 0;
    const char *t = path.p + path.n - TAIL;
    for (int i = 0; i < TAIL; i++) {
        char want = "-#####-of-#####.gguf"[i];
        if (want == '#' ? t[i] < '0' || t[i] > '9' : t[i] != want) return 0;
    }
    *count = (int)strtol(t + 10, NULL, 10);
    return path.n - TAIL;
}

static bool wanted_gguf(str path, str file)
{
    int count, its_count;
    size_t stem = shard_stem(file, &count);
    if (count == 0) return str_eq(path, file);
    return shard_stem(path, &its_count) == stem && its_count == count &&
           memcmp(path.p, file.p, stem) == 0;
}

/* Weights may stand there in several forms; the one transformers loads begins with "model". */
static bool wanted_checkpoint(str path, bool only_model)
{
    static const char *const names[] = {"config.json", "generation_config.json", "tokenizer.json",
                                        "tokenizer_config.json"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(path, str_of(names[i]))) return true;
    if (memchr(path.p, '/', path.n) || (only_model && !str_starts(path, STR("model"))))
        return false;
    return str_ends(path, STR(".safetensors")) || str_ends(path, STR(".safetensors.index.json"));
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const hub_file *)a)->path, ((const hub_file *)b)->path);
}

static bool is_weights(const hub_file *f)
{
    return str_ends(str_of(f->path), STR(".safetensors")) && !strchr(f->path, '/');
}

/* The nearest remedy: the GGUF files that are there. */
static ponder_status nothing_there(const hub_tree *t, const hub_name *n, const char *missing,
                                   ponder_error *err)
{
    buf b = {0};
    for (size_t i = 0; i < t->n && b.n < 250; i++)
        if (str_ends(str_of(t->v[i].path), STR(".gguf")))
            buf_printf(&b, "%s%s", b.n ? ", " : "", t->v[i].path);
    ponder_status st =
        err_set(err, PONDER_ENOTFOUND, "%s@%s has no %s%s%.*s", n->repo, n->revision, missing,
                b.n ? "; it has the GGUF files (take one with :FILE) " : " and no GGUF file",
                (int)size_min(b.n, 250), b.n ? b.p : "");
    buf_free(&b);
    return st;
}

ponder_status hub_tree_select(hub_tree *t, const hub_name *n, ponder_error *err)
{
    bool only_model = false, config = false;
    size_t weights = 0, kept = 0;
    int shards = 0;
    str file = str_of(n->file);
    if (file.n) shard_stem(file, &shards);
    for (size_t i = 0; i < t->n; i++) {
        weights += is_weights(&t->v[i]);
        config |= strcmp(t->v[i].path, "config.json") == 0;
        only_model |= is_weights(&t->v[i]) && strncmp(t->v[i].path, "model", 5) == 0;
    }
    if (file.n == 0 && weights == 0) return nothing_there(t, n, "safetensors weights", err);
    if (file.n == 0 && !config) return nothing_there(t, n, "config.json", err);

    if (t->n) qsort(t->v, t->n, sizeof *t->v, by_path);
    for (size_t i = 1; i < t->n; i++)
        if (strcmp(t->v[i - 1].path, t->v[i].path) == 0)
            return err_set(err, PONDER_EFORMAT, "%s: the server lists \"%s\" twice", n->repo,
                           t->v[i].path);
    uint64_t total = 0;
    for (size_t i = 0; i < t->n; i++) {
        str path = str_of(t->v[i].path);
        if (file.n ? !wanted_gguf(path, file) : !wanted_checkpoint(path, only_model)) continue;
        if (t->v[i].size > INT64_MAX - total)
            return err_set(err, PONDER_EFORMAT, "%s: the file sizes overflow", n->repo);
        total += t->v[i].size;
        hub_file f = t->v[kept]; /* the unwanted move behind the wanted, to be freed together */
        t->v[kept++] = t->v[i];
        t->v[i] = f;
    }
    if (kept == 0) return nothing_there(t, n, n->file, err);
    if (shards && kept != (size_t)shards)
        return err_set(err, PONDER_ENOTFOUND, "%s@%s has %zu of the %d parts of %s", n->repo,
                       n->revision, kept, shards, n->file);
    for (size_t i = kept; i < t->n; i++) free(t->v[i].path);
    t->n = kept;
    return PONDER_OK;
}
