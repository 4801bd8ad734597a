/* Reading safetensors (README of huggingface/safetensors): 8 bytes of header length, a JSON object
 * {name: {dtype, shape, data_offsets}}, data.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <stdlib.h>

enum { MAX_HEADER = 100 << 20 }; /* the limit of the reference reader */

/* The types of the format; those without a num_type are listed but have no decoder. */
static const struct dtype {
    num_info info;
    num_type type;
} DTYPES[] = {
    {{"F64", 1, 8}, NUM_F64},      {{"F32", 1, 4}, NUM_F32},         {{"F16", 1, 2}, NUM_F16},
    {{"BF16", 1, 2}, NUM_BF16},    {{"F8_E4M3", 1, 1}, NUM_F8_E4M3}, {{"I64", 1, 8}, NUM_I64},
    {{"I32", 1, 4}, NUM_I32},      {{"I16", 1, 2}, NUM_I16},         {{"I8", 1, 1}, NUM_I8},
    {{"U8", 1, 1}, NUM_NONE},      {{"BOOL", 1, 1}, NUM_NONE},       {{"F8_E5M2", 1, 1}, NUM_NONE},
    {{"F8_E8M0", 1, 1}, NUM_NONE}, {{"U16", 1, 2}, NUM_NONE},        {{"U32", 1, 4}, NUM_NONE},
    {{"U64", 1, 8}, NUM_NONE},
};

static const struct dtype *dtype_by_name(str name)
{
    for (size_t i = 0; i < COUNT_OF(DTYPES); i++)
        if (str_eq(name, str_of(DTYPES[i].info.name))) return &DTYPES[i];
    return NULL;
}

/* A whole number that is not negative. */
static bool natural(const json_t *v, uint64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static ponder_status bad(const fmt_file *f, str name, const char *what, ponder_error *err)
{
    return err_set(err, PONDER_EFORMAT, "%s: tensor \"%.*s\": %s", f->path, STR_ARG(name), what);
}

/* The shape, slowest dimension first, into t->dim, fastest first; a scalar has one element. */
static ponder_status read_shape(fmt_tensor *t, const json_t *shape, const fmt_file *f,
                                ponder_error *err)
{
    if (!json_is_array(shape)) return bad(f, t->name, "no \"shape\"", err);
    size_t n = json_array_size(shape);
    if (n > FMT_MAX_DIMS) return bad(f, t->name, "more than 4 dimensions", err);
    t->n_dims = (int)n;
    t->dim[0] = 1;
    for (size_t i = 0; i < n; i++)
        if (!natural(json_array_get(shape, n - 1 - i), &t->dim[i]))
            return bad(f, t->name, "a dimension is no whole number", err);
    return PONDER_OK;
}

/* t->name is set; `data` is where the data section begins. */
static ponder_status read_tensor(fmt_tensor *t, const json_t *v, const fmt_file *f, size_t data,
                                 ponder_error *err)
{
    uint64_t begin, end;
    str dtype = json_str(json_object_get(v, "dtype"));
    const struct dtype *d = dtype_by_name(dtype);
    if (!d)
        return err_set(err, PONDER_EUNSUPPORTED,
                       "%s: tensor \"%.*s\" is of type \"%.*s\", which ponder "
                       "does not know",
                       f->path, STR_ARG(t->name), STR_ARG(dtype));
    TRY(read_shape(t, json_object_get(v, "shape"), f, err));
    const json_t *offsets = json_object_get(v, "data_offsets");
    if (json_array_size(offsets) != 2 || !natural(json_array_get(offsets, 0), &begin) ||
        !natural(json_array_get(offsets, 1), &end) || begin > end)
        return bad(f, t->name, "\"data_offsets\" must be [begin, end]", err);
    t->type = d->type;
    TRY(fmt_tensor_measure(t, &d->info, f->path, err));
    if (t->bytes != end - begin)
        return bad(f, t->name, "\"data_offsets\" do not fit \"shape\" and \"dtype\"", err);
    /* begin is below 2^63 and data below the file's size, so the sum does not wrap. */
    return fmt_tensor_place(t, f, data + begin, err);
}

/* Copies a name into the file's block of names, which has room. */
static str keep_name(char **room, str name)
{
    str kept = {*room, name.n};
    memcpy(*room, name.p, name.n);
    *room += name.n;
    return kept;
}

static ponder_status read_header(fmt_model *m, fmt_file *f, json_t *header, size_t data,
                                 ponder_error *err)
{
    const char *key;
    json_t *v;
    size_t bytes = 1; /* malloc(0) may be NULL */
    if (!json_is_object(header))
        return err_set(err, PONDER_EFORMAT, "%s: its header is no JSON object", f->path);
    json_object_foreach (header, key, v) bytes += strlen(key);
    f->names = malloc(bytes);
    if (!f->names) return err_set(err, PONDER_ENOMEM, "%s: out of memory", f->path);
    TRY(fmt_model_reserve(m, json_object_size(header), f->path, err));
    char *room = f->names;
    json_object_foreach (header, key, v) {
        if (!strcmp(key, "__metadata__")) continue;
        if (!fmt_name_ok(str_of(key), FMT_MAX_NAME))
            return err_set(err, PONDER_EFORMAT,
                           "%s: a tensor's name is empty, longer than %d bytes or "
                           "has control characters: \"%.64s\"",
                           f->path, FMT_MAX_NAME, key);
        fmt_tensor *t = &m->tensors[m->n_tensors];
        *t = (fmt_tensor){.name = keep_name(&room, str_of(key))};
        TRY(read_tensor(t, v, f, data, err));
        m->n_tensors++;
    }
    return PONDER_OK;
}

ponder_status safetensors_parse(fmt_model *m, size_t file, ponder_error *err)
{
    fmt_file *f = &m->files[file];
    uint64_t n;
    json_t *header;
    if (f->map.n < sizeof n)
        return err_set(err, PONDER_EFORMAT, "%s: %zu bytes are too short for a safetensors file",
                       f->path, f->map.n);
    memcpy(&n, f->map.p, sizeof n);
    if (n > f->map.n - sizeof n || n > MAX_HEADER)
        return err_set(err, PONDER_EFORMAT,
                       "%s: no safetensors file, or truncated: a header of %llu "
                       "bytes in a file of %zu",
                       f->path, (unsigned long long)n, f->map.n);
    TRY(json_parse(&header, (str){(const char *)f->map.p + sizeof n, (size_t)n}, f->path, err));
    ponder_status st = read_header(m, f, header, sizeof n + (size_t)n, err);
    json_decref(header);
    return st;
}
