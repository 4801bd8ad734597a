/* Chat prompts: the templates by name, and those that are simple. DeepSeek's are in
 * chat_deepseek.c. SPDX-License-Identifier: MIT
 *
 * Sources: qwen2_5, llama3: chat_template in the models' tokenizer_config.json; smollm2: that of
 * HuggingFaceTB/SmolLM2-135M-Instruct; chatml: openai/openai-python chatml.md. Each renders what
 * Jinja2 in Hugging Face's settings renders. */
#include "text/chat_int.h"

#include <stdlib.h>

static const char *const NAMES[] = {
    [CHAT_NONE] = "none",
    [CHAT_DEEPSEEK_V2] = "deepseek_v2",
    [CHAT_DEEPSEEK_V3] = "deepseek_v3",
    [CHAT_DEEPSEEK_R1] = "deepseek_r1",
    [CHAT_DEEPSEEK_R1_0528] = "deepseek_r1_0528",
    [CHAT_DEEPSEEK_V3_1] = "deepseek_v3_1",
    [CHAT_R1_DISTILL] = "r1_distill",
    [CHAT_R1_DISTILL_JAN] = "r1_distill_jan",
    [CHAT_QWEN2_5] = "qwen2_5",
    [CHAT_LLAMA3] = "llama3",
    [CHAT_CHATML] = "chatml",
    [CHAT_SMOLLM2] = "smollm2",
};

const char *chat_template_name(chat_template c)
{
    return (size_t)c < COUNT_OF(NAMES) ? NAMES[c] : NAMES[CHAT_NONE];
}

bool chat_template_by_name(chat_template *out, str name)
{
    for (size_t i = CHAT_NONE + 1; i < COUNT_OF(NAMES); i++)
        if (str_eq(name, str_of(NAMES[i]))) {
            *out = (chat_template)i;
            return true;
        }
    return false;
}

static bool has(str s, const char *needle) { return str_find(s, str_of(needle), 0) != SIZE_MAX; }

/* DeepSeek's releases, told apart by what only one of them has in its Jinja text. */
static chat_template detect_deepseek(str jinja)
{
    if (has(jinja, "thinking")) return CHAT_DEEPSEEK_V3_1;
    if (has(jinja, "is_last_user")) return CHAT_DEEPSEEK_R1_0528;
    bool joins_systems = has(jinja, "is_first_sp");
    if (has(jinja, "<think>\\n")) return joins_systems ? CHAT_DEEPSEEK_R1 : CHAT_R1_DISTILL;
    return joins_systems ? CHAT_DEEPSEEK_V3 : CHAT_R1_DISTILL_JAN;
}

chat_template chat_template_detect(const tokenizer *t, str jinja)
{
    if (has(jinja, "<｜Assistant｜>")) return detect_deepseek(jinja);
    if (has(jinja, "<|start_header_id|>")) return CHAT_LLAMA3;
    if (has(jinja, "<|im_start|>"))
        return has(jinja, "You are Qwen") ? CHAT_QWEN2_5
               : has(jinja, "SmolLM")     ? CHAT_SMOLLM2
                                          : CHAT_CHATML;
    if (has(jinja, "'User: '") && has(jinja, "'Assistant:")) return CHAT_DEEPSEEK_V2;
    if (jinja.n) return CHAT_NONE;
    if (tokenizer_find(t, STR("<｜Assistant｜>")) >= 0)
        return tokenizer_find(t, STR("<think>")) >= 0 ? CHAT_DEEPSEEK_R1 : CHAT_DEEPSEEK_V3;
    if (tokenizer_find(t, STR("<|start_header_id|>")) >= 0) return CHAT_LLAMA3;
    return tokenizer_find(t, STR("<|im_start|>")) >= 0 ? CHAT_CHATML : CHAT_NONE;
}

/* ---- writing -------------------------------------------------------------------------------- */

void chat_text(chat_prompt *p, str s) { buf_add_str(&p->text, s); }

