/* DeepSeek's chat templates.
 * SPDX-License-Identifier: MIT
 *
 * Sources: chat_template in tokenizer_config.json of DeepSeek-V2-Lite-Chat, DeepSeek-V3,
 * DeepSeek-R1, R1-Distill, R1-0528 (as in R1-0528-Qwen3-8B) and DeepSeek-V3.1. Their defects are
 * kept, because the models were trained and served with them: V3 and the distills close a list of
 * calls only from the second call on (and again at each further one), and except in R1-0528 and
 * V3.1 the openings of calls and outputs appear once in a conversation, not once a round. */
#include "text/chat_int.h"

#define ASSISTANT     "<｜Assistant｜>"
#define EOS           "<｜end▁of▁sentence｜>"
#define CALLS_BEGIN   "<｜tool▁calls▁begin｜>"
#define CALLS_END     "<｜tool▁calls▁end｜>"
#define CALL_BEGIN    "<｜tool▁call▁begin｜>"
#define CALL_END      "<｜tool▁call▁end｜>"
#define OUTPUTS_BEGIN "<｜tool▁outputs▁begin｜>"
#define OUTPUTS_END   "<｜tool▁outputs▁end｜>"
#define OUTPUT_BEGIN  "<｜tool▁output▁begin｜>"
#define OUTPUT_END    "<｜tool▁output▁end｜>"
#define SEP           "<｜tool▁sep｜>"

/* How V3, R1, R1-0528 and the distills differ. */
typedef struct style {
    bool last_system;     /* the last system message wins; else all are joined */
    bool calls_if_silent; /* calls count only where content is null; else wherever the key is */
    bool close_each;      /* calls are closed after each call but the first; else once */
    bool drops_thinking;
    bool answers_early; /* the assistant mark comes with the user's turn, and rounds are reset */
    bool glued_outputs; /* no line break between tool outputs */
    str prompt;         /* where the answer begins */
} style;

static style style_of(chat_template c)
{
    switch (c) {
    case CHAT_DEEPSEEK_R1:
        return (style){
            .drops_thinking = true, .glued_outputs = true, .prompt = STR(ASSISTANT "<think>\n")};
    case CHAT_DEEPSEEK_R1_0528:
        return (style){.drops_thinking = true, .answers_early = true, .prompt = STR(ASSISTANT)};
    case CHAT_R1_DISTILL:
    case CHAT_R1_DISTILL_JAN:
        return (style){.last_system = true,
                       .calls_if_silent = true,
                       .close_each = true,
                       .drops_thinking = true,
                       .prompt =
                           c == CHAT_R1_DISTILL ? STR(ASSISTANT "<think>\n") : STR(ASSISTANT)};
    default: return (style){.calls_if_silent = true, .close_each = true, .prompt = STR(ASSISTANT)};
    }
}

/* The templates' namespace, under their names. */
typedef struct state {
    bool is_first, is_tool, output_seen, is_last_user;
} state;

static void systems(chat_prompt *p, const chat_request *r, bool last_wins)
{
    const chat_message *only = NULL;
    for (size_t i = 0; i < r->n_messages; i++) {
        const chat_message *m = &r->messages[i];
        if (!chat_is(m, "system")) continue;
        if (only && !last_wins) chat_mark(p, STR("\n\n"));
        if (!last_wins) chat_text(p, m->content);
        only = m;
    }
    if (only && last_wins) chat_text(p, only->content);
}

static void write_call(chat_prompt *p, const chat_call *c)
{
    chat_mark(p, STR(CALL_BEGIN));
    chat_text(p, c->type);
    chat_mark(p, STR(SEP));
    chat_text(p, c->name);
    chat_mark(p, STR("\n```json\n"));
    chat_text(p, c->arguments);
    chat_mark(p, STR("\n```" CALL_END));
}

static void write_calls(chat_prompt *p, const style *y, state *s, const chat_message *m,
                        str content)
{
    if (y->answers_early) {
        if (s->is_tool) chat_mark(p, STR(OUTPUTS_END));
        s->is_first = s->output_seen = false;
    }
    s->is_tool = s->is_last_user = false;
    for (size_t i = 0; i < m->n_calls; i++) {
        bool opens = !s->is_first;
        if (opens) {
            if (!y->answers_early) chat_mark(p, STR(ASSISTANT));
            chat_text(p, content);
            chat_mark(p, STR(CALLS_BEGIN));
        } else {
            chat_mark(p, STR("\n"));
        }
        write_call(p, &m->calls[i]);
        s->is_first = true;
        if (y->close_each && !opens) chat_mark(p, STR(CALLS_END EOS));
    }
    if (!y->close_each) chat_mark(p, STR(CALLS_END EOS));
}

static void write_answer(chat_prompt *p, const style *y, state *s, const chat_message *m)
{
    str content = m->content;
    bool keep = s->is_tool && !y->answers_early; /* only R1-0528 drops thinking after outputs too */
    if (y->drops_thinking && !keep) content = chat_without_thinking(content);
    if (s->is_tool) chat_mark(p, STR(OUTPUTS_END));
    else if (!y->answers_early) chat_mark(p, STR(ASSISTANT));
    chat_text(p, content);
    chat_mark(p, STR(EOS));
    s->is_tool = s->is_last_user = false;
}

