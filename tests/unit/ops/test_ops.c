/* Operators against plain loops in double.
 * SPDX-License-Identifier: MIT */
#include "tests/unit/ops/fixture.h"

/* An F32 weight [experts][N, K] of these floats. */
static ops_weight weight_of(const float *x, size_t N, size_t K, size_t experts)
{
    size_t bytes = 0;
    assert_true(ops_weight_bytes(&bytes, &table, NUM_F32, N, K, experts));
    ops_weight w = ops_weight_at(&table, NUM_F32, N, K, experts, calloc(1, bytes));
    assert_non_null(w.panels);
    for (size_t e = 0; e < experts; e++) ops_weight_pack(&w, e, 0, N, x + e * N * K, NULL);
    return w;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void check_close(const char *what, size_t at, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("%s %zu: %.9g, want %.9g", what, at, got, want);
}

static void weights(void **state)
{
    (void)state;
    size_t bytes;
    assert_false(ops_weight_bytes(&bytes, &table, NUM_Q4_K, 8, 100, 1)); /* no whole blocks */
    assert_false(ops_weight_bytes(&bytes, &table, NUM_I32, 8, 256, 1));
    assert_false(ops_weight_bytes(&bytes, &table, NUM_F32, SIZE_MAX / 4, 8, 8));
    float *x = random_floats(2 * 37 * 300, 1), row[300];
    ops_weight w = weight_of(x, 37, 300, 2);
    for (size_t e = 0; e < 2; e++)
        for (size_t r = 0; r < 37; r++) {
            ops_weight_row(&w, &table, e, r, row);
            assert_memory_equal(row, x + (e * 37 + r) * 300, sizeof row);
        }
    free(w.panels);
    free(x);
}

/* Stream, norm, bias and row pointers together; every M that cuts differently. */
static void linear(void **state)
{
    (void)state;
    enum { N = 150, K = 96, MOST = 70 };
    float *w = random_floats(N * K, 2), *bias = random_floats(N, 3), *gain = random_floats(K, 4);
    float *x = random_floats(MOST * K, 5), *first = random_floats(MOST * K, 6),
          *y = malloc(MOST * N * sizeof *y);
    ops_weight weight = weight_of(w, N, K, 1);
    for (size_t T = 1; T <= MOST; T += T < 4 ? 1 : 22) {
        float *stream = malloc(T * K * sizeof *stream), *rows[MOST],
              *scattered = malloc(T * N * sizeof *scattered);
        memcpy(stream, first, T * K * sizeof *stream);
        for (size_t t = 0; t < T; t++) rows[t] = scattered + (T - 1 - t) * N;
        ops_linear(&o, &(ops_input){.x = x, .ldx = K, .stream = stream, .gain = gain, .eps = 1e-5f},
                   T,
                   (ops_product[]){{.w = &weight, .bias = bias, .y = y, .ldy = N},
                                   {.w = &weight, .row = rows}},
                   2);
        for (size_t t = 0; t < T; t++) {
            float sum[K], normed[K];
            for (size_t k = 0; k < K; k++) sum[k] = first[t * K + k] + x[t * K + k];
            assert_memory_equal(stream + t * K, sum, sizeof sum);
            double r = 1 / sqrt(dot(sum, sum, K) / K + 1e-5);
            for (size_t k = 0; k < K; k++)
                normed[k] = (float)((double)sum[k] * r * (double)gain[k]);
            for (size_t n = 0; n < N; n++) {
                double want = dot(normed, w + n * K, K);
                check_close("product", n, (double)y[t * N + n], want + (double)bias[n], 2e-4);
                check_close("scattered product", n, (double)rows[t][n], want, 2e-4);
            }
        }
        free(scattered);
        free(stream);
    }
    assert_int_equal(scratch.used, 0);
    free(weight.panels);
    free(w), free(bias), free(gain), free(x), free(first), free(y);
}

static void heads(void **state)
{
    (void)state;
    enum { H = 5, N = 20, K = 32, T = 7, LDX = H * (K + 3), LDY = H * (N + 1) };
    float *w = random_floats(H * N * K, 7), *x = random_floats(T * LDX, 8),
          *y = calloc(T * LDY, sizeof *y);
    ops_weight weight = weight_of(w, N, K, H);
    ops_heads(&o, &weight, x, LDX, K + 3, T, y, LDY, N + 1);
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++) {
            for (size_t n = 0; n < N; n++)
                check_close("head", h, (double)y[t * LDY + h * (N + 1) + n],
                            dot(x + t * LDX + h * (K + 3), w + (h * N + n) * K, K), 1e-4);
            assert_true(y[t * LDY + h * (N + 1) + N] == 0); /* what lies between stays */
        }
    free(weight.panels);
    free(w), free(x), free(y);
}

/* ---- the choice of experts
 * ------------------------------------------------------------------------------ */

static void choose(const ops_moe *m, const float *logits, const uint32_t *want, size_t n,
                   float *weight)
{
    uint32_t got[OPS_EXPERTS];
    ops_route(m, logits, got, weight);
    assert_memory_equal(got, want, n * sizeof *got);
}

