/* The tokenizer in a Hugging Face tokenizer.json and the files beside it.
 * SPDX-License-Identifier: MIT
 *
 * Field names and meanings: huggingface/tokenizers, as serialised by its version 0.2x. Whatever
 * would change the ids and is not handled is refused by name. */
#include "text/text_int.h"

#include <stdlib.h>

enum {
    JSON_LIMIT = 256 << 20,
    CONFIG_LIMIT = 16 << 20,
    ID_SLACK = 1 << 16,
    MAX_ENDS = 64,
    MAX_DEPTH = 8
};

static str field_str(const json_t *o, const char *key) { return json_str(json_object_get(o, key)); }
static bool field_true(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}
static bool is_type(const json_t *o, const char *type)
{
    return str_eq(field_str(o, "type"), str_of(type));
}

static ponder_status unsupported(ponder_error *err, const char *what, const json_t *o)
{
    return err_set(err, PONDER_EUNSUPPORTED,
                   "%s of type \"%.*s\", or one of its settings, is not "
                   "supported; only byte-level BPE is",
                   what, STR_ARG(field_str(o, "type")));
}

/* ---- the model ------------------------------------------------------------------------------ */

/* The two parts of a merge, "a b" or ["a", "b"]. */
static bool merge_parts(const json_t *m, str *left, str *right)
{
    if (json_is_array(m)) {
        const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
        *left = json_str(a);
        *right = json_str(b);
        return json_array_size(m) == 2 && json_is_string(a) && json_is_string(b);
    }
    str s = json_str(m);
    const char *space = s.n ? memchr(s.p, ' ', s.n) : NULL;
    if (!space) return false;
    size_t n = (size_t)(space - s.p);
    *left = (str){s.p, n};
    *right = (str){space + 1, s.n - n - 1};
    return true;
}

static ponder_status add_merges(tokenizer *t, const json_t *merges, ponder_error *err)
{
    buf scratch = {0};
    ponder_status st = PONDER_OK;
    for (size_t i = 0; i < json_array_size(merges) && st == PONDER_OK; i++) {
        str left, right;
        if (!merge_parts(json_array_get(merges, i), &left, &right))
            st = err_set(err, PONDER_EFORMAT, "merge %zu has no two parts", i);
        else if (!buf_reserve(&scratch, left.n + right.n))
            st = err_set(err, PONDER_ENOMEM, "tokenizer: out of memory");
        else st = vocab_add_merge(t, (uint32_t)i, left, right, scratch.p, err);
    }
    buf_free(&scratch);
    return st;
}

static ponder_status check_model(const json_t *model, ponder_error *err)
{
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const json_t *dropout = json_object_get(model, "dropout");
    bool plain = !dropout || json_is_null(dropout);
    for (size_t i = 0; i < COUNT_OF(affixes); i++) plain = plain && !field_str(model, affixes[i]).n;
    if (!plain || field_true(model, "byte_fallback") ||
        (json_object_get(model, "type") && !is_type(model, "BPE")))
        return unsupported(err, "model", model);
    if (!json_is_object(json_object_get(model, "vocab")) ||
        !json_is_array(json_object_get(model, "merges")))
        return err_set(err, PONDER_EFORMAT, "no model with \"vocab\" and \"merges\"");
    return PONDER_OK;
}

/* How many ids and bytes of spelling there are, before anything is allocated for them. */
static ponder_status measure(json_t *vocab, const json_t *added, int64_t *size, size_t *bytes,
                             ponder_error *err)
{
    int64_t top = -1;
    const char *key;
    json_t *value;
    *bytes = 0;
    json_object_foreach (vocab, key, value) {
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return err_set(err, PONDER_EFORMAT, "token \"%.64s\" has no id", key);
        if (json_integer_value(value) > top) top = json_integer_value(value);
        *bytes += strlen(key);
    }
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *a = json_array_get(added, i), *id = json_object_get(a, "id");
        if (!json_is_integer(id) || !json_is_string(json_object_get(a, "content")))
            return err_set(err, PONDER_EFORMAT, "added token %zu has no \"id\" and \"content\"", i);
        if (json_integer_value(id) > top) top = json_integer_value(id);
        *bytes += field_str(a, "content").n;
    }
    int64_t count = (int64_t)(json_object_size(vocab) + json_array_size(added));
    if (top < 0 || top > 2 * count + ID_SLACK)
        return err_set(err, PONDER_EFORMAT, "highest id is %lld with %lld tokens", (long long)top,
                       (long long)count);
    *size = top + 1;
    return PONDER_OK;
}

