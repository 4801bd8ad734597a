/* Every matrix product at every instruction-set level against the scalar reference; with --bench,
 * the same products timed.
 * SPDX-License-Identifier: MIT */
#include "kern/kern.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

static const num_type TYPES[] = {
    NUM_F32, NUM_F16, NUM_BF16, NUM_F8_E4M3, NUM_Q4_0, NUM_Q4_1, NUM_Q5_0, NUM_Q5_1, NUM_Q8_0, NUM_IQ4_NL,
    NUM_Q2_K, NUM_Q3_K, NUM_Q4_K, NUM_Q5_K, NUM_Q6_K, NUM_IQ2_XXS, NUM_IQ2_XS, NUM_IQ2_S, NUM_IQ3_XXS,
    NUM_IQ3_S, NUM_IQ1_S, NUM_IQ1_M, NUM_IQ4_XS,
};
static const char *const LEVELS[] = {"avx2", "avx512", "avx512_vnni", "native"};

static uint64_t draws;
static uint32_t draw(void) { return (uint32_t)rng_u64(11, 0, draws++, RNG_TEST); }
static float draw_float(void) { return (float)((double)draw() * 0x1p-31 - 1.0); }

/* Memory that ends at an unreadable page: a kernel that reads or writes past an operand dies. */
static struct block {
    uint8_t *p, *base;
    size_t bytes;
} blocks[64];

static void *get(size_t bytes)
{
    const size_t page = 4096, all = size_round_up(bytes, page) + page;
    struct block *b = blocks;
    while (b->p) assert_true(++b < blocks + COUNT_OF(blocks));
    b->base = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(b->base != MAP_FAILED);
    madvise(b->base, all, MADV_HUGEPAGE); /* as models have it */
    assert_int_equal(mprotect(b->base + all - page, page, PROT_NONE), 0);
    memset(b->base, 0x5a, all - page);
    b->bytes = all;
    return b->p = b->base + all - page - bytes;
}

static void put_back(void *p)
{
    struct block *b = blocks;
    while (b->p != p) assert_true(++b < blocks + COUNT_OF(blocks));
    munmap(b->base, b->bytes);
    b->p = NULL;
}

/* One random row in the file's form. Formats without an encoder: any bytes are a valid block once the
 * half-precision scale is an ordinary number. */
static void random_row(num_type t, uint8_t *row, size_t row_bytes, size_t K)
{
    const num_info *info = num_info_of(t);
    if (num_can_encode(t)) {
        float *x = malloc(K * sizeof *x);
        for (size_t i = 0; i < K; i++) x[i] = draw_float();
        assert_true(num_encode(t, row, x, K));
        free(x);
        return;
    }
    for (size_t i = 0; i < row_bytes; i++) row[i] = (uint8_t)draw();
    for (size_t b = 0; b < row_bytes; b += info->block_bytes) {
        if (t == NUM_IQ1_M) { /* the scale's nibbles lie on top of four words of scales */
            uint16_t d = num_f32_to_f16(0.01f + fabsf(draw_float()));
            for (int i = 0; i < 4; i++) {
                uint8_t *top = row + b + 48 + 2 * i + 1;
                *top = (uint8_t)((*top & 15) | ((d >> (4 * i)) & 15) << 4);
            }
            continue;
        }
        uint16_t d = num_f32_to_f16(draw_float());
        memcpy(row + b, &d, 2);
    }
}

typedef struct problem {
    num_type type;
    size_t N, M, K, rows, first, panel_bytes;
    uint8_t *w;
    float *x; /* [rows, K] */
} problem;

static problem problem_new(const kern *k, num_type t, size_t N, size_t M, size_t K)
{
    const kern_mm *mm = kern_mm_of(k, t);
    problem p = {.type = t, .N = N, .M = M, .K = K, .first = draw() % 3};
    p.rows = p.first + M + draw() % 3;
    p.panel_bytes = kern_panel_bytes(mm, K);
    p.w = get(kern_panels(N) * p.panel_bytes);
    p.x = get(p.rows * K * sizeof(float));
    for (size_t i = 0; i < p.rows * K; i++) p.x[i] = draw_float() * (draw() % 64 ? 1.0f : 20.0f);
    size_t row_bytes;
    assert_true(num_row_bytes(&row_bytes, t, K));
    uint8_t *rows = get(KERN_ROWS * row_bytes);
    float *scale = get(size_ceil_div(K, 128) * sizeof *scale);
    for (size_t i = 0; i < size_ceil_div(K, 128); i++) scale[i] = draw_float();
    for (size_t n = 0; n < N; n += KERN_ROWS) {
        size_t have = size_min(KERN_ROWS, N - n);
        for (size_t r = 0; r < have; r++) random_row(t, rows + r * row_bytes, row_bytes, K);
        kern_pack(p.w + n / KERN_ROWS * p.panel_bytes, t, rows, row_bytes, have, K, t == NUM_F8_E4M3 ? scale : NULL);
    }
    put_back(rows);
    put_back(scale);
    return p;
}

static void problem_free(problem *p)
{
    put_back(p->w);
    put_back(p->x);
}

