/* ponder train: recipes, and single stages on one's own data.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "train/stage.h"

#include <math.h>
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

enum { LEARN = 1, ASK = 2 };

/* Options that are keys of a stage. What may stand there is checked where stages are read. Of
 * distillation, `of` says which stage they are for: the student's, the teacher's, or both. */
static const struct shortcut {
    unsigned of;
    const char *option, *key, *arg, *help;
} SHORTCUTS[] = {
    {LEARN, "steps", "steps", "N", "updates"},
    {LEARN, "passes", "passes", "X", "times the data is gone through, instead of --steps; sft: 2"},
    {LEARN, "batch", "batch", "N", "examples of an update; 16"},
    {LEARN, "lr", "lr", "X", "learning rate; 1e-4, grpo: 3e-6"},
    {LEARN | ASK, "max-tokens", "max_tokens", "N", "longest example, or question and answer; 1024"},
    {LEARN, "lora", "lora_rank", "R", "learn adapters of rank R only; 0: everything"},
    {LEARN, "precision", "precision", "P", "f32, bf16 or fp8; without it bf16"},
    {LEARN, "template", "template", "NAME", "chat template; without it the model's"},
    {ASK, "questions", "questions", "N", "grpo: questions of a step; 8. sample, distill: in all"},
    {ASK, "group", "group", "N", "answers to each; grpo: 8, sample, distill: 4"},
    {ASK, "answer-tokens", "answer_tokens", "N", "longest answer; grpo: 256, sample, distill: 768"},
    {LEARN, "kl", "kl", "X", "grpo: weight of the distance to where it began; 0.001"},
};

typedef struct options {
    const char *out, *stage, *cpu;
    int threads;
    bool quiet;
    /* of a single stage */
    const char *data, *eval, *verifier, *save_as;
    const char *teacher; /* of distillation */
    bool unverified;
    const char *key[COUNT_OF(SHORTCUTS)];
    cli_texts set, regex, program;
    uint64_t seed;
} options;

static const uint64_t NO_SEED = UINT64_MAX;

/* ---- a stage from the command line ----------------------------------------------------------- */

/* What a kind of stage takes where nothing is said; with "steps" there are no "passes". */
static const struct usual {
    const char *kind, *keys;
} USUAL[] = {
    {"pretrain", "{\"passes\": 2, \"batch\": 16, \"lr\": 1e-4}"},
    {"sft", "{\"passes\": 2, \"batch\": 16}"},
    {"grpo", "{\"steps\": 100, \"questions\": 8, \"group\": 8}"},
    {"ppo", "{\"steps\": 100, \"questions\": 64}"},
    {"reward_model", "{\"passes\": 1}"},
};

/* Paths in a recipe are relative to its folder, those on a command line to where one is. */
static json_t *here(const char *path)
{
    char *full = realpath(path, NULL);
    json_t *v = json_string(full ? full : path);
    free(full);
    return v;
}

static json_t *files(const char *path, const char *verifier)
{
    json_t *part = json_pack("{s:o}", "file", here(path));
    if (verifier) json_object_set_new(part, "kind", json_string(verifier));
    return json_pack("[o]", part);
}

/* JSON, a number as C writes it (.5), or else a text. */
static json_t *value_of(const char *text)
{
    char *end;
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    if (v) return v;
    double x = strtod(text, &end);
    return *text && !*end && isfinite(x) ? json_real(x) : json_string(text);
}

/* The words of a command; those that name files are found from anywhere. */
static json_t *words(const char *command)
{
    json_t *list = json_array();
    for (const char *p = command; *p;) {
        size_t blank = strspn(p, " "), n = strcspn(p + blank, " ");
        char *word = strndup(p + blank, n);
        bool program = json_array_size(list) == 0 && word && !strchr(word, '/');
        if (n && word) json_array_append_new(list, program ? json_string(word) : here(word));
        free(word);
        p += blank + n;
    }
    return list;
}

static void put_rewards(json_t *stage, const options *o)
{
    json_t *list = json_array();
    for (size_t i = 0; i < o->regex.n; i++)
        json_array_append_new(list, json_pack("{s:i, s:s}", "weight", 1, "regex", o->regex.p[i]));
    for (size_t i = 0; i < o->program.n; i++)
        json_array_append_new(
            list, json_pack("{s:i, s:o}", "weight", 1, "program", words(o->program.p[i])));
    if (json_array_size(list)) json_object_set(stage, "rewards", list);
    json_decref(list);
}

/* KEY=VALUE */
static ponder_status put_set(json_t *stage, const char *text, ponder_error *err)
{
    const char *is = strchr(text, '=');
    char *name = is && is > text ? strndup(text, (size_t)(is - text)) : NULL;
    int put = name ? json_object_set_new(stage, name, value_of(is + 1)) : -1;
    free(name);
    if (put == 0) return PONDER_OK;
    return err_set(err, PONDER_EARG, "--set \"%s\": want KEY=VALUE, as in --set clip_high=0.28",
                   text);
}

