/* GGUF metadata: typed access to values whose bytes gguf_read.c has checked.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <math.h>

size_t gguf_scalar_bytes(uint32_t type)
{
    switch (type) {
    case FMT_U8:
    case FMT_I8:
    case FMT_BOOL: return 1;
    case FMT_U16:
    case FMT_I16: return 2;
    case FMT_U32:
    case FMT_I32:
    case FMT_F32: return 4;
    case FMT_U64:
    case FMT_I64:
    case FMT_F64: return 8;
    default: return 0;
    }
}

bool gguf_number_i64(uint32_t type, const uint8_t *p, int64_t *out)
{
    union {
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        int64_t i64;
    } v;
    memcpy(&v, p, gguf_scalar_bytes(type));
    switch (type) {
    case FMT_U8: *out = *p; return true;
    case FMT_I8: *out = v.i8; return true;
    case FMT_U16: *out = v.u16; return true;
    case FMT_I16: *out = v.i16; return true;
    case FMT_U32: *out = v.u32; return true;
    case FMT_I32: *out = v.i32; return true;
    case FMT_I64: *out = v.i64; return true;
    case FMT_U64: *out = v.i64; return v.i64 >= 0;
    default: return false;
    }
}

bool gguf_number_f64(uint32_t type, const uint8_t *p, double *out)
{
    float f;
    int64_t i;
    uint64_t u;
    switch (type) {
    case FMT_F32:
        memcpy(&f, p, sizeof f);
        *out = (double)f;
        return true;
    case FMT_F64: memcpy(out, p, sizeof *out); return true;
    case FMT_U64:
        memcpy(&u, p, sizeof u);
        *out = (double)u;
        return true;
    default:
        if (!gguf_number_i64(type, p, &i)) return false;
        *out = (double)i;
        return true;
    }
}

size_t fmt_value_count(const fmt_model *m) { return m->n_values; }

const fmt_value *fmt_value_at(const fmt_model *m, size_t i)
{
    return i < m->n_values ? &m->values[i] : NULL;
}

const fmt_value *fmt_value_find(const fmt_model *m, const char *key)
{
    return fmt_value_at(m, fmt_index_find(&m->value_index, str_of(key)));
}

static ponder_status wrong(const fmt_model *m, const char *key, const char *must, ponder_error *err)
{
    return err_set(err, PONDER_EFORMAT, "%s: metadata key \"%s\" must be %s", m->path, key, must);
}

ponder_status fmt_get_i64(const fmt_model *m, const char *key, int64_t min, int64_t max,
                          int64_t *out, ponder_error *err)
{
    const fmt_value *v = fmt_value_find(m, key);
    int64_t n;
    if (!v) return PONDER_OK;
    if (!gguf_number_i64(v->type, v->raw, &n)) return wrong(m, key, "an integer", err);
    if (n < min || n > max)
        return err_set(err, PONDER_EFORMAT, "%s: metadata key \"%s\" is %lld, must be %lld to %lld",
                       m->path, key, (long long)n, (long long)min, (long long)max);
    *out = n;
    return PONDER_OK;
}

ponder_status fmt_get_f64(const fmt_model *m, const char *key, double *out, ponder_error *err)
{
    const fmt_value *v = fmt_value_find(m, key);
    double x;
    if (!v) return PONDER_OK;
    if (!gguf_number_f64(v->type, v->raw, &x) || !isfinite(x))
        return wrong(m, key, "a finite number", err);
    *out = x;
    return PONDER_OK;
}

ponder_status fmt_get_bool(const fmt_model *m, const char *key, bool *out, ponder_error *err)
{
    const fmt_value *v = fmt_value_find(m, key);
    if (!v) return PONDER_OK;
    if (v->type != FMT_BOOL || *v->raw > 1) return wrong(m, key, "true or false", err);
    *out = *v->raw;
    return PONDER_OK;
}

/* The string that starts with its length at p. */
static str string_at(const uint8_t *p)
{
    uint64_t n;
    memcpy(&n, p, sizeof n);
    return (str){(const char *)p + sizeof n, (size_t)n};
}

ponder_status fmt_get_str(const fmt_model *m, const char *key, str *out, ponder_error *err)
{
    const fmt_value *v = fmt_value_find(m, key);
    if (!v) return PONDER_OK;
    if (v->type != FMT_STRING) return wrong(m, key, "a string", err);
    *out = string_at(v->raw);
    return PONDER_OK;
}

bool fmt_next_str(const fmt_value *v, fmt_cursor *c, str *out)
{
    if (v->type != FMT_ARRAY || v->item != FMT_STRING || c->at >= v->raw_bytes) return false;
    *out = string_at(v->raw + c->at);
    c->at += sizeof(uint64_t) + out->n;
    return true;
}

bool fmt_item_i64(const fmt_value *v, uint64_t i, int64_t *out)
{
    return v->type == FMT_ARRAY && i < v->count &&
           gguf_number_i64(v->item, v->raw + i * gguf_scalar_bytes(v->item), out);
}

bool fmt_item_f64(const fmt_value *v, uint64_t i, double *out)
{
    return v->type == FMT_ARRAY && i < v->count &&
           gguf_number_f64(v->item, v->raw + i * gguf_scalar_bytes(v->item), out);
}
