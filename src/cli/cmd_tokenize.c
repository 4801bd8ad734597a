/* ponder tokenize: text to ids and ids to text.
 * SPDX-License-Identifier: MIT */
#include "cli/jsonl.h"

typedef struct task {
    tokenizer *t;
    tokens ids;
    buf bytes, text;
} task;

static ponder_status encode(task *k, const json_t *row, const char *name, buf *out,
                            ponder_error *err)
{
    str text = STR("");
    bool plain = false, bos = false;
    TRY(json_field_str(row, name, "text", &text, err));
    TRY(json_field_bool(row, name, "plain", &plain, err));
    TRY(json_field_bool(row, name, "bos", &bos, err));
    k->ids.n = 0;
    unsigned flags = (plain ? TEXT_PLAIN : 0) | (bos ? TEXT_BOS : 0);
    TRY(tokenizer_encode(k->t, &k->ids, text, flags, err));
    buf_add_str(out, STR("{\"ids\":"));
    cli_put_ids(out, k->ids.p, k->ids.n);
    buf_add_char(out, '}');
    return PONDER_OK;
}

static ponder_status decode(task *k, const json_t *row, const char *name, buf *out,
                            ponder_error *err)
{
    const json_t *ids = json_object_get(row, "ids");
    bool skip_special = false;
    TRY(json_field_bool(row, name, "skip_special", &skip_special, err));
    buf_clear(&k->bytes);
    buf_clear(&k->text);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *v = json_array_get(ids, i);
        if (!json_is_integer(v))
            return err_set(err, PONDER_EFORMAT, "%s: \"ids\" item %zu is no integer", name, i);
        int64_t id = json_integer_value(v);
        int32_t known = id >= 0 && id < tokenizer_size(k->t) ? (int32_t)id : -1;
        tokenizer_decode(k->t, &k->bytes, &known, 1, skip_special);
    }
    bool clean = utf8_repair(&k->text, buf_str(&k->bytes));
    json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "text");
    json_text(&w, buf_str(&k->text));
    if (!clean) {
        json_key(&w, "hex");
        buf_add_char(out, '"');
        for (size_t i = 0; i < k->bytes.n; i++) {
            unsigned char c = (unsigned char)k->bytes.p[i];
            buf_add_char(out, "0123456789abcdef"[c >> 4]);
            buf_add_char(out, "0123456789abcdef"[c & 15]);
        }
        buf_add_char(out, '"');
    }
    json_close(&w, '}');
    return PONDER_OK;
}

static ponder_status row_of(void *context, const json_t *row, const char *name, buf *out,
                            ponder_error *err)
{
    bool text = json_is_string(json_object_get(row, "text"));
    bool ids = json_is_array(json_object_get(row, "ids"));
    if (text == ids)
        return err_set(err, PONDER_EFORMAT,
                       "%s: want either \"text\" (a string) or \"ids\" (a list)", name);
    return text ? encode(context, row, name, out, err) : decode(context, row, name, out, err);
}

int cmd_tokenize(int argc, char **argv)
{
    static const cli_command command = {
        .usage = "tokenize [MODEL] < rows.jsonl",
        .about =
            "Turns JSON lines {\"text\", \"plain\"?, \"bos\"?} into {\"ids\"}, and {\"ids\",\n"
            "\"skip_special\"?} into {\"text\", \"hex\"?}: hex are the bytes where they are not "
            "UTF-8.\n"
            "plain leaves added tokens such as <think> unrecognised. MODEL is a .gguf file, a\n"
            "Hugging Face directory, or a tokenizer.json; without it, the embedded model.",
        .examples = "  echo '{\"text\":\"Hello\"}' | ponder tokenize model.gguf\n"
                    "  echo '{\"ids\":[0,19923]}' | ponder tokenize DeepSeek-R1/tokenizer.json",
        .max_args = 1,
    };
    const char *args[1];
    ponder_error err;
    int status = cli_parse(&command, argc, argv, args);
    if (status >= 0) return status;
    task k = {0};
    if (cli_open_tokenizer(&k.t, args[0], &err) != PONDER_OK) return cli_fail(argv[0], &err);
    status = cli_each_row(argv[0], row_of, &k);
    tokenizer_close(k.t);
    tokens_free(&k.ids);
    buf_free(&k.bytes);
    buf_free(&k.text);
    return status;
}
