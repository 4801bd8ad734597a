/* ponder render: chat messages to the prompt a model sees.
 * SPDX-License-Identifier: MIT */
#include "cli/jsonl.h"

typedef struct task {
    tokenizer *t;
    chat_template template;
    bool safe;
} task;

static ponder_status put(task *k, const chat_prompt *p, buf *out, ponder_error *err)
{
    tokens ids = {0};
    str text = buf_str(&p->text);
    ponder_status st =
        k->safe ? tokenizer_encode_trusted(k->t, &ids, text, p->trusted, p->n_trusted, err)
                : tokenizer_encode(k->t, &ids, text, 0, err);
    json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "text");
    json_text(&w, text);
    json_key(&w, "ids");
    cli_put_ids(out, ids.p, ids.n);
    json_close(&w, '}');
    tokens_free(&ids);
    return st;
}

static ponder_status row_of(void *context, const json_t *row, const char *name, buf *out,
                            ponder_error *err)
{
    task *k = context;
    chat_json chat;
    chat_prompt prompt = {0};
    TRY(chat_read_json(&chat, row, name, err));
    ponder_status st = chat_render(&prompt, k->template, &chat.request,
                                   tokenizer_bytes(k->t, tokenizer_bos(k->t)), err);
    if (st != PONDER_OK) err_context(err, st, "%s", name);
    else st = put(k, &prompt, out, err);
    chat_prompt_free(&prompt);
    chat_json_free(&chat);
    return st;
}

/* The template asked for, else the model's own. */
static ponder_status choose(task *k, const char *asked, ponder_error *err)
{
    k->template = tokenizer_template(k->t);
    if (!asked || chat_template_by_name(&k->template, str_of(asked))) return PONDER_OK;
    buf names = {0};
    for (int c = CHAT_NONE + 1; c <= CHAT_SMOLLM2; c++)
        buf_printf(&names, " %s", chat_template_name((chat_template)c));
    err_set(err, PONDER_EARG, "no template \"%s\"; there are%s", asked, buf_str(&names).p);
    buf_free(&names);
    return PONDER_EARG;
}

int cmd_render(int argc, char **argv)
{
    task k = {0};
    const char *template = NULL;
    const cli_option options[] = {
        {"template", 0, CLI_TEXT, &template, "NAME", "a chat template other than the model's own",
         0, 0},
        {"safe", 0, CLI_FLAG, &k.safe, NULL,
         "ids with control tokens in messages left unrecognised", 0, 0},
        {0},
    };
    const cli_command command = {
        .usage = "render [MODEL] [--template NAME] < rows.jsonl",
        .about = "Turns JSON lines {\"messages\", \"tools\"?, \"add_generation_prompt\"?,\n"
                 "\"thinking\"?} into {\"text\", \"ids\"}: the prompt as the model's chat template\n"
                 "writes it, and the ids of that whole text. With --safe the ids are those a\n"
                 "server uses: what messages hold cannot become control tokens. Without MODEL: the\n"
                 "embedded one.",
        .examples = "  echo '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}' | ponder "
                    "render model.gguf\n"
                    "  ponder render DeepSeek-R1 --template deepseek_r1_0528 < rows.jsonl",
        .options = options,
        .max_args = 1,
    };
    const char *args[1];
    ponder_error err;
    int status = cli_parse(&command, argc, argv, args);
    if (status >= 0) return status;
    if (cli_open_tokenizer(&k.t, args[0], &err) != PONDER_OK) return cli_fail(argv[0], &err);
    status = choose(&k, template, &err) == PONDER_OK ? cli_each_row(argv[0], row_of, &k)
                                                     : cli_fail(argv[0], &err);
    tokenizer_close(k.t);
    return status;
}
