/* schema: JSON Schema, drafts 2020-12 and 2019-09, and 07 and 06 where "$schema" says so.
 * SPDX-License-Identifier: MIT
 *
 * All assertions and applicators of json-schema.org/draft/2020-12 (core, applicator, unevaluated,
 * validation), the older forms `definitions`, `dependencies`, and `items` as a list with
 * `additionalItems` in every draft. References stay within the document: nothing is fetched.
 * `format` and `content...` say nothing about validity; patterns are ECMA-262 as far as PCRE2 reads
 * it. A schema is immutable after opening and may be used by several threads at once. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "json/json.h"

typedef struct json_schema json_schema;

/* Keeps a reference to schema, which must not change. `name` stands in messages. EFORMAT for what
 * is no schema ("tool.json#/properties/a/minimum: must be a number"), EUNSUPPORTED for another
 * draft and for a reference out of the document, ELIMIT for one that is too deep or too large. */
ponder_status json_schema_open(json_schema **out, json_t *schema, const char *name,
                               ponder_error *err);
void json_schema_close(json_schema *s);

/* PONDER_OK: value is valid. EFORMAT: it is not; the message names the place and the rule
 * ("/3/name: must be a string"). ELIMIT: undecided, the schema would take too many steps or too
 * deep a recursion on this value. */
ponder_status json_schema_check(const json_schema *s, const json_t *value, ponder_error *err);

#endif
