/* What stages share: opening and saving models.
 * SPDX-License-Identifier: MIT */
#include "train/stage.h"

#include "train/need.h"

#include <stdlib.h>

const stage_kind stage_kinds[] = {
    {"pretrain", "next-token prediction on everything", supervised_check, supervised_run,
     STAGE_MODEL},
    {"sft", "fine-tuning on responses", supervised_check, supervised_run, STAGE_MODEL},
    {"grpo", "reinforcement learning from verified answers", policy_check, policy_run, STAGE_MODEL},
    {"sample", "answers of a model, filtered, to train on", sample_check, sample_run,
     STAGE_SAMPLES},
    {"eval", "models measured on held-out problems", evaluate_check, evaluate_run, STAGE_NOTHING},
    {"ppo", "reinforcement learning with a value network", policy_check, policy_run, STAGE_MODEL},
    {"reward_model", "learning to score answers from pairs or labels", reward_model_check,
     reward_model_run, STAGE_SCORER},
    {0},
};

const stage_kind *stage_kind_find(const char *name)
{
    for (const stage_kind *k = stage_kinds; k->name; k++)
        if (!strcmp(k->name, name)) return k;
    return NULL;
}

char *stage_path(const char *out, const char *name, const char *more)
{
    buf b = {0};
    buf_printf(&b, "%s/%s%s%s", out, name, more ? "/" : "", more ? more : "");
    if (b.failed) buf_free(&b);
    return b.p;
}

ponder_status stage_write_file(const char *path, str text, ponder_error *err)
{
    file_writer f;
    TRY(file_begin(&f, path, err));
    ponder_status st = file_put(&f, text.p, text.n, err);
    if (st == PONDER_OK) return file_commit(&f, err);
    file_abort(&f);
    return st;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* What "save_as" may list; NUM_NONE for safetensors. */
static bool save_type(num_type *out, const json_t *v)
{
    str s = json_str(v);
    *out = str_eq(s, STR("safetensors")) ? NUM_NONE : num_type_by_name(s);
    return str_eq(s, STR("safetensors")) || (*out != NUM_NONE && num_can_encode(*out));
}

ponder_status training_check(const training *t, const char *where, ponder_error *err)
{
    lr_schedule schedule;
    enum model_precision precision;
    num_type type;
    TRY(training_schedule(&schedule, t, where, err));
    TRY(training_precision(&precision, t, where, err));
    if (t->micro_tokens && t->micro_tokens < t->max_tokens)
        return err_set(err, PONDER_EFORMAT,
                       "%s: \"micro_tokens\" (%zu) must hold a sequence of \"max_tokens\" (%zu)",
                       where, t->micro_tokens, t->max_tokens);
    for (size_t i = 0; i < json_array_size(t->save_as); i++)
        if (!save_type(&type, json_array_get(t->save_as, i)))
            return err_set(
                err, PONDER_EFORMAT,
                "%s: \"save_as\": \"%.*s\" is no type that can be written: use f32, bf16, "
                "q8_0, ... or safetensors",
                where, STR_ARG(json_str(json_array_get(t->save_as, i))));
    return PONDER_OK;
}

bool stage_template_named(chat_template *out, const char *name)
{
    *out = CHAT_NONE;
    return !strcmp(name, "none") || chat_template_by_name(out, str_of(name));
}

ponder_status stage_template(chat_template *out, const stage_context *c, const training *t,
                             ponder_error *err)
{
    *out = tokenizer_template(c->t);
    if (!t->template || stage_template_named(out, t->template)) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "%s: no template \"%s\"", c->where, t->template);
}

adamw_options training_adamw(const training *t)
{
    return (adamw_options){.beta1 = t->beta1, .beta2 = t->beta2, .eps = t->eps, .decay = t->decay,
                           .bf16_moments = t->bf16_moments};
}

ponder_status stage_loop_options(train_loop_options *out, const stage_context *c, const training *t,
                                 ponder_error *err)
{
    *out = (train_loop_options){
        .name = c->stage->name, .dir = c->dir, .metrics = c->metrics, .report = c->report,
        .title = c->recipe->about ? c->recipe->about : c->recipe->name,
        .adamw = training_adamw(t), .clip = t->clip, .micro_tokens = training_micro_tokens(t),
        .micro_sequences = training_micro_sequences(t), .balance_speed = t->balance_speed,
        .lora_rank = t->lora_rank, .lora_seed = c->seed,
        .lora_alpha = t->lora_alpha > 0 ? t->lora_alpha : 2 * (double)t->lora_rank,
        .save_every = t->save_every, .eval_every = t->eval_every, .keep = t->keep,
        .identity = c->identity, .pool = c->o->pool, .screen = c->o->screen, .stop = c->o->stop};
    return training_schedule(&out->lr, t, c->where, err);
}

