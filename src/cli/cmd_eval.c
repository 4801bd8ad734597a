/* ponder eval: a benchmark run, judged and reported.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "cli/eval.h"
#include "cli/run.h"

#include <stdlib.h>
#include <unistd.h>

enum { ENGINE_SEQUENCES = 16, ENDPOINT_REQUESTS = 8, SETTINGS_LIMIT = 16 << 20 };

/* ---- where answers come from -------------------------------------------------------------------- */

/* What a backend stands on. */
typedef struct source {
    model_arg model;
    engine *e;
    eval_backend *backend;
} source;

static void source_close(source *s)
{
    if (s->backend) s->backend->close(s->backend);
    engine_close(s->e);
    model_arg_close(&s->model);
}

static ponder_status open_endpoint(source *s, const eval_options *o, const eval_setup *setup,
                                   ponder_error *err)
{
    const eval_endpoint_options eo = {
        .url = o->endpoint,
        .model = o->endpoint_model,
        .key = getenv("PONDER_API_KEY"),
        .temperature = o->temp,
        .top_p = o->top_p,
        .max_tokens = (size_t)o->max_tokens,
        .concurrency = o->concurrency ? (size_t)o->concurrency : ENDPOINT_REQUESTS,
        .timeout_s = o->timeout_s,
        .tries = o->tries};
    if (setup->prompter.style != EVAL_R1)
        return err_set(err, PONDER_EUNSUPPORTED, "--style %s wants a model here: an endpoint takes "
                                                 "only turns of a conversation",
                       o->style);
    return eval_endpoint_open(&s->backend, &eo, err);
}

static ponder_status think_by_name(enum engine_think *out, const char *name, ponder_error *err)
{
    static const char *const THINK[] = {"auto", "on", "off"};
    for (size_t i = 0; i < COUNT_OF(THINK); i++)
        if (!strcmp(name, THINK[i])) return *out = (enum engine_think)i, PONDER_OK;
    return err_set(err, PONDER_EARG, "--think \"%s\": use auto, on or off", name);
}

static ponder_status open_engine(source *s, const eval_options *o, const eval_setup *setup,
                                 const char *name, ponder_error *err)
{
    size_t concurrency = o->concurrency ? (size_t)o->concurrency : ENGINE_SEQUENCES;
    eval_engine_options bo = {.sampling = {.temperature = (float)o->temp,
                                           .top_p = (float)o->top_p,
                                           .repetition = 1},
                              .max_tokens = (size_t)o->max_tokens,
                              .loop_tokens = (size_t)o->loop,
                              .concurrency = concurrency,
                              .stops = eval_prompt_stops(setup->prompter.style)};
    TRY(think_by_name(&bo.think, o->think, err));
    TRY(model_arg_open(&s->model, name, &o->model, err));
    const engine_options eo = {.kv = s->model.kv,
                               .context = (size_t)o->context,
                               .max_sequences = concurrency + EVAL_LETTERS,
                               .pool = s->model.pool};
    TRY(engine_open(&s->e, s->model.m, s->model.t, &eo, err));
    bo.e = s->e;
    bo.t = s->model.t;
    bo.template = tokenizer_template(s->model.t);
    return eval_engine_open(&s->backend, &bo, err);
}

/* ---- a run ------------------------------------------------------------------------------------- */

static bool stopped(void *user)
{
    (void)user;
    return run_interrupted();
}

static ponder_status generate(const char *dir, const eval_setup *setup, const eval_options *o,
                              source *s, const json_t *settings, ponder_error *err)
{
    eval_store store;
    progress bar;
    /* First, for samples of other questions would look damaged. */
    TRY(eval_pin_check(dir, settings, err));
    ponder_status st = eval_store_open(&store, dir, &setup->data, setup->k, true, err);
    json_t *sampling = json_pack("{s:f, s:f, s:i}", "temperature", o->temp, "top_p", o->top_p,
                                 "max_tokens", o->max_tokens);
    if (st == PONDER_OK && !sampling) st = err_set(err, PONDER_ENOMEM, "out of memory");
    if (st == PONDER_OK) st = eval_pin(dir, settings, err);
    if (st == PONDER_OK) {
        const eval_run_options ro = {.data = &setup->data,
                                     .judge = &setup->judge,
                                     .backend = s->backend,
                                     .store = &store,
                                     .seed = o->seed,
                                     .sampling = sampling,
                                     .stopped = stopped,
                                     .progress = &bar};
        if (store.done) /* an interrupted run is taken up */
            fprintf(stderr, "ponder eval: %s has %zu of %zu samples\n", dir, store.done,
                    setup->data.n * setup->k);
        run_catch_interrupts();
        progress_begin(&bar, o->quiet ? NULL : stderr, "eval", "samples", (double)store.done,
                       (double)(setup->data.n * setup->k), 1);
        st = eval_run(&ro, err);
        progress_end(&bar, (double)store.done);
    }
    json_decref(sampling);
    eval_store_close(&store);
    if (st == PONDER_ECANCELED)
        err_context(err, st, "%s keeps what is done, the same command goes on from there", dir);
    return st;
}

