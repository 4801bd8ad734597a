/* Logits against an independent implementation: tiny checkpoints and the log-probabilities that
 * PyTorch + transformers give for them (tests/model/gen_vectors.py).
 * SPDX-License-Identifier: MIT */
#include "tests/model/tiny.h"

#include <math.h>

enum { POSITIONS = 64, VOCAB = 96 };

static const char *const CASES[] = {"llama",   "llama_tied", "qwen2",  "qwen2_bf16",
                                    "v2_lite", "v3",         "v3_bf16"};

typedef struct vector {
    char path[128];
    int32_t ids[POSITIONS];
    double want[POSITIONS], want_mtp[POSITIONS], tolerance;
    size_t n_mtp;
} vector;

static size_t read_numbers(const json_t *j, const char *key, double *out)
{
    const json_t *list = json_object_get(j, key);
    assert_true(json_array_size(list) <= POSITIONS);
    for (size_t i = 0; i < json_array_size(list); i++)
        out[i] = json_number_value(json_array_get(list, i));
    return json_array_size(list);
}

static void read_vector(vector *v, const char *name)
{
    ponder_error err = {0};
    char path[160];
    double ids[POSITIONS];
    json_t *j;
    snprintf(v->path, sizeof v->path, "tests/model/vectors/%s", name);
    snprintf(path, sizeof path, "%s/expected.json", v->path);
    check_ok(json_parse_file(&j, path, 1 << 20, &err));
    assert_int_equal(read_numbers(j, "ids", ids), POSITIONS);
    assert_int_equal(read_numbers(j, "logprobs", v->want), POSITIONS - 1);
    for (size_t i = 0; i < POSITIONS; i++) v->ids[i] = (int32_t)ids[i];
    v->n_mtp = read_numbers(j, "mtp_logprobs", v->want_mtp);
    v->tolerance = json_number_value(json_object_get(j, "tolerance"));
    assert_true(v->tolerance > 0);
    json_decref(j);
}

static double logprob(const float *logits, int32_t id)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < VOCAB; i++) top = fmax(top, (double)logits[i]);
    for (size_t i = 0; i < VOCAB; i++) sum += exp((double)logits[i] - top);
    return (double)logits[id] - top - log(sum);
}

static size_t width_of(const tiny *t) { return (size_t)model_config_of(t->m)->width; }

static void run(tiny *t, const vector *v, size_t chunk, float *logits, float *hidden)
{
    ponder_error err = {0};
    for (size_t at = 0; at < POSITIONS; at += chunk) {
        model_span span = {.ids = v->ids + at,
                           .n = size_min(chunk, POSITIONS - at),
                           .pos = at,
                           .pages = t->pages,
                           .want = 2,
                           .logits = logits + at * VOCAB,
                           .hidden = hidden + at * width_of(t)};
        check_ok(model_forward(t->step, t->m, &t->kv, &span, 1, &err));
    }
}

/* `next` positions ahead; want[i] is for position i. */
static void compare(const char *what, const vector *v, const float *logits, const double *want,
                    size_t n, size_t next)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double delta = fabs(logprob(logits + i * VOCAB, v->ids[i + next]) - want[i]);
        if (!(delta <= v->tolerance))
            fail_msg("%s, %s, position %zu: off by %g, more than %g", v->path, what, i, delta,
                     v->tolerance);
        worst = fmax(worst, delta);
    }
    print_message("# %s, %s: largest difference %.2g\n", v->path, what, worst);
}

static void check_mtp(tiny *t, const vector *v, float *hidden)
{
    ponder_error err = {0};
    float logits[POSITIONS * VOCAB];
    for (size_t at = 0, n; at < POSITIONS - 1;
         at += n) { /* in two pieces: it has its own keys and values */
        n = size_min(40, POSITIONS - 1 - at);
        model_span span = {.ids = v->ids + at,
                           .n = n,
                           .pos = at,
                           .pages = t->pages,
                           .want = 2,
                           .logits = logits + at * VOCAB,
                           .hidden = hidden + at * width_of(t)};
        check_ok(model_forward_mtp(t->step, t->m, &t->kv, &span, v->ids + at + 1, &err));
    }
    compare("prediction module", v, logits, v->want_mtp, v->n_mtp, 2);
}

static void check_file(const vector *v, const char *path, const char *level)
{
    static float logits[POSITIONS * VOCAB], hidden[POSITIONS * 256];
    unsigned mask;
    assert_true(cpu_mask_by_name(&mask, level));
    tiny t;
    tiny_open(&t, path, mask, 2, KERN_KV_F32, 1, POSITIONS);
    run(&t, v, POSITIONS, logits, hidden);
    compare(level, v, logits, v->want, POSITIONS - 1, 1);
    if (v->n_mtp) check_mtp(&t, v, hidden);
    run(&t, v, 1, logits, hidden);
    compare("step by step", v, logits, v->want, POSITIONS - 1, 1);
    tiny_close(&t);
}

