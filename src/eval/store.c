/* The samples of a run on disk.
 * SPDX-License-Identifier: MIT */
#include "eval/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SETTINGS_LIMIT = 16 << 20, DIGITS = 15 /* of numbers: 0.6 stays 0.6 */ };
static const char WHERE[] = "where"; /* may change between runs */
static const uint64_t SYNC_NS = 1000000000;

/* ---- settings ---------------------------------------------------------------------------------- */

static void path_of(buf *out, const char *dir, const char *name)
{
    buf_printf(out, "%s/%s", dir, name);
}

static void add_value(buf *out, const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(DIGITS)) : NULL;
    buf_printf(out, "%.60s", text ? text : "nothing");
    free(text);
}

/* Numbers are the same if they are written the same. */
static bool same_value(const json_t *a, const json_t *b)
{
    if (!json_is_real(a) || !json_is_number(b)) return json_equal(a, b);
    char x[32], y[32];
    snprintf(x, sizeof x, "%.*g", DIGITS, json_number_value(a));
    snprintf(y, sizeof y, "%.*g", DIGITS, json_number_value(b));
    return !strcmp(x, y);
}

/* Lists what differs: "k was 4, now 8". */
static void add_differences(buf *out, const json_t *was, const json_t *now)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)now, key, v)
    {
        const json_t *old = json_object_get(was, key);
        if ((old && same_value(old, v)) || !strcmp(key, WHERE)) continue;
        buf_printf(out, "%s%s was ", out->n ? ", " : "", key);
        add_value(out, old);
        buf_add_str(out, STR(", now "));
        add_value(out, v);
    }
    json_object_foreach((json_t *)(uintptr_t)was, key, v)
        if (!json_object_get(now, key) && strcmp(key, WHERE)) buf_printf(out, "%s%s was set", out->n ? ", " : "", key);
}

static ponder_status write_settings(const char *path, const json_t *settings, ponder_error *err)
{
    file_writer w;
    char *text = json_dumps(settings, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS));
    if (!text) return err_set(err, PONDER_ENOMEM, "no memory for %s", path);
    ponder_status st = file_begin(&w, path, err);
    if (st == PONDER_OK) {
        st = file_put(&w, text, strlen(text), err);
        if (st == PONDER_OK) st = file_put(&w, "\n", 1, err);
        if (st == PONDER_OK) st = file_commit(&w, err);
        else file_abort(&w);
    }
    free(text);
    return st;
}

static ponder_status compare(const char *dir, const char *path, const json_t *settings,
                             ponder_error *err)
{
    buf differences = {0};
    json_t *was = NULL;
    ponder_status st = json_parse_file(&was, path, SETTINGS_LIMIT, err);
    if (st == PONDER_OK) add_differences(&differences, was, settings);
    if (st == PONDER_OK && differences.n)
        st = err_set(err, PONDER_EARG,
                     "%s holds a run with other settings (%.300s); take another --out, or the "
                     "same settings",
                     dir, differences.p);
    json_decref(was);
    buf_free(&differences);
    return st;
}

static ponder_status pin(const char *dir, const json_t *settings, bool write, ponder_error *err)
{
    buf path = {0};
    ponder_status st = PONDER_OK;
    path_of(&path, dir, "run.json");
    if (path.failed) st = err_set(err, PONDER_ENOMEM, "out of memory");
    else if (file_exists(path.p)) st = compare(dir, path.p, settings, err);
    else if (write) st = write_settings(path.p, settings, err);
    buf_free(&path);
    return st;
}

ponder_status eval_pin_check(const char *dir, const json_t *settings, ponder_error *err)
{
    return pin(dir, settings, false, err);
}

ponder_status eval_pin(const char *dir, const json_t *settings, ponder_error *err)
{
    TRY(file_make_dirs(dir, err));
    return pin(dir, settings, true, err);
}

/* ---- records ----------------------------------------------------------------------------------- */

static bool flag(const json_t *r, const char *key) { return json_is_true(json_object_get(r, key)); }

static double number(const json_t *r, const char *key)
{
    const json_t *v = json_object_get(r, key);
    return json_is_number(v) ? json_number_value(v) : -1;
}

