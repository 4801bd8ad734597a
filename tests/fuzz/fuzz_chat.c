/* Any bytes as a chat request, rendered with every template, and as what a model wrote.
 * SPDX-License-Identifier: MIT */
#include "text/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void render(str text)
{
    json_t *row;
    chat_json chat;
    if (json_parse(&row, text, "fuzz", NULL) != PONDER_OK) return;
    if (json_is_object(row) && chat_read_json(&chat, row, "fuzz", NULL) == PONDER_OK) {
        for (int c = CHAT_NONE; c <= CHAT_SMOLLM2; c++) {
            chat_prompt p;
            if (chat_render(&p, (chat_template)c, &chat.request, STR("<B>"), NULL) == PONDER_OK)
                for (size_t i = 0; i < p.n_trusted; i++)
                    if (p.trusted[i].end > p.text.n) abort();
            chat_prompt_free(&p);
        }
        chat_json_free(&chat);
    }
    json_decref(row);
}

static void split(str text, size_t step, bool opened, buf part[3])
{
    chat_splitter s = {.state = opened ? CHAT_REASONING : CHAT_START};
    for (size_t at = 0; at < text.n; at += step)
        chat_split(&s, (str){text.p + at, size_min(step, text.n - at)}, &part[0], &part[1],
                   &part[2]);
    chat_split_end(&s, &part[0], &part[1], &part[2]);
    chat_splitter_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    str text = {(const char *)data, n};
    render(text);
    for (int opened = 0; opened < 2; opened++) {
        buf whole[3] = {0}, parts[3] = {0};
        size_t at = 0;
        chat_called c;
        split(text, n ? n : 1, opened, whole);
        split(text, 5, opened, parts);
        for (int i = 0; i < 3; i++)
            if (!str_eq(buf_str(&whole[i]), buf_str(&parts[i]))) abort();
        while (chat_next_call(buf_str(&whole[2]), &at, &c)) {
        }
        for (int i = 0; i < 3; i++) {
            buf_free(&whole[i]);
            buf_free(&parts[i]);
        }
    }
    return 0;
}
