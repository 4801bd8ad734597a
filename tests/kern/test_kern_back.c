/* What training asks of kernels: products of lanes, sums added to, packing of transposes, gradients of
 * vector kernels, rounding to E4M3. Every level against doubles or, bit for bit, against other ways.
 * SPDX-License-Identifier: MIT */
#include "tests/kern/kern_check.h"

static void fill(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) x[i] = random_normal(seed, i);
}

static float *floats(guarded *g, size_t n, uint64_t seed)
{
    float *x = guarded_new(g, n * sizeof *x, 0);
    fill(x, n, seed);
    return x;
}

#define TABLE(k, state)                                                                            \
    kern k;                                                                                        \
    if (!strcmp(*(state), "native")) kern_init(&k, ~0u);                                           \
    else if (!level_table(&k, *(state))) skip()

/* ---- products ---------------------------------------------------------------------------------------- */

/* x [T, n] as lanes: panel after panel, or row after row. */
static kern_lanes lanes_of(const kern *k, guarded *g, num_type t, const float *x, size_t T, size_t n, bool rows)
{
    const kern_mm *mm = kern_mm_of(k, t);
    size_t units = size_ceil_div(T, mm->block), bytes = units * kern_panels(n) * KERN_LINE;
    kern_lanes all = {.at = guarded_new(g, bytes, 0), .panel = units * KERN_LINE, .step = KERN_LINE};
    if (rows) all = (kern_lanes){all.at, KERN_LINE, kern_panels(n) * KERN_LINE};
    for (size_t r = 0; r < T; r += KERN_ROWS) {
        kern_lanes to = {(uint8_t *)all.at + r / mm->block * all.step, all.panel, all.step};
        k->lanes[mm->act](&to, x + r * n, n, size_min(KERN_ROWS, T - r), n);
    }
    return all;
}

/* Rows of x^T, as products with rows want them. */
static void *rows_of(const kern *k, guarded *g, num_type t, const float *x, size_t T, size_t n)
{
    const kern_mm *mm = kern_mm_of(k, t);
    void *rows = guarded_new(g, kern_act_bytes(mm->act, n, T), 0);
    float *row = malloc(T * sizeof *row);
    assert_non_null(row);
    for (size_t i = 0; i < n; i++) {
        for (size_t r = 0; r < T; r++) row[r] = x[r * n + i];
        k->act[mm->act](rows, i, n, row, T);
    }
    free(row);
    return rows;
}

/* a^T b of a [T, M] and b [T, N]: columns give the bits that rows give, in any cut and layout; and near the truth. */
static void check_lanes(const kern *k, num_type t, size_t T, size_t M, size_t N, uint64_t seed)
{
    guarded g[7];
    const kern_mm *mm = kern_mm_of(k, t);
    float *a = floats(&g[0], T * M, seed), *b = floats(&g[1], T * N, seed + 1);
    kern_lanes columns = lanes_of(k, &g[2], t, a, T, M, true);
    void *rows = rows_of(k, &g[3], t, a, T, M);
    kern_lanes packed = lanes_of(k, &g[4], t, b, T, N, false), standing = lanes_of(k, &g[6], t, b, T, N, true);
    size_t ldy = N + 3;
    float *want = malloc(M * ldy * sizeof *want), *got = guarded_new(&g[5], M * ldy * sizeof *got, 0);
    assert_non_null(want);
    fill(want, M * ldy, seed + 2);
    memcpy(got, want, M * ldy * sizeof *got);
    kern_mm_args x = {.y = want, .ldy = ldy, .w = packed.at, .x = rows, .rows = M, .N = N, .M = M, .K = T};
    mm->mul(&x);
    double bound = (double)T * 0x1p-23 + (t == NUM_BF16 ? 0x1p-7 : 0);
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double sum = 0, size = 0;
            for (size_t r = 0; r < T; r++) {
                sum += (double)a[r * M + m] * (double)b[r * N + n];
                size += fabs((double)a[r * M + m] * (double)b[r * N + n]);
            }
            assert_true(fabs((double)want[m * ldy + n] - sum) <= bound * size);
        }
    for (size_t m = 0, some; m < M; m += some) {
        some = size_min(1 + random_below(20, seed, m), M - m);
        const kern_lanes *w = random_below(2, seed + 3, m) ? &packed : &standing;
        bool as_rows = random_below(3, seed + 4, m) == 0;
        kern_mm_args y = {.y = got + m * ldy, .ldy = ldy, .w = w->at, .x = as_rows ? rows : columns.at, .rows = M,
                          .first = m, .N = N, .M = some, .K = T, .w_panel = w->panel, .w_step = w->step,
                          .x_step = as_rows ? 0 : columns.step};
        mm->mul(&y);
    }
    assert_memory_equal(got, want, M * ldy * sizeof *got);
    /* twice: the second time added */
    kern_mm_args again = x;
    again.add = true;
    mm->mul(&again);
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++)
            assert_true(fabs((double)want[m * ldy + n] - 2 * (double)got[m * ldy + n]) <=
                        (double)T * 0x1p-22 * (double)T);
    free(want);
    for (int i = 0; i < 7; i++) {
        guarded_check(&g[i]);
        guarded_free(&g[i]);
    }
}

