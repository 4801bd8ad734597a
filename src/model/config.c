/* Numbers of an architecture from GGUF metadata or config.json.
 * SPDX-License-Identifier: MIT
 *
 * Keys: gguf.md of ggml-org/ggml and the published config.json files. */
#include "model/model_int.h"

#include <math.h>

enum { CONFIG_BYTES = 1 << 20, MAX_SIZE = 1 << 24 };

bool model_is_mla(const model_config *c) { return c->arch == MODEL_DEEPSEEK2; }

bool model_layer_is_dense(const model_config *c, int layer)
{
    return c->experts == 0 || layer < c->dense_layers;
}

/* What every architecture has unless the file says otherwise. */
model_config model_config_defaults(enum model_arch arch)
{
    return (model_config){
        .arch = arch,
        .norm_eps = 1e-6f,
        .rope_base = 10000,
        .rope_factor = 1,
        .rope_low = 1,
        .rope_high = 4,
        .rope_beta_fast = 32,
        .rope_beta_slow = 1,
        .rope_mscale = 1,
        .gate = MODEL_GATE_SOFTMAX,
        .gate_scale = 1,
        .expert_groups = 1,
        .expert_groups_used = 1,
        .qkv_bias = arch == MODEL_QWEN2,
        .bos = -1,
        .eos = -1,
    };
}

static void set_name(model_config *c, str name)
{
    size_t n = size_min(name.n, sizeof c->name - 1);
    if (n) memcpy(c->name, name.p, n);
    c->name[n] = '\0';
}

/* ---- plausibility
 * --------------------------------------------------------------------------------- */

static ponder_status bad(const model_config *c, ponder_error *err, const char *what, double value)
{
    return err_set(err, PONDER_EFORMAT, "model \"%s\": %s is %g: not a plausible architecture",
                   c->name, what, value);
}

static ponder_status check_experts(const model_config *c, ponder_error *err)
{
    if (c->experts < 0 || c->experts > OPS_EXPERTS)
        return bad(c, err, "the number of experts", c->experts);
    if (c->experts == 0) return PONDER_OK;
    if (c->experts_used < 1 || c->experts_used > c->experts)
        return bad(c, err, "the number of experts used", c->experts_used);
    if (c->expert_ffn < 1) return bad(c, err, "the width of an expert", c->expert_ffn);
    if (c->experts_shared < 0 || c->experts_shared > 64)
        return bad(c, err, "the number of shared experts", c->experts_shared);
    if (c->dense_layers < 0 || c->dense_layers > c->layers)
        return bad(c, err, "the number of leading dense layers", c->dense_layers);
    if (c->expert_groups < 1 || c->experts % c->expert_groups)
        return bad(c, err, "the number of expert groups", c->expert_groups);
    if (c->expert_groups_used < 1 || c->expert_groups_used > c->expert_groups ||
        c->experts / c->expert_groups * c->expert_groups_used < c->experts_used)
        return bad(c, err, "the number of expert groups used", c->expert_groups_used);
    return isfinite(c->gate_scale) ? PONDER_OK
                                   : bad(c, err, "the expert weight scale", (double)c->gate_scale);
}

static ponder_status check_rope(const model_config *c, ponder_error *err)
{
    if (c->rope_dim < 2 || c->rope_dim % 2 || c->rope_dim > c->head_dim)
        return bad(c, err, "the number of rotated columns", c->rope_dim);
    if (!(c->rope_base > 1) || !isfinite(c->rope_base))
        return bad(c, err, "the rope base", c->rope_base);
    if (!(c->rope_factor > 0) || !isfinite(c->rope_factor))
        return bad(c, err, "the rope scaling factor", c->rope_factor);
    bool scaled = c->rope == MODEL_ROPE_YARN || c->rope == MODEL_ROPE_LLAMA3;
    if (scaled && c->rope_original < 1)
        return bad(c, err, "the original context length", c->rope_original);
    if (c->rope == MODEL_ROPE_LLAMA3 && !(c->rope_high > c->rope_low))
        return bad(c, err, "the rope high frequency factor", c->rope_high);
    return PONDER_OK;
}

