/* A value checked against a schema.
 * SPDX-License-Identifier: MIT */
#include "json/schema_int.h"

#include <math.h>
#include <stdlib.h>

typedef struct run {
    const json_schema *s;
    ponder_error *err;
    ponder_status stopped; /* ELIMIT, ENOMEM: nothing that is found out any more counts */
    size_t steps, pattern_steps;
    int quiet; /* inside something that may fail: no message */
    int depth, n_scope;
    int scope[SCHEMA_DEPTH]; /* resources entered, outermost first */
} run;

/* One subschema at work on one value. `seen` marks the items or members (in their order) that
 * keywords of this subschema have looked at; NULL where nobody asks. */
typedef struct task {
    const schema_node *node;
    const json_t *schema, *v;
    const schema_place *at;
    uint8_t *seen;
} task;

static bool valid(run *r, const json_t *schema, const json_t *v, const schema_place *at,
                  uint8_t *seen);

void schema_place_write(buf *out, const schema_place *at)
{
    if (!at->up) return;
    schema_place_write(out, at->up);
    buf_add_char(out, '/');
    if (!at->key) {
        buf_printf(out, "%zu", at->index);
        return;
    }
    for (const char *c = at->key; *c; c++) {
        if (*c == '~' || *c == '/') buf_add_str(out, *c == '~' ? STR("~0") : STR("~1"));
        else buf_add_char(out, *c);
    }
}

static bool BASE_PRINTF(3, 4) fail(run *r, const schema_place *at, const char *fmt, ...)
{
    if (r->quiet || r->stopped != PONDER_OK || !r->err) return false;
    buf place = {0};
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    schema_place_write(&place, at);
    str where = buf_str(&place);
    if (where.n > 200) where = (str){where.p + where.n - 200, 200};
    err_set(r->err, PONDER_EFORMAT, "%.*s: %s", STR_ARG(where.n ? where : STR("value")), what);
    buf_free(&place);
    return false;
}

static bool stop(run *r, ponder_status code, const char *what)
{
    if (r->stopped == PONDER_OK) r->stopped = err_set(r->err, code, "JSON schema: %s", what);
    return false;
}

static bool spend(run *r, size_t steps)
{
    if (r->steps < steps) return stop(r, PONDER_ELIMIT, "checking takes too many steps");
    r->steps -= steps;
    return true;
}

static const json_t *get(const task *t, const char *key) { return json_object_get(t->schema, key); }

/* The value of a counting keyword; `none` when it is absent. */
static size_t count_of(const task *t, const char *key, size_t none)
{
    const json_t *v = get(t, key);
    return v ? (size_t)json_number_value(v) : none;
}

static bool matches(run *r, const pattern *p, str text)
{
    enum pattern_verdict m = pattern_match(p, text, &r->pattern_steps);
    if (m == PATTERN_GAVE_UP) return stop(r, PONDER_ELIMIT, "patterns take too many steps");
    return m == PATTERN_YES && spend(r, 1 + text.n / 64);
}

/* ---- any value ------------------------------------------------------------------------------- */

static bool is_integer(const json_t *v)
{
    return json_is_integer(v) ||
           (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)));
}

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "object";
    case JSON_ARRAY: return "array";
    case JSON_STRING: return "string";
    case JSON_INTEGER:
    case JSON_REAL: return "number";
    case JSON_TRUE:
    case JSON_FALSE: return "boolean";
    case JSON_NULL: break;
    }
    return "null";
}

static bool has_type(const json_t *v, const json_t *type)
{
    const char *name = json_string_value(type);
    return strcmp(name, "integer") == 0 ? is_integer(v) : strcmp(name, type_name(v)) == 0;
}

static bool check_type(run *r, const task *t)
{
    const json_t *type = get(t, "type");
    if (!type) return true;
    if (json_is_string(type))
        return has_type(t->v, type) || fail(r, t->at, "must be of type %s, is %s",
                                            json_string_value(type), type_name(t->v));
    for (size_t i = 0; i < json_array_size(type); i++)
        if (has_type(t->v, json_array_get(type, i))) return true;
    return fail(r, t->at, "must be of another type than %s", type_name(t->v));
}

static bool check_any(run *r, const task *t)
{
    const json_t *list = get(t, "enum"), *value = get(t, "const");
    if (!check_type(r, t)) return false;
    if (value && !json_same(value, t->v)) return fail(r, t->at, "must be the value of \"const\"");
    if (!list) return true;
    if (!spend(r, json_array_size(list))) return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_same(json_array_get(list, i), t->v)) return true;
    return fail(r, t->at, "must be one of the values of \"enum\"");
}

