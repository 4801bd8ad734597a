/* The open model: opening, closing, looking up; and the checks that every tensor passes.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

ponder_status fmt_tensor_measure(fmt_tensor *t, const num_info *info, const char *path,
                                 ponder_error *err)
{
    for (int i = t->n_dims; i < FMT_MAX_DIMS; i++) t->dim[i] = 1;
    t->type_name = info->name;
    if (t->dim[0] % info->block)
        return err_set(err, PONDER_EFORMAT,
                       "%s: tensor \"%.*s\": rows of %llu do not divide into %s blocks of %u", path,
                       STR_ARG(t->name), (unsigned long long)t->dim[0], info->name, info->block);
    bool fits = size_mul(&t->bytes, t->dim[0] / info->block, info->block_bytes);
    for (int i = 1; i < FMT_MAX_DIMS; i++) fits = fits && size_mul(&t->bytes, t->bytes, t->dim[i]);
    if (!fits)
        return err_set(err, PONDER_EFORMAT,
                       "%s: tensor \"%.*s\": the size of %llu x %llu x %llu x %llu overflows", path,
                       STR_ARG(t->name), (unsigned long long)t->dim[0],
                       (unsigned long long)t->dim[1], (unsigned long long)t->dim[2],
                       (unsigned long long)t->dim[3]);
    return PONDER_OK;
}

ponder_status fmt_tensor_place(fmt_tensor *t, const fmt_file *f, uint64_t at, ponder_error *err)
{
    if (at > f->map.n || t->bytes > f->map.n - at)
        return err_set(err, PONDER_EFORMAT,
                       "%s: tensor \"%.*s\" (%zu bytes at %llu) ends past the end of the file (%zu "
                       "bytes): truncated? fetch it again",
                       f->path, STR_ARG(t->name), t->bytes, (unsigned long long)at, f->map.n);
    t->path = f->path;
    t->offset = at;
    t->in_memory = f->borrowed;
    t->data = f->map.p + at;
    return PONDER_OK;
}

ponder_status fmt_model_reserve(fmt_model *m, size_t extra, const char *path, ponder_error *err)
{
    if (extra > FMT_MAX_TENSORS - m->n_tensors)
        return err_set(err, PONDER_ELIMIT, "%s: more than %d tensors", path, FMT_MAX_TENSORS);
    fmt_tensor *grown = realloc(m->tensors, size_max(m->n_tensors + extra, 1) * sizeof *grown);
    if (!grown) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    m->tensors = grown;
    return PONDER_OK;
}

static int by_place(const void *a, const void *b)
{
    const fmt_tensor *x = *(const fmt_tensor *const *)a, *y = *(const fmt_tensor *const *)b;
    if (x->path != y->path) return (uintptr_t)x->path < (uintptr_t)y->path ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) -
           (x->bytes < y->bytes); /* empty ones first: they overlap nothing */
}

static ponder_status check_overlaps(const fmt_model *m, ponder_error *err)
{
    if (m->n_tensors == 0) return PONDER_OK;
    const fmt_tensor **order = malloc(m->n_tensors * sizeof(*order));
    if (!order) return err_set(err, PONDER_ENOMEM, "%s: out of memory", m->path);
    for (size_t i = 0; i < m->n_tensors; i++) order[i] = &m->tensors[i];
    qsort(order, m->n_tensors, sizeof(*order), by_place);
    ponder_status st = PONDER_OK;
    for (size_t i = 1; i < m->n_tensors && st == PONDER_OK; i++) {
        const fmt_tensor *a = order[i - 1], *b = order[i];
        if (a->path == b->path && a->offset + a->bytes > b->offset)
            st = err_set(err, PONDER_EFORMAT,
                         "%s: tensors \"%.*s\" and \"%.*s\" overlap at byte %llu", a->path,
                         STR_ARG(a->name), STR_ARG(b->name), (unsigned long long)b->offset);
    }
    free(order);
    return st;
}

ponder_status fmt_model_finish(fmt_model *m, ponder_error *err)
{
    TRY(check_overlaps(m, err));
    TRY(fmt_index_build(&m->value_index, m->values, m->n_values, sizeof *m->values, m->path,
                        "metadata keys", err));
    return fmt_index_build(&m->tensor_index, m->tensors, m->n_tensors, sizeof *m->tensors, m->path,
                           "tensors", err);
}

