/* What tests of operators share: the best kernels, three threads, scratch, and random numbers.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_OPS_FIXTURE_H
#define TESTS_OPS_FIXTURE_H

#include "ops/ops.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

static kern table;
static pool *threads;
static arena scratch;
static ops o;

static inline int open_all(void **state)
{
    (void)state;
    ponder_error err = {0};
    kern_init(&table, ~0u);
    check_ok(pool_open(&threads, 3, &err));
    check_ok(arena_open(&scratch, 64 << 20, &err));
    o = (ops){&table, threads, &scratch};
    return 0;
}

static inline int close_all(void **state)
{
    (void)state;
    arena_close(&scratch);
    pool_close(threads);
    return 0;
}

static inline float *random_floats(size_t n, uint64_t stream)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        float pair[2];
        rng_normal2(pair, 1, stream, i, RNG_TEST);
        x[i] = pair[0];
    }
    return x;
}

#endif
