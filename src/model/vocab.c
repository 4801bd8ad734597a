/* The tokenizer that goes into a file of random weights: one taken from a tokenizer.json, or a
 * made-up byte-level BPE that splits any text. SPDX-License-Identifier: MIT */
#include "model/model_int.h"

#include <stdlib.h>

enum {
    TOKEN_NORMAL = 1,
    TOKEN_CONTROL = 3,
    TOKEN_USER = 4,
    TOKEN_UNUSED = 5,
    TOKENIZER_BYTES = 64 << 20
};

/* Strings stand one after the other in `text`; offsets because it moves as it grows. */
struct vocab {
    size_t n;
    struct {
        size_t at, len;
    } * token;
    int32_t *type;
    buf text, merges; /* merges: NUL after each */
    size_t n_merges;
    int bos, eos;
};

static void set_token(struct vocab *v, size_t id, str s, int type)
{
    v->token[id].at = v->text.n;
    v->token[id].len = s.n;
    v->type[id] = type;
    buf_add_str(&v->text, s);
}

static void add_merge(struct vocab *v, str a, str b)
{
    buf_add_str(&v->merges, a);
    buf_add_char(&v->merges, ' ');
    buf_add_str(&v->merges, b);
    buf_add_char(&v->merges, '\0');
    v->n_merges++;
}

/* ---- made up
 * ------------------------------------------------------------------------------------------- */

/* The character that stands for a byte in byte-level vocabularies (GPT-2): printable Latin-1 as it
 * is, the others from U+0100 on in order. */
static size_t byte_character(unsigned b, char out[2])
{
    static const unsigned char first[] = {33, 161, 174}, last[] = {126, 172, 255};
    unsigned code = 0, before = 0;
    for (unsigned i = 0; i <= b; i++) {
        bool printable = false;
        for (size_t r = 0; r < COUNT_OF(first); r++) printable |= i >= first[r] && i <= last[r];
        code = printable ? i : 256 + before;
        before += !printable;
    }
    if (code < 0x80) return out[0] = (char)code, 1;
    out[0] = (char)(0xC0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3F));
    return 2;
}

/* Token i of a growing family over the 27 symbols "space, a to z": pairs, then triples, then fours,
 * each a merge of earlier ones. */
static bool grown_token(size_t i, char out[16], size_t *split)
{
    enum { SYMBOLS = 27 };
    size_t length = 2, count = SYMBOLS * SYMBOLS;
    while (i >= count) {
        i -= count;
        count *= SYMBOLS;
        if (++length > 5) return false;
    }
    size_t symbol[5], at = 0;
    for (size_t s = length; s-- > 0; i /= SYMBOLS) symbol[s] = i % SYMBOLS;
    for (size_t s = 0; s < length; s++) {
        if (s == length - 1) *split = at; /* the longer part first, the last symbol joins it */
        if (symbol[s]) out[at++] = (char)('a' + symbol[s] - 1);
        else at += byte_character(' ', out + at);
    }
    out[at] = '\0';
    return true;
}

static void make_up(struct vocab *v, const model_config *c)
{
    static const char *const specials[] = {"<｜begin▁of▁sentence｜>",
                                           "<｜end▁of▁sentence｜>",
                                           "<｜User｜>",
                                           "<｜Assistant｜>",
                                           "<think>",
                                           "</think>"};
    size_t n = v->n, special[COUNT_OF(specials)];
    bool given =
        c->bos >= 0 && (size_t)c->bos < n && c->eos >= 0 && (size_t)c->eos < n && c->bos != c->eos;
    for (size_t i = 0; i < COUNT_OF(specials); i++) special[i] = n - COUNT_OF(specials) + i;
    if (given) special[0] = (size_t)c->bos, special[1] = (size_t)c->eos;
    v->bos = (int)special[0];
    v->eos = (int)special[1];
    for (size_t i = 0; i < COUNT_OF(specials); i++)
        set_token(v, special[i], str_of(specials[i]), i < 2 ? TOKEN_CONTROL : TOKEN_USER);
    size_t made = 0;
    for (size_t id = 0; id < n; id++) {
        char text[32];
        size_t split = 0, k = made++;
        if (v->type[id]) {
            made--;
        } else if (k < 256) {
            set_token(v, id, (str){text, byte_character((unsigned)k, text)}, TOKEN_NORMAL);
        } else if (grown_token(k - 256, text, &split)) {
            set_token(v, id, str_of(text), TOKEN_NORMAL);
            add_merge(v, (str){text, split}, str_of(text + split));
        } else {
            snprintf(text, sizeof text, "<unused%zu>", k);
            set_token(v, id, str_of(text), TOKEN_UNUSED);
        }
    }
}

/* ---- from a tokenizer.json
 * ----------------------------------------------------------------------------- */

static ponder_status put_entry(struct vocab *v, const char *path, const json_t *id, str text,
                               int type, ponder_error *err)
{
    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        (size_t)json_integer_value(id) >= v->n)
        return err_set(err, PONDER_EFORMAT,
                       "%s: token \"%.*s\" has no id below the vocabulary of %zu", path,
                       STR_ARG(text), v->n);
    set_token(v, (size_t)json_integer_value(id), text, type);
    return PONDER_OK;
}

/* "a b" or ["a", "b"]. */
static ponder_status put_merge(struct vocab *v, const char *path, const json_t *m,
                               ponder_error *err)
{
    if (json_is_array(m) && json_array_size(m) == 2) {
        add_merge(v, json_str(json_array_get(m, 0)), json_str(json_array_get(m, 1)));
        return PONDER_OK;
    }
    str s = json_str(m);
    size_t space = str_find(s, STR(" "), 0);
    if (space >= s.n) return err_set(err, PONDER_EFORMAT, "%s: a merge that is no pair", path);
    add_merge(v, (str){s.p, space}, (str){s.p + space + 1, s.n - space - 1});
    return PONDER_OK;
}

