/* Texts, questions and conversations as sequences of tokens.
 * SPDX-License-Identifier: MIT
 *
 * Added tokens are recognised in responses and texts, because <think> there means the token; in
 * prompts only where the template wrote them. */
#include "engine/engine.h"
#include "train/data.h"

static const str OPEN = {"<think>", 7}, CLOSE = {"</think>", 8};

/* What ends an answer: the end of a turn where the template has turns of its own, else EOS. */
static int32_t end_token(const example_options *o)
{
    int32_t id = -1;
    switch (o->template) {
    case CHAT_QWEN2_5:
    case CHAT_CHATML:
    case CHAT_SMOLLM2: id = tokenizer_find(o->t, STR("<|im_end|>")); break;
    case CHAT_LLAMA3: id = tokenizer_find(o->t, STR("<|eot_id|>")); break;
    default: break;
    }
    return id >= 0 ? id : tokenizer_eos(o->t);
}

/* ---- documents ------------------------------------------------------------------------------- */

ponder_status example_text(const example_options *o, train_batch *b, str text, ponder_error *err)
{
    tokens ids = {0};
    ponder_status st = tokenizer_encode(o->t, &ids, text, TEXT_BOS, err);
    int32_t eos = tokenizer_eos(o->t);
    if (st == PONDER_OK && eos >= 0) tokens_add(&ids, eos);
    if (ids.failed) st = err_set(err, PONDER_ENOMEM, "example: out of memory");
    /* A piece begins with the last token of the one before, so that every token is predicted. */
    for (size_t at = 0; st == PONDER_OK && at + 1 < ids.n; at += o->max_tokens - 1) {
        batch_begin(b, TRAIN_PLAIN);
        batch_put(b, ids.p + at, size_min(o->max_tokens, ids.n - at), 1);
        batch_end(b);
    }
    tokens_free(&ids);
    return st == PONDER_OK ? batch_check(b, err) : st;
}

/* ---- answers --------------------------------------------------------------------------------- */

static ponder_status encode_prompt(const example_options *o, tokens *out, const chat_request *r,
                                   bool *opens, ponder_error *err)
{
    enum chat_part begin = CHAT_START;
    *opens = false;
    if (o->template != CHAT_NONE) {
        TRY(engine_prompt(out, &begin, o->t, o->template, r, ENGINE_THINK_AUTO, err));
        *opens = begin == CHAT_REASONING;
        return PONDER_OK;
    }
    buf text = {0};
    for (size_t i = 0; i < r->n_messages; i++) buf_add_str(&text, r->messages[i].content);
    ponder_status st = text.failed ? err_set(err, PONDER_ENOMEM, "example: out of memory")
                                   : tokenizer_encode(o->t, out, buf_str(&text),
                                                      TEXT_BOS | TEXT_PLAIN, err);
    buf_free(&text);
    return st;
}

/* What is said after the thinking; nothing where the thinking does not end. */
static str summary_of(str response)
{
    size_t at = str_find(response, CLOSE, 0);
    if (at == SIZE_MAX) return str_starts(response, OPEN) ? (str){response.p, 0} : response;
    at += CLOSE.n;
    while (at < response.n && (response.p[at] == '\n' || response.p[at] == ' ')) at++;
    return (str){response.p + at, response.n - at};
}

static ponder_status encode_response(const example_options *o, tokens *out, str response,
                                     bool opened, ponder_error *err)
{
    if (o->summary) response = summary_of(response);
    if (opened && str_starts(response, OPEN)) {
        response = (str){response.p + OPEN.n, response.n - OPEN.n};
        if (response.n && response.p[0] == '\n') response.p++, response.n--;
    } else if (opened && str_find(response, CLOSE, 0) == SIZE_MAX) {
        TRY(tokenizer_encode(o->t, out, STR("\n</think>\n\n"), 0, err));
    }
    TRY(tokenizer_encode(o->t, out, response, 0, err));
    int32_t end = end_token(o);
    if (end >= 0) tokens_add(out, end);
    return out->failed ? err_set(err, PONDER_ENOMEM, "example: out of memory") : PONDER_OK;
}

ponder_status example_chat(const example_options *o, train_batch *b, const chat_request *r,
                           str response, enum train_role role, ponder_error *err)
{
    tokens prompt = {0}, answer = {0};
    bool opens;
    chat_request ask = *r;
    ask.generation_prompt = true;
    ponder_status st = encode_prompt(o, &prompt, &ask, &opens, err);
    if (st == PONDER_OK) st = encode_response(o, &answer, response, opens, err);
    size_t n = prompt.n + answer.n;
    if (st == PONDER_OK && n > o->max_tokens && (!o->cut || prompt.n + 1 >= o->max_tokens)) {
        b->skipped++;
    } else if (st == PONDER_OK) {
        batch_begin(b, role);
        batch_put(b, prompt.p, prompt.n, o->learn_all ? 1 : 0);
        batch_put(b, answer.p, size_min(n, o->max_tokens) - prompt.n, 1);
        batch_end(b);
        st = batch_check(b, err);
    }
    tokens_free(&prompt);
    tokens_free(&answer);
    return st;
}

ponder_status example_answer(const example_options *o, train_batch *b, str prompt, str response,
                             enum train_role role, ponder_error *err)
{
    chat_message m = {.role = STR("user"), .content = prompt, .has_content = true};
    return example_chat(o, b, &(chat_request){.messages = &m, .n_messages = 1}, response, role,
                        err);
}

ponder_status example_prompt(const example_options *o, tokens *out, str prompt, bool *opened,
                             ponder_error *err)
{
    chat_message m = {.role = STR("user"), .content = prompt, .has_content = true};
    chat_request r = {.messages = &m, .n_messages = 1, .generation_prompt = true};
    return encode_prompt(o, out, &r, opened, err);
}