static void products_of_lanes(void **state)
{
    TABLE(k, state);
    for (uint64_t i = 0; i < 40; i++) {
        size_t T = i == 0 ? 1100 : 1 + random_below(70, 1, i), M = 1 + random_below(70, 2, i);
        size_t N = 1 + random_below(90, 3, i);
        check_lanes(&k, NUM_F32, T, M, N, 10 * i);
        check_lanes(&k, NUM_BF16, T, M, N, 10 * i + 5);
    }
}

/* A sum in two parts is the sum in one; a matrix's rows are lanes and columns as they stand; panels may be
 * part of longer ones. Of the levels that round after each term. */
static void sums_in_parts(void **state)
{
    TABLE(k, state);
    enum { T = 96, CUT = 38, M = 40, N = 64 };
    guarded g[3];
    float *a = floats(&g[0], T * M, 1), *b = floats(&g[1], T * N, 2), whole[M * N], parts[M * N];
    kern_lanes w = lanes_of(&k, &g[2], NUM_F32, b, T, N, false);
    const kern_mm *mm = kern_mm_of(&k, NUM_F32);
    kern_mm_args x = {.y = whole, .ldy = N, .w = b, .x = a, .rows = M, .N = N, .M = M, .K = T, .w_panel = KERN_LINE,
                      .w_step = N * 4, .x_step = M * 4};
    mm->mul(&x);
    for (int part = 0; part < 2; part++) {
        size_t at = part ? CUT : 0;
        kern_mm_args y = {.y = parts, .ldy = N, .w = (uint8_t *)w.at + at * KERN_LINE, .x = a + at * M, .rows = M,
                          .N = N, .M = M, .K = part ? T - CUT : CUT, .add = part, .w_panel = w.panel, .x_step = M * 4};
        mm->mul(&y);
    }
    assert_memory_equal(whole, parts, sizeof whole);
    for (int i = 0; i < 3; i++) guarded_free(&g[i]);
}

/* Lanes of rows are what packing the transpose gives. */
static void lanes_are_panels(void **state)
{
    TABLE(k, state);
    for (uint64_t i = 0; i < 30; i++) {
        size_t T = 1 + random_below(50, 4, i), n = 1 + random_below(50, 5, i);
        for (int bf16 = 0; bf16 < 2; bf16++) {
            num_type t = bf16 ? NUM_BF16 : NUM_F32;
            guarded g[2];
            float *x = floats(&g[0], T * n, i), row[64];
            uint8_t *got = lanes_of(&k, &g[1], t, x, T, n, false).at;
            size_t bytes = kern_panel_bytes(kern_mm_of(&k, t), T), row_bytes = 256;
            uint8_t *rows = calloc(KERN_ROWS, row_bytes), *want = malloc(bytes);
            assert_true(rows && want);
            for (size_t p = 0; p < kern_panels(n); p++) {
                size_t have = size_min(KERN_ROWS, n - p * KERN_ROWS);
                for (size_t r = 0; r < have; r++) {
                    for (size_t c = 0; c < T; c++) row[c] = x[c * n + p * KERN_ROWS + r];
                    assert_true(num_encode(t, rows + r * row_bytes, row, T));
                }
                kern_pack(want, t, rows, row_bytes, have, T, NULL);
                assert_memory_equal(got + p * bytes, want, bytes);
            }
            free(rows), free(want);
            guarded_check(&g[1]);
            guarded_free(&g[0]), guarded_free(&g[1]);
        }
    }
}

/* Interleaving is packing. */
static void interleaving(void **state)
{
    TABLE(k, state);
    for (uint64_t i = 0; i < 40; i++) {
        size_t n = i < 16 ? i + 1 : KERN_ROWS, units = 1 + random_below(50, 7, i);
        guarded g[2];
        float *x = floats(&g[0], n * units, i);
        uint8_t *got = guarded_new(&g[1], units * 64, 0), want[64 * 64];
        k.interleave(got, x, units * 4, n, units);
        kern_pack(want, NUM_F32, x, units * 4, n, units, NULL);
        assert_memory_equal(got, want, units * 64);
        for (int a = 0; a < 2; a++) guarded_check(&g[a]), guarded_free(&g[a]);
    }
}

