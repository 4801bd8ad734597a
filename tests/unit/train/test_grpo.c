/* grpo: advantages with known values, and the slope against differences of the loss.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/grpo.h"

#include <math.h>

static void advantages_have_mean_zero_and_deviation_one(void **state)
{
    (void)state;
    const float r[12] = {1, 0, 0, 0, /**/ 1, 1, 1, 1, /**/ 0.5f, 1, 0, 0.5f};
    float a[12];
    assert_int_equal(grpo_advantages(a, r, 3, 4, false), 2);
    /* mean 1/4, deviation sqrt(3)/4 */
    assert_float_equal(a[0], 0.75 / (sqrt(3) / 4 + 1e-4), 1e-6);
    assert_float_equal(a[1], -0.25 / (sqrt(3) / 4 + 1e-4), 1e-6);
    for (int i = 4; i < 8; i++) assert_true(a[i] == 0);
    assert_float_equal(a[9], 0.5 / (sqrt(0.125) + 1e-4), 1e-5);
    assert_int_equal(grpo_advantages(a, r, 3, 4, true), 2);
    assert_float_equal(a[0], 0.75, 1e-7);
    /* A difference lost in the mean is no signal, and a tiny one is not blown up to one. */
    const float same[4] = {0.1f, 0.1f, 0.1f, 0.1f};
    assert_int_equal(grpo_advantages(a, same, 1, 4, false), 0);
    for (int i = 0; i < 4; i++) assert_true(a[i] == 0);
}

static double loss_at(const grpo_objective *o, double lp, double old, double ref, double a)
{
    double r = exp(lp - old), c = fmin(fmax(r, 1 - (double)o->clip_low), 1 + (double)o->clip_high);
    double k3 = exp(ref - lp) - (ref - lp) - 1;
    return -fmin(r * a, c * a) + (double)o->kl * k3;
}

static void slope_is_the_derivative(void **state)
{
    (void)state;
    const grpo_objective objectives[] = {{.clip_low = 0.2f, .clip_high = 0.28f, .kl = 0.04f},
                                         {.clip_low = 0.2f, .clip_high = 0.2f},
                                         {.clip_low = 10, .clip_high = 10, .kl = 0.001f}};
    size_t clipped = 0, checked = 0;
    for (size_t o = 0; o < COUNT_OF(objectives); o++)
        for (int i = 0; i < 300; i++) {
            float u[4];
            for (uint64_t j = 0; j < 4; j++)
                u[j] = (float)rng_uniform(5, (uint64_t)i, j, RNG_TEST);
            float old = -3 * u[0], lp = old + u[1] - 0.5f, ref = old + u[2] - 0.5f, a = 4 * u[3] - 2;
            grpo_tokens log = {0};
            float slope = grpo_token(&objectives[o], lp, old, ref, a, 0.5f, &log);
            double h = 1e-6, at = (double)lp;
            double up = loss_at(&objectives[o], at + h, (double)old, (double)ref, (double)a),
                   down = loss_at(&objectives[o], at - h, (double)old, (double)ref, (double)a);
            double edge = fmin(fabs(exp(at - (double)old) - 1 - (double)objectives[o].clip_high),
                               fabs(exp(at - (double)old) - 1 + (double)objectives[o].clip_low));
            if (edge < 1e-4) continue; /* the corner has no derivative */
            checked++;
            clipped += log.clipped;
            assert_float_equal((double)slope, 0.5 * (up - down) / (2 * h), 1e-5);
            assert_float_equal(
                log.loss, 0.5 * loss_at(&objectives[o], at, (double)old, (double)ref, (double)a),
                1e-6);
        }
    assert_true(checked > 800 && clipped > 50);
}

static void on_policy_is_exact(void **state)
{
    (void)state;
    const grpo_objective o = {.clip_low = 0.2f, .clip_high = 0.2f};
    grpo_tokens log = {0};
    for (int i = 0; i < 100; i++) {
        float lp = -(float)rng_uniform(1, (uint64_t)i, 0, RNG_TEST) * 20;
        assert_true(grpo_token(&o, lp, lp, 0, 0.75f, 1, &log) == -0.75f);
    }
    assert_true(log.ratio == 100 && log.exact == 100 && log.clipped == 0);
}

static void weights_of_the_variants(void **state)
{
    (void)state;
    grpo_objective o = {.mean = GRPO_MEAN_RESPONSE};
    assert_float_equal(grpo_weight(&o, 10, 4, 100), 1.0 / 40, 1e-9);
    o.mean = GRPO_MEAN_TOKEN;
    assert_float_equal(grpo_weight(&o, 10, 4, 100), 1.0 / 100, 1e-9);
    o = (grpo_objective){.mean = GRPO_MEAN_CONSTANT, .constant = 50};
    assert_float_equal(grpo_weight(&o, 10, 4, 100), 1.0 / 200, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages_have_mean_zero_and_deviation_one),
        cmocka_unit_test(slope_is_the_derivative),
        cmocka_unit_test(on_policy_is_exact),
        cmocka_unit_test(weights_of_the_variants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
