/* Official FP8 checkpoints: E4M3 bytes with a scale per block of 128 x 128 in a tensor beside them
 * give what the same numbers give as BF16. SPDX-License-Identifier: MIT */
#include "tests/model/tiny.h"

#include <math.h>

enum { LENGTH = 40, VOCAB = 300 };

/* Rows of 128 and of 96: blocks that the kernel takes, and ones that are converted. */
static const char CONFIG[] =
    "{\"model_type\": \"deepseek_v3\", \"vocab_size\": 300, \"hidden_size\": 256, "
    "\"intermediate_size\": %d,\n"
    " \"moe_intermediate_size\": 128, \"num_hidden_layers\": 2, \"first_k_dense_replace\": 1,\n"
    " \"num_attention_heads\": 4, \"q_lora_rank\": 128, \"kv_lora_rank\": 128, "
    "\"qk_nope_head_dim\": 32,\n"
    " \"qk_rope_head_dim\": 32, \"v_head_dim\": 64, \"n_routed_experts\": 4, "
    "\"num_experts_per_tok\": 2,\n"
    " \"n_shared_experts\": 1, \"n_group\": 2, \"topk_group\": 1, \"norm_topk_prob\": true,\n"
    " \"routed_scaling_factor\": 2.5, \"rms_norm_eps\": 1e-6, \"max_position_embeddings\": 512}\n";

enum form { BF16, FP8, FP8_BAD_SCALE, FP8_NO_SCALE };

/* Four kinds of tensors reach the file: FP8 matrices, their scales, and BF16 or F32 as they are. */
typedef struct writer {
    safetensors_writer *w;
    enum form form;
    bool data;
    uint64_t number; /* of the tensor: the randomness */
} writer;

static void put(writer *o, const char *name, num_type type, size_t K, size_t N, const void *bytes)
{
    ponder_error err = {0};
    const uint64_t dim[2] = {K, N};
    size_t row = 0;
    (void)num_row_bytes(&row, type, K);
    if (o->data) check_ok(safetensors_write_data(o->w, bytes, row * N, &err));
    else check_ok(safetensors_declare(o->w, name, type, N > 1 ? 2 : 1, dim, &err));
}

/* A matrix whose values are E4M3 numbers times a power of two per block. */
static void put_matrix(writer *o, const char *name, size_t K, size_t N)
{
    static uint8_t bytes[1 << 18];
    static uint16_t halves[1 << 18];
    static float scales[1 << 10];
    size_t width = size_ceil_div(K, 128), rows = size_ceil_div(N, 128);
    uint64_t number = o->number++;
    for (size_t i = 0; i < width * rows; i++)
        scales[i] = ldexpf(1, -(int)rng_below(3, 5, number, i, RNG_TEST) - 5);
    for (size_t i = 0; i < K * N; i++) {
        float x[2];
        rng_normal2(x, 6, number, i, RNG_TEST);
        bytes[i] = num_f32_to_e4m3(x[0] * 2);
        halves[i] =
            num_f32_to_bf16(num_e4m3_to_f32(bytes[i]) * scales[i / K / 128 * width + i % K / 128]);
    }
    if (o->form == BF16) {
        put(o, name, NUM_BF16, K, N, halves);
        return;
    }
    char scale_name[160];
    bool victim = strstr(name, "experts.2.up_proj") != NULL;
    snprintf(scale_name, sizeof scale_name, "%s_scale_inv", name);
    if (victim && o->form == FP8_BAD_SCALE) scales[0] = NAN;
    put(o, name, NUM_F8_E4M3, K, N, bytes);
    if (victim && o->form == FP8_NO_SCALE) return;
    put(o, scale_name, NUM_F32, width, rows, scales);
}

static void put_floats(writer *o, const char *name, size_t K, size_t N, bool ones)
{
    static float x[1 << 18];
    for (size_t i = 0; i < K * N; i++) {
        float pair[2];
        rng_normal2(pair, 8, o->number, i, RNG_TEST);
        x[i] = ones ? 1 : 0.1f * pair[0];
    }
    o->number++;
    put(o, name, NUM_F32, K, N, x);
}

