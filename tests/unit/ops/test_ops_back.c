/* Gradients of operators against differences, in double, of what the operators compute.
 * SPDX-License-Identifier: MIT
 *
 * Every check is of one number: for random weights c on the outputs, d(sum c y)/dx is compared with the
 * fourth-order difference of a plain implementation in double. */
#include "tests/unit/ops/fixture.h"

static double *doubles(const float *x, size_t n)
{
    double *y = malloc(n * sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < n; i++) y[i] = (double)x[i];
    return y;
}

/* A function of some numbers, to be differentiated by each. */
typedef double value_fn(void *arg);

/* The gradient `got` by all n numbers of x, in double at `at`. */
static void check_gradient(const char *what, value_fn *value, void *arg, double *at, const float *got, size_t n,
                           double tolerance)
{
    const double h = 1e-4;
    for (size_t i = 0; i < n; i++) {
        double x = at[i], v[4];
        static const double step[] = {-2, -1, 1, 2};
        for (int j = 0; j < 4; j++) {
            at[i] = x + step[j] * h;
            v[j] = value(arg);
        }
        at[i] = x;
        double want = (v[0] - 8 * v[1] + 8 * v[2] - v[3]) / (12 * h);
        if (!(fabs((double)got[i] - want) <= tolerance * (1 + fabs(want))))
            fail_msg("%s %zu: %.8g, want %.8g", what, i, (double)got[i], want);
    }
}

/* A weight of these values and its transpose, in panels, with a gradient that is not zero to begin with. */
typedef struct matrix {
    float *values, *start;
    ops_weight w, back;
} matrix;

static matrix matrix_new(size_t N, size_t K, size_t experts, uint64_t stream)
{
    matrix m = {.values = random_floats(N * K * experts, stream), .start = random_floats(N * K * experts, stream + 1)};
    size_t bytes = 0;
    assert_true(ops_weight_bytes(&bytes, &table, NUM_F32, N, K, experts));
    m.w = ops_weight_at(&table, NUM_F32, N, K, experts, calloc(1, bytes));
    assert_true(ops_weight_bytes(&bytes, &table, NUM_F32, K, N, experts));
    m.back = ops_weight_at(&table, NUM_F32, K, N, experts, calloc(1, bytes));
    for (size_t e = 0; e < experts; e++) {
        ops_weight_pack(&m.w, e, 0, N, m.values + e * N * K, NULL);
        ops_weight_pack_back(&m.back, &table, e, 0, N, m.values + e * N * K);
    }
    m.w.grad = malloc(N * K * experts * sizeof(float));
    memcpy(m.w.grad, m.start, N * K * experts * sizeof(float));
    return m;
}

/* What was added to the gradient. */
static float *matrix_gradient(const matrix *m)
{
    for (size_t i = 0; i < m->w.N * m->w.K * m->w.experts; i++) m->w.grad[i] -= m->start[i];
    return m->w.grad;
}

static void matrix_free(matrix *m)
{
    free(m->values), free(m->start), free(m->w.panels), free(m->back.panels), free(m->w.grad);
}

/* ---- products -------------------------------------------------------------------------------------------- */

/* sum of c * (f(x) W^T) over rows that met their experts; f: norm or gate or nothing. */
struct product {
    double *x, *up, *gain, *w;
    const float *c;
    size_t rows, N, K, experts;
    const size_t *expert; /* [rows] */
};

static double product_value(void *arg)
{
    const struct product *p = arg;
    double sum = 0, row[64];
    for (size_t r = 0; r < p->rows; r++) {
        const double *x = p->x + r * p->K, *w = p->w + p->expert[r] * p->N * p->K;
        double square = 0;
        for (size_t k = 0; k < p->K; k++) square += x[k] * x[k];
        double scale = 1 / sqrt(square / (double)p->K + (double)1e-5f);
        for (size_t k = 0; k < p->K; k++) {
            row[k] = x[k];
            if (p->gain) row[k] = x[k] * scale * p->gain[k];
            if (p->up) row[k] = x[k] / (1 + exp(-x[k])) * p->up[r * p->K + k];
        }
        for (size_t n = 0; n < p->N; n++)
            for (size_t k = 0; k < p->K; k++) sum += (double)p->c[r * p->N + n] * row[k] * w[n * p->K + k];
    }
    return sum;
}

enum { T = 37, N = 21, K = 30, E = 4 };

