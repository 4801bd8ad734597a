/* fmt: model files. GGUF (single and split) and Hugging Face directories (config.json with
 * safetensors), read-only and mapped; writing of GGUF and safetensors.
 * SPDX-License-Identifier: MIT
 *
 * An open fmt_model owns its mappings and its copies of names and metadata; everything a getter
 * returns is borrowed from it. All bytes are checked at open: after fmt_open succeeded every tensor
 * lies inside its file, its byte size fits its type and dimensions, and no two overlap. */
#ifndef FMT_H
#define FMT_H

#include "json/json.h"
#include "num/num.h"

enum {
    FMT_MAX_DIMS = 4,
    FMT_MAX_NAME = 255,        /* bytes of a tensor's name */
    FMT_MAX_TENSORS = 1 << 20, /* of a model; DeepSeek-R1 has 91,991 */
    FMT_MAX_VALUES = 1 << 16   /* of a GGUF file's metadata */
};

typedef struct fmt_tensor {
    str name;
    num_type type;         /* NUM_NONE for safetensors types without one: U8, BOOL, F8_E5M2, ... */
    const char *type_name; /* "Q4_K", "BF16", "U8": static */
    int n_dims;
    uint64_t dim[FMT_MAX_DIMS]; /* dim[0] is the row length (fastest); unused ones are 1 */
    const uint8_t *data;        /* in the mapping; 8-byte aligned in GGUF, any in safetensors */
    size_t bytes;
    const char *path; /* the file it stands in, and where, for reading without the mapping */
    uint64_t offset;
    bool in_memory; /* no such file: opened from bytes, all in `data` */
} fmt_tensor;

enum fmt_kind { FMT_GGUF, FMT_HF };

typedef struct fmt_model fmt_model;

/* Opens a .gguf file (the first shard of a split one opens all), a Hugging Face directory, or a
 * lone .safetensors file (FMT_HF without a config). */
ponder_status fmt_open(fmt_model **out, const char *path, ponder_error *err);
/* A model over bytes in memory, which must outlive it: one GGUF file, or (FMT_HF) one safetensors
 * file. `name` is its path in messages. */
ponder_status fmt_open_bytes(fmt_model **out, enum fmt_kind kind, const void *bytes, size_t n,
                             const char *name, ponder_error *err);
void fmt_close(fmt_model *m);
enum fmt_kind fmt_kind_of(const fmt_model *m);
const char *fmt_path(const fmt_model *m);
size_t fmt_file_count(const fmt_model *m);
size_t fmt_file_bytes(const fmt_model *m); /* all shards together */

size_t fmt_tensor_count(const fmt_model *m);
const fmt_tensor *fmt_tensor_at(const fmt_model *m, size_t i);
/* By exact name; NULL when absent. Hashed. */
const fmt_tensor *fmt_find(const fmt_model *m, const char *name);
/* Tells the system that a tensor's mapped pages will not be read again soon (they leave the
 * resident set; the page cache keeps them). */
void fmt_forget(const fmt_model *m, const fmt_tensor *t);

/* config.json of a Hugging Face directory, an object; else NULL. */
const json_t *fmt_config(const fmt_model *m);

/* ---- GGUF metadata --------------------------------------------------------------------------- */

enum fmt_value_type {
    FMT_U8, FMT_I8, FMT_U16, FMT_I16, FMT_U32, FMT_I32, FMT_F32, FMT_BOOL, FMT_STRING, FMT_ARRAY,
    FMT_U64, FMT_I64, FMT_F64
};

typedef struct fmt_value {
    str key;
    enum fmt_value_type type;
    enum fmt_value_type item; /* of an array */
    uint64_t count;           /* items of an array, else 1 */
    const uint8_t *raw; /* the encoded value, or the items of an array: in the mapping, checked */
    size_t raw_bytes;
} fmt_value;

size_t fmt_value_count(const fmt_model *m);
const fmt_value *fmt_value_at(const fmt_model *m, size_t i);
const fmt_value *fmt_value_find(const fmt_model *m, const char *key);

/* Scalars: absent leaves *out (the default) and is OK; another type, a value outside [min, max] or
 * a number that is not finite is EFORMAT naming file and key. Any integer type is accepted for
 * integers, any number for f64. */
