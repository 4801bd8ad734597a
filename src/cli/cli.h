/* cli: one function per subcommand, and what they share.
 * SPDX-License-Identifier: MIT */
#ifndef CLI_H
#define CLI_H

#include "fmt/fmt.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

/* argv[0] is the command's name; returns an exit status. */
typedef int cli_fn(int argc, char **argv);

cli_fn cmd_run, cmd_show, cmd_bench, cmd_tokenize, cmd_render, cmd_logits, cmd_init, cmd_pull,
    cmd_list, cmd_rm, cmd_task, cmd_verify, cmd_eval, cmd_sandbox, cmd_train;

/* ---- options: one table per command is the source of parsing and of --help ---------------------- */

enum cli_kind { CLI_FLAG, CLI_INT, CLI_U64, CLI_FLOAT, CLI_TEXT, CLI_TEXTS };

/* The values of an option that may be given several times. */
typedef struct cli_texts {
    const char *p[16];
    size_t n;
} cli_texts;

typedef struct cli_option {
    const char *name;     /* long name without dashes; ends the table when NULL */
    char letter;          /* short form, or 0 */
    enum cli_kind kind;
    void *out;            /* bool, int, uint64_t, double, const char * or cli_texts, holding the default */
    const char *arg;      /* what stands for the value in the help: "N" */
    const char *help;
    double min, max;      /* for numbers; both 0: any */
} cli_option;

typedef struct cli_command {
    const char *usage;    /* "run [MODEL] -p TEXT [options]" */
    const char *about;    /* one or two lines */
    const char *examples; /* two lines, each a command */
    const cli_option *options;
    int max_args;         /* positional arguments allowed */
} cli_command;

/* Parses argv; options and positional arguments may mix, `--` ends the options. Fills args (unused
 * ones NULL). Returns -1 to go on, else the exit status to return at once (help was shown, or the
 * line is wrong and a message was printed). */
int cli_parse(const cli_command *c, int argc, char **argv, const char **args);

/* ---- where models are --------------------------------------------------------------------------- */

/* The local store: PONDER_HOME/models, or ponder/models in the XDG data directory. The caller frees. */
ponder_status cli_store_root(char **out, ponder_error *err);
/* MODEL of a command line: a path that exists, else a name in the local store. The caller frees. */
ponder_status cli_find_model(char **path, const char *model, ponder_error *err);

/* The GGUF file that is part of the program; {NULL, 0} where it was built without. */
mapped cli_embedded_model(void);
#define CLI_EMBEDDED "the embedded model" /* its name in messages and reports */
/* MODEL opened: what cli_find_model finds; NULL: the embedded model, or an error that says there is
 * none. */
ponder_status cli_open_model(fmt_model **out, const char *model, ponder_error *err);

/* Prints "ponder COMMAND: message" and returns the exit status that suits the error. */
int cli_fail(const char *command, const ponder_error *err);

#endif
