/* Speed of a training step without the optimiser: forward, loss, backward, masters into panels.
 * SPDX-License-Identifier: MIT
 *
 * Usage: train_step [small|middle|moe|mla] [f32|bf16|fp8] [THREADS] [STEPS] [MICRO] [VOCAB]; mla is moe without
 * experts, as wide as those a token uses; MICRO sequences are computed together (all). Useful operations are six a
 * matrix parameter and token (the embedding's look-up none), and those of attention's two products, forward once and
 * backward twice, over what a token sees; the share is of what this machine's multiply units did just before, on the
 * same threads. The gradients' hash, which depends on MICRO, tells whether a change kept every bit. */
#include "model/train.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static const model_config SMALL = {
    .arch = MODEL_LLAMA, .name = "small", .layers = 6, .width = 256, .heads = 8, .kv_heads = 8,
    .head_dim = 32, .ffn = 688, .vocab = 512, .context = 1024, .norm_eps = 1e-5f, .tied = true,
    .rope_pairs = true, .rope_dim = 32, .rope_base = 10000, .rope_factor = 1, .expert_groups = 1,
    .expert_groups_used = 1, .gate = MODEL_GATE_SOFTMAX, .gate_scale = 1, .bos = -1, .eos = -1};
static const model_config MIDDLE = {
    .arch = MODEL_LLAMA, .name = "middle", .layers = 12, .width = 768, .heads = 12, .kv_heads = 12,
    .head_dim = 64, .ffn = 2048, .vocab = 32000, .context = 1024, .norm_eps = 1e-5f,
    .rope_pairs = true, .rope_dim = 64, .rope_base = 10000, .rope_factor = 1, .expert_groups = 1,
    .expert_groups_used = 1, .gate = MODEL_GATE_SOFTMAX, .gate_scale = 1, .bos = -1, .eos = -1};
static const model_config MOE = {
    .arch = MODEL_DEEPSEEK2, .name = "moe", .layers = 6, .width = 256, .heads = 8, .kv_heads = 1,
    .head_dim = 48, .nope_dim = 32, .v_dim = 32, .kv_rank = 64, .ffn = 688, .vocab = 512,
    .context = 1024, .norm_eps = 1e-5f, .rope_pairs = true, .rope_dim = 16, .rope_base = 10000,
    .rope_factor = 1, .experts = 64, .experts_used = 8, .expert_ffn = 80, .dense_layers = 1,
    .expert_groups = 1, .expert_groups_used = 1, .gate = MODEL_GATE_SIGMOID, .gate_normalize = true,
    .gate_scale = 1, .bos = -1, .eos = -1};

/* The same without experts: a feed-forward layer as wide as those a token uses. */
static model_config without_experts(model_config c)
{
    snprintf(c.name, sizeof c.name, "mla");
    c.ffn = c.experts_used * c.expert_ffn;
    c.experts = c.experts_used = c.expert_ffn = c.dense_layers = 0;
    return c;
}

/* Processor seconds a thread: what a step takes when nothing else runs, exact for one thread. */
static double seconds(pool *p)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return ((double)t.tv_sec + 1e-9 * (double)t.tv_nsec) / pool_threads(p);
}

static float slope(void *user, size_t s, size_t i, float logprob)
{
    (void)user, (void)s, (void)i, (void)logprob;
    return -1e-4f;
}

struct burn {
    double (*fn)(size_t rounds);
    double done[256];
};

static void burn_piece(void *arg, size_t begin, size_t end, int worker)
{
    (void)begin, (void)end;
    struct burn *b = arg;
    b->done[worker] += b->fn(1000000);
}

static double peak(pool *p, double (*fn)(size_t))
{
    double best = 0;
    for (int round = 0; round < 5; round++) {
        struct burn b = {.fn = fn};
        double start = seconds(p), sum = 0;
        pool_run(p, 4 * (size_t)pool_threads(p), 1, burn_piece, &b);
        for (int i = 0; i < pool_threads(p); i++) sum += b.done[i];
        best = fmax(best, sum / (seconds(p) - start));
    }
    return best;
}

/* Parameters that a token is multiplied with. */
static double active(const model_trainable *t)
{
    size_t n;
    const model_param *p = model_trainable_params(t, &n);
    const model_config *c = model_config_of(model_trainable_model(t));
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        bool used = p[i].tensor.n_dims > 1 && (p[i].tensor.role != MODEL_EMBEDDING || c->tied);
        double all = used ? (double)p[i].n : 0;
        bool routed = c->experts && p[i].experts == (size_t)c->experts && p[i].tensor.role == MODEL_MATRIX;
        sum += routed ? all * c->experts_used / c->experts : all;
    }
    return sum;
}

