/* Reading GGUF, versions 2 and 3 (docs/gguf.md of ggml-org/ggml). Every count and length is
 * compared with the bytes that are left before anything is allocated or skipped.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <stdlib.h>

enum {
    MAX_KEY = 65535,
    MAX_NESTING = 4,  /* of arrays */
    LEAST_VALUE = 13, /* bytes of the shortest key and value: length, type, one byte */
    LEAST_TENSOR = 24 /* of a tensor declaration: name length, dims, type, offset */
};

/* Where parsing stands. */
struct reader {
    const uint8_t *p;
    size_t n, at;
    const char *path;
    ponder_error *err;
};

static ponder_status truncated(struct reader *r, const char *what)
{
    return err_set(r->err, PONDER_EFORMAT,
                   "%s: %s at byte %zu runs past the end of the file (%zu bytes): truncated or "
                   "damaged, fetch it again",
                   r->path, what, r->at, r->n);
}

static ponder_status take(struct reader *r, const char *what, void *out, size_t n)
{
    if (n > r->n - r->at) return truncated(r, what);
    if (out) memcpy(out, r->p + r->at, n);
    r->at += n;
    return PONDER_OK;
}

static ponder_status take_u32(struct reader *r, const char *what, uint32_t *v)
{
    *v = 0;
    return take(r, what, v, sizeof *v);
}

static ponder_status take_u64(struct reader *r, const char *what, uint64_t *v)
{
    *v = 0;
    return take(r, what, v, sizeof *v);
}

static ponder_status take_str(struct reader *r, const char *what, str *s)
{
    uint64_t n;
    TRY(take_u64(r, what, &n));
    if (n > r->n - r->at) return truncated(r, what);
    *s = (str){(const char *)r->p + r->at, (size_t)n};
    r->at += (size_t)n;
    return PONDER_OK;
}

/* ---- metadata -------------------------------------------------------------------------------- */

static ponder_status unknown_type(struct reader *r, uint32_t type)
{
    return err_set(r->err, PONDER_EUNSUPPORTED, "%s: metadata type %u at byte %zu is unknown",
                   r->path, type, r->at);
}

static ponder_status skip_array(struct reader *r, uint32_t item, uint64_t count, int depth);

/* Steps over one value of a type that has no fixed size. */
static ponder_status skip_item(struct reader *r, uint32_t type, int depth)
{
    str s;
    uint32_t item;
    uint64_t count;
    if (type == FMT_STRING) return take_str(r, "a string", &s);
    if (type != FMT_ARRAY) return unknown_type(r, type);
    if (depth == MAX_NESTING)
        return err_set(r->err, PONDER_EUNSUPPORTED, "%s: arrays nested deeper than %d at byte %zu",
                       r->path, MAX_NESTING, r->at);
    TRY(take_u32(r, "an array", &item));
    TRY(take_u64(r, "an array", &count));
    return skip_array(r, item, count, depth + 1);
}

static ponder_status skip_array(struct reader *r, uint32_t item, uint64_t count, int depth)
{
    size_t each = gguf_scalar_bytes(item), bytes;
    if (each) {
        if (!size_mul(&bytes, each, count)) return truncated(r, "an array");
        return take(r, "an array", NULL, bytes);
    }
    if (item != FMT_STRING && item != FMT_ARRAY) return unknown_type(r, item);
    /* Every item moves on by 8 bytes at least, so a false count soon meets the end of the file. */
    for (uint64_t i = 0; i < count; i++) TRY(skip_item(r, item, depth));
    return PONDER_OK;
}

