/* fmt, inside: the open model, the parsers that fill it, and what both writers share.
 * SPDX-License-Identifier: MIT */
#ifndef FMT_INT_H
#define FMT_INT_H

#include "fmt/fmt.h"

/* ---- names ----------------------------------------------------------------------------------- */

/* A hash table over an array of items whose first member is their name (str). */
typedef struct fmt_index {
    struct fmt_slot {
        uint32_t hash, item; /* item + 1; 0: free */
    } * slot;
    size_t mask;
    const uint8_t *items;
    size_t stride;
} fmt_index;

/* Two items of one name are EFORMAT, with `path` and `what` ("tensors") in the message. */
ponder_status fmt_index_build(fmt_index *x, const void *items, size_t n, size_t stride,
                              const char *path, const char *what, ponder_error *err);
/* The item's number, or SIZE_MAX. */
size_t fmt_index_find(const fmt_index *x, str name);
void fmt_index_free(fmt_index *x);

/* A name that can be shown and looked up: 1 to `limit` bytes, no control characters. */
bool fmt_name_ok(str name, size_t limit);

/* ---- the open model -------------------------------------------------------------------------- */

typedef struct fmt_file {
    char *path;
    mapped map;
    bool borrowed; /* the bytes are the caller's, not a mapping */
    char *names;   /* names that do not stand in the mapping */
} fmt_file;

struct fmt_model {
    enum fmt_kind kind;
    char *path;
    fmt_file *files;
    size_t n_files;
    fmt_tensor *tensors;
    size_t n_tensors;
    fmt_value *values;
    size_t n_values;
    fmt_index tensor_index, value_index;
    json_t *config;
};

/* Sets dims past n_dims to 1, type_name, and `bytes` from the dims and the type's blocks. EFORMAT
 * when the size overflows or a row does not divide into blocks. `path` is for messages here and
 * below. */
ponder_status fmt_tensor_measure(fmt_tensor *t, const num_info *info, const char *path,
                                 ponder_error *err);
/* Lets t->data and t->offset point to byte `at` of the file; EFORMAT when it does not fit. */
ponder_status fmt_tensor_place(fmt_tensor *t, const fmt_file *f, uint64_t at, ponder_error *err);
/* m->files becomes one file of the model's own path, not yet mapped. */
ponder_status fmt_model_one_file(fmt_model *m, ponder_error *err);
/* Room for `extra` more tensors at the end. ELIMIT past FMT_MAX_TENSORS. */
ponder_status fmt_model_reserve(fmt_model *m, size_t extra, const char *path, ponder_error *err);
/* What remains once all files are parsed: no overlaps, no name twice, the indices. */
ponder_status fmt_model_finish(fmt_model *m, ponder_error *err);

/* ---- GGUF ------------------------------------------------------------------------------------ */

enum { GGUF_ALIGNMENT = 32, GGUF_MAX_ALIGNMENT = 1 << 20, GGUF_WRITE_NAME = 63 };

/* Parses one file: appends its tensors to m, and sets *values (owned by the caller). */
ponder_status gguf_parse(fmt_model *m, const fmt_file *f, fmt_value **values, size_t *n_values,
                         ponder_error *err);
/* Maps and parses m->path and, when it is the first of a split, its sisters. */
ponder_status gguf_open(fmt_model *m, ponder_error *err);
/* Bytes of one value; 0 for strings, arrays and unknown types. */
size_t gguf_scalar_bytes(uint32_t type);
/* One number of a scalar type at p. false for other types; i64 also where the value has a
 * fraction's type or exceeds INT64_MAX. */
bool gguf_number_i64(uint32_t type, const uint8_t *p, int64_t *out);
bool gguf_number_f64(uint32_t type, const uint8_t *p, double *out);

/* ---- Hugging Face ---------------------------------------------------------------------------- */

/* Parses the header of m->files[file] and appends its tensors. */
ponder_status safetensors_parse(fmt_model *m, size_t file, ponder_error *err);
/* Maps and parses the directory m->path. */
ponder_status hf_open(fmt_model *m, ponder_error *err);
/* The distinct file names of a model.safetensors.index.json, sorted, borrowed from `index`; the
 * caller frees the array. */
ponder_status hf_shards(const char ***out, size_t *n, const json_t *index, const char *name,
                        ponder_error *err);

/* ---- writing --------------------------------------------------------------------------------- */

/* What is declared and how much of it has been written. Tensor offsets count from the data section.
 */
typedef struct fmt_plan {
    file_writer file;
    fmt_tensor *tensors; /* with names of their own */
    size_t n, cap;
    size_t align;   /* of each tensor */
    uint64_t end;   /* of the last tensor declared */
    size_t current; /* the tensor being written */
    size_t done;    /* its bytes already written */
    bool begun;
} fmt_plan;

ponder_status fmt_plan_declare(fmt_plan *p, const char *name, num_type type, int n_dims,
                               const uint64_t *dim, ponder_error *err);
/* Checks the names and writes `head`, which ends where the data section starts. */
ponder_status fmt_plan_begin(fmt_plan *p, const buf *head, ponder_error *err);
ponder_status fmt_plan_data(fmt_plan *p, const void *bytes, size_t n, ponder_error *err);
ponder_status fmt_plan_commit(fmt_plan *p, ponder_error *err);
void fmt_plan_free(fmt_plan *p);

#endif
