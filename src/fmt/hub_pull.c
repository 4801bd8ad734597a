/* Pulling a model: plan, fetch what is missing, verify, publish.
 * SPDX-License-Identifier: MIT
 *
 * The work directory ROOT/.partial/<name> is content-addressed: a file of it is named by its
 * expected hash, with ".partial" until it is whole and verified. So whatever happens between two
 * pulls, what is there is either the beginning of the right bytes or of no use and swept away. */
#include "fmt/hub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_LIMIT = 32 << 20, PAGES_LIMIT = 1000, HASH_CHUNK = 1 << 20 };

typedef struct pull {
    hub_http http;
    const char *root;
    char *work, *final; /* directories */
    int lock;           /* descriptor of the work directory, locked; -1: none */
    hub_tree tree;
    store_model plan; /* texts borrowed from here */
    char *sha256;     /* [n files][65] */
    buf name, source;
    char date[32];
    char label[160];
    progress progress;
    uint64_t present, fetched; /* bytes on disk; bytes from the network */
} pull;

static ponder_status no_memory(ponder_error *err)
{
    return err_set(err, PONDER_ENOMEM, "pull: out of memory");
}

/* ---- hashes: SHA-256 of the content, and git's name for it where that is what the hub knows -- */

typedef struct digest {
    EVP_MD_CTX *sha256, *sha1; /* sha1: NULL for large files */
} digest;

static void digest_close(digest *d)
{
    EVP_MD_CTX_free(d->sha256);
    EVP_MD_CTX_free(d->sha1);
    *d = (digest){0};
}

static bool digest_add(digest *d, const void *p, size_t n)
{
    return EVP_DigestUpdate(d->sha256, p, n) == 1 &&
           (!d->sha1 || EVP_DigestUpdate(d->sha1, p, n) == 1);
}

/* Starts afresh. A git blob's name is SHA-1("blob SIZE\0" content) (git-hash-object). */
static ponder_status digest_open(digest *d, const hub_file *f, ponder_error *err)
{
    char head[40];
    int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)f->size) + 1;
    bool git = strlen(f->oid) == 40;
    digest_close(d);
    d->sha256 = EVP_MD_CTX_new();
    if (git) d->sha1 = EVP_MD_CTX_new();
    if (d->sha256 && EVP_DigestInit_ex(d->sha256, EVP_sha256(), NULL) == 1 &&
        (!git || (d->sha1 && EVP_DigestInit_ex(d->sha1, EVP_sha1(), NULL) == 1 &&
                  EVP_DigestUpdate(d->sha1, head, (size_t)n) == 1)))
        return PONDER_OK;
    return err_set(err, PONDER_EINTERNAL, "the crypto library refuses to hash");
}

static bool digest_hex(EVP_MD_CTX *c, char out[65])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_DigestFinal_ex(c, raw, &n) != 1 || n > 32) return false;
    for (unsigned i = 0; i < n; i++) snprintf(out + 2 * i, 3, "%02x", raw[i]);
    return true;
}

/* ---- sinks ----------------------------------------------------------------------------------- */

typedef struct page_sink {
    hub_sink sink;
    buf text;
} page_sink;

static ponder_status page_restart(hub_sink *s, ponder_error *err)
{
    (void)err;
    s->have = 0;
    buf_clear(&((page_sink *)s)->text);
    return PONDER_OK;
}

static ponder_status page_add(hub_sink *s, const void *bytes, size_t n, ponder_error *err)
{
    page_sink *p = (page_sink *)s;
    buf_add(&p->text, bytes, n);
    return p->text.failed ? no_memory(err) : PONDER_OK;
}

typedef struct file_sink {
    hub_sink sink;
    int fd;
    const char *path;
    const hub_file *file;
    digest digest;
    uint64_t fetched;
} file_sink;

static ponder_status file_restart(hub_sink *s, ponder_error *err)
{
    file_sink *f = (file_sink *)s;
    s->have = 0;
    if (ftruncate(f->fd, 0) != 0 || lseek(f->fd, 0, SEEK_SET) != 0)
        return err_set(err, PONDER_EIO, "%s: %s", f->path, strerror(errno));
    return digest_open(&f->digest, f->file, err);
}

