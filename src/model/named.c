/* Published architectures by name.
 * SPDX-License-Identifier: MIT
 *
 * Numbers: the config.json of each release; the deepseek-v3-4layers config keeps V3's widths. */
#include "model/model_int.h"

#define DENSE(arch_, L, D, F, H, G, V, base, eps, bos_, eos_)                                      \
    .arch = (arch_), .layers = (L), .width = (D), .ffn = (F), .heads = (H), .kv_heads = (G),       \
    .head_dim = (D) / (H), .rope_dim = (D) / (H), .vocab = (V), .context = 131072,                 \
    .norm_eps = (eps), .rope_base = (base), .gate = MODEL_GATE_SOFTMAX, .gate_scale = 1,           \
    .expert_groups = 1, .expert_groups_used = 1, .bos = (bos_), .eos = (eos_)
#define QWEN(L, D, F, H, G, V, base, eps)                                                          \
    DENSE(MODEL_QWEN2, L, D, F, H, G, V, base, eps, 151646, 151643), .rope_factor = 1,             \
                                                                     .qkv_bias = true
#define LLAMA3(L, D, F, H, G)                                                                      \
    DENSE(MODEL_LLAMA, L, D, F, H, G, 128256, 500000, 1e-5f, 128000, 128001),                      \
        .rope = MODEL_ROPE_LLAMA3, .rope_low = 1, .rope_high = 4, .rope_original = 8192,           \
        .rope_pairs = true
#define YARN(m)                                                                                    \
    .rope = MODEL_ROPE_YARN, .rope_base = 10000, .rope_original = 4096, .rope_beta_fast = 32,      \
    .rope_beta_slow = 1, .rope_mscale = (m), .rope_mscale_all = (m), .rope_pairs = true
#define MLA(H, R, P, N, V)                                                                         \
    .arch = MODEL_DEEPSEEK2, .heads = (H), .kv_heads = 1, .kv_rank = (R), .rope_dim = (P),         \
    .nope_dim = (N), .v_dim = (V), .head_dim = (N) + (P)
#define V3(L, dense)                                                                               \
    MLA(128, 512, 64, 128, 128), YARN(1.0),                                                        \
        .rope_factor = 40, .layers = (L), .width = 7168, .ffn = 18432, .vocab = 129280,            \
        .context = 163840, .norm_eps = 1e-6f, .q_rank = 1536, .experts = 256, .experts_used = 8,   \
        .experts_shared = 1, .expert_ffn = 2048, .dense_layers = (dense), .expert_groups = 8,      \
        .expert_groups_used = 4, .gate = MODEL_GATE_SIGMOID, .gate_normalize = true,               \
        .gate_scale = 2.5f, .bos = 0, .eos = 1
#define TINY_MLA                                                                                   \
    MLA(4, 64, 32, 32, 32), YARN(0.707),                                                           \
        .rope_factor = 40, .layers = 3, .width = 256, .ffn = 512, .vocab = 320, .context = 4096,   \
        .norm_eps = 1e-6f, .experts = 8, .expert_ffn = 256, .dense_layers = 1, .bos = -1,          \
        .eos = -1

static const struct {
    const char *name;
    model_config config;
} NAMED[] = {
    {"r1-distill-qwen-1.5b", {QWEN(28, 1536, 8960, 12, 2, 151936, 10000, 1e-6f)}},
    {"r1-distill-qwen-7b", {QWEN(28, 3584, 18944, 28, 4, 152064, 10000, 1e-6f)}},
    {"r1-distill-qwen-14b", {QWEN(48, 5120, 13824, 40, 8, 152064, 1000000, 1e-5f)}},
    {"r1-distill-qwen-32b", {QWEN(64, 5120, 27648, 40, 8, 152064, 1000000, 1e-5f)}},
    {"r1-distill-llama-8b", {LLAMA3(32, 4096, 14336, 32, 8), .rope_factor = 8}},
    {"r1-distill-llama-70b", {LLAMA3(80, 8192, 28672, 64, 8), .rope_factor = 8}},
    {"smollm2-135m",
     {DENSE(MODEL_LLAMA, 30, 576, 1536, 9, 3, 49152, 100000, 1e-5f, 0, 0), .rope_factor = 1,
      .tied = true, .rope_pairs = true}},
    {"deepseek-v2-lite",
     {MLA(16, 512, 64, 128, 128),
      YARN(0.707),
      .rope_factor = 40,
      .layers = 27,
      .width = 2048,
      .ffn = 10944,
      .vocab = 102400,
      .context = 163840,
      .norm_eps = 1e-6f,
      .experts = 64,
      .experts_used = 6,
      .experts_shared = 2,
      .expert_ffn = 1408,
      .dense_layers = 1,
      .expert_groups = 1,
      .expert_groups_used = 1,
      .gate = MODEL_GATE_SOFTMAX,
      .gate_scale = 1,
      .bos = 100000,
      .eos = 100001}},
    {"deepseek-v3", {V3(61, 3), .mtp_layers = 1}},
    {"deepseek-r1", {V3(61, 3)}},
    {"deepseek-v3-4layers", {V3(4, 1)}},
    {"tiny-llama",
     {DENSE(MODEL_LLAMA, 2, 256, 512, 4, 2, 320, 10000, 1e-5f, -1, -1), .rope = MODEL_ROPE_LLAMA3,
      .rope_factor = 8, .rope_low = 1, .rope_high = 4, .rope_original = 64, .rope_pairs = true,
      .tied = true}},
    {"tiny-qwen2",
     {DENSE(MODEL_QWEN2, 2, 256, 512, 8, 2, 320, 10000, 1e-6f, -1, -1), .rope_factor = 1,
      .qkv_bias = true}},
    {"tiny-v2",
     {TINY_MLA, .experts_used = 2, .experts_shared = 2, .expert_groups = 1, .expert_groups_used = 1,
      .gate = MODEL_GATE_SOFTMAX, .gate_scale = 1}},
    {"tiny-v3",
     {TINY_MLA, .mtp_layers = 1, .q_rank = 256, .experts_used = 3, .experts_shared = 1,
      .expert_groups = 4, .expert_groups_used = 2, .gate = MODEL_GATE_SIGMOID,
      .gate_normalize = true, .gate_scale = 2.5f}},
};

ponder_status model_config_named(model_config *c, const char *name, ponder_error *err)
{
    for (size_t i = 0; i < COUNT_OF(NAMED); i++) {
        if (strcmp(name, NAMED[i].name)) continue;
        *c = NAMED[i].config;
        snprintf(c->name, sizeof c->name, "%s", name);
        return PONDER_OK;
    }
    if (str_ends(str_of(name), STR(".json"))) return model_config_from_file(c, name, err);
    buf known = {0};
    for (size_t i = 0; i < COUNT_OF(NAMED); i++)
        buf_printf(&known, "%s%s", i ? ", " : "", NAMED[i].name);
    ponder_status st =
        err_set(err, PONDER_ENOTFOUND, "no configuration \"%s\": give a config.json or one of %s",
                name, known.p ? known.p : "");
    buf_free(&known);
    return st;
}

const char *model_config_name(size_t i) { return i < COUNT_OF(NAMED) ? NAMED[i].name : NULL; }
