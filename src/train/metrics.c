/* The lines of metrics.jsonl.
 * SPDX-License-Identifier: MIT */
#include "train/metrics.h"

#include <errno.h>
#include <stdlib.h>

enum { METRICS_BYTES = 1 << 30 };

/* Is the line whole, and not one that will be written again? */
static bool keeps(str line, const char *stage, int64_t step)
{
    json_t *row;
    if (json_parse(&row, line, "metrics", NULL) != PONDER_OK) return false;
    bool same = str_eq(json_str(json_object_get(row, "stage")), str_of(stage));
    json_int_t at = json_integer_value(json_object_get(row, "step"));
    bool keep = json_is_object(row) && (!same || at <= step);
    json_decref(row);
    return keep;
}

static ponder_status rewrite(const char *path, str text, const char *stage, int64_t step,
                             ponder_error *err)
{
    file_writer w;
    TRY(file_begin(&w, path, err));
    ponder_status st = PONDER_OK;
    for (size_t at = 0; at < text.n && st == PONDER_OK;) {
        size_t end = str_find(text, STR("\n"), at);
        if (end == SIZE_MAX) break; /* torn */
        str line = {text.p + at, end - at};
        if (keeps(line, stage, step)) st = file_put(&w, line.p, line.n + 1, err);
        at = end + 1;
    }
    if (st == PONDER_OK) return file_commit(&w, err);
    file_abort(&w);
    return st;
}

ponder_status metrics_open(metrics *m, const char *path, const char *stage, int64_t step,
                           ponder_error *err)
{
    buf text = {0};
    ponder_status st = PONDER_OK;
    *m = (metrics){.stage = stage};
    m->w.out = &m->line;
    if (file_exists(path)) {
        st = file_read(&text, path, METRICS_BYTES, err);
        if (st == PONDER_OK) st = rewrite(path, buf_str(&text), stage, step, err);
    }
    buf_free(&text);
    TRY(st);
    m->path = strdup(path);
    m->f = m->path ? fopen(path, "ae") : NULL;
    if (m->f) return PONDER_OK;
    st = err_set(err, PONDER_EIO, "%s: %s", path, strerror(errno));
    metrics_close(m);
    return st;
}

void metrics_close(metrics *m)
{
    if (m->f) fclose(m->f);
    free(m->path);
    buf_free(&m->line);
    *m = (metrics){0};
}

void metrics_begin(metrics *m, uint64_t step)
{
    buf_clear(&m->line);
    m->w = (json_writer){.out = &m->line};
    json_open(&m->w, '{');
    json_key(&m->w, "stage"), json_text(&m->w, str_of(m->stage));
    json_key(&m->w, "step"), json_i64(&m->w, (int64_t)step);
}

void metrics_put(metrics *m, const char *key, double v)
{
    json_key(&m->w, key), json_f64(&m->w, v);
}

void metrics_text(metrics *m, const char *key, str v)
{
    json_key(&m->w, key), json_text(&m->w, v);
}

ponder_status metrics_end(metrics *m, ponder_error *err)
{
    json_close(&m->w, '}');
    buf_add_char(&m->line, '\n');
    if (m->line.failed) return err_set(err, PONDER_ENOMEM, "%s: out of memory", m->path);
    if (fwrite(m->line.p, 1, m->line.n, m->f) != m->line.n || fflush(m->f) != 0)
        return err_set(err, PONDER_EIO, "%s: %s", m->path, strerror(errno));
    return PONDER_OK;
}