static ponder_status file_add(hub_sink *s, const void *bytes, size_t n, ponder_error *err)
{
    file_sink *f = (file_sink *)s;
    if (!digest_add(&f->digest, bytes, n)) return err_set(err, PONDER_EINTERNAL, "hashing failed");
    f->fetched += n;
    for (const char *p = bytes; n;) {
        ssize_t put = write(f->fd, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return err_set(err, PONDER_EIO, "%s: %s", f->path, strerror(errno));
        p += put;
        n -= (size_t)put;
    }
    return PONDER_OK;
}

/* ---- the plan -------------------------------------------------------------------------------- */

static ponder_status get_page(pull *p, const char *path, page_sink *page, const char *what,
                              ponder_error *err)
{
    page->sink = (hub_sink){.restart = page_restart, .add = page_add, .limit = PAGE_LIMIT};
    return hub_http_get(&p->http, path, &page->sink, what, err);
}

static ponder_status read_commit(char commit[41], str text, const char *what, ponder_error *err)
{
    json_t *doc;
    str sha = STR("");
    TRY(json_parse(&doc, text, what, err));
    ponder_status st = json_field_str(doc, what, "sha", &sha, err);
    bool ok = sha.n == 40 && strspn(sha.p, "0123456789abcdef") == 40;
    if (ok) memcpy(commit, sha.p, 41);
    else if (st == PONDER_OK)
        st = err_set(err, PONDER_EFORMAT, "%s: the server names no commit", what);
    json_decref(doc);
    return st;
}

/* Pins the revision to a commit: all that follows is about one state of the repository. */
static ponder_status get_commit(pull *p, const hub_name *n, char commit[41], ponder_error *err)
{
    buf path = {0};
    page_sink page = {0};
    buf_printf(&path, "/api/models/%s/revision/", n->repo);
    hub_url_add(&path, str_of(n->revision), false);
    ponder_status st = path.failed ? no_memory(err) : get_page(p, path.p, &page, p->name.p, err);
    if (st == PONDER_OK) st = read_commit(commit, buf_str(&page.text), p->name.p, err);
    buf_free(&path);
    buf_free(&page.text);
    return st;
}

static ponder_status get_tree(pull *p, const hub_name *n, const char *commit, ponder_error *err)
{
    buf path = {0}, query = {0};
    page_sink page = {0};
    ponder_status st = PONDER_OK;
    buf_add_str(&query, STR("recursive=true"));
    for (int i = 0; st == PONDER_OK && query.n; i++) {
        buf_clear(&path);
        buf_printf(&path, "/api/models/%s/tree/%s?%s", n->repo, commit, query.p);
        if (path.failed || query.failed) st = no_memory(err);
        else if (i == PAGES_LIMIT)
            st = err_set(err, PONDER_ELIMIT, "%s: the file list has no end", p->name.p);
        else st = get_page(p, path.p, &page, p->name.p, err);
        if (st == PONDER_OK) st = hub_tree_add(&p->tree, buf_str(&page.text), p->name.p, err);
        hub_http_next(&p->http, &query);
    }
    buf_free(&path);
    buf_free(&query);
    buf_free(&page.text);
    return st;
}

static ponder_status make_plan(pull *p, const hub_name *n, const char *commit, ponder_error *err)
{
    size_t count = p->tree.n;
    time_t now = time(NULL);
    struct tm tm;
    p->plan.files = calloc(count, sizeof *p->plan.files);
    p->sha256 = calloc(count, 65);
    buf_printf(&p->source, "%s/%s", p->http.endpoint, n->repo);
    if (!p->plan.files || !p->sha256 || p->source.failed) return no_memory(err);
    if (gmtime_r(&now, &tm)) strftime(p->date, sizeof p->date, "%Y-%m-%dT%H:%M:%SZ", &tm);
    store_model *m = &p->plan;
    m->name = buf_str(&p->name);
    m->kind = n->file[0] ? STR("gguf") : STR("hf");
    m->source = buf_str(&p->source);
    m->revision = str_of(n->revision);
    m->commit = str_of(commit);
    m->date = str_of(p->date);
    m->n_files = count;
    for (size_t i = 0; i < count; i++) {
        const hub_file *f = &p->tree.v[i];
        m->files[i] = (store_file){.path = str_of(f->path), .oid = str_of(f->oid), .size = f->size};
        m->bytes += f->size;
    }
    return PONDER_OK;
}

/* True when the store has exactly these files already. */
static bool up_to_date(const pull *p, const store_model *old)
{
    if (old->n_files != p->plan.n_files || old->have != p->plan.bytes ||
        old->bytes != p->plan.bytes)
        return false;
    for (size_t i = 0; i < old->n_files; i++)
        if (!str_eq(old->files[i].oid, p->plan.files[i].oid) ||
            !str_eq(old->files[i].path, p->plan.files[i].path))
            return false;
    return true;
}

/* ---- the work directory ---------------------------------------------------------------------- */

/* WORK/<oid>[.partial]; the caller frees. */
static char *work_path(const pull *p, const char *oid, const char *suffix)
{
    char name[STORE_OID_MAX + 16];
    snprintf(name, sizeof name, "%s%s", oid, suffix);
    return store_join(p->work, str_of(name));
}

static bool regular(const char *path, uint64_t *size)
{
    struct stat sb;
    if (!path || lstat(path, &sb) != 0 || !S_ISREG(sb.st_mode)) return false;
    *size = (uint64_t)sb.st_size;
    return true;
}

static ponder_status open_work(pull *p, ponder_error *err)
{
    TRY(file_make_dirs(p->work, err));
    p->lock = open(p->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->lock < 0) return err_set(err, PONDER_EIO, "%s: %s", p->work, strerror(errno));
    if (flock(p->lock, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, PONDER_EIO, "%s: another pull of it is running", p->name.p);
    return store_write(&p->plan, p->work, err);
}

/* Takes over from an older state of the model what has not changed. */
static void reuse(const pull *p, const store_model *old)
{
    for (size_t i = 0; i < old->n_files; i++) {
        const store_file *f = &old->files[i];
        for (size_t k = 0; k < p->tree.n; k++) {
            uint64_t size = 0;
            if (f->size != p->tree.v[k].size || !str_eq(f->oid, str_of(p->tree.v[k].oid))) continue;
            char *from = store_join(old->dir, f->path), *to = work_path(p, p->tree.v[k].oid, "");
            /* a failed link only means that the file is fetched again */
            if (regular(from, &size) && size == f->size && to && link(from, to) != 0) size = 0;
            free(from);
            free(to);
        }
    }
}

/* Bytes still to come; counts content that several files share once. */
static uint64_t bytes_missing(const pull *p)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < p->tree.n; i++) {
        const hub_file *f = &p->tree.v[i];
        uint64_t size = 0;
        bool repeated = false;
        for (size_t k = 0; k < i && !repeated; k++)
            repeated = strcmp(p->tree.v[k].oid, f->oid) == 0;
        char *whole = work_path(p, f->oid, ""), *part = work_path(p, f->oid, ".partial");
        if (!repeated && !regular(whole, &size)) {
            regular(part, &size);
            missing += f->size - (size < f->size ? size : 0);
        }
        free(whole);
        free(part);
    }
    return missing;
}