static void put_usual(json_t *stage, const char *kind)
{
    for (size_t i = 0; i < COUNT_OF(USUAL); i++) {
        if (strcmp(USUAL[i].kind, kind)) continue;
        json_t *keys = json_loads(USUAL[i].keys, 0, NULL);
        if (json_object_get(stage, "steps")) json_object_del(keys, "passes");
        json_object_update_missing(stage, keys);
        json_decref(keys);
    }
}

static void put_keys(json_t *stage, unsigned of, const options *o)
{
    for (size_t i = 0; i < COUNT_OF(SHORTCUTS); i++)
        if (o->key[i] && SHORTCUTS[i].of & of)
            json_object_set_new(stage, SHORTCUTS[i].key, value_of(o->key[i]));
}

static ponder_status fill_stage(json_t *stage, const char *kind, unsigned of, const options *o,
                                ponder_error *err)
{
    json_object_set_new(stage, "kind", json_string(kind));
    json_object_set_new(stage, "data", files(o->data, o->verifier));
    if (o->eval) {
        json_object_set_new(stage, "eval_data", files(o->eval, o->verifier));
        json_object_set_new(stage, "eval_every", json_integer(50));
    }
    if (o->save_as) json_object_set_new(stage, "save_as", json_pack("[s]", o->save_as));
    put_rewards(stage, o);
    put_keys(stage, of, o);
    for (size_t i = 0; i < o->set.n; i++) TRY(put_set(stage, o->set.p[i], err));
    put_usual(stage, kind);
    return PONDER_OK;
}

static json_int_t seed_of(const options *o) { return o->seed == NO_SEED ? 1 : (json_int_t)o->seed; }

/* The recipe of one stage. */
static ponder_status make_recipe(json_t **out, const char *kind, const char *start,
                                 const options *o, ponder_error *err)
{
    json_t *stage = json_object();
    ponder_status st = fill_stage(stage, kind, LEARN | ASK, o, err);
    *out = json_pack("{s:I, s:{s:o}, s:[o]}", "seed", seed_of(o), "model", "start",
                     here(start), "stages", stage);
    if (st == PONDER_OK && !*out) st = err_set(err, PONDER_ENOMEM, "recipe: out of memory");
    return st;
}

/* The answers of one model, of which the other learns. */
static ponder_status make_distillation(json_t **out, const char *student, const char *teacher,
                                       const options *o, ponder_error *err)
{
    json_t *ask = json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", "answers", "kind", "sample",
                            "from", here(teacher), "data", files(o->data, o->verifier), "right",
                            !o->unverified);
    json_t *learn = json_pack("{s:s, s:o}", "name", "student", "from", here(student));
    json_t *samples = json_pack("[{s:s}]", "stage", "answers");
    put_keys(ask, ASK, o);
    ponder_status st = fill_stage(learn, "sft", LEARN, o, err);
    json_object_set_new(learn, "data", samples);
    *out = json_pack("{s:I, s:[o, o]}", "seed", seed_of(o), "stages", ask, learn);
    if (st == PONDER_OK && !*out) st = err_set(err, PONDER_ENOMEM, "recipe: out of memory");
    return st;
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

static const char DISTILL[] = "distill";

static ponder_status single_json(json_t **out, const char *kind, const char *start,
                                 const options *o, ponder_error *err)
{
    char *path, *teacher = NULL;
    bool two = !strcmp(kind, DISTILL);
    *out = NULL;
    if (two) TRY(cli_find_model(&teacher, o->teacher, err));
    ponder_status st = start ? cli_find_model(&path, start, err) : start_embedded(&path, o->out, err);
    if (st == PONDER_OK) {
        st = two ? make_distillation(out, path, teacher, o, err)
                 : make_recipe(out, kind, path, o, err);
        free(path);
    }
    free(teacher);
    return st;
}

