/* A schema read: keywords checked, ids and anchors collected, patterns compiled, references led to
 * where they point.
 * SPDX-License-Identifier: MIT */
#include "json/schema_int.h"

#include <stdlib.h>

enum shape {
    ANY_NUMBER,
    POSITIVE,
    COUNT,
    BOOL,
    TEXT,
    REGEX,
    TYPES,
    LIST,
    NAMES,        /* list of strings */
    NAMES_BY_KEY, /* object of lists of strings */
    SCHEMA,
    SCHEMAS, /* list of schemas, not empty */
    SCHEMA_OR_LIST,
    SCHEMA_BY_KEY,
    SCHEMA_BY_REGEX,
    SCHEMA_OR_NAMES_BY_KEY
};

static const struct keyword {
    const char *name;
    enum shape shape;
} KEYWORDS[] = {
    {"$anchor", TEXT},
    {"$defs", SCHEMA_BY_KEY},
    {"$dynamicAnchor", TEXT},
    {"$dynamicRef", TEXT},
    {"$id", TEXT},
    {"$ref", TEXT},
    {"additionalItems", SCHEMA},
    {"additionalProperties", SCHEMA},
    {"allOf", SCHEMAS},
    {"anyOf", SCHEMAS},
    {"contains", SCHEMA},
    {"definitions", SCHEMA_BY_KEY},
    {"dependencies", SCHEMA_OR_NAMES_BY_KEY},
    {"dependentRequired", NAMES_BY_KEY},
    {"dependentSchemas", SCHEMA_BY_KEY},
    {"else", SCHEMA},
    {"enum", LIST},
    {"exclusiveMaximum", ANY_NUMBER},
    {"exclusiveMinimum", ANY_NUMBER},
    {"if", SCHEMA},
    {"items", SCHEMA_OR_LIST},
    {"maxContains", COUNT},
    {"maxItems", COUNT},
    {"maxLength", COUNT},
    {"maxProperties", COUNT},
    {"maximum", ANY_NUMBER},
    {"minContains", COUNT},
    {"minItems", COUNT},
    {"minLength", COUNT},
    {"minProperties", COUNT},
    {"minimum", ANY_NUMBER},
    {"multipleOf", POSITIVE},
    {"not", SCHEMA},
    {"oneOf", SCHEMAS},
    {"pattern", REGEX},
    {"patternProperties", SCHEMA_BY_REGEX},
    {"prefixItems", SCHEMAS},
    {"properties", SCHEMA_BY_KEY},
    {"propertyNames", SCHEMA},
    {"required", NAMES},
    {"then", SCHEMA},
    {"type", TYPES},
    {"unevaluatedItems", SCHEMA},
    {"unevaluatedProperties", SCHEMA},
    {"uniqueItems", BOOL},
};

typedef struct reader {
    json_schema *s;
    const char *name;
    ponder_error *err;
    int depth;
} reader;

static ponder_status bad(reader *r, ponder_status code, const schema_place *at, const char *what)
{
    buf place = {0};
    schema_place_write(&place, at);
    err_set(r->err, code, "%s#%.*s: %s", r->name, STR_ARG(buf_str(&place)), what);
    buf_free(&place);
    return code;
}

