/* A trained vocabulary as tokenizer.json and tokenizer_config.json.
 * SPDX-License-Identifier: MIT
 *
 * Field names: huggingface/tokenizers, as its version 0.2x reads them. */
#include "train/bpe_int.h"

typedef struct spelling {
    char p[BPE_BYTES][2];
    size_t n[BPE_BYTES];
} spelling;

static void spell(const bpe_trainer *t, const spelling *s, int32_t id, buf *out)
{
    const bpe_token *k = &t->token[id];
    for (size_t i = 0; i < k->n; i++) {
        uint8_t byte = (uint8_t)t->token_text.p[k->at + i];
        buf_add(out, s->p[byte], s->n[byte]);
    }
}

static void write_added(const bpe_trainer *t, json_writer *w)
{
    json_key(w, "added_tokens");
    json_open(w, '[');
    for (size_t i = 0; i < t->n_added; i++) {
        json_open(w, '{');
        json_key(w, "id"), json_i64(w, (int64_t)(t->tokens + i));
        json_key(w, "content"), json_text(w, str_of(t->o.added[i].text));
        static const char *const off[] = {"single_word", "lstrip", "rstrip", "normalized"};
        for (size_t k = 0; k < COUNT_OF(off); k++) json_key(w, off[k]), json_bool(w, false);
        json_key(w, "special"), json_bool(w, t->o.added[i].special);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* BOS in front of a text, as adding it is called there. */
static void write_post(const bpe_trainer *t, json_writer *w)
{
    buf b = {0}, quoted = {0};
    json_writer q = {.out = &quoted};
    json_text(&q, str_of(t->o.added[0].text));
    const char *bos = quoted.p ? quoted.p : "";
    buf_printf(&b,
               "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":%s,"
               "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":["
               "{\"SpecialToken\":{\"id\":%s,\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
               "\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
               "\"special_tokens\":{%s:{\"id\":%s,\"ids\":[%zu],\"tokens\":[%s]}}}",
               bos, bos, bos, bos, t->tokens, bos);
    json_key(w, "post_processor");
    json_raw(w, buf_str(&b));
    w->out->failed = w->out->failed || b.failed || quoted.failed;
    buf_free(&b);
    buf_free(&quoted);
}

static void write_model(const bpe_trainer *t, bool ignore_merges, json_writer *w)
{
    spelling s;
    buf b = {0};
    for (int i = 0; i < BPE_BYTES; i++) s.n[i] = text_spell_byte((uint8_t)i, s.p[i]);
    json_key(w, "model");
    json_open(w, '{');
    json_key(w, "type"), json_text(w, STR("BPE"));
    static const char *const none[] = {"dropout", "unk_token", "continuing_subword_prefix",
                                       "end_of_word_suffix"};
    for (size_t k = 0; k < COUNT_OF(none); k++) json_key(w, none[k]), json_none(w);
    json_key(w, "fuse_unk"), json_bool(w, false);
    json_key(w, "byte_fallback"), json_bool(w, false);
    json_key(w, "ignore_merges"), json_bool(w, ignore_merges);
    json_key(w, "vocab");
    json_open(w, '{');
    for (size_t id = 0; id < t->tokens; id++) {
        buf_clear(&b);
        spell(t, &s, (int32_t)id, &b);
        json_key(w, b.p), json_i64(w, (int64_t)id);
    }
    json_close(w, '}');
    json_key(w, "merges");
    json_open(w, '[');
    for (size_t i = 0; i < t->merges; i++) {
        buf_clear(&b);
        spell(t, &s, t->merge[i].left, &b);
        buf_add_char(&b, ' ');
        spell(t, &s, t->merge[i].right, &b);
        json_text(w, buf_str(&b));
    }
    json_close(w, ']');
    json_close(w, '}');
    w->out->failed = w->out->failed || b.failed;
    buf_free(&b);
}

static void write_tokenizer(const bpe_trainer *t, buf *out)
{
    buf normalizer = {0}, pre = {0};
    bool ignore_merges;
    json_writer w = {.out = out};
    text_splitter_json(t->splitter, &normalizer, &pre, &ignore_merges);
    json_open(&w, '{');
    json_key(&w, "version"), json_text(&w, STR("1.0"));
    json_key(&w, "truncation"), json_none(&w);
    json_key(&w, "padding"), json_none(&w);
    write_added(t, &w);
    json_key(&w, "normalizer"), json_raw(&w, buf_str(&normalizer));
    json_key(&w, "pre_tokenizer"), json_raw(&w, buf_str(&pre));
    write_post(t, &w);
    json_key(&w, "decoder");
    json_raw(&w, STR("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"
                     "\"use_regex\":false}"));
    write_model(t, ignore_merges, &w);
    json_close(&w, '}');
    buf_add_char(out, '\n');
    out->failed = out->failed || normalizer.failed || pre.failed;
    buf_free(&normalizer);
    buf_free(&pre);
}

static void write_config(const bpe_trainer *t, buf *out)
{
    json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "tokenizer_class"), json_text(&w, STR("PreTrainedTokenizerFast"));
    json_key(&w, "bos_token"), json_text(&w, str_of(t->o.added[0].text));
    json_key(&w, "eos_token"), json_text(&w, str_of(t->o.added[1].text));
    json_key(&w, "add_bos_token"), json_bool(&w, true);
    json_key(&w, "clean_up_tokenization_spaces"), json_bool(&w, false);
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

static ponder_status put_file(const char *dir, const char *name, const buf *b, ponder_error *err)
{
    buf path = {0};
    file_writer f;
    buf_printf(&path, "%s/%s", dir, name);
    if (b->failed || path.failed) {
        buf_free(&path);
        return err_set(err, PONDER_ENOMEM, "%s: out of memory", name);
    }
    ponder_status st = file_begin(&f, path.p, err);
    if (st == PONDER_OK) st = file_put(&f, b->p, b->n, err);
    if (st == PONDER_OK) st = file_commit(&f, err);
    else file_abort(&f);
    buf_free(&path);
    return st;
}

ponder_status bpe_trainer_save(const bpe_trainer *t, const char *dir, ponder_error *err)
{
    buf tokenizer_json = {0}, config = {0};
    write_tokenizer(t, &tokenizer_json);
    write_config(t, &config);
    ponder_status st = file_make_dirs(dir, err);
    if (st == PONDER_OK) st = put_file(dir, "tokenizer_config.json", &config, err);
    if (st == PONDER_OK) st = put_file(dir, "tokenizer.json", &tokenizer_json, err);
    buf_free(&tokenizer_json);
    buf_free(&config);
    return st;
}
