/* train/optim: AdamW against hand-computed numbers and a double reference, the norm, schedules.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "num/num.h"
#include "train/optim.h"

#include <math.h>
#include <stdlib.h>

static const adamw_options OPTIONS = {.beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .decay = 0.1f};

/* First step: m / c1 = g, v / c2 = g^2, so the step is lr * sign(g) besides the decay. */
static void first_step_is_the_sign(void **state)
{
    (void)state;
    ponder_error err;
    adamw a;
    const adamw_range r[] = {{0, 2, true}, {2, 2, false}};
    check_ok(adamw_open(&a, 4, r, 2, &OPTIONS, &err));
    float w[4] = {1, -2, 1, -2}, g[4] = {0.5f, -3, 0.5f, -3};
    adamw_step(&a, w, g, 0.01f, 1, NULL);
    /* 1 - 0.01 * (1 + 0.1), -2 + 0.01 * (1 + 0.2); without decay 0.99 and -1.99 */
    const float want[4] = {0.989f, -1.988f, 0.99f, -1.99f};
    for (int i = 0; i < 4; i++) assert_float_equal(w[i], want[i], 4e-7f);
    assert_float_equal(((float *)a.m)[0], 0.05f, 1e-8f + 0.5f * 0x1p-23f);
    assert_float_equal(((float *)a.v)[1], 0.45f, 9 * 0x1p-23f);
    adamw_close(&a);
}

static void follows_a_double_reference(void **state)
{
    (void)state;
    enum { N = 40000, SPLIT = 20011, STEPS = 30 };
    ponder_error err;
    adamw a;
    const adamw_range r[] = {{0, SPLIT, true}, {SPLIT, N - SPLIT, false}};
    check_ok(adamw_open(&a, N, r, 2, &OPTIONS, &err));
    float *w = malloc(N * sizeof *w), *g = malloc(N * sizeof *g);
    double *ref = malloc(N * sizeof *ref), *m = calloc(N, sizeof *m), *v = calloc(N, sizeof *v);
    for (size_t i = 0; i < N; i++) ref[i] = w[i] = (float)rng_uniform(1, 0, i, RNG_TEST) - 0.5f;
    for (int t = 1; t <= STEPS; t++) {
        for (size_t i = 0; i < N; i++)
            g[i] = (float)(rng_uniform(2, (uint64_t)t, i, RNG_TEST) - 0.3);
        adamw_step(&a, w, g, 1e-3f, 0.5f, NULL);
        const double b1 = (double)OPTIONS.beta1, b2 = (double)OPTIONS.beta2;
        for (size_t i = 0; i < N; i++) {
            double x = 0.5 * (double)g[i];
            m[i] = b1 * m[i] + (1 - b1) * x;
            v[i] = b2 * v[i] + (1 - b2) * x * x;
            double step = m[i] / (1 - pow(b1, t)) /
                          (sqrt(v[i] / (1 - pow(b2, t))) + (double)OPTIONS.eps);
            ref[i] -= 1e-3 * (step + (i < SPLIT ? (double)OPTIONS.decay * ref[i] : 0));
        }
    }
    /* A step moves w by at most a few lr with a handful of roundings: eps * |w| each, and 10 eps of
     * the step. */
    for (size_t i = 0; i < N; i++)
        if (!(fabs((double)w[i] - ref[i]) < STEPS * 0x1p-24 * (3 * 0.6 + 10 * 4e-3)))
            fail_msg("parameter %zu: %.9g, want %.9g", i, (double)w[i], ref[i]);
    free(w), free(g), free(ref), free(m), free(v);
    adamw_close(&a);
}

static void same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    enum { N = 100003 };
    ponder_error err;
    float *w[3], *g = malloc(N * sizeof *g);
    double norm[3];
    for (size_t i = 0; i < N; i++) g[i] = (float)rng_uniform(3, 0, i, RNG_TEST) - 0.5f;
    for (int k = 0; k < 3; k++) {
        pool *p;
        adamw a;
        adamw_options o = OPTIONS;
        o.bf16_moments = true;
        const adamw_range r[] = {{0, 1000, true}, {1000, N - 1000, false}};
        check_ok(pool_open(&p, k + 1, &err));
        check_ok(adamw_open(&a, N, r, 2, &o, &err));
        w[k] = calloc(N, sizeof *w[k]);
        for (int t = 0; t < 5; t++) {
            norm[k] = adamw_norm(&a, g, p);
            adamw_step(&a, w[k], g, 1e-2f, clip_scale(norm[k], 1), p);
        }
        adamw_close(&a);
        pool_close(p);
    }
    for (int k = 1; k < 3; k++) {
        assert_memory_equal(w[0], w[k], N * sizeof *w[0]);
        assert_memory_equal(&norm[0], &norm[k], sizeof norm[0]);
    }
    for (int k = 0; k < 3; k++) free(w[k]);
    free(g);
}