static ponder_status no_memory(reader *r)
{
    return err_set(r->err, PONDER_ENOMEM, "%s: out of memory", r->name);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static uint32_t *slot_of(const json_schema *s, const json_t *json)
{
    size_t i = (size_t)((uint64_t)(uintptr_t)json * 0x9E3779B97F4A7C15u >> 32);
    for (;; i++) {
        uint32_t *slot = &s->slot[i & s->slot_mask];
        if (!*slot || s->node[*slot - 1].json == json) return slot;
    }
}

schema_node *schema_find(const json_schema *s, const json_t *json)
{
    if (!s->slot) return NULL;
    uint32_t i = *slot_of(s, json);
    return i ? &s->node[i - 1] : NULL;
}

const schema_anchor *schema_find_anchor(const json_schema *s, int resource, str name)
{
    for (size_t i = 0; i < s->n_anchors; i++)
        if (s->anchor[i].resource == resource && str_eq(str_of(s->anchor[i].name), name))
            return &s->anchor[i];
    return NULL;
}

/* Half of the slots stay free. */
static bool grow_nodes(json_schema *s)
{
    if (s->n_nodes < s->cap_nodes) return true;
    size_t cap = s->cap_nodes ? 2 * s->cap_nodes : 32;
    schema_node *node = realloc(s->node, cap * sizeof *node);
    if (node) s->node = node;
    uint32_t *slot = calloc(2 * cap, sizeof *slot);
    if (!node || !slot) {
        free(slot);
        return false;
    }
    free(s->slot);
    s->slot = slot;
    s->slot_mask = 2 * cap - 1;
    s->cap_nodes = cap;
    for (size_t i = 0; i < s->n_nodes; i++) *slot_of(s, s->node[i].json) = (uint32_t)i + 1;
    return true;
}

static ponder_status add_node(reader *r, const json_t *json, int resource, const schema_place *at)
{
    json_schema *s = r->s;
    if (s->n_nodes == SCHEMA_NODES)
        return bad(r, PONDER_ELIMIT, at, "the schema has more than 65,536 subschemas");
    if (!grow_nodes(s)) return no_memory(r);
    s->node[s->n_nodes] = (schema_node){.json = json, .resource = resource};
    *slot_of(s, json) = (uint32_t)++s->n_nodes;
    return PONDER_OK;
}

static ponder_status add_resource(reader *r, const json_t *json, int *resource, str id,
                                  const schema_place *at)
{
    json_schema *s = r->s;
    if (s->n_resources + s->n_anchors == SCHEMA_NAMES)
        return bad(r, PONDER_ELIMIT, at, "the schema has more than 1,024 ids and anchors");
    schema_resource *p = realloc(s->resource, (s->n_resources + 1) * sizeof *p);
    if (!p) return no_memory(r);
    s->resource = p;
    p += s->n_resources++;
    *p = (schema_resource){.json = json};
    str base = *resource >= 0 ? buf_str(&s->resource[*resource].uri) : STR(""), fragment;
    uri_resolve(&p->uri, base, id, &fragment);
    if (p->uri.failed) return no_memory(r);
    *resource = (int)s->n_resources - 1;
    return PONDER_OK;
}

static ponder_status add_anchor(reader *r, const schema_anchor *a, const schema_place *at)
{
    json_schema *s = r->s;
    if (s->n_resources + s->n_anchors == SCHEMA_NAMES)
        return bad(r, PONDER_ELIMIT, at, "the schema has more than 1,024 ids and anchors");
    schema_anchor *p = realloc(s->anchor, (s->n_anchors + 1) * sizeof *p);
    if (!p) return no_memory(r);
    s->anchor = p;
    p[s->n_anchors++] = *a;
    return PONDER_OK;
}

/* ---- one subschema --------------------------------------------------------------------------- */

static ponder_status read_schema(reader *r, const json_t *json, int resource,
                                 const schema_place *at);

static bool is_type(const json_t *v)
{
    static const char *const TYPE[] = {"null",   "boolean", "object", "array",
                                       "number", "string",  "integer"};
    for (size_t i = 0; i < COUNT_OF(TYPE); i++)
        if (str_eq(json_str(v), str_of(TYPE[i]))) return true;
    return false;
}

static bool all_of(const json_t *list, bool (*holds)(const json_t *))
{
    if (!json_is_array(list)) return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!holds(json_array_get(list, i))) return false;
    return true;
}

static bool is_text(const json_t *v) { return json_is_string(v); }

static bool is_count(const json_t *v)
{
    double d = json_number_value(v);
    return json_is_number(v) && d >= 0 && d < 0x1p63 && d == (double)(int64_t)d;
}

/* What is wrong with a keyword's value that holds no schemas; NULL: nothing. */
static const char *wrong(enum shape shape, const json_t *v)
{
    switch (shape) {
    case ANY_NUMBER: return json_is_number(v) ? NULL : "must be a number";
    case POSITIVE: return json_number_value(v) > 0 ? NULL : "must be a number above 0";
    case COUNT: return is_count(v) ? NULL : "must be a whole number from 0";
    case BOOL: return json_is_boolean(v) ? NULL : "must be true or false";
    case TEXT:
    case REGEX: return json_is_string(v) ? NULL : "must be a string";
    case LIST: return json_is_array(v) ? NULL : "must be a list";
    case NAMES: return all_of(v, is_text) ? NULL : "must be a list of strings";
    case TYPES:
        return is_type(v) || all_of(v, is_type)
                   ? NULL
                   : "must be the name of a JSON type, or a list of such";
    case SCHEMAS: return json_array_size(v) ? NULL : "must be a list of schemas, not empty";
    case NAMES_BY_KEY:
    case SCHEMA_BY_KEY:
    case SCHEMA_BY_REGEX:
    case SCHEMA_OR_NAMES_BY_KEY: return json_is_object(v) ? NULL : "must be an object";
    case SCHEMA:
    case SCHEMA_OR_LIST: return NULL;
    }
    return NULL;
}

