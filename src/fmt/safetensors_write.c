/* Writing safetensors. Tensors stand gapless in declaration order, as the format demands; the
 * header is filled up with spaces so that the data starts at a multiple of eight.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <inttypes.h>
#include <stdlib.h>

struct safetensors_writer {
    fmt_plan plan;
    buf metadata;     /* the members of __metadata__, as JSON */
    json_writer json; /* into metadata */
};

ponder_status safetensors_write_open(safetensors_writer **out, const char *path, ponder_error *err)
{
    *out = NULL;
    safetensors_writer *w = calloc(1, sizeof *w);
    if (!w) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    w->plan.align = 1;
    w->json.out = &w->metadata;
    ponder_status st = file_begin(&w->plan.file, path, err);
    if (st != PONDER_OK) safetensors_write_close(w);
    else *out = w;
    return st;
}

void safetensors_write_close(safetensors_writer *w)
{
    if (!w) return;
    fmt_plan_free(&w->plan);
    buf_free(&w->metadata);
    free(w);
}

ponder_status safetensors_put_str(safetensors_writer *w, const char *key, str v, ponder_error *err)
{
    if (w->plan.begun)
        return err_set(err, PONDER_EARG, "%s: metadata key \"%s\": put after writing began",
                       w->plan.file.path, key);
    json_key(&w->json, key);
    json_text(&w->json, v);
    return PONDER_OK;
}

ponder_status safetensors_declare(safetensors_writer *w, const char *name, num_type type,
                                  int n_dims, const uint64_t *dim, ponder_error *err)
{
    const num_info *info = num_info_of(type);
    if (!fmt_name_ok(str_of(name), FMT_MAX_NAME) || !strcmp(name, "__metadata__"))
        return err_set(err, PONDER_EARG, "%s: \"%s\" cannot name a tensor", w->plan.file.path,
                       name);
    if (info && info->block != 1)
        return err_set(err, PONDER_EUNSUPPORTED, "%s: tensor \"%s\": safetensors has no type %s",
                       w->plan.file.path, name, info->name);
    return fmt_plan_declare(&w->plan, name, type, n_dims, dim, err);
}

static void put_tensor(json_writer *j, const fmt_tensor *t)
{
    /* The name was checked, not its encoding: what is not UTF-8 is replaced by the writer. */
    json_key(j, t->name.p);
    json_open(j, '{');
    json_key(j, "dtype");
    json_text(j, str_of(t->type_name));
    json_key(j, "shape");
    json_open(j, '[');
    for (int i = t->n_dims; i-- > 0;) json_i64(j, (int64_t)t->dim[i]);
    json_close(j, ']');
    json_key(j, "data_offsets");
    json_open(j, '[');
    json_i64(j, (int64_t)t->offset);
    json_i64(j, (int64_t)(t->offset + t->bytes));
    json_close(j, ']');
    json_close(j, '}');
}

ponder_status safetensors_write_begin(safetensors_writer *w, ponder_error *err)
{
    buf text = {0}, head = {0};
    json_writer j = {&text, false};
    json_open(&j, '{');
    if (w->metadata.n) {
        json_key(&j, "__metadata__");
        json_open(&j, '{');
        json_raw(&j, buf_str(&w->metadata));
        json_close(&j, '}');
    }
    for (size_t i = 0; i < w->plan.n; i++) put_tensor(&j, &w->plan.tensors[i]);
    json_close(&j, '}');
    while (text.n % 8 && !text.failed) buf_add_char(&text, ' ');
    uint64_t n = text.n;
    buf_add(&head, &n, sizeof n);
    buf_add(&head, text.p, text.n);
    head.failed = head.failed || text.failed || w->metadata.failed;
    ponder_status st = fmt_plan_begin(&w->plan, &head, err);
    buf_free(&text);
    buf_free(&head);
    return st;
}

ponder_status safetensors_write_data(safetensors_writer *w, const void *bytes, size_t n,
                                     ponder_error *err)
{
    return fmt_plan_data(&w->plan, bytes, n, err);
}

ponder_status safetensors_write_commit(safetensors_writer *w, ponder_error *err)
{
    return fmt_plan_commit(&w->plan, err);
}
