/* Any bytes as a safetensors file.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fmt_model *m;
    ponder_error err;
    if (fmt_open_bytes(&m, FMT_HF, data, n, "fuzz", &err) != PONDER_OK) return 0;
    for (size_t i = 0; i < fmt_tensor_count(m); i++) {
        const fmt_tensor *t = fmt_tensor_at(m, i);
        volatile uint8_t last = 0;
        if (t->bytes) last = t->data[t->bytes - 1];
        if (t->data < data || t->data + t->bytes > data + n) __builtin_trap();
        (void)last;
    }
    fmt_close(m);
    return 0;
}
