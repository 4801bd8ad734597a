/* The tokenizer's life, its getters, and decoding.
 * SPDX-License-Identifier: MIT */
#include "text/text_int.h"

#include <stdlib.h>

void tokens_add(tokens *v, int32_t id)
{
    if (v->n == v->cap && !v->failed) {
        size_t cap = v->cap ? 2 * v->cap : 64;
        int32_t *p = cap > v->cap ? realloc(v->p, cap * sizeof *p) : NULL;
        if (p) {
            v->p = p;
            v->cap = cap;
        } else {
            v->failed = true;
        }
    }
    if (!v->failed) v->p[v->n++] = id;
}

void tokens_free(tokens *v)
{
    free(v->p);
    *v = (tokens){0};
}

ponder_status tokenizer_open(tokenizer **out, const char *path, ponder_error *err)
{
    *out = NULL;
    if (!str_ends(str_of(path), STR(".gguf"))) return load_json(out, path, err);
    fmt_model *m = NULL;
    ponder_status st = fmt_open(&m, path, err);
    if (st == PONDER_OK) st = load_gguf(out, m, err);
    fmt_close(m);
    return st;
}

ponder_status tokenizer_from_model(tokenizer **out, const fmt_model *m, ponder_error *err)
{
    return fmt_kind_of(m) == FMT_GGUF ? load_gguf(out, m, err) : load_json(out, fmt_path(m), err);
}

void tokenizer_close(tokenizer *t)
{
    if (!t) return;
    for (int i = 0; i < t->n_stages; i++) pcre2_code_free(t->stage[i].code);
    arena_close(&t->mem);
    free(t);
}

int32_t tokenizer_size(const tokenizer *t) { return t->size; }
int32_t tokenizer_bos(const tokenizer *t) { return t->bos; }
int32_t tokenizer_eos(const tokenizer *t) { return t->eos; }
bool tokenizer_adds_bos(const tokenizer *t) { return t->adds_bos; }
chat_template tokenizer_template(const tokenizer *t) { return t->template; }

const int32_t *tokenizer_ends(const tokenizer *t, size_t *n)
{
    *n = t->n_ends;
    return t->ends;
}

static unsigned flags_of(const tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->size ? t->token[id].flags : 0;
}

bool tokenizer_is_end(const tokenizer *t, int32_t id) { return flags_of(t, id) & TOKEN_END; }
bool tokenizer_is_special(const tokenizer *t, int32_t id)
{
    return flags_of(t, id) & TOKEN_SPECIAL;
}

str tokenizer_bytes(const tokenizer *t, int32_t id)
{
    if (!(flags_of(t, id) & TOKEN_KNOWN)) return STR("");
    return (str){t->text + t->token[id].at, t->token[id].n};
}

int32_t tokenizer_find(const tokenizer *t, str text)
{
    for (int k = 0; k < 2; k++) {
        const added_list *list = &t->added[k];
        size_t lo = 0, hi = list->n;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            str s = list->token[mid].text;
            int c = memcmp(s.p, text.p, size_min(s.n, text.n));
            if (c == 0 && s.n == text.n) return list->token[mid].id;
            if (c < 0 || (c == 0 && s.n < text.n)) lo = mid + 1;
            else hi = mid;
        }
    }
    return text.n ? vocab_find(t, text.p, text.n) : -1;
}

void tokenizer_decode(const tokenizer *t, buf *out, const int32_t *ids, size_t n, bool skip_special)
{
    for (size_t i = 0; i < n; i++)
        if (!(skip_special && tokenizer_is_special(t, ids[i])))
            buf_add_str(out, tokenizer_bytes(t, ids[i]));
}
