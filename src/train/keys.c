/* Strict reading of JSON objects.
 * SPDX-License-Identifier: MIT */
#include "train/keys.h"

#include <math.h>

enum { WORD = 64, FAR = 4 };

/* Insertions, deletions, changes and swaps of neighbours that make b of a (Damerau, 1964). */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), d[3][WORD + 1];
    if (n > WORD || m > WORD) return FAR;
    for (size_t j = 0; j <= m; j++) d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = d[i % 3], *up = d[(i + 2) % 3], *two = d[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = size_min(size_min(up[j], row[j - 1]) + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = size_min(row[j], two[j - 2] + 1);
        }
    }
    return d[n % 3][m];
}

const char *nearest_name(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t least = FAR;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, names[i]);
        if (d < least) least = d, best = names[i];
    }
    return best;
}

static ponder_status unknown(const char *name, const char *where, const key_table *tables, size_t n,
                             ponder_error *err)
{
    const char *names[256] = {0};
    size_t count = 0;
    for (size_t t = 0; t < n; t++)
        for (const key *k = tables[t].keys; k->name && count < COUNT_OF(names); k++)
            names[count++] = k->name;
    const char *near = nearest_name(name, names, count);
    if (near)
        return err_set(err, PONDER_EFORMAT, "%s: no key \"%s\"; is \"%s\" meant?", where, name,
                       near);
    buf all = {0};
    for (size_t i = 0; i < count; i++) buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    ponder_status st = err_set(err, PONDER_EFORMAT, "%s: no key \"%s\"; there are %s", where, name,
                               all.p ? all.p : "none");
    buf_free(&all);
    return st;
}

static ponder_status wrong(const key *k, const char *where, const char *want, ponder_error *err)
{
    return err_set(err, PONDER_EFORMAT, "%s: \"%s\" must be %s", where, k->name, want);
}

static ponder_status store_number(const key *k, void *at, const json_t *v, const char *where,
                                  ponder_error *err)
{
    bool whole = k->kind == KEY_INT || k->kind == KEY_COUNT || k->kind == KEY_SIZE;
    double x = json_number_value(v);
    double max = k->min == 0 && k->max == 0 ? (k->kind == KEY_INT ? INT32_MAX : 9e15) : k->max;
    if (!json_is_number(v) || (whole && (!json_is_integer(v) && x != floor(x))))
        return wrong(k, where, whole ? "a whole number" : "a number", err);
    if (!(x >= k->min && x <= max))
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" is %g, must be %g to %g", where, k->name, x,
                       k->min, max);
    if (!at) return PONDER_OK;
    switch (k->kind) {
    case KEY_INT: *(int *)at = (int)x; break;
    case KEY_COUNT: *(uint64_t *)at = (uint64_t)x; break;
    case KEY_SIZE: *(size_t *)at = (size_t)x; break;
    case KEY_FLOAT: *(float *)at = (float)x; break;
    default: *(double *)at = x;
    }
    return PONDER_OK;
}

static ponder_status store(const key *k, void *out, const json_t *v, const char *where,
                           ponder_error *err)
{
    void *at = out ? (char *)out + k->at : NULL; /* what is only checked goes nowhere */
    switch (k->kind) {
    case KEY_NOTE: return json_is_string(v) ? PONDER_OK : wrong(k, where, "text", err);
    case KEY_TEXT:
        if (!json_is_string(v)) return wrong(k, where, "text", err);
        *(const char **)at = json_string_value(v);
        return PONDER_OK;
    case KEY_FLAG:
        if (!json_is_boolean(v)) return wrong(k, where, "true or false", err);
        *(bool *)at = json_is_true(v);
        return PONDER_OK;
    case KEY_LIST:
        if (!json_is_array(v)) return wrong(k, where, "a list", err);
        *(const json_t **)at = v;
        return PONDER_OK;
    case KEY_OBJECT:
        if (!json_is_object(v)) return wrong(k, where, "an object", err);
        if (at) *(const json_t **)at = v;
        return PONDER_OK;
    default: return store_number(k, at, v, where, err);
    }
}

ponder_status keys_read(const json_t *obj, const char *where, const key_table *tables, size_t n,
                        ponder_error *err)
{
    const char *name;
    json_t *v;
    if (!json_is_object(obj)) return err_set(err, PONDER_EFORMAT, "%s: want an object", where);
    json_object_foreach ((json_t *)(uintptr_t)obj, name, v) {
        const key *found = NULL;
        void *out = NULL;
        for (size_t t = 0; t < n && !found; t++)
            for (const key *k = tables[t].keys; k->name && !found; k++)
                if (!strcmp(k->name, name)) found = k, out = tables[t].out;
        if (!found) return unknown(name, where, tables, n, err);
        TRY(store(found, out, v, where, err));
    }
    return PONDER_OK;
}
