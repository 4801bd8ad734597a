/* ponder train: recipes, and single stages on one's own data.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "train/stage.h"

#include <signal.h>
#include <stdlib.h>

static volatile sig_atomic_t stopped; /* all a signal handler may touch */

/* The first one asks, the second one ends the process as usual. */
static void on_stop(int sig)
{
    stopped = 1;
    signal(sig, SIG_DFL);
}

static void catch_stops(void)
{
    const struct sigaction act = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

typedef struct options {
    const char *out, *stage, *cpu;
    int threads;
    bool quiet;
    /* of a single stage */
    const char *data, *eval, *precision, *template, *save_as;
    uint64_t seed;
    int steps, batch, max_tokens, lora;
    double passes, lr;
} options;

/* ---- a stage from the command line ----------------------------------------------------------- */

/* Paths in a recipe are relative to its folder, those on a command line to where one is. */
static json_t *here(const char *path)
{
    char *full = realpath(path, NULL);
    json_t *v = json_string(full ? full : path);
    free(full);
    return v;
}

static json_t *files(const char *path)
{
    return json_pack("[{s:o}]", "file", here(path));
}

/* The recipe of one stage; NULL: out of memory. */
static json_t *recipe_json(const char *kind, const char *start, const options *o)
{
    json_t *s = json_pack("{s:s, s:o, s:f, s:i}", "kind", kind, "data", files(o->data), "lr", o->lr,
                          "batch", o->batch);
    if (o->steps) json_object_set_new(s, "steps", json_integer(o->steps));
    else json_object_set_new(s, "passes", json_real(o->passes));
    if (o->max_tokens) json_object_set_new(s, "max_tokens", json_integer(o->max_tokens));
    if (o->lora) json_object_set_new(s, "lora_rank", json_integer(o->lora));
    if (o->precision) json_object_set_new(s, "precision", json_string(o->precision));
    if (o->template) json_object_set_new(s, "template", json_string(o->template));
    if (o->save_as) json_object_set_new(s, "save_as", json_pack("[s]", o->save_as));
    if (o->eval) {
        json_object_set_new(s, "eval_data", files(o->eval));
        json_object_set_new(s, "eval_every", json_integer(50));
    }
    return json_pack("{s:I, s:{s:o}, s:[o]}", "seed", (json_int_t)o->seed, "model", "start",
                     here(start), "stages", s);
}

/* Leaves OUT/recipe.json, with which `ponder train` does the same again. */
static ponder_status write_recipe(const json_t *json, const char *out, ponder_error *err)
{
    TRY(file_make_dirs(out, err));
    char *path = stage_path(out, "recipe.json", NULL);
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    ponder_status st = path && text ? stage_write_file(path, str_of(text), err)
                                    : err_set(err, PONDER_ENOMEM, "recipe: out of memory");
    free(path), free(text);
    return st;
}

/* The embedded model as a file in OUT: so the run keeps what it began with, and goes on from it
 * under any later program. */
static ponder_status start_embedded(char **path, const char *out, ponder_error *err)
{
    mapped own = cli_embedded_model();
    fmt_model *m;
    TRY(cli_open_model(&m, NULL, err)); /* there is one, and it is whole */
    fmt_close(m);
    *path = stage_path(out, "start.gguf", NULL);
    if (!*path) return err_set(err, PONDER_ENOMEM, "recipe: out of memory");
    if (file_exists(*path)) return PONDER_OK;
    ponder_status st = file_make_dirs(out, err);
    if (st == PONDER_OK) st = stage_write_file(*path, (str){(const char *)own.p, own.n}, err);
    if (st != PONDER_OK) free(*path);
    return st;
}

static ponder_status single(recipe *r, const char *kind, const char *start, const options *o,
                            ponder_error *err)
{
    char *path;
    if (!o->data || !o->out)
        return err_set(err, PONDER_EARG, "%s wants --data FILE.jsonl and --out DIR", kind);
    TRY(start ? cli_find_model(&path, start, err) : start_embedded(&path, o->out, err));
    json_t *json = recipe_json(kind, path, o);
    free(path);
    if (!json) return err_set(err, PONDER_ENOMEM, "recipe: out of memory");
    ponder_status st = write_recipe(json, o->out, err);
    if (st == PONDER_OK) return recipe_of(r, json, kind, "", err);
    json_decref(json);
    return st;
}

/* ---- running --------------------------------------------------------------------------------- */

/* RECIPE.json -> RECIPE.run, where nothing else is said. */
static char *default_out(const char *path)
{
    str s = str_of(path);
    buf b = {0};
    if (str_ends(s, STR(".json"))) s.n -= 5;
    buf_printf(&b, "%.*s.run", (int)size_min(s.n, 4000), s.p);
    if (b.failed) buf_free(&b);
    return b.p;
}

static ponder_status run(const recipe *r, const char *out, const options *o, ponder_error *err)
{
    pipeline_options p = {.out = out, .only = o->stage, .screen = o->quiet ? NULL : stderr,
                          .stop = &stopped};
    if (!cpu_mask_by_name(&p.cpu_mask, o->cpu))
        return err_set(err, PONDER_EARG,
                       "--cpu \"%s\": use ref, avx2, avx512, avx512_vnni or native", o->cpu);
    TRY(pool_open(&p.pool, o->threads ? o->threads : cpu_cores(), err));
    catch_stops();
    ponder_status st = pipeline_run(r, &p, err);
    pool_close(p.pool);
    if (st == PONDER_OK)
        printf("%s/%s\n", out, o->stage ? o->stage : r->stage[r->n - 1].name);
    return st;
}

static ponder_status train(const char **args, const options *o, ponder_error *err)
{
    recipe r = {0};
    bool kind = stage_kind_find(args[0]) && !file_exists(args[0]);
    if (!kind && args[1])
        return err_set(err, PONDER_EARG, "unexpected argument \"%s\"; see --help", args[1]);
    TRY(kind ? single(&r, args[0], args[1], o, err) : recipe_open(&r, args[0], err));
    char *out = o->out ? strdup(o->out) : default_out(args[0]);
    ponder_status st = out ? run(&r, out, o, err) : err_set(err, PONDER_ENOMEM, "out of memory");
    free(out);
    recipe_close(&r);
    return st;
}

int cmd_train(int argc, char **argv)
{
    options o = {.cpu = "native", .seed = 1, .batch = 16, .passes = 2, .lr = 1e-4};
    const cli_option table[] = {
        {"out", 0, CLI_TEXT, &o.out, "DIR", "where everything goes; without it RECIPE.run", 0, 0},
        {"stage", 0, CLI_TEXT, &o.stage, "NAME", "run this stage of the recipe only", 0, 0},
        {"threads", 't', CLI_INT, &o.threads, "N", "threads; 0: the physical cores", 0, 256},
        {"cpu", 0, CLI_TEXT, &o.cpu, "LEVEL", "ref, avx2, avx512, avx512_vnni or native", 0, 0},
        {"quiet", 'q', CLI_FLAG, &o.quiet, NULL, "show nothing while it runs", 0, 0},
        {"data", 0, CLI_TEXT, &o.data, "FILE", "JSON lines to train on (with a kind and a model)",
         0, 0},
        {"eval-data", 0, CLI_TEXT, &o.eval, "FILE", "JSON lines to measure the loss on", 0, 0},
        {"steps", 0, CLI_INT, &o.steps, "N", "updates; 0: as many as --passes takes", 0, 1e9},
        {"passes", 0, CLI_FLOAT, &o.passes, "X", "times the data is gone through", 0, 1e6},
        {"batch", 0, CLI_INT, &o.batch, "N", "examples of an update", 1, 1e6},
        {"lr", 0, CLI_FLOAT, &o.lr, "X", "learning rate", 0, 1},
        {"max-tokens", 0, CLI_INT, &o.max_tokens, "N", "longest example; 0: 1024", 0, 1e7},
        {"lora", 0, CLI_INT, &o.lora, "R", "learn adapters of rank R only; 0: everything", 0, 4096},
        {"precision", 0, CLI_TEXT, &o.precision, "P", "f32, bf16 or fp8; without it bf16", 0, 0},
        {"template", 0, CLI_TEXT, &o.template, "NAME", "chat template; without it the model's", 0,
         0},
        {"save-as", 0, CLI_TEXT, &o.save_as, "TYPE", "also save as bf16, q8_0, ... or safetensors",
         0, 0},
        {"seed", 0, CLI_U64, &o.seed, "S", "of the order of the data", 0, 0},
        {0},
    };
    buf about = {0};
    buf_printf(&about,
               "Runs a recipe's stages, or goes on with a run that was stopped. Instead of a "
               "recipe, a kind\nof stage with a model (without: the embedded one) and data:");
    for (const stage_kind *k = stage_kinds; k->name; k++)
        buf_printf(&about, "\n  %-10s %s", k->name, k->about);
    const cli_command c = {
        .usage = "train RECIPE [options]\n       ponder train KIND [MODEL] --data FILE --out DIR "
                 "[options]",
        .about = about.p ? about.p : "",
        .examples = "  ponder train recipes/tiny.json\n"
                    "  ponder train sft model.gguf --data answers.jsonl --out tuned --passes 3",
        .options = table,
        .max_args = 2,
    };
    const char *args[2];
    ponder_error err = {0};
    int status = cli_parse(&c, argc, argv, args);
    if (status < 0 && !args[0])
        err_set(&err, PONDER_EARG, "give a recipe, or a kind of stage and a model; see --help");
    else if (status < 0) (void)train(args, &o, &err);
    buf_free(&about);
    if (status >= 0) return status;
    return err.code == PONDER_OK ? CLI_DONE : cli_fail(argv[0], &err);
}