static void routes(void **state)
{
    (void)state;
    float weight[8];
    ops_weight router = {.N = 8, .K = 4};
    ops_moe softmax = {.router = &router, .used = 2, .groups = 1, .groups_used = 1, .scale = 2};
    const float logits[8] = {0, 1, 5, 1, 4, -2, 0, 3};
    choose(&softmax, logits, (uint32_t[]){2, 4}, 2, weight);
    double sum = 0;
    for (size_t i = 0; i < 8; i++) sum += exp((double)logits[i]);
    check_close("softmax weight", 0, (double)weight[0], 2 * exp(5) / sum, 1e-6);
    check_close("softmax weight", 1, (double)weight[1], 2 * exp(4) / sum, 1e-6);
    softmax.normalize = true;
    choose(&softmax, logits, (uint32_t[]){2, 4}, 2, weight);
    check_close("their sum", 0, (double)(weight[0] + weight[1]), 2, 1e-6);

    const float equal[8] = {0}; /* the lower index wins a tie */
    choose(&softmax, equal, (uint32_t[]){0, 1}, 2, weight);

    /* Groups {0,1} {2,3} {4,5} {6,7}: the sums of two decide, so 6 and 7 beat the single best, 2.
     */
    const float grouped[8] = {-3, -3, 4, -9, 0, 0, 1.5f, 1.5f};
    ops_moe sigmoid = {
        .router = &router, .used = 2, .groups = 4, .groups_used = 1, .sigmoid = true, .scale = 1};
    choose(&sigmoid, grouped, (uint32_t[]){6, 7}, 2, weight);
    check_close("sigmoid weight", 0, (double)weight[0], 1 / (1 + exp(-1.5)), 1e-6);

    /* The bias decides the choice and not the weight; a kept negative choice beats masked zeros. */
    const float bias[8] = {-5, -5, -9, -9, -5, -5, -2, -2.1f};
    sigmoid.bias = bias;
    choose(&sigmoid, grouped, (uint32_t[]){6, 7}, 2, weight);
    check_close("biased weight", 0, (double)weight[0], 1 / (1 + exp(-1.5)), 1e-6);
}

/* ---- experts and attention
 * -------------------------------------------------------------------------------- */

static double silu(double x) { return x / (1 + exp(-x)); }

/* y += weight * down(silu(gate x) * up x), in double. */
static void plain_expert(double *y, double weight, const float *x, const float *gate,
                         const float *up, const float *down, size_t D, size_t F)
{
    for (size_t f = 0; f < F; f++) {
        double h = silu(dot(x, gate + f * D, D)) * dot(x, up + f * D, D);
        for (size_t d = 0; d < D; d++) y[d] += weight * h * (double)down[d * F + f];
    }
}

static void experts(void **state)
{
    (void)state;
    enum { D = 48, F = 24, E = 6, USED = 3, MOST = 40 };
    float *router = random_floats(E * D, 10), *x = random_floats(MOST * D, 11);
    float *w[3], *shared[3], *y = malloc(MOST * D * sizeof *y);
    ops_weight ow[3], os[3], r = weight_of(router, E, D, 1);
    for (uint64_t i = 0; i < 3; i++) {
        size_t N = i < 2 ? F : D, K = i < 2 ? D : F;
        w[i] = random_floats(E * D * F, 20 + i);
        shared[i] = random_floats(D * F, 30 + i);
        for (size_t j = 0; j < E * D * F; j++) w[i][j] *= 0.2f;
        ow[i] = weight_of(w[i], N, K, E);
        os[i] = weight_of(shared[i], N, K, 1);
    }
    ops_moe m = {.router = &r,
                 .gate = &ow[0],
                 .up = &ow[1],
                 .down = &ow[2],
                 .shared_gate = &os[0],
                 .shared_up = &os[1],
                 .shared_down = &os[2],
                 .used = USED,
                 .groups = 1,
                 .groups_used = 1,
                 .normalize = true,
                 .scale = 1};
    for (size_t T = 1; T <= MOST; T += 13) {
        ops_moe_run(&o, &m, &(ops_input){.x = x, .ldx = D}, T, y);
        for (size_t t = 0; t < T; t++) {
            float logits[E], weight[USED];
            uint32_t chosen[USED];
            double want[D] = {0};
            for (size_t e = 0; e < E; e++) logits[e] = (float)dot(x + t * D, router + e * D, D);
            ops_route(&m, logits, chosen, weight);
            plain_expert(want, 1, x + t * D, shared[0], shared[1], shared[2], D, F);
            for (size_t j = 0; j < USED; j++) {
                size_t at = chosen[j] * D * F;
                plain_expert(want, (double)weight[j], x + t * D, w[0] + at, w[1] + at, w[2] + at, D,
                             F);
            }
            for (size_t d = 0; d < D; d++)
                check_close("expert output", d, (double)y[t * D + d], want[d], 0.02);
        }
    }
    for (size_t i = 0; i < 3; i++)
        free(w[i]), free(shared[i]), free(ow[i].panels), free(os[i].panels);
    free(r.panels);
    free(router), free(x), free(y);
}

