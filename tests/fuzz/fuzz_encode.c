/* Any bytes as text, through three kinds of patterns: no normaliser, so decoding must give them
 * back; and in pieces through the stream. SPDX-License-Identifier: MIT */
#include "tests/unit/text/tiny.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static tokenizer *made[3]; /* opened once: a fuzzer's process is the test */

static void open_all(void)
{
    static const char *const stages[] = {"", TINY_LLAMA3, TINY_DEEPSEEK};
    static tiny v;
    tiny_bytes(&v);
    tiny_merges(&v, 3, 200);
    for (int i = 0; i < 3; i++)
        if (tiny_open(&made[i], &v, stages[i], "", NULL) != PONDER_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!made[0]) open_all();
    str text = {(const char *)data, n};
    text_span middle = {n / 4, n - n / 4};
    for (int i = 0; i < 3; i++) {
        tokens ids = {0};
        buf back = {0}, normal = {0};
        if (tokenizer_encode_trusted(made[i], &ids, text, &middle, 1, NULL) != PONDER_OK) abort();
        tokenizer_decode(made[i], &back, ids.p, ids.n, false);
        if (!str_eq(buf_str(&back), text)) abort();
        if (normal_form(&normal, (enum text_form)(FORM_NFC + i), text, NULL) != PONDER_OK) abort();
        tokens_free(&ids);
        buf_free(&back);
        buf_free(&normal);
    }
    utf8_stream u = {0};
    buf whole = {0}, parts = {0};
    for (size_t at = 0; at < n; at += 3)
        utf8_push(&u, (str){text.p + at, size_min(3, n - at)}, &parts);
    utf8_flush(&u, &parts);
    utf8_repair(&whole, text);
    if (!str_eq(buf_str(&whole), buf_str(&parts))) abort();
    buf_free(&whole);
    buf_free(&parts);
    return 0;
}