ponder_status fmt_get_i64(const fmt_model *m, const char *key, int64_t min, int64_t max,
                          int64_t *out, ponder_error *err);
ponder_status fmt_get_f64(const fmt_model *m, const char *key, double *out, ponder_error *err);
ponder_status fmt_get_bool(const fmt_model *m, const char *key, bool *out, ponder_error *err);
ponder_status fmt_get_str(const fmt_model *m, const char *key, str *out, ponder_error *err);

/* Walks the items of an array of strings (v->item == FMT_STRING). Start with a zeroed cursor. */
typedef struct fmt_cursor {
    size_t at;
} fmt_cursor;
bool fmt_next_str(const fmt_value *v, fmt_cursor *c, str *out);
/* Item i of an array of numbers; false outside or for other items. */
bool fmt_item_i64(const fmt_value *v, uint64_t i, int64_t *out);
bool fmt_item_f64(const fmt_value *v, uint64_t i, double *out);

/* ---- writing --------------------------------------------------------------------------------- */

/* Metadata first, then all tensor declarations, then gguf_write_begin, then each tensor's bytes in
 * declaration order (in pieces if wanted), then gguf_write_commit. The file appears complete under
 * its final name or not at all. Calls out of this order, names that are used twice, and a number of
 * bytes other than declared are EARG. */
typedef struct gguf_writer gguf_writer;
ponder_status gguf_write_open(gguf_writer **out, const char *path, ponder_error *err);
void gguf_write_close(gguf_writer *w); /* without commit: nothing remains */
ponder_status gguf_put_u32(gguf_writer *w, const char *key, uint32_t v, ponder_error *err);
ponder_status gguf_put_i32(gguf_writer *w, const char *key, int32_t v, ponder_error *err);
ponder_status gguf_put_u64(gguf_writer *w, const char *key, uint64_t v, ponder_error *err);
ponder_status gguf_put_f32(gguf_writer *w, const char *key, float v, ponder_error *err);
ponder_status gguf_put_bool(gguf_writer *w, const char *key, bool v, ponder_error *err);
ponder_status gguf_put_str(gguf_writer *w, const char *key, str v, ponder_error *err);
ponder_status gguf_put_strs(gguf_writer *w, const char *key, const str *v, size_t n,
                            ponder_error *err);
ponder_status gguf_put_i32s(gguf_writer *w, const char *key, const int32_t *v, size_t n,
                            ponder_error *err);
ponder_status gguf_put_f32s(gguf_writer *w, const char *key, const float *v, size_t n,
                            ponder_error *err);
/* Copies a value of an open model unchanged. The keys that describe the file and not the model
 * (general.alignment, split.*) are passed over, so that all values can be handed through. */
ponder_status gguf_put_value(gguf_writer *w, const fmt_value *v, ponder_error *err);
/* The name has at most 63 bytes, which is all that other readers accept. */
ponder_status gguf_declare(gguf_writer *w, const char *name, num_type type, int n_dims,
                           const uint64_t *dim, ponder_error *err);
ponder_status gguf_write_begin(gguf_writer *w, ponder_error *err);
ponder_status gguf_write_data(gguf_writer *w, const void *bytes, size_t n, ponder_error *err);
ponder_status gguf_write_commit(gguf_writer *w, ponder_error *err);

/* The same for a safetensors file: strings as metadata, then declarations (dim[0] fastest, as
 * everywhere here; block types are EUNSUPPORTED), begin, data in order, commit. */
typedef struct safetensors_writer safetensors_writer;
ponder_status safetensors_write_open(safetensors_writer **out, const char *path, ponder_error *err);
void safetensors_write_close(safetensors_writer *w);
ponder_status safetensors_put_str(safetensors_writer *w, const char *key, str v, ponder_error *err);
ponder_status safetensors_declare(safetensors_writer *w, const char *name, num_type type,
                                  int n_dims, const uint64_t *dim, ponder_error *err);
ponder_status safetensors_write_begin(safetensors_writer *w, ponder_error *err);
ponder_status safetensors_write_data(safetensors_writer *w, const void *bytes, size_t n,
                                     ponder_error *err);
ponder_status safetensors_write_commit(safetensors_writer *w, ponder_error *err);

#endif
