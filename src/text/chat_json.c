/* Chat requests from JSON in the OpenAI form.
 * SPDX-License-Identifier: MIT
 *
 * Tools and structured arguments go into prompts as Python's json.dumps(ensure_ascii=False) writes
 * them, because that is what Hugging Face's `tojson` filter is and what models were trained on. */
#include "text/text.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_DEPTH = 64, MAX_ITEMS = 1 << 20 };

/* ---- json.dumps
 * ----------------------------------------------------------------------------------- */

static void dump_str(buf *b, str s)
{
    buf_add_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"' || c == '\\') buf_printf(b, "\\%c", c);
        else if (c == '\n') buf_add_str(b, STR("\\n"));
        else if (c == '\r') buf_add_str(b, STR("\\r"));
        else if (c == '\t') buf_add_str(b, STR("\\t"));
        else if (c == '\b') buf_add_str(b, STR("\\b"));
        else if (c == '\f') buf_add_str(b, STR("\\f"));
        else if ((unsigned char)c < 0x20) buf_printf(b, "\\u%04x", c);
        else buf_add_char(b, c);
    }
    buf_add_char(b, '"');
}

/* repr(float): the shortest digits that read back, plain from 1e-4 up to 1e16. */
static void dump_real(buf *b, double v)
{
    char text[40];
    int digits = 0;
    do snprintf(text, sizeof text, "%.*e", digits, v);
    while (strtod(text, NULL) != v && ++digits < 17);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent >= -4 && exponent < 16)
        buf_printf(b, "%.*f", digits > exponent ? digits - exponent : 1, v);
    else buf_add_str(b, str_of(text));
}

static bool dump(buf *b, json_t *v, int depth)
{
    const char *key, *comma = "";
    json_t *item;
    if (depth > MAX_DEPTH) return false;
    switch (json_typeof(v)) {
    case JSON_STRING: dump_str(b, json_str(v)); return true;
    case JSON_INTEGER: buf_printf(b, "%lld", (long long)json_integer_value(v)); return true;
    case JSON_REAL: dump_real(b, json_real_value(v)); return true;
    case JSON_TRUE: buf_add_str(b, STR("true")); return true;
    case JSON_FALSE: buf_add_str(b, STR("false")); return true;
    case JSON_NULL: buf_add_str(b, STR("null")); return true;
    case JSON_ARRAY:
        buf_add_char(b, '[');
        for (size_t i = 0; i < json_array_size(v); i++, comma = ", ") {
            buf_add_str(b, str_of(comma));
            if (!dump(b, json_array_get(v, i), depth + 1)) return false;
        }
        buf_add_char(b, ']');
        return true;
    case JSON_OBJECT:
        buf_add_char(b, '{');
        json_object_foreach (v, key, item) {
            buf_add_str(b, str_of(comma));
            comma = ", ";
            dump_str(b, str_of(key));
            buf_add_str(b, STR(": "));
            if (!dump(b, item, depth + 1)) return false;
        }
        buf_add_char(b, '}');
        return true;
    }
    return false;
}

/* ---- reading -------------------------------------------------------------------------------- */

typedef struct reader {
    chat_json *out;
    const char *name;
    ponder_error *err;
} reader;

static ponder_status wrong(reader *r, const char *what)
{
    return err_set(r->err, PONDER_EFORMAT, "%s: %s", r->name, what);
}

static ponder_status dumped(reader *r, json_t *v, str *text)
{
    buf *b = &r->out->owned[r->out->n_owned++];
    if (!dump(b, v, 0)) return wrong(r, "tools or arguments nest too deeply");
    if (b->failed) return err_set(r->err, PONDER_ENOMEM, "%s: out of memory", r->name);
    *text = buf_str(b);
    return PONDER_OK;
}

static ponder_status read_call(reader *r, json_t *c, chat_call *call)
{
    json_t *f = json_object_get(c, "function");
    if (!f) f = c;
    json_t *arguments = json_object_get(f, "arguments");
    call->type = json_str(json_object_get(c, "type"));
    if (!call->type.n) call->type = STR("function");
    call->name = json_str(json_object_get(f, "name"));
    if (!json_is_string(json_object_get(f, "name")) || !arguments)
        return wrong(r, "a tool call needs \"name\" and \"arguments\"");
    TRY(dumped(r, arguments, &call->arguments_json));
    call->arguments = json_is_string(arguments) ? json_str(arguments) : call->arguments_json;
    return PONDER_OK;
}

