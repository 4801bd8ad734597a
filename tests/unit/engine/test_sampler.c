/* The sampler against a plain one that sorts everything.
 * SPDX-License-Identifier: MIT */
#include "engine/engine_int.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

enum { V = 3000 };

static sampler scratch;
static arena memory;
static kern K;

static int start_kern(void **state)
{
    (void)state;
    ponder_error err;
    arena count = {0};
    kern_init(&K, ~0u);
    assert_true(sampler_place(&scratch, V, &count));
    check_ok(arena_open(&memory, count.used, &err));
    assert_true(sampler_place(&scratch, V, &memory));
    return 0;
}

static int end_kern(void **state)
{
    (void)state;
    arena_close(&memory);
    return 0;
}

static engine_sampling plain(float temperature)
{
    return (engine_sampling){.temperature = temperature, .top_p = 1, .repetition = 1};
}

static picked pick(const float *x, size_t n, const engine_sampling *o, const history *h, double u)
{
    picked got = {0};
    assert_true(sampler_pick(&scratch, &K, x, n, o, h, (engine_bias){0}, u, &got));
    return got;
}

/* Logits with many equal values, the n of which are given by a seed. */
static void fill(float *x, size_t n, uint64_t seed, double spread, int steps)
{
    for (size_t i = 0; i < n; i++) {
        double u = rng_uniform(seed, 0, i, RNG_TEST);
        x[i] = (float)(spread * (steps ? floor(u * steps) / steps : u));
    }
}

/* ---- the plain sampler ----------------------------------------------------------------------- */

static const double *sort_by;

static int by_weight(const void *a, const void *b)
{
    int i = *(const int *)a, j = *(const int *)b;
    if (sort_by[i] != sort_by[j]) return sort_by[i] > sort_by[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

/* Probabilities of the distribution to sample from: zero for what is cut off. */
static void expect(double *p, const float *x, size_t n, const engine_sampling *o)
{
    static int order[V];
    static double w[V];
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) max = fmax(max, (double)x[i]);
    for (size_t i = 0; i < n; i++) w[i] = exp(((double)x[i] - max) / (double)o->temperature);
    for (size_t i = 0; i < n; i++) order[i] = (int)i;
    sort_by = w;
    qsort(order, n, sizeof *order, by_weight);
    size_t keep = o->top_k && (size_t)o->top_k < n ? (size_t)o->top_k : n;
    for (size_t i = 0; i < keep; i++) sum += w[order[i]];
    double have = 0, kept = 0;
    for (size_t i = 0; i < n; i++) p[i] = 0;
    for (size_t i = 0; i < keep && (i == 0 || have < (double)o->top_p * sum); i++) {
        have += w[order[i]];
        if (w[order[i]] < (double)o->min_p) continue;
        p[order[i]] = w[order[i]];
        kept += w[order[i]];
    }
    for (size_t i = 0; i < n; i++) p[i] /= kept;
}

static void check_against_plain(const float *x, size_t n, const engine_sampling *o)
{
    static double p[V];
    expect(p, x, n, o);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == 0) continue;
        /* The middle of the token's stretch of u; float weights move its ends by 1e-6 or so. */
        if (p[i] > 1e-4 && i % (n / 40 + 1) == 0) {
            picked got = pick(x, n, o, NULL, sum + p[i] / 2);
            assert_int_equal(got.id, i);
            assert_true(fabs((double)got.sample_logprob - log(p[i])) < 1e-4);
        }
        sum += p[i];
    }
    assert_true(p[pick(x, n, o, NULL, 0).id] > 0);
    assert_true(p[pick(x, n, o, NULL, 1 - 1e-16).id] > 0);
}

static void filters_keep_what_sorting_keeps(void **state)
{
    (void)state;
    static float x[V];
    const int ks[] = {0, 1, 2, 7, 40, V, V + 5};
    const float ps[] = {1, 0.95f, 0.5f, 0.1f, 1e-6f}, mins[] = {0, 0.05f, 0.3f, 1};
    for (uint64_t seed = 0; seed < 12; seed++) {
        size_t n = seed % 3 == 0 ? V : seed % 3 == 1 ? 33 : 1;
        fill(x, n, seed, seed % 2 ? 12 : 1, seed % 4 == 3 ? 5 : 0);
        for (size_t a = 0; a < COUNT_OF(ks); a++)
            for (size_t b = 0; b < COUNT_OF(ps); b++)
                for (size_t c = 0; c < COUNT_OF(mins); c++) {
                    engine_sampling o = plain(seed % 2 ? 0.7f : 1.3f);
                    o.top_k = ks[a], o.top_p = ps[b], o.min_p = mins[c];
                    /* Among equal weights the plain sums may fall just on the other side. */
                    if (seed % 4 == 3 && o.top_p < 1) continue;
                    check_against_plain(x, n, &o);
                }
    }
}

static void boundaries_are_exact(void **state)
{
    (void)state;
    const float x[] = {2, 1, 2, 2, 2, 0};
    engine_sampling o = plain(1);
    o.top_k = 4;
    o.top_p = 0.5f; /* half of four equal weights is two of them: the lower ids */
    for (int i = 0; i < 100; i++) {
        int32_t id = pick(x, 6, &o, NULL, i / 100.0).id;
        assert_int_equal(id, i < 50 ? 0 : 2);
    }
    o.top_p = 0.51f;
    assert_int_equal(pick(x, 6, &o, NULL, 0.99).id, 3);
    o = plain(1);
    o.min_p = 1; /* the maximum alone, all four of it */
    assert_int_equal(pick(x, 6, &o, NULL, 0.99).id, 4);
    assert_true(fabsf(pick(x, 6, &o, NULL, 0.99).sample_logprob - logf(0.25f)) < 1e-6f);
    o = plain(0);
    assert_int_equal(pick(x, 6, &o, NULL, 0.99).id, 0);
}

