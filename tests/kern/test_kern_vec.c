/* Every variant of the vector kernels against the reference or, where it rounds differently,
 * against doubles. With --bench: the time of each. SPDX-License-Identifier: MIT */
#include "tests/kern/kern_check.h"

#include <float.h>

static const double U = 0x1p-24;     /* half a unit in the last place, relative */
static const double TINY = 0x1p-149; /* smallest float: what gradual underflow may lose */

/* Ordinary numbers, with hostile ones strewn in when asked. */
static void fill(float *x, size_t n, uint64_t seed, bool hostile)
{
    static const float odd[] = {0.0f,    -0.0f,    1e-42f,   -1e-42f,   FLT_MIN,
                                FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN,
                                1e30f,   -1e-30f,  88.9f,    -88.9f,    -104.5f};
    for (size_t i = 0; i < n; i++) {
        x[i] = 3 * random_normal(seed, i);
        if (hostile && random_below(4, seed, i) == 0)
            x[i] = odd[random_below(COUNT_OF(odd), seed + 1, i)];
    }
}

/* Shapes: every short length at every skew, then some long ones. */
enum { SHAPES = 4 * 70 + 8, LONGEST = 7168 };
static size_t shape(size_t i, size_t *skew)
{
    static const size_t lengths[] = {128, 255, 576, 1000, 1536, 4097, 7167, LONGEST};
    *skew = 4 * (i % 4);
    return i < 4 * 70 ? 1 + i / 4 : lengths[i - 4 * 70];
}

/* The three operands of a case; y is guarded, and before the call a copy of it is in y0. */
typedef struct operands {
    guarded g[3];
    float *y, *a, *b, *y0;
    size_t n;
} operands;

static void operands_open(operands *o, size_t i, bool hostile)
{
    size_t skew;
    o->n = shape(i, &skew);
    o->y = guarded_new(&o->g[0], o->n * 4, skew);
    o->a = guarded_new(&o->g[1], o->n * 4, (skew + 4) % 16);
    o->b = guarded_new(&o->g[2], o->n * 4, (skew + 8) % 16);
    o->y0 = malloc(o->n * 4);
    fill(o->y, o->n, 10 * i, hostile);
    fill(o->a, o->n, 10 * i + 3, hostile);
    fill(o->b, o->n, 10 * i + 6, hostile);
    memcpy(o->y0, o->y, o->n * 4);
}

static void operands_close(operands *o)
{
    for (int i = 0; i < 3; i++) {
        guarded_check(&o->g[i]);
        guarded_free(&o->g[i]);
    }
    free(o->y0);
}

static void check_same(const operands *o, const float *want)
{
    for (size_t i = 0; i < o->n; i++)
        if (!same_float(o->y[i], want[i]))
            fail_msg("n %zu: y[%zu] is %a, the reference says %a", o->n, i, (double)o->y[i],
                     (double)want[i]);
}

#define TABLES(k, ref, state)                                                                      \
    kern k, ref;                                                                                   \
    if (!level_table(&k, *(state))) skip();                                                        \
    kern_init(&ref, 0)

/* add, axpy, scale and the rotations round as the reference does, whatever the numbers. */
static void exact_kernels(void **state)
{
    TABLES(k, ref, state);
    for (size_t i = 0; i < 2 * SHAPES; i++) {
        for (int which = 0; which < 5; which++) {
            operands o;
            operands_open(&o, i / 2, i % 2);
            const kern *table[2] = {&ref, &k};
            float *y[2] = {o.y0, o.y};
            size_t n = which < 3 ? o.n : o.n & ~(size_t)1;
            for (int t = 0; t < 2; t++) {
                switch (which) {
                case 0: table[t]->add(y[t], o.a, n); break;
                case 1: table[t]->axpy(y[t], 0.37f, o.a, n); break;
                case 2: table[t]->scale(y[t], -1.7f, n); break;
                case 3: table[t]->rope_pairs(y[t], o.a, o.b, n); break;
                case 4: table[t]->rope_halves(y[t], o.a, o.b, n); break;
                }
            }
            check_same(&o, o.y0);
            operands_close(&o);
        }
    }
}