static ponder_status single(recipe *r, const char *kind, const char *start, const options *o,
                            ponder_error *err)
{
    json_t *json;
    if (!o->data || !o->out)
        return err_set(err, PONDER_EARG, "%s wants --data FILE.jsonl and --out DIR", kind);
    if (!strcmp(kind, DISTILL) && !o->teacher)
        return err_set(err, PONDER_EARG, "%s wants a --teacher MODEL", kind);
    ponder_status st = single_json(&json, kind, start, o, err);
    if (st == PONDER_OK) st = recipe_of(r, json, kind, "", err);
    else json_decref(json);
    for (size_t i = 0; i < r->n && st == PONDER_OK; i++)
        st = stage_kind_find(r->stage[i].kind)->check(r, &r->stage[i], err);
    if (st == PONDER_OK) st = write_recipe(r->json, o->out, err);
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

/* A recipe says these things itself. */
static ponder_status check_recipe_options(const char *path, const options *o, ponder_error *err)
{
    const struct {
        const char *name;
        bool given;
    } list[] = {{"data", o->data}, {"eval-data", o->eval}, {"save-as", o->save_as}, {"teacher", o->teacher},
                {"unverified", o->unverified}, {"kind", o->verifier}, {"reward-regex", o->regex.n},
                {"reward-program", o->program.n}, {"set", o->set.n}};
    const char *name = NULL;
    for (size_t i = 0; i < COUNT_OF(list); i++)
        if (list[i].given) name = list[i].name;
    for (size_t i = 0; i < COUNT_OF(SHORTCUTS); i++)
        if (o->key[i]) name = SHORTCUTS[i].option;
    if (!name) return PONDER_OK;
    return err_set(err, PONDER_EARG, "--%s goes with a kind of stage and a model: write it into the recipe %s", name, path);
}

static ponder_status train(const char **args, const options *o, ponder_error *err)
{
    recipe r = {0};
    bool kind = (stage_kind_find(args[0]) || !strcmp(args[0], DISTILL)) && !file_exists(args[0]);
    if (!kind && args[1])
        return err_set(err, PONDER_EARG, "unexpected argument \"%s\"; see --help", args[1]);
    if (!kind) TRY(check_recipe_options(args[0], o, err));
    ponder_status st = kind ? single(&r, args[0], args[1], o, err) : recipe_open(&r, args[0], err);
    if (o->seed != NO_SEED) r.seed = o->seed;
    char *out = o->out ? strdup(o->out) : default_out(args[0]);
    if (st == PONDER_OK)
        st = out ? run(&r, out, o, err) : err_set(err, PONDER_ENOMEM, "out of memory");
    free(out);
    recipe_close(&r);
    return st;
}

int cmd_train(int argc, char **argv)
{
    options o = {.cpu = "native", .seed = NO_SEED};
    const cli_option own[] = {
        {"out", 0, CLI_TEXT, &o.out, "DIR", "where everything goes; without it RECIPE.run", 0, 0},
        {"stage", 0, CLI_TEXT, &o.stage, "NAME", "run this stage of the recipe only", 0, 0},
        {"threads", 't', CLI_INT, &o.threads, "N", "threads; 0: the physical cores", 0, 256},
        {"cpu", 0, CLI_TEXT, &o.cpu, "LEVEL", "ref, avx2, avx512, avx512_vnni or native", 0, 0},
        {"quiet", 'q', CLI_FLAG, &o.quiet, NULL, "show nothing while it runs", 0, 0},
        {"data", 0, CLI_TEXT, &o.data, "FILE", "JSON lines to train on (with a kind and a model)",
         0, 0},
        {"eval-data", 0, CLI_TEXT, &o.eval, "FILE", "JSON lines to measure on", 0, 0},
        {"save-as", 0, CLI_TEXT, &o.save_as, "TYPE", "also save as bf16, q8_0, ... or safetensors",
         0, 0},
        {"teacher", 0, CLI_TEXT, &o.teacher, "MODEL", "distill: whose answers are learnt", 0, 0},
        {"unverified", 0, CLI_FLAG, &o.unverified, NULL, "distill: learn wrong answers too", 0, 0},
        {"seed", 0, CLI_U64, &o.seed, "S", "of all that is random; without it the recipe's, or 1", 0, 0},
        {"kind", 0, CLI_TEXT, &o.verifier, "KIND", "grpo: what judges answers to rows without one",
         0, 0},
        {"reward-regex", 0, CLI_TEXTS, &o.regex, "P", "grpo: 1 more for responses that match", 0, 0},
        {"reward-program", 0, CLI_TEXTS, &o.program, "CMD", "grpo: and what your program gives them",
         0, 0},
        {"set", 0, CLI_TEXTS, &o.set, "KEY=VALUE", "any key of the stage (docs/training.md)", 0, 0},
    };
    cli_option table[COUNT_OF(own) + COUNT_OF(SHORTCUTS) + 1] = {0};
    memcpy(table, own, sizeof own);
    for (size_t i = 0; i < COUNT_OF(SHORTCUTS); i++)
        table[COUNT_OF(own) + i] =
            (cli_option){SHORTCUTS[i].option, 0, CLI_TEXT, &o.key[i], SHORTCUTS[i].arg,
                         SHORTCUTS[i].help, 0, 0};
    buf about = {0};
    buf_printf(&about,
               "Runs a recipe's stages, or goes on with a run that was stopped. Instead of a "
               "recipe, a kind\nof stage with a model (without: the embedded one) and data:");
    for (const stage_kind *k = stage_kinds; k->name; k++)
        buf_printf(&about, "\n  %-10s %s", k->name, k->about);
    buf_printf(&about, "\n  %-10s %s", DISTILL, "a model learns from another one's right answers");
    const cli_command c = {
        .usage = "train RECIPE [options]\n       ponder train KIND [MODEL] --data FILE --out DIR "
                 "[options]\n       ponder train distill [STUDENT] --teacher MODEL --data FILE "
                 "--out DIR [options]",
        .about = about.p ? about.p : "",
        .examples = "  ponder train recipes/tiny.json\n"
                    "  ponder train sft model.gguf --data answers.jsonl --out tuned --passes 3\n"
                    "  ponder train grpo model.gguf --data questions.jsonl --out better --lora 16 "
                    "--lr 1e-4",
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