/* ---- opening --------------------------------------------------------------------------------- */

static ponder_status config_of(model_config *out, const stage_context *c, ponder_error *err)
{
    if (!c->start) {
        *out = c->model->config;
        return model_config_check(out, err);
    }
    fmt_model *file = NULL;
    TRY(fmt_open(&file, c->start, err));
    ponder_status st = model_config_read(out, file, err);
    fmt_close(file);
    return st;
}

static ponder_status check_memory(const stage_context *c, const training *t,
                                  const model_config *config, model_train_options *o,
                                  size_t models, const stage_besides *besides, ponder_error *err)
{
    size_t adapters, values = need_parameters(config, t->lora_rank, &adapters);
    size_t have = mem_available_bytes();
    const need n = need_of(config, t, o, models, besides);
    if (c->o->screen)
        fprintf(c->o->screen,
                "%s: %s%.2fM parameters, %.2fM learnt in %s, needs %.0f MB (at most %.0f) of %.0f MB "
                "free\n",
                c->stage->name, models > 1 ? "two models of " : "", (double)values * 1e-6,
                (double)(t->lora_rank ? adapters : values) * 1e-6, t->precision,
                (double)n.peak * 1e-6, (double)n.at_most * 1e-6, (double)have * 1e-6);
    if (n.at_most <= have) return PONDER_OK;
    return err_set(err, PONDER_ELIMIT,
                   "%s: may need %.0f MB and %.0f MB are free: lower \"micro_tokens\" (%zu), or set "
                   "\"recompute\" or \"bf16_moments\"", c->where, (double)n.at_most * 1e-6,
                   (double)have * 1e-6, o->max_tokens);
}

/* What cannot be saved is better known before hours of training. */
static ponder_status check_saving(const stage_context *c, const training *t, ponder_error *err)
{
    for (size_t i = 0; i < json_array_size(t->save_as) && !c->tokenizer_json; i++)
        if (str_eq(json_str(json_array_get(t->save_as, i)), STR("safetensors")))
            return err_set(err, PONDER_EUNSUPPORTED,
                           "%s: \"safetensors\" need a tokenizer.json, and this run began with the "
                           "tokenizer of a GGUF file", c->where);
    return PONDER_OK;
}

static ponder_status open_start(model_trainable **out, const stage_context *c,
                                const model_train_options *o, ponder_error *err)
{
    fmt_model *file = NULL;
    TRY(fmt_open(&file, c->start, err));
    ponder_status st = model_trainable_open(out, file, o, err);
    fmt_close(file);
    return st;
}

static ponder_status open_one(model_trainable **out, const stage_context *c,
                              const model_config *config, const model_train_options *o,
                              ponder_error *err)
{
    if (c->start) return open_start(out, c, o, err);
    return model_trainable_init(out, config, c->model->init, c->seed, o, err);
}

ponder_status stage_open_models(model_trainable **out, model_trainable **second,
                                const stage_context *c, const training *t,
                                const stage_besides *besides, ponder_error *err)
{
    model_config config;
    model_train_options o = {.pool = c->o->pool, .cpu_mask = c->o->cpu_mask,
                             .max_tokens = training_micro_tokens(t), .max_sequence = t->max_tokens,
                             .max_sequences = training_micro_sequences(t),
                             .prefixes = besides->prefixes,
                             .recompute = t->recompute,
                             .balance_loss = t->balance_loss, .mtp_weight = t->mtp_weight};
    *out = NULL;
    if (second) *second = NULL;
    TRY(training_precision(&o.precision, t, c->where, err));
    TRY(config_of(&config, c, err));
    if (!config.mtp_layers) o.mtp_weight = 0;
    if (t->max_tokens > (size_t)config.context)
        return err_set(err, PONDER_EARG,
                       "%s: \"max_tokens\" is %zu, the model has %d positions", c->where,
                       t->max_tokens, config.context);
    if (tokenizer_size(c->t) > config.vocab)
        return err_set(err, PONDER_EARG,
                       "%s: the tokenizer has %d tokens, the model %d rows for them", c->where,
                       tokenizer_size(c->t), config.vocab);
    TRY(check_saving(c, t, err));
    TRY(check_memory(c, t, &config, &o, second ? 2 : 1, besides, err));
    TRY(open_one(out, c, &config, &o, err));
    o.beside = *out;
    return second ? open_one(second, c, &config, &o, err) : PONDER_OK;
}

