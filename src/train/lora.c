/* Adapters of low rank.
 * SPDX-License-Identifier: MIT */
#include "train/lora.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 8, COLUMNS = 256 };

static bool adapts(const model_param *p) { return p->tensor.role == MODEL_MATRIX && p->rows > 1; }

/* With l->m NULL it only counts. */
static void lay_out(lora *l, const model_param *p, size_t n)
{
    l->n = l->count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!adapts(&p[i])) continue;
        size_t N = p[i].rows, K = p[i].columns;
        for (size_t e = 0; e < p[i].experts; e++) {
            if (l->m)
                l->m[l->n] = (lora_matrix){p[i].at + e * N * K, l->count,
                                           l->count + l->rank * K, N, K};
            l->n++;
            l->count += l->rank * (N + K);
        }
    }
}

static void draw(lora *l, uint64_t seed)
{
    for (size_t i = 0; i < l->n; i++) {
        const lora_matrix *m = &l->m[i];
        float deviation = 1 / sqrtf((float)m->K);
        for (size_t k = 0; k < l->rank * m->K; k += 2) {
            float two[2];
            rng_normal2(two, seed, i, k / 2, RNG_INIT);
            l->values[m->a + k] = two[0] * deviation;
            if (k + 1 < l->rank * m->K) l->values[m->a + k + 1] = two[1] * deviation;
        }
    }
}

ponder_status lora_open(lora *l, model_trainable *t, size_t rank, double alpha, uint64_t seed,
                        ponder_error *err)
{
    size_t n;
    const model_param *p = model_trainable_params(t, &n);
    *l = (lora){.t = t, .rank = rank, .scale = (float)(alpha / (double)rank)};
    const float *w = model_trainable_masters(t, &l->base_count);
    lay_out(l, p, n);
    l->m = calloc(size_max(l->n, 1), sizeof *l->m);
    l->values = calloc(size_max(l->count, 1), sizeof *l->values);
    l->gradients = calloc(size_max(l->count, 1), sizeof *l->gradients);
    l->base = malloc(size_max(l->base_count, 1) * sizeof *l->base);
    if (!l->m || !l->values || !l->gradients || !l->base) {
        lora_close(l);
        return err_set(err, PONDER_ENOMEM, "adapters: out of memory");
    }
    lay_out(l, p, n);
    memcpy(l->base, w, l->base_count * sizeof *w);
    draw(l, seed);
    return PONDER_OK;
}

void lora_close(lora *l)
{
    free(l->m), free(l->values), free(l->gradients), free(l->base);
    *l = (lora){0};
}

/* ---- gradients ------------------------------------------------------------------------------- */

struct pass {
    lora *l;
    const lora_matrix *m;
    const float *g; /* [N, K] of W */
    float *w;       /* [N, K] */
};

/* y += a * x over whole lanes that a compiler can put side by side, then the rest. */
static inline void add_scaled(float *restrict y, float a, const float *restrict x, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) y[i + k] += a * x[i + k];
    for (; i < n; i++) y[i] += a * x[i];
}

static inline float dot(const float *restrict x, const float *restrict y, size_t n)
{
    float lane[8] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) lane[k] += x[i + k] * y[i + k];
    for (; i < n; i++) lane[0] += x[i] * y[i];
    for (size_t k = 0; k < 8; k++) sum += lane[k];
    return sum;
}

/* dB = s dW A^T, row by row. */
static void rows_of_b(void *arg, size_t begin, size_t end, int worker)
{
    const struct pass *j = arg;
    const lora_matrix *m = j->m;
    (void)worker;
    for (size_t n = begin; n < end; n++)
        for (size_t r = 0; r < j->l->rank; r++)
            j->l->gradients[m->b + n * j->l->rank + r] =
                j->l->scale * dot(j->g + n * m->K, j->l->values + m->a + r * m->K, m->K);
}

/* dA = s B^T dW, a range of columns at a time. */
static void columns_of_a(void *arg, size_t begin, size_t end, int worker)
{
    const struct pass *j = arg;
    const lora_matrix *m = j->m;
    const size_t rank = j->l->rank;
    (void)worker;
    for (size_t block = begin; block < end; block++) {
        size_t at = block * COLUMNS, cols = size_min(COLUMNS, m->K - at);
        for (size_t r = 0; r < rank; r++) {
            float *a = j->l->gradients + m->a + r * m->K + at;
            memset(a, 0, cols * sizeof *a);
            for (size_t n = 0; n < m->N; n++)
                add_scaled(a, j->l->scale * j->l->values[m->b + n * rank + r],
                           j->g + n * m->K + at, cols);
        }
    }
}

void lora_gradients(lora *l, pool *p)
{
    const float *g = model_trainable_gradients(l->t);
    for (size_t i = 0; i < l->n; i++) {
        struct pass j = {.l = l, .m = &l->m[i], .g = g + l->m[i].w};
        pool_run(p, l->m[i].N, ROWS, rows_of_b, &j);
        pool_run(p, size_ceil_div(l->m[i].K, COLUMNS), 1, columns_of_a, &j);
    }
}

/* ---- into the masters ------------------------------------------------------------------------ */

static void rows_of_w(void *arg, size_t begin, size_t end, int worker)
{
    const struct pass *j = arg;
    const lora_matrix *m = j->m;
    (void)worker;
    for (size_t n = begin; n < end; n++) {
        float *w = j->w + n * m->K;
        memcpy(w, j->l->base + m->w + n * m->K, m->K * sizeof *w);
        for (size_t r = 0; r < j->l->rank; r++)
            add_scaled(w, j->l->scale * j->l->values[m->b + n * j->l->rank + r],
                       j->l->values + m->a + r * m->K, m->K);
    }
}

void lora_apply(lora *l, pool *p)
{
    size_t count;
    float *w = model_trainable_masters(l->t, &count);
    for (size_t i = 0; i < l->n; i++) {
        struct pass j = {.l = l, .m = &l->m[i], .w = w + l->m[i].w};
        pool_run(p, l->m[i].N, ROWS, rows_of_w, &j);
    }
}