/* Where a record belongs; NULL with an error when it is none of this run's. */
static eval_sample *place_of(const eval_store *s, const json_t *r, ponder_error *err)
{
    int64_t q = -1, k = -1;
    str id = {0};
    if (json_field_i64(r, "record", "question", 0, (int64_t)s->data->n - 1, &q, err) ||
        json_field_i64(r, "record", "sample", 0, (int64_t)s->k - 1, &k, err) ||
        json_field_str(r, "record", "id", &id, err))
        return NULL;
    if (q < 0 || k < 0 || !str_eq(id, s->data->q[q].id)) {
        err_set(err, PONDER_EFORMAT, "no sample of this run");
        return NULL;
    }
    return eval_sample_at(s, (size_t)q, (size_t)k);
}

static ponder_status take(eval_store *s, const json_t *r, ponder_error *err)
{
    eval_sample *e = place_of(s, r, err);
    if (!e) return err ? err->code : PONDER_EFORMAT;
    str answer = json_str(json_object_get(r, "answer"));
    str finish = json_str(json_object_get(r, "finish_reason"));
    s->done -= e->done;
    s->errors -= e->error;
    free(e->answer);
    *e = (eval_sample){.done = true,
                       .error = json_is_string(json_object_get(r, "error")),
                       .strict = flag(r, "strict"),
                       .lenient = flag(r, "lenient"),
                       .found = flag(r, "found"),
                       .answered = json_is_string(json_object_get(r, "answer")),
                       .truncated = str_eq(finish, STR("length")),
                       .loop = str_eq(finish, STR("loop")),
                       .language = number(r, "language_share"),
                       .tokens = number(r, "tokens"),
                       .reasoning_tokens = number(r, "reasoning_tokens")};
    if (e->answered && !(e->answer = strndup(answer.p, answer.n)))
        return err_set(err, PONDER_ENOMEM, "no memory for an answer");
    s->done++;
    s->errors += e->error;
    return PONDER_OK;
}

ponder_status eval_each_line(const char *path, eval_line_fn *fn, void *user, size_t *whole,
                             ponder_error *err)
{
    char *line = NULL, name[32];
    size_t cap = 0, number = 0, bytes = 0;
    ssize_t n;
    if (whole) *whole = 0;
    FILE *f = fopen(path, "re");
    if (!f) return errno == ENOENT ? PONDER_OK : err_set(err, PONDER_EIO, "%s: %s", path, strerror(errno));
    ponder_status st = PONDER_OK;
    while (st == PONDER_OK && (n = getline(&line, &cap, f)) > 0) {
        if (whole && line[n - 1] != '\n') break;
        json_t *record = NULL;
        snprintf(name, sizeof name, "line %zu", ++number);
        st = json_parse(&record, (str){line, (size_t)n}, name, err);
        if (st == PONDER_OK && (st = fn(user, record, err)) != PONDER_OK)
            err_context(err, st, "%s", name);
        if (st != PONDER_OK) err_context(err, st, "%s", path);
        json_decref(record);
        bytes += (size_t)n;
    }
    if (st == PONDER_OK && ferror(f)) st = err_set(err, PONDER_EIO, "%s: %s", path, strerror(errno));
    if (whole) *whole = bytes;
    free(line);
    fclose(f);
    return st;
}

static ponder_status take_line(void *user, json_t *record, ponder_error *err)
{
    return take(user, record, err);
}

/* ---- open, add, close -------------------------------------------------------------------------- */