static void put_tensor(writer *o, const model_config *c, const model_tensor *t)
{
    char name[128];
    size_t K = (size_t)t->dim[0], N = (size_t)t->dim[1];
    const char *star = strchr(t->hf, '*');
    if (strstr(t->name, "attn_v_b")) return; /* with the keys' */
    if (strstr(t->name, "attn_k_b")) {
        snprintf(name, sizeof name, "model.layers.%d.self_attn.kv_b_proj.weight", t->layer);
        put_matrix(o, name, (size_t)c->kv_rank,
                   (size_t)c->heads * (size_t)(c->nope_dim + c->v_dim));
    } else if (star) {
        for (uint64_t e = 0; e < t->dim[2]; e++) {
            snprintf(name, sizeof name, "%.*s%d%s", (int)(star - t->hf), t->hf, (int)e, star + 1);
            put_matrix(o, name, K, N);
        }
    } else if (t->role == MODEL_MATRIX) {
        put_matrix(o, t->hf, K, N);
    } else {
        put_floats(o, t->hf, K, N, t->role == MODEL_NORM);
    }
}

static void write_model(const char *folder, enum form form, int ffn)
{
    ponder_error err = {0};
    char path[200], text[1024];
    file_writer config;
    check_ok(file_make_dirs(folder, &err));
    snprintf(path, sizeof path, "%s/config.json", folder);
    int n = snprintf(text, sizeof text, CONFIG, ffn);
    check_ok(file_begin(&config, path, &err));
    check_ok(file_put(&config, text, (size_t)n, &err));
    check_ok(file_commit(&config, &err));
    model_config c;
    static model_tensor t[128];
    check_ok(model_config_named(&c, path, &err));
    size_t count = model_tensors(&c, t, COUNT_OF(t));
    assert_true(count <= COUNT_OF(t));
    writer o = {.form = form};
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    check_ok(safetensors_write_open(&o.w, path, &err));
    for (size_t i = 0; i < count; i++) put_tensor(&o, &c, &t[i]);
    check_ok(safetensors_write_begin(o.w, &err));
    o.data = true;
    o.number = 0;
    for (size_t i = 0; i < count; i++) put_tensor(&o, &c, &t[i]);
    check_ok(safetensors_write_commit(o.w, &err));
    safetensors_write_close(o.w);
}

static void logits_of(const char *folder, float *logits)
{
    ponder_error err = {0};
    tiny t;
    int32_t ids[LENGTH];
    for (size_t i = 0; i < LENGTH; i++) ids[i] = (int32_t)rng_below(VOCAB, 9, 0, i, RNG_TEST);
    tiny_open(&t, folder, ~0u, 2, KERN_KV_F32, 1, LENGTH);
    model_span span = {.ids = ids, .n = LENGTH, .pages = t.pages, .want = 2, .logits = logits};
    check_ok(model_forward(t.step, t.m, &t.kv, &span, 1, &err));
    tiny_close(&t);
}

static void check_against_bf16(int ffn)
{
    static float want[LENGTH * VOCAB], got[LENGTH * VOCAB];
    char plain[160], scaled[160];
    snprintf(plain, sizeof plain, "%s/bf16-%d", tiny_folder(), ffn);
    snprintf(scaled, sizeof scaled, "%s/fp8-%d", tiny_folder(), ffn);
    write_model(plain, BF16, ffn);
    write_model(scaled, FP8, ffn);
    logits_of(plain, want);
    logits_of(scaled, got);
    double worst = 0, spread = 0;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        worst = fmax(worst, fabs((double)want[i] - (double)got[i]));
        spread = fmax(spread, fabs((double)want[i]));
    }
    /* The same products summed in another order, then rounded to BF16 between the matrices: now and
     * then such a rounding falls on the other side. */
    if (!(worst < 0.01 * spread)) fail_msg("logits differ by %g of %g", worst, spread);
}

static void same_as_bf16(void **state) { (void)state, check_against_bf16(256); }
static void ragged_blocks(void **state) { (void)state, check_against_bf16(192); }

static void refuse(enum form form, ponder_status code, const char *word)
{
    char folder[160];
    ponder_error err = {0};
    fmt_model *file;
    model *m;
    snprintf(folder, sizeof folder, "%s/bad-%d", tiny_folder(), (int)form);
    write_model(folder, form, 256);
    check_ok(fmt_open(&file, folder, &err));
    model_options opt = {.cpu_mask = ~0u};
    assert_int_equal(model_open(&m, file, &opt, &err), code);
    fmt_close(file);
    if (!strstr(err.message, word) || !strstr(err.message, "experts.2.up_proj"))
        fail_msg("the message should name the expert and %s: %s", word, err.message);
}

static void bad_scales_are_refused(void **state)
{
    (void)state;
    refuse(FP8_BAD_SCALE, PONDER_EFORMAT, "finite");
    refuse(FP8_NO_SCALE, PONDER_ENOTFOUND, "_scale_inv");
    tiny_cleanup();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_bf16),
                                       cmocka_unit_test(ragged_blocks),
                                       cmocka_unit_test(bad_scales_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
