/* Checkpoints.
 * SPDX-License-Identifier: MIT */
#include "train/checkpoint.h"

#include "fmt/fmt.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { POINTER_BYTES = 256 };

/* ---- names ----------------------------------------------------------------------------------- */

static ponder_status path_in(buf *out, const char *dir, const char *name, ponder_error *err)
{
    buf_clear(out);
    buf_printf(out, "%s/%s", dir, name);
    return out->failed ? err_set(err, PONDER_ENOMEM, "%s: out of memory", dir) : PONDER_OK;
}

static void name_of(uint64_t step, char out[64])
{
    snprintf(out, 64, "step-%010llu.safetensors", (unsigned long long)step);
}

/* The step in a name that name_of made. */
static bool step_of(const char *name, uint64_t *step)
{
    unsigned long long s;
    char again[64];
    if (sscanf(name, "step-%llu.safetensors", &s) != 1) return false;
    *step = s;
    name_of(*step, again);
    return strcmp(again, name) == 0;
}

/* The greatest step below `below` that has a file. */
static bool newest_below(const char *dir, uint64_t below, uint64_t *step)
{
    bool found = false;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        uint64_t s;
        if (!step_of(e->d_name, &s) || s >= below || (found && s <= *step)) continue;
        *step = s;
        found = true;
    }
    if (d) closedir(d);
    return found;
}

/* ---- saving ---------------------------------------------------------------------------------- */

static ponder_status check_room(const char *dir, const checkpoint_section *s, size_t n,
                                ponder_error *err)
{
    struct statvfs v;
    double need = 1 << 20;
    for (size_t i = 0; i < n; i++)
        need += (double)s[i].n * (double)num_info_of(s[i].type)->block_bytes;
    if (statvfs(dir, &v) != 0) return PONDER_OK; /* the writing will tell */
    double have = (double)v.f_bavail * (double)v.f_frsize;
    if (have >= need) return PONDER_OK;
    return err_set(
        err, PONDER_ELIMIT,
        "%s: a checkpoint needs %.0f MB and the disk has %.0f MB left; the last one stays", dir,
        need * 1e-6, have * 1e-6);
}

static ponder_status write_all(safetensors_writer *w, str state, const checkpoint_section *s,
                               size_t n, ponder_error *err)
{
    TRY(safetensors_declare(w, "state", NUM_I8, 1, &(uint64_t){state.n}, err));
    for (size_t i = 0; i < n; i++)
        TRY(safetensors_declare(w, s[i].name, s[i].type, 1, &(uint64_t){s[i].n}, err));
    TRY(safetensors_write_begin(w, err));
    TRY(safetensors_write_data(w, state.p, state.n, err));
    for (size_t i = 0; i < n; i++)
        TRY(safetensors_write_data(w, s[i].p, s[i].n * num_info_of(s[i].type)->block_bytes, err));
    return safetensors_write_commit(w, err);
}

static ponder_status point_to(const char *dir, const char *name, ponder_error *err)
{
    buf path = {0};
    file_writer f;
    ponder_status st = path_in(&path, dir, "latest", err);
    if (st == PONDER_OK) st = file_begin(&f, path.p, err);
    if (st == PONDER_OK) {
        st = file_put(&f, name, strlen(name), err);
        if (st == PONDER_OK) st = file_put(&f, "\n", 1, err);
        if (st == PONDER_OK) st = file_commit(&f, err);
        else file_abort(&f);
    }
    buf_free(&path);
    return st;
}

static void remove_old(const char *dir, uint64_t step, int keep)
{
    buf path = {0};
    char name[64];
    for (int k = 1; newest_below(dir, step, &step); k++) {
        name_of(step, name);
        if (k >= keep && path_in(&path, dir, name, NULL) == PONDER_OK) (void)unlink(path.p);
    }
    buf_free(&path);
}

ponder_status checkpoint_save(const char *dir, uint64_t step, str state,
                              const checkpoint_section *s, size_t n, int keep, ponder_error *err)
{
    char name[64];
    buf path = {0};
    safetensors_writer *w = NULL;
    name_of(step, name);
    ponder_status st = file_make_dirs(dir, err);
    if (st == PONDER_OK) st = check_room(dir, s, n, err);
    if (st == PONDER_OK) st = path_in(&path, dir, name, err);
    if (st == PONDER_OK) st = safetensors_write_open(&w, path.p, err);
    if (st == PONDER_OK) st = write_all(w, state, s, n, err);
    safetensors_write_close(w);
    if (st == PONDER_OK) st = point_to(dir, name, err);
    if (st == PONDER_OK) remove_old(dir, step, keep);
    buf_free(&path);
    return st;
}

