/* The local store: manifests, lookup, and changes that are one rename.
 * SPDX-License-Identifier: MIT */
#include "fmt/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST "store.json"
enum { MANIFEST_LIMIT = 16 << 20, NAME_LIMIT = 240, PATH_LIMIT = 1024, COMPONENT_LIMIT = 200 };

static ponder_status no_memory(ponder_error *err)
{
    return err_set(err, PONDER_ENOMEM, "model store: out of memory");
}

char *store_join(const char *dir, str name)
{
    buf b = {0};
    buf_printf(&b, "%s/", dir);
    buf_add_str(&b, name);
    if (!b.failed) return b.p;
    buf_free(&b);
    return NULL;
}

/* ---- names ----------------------------------------------------------------------------------- */

bool store_path_ok(str path)
{
    if (path.n == 0 || path.n > PATH_LIMIT) return false;
    size_t start = 0;
    for (size_t i = 0; i <= path.n; i++) {
        unsigned char c = i < path.n ? (unsigned char)path.p[i] : '/';
        if (c < 0x20 || c == 0x7f || c == '\\') return false;
        if (c != '/') continue;
        str part = {path.p + start, i - start};
        if (part.n == 0 || part.n > COMPONENT_LIMIT || str_eq(part, STR(".")) ||
            str_eq(part, STR("..")))
            return false;
        start = i + 1;
    }
    return true;
}

static bool plain(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '@' || c == ':' || (c == '.' && !first);
}

ponder_status store_dir(char **out, const char *root, str name, bool complete, ponder_error *err)
{
    buf b = {0};
    *out = NULL;
    buf_printf(&b, "%s/%s", root, complete ? "" : ".partial/");
    size_t base = b.n;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '/') buf_add_char(&b, '+');
        else if (plain(name.p[i], i == 0)) buf_add_char(&b, name.p[i]);
        else buf_printf(&b, "%%%02X", (unsigned)(unsigned char)name.p[i]);
    }
    bool fits = b.n > base && b.n - base <= NAME_LIMIT;
    if (b.failed || !fits) {
        ponder_status st = b.failed ? no_memory(err)
                                    : err_set(err, PONDER_ELIMIT,
                                              "\"%.*s\": not a usable model name", STR_ARG(name));
        buf_free(&b);
        return st;
    }
    *out = b.p;
    return PONDER_OK;
}

/* ---- the manifest ---------------------------------------------------------------------------- */

void store_free(store_model *m)
{
    free(m->files);
    free(m->dir);
    json_decref(m->doc);
    *m = (store_model){0};
}

static ponder_status read_file_entry(store_file *f, const json_t *v, const char *name,
                                     ponder_error *err)
{
    int64_t size = -1;
    if (!json_is_object(v))
        return err_set(err, PONDER_EFORMAT, "%s: a file must be an object", name);
    TRY(json_field_str(v, name, "path", &f->path, err));
    TRY(json_field_str(v, name, "oid", &f->oid, err));
    TRY(json_field_str(v, name, "sha256", &f->sha256, err));
    TRY(json_field_i64(v, name, "size", 0, INT64_MAX, &size, err));
    if (!store_path_ok(f->path) || size < 0)
        return err_set(err, PONDER_EFORMAT, "%s: \"%.*s\": not a plain path with a size", name,
                       STR_ARG(f->path));
    f->size = (uint64_t)size;
    return PONDER_OK;
}