/* r: one rounding; x * r * g: two; the sum in double is n 2^-53 off at most. */
static void rms_norm(void **state)
{
    TABLES(k, ref, state);
    for (size_t i = 0; i < SHAPES; i++) {
        operands o;
        operands_open(&o, i, false);
        if (i % 3 == 1) k.scale(o.a, 1e-20f, o.n);
        if (i % 3 == 2) k.scale(o.a, 1e18f, o.n);
        double sum = 0, eps = (double)1e-6f;
        for (size_t j = 0; j < o.n; j++) sum += (double)o.a[j] * (double)o.a[j];
        double r = 1 / sqrt(sum / (double)o.n + eps);
        k.rms_norm(o.y, o.a, o.b, o.n, 1e-6f);
        for (size_t j = 0; j < o.n; j++) {
            double want = (double)o.a[j] * r * (double)o.b[j];
            double bound = (3.001 * U + (double)o.n * 0x1p-53) * fabs(want) + 2 * TINY;
            assert_true(fabs((double)o.y[j] - want) <= bound);
        }
        memcpy(o.y0, o.y, o.n * 4);
        memcpy(o.y, o.a, o.n * 4);
        k.rms_norm(o.y, o.y, o.b, o.n, 1e-6f); /* in place */
        check_same(&o, o.y0);
        operands_close(&o);
    }
}

/* exp to 2 ulp (4 U), the sum and the products one rounding each: in all below 9 U; what underflow
 * takes from exp (below 2^-126) is multiplied by |gate| <= 104 and |up|. Beyond that both are zero.
 */
static void silu_mul(void **state)
{
    TABLES(k, ref, state);
    for (size_t i = 0; i < 2 * SHAPES; i++) {
        operands o;
        operands_open(&o, i / 2, i % 2);
        for (size_t j = 0; j < o.n; j++) o.a[j] *= 10;
        k.silu_mul(o.y, o.a, o.b, o.n);
        for (size_t j = 0; j < o.n; j++) {
            double g = o.a[j], u = o.b[j], want = g / (1 + exp(-g)) * u;
            if (!isfinite(g) ||
                !isfinite(u)) { /* where the reference's exp(-g) does not overflow */
                float same;
                ref.silu_mul(&same, &o.a[j], &o.b[j], 1);
                if (!(g < -88 && isfinite(g))) assert_true(same_float(o.y[j], same));
                continue;
            }
            double bound = 9 * U * fabs(want) + 0x1p-126 * 104 * fabs(u) * 4 * U + 2 * TINY;
            if (fabs(want) > (double)FLT_MAX * (1 - 9 * U)) continue; /* may round to infinity */
            if (!(fabs((double)o.y[j] - want) <= bound))
                fail_msg("silu(%a) * %a = %a, not %a", g, u, (double)o.y[j], want);
        }
        for (int alias = 0; alias < 2; alias++) { /* y may be either operand; any n, same value */
            memcpy(o.y0, alias ? o.b : o.a, o.n * 4);
            for (size_t j = 0; j < o.n; j++)
                k.silu_mul(o.y0 + j, alias ? o.a + j : o.y0 + j, alias ? o.y0 + j : o.b + j, 1);
            check_same(&o, o.y0);
        }
        operands_close(&o);
    }
}

static double ulp(double x)
{
    int e;
    frexp(x, &e);
    return ldexp(1, e - 24 < -149 ? -149 : e - 24);
}

static void exp_is_within_two_ulp(void **state)
{
    TABLES(k, ref, state);
    float x[61], y[61];
    double worst = 0;
    for (uint32_t u = 0x80000000; u < 0xC2F00000;) { /* -0 to -120 */
        for (size_t i = 0; i < COUNT_OF(x); i++, u += 1009) memcpy(&x[i], &u, 4);
        k.exp(y, x, COUNT_OF(x));
        for (size_t i = 0; i < COUNT_OF(x); i++) {
            double want = exp((double)x[i]), off = fabs((double)y[i] - want) / ulp(want);
            worst = fmax(worst, off);
            if (!(off <= 2)) fail_msg("exp(%a) = %a, not %a", (double)x[i], (double)y[i], want);
        }
    }
    const float in[] = {0.0f, -0.0f, -104.0f, -1e30f, -FLT_MAX, -INFINITY, NAN};
    const float out[] = {1, 1, 0, 0, 0, 0, NAN};
    for (size_t i = 0; i < COUNT_OF(in); i++) {
        k.exp(y, in + i, 1);
        assert_true(same_float(y[0], out[i]));
    }
    print_message("# exp: %.3f ulp at worst\n", worst);
}

static void exp_of_any_length(void **state)
{
    TABLES(k, ref, state);
    for (size_t i = 0; i < SHAPES; i++) {
        operands o;
        operands_open(&o, i, false);
        for (size_t j = 0; j < o.n; j++) {
            o.a[j] = -fabsf(o.a[j]);
            k.exp(o.y0 + j, o.a + j, 1);
        }
        k.exp(o.y, o.a, o.n);
        check_same(&o, o.y0);
        memcpy(o.y, o.a, o.n * 4);
        k.exp(o.y, o.y, o.n); /* in place */
        check_same(&o, o.y0);
        operands_close(&o);
    }
}

