/* Every tensor of every architecture, in one table.
 * SPDX-License-Identifier: MIT
 *
 * GGUF names: gguf-py's tensor name map; Hugging Face names: the published checkpoints. */
#include "model/model_int.h"

/* clang-format off: tables read best as tables */

/* Sizes by letter. */
enum size {
    NONE,
    WIDTH,
    TWO_WIDTHS,
    VOCAB,
    ROPE_HALF,
    Q_OUT,
    KV_OUT,
    ATTN_OUT,
    FFN,
    Q_RANK,
    KV_RANK,
    KV_A_OUT,
    NOPE,
    VALUE,
    HEADS,
    EXPERTS,
    EXPERT_FFN,
    SHARED_FFN
};

/* When a tensor is there. */
enum {
    UNTIED = 1,
    FACTORS = 2,
    GQA = 4,
    BIAS = 8,
    MLA = 16,
    LOW_RANK_Q = 32,
    FULL_Q = 64,
    DENSE = 128,
    MOE = 256,
    SHARED = 512,
    GATE_BIAS = 1024,
    MTP = 2048
};

#define AT(f)     offsetof(struct model_layer, f)
#define GLOBAL(f) offsetof(struct model, f)

typedef struct kind {
    const char *gguf, *hf, *suffix;
    enum model_tensor_role role;
    unsigned when; /* all of these */
    uint8_t dim[3];
    size_t field;
} kind;

static const kind BEFORE[] = {
    {"token_embd",
     "model.embed_tokens",
     "weight",
     MODEL_EMBEDDING,
     0,
     {WIDTH, VOCAB},
     GLOBAL(embedding)},
    {"rope_freqs",
     "rope_freqs",
     "weight",
     MODEL_FACTORS,
     FACTORS,
     {ROPE_HALF},
     GLOBAL(rope_factors)},
};