void chat_mark(chat_prompt *p, str s)
{
    size_t begin = p->text.n;
    buf_add_str(&p->text, s);
    if (p->text.failed || s.n == 0) return;
    if (p->n_trusted && p->trusted[p->n_trusted - 1].end == begin) {
        p->trusted[p->n_trusted - 1].end = p->text.n;
        return;
    }
    if (p->n_trusted == p->cap_trusted) {
        size_t cap = p->cap_trusted ? 2 * p->cap_trusted : 16;
        text_span *more = realloc(p->trusted, cap * sizeof *more);
        if (!more) {
            p->text.failed = true;
            return;
        }
        p->trusted = more;
        p->cap_trusted = cap;
    }
    p->trusted[p->n_trusted++] = (text_span){begin, p->text.n};
}

str chat_without_thinking(str content)
{
    const str close = STR("</think>");
    size_t at = 0, hit;
    while ((hit = str_find(content, close, at)) != SIZE_MAX) at = hit + close.n;
    return (str){content.p + at, content.n - at};
}

static ponder_status need_content(const chat_request *r, ponder_error *err)
{
    for (size_t i = 0; i < r->n_messages; i++)
        if (!r->messages[i].has_content && !r->messages[i].calls)
            return err_set(err, PONDER_EARG, "message %zu (%.*s) has no content", i,
                           STR_ARG(r->messages[i].role));
    return PONDER_OK;
}

/* ---- ChatML and Qwen
 * ------------------------------------------------------------------------------ */

static void chatml_turn(chat_prompt *p, str role, str content)
{
    chat_mark(p, STR("<|im_start|>"));
    chat_text(p, role);
    chat_mark(p, STR("\n"));
    chat_text(p, content);
    chat_mark(p, STR("<|im_end|>\n"));
}

static void chatml(chat_prompt *p, const chat_request *r, bool smollm)
{
    if (smollm && r->n_messages && !chat_is(&r->messages[0], "system"))
        chat_mark(p,
                  STR("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
                      "Hugging Face<|im_end|>\n"));
    for (size_t i = 0; i < r->n_messages; i++)
        chatml_turn(p, r->messages[i].role, r->messages[i].content);
    if (r->generation_prompt) chat_mark(p, STR("<|im_start|>assistant\n"));
}

static void qwen_system(chat_prompt *p, const chat_request *r)
{
    bool own = r->n_messages && chat_is(&r->messages[0], "system");
    chat_mark(p, STR("<|im_start|>system\n"));
    if (own) chat_text(p, r->messages[0].content);
    else chat_mark(p, STR("You are Qwen, created by Alibaba Cloud. You are a helpful assistant."));
    if (r->n_tools) {
        chat_mark(p,
                  STR("\n\n# Tools\n\nYou may call one or more functions to assist with the user "
                      "query.\n\nYou are provided with function signatures within <tools></tools> "
                      "XML tags:\n<tools>"));
        for (size_t i = 0; i < r->n_tools; i++) {
            chat_mark(p, STR("\n"));
            chat_text(p, r->tools[i]);
        }
        chat_mark(p,
                  STR("\n</tools>\n\nFor each function call, return a json object with function "
                      "name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n"
                      "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n"
                      "</tool_call>"));
    }
    chat_mark(p, STR("<|im_end|>\n"));
}

static void qwen_calls(chat_prompt *p, const chat_message *m)
{
    chat_mark(p, STR("<|im_start|>assistant"));
    if (m->content.n) {
        chat_mark(p, STR("\n"));
        chat_text(p, m->content);
    }
    for (size_t i = 0; i < m->n_calls; i++) {
        chat_mark(p, STR("\n<tool_call>\n{\"name\": \""));
        chat_text(p, m->calls[i].name);
        chat_mark(p, STR("\", \"arguments\": "));
        chat_text(p, m->calls[i].arguments_json);
        chat_mark(p, STR("}\n</tool_call>"));
    }
    chat_mark(p, STR("<|im_end|>\n"));
}

