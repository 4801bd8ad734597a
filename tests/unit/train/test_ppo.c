/* ppo: advantages against the sum that defines them, slopes of the value loss against differences.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/ppo.h"

#include <math.h>

enum { LONGEST = 40 };

/* Equation 16 of arXiv 1506.02438: sum over l of (gamma lambda)^l (r + gamma V' - V). */
static double direct(const float *r, const float *v, size_t n, size_t t, double gamma,
                     double lambda)
{
    double sum = 0;
    for (size_t l = 0; t + l < n; l++) {
        double next = t + l + 1 < n ? (double)v[t + l + 1] : 0;
        sum += pow(gamma * lambda, (double)l) *
               ((double)r[t + l] + gamma * next - (double)v[t + l]);
    }
    return sum;
}

static void advantages_are_the_sum_that_defines_them(void **state)
{
    (void)state;
    static const float gammas[] = {1, 0.9f, 0.99f, 1}, lambdas[] = {1, 0.95f, 0.5f, 0};
    float r[LONGEST], v[LONGEST], a[LONGEST], to[LONGEST];
    for (size_t k = 0; k < COUNT_OF(gammas); k++)
        for (size_t n = 0; n <= LONGEST; n += n < 3 ? 1 : 37) {
            for (size_t t = 0; t < n; t++) {
                r[t] = (float)rng_uniform(1, k, t, RNG_TEST) - 0.5f;
                v[t] = (float)rng_uniform(2, k, t, RNG_TEST) - 0.5f;
            }
            ppo_advantages(a, to, r, v, n, gammas[k], lambdas[k]);
            for (size_t t = 0; t < n; t++) {
                double want = direct(r, v, n, t, (double)gammas[k], (double)lambdas[k]);
                assert_float_equal(a[t], want, 1e-5);
                assert_float_equal(to[t], want + (double)v[t], 1e-5);
            }
        }
}

/* With gamma and lambda 1 a value is to become what is still earned, whatever was expected. */
static void without_discount_the_target_is_what_is_earned(void **state)
{
    (void)state;
    const float r[4] = {0, -0.25f, 0, 1}, v[4] = {0.5f, 3, -2, 0.75f};
    float a[4], to[4];
    ppo_advantages(a, to, r, v, 4, 1, 1);
    const float left[4] = {0.75f, 0.75f, 1, 1};
    for (int t = 0; t < 4; t++) {
        assert_float_equal(to[t], left[t], 1e-6);
        assert_float_equal(a[t], left[t] - v[t], 1e-6);
    }
}

static double loss_at(double v, double old, double target, double clip)
{
    double kept = clip > 0 ? fmin(fmax(v, old - clip), old + clip) : v;
    return 0.5 * fmax((v - target) * (v - target), (kept - target) * (kept - target));
}

static void value_slopes_are_derivatives(void **state)
{
    (void)state;
    size_t flat = 0, checked = 0;
    for (uint64_t i = 0; i < 500; i++) {
        double v = 4 * rng_uniform(3, i, 0, RNG_TEST), old = 4 * rng_uniform(3, i, 1, RNG_TEST),
               target = 4 * rng_uniform(3, i, 2, RNG_TEST), clip = i % 5 ? 0.5 : 0, slope,
               h = 1e-6;
        assert_float_equal(ppo_value_loss(v, old, target, clip, &slope),
                           loss_at(v, old, target, clip), 1e-12);
        if (fabs(fabs(v - old) - clip) < 1e-4) continue; /* the corner has no derivative */
        double up = loss_at(v + h, old, target, clip), down = loss_at(v - h, old, target, clip);
        assert_float_equal(slope, (up - down) / (2 * h), 1e-6);
        checked++;
        flat += slope == 0;
    }
    assert_true(checked > 480 && flat > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages_are_the_sum_that_defines_them),
        cmocka_unit_test(without_discount_the_target_is_what_is_earned),
        cmocka_unit_test(value_slopes_are_derivatives),
    };
    return cmocka_run_group_tests_name("train/ppo", tests, NULL, NULL);
}