static const kind LAYER[] = {
    {"nextn.enorm", "enorm", "weight", MODEL_NORM, MTP, {WIDTH}, AT(enorm)},
    {"nextn.hnorm", "hnorm", "weight", MODEL_NORM, MTP, {WIDTH}, AT(hnorm)},
    {"nextn.eh_proj", "eh_proj", "weight", MODEL_MATRIX, MTP, {TWO_WIDTHS, WIDTH}, AT(eh_proj)},
    {"attn_norm", "input_layernorm", "weight", MODEL_NORM, 0, {WIDTH}, AT(attn_norm)},
    {"attn_q", "self_attn.q_proj", "weight", MODEL_MATRIX, FULL_Q, {WIDTH, Q_OUT}, AT(q)},
    {"attn_q", "self_attn.q_proj", "bias", MODEL_BIAS, BIAS, {Q_OUT}, AT(q_bias)},
    {"attn_k", "self_attn.k_proj", "weight", MODEL_MATRIX, GQA, {WIDTH, KV_OUT}, AT(k)},
    {"attn_k", "self_attn.k_proj", "bias", MODEL_BIAS, BIAS, {KV_OUT}, AT(k_bias)},
    {"attn_v", "self_attn.v_proj", "weight", MODEL_MATRIX, GQA, {WIDTH, KV_OUT}, AT(v)},
    {"attn_v", "self_attn.v_proj", "bias", MODEL_BIAS, BIAS, {KV_OUT}, AT(v_bias)},
    {"attn_q_a",
     "self_attn.q_a_proj",
     "weight",
     MODEL_MATRIX,
     LOW_RANK_Q,
     {WIDTH, Q_RANK},
     AT(q_a)},
    {"attn_q_a_norm",
     "self_attn.q_a_layernorm",
     "weight",
     MODEL_NORM,
     LOW_RANK_Q,
     {Q_RANK},
     AT(q_a_norm)},
    {"attn_q_b",
     "self_attn.q_b_proj",
     "weight",
     MODEL_MATRIX,
     LOW_RANK_Q,
     {Q_RANK, Q_OUT},
     AT(q_b)},
    {"attn_kv_a_mqa",
     "self_attn.kv_a_proj_with_mqa",
     "weight",
     MODEL_MATRIX,
     MLA,
     {WIDTH, KV_A_OUT},
     AT(kv_a)},
    {"attn_kv_a_norm",
     "self_attn.kv_a_layernorm",
     "weight",
     MODEL_NORM,
     MLA,
     {KV_RANK},
     AT(kv_a_norm)},
    {"attn_k_b",
     "self_attn.k_b_proj",
     "weight",
     MODEL_MATRIX,
     MLA,
     {NOPE, KV_RANK, HEADS},
     AT(k_b)},
    {"attn_v_b",
     "self_attn.v_b_proj",
     "weight",
     MODEL_MATRIX,
     MLA,
     {KV_RANK, VALUE, HEADS},
     AT(v_b)},
    {"attn_output", "self_attn.o_proj", "weight", MODEL_MATRIX, 0, {ATTN_OUT, WIDTH}, AT(o)},
    {"ffn_norm", "post_attention_layernorm", "weight", MODEL_NORM, 0, {WIDTH}, AT(ffn_norm)},
    {"ffn_gate", "mlp.gate_proj", "weight", MODEL_MATRIX, DENSE, {WIDTH, FFN}, AT(gate)},
    {"ffn_up", "mlp.up_proj", "weight", MODEL_MATRIX, DENSE, {WIDTH, FFN}, AT(up)},
    {"ffn_down", "mlp.down_proj", "weight", MODEL_MATRIX, DENSE, {FFN, WIDTH}, AT(down)},
    {"ffn_gate_inp", "mlp.gate", "weight", MODEL_ROUTER, MOE, {WIDTH, EXPERTS}, AT(router)},
    {"exp_probs_b",
     "mlp.gate.e_score_correction_bias",
     "bias",
     MODEL_BIAS,
     MOE | GATE_BIAS,
     {EXPERTS},
     AT(router_bias)},
    {"ffn_gate_exps",
     "mlp.experts.*.gate_proj",
     "weight",
     MODEL_MATRIX,
     MOE,
     {WIDTH, EXPERT_FFN, EXPERTS},
     AT(gate_exps)},
    {"ffn_up_exps",
     "mlp.experts.*.up_proj",
     "weight",
     MODEL_MATRIX,
     MOE,
     {WIDTH, EXPERT_FFN, EXPERTS},
     AT(up_exps)},
    {"ffn_down_exps",
     "mlp.experts.*.down_proj",
     "weight",
     MODEL_MATRIX,
     MOE,
     {EXPERT_FFN, WIDTH, EXPERTS},
     AT(down_exps)},
    {"ffn_gate_shexp",
     "mlp.shared_experts.gate_proj",
     "weight",
     MODEL_MATRIX,
     MOE | SHARED,
     {WIDTH, SHARED_FFN},
     AT(gate_shexp)},
    {"ffn_up_shexp",
     "mlp.shared_experts.up_proj",
     "weight",
     MODEL_MATRIX,
     MOE | SHARED,
     {WIDTH, SHARED_FFN},
     AT(up_shexp)},
    {"ffn_down_shexp",
     "mlp.shared_experts.down_proj",
     "weight",
     MODEL_MATRIX,
     MOE | SHARED,
     {SHARED_FFN, WIDTH},
     AT(down_shexp)},
    {"nextn.shared_head_norm",
     "shared_head.norm",
     "weight",
     MODEL_NORM,
     MTP,
     {WIDTH},
     AT(head_norm)},
};

static const kind AFTER[] = {
    {"output_norm", "model.norm", "weight", MODEL_NORM, 0, {WIDTH}, GLOBAL(final_norm)},
    {"output", "lm_head", "weight", MODEL_HEAD, UNTIED, {WIDTH, VOCAB}, GLOBAL(head)},
};

/* clang-format on */