static ponder_status take_value(struct reader *r, fmt_value *v)
{
    uint32_t type, item;
    size_t start = r->at;
    TRY(take_str(r, "a metadata key", &v->key));
    if (!fmt_name_ok(v->key, MAX_KEY))
        return err_set(
            r->err, PONDER_EFORMAT,
            "%s: the metadata key at byte %zu is empty, too long or has control characters",
            r->path, start);
    TRY(take_u32(r, "a metadata type", &type));
    ponder_status st;
    v->type = (enum fmt_value_type)type;
    v->count = 1;
    if (type == FMT_ARRAY) {
        TRY(take_u32(r, "an array", &item));
        TRY(take_u64(r, "an array", &v->count));
        v->item = (enum fmt_value_type)item;
        v->raw = r->p + r->at;
        st = skip_array(r, item, v->count, 1);
    } else {
        v->raw = r->p + r->at;
        size_t each = gguf_scalar_bytes(type);
        st = each ? take(r, "a metadata value", NULL, each) : skip_item(r, type, 0);
    }
    if (st != PONDER_OK) return err_context(r->err, st, "metadata key \"%.*s\"", STR_ARG(v->key));
    v->raw_bytes = (size_t)(r->p + r->at - v->raw);
    return PONDER_OK;
}

static ponder_status take_values(struct reader *r, fmt_value *v, size_t n)
{
    for (size_t i = 0; i < n; i++) TRY(take_value(r, &v[i]));
    return PONDER_OK;
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* Types other programs write and this one does not read. */
static const char *foreign_type(uint32_t t)
{
    static const struct {
        uint32_t type;
        const char *name;
    } names[] = {{4, "Q4_2"},      {5, "Q4_3"},      {9, "Q8_1"},   {15, "Q8_K"},  {31, "Q4_0_4_4"},
                 {32, "Q4_0_4_8"}, {33, "Q4_0_8_8"}, {34, "TQ1_0"}, {35, "TQ2_0"}, {39, "MXFP4"}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].type == t) return names[i].name;
    return "unknown";
}

static ponder_status take_tensor(struct reader *r, fmt_tensor *t, uint64_t *offset)
{
    uint32_t n_dims, type;
    size_t start = r->at;
    *t = (fmt_tensor){.type = NUM_NONE};
    TRY(take_str(r, "a tensor's name", &t->name));
    if (!fmt_name_ok(t->name, FMT_MAX_NAME))
        return err_set(r->err, PONDER_EFORMAT,
                       "%s: the tensor name at byte %zu is empty, longer than %d or has control "
                       "characters",
                       r->path, start, FMT_MAX_NAME);
    TRY(take_u32(r, "a tensor's number of dimensions", &n_dims));
    if (n_dims > FMT_MAX_DIMS)
        return err_set(r->err, PONDER_EFORMAT,
                       "%s: tensor \"%.*s\" has %u dimensions, at most %d are "
                       "possible",
                       r->path, STR_ARG(t->name), n_dims, FMT_MAX_DIMS);
    t->n_dims = (int)n_dims;
    for (uint32_t i = 0; i < n_dims; i++) {
        TRY(take_u64(r, "a tensor's dimensions", &t->dim[i]));
        if (t->dim[i] == 0)
            return err_set(r->err, PONDER_EFORMAT, "%s: tensor \"%.*s\": dimension %u is zero",
                           r->path, STR_ARG(t->name), i);
    }
    if (n_dims == 0) t->dim[0] = 1;
    TRY(take_u32(r, "a tensor's type", &type));
    const num_info *info = type < NUM_OWN ? num_info_of((num_type)type) : NULL;
    if (!info)
        return err_set(
            r->err, PONDER_EUNSUPPORTED,
            "%s: tensor \"%.*s\" is of type %u (%s), which ponder does not read: use a file "
            "of another quantisation",
            r->path, STR_ARG(t->name), type, foreign_type(type));
    t->type = (num_type)type;
    TRY(take_u64(r, "a tensor's offset", offset));
    return fmt_tensor_measure(t, info, r->path, r->err);
}

/* The declarations, then each tensor's place in the data section behind them. */
static ponder_status take_tensors(struct reader *r, const fmt_file *f, fmt_tensor *t, size_t n,
                                  size_t alignment)
{
    for (size_t i = 0; i < n; i++) TRY(take_tensor(r, &t[i], &t[i].offset));
    uint64_t data = size_round_up(r->at, alignment);
    for (size_t i = 0; i < n; i++) {
        uint64_t at;
        if (t[i].offset % alignment)
            return err_set(r->err, PONDER_EFORMAT,
                           "%s: tensor \"%.*s\": offset %llu is no multiple of the alignment %zu",
                           r->path, STR_ARG(t[i].name), (unsigned long long)t[i].offset, alignment);
        if (__builtin_add_overflow(data, t[i].offset, &at)) at = UINT64_MAX;
        TRY(fmt_tensor_place(&t[i], f, at, r->err));
    }
    return PONDER_OK;
}