static ponder_status add_added(tokenizer *t, const json_t *added, ponder_error *err)
{
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *a = json_array_get(added, i);
        str content = field_str(a, "content");
        if (field_true(a, "lstrip") || field_true(a, "rstrip") || field_true(a, "single_word"))
            return err_set(err, PONDER_EUNSUPPORTED,
                           "added token \"%.*s\" has lstrip, rstrip or "
                           "single_word, which are not supported",
                           STR_ARG(content));
        unsigned flags = (field_true(a, "special") ? TOKEN_SPECIAL : 0) |
                         (field_true(a, "normalized") ? TOKEN_NORMALIZED : 0);
        TRY(vocab_add_added(t, json_integer_value(json_object_get(a, "id")), content, flags, err));
    }
    return PONDER_OK;
}

static ponder_status fill(tokenizer *t, const json_t *model, const json_t *added, ponder_error *err)
{
    const char *key;
    json_t *value, *vocab = json_object_get(model, "vocab");
    json_object_foreach (vocab, key, value)
        TRY(vocab_add(t, json_integer_value(value), str_of(key), err));
    TRY(add_merges(t, json_object_get(model, "merges"), err));
    TRY(add_added(t, added, err));
    TRY(vocab_finish(t, err));
    t->ignore_merges = field_true(model, "ignore_merges");
    t->fuse_unknown = field_true(model, "fuse_unk");
    str unknown = field_str(model, "unk_token");
    if (unknown.n) t->unknown = tokenizer_find(t, unknown);
    return PONDER_OK;
}

/* ---- normaliser and pre-tokenizer
 * ----------------------------------------------------------------- */

static ponder_status read_normalizer(tokenizer *t, const json_t *n, int depth, ponder_error *err)
{
    static const char *const names[] = {"", "NFC", "NFD", "NFKC", "NFKD"};
    if (!n || json_is_null(n)) return PONDER_OK;
    if (is_type(n, "Sequence") && depth < MAX_DEPTH) {
        const json_t *list = json_object_get(n, "normalizers");
        for (size_t i = 0; i < json_array_size(list); i++)
            TRY(read_normalizer(t, json_array_get(list, i), depth + 1, err));
        return PONDER_OK;
    }
    for (int f = FORM_NFC; f <= FORM_NFKD; f++)
        if (is_type(n, names[f]) && t->form == FORM_NONE) {
            t->form = (enum text_form)f;
            return PONDER_OK;
        }
    return unsupported(err, "normalizer", n);
}

static ponder_status read_split(tokenizer *t, const json_t *p, ponder_error *err)
{
    const json_t *pattern = json_object_get(p, "pattern");
    str regex = field_str(pattern, "Regex"), literal = field_str(pattern, "String");
    str behavior = field_str(p, "behavior");
    bool removed = str_eq(behavior, STR("Removed")), inverted = field_true(p, "invert");
    if ((!removed && !str_eq(behavior, STR("Isolated"))) || regex.n + literal.n == 0)
        return unsupported(err, "pre_tokenizer", p);
    bool drop_matches = removed && !inverted, drop_gaps = removed && inverted;
    return regex.n ? pretok_add(t, regex, drop_matches, drop_gaps, err)
                   : pretok_add_literal(t, literal, drop_matches, drop_gaps, err);
}

/* *bytes becomes true at ByteLevel, behind which nothing may come: patterns there would see the
 * byte alphabet. */