/* ---- numbers and strings --------------------------------------------------------------------- */

static bool check_number(run *r, const task *t)
{
    const json_t *k;
    if ((k = get(t, "minimum")) && json_number_order(t->v, k) < 0)
        return fail(r, t->at, "must be at least %.17g", json_number_value(k));
    if ((k = get(t, "maximum")) && json_number_order(t->v, k) > 0)
        return fail(r, t->at, "must be at most %.17g", json_number_value(k));
    if ((k = get(t, "exclusiveMinimum")) && json_number_order(t->v, k) <= 0)
        return fail(r, t->at, "must be above %.17g", json_number_value(k));
    if ((k = get(t, "exclusiveMaximum")) && json_number_order(t->v, k) >= 0)
        return fail(r, t->at, "must be below %.17g", json_number_value(k));
    if ((k = get(t, "multipleOf")) && !json_number_divides(k, t->v))
        return fail(r, t->at, "must be a multiple of %.17g", json_number_value(k));
    return true;
}

static bool check_string(run *r, const task *t)
{
    str s = json_str(t->v);
    size_t n = 0, min = count_of(t, "minLength", 0), max = count_of(t, "maxLength", SIZE_MAX);
    for (size_t i = 0; i < s.n; i++) n += (s.p[i] & 0xC0) != 0x80;
    if (n < min) return fail(r, t->at, "must have at least %zu characters", min);
    if (n > max) return fail(r, t->at, "must have at most %zu characters", max);
    if (t->node->pattern && !matches(r, t->node->pattern, s))
        return fail(r, t->at, "must match \"%.100s\"", json_string_value(get(t, "pattern")));
    return true;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static bool item(run *r, const task *t, const json_t *schema, size_t i)
{
    schema_place at = {.up = t->at, .index = i};
    if (!valid(r, schema, json_array_get(t->v, i), &at, NULL)) return false;
    if (t->seen) t->seen[i] = 1;
    return true;
}

static bool check_items(run *r, const task *t)
{
    const json_t *items = get(t, "items"), *first = get(t, "prefixItems"), *rest = items;
    size_t n = json_array_size(t->v);
    if (json_is_array(items)) {
        first = items;
        rest = get(t, "additionalItems");
    }
    size_t n_first = size_min(json_array_size(first), n);
    for (size_t i = 0; i < n_first; i++)
        if (!item(r, t, json_array_get(first, i), i)) return false;
    for (size_t i = n_first; rest && i < n; i++)
        if (!item(r, t, rest, i)) return false;
    return true;
}

static bool check_contains(run *r, const task *t)
{
    const json_t *schema = get(t, "contains");
    if (!schema) return true;
    size_t n = 0, min = count_of(t, "minContains", 1), max = count_of(t, "maxContains", SIZE_MAX);
    r->quiet++;
    for (size_t i = 0; i < json_array_size(t->v); i++) n += item(r, t, schema, i);
    r->quiet--;
    if (n < min) return fail(r, t->at, "must contain at least %zu items as \"contains\" says", min);
    if (n > max) return fail(r, t->at, "must contain at most %zu items as \"contains\" says", max);
    return true;
}

typedef struct hashed {
    uint64_t hash;
    const json_t *v;
} hashed;

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const hashed *)a)->hash, y = ((const hashed *)b)->hash;
    return x < y ? -1 : x > y;
}

static bool check_unique(run *r, const task *t)
{
    size_t n = json_array_size(t->v);
    if (!json_is_true(get(t, "uniqueItems")) || n < 2) return true;
    if (!spend(r, n)) return false;
    hashed *h = calloc(n, sizeof *h);
    if (!h) return stop(r, PONDER_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(t->v, i);
        h[i] = (hashed){json_hash(v), v};
    }
    qsort(h, n, sizeof *h, by_hash);
    bool unique = true;
    for (size_t i = 0; unique && i < n; i++)
        for (size_t j = i + 1; unique && j < n && h[j].hash == h[i].hash; j++)
            unique = spend(r, 1) && !json_same(h[i].v, h[j].v);
    free(h);
    return unique || fail(r, t->at, "must not have the same item twice");
}