/* A list of text parts, joined. */
static ponder_status read_parts(reader *r, const json_t *parts, str *content)
{
    buf *b = &r->out->owned[r->out->n_owned++];
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i), *text = json_object_get(part, "text");
        if (!str_eq(json_str(json_object_get(part, "type")), STR("text")) || !json_is_string(text))
            return wrong(r, "a part of a content is no text");
        buf_add_str(b, json_str(text));
    }
    if (b->failed) return err_set(r->err, PONDER_ENOMEM, "%s: out of memory", r->name);
    *content = buf_str(b);
    return PONDER_OK;
}

static ponder_status read_message(reader *r, const json_t *m, chat_message *out, chat_call **call)
{
    const json_t *role = json_object_get(m, "role"), *content = json_object_get(m, "content");
    json_t *calls = json_object_get(m, "tool_calls");
    if (!json_is_string(role)) return wrong(r, "every message needs a \"role\"");
    *out = (chat_message){.role = json_str(role), .content = STR("")};
    out->prefix = json_is_true(json_object_get(m, "prefix"));
    out->has_content = content && !json_is_null(content);
    if (json_is_string(content)) out->content = json_str(content);
    else if (json_is_array(content)) TRY(read_parts(r, content, &out->content));
    else if (out->has_content)
        return wrong(r, "a content must be a string, a list of texts, or null");
    if (!calls || json_is_null(calls)) return PONDER_OK;
    if (!json_is_array(calls)) return wrong(r, "\"tool_calls\" must be a list");
    out->calls = *call;
    for (; out->n_calls < json_array_size(calls); out->n_calls++)
        TRY(read_call(r, json_array_get(calls, out->n_calls), (*call)++));
    return PONDER_OK;
}

static ponder_status reserve(reader *r, const json_t *messages, const json_t *tools)
{
    chat_json *o = r->out;
    size_t n = json_array_size(messages), n_tools = json_array_size(tools), n_calls = 0;
    for (size_t i = 0; i < n; i++)
        n_calls += json_array_size(json_object_get(json_array_get(messages, i), "tool_calls"));
    if (n > MAX_ITEMS || n_tools > MAX_ITEMS || n_calls > MAX_ITEMS)
        return err_set(r->err, PONDER_ELIMIT, "%s: too many messages, tools or calls", r->name);
    o->messages = calloc(n + 1, sizeof *o->messages);
    o->calls = calloc(n_calls + 1, sizeof *o->calls);
    o->tools = calloc(n_tools + 1, sizeof *o->tools);
    o->owned = calloc(n + n_calls + n_tools + 1, sizeof *o->owned);
    if (o->messages && o->calls && o->tools && o->owned) return PONDER_OK;
    return err_set(r->err, PONDER_ENOMEM, "%s: out of memory", r->name);
}

static ponder_status read_request(reader *r, const json_t *row)
{
    chat_json *o = r->out;
    chat_request *q = &o->request;
    const json_t *messages = json_object_get(row, "messages"),
                 *tools = json_object_get(row, "tools");
    if (!json_is_array(messages)) return wrong(r, "no list of \"messages\"");
    if (tools && !json_is_null(tools) && !json_is_array(tools))
        return wrong(r, "\"tools\" must be a list");
    TRY(json_field_bool(row, r->name, "add_generation_prompt", &q->generation_prompt, r->err));
    TRY(json_field_bool(row, r->name, "thinking", &q->thinking, r->err));
    TRY(reserve(r, messages, tools));
    chat_call *call = o->calls;
    for (size_t i = 0; i < json_array_size(messages); i++)
        TRY(read_message(r, json_array_get(messages, i), &o->messages[i], &call));
    for (size_t i = 0; i < json_array_size(tools); i++)
        TRY(dumped(r, json_array_get(tools, i), &o->tools[i]));
    q->messages = o->messages;
    q->n_messages = json_array_size(messages);
    q->tools = o->tools;
    q->n_tools = json_array_size(tools);
    return PONDER_OK;
}

ponder_status chat_read_json(chat_json *out, const json_t *row, const char *name, ponder_error *err)
{
    *out = (chat_json){0};
    reader r = {out, name, err};
    ponder_status st = read_request(&r, row);
    if (st != PONDER_OK) chat_json_free(out);
    return st;
}

void chat_json_free(chat_json *c)
{
    for (size_t i = 0; i < c->n_owned; i++) buf_free(&c->owned[i]);
    free(c->messages);
    free(c->calls);
    free(c->tools);
    free(c->owned);
    *c = (chat_json){0};
}
