/* What both writers share: declared tensors, then exactly their bytes, padded, into a file that
 * appears when it is complete.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <stdlib.h>

ponder_status fmt_plan_declare(fmt_plan *p, const char *name, num_type type, int n_dims,
                               const uint64_t *dim, ponder_error *err)
{
    const char *path = p->file.path;
    const num_info *info = num_info_of(type);
    if (p->begun || !info || n_dims < 1 || n_dims > FMT_MAX_DIMS)
        return err_set(err, PONDER_EARG, "%s: tensor \"%s\": %s", path, name,
                       p->begun ? "declared after writing began"
                       : info   ? "must have 1 to 4 dimensions"
                                : "of no known type");
    if (p->n == FMT_MAX_TENSORS)
        return err_set(err, PONDER_ELIMIT, "%s: more than %d tensors", path, FMT_MAX_TENSORS);
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        fmt_tensor *grown = realloc(p->tensors, cap * sizeof *grown);
        if (!grown) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
        p->tensors = grown;
        p->cap = cap;
    }
    fmt_tensor t = {.name = str_of(name), .type = type, .n_dims = n_dims, .path = path};
    for (int i = 0; i < n_dims; i++) t.dim[i] = dim[i];
    TRY(fmt_tensor_measure(&t, info, path, err));
    t.offset = size_round_up(p->end, p->align);
    if (t.offset < p->end || __builtin_add_overflow(t.offset, t.bytes, &p->end))
        return err_set(err, PONDER_ELIMIT, "%s: tensor \"%s\": the file's size overflows", path,
                       name);
    t.name.p = strdup(name);
    if (!t.name.p) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    p->tensors[p->n++] = t;
    return PONDER_OK;
}

ponder_status fmt_plan_begin(fmt_plan *p, const buf *head, ponder_error *err)
{
    fmt_index names;
    if (p->begun) return err_set(err, PONDER_EARG, "%s: writing has begun already", p->file.path);
    if (head->failed) return err_set(err, PONDER_ENOMEM, "%s: out of memory", p->file.path);
    ponder_status st =
        fmt_index_build(&names, p->tensors, p->n, sizeof *p->tensors, p->file.path, "tensors", err);
    fmt_index_free(&names);
    if (st != PONDER_OK) return err_context(err, PONDER_EARG, "not written");
    p->begun = true;
    return file_put(&p->file, head->p, head->n, err);
}

/* Goes on to the next tensor that has bytes, over the padding between the two. */
static ponder_status advance(fmt_plan *p, ponder_error *err)
{
    static const uint8_t zeros[GGUF_ALIGNMENT];
    while (p->current < p->n && p->done == p->tensors[p->current].bytes) {
        uint64_t end = p->tensors[p->current].offset + p->done;
        p->current++;
        p->done = 0;
        uint64_t next =
            p->current < p->n ? p->tensors[p->current].offset : size_round_up(end, p->align);
        TRY(file_put(&p->file, zeros, (size_t)(next - end), err)); /* less than align */
    }
    return PONDER_OK;
}

ponder_status fmt_plan_data(fmt_plan *p, const void *bytes, size_t n, ponder_error *err)
{
    const uint8_t *from = bytes;
    if (!p->begun) return err_set(err, PONDER_EARG, "%s: data before writing began", p->file.path);
    while (n) {
        TRY(advance(p, err));
        if (p->current == p->n)
            return err_set(err, PONDER_EARG, "%s: %zu bytes more than declared", p->file.path, n);
        size_t piece = size_min(n, p->tensors[p->current].bytes - p->done);
        TRY(file_put(&p->file, from, piece, err));
        p->done += piece;
        from += piece;
        n -= piece;
    }
    return PONDER_OK;
}

ponder_status fmt_plan_commit(fmt_plan *p, ponder_error *err)
{
    if (!p->begun) return err_set(err, PONDER_EARG, "%s: writing has not begun", p->file.path);
    TRY(advance(p, err));
    if (p->current < p->n)
        return err_set(err, PONDER_EARG, "%s: tensor \"%.*s\" has %zu of its %zu bytes",
                       p->file.path, STR_ARG(p->tensors[p->current].name), p->done,
                       p->tensors[p->current].bytes);
    return file_commit(&p->file, err);
}

void fmt_plan_free(fmt_plan *p)
{
    file_abort(&p->file);
    for (size_t i = 0; i < p->n; i++) free((void *)(uintptr_t)p->tensors[i].name.p);
    free(p->tensors);
    *p = (fmt_plan){0};
}