/* All of x in the kernel's activation form. */
static void *activation(const kern *k, const problem *p)
{
    enum kern_act act = kern_mm_of(k, p->type)->act;
    void *a = get(kern_act_bytes(act, p->rows, p->K));
    for (size_t m = 0; m < p->rows; m++) k->act[act](a, m, p->rows, p->x + m * p->K, p->K);
    return a;
}

static void multiply(const kern *k, const problem *p, const void *a, float *y, size_t ldy, size_t n0, size_t N,
                     size_t m0, size_t M)
{
    kern_mm_args args = {.y = y + m0 * ldy + n0, .ldy = ldy, .w = p->w + n0 / KERN_ROWS * p->panel_bytes, .x = a,
                         .rows = p->rows, .first = p->first + m0, .N = N, .M = M, .K = p->K};
    kern_mm_of(k, p->type)->mul(&args);
}

/* Sum over columns of what each rounding can see: |scale * q * x| and |min * x|, with an offset's
 * cancelled part. Twice |w| covers the offset forms (q up to twice its distance from the offset is
 * summed exactly in integers); minimums are at most the block's range. */
static double magnitude(const kern *ref, const problem *p, size_t n, size_t m)
{
    float *w = malloc(p->K * sizeof *w);
    uint8_t *row = malloc(p->K * sizeof(float));
    float *scale = malloc(size_ceil_div(p->K, 128) * sizeof *scale);
    bool f8 = p->type == NUM_F8_E4M3;
    kern_unpack(row, f8 ? scale : NULL, p->type, p->w + n / KERN_ROWS * p->panel_bytes, n % KERN_ROWS, p->K);
    ref->decode(p->type, w, row, p->K);
    double sum = 0, top_w = 0, top_x = 0;
    for (size_t k = 0; k < p->K; k++) {
        double wk = fabs((double)w[k]) * (f8 ? fabs((double)scale[k / 128]) : 1);
        double xk = fabs((double)p->x[(p->first + m) * p->K + k]);
        top_w = fmax(top_w, wk);
        top_x = fmax(top_x, xk);
        sum += wk * xk;
    }
    free(w);
    free(row);
    free(scale);
    return sum + 2 * top_w * top_x * (double)p->K / 8;
}

static void compare(const kern *ref, const kern *k, const problem *p)
{
    size_t ldy = p->N + 3;
    void *a = activation(ref, p), *b = activation(k, p);
    enum kern_act act = kern_mm_of(k, p->type)->act;
    assert_int_equal(act, kern_mm_of(ref, p->type)->act);
    assert_memory_equal(a, b, kern_act_bytes(act, p->rows, p->K)); /* quantising is exact */
    float *want = get(p->M * ldy * sizeof *want), *got = get(p->M * ldy * sizeof *got);
    multiply(ref, p, a, want, ldy, 0, p->N, 0, p->M);
    multiply(k, p, b, got, ldy, 0, p->N, 0, p->M);
    for (size_t m = 0; m < p->M; m++) {
        for (size_t n = 0; n < p->N; n++) {
            double bound = ((double)p->K + 8) * 0x1p-23 * magnitude(ref, p, n, m) + 1e-30;
            double diff = fabs((double)got[m * ldy + n] - (double)want[m * ldy + n]);
            if (!(diff <= bound))
                fail_msg("%s at %s: N %zu M %zu K %zu: y[%zu, %zu] = %g, want %g, bound %g", num_info_of(p->type)->name,
                         cpu_level_name(k->cpu), p->N, p->M, p->K, m, n, (double)got[m * ldy + n],
                         (double)want[m * ldy + n], bound);
        }
        for (size_t n = p->N; n < ldy; n++) { /* nothing is written beside the rows */
            uint32_t bits;
            memcpy(&bits, &got[m * ldy + n], 4);
            assert_int_equal(bits, 0x5a5a5a5a);
        }
    }
    /* The law: any cut of rows and columns gives the same bits. */
    float *again = get(p->M * ldy * sizeof *again);
    memset(again, 0x5a, p->M * ldy * sizeof *again);
    for (size_t n = 0; n < p->N;) {
        size_t N = size_min(KERN_ROWS * (1 + draw() % 3), p->N - n);
        for (size_t m = 0; m < p->M;) {
            size_t M = size_min(1 + draw() % 7, p->M - m);
            multiply(k, p, b, again, ldy, n, N, m, M);
            m += M;
        }
        n += N;
    }
    assert_memory_equal(again, got, p->M * ldy * sizeof *again);
    put_back(a);
    put_back(b);
    put_back(want);
    put_back(got);
    put_back(again);
}