static ponder_status check_space(const pull *p, ponder_error *err)
{
    struct statvfs fs;
    uint64_t missing = bytes_missing(p), room;
    if (statvfs(p->work, &fs) != 0) return PONDER_OK; /* the write will say it */
    if (__builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &room))
        room = UINT64_MAX;
    if (missing <= room) return PONDER_OK;
    return err_set(err, PONDER_ELIMIT,
                   "%s: %.1f MB are still to come and %s has room for %.1f MB: free %.1f MB "
                   "or set PONDER_HOME to another disk",
                   p->name.p, (double)missing * 1e-6, p->root, (double)room * 1e-6,
                   (double)(missing - room) * 1e-6);
}

/* ---- fetching -------------------------------------------------------------------------------- */

/* Hashes what an earlier pull left, so that hashing goes on from there. */
static ponder_status hash_beginning(file_sink *f, ponder_error *err)
{
    struct stat sb;
    hub_sink *s = &f->sink;
    TRY(digest_open(&f->digest, f->file, err));
    if (fstat(f->fd, &sb) != 0 || sb.st_size == 0 || (uint64_t)sb.st_size > f->file->size)
        return file_restart(s, err);
    char *chunk = malloc(HASH_CHUNK);
    if (!chunk) return no_memory(err);
    ssize_t got;
    bool ok = true;
    while (ok && (got = read(f->fd, chunk, HASH_CHUNK)) > 0) {
        ok = digest_add(&f->digest, chunk, (size_t)got);
        s->have += (uint64_t)got;
    }
    free(chunk);
    return ok && s->have == (uint64_t)sb.st_size ? PONDER_OK : file_restart(s, err);
}

