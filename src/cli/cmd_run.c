/* ponder run: one answer, or a conversation.
 * SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <stdlib.h>
#include <unistd.h>

enum { PROMPT_BYTES = 256 << 20 };

struct options {
    model_arg_options model;
    const char *prompt, *file, *system, *think;
    const char *verify;
    int max, context, top_k, budget, loop, votes, best_of;
    double temp, top_p, min_p, repetition, presence, frequency;
    uint64_t seed;
    cli_texts stop;
    bool raw, ignore_eos, json, quiet;
};

/* ---- the command line ------------------------------------------------------------------------ */

static ponder_status read_settings(run_settings *s, const struct options *o, const tokenizer *t,
                                   ponder_error *err)
{
    static const char *const THINK[] = {"auto", "on", "off"};
    size_t think = 0;
    while (think < COUNT_OF(THINK) && strcmp(o->think, THINK[think])) think++;
    if (think == COUNT_OF(THINK))
        return err_set(err, PONDER_EARG, "--think \"%s\": use auto, on or off", o->think);
    *s = (run_settings){.template = tokenizer_template(t),
                        .think = (enum engine_think)think,
                        .max_tokens = (size_t)o->max,
                        .think_budget = (size_t)o->budget,
                        .loop_tokens = (size_t)o->loop,
                        .raw = o->raw,
                        .ignore_end = o->ignore_eos};
    s->sampling = engine_sampling_of(s->template);
    s->sampling.seed = o->seed;
    if (o->temp >= 0) s->sampling.temperature = (float)o->temp;
    if (o->top_k >= 0) s->sampling.top_k = o->top_k;
    if (o->top_p >= 0) s->sampling.top_p = (float)o->top_p;
    if (o->min_p >= 0) s->sampling.min_p = (float)o->min_p;
    if (o->repetition >= 0) s->sampling.repetition = (float)o->repetition;
    s->sampling.presence = (float)o->presence;
    s->sampling.frequency = (float)o->frequency;
    for (size_t i = 0; i < o->stop.n; i++) s->stop[s->n_stop++] = str_of(o->stop.p[i]);
    if (s->template == CHAT_NONE && !s->raw) {
        fprintf(stderr, "ponder run: no chat template: the text is continued as it is\n");
        s->raw = true;
    }
    return PONDER_OK;
}

/* The prompt of -p and -f; without either there is none. */
static ponder_status read_prompt(buf *out, const struct options *o, ponder_error *err)
{
    buf file = {0};
    ponder_status st = PONDER_OK;
    if (o->prompt && !strcmp(o->prompt, "-"))
        st = file_read_fd(out, STDIN_FILENO, "standard input", PROMPT_BYTES, err);
    else if (o->prompt) buf_add_str(out, str_of(o->prompt));
    if (st == PONDER_OK && o->file) st = file_read(&file, o->file, PROMPT_BYTES, err);
    if (o->prompt && o->file) buf_add_str(out, STR("\n\n"));
    buf_add_str(out, buf_str(&file));
    buf_free(&file);
    if (st == PONDER_OK && out->failed)
        st = err_set(err, PONDER_ENOMEM, "no memory for the prompt");
    return st;
}

/* ---- one answer ------------------------------------------------------------------------------ */

static void print_json(const run_answer *a, double load_ms)
{
    buf out = {0};
    json_writer w = {.out = &out};
    json_open(&w, '{');
    run_write(&w, a, &a->usage);
    json_key(&w, "timings");
    json_open(&w, '{');
    json_key(&w, "prompt_tps"), json_f64(&w, run_prompt_tps(a));
    json_key(&w, "decode_tps"), json_f64(&w, run_decode_tps(a));
    json_key(&w, "load_ms"), json_f64(&w, load_ms);
    json_close(&w, '}');
    json_close(&w, '}');
    puts(buf_str(&out).p);
    buf_free(&out);
}