/* ---- vectors ------------------------------------------------------------------------------------------- */

enum { LENGTHS = 40 };
static size_t length_of(size_t i) { return i < 36 ? i + 1 : 36 * (i - 34) + 7; }

static void near(double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound)) fail_msg("%.9g, want %.9g within %.2g", got, want, bound);
}

static void softmax_and_back(void **state)
{
    TABLE(k, state);
    for (size_t i = 0; i < LENGTHS; i++) {
        size_t n = length_of(i);
        guarded g[3];
        float *x = floats(&g[0], n, i), *y = floats(&g[1], n, i + 50), *d = floats(&g[2], n, i + 100);
        double p[256], sum = 0, mean = 0, grad[256];
        for (size_t j = 0; j < n; j++) sum += p[j] = exp(0.7 * (double)x[j]);
        for (size_t j = 0; j < n; j++) mean += (p[j] /= sum) * (double)d[j];
        k.softmax(y, 0.7f, x, n);
        for (size_t j = 0; j < n; j++) near((double)y[j], p[j], p[j] * 4e-6 + 1e-30);
        for (size_t j = 0; j < n; j++) grad[j] = 0.7 * p[j] * ((double)d[j] - mean);
        k.softmax_back(d, 0.7f, y, n);
        for (size_t j = 0; j < n; j++) near((double)d[j], grad[j], p[j] * 1e-5 + 1e-30);
        k.softmax(x, 0.7f, x, n); /* in place, the same */
        assert_memory_equal(x, y, n * sizeof *x);
        for (int a = 0; a < 3; a++) guarded_check(&g[a]), guarded_free(&g[a]);
    }
}

static void norm_back(void **state)
{
    TABLE(k, state);
    for (size_t i = 0; i < LENGTHS; i++) {
        size_t n = length_of(i);
        guarded g[5];
        float *x = floats(&g[0], n, i), *gain = floats(&g[1], n, i + 1), *dy = floats(&g[2], n, i + 2);
        float *dx = floats(&g[3], n, i + 3), *dg = floats(&g[4], n, i + 4);
        double sum = 0, along = 0, want[256], wantg[256];
        for (size_t j = 0; j < n; j++) {
            sum += (double)x[j] * (double)x[j];
            along += (double)x[j] * (double)gain[j] * (double)dy[j];
        }
        double r = 1 / sqrt(sum / (double)n + (double)1e-5f);
        for (size_t j = 0; j < n; j++) {
            wantg[j] = (double)dg[j] + (double)dy[j] * (double)x[j] * r;
            want[j] = (double)dx[j] + r * (double)gain[j] * (double)dy[j] - (double)x[j] * r * r * r * along / (double)n;
        }
        k.rms_norm_back(dx, dg, x, gain, dy, n, 1e-5f);
        for (size_t j = 0; j < n; j++) {
            near((double)dx[j], want[j], 3e-5 * (1 + r));
            near((double)dg[j], wantg[j], 1e-5 * (1 + r));
        }
        for (int a = 0; a < 5; a++) guarded_check(&g[a]), guarded_free(&g[a]);
    }
}

static void swiglu_back(void **state)
{
    TABLE(k, state);
    for (size_t i = 0; i < LENGTHS; i++) {
        size_t n = length_of(i);
        guarded g[5];
        float *gate = floats(&g[0], n, i), *up = floats(&g[1], n, i + 1), *dy = floats(&g[2], n, i + 2);
        float *dgate = floats(&g[3], n, i + 3), *dup = floats(&g[4], n, i + 4);
        k.scale(gate, i % 2 ? 3.0f : 40.0f, n); /* far into both ends, too */
        k.silu_mul_back(dgate, dup, gate, up, dy, n);
        for (size_t j = 0; j < n; j++) {
            double x = (double)gate[j], s = 1 / (1 + exp(-x)), d = (double)dy[j], u = (double)up[j];
            near((double)dup[j], d * x * s, 1e-6 * fabs(d * x * s) + 1e-30);
            near((double)dgate[j], d * u * s * (1 + x * (1 - s)), 2e-6 * fabs(d * u) * s * (1 + fabs(x) * (1 - s)) + 1e-30);
        }
        for (int a = 0; a < 5; a++) guarded_check(&g[a]), guarded_free(&g[a]);
    }
}

static void sums_and_maxima(void **state)
{
    TABLE(k, state);
    for (size_t i = 0; i < LENGTHS; i++) {
        size_t n = length_of(i);
        guarded g[2];
        float *x = floats(&g[0], n, i), *y = floats(&g[1], n, i + 1), top = 0;
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            sum += (double)x[j] * (double)y[j];
            top = fmaxf(top, fabsf(x[j]));
        }
        near(k.dot(x, y, n), sum, 1e-12);
        assert_true(k.max_abs(x, n) == top);
        x[n / 2] = NAN;
        assert_true(isnan(k.dot(x, y, n)));
        for (int a = 0; a < 2; a++) guarded_check(&g[a]), guarded_free(&g[a]);
    }
}

