/* Any bytes as a GGUF file: opened, every value and tensor read.
 * SPDX-License-Identifier: MIT */
#include "fmt/fmt_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_values(const fmt_model *m)
{
    for (size_t i = 0; i < fmt_value_count(m); i++) {
        const fmt_value *v = fmt_value_at(m, i);
        volatile char last;
        fmt_cursor c = {0};
        str s;
        double f;
        int64_t k;
        while (fmt_next_str(v, &c, &s))
            if (s.n) last = s.p[s.n - 1];
        for (uint64_t item = 0; item < v->count && item < 1000; item++) {
            (void)fmt_item_i64(v, item, &k);
            (void)fmt_item_f64(v, item, &f);
        }
        (void)fmt_item_f64(v, v->count - 1, &f);
        (void)last;
    }
    static const char *const keys[] = {"general.architecture", "general.alignment", "a",
                                       "split.no"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        int64_t k = 0;
        double f;
        bool b;
        str s = STR("");
        (void)fmt_get_i64(m, keys[i], INT64_MIN, INT64_MAX, &k, NULL);
        (void)fmt_get_f64(m, keys[i], &f, NULL);
        (void)fmt_get_bool(m, keys[i], &b, NULL);
        (void)fmt_get_str(m, keys[i], &s, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fmt_model *m;
    ponder_error err;
    if (fmt_open_bytes(&m, FMT_GGUF, data, n, "fuzz", &err) != PONDER_OK) return 0;
    read_values(m);
    for (size_t i = 0; i < fmt_tensor_count(m); i++) {
        const fmt_tensor *t = fmt_tensor_at(m, i);
        float out[NUM_QK];
        uint32_t block = num_info_of(t->type)->block;
        if (t->bytes) num_decode(t->type, out, t->data, block);
        if (t->bytes && t->data + t->bytes > data + n) __builtin_trap();
    }
    fmt_close(m);
    return 0;
}