/* Without --out: a name made of the settings, so that the same command finds its run again. */
static void default_dir(buf *out, const eval_options *o, const json_t *settings)
{
    char *text = json_dumps(settings, JSON_COMPACT);
    uint64_t h = hash_bytes(HASH_BEGIN, str_of(text ? text : ""));
    free(text);
    const char *slash = strrchr(o->bench, '/'), *name = slash ? slash + 1 : o->bench;
    buf_add_str(out, STR("evals/"));
    for (; *name; name++) buf_add_char(out, strchr(":. \\", *name) ? '-' : *name);
    buf_printf(out, "-%08x", (unsigned)(h >> 32));
}

static ponder_status run(const eval_options *o, const char *name, ponder_error *err)
{
    eval_setup setup;
    source s = {0};
    buf dir = {0};
    json_t *settings = NULL;
    ponder_status st = eval_setup_open(&setup, o, err);
    if (st == PONDER_OK)
        st = o->endpoint ? open_endpoint(&s, o, &setup, err) : open_engine(&s, o, &setup, name, err);
    if (st == PONDER_OK) {
        const char *shown = o->endpoint ? o->endpoint_model : name ? name : CLI_EMBEDDED;
        settings = eval_settings(o, &setup, shown, s.model.kv_name,
                                 s.model.m ? model_weight_bytes(s.model.m) : 0);
        if (o->out) buf_add_str(&dir, str_of(o->out));
        else if (settings) default_dir(&dir, o, settings);
        if (!settings || dir.failed) st = err_set(err, PONDER_ENOMEM, "out of memory");
    }
    if (st == PONDER_OK) st = file_make_dirs(dir.p, err);
    if (st == PONDER_OK) st = generate(dir.p, &setup, o, &s, settings, err);
    if (st == PONDER_OK) st = eval_finish(dir.p, &setup, o, settings, err);
    json_decref(settings);
    buf_free(&dir);
    source_close(&s);
    eval_setup_close(&setup);
    return st;
}

/* ---- without generating ------------------------------------------------------------------------ */

static ponder_status regrade(eval_options *o, const char *dir, ponder_error *err)
{
    eval_setup setup = {0};
    json_t *settings = NULL;
    buf path = {0};
    if (!dir) return err_set(err, PONDER_EARG, "--regrade: which run? Give its directory");
    buf_printf(&path, "%s/run.json", dir);
    ponder_status st = json_parse_file(&settings, buf_str(&path).p, SETTINGS_LIMIT, err);
    if (st == PONDER_OK) st = eval_options_from(o, settings, err);
    if (st == PONDER_OK) st = eval_setup_open(&setup, o, err);
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)setup.data.hash);
    const char *was = json_string_value(json_object_get(settings, "data_hash"));
    if (st == PONDER_OK && (!was || strcmp(was, hash)))
        st = err_set(err, PONDER_EFORMAT, "the questions of %s are not those of the run in %s",
                     setup.data.name, dir);
    if (st == PONDER_OK) st = eval_regrade(dir, &setup.data, setup.k, &setup.judge, err);
    if (st == PONDER_OK) st = eval_finish(dir, &setup, o, settings, err);
    eval_setup_close(&setup);
    json_decref(settings);
    buf_free(&path);
    return st;
}

static ponder_status compare(const eval_options *o, const char *a, const char *b, ponder_error *err)
{
    eval_comparison c;
    buf out = {0};
    if (!a || !b) return err_set(err, PONDER_EARG, "--compare: give the directories of two runs");
    TRY(eval_compare(&c, a, b, err));
    if (o->json) eval_comparison_json(&out, &c, a, b);
    else eval_comparison_text(&out, &c, a, b);
    fputs(buf_str(&out).p, stdout);
    buf_free(&out);
    return PONDER_OK;
}

static int list(void)
{
    for (const eval_bench *b = eval_benches; b->name; b++)
        printf("%-14s %-30s %s\n", b->name, b->file, b->about);
    printf("%-14s %-30s %s\n", "task:NAME:LEVEL", "(made on the spot)",
           "a procedural family; `ponder task list` names them");
    return CLI_DONE;
}

/* ---- the command line -------------------------------------------------------------------------- */