/* Rows of a batch by expert; one expert has none. */
static void linear_by_expert(void **state)
{
    (void)state;
    static const uint32_t offset[E + 1] = {0, 17, 17, 18, T};
    size_t expert[T];
    for (size_t e = 0; e < E; e++)
        for (size_t r = offset[e]; r < offset[e + 1]; r++) expert[r] = e;
    matrix m = matrix_new(N, K, E, 10);
    const ops_weight *w = &m.w;
    float *x = random_floats(T * K, 12), *dy = random_floats(T * N, 13), *dx = random_floats(T * K, 14);
    float *before = random_floats(T * K, 14);
    ops_linear_back(&o, &(ops_back){.w = &w, .n = 1, .back = &m.back, .T = T, .offset = offset,
                                    .in = {.x = x, .ldx = K}, .dy = dy, .lddy = N, .dx = dx, .lddx = K, .add = true});
    struct product p = {.x = doubles(x, T * K), .w = doubles(m.values, N * K * E), .c = dy, .rows = T, .N = N, .K = K,
                        .experts = E, .expert = expert};
    for (size_t i = 0; i < T * K; i++) dx[i] -= before[i];
    check_gradient("dx", product_value, &p, p.x, dx, T * K, 1e-5);
    check_gradient("dW", product_value, &p, p.w, matrix_gradient(&m), N * K * E, 2e-5);
    assert_int_equal(scratch.used, 0);
    matrix_free(&m);
    free(x), free(dy), free(dx), free(before), free(p.x), free(p.w);
}

/* Two products of one normalised input; the gradient ends at the norm. */
static void linear_of_norm(void **state)
{
    (void)state;
    size_t expert[T] = {0};
    matrix m = matrix_new(N, K, 1, 20);
    const ops_weight *w = &m.w;
    float *x = random_floats(T * K, 22), *dy = random_floats(T * N, 23), *gain = random_floats(K, 24);
    float *dn = malloc(T * K * sizeof *dn), *dx = calloc(T * K, sizeof *dx), *dgain = calloc(K, sizeof *dgain);
    ops_input in = {.x = x, .ldx = K, .gain = gain, .eps = 1e-5f};
    ops_linear_back(&o, &(ops_back){.w = &w, .n = 1, .back = &m.back, .T = T, .in = in, .dy = dy, .lddy = N, .dx = dn,
                                    .lddx = K});
    ops_norm_back(&o, dx, K, dgain, x, K, gain, 1e-5f, dn, K, T, K);
    struct product p = {.x = doubles(x, T * K), .gain = doubles(gain, K), .w = doubles(m.values, N * K), .c = dy,
                        .rows = T, .N = N, .K = K, .experts = 1, .expert = expert};
    check_gradient("dx", product_value, &p, p.x, dx, T * K, 2e-5);
    check_gradient("dgain", product_value, &p, p.gain, dgain, K, 2e-5);
    check_gradient("dW", product_value, &p, p.w, matrix_gradient(&m), N * K, 2e-5);
    matrix_free(&m);
    free(x), free(dy), free(gain), free(dn), free(dx), free(dgain), free(p.x), free(p.gain), free(p.w);
}

static void linear_of_gate(void **state)
{
    (void)state;
    size_t expert[T] = {0};
    matrix m = matrix_new(N, K, 1, 30);
    const ops_weight *w = &m.w;
    float *gate = random_floats(T * K, 32), *up = random_floats(T * K, 33), *dy = random_floats(T * N, 34);
    float *dh = malloc(T * K * sizeof *dh), *both = malloc(2 * T * K * sizeof *both);
    ops_linear_back(&o, &(ops_back){.w = &w, .n = 1, .back = &m.back, .T = T,
                                    .in = {.x = gate, .ldx = K, .up = up}, .dy = dy, .lddy = N, .dx = dh, .lddx = K});
    /* Through products that change nothing. */
    matrix same = matrix_new(2 * K, 2 * K, 1, 35);
    const ops_weight *through = &same.w;
    for (size_t i = 0; i < 4 * K * K; i++) same.values[i] = i % (2 * K + 1) == 0;
    ops_weight_pack_back(&same.back, &table, 0, 0, 2 * K, same.values);
    float *any = random_floats(2 * T * K, 37);
    ops_linear_back(&o, &(ops_back){.w = &through, .n = 1, .back = &same.back, .T = T,
                                    .in = {.x = any, .ldx = 2 * K}, .dy = dh, .lddy = K, .gate = gate, .up = up,
                                    .dx = both, .lddx = 2 * K});
    struct product p = {.x = doubles(gate, T * K), .up = doubles(up, T * K), .w = doubles(m.values, N * K), .c = dy,
                        .rows = T, .N = N, .K = K, .experts = 1, .expert = expert};
    for (size_t t = 0; t < T; t++) {
        memcpy(gate + t * K, both + 2 * t * K, K * sizeof *gate);
        memcpy(up + t * K, both + (2 * t + 1) * K, K * sizeof *up);
    }
    check_gradient("dgate", product_value, &p, p.x, gate, T * K, 2e-5);
    check_gradient("dup", product_value, &p, p.up, up, T * K, 2e-5);
    check_gradient("dW", product_value, &p, p.w, matrix_gradient(&m), N * K, 2e-5);
    matrix_free(&m);
    matrix_free(&same);
    free(any), free(gate), free(up), free(dy), free(dh), free(both), free(p.x), free(p.up), free(p.w);
}