static ponder_status open_file(eval_store *s, ponder_error *err)
{
    s->fd = open(s->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (s->fd < 0) return err_set(err, PONDER_EIO, "%s: %s", s->path, strerror(errno));
    if (flock(s->fd, LOCK_EX | LOCK_NB))
        return err_set(err, PONDER_EIO, "%s: another run is writing to it", s->path);
    return PONDER_OK;
}

ponder_status eval_store_open(eval_store *out, const char *dir, const eval_dataset *data, size_t k,
                              bool append, ponder_error *err)
{
    size_t cells, whole;
    buf path = {0};
    *out = (eval_store){.data = data, .k = k, .fd = -1};
    path_of(&path, dir, "samples.jsonl");
    if (path.failed || !size_mul(&cells, data->n, k)) {
        buf_free(&path);
        return err_set(err, PONDER_ENOMEM, "no memory for %zu x %zu samples", data->n, k);
    }
    out->path = path.p; /* the store's from here on */
    out->samples = calloc(cells ? cells : 1, sizeof *out->samples);
    if (!out->samples) return err_set(err, PONDER_ENOMEM, "no memory for %zu samples", cells);
    if (append) TRY(open_file(out, err));
    TRY(eval_each_line(out->path, take_line, out, &whole, err));
    if (append && ftruncate(out->fd, (off_t)whole)) /* a line that was cut off */
        return err_set(err, PONDER_EIO, "%s: %s", out->path, strerror(errno));
    return PONDER_OK;
}

ponder_status eval_store_sync(eval_store *s, ponder_error *err)
{
    s->synced_ns = clock_ns();
    if (fdatasync(s->fd)) return err_set(err, PONDER_EIO, "%s: %s", s->path, strerror(errno));
    return PONDER_OK;
}

static ponder_status write_all(eval_store *s, const char *p, size_t n, ponder_error *err)
{
    while (n) {
        ssize_t got = write(s->fd, p, n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return err_set(err, PONDER_EIO, "%s: %s", s->path, strerror(errno));
        p += got;
        n -= (size_t)got;
    }
    return PONDER_OK;
}

/* A record with its newline: written together, so that few things can cut a line. */
static ponder_status add_line(buf *out, const json_t *record, ponder_error *err)
{
    char *text = json_dumps(record, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
    if (text) buf_printf(out, "%s\n", text);
    bool ok = text && !out->failed;
    free(text);
    if (ok) return PONDER_OK;
    buf_free(out);
    return err_set(err, PONDER_ENOMEM, "no memory for a record");
}

ponder_status eval_store_add(eval_store *s, const json_t *record, ponder_error *err)
{
    buf line = {0};
    TRY(add_line(&line, record, err));
    ponder_status st = write_all(s, line.p, line.n, err);
    buf_free(&line);
    if (st == PONDER_OK) st = take(s, record, err);
    if (st == PONDER_OK && clock_ns() - s->synced_ns >= SYNC_NS) st = eval_store_sync(s, err);
    return st;
}

void eval_store_close(eval_store *s)
{
    for (size_t i = 0; s->samples && i < s->data->n * s->k; i++) free(s->samples[i].answer);
    free(s->samples);
    free(s->path);
    if (s->fd >= 0) close(s->fd);
    *s = (eval_store){.fd = -1};
}

/* ---- rewriting --------------------------------------------------------------------------------- */

typedef struct rewriting {
    eval_store places; /* only to check where records belong */
    eval_change_fn *fn;
    void *user;
    file_writer out;
} rewriting;

static ponder_status change_line(void *user, json_t *record, ponder_error *err)
{
    rewriting *r = user;
    const eval_sample *e = place_of(&r->places, record, err);
    if (!e) return PONDER_EFORMAT;
    size_t q = (size_t)(e - r->places.samples) / r->places.k;
    TRY(r->fn(r->user, &r->places.data->q[q], record, err));
    buf line = {0};
    TRY(add_line(&line, record, err));
    ponder_status st = file_put(&r->out, line.p, line.n, err);
    buf_free(&line);
    return st;
}

ponder_status eval_store_rewrite(const char *dir, const eval_dataset *data, size_t k,
                                 eval_change_fn *fn, void *user, ponder_error *err)
{
    rewriting r = {.fn = fn, .user = user};
    size_t whole;
    ponder_status st = eval_store_open(&r.places, dir, data, k, true, err);
    if (st == PONDER_OK) st = file_begin(&r.out, r.places.path, err);
    if (st == PONDER_OK) st = eval_each_line(r.places.path, change_line, &r, &whole, err);
    if (st == PONDER_OK) st = file_commit(&r.out, err);
    else file_abort(&r.out);
    eval_store_close(&r.places);
    return st;
}