static ponder_status check_heads(const model_config *c, ponder_error *err)
{
    bool mla = model_is_mla(c);
    if (c->heads < 1 || c->heads > 4096) return bad(c, err, "the number of heads", c->heads);
    if (c->kv_heads < 1 || c->heads % c->kv_heads)
        return bad(c, err, "the number of key/value heads", c->kv_heads);
    if (mla && (c->kv_rank < 1 || c->q_rank < 0 || c->nope_dim < 1 || c->v_dim < 1))
        return bad(c, err, "a latent attention size", c->kv_rank);
    int d = mla ? c->kv_rank + c->rope_dim : c->head_dim;
    if (d < 16 || d % 16 || d > KERN_HEAD_MAX || (mla && c->kv_rank % 16))
        return err_set(err, PONDER_EUNSUPPORTED,
                       "model \"%s\": keys of %d columns: want a multiple of 16 up to %d", c->name,
                       d, KERN_HEAD_MAX);
    return PONDER_OK;
}

ponder_status model_config_check(const model_config *c, ponder_error *err)
{
    const struct {
        const char *what;
        int value, most;
    } sizes[] = {
        {"the number of layers", c->layers, 1024},
        {"the width", c->width, 1 << 17},
        {"the width of the feed-forward part", c->ffn, 1 << 20},
        {"the vocabulary", c->vocab, 1 << 22},
        {"the context length", c->context, MAX_SIZE},
        {"the width of a head", c->head_dim, 1 << 12},
    };
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].most)
            return bad(c, err, sizes[i].what, sizes[i].value);
    if (c->mtp_layers < 0 || c->mtp_layers > 1)
        return err_set(err, PONDER_EUNSUPPORTED,
                       "model \"%s\": %d multi-token prediction modules: 0 or 1", c->name,
                       c->mtp_layers);
    if (!(c->norm_eps > 0 && c->norm_eps < 1))
        return bad(c, err, "the norm epsilon", (double)c->norm_eps);
    TRY(check_rope(c, err));
    TRY(check_heads(c, err));
    return check_experts(c, err);
}

/* ---- GGUF
 * ------------------------------------------------------------------------------------------- */

/* Reads "ARCH.key"; the first failure sticks. */
struct reader {
    const fmt_model *m;
    const char *arch;
    ponder_status st;
    ponder_error *err;
};

static const char *full_key(const struct reader *r, const char *key, char out[96])
{
    snprintf(out, 96, "%s.%s", r->arch, key);
    return out;
}

static bool has(const struct reader *r, const char *key)
{
    char full[96];
    return fmt_value_find(r->m, full_key(r, key, full)) != NULL;
}

static void get_int(struct reader *r, const char *key, int *out)
{
    char full[96];
    int64_t v = *out;
    if (r->st == PONDER_OK)
        r->st = fmt_get_i64(r->m, full_key(r, key, full), 0, MAX_SIZE, &v, r->err);
    *out = (int)v;
}

static void get_real(struct reader *r, const char *key, double *out)
{
    char full[96];
    if (r->st == PONDER_OK) r->st = fmt_get_f64(r->m, full_key(r, key, full), out, r->err);
}

static void get_float(struct reader *r, const char *key, float *out)
{
    double v = (double)*out;
    get_real(r, key, &v);
    *out = (float)v;
}

static void gguf_rope(struct reader *r, model_config *c)
{
    char full[96];
    str type = STR("none");
    c->rope_original = c->context;
    get_int(r, "rope.dimension_count", &c->rope_dim);
    get_real(r, "rope.freq_base", &c->rope_base);
    get_real(r, "rope.scaling.factor", &c->rope_factor);
    get_int(r, "rope.scaling.original_context_length", &c->rope_original);
    if (r->st == PONDER_OK)
        r->st = fmt_get_str(r->m, full_key(r, "rope.scaling.type", full), &type, r->err);
    if (str_eq(type, STR("yarn"))) c->rope = MODEL_ROPE_YARN;
    else if (str_eq(type, STR("linear"))) c->rope = MODEL_ROPE_LINEAR;
    if (fmt_find(r->m, "rope_freqs.weight")) c->rope = MODEL_ROPE_FACTORS;
    if (c->arch != MODEL_DEEPSEEK2) return;
    /* The multiplier is 0.1 * mscale_all_dim; cos and sin keep their size. */
    double log_multiplier = 0;
    get_real(r, "rope.scaling.yarn_log_multiplier", &log_multiplier);
    c->rope_mscale = c->rope_mscale_all = 10 * log_multiplier;
}

