/* ponder pull: fetch a model into the local store.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "fmt/hub.h"

#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted; /* all a signal handler may touch */

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void say(void *user, enum log_level level, const char *module, const char *message)
{
    (void)user, (void)level, (void)module;
    fprintf(stderr, "%s%s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", message);
}

static void report(const hub_pulled *p, const char *name, bool json)
{
    if (!json) {
        fprintf(stderr, "%.1f MB, %.1f MB of them fetched now, all verified\n",
                (double)p->bytes * 1e-6, (double)p->fetched * 1e-6);
        printf("%s\n", p->dir);
        return;
    }
    buf b = {0};
    json_writer w = {.out = &b};
    json_open(&w, '{');
    json_key(&w, "name"), json_text(&w, str_of(name));
    json_key(&w, "path"), json_text(&w, str_of(p->dir));
    json_key(&w, "commit"), json_text(&w, str_of(p->commit));
    json_key(&w, "bytes"), json_i64(&w, (int64_t)p->bytes);
    json_key(&w, "fetched"), json_i64(&w, (int64_t)p->fetched);
    json_close(&w, '}');
    puts(buf_str(&b).p);
    buf_free(&b);
}

int cmd_pull(int argc, char **argv)
{
    hub_options opt = {.retries = 5, .wait_s = 1, .stop = &interrupted};
    bool json = false, quiet = false;
    const char *args[1];
    const cli_option options[] = {
        {"retries", 0, CLI_INT, &opt.retries, "N", "attempts after a failure", 0, 1000},
        {"retry-wait", 0, CLI_FLOAT, &opt.wait_s, "S", "seconds before the first; doubles", 0,
         3600},
        {"json", 0, CLI_FLAG, &json, NULL, "print the result as JSON", 0, 0},
        {"quiet", 'q', CLI_FLAG, &quiet, NULL, "no progress", 0, 0},
        {0},
    };
    const cli_command c = {
        .usage = "pull NAME [options]",
        .about =
            "Fetches a model into the local store, or brings it up to date. A checkpoint is\n"
            "OWNER/REPO, a GGUF file (with all its parts) OWNER/REPO:FILE.gguf; both may have\n"
            "@REVISION behind them. A broken-off pull is continued. HF_ENDPOINT names another\n"
            "hub, HF_TOKEN opens private and gated models, PONDER_HOME moves the store.",
        .examples = "  ponder pull deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B\n"
                    "  ponder pull owner/DeepSeek-R1-GGUF:R1-Q4_K_M/R1-Q4_K_M-00001-of-00009.gguf",
        .options = options,
        .max_args = 1,
    };
    int status = cli_parse(&c, argc, argv, args);
    if (status >= 0) return status;
    if (!args[0])
        return fputs("ponder pull: name a model, OWNER/REPO; see --help\n", stderr), CLI_USAGE;

    ponder_error err;
    hub_name name;
    hub_pulled got = {0};
    char *root = NULL;
    const logger log = {.fn = say, .level = LOG_INFO};
    opt.endpoint = getenv("HF_ENDPOINT");
    opt.token = getenv("HF_TOKEN");
    if (opt.endpoint && !*opt.endpoint) opt.endpoint = NULL;
    if (opt.token && !*opt.token) opt.token = NULL;
    opt.log = quiet ? NULL : &log;
    opt.progress = quiet ? NULL : stderr;
    struct sigaction old;
    struct sigaction act = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND}; /* 2nd: kills */
    sigaction(SIGINT, &act, &old);
    ponder_status st = hub_name_parse(&name, args[0], &err);
    if (st == PONDER_OK) st = cli_store_root(&root, &err);
    if (st == PONDER_OK) st = hub_pull(&got, &name, root, &opt, &err);
    sigaction(SIGINT, &old, NULL);
    if (st == PONDER_OK) report(&got, args[0], json);
    free(got.dir);
    free(root);
    return st == PONDER_OK ? CLI_DONE : cli_fail("pull", &err);
}