static ponder_status read_list(reader *r, const json_t *list, int resource, const schema_place *up)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        schema_place at = {.up = up, .index = i};
        TRY(read_schema(r, json_array_get(list, i), resource, &at));
    }
    return PONDER_OK;
}

static ponder_status compile(reader *r, pattern **out, str text, const schema_place *at)
{
    ponder_error why;
    ponder_status st = pattern_open(out, text, PATTERN_ECMA, &why);
    return st == PONDER_OK ? st : bad(r, st, at, why.message);
}

static ponder_status read_members(reader *r, enum shape shape, size_t node, const json_t *map,
                                  int resource, const schema_place *up)
{
    const char *key;
    json_t *v;
    if (shape == SCHEMA_BY_REGEX) {
        size_t n = json_object_size(map);
        r->s->node[node].keyed = calloc(n ? n : 1, sizeof(schema_keyed));
        if (!r->s->node[node].keyed) return no_memory(r);
    }
    json_object_foreach ((json_t *)map, key, v) {
        schema_place at = {.up = up, .key = key};
        if (shape == NAMES_BY_KEY || (shape == SCHEMA_OR_NAMES_BY_KEY && json_is_array(v))) {
            const char *why = wrong(NAMES, v);
            if (why) return bad(r, PONDER_EFORMAT, &at, why);
            continue;
        }
        if (shape == SCHEMA_BY_REGEX) {
            schema_keyed *k = &r->s->node[node].keyed[r->s->node[node].n_keyed++];
            k->schema = v;
            TRY(compile(r, &k->key, str_of(key), &at));
        }
        TRY(read_schema(r, v, resource, &at));
    }
    return PONDER_OK;
}

static ponder_status read_keyword(reader *r, size_t node, const char *key, const json_t *v,
                                  int resource, const schema_place *up)
{
    const struct keyword *k = KEYWORDS;
    while (k < KEYWORDS + COUNT_OF(KEYWORDS) && strcmp(k->name, key) != 0) k++;
    if (k == KEYWORDS + COUNT_OF(KEYWORDS)) return PONDER_OK; /* says nothing about validity */
    schema_place at = {.up = up, .key = key};
    const char *why = wrong(k->shape, v);
    if (why) return bad(r, PONDER_EFORMAT, &at, why);
    switch (k->shape) {
    case SCHEMA: return read_schema(r, v, resource, &at);
    case SCHEMA_OR_LIST:
        return json_is_array(v) ? read_list(r, v, resource, &at) : read_schema(r, v, resource, &at);
    case SCHEMAS: return read_list(r, v, resource, &at);
    case REGEX: return compile(r, &r->s->node[node].pattern, json_str(v), &at);
    case NAMES_BY_KEY:
    case SCHEMA_BY_KEY:
    case SCHEMA_BY_REGEX:
    case SCHEMA_OR_NAMES_BY_KEY: return read_members(r, k->shape, node, v, resource, &at);
    default: return PONDER_OK;
    }
}

/* What the subschema is called: its id opens a resource, its anchors name it. */
static ponder_status read_names(reader *r, const json_t *json, int *resource,
                                const schema_place *at)
{
    const char *id = json_string_value(json_object_get(json, "$id"));
    if (id && id[0] == '#' && r->s->old) {
        schema_anchor a = {id + 1, json, *resource, false};
        TRY(add_anchor(r, &a, at));
    } else if (id) {
        const char *fragment = strchr(id, '#');
        if (fragment && fragment[1] && !r->s->old)
            return bad(r, PONDER_EFORMAT, at, "\"$id\" must not have a fragment");
        TRY(add_resource(r, json, resource, str_of(id), at));
    }
    static const char *const ANCHOR[] = {"$anchor", "$dynamicAnchor"};
    for (int i = 0; i < 2 && !r->s->old; i++) {
        const char *name = json_string_value(json_object_get(json, ANCHOR[i]));
        schema_anchor a = {name, json, *resource, i == 1};
        if (name) TRY(add_anchor(r, &a, at));
    }
    return PONDER_OK;
}