static ponder_status take_json(struct vocab *v, const json_t *j, const char *path,
                               ponder_error *err)
{
    const json_t *bpe = json_object_get(j, "model"), *list = json_object_get(bpe, "vocab"), *value;
    const char *key;
    size_t i;
    json_object_foreach ((json_t *)(uintptr_t)list, key, value)
        TRY(put_entry(v, path, value, str_of(key), TOKEN_NORMAL, err));
    json_array_foreach (json_object_get(j, "added_tokens"), i, value) {
        bool special = json_is_true(json_object_get(value, "special"));
        TRY(put_entry(v, path, json_object_get(value, "id"),
                      json_str(json_object_get(value, "content")),
                      special ? TOKEN_CONTROL : TOKEN_USER, err));
    }
    json_array_foreach (json_object_get(bpe, "merges"), i, value)
        TRY(put_merge(v, path, value, err));
    for (size_t id = 0; id < v->n; id++) {
        char text[32];
        snprintf(text, sizeof text, "<unused%zu>", id);
        if (!v->type[id]) set_token(v, id, str_of(text), TOKEN_UNUSED);
    }
    return PONDER_OK;
}

static ponder_status take_file(struct vocab *v, const char *path, ponder_error *err)
{
    json_t *j;
    TRY(json_parse_file(&j, path, TOKENIZER_BYTES, err));
    ponder_status st = take_json(v, j, path, err);
    json_decref(j);
    return st;
}

/* ---- writing
 * ---------------------------------------------------------------------------------------------- */

static const char *splitter_name(const model_config *c)
{
    if (c->arch == MODEL_QWEN2) return "qwen2";
    if (c->arch == MODEL_LLAMA) return c->vocab > 100000 ? "llama-bpe" : "smollm";
    return c->gate == MODEL_GATE_SIGMOID ? "deepseek-v3" : "deepseek-llm";
}

static ponder_status write_lists(gguf_writer *w, const struct vocab *v, ponder_error *err)
{
    size_t most = size_max(size_max(v->n, v->n_merges), 1);
    str *list = calloc(most, sizeof *list);
    if (!list) return err_set(err, PONDER_ENOMEM, "no memory for %zu tokens", most);
    for (size_t i = 0; i < v->n; i++) list[i] = (str){v->text.p + v->token[i].at, v->token[i].len};
    ponder_status st = gguf_put_strs(w, "tokenizer.ggml.tokens", list, v->n, err);
    const char *p = v->merges.p;
    for (size_t i = 0; i < v->n_merges; i++, p += list[i - 1].n + 1) list[i] = str_of(p);
    if (st == PONDER_OK) st = gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, v->n, err);
    if (st == PONDER_OK) st = gguf_put_strs(w, "tokenizer.ggml.merges", list, v->n_merges, err);
    free(list);
    return st;
}

static ponder_status write_vocab(gguf_writer *w, const struct vocab *v, const char *pre,
                                 bool adds_bos, ponder_error *err)
{
    if (v->text.failed || v->merges.failed)
        return err_set(err, PONDER_ENOMEM, "no memory for tokens");
    TRY(gguf_put_str(w, "tokenizer.ggml.model", STR("gpt2"), err));
    TRY(gguf_put_str(w, "tokenizer.ggml.pre", str_of(pre), err));
    TRY(write_lists(w, v, err));
    if (v->bos >= 0) TRY(gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)v->bos, err));
    if (v->eos >= 0) TRY(gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)v->eos, err));
    return gguf_put_bool(w, "tokenizer.ggml.add_bos_token", adds_bos, err);
}

static ponder_status open_vocab(struct vocab *v, size_t rows, ponder_error *err)
{
    *v = (struct vocab){.n = rows, .bos = -1, .eos = -1};
    v->token = calloc(v->n, sizeof *v->token);
    v->type = calloc(v->n, sizeof *v->type);
    return v->token && v->type ? PONDER_OK
                               : err_set(err, PONDER_ENOMEM, "no memory for %zu tokens", v->n);
}

static void close_vocab(struct vocab *v)
{
    buf_free(&v->text);
    buf_free(&v->merges);
    free(v->token);
    free(v->type);
}

ponder_status model_vocab_put(gguf_writer *w, size_t rows, const model_vocab *from,
                              ponder_error *err)
{
    struct vocab v;
    ponder_status st = open_vocab(&v, rows, err);
    if (st == PONDER_OK) st = take_file(&v, from->tokenizer, err);
    v.bos = from->bos;
    v.eos = from->eos;
    if (st == PONDER_OK) st = write_vocab(w, &v, from->pre, from->adds_bos, err);
    close_vocab(&v);
    return st;
}

ponder_status model_vocab_write(gguf_writer *w, const model_config *c, const char *tokenizer,
                                ponder_error *err)
{
    size_t rows = (size_t)c->vocab;
    const bool adds_bos = c->arch != MODEL_QWEN2;
    if (tokenizer)
        return model_vocab_put(w, rows,
                               &(model_vocab){.tokenizer = tokenizer, .pre = splitter_name(c),
                                              .bos = c->bos, .eos = c->eos, .adds_bos = adds_bos},
                               err);
    if (rows < 256 + 6)
        return err_set(err, PONDER_EARG,
                       "a vocabulary of %zu is too small for the 256 bytes: give --tokenizer", rows);
    struct vocab v;
    ponder_status st = open_vocab(&v, rows, err);
    if (st == PONDER_OK) {
        make_up(&v, c);
        st = write_vocab(w, &v, splitter_name(c), adds_bos, err);
    }
    close_vocab(&v);
    return st;
}
