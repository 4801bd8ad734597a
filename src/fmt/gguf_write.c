/* Writing GGUF version 3.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <stdlib.h>

/* Where a key stands in the encoded metadata. */
struct key_at {
    size_t at, n;
};

struct gguf_writer {
    fmt_plan plan;
    buf values; /* encoded */
    buf keys;   /* of struct key_at */
    uint64_t n_values;
};

ponder_status gguf_write_open(gguf_writer **out, const char *path, ponder_error *err)
{
    *out = NULL;
    gguf_writer *w = calloc(1, sizeof *w);
    if (!w) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    w->plan.align = GGUF_ALIGNMENT;
    ponder_status st = file_begin(&w->plan.file, path, err);
    if (st != PONDER_OK) gguf_write_close(w);
    else *out = w;
    return st;
}

void gguf_write_close(gguf_writer *w)
{
    if (!w) return;
    fmt_plan_free(&w->plan);
    buf_free(&w->values);
    buf_free(&w->keys);
    free(w);
}

static void put_u32(buf *b, uint32_t v) { buf_add(b, &v, sizeof v); }
static void put_u64(buf *b, uint64_t v) { buf_add(b, &v, sizeof v); }

static void put_text(buf *b, str s)
{
    put_u64(b, s.n);
    buf_add_str(b, s);
}

/* The key and type of a value; its bytes follow. */
static ponder_status begin_value(gguf_writer *w, str key, uint32_t type, ponder_error *err)
{
    const char *path = w->plan.file.path;
    if (w->plan.begun || !fmt_name_ok(key, UINT16_MAX))
        return err_set(err, PONDER_EARG, "%s: metadata key \"%.*s\": %s", path, STR_ARG(key),
                       w->plan.begun ? "put after writing began"
                                     : "empty, too long or with control "
                                       "characters");
    if (str_eq(key, STR("general.alignment")))
        return err_set(err, PONDER_EARG, "%s: the writer itself decides general.alignment", path);
    struct key_at k = {w->values.n + sizeof(uint64_t), key.n};
    buf_add(&w->keys, &k, sizeof k);
    put_text(&w->values, key);
    put_u32(&w->values, type);
    w->n_values++;
    return PONDER_OK;
}

static ponder_status put_scalar(gguf_writer *w, const char *key, uint32_t type, const void *v,
                                ponder_error *err)
{
    TRY(begin_value(w, str_of(key), type, err));
    buf_add(&w->values, v, gguf_scalar_bytes(type));
    return PONDER_OK;
}

ponder_status gguf_put_u32(gguf_writer *w, const char *key, uint32_t v, ponder_error *err)
{
    return put_scalar(w, key, FMT_U32, &v, err);
}

ponder_status gguf_put_i32(gguf_writer *w, const char *key, int32_t v, ponder_error *err)
{
    return put_scalar(w, key, FMT_I32, &v, err);
}

ponder_status gguf_put_u64(gguf_writer *w, const char *key, uint64_t v, ponder_error *err)
{
    return put_scalar(w, key, FMT_U64, &v, err);
}

ponder_status gguf_put_f32(gguf_writer *w, const char *key, float v, ponder_error *err)
{
    return put_scalar(w, key, FMT_F32, &v, err);
}

ponder_status gguf_put_bool(gguf_writer *w, const char *key, bool v, ponder_error *err)
{
    uint8_t byte = v;
    return put_scalar(w, key, FMT_BOOL, &byte, err);
}

ponder_status gguf_put_str(gguf_writer *w, const char *key, str v, ponder_error *err)
{
    TRY(begin_value(w, str_of(key), FMT_STRING, err));
    put_text(&w->values, v);
    return PONDER_OK;
}

static ponder_status begin_array(gguf_writer *w, str key, uint32_t item, uint64_t n,
                                 ponder_error *err)
{
    TRY(begin_value(w, key, FMT_ARRAY, err));
    put_u32(&w->values, item);
    put_u64(&w->values, n);
    return PONDER_OK;
}

ponder_status gguf_put_strs(gguf_writer *w, const char *key, const str *v, size_t n,
                            ponder_error *err)
{
    TRY(begin_array(w, str_of(key), FMT_STRING, n, err));
    for (size_t i = 0; i < n; i++) put_text(&w->values, v[i]);
    return PONDER_OK;
}