static ponder_status read_object(reader *r, const json_t *json, int resource,
                                 const schema_place *at)
{
    const char *key;
    json_t *v;
    if (r->s->old && json_object_get(json, "$ref")) {
        TRY(add_node(r, json, resource, at));
        return read_keyword(r, r->s->n_nodes - 1, "$ref", json_object_get(json, "$ref"), resource,
                            at);
    }
    if (json_object_get(json, "$recursiveRef"))
        return bad(r, PONDER_EUNSUPPORTED, at,
                   "\"$recursiveRef\" is not read; use \"$dynamicRef\" of draft 2020-12");
    TRY(read_names(r, json, &resource, at));
    TRY(add_node(r, json, resource, at));
    size_t node = r->s->n_nodes - 1;
    r->s->tracks |=
        json_object_get(json, "unevaluatedItems") || json_object_get(json, "unevaluatedProperties");
    json_object_foreach ((json_t *)json, key, v) TRY(read_keyword(r, node, key, v, resource, at));
    return PONDER_OK;
}

static ponder_status read_schema(reader *r, const json_t *json, int resource,
                                 const schema_place *at)
{
    if (json_is_boolean(json)) return PONDER_OK;
    if (!json_is_object(json))
        return bad(r, PONDER_EFORMAT, at, "a schema must be an object, true or false");
    if (schema_find(r->s, json)) return PONDER_OK;
    if (r->depth == SCHEMA_DEPTH) return bad(r, PONDER_ELIMIT, at, "the schema is nested too deep");
    r->depth++;
    ponder_status st = read_object(r, json, resource, at);
    r->depth--;
    return st;
}

/* ---- references ------------------------------------------------------------------------------ */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void unescape(buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? hex(s.p[i + 1]) : -1;
        int low = high >= 0 ? hex(s.p[i + 2]) : -1;
        if (low >= 0) {
            buf_add_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_add_char(out, s.p[i]);
        }
    }
}

/* Follows a JSON pointer (RFC 6901), "" or beginning with '/'; spoils the text. NULL: no such
 * place. */
static const json_t *follow(const json_t *at, char *p, char *end)
{
    while (at && p < end) {
        char *key = ++p, *to = key;
        for (; p < end && *p != '/'; p++)
            *to++ = *p != '~' || p + 1 == end ? *p : *++p == '0' ? '~' : *p == '1' ? '/' : *p;
        str name = {key, (size_t)(to - key)};
        if (json_is_object(at)) {
            at = json_object_getn(at, name.p, name.n);
        } else if (json_is_array(at)) {
            size_t index = 0, i = 0;
            for (; i < name.n && i < 9 && name.p[i] >= '0' && name.p[i] <= '9'; i++)
                index = index * 10 + (size_t)(name.p[i] - '0');
            at = i == name.n && i > 0 ? json_array_get(at, index) : NULL;
        } else {
            at = NULL;
        }
    }
    return at;
}

static const json_t *find_in(const json_schema *s, int resource, buf *fragment,
                             const schema_anchor **anchor)
{
    const json_t *root = s->resource[resource].json;
    if (fragment->n == 0) return root;
    if (fragment->p[0] == '/') return follow(root, fragment->p, fragment->p + fragment->n);
    *anchor = schema_find_anchor(s, resource, buf_str(fragment));
    return *anchor ? (*anchor)->json : NULL;
}

