/* Rows in chunks.
 * SPDX-License-Identifier: MIT */
#include "train/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static ponder_status failed(const char *path, ponder_error *err)
{
    return err_set(err, PONDER_EIO, "%s: %s", path, strerror(errno));
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The line at `at`, without its end; false when there is none that is whole. */
static bool line_at(str text, size_t at, str *line)
{
    size_t end = str_find(text, STR("\n"), at);
    if (end == SIZE_MAX) return false;
    *line = (str){text.p + at, end - at};
    return true;
}

/* Bytes up to the end of the last whole chunk; *state is its last line. */
static size_t whole(str text, str *state)
{
    size_t upto = 0;
    str line;
    for (size_t at = 0; line_at(text, at, &line); at += line.n + 1) {
        if (!line.n || line.p[0] != PART_STATE) continue;
        *state = (str){line.p + 1, line.n - 1};
        upto = at + line.n + 1;
    }
    return upto;
}

static ponder_status visit(str text, part_row_fn *row, void *user, ponder_error *err)
{
    str line;
    for (size_t at = 0; line_at(text, at, &line); at += line.n + 1)
        if (line.n && line.p[0] != PART_STATE)
            TRY(row(user, line.p[0], (str){line.p + 1, line.n - 1}, err));
    return PONDER_OK;
}

/* What is there, cut behind its last whole chunk. */
static ponder_status take_up(part *p, buf *state, part_row_fn *row, void *user, ponder_error *err)
{
    struct stat s;
    mapped map = {0};
    str last = {0};
    if (fstat(p->fd, &s) != 0) return failed(p->path, err);
    if (s.st_size == 0) return PONDER_OK;
    TRY(file_map(&map, p->path, err));
    str text = {(const char *)map.p, map.n};
    text.n = whole(text, &last);
    buf_add_str(state, last);
    ponder_status st = row ? visit(text, row, user, err) : PONDER_OK;
    if (st == PONDER_OK && state->failed)
        st = err_set(err, PONDER_ENOMEM, "%s: out of memory", p->path);
    file_unmap(&map);
    if (st == PONDER_OK && ftruncate(p->fd, (off_t)text.n) != 0) st = failed(p->path, err);
    return st;
}

ponder_status part_open(part *p, const char *path, buf *state, part_row_fn *row, void *user,
                        ponder_error *err)
{
    *p = (part){.fd = -1, .path = strdup(path)};
    buf_clear(state);
    if (!p->path) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    p->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ponder_status st = p->fd < 0 ? failed(path, err) : take_up(p, state, row, user, err);
    if (st != PONDER_OK) part_close(p);
    return st;
}

void part_close(part *p)
{
    if (p->path && p->fd >= 0) close(p->fd);
    free(p->path);
    buf_free(&p->rows);
    *p = (part){.fd = -1};
}

/* ---- writing --------------------------------------------------------------------------------- */

void part_add(part *p, char letter, str row)
{
    buf_add_char(&p->rows, letter);
    buf_add_str(&p->rows, row);
    buf_add_char(&p->rows, '\n');
}

static ponder_status put_rows(part *p, ponder_error *err)
{
    if (p->rows.failed) return err_set(err, PONDER_ENOMEM, "%s: out of memory", p->path);
    for (size_t at = 0; at < p->rows.n;) {
        ssize_t n = write(p->fd, p->rows.p + at, p->rows.n - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed(p->path, err);
        at += (size_t)n;
    }
    buf_clear(&p->rows);
    return fsync(p->fd) == 0 ? PONDER_OK : failed(p->path, err);
}

ponder_status part_commit(part *p, str state, ponder_error *err)
{
    if (p->rows.n || p->rows.failed) TRY(put_rows(p, err));
    part_add(p, PART_STATE, state);
    return put_rows(p, err);
}

typedef struct copy {
    file_writer w;
    char letter;
} copy;

static ponder_status copy_row(void *user, char letter, str row, ponder_error *err)
{
    copy *c = user;
    if (letter != c->letter) return PONDER_OK;
    TRY(file_put(&c->w, row.p, row.n, err));
    return file_put(&c->w, "\n", 1, err);
}

ponder_status part_copy(const part *p, char letter, const char *path, ponder_error *err)
{
    copy c = {.letter = letter};
    mapped map;
    TRY(file_map(&map, p->path, err));
    ponder_status st = file_begin(&c.w, path, err);
    if (st == PONDER_OK) {
        st = visit((str){(const char *)map.p, map.n}, copy_row, &c, err);
        if (st == PONDER_OK) st = file_commit(&c.w, err);
        else file_abort(&c.w);
    }
    file_unmap(&map);
    return st;
}
