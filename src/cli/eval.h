/* eval: what the parts of the command share.
 * SPDX-License-Identifier: MIT */
#ifndef CLI_EVAL_H
#define CLI_EVAL_H

#include "cli/model_arg.h"
#include "eval/report.h"
#include "eval/run.h"

/* The command line, or what a run's settings say of it. */
typedef struct eval_options {
    model_arg_options model;
    const char *bench, *data, *out, *style, *think, *language, *lang;
    const char *endpoint, *endpoint_model;
    const char *shots_file, *contests, *histogram, *floor;
    int k, n, shots, max_tokens, concurrency, loop, context, tries;
    double temp, top_p, timeout_s;
    uint64_t seed;
    bool permute, votes, json, quiet;
} eval_options;

/* The questions, and how they are put. */
typedef struct eval_setup {
    eval_dataset data, shots;
    bool own_shots; /* `shots` is open: not the data set itself */
    eval_prompter prompter;
    eval_judge judge; /* owns its judge of code, which is open where one is needed */
    size_t k;
    size_t left_out; /* questions that this build cannot judge */
} eval_setup;

/* Finds and reads the data that the options name. Close it in any case. */
ponder_status eval_setup_open(eval_setup *s, const eval_options *o, ponder_error *err);
void eval_setup_close(eval_setup *s);

/* run.json of these options; `weights` tells model files apart, 0 for an endpoint. NULL: no memory. */
json_t *eval_settings(const eval_options *o, const eval_setup *s, const char *name,
                      const char *kv, size_t weights);
/* The options that settings were made of, as far as judging and reporting want them; borrowed. */
ponder_status eval_options_from(eval_options *o, const json_t *settings, ponder_error *err);

/* Summarises dir's samples, writes the reports, prints the result. */
ponder_status eval_finish(const char *dir, const eval_setup *s, const eval_options *o,
                          const json_t *settings, ponder_error *err);

#endif
