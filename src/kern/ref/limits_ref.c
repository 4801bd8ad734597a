/* What the machine can do at most, in plain C: reading memory, multiplying bytes and halves.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

/* Four independent sums keep the loads in flight whatever the compiler makes of it. */
static uint64_t read_memory(const void *p, size_t bytes)
{
    const uint64_t *w = p;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 4 <= bytes / 8; i += 4) {
        a += w[i];
        b += w[i + 1];
        c += w[i + 2];
        d += w[i + 3];
    }
    return a + b + c + d;
}

static double burn_int8(size_t rounds)
{
    volatile int32_t sink;
    int32_t sum[4] = {0};
    for (size_t i = 0; i < rounds; i++)
        for (int j = 0; j < 4; j++) sum[j] += (int8_t)i * (int8_t)(i + (size_t)j);
    sink = sum[0] + sum[1] + sum[2] + sum[3];
    (void)sink;
    return 8.0 * (double)rounds;
}

static double burn_float(size_t rounds)
{
    volatile float sink;
    float sum[4] = {0}, x = 0.999f;
    for (size_t i = 0; i < rounds; i++)
        for (int j = 0; j < 4; j++) sum[j] = sum[j] * x + 1.0f;
    sink = sum[0] + sum[1] + sum[2] + sum[3];
    (void)sink;
    return 8.0 * (double)rounds;
}

void kern_init_limits_ref(kern *k)
{
    k->read_memory = read_memory;
    k->burn_int8 = burn_int8;
    k->burn_bf16 = burn_float;
    k->burn_f32 = burn_float;
}
