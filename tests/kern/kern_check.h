/* What the kernel checkers share: instruction-set levels, guarded buffers, hostile numbers, timing.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_KERN_CHECK_H
#define TESTS_KERN_CHECK_H

#include "tests/check.h"

#include "kern/kern.h"

#include <math.h>
#include <stdlib.h>

/* The table of a level; false (and the caller skips) when this processor lacks it. */
static inline bool level_table(kern *k, const char *level)
{
    unsigned mask;
    if (!cpu_mask_by_name(&mask, level) || (cpu_features() & mask) != mask) return false;
    kern_init(k, mask);
    return true;
}

/* A test for every level it is given: names are "test level". */
enum { MAX_TESTS = 256 };
typedef struct test_list {
    struct CMUnitTest tests[MAX_TESTS];
    char names[MAX_TESTS][64];
    size_t n;
} test_list;

static inline void test_at(test_list *l, const char *name, CMUnitTestFunction fn, const char *level)
{
    assert_true(l->n < MAX_TESTS);
    snprintf(l->names[l->n], sizeof l->names[0], "%s %s", name, level);
    l->tests[l->n] = (struct CMUnitTest){l->names[l->n], fn, NULL, NULL, (void *)(uintptr_t)level};
    l->n++;
}

static inline int run_list(const char *group, const test_list *l)
{
    return _cmocka_run_group_tests(group, l->tests, l->n, NULL, NULL);
}

/* `n` bytes between guards, `skew` bytes off a 64-byte boundary. */
enum { GUARD = 192, GUARD_BYTE = 0xA5 };
typedef struct guarded {
    uint8_t *base;
    size_t n, skew;
} guarded;

static inline void *guarded_new(guarded *g, size_t n, size_t skew)
{
    size_t all = size_round_up(n + skew + 2 * GUARD, 64);
    *g = (guarded){aligned_alloc(64, all), n, skew};
    assert_non_null(g->base);
    memset(g->base, GUARD_BYTE, all);
    return g->base + GUARD + skew;
}

static inline void guarded_check(const guarded *g)
{
    for (size_t i = 0; i < GUARD + g->skew; i++) assert_int_equal(g->base[i], GUARD_BYTE);
    for (size_t i = 0; i < GUARD; i++)
        assert_int_equal(g->base[GUARD + g->skew + g->n + i], GUARD_BYTE);
}

static inline void guarded_free(guarded *g)
{
    free(g->base);
    g->base = NULL;
}

/* Counted random numbers of one test: number i of sequence s. */
static inline float random_normal(uint64_t s, uint64_t i)
{
    float two[2];
    rng_normal2(two, 1, s, i, RNG_TEST);
    return two[0];
}
static inline size_t random_below(size_t n, uint64_t s, uint64_t i)
{
    return (size_t)rng_below(n, 2, s, i, RNG_TEST);
}

/* Same bits, or both no number. */
static inline bool same_float(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Seconds of one call: the best of many batches short enough to fall between interruptions. */
typedef void bench_fn(void *arg);
static inline double bench_seconds(bench_fn *fn, void *arg)
{
    double best = INFINITY;
    size_t calls = 1;
    for (int round = 0; round < 300;) {
        double start = clock_seconds();
        for (size_t i = 0; i < calls; i++) fn(arg);
        double took = clock_seconds() - start;
        if (took < 3e-4) {
            calls *= 2;
            continue;
        }
        if (took / (double)calls < best) best = took / (double)calls;
        round++;
    }
    return best;
}

#endif
