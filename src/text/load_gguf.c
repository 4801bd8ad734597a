/* The tokenizer in a GGUF file's metadata.
 * SPDX-License-Identifier: MIT
 *
 * Keys and token types: docs/gguf.md of ggml-org/ggml. A file says neither which tokens are
 * "normalized" nor which text form is used; the pre-tokenizer's name implies the latter. */
#include "text/text_int.h"

enum token_type { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };

static ponder_status array_of(const fmt_model *m, const char *key, bool strings,
                              const fmt_value **out, ponder_error *err)
{
    *out = fmt_value_find(m, key);
    if (!*out)
        return err_set(err, PONDER_EFORMAT, "%s: no %s; the file has no tokenizer", fmt_path(m),
                       key);
    if ((*out)->type != FMT_ARRAY || ((*out)->item == FMT_STRING) != strings)
        return err_set(err, PONDER_EFORMAT, "%s: %s is no list of %s", fmt_path(m), key,
                       strings ? "strings" : "numbers");
    return PONDER_OK;
}

static ponder_status add_tokens(tokenizer *t, const fmt_value *names, const fmt_value *types,
                                ponder_error *err)
{
    fmt_cursor c = {0};
    str name;
    for (int64_t id = 0; id < t->size && fmt_next_str(names, &c, &name); id++) {
        int64_t type = TYPE_NORMAL;
        if (types && !fmt_item_i64(types, (uint64_t)id, &type)) type = TYPE_NORMAL;
        if (type == TYPE_CONTROL || type == TYPE_USER)
            TRY(vocab_add_added(t, id, name, type == TYPE_CONTROL ? TOKEN_SPECIAL : 0, err));
        else TRY(vocab_add(t, id, name, err));
    }
    return PONDER_OK;
}

static ponder_status add_merges(tokenizer *t, const fmt_value *merges, ponder_error *err)
{
    fmt_cursor c = {0};
    str merge;
    buf scratch = {0};
    ponder_status st = PONDER_OK;
    for (uint32_t rank = 0; st == PONDER_OK && fmt_next_str(merges, &c, &merge); rank++) {
        const char *space = merge.n > 1 ? memchr(merge.p + 1, ' ', merge.n - 1) : NULL;
        size_t n = space ? (size_t)(space - merge.p) : merge.n;
        if (!space)
            st = err_set(err, PONDER_EFORMAT, "merge %u, \"%.*s\", has no two parts", rank,
                         STR_ARG(merge));
        else if (!buf_reserve(&scratch, merge.n))
            st = err_set(err, PONDER_ENOMEM, "tokenizer: out of memory");
        else
            st = vocab_add_merge(t, rank, (str){merge.p, n},
                                 (str){merge.p + n + 1, merge.n - n - 1}, scratch.p, err);
    }
    buf_free(&scratch);
    return st;
}

static ponder_status id_of(const tokenizer *t, const fmt_model *m, const char *key, int32_t *out,
                           ponder_error *err)
{
    int64_t id = -1;
    TRY(fmt_get_i64(m, key, 0, UINT32_MAX, &id, err));
    *out = id < t->size ? (int32_t)id : -1; /* some files say 2^32-1 for "none" */
    return PONDER_OK;
}

static ponder_status settings(tokenizer *t, const fmt_model *m, ponder_error *err)
{
    str pre = STR(""), jinja = STR("");
    int32_t eot, eom;
    TRY(fmt_get_str(m, "tokenizer.ggml.pre", &pre, err));
    TRY(pretok_by_name(t, pre, err));
    TRY(id_of(t, m, "tokenizer.ggml.bos_token_id", &t->bos, err));
    TRY(id_of(t, m, "tokenizer.ggml.eos_token_id", &t->eos, err));
    TRY(id_of(t, m, "tokenizer.ggml.eot_token_id", &eot, err));
    TRY(id_of(t, m, "tokenizer.ggml.eom_token_id", &eom, err));
    /* Files for Llama 3 leave the flag out; its tokenizer adds BOS. */
    t->adds_bos = str_eq(pre, STR("llama-bpe"));
    TRY(fmt_get_bool(m, "tokenizer.ggml.add_bos_token", &t->adds_bos, err));
    t->adds_bos = t->adds_bos && t->bos >= 0;
    TRY(fmt_get_str(m, "tokenizer.chat_template", &jinja, err));
    TRY(vocab_finish(t, err));
    vocab_add_end(t, t->eos);
    vocab_add_end(t, eot);
    vocab_add_end(t, eom);
    t->template = chat_template_detect(t, jinja);
    return PONDER_OK;
}

ponder_status load_gguf(tokenizer **out, const fmt_model *m, ponder_error *err)
{
    const fmt_value *names, *merges, *types = NULL;
    str kind = STR("");
    *out = NULL;
    TRY(fmt_get_str(m, "tokenizer.ggml.model", &kind, err));
    if (!str_eq(kind, STR("gpt2")))
        return err_set(err, PONDER_EUNSUPPORTED,
                       "%s: tokenizer.ggml.model is \"%.*s\"; only byte-level "
                       "BPE (\"gpt2\") is supported",
                       fmt_path(m), STR_ARG(kind));
    TRY(array_of(m, "tokenizer.ggml.tokens", true, &names, err));
    TRY(array_of(m, "tokenizer.ggml.merges", true, &merges, err));
    if (fmt_value_find(m, "tokenizer.ggml.token_type"))
        TRY(array_of(m, "tokenizer.ggml.token_type", false, &types, err));
    if (names->count > INT32_MAX || merges->count > UINT32_MAX ||
        (types && types->count != names->count))
        return err_set(err, PONDER_EFORMAT, "%s: %llu tokens, %llu token types, %llu merges",
                       fmt_path(m), (unsigned long long)names->count,
                       (unsigned long long)(types ? types->count : names->count),
                       (unsigned long long)merges->count);
    tokenizer *t;
    ponder_status st =
        vocab_begin(&t, (int64_t)names->count, names->raw_bytes, (size_t)merges->count, err);
    if (st == PONDER_OK) st = add_tokens(t, names, types, err);
    if (st == PONDER_OK) st = add_merges(t, merges, err);
    if (st == PONDER_OK) st = settings(t, m, err);
    if (st != PONDER_OK) {
        tokenizer_close(t);
        return err_context(err, st, "%s", fmt_path(m));
    }
    *out = t;
    return PONDER_OK;
}