/* The largest number; NaN does not count unless there is nothing else. */
static void max_of_any(void **state)
{
    TABLES(k, ref, state);
    for (size_t i = 0; i < 2 * SHAPES; i++) {
        operands o;
        operands_open(&o, i / 2, i % 2);
        o.a[random_below(o.n, 77, i)] = i % 3 ? -1 : 1e20f;
        float got = k.max(o.a, o.n), want = ref.max(o.a, o.n);
        assert_true(got == want);
        operands_close(&o);
    }
}

/* Each exp to 2 ulp (4 U relative, or 2 TINY), the additions n 2^-53. */
static void sum_exp(void **state)
{
    TABLES(k, ref, state);
    for (size_t i = 0; i < SHAPES; i++) {
        operands o;
        operands_open(&o, i, false);
        if (i % 2) k.scale(o.a, 20, o.n);
        if (i % 5 == 0) o.a[o.n - 1] = -INFINITY;
        float top = ref.max(o.a, o.n);
        if (top == -INFINITY) top = 0;
        double want = ref.sum_exp(o.a, o.n, top), got = k.sum_exp(o.a, o.n, top);
        double bound = (4 * U + (double)o.n * 0x1p-53) * want + 2 * TINY * (double)o.n;
        assert_true(fabs(got - want) <= bound);
        operands_close(&o);
    }
}

/* ---- timing
 * -------------------------------------------------------------------------------------- */

enum { BENCH_N = 4096 };
typedef struct bench {
    kern k;
    int which;
    float *y, *a, *b;
    double sink;
} bench;

static const struct {
    const char *name;
    double vectors; /* numbers read and written per element */
} BENCHES[] = {{"rms_norm", 4}, {"silu_mul", 3}, {"add", 3}, {"axpy", 3},       {"scale", 2},
               {"max", 1},      {"sum_exp", 1},  {"exp", 2}, {"rope_pairs", 3}, {"rope_halves", 3}};

static void bench_one(void *arg)
{
    bench *b = arg;
    switch (b->which) {
    case 0: b->k.rms_norm(b->y, b->a, b->b, BENCH_N, 1e-6f); break;
    case 1: b->k.silu_mul(b->y, b->a, b->b, BENCH_N); break;
    case 2: b->k.add(b->y, b->a, BENCH_N); break;
    case 3: b->k.axpy(b->y, 0.0f, b->a, BENCH_N); break;
    case 4: b->k.scale(b->y, 1.0f, BENCH_N); break;
    case 5: b->sink += (double)b->k.max(b->a, BENCH_N); break;
    case 6: b->sink += b->k.sum_exp(b->a, BENCH_N, 10); break;
    case 7: b->k.exp(b->y, b->b, BENCH_N); break;
    case 8: b->k.rope_pairs(b->y, b->a, b->b, BENCH_N); break;
    case 9: b->k.rope_halves(b->y, b->a, b->b, BENCH_N); break;
    }
}

static void run_bench(void)
{
    static const char *const levels[] = {"ref", "avx2", "avx512"};
    bench b = {.which = 0};
    guarded g[3];
    b.y = guarded_new(&g[0], BENCH_N * 4, 0);
    b.a = guarded_new(&g[1], BENCH_N * 4, 0);
    b.b = guarded_new(&g[2], BENCH_N * 4, 0);
    for (size_t l = 0; l < COUNT_OF(levels); l++) {
        if (!level_table(&b.k, levels[l])) continue;
        for (b.which = 0; b.which < (int)COUNT_OF(BENCHES); b.which++) {
            for (size_t i = 0; i < BENCH_N; i++) {
                b.y[i] = 0;
                b.a[i] = random_normal(1, i);
                b.b[i] = -fabsf(b.a[i]);
            }
            double s = bench_seconds(bench_one, &b);
            printf("%-12s %-7s %7.3f ns/element %7.1f GB/s\n", BENCHES[b.which].name, levels[l],
                   s * 1e9 / BENCH_N, BENCHES[b.which].vectors * 4 * BENCH_N / s / 1e9);
        }
    }
    for (int i = 0; i < 3; i++) guarded_free(&g[i]);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) return run_bench(), 0;
    static const char *const levels[] = {"ref", "avx2", "avx512"};
    static test_list list;
    for (size_t l = 0; l < COUNT_OF(levels); l++) {
        if (l > 0) test_at(&list, "add, axpy, scale, rope", exact_kernels, levels[l]);
        test_at(&list, "rms_norm", rms_norm, levels[l]);
        if (l > 0) test_at(&list, "silu_mul", silu_mul, levels[l]);
        test_at(&list, "exp within 2 ulp", exp_is_within_two_ulp, levels[l]);
        test_at(&list, "exp of any length", exp_of_any_length, levels[l]);
        if (l > 0) test_at(&list, "max", max_of_any, levels[l]);
        test_at(&list, "sum_exp", sum_exp, levels[l]);
    }
    return run_list("vector kernels", &list);
}
