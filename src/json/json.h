/* json: reading through jansson with limits and located errors, writing into a buffer.
 * SPDX-License-Identifier: MIT
 *
 * jansson is strict (UTF-8, numbers, escapes); this layer adds a size limit, rejects duplicate
 * keys, and gives errors that name the document and the field. A json_t from json_parse is owned by
 * the caller (json_decref); every other json_t is borrowed from it. */
#ifndef JSON_H
#define JSON_H

#include "base/base.h"

#include <jansson.h>

/* Parses one document. `name` stands in messages ("config.json"). EFORMAT with line and column. */
ponder_status json_parse(json_t **out, str text, const char *name, ponder_error *err);
/* Reads and parses a file of at most `limit` bytes. */
ponder_status json_parse_file(json_t **out, const char *path, size_t limit, ponder_error *err);

/* Fields of an object. An absent or null field leaves *out as it is (the caller's default) and is
 * PONDER_OK; a field of another type or out of range is EFORMAT naming `name` and the key. */
ponder_status json_field_i64(const json_t *obj, const char *name, const char *key, int64_t min,
                             int64_t max, int64_t *out, ponder_error *err);
ponder_status json_field_f64(const json_t *obj, const char *name, const char *key, double *out,
                             ponder_error *err);
ponder_status json_field_bool(const json_t *obj, const char *name, const char *key, bool *out,
                              ponder_error *err);
ponder_status json_field_str(const json_t *obj, const char *name, const char *key, str *out,
                             ponder_error *err);
/* The text of a string value; empty for anything else. */
str json_str(const json_t *v);

/* The same value: numbers by value (1 and 1.0), members in any order, strings by their bytes. */
bool json_same(const json_t *a, const json_t *b);
/* Below, at or above 0 as a < b, a == b, a > b; exact for integers against doubles. */
int json_number_order(const json_t *a, const json_t *b);
/* a is n times b for a whole n, exactly, in the shortest decimals that read back as a and b. */
bool json_number_divides(const json_t *b, const json_t *a);
/* The same for the same values. */
uint64_t json_hash(const json_t *v);

/* Writing: a buffer plus the question whether a comma is due. Calls nest by hand:
 *   json_writer w = {&b}; json_open(&w, '{'); json_key(&w, "n"); json_i64(&w, 3); json_close(&w, '}'); */
typedef struct json_writer {
    buf *out;
    bool comma;
} json_writer;

void json_open(json_writer *w, char bracket);  /* '{' or '[' */
void json_close(json_writer *w, char bracket); /* '}' or ']' */
void json_key(json_writer *w, const char *key);
void json_text(json_writer *w, str s); /* bytes that are not UTF-8 become U+FFFD */
void json_i64(json_writer *w, int64_t v);
void json_f64(json_writer *w, double v); /* shortest form that reads back; not finite -> null */
void json_f32(json_writer *w, float v);  /* the same for a float: 9 digits at most */
void json_bool(json_writer *w, bool v);
void json_none(json_writer *w);
/* Bytes that are JSON already. */
void json_raw(json_writer *w, str s);

#endif