/* ---- one file -------------------------------------------------------------------------------- */

static ponder_status take_header(struct reader *r, uint64_t *n_tensors, uint64_t *n_values)
{
    uint8_t magic[4];
    uint32_t version;
    if (r->n < 4 || memcmp(r->p, "GGUF", 4))
        return err_set(r->err, PONDER_EFORMAT, "%s: not a GGUF file", r->path);
    TRY(take(r, "the header", magic, sizeof magic));
    TRY(take_u32(r, "the header", &version));
    if (version == 0x02000000 || version == 0x03000000)
        return err_set(r->err, PONDER_EUNSUPPORTED, "%s: a big-endian GGUF file; convert it",
                       r->path);
    if (version != 2 && version != 3)
        return err_set(r->err, PONDER_EUNSUPPORTED, "%s: GGUF version %u; ponder reads 2 and 3",
                       r->path, version);
    TRY(take_u64(r, "the header", n_tensors));
    TRY(take_u64(r, "the header", n_values));
    size_t left = r->n - r->at;
    if (*n_tensors > left / LEAST_TENSOR || *n_values > left / LEAST_VALUE)
        return err_set(r->err, PONDER_EFORMAT,
                       "%s: claims %llu tensors and %llu metadata values, for which its %zu bytes "
                       "have no room: truncated or damaged, fetch it again",
                       r->path, (unsigned long long)*n_tensors, (unsigned long long)*n_values,
                       r->n);
    if (*n_values > FMT_MAX_VALUES)
        return err_set(r->err, PONDER_ELIMIT, "%s: more than %d metadata values", r->path,
                       FMT_MAX_VALUES);
    return PONDER_OK;
}

static ponder_status find_alignment(const struct reader *r, const fmt_value *v, size_t n,
                                    size_t *out)
{
    *out = GGUF_ALIGNMENT;
    for (size_t i = 0; i < n; i++) {
        int64_t a;
        if (!str_eq(v[i].key, STR("general.alignment"))) continue;
        if (!gguf_number_i64(v[i].type, v[i].raw, &a) || a < 8 || a > GGUF_MAX_ALIGNMENT ||
            (a & (a - 1)))
            return err_set(r->err, PONDER_EFORMAT,
                           "%s: general.alignment must be a power of two from 8 to %d", r->path,
                           GGUF_MAX_ALIGNMENT);
        *out = (size_t)a;
    }
    return PONDER_OK;
}

ponder_status gguf_parse(fmt_model *m, const fmt_file *f, fmt_value **values, size_t *n_values,
                         ponder_error *err)
{
    struct reader r = {f->map.p, f->map.n, 0, f->path, err};
    uint64_t tensors = 0, count = 0;
    size_t alignment;
    *values = NULL;
    *n_values = 0;
    TRY(take_header(&r, &tensors, &count));
    *values = calloc(count ? count : 1, sizeof **values);
    if (!*values) return err_set(err, PONDER_ENOMEM, "%s: out of memory", f->path);
    *n_values = count;
    TRY(take_values(&r, *values, count));
    TRY(find_alignment(&r, *values, count, &alignment));
    TRY(fmt_model_reserve(m, tensors, f->path, err));
    TRY(take_tensors(&r, f, m->tensors + m->n_tensors, tensors, alignment));
    m->n_tensors += tensors;
    return PONDER_OK;
}

/* ---- split files ----------------------------------------------------------------------------- */

static const char SPLIT_PATTERN[] = "-%05lld-of-%05lld.gguf"; /* number from 1, count */
enum { SPLIT_SUFFIX = sizeof "-00001-of-00001.gguf" - 1, MAX_SPLITS = 9999 };

/* A number among a file's values; absent leaves *out. */
static ponder_status split_number(const fmt_file *f, const fmt_value *v, size_t n, str key,
                                  int64_t max, int64_t *out, ponder_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(v[i].key, key) &&
            (!gguf_number_i64(v[i].type, v[i].raw, out) || *out < 0 || *out > max))
            return err_set(err, PONDER_EFORMAT, "%s: %.*s must be 0 to %lld", f->path, STR_ARG(key),
                           (long long)max);
    return PONDER_OK;
}

