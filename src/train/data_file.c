/* JSON lines as a source.
 * SPDX-License-Identifier: MIT
 *
 * The file stays mapped; of each line place and number are kept. */
#include "json/lines.h"
#include "train/data.h"

#include <stdlib.h>

typedef struct line {
    uint64_t at;
    uint32_t n, number; /* bytes; from 1 */
} line;

typedef struct data_file {
    train_source source;
    example_options o;
    char *path;
    uint64_t seed;
    mapped map;
    line *line;
    size_t cap;
} data_file;

enum form { FORM_BAD, FORM_TEXT, FORM_ANSWER, FORM_CHAT, FORM_PAIR };

static enum form form_of(const json_t *row)
{
    bool prompt = json_is_string(json_object_get(row, "prompt"));
    bool chosen = json_is_string(json_object_get(row, "chosen")) &&
                  json_is_string(json_object_get(row, "rejected"));
    bool response = json_is_string(json_object_get(row, "response"));
    bool messages = json_is_array(json_object_get(row, "messages"));
    bool text = json_is_string(json_object_get(row, "text"));
    if (text + messages + (prompt && response) + (prompt && chosen) != 1) return FORM_BAD;
    return text ? FORM_TEXT : messages ? FORM_CHAT : chosen ? FORM_PAIR : FORM_ANSWER;
}

/* The request without its last message, which is the answer. */
static ponder_status split_chat(chat_json *c, const json_t *row, const char *where, str *answer,
                                ponder_error *err)
{
    TRY(chat_read_json(c, row, where, err));
    size_t n = c->request.n_messages;
    if (n < 2 || !str_eq(c->messages[n - 1].role, STR("assistant")) ||
        !c->messages[n - 1].has_content || c->messages[n - 1].calls)
        return err_set(err, PONDER_EFORMAT,
                       "%s: the last message must be text of the assistant, after another message",
                       where);
    *answer = c->messages[n - 1].content;
    c->request.n_messages = n - 1;
    return PONDER_OK;
}

static enum train_role label_of(const json_t *row)
{
    const json_t *label = json_object_get(row, "label");
    if (!json_is_integer(label) || (json_integer_value(label) & ~1) != 0) return TRAIN_PLAIN;
    return json_integer_value(label) ? TRAIN_GOOD : TRAIN_BAD;
}

static ponder_status check_row(data_file *f, const json_t *row, const char *where,
                               ponder_error *err)
{
    enum form form = form_of(row);
    if (form == FORM_BAD)
        return err_set(err, PONDER_EFORMAT,
                       "%s: want one of: \"text\"; \"prompt\" and \"response\"; \"messages\"; "
                       "\"prompt\", \"chosen\" and \"rejected\"", where);
    bool pair = form == FORM_PAIR;
    if (f->source.n > 1 && pair != f->source.pairs)
        return err_set(err, PONDER_EFORMAT, "%s: preference pairs and other rows in one file",
                       where);
    f->source.pairs = pair;
    if (form != FORM_ANSWER || label_of(row) == TRAIN_PLAIN) f->source.labelled = false;
    if (form != FORM_CHAT) return PONDER_OK;
    chat_json c = {0};
    str answer;
    ponder_status st = split_chat(&c, row, where, &answer, err);
    chat_json_free(&c);
    return st;
}