int cmd_eval(int argc, char **argv)
{
    eval_options o = {.model.cpu = "native",
                      .data = getenv("PONDER_DATA"),
                      .style = "r1",
                      .think = "auto",
                      .lang = "en",
                      .floor = "C",
                      .k = 1,
                      .max_tokens = 32768,
                      .loop = ENGINE_LOOP_TOKENS,
                      .temp = 0.6,
                      .top_p = 0.95,
                      .timeout_s = 3600,
                      .tries = 6};
    bool again = false, two = false, names = false;
    const cli_option options[] = {
        {"bench", 0, CLI_TEXT, &o.bench, "NAME", "a name of --list, task:NAME:LEVEL, or a file", 0,
         0},
        {"data", 0, CLI_TEXT, &o.data, "DIR", "where the files of --list are; else PONDER_DATA", 0,
         0},
        {"list", 0, CLI_FLAG, &names, NULL, "list the benchmarks known by name", 0, 0},
        {"samples", 'k', CLI_INT, &o.k, "K", "samples of each question", 1, 65536},
        {"n", 'n', CLI_INT, &o.n, "N", "only the first N questions; 0: all", 0, INT32_MAX},
        {"temp", 0, CLI_FLOAT, &o.temp, "T", "temperature", 0, 100},
        {"top-p", 0, CLI_FLOAT, &o.top_p, "P", "nucleus", 0, 1},
        {"max-tokens", 0, CLI_INT, &o.max_tokens, "N", "of a response, thinking included", 1,
         INT32_MAX},
        {"seed", 0, CLI_U64, &o.seed, "S", "same seed, same samples", 0, 0},
        {"votes", 0, CLI_FLAG, &o.votes, NULL, "the majority of the K samples is the result", 0, 0},
        {"permute", 0, CLI_FLAG, &o.permute, NULL, "choices in another order in each sample", 0, 0},
        {"style", 0, CLI_TEXT, &o.style, "STYLE", "r1, zero (R1-Zero's template) or base", 0, 0},
        {"shots", 0, CLI_INT, &o.shots, "N", "worked examples of --style base", 0, 1000},
        {"shots-file", 0, CLI_TEXT, &o.shots_file, "FILE", "where they are from", 0, 0},
        {"think", 0, CLI_TEXT, &o.think, "MODE", "auto, on or off", 0, 0},
        {"loop", 0, CLI_INT, &o.loop, "N", "repeating tokens that end a response; 0: none", 0,
         INT32_MAX},
        {"lang", 0, CLI_TEXT, &o.lang, "LANG", "of procedural tasks: en or zh", 0, 0},
        {"language", 0, CLI_TEXT, &o.language, "NAME", "of programs: python, c or cpp", 0, 0},
        {"sandbox-floor", 0, CLI_TEXT, &o.floor, "LEVEL", "weakest sandbox for programs: A, B or C",
         0, 0},
        {"endpoint", 0, CLI_TEXT, &o.endpoint, "URL", "ask a service; its key: PONDER_API_KEY", 0,
         0},
        {"model", 0, CLI_TEXT, &o.endpoint_model, "NAME", "the model's name there", 0, 0},
        {"concurrency", 0, CLI_INT, &o.concurrency, "C", "samples at once; 0: 16, endpoint 8", 0,
         4096},
        {"timeout", 0, CLI_FLOAT, &o.timeout_s, "S", "of one request to an endpoint", 0.001, 1e6},
        {"tries", 0, CLI_INT, &o.tries, "N", "of one request to an endpoint", 1, 100},
        {"ctx", 0, CLI_INT, &o.context, "N", "context length; 0: the model's, or what fits", 0,
         INT32_MAX},
        {"contests", 0, CLI_TEXT, &o.contests, "FILE", "standings: a rating is computed", 0, 0},
        {"histogram", 0, CLI_TEXT, &o.histogram, "CSV", "rating,users: its percentile too", 0, 0},
        {"out", 0, CLI_TEXT, &o.out, "DIR", "samples and reports; else evals/...", 0, 0},
        {"regrade", 0, CLI_FLAG, &again, NULL, "judge the samples of DIR again", 0, 0},
        {"compare", 0, CLI_FLAG, &two, NULL, "compare two runs: DIR DIR", 0, 0},
        {"json", 0, CLI_FLAG, &o.json, NULL, "print the result as JSON", 0, 0},
        {"quiet", 'q', CLI_FLAG, &o.quiet, NULL, "no progress", 0, 0},
        MODEL_ARG_ROWS(&o.model),
        {0},
    };
    const cli_command c = {
        .usage = "eval [MODEL] --bench NAME|FILE.jsonl [options]\n"
                 "       ponder eval --endpoint URL --model NAME --bench NAME|FILE.jsonl [options]\n"
                 "       ponder eval --regrade DIR | --compare DIR DIR | --list",
        .about = "Puts the questions of a benchmark to a model, K times each, judges the answers\n"
                 "and reports how often they are right. The same command goes on with a run\n"
                 "that was interrupted. Without MODEL the embedded one is asked. docs/eval.md explains\n"
                 "the figures and the files.",
        .examples =
            "  ponder eval model.gguf --bench math500 --data DIR -k 4 --out runs/math500\n"
            "  ponder eval --endpoint http://localhost:8000 --model r1 --bench my.jsonl --json",
        .options = options,
        .max_args = 2,
    };
    const char *args[2];
    ponder_error err = {0};
    int status = cli_parse(&c, argc, argv, args);
    if (status >= 0) return status;
    if (names) return list();
    o.model.quiet = o.quiet;
    ponder_status st;
    if (two) st = compare(&o, args[0], args[1], &err);
    else if (again) st = regrade(&o, args[0], &err);
    else if (args[1]) st = err_set(&err, PONDER_EARG, "\"%s\": one model at a time", args[1]);
    else if (o.votes && o.k < 2) st = err_set(&err, PONDER_EARG, "--votes wants -k 2 or more");
    else st = run(&o, args[0], &err);
    return st == PONDER_OK ? CLI_DONE : cli_fail(argv[0], &err);
}