/* ---- E4M3 ------------------------------------------------------------------------------------------------ */

/* The nearest of all 256 numbers times the scale. */
static void rounding_to_e4m3(void **state)
{
    TABLE(k, state);
    for (int e = -80; e <= 40; e += 3) {
        float x[160], y[160], top = 0;
        for (size_t i = 0; i < COUNT_OF(x); i++) {
            x[i] = ldexpf(random_normal((uint64_t)(e + 100), i), e - (int)(i % 14));
            top = fmaxf(top, fabsf(x[i]));
        }
        int scale = -200;
        while (!(top <= ldexpf(448, scale))) scale++;
        k.round_e4m3(y, x, COUNT_OF(x), top);
        for (size_t i = 0; i < COUNT_OF(x); i++) {
            float want = ldexpf(num_e4m3_to_f32(num_f32_to_e4m3(ldexpf(x[i], -scale))), scale);
            if (y[i] != want) fail_msg("%a in the scale 2^%d is %a, want %a", (double)x[i], scale, (double)y[i], (double)want);
            assert_true(num_bf16_to_f32(num_f32_to_bf16(y[i])) == y[i]);
        }
    }
}

/* Rows and lanes of that form hold the same numbers; each 128 columns have their own scale. */
static void forms_of_e4m3(void **state)
{
    TABLE(k, state);
    for (size_t n = 1; n < 400; n += 57) {
        enum { T = 21 };
        guarded g[3];
        float *x = floats(&g[0], T * n, n), tile[128];
        for (size_t i = 0; i < T * n; i++) x[i] *= ldexpf(1, (int)(i % n / 128) * 9);
        size_t ld = size_round_up(n, 2), panel = (T + 1) / 2 * KERN_ROWS * 2;
        uint16_t *rows = guarded_new(&g[1], kern_act_bytes(KERN_ACT_E4M3, T, n), 0);
        uint16_t *lanes = guarded_new(&g[2], kern_panels(n) * panel * 2, 0);
        for (size_t t = 0; t < T; t++) k.act[KERN_ACT_E4M3](rows, t, T, x + t * n, n);
        for (size_t t = 0; t < T; t += KERN_ROWS) {
            kern_lanes to = {lanes + t * KERN_ROWS, panel * 2, KERN_LINE};
            k.lanes[KERN_ACT_E4M3](&to, x + t * n, n, size_min(KERN_ROWS, T - t), n);
        }
        for (size_t t = 0; t < T; t++)
            for (size_t c = 0; c < n; c++) {
                size_t first = c / 128 * 128, have = size_min(128, n - first);
                if (c == first) k.round_e4m3(tile, x + t * n + c, have, k.max_abs(x + t * n + c, have));
                float want = tile[c - first];
                assert_true(num_bf16_to_f32(rows[t * ld + c]) == want);
                size_t at = c / KERN_ROWS * panel + (t / 2 * KERN_ROWS + c % KERN_ROWS) * 2 + t % 2;
                assert_true(num_bf16_to_f32(lanes[at]) == want);
            }
        for (size_t c = n; c < kern_panels(n) * KERN_ROWS; c++) /* past the last column */
            assert_int_equal(lanes[c / KERN_ROWS * panel + c % KERN_ROWS * 2], 0);
        for (int a = 0; a < 3; a++) guarded_check(&g[a]), guarded_free(&g[a]);
    }
}

int main(void)
{
    static const char *const levels[] = {"ref", "avx2", "avx512", "native"};
    static test_list list;
    for (size_t l = 0; l < COUNT_OF(levels); l++) {
        test_at(&list, "products of lanes", products_of_lanes, levels[l]);
        if (l > 0) test_at(&list, "sums in parts", sums_in_parts, levels[l]);
        test_at(&list, "lanes are panels", lanes_are_panels, levels[l]);
        test_at(&list, "interleave", interleaving, levels[l]);
        test_at(&list, "softmax", softmax_and_back, levels[l]);
        test_at(&list, "rms_norm_back", norm_back, levels[l]);
        test_at(&list, "silu_mul_back", swiglu_back, levels[l]);
        test_at(&list, "dot, max_abs", sums_and_maxima, levels[l]);
        test_at(&list, "round_e4m3", rounding_to_e4m3, levels[l]);
        test_at(&list, "forms of E4M3", forms_of_e4m3, levels[l]);
    }
    return run_list("kernels of training", &list);
}