/* EFORMAT when the content is not what the hub lists. */
static ponder_status verify(file_sink *f, char sha256[65], ponder_error *err)
{
    char git[65] = "";
    if (!digest_hex(f->digest.sha256, sha256) ||
        (f->digest.sha1 && !digest_hex(f->digest.sha1, git)))
        return err_set(err, PONDER_EINTERNAL, "hashing failed");
    const char *is = f->digest.sha1 ? git : sha256;
    if (strcmp(is, f->file->oid) == 0) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   "%s: %s is %s, the hub lists %s: the bytes are damaged or were changed; "
                   "pull again, or from another HF_ENDPOINT",
                   f->file->path, f->digest.sha1 ? "git SHA-1" : "SHA-256", is, f->file->oid);
}

/* Fetches the rest of an open partial file; bytes that were there before and prove wrong get one
 * second chance from the start. */
static ponder_status fetch(pull *p, file_sink *f, const char *url, char sha256[65],
                           ponder_error *err)
{
    TRY(hash_beginning(f, err));
    for (;;) {
        bool continued = f->sink.have > 0;
        ponder_status st = PONDER_OK;
        if (f->sink.have < f->file->size || !continued)
            st = hub_http_get(&p->http, url, &f->sink, f->file->path, err);
        if (st == PONDER_OK) st = verify(f, sha256, err);
        if (st != PONDER_EFORMAT) return st;
        if (ftruncate(f->fd, 0) != 0)
            return err_set(err, PONDER_EIO, "%s: %s", f->path, strerror(errno));
        if (!continued) return st;
        log_write(p->http.opt->log, LOG_WARN, "hub",
                  "%s: what was there does not fit; starting it over", f->file->path);
        TRY(file_restart(&f->sink, err));
    }
}

static ponder_status fetch_file(pull *p, const hub_file *file, const char *url, char sha256[65],
                                ponder_error *err)
{
    char *part = work_path(p, file->oid, ".partial"), *whole = work_path(p, file->oid, "");
    uint64_t had = 0;
    file_sink f = {.fd = -1, .path = part, .file = file};
    if (!regular(part, &had) || had > file->size) had = 0;
    f.sink = (hub_sink){.restart = file_restart,
                        .add = file_add,
                        .ranged = true,
                        .limit = file->size,
                        .exact = file->size,
                        .progress = &p->progress,
                        .progress_base = (double)p->present - (double)had};
    ponder_status st = PONDER_OK;
    if (!part || !whole) st = no_memory(err);
    if (st == PONDER_OK && (f.fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)) < 0)
        st = err_set(err, PONDER_EIO, "%s: %s", part, strerror(errno));
    if (st == PONDER_OK) st = fetch(p, &f, url, sha256, err);
    if (st == PONDER_OK && (fsync(f.fd) != 0 || rename(part, whole) != 0))
        st = err_set(err, PONDER_EIO, "%s: %s", part, strerror(errno));
    if (f.fd >= 0) close(f.fd);
    p->fetched += f.fetched;
    if (st == PONDER_OK) p->present += file->size - had;
    digest_close(&f.digest);
    free(part);
    free(whole);
    return st;
}

/* A file that was verified earlier is hashed again: it may have lain there for long. */
static ponder_status rehash(const char *path, const hub_file *file, char sha256[65],
                            ponder_error *err)
{
    file_sink f = {.fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), .path = path, .file = file};
    if (f.fd < 0)
        return err_set(err, errno == ENOENT ? PONDER_ENOTFOUND : PONDER_EIO, "%s: %s", path,
                       strerror(errno));
    ponder_status st = digest_open(&f.digest, file, err);
    char *chunk = malloc(HASH_CHUNK);
    if (!chunk) st = no_memory(err);
    ssize_t got = 0;
    while (st == PONDER_OK && (got = read(f.fd, chunk, HASH_CHUNK)) > 0)
        if (!digest_add(&f.digest, chunk, (size_t)got))
            st = err_set(err, PONDER_EINTERNAL, "hashing failed");
    if (got < 0) st = err_set(err, PONDER_EIO, "%s: %s", path, strerror(errno));
    if (st == PONDER_OK) st = verify(&f, sha256, err);
    free(chunk);
    digest_close(&f.digest);
    close(f.fd);
    return st;
}

static ponder_status obtain(pull *p, const char *repo, const char *commit, size_t i,
                            ponder_error *err)
{
    const hub_file *file = &p->tree.v[i];
    char *sha256 = p->sha256 + 65 * i;
    char *whole = work_path(p, file->oid, "");
    if (!whole) return no_memory(err);
    ponder_status st = rehash(whole, file, sha256, NULL);
    if (st == PONDER_EFORMAT) unlink(whole); /* damaged since */
    if (st != PONDER_OK) {
        buf url = {0};
        buf_printf(&url, "/%s/resolve/%s/", repo, commit);
        hub_url_add(&url, str_of(file->path), true);
        snprintf(p->label, sizeof p->label, "%s [%zu/%zu]", file->path, i + 1, p->tree.n);
        st = url.failed ? no_memory(err) : fetch_file(p, file, url.p, sha256, err);
        buf_free(&url);
    }
    p->plan.files[i].sha256 = str_of(sha256);
    free(whole);
    return st;
}

