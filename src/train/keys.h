/* keys: JSON objects into structures, strictly: an unknown key, a wrong type or a number out of
 * range is an error that names the place and, for a key, the nearest one there is.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_KEYS_H
#define TRAIN_KEYS_H

#include "json/json.h"

enum key_kind {
    KEY_NOTE,  /* any text; for people */
    KEY_INT,   /* int */
    KEY_COUNT, /* uint64_t */
    KEY_SIZE,  /* size_t */
    KEY_REAL,  /* double */
    KEY_FLOAT, /* float */
    KEY_FLAG,  /* bool */
    KEY_TEXT,  /* const char *, borrowed from the object */
    KEY_LIST,  /* const json_t *, an array */
    KEY_OBJECT /* const json_t *, an object */
};

typedef struct key {
    const char *name; /* NULL ends a table */
    enum key_kind kind;
    size_t at; /* offset in the structure */
    double min, max; /* of numbers; both 0: any that is not negative */
} key;

/* A structure that holds the defaults, and the keys that go there. */
typedef struct key_table {
    const key *keys;
    void *out;
} key_table;

/* `where` stands in messages: r1.json: stage "base". Keys that are absent leave their default. */
ponder_status keys_read(const json_t *obj, const char *where, const key_table *tables, size_t n,
                        ponder_error *err);

/* The name nearest to `word` among n, for messages; NULL when none is near. */
const char *nearest_name(const char *word, const char *const *names, size_t n);

#endif
