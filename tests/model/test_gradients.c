/* Gradients of whole models against differences of the loss in double (double_model.h).
 * SPDX-License-Identifier: MIT */
#include "tests/model/double_model.h"

enum { SEQUENCES = 3, LONGEST = 45, VOCAB = 96 };

#define TINY                                                                                       \
    .layers = 2, .width = 48, .heads = 4, .ffn = 40, .vocab = VOCAB, .context = 256,               \
    .norm_eps = 1e-5f, .rope_dim = 16, .rope_base = 10000, .bos = -1, .eos = -1
#define DENSE                                                                                      \
    TINY, .kv_heads = 2, .head_dim = 16, .gate = MODEL_GATE_SOFTMAX, .gate_scale = 1,              \
    .expert_groups = 1, .expert_groups_used = 1
#define LATENT                                                                                     \
    TINY, .arch = MODEL_DEEPSEEK2, .kv_heads = 1, .head_dim = 32, .nope_dim = 16, .v_dim = 24,     \
    .kv_rank = 32, .rope_pairs = true, .rope_factor = 1, .dense_layers = 1, .experts = 8,          \
    .experts_used = 3, .expert_ffn = 24

static const model_config LLAMA = {DENSE, .arch = MODEL_LLAMA, .name = "llama", .tied = true, .rope_pairs = true,
                                   .rope = MODEL_ROPE_LLAMA3, .rope_factor = 8, .rope_low = 1, .rope_high = 4,
                                   .rope_original = 32};
static const model_config QWEN = {DENSE, .arch = MODEL_QWEN2, .name = "qwen2", .rope_factor = 1, .qkv_bias = true};
static const model_config V2 = {LATENT, .name = "v2", .experts_shared = 2, .gate = MODEL_GATE_SOFTMAX,
                                .gate_scale = 1, .expert_groups = 1, .expert_groups_used = 1};
static const model_config V3 = {LATENT, .name = "v3", .q_rank = 40, .mtp_layers = 1, .experts_shared = 1,
                                .gate = MODEL_GATE_SIGMOID, .gate_normalize = true, .gate_scale = 2.5f,
                                .expert_groups = 4, .expert_groups_used = 2};
static const float BALANCE = 0.3f, MTP = 0.3f; /* large, so that mistakes show */

/* ---- a batch and its loss ------------------------------------------------------------------------- */

static const size_t LENGTH[SEQUENCES] = {LONGEST, 7, 33};

typedef struct batch {
    int32_t ids[SEQUENCES][LONGEST];
    float weight[SEQUENCES][LONGEST]; /* of the token after; some are 0 */
    float logprob[SEQUENCES][LONGEST], entropy[SEQUENCES][LONGEST];
    model_train_sequence seq[SEQUENCES];
} batch;

static void make_batch(batch *b)
{
    for (size_t s = 0; s < SEQUENCES; s++) {
        for (size_t i = 0; i < LENGTH[s]; i++) {
            b->ids[s][i] = (int32_t)rng_below(VOCAB, 5, s, i, RNG_TEST);
            b->weight[s][i] = i % 5 == 3 ? 0 : 0.02f * (1 + (float)((s + i) % 3));
        }
        b->seq[s] = (model_train_sequence){b->ids[s], LENGTH[s], b->logprob[s], b->entropy[s]};
    }
}

static float cross_entropy(void *user, size_t s, size_t i, float logprob)
{
    (void)logprob;
    return -((const batch *)user)->weight[s][i];
}

static double loss_of(const double_model *m, const batch *b)
{
    double loss = 0, logprob[LONGEST], mtp[LONGEST], balance, weight;
    for (size_t s = 0; s < SEQUENCES; s++) {
        dm_run(m, b->ids[s], LENGTH[s], logprob, m->c->mtp_layers ? mtp : NULL, &balance);
        weight = 0;
        for (size_t i = 0; i + 1 < LENGTH[s]; i++) {
            loss -= (double)b->weight[s][i] * logprob[i];
            weight += (double)b->weight[s][i];
            if (m->c->mtp_layers && i + 2 < LENGTH[s])
                loss -= (double)MTP * (double)b->weight[s][i + 1] * mtp[i];
        }
        if (m->c->experts) loss += (double)BALANCE * weight * balance;
    }
    return loss;
}

/* ---- a trainable ------------------------------------------------------------------------------------ */

typedef struct run {
    pool *pool;
    model_trainable *t;
    float *masters, *gradients;
    size_t n;
} run;