static void products_match_the_reference(void **state)
{
    (void)state;
    kern ref;
    kern_init(&ref, 0);
    for (size_t l = 0; l < COUNT_OF(LEVELS); l++) {
        unsigned mask;
        assert_true(cpu_mask_by_name(&mask, LEVELS[l]));
        kern k;
        kern_init(&k, mask);
        for (size_t t = 0; t < COUNT_OF(TYPES); t++) {
            const kern_mm *mm = kern_mm_of(&k, TYPES[t]);
            assert_non_null(mm);
            if (mm->mul == kern_mm_of(&ref, TYPES[t])->mul) continue;
            for (int round = 0; round < 12; round++) {
                size_t unit = mm->block < 4 ? 1 + draw() % 40 : mm->block;
                size_t K = unit * (1 + draw() % (mm->block == 256 ? 4 : 12));
                problem p = problem_new(&ref, TYPES[t], 1 + draw() % 70, 1 + draw() % (round ? 14 : 120), K);
                compare(&ref, &k, &p);
                problem_free(&p);
            }
        }
    }
}

/* Largest magnitudes everywhere: integer sums must not overflow or saturate. */
static void products_survive_extremes(void **state)
{
    (void)state;
    kern ref, k;
    kern_init(&ref, 0);
    for (size_t l = 0; l < COUNT_OF(LEVELS); l++) {
        unsigned mask;
        cpu_mask_by_name(&mask, LEVELS[l]);
        kern_init(&k, mask);
        for (size_t t = 0; t < COUNT_OF(TYPES); t++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                problem p = problem_new(&ref, TYPES[t], 32, 7, 512);
                for (size_t i = 0; i < p.rows * p.K; i++) p.x[i] = (float)sign;
                if (num_info_of(TYPES[t])->block >= 32 && !num_can_encode(TYPES[t])) { /* all bits set but d */
                    problem_free(&p);
                    continue;
                }
                compare(&ref, &k, &p);
                problem_free(&p);
            }
        }
    }
}

static void packing_is_invertible(void **state)
{
    (void)state;
    for (size_t t = 0; t < COUNT_OF(TYPES); t++) {
        kern ref;
        kern_init(&ref, 0);
        const size_t K = 512, N = 21;
        size_t row_bytes;
        assert_true(num_row_bytes(&row_bytes, TYPES[t], K));
        bool f8 = TYPES[t] == NUM_F8_E4M3;
        float scale[4] = {1, 2, 3, 4}, got_scale[4];
        uint8_t *rows = get(N * row_bytes), *back = get(row_bytes);
        uint8_t *panels = get(kern_panels(N) * kern_panel_bytes(kern_mm_of(&ref, TYPES[t]), K));
        for (size_t i = 0; i < N * row_bytes; i++) rows[i] = (uint8_t)draw();
        size_t pb = kern_panel_bytes(kern_mm_of(&ref, TYPES[t]), K);
        for (size_t n = 0; n < N; n += KERN_ROWS)
            kern_pack(panels + n / KERN_ROWS * pb, TYPES[t], rows + n * row_bytes, row_bytes,
                      size_min(KERN_ROWS, N - n), K, f8 ? scale : NULL);
        for (size_t n = 0; n < N; n++) {
            kern_unpack(back, f8 ? got_scale : NULL, TYPES[t], panels + n / KERN_ROWS * pb, n % KERN_ROWS, K);
            assert_memory_equal(back, rows + n * row_bytes, row_bytes);
            if (f8) assert_memory_equal(scale, got_scale, sizeof scale);
        }
        put_back(rows);
        put_back(back);
        put_back(panels);
    }
}

static void bench_one(const kern *k, num_type t, size_t N, size_t K, size_t M)
{
    kern ref;
    kern_init(&ref, 0);
    problem p = problem_new(&ref, t, N, M, K);
    void *a = activation(k, &p);
    float *y = get(M * N * sizeof *y);
    double best = 1e9;
    size_t repeats = 1 + (size_t)(2e8 / ((double)M * (double)N * (double)K));
    for (int run = 0; run < 7; run++) {
        double start = clock_seconds();
        for (size_t i = 0; i < repeats; i++) multiply(k, &p, a, y, N, 0, N, 0, M);
        best = fmin(best, (clock_seconds() - start) / (double)repeats);
    }
    printf("%-8s %-12s N %5zu K %5zu M %4zu  %8.1f Gop/s  %6.1f GB/s\n", num_info_of(t)->name, cpu_level_name(k->cpu), N,
           K, M, 2e-9 * (double)(N * M) * (double)K / best,
           1e-9 * (double)(kern_panels(N) * p.panel_bytes) / best);
    put_back(a);
    put_back(y);
    problem_free(&p);
}

static int bench(const char *want)
{
    kern k;
    kern_init(&k, ~0u);
    for (size_t t = 0; t < COUNT_OF(TYPES); t++) {
        if (want && num_type_by_name(str_of(want)) != TYPES[t]) continue;
        static const size_t M[] = {1, 8, 32, 512};
        for (size_t i = 0; i < COUNT_OF(M); i++) bench_one(&k, TYPES[t], 256, 1536, M[i]);
        bench_one(&k, TYPES[t], 8192, 1536, 1);  /* from the last-level cache */
        bench_one(&k, TYPES[t], 98304, 1536, 1); /* from memory */
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--bench")) return bench(argc > 2 ? argv[2] : NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packing_is_invertible),
        cmocka_unit_test(products_match_the_reference),
        cmocka_unit_test(products_survive_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
