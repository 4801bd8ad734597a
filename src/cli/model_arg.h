/* model_arg: the MODEL of a command line, opened.
 * SPDX-License-Identifier: MIT */
#ifndef CLI_MODEL_ARG_H
#define CLI_MODEL_ARG_H

#include "cli/cli.h"
#include "model/model.h"
#include "text/text.h"

/* What commands that run a model have in common. */
typedef struct model_arg_options {
    int threads;     /* 0: the physical cores */
    const char *cpu; /* level by name */
    const char *kv;  /* type of keys and values by name; NULL: what suits the weights */
    const char *mla; /* how latent attention takes a prompt: NULL or "absorbed", or "expanded" */
    bool quiet;      /* no progress while loading */
    bool ids_only;   /* the command deals in ids: no tokenizer is opened */
} model_arg_options;

/* The rows of an option table for o. */
/* clang-format off */
#define MODEL_ARG_ROWS(o)                                                                           \
    {"threads", 't', CLI_INT, &(o)->threads, "N", "threads; 0: the physical cores", 0, 256},        \
    {"cpu", 0, CLI_TEXT, &(o)->cpu, "LEVEL", "ref, avx2, avx512, avx512_vnni or native", 0, 0},     \
    {"kv", 0, CLI_TEXT, &(o)->kv, "TYPE", "keys and values as f32, f16, bf16 or q8_0", 0, 0},       \
    {"mla-prefill", 0, CLI_TEXT, &(o)->mla, "FORM", "absorbed, or expanded: other roundings", 0, 0}
/* clang-format on */

typedef struct model_arg {
    pool *pool;
    model *m;
    tokenizer *t;
    enum kern_kv kv;
    const char *kv_name;
    double load_ms;
} model_arg;

/* arg as cli_open_model takes it. Close it in any case. */
ponder_status model_arg_open(model_arg *out, const char *arg, const model_arg_options *o,
                             ponder_error *err);
void model_arg_close(model_arg *a);

#endif
