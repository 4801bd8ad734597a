/* The masters as a Hugging Face directory: config.json and model.safetensors.
 * SPDX-License-Identifier: MIT
 *
 * Keys of config.json: those of the published files of each family. Against the layout of GGUF
 * files, which the masters have: experts are tensors of their own, the two latent up-projections
 * are one, and llama's rotated columns are halves and not pairs. */
#include "model/train_int.h"

#include <stdlib.h>

enum { NAME = 128 };

/* One tensor of the file. */
struct part {
    char name[NAME];
    const float *x; /* [rows, K]; of the joint projection: its keys [H][R][N] */
    const float *values; /* of the joint projection: [H][V][R]; else NULL */
    size_t rows, K;
    size_t head; /* rows of a head whose pairs become halves; 0: none */
    int n_dims;
};

typedef ponder_status part_fn(void *user, const struct part *p, ponder_error *err);

static const model_param *param_of(const model_trainable *t, const char *name)
{
    for (size_t i = 0; i < t->n_params; i++)
        if (!strcmp(t->params[i].tensor.name, name)) return &t->params[i];
    return NULL;
}

static bool ends(const model_tensor *t, const char *suffix)
{
    return str_ends(str_of(t->name), str_of(suffix));
}

static ponder_status each_joint(const model_trainable *t, const model_param *keys, part_fn *fn,
                                void *user, ponder_error *err)
{
    const model_config *c = &t->m.config;
    char name[NAME];
    snprintf(name, sizeof name, "blk.%d.attn_v_b.weight", keys->tensor.layer);
    const model_param *values = param_of(t, name);
    if (!values) return err_set(err, PONDER_EINTERNAL, "no %s", name);
    struct part p = {.x = t->masters + keys->at, .values = t->masters + values->at,
                     .rows = (size_t)(c->heads * (c->nope_dim + c->v_dim)),
                     .K = (size_t)c->kv_rank, .n_dims = 2};
    snprintf(p.name, NAME, "model.layers.%d.self_attn.kv_b_proj.weight", keys->tensor.layer);
    return fn(user, &p, err);
}

static ponder_status each_of(const model_trainable *t, const model_param *from, part_fn *fn,
                             void *user, ponder_error *err)
{
    const model_tensor *x = &from->tensor;
    const model_config *c = &t->m.config;
    if (ends(x, "attn_v_b.weight")) return PONDER_OK; /* went with the keys */
    if (ends(x, "attn_k_b.weight")) return each_joint(t, from, fn, user, err);
    const char *star = strchr(x->hf, '*');
    size_t experts = star ? from->experts : 1, n = from->n / experts;
    struct part p = {.K = (size_t)x->dim[0], .rows = n / (size_t)x->dim[0],
                     .n_dims = x->n_dims > 1 ? 2 : 1};
    bool rotated = ends(x, "attn_q.weight") || ends(x, "attn_k.weight");
    if (c->arch == MODEL_LLAMA && c->rope_pairs && rotated) p.head = (size_t)c->head_dim;
    for (size_t e = 0; e < experts; e++) {
        p.x = t->masters + from->at + e * n;
        if (star) snprintf(p.name, NAME, "%.*s%zu%s", (int)(star - x->hf), x->hf, e, star + 1);
        else snprintf(p.name, NAME, "%s", x->hf);
        TRY(fn(user, &p, err));
    }
    return PONDER_OK;
}

static ponder_status each_part(const model_trainable *t, part_fn *fn, void *user, ponder_error *err)
{
    for (size_t i = 0; i < t->n_params; i++) TRY(each_of(t, &t->params[i], fn, user, err));
    return PONDER_OK;
}

/* ---- tensors --------------------------------------------------------------------------------- */

struct writer {
    safetensors_writer *w;
    const model_config *c;
    num_type type; /* of matrices; vectors are F32 */
    float *row;    /* [widest] */
    uint8_t *bytes;
};

static num_type type_of(const struct writer *w, const struct part *p)
{
    return p->n_dims > 1 ? w->type : NUM_F32;
}

static ponder_status declare(void *user, const struct part *p, ponder_error *err)
{
    const struct writer *w = user;
    return safetensors_declare(w->w, p->name, type_of(w, p), p->n_dims,
                               (const uint64_t[]){p->K, p->rows}, err);
}