static void bf16_moments_are_rounded_moments(void **state)
{
    (void)state;
    ponder_error err;
    adamw a;
    adamw_options o = OPTIONS;
    o.bf16_moments = true;
    const adamw_range r[] = {{0, 3, false}};
    check_ok(adamw_open(&a, 3, r, 1, &o, &err));
    assert_int_equal(adamw_moment_bytes(&a), 6);
    float w[3] = {0}, g[3] = {1, 0.3f, -7};
    adamw_step(&a, w, g, 0.1f, 1, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(((uint16_t *)a.m)[i], num_f32_to_bf16((1 - o.beta1) * g[i]));
    adamw_close(&a);
}

static void norm_is_exact_and_shows_what_is_not_finite(void **state)
{
    (void)state;
    enum { N = 50000 };
    ponder_error err;
    adamw a;
    const adamw_range r[] = {{0, N, true}};
    check_ok(adamw_open(&a, N, r, 1, &OPTIONS, &err));
    float *g = calloc(N, sizeof *g);
    g[0] = 3, g[N - 1] = 4;
    assert_true(adamw_norm(&a, g, NULL) == 5.0);
    assert_true(clip_scale(5, 1) == 0.2f && clip_scale(5, 0) == 1 && clip_scale(0.5, 1) == 1);
    g[20000] = NAN;
    assert_true(isnan(adamw_norm(&a, g, NULL)));
    free(g);
    adamw_close(&a);
}

static void ranges_with_gaps_are_refused(void **state)
{
    (void)state;
    ponder_error err;
    adamw a;
    const adamw_range gap[] = {{0, 2, true}, {3, 1, true}};
    assert_int_equal(adamw_open(&a, 4, gap, 2, &OPTIONS, &err), PONDER_EARG);
    assert_int_equal(adamw_open(&a, 4, gap, 1, &OPTIONS, &err), PONDER_EARG);
}

static void close_to(double got, double want) { assert_true(fabs(got - want) < 1e-12); }

static void schedules(void **state)
{
    (void)state;
    lr_schedule l = {.shape = LR_CONSTANT, .peak = 1, .end = 0.1, .warmup = 4, .steps = 15};
    close_to(lr_at(&l, 0), 0.25);
    close_to(lr_at(&l, 3), 1);
    close_to(lr_at(&l, 14), 1);
    l.shape = LR_LINEAR;
    close_to(lr_at(&l, 4), 1);
    close_to(lr_at(&l, 9), 0.55);
    close_to(lr_at(&l, 14), 0.1);
    l.shape = LR_COSINE;
    close_to(lr_at(&l, 4), 1);
    close_to(lr_at(&l, 9), 0.55);
    close_to(lr_at(&l, 14), 0.1);
    close_to(lr_at(&l, 100), 0.1);
    l = (lr_schedule){.shape = LR_V3, .peak = 2.2e-4, .end = 2.2e-5, .steps = 1481};
    close_to(lr_at(&l, 1000), 2.2e-4);
    close_to(lr_at(&l, 1215), 1.21e-4); /* the middle of the cosine */
    close_to(lr_at(&l, 1430), 2.2e-5);
    close_to(lr_at(&l, 1470), 7.3e-6);
    assert_int_equal(ramp_at(8, 40, 16, 0), 8);
    assert_int_equal(ramp_at(8, 40, 16, 8), 24);
    assert_int_equal(ramp_at(8, 40, 16, 16), 40);
    assert_int_equal(ramp_at(8, 40, 0, 0), 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_step_is_the_sign),
        cmocka_unit_test(follows_a_double_reference),
        cmocka_unit_test(same_bits_for_any_number_of_threads),
        cmocka_unit_test(bf16_moments_are_rounded_moments),
        cmocka_unit_test(norm_is_exact_and_shows_what_is_not_finite),
        cmocka_unit_test(ranges_with_gaps_are_refused),
        cmocka_unit_test(schedules),
    };
    return cmocka_run_group_tests_name("train/optim", tests, NULL, NULL);
}
