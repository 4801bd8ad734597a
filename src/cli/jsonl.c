/* JSON lines in, JSON lines out.
 * SPDX-License-Identifier: MIT */
#include "cli/jsonl.h"

#include <errno.h>
#include <stdlib.h>

enum { FLUSH_AT = 64 << 10 };

static ponder_status put_out(buf *out, ponder_error *err)
{
    if (out->failed) return err_set(err, PONDER_ENOMEM, "out of memory");
    if (fwrite(out->p ? out->p : "", 1, out->n, stdout) != out->n || fflush(stdout))
        return err_set(err, PONDER_EIO, "stdout: %s", strerror(errno));
    buf_clear(out);
    return PONDER_OK;
}

static ponder_status answer(str line, size_t number, cli_row_fn *fn, void *context, buf *out,
                            ponder_error *err)
{
    char name[32];
    json_t *row;
    snprintf(name, sizeof name, "line %zu", number);
    TRY(json_parse(&row, line, name, err));
    size_t before = out->n;
    ponder_status st = json_is_object(row)
                           ? fn(context, row, name, out, err)
                           : err_set(err, PONDER_EFORMAT, "%s: no JSON object", name);
    json_decref(row);
    if (st == PONDER_OK) buf_add_char(out, '\n');
    else if (!out->failed) out->n = before; /* no half answer */
    return st;
}

int cli_each_row(const char *command, cli_row_fn *fn, void *context)
{
    ponder_error err;
    ponder_status st = PONDER_OK;
    buf out = {0};
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    for (size_t number = 1; st == PONDER_OK && (n = getline(&line, &cap, stdin)) >= 0; number++) {
        str s = {line, (size_t)n};
        while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
        if (s.n) st = answer(s, number, fn, context, &out, &err);
        if (st == PONDER_OK && out.n >= FLUSH_AT) st = put_out(&out, &err);
    }
    if (st == PONDER_OK && ferror(stdin))
        st = err_set(&err, PONDER_EIO, "stdin: %s", strerror(errno));
    ponder_error late;
    ponder_status wrote = put_out(&out, &late);
    int status = CLI_DONE;
    if (st != PONDER_OK) status = cli_fail(command, &err);
    else if (wrote != PONDER_OK) status = cli_fail(command, &late);
    buf_free(&out);
    free(line);
    return status;
}

ponder_status cli_open_tokenizer(tokenizer **out, const char *model, ponder_error *err)
{
    char *path;
    fmt_model *embedded;
    ponder_status st;
    *out = NULL;
    if (!model) {
        TRY(cli_open_model(&embedded, NULL, err));
        st = tokenizer_from_model(out, embedded, err);
        fmt_close(embedded);
        return st;
    }
    TRY(cli_find_model(&path, model, err));
    st = tokenizer_open(out, path, err);
    free(path);
    return st;
}

void cli_put_ids(buf *out, const int32_t *ids, size_t n)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        char text[12];
        size_t at = sizeof text;
        for (uint32_t v = (uint32_t)ids[i]; at == sizeof text || v; v /= 10)
            text[--at] = (char)('0' + v % 10);
        if (i) buf_add_char(out, ',');
        buf_add(out, text + at, sizeof text - at);
    }
    buf_add_char(out, ']');
}