ponder_status gguf_put_i32s(gguf_writer *w, const char *key, const int32_t *v, size_t n,
                            ponder_error *err)
{
    TRY(begin_array(w, str_of(key), FMT_I32, n, err));
    buf_add(&w->values, v, n * sizeof *v);
    return PONDER_OK;
}

ponder_status gguf_put_f32s(gguf_writer *w, const char *key, const float *v, size_t n,
                            ponder_error *err)
{
    TRY(begin_array(w, str_of(key), FMT_F32, n, err));
    buf_add(&w->values, v, n * sizeof *v);
    return PONDER_OK;
}

ponder_status gguf_put_value(gguf_writer *w, const fmt_value *v, ponder_error *err)
{
    if (str_eq(v->key, STR("general.alignment")) || str_starts(v->key, STR("split.")))
        return PONDER_OK;
    TRY(v->type == FMT_ARRAY ? begin_array(w, v->key, v->item, v->count, err)
                             : begin_value(w, v->key, v->type, err));
    buf_add(&w->values, v->raw, v->raw_bytes);
    return PONDER_OK;
}

ponder_status gguf_declare(gguf_writer *w, const char *name, num_type type, int n_dims,
                           const uint64_t *dim, ponder_error *err)
{
    if (!fmt_name_ok(str_of(name), GGUF_WRITE_NAME))
        return err_set(err, PONDER_EARG,
                       "%s: tensor name \"%s\": empty, longer than %d bytes or with "
                       "control characters",
                       w->plan.file.path, name, GGUF_WRITE_NAME);
    if (type >= NUM_OWN)
        return err_set(err, PONDER_EUNSUPPORTED, "%s: tensor \"%s\": GGUF has no such type",
                       w->plan.file.path, name);
    for (int i = 0; i < n_dims && i < FMT_MAX_DIMS; i++)
        if (dim[i] == 0)
            return err_set(err, PONDER_EARG, "%s: tensor \"%s\": dimension %d is zero",
                           w->plan.file.path, name, i);
    return fmt_plan_declare(&w->plan, name, type, n_dims, dim, err);
}

static ponder_status check_keys(const gguf_writer *w, ponder_error *err)
{
    fmt_index index;
    const char *path = w->plan.file.path;
    if (w->values.failed || w->keys.failed)
        return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    str *keys = malloc((size_t)w->n_values * sizeof *keys + 1);
    if (!keys) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < w->n_values; i++) {
        struct key_at k;
        memcpy(&k, w->keys.p + i * sizeof k, sizeof k);
        keys[i] = (str){w->values.p + k.at, k.n};
    }
    ponder_status st = fmt_index_build(&index, keys, (size_t)w->n_values, sizeof *keys, path,
                                       "metadata keys", err);
    if (st != PONDER_OK) st = err_context(err, PONDER_EARG, "not written");
    fmt_index_free(&index);
    free(keys);
    return st;
}

ponder_status gguf_write_begin(gguf_writer *w, ponder_error *err)
{
    buf head = {0};
    TRY(check_keys(w, err));
    buf_add_str(&head, STR("GGUF"));
    put_u32(&head, 3);
    put_u64(&head, w->plan.n);
    put_u64(&head, w->n_values);
    buf_add(&head, w->values.p, w->values.n);
    for (const fmt_tensor *t = w->plan.tensors; t < w->plan.tensors + w->plan.n; t++) {
        put_text(&head, t->name);
        put_u32(&head, (uint32_t)t->n_dims);
        buf_add(&head, t->dim, (size_t)t->n_dims * sizeof *t->dim);
        put_u32(&head, (uint32_t)t->type);
        put_u64(&head, t->offset);
    }
    while (head.n % GGUF_ALIGNMENT && !head.failed) buf_add_char(&head, '\0');
    ponder_status st = fmt_plan_begin(&w->plan, &head, err);
    buf_free(&head);
    return st;
}

ponder_status gguf_write_data(gguf_writer *w, const void *bytes, size_t n, ponder_error *err)
{
    return fmt_plan_data(&w->plan, bytes, n, err);
}

ponder_status gguf_write_commit(gguf_writer *w, ponder_error *err)
{
    return fmt_plan_commit(&w->plan, err);
}
