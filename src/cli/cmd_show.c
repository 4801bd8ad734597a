/* ponder show: what a model file holds.
 * SPDX-License-Identifier: MIT
 *
 * Each part of the report is a pair of functions, for people and for JSON, over the open file. */
#include "cli/cli.h"
#include "model/model.h"

#include <stdlib.h>

enum { SHOWN_ITEMS = 4, SHOWN_TEXT = 60 };

/* Totals of one type of tensor. */
struct type_sum {
    const char *name;
    uint64_t tensors, elements, bytes;
};

enum { MAX_TYPES = 64 }; /* more than there are names of types */

struct sums {
    struct type_sum type[MAX_TYPES], all;
    size_t n;
};

static uint64_t elements_of(const fmt_tensor *t)
{
    return t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
}

static void add_tensor(struct type_sum *s, const fmt_tensor *t)
{
    s->tensors++;
    s->elements += elements_of(t);
    s->bytes += t->bytes;
}

static int by_bytes(const void *a, const void *b)
{
    const struct type_sum *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static struct sums sum_up(const fmt_model *m)
{
    struct sums s = {.all.name = "all"};
    for (size_t i = 0; i < fmt_tensor_count(m); i++) {
        const fmt_tensor *t = fmt_tensor_at(m, i);
        size_t k = 0;
        while (k < s.n && strcmp(s.type[k].name, t->type_name)) k++;
        if (k == s.n && s.n < MAX_TYPES) s.type[s.n++].name = t->type_name;
        if (k < s.n) add_tensor(&s.type[k], t);
        add_tensor(&s.all, t);
    }
    qsort(s.type, s.n, sizeof s.type[0], by_bytes);
    return s;
}

/* The architecture as the file names it: a GGUF key, or the config's model_type. */
static str architecture(const fmt_model *m)
{
    str name = STR("unknown");
    if (fmt_kind_of(m) == FMT_GGUF) (void)fmt_get_str(m, "general.architecture", &name, NULL);
    else if (fmt_config(m))
        (void)json_field_str(fmt_config(m), "config.json", "model_type", &name, NULL);
    return name;
}

static const char *format_of(const fmt_model *m)
{
    if (fmt_kind_of(m) == FMT_GGUF) return "GGUF";
    return fmt_config(m) ? "Hugging Face" : "safetensors";
}

/* ---- metadata -------------------------------------------------------------------------------- */

static const char *value_type_name(enum fmt_value_type t)
{
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return (size_t)t < COUNT_OF(names) ? names[t] : "?";
}

/* One number, truth value or string as JSON; items of arrays too. */
static void put_item(json_writer *w, const fmt_value *v, enum fmt_value_type type, uint64_t i)
{
    /* A scalar is an array of one item as far as the accessors go. */
    fmt_value one = *v;
    int64_t k;
    double f;
    one.type = FMT_ARRAY;
    one.item = type;
    if (type == FMT_BOOL) json_bool(w, v->raw[i]);
    else if (fmt_item_i64(&one, i, &k)) json_i64(w, k);
    else if (!fmt_item_f64(&one, i, &f)) json_none(w);
    else if (type == FMT_F32) json_f32(w, (float)f);
    else json_f64(w, f);
}

/* Strings are cut to `limit` bytes, at a character's start. */
static str cut(str s, size_t limit)
{
    if (s.n <= limit) return s;
    while (limit && ((unsigned char)s.p[limit] & 0xC0) == 0x80) limit--;
    return (str){s.p, limit};
}

/* The first items of an array as a JSON array. */
static void put_array(json_writer *w, const fmt_value *v, uint64_t limit, size_t text_limit)
{
    fmt_cursor c = {0};
    str s;
    json_open(w, '[');
    for (uint64_t i = 0; i < v->count && i < limit; i++) {
        if (v->item == FMT_STRING) {
            if (!fmt_next_str(v, &c, &s)) break;
            json_text(w, cut(s, text_limit));
        } else {
            put_item(w, v, v->item, i);
        }
    }
    json_close(w, ']');
}

static void put_value(json_writer *w, const fmt_value *v, size_t text_limit)
{
    fmt_value one = *v;
    fmt_cursor c = {0};
    str s;
    if (v->type == FMT_ARRAY) {
        put_array(w, v, SHOWN_ITEMS, text_limit);
    } else if (v->type == FMT_STRING) {
        one.type = FMT_ARRAY;
        one.item = FMT_STRING;
        if (fmt_next_str(&one, &c, &s)) json_text(w, cut(s, text_limit));
    } else {
        put_item(w, v, v->type, 0);
    }
}

static void print_metadata(const fmt_model *m)
{
    printf("\nmetadata (%zu values)\n", fmt_value_count(m));
    for (size_t i = 0; i < fmt_value_count(m); i++) {
        const fmt_value *v = fmt_value_at(m, i);
        bool array = v->type == FMT_ARRAY;
        buf b = {0};
        json_writer w = {&b, false};
        put_value(&w, v, SHOWN_TEXT);
        char type[64];
        if (array)
            snprintf(type, sizeof type, "%s[%llu]", value_type_name(v->item),
                     (unsigned long long)v->count);
        else snprintf(type, sizeof type, "%s", value_type_name(v->type));
        printf("  %-42.*s %-15s %s%s\n", STR_ARG(v->key), type, b.p ? b.p : "",
               array && v->count > SHOWN_ITEMS ? " ..." : "");
        buf_free(&b);
    }
}

/* Scalars and strings as they are; arrays as {"items","count","first"}. */
static void put_metadata(json_writer *w, const fmt_model *m)
{
    json_open(w, '{');
    for (size_t i = 0; i < fmt_value_count(m); i++) {
        const fmt_value *v = fmt_value_at(m, i);
        buf key = {0};
        buf_add_str(&key, v->key);
        json_key(w, key.p ? key.p : "");
        buf_free(&key);
        if (v->type != FMT_ARRAY) {
            put_value(w, v, SIZE_MAX);
            continue;
        }
        json_open(w, '{');
        json_key(w, "items");
        json_text(w, str_of(value_type_name(v->item)));
        json_key(w, "count");
        json_i64(w, (int64_t)v->count);
        json_key(w, "first");
        put_array(w, v, SHOWN_ITEMS, SIZE_MAX);
        json_close(w, '}');
    }
    json_close(w, '}');
}

static void print_config(const fmt_model *m)
{
    char *text = json_dumps(fmt_config(m), JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    printf("\nconfig.json\n%s\n", text ? text : "");
    free(text);
}

static void put_config(json_writer *w, const fmt_model *m)
{
    char *text = json_dumps(fmt_config(m), JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_raw(w, text ? str_of(text) : STR("null"));
    free(text);
}

/* ---- tensors --------------------------------------------------------------------------------- */

static void print_tensors(const fmt_model *m)
{
    printf("\ntensors (%zu)\n", fmt_tensor_count(m));
    for (size_t i = 0; i < fmt_tensor_count(m); i++) {
        const fmt_tensor *t = fmt_tensor_at(m, i);
        char shape[96] = "";
        size_t n = 0;
        for (int d = 0; d < t->n_dims && n < sizeof shape; d++)
            n += (size_t)snprintf(shape + n, sizeof shape - n, "%s%llu", d ? " x " : "",
                                  (unsigned long long)t->dim[d]);
        printf("  %-44.*s %-8s %-26s %12zu\n", STR_ARG(t->name), t->type_name, shape, t->bytes);
    }
}

/* "shape" has the row length first, as GGUF files have it. */
static void put_tensors(json_writer *w, const fmt_model *m)
{
    json_open(w, '[');
    for (size_t i = 0; i < fmt_tensor_count(m); i++) {
        const fmt_tensor *t = fmt_tensor_at(m, i);
        json_open(w, '{');
        json_key(w, "name");
        json_text(w, t->name);
        json_key(w, "type");
        json_text(w, str_of(t->type_name));
        json_key(w, "shape");
        json_open(w, '[');
        for (int d = 0; d < t->n_dims; d++) json_i64(w, (int64_t)t->dim[d]);
        json_close(w, ']');
        json_key(w, "bytes");
        json_i64(w, (int64_t)t->bytes);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* ---- totals ---------------------------------------------------------------------------------- */

static void print_sum(const struct type_sum *s)
{
    printf("  %-8s %6llu tensors %14llu elements %14llu bytes %7.3f bits each\n", s->name,
           (unsigned long long)s->tensors, (unsigned long long)s->elements,
           (unsigned long long)s->bytes,
           s->elements ? 8.0 * (double)s->bytes / (double)s->elements : 0.0);
}

static void print_totals(const struct sums *s)
{
    puts("\ntotals");
    for (size_t i = 0; i < s->n; i++) print_sum(&s->type[i]);
    print_sum(&s->all);
}

static void put_sum(json_writer *w, const struct type_sum *s)
{
    json_open(w, '{');
    json_key(w, "type");
    json_text(w, str_of(s->name));
    json_key(w, "tensors");
    json_i64(w, (int64_t)s->tensors);
    json_key(w, "elements");
    json_i64(w, (int64_t)s->elements);
    json_key(w, "bytes");
    json_i64(w, (int64_t)s->bytes);
    json_close(w, '}');
}

/* ---- memory at a context length -------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum kern_kv type;
} CACHES[] = {{"f32", KERN_KV_F32}, {"f16", KERN_KV_F16}, {"bf16", KERN_KV_BF16}, {"q8_0", KERN_KV_Q8}};

static double cache_bytes(const model_config *c, enum kern_kv t, int positions)
{
    return (double)size_ceil_div((size_t)positions, KERN_PAGE) * (double)model_kv_page_bytes(c, t);
}

/* A model this build cannot run has no such part; its file can be shown all the same. */
static void print_memory(const fmt_model *m, int positions)
{
    model_config c;
    ponder_error err;
    if (model_config_read(&c, m, &err) != PONDER_OK) {
        printf("\nmemory: not known: %s\n", err.message);
        return;
    }
    if (positions <= 0) positions = c.context;
    printf("\nmemory: the weights as in the file, and keys and values at %d positions:\n", positions);
    for (size_t i = 0; i < COUNT_OF(CACHES); i++)
        printf("  %-5s %10.1f MB  %8.1f KB a position\n", CACHES[i].name,
               1e-6 * cache_bytes(&c, CACHES[i].type, positions),
               1e-3 / KERN_PAGE * (double)model_kv_page_bytes(&c, CACHES[i].type));
}

static void put_memory(json_writer *w, const fmt_model *m, int positions)
{
    model_config c;
    if (model_config_read(&c, m, NULL) != PONDER_OK) {
        json_none(w);
        return;
    }
    if (positions <= 0) positions = c.context;
    json_open(w, '{');
    json_key(w, "positions");
    json_i64(w, positions);
    for (size_t i = 0; i < COUNT_OF(CACHES); i++) {
        json_key(w, CACHES[i].name);
        json_i64(w, (int64_t)cache_bytes(&c, CACHES[i].type, positions));
    }
    json_close(w, '}');
}

/* ---- the command ----------------------------------------------------------------------------- */

static void print_report(const fmt_model *m)
{
    struct sums s = sum_up(m);
    str arch = architecture(m);
    printf("%s\n  format        %s, %zu bytes in %zu file%s\n  architecture  %.*s\n", fmt_path(m),
           format_of(m), fmt_file_bytes(m), fmt_file_count(m), fmt_file_count(m) == 1 ? "" : "s",
           STR_ARG(arch));
    if (fmt_kind_of(m) == FMT_GGUF) print_metadata(m);
    if (fmt_config(m)) print_config(m);
    print_tensors(m);
    print_totals(&s);
}

static void put_report(json_writer *w, const fmt_model *m, int positions)
{
    struct sums s = sum_up(m);
    json_open(w, '{');
    json_key(w, "path");
    json_text(w, str_of(fmt_path(m)));
    json_key(w, "format");
    json_text(w, str_of(format_of(m)));
    json_key(w, "architecture");
    json_text(w, architecture(m));
    json_key(w, "files");
    json_i64(w, (int64_t)fmt_file_count(m));
    json_key(w, "file_bytes");
    json_i64(w, (int64_t)fmt_file_bytes(m));
    if (fmt_kind_of(m) == FMT_GGUF) {
        json_key(w, "metadata");
        put_metadata(w, m);
    }
    if (fmt_config(m)) {
        json_key(w, "config");
        put_config(w, m);
    }
    json_key(w, "tensors");
    put_tensors(w, m);
    json_key(w, "types");
    json_open(w, '[');
    for (size_t i = 0; i < s.n; i++) put_sum(w, &s.type[i]);
    json_close(w, ']');
    json_key(w, "elements");
    json_i64(w, (int64_t)s.all.elements);
    json_key(w, "tensor_bytes");
    json_i64(w, (int64_t)s.all.bytes);
    json_key(w, "memory");
    put_memory(w, m, positions);
    json_close(w, '}');
}

int cmd_show(int argc, char **argv)
{
    bool as_json = false;
    int positions = 0;
    const char *path;
    const cli_option options[] = {
        {"ctx", 'c', CLI_INT, &positions, "N", "memory at N positions; 0: all the model was made for", 0, 1 << 24},
        {"json", 0, CLI_FLAG, &as_json, NULL, "one JSON document", 0, 0},
        {0},
    };
    const cli_command command = {
        "show [MODEL] [--ctx N] [--json]",
        "Shows what a model file holds: metadata, tensors, sizes by type. Without MODEL: the embedded one.",
        "  ponder show model.gguf\n  ponder show DeepSeek-R1/ --json | jq .types",
        options,
        1,
    };
    int status = cli_parse(&command, argc, argv, &path);
    if (status >= 0) return status;
    ponder_error err;
    fmt_model *m;
    if (cli_open_model(&m, path, &err) != PONDER_OK) return cli_fail("show", &err);
    status = CLI_DONE;
    if (as_json) {
        buf out = {0};
        json_writer w = {&out, false};
        put_report(&w, m, positions);
        buf_add_char(&out, '\n');
        if (!out.failed) fwrite(out.p, 1, out.n, stdout);
        else status = CLI_FAILED, fprintf(stderr, "ponder show: out of memory\n");
        buf_free(&out);
    } else {
        print_report(m);
        print_memory(m, positions);
    }
    fmt_close(m);
    return status;
}