static uint64_t size_of(const model_config *c, enum size s)
{
    bool mla = model_is_mla(c);
    uint64_t H = (uint64_t)c->heads;
    switch (s) {
    case NONE: return 1;
    case WIDTH: return (uint64_t)c->width;
    case TWO_WIDTHS: return 2 * (uint64_t)c->width;
    case VOCAB: return (uint64_t)c->vocab;
    case ROPE_HALF: return (uint64_t)c->rope_dim / 2;
    case Q_OUT: return H * (uint64_t)c->head_dim;
    case KV_OUT: return (uint64_t)c->kv_heads * (uint64_t)c->head_dim;
    case ATTN_OUT: return H * (uint64_t)(mla ? c->v_dim : c->head_dim);
    case FFN: return (uint64_t)c->ffn;
    case Q_RANK: return (uint64_t)c->q_rank;
    case KV_RANK: return (uint64_t)c->kv_rank;
    case KV_A_OUT: return (uint64_t)(c->kv_rank + c->rope_dim);
    case NOPE: return (uint64_t)c->nope_dim;
    case VALUE: return (uint64_t)c->v_dim;
    case HEADS: return H;
    case EXPERTS: return (uint64_t)c->experts;
    case EXPERT_FFN: return (uint64_t)c->expert_ffn;
    case SHARED_FFN: return (uint64_t)c->expert_ffn * (uint64_t)c->experts_shared;
    }
    return 0;
}

/* What holds for a layer (or, with layer -1, outside them). */
static unsigned facts_of(const model_config *c, int layer)
{
    bool mla = model_is_mla(c);
    unsigned f = c->tied ? 0 : UNTIED;
    if (c->rope == MODEL_ROPE_LLAMA3 || c->rope == MODEL_ROPE_FACTORS) f |= FACTORS;
    f |= mla ? MLA : GQA;
    f |= mla && c->q_rank ? LOW_RANK_Q : FULL_Q;
    if (c->qkv_bias) f |= BIAS;
    if (layer < 0) return f;
    f |= model_layer_is_dense(c, layer) ? DENSE : MOE;
    if (c->experts_shared) f |= SHARED;
    if (c->gate == MODEL_GATE_SIGMOID) f |= GATE_BIAS;
    if (layer >= c->layers) f |= MTP;
    return f;
}

static void describe(model_tensor *t, const model_config *c, const kind *k, int layer)
{
    *t = (model_tensor){.role = k->role, .layer = layer, .field = k->field};
    bool bare = !strcmp(k->gguf, "exp_probs_b"); /* the one whose Hugging Face name has no suffix */
    const char *dot = bare ? "" : ".", *suffix = bare ? "" : k->suffix;
    if (layer < 0) {
        snprintf(t->name, sizeof t->name, "%s.%s", k->gguf, k->suffix);
        snprintf(t->hf, sizeof t->hf, "%s%s%s", k->hf, dot, suffix);
    } else {
        snprintf(t->name, sizeof t->name, "blk.%d.%s.%s", layer, k->gguf, k->suffix);
        snprintf(t->hf, sizeof t->hf, "model.layers.%d.%s%s%s", layer, k->hf, dot, suffix);
    }
    for (int i = 0; i < FMT_MAX_DIMS; i++) {
        enum size s = i < 3 ? (enum size)k->dim[i] : NONE;
        t->dim[i] = size_of(c, s);
        if (s != NONE) t->n_dims = i + 1;
    }
}

static size_t add(const model_config *c, const kind *kinds, size_t n, int layer, model_tensor *out,
                  size_t cap, size_t at)
{
    unsigned facts = facts_of(c, layer);
    for (size_t i = 0; i < n; i++) {
        if ((kinds[i].when & facts) != kinds[i].when) continue;
        if (at < cap) describe(&out[at], c, &kinds[i], layer);
        at++;
    }
    return at;
}

void *model_slot(model *m, const model_tensor *t)
{
    return (uint8_t *)(t->layer < 0 ? (void *)m : (void *)&m->layers[t->layer]) + t->field;
}

size_t model_tensors(const model_config *c, model_tensor *out, size_t cap)
{
    size_t at = add(c, BEFORE, COUNT_OF(BEFORE), -1, out, cap, 0);
    for (int l = 0; l < c->layers + c->mtp_layers; l++)
        at = add(c, LAYER, COUNT_OF(LAYER), l, out, cap, at);
    return add(c, AFTER, COUNT_OF(AFTER), -1, out, cap, at);
}