static void gguf_mla(struct reader *r, model_config *c)
{
    int key = 0, value = 0, gate = MODEL_GATE_SOFTMAX;
    get_int(r, "attention.q_lora_rank", &c->q_rank);
    get_int(r, "attention.kv_lora_rank", &c->kv_rank);
    /* Files made before the split flavour say the sizes of a full head here. */
    get_int(
        r, has(r, "attention.key_length_mla") ? "attention.key_length_mla" : "attention.key_length",
        &key);
    get_int(r,
            has(r, "attention.value_length_mla") ? "attention.value_length_mla"
                                                 : "attention.value_length",
            &value);
    c->head_dim = key;
    c->nope_dim = key - c->rope_dim;
    c->v_dim = value;
    c->kv_heads = 1;
    get_int(r, "expert_count", &c->experts);
    get_int(r, "expert_used_count", &c->experts_used);
    get_int(r, "expert_shared_count", &c->experts_shared);
    get_int(r, "expert_feed_forward_length", &c->expert_ffn);
    get_int(r, "leading_dense_block_count", &c->dense_layers);
    get_float(r, "expert_weights_scale", &c->gate_scale);
    get_int(r, "expert_gating_func", &gate);
    c->gate = gate == MODEL_GATE_SIGMOID ? MODEL_GATE_SIGMOID : MODEL_GATE_SOFTMAX;
    if (c->gate_scale == 0) c->gate_scale = 1;
    /* Most R1 files were written before these keys existed. */
    if (c->gate == MODEL_GATE_SIGMOID && c->experts == 256 && !has(r, "expert_group_count")) {
        c->expert_groups = 8;
        c->expert_groups_used = 4;
    }
    get_int(r, "expert_group_count", &c->expert_groups);
    get_int(r, "expert_group_used_count", &c->expert_groups_used);
    char full[96];
    if (r->st == PONDER_OK)
        r->st = fmt_get_bool(r->m, full_key(r, "expert_weights_norm", full), &c->gate_normalize,
                             r->err);
    get_int(r, "nextn_predict_layers", &c->mtp_layers);
    c->layers -= c->mtp_layers; /* block_count has them too */
}

static ponder_status read_gguf(model_config *c, const fmt_model *m, ponder_error *err)
{
    static const struct {
        const char *name;
        enum model_arch arch;
    } archs[] = {{"llama", MODEL_LLAMA}, {"qwen2", MODEL_QWEN2}, {"deepseek2", MODEL_DEEPSEEK2}};
    str name = {0}, title = str_of(fmt_path(m));
    TRY(fmt_get_str(m, "general.architecture", &name, err));
    struct reader r = {.m = m, .err = err};
    for (size_t i = 0; i < COUNT_OF(archs); i++) {
        if (!str_eq(name, str_of(archs[i].name))) continue;
        r.arch = archs[i].name;
        *c = model_config_defaults(archs[i].arch);
    }
    if (!r.arch)
        return err_set(err, PONDER_EUNSUPPORTED,
                       "%s: architecture \"%.*s\": this build runs llama, qwen2 and deepseek2",
                       fmt_path(m), STR_ARG(name));
    TRY(fmt_get_str(m, "general.name", &title, err));
    set_name(c, title);
    get_int(&r, "block_count", &c->layers);
    get_int(&r, "embedding_length", &c->width);
    get_int(&r, "feed_forward_length", &c->ffn);
    get_int(&r, "context_length", &c->context);
    get_int(&r, "attention.head_count", &c->heads);
    c->kv_heads = c->heads;
    get_int(&r, "attention.head_count_kv", &c->kv_heads);
    get_float(&r, "attention.layer_norm_rms_epsilon", &c->norm_eps);
    c->head_dim = c->heads ? c->width / c->heads : 0;
    get_int(&r, "attention.key_length", &c->head_dim);
    c->rope_dim = c->head_dim;
    gguf_rope(&r, c);
    if (c->arch == MODEL_DEEPSEEK2) gguf_mla(&r, c);
    TRY(r.st);
    c->rope_pairs = c->arch != MODEL_QWEN2;
    const fmt_tensor *embd = fmt_find(m, "token_embd.weight");
    if (embd && embd->n_dims == 2 && embd->dim[1] <= MAX_SIZE) c->vocab = (int)embd->dim[1];
    c->tied = !fmt_find(m, "output.weight");
    int64_t bos = -1, eos = -1;
    TRY(fmt_get_i64(m, "tokenizer.ggml.bos_token_id", -1, MAX_SIZE, &bos, err));
    TRY(fmt_get_i64(m, "tokenizer.ggml.eos_token_id", -1, MAX_SIZE, &eos, err));
    c->bos = (int)bos;
    c->eos = (int)eos;
    return model_config_check(c, err);
}

