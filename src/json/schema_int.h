/* schema_int: a schema prepared for use.
 * SPDX-License-Identifier: MIT */
#ifndef SCHEMA_INT_H
#define SCHEMA_INT_H

#include "base/pattern.h"
#include "json/schema.h"

enum {
    SCHEMA_DEPTH = 1000, /* nested subschemas, in the document and at work */
    SCHEMA_NODES = 1 << 16,
    SCHEMA_NAMES = 1 << 10, /* ids and anchors */
    SCHEMA_STEPS = 1 << 20, /* subschemas applied to one value */
    SCHEMA_PATTERN_STEPS = 1 << 23
};

/* A place in a document, from the leaf up. */
typedef struct schema_place {
    const struct schema_place *up; /* NULL: the root, which has no key */
    const char *key;               /* NULL: index counts */
    size_t index;
} schema_place;

/* Appends a JSON pointer (RFC 6901). */
void schema_place_write(buf *out, const schema_place *at);

typedef struct schema_keyed {
    pattern *key;
    const json_t *schema;
} schema_keyed;

/* A subschema that is an object; booleans have none. */
typedef struct schema_node {
    const json_t *json;
    int resource;                /* of json_schema.resource */
    const json_t *ref, *dynamic; /* where $ref and $dynamicRef lead; NULL: there is none */
    const char *dynamic_name;    /* the $dynamicAnchor to look for in the scope; NULL: do not */
    pattern *pattern;
    schema_keyed *keyed; /* patternProperties */
    size_t n_keyed;
} schema_node;

/* A subschema with an id of its own. */
typedef struct schema_resource {
    buf uri; /* absolute if the ids are, without fragment */
    const json_t *json;
} schema_resource;

typedef struct schema_anchor {
    const char *name;
    const json_t *json;
    int resource;
    bool dynamic;
} schema_anchor;

struct json_schema {
    json_t *root;
    schema_node *node;
    size_t n_nodes, cap_nodes;
    uint32_t *slot; /* [slot_mask + 1]: 1 + index of a node by the address of its json; 0: free */
    size_t slot_mask;
    schema_resource *resource;
    schema_anchor *anchor;
    size_t n_resources, n_anchors;
    bool old;    /* draft 7 or 6: $ref stands alone */
    bool tracks; /* some unevaluated... needs to know what was looked at */
};

/* NULL: none. */
schema_node *schema_find(const json_schema *s, const json_t *json);
const schema_anchor *schema_find_anchor(const json_schema *s, int resource, str name);

/* RFC 3986, section 5.2: `ref` as seen from `base`, without its fragment, which is set apart. */
void uri_resolve(buf *out, str base, str ref, str *fragment);

#endif
