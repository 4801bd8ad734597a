/* JSON in (jansson) and out (append-writer).
 * SPDX-License-Identifier: MIT */
#include "json/json.h"

#include <math.h>
#include <stdlib.h>

ponder_status json_parse(json_t **out, str text, const char *name, ponder_error *err)
{
    json_error_t e;
    /* U+0000 is a character like others: strings go by length here. jansson still refuses it in keys. */
    *out = json_loadb(text.p, text.n,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (*out) return PONDER_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return err_set(err, PONDER_ENOMEM, "%s: out of memory", name);
    return err_set(err, PONDER_EFORMAT, "%s: not valid JSON at line %d column %d: %s", name, e.line,
                   e.column, e.text);
}

ponder_status json_parse_file(json_t **out, const char *path, size_t limit, ponder_error *err)
{
    buf b = {0};
    *out = NULL;
    ponder_status st = file_read(&b, path, limit, err);
    if (st == PONDER_OK) st = json_parse(out, buf_str(&b), path, err);
    buf_free(&b);
    return st;
}

/* The field, or NULL when it is absent or null. */
static json_t *field(const json_t *obj, const char *key)
{
    json_t *v = json_object_get(obj, key);
    return v && !json_is_null(v) ? v : NULL;
}

ponder_status json_field_i64(const json_t *obj, const char *name, const char *key, int64_t min,
                             int64_t max, int64_t *out, ponder_error *err)
{
    const json_t *v = field(obj, key);
    if (!v) return PONDER_OK;
    if (!json_is_integer(v))
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" must be an integer", name, key);
    int64_t n = json_integer_value(v);
    if (n < min || n > max)
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" is %lld, must be %lld to %lld", name, key,
                       (long long)n, (long long)min, (long long)max);
    *out = n;
    return PONDER_OK;
}

ponder_status json_field_f64(const json_t *obj, const char *name, const char *key, double *out,
                             ponder_error *err)
{
    const json_t *v = field(obj, key);
    if (!v) return PONDER_OK;
    if (!json_is_number(v))
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" must be a number", name, key);
    *out = json_number_value(v);
    return PONDER_OK;
}

ponder_status json_field_bool(const json_t *obj, const char *name, const char *key, bool *out,
                              ponder_error *err)
{
    const json_t *v = field(obj, key);
    if (!v) return PONDER_OK;
    if (!json_is_boolean(v))
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" must be true or false", name, key);
    *out = json_is_true(v);
    return PONDER_OK;
}

ponder_status json_field_str(const json_t *obj, const char *name, const char *key, str *out,
                             ponder_error *err)
{
    const json_t *v = field(obj, key);
    if (!v) return PONDER_OK;
    if (!json_is_string(v))
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" must be a string", name, key);
    *out = json_str(v);
    return PONDER_OK;
}

str json_str(const json_t *v)
{
    if (!json_is_string(v)) return STR("");
    return (str){json_string_value(v), json_string_length(v)};
}

/* A comma where one is due; every value and key begins here. */
static void begin(json_writer *w)
{
    if (w->comma) buf_add_char(w->out, ',');
    w->comma = true;
}

void json_open(json_writer *w, char bracket)
{
    begin(w);
    buf_add_char(w->out, bracket);
    w->comma = false;
}

void json_close(json_writer *w, char bracket)
{
    buf_add_char(w->out, bracket);
    w->comma = true;
}

/* Length of the UTF-8 sequence at s, or 0 when it is not valid (Unicode 15, table 3-7). */
static size_t utf8_len(const unsigned char *s, size_t n)
{
    unsigned char c = s[0];
    if (c < 0x80) return 1;
    size_t len = c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (len == 0 || len > n) return 0;
    unsigned char lo = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    unsigned char hi = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < lo || s[1] > hi) return 0;
    for (size_t i = 2; i < len; i++)
        if (s[i] < 0x80 || s[i] > 0xBF) return 0;
    return len;
}

static void quoted(buf *b, str s)
{
    buf_add_char(b, '"');
    for (size_t i = 0; i < s.n;) {
        const unsigned char *c = (const unsigned char *)s.p + i;
        size_t len = utf8_len(c, s.n - i);
        if (len == 0) {
            buf_add_str(b, STR("\xEF\xBF\xBD"));
            i++;
            continue;
        }
        if (*c == '"' || *c == '\\') buf_printf(b, "\\%c", *c);
        else if (*c == '\n') buf_add_str(b, STR("\\n"));
        else if (*c == '\t') buf_add_str(b, STR("\\t"));
        else if (*c == '\r') buf_add_str(b, STR("\\r"));
        else if (*c < 0x20 || *c == 0x7f) buf_printf(b, "\\u%04x", *c);
        else buf_add(b, c, len);
        i += len;
    }
    buf_add_char(b, '"');
}

void json_key(json_writer *w, const char *key)
{
    begin(w);
    quoted(w->out, str_of(key));
    buf_add_char(w->out, ':');
    w->comma = false;
}

void json_text(json_writer *w, str s)
{
    begin(w);
    quoted(w->out, s);
}

void json_i64(json_writer *w, int64_t v)
{
    begin(w);
    buf_printf(w->out, "%lld", (long long)v);
}

void json_f64(json_writer *w, double v)
{
    char text[40];
    begin(w);
    if (!isfinite(v)) {
        buf_add_str(w->out, STR("null"));
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    buf_add_str(w->out, str_of(text));
}

void json_f32(json_writer *w, float v)
{
    char text[40];
    begin(w);
    if (!isfinite(v)) {
        buf_add_str(w->out, STR("null"));
        return;
    }
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    buf_add_str(w->out, str_of(text));
}

void json_bool(json_writer *w, bool v)
{
    begin(w);
    buf_add_str(w->out, v ? STR("true") : STR("false"));
}

void json_none(json_writer *w)
{
    begin(w);
    buf_add_str(w->out, STR("null"));
}

void json_raw(json_writer *w, str s)
{
    begin(w);
    buf_add_str(w->out, s);
}