/* Where a reference of the node leads; reads the place when it was not known as a schema. */
static ponder_status resolve(reader *r, size_t node, str ref, const json_t **target,
                             const char **dynamic)
{
    json_schema *s = r->s;
    int from = s->node[node].resource, to = 0;
    buf uri = {0}, fragment = {0};
    str raw;
    const schema_anchor *anchor = NULL;
    ponder_status st = PONDER_OK;
    uri_resolve(&uri, buf_str(&s->resource[from].uri), ref, &raw);
    unescape(&fragment, raw);
    while (to < (int)s->n_resources && !str_eq(buf_str(&s->resource[to].uri), buf_str(&uri))) to++;
    if (uri.failed || fragment.failed) st = no_memory(r);
    else if (to == (int)s->n_resources)
        st = err_set(
            r->err, PONDER_EUNSUPPORTED,
            "%s: \"$ref\": \"%.*s\" leads out of the document, and schemas are not fetched; "
            "put it into \"$defs\"",
            r->name, STR_ARG(ref));
    else if (!(*target = find_in(s, to, &fragment, &anchor)))
        st = err_set(r->err, PONDER_EFORMAT, "%s: \"$ref\": \"%.*s\" leads nowhere", r->name,
                     STR_ARG(ref));
    if (anchor && anchor->dynamic) *dynamic = anchor->name;
    schema_place top = {0}, at = {.up = &top, .key = "$ref"};
    if (st == PONDER_OK) st = read_schema(r, *target, to, &at);
    buf_free(&uri);
    buf_free(&fragment);
    return st;
}

/* References may lead to places that become subschemas by that, so the list grows on the way. */
static ponder_status resolve_all(reader *r)
{
    for (size_t i = 0; i < r->s->n_nodes; i++) {
        const json_t *json = r->s->node[i].json, *target;
        const json_t *ref = json_object_get(json, "$ref");
        const json_t *dynamic = r->s->old ? NULL : json_object_get(json, "$dynamicRef");
        const char *name = NULL;
        if (ref) {
            TRY(resolve(r, i, json_str(ref), &target, &name));
            r->s->node[i].ref = target;
        }
        name = NULL;
        if (dynamic) {
            TRY(resolve(r, i, json_str(dynamic), &target, &name));
            r->s->node[i].dynamic = target;
            r->s->node[i].dynamic_name = name;
        }
    }
    return PONDER_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static ponder_status read_draft(reader *r, const json_t *schema)
{
    static const struct draft {
        const char *tail;
        bool old;
    } DRAFTS[] = {{"json-schema.org/draft/2020-12/schema", false},
                  {"json-schema.org/draft/2019-09/schema", false},
                  {"json-schema.org/draft-07/schema", true},
                  {"json-schema.org/draft-06/schema", true}};
    const json_t *v = json_object_get(schema, "$schema");
    if (!v) return PONDER_OK;
    str uri = json_str(v);
    if (uri.n && uri.p[uri.n - 1] == '#') uri.n--;
    for (size_t i = 0; i < COUNT_OF(DRAFTS); i++) {
        if (!str_ends(uri, str_of(DRAFTS[i].tail)) || !str_starts(uri, STR("http"))) continue;
        r->s->old = DRAFTS[i].old;
        return PONDER_OK;
    }
    return err_set(r->err, PONDER_EUNSUPPORTED,
                   "%s: \"$schema\" \"%.*s\" is not read; drafts 2020-12, 2019-09, 07 and 06 are",
                   r->name, STR_ARG(uri));
}

ponder_status json_schema_open(json_schema **out, json_t *schema, const char *name,
                               ponder_error *err)
{
    *out = NULL;
    json_schema *s = calloc(1, sizeof *s);
    if (!s) return err_set(err, PONDER_ENOMEM, "%s: out of memory", name);
    reader r = {.s = s, .name = name, .err = err};
    s->root = json_incref(schema);
    int none = -1;
    schema_place top = {0};
    ponder_status st = read_draft(&r, schema);
    /* The document is a resource even without an id. */
    if (st == PONDER_OK) st = add_resource(&r, schema, &none, STR(""), &top);
    if (st == PONDER_OK) st = read_schema(&r, schema, 0, &top);
    if (st == PONDER_OK) st = resolve_all(&r);
    if (st == PONDER_OK) *out = s;
    else json_schema_close(s);
    return st;
}

void json_schema_close(json_schema *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->n_nodes; i++) {
        pattern_close(s->node[i].pattern);
        for (size_t k = 0; k < s->node[i].n_keyed; k++) pattern_close(s->node[i].keyed[k].key);
        free(s->node[i].keyed);
    }
    for (size_t i = 0; i < s->n_resources; i++) buf_free(&s->resource[i].uri);
    free(s->node);
    free(s->slot);
    free(s->resource);
    free(s->anchor);
    json_decref(s->root);
    free(s);
}