/* Row r of the file. */
static const float *row_of(const struct writer *w, const struct part *p, size_t r)
{
    if (p->values) {
        size_t N = (size_t)w->c->nope_dim, V = (size_t)w->c->v_dim, h = r / (N + V),
               i = r % (N + V);
        if (i >= N) return p->values + (h * V + i - N) * p->K;
        for (size_t k = 0; k < p->K; k++) w->row[k] = p->x[(h * p->K + k) * N + i];
        return w->row;
    }
    if (!p->head) return p->x + r * p->K;
    size_t i = r % p->head, half = p->head / 2;
    return p->x + (r - i + (i < half ? 2 * i : 2 * (i - half) + 1)) * p->K;
}

static ponder_status write_part(void *user, const struct part *p, ponder_error *err)
{
    const struct writer *w = user;
    size_t bytes;
    (void)num_row_bytes(&bytes, type_of(w, p), p->K);
    for (size_t r = 0; r < p->rows; r++) {
        (void)num_encode(type_of(w, p), w->bytes, row_of(w, p, r), p->K);
        TRY(safetensors_write_data(w->w, w->bytes, bytes, err));
    }
    return PONDER_OK;
}

static ponder_status write_tensors(const model_trainable *t, const char *path, num_type type,
                                   ponder_error *err)
{
    struct writer w = {.c = &t->m.config, .type = type};
    size_t widest = (size_t)w.c->vocab;
    for (size_t i = 0; i < t->n_params; i++)
        widest = size_max(widest, (size_t)t->params[i].tensor.dim[0]);
    w.row = malloc(widest * sizeof *w.row);
    w.bytes = malloc(widest * sizeof(float));
    ponder_status st = w.row && w.bytes ? safetensors_write_open(&w.w, path, err)
                                        : err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    if (st == PONDER_OK) st = safetensors_put_str(w.w, "format", STR("pt"), err);
    if (st == PONDER_OK) st = each_part(t, declare, &w, err);
    if (st == PONDER_OK) st = safetensors_write_begin(w.w, err);
    if (st == PONDER_OK) st = each_part(t, write_part, &w, err);
    if (st == PONDER_OK) st = safetensors_write_commit(w.w, err);
    safetensors_write_close(w.w);
    free(w.row), free(w.bytes);
    return st;
}

/* ---- config.json ----------------------------------------------------------------------------- */

static void put(json_writer *w, const char *key, int v) { json_key(w, key), json_i64(w, v); }
static void put_real(json_writer *w, const char *key, double v)
{
    json_key(w, key), json_f64(w, v);
}
static void put_text(json_writer *w, const char *key, const char *v)
{
    json_key(w, key), json_text(w, str_of(v));
}

static void put_rope(json_writer *w, const model_config *c)
{
    static const char *const names[] = {[MODEL_ROPE_LLAMA3] = "llama3", [MODEL_ROPE_YARN] = "yarn",
                                        [MODEL_ROPE_LINEAR] = "linear"};
    put_real(w, "rope_theta", c->rope_base);
    if (c->rope == MODEL_ROPE_PLAIN) return;
    json_key(w, "rope_scaling");
    json_open(w, '{');
    put_text(w, "rope_type", names[c->rope]);
    put_text(w, "type", names[c->rope]);
    put_real(w, "factor", c->rope_factor);
    put(w, "original_max_position_embeddings", c->rope_original);
    if (c->rope == MODEL_ROPE_LLAMA3) {
        put_real(w, "low_freq_factor", c->rope_low);
        put_real(w, "high_freq_factor", c->rope_high);
    }
    if (c->rope == MODEL_ROPE_YARN) {
        put_real(w, "beta_fast", c->rope_beta_fast);
        put_real(w, "beta_slow", c->rope_beta_slow);
        put_real(w, "mscale", c->rope_mscale);
        put_real(w, "mscale_all_dim", c->rope_mscale_all);
    }
    json_close(w, '}');
}

