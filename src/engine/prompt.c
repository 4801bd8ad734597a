/* A conversation as the ids a model is to continue.
 * SPDX-License-Identifier: MIT */
#include "engine/engine_int.h"

/* The family's models think before they answer, whether or not the template opens the thought. */
static bool family_thinks(chat_template c)
{
    return c == CHAT_DEEPSEEK_R1 || c == CHAT_DEEPSEEK_R1_0528 || c == CHAT_DEEPSEEK_V3_1 ||
           c == CHAT_R1_DISTILL || c == CHAT_R1_DISTILL_JAN;
}

/* Adds template text at the end, as part of the last trusted span. */
static void extend(chat_prompt *p, const char *text)
{
    bool trusted = p->n_trusted && p->trusted[p->n_trusted - 1].end == p->text.n;
    buf_add_str(&p->text, str_of(text));
    if (trusted) p->trusted[p->n_trusted - 1].end = p->text.n;
}

/* R1 closes a thought by "</think>" and an empty line; an empty one is "<think>\n\n</think>\n\n"
 * (README of DeepSeek-R1, "usage recommendations"). V3.1's prompt has marks without line breaks. */
static void set_thinking(chat_prompt *p, enum chat_part *begin, chat_template c,
                         enum engine_think think)
{
    bool closed = c == CHAT_DEEPSEEK_V3_1 && !p->opens_thinking;
    *begin = p->opens_thinking ? CHAT_REASONING : closed ? CHAT_ANSWER : CHAT_START;
    if (think == ENGINE_THINK_ON && *begin == CHAT_START) {
        extend(p, "<think>\n");
        *begin = CHAT_REASONING;
    } else if (think == ENGINE_THINK_OFF && *begin != CHAT_ANSWER && family_thinks(c)) {
        extend(p, *begin == CHAT_START ? "<think>\n\n</think>\n\n" : "\n</think>\n\n");
        *begin = CHAT_ANSWER;
    }
}

ponder_status engine_prompt(tokens *out, enum chat_part *begin, const tokenizer *t, chat_template c,
                            const chat_request *r, enum engine_think think, ponder_error *err)
{
    chat_prompt p = {0};
    *begin = CHAT_START;
    chat_request q = *r;
    q.thinking = think == ENGINE_THINK_ON || (think == ENGINE_THINK_AUTO && r->thinking);
    str bos = tokenizer_bos(t) < 0 ? STR("") : tokenizer_bytes(t, tokenizer_bos(t));
    ponder_status st = chat_render(&p, c, &q, bos, err);
    if (st == PONDER_OK && q.generation_prompt) set_thinking(&p, begin, c, think);
    if (st == PONDER_OK && p.text.failed)
        st = err_set(err, PONDER_ENOMEM, "no memory for the prompt");
    if (st == PONDER_OK)
        st = tokenizer_encode_trusted(t, out, buf_str(&p.text), p.trusted, p.n_trusted, err);
    chat_prompt_free(&p);
    return st;
}