/* ---- config.json
 * ------------------------------------------------------------------------------------- */

struct json_reader {
    const json_t *j;
    const char *name;
    ponder_status st;
    ponder_error *err;
};

static void field_int(struct json_reader *r, const char *key, int *out)
{
    int64_t v = *out;
    if (r->st == PONDER_OK) r->st = json_field_i64(r->j, r->name, key, 0, MAX_SIZE, &v, r->err);
    *out = (int)v;
}

static void field_real(struct json_reader *r, const char *key, double *out)
{
    if (r->st == PONDER_OK) r->st = json_field_f64(r->j, r->name, key, out, r->err);
}

static void field_float(struct json_reader *r, const char *key, float *out)
{
    double v = (double)*out;
    field_real(r, key, &v);
    *out = (float)v;
}

static void field_flag(struct json_reader *r, const char *key, bool *out)
{
    if (r->st == PONDER_OK) r->st = json_field_bool(r->j, r->name, key, out, r->err);
}

/* A token id, or the first of several. */
static void field_token(struct json_reader *r, const char *key, int *out)
{
    const json_t *v = json_object_get(r->j, key);
    if (json_is_array(v)) v = json_array_get(v, 0);
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= MAX_SIZE)
        *out = (int)json_integer_value(v);
}

/* rope_scaling of the published files, or rope_parameters of newer writers. */
static void json_rope(struct json_reader *r, model_config *c)
{
    c->rope_original = c->context;
    field_real(r, "rope_theta", &c->rope_base);
    const json_t *scaling = json_object_get(r->j, "rope_scaling");
    if (!json_is_object(scaling)) scaling = json_object_get(r->j, "rope_parameters");
    if (!json_is_object(scaling) || r->st != PONDER_OK) return;
    struct json_reader s = {scaling, r->name, PONDER_OK, r->err};
    const json_t *kind = json_object_get(scaling, "rope_type");
    str type = json_str(kind ? kind : json_object_get(scaling, "type"));
    field_real(&s, "rope_theta", &c->rope_base);
    field_real(&s, "factor", &c->rope_factor);
    field_int(&s, "original_max_position_embeddings", &c->rope_original);
    field_real(&s, "low_freq_factor", &c->rope_low);
    field_real(&s, "high_freq_factor", &c->rope_high);
    field_real(&s, "beta_fast", &c->rope_beta_fast);
    field_real(&s, "beta_slow", &c->rope_beta_slow);
    field_real(&s, "mscale", &c->rope_mscale);
    field_real(&s, "mscale_all_dim", &c->rope_mscale_all);
    r->st = s.st;
    if (type.n == 0 || str_eq(type, STR("default"))) return;
    if (str_eq(type, STR("llama3"))) c->rope = MODEL_ROPE_LLAMA3;
    else if (str_eq(type, STR("yarn"))) c->rope = MODEL_ROPE_YARN;
    else if (str_eq(type, STR("linear"))) c->rope = MODEL_ROPE_LINEAR;
    else if (r->st == PONDER_OK)
        r->st = err_set(r->err, PONDER_EUNSUPPORTED,
                        "%s: rope scaling \"%.*s\": this build knows llama3, yarn and linear",
                        r->name, STR_ARG(type));
}