static void run_open(run *r, const model_config *c, model_train_options o, int threads)
{
    ponder_error err = {0};
    check_ok(pool_open(&r->pool, threads, &err));
    o.pool = r->pool;
    o.max_tokens = 128;
    o.max_sequence = LONGEST;
    if (!o.cpu_mask) o.cpu_mask = ~0u;
    check_ok(model_trainable_init(&r->t, c, 0.15f, 3, &o, &err));
    r->masters = model_trainable_masters(r->t, &r->n);
    r->gradients = model_trainable_gradients(r->t);
    size_t n;
    const model_param *p = model_trainable_params(r->t, &n);
    for (size_t i = 0; i < n; i++) /* norms and biases as trained ones are */
        for (size_t j = 0; p[i].tensor.n_dims == 1 && j < p[i].n; j++)
            r->masters[p[i].at + j] += 0.3f * (float)(rng_uniform(9, i, j, RNG_TEST) - 0.5);
    model_trainable_refresh(r->t);
}

static void run_close(run *r)
{
    model_trainable_close(r->t);
    pool_close(r->pool);
}

static void run_batch(run *r, batch *b)
{
    ponder_error err = {0};
    model_train_loss loss = {.slope = cross_entropy, .user = b};
    check_ok(model_train_batch(r->t, b->seq, SEQUENCES, &loss, NULL, &err));
}

/* ---- against differences ------------------------------------------------------------------------------ */

/* d loss along `direction` of parameter p, by differences of fourth order. */
static double difference(const double_model *m, const batch *b, double *values, const model_param *p,
                         const double *direction)
{
    static const double AT[] = {-2, -1, 1, 2}, FACTOR[] = {1, -8, 8, -1};
    const double step = 1e-4; /* short: a choice of experts must not flip on the way */
    double *saved = dm_new(p->n), sum = 0;
    memcpy(saved, values + p->at, p->n * sizeof *saved);
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < p->n; i++) values[p->at + i] = saved[i] + AT[k] * step * direction[i];
        sum += FACTOR[k] * loss_of(m, b);
    }
    memcpy(values + p->at, saved, p->n * sizeof *saved);
    free(saved);
    return sum / (12 * step);
}

static model_train_options plain(const model_config *c)
{
    return (model_train_options){.balance_loss = c->experts ? BALANCE : 0, .mtp_weight = c->mtp_layers ? MTP : 0};
}

/* The gradient of every parameter along itself (its length) and along a random direction. */
static void check_gradients(const model_config *c)
{
    static batch b;
    run r;
    make_batch(&b);
    run_open(&r, c, plain(c), 2);
    run_batch(&r, &b);
    double_model m = {.c = c};
    m.params = model_trainable_params(r.t, &m.n_params);
    double *values = dm_new(r.n), logprob[LONGEST], balance;
    for (size_t i = 0; i < r.n; i++) values[i] = (double)r.masters[i];
    m.values = values;
    for (size_t s = 0; s < SEQUENCES; s++) {
        dm_run(&m, b.ids[s], LENGTH[s], logprob, NULL, &balance);
        for (size_t i = 0; i + 1 < LENGTH[s]; i++)
            if (!(fabs(logprob[i] - (double)b.logprob[s][i]) < 2e-5))
                fail_msg("%s: sequence %zu, token %zu: %.7g, want %.7g", c->name, s, i, (double)b.logprob[s][i], logprob[i]);
    }
    double worst = 0;
    for (size_t i = 0; i < m.n_params; i++) {
        const model_param *p = &m.params[i];
        const float *g = r.gradients + p->at;
        double *direction = dm_new(p->n), length = 0;
        for (size_t j = 0; j < p->n; j++) length += (double)g[j] * (double)g[j];
        length = sqrt(length);
        if (strstr(p->tensor.name, "exp_probs_b")) { /* moved by hand, not by gradients */
            assert_true(length == 0);
            free(direction);
            continue;
        }
        assert_true(length > 0);
        for (int kind = 0; kind < 2; kind++) {
            double got = 0;
            for (size_t j = 0; j < p->n; j++) {
                direction[j] = kind ? (rng_uniform(4, i, j, RNG_TEST) - 0.5) * sqrt(12 / (double)p->n) : (double)g[j] / length;
                got += (double)g[j] * direction[j];
            }
            double want = difference(&m, &b, values, p, direction), off = fabs(got - want) / length;
            if (!(off < 1e-4))
                fail_msg("%s, %s, direction %d: %.8g, want %.8g", c->name, p->tensor.name, kind, got, want);
            worst = fmax(worst, off);
        }
        free(direction);
    }
    print_message("# %s: %zu tensors, largest relative difference %.2g\n", c->name, m.n_params, worst);
    free(values);
    run_close(&r);
}

static void gradients_llama(void **state) { (void)state, check_gradients(&LLAMA); }
static void gradients_v2(void **state) { (void)state, check_gradients(&V2); }
static void gradients_v3(void **state) { (void)state, check_gradients(&V3); }
static void gradients_qwen(void **state) { (void)state, check_gradients(&QWEN); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_llama),
        cmocka_unit_test(gradients_qwen),
        cmocka_unit_test(gradients_v2),
        cmocka_unit_test(gradients_v3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
