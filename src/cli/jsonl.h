/* jsonl: commands that read JSON lines from stdin and answer each with a line on stdout.
 * SPDX-License-Identifier: MIT */
#ifndef CLI_JSONL_H
#define CLI_JSONL_H

#include "cli/cli.h"
#include "text/text.h"
#include "json/json.h"

/* Answers one row: appends a JSON value to out. `name` ("line 3") is for messages. */
typedef ponder_status cli_row_fn(void *context, const json_t *row, const char *name, buf *out,
                                 ponder_error *err);

/* Feeds every line of stdin, blank ones excepted, to fn. Stops at the first error, after the
 * answers before it are out; returns the exit status. */
int cli_each_row(const char *command, cli_row_fn *fn, void *context);

/* The tokenizer of MODEL: of what cli_open_model opens, or a tokenizer.json. */
ponder_status cli_open_tokenizer(tokenizer **out, const char *model, ponder_error *err);

/* Writes ids as [1,2,3]; much faster than number by number through a json_writer. */
void cli_put_ids(buf *out, const int32_t *ids, size_t n);

#endif