static void json_mla(struct json_reader *r, model_config *c)
{
    field_int(r, "q_lora_rank", &c->q_rank);
    field_int(r, "kv_lora_rank", &c->kv_rank);
    field_int(r, "qk_nope_head_dim", &c->nope_dim);
    field_int(r, "qk_rope_head_dim", &c->rope_dim);
    field_int(r, "v_head_dim", &c->v_dim);
    c->head_dim = c->nope_dim + c->rope_dim;
    c->kv_heads = 1;
    field_int(r, "n_routed_experts", &c->experts);
    field_int(r, "num_experts_per_tok", &c->experts_used);
    field_int(r, "n_shared_experts", &c->experts_shared);
    field_int(r, "moe_intermediate_size", &c->expert_ffn);
    field_int(r, "first_k_dense_replace", &c->dense_layers);
    field_float(r, "routed_scaling_factor", &c->gate_scale);
    field_flag(r, "norm_topk_prob", &c->gate_normalize);
    field_int(r, "num_nextn_predict_layers", &c->mtp_layers);
    if (!str_eq(json_str(json_object_get(r->j, "topk_method")), STR("greedy"))) {
        field_int(r, "n_group", &c->expert_groups);
        field_int(r, "topk_group", &c->expert_groups_used);
    }
    bool v3 = str_eq(json_str(json_object_get(r->j, "model_type")), STR("deepseek_v3"));
    str scoring = json_str(json_object_get(r->j, "scoring_func"));
    bool sigmoid = scoring.n ? str_eq(scoring, STR("sigmoid")) : v3;
    c->gate = sigmoid ? MODEL_GATE_SIGMOID : MODEL_GATE_SOFTMAX;
}

static ponder_status read_json(model_config *c, const json_t *j, const char *name,
                               ponder_error *err)
{
    static const struct {
        const char *name;
        enum model_arch arch;
    } types[] = {{"llama", MODEL_LLAMA},
                 {"qwen2", MODEL_QWEN2},
                 {"deepseek_v2", MODEL_DEEPSEEK2},
                 {"deepseek_v3", MODEL_DEEPSEEK2}};
    str type = json_str(json_object_get(j, "model_type"));
    size_t i = 0;
    while (i < COUNT_OF(types) && !str_eq(type, str_of(types[i].name))) i++;
    if (i == COUNT_OF(types))
        return err_set(
            err, PONDER_EUNSUPPORTED,
            "%s: model_type \"%.*s\": this build runs llama, qwen2, deepseek_v2 and deepseek_v3",
            name, STR_ARG(type));
    *c = model_config_defaults(types[i].arch);
    set_name(c, str_of(name));
    struct json_reader r = {.j = j, .name = name, .err = err};
    field_int(&r, "num_hidden_layers", &c->layers);
    field_int(&r, "hidden_size", &c->width);
    field_int(&r, "intermediate_size", &c->ffn);
    field_int(&r, "vocab_size", &c->vocab);
    field_int(&r, "max_position_embeddings", &c->context);
    field_int(&r, "num_attention_heads", &c->heads);
    c->kv_heads = c->heads;
    field_int(&r, "num_key_value_heads", &c->kv_heads);
    field_float(&r, "rms_norm_eps", &c->norm_eps);
    field_flag(&r, "tie_word_embeddings", &c->tied);
    c->head_dim = c->heads ? c->width / c->heads : 0;
    if (c->arch == MODEL_DEEPSEEK2) {
        json_mla(&r, c);
        c->rope_pairs = true;
    } else {
        field_int(&r, "head_dim", &c->head_dim);
        c->rope_dim = c->head_dim;
    }
    json_rope(&r, c);
    field_token(&r, "bos_token_id", &c->bos);
    field_token(&r, "eos_token_id", &c->eos);
    bool sliding = false, bias = c->qkv_bias;
    field_flag(&r, "use_sliding_window", &sliding);
    field_flag(&r, "attention_bias", &bias);
    TRY(r.st);
    if (sliding || bias != c->qkv_bias)
        return err_set(err, PONDER_EUNSUPPORTED, "%s: %s is not supported", name,
                       sliding ? "a sliding window" : "this attention_bias");
    return model_config_check(c, err);
}

ponder_status model_config_from_file(model_config *c, const char *path, ponder_error *err)
{
    json_t *j;
    TRY(json_parse_file(&j, path, CONFIG_BYTES, err));
    ponder_status st = read_json(c, j, path, err);
    json_decref(j);
    return st;
}

ponder_status model_config_read(model_config *c, const fmt_model *m, ponder_error *err)
{
    *c = (model_config){0};
    if (fmt_kind_of(m) == FMT_GGUF) return read_gguf(c, m, err);
    TRY(read_json(c, fmt_config(m), fmt_path(m), err));
    c->tied = !fmt_find(m, "lm_head.weight");
    char mtp[64]; /* configs announce the module even where the weights were left out */
    snprintf(mtp, sizeof mtp, "model.layers.%d.eh_proj.weight", c->layers);
    if (!fmt_find(m, mtp)) c->mtp_layers = 0;
    return PONDER_OK;
}
