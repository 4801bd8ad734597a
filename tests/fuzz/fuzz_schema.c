/* Any bytes as {"schema", "value"}: a schema and a value checked against it.
 * SPDX-License-Identifier: MIT */
#include "json/schema.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t *row;
    json_schema *s;
    ponder_error err;
    if (json_parse(&row, (str){(const char *)data, n}, "fuzz", NULL) != PONDER_OK) return 0;
    json_t *schema = json_object_get(row, "schema"), *value = json_object_get(row, "value");
    if (schema && value && json_schema_open(&s, schema, "fuzz", &err) == PONDER_OK) {
        ponder_status first = json_schema_check(s, value, &err);
        if (first != json_schema_check(s, value, NULL)) abort();
        if (json_schema_check(s, schema, NULL) == PONDER_OK && !json_same(schema, schema)) abort();
        json_schema_close(s);
    }
    json_decref(row);
    return 0;
}