/* ---- publishing ------------------------------------------------------------------------------ */

static ponder_status place(const pull *p, const char *dir, const hub_file *f, ponder_error *err)
{
    char *to = store_join(dir, str_of(f->path)), *from = work_path(p, f->oid, "");
    ponder_status st = to && from ? PONDER_OK : no_memory(err);
    char *slash = to ? strrchr(to, '/') : NULL;
    if (st == PONDER_OK) {
        *slash = '\0';
        st = file_make_dirs(to, err);
        *slash = '/';
    }
    /* linked rather than moved: two files may share the content, and a crash loses nothing; file
     * systems without links get the move */
    if (st == PONDER_OK && link(from, to) != 0 && (errno == EEXIST || rename(from, to) != 0))
        st = err_set(err, PONDER_EIO, "%s: %s", to, strerror(errno));
    free(to);
    free(from);
    return st;
}

static ponder_status publish(pull *p, ponder_error *err)
{
    char *dir = store_join(p->work, STR("model"));
    ponder_status st = dir ? store_remove_tree(dir, err) : no_memory(err);
    if (st == PONDER_OK) st = file_make_dirs(dir, err);
    for (size_t i = 0; st == PONDER_OK && i < p->tree.n; i++)
        st = place(p, dir, &p->tree.v[i], err);
    if (st == PONDER_OK) st = store_write(&p->plan, dir, err);
    if (st == PONDER_OK) st = store_publish(p->root, dir, p->final, err);
    free(dir);
    return st;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void pull_close(pull *p)
{
    hub_http_close(&p->http);
    if (p->lock >= 0) close(p->lock);
    hub_tree_free(&p->tree);
    free(p->plan.files);
    free(p->sha256);
    free(p->work);
    free(p->final);
    buf_free(&p->name);
    buf_free(&p->source);
}

static ponder_status download(pull *p, const hub_name *n, const char *commit,
                              const store_model *old, ponder_error *err)
{
    TRY(open_work(p, err));
    reuse(p, old);
    TRY(check_space(p, err));
    p->present = p->plan.bytes - bytes_missing(p);
    progress_begin(&p->progress, p->http.opt->progress, p->label, "MB", (double)p->present,
                   (double)p->plan.bytes, 1e-6);
    ponder_status st = PONDER_OK;
    for (size_t i = 0; st == PONDER_OK && i < p->tree.n; i++)
        st = obtain(p, n->repo, commit, i, err);
    progress_end(&p->progress, (double)p->present);
    if (st == PONDER_OK) st = publish(p, err);
    if (st == PONDER_OK) st = store_remove_tree(p->work, err);
    return st;
}

ponder_status hub_pull(hub_pulled *out, const hub_name *n, const char *root, const hub_options *opt,
                       ponder_error *err)
{
    pull p = {.root = root, .lock = -1};
    store_model old = {0};
    *out = (hub_pulled){0};
    hub_name_write(&p.name, n);
    ponder_status st =
        p.name.failed ? no_memory(err) : store_dir(&p.final, root, buf_str(&p.name), true, err);
    if (st == PONDER_OK) st = store_dir(&p.work, root, buf_str(&p.name), false, err);
    if (st == PONDER_OK) st = hub_http_open(&p.http, opt, err);
    if (st == PONDER_OK) st = get_commit(&p, n, out->commit, err);
    if (st == PONDER_OK) st = get_tree(&p, n, out->commit, err);
    if (st == PONDER_OK) st = hub_tree_select(&p.tree, n, err);
    if (st == PONDER_OK) st = make_plan(&p, n, out->commit, err);
    if (st == PONDER_OK) {
        bool had = store_read(&old, p.final, true, NULL) == PONDER_OK;
        if (!had || !up_to_date(&p, &old)) st = download(&p, n, out->commit, &old, err);
    }
    if (st == PONDER_OK) {
        out->bytes = p.plan.bytes;
        out->fetched = p.fetched;
        out->dir = p.final;
        p.final = NULL;
    }
    store_free(&old);
    pull_close(&p);
    return st;
}