/* Softmax over all positions in double. */
static void plain_attention(double *out, const float *q, const float *k, const float *v, size_t n,
                            size_t d, size_t ld, double scale)
{
    double top = -INFINITY, sum = 0, *p = malloc(n * sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) top = fmax(top, p[i] = scale * dot(q, k + i * ld, d));
    for (size_t i = 0; i < n; i++) sum += p[i] = exp(p[i] - top);
    for (size_t j = 0; j < d; j++) {
        out[j] = 0;
        for (size_t i = 0; i < n; i++) out[j] += p[i] / sum * (double)v[i * ld + j];
    }
    free(p);
}

/* One long sequence decoding and one prompt in the same step, over pages in reverse order. */
static void attention(void **state)
{
    (void)state;
    enum {
        H = 6,
        G = 2,
        D = 32,
        LONG = 1300,
        NEW = 80,
        T = 1 + NEW,
        PAGES = (LONG + KERN_PAGE - 1) / KERN_PAGE
    };
    size_t half = kern_kv_key_bytes(KERN_KV_F32, D),
           head = half + kern_kv_value_bytes(KERN_KV_F32, D);
    size_t page = G * head;
    float *k = random_floats((LONG + NEW) * G * D, 40),
          *v = random_floats((LONG + NEW) * G * D, 41);
    float *q = random_floats(T * H * D, 42), *out = malloc(T * H * D * sizeof *out);
    uint8_t *base = NULL;
    void *block;
    ponder_error err = {0};
    check_ok(mem_map(&block, (PAGES + 2) * page, &err));
    base = block;
    uint32_t table_a[PAGES], table_b[2] = {0, 1};
    for (uint32_t i = 0; i < PAGES; i++) table_a[i] = PAGES + 1 - i;
    for (size_t p = 0; p < LONG + NEW; p++) {
        size_t at = p < LONG ? p : p - LONG;
        uint32_t number = p < LONG ? table_a[at / KERN_PAGE] : table_b[at / KERN_PAGE];
        for (size_t g = 0; g < G; g++) {
            uint8_t *to = base + number * page + g * head;
            table.attn[KERN_KV_F32].store(to, to + half, at % KERN_PAGE, k + (p * G + g) * D,
                                          v + (p * G + g) * D, D, D);
        }
    }
    const ops_sequence seq[] = {{.first = 0, .n = 1, .pos = LONG - 1, .pages = table_a},
                                {.first = 1, .n = NEW, .pos = 0, .pages = table_b}};
    for (size_t n = 1; n <= 2;
         n++) { /* alone, the decoding one spreads its spans over the threads */
        memset(out, 0, T * H * D * sizeof *out);
        ops_attend(&o,
                   &(ops_attention){.kv = KERN_KV_F32,
                                    .base = base,
                                    .page_bytes = page,
                                    .head_bytes = head,
                                    .value_at = half,
                                    .heads = H,
                                    .kv_heads = G,
                                    .d = D,
                                    .dv = D,
                                    .scale = 0.25f,
                                    .q = q,
                                    .ldq = H * D,
                                    .out = out,
                                    .ldo = H * D},
                   seq, n);
        for (size_t t = 0; t < (n == 1 ? 1 : T); t++)
            for (size_t h = 0; h < H; h++) {
                double want[D];
                size_t from = t == 0 ? 0 : LONG * G * D, sees = t == 0 ? LONG : t,
                       g = h / (H / G) * D;
                plain_attention(want, q + (t * H + h) * D, k + from + g, v + from + g, sees, D,
                                G * D, 0.25);
                for (size_t j = 0; j < D; j++)
                    check_close("attention", t, (double)out[(t * H + h) * D + j], want[j], 2e-5);
            }
    }
    mem_unmap(block, (PAGES + 2) * page);
    free(k), free(v), free(q), free(out);
}

/* On a counting arena nothing is computed and exactly as much is taken. */
static void counting(void **state)
{
    (void)state;
    enum { N = 64, K = 64, T = 9 };
    float *w = random_floats(N * K, 50), *x = random_floats(T * K, 51),
          *y = calloc(T * N, sizeof *y);
    ops_weight weight = weight_of(w, N, K, 1);
    arena count = {0};
    ops dry = {&table, threads, &count};
    const ops_product p = {.w = &weight, .y = y, .ldy = N};
    const ops_input in = {.x = x, .ldx = K, .up = x};
    ops_linear(&dry, &in, T, &p, 1);
    for (size_t i = 0; i < T * N; i++) assert_true(y[i] == 0);
    scratch.peak = 0;
    ops_linear(&o, &in, T, &p, 1);
    assert_true(y[0] != 0);
    assert_int_equal(scratch.peak, count.peak);
    free(weight.panels);
    free(w), free(x), free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights),  cmocka_unit_test(linear),  cmocka_unit_test(heads),
        cmocka_unit_test(routes),   cmocka_unit_test(experts), cmocka_unit_test(attention),
        cmocka_unit_test(counting),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