static int answer_one(engine *e, const model_arg *m, const run_settings *s,
                      const struct options *o, const chat_message *messages, size_t n)
{
    ponder_error err;
    run_answer a = run_answer_new();
    a.show_text = !o->json;
    a.show_thoughts = !o->json && !o->quiet;
    ponder_status st = run_one(&a, e, m, s, messages, n, &err);
    if (st == PONDER_OK && o->json) print_json(&a, m->load_ms);
    if (st == PONDER_OK && !o->json) putchar('\n');
    const char *remark = st == PONDER_OK ? run_remark(&a) : NULL;
    if (remark) fprintf(stderr, "ponder run: %s\n", remark);
    bool cancelled = a.finish == ENGINE_CANCELLED;
    run_answer_free(&a);
    if (st != PONDER_OK) return cli_fail("run", &err);
    return cancelled ? CLI_INTERRUPTED : CLI_DONE;
}

static size_t answers_wanted(const struct options *o)
{
    return (size_t)(o->votes > o->best_of ? o->votes : o->best_of);
}

static int answer_prompt(engine *e, const model_arg *m, const run_settings *s,
                         const struct options *o, run_verifier *verifier, const buf *prompt)
{
    chat_message messages[2];
    size_t n = 0;
    if (o->system)
        messages[n++] = (chat_message){
            .role = STR("system"), .content = str_of(o->system), .has_content = true};
    messages[n++] =
        (chat_message){.role = STR("user"), .content = buf_str(prompt), .has_content = true};
    if (!answers_wanted(o)) return answer_one(e, m, s, o, messages, n);
    run_many how = {answers_wanted(o), verifier, o->json, o->quiet};
    return run_several(&how, e, m, s, messages, n);
}

/* Options that only make sense together. */
static ponder_status check_options(const struct options *o, ponder_error *err)
{
    bool prompt = o->prompt || o->file;
    if (o->votes && o->best_of) return err_set(err, PONDER_EARG, "--votes or --best-of, not both");
    if (!o->best_of != !o->verify)
        return err_set(err, PONDER_EARG,
                       "--best-of needs --verify ROW, and the other way round; to let the answers "
                       "vote use --votes");
    if (answers_wanted(o) && !prompt)
        return err_set(err, PONDER_EARG, "several answers need a prompt: -p or -f");
    return PONDER_OK;
}

static int run(const struct options *o, const char *arg)
{
    ponder_error err;
    model_arg m = {0};
    engine *e = NULL;
    run_verifier *verifier = NULL;
    buf prompt = {0};
    run_settings s;
    int status = -1;
    ponder_status st = check_options(o, &err);
    if (st == PONDER_OK && o->verify) st = run_verifier_open(&verifier, o->verify, &err);
    if (st == PONDER_OK) st = read_prompt(&prompt, o, &err);
    if (st == PONDER_OK) st = model_arg_open(&m, arg, &o->model, &err);
    if (st == PONDER_OK) st = read_settings(&s, o, m.t, &err);
    engine_options eo = {
        .kv = m.kv, .context = (size_t)o->context,
        .max_sequences = size_max(1, answers_wanted(o)), .pool = m.pool};
    if (st == PONDER_OK) st = engine_open(&e, m.m, m.t, &eo, &err);
    if (st != PONDER_OK) {
        status = cli_fail("run", &err);
    } else {
        run_catch_interrupts();
        status = o->prompt || o->file ? answer_prompt(e, &m, &s, o, verifier, &prompt)
                                      : run_chat(e, &m, &s, o->system);
    }
    engine_close(e);
    model_arg_close(&m);
    run_verifier_close(verifier);
    buf_free(&prompt);
    return status;
}

