/* ponder task: procedural problems as JSON lines.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "json/json.h"
#include "reward/task/task.h"

#include <errno.h>
#include <stdlib.h>

enum { FLUSH_BYTES = 1 << 16 };

static void put_styles(json_writer *w, const task_family *f)
{
    json_open(w, '[');
    for (int s = TASK_DIRECT; s < TASK_STYLES; s++)
        if (task_has_style(f, (enum task_style)s))
            json_text(w, str_of(task_style_name((enum task_style)s)));
    json_close(w, ']');
}

static void list_json(void)
{
    buf b = {0};
    json_writer w = {.out = &b};
    json_open(&w, '[');
    for (const task_family *const *f = task_families(); *f; f++) {
        json_open(&w, '{');
        json_key(&w, "task"), json_text(&w, str_of(task_name(*f)));
        json_key(&w, "about"), json_text(&w, str_of(task_about(*f)));
        json_key(&w, "kind"), json_text(&w, str_of(task_kind(*f)));
        json_key(&w, "levels"), json_i64(&w, task_levels(*f));
        json_key(&w, "traces"), put_styles(&w, *f);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    puts(buf_str(&b).p);
    buf_free(&b);
}

static void list_table(void)
{
    printf("%-15s %-6s %-12s %s\n", "TASK", "LEVELS", "KIND", "ABOUT");
    for (const task_family *const *f = task_families(); *f; f++) {
        printf("%-15s 1-%-4d %-12s %s; traces:", task_name(*f), task_levels(*f), task_kind(*f),
               task_about(*f));
        for (int s = TASK_DIRECT; s < TASK_STYLES; s++)
            if (task_has_style(*f, (enum task_style)s))
                printf(" %s", task_style_name((enum task_style)s));
        putchar('\n');
    }
}

static void put_row(buf *out, const task_problem *p, const task_family *f, const task_options *o,
                    uint64_t index)
{
    const char *split = o->split == TASK_TEST ? "test" : "train";
    char id[96];
    snprintf(id, sizeof id, "%s-%d-%s-%llu-%06llu", task_name(f), o->level, split,
             (unsigned long long)o->seed, (unsigned long long)index);
    json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "id"), json_text(&w, str_of(id));
    json_key(&w, "task"), json_text(&w, str_of(task_name(f)));
    json_key(&w, "level"), json_i64(&w, o->level);
    json_key(&w, "split"), json_text(&w, str_of(split));
    json_key(&w, "lang"), json_text(&w, o->lang == TASK_ZH ? STR("zh") : STR("en"));
    char key[17];
    snprintf(key, sizeof key, "%016llx", (unsigned long long)p->key);
    json_key(&w, "key"), json_text(&w, str_of(key));
    json_key(&w, "prompt"), json_text(&w, buf_str(&p->prompt));
    json_key(&w, "answer"), json_text(&w, buf_str(&p->answer));
    json_key(&w, "kind"), json_text(&w, str_of(task_kind(f)));
    if (p->puzzle.n) json_key(&w, "puzzle"), json_raw(&w, buf_str(&p->puzzle));
    if (o->style != TASK_NO_TRACE) {
        json_key(&w, "trace"), json_text(&w, buf_str(&p->trace));
        json_key(&w, "trace_answer"), json_text(&w, buf_str(&p->trace_answer));
    }
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

static ponder_status flush(buf *out, ponder_error *err)
{
    if (out->failed) return err_set(err, PONDER_ENOMEM, "out of memory");
    if (fwrite(out->p, 1, out->n, stdout) != out->n || fflush(stdout))
        return err_set(err, PONDER_EIO, "cannot write: %s", strerror(errno));
    buf_clear(out);
    return PONDER_OK;
}

/* Problems start..start+n-1; with several levels they take turns. */
static ponder_status generate(const task_family *f, task_options *o, int low, int high,
                              uint64_t start, uint64_t n, ponder_error *err)
{
    task_problem p = {0};
    buf out = {0};
    ponder_status st = PONDER_OK;
    for (uint64_t i = 0; i < n && st == PONDER_OK; i++) {
        o->level = low + (int)((start + i) % (uint64_t)(high - low + 1));
        st = task_generate(&p, f, o, start + i, err);
        if (st == PONDER_OK) put_row(&out, &p, f, o, start + i);
        if (out.n >= FLUSH_BYTES && st == PONDER_OK) st = flush(&out, err);
    }
    if (out.n) {
        ponder_status rest = flush(&out, st == PONDER_OK ? err : NULL);
        if (st == PONDER_OK) st = rest;
    }
    buf_free(&out);
    task_problem_free(&p);
    return st;
}

