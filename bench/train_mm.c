/* Speed of the products of training: y = x W^T, dx = dy W and dW += dy^T x, without packing W.
 * SPDX-License-Identifier: MIT
 *
 * Usage: train_mm [f32|bf16] [THREADS] [ROUNDS] [ROWS]; ROWS: of each shape at most. Activations come and go as
 * F32, as in a step: bringing them into the form the product reads, and both operands of dW into panels, counts.
 * Medians. */
#include "ops/ops.h"

#include <stdlib.h>
#include <time.h>

static const struct {
    size_t T, N, K;
} SHAPES[] = {
    {8192, 256, 256}, {8192, 688, 256}, {8192, 256, 688}, {8192, 512, 256}, {8192, 768, 256}, {2048, 768, 768},
    {2048, 2048, 768}, {2048, 768, 2048}, {512, 32000, 768},
};
enum { MOST_ROUNDS = 101 };

struct bench {
    ops o;
    arena all, scratch;
    ops_weight w, back;
    float *x, *y, *dx;
    size_t T;
};

static double seconds(const struct bench *b)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return ((double)t.tv_sec + 1e-9 * (double)t.tv_nsec) / pool_threads(b->o.pool);
}

static float *numbers(arena *a, size_t n, float scale)
{
    float *x = arena_new(a, float, n);
    for (size_t i = 0; i < n; i++)
        x[i] = scale * ((float)rng_below(2001, 1, 0, i, RNG_DATA) / 1000.0f - 1.0f);
    return x;
}

static ops_weight weight(struct bench *b, num_type t, size_t N, size_t K)
{
    size_t bytes;
    ops_weight_bytes(&bytes, b->o.k, t, N, K, 1);
    return ops_weight_at(b->o.k, t, N, K, 1, memset(arena_alloc(&b->all, bytes), 0, bytes));
}

static void forward(struct bench *b)
{
    ops_linear(&b->o, &(ops_input){.x = b->x, .ldx = b->w.K}, b->T,
               (ops_product[]){{.w = &b->w, .y = b->y, .ldy = b->w.N}}, 1);
}

static void input_back(struct bench *b)
{
    ops_linear(&b->o, &(ops_input){.x = b->y, .ldx = b->w.N}, b->T,
               (ops_product[]){{.w = &b->back, .y = b->dx, .ldy = b->w.K}}, 1);
}

static void weight_back(struct bench *b)
{
    const ops_weight *w = &b->w;
    ops_linear_back(&b->o, &(ops_back){.w = &w, .n = 1, .T = b->T, .in = {.x = b->x, .ldx = w->K},
                                       .dy = b->y, .lddy = w->N});
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double rate(struct bench *b, void (*fn)(struct bench *), int rounds)
{
    double t[MOST_ROUNDS];
    fn(b);
    for (int i = 0; i < rounds; i++) {
        double start = seconds(b);
        fn(b);
        t[i] = seconds(b) - start;
    }
    qsort(t, (size_t)rounds, sizeof *t, by_size);
    return 2e-9 * (double)b->T * (double)b->w.N * (double)b->w.K / t[rounds / 2];
}

int main(int argc, char **argv)
{
    num_type type = argc > 1 && !strcmp(argv[1], "bf16") ? NUM_BF16 : NUM_F32;
    int threads = argc > 2 ? atoi(argv[2]) : cpu_cores(), rounds = argc > 3 ? atoi(argv[3]) : 9;
    const size_t most = argc > 4 && atoi(argv[4]) > 0 ? (size_t)atoi(argv[4]) : SIZE_MAX;
    if (rounds < 1 || rounds > MOST_ROUNDS) rounds = MOST_ROUNDS;
    ponder_error err = {0};
    static kern k;
    kern_init(&k, ~0u);
    struct bench b = {.o = {.k = &k, .scratch = &b.scratch}};
    if (pool_open(&b.o.pool, threads, &err) != PONDER_OK || arena_open(&b.all, (size_t)1 << 30, &err) != PONDER_OK ||
        arena_open(&b.scratch, (size_t)1 << 30, &err) != PONDER_OK) {
        fprintf(stderr, "train_mm: %s\n", err.message);
        return 1;
    }
    printf("%5s %5s %5s  %8s %8s %8s GFLOP/s\n", "T", "N", "K", "y", "dx", "dW");
    for (size_t i = 0; i < COUNT_OF(SHAPES); i++) {
        size_t N = SHAPES[i].N, K = SHAPES[i].K;
        arena_reset(&b.all, 0);
        b.T = size_min(SHAPES[i].T, most);
        b.w = weight(&b, type, N, K);
        b.back = weight(&b, type, K, N);
        float *rows = numbers(&b.all, N * K, 0.1f);
        ops_weight_pack_back(&b.w, &k, 0, 0, K, rows); /* of some matrix; which one does not matter */
        b.w.grad = numbers(&b.all, N * K, 0);
        ops_weight_pack_back(&b.back, &k, 0, 0, N, rows);
        b.x = numbers(&b.all, b.T * K, 1);
        b.y = numbers(&b.all, b.T * N, 1);
        b.dx = arena_new(&b.all, float, b.T * K);
        printf("%5zu %5zu %5zu", b.T, N, K);
        printf("  %8.1f", rate(&b, forward, rounds));
        printf(" %8.1f", rate(&b, input_back, rounds));
        printf(" %8.1f\n", rate(&b, weight_back, rounds));
        fflush(stdout);
    }
    arena_close(&b.all);
    arena_close(&b.scratch);
    pool_close(b.o.pool);
    return 0;
}
