/* ponder sandbox: what this machine grants for running programs that nobody trusts.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "json/json.h"
#include "sandbox/sandbox.h"

static const char *level_about(enum sandbox_level level)
{
    switch (level) {
    case SANDBOX_A: return "own user ids, namespaces, Landlock, system call filter, limits";
    case SANDBOX_B: return "namespaces, Landlock, system call filter, limits";
    case SANDBOX_C: return "Landlock, system call filter, limits";
    case SANDBOX_D: break;
    }
    return "nothing that would hold: programs are not run";
}

static void print_json(const sandbox_probed *p, enum sandbox_level level, const char *why)
{
    buf b = {0};
    json_writer w = {.out = &b};
    const char letter = sandbox_level_letter(level);
    json_open(&w, '{');
    json_key(&w, "level"), json_text(&w, (str){&letter, 1});
    json_key(&w, "about"), json_text(&w, str_of(level_about(level)));
    if (why[0]) json_key(&w, "error"), json_text(&w, str_of(why));
    json_key(&w, "layers");
    json_open(&w, '[');
    for (size_t i = 0; i < p->n; i++) {
        const sandbox_layer *l = &p->layer[i];
        json_open(&w, '{');
        json_key(&w, "name"), json_text(&w, str_of(l->name));
        json_key(&w, "holds"), json_bool(&w, l->holds);
        json_key(&w, "detail"), json_text(&w, str_of(l->detail));
        json_key(&w, "remedy"), json_text(&w, str_of(l->remedy));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    puts(buf_str(&b).p);
    buf_free(&b);
}

static void print_table(const sandbox_probed *p, enum sandbox_level level, const char *why)
{
    printf("level %c: %s\n\n", sandbox_level_letter(level), level_about(level));
    for (size_t i = 0; i < p->n; i++)
        printf("  %-22s %-4s %s\n", p->layer[i].name, p->layer[i].holds ? "yes" : "NO",
               strcmp(p->layer[i].detail, "yes") == 0 ? "" : p->layer[i].detail);
    for (size_t i = 0, shown = 0; i < p->n; i++) {
        /* Neighbours with one remedy are told once. */
        if (p->layer[i].holds || (i && !p->layer[i - 1].holds && p->layer[i].remedy == p->layer[i - 1].remedy))
            continue;
        if (!shown++) puts("\nwhat is missing, and how to get it:");
        printf("  %s: %s\n", p->layer[i].name, p->layer[i].remedy);
    }
    if (why[0]) printf("\na trial run failed: %s\n", why);
}

int cmd_sandbox(int argc, char **argv)
{
    bool check = false, json = false;
    const char *floor_name = "C";
    const cli_option options[] = {
        {"check", 0, CLI_FLAG, &check, NULL, "try every layer and a run (what the command does)", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "print a JSON object", 0, 0},
        {"floor", 0, CLI_TEXT, &floor_name, "LEVEL", "exit with status 1 below this level: A, B or C", 0, 0},
        {0},
    };
    const cli_command c = {
        .usage = "sandbox --check [options]",
        .about = "Shows which layers of the sandbox for untrusted programs hold on this machine, the level\n"
                 "they make (A strongest, D: programs are refused), and how to get what is missing.",
        .examples = "  ponder sandbox --check\n  ponder sandbox --check --json --floor B",
        .options = options,
    };
    enum sandbox_level floor;
    int status = cli_parse(&c, argc, argv, NULL);
    if (status >= 0) return status;
    if (!sandbox_level_by_name(&floor, str_of(floor_name))) {
        fprintf(stderr, "ponder sandbox: --floor \"%s\": want A, B or C\n", floor_name);
        return CLI_USAGE;
    }
    sandbox_probed probed;
    sandbox *s = NULL;
    ponder_error err = {0};
    const sandbox_options o = {.slots = 1};
    sandbox_probe(&probed);
    /* The layers one by one are a promise; a run that works is the fact. */
    enum sandbox_level level = SANDBOX_D;
    if (sandbox_open(&s, &o, &err) == PONDER_OK) level = sandbox_level_of(s);
    sandbox_close(s);
    if (json) print_json(&probed, level, err.message);
    else print_table(&probed, level, err.message);
    return level >= floor ? CLI_DONE : CLI_FAILED;
}
