/* ponder list and ponder rm: what is in the local store, and taking it out.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "fmt/store.h"

#include <stdlib.h>

static void print_json(const store_list *l)
{
    buf b = {0};
    json_writer w = {.out = &b};
    json_open(&w, '[');
    for (size_t i = 0; i < l->n; i++) {
        const store_model *m = &l->v[i];
        json_open(&w, '{');
        json_key(&w, "name"), json_text(&w, m->name);
        json_key(&w, "kind"), json_text(&w, m->kind);
        json_key(&w, "bytes"), json_i64(&w, (int64_t)m->bytes);
        json_key(&w, "have"), json_i64(&w, (int64_t)m->have);
        json_key(&w, "complete"), json_bool(&w, m->complete);
        json_key(&w, "date"), json_text(&w, m->date);
        json_key(&w, "source"), json_text(&w, m->source);
        json_key(&w, "revision"), json_text(&w, m->revision);
        json_key(&w, "commit"), json_text(&w, m->commit);
        json_key(&w, "path"), json_text(&w, str_of(m->dir));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    puts(buf_str(&b).p);
    buf_free(&b);
}

static void print_table(const store_list *l)
{
    int width = 4;
    for (size_t i = 0; i < l->n; i++)
        width = l->v[i].name.n > (size_t)width ? (int)l->v[i].name.n : width;
    if (l->n) printf("%-*s  %12s  %-4s  %s\n", width, "NAME", "SIZE", "KIND", "DATE");
    for (size_t i = 0; i < l->n; i++) {
        const store_model *m = &l->v[i];
        printf("%-*.*s  %9.1f MB  %-4.*s  %.*s", width, STR_ARG(m->name), (double)m->bytes * 1e-6,
               STR_ARG(m->kind), m->date.n > 10 ? 10 : (int)m->date.n, m->date.p);
        if (!m->complete) printf("  incomplete: %.1f MB", (double)m->have * 1e-6);
        putchar('\n');
    }
}

int cmd_list(int argc, char **argv)
{
    bool json = false;
    const cli_option options[] = {
        {"json", 0, CLI_FLAG, &json, NULL, "print a JSON list", 0, 0},
        {0},
    };
    const cli_command c = {
        .usage = "list [options]",
        .about = "Shows the models in the local store.",
        .examples = "  ponder list\n  ponder list --json",
        .options = options,
    };
    int status = cli_parse(&c, argc, argv, NULL);
    if (status >= 0) return status;
    ponder_error err;
    store_list l = {0};
    char *root = NULL;
    ponder_status st = cli_store_root(&root, &err);
    if (st == PONDER_OK) st = store_all(&l, root, &err);
    if (st == PONDER_OK && json) print_json(&l);
    else if (st == PONDER_OK) print_table(&l);
    if (st == PONDER_OK && !l.n && !json)
        fprintf(stderr, "no models in %s; `ponder pull NAME` fetches one\n", root);
    store_list_free(&l);
    free(root);
    return st == PONDER_OK ? CLI_DONE : cli_fail("list", &err);
}

int cmd_rm(int argc, char **argv)
{
    const char *args[1];
    const cli_command c = {
        .usage = "rm NAME",
        .about = "Removes a model, or what a broken-off pull of it left, from the local store.",
        .examples = "  ponder rm deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B\n"
                    "  ponder rm DeepSeek-R1-Distill-Qwen-1.5B",
        .max_args = 1,
    };
    int status = cli_parse(&c, argc, argv, args);
    if (status >= 0) return status;
    if (!args[0])
        return fputs("ponder rm: name a model; `ponder list` shows them\n", stderr), CLI_USAGE;
    ponder_error err;
    uint64_t bytes = 0;
    char *root = NULL;
    ponder_status st = cli_store_root(&root, &err);
    if (st == PONDER_OK) st = store_remove(root, args[0], &bytes, &err);
    if (st == PONDER_OK)
        fprintf(stderr, "removed %s: %.1f MB freed\n", args[0], (double)bytes * 1e-6);
    free(root);
    return st == PONDER_OK ? CLI_DONE : cli_fail("rm", &err);
}