int cmd_run(int argc, char **argv)
{
    struct options o = {.model.cpu = "native",
                        .think = "auto",
                        .temp = -1,
                        .top_p = -1,
                        .min_p = -1,
                        .top_k = -1,
                        .repetition = -1,
                        .loop = ENGINE_LOOP_TOKENS};
    const cli_option options[] = {
        {"prompt", 'p', CLI_TEXT, &o.prompt, "TEXT", "what to answer; -: standard input", 0, 0},
        {"file", 'f', CLI_TEXT, &o.file, "FILE", "the prompt, or what to add to it", 0, 0},
        {"system", 0, CLI_TEXT, &o.system, "TEXT", "system message", 0, 0},
        {"raw", 0, CLI_FLAG, &o.raw, NULL, "no chat template: continue the text", 0, 0},
        {"max", 'n', CLI_INT, &o.max, "N", "tokens at most; 0: until the context is full", 0,
         INT32_MAX},
        {"ctx", 0, CLI_INT, &o.context, "N", "context length; 0: the model's, or what fits", 0,
         INT32_MAX},
        {"think", 0, CLI_TEXT, &o.think, "MODE", "auto, on or off", 0, 0},
        {"think-budget", 0, CLI_INT, &o.budget, "N", "tokens of thinking at most; 0: any", 0,
         INT32_MAX},
        {"temp", 0, CLI_FLOAT, &o.temp, "T", "temperature; 0: greedy; else the model family's", 0,
         100},
        {"top-p", 0, CLI_FLOAT, &o.top_p, "P", "nucleus; else the model family's", 0, 1},
        {"top-k", 0, CLI_INT, &o.top_k, "K", "most probable tokens to choose from; 0: all", 0,
         INT32_MAX},
        {"min-p", 0, CLI_FLOAT, &o.min_p, "P", "least probability, as a share of the largest", 0,
         1},
        {"repeat-penalty", 0, CLI_FLOAT, &o.repetition, "R", "1: none", 0, 100},
        {"presence-penalty", 0, CLI_FLOAT, &o.presence, "X", "of tokens the answer has", -100, 100},
        {"frequency-penalty", 0, CLI_FLOAT, &o.frequency, "X", "for each time it has them", -100,
         100},
        {"seed", 0, CLI_U64, &o.seed, "S", "same seed, same answer", 0, 0},
        {"stop", 0, CLI_TEXTS, &o.stop, "TEXT", "end the answer before TEXT; may be repeated", 0,
         0},
        {"loop", 0, CLI_INT, &o.loop, "N", "repeating tokens that end an answer; 0: none", 0,
         INT32_MAX},
        {"ignore-eos", 0, CLI_FLAG, &o.ignore_eos, NULL, "end tokens do not end the answer", 0, 0},
        {"votes", 0, CLI_INT, &o.votes, "K", "the answer most of K agree on", 0, 1024},
        {"best-of", 0, CLI_INT, &o.best_of, "K", "the first of K that --verify passes", 0, 1024},
        {"verify", 0, CLI_TEXT, &o.verify, "ROW", "what `ponder verify` takes, or a file with it", 0,
         0},
        {"json", 0, CLI_FLAG, &o.json, NULL, "print the result as JSON", 0, 0},
        {"quiet", 'q', CLI_FLAG, &o.quiet, NULL, "only the answer", 0, 0},
        MODEL_ARG_ROWS(&o.model),
        {0},
    };
    const cli_command c = {
        .usage = "run [MODEL] [-p TEXT] [options]",
        .about = "Answers a prompt, or holds a conversation. The answer goes to stdout, the\n"
                 "thinking to stderr. MODEL is a .gguf file, a Hugging Face directory, or a\n"
                 "name from `ponder list`; without it, the model embedded in the program.",
        .examples =
            "  ponder run -p 'What is 12 + 30?'\n"
            "  ponder run model.gguf -p 'How many primes are below 100?'\n"
            "  ponder run model.gguf -p 'What is 17 * 23? Put the answer in a box.' --votes 16\n"
            "  ponder run model.gguf -f paper.txt -p 'Summarise this.' --think-budget 2000 --json",
        .options = options,
        .max_args = 1,
    };
    const char *args[1];
    int status = cli_parse(&c, argc, argv, args);
    if (status >= 0) return status;
    o.model.quiet = o.quiet || o.json;
    return run(&o, args[0]);
}