static ponder_status read_pretokenizer(tokenizer *t, const json_t *p, int depth, bool *bytes,
                                       ponder_error *err)
{
    if (*bytes) return unsupported(err, "pre_tokenizer behind ByteLevel", p);
    if (is_type(p, "Sequence") && depth < MAX_DEPTH) {
        const json_t *list = json_object_get(p, "pretokenizers");
        for (size_t i = 0; i < json_array_size(list); i++)
            TRY(read_pretokenizer(t, json_array_get(list, i), depth + 1, bytes, err));
        return PONDER_OK;
    }
    if (is_type(p, "Split")) return read_split(t, p, err);
    if (is_type(p, "Digits"))
        return pretok_add(t, field_true(p, "individual_digits") ? STR("\\p{N}") : STR("\\p{N}+"),
                          false, false, err);
    if (!is_type(p, "ByteLevel") || field_true(p, "add_prefix_space"))
        return unsupported(err, "pre_tokenizer", p);
    *bytes = true;
    const json_t *use_regex = json_object_get(p, "use_regex"); /* absent in old files: true */
    return json_is_false(use_regex) ? PONDER_OK
                                    : pretok_add(t, str_of(PRETOK_GPT2), false, false, err);
}

/* ---- settings ------------------------------------------------------------------------------- */

/* The special token the post-processor puts first; empty when it puts none. */
static str first_of_template(const json_t *post, int depth)
{
    if (is_type(post, "TemplateProcessing"))
        return field_str(
            json_object_get(json_array_get(json_object_get(post, "single"), 0), "SpecialToken"),
            "id");
    const json_t *list = json_object_get(post, "processors");
    str found = STR("");
    for (size_t i = 0; i < json_array_size(list) && !found.n && depth < MAX_DEPTH; i++)
        found = first_of_template(json_array_get(list, i), depth + 1);
    return found;
}

/* A file beside tokenizer.json, or NULL where there is none. Whole numbers are read as reals: some
 * files hold a model_max_length of 10^30. */
static ponder_status read_beside(json_t **out, str dir, const char *name, ponder_error *err)
{
    buf path = {0}, text = {0};
    ponder_status st = PONDER_OK;
    json_error_t why;
    *out = NULL;
    if (!dir.p) return PONDER_OK;
    buf_printf(&path, "%.*s%s", (int)size_min(dir.n, 4096), dir.p, name);
    if (path.failed) st = err_set(err, PONDER_ENOMEM, "tokenizer: out of memory");
    else if (file_exists(path.p)) {
        st = file_read(&text, path.p, CONFIG_LIMIT, err);
        if (st == PONDER_OK)
            *out =
                json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &why);
        if (st == PONDER_OK && !*out)
            st = err_set(err, PONDER_EFORMAT, "%s: not valid JSON at line %d: %s", path.p, why.line,
                         why.text);
    }
    buf_free(&path);
    buf_free(&text);
    return st;
}

/* A token given as its text or as an object with its "content". */
static int32_t token_of(const tokenizer *t, const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    str text = json_is_object(v) ? field_str(v, "content") : json_str(v);
    return text.n ? tokenizer_find(t, text) : -1;
}

static str template_of(const json_t *config)
{
    const json_t *v = json_object_get(config, "chat_template");
    if (!json_is_array(v)) return json_str(v);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (str_eq(field_str(json_array_get(v, i), "name"), STR("default")))
            return field_str(json_array_get(v, i), "template");
    return STR("");
}

static size_t ends_of(const json_t *generation, int32_t ends[MAX_ENDS])
{
    const json_t *v = json_object_get(generation, "eos_token_id");
    size_t n = 0, count = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < count && n < MAX_ENDS; i++) {
        double id = json_number_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (v && id >= 0 && id < INT32_MAX) ends[n++] = (int32_t)id;
    }
    return n;
}