/* Counts of n draws lie within five standard deviations of their means. */
static void frequencies(void **state)
{
    (void)state;
    enum { N = 40, DRAWS = 200000 };
    static float x[N];
    static double p[V];
    fill(x, N, 5, 6, 0);
    engine_sampling o = plain(0.8f);
    o.top_k = 30, o.top_p = 0.97f, o.min_p = 0.01f;
    expect(p, x, N, &o);
    int count[N] = {0};
    for (uint64_t i = 0; i < DRAWS; i++)
        count[pick(x, N, &o, NULL, rng_uniform(9, 0, i, RNG_SAMPLE)).id]++;
    for (size_t i = 0; i < N; i++) {
        double sigma = sqrt(DRAWS * p[i] * (1 - p[i]));
        if (fabs(count[i] - DRAWS * p[i]) > 5 * sigma) fail_msg("token %zu: %d", i, count[i]);
    }
}

static void penalties_and_bias(void **state)
{
    (void)state;
    const float x[] = {4, 3.5f, -1, 2};
    uint32_t count[4] = {0};
    int32_t seen[4];
    history h = {count, seen, 0};
    history_add(&h, 0, true);
    engine_sampling o = plain(0);
    o.repetition = 2; /* 4 becomes 2 */
    assert_int_equal(pick(x, 4, &o, &h, 0).id, 1);
    o = plain(0);
    o.presence = 1; /* of the output only: the prompt's token is free of it */
    assert_int_equal(pick(x, 4, &o, &h, 0).id, 0);
    history_add(&h, 0, false);
    assert_int_equal(pick(x, 4, &o, &h, 0).id, 1);
    o = plain(0);
    o.frequency = 0.3f;
    assert_int_equal(pick(x, 4, &o, &h, 0).id, 0);
    history_add(&h, 0, false);
    assert_int_equal(pick(x, 4, &o, &h, 0).id, 1);
    history_clear(&h);
    assert_int_equal(pick(x, 4, &o, &h, 0).id, 0);
    engine_bias bias[] = {{0, -INFINITY}, {2, 10}};
    o = plain(0);
    o.bias = bias, o.n_bias = 1;
    assert_int_equal(pick(x, 4, &o, &h, 0).id, 1);
    o.n_bias = 2;
    picked got = pick(x, 4, &o, &h, 0);
    assert_int_equal(got.id, 2);
    /* The first log-probability is the model's own, before all of this. */
    double total = exp(4.0) + exp(3.5) + exp(-1.0) + exp(2.0);
    assert_true(fabs((double)got.logprob - (-1 - log(total))) < 1e-5);
    got = (picked){0};
    assert_true(sampler_pick(&scratch, &K, x, 4, &(engine_sampling){.top_p = 1, .repetition = 1},
                             NULL, (engine_bias){3, 3}, 0, &got));
    assert_int_equal(got.id, 3);
}

static void tops_are_the_largest(void **state)
{
    (void)state;
    static float x[V];
    fill(x, V, 3, 4, 50);
    engine_top top[ENGINE_TOPS];
    assert_int_equal(sampler_tops(x, V, ENGINE_TOPS, top), ENGINE_TOPS);
    for (size_t i = 0; i < ENGINE_TOPS; i++) {
        size_t before = 0;
        for (int32_t j = 0; j < V; j++)
            before += x[j] > top[i].logprob || (x[j] == top[i].logprob && j < top[i].id);
        assert_int_equal(before, i);
    }
    assert_int_equal(sampler_tops(x, 3, ENGINE_TOPS, top), 3);
    assert_int_equal(sampler_tops(x, 3, 0, top), 0);
}

static void damaged_logits_are_refused(void **state)
{
    (void)state;
    picked got;
    engine_sampling o = plain(1);
    const float bad[][3] = {
        {1, NAN, 2}, {NAN, 1, 2}, {1, INFINITY, 0}, {-INFINITY, -INFINITY, -INFINITY}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        got = (picked){0};
        assert_false(sampler_pick(&scratch, &K, bad[i], 3, &o, NULL, (engine_bias){0}, 0.5, &got));
    }
    const float some[] = {-INFINITY, 1, -INFINITY};
    assert_int_equal(pick(some, 3, &o, NULL, 0.999).id, 1);
    engine_bias ban = {1, -INFINITY};
    o.bias = &ban, o.n_bias = 1;
    assert_false(sampler_pick(&scratch, &K, some, 3, &o, NULL, (engine_bias){0}, 0.5, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_keep_what_sorting_keeps),
        cmocka_unit_test(boundaries_are_exact),
        cmocka_unit_test(frequencies),
        cmocka_unit_test(penalties_and_bias),
        cmocka_unit_test(tops_are_the_largest),
        cmocka_unit_test(damaged_logits_are_refused),
    };
    return cmocka_run_group_tests(tests, start_kern, end_kern);
}