static ponder_status parse_manifest(store_model *m, const char *name, ponder_error *err)
{
    if (!json_is_object(m->doc)) return err_set(err, PONDER_EFORMAT, "%s: must be an object", name);
    const struct {
        const char *key;
        str *out;
    } texts[] = {
        {"name", &m->name},         {"kind", &m->kind},     {"source", &m->source},
        {"revision", &m->revision}, {"commit", &m->commit}, {"date", &m->date},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        TRY(json_field_str(m->doc, name, texts[i].key, texts[i].out, err));
    const json_t *files = json_object_get(m->doc, "files");
    size_t n = json_array_size(files); /* 0 for anything but an array */
    if (n == 0 || m->name.n == 0)
        return err_set(err, PONDER_EFORMAT, "%s: \"name\" or \"files\" missing", name);
    m->files = calloc(n, sizeof *m->files);
    if (!m->files) return no_memory(err);
    m->n_files = n;
    for (size_t i = 0; i < n; i++) {
        TRY(read_file_entry(&m->files[i], json_array_get(files, i), name, err));
        if (m->files[i].size > UINT64_MAX / 2 - m->bytes)
            return err_set(err, PONDER_EFORMAT, "%s: sizes overflow", name);
        m->bytes += m->files[i].size;
    }
    return PONDER_OK;
}

static uint64_t size_of(const char *dir, str name)
{
    struct stat sb;
    char *path = store_join(dir, name);
    bool ok = path && stat(path, &sb) == 0 && S_ISREG(sb.st_mode);
    free(path);
    return ok ? (uint64_t)sb.st_size : 0;
}

/* What is on disk: by path in a complete model, by content in a download. */
static uint64_t bytes_present(const store_model *m)
{
    uint64_t have = 0;
    for (size_t i = 0; i < m->n_files; i++) {
        const store_file *f = &m->files[i];
        if (m->complete) {
            have += size_of(m->dir, f->path);
            continue;
        }
        char partial[STORE_OID_MAX + 16];
        snprintf(partial, sizeof partial, "%.*s.partial", STR_ARG(f->oid));
        uint64_t whole = size_of(m->dir, f->oid);
        have += whole ? whole : size_of(m->dir, str_of(partial));
    }
    return have;
}

ponder_status store_read(store_model *out, const char *dir, bool complete, ponder_error *err)
{
    *out = (store_model){.complete = complete};
    char *path = store_join(dir, STR(MANIFEST));
    out->dir = strdup(dir);
    ponder_status st =
        path && out->dir ? json_parse_file(&out->doc, path, MANIFEST_LIMIT, err) : no_memory(err);
    if (st == PONDER_OK) st = parse_manifest(out, path, err);
    if (st == PONDER_OK) out->have = bytes_present(out);
    else store_free(out);
    free(path);
    return st;
}

ponder_status store_write(const store_model *m, const char *dir, ponder_error *err)
{
    buf b = {0};
    json_writer w = {.out = &b};
    json_open(&w, '{');
    const struct {
        const char *key;
        str text;
    } texts[] = {
        {"name", m->name},         {"kind", m->kind},     {"source", m->source},
        {"revision", m->revision}, {"commit", m->commit}, {"date", m->date},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        json_key(&w, texts[i].key);
        json_text(&w, texts[i].text);
    }
    json_key(&w, "files");
    json_open(&w, '[');
    for (size_t i = 0; i < m->n_files; i++) {
        const store_file *f = &m->files[i];
        json_open(&w, '{');
        json_key(&w, "path"), json_text(&w, f->path);
        json_key(&w, "size"), json_i64(&w, (int64_t)f->size);
        json_key(&w, "oid"), json_text(&w, f->oid);
        json_key(&w, "sha256"), json_text(&w, f->sha256);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    buf_add_char(&b, '\n');

    file_writer fw = {0};
    char *path = store_join(dir, STR(MANIFEST));
    ponder_status st = b.failed || !path ? no_memory(err) : file_begin(&fw, path, err);
    if (st == PONDER_OK) st = file_put(&fw, b.p, b.n, err);
    if (st == PONDER_OK) st = file_commit(&fw, err);
    file_abort(&fw);
    free(path);
    buf_free(&b);
    return st;
}

/* ---- listing and lookup ---------------------------------------------------------------------- */

void store_list_free(store_list *l)
{
    for (size_t i = 0; i < l->n; i++) store_free(&l->v[i]);
    free(l->v);
    *l = (store_list){0};
}

static store_model *find_exact(const store_list *l, str name)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i].name, name)) return &l->v[i];
    return NULL;
}

/* Takes in one directory, unless it is no model, or one under another's name. */
static ponder_status scan_one(store_list *l, const char *root, const char *path, bool complete,
                              ponder_error *err)
{
    store_model m;
    char *proper = NULL;
    if (store_read(&m, path, complete, NULL) != PONDER_OK) return PONDER_OK;
    bool fits =
        store_dir(&proper, root, m.name, complete, NULL) == PONDER_OK && !strcmp(proper, path);
    free(proper);
    if (!fits || find_exact(l, m.name)) return store_free(&m), PONDER_OK;
    store_model *v = realloc(l->v, (l->n + 1) * sizeof *v);
    if (!v) return store_free(&m), no_memory(err);
    l->v = v;
    l->v[l->n++] = m;
    return PONDER_OK;
}

static ponder_status scan(store_list *l, const char *root, bool complete, ponder_error *err)
{
    char *dir = complete ? strdup(root) : store_join(root, STR(".partial"));
    DIR *d = dir ? opendir(dir) : NULL;
    ponder_status st = PONDER_OK;
    if (!dir) st = no_memory(err);
    else if (!d && errno != ENOENT) st = err_set(err, PONDER_EIO, "%s: %s", dir, strerror(errno));
    for (struct dirent *e; d && st == PONDER_OK && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char *path = store_join(dir, str_of(e->d_name));
        st = path ? scan_one(l, root, path, complete, err) : no_memory(err);
        free(path);
    }
    if (d) closedir(d);
    free(dir);
    return st;
}

static int by_name(const void *a, const void *b)
{
    str x = ((const store_model *)a)->name, y = ((const store_model *)b)->name;
    int c = memcmp(x.p, y.p, size_min(x.n, y.n));
    return c ? c : (x.n > y.n) - (x.n < y.n);
}