static ponder_status parse(json_t **row, const data_file *f, const line *l, buf *where,
                           ponder_error *err)
{
    buf_clear(where);
    buf_printf(where, "%s:%u", f->path, l->number);
    if (where->failed) return err_set(err, PONDER_ENOMEM, "%s: out of memory", f->path);
    TRY(json_parse(row, (str){(const char *)f->map.p + l->at, l->n}, where->p, err));
    if (json_is_object(*row)) return PONDER_OK;
    json_decref(*row);
    *row = NULL;
    return err_set(err, PONDER_EFORMAT, "%s: want a JSON object", where->p);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static str field(const json_t *row, const char *key) { return json_str(json_object_get(row, key)); }

static ponder_status add_row(const data_file *f, const json_t *row, const char *where,
                             train_batch *b, ponder_error *err)
{
    const example_options *o = &f->o;
    str prompt = field(row, "prompt");
    switch (form_of(row)) {
    case FORM_TEXT: return example_text(o, b, field(row, "text"), err);
    case FORM_ANSWER:
        return example_answer(o, b, prompt, field(row, "response"), label_of(row), err);
    case FORM_CHAT: {
        chat_json c = {0};
        str answer;
        ponder_status st = split_chat(&c, row, where, &answer, err);
        if (st == PONDER_OK) st = example_chat(o, b, &c.request, answer, TRAIN_PLAIN, err);
        chat_json_free(&c);
        return st;
    }
    case FORM_PAIR: {
        size_t n = b->n, used = b->used;
        TRY(example_answer(o, b, prompt, field(row, "chosen"), TRAIN_CHOSEN, err));
        if (b->n > n)
            TRY(example_answer(o, b, prompt, field(row, "rejected"), TRAIN_REJECTED, err));
        if (b->n == n + 1) b->n = n, b->used = used; /* a pair is whole or not there */
        return PONDER_OK;
    }
    case FORM_BAD: break;
    }
    return err_set(err, PONDER_EINTERNAL, "%s: was checked", where);
}

/* The row of example i; where says which. */
static ponder_status row_of(json_t **row, data_file *f, uint64_t i, buf *where, ponder_error *err)
{
    return parse(row, f, &f->line[data_shuffle(f->source.n, f->seed, i)], where, err);
}

static ponder_status draw(train_source *s, uint64_t i, train_batch *b, ponder_error *err)
{
    data_file *f = (data_file *)s;
    buf where = {0};
    json_t *row = NULL;
    ponder_status st = row_of(&row, f, i, &where, err);
    if (st == PONDER_OK) {
        st = add_row(f, row, where.p, b, err);
        if (st != PONDER_OK && !strstr(err ? err->message : "", where.p))
            st = err_context(err, st, "%s", where.p);
        json_decref(row);
    }
    buf_free(&where);
    return st;
}

static ponder_status text(train_source *s, uint64_t i, buf *out, ponder_error *err)
{
    static const char *const keys[] = {"text", "prompt", "response", "chosen", "rejected"};
    data_file *f = (data_file *)s;
    buf where = {0};
    json_t *row = NULL;
    ponder_status st = row_of(&row, f, i, &where, err);
    buf_free(&where);
    TRY(st);
    for (size_t k = 0; k < COUNT_OF(keys); k++) {
        buf_add_str(out, field(row, keys[k]));
        buf_add_char(out, '\n');
    }
    const json_t *messages = json_object_get(row, "messages");
    for (size_t m = 0; m < json_array_size(messages); m++) {
        buf_add_str(out, field(json_array_get(messages, m), "content"));
        buf_add_char(out, '\n');
    }
    json_decref(row);
    return PONDER_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static ponder_status add_line(data_file *f, str text, size_t number, ponder_error *err)
{
    if (text.n > DATA_LINE_BYTES)
        return err_set(err, PONDER_ELIMIT, "%s:%zu: a line of %zu bytes; at most %d", f->path,
                       number, text.n, DATA_LINE_BYTES);
    if (f->source.n == f->cap) {
        size_t cap = size_max(1024, 2 * f->cap);
        line *more = realloc(f->line, cap * sizeof *more);
        if (!more) return err_set(err, PONDER_ENOMEM, "%s: out of memory", f->path);
        f->line = more;
        f->cap = cap;
    }
    uint64_t at = (uint64_t)(text.p - (const char *)f->map.p);
    f->line[f->source.n++] = (line){at, (uint32_t)text.n, (uint32_t)number};
    return PONDER_OK;
}

static ponder_status read_lines(data_file *f, ponder_error *err)
{
    json_lines lines = {.text = {(const char *)f->map.p, f->map.n}};
    buf where = {0};
    str text;
    ponder_status st = PONDER_OK;
    while (st == PONDER_OK && json_lines_next(&lines, &text)) {
        json_t *row = NULL;
        st = add_line(f, text, lines.number, err);
        if (st == PONDER_OK) st = parse(&row, f, &f->line[f->source.n - 1], &where, err);
        if (st == PONDER_OK) st = check_row(f, row, where.p, err);
        json_decref(row);
    }
    buf_free(&where);
    if (st == PONDER_OK && f->source.n == 0)
        st = err_set(err, PONDER_EFORMAT, "%s: no rows", f->path);
    return st;
}

static void close_file(train_source *s)
{
    data_file *f = (data_file *)s;
    file_unmap(&f->map);
    free(f->line);
    free(f->path);
    free(f);
}

ponder_status data_file_open(train_source **out, const char *path, const example_options *o,
                             uint64_t seed, ponder_error *err)
{
    *out = NULL;
    data_file *f = calloc(1, sizeof *f);
    if (!f) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    *f = (data_file){.source = {.draw = draw, .text = text, .close = close_file, .labelled = true},
                     .o = *o, .seed = seed};
    f->path = strdup(path);
    ponder_status st = f->path ? file_map(&f->map, path, err)
                               : err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    if (st == PONDER_OK) st = read_lines(f, err);
    if (st != PONDER_OK) close_file(&f->source);
    else *out = &f->source;
    return st;
}