static void write_output(chat_prompt *p, const style *y, state *s, const chat_message *m)
{
    if (!s->output_seen) chat_mark(p, STR(OUTPUTS_BEGIN));
    else if (!y->glued_outputs) chat_mark(p, STR("\n"));
    chat_mark(p, STR(OUTPUT_BEGIN));
    chat_text(p, m->content);
    chat_mark(p, STR(OUTPUT_END));
    s->is_tool = s->output_seen = true;
    s->is_last_user = false;
}

static void write_user(chat_prompt *p, const style *y, state *s, const chat_message *m)
{
    chat_mark(p, STR("<｜User｜>"));
    chat_text(p, m->content);
    s->is_tool = false;
    if (!y->answers_early) return;
    chat_mark(p, STR(ASSISTANT));
    s->is_first = false;
    s->is_last_user = true;
}

static void classic(chat_prompt *p, const style *y, const chat_request *r, str bos)
{
    state s = {0};
    chat_mark(p, bos);
    systems(p, r, y->last_system);
    for (size_t i = 0; i < r->n_messages; i++) {
        const chat_message *m = &r->messages[i];
        if (chat_is(m, "user")) write_user(p, y, &s, m);
        if (chat_is(m, "tool")) write_output(p, y, &s, m);
        if (!chat_is(m, "assistant")) continue;
        bool calls = y->calls_if_silent ? !m->has_content : m->calls != NULL;
        str content = y->answers_early ? chat_without_thinking(m->content) : m->content;
        if (calls) write_calls(p, y, &s, m, content);
        else write_answer(p, y, &s, m);
    }
    if (s.is_tool) chat_mark(p, STR(OUTPUTS_END));
    if (r->generation_prompt && !s.is_tool && !s.is_last_user) chat_mark(p, y->prompt);
}

/* ---- V3.1 ----------------------------------------------------------------------------------- */

static void v31_calls(chat_prompt *p, state *s, const chat_message *m)
{
    if (s->is_last_user) chat_mark(p, STR(ASSISTANT "<think></think>"));
    for (size_t i = 0; i < m->n_calls; i++) {
        if (i == 0) {
            chat_text(p, m->content);
            chat_mark(p, STR(CALLS_BEGIN));
        }
        chat_mark(p, STR(CALL_BEGIN));
        chat_text(p, m->calls[i].name);
        chat_mark(p, STR(SEP));
        chat_text(p, m->calls[i].arguments_json);
        chat_mark(p, STR(CALL_END));
    }
    chat_mark(p, STR(CALLS_END EOS));
    s->is_last_user = s->is_tool = false;
}

static void v31_answer(chat_prompt *p, state *s, const chat_message *m, bool thinking)
{
    const str close = STR("</think>");
    str content = m->content;
    size_t at = str_find(content, close, 0);
    if (s->is_last_user) {
        chat_mark(p, STR(ASSISTANT "<think>"));
        if (!(m->prefix && thinking)) chat_mark(p, close);
    }
    if (!s->is_tool && at != SIZE_MAX)
        content = (str){content.p + at + close.n, content.n - at - close.n};
    chat_text(p, content);
    chat_mark(p, STR(EOS));
    s->is_last_user = s->is_tool = false;
}

static void v31(chat_prompt *p, const chat_request *r, str bos)
{
    state s = {0};
    chat_mark(p, bos);
    systems(p, r, false);
    for (size_t i = 0; i < r->n_messages; i++) {
        const chat_message *m = &r->messages[i];
        if (chat_is(m, "user")) {
            chat_mark(p, STR("<｜User｜>"));
            chat_text(p, m->content);
            s.is_tool = false;
            s.is_last_user = true;
        } else if (chat_is(m, "assistant")) {
            if (m->n_calls) v31_calls(p, &s, m);
            else v31_answer(p, &s, m, r->thinking);
        } else if (chat_is(m, "tool")) {
            chat_mark(p, STR(OUTPUT_BEGIN));
            chat_text(p, m->content);
            chat_mark(p, STR(OUTPUT_END));
            s.is_tool = true;
            s.is_last_user = false;
        }
    }
    if (!r->generation_prompt || !s.is_last_user || s.is_tool) return;
    chat_mark(p, STR(ASSISTANT "<think>"));
    if (!r->thinking) chat_mark(p, STR("</think>"));
}

/* ---- V2
 * ------------------------------------------------------------------------------------------ */

static void v2(chat_prompt *p, const chat_request *r, str bos)
{
    chat_mark(p, bos);
    for (size_t i = 0; i < r->n_messages; i++) {
        const chat_message *m = &r->messages[i];
        bool user = chat_is(m, "user"), assistant = chat_is(m, "assistant");
        if (!user && !assistant && !chat_is(m, "system")) continue;
        if (user) chat_mark(p, STR("User: "));
        if (assistant) chat_mark(p, STR("Assistant: "));
        chat_text(p, m->content);
        chat_mark(p, assistant ? STR(EOS) : STR("\n\n"));
    }
    if (r->generation_prompt) chat_mark(p, STR("Assistant:"));
}

ponder_status chat_render_deepseek(chat_prompt *p, chat_template c, const chat_request *r, str bos,
                                   ponder_error *err)
{
    if (c == CHAT_DEEPSEEK_V2) v2(p, r, bos);
    else if (c == CHAT_DEEPSEEK_V3_1) v31(p, r, bos);
    else if (c > CHAT_DEEPSEEK_V2 && c <= CHAT_R1_DISTILL_JAN) {
        style y = style_of(c);
        classic(p, &y, r, bos);
    } else {
        return err_set(err, PONDER_EARG, "%d is no chat template", (int)c);
    }
    return PONDER_OK;
}