static void published_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        vector v;
        read_vector(&v, CASES[i]);
        check_file(&v, v.path, "ref");
        check_file(&v, v.path, "avx2");
        check_file(&v, v.path, "native");
    }
}

/* ---- the same weights as GGUF
 * ------------------------------------------------------------------------- */

static const fmt_tensor *find(const fmt_model *m, const char *fmt, ...) BASE_PRINTF(2, 3);
static const fmt_tensor *find(const fmt_model *m, const char *fmt, ...)
{
    char name[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    const fmt_tensor *t = fmt_find(m, name);
    if (!t) fail_msg("no tensor %s", name);
    return t;
}

typedef struct out {
    gguf_writer *w;
    const fmt_model *in;
    const model_config *c;
    bool split, data; /* flavour of the up-projections; declaring or writing */
} out;

static void put(out *o, const char *name, int n_dims, const uint64_t *dim, const void *bytes,
                size_t n)
{
    ponder_error err = {0};
    if (o->data) check_ok(gguf_write_data(o->w, bytes, n, &err));
    else check_ok(gguf_declare(o->w, name, NUM_F32, n_dims, dim, &err));
}

/* Key part transposed per head, or value part, of the joint up-projection. */
static void put_split(out *o, const model_tensor *t, bool keys)
{
    static float x[1 << 16];
    const float *joint =
        (const void *)find(o->in, "model.layers.%d.self_attn.kv_b_proj.weight", t->layer)->data;
    size_t N = (size_t)o->c->nope_dim, V = (size_t)o->c->v_dim, R = (size_t)o->c->kv_rank, n = 0;
    for (size_t h = 0; h < (size_t)o->c->heads; h++) {
        const float *head = joint + h * (N + V) * R;
        for (size_t r = 0; keys && r < R; r++)
            for (size_t i = 0; i < N; i++) x[n++] = head[i * R + r];
        for (size_t i = 0; !keys && i < V * R; i++) x[n++] = head[N * R + i];
    }
    put(o, t->name, t->n_dims, t->dim, x, n * sizeof *x);
}

static void put_experts(out *o, const model_tensor *t)
{
    static float x[1 << 16];
    size_t n = 0;
    const char *star = strchr(t->hf, '*');
    for (uint64_t e = 0; e < t->dim[2]; e++) {
        const fmt_tensor *one =
            find(o->in, "%.*s%d%s", (int)(star - t->hf), t->hf, (int)e, star + 1);
        memcpy(x + n, one->data, one->bytes);
        n += one->bytes / sizeof *x;
    }
    put(o, t->name, t->n_dims, t->dim, x, n * sizeof *x);
}

static void put_tensor(out *o, const model_tensor *t)
{
    bool k_b = strstr(t->name, "attn_k_b") != NULL, v_b = strstr(t->name, "attn_v_b") != NULL;
    if (strchr(t->hf, '*')) {
        put_experts(o, t);
    } else if ((k_b || v_b) && o->split) {
        put_split(o, t, k_b);
    } else if (k_b) {
        char name[96];
        snprintf(name, sizeof name, "blk.%d.attn_kv_b.weight", t->layer);
        const fmt_tensor *joint =
            find(o->in, "model.layers.%d.self_attn.kv_b_proj.weight", t->layer);
        put(o, name, 2, joint->dim, joint->data, joint->bytes);
    } else if (!v_b) {
        const fmt_tensor *one = find(o->in, "%s", t->hf);
        put(o, t->name, t->n_dims, t->dim, one->data, one->bytes);
    }
}

static void put_numbers(out *o)
{
    ponder_error err = {0};
    const model_config *c = o->c;
    const struct {
        const char *key;
        int value;
    } ints[] = {
        {"block_count", c->layers + c->mtp_layers},
        {"context_length", c->context},
        {"embedding_length", c->width},
        {"feed_forward_length", c->ffn},
        {"attention.head_count", c->heads},
        {"attention.head_count_kv", o->split ? 1 : c->heads},
        {"rope.dimension_count", c->rope_dim},
        {"attention.key_length", o->split ? c->kv_rank + c->rope_dim : c->head_dim},
        {"attention.value_length", o->split ? c->kv_rank : c->v_dim},
        {"attention.kv_lora_rank", c->kv_rank},
        {"attention.q_lora_rank", c->q_rank},
        {"expert_count", c->experts},
        {"expert_used_count", c->experts_used},
        {"expert_shared_count", c->experts_shared},
        {"expert_feed_forward_length", c->expert_ffn},
        {"leading_dense_block_count", c->dense_layers},
        {"expert_gating_func", c->gate},
        {"expert_group_count", c->expert_groups},
        {"expert_group_used_count", c->expert_groups_used},
        {"nextn_predict_layers", c->mtp_layers},
        {"rope.scaling.original_context_length", c->rope_original},
        {"attention.key_length_mla", c->head_dim},
        {"attention.value_length_mla", c->v_dim},
    };
    char key[96];
    for (size_t i = 0; i < COUNT_OF(ints); i++) {
        if (strstr(ints[i].key, "_mla") && !o->split) continue;
        snprintf(key, sizeof key, "deepseek2.%s", ints[i].key);
        check_ok(gguf_put_u32(o->w, key, (uint32_t)ints[i].value, &err));
    }
    check_ok(gguf_put_str(o->w, "general.architecture", STR("deepseek2"), &err));
    check_ok(gguf_put_str(o->w, "deepseek2.rope.scaling.type", STR("yarn"), &err));
    check_ok(gguf_put_f32(o->w, "deepseek2.rope.scaling.factor", (float)c->rope_factor, &err));
    check_ok(gguf_put_f32(o->w, "deepseek2.rope.freq_base", (float)c->rope_base, &err));
    check_ok(gguf_put_f32(o->w, "deepseek2.rope.scaling.yarn_log_multiplier",
                          (float)(0.1 * c->rope_mscale_all), &err));
    check_ok(gguf_put_f32(o->w, "deepseek2.attention.layer_norm_rms_epsilon", c->norm_eps, &err));
    check_ok(gguf_put_f32(o->w, "deepseek2.expert_weights_scale", c->gate_scale, &err));
    check_ok(gguf_put_bool(o->w, "deepseek2.expert_weights_norm", c->gate_normalize, &err));
}

static void convert(const char *from, const char *to, bool split)
{
    ponder_error err = {0};
    fmt_model *in;
    model_config c;
    static model_tensor t[512];
    check_ok(fmt_open(&in, from, &err));
    check_ok(model_config_read(&c, in, &err));
    size_t n = model_tensors(&c, t, COUNT_OF(t));
    assert_true(n <= COUNT_OF(t));
    out o = {.in = in, .c = &c, .split = split};
    check_ok(gguf_write_open(&o.w, to, &err));
    put_numbers(&o);
    for (size_t i = 0; i < n; i++) put_tensor(&o, &t[i]);
    check_ok(gguf_write_begin(o.w, &err));
    o.data = true;
    for (size_t i = 0; i < n; i++) put_tensor(&o, &t[i]);
    check_ok(gguf_write_commit(o.w, &err));
    gguf_write_close(o.w);
    fmt_close(in);
}

/* Keys and values rebuilt from the latents instead of absorbed: the same numbers but for rounding.
 */
static void expanded_prefill(void **state)
{
    (void)state;
    static float logits[POSITIONS * VOCAB], hidden[POSITIONS * 256];
    const char *const names[] = {"v2_lite", "v3"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        vector v;
        char split[160];
        read_vector(&v, names[i]);
        snprintf(split, sizeof split, "%s/%s-split.gguf", tiny_folder(), names[i]);
        convert(v.path, split, true);
        for (int j = 0; j < 2; j++) {
            tiny t;
            tiny_open_as(&t, j ? split : v.path,
                         (model_options){.cpu_mask = ~0u, .mla_expanded_prefill = true}, 2,
                         KERN_KV_F32, 1, POSITIONS);
            run(&t, &v, 9, logits, hidden); /* the last of 64 is a step of one token: absorbed */
            compare("expanded prefill", &v, logits, v.want, POSITIONS - 1, 1);
            tiny_close(&t);
        }
    }
    tiny_cleanup();
}

static void both_gguf_flavours(void **state)
{
    (void)state;
    static float logits[2][POSITIONS * VOCAB], hidden[POSITIONS * 256];
    const char *const names[] = {"v2_lite", "v3"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        vector v;
        read_vector(&v, names[i]);
        for (int split = 0; split < 2; split++) {
            char path[160];
            snprintf(path, sizeof path, "%s/%s-%d.gguf", tiny_folder(), names[i], split);
            convert(v.path, path, split);
            check_file(&v, path, "native");
            tiny t;
            tiny_open(&t, path, ~0u, 1, KERN_KV_F32, 1, POSITIONS);
            run(&t, &v, POSITIONS, logits[split], hidden);
            tiny_close(&t);
        }
        assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_form),
                                       cmocka_unit_test(both_gguf_flavours),
                                       cmocka_unit_test(expanded_prefill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