/* Parses part i of `count`, 0-based, whose path is known. */
static ponder_status open_part(fmt_model *m, int64_t i, int64_t count, ponder_error *err)
{
    fmt_file *f = &m->files[i];
    fmt_value *values;
    size_t n;
    int64_t no = -1, of = -1;
    TRY(file_map(&f->map, f->path, err));
    ponder_status st = gguf_parse(m, f, &values, &n, err);
    if (st == PONDER_OK) st = split_number(f, values, n, STR("split.no"), MAX_SPLITS, &no, err);
    if (st == PONDER_OK) st = split_number(f, values, n, STR("split.count"), MAX_SPLITS, &of, err);
    if (st == PONDER_OK && (no != i || of != count))
        st = err_set(err, PONDER_EFORMAT,
                     "%s: says it is part %lld of %lld, its name and the first "
                     "part say %lld of %lld",
                     f->path, (long long)no + 1, (long long)of, (long long)i + 1, (long long)count);
    free(values);
    return st;
}

/* The paths of all parts from that of the first. */
static ponder_status name_parts(fmt_model *m, int64_t count, ponder_error *err)
{
    char suffix[64];
    size_t n = strlen(m->path);
    snprintf(suffix, sizeof suffix, SPLIT_PATTERN, 1LL, (long long)count);
    if (!str_ends((str){m->path, n}, str_of(suffix)))
        return err_set(err, PONDER_EFORMAT,
                       "%s: is the first of %lld parts, so its name must end in \"%s\"", m->path,
                       (long long)count, suffix);
    fmt_file *files = calloc((size_t)count, sizeof *files);
    if (!files) return err_set(err, PONDER_ENOMEM, "%s: out of memory", m->path);
    files[0] = m->files[0];
    free(m->files);
    m->files = files;
    for (int64_t i = 1; i < count; i++, m->n_files++) {
        char *path = malloc(n + 1);
        if (!path) return err_set(err, PONDER_ENOMEM, "%s: out of memory", m->path);
        snprintf(suffix, sizeof suffix, SPLIT_PATTERN, (long long)i + 1, (long long)count);
        memcpy(path, m->path, n - SPLIT_SUFFIX);
        memcpy(path + n - SPLIT_SUFFIX, suffix, SPLIT_SUFFIX + 1);
        files[i].path = path;
    }
    return PONDER_OK;
}

static ponder_status open_splits(fmt_model *m, ponder_error *err)
{
    int64_t no = 0, count = 1, tensors = -1;
    const fmt_file *f = &m->files[0];
    TRY(split_number(f, m->values, m->n_values, STR("split.no"), MAX_SPLITS, &no, err));
    TRY(split_number(f, m->values, m->n_values, STR("split.count"), MAX_SPLITS, &count, err));
    TRY(split_number(f, m->values, m->n_values, STR("split.tensors.count"), INT32_MAX, &tensors,
                     err));
    if (no != 0)
        return err_set(err, PONDER_EARG,
                       "%s: part %lld of a split model; open the one that ends in "
                       "\"-00001-of-%05lld.gguf\"",
                       m->path, (long long)no + 1, (long long)count);
    if (count > 1) {
        TRY(name_parts(m, count, err));
        for (int64_t i = 1; i < count; i++) TRY(open_part(m, i, count, err));
    }
    if (tensors >= 0 && (uint64_t)tensors != m->n_tensors)
        return err_set(err, PONDER_EFORMAT,
                       "%s: its %lld parts have %zu tensors, %lld were promised", m->path,
                       (long long)count, m->n_tensors, (long long)tensors);
    return PONDER_OK;
}

ponder_status gguf_open(fmt_model *m, ponder_error *err)
{
    TRY(fmt_model_one_file(m, err));
    TRY(file_map(&m->files[0].map, m->path, err));
    TRY(gguf_parse(m, m->files, &m->values, &m->n_values, err));
    TRY(open_splits(m, err));
    return fmt_model_finish(m, err);
}