static bool check_array(run *r, const task *t)
{
    size_t n = json_array_size(t->v);
    size_t min = count_of(t, "minItems", 0), max = count_of(t, "maxItems", SIZE_MAX);
    if (n < min) return fail(r, t->at, "must have at least %zu items", min);
    if (n > max) return fail(r, t->at, "must have at most %zu items", max);
    return check_items(r, t) && check_contains(r, t) && check_unique(r, t);
}

/* ---- objects --------------------------------------------------------------------------------- */

static bool has_all(run *r, const task *t, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!json_object_get(t->v, name)) return fail(r, t->at, "must have \"%.100s\"", name);
    }
    return spend(r, json_array_size(names));
}

/* One member by all keywords that may speak about it. */
static bool member(run *r, const task *t, const char *key, const json_t *v, size_t index)
{
    schema_place at = {.up = t->at, .key = key};
    const json_t *own = json_object_get(get(t, "properties"), key);
    const json_t *rest = get(t, "additionalProperties");
    bool known = own != NULL;
    if (own && !valid(r, own, v, &at, NULL)) return false;
    for (size_t i = 0; i < t->node->n_keyed; i++) {
        if (!matches(r, t->node->keyed[i].key, str_of(key))) continue;
        known = true;
        if (!valid(r, t->node->keyed[i].schema, v, &at, NULL)) return false;
    }
    if (!known && rest) {
        if (json_is_false(rest)) return fail(r, t->at, "must not have \"%.100s\"", key);
        if (!valid(r, rest, v, &at, NULL)) return false;
        known = true;
    }
    if (known && t->seen) t->seen[index] = 1;
    return spend(r, 1 + t->node->n_keyed);
}

static bool check_name(run *r, const task *t, const json_t *schema, const char *key)
{
    schema_place at = {.up = t->at, .key = key};
    json_t *name = json_string(key);
    if (!name) return stop(r, PONDER_ENOMEM, "out of memory");
    bool ok = valid(r, schema, name, &at, NULL);
    json_decref(name);
    return ok;
}

static bool check_members(run *r, const task *t)
{
    const json_t *names = get(t, "propertyNames");
    const char *key;
    json_t *v;
    size_t i = 0;
    json_object_foreach ((json_t *)t->v, key, v) {
        if (names && !check_name(r, t, names, key)) return false;
        if (!member(r, t, key, v, i++)) return false;
    }
    return true;
}

/* What the presence of one member asks for: names, or a schema for the whole object. */
static bool check_dependent(run *r, const task *t)
{
    static const char *const KEY[] = {"dependentRequired", "dependentSchemas", "dependencies"};
    for (size_t i = 0; i < COUNT_OF(KEY); i++) {
        const char *key;
        json_t *asks;
        json_object_foreach ((json_t *)get(t, KEY[i]), key, asks) {
            if (!spend(r, 1)) return false;
            if (!json_object_get(t->v, key)) continue;
            if (json_is_array(asks) ? !has_all(r, t, asks) : !valid(r, asks, t->v, t->at, t->seen))
                return false;
        }
    }
    return true;
}

static bool check_object(run *r, const task *t)
{
    size_t n = json_object_size(t->v);
    size_t min = count_of(t, "minProperties", 0), max = count_of(t, "maxProperties", SIZE_MAX);
    if (n < min) return fail(r, t->at, "must have at least %zu members", min);
    if (n > max) return fail(r, t->at, "must have at most %zu members", max);
    return has_all(r, t, get(t, "required")) && check_members(r, t) && check_dependent(r, t);
}

/* ---- schemas put together -------------------------------------------------------------------- */

/* How many schemas of a list hold. All are tried when marks are wanted. */
static size_t holding(run *r, const task *t, const json_t *list, size_t enough)
{
    size_t n = 0;
    r->quiet++;
    for (size_t i = 0; i < json_array_size(list) && (n < enough || t->seen); i++)
        n += valid(r, json_array_get(list, i), t->v, t->at, t->seen);
    r->quiet--;
    return n;
}

static bool holds(run *r, const task *t, const json_t *schema, uint8_t *seen)
{
    r->quiet++;
    bool yes = valid(r, schema, t->v, t->at, seen);
    r->quiet--;
    return yes;
}