static ponder_status model_new(fmt_model **out, enum fmt_kind kind, const char *path,
                               ponder_error *err)
{
    *out = NULL;
    fmt_model *m = calloc(1, sizeof *m);
    if (m) m->path = strdup(path);
    if (!m || !m->path) {
        free(m);
        return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    }
    m->kind = kind;
    *out = m;
    return PONDER_OK;
}

ponder_status fmt_model_one_file(fmt_model *m, ponder_error *err)
{
    m->files = calloc(1, sizeof *m->files);
    if (m->files) m->n_files = 1, m->files[0].path = strdup(m->path);
    if (!m->files || !m->files[0].path)
        return err_set(err, PONDER_ENOMEM, "%s: out of memory", m->path);
    return PONDER_OK;
}

static ponder_status open_safetensors(fmt_model *m, ponder_error *err)
{
    TRY(fmt_model_one_file(m, err));
    TRY(file_map(&m->files[0].map, m->path, err));
    TRY(safetensors_parse(m, 0, err));
    return fmt_model_finish(m, err);
}

ponder_status fmt_open(fmt_model **out, const char *path, ponder_error *err)
{
    bool dir = file_is_dir(path), single = str_ends(str_of(path), STR(".safetensors"));
    TRY(model_new(out, dir || single ? FMT_HF : FMT_GGUF, path, err));
    fmt_model *m = *out;
    ponder_status st = dir      ? hf_open(m, err)
                       : single ? open_safetensors(m, err)
                                : gguf_open(m, err);
    if (st != PONDER_OK) {
        fmt_close(m);
        *out = NULL;
    }
    return st;
}

ponder_status fmt_open_bytes(fmt_model **out, enum fmt_kind kind, const void *bytes, size_t n,
                             const char *name, ponder_error *err)
{
    TRY(model_new(out, kind, name, err));
    fmt_model *m = *out;
    ponder_status st = fmt_model_one_file(m, err);
    if (st == PONDER_OK) {
        m->files[0].map = (mapped){bytes, n};
        m->files[0].borrowed = true;
        st = kind == FMT_GGUF ? gguf_parse(m, m->files, &m->values, &m->n_values, err)
                              : safetensors_parse(m, 0, err);
    }
    if (st == PONDER_OK) st = fmt_model_finish(m, err);
    if (st != PONDER_OK) {
        fmt_close(m);
        *out = NULL;
    }
    return st;
}

void fmt_close(fmt_model *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->n_files; i++) {
        if (!m->files[i].borrowed) file_unmap(&m->files[i].map);
        free(m->files[i].names);
        free(m->files[i].path);
    }
    fmt_index_free(&m->tensor_index);
    fmt_index_free(&m->value_index);
    json_decref(m->config);
    free(m->files);
    free(m->tensors);
    free(m->values);
    free(m->path);
    free(m);
}

enum fmt_kind fmt_kind_of(const fmt_model *m) { return m->kind; }
const char *fmt_path(const fmt_model *m) { return m->path; }
size_t fmt_file_count(const fmt_model *m) { return m->n_files; }
size_t fmt_tensor_count(const fmt_model *m) { return m->n_tensors; }
const json_t *fmt_config(const fmt_model *m) { return m->config; }

size_t fmt_file_bytes(const fmt_model *m)
{
    size_t sum = 0;
    for (size_t i = 0; i < m->n_files; i++) sum += m->files[i].map.n;
    return sum;
}

const fmt_tensor *fmt_tensor_at(const fmt_model *m, size_t i)
{
    return i < m->n_tensors ? &m->tensors[i] : NULL;
}

const fmt_tensor *fmt_find(const fmt_model *m, const char *name)
{
    return fmt_tensor_at(m, fmt_index_find(&m->tensor_index, str_of(name)));
}

void fmt_forget(const fmt_model *m, const fmt_tensor *t)
{
    for (size_t i = 0; i < m->n_files; i++)
        if (m->files[i].path == t->path && m->files[i].borrowed) return;
    /* Whole pages only: the ones at the ends hold neighbours too. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = size_round_up((uintptr_t)t->data, page);
    uintptr_t end = ((uintptr_t)t->data + t->bytes) & ~(uintptr_t)(page - 1);
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}
