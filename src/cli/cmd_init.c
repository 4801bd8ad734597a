/* ponder init: a model file with random weights.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "model/model.h"

static ponder_status run(const char *config, const char *path, const char *type, int threads,
                         model_init_options *opt, ponder_error *err)
{
    model_config c;
    TRY(model_config_named(&c, config, err));
    bool mix = strcmp(type, "q4_k_m") == 0;
    opt->type = mix ? NUM_NONE : num_type_by_name(str_of(type));
    if (!mix && opt->type == NUM_NONE)
        return err_set(err, PONDER_EARG,
                       "--type \"%s\": use q4_k_m or a type such as f32, bf16, q8_0, q4_k", type);
    progress p = {.out = stderr};
    opt->progress = &p;
    TRY(pool_open(&opt->pool, threads ? threads : cpu_cores(), err));
    ponder_status st = model_init(path, &c, opt, err);
    pool_close(opt->pool);
    return st;
}

int cmd_init(int argc, char **argv)
{
    model_init_options opt = {.seed = 1};
    const char *type = "q4_k_m";
    int threads = 0;
    const cli_option table[] = {
        {"type", 0, CLI_TEXT, &type, "TYPE", "of the matrices: q4_k_m, q8_0, bf16, f32 ...", 0, 0},
        {"seed", 0, CLI_U64, &opt.seed, "S", "of the weights", 0, 0},
        {"tokenizer", 0, CLI_TEXT, &opt.tokenizer, "PATH",
         "embed this tokenizer.json instead of a made-up one", 0, 0},
        {"threads", 't', CLI_INT, &threads, "N", "threads; 0: the physical cores", 0, 256},
        {0},
    };
    buf about = {0};
    buf_printf(&about, "Writes a GGUF file with random weights. CONFIG is a config.json or one of");
    for (size_t i = 0; model_config_name(i); i++)
        buf_printf(&about, "%s%s", i % 6 ? ", " : "\n  ", model_config_name(i));
    const cli_command c = {
        .usage = "init CONFIG OUT.gguf [options]",
        .about = about.p,
        .examples = "  ponder init r1-distill-qwen-1.5b random.gguf\n"
                    "  ponder init deepseek-v2-lite random.gguf --type q8_0 --seed 7",
        .options = table,
        .max_args = 2,
    };
    const char *args[2];
    ponder_error err = {0};
    int status = cli_parse(&c, argc, argv, args);
    if (status < 0 && !args[1])
        err_set(&err, PONDER_EARG, "give a configuration and a file to write; see --help");
    else if (status < 0) (void)run(args[0], args[1], type, threads, &opt, &err);
    buf_free(&about);
    if (status >= 0) return status;
    return err.code == PONDER_OK ? CLI_DONE : cli_fail(argv[0], &err);
}