static void put_latent(json_writer *w, const model_config *c)
{
    bool v3 = c->gate == MODEL_GATE_SIGMOID;
    if (c->q_rank) put(w, "q_lora_rank", c->q_rank);
    put(w, "kv_lora_rank", c->kv_rank);
    put(w, "qk_nope_head_dim", c->nope_dim);
    put(w, "qk_rope_head_dim", c->rope_dim);
    put(w, "v_head_dim", c->v_dim);
    if (c->mtp_layers) put(w, "num_nextn_predict_layers", c->mtp_layers);
    if (!c->experts) return;
    put(w, "n_routed_experts", c->experts);
    put(w, "num_experts_per_tok", c->experts_used);
    put(w, "n_shared_experts", c->experts_shared);
    put(w, "moe_intermediate_size", c->expert_ffn);
    put(w, "first_k_dense_replace", c->dense_layers);
    put(w, "n_group", c->expert_groups);
    put(w, "topk_group", c->expert_groups_used);
    put_text(w, "topk_method", v3 ? "noaux_tc" : "group_limited_greedy");
    put_text(w, "scoring_func", v3 ? "sigmoid" : "softmax");
    put_real(w, "routed_scaling_factor", (double)c->gate_scale);
    json_key(w, "norm_topk_prob"), json_bool(w, c->gate_normalize);
}

static void put_config(json_writer *w, const model_config *c, num_type type)
{
    static const char *const models[] = {"llama", "qwen2", "deepseek_v2", "deepseek_v3"};
    static const char *const classes[] = {"LlamaForCausalLM", "Qwen2ForCausalLM",
                                          "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"};
    size_t k = c->arch == MODEL_LLAMA ? 0 : c->arch == MODEL_QWEN2 ? 1
               : c->gate == MODEL_GATE_SIGMOID ? 3 : 2;
    json_open(w, '{');
    json_key(w, "architectures");
    json_open(w, '['), json_text(w, str_of(classes[k])), json_close(w, ']');
    put_text(w, "model_type", models[k]);
    put_text(w, "hidden_act", "silu");
    put_text(w, "torch_dtype", type == NUM_F32 ? "float32" : "bfloat16");
    put(w, "num_hidden_layers", c->layers);
    put(w, "hidden_size", c->width);
    put(w, "intermediate_size", c->ffn);
    put(w, "vocab_size", c->vocab);
    put(w, "max_position_embeddings", c->context);
    put(w, "num_attention_heads", c->heads);
    put(w, "num_key_value_heads", model_is_mla(c) ? c->heads : c->kv_heads);
    put_real(w, "rms_norm_eps", (double)c->norm_eps);
    json_key(w, "tie_word_embeddings"), json_bool(w, c->tied);
    if (model_is_mla(c)) put_latent(w, c);
    else put(w, "head_dim", c->head_dim);
    put_rope(w, c);
    if (c->bos >= 0) put(w, "bos_token_id", c->bos);
    if (c->eos >= 0) put(w, "eos_token_id", c->eos);
    json_close(w, '}');
}

static ponder_status write_config(const model_config *c, const char *path, num_type type,
                                  ponder_error *err)
{
    buf text = {0};
    json_writer w = {.out = &text};
    file_writer f;
    put_config(&w, c, type);
    buf_add_char(&text, '\n');
    ponder_status st = text.failed ? err_set(err, PONDER_ENOMEM, "%s: out of memory", path)
                                   : file_begin(&f, path, err);
    if (st == PONDER_OK) {
        st = file_put(&f, text.p, text.n, err);
        if (st == PONDER_OK) st = file_commit(&f, err);
        else file_abort(&f);
    }
    buf_free(&text);
    return st;
}

ponder_status model_trainable_save_hf(const model_trainable *t, const char *dir, num_type type,
                                      ponder_error *err)
{
    buf config = {0}, tensors = {0};
    ponder_status st = PONDER_OK;
    if (type != NUM_F32 && type != NUM_BF16)
        return err_set(err, PONDER_EUNSUPPORTED, "%s: safetensors are written in F32 or BF16", dir);
    if (t->m.config.rope == MODEL_ROPE_FACTORS)
        return err_set(err, PONDER_EUNSUPPORTED,
                       "%s: the model's rope factors come from a GGUF file and have no form in a "
                       "config.json", dir);
    buf_printf(&config, "%s/config.json", dir);
    buf_printf(&tensors, "%s/model.safetensors", dir);
    if (config.failed || tensors.failed) st = err_set(err, PONDER_ENOMEM, "%s: out of memory", dir);
    if (st == PONDER_OK) st = file_make_dirs(dir, err);
    if (st == PONDER_OK) st = write_config(&t->m.config, config.p, type, err);
    if (st == PONDER_OK) st = write_tensors(t, tensors.p, type, err);
    buf_free(&config), buf_free(&tensors);
    return st;
}