ponder_status store_all(store_list *out, const char *root, ponder_error *err)
{
    *out = (store_list){0};
    ponder_status st = scan(out, root, true, err);
    if (st == PONDER_OK) st = scan(out, root, false, err);
    if (st != PONDER_OK) store_list_free(out);
    else if (out->n) qsort(out->v, out->n, sizeof *out->v, by_name);
    return st;
}

/* The model of this name, or the only one that has it behind its owner. */
static ponder_status pick(const store_model **out, const store_list *l, const char *name,
                          ponder_error *err)
{
    str want = str_of(name);
    if (str_starts(want, STR("hf:"))) want = (str){want.p + 3, want.n - 3};
    *out = find_exact(l, want);
    for (size_t i = 0; i < l->n && !memchr(want.p, '/', want.n); i++) {
        str have = l->v[i].name;
        if (!str_ends(have, want) || have.n == want.n || have.p[have.n - want.n - 1] != '/')
            continue;
        if (*out)
            return err_set(err, PONDER_EARG, "\"%s\" may be %.*s or %.*s: give the full name", name,
                           STR_ARG((*out)->name), STR_ARG(have));
        *out = &l->v[i];
    }
    if (*out) return PONDER_OK;
    return err_set(err, PONDER_ENOTFOUND,
                   "%s: no such model in the local store; `ponder list` shows what is there", name);
}

ponder_status store_find(char **path, const char *root, const char *name, ponder_error *err)
{
    store_list l;
    const store_model *m;
    *path = NULL;
    TRY(store_all(&l, root, err));
    ponder_status st = pick(&m, &l, name, err);
    if (st == PONDER_OK && !m->complete) {
        st = err_set(err, PONDER_ENOTFOUND,
                     "%.*s: only %.1f of %.1f MB are here; `ponder pull %.*s` fetches the rest",
                     STR_ARG(m->name), (double)m->have * 1e-6, (double)m->bytes * 1e-6,
                     STR_ARG(m->name));
    } else if (st == PONDER_OK) {
        *path =
            str_eq(m->kind, STR("gguf")) ? store_join(m->dir, m->files[0].path) : strdup(m->dir);
        if (!*path) st = no_memory(err);
    }
    store_list_free(&l);
    return st;
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Empties and removes the directory `name` in dirfd. */
static bool remove_at(int dirfd, const char *name)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) return true;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) close(fd);
        return false;
    }
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) ok = remove_at(fd, e->d_name);
    closedir(d);
    return ok && unlinkat(dirfd, name, AT_REMOVEDIR) == 0;
}

ponder_status store_remove_tree(const char *path, ponder_error *err)
{
    if (remove_at(AT_FDCWD, path)) return PONDER_OK;
    return err_set(err, PONDER_EIO, "cannot remove %s: %s", path, strerror(errno));
}

/* Takes a directory out of sight by one rename. OK when it does not exist. */
static ponder_status retire(const char *root, const char *dir, ponder_error *err)
{
    char *bin = store_join(root, STR(".removed"));
    buf to = {0};
    const char *slash = strrchr(dir, '/');
    if (bin)
        buf_printf(&to, "%s/%s-%llu", bin, slash ? slash + 1 : dir, (unsigned long long)clock_ns());
    ponder_status st = !bin || to.failed ? no_memory(err) : file_make_dirs(bin, err);
    if (st == PONDER_OK && rename(dir, to.p) != 0 && errno != ENOENT)
        st = err_set(err, PONDER_EIO, "cannot remove %s: %s", dir, strerror(errno));
    buf_free(&to);
    free(bin);
    return st;
}

/* Frees the space of everything retired, also by a run that was cut off. */
static ponder_status sweep(const char *root, ponder_error *err)
{
    char *bin = store_join(root, STR(".removed"));
    ponder_status st = bin ? store_remove_tree(bin, err) : no_memory(err);
    free(bin);
    return st;
}

ponder_status store_remove(const char *root, const char *name, uint64_t *bytes, ponder_error *err)
{
    store_list l;
    const store_model *m;
    *bytes = 0;
    TRY(store_all(&l, root, err));
    ponder_status st = pick(&m, &l, name, err);
    for (int complete = 1; st == PONDER_OK && complete >= 0; complete--) {
        char *dir = NULL;
        store_model there;
        st = store_dir(&dir, root, m->name, complete, err);
        if (st == PONDER_OK && store_read(&there, dir, complete, NULL) == PONDER_OK) {
            *bytes += there.have;
            store_free(&there);
        }
        if (st == PONDER_OK) st = retire(root, dir, err);
        free(dir);
    }
    if (st == PONDER_OK) st = sweep(root, err);
    store_list_free(&l);
    return st;
}

ponder_status store_publish(const char *root, const char *from, const char *to, ponder_error *err)
{
    TRY(retire(root, to, err));
    if (rename(from, to) != 0)
        return err_set(err, PONDER_EIO, "cannot rename %s to %s: %s", from, to, strerror(errno));
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) { /* the rename must reach the disk as well */
        (void)fsync(fd);
        close(fd);
    }
    return sweep(root, err);
}
