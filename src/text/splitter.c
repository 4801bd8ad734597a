/* Cutting text as a named pre-tokenizer does, and what that is in a tokenizer.json.
 * SPDX-License-Identifier: MIT */
#include "text/text_int.h"

#include <stdlib.h>

static const char *const FORMS[] = {"", "NFC", "NFD", "NFKC", "NFKD"};

/* A tokenizer of which only the patterns are used. */
struct text_splitter {
    tokenizer *t;
    const char *name; /* canonical */
};

ponder_status text_splitter_open(text_splitter **out, const char *name, ponder_error *err)
{
    *out = NULL;
    text_splitter *s = calloc(1, sizeof *s);
    if (!s) return err_set(err, PONDER_ENOMEM, "pre-tokenizer: out of memory");
    ponder_status st = vocab_begin(&s->t, 1, 1, 0, err);
    if (st == PONDER_OK) st = pretok_by_name(s->t, str_of(name), err);
    s->name = pretok_canonical(name);
    if (st != PONDER_OK) text_splitter_close(s);
    else *out = s;
    return st;
}

void text_splitter_close(text_splitter *s)
{
    if (!s) return;
    tokenizer_close(s->t);
    free(s);
}

static ponder_status hand_over(encoder *e, str s)
{
    if (s.n) e->user_piece(e->user, s);
    return PONDER_OK;
}

ponder_status text_split(const text_splitter *s, str text, text_piece_fn *piece, void *user,
                         ponder_error *err)
{
    buf normal = {0};
    encoder e = {.t = s->t, .piece = hand_over, .user_piece = piece, .user = user, .err = err};
    ponder_status st = PONDER_OK;
    if (!normal_already(s->t->form, text)) {
        st = normal_form(&normal, s->t->form, text, err);
        text = buf_str(&normal);
    }
    if (!pretok_begin(&e, text.n)) st = err_set(err, PONDER_ENOMEM, "pre-tokenizer: out of memory");
    if (st == PONDER_OK) st = encode_valid(&e, text);
    pretok_end(&e);
    buf_free(&normal);
    return st;
}

void text_splitter_json(const text_splitter *s, buf *normalizer, buf *pre, bool *ignore_merges)
{
    *ignore_merges = s->t->ignore_merges;
    if (s->t->form == FORM_NONE) buf_add_str(normalizer, STR("null"));
    else buf_printf(normalizer, "{\"type\":\"%s\"}", FORMS[s->t->form]);
    json_writer w = {.out = pre};
    buf_add_str(pre, STR("{\"type\":\"Sequence\",\"pretokenizers\":["));
    for (size_t j = 0; pretok_pattern(s->name, j); j++) {
        buf_add_str(pre, STR("{\"type\":\"Split\",\"pattern\":{\"Regex\":"));
        w.comma = false;
        json_text(&w, str_of(pretok_pattern(s->name, j)));
        buf_add_str(pre, STR("},\"behavior\":\"Isolated\",\"invert\":false},"));
    }
    buf_add_str(pre, STR("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                         "\"trim_offsets\":true,\"use_regex\":false}]}"));
}

/* ---- the name of what stands in a file ------------------------------------------------------- */

/* The j-th pattern of a pre_tokenizer, which counts down; NULL when there is none so far. */
static const char *pattern_of(const json_t *p, size_t *j)
{
    str type = json_str(json_object_get(p, "type"));
    const json_t *list = json_object_get(p, "pretokenizers");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *found = pattern_of(json_array_get(list, i), j);
        if (found) return found;
    }
    const char *here = NULL;
    if (str_eq(type, STR("Split")))
        here = json_string_value(json_object_get(json_object_get(p, "pattern"), "Regex"));
    if (str_eq(type, STR("Digits")))
        here = json_is_true(json_object_get(p, "individual_digits")) ? "\\p{N}" : "\\p{N}+";
    if (str_eq(type, STR("ByteLevel")) && !json_is_false(json_object_get(p, "use_regex")))
        here = PRETOK_GPT2;
    return here && (*j)-- == 0 ? here : NULL;
}

static bool means(const char *name, const json_t *pre)
{
    for (size_t j = 0;; j++) {
        size_t at = j;
        const char *want = pretok_pattern(name, j), *have = pattern_of(pre, &at);
        if (!want || !have) return !want && !have;
        if (strcmp(want, have)) return false;
    }
}

const char *text_splitter_name(const json_t *normalizer, const json_t *pre)
{
    str form = json_str(json_object_get(normalizer, "type"));
    for (size_t i = 0; pretok_name(i); i++) {
        text_splitter *s;
        if (!means(pretok_name(i), pre) || text_splitter_open(&s, pretok_name(i), NULL)) continue;
        bool same = str_eq(form, str_of(FORMS[s->t->form])) || str_eq(form, STR("Sequence"));
        text_splitter_close(s);
        if (same) return pretok_name(i);
    }
    return NULL;
}

size_t text_spell_byte(uint8_t byte, char out[2])
{
    char back;
    size_t n;
    for (unsigned cp = 0x21; cp < 0x144; cp++) {
        size_t len = cp < 0x80 ? 1 : 2;
        out[0] = (char)(cp < 0x80 ? cp : 0xC0 | cp >> 6);
        if (len == 2) out[1] = (char)(0x80 | (cp & 63));
        if (vocab_unspell(&back, &n, (str){out, len}) && (uint8_t)back == byte) return len;
    }
    return 0; /* not reached: the alphabet has all bytes */
}
