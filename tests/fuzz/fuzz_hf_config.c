/* Any bytes as the JSON files of a Hugging Face directory: a shard index, as which a config is only
 * short of its weight_map.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t *doc;
    ponder_error err;
    const char **names;
    size_t count;
    if (json_parse(&doc, (str){(const char *)data, n}, "fuzz", &err) != PONDER_OK) return 0;
    if (hf_shards(&names, &count, doc, "fuzz", &err) == PONDER_OK) {
        for (size_t i = 0; i < count; i++)
            if (strchr(names[i], '/') || names[i][0] == '.') __builtin_trap();
        free(names);
    }
    json_decref(doc);
    return 0;
}