/* ---- finding --------------------------------------------------------------------------------- */

static bool readable(const char *path)
{
    json_t *state;
    if (checkpoint_state(&state, path, NULL) != PONDER_OK) return false;
    json_decref(state);
    return true;
}

static void remove_half_written(const char *dir)
{
    buf path = {0};
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        bool ours = str_starts(str_of(e->d_name), STR("step-")) ||
                    str_starts(str_of(e->d_name), STR("latest."));
        if (ours && strstr(e->d_name, ".tmp-") && path_in(&path, dir, e->d_name, NULL) == PONDER_OK)
            (void)unlink(path.p);
    }
    if (d) closedir(d);
    buf_free(&path);
}

/* What `latest` says, if that can be read. */
static bool pointed_to(buf *path, const char *dir)
{
    buf text = {0};
    uint64_t step;
    bool ok = path_in(path, dir, "latest", NULL) == PONDER_OK &&
              file_read(&text, path->p, POINTER_BYTES, NULL) == PONDER_OK;
    while (ok && text.n && text.p[text.n - 1] == '\n') text.p[--text.n] = '\0';
    ok = ok && text.n && step_of(text.p, &step) && path_in(path, dir, text.p, NULL) == PONDER_OK &&
         readable(path->p);
    buf_free(&text);
    return ok;
}

ponder_status checkpoint_find(char **out, const char *dir, ponder_error *err)
{
    buf path = {0};
    uint64_t step = UINT64_MAX;
    char name[64];
    *out = NULL;
    remove_half_written(dir);
    bool found = pointed_to(&path, dir);
    while (!found && newest_below(dir, step, &step)) {
        name_of(step, name);
        found = path_in(&path, dir, name, NULL) == PONDER_OK && readable(path.p);
    }
    if (found) *out = path.p;
    else buf_free(&path);
    return found ? PONDER_OK : err_set(err, PONDER_ENOTFOUND, "%s: no checkpoint", dir);
}

/* ---- loading --------------------------------------------------------------------------------- */

static ponder_status state_of(json_t **state, const fmt_model *m, const char *path,
                              ponder_error *err)
{
    const fmt_tensor *t = fmt_find(m, "state");
    if (!t || t->type != NUM_I8)
        return err_set(err, PONDER_EFORMAT, "%s: no checkpoint: it has no state", path);
    TRY(json_parse(state, (str){(const char *)t->data, t->bytes}, path, err));
    if (json_is_object(*state)) return PONDER_OK;
    json_decref(*state);
    return err_set(err, PONDER_EFORMAT, "%s: the state is no object", path);
}

ponder_status checkpoint_state(json_t **state, const char *path, ponder_error *err)
{
    fmt_model *m = NULL;
    *state = NULL;
    ponder_status st = fmt_open(&m, path, err);
    if (st == PONDER_OK) st = state_of(state, m, path, err);
    fmt_close(m);
    return st;
}

static ponder_status check_section(const fmt_model *m, const char *path,
                                   const checkpoint_section *s, ponder_error *err)
{
    const fmt_tensor *t = fmt_find(m, s->name);
    if (!t) return err_set(err, PONDER_EFORMAT, "%s: has no \"%s\"", path, s->name);
    if (t->type != s->type || t->n_dims != 1 || t->dim[0] != s->n)
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" has %llu of %s, this run %zu of %s", path,
                       s->name, (unsigned long long)t->dim[0], t->type_name, s->n,
                       num_info_of(s->type)->name);
    return PONDER_OK;
}

ponder_status checkpoint_load(const char *path, const checkpoint_section *s, size_t n,
                              ponder_error *err)
{
    fmt_model *m = NULL;
    ponder_status st = fmt_open(&m, path, err);
    if (st == PONDER_OK && fmt_tensor_count(m) != n + 1)
        st = err_set(err, PONDER_EFORMAT, "%s: %zu sections, this run has %zu", path,
                     fmt_tensor_count(m) - 1, n);
    for (size_t i = 0; i < n && st == PONDER_OK; i++) st = check_section(m, path, &s[i], err);
    for (size_t i = 0; i < n && st == PONDER_OK; i++) {
        const fmt_tensor *t = fmt_find(m, s[i].name);
        memcpy(s[i].p, t->data, t->bytes);
    }
    fmt_close(m);
    return st;
}