static int wrong(const char *option, const char *value, const char *want)
{
    fprintf(stderr, "ponder task: --%s \"%s\": want %s\n", option, value, want);
    return CLI_USAGE;
}

int cmd_task(int argc, char **argv)
{
    const char *args[1], *levels = "1", *split = "train", *lang = "en", *style = "none";
    uint64_t n = 10, start = 0;
    bool json = false;
    task_options o = {0};
    const cli_option options[] = {
        {"level", 'l', CLI_TEXT, &levels, "L", "level, or a range such as 1-3", 0, 0},
        {"n", 'n', CLI_U64, &n, "N", "how many problems (10)", 0, 0},
        {"seed", 0, CLI_U64, &o.seed, "S", "which problems (0)", 0, 0},
        {"start", 0, CLI_U64, &start, "I", "number of the first problem (0)", 0, 0},
        {"split", 0, CLI_TEXT, &split, "NAME", "train or test; they never share a problem", 0, 0},
        {"lang", 0, CLI_TEXT, &lang, "NAME", "en or zh", 0, 0},
        {"trace", 0, CLI_TEXT, &style, "STYLE",
         "also tell a solution: direct, verification, backtracking, subgoals, backward", 0, 0},
        {"flawed", 0, CLI_FLAG, &o.flawed, NULL, "the solution makes one mistake", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "with list: print a JSON list", 0, 0},
        {0},
    };
    const cli_command c = {
        .usage = "task list|NAME [options]",
        .about = "Writes procedural problems with exact answers as JSON lines; `task list` shows\n"
                 "the families. The same options give the same problems, on any machine.",
        .examples = "  ponder task list\n  ponder task chain --level 1-3 --n 1000 --trace direct",
        .options = options,
        .max_args = 1,
    };
    int status = cli_parse(&c, argc, argv, args);
    if (status >= 0) return status;
    if (!args[0]) {
        fputs("ponder task: name a task; `ponder task list` shows them\n", stderr);
        return CLI_USAGE;
    }
    if (!strcmp(args[0], "list")) return json ? list_json() : list_table(), CLI_DONE;

    const task_family *f = task_find(str_of(args[0]));
    if (!f) {
        fprintf(stderr, "ponder task: no task \"%s\"; `ponder task list` shows them\n", args[0]);
        return CLI_USAGE;
    }
    int low, high;
    if (!task_read_levels(&low, &high, str_of(levels)) || low < 1 || high < low)
        return wrong("level", levels, "L or L-M, from 1 up");
    if (high > task_levels(f)) low = high; /* refused before any line is out */
    if (!strcmp(split, "test")) o.split = TASK_TEST;
    else if (strcmp(split, "train")) return wrong("split", split, "train or test");
    if (!strcmp(lang, "zh")) o.lang = TASK_ZH;
    else if (strcmp(lang, "en")) return wrong("lang", lang, "en or zh");
    if (!task_style_by_name(&o.style, str_of(style)))
        return wrong("trace", style,
                     "direct, verification, backtracking, subgoals, backward or none");
    if (start > UINT64_MAX - n) {
        fputs("ponder task: --start and --n together pass 2^64\n", stderr);
        return CLI_USAGE;
    }
    ponder_error err;
    ponder_status st = generate(f, &o, low, high, start, n, &err);
    return st == PONDER_OK ? CLI_DONE : cli_fail("task", &err);
}