static bool check_combined(run *r, const task *t)
{
    const json_t *all = get(t, "allOf"), *any = get(t, "anyOf"), *one = get(t, "oneOf");
    const json_t *not = get(t, "not"), *condition = get(t, "if");
    for (size_t i = 0; i < json_array_size(all); i++)
        if (!valid(r, json_array_get(all, i), t->v, t->at, t->seen)) return false;
    if (any && holding(r, t, any, 1) == 0) return fail(r, t->at, "fits no schema of \"anyOf\"");
    if (one) {
        size_t n = holding(r, t, one, 2);
        if (n != 1)
            return fail(r, t->at, "fits %s of \"oneOf\"", n ? "several schemas" : "no schema");
    }
    if (not &&holds(r, t, not, NULL)) return fail(r, t->at, "must not fit the schema of \"not\"");
    if (!condition) return true;
    const json_t *then = get(t, holds(r, t, condition, t->seen) ? "then" : "else");
    return !then || valid(r, then, t->v, t->at, t->seen);
}

/* $dynamicRef: the outermost resource entered that has the anchor decides (core, 8.2.3.2). */
static const json_t *dynamic_target(const run *r, const schema_node *node)
{
    if (!node->dynamic_name) return node->dynamic;
    for (int i = 0; i < r->n_scope; i++) {
        const schema_anchor *a = schema_find_anchor(r->s, r->scope[i], str_of(node->dynamic_name));
        if (a && a->dynamic) return a->json;
    }
    return node->dynamic;
}

static bool check_references(run *r, const task *t)
{
    if (t->node->ref && !valid(r, t->node->ref, t->v, t->at, t->seen)) return false;
    return !t->node->dynamic || valid(r, dynamic_target(r, t->node), t->v, t->at, t->seen);
}

static bool check_unevaluated(run *r, const task *t)
{
    const json_t *schema =
        get(t, json_is_array(t->v) ? "unevaluatedItems" : "unevaluatedProperties");
    if (!schema || !t->seen) return true;
    for (size_t i = 0; json_is_array(t->v) && i < json_array_size(t->v); i++)
        if (!t->seen[i] && !item(r, t, schema, i)) return false;
    const char *key;
    json_t *v;
    size_t i = 0;
    json_object_foreach ((json_t *)t->v, key, v) {
        schema_place at = {.up = t->at, .key = key};
        if (!t->seen[i] && !valid(r, schema, v, &at, NULL)) return false;
        t->seen[i++] = 1;
    }
    return true;
}

static bool check_all(run *r, const task *t)
{
    if (!check_references(r, t)) return false;
    if (r->s->old && t->node->ref) return true;
    if (!check_any(r, t)) return false;
    if (json_is_number(t->v) && !check_number(r, t)) return false;
    if (json_is_string(t->v) && !check_string(r, t)) return false;
    if (json_is_array(t->v) && !check_array(r, t)) return false;
    if (json_is_object(t->v) && !check_object(r, t)) return false;
    return check_combined(r, t) && check_unevaluated(r, t);
}

static bool valid(run *r, const json_t *schema, const json_t *v, const schema_place *at,
                  uint8_t *seen)
{
    if (r->stopped != PONDER_OK || !spend(r, 1)) return false;
    if (json_is_true(schema)) return true;
    if (json_is_false(schema)) return fail(r, at, "must not be there");
    if (r->depth == SCHEMA_DEPTH) return stop(r, PONDER_ELIMIT, "the recursion is too deep");
    task t = {schema_find(r->s, schema), schema, v, at, NULL};
    size_t n = r->s->tracks ? json_array_size(v) + json_object_size(v) : 0;
    if (!spend(r, n / 16)) return false;
    if (n && !(t.seen = calloc(n, 1))) return stop(r, PONDER_ENOMEM, "out of memory");
    int scope = r->n_scope;
    if (scope == 0 || r->scope[scope - 1] != t.node->resource)
        r->scope[r->n_scope++] = t.node->resource;
    r->depth++;
    bool ok = check_all(r, &t);
    r->depth--;
    r->n_scope = scope;
    for (size_t i = 0; ok && seen && i < n; i++) seen[i] |= t.seen[i];
    free(t.seen);
    return ok;
}

ponder_status json_schema_check(const json_schema *s, const json_t *value, ponder_error *err)
{
    run r = {.s = s, .err = err, .steps = SCHEMA_STEPS, .pattern_steps = SCHEMA_PATTERN_STEPS};
    schema_place top = {0};
    bool ok = valid(&r, s->root, value, &top, NULL);
    return r.stopped != PONDER_OK ? r.stopped : ok ? PONDER_OK : PONDER_EFORMAT;
}