/* ---- saving ---------------------------------------------------------------------------------- */

static ponder_status put_json_vocab(const stage_vocab *v, gguf_writer *w, ponder_error *err)
{
    json_t *j;
    TRY(json_parse_file(&j, v->json, 256 << 20, err));
    const char *pre = text_splitter_name(json_object_get(j, "normalizer"),
                                         json_object_get(j, "pre_tokenizer"));
    json_decref(j);
    if (!pre)
        return err_set(err, PONDER_EUNSUPPORTED,
                       "%s: GGUF has no name for this pre-tokenizer; save_as safetensors", v->json);
    const model_vocab from = {.tokenizer = v->json, .pre = pre, .bos = tokenizer_bos(v->t),
                              .eos = tokenizer_eos(v->t), .adds_bos = tokenizer_adds_bos(v->t)};
    return model_vocab_put(w, v->rows, &from, err);
}

ponder_status stage_vocab_write(void *user, gguf_writer *w, ponder_error *err)
{
    const stage_vocab *v = user;
    if (v->json) return put_json_vocab(v, w, err);
    for (size_t i = 0; i < fmt_value_count(v->gguf); i++) {
        const fmt_value *value = fmt_value_at(v->gguf, i);
        if (str_starts(value->key, STR("tokenizer."))) TRY(gguf_put_value(w, value, err));
    }
    return PONDER_OK;
}

static ponder_status save_as(const stage_context *c, const model_trainable *m, stage_vocab *v,
                             num_type type, ponder_error *err)
{
    char name[64], lower[32];
    snprintf(lower, sizeof lower, "%s", num_info_of(type)->name);
    for (char *p = lower; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    snprintf(name, sizeof name, "model-%s.gguf", lower);
    char *path = stage_path(c->o->out, c->stage->name, name);
    ponder_status st = path ? model_trainable_save(m, path, type, stage_vocab_write, v, err)
                            : err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    free(path);
    return st;
}

static ponder_status copy_file(const char *to_dir, const char *name, const char *from,
                               ponder_error *err)
{
    buf text = {0};
    char *to = stage_path(to_dir, name, NULL);
    ponder_status st = to ? file_read(&text, from, 256 << 20, err)
                          : err_set(err, PONDER_ENOMEM, "%s: out of memory", to_dir);
    if (st == PONDER_OK) st = stage_write_file(to, buf_str(&text), err);
    free(to);
    buf_free(&text);
    return st;
}

/* A Hugging Face directory with the files of its tokenizer. */
static ponder_status save_hf(const stage_context *c, const model_trainable *m, ponder_error *err)
{
    static const char *const beside[] = {"tokenizer_config.json", "generation_config.json",
                                         "chat_template.jinja"};
    char *dir = stage_path(c->o->out, c->stage->name, "model-hf");
    if (!dir) return err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    ponder_status st = model_trainable_save_hf(m, dir, NUM_BF16, err);
    if (st == PONDER_OK) st = copy_file(dir, "tokenizer.json", c->tokenizer_json, err);
    const char *slash = strrchr(c->tokenizer_json, '/');
    for (size_t i = 0; slash && i < COUNT_OF(beside) && st == PONDER_OK; i++) {
        buf from = {0};
        buf_printf(&from, "%.*s/%s", (int)(slash - c->tokenizer_json), c->tokenizer_json,
                   beside[i]);
        if (from.failed) st = err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
        else if (file_exists(from.p)) st = copy_file(dir, beside[i], from.p, err);
        buf_free(&from);
    }
    free(dir);
    return st;
}

ponder_status stage_save_model(const stage_context *c, const training *t, const model_trainable *m,
                               ponder_error *err)
{
    stage_vocab v = {.json = c->tokenizer_json, .t = c->t,
                     .rows = (size_t)model_config_of(model_trainable_model(m))->vocab};
    fmt_model *start = NULL;
    ponder_status st = v.json ? PONDER_OK : fmt_open(&start, c->start, err);
    v.gguf = start;
    for (size_t i = 0; i < json_array_size(t->save_as) && st == PONDER_OK; i++) {
        num_type type;
        if (!save_type(&type, json_array_get(t->save_as, i))) continue;
        st = type != NUM_NONE ? save_as(c, m, &v, type, err) : save_hf(c, m, err);
    }
    char *path = stage_path(c->o->out, c->stage->name, "model.gguf");
    if (st == PONDER_OK && !path) st = err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    if (st == PONDER_OK)
        st = model_trainable_save(m, path, NUM_F32, stage_vocab_write, &v, err);
    free(path);
    fmt_close(start);
    return st;
}
