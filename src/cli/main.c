/* ponder: the program. Finds the subcommand and hands over.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"

static const struct command {
    const char *name, *summary;
    cli_fn *run;
} COMMANDS[] = {
    {"run", "answer a question, or chat", cmd_run},
    {"show", "what a model file holds", cmd_show},
    {"bench", "how fast a model runs here", cmd_bench},
    {"tokenize", "text to token ids and back", cmd_tokenize},
    {"render", "chat messages to the prompt a model sees", cmd_render},
    {"logits", "log-probabilities of given tokens", cmd_logits},
    {"eval", "run a benchmark and report", cmd_eval},
    {"init", "a model with random weights", cmd_init},
    {"pull", "fetch a model from a hub", cmd_pull},
    {"list", "show the local models", cmd_list},
    {"rm", "remove a local model", cmd_rm},
    {"train", "train a model by a recipe, or on your own data", cmd_train},
    {"task", "procedural problems with exact answers", cmd_task},
    {"sandbox", "what protects this machine from judged programs", cmd_sandbox},
    {"verify", "grade answers against known ones", cmd_verify},
    {"help", "list the commands", NULL},
};

static int usage(FILE *out)
{
    fprintf(out, "ponder %s: run, serve, train and price reasoning models on CPUs\n\n"
                 "usage: ponder COMMAND [MODEL] [options]      ponder COMMAND --help\n\n",
            PONDER_VERSION);
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++)
        fprintf(out, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) return usage(stderr);
    const char *name = argv[1];
    if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h")) return usage(stdout);
    if (!strcmp(name, "--version")) return puts("ponder " PONDER_VERSION), CLI_DONE;
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++)
        if (COMMANDS[i].run && !strcmp(COMMANDS[i].name, name))
            return COMMANDS[i].run(argc - 1, argv + 1);
    fprintf(stderr, "ponder: no command \"%s\"; `ponder help` lists them\n", name);
    return CLI_USAGE;
}
