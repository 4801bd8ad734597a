/* Any bytes as a tokenizer.json; what opens must encode and decode.
 * SPDX-License-Identifier: MIT */
#include "text/text_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ponder_error err;
    tokenizer *t;
    if (load_json_text(&t, (str){(const char *)data, n}, "fuzz", (str){0}, &err) != PONDER_OK)
        return 0;
    tokens ids = {0};
    buf text = {0};
    str probe = STR("a b\n\n 12  \u4e2d\u0301<x>\xff");
    if (tokenizer_encode(t, &ids, probe, TEXT_BOS, &err) == PONDER_OK)
        tokenizer_decode(t, &text, ids.p, ids.n, true);
    for (int32_t id = -1; id <= tokenizer_size(t) && id < 1000; id++) (void)tokenizer_bytes(t, id);
    tokens_free(&ids);
    buf_free(&text);
    tokenizer_close(t);
    return 0;
}