static void qwen(chat_prompt *p, const chat_request *r)
{
    qwen_system(p, r);
    for (size_t i = 0; i < r->n_messages; i++) {
        const chat_message *m = &r->messages[i];
        bool assistant = chat_is(m, "assistant");
        if (chat_is(m, "user") || (chat_is(m, "system") && i > 0) || (assistant && !m->n_calls)) {
            chatml_turn(p, m->role, m->content);
        } else if (assistant) {
            qwen_calls(p, m);
        } else if (chat_is(m, "tool")) {
            if (i == 0 || !chat_is(m - 1, "tool")) chat_mark(p, STR("<|im_start|>user"));
            chat_mark(p, STR("\n<tool_response>\n"));
            chat_text(p, m->content);
            chat_mark(p, STR("\n</tool_response>"));
            if (i + 1 == r->n_messages || !chat_is(m + 1, "tool"))
                chat_mark(p, STR("<|im_end|>\n"));
        }
    }
    if (r->generation_prompt) chat_mark(p, STR("<|im_start|>assistant\n"));
}

/* ---- Llama 3
 * -------------------------------------------------------------------------------------- */

/* Length of the white space at s as Python's str.strip sees it, or 0. Jinja's `trim` is that. */
static size_t blank(const char *s, size_t n)
{
    static const char *const wide[] = {
        "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
        "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
        "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
        "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80",
    };
    unsigned char c = (unsigned char)s[0];
    if (c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F)) return 1;
    for (size_t i = 0; c >= 0x80 && i < COUNT_OF(wide); i++)
        if (str_starts((str){s, n}, str_of(wide[i]))) return strlen(wide[i]);
    return 0;
}

static str trim(str s)
{
    for (size_t n; s.n && (n = blank(s.p, s.n)); s.p += n) s.n -= n;
    for (bool more = true; more;) {
        more = false;
        for (size_t k = 1; k <= 3 && k <= s.n && !more; k++)
            if (blank(s.p + s.n - k, k) == k) {
                s.n -= k;
                more = true;
            }
    }
    return s;
}

static void llama3(chat_prompt *p, const chat_request *r, str bos)
{
    for (size_t i = 0; i < r->n_messages; i++) {
        if (i == 0) chat_mark(p, bos);
        chat_mark(p, STR("<|start_header_id|>"));
        chat_text(p, r->messages[i].role);
        chat_mark(p, STR("<|end_header_id|>\n\n"));
        chat_text(p, trim(r->messages[i].content));
        chat_mark(p, STR("<|eot_id|>"));
    }
    if (r->generation_prompt)
        chat_mark(p, STR("<|start_header_id|>assistant<|end_header_id|>\n\n"));
}

/* ---- the door ------------------------------------------------------------------------------- */

ponder_status chat_render(chat_prompt *out, chat_template c, const chat_request *r, str bos,
                          ponder_error *err)
{
    *out = (chat_prompt){0};
    TRY(need_content(r, err));
    switch (c) {
    case CHAT_NONE:
        return err_set(err, PONDER_EUNSUPPORTED, "the model has no known chat template; name one");
    case CHAT_QWEN2_5: qwen(out, r); break;
    case CHAT_LLAMA3: llama3(out, r, bos); break;
    case CHAT_CHATML:
    case CHAT_SMOLLM2: chatml(out, r, c == CHAT_SMOLLM2); break;
    default: TRY(chat_render_deepseek(out, c, r, bos, err));
    }
    out->opens_thinking = str_ends(buf_str(&out->text), STR("<think>")) ||
                          str_ends(buf_str(&out->text), STR("<think>\n"));
    return out->text.failed ? err_set(err, PONDER_ENOMEM, "chat prompt: out of memory") : PONDER_OK;
}

void chat_prompt_free(chat_prompt *p)
{
    buf_free(&p->text);
    free(p->trusted);
    *p = (chat_prompt){0};
}