static ponder_status read_template(tokenizer *t, str dir, const json_t *config, ponder_error *err)
{
    buf path = {0}, text = {0};
    ponder_status st = PONDER_OK;
    str jinja = template_of(config);
    if (dir.p) buf_printf(&path, "%.*schat_template.jinja", (int)size_min(dir.n, 4096), dir.p);
    if (path.n && file_exists(path.p)) {
        st = file_read(&text, path.p, CONFIG_LIMIT, err);
        jinja = buf_str(&text);
    }
    if (st == PONDER_OK) t->template = chat_template_detect(t, jinja);
    buf_free(&path);
    buf_free(&text);
    return st;
}

static ponder_status read_settings(tokenizer *t, const json_t *root, str dir, ponder_error *err)
{
    json_t *config = NULL, *generation = NULL;
    int32_t ends[MAX_ENDS];
    str first = first_of_template(json_object_get(root, "post_processor"), 0);
    ponder_status st = read_beside(&config, dir, "tokenizer_config.json", err);
    if (st == PONDER_OK) st = read_beside(&generation, dir, "generation_config.json", err);
    if (st == PONDER_OK) {
        t->bos = token_of(t, config, "bos_token");
        t->eos = token_of(t, config, "eos_token");
        if (first.n) t->bos = tokenizer_find(t, first);
        const json_t *adds = json_object_get(config, "add_bos_token");
        t->adds_bos = t->bos >= 0 && (json_is_boolean(adds) ? json_is_true(adds) : first.n > 0);
        vocab_add_end(t, t->eos);
        for (size_t i = 0, n = ends_of(generation, ends); i < n; i++) vocab_add_end(t, ends[i]);
    }
    if (st == PONDER_OK) st = read_template(t, dir, config, err);
    json_decref(config);
    json_decref(generation);
    return st;
}

/* ---- the whole file
 * ------------------------------------------------------------------------------- */

static ponder_status build(tokenizer **out, const json_t *root, str dir, ponder_error *err)
{
    const json_t *model = json_object_get(root, "model"),
                 *added = json_object_get(root, "added_tokens");
    const json_t *pre = json_object_get(root, "pre_tokenizer");
    int64_t size = 0;
    size_t bytes = 0;
    bool byte_level = false;
    TRY(check_model(model, err));
    TRY(measure(json_object_get(model, "vocab"), added, &size, &bytes, err));
    TRY(vocab_begin(out, size, bytes, json_array_size(json_object_get(model, "merges")), err));
    TRY(fill(*out, model, added, err));
    TRY(read_normalizer(*out, json_object_get(root, "normalizer"), 0, err));
    TRY(read_pretokenizer(*out, pre, 0, &byte_level, err));
    if (!byte_level) return unsupported(err, "pre_tokenizer", pre);
    return read_settings(*out, root, dir, err);
}

ponder_status load_json_text(tokenizer **out, str text, const char *name, str dir,
                             ponder_error *err)
{
    json_t *root = NULL;
    tokenizer *t = NULL;
    *out = NULL;
    TRY(json_parse(&root, text, name, err));
    ponder_status st = build(&t, root, dir, err);
    json_decref(root);
    if (st != PONDER_OK) {
        tokenizer_close(t);
        return err_context(err, st, "%s", name);
    }
    *out = t;
    return PONDER_OK;
}

ponder_status load_json(tokenizer **out, const char *path, ponder_error *err)
{
    buf file = {0}, text = {0};
    *out = NULL;
    buf_printf(&file, file_is_dir(path) ? "%s/tokenizer.json" : "%s", path);
    if (file.failed) return err_set(err, PONDER_ENOMEM, "tokenizer: out of memory");
    const char *slash = strrchr(file.p, '/');
    str dir = {file.p, slash ? (size_t)(slash - file.p) + 1 : 0};
    ponder_status st = file_read(&text, file.p, JSON_LIMIT, err);
    if (st == PONDER_OK) st = load_json_text(out, buf_str(&text), file.p, dir, err);
    buf_free(&text);
    buf_free(&file);
    return st;
}
