/* Gradients of whole models against differences of the loss in double (double_model.h).
 * SPDX-License-Identifier: MIT */
#include "tests/model/double_model.h"
#include "tests/model/train_tiny.h"

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

/* The gradient of every parameter along itself (its length) and along a random direction. */
static void check_gradients(const model_config *c, const char *level)
{
    model_train_options o = plain(c);
    assert_true(cpu_mask_by_name(&o.cpu_mask, level));
    if (!o.cpu_mask) o.cpu_mask = CPU_NEON; /* 0 stands for all; this one no reference table overlays here */
    static batch b;
    run r;
    make_batch(&b);
    run_open(&r, c, o, 2);
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

static void gradients_llama(void **state) { (void)state, check_gradients(&LLAMA, "native"); }
static void gradients_v2(void **state) { (void)state, check_gradients(&V2, "native"); }
static void gradients_v3(void **state) { (void)state, check_gradients(&V3, "native"); }
static void gradients_qwen(void **state) { (void)state, check_gradients(&QWEN, "native"); }
static void gradients_avx2(void **state) { (void)state, check_gradients(&V3, "avx2"); }
static void gradients_ref(void **state) { (void)state, check_gradients(&V2, "ref"); }

/* ---- rounded operands, heads of one's own ------------------------------------------------------------ */

/* How far the gradient in another precision is from that in F32, relative to its length. */
static double distance(const model_config *c, enum model_precision precision)
{
    static batch b;
    run f, r;
    make_batch(&b);
    model_train_options o = plain(c);
    run_open(&f, c, o, 2);
    o.precision = precision;
    run_open(&r, c, o, 2);
    run_batch(&f, &b);
    run_batch(&r, &b);
    double off = 0, all = 0;
    for (size_t i = 0; i < f.n; i++) {
        double g = (double)f.gradients[i], d = (double)r.gradients[i] - g;
        off += d * d;
        all += g * g;
    }
    run_close(&f);
    run_close(&r);
    return sqrt(off / all);
}

static void gradients_rounded(void **state)
{
    (void)state;
    const model_config *const dense[] = {&LLAMA, &QWEN}; /* with experts a choice may flip */
    for (size_t i = 0; i < COUNT_OF(dense); i++) {
        double bf16 = distance(dense[i], MODEL_BF16), fp8 = distance(dense[i], MODEL_FP8);
        print_message("# %s: gradients in BF16 are off by %.3f, in FP8 by %.3f\n", dense[i]->name, bf16, fp8);
        assert_true(bf16 > 0 && bf16 < 0.02 && fp8 > bf16 && fp8 < 0.3);
    }
}

/* A head that asks for column 5 of the last hidden state of each sequence. */
static void last_column(void *user, size_t s, const float *hidden, float *gradient)
{
    const batch *b = user;
    size_t at = (b->seq[s].n - 1) * (size_t)LLAMA.width + 5;
    assert_true(isfinite(hidden[at]));
    gradient[at] += 1;
}

/* The sum of those numbers, as the head sees them. */
static void add_last_column(void *user, size_t s, const float *hidden, float *gradient)
{
    (void)gradient;
    double *sum = user;
    *sum += (double)hidden[(LENGTH[s] - 1) * (size_t)LLAMA.width + 5];
}

static void gradients_of_a_head(void **state)
{
    (void)state;
    static batch b;
    ponder_error err = {0};
    run r;
    make_batch(&b);
    run_open(&r, &LLAMA, plain(&LLAMA), 2);
    model_train_loss loss = {.head = last_column, .user = &b};
    check_ok(model_train_batch(r.t, b.seq, SEQUENCES, &loss, NULL, &err));
    double length = 0, value[2] = {0}, step = 2e-3;
    for (size_t i = 0; i < r.n; i++) length += (double)r.gradients[i] * (double)r.gradients[i];
    length = sqrt(length);
    float *at = malloc(r.n * sizeof *at);
    assert_non_null(at);
    memcpy(at, r.masters, r.n * sizeof *at);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < r.n; i++)
            r.masters[i] = at[i] + (float)((side ? step : -step) * (double)r.gradients[i] / length);
        model_trainable_refresh(r.t);
        run look = r;
        float *gradients = malloc(r.n * sizeof *gradients);
        assert_non_null(gradients);
        memcpy(gradients, r.gradients, r.n * sizeof *gradients);
        model_train_loss sum = {.head = add_last_column, .user = &value[side]};
        check_ok(model_train_batch(look.t, b.seq, SEQUENCES, &sum, NULL, &err));
        assert_memory_equal(gradients, r.gradients, r.n * sizeof *gradients); /* no gradient was given */
        free(gradients);
    }
    double got = (value[1] - value[0]) / (2 * step);
    if (!(fabs(got - length) < 2e-3 * length)) fail_msg("along the gradient: %g, want %g", got, length);
    free(at);
    run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_llama),
        cmocka_unit_test(gradients_qwen),
        cmocka_unit_test(gradients_v2),
        cmocka_unit_test(gradients_v3),
        cmocka_unit_test(gradients_avx2),
        cmocka_unit_test(gradients_ref),
        cmocka_unit_test(gradients_rounded),
        cmocka_unit_test(gradients_of_a_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