/* A sum over more rows than a block has, and more columns than a piece. */
static void sums_over_rows(void **state)
{
    (void)state;
    enum { ROWS = 200, COLUMNS = 300 };
    float *y = random_floats(ROWS * COLUMNS, 40), *sum = random_floats(COLUMNS, 41), *first = random_floats(COLUMNS, 41);
    ops_sum_back(&o, sum, y, COLUMNS, ROWS, COLUMNS);
    for (size_t i = 0; i < COLUMNS; i++) {
        double want = (double)first[i];
        for (size_t r = 0; r < ROWS; r++) want += (double)y[r * COLUMNS + i];
        assert_true(fabs((double)sum[i] - want) < 1e-4);
    }
    free(y), free(sum), free(first);
}

/* ---- attention ------------------------------------------------------------------------------------------- */

enum { H = 4, G = 2, D = 16, DV = 16, LENGTH = 41, SHORT = 6, ALL = LENGTH + SHORT };

struct attention {
    double *q, *k, *v;
    const float *c;
    size_t kv_heads, dv;
    bool latent;
};

/* sum of c * attention of both sequences. */
static double attention_value(void *arg)
{
    const struct attention *a = arg;
    double sum = 0, p[LENGTH];
    for (size_t t = 0; t < ALL; t++) {
        size_t first = t < LENGTH ? 0 : LENGTH;
        for (size_t h = 0; h < H; h++) {
            size_t g = h / (H / a->kv_heads);
            double all = 0;
            for (size_t j = first; j <= t; j++) {
                double s = 0;
                for (size_t i = 0; i < D; i++) s += a->q[(t * H + h) * D + i] * a->k[(j * a->kv_heads + g) * D + i];
                all += p[j - first] = exp(0.3 * s);
            }
            for (size_t j = first; j <= t; j++)
                for (size_t i = 0; i < a->dv; i++) {
                    double v = a->latent ? a->k[j * D + i] : a->v[(j * a->kv_heads + g) * a->dv + i];
                    sum += (double)a->c[(t * H + h) * a->dv + i] * p[j - first] / all * v;
                }
        }
    }
    return sum;
}

static void check_attention(size_t kv_heads, size_t dv, bool latent)
{
    const ops_sequence seq[] = {{.n = LENGTH}, {.first = LENGTH, .n = SHORT}};
    float *q = random_floats(ALL * H * D, 50), *k = random_floats(ALL * kv_heads * D, 51);
    float *v = random_floats(ALL * kv_heads * dv, 52), *c = random_floats(ALL * H * dv, 53);
    float *dq = calloc(ALL * H * D, 4), *dk = calloc(ALL * kv_heads * D, 4), *dvs = calloc(ALL * kv_heads * dv, 4);
    ops_attention_back a = {.type = NUM_F32, .heads = H, .kv_heads = kv_heads, .d = D, .dv = dv, .scale = 0.3f,
                            .latent = latent, .q = q, .ldq = H * D, .k = k, .ldk = kv_heads * D, .dout = c,
                            .lddout = H * dv, .dq = dq, .lddq = H * D, .dk = dk, .lddk = kv_heads * D};
    if (!latent) a.v = v, a.ldv = a.lddv = kv_heads * dv, a.dv_out = dvs;
    ops_attend_back(&o, &a, seq, 2, ALL, LENGTH);
    struct attention p = {doubles(q, ALL * H * D), doubles(k, ALL * kv_heads * D), doubles(v, ALL * kv_heads * dv), c,
                          kv_heads, dv, latent};
    check_gradient("dq", attention_value, &p, p.q, dq, ALL * H * D, 2e-5);
    check_gradient("dk", attention_value, &p, p.k, dk, ALL * kv_heads * D, 2e-5);
    if (!latent) check_gradient("dv", attention_value, &p, p.v, dvs, ALL * kv_heads * dv, 2e-5);
    assert_int_equal(scratch.used, 0);
    free(q), free(k), free(v), free(c), free(dq), free(dk), free(dvs), free(p.q), free(p.k), free(p.v);
}

static void attention_grouped(void **state) { (void)state, check_attention(G, DV, false); }
static void attention_alone(void **state) { (void)state, check_attention(H, DV, false); }
static void attention_latent(void **state) { (void)state, check_attention(1, 8, true); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_by_expert), cmocka_unit_test(linear_of_norm),
        cmocka_unit_test(linear_of_gate),   cmocka_unit_test(sums_over_rows),
        cmocka_unit_test(attention_grouped), cmocka_unit_test(attention_alone),
        cmocka_unit_test(attention_latent),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