/* Operations a token of attention, keys and values as heads use them. */
static double attention(const model_config *c, size_t length)
{
    int value = c->v_dim ? c->v_dim : c->head_dim;
    return 3.0 * 2 * c->layers * c->heads * (c->head_dim + value) * ((double)length + 1) / 2;
}

static int fail(const ponder_error *err)
{
    fprintf(stderr, "train_step: %s\n", err->message);
    return 1;
}

int main(int argc, char **argv)
{
    const char *size = argc > 1 ? argv[1] : "small", *type = argc > 2 ? argv[2] : "f32";
    int threads = argc > 3 ? atoi(argv[3]) : cpu_cores(), steps = argc > 4 ? atoi(argv[4]) : 5;
    model_config c = !strcmp(size, "middle") ? MIDDLE : !strcmp(size, "moe") ? MOE : !strcmp(size, "mla") ? without_experts(MOE) : SMALL;
    size_t n_seq = c.width > 256 ? 4 : 32, length = c.width > 256 ? 512 : 256;
    const size_t micro = argc > 5 && atoi(argv[5]) > 0 ? size_min((size_t)atoi(argv[5]), n_seq) : n_seq;
    if (argc > 6) c.vocab = atoi(argv[6]);
    ponder_error err = {0};
    pool *p;
    model_trainable *t;
    if (pool_open(&p, threads, &err) != PONDER_OK) return fail(&err);
    model_train_options o = {.pool = p, .cpu_mask = ~0u, .max_tokens = micro * length, .max_sequence = length,
                             .max_sequences = micro};
    o.precision = !strcmp(type, "fp8") ? MODEL_FP8 : !strcmp(type, "bf16") ? MODEL_BF16 : MODEL_F32;
    if (model_trainable_init(&t, &c, 0.02f, 1, &o, &err) != PONDER_OK) return fail(&err);
    int32_t *ids = malloc(n_seq * length * sizeof *ids);
    model_train_sequence *seq = calloc(n_seq, sizeof *seq);
    if (!ids || !seq) return 1;
    for (size_t i = 0; i < n_seq * length; i++) ids[i] = (int32_t)rng_below((uint64_t)c.vocab, 1, 0, i, RNG_DATA);
    for (size_t s = 0; s < n_seq; s++) seq[s] = (model_train_sequence){.ids = ids + s * length, .n = length};
    const kern *k = model_kern(model_trainable_model(t));
    double top = peak(p, o.precision == MODEL_F32 ? k->burn_f32 : k->burn_bf16), best = INFINITY;
    model_train_loss loss = {.slope = slope};
    for (int i = 0; i < steps; i++) {
        double start = seconds(p), wall = clock_seconds();
        model_trainable_zero(t);
        for (size_t s = 0; s < n_seq; s += micro)
            if (model_train_batch(t, seq + s, size_min(micro, n_seq - s), &loss, NULL, &err) != PONDER_OK)
                return fail(&err);
        double refresh = seconds(p);
        model_trainable_refresh(t);
        double end = seconds(p);
        best = fmin(best, end - start);
        printf("step %d: %.3f s (%.3f by the clock), of which refresh %.3f\n", i, end - start, clock_seconds() - wall,
               end - refresh);
    }
    double tokens = (double)(n_seq * length), rate = 6 * active(t) * tokens / best;
    double all = rate + attention(&c, length) * tokens / best;
    printf("%s %s, %d threads, %.2fM active parameters, %zu x %zu tokens, %zu together: %.0f tokens/s, "
           "%.1f of %.1f GFLOP/s = %.0f %%, %.0f %% with attention\n",
           size, type, threads, 1e-6 * active(t), n_seq, length, micro, tokens / best, 1e-9 * rate, 1e-9 * top,
           100 * rate / top, 100 * all / top);
    size_t n;
    model_trainable_masters(t, &n);
    printf("gradients: %08x\n", str_hash((str){(const char *)model_trainable_gradients(t), n * sizeof(float)}));
    model_train_size bytes = model_trainable_size(&c, &o);
    printf("memory: estimated %.1f MB, resident %.1f MB\n", 1e-6 * (double)(bytes.lasting + bytes.work),
           1e-6 * (double)mem_resident_bytes());
    model_trainable_close(t);
    free(ids);
    free(seq);
    pool_close(p);
    return 0;
}
