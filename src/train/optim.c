/* AdamW, clipping and schedules.
 * SPDX-License-Identifier: MIT */
#include "train/optim.h"

#include "num/num.h"

#include <math.h>
#include <stdlib.h>

/* Work is cut here whatever the number of threads; a block's sum of squares is one number. LANES
 * independent sums a block are what a compiler can put side by side. */
enum { BLOCK = 1 << 14, LANES = 8, TILE = 256 };

ponder_status adamw_open(adamw *a, size_t n, const adamw_range *range, size_t ranges,
                         const adamw_options *o, ponder_error *err)
{
    *a = (adamw){.o = *o, .n = n, .ranges = ranges};
    size_t at = 0;
    for (size_t i = 0; i < ranges; at += range[i++].n)
        if (range[i].at != at)
            return err_set(err, PONDER_EARG, "optimiser: parameters %zu to %zu are in no range", at,
                           range[i].at);
    if (at != n)
        return err_set(err, PONDER_EARG, "optimiser: ranges end at %zu of %zu parameters", at, n);
    a->range = malloc(size_max(ranges, 1) * sizeof *range);
    a->partial = calloc(size_max(size_ceil_div(n, BLOCK), 1), sizeof *a->partial);
    if (!a->range || !a->partial) {
        adamw_close(a);
        return err_set(err, PONDER_ENOMEM, "optimiser: out of memory");
    }
    memcpy(a->range, range, ranges * sizeof *range);
    ponder_status st = mem_map(&a->m, size_max(adamw_moment_bytes(a), 1), err);
    if (st == PONDER_OK) st = mem_map(&a->v, size_max(adamw_moment_bytes(a), 1), err);
    if (st != PONDER_OK) adamw_close(a);
    return st;
}

void adamw_close(adamw *a)
{
    mem_unmap(a->m, size_max(adamw_moment_bytes(a), 1));
    mem_unmap(a->v, size_max(adamw_moment_bytes(a), 1));
    free(a->range);
    free(a->partial);
    *a = (adamw){0};
}

size_t adamw_bytes(size_t n, const adamw_options *o)
{
    return 2 * mem_map_bytes(n * (o->bf16_moments ? sizeof(uint16_t) : sizeof(float)));
}

/* ---- norm ------------------------------------------------------------------------------------ */

struct norm {
    const adamw *a;
    const float *g;
};

static void norm_blocks(void *arg, size_t begin, size_t end, int worker)
{
    const struct norm *j = arg;
    (void)worker;
    for (size_t b = begin; b < end; b++) {
        const float *g = j->g + b * BLOCK;
        size_t n = size_min(BLOCK, j->a->n - b * BLOCK), i = 0;
        double lane[LANES] = {0}, sum = 0;
        for (; i + LANES <= n; i += LANES)
            for (size_t k = 0; k < LANES; k++) lane[k] += (double)g[i + k] * (double)g[i + k];
        for (; i < n; i++) lane[i % LANES] += (double)g[i] * (double)g[i];
        for (size_t k = 0; k < LANES; k++) sum += lane[k];
        j->a->partial[b] = sum;
    }
}

double adamw_norm(const adamw *a, const float *g, pool *p)
{
    struct norm j = {a, g};
    size_t blocks = size_ceil_div(a->n, BLOCK);
    double sum = 0;
    pool_run(p, blocks, 1, norm_blocks, &j);
    for (size_t b = 0; b < blocks; b++) sum += a->partial[b];
    return sqrt(sum);
}

float clip_scale(double norm, double limit)
{
    return limit > 0 && norm > limit ? (float)(limit / norm) : 1.0f;
}

/* ---- step ------------------------------------------------------------------------------------ */

struct step {
    const adamw *a;
    float *w;
    const float *g;
    float scale, rate; /* rate: lr / (1 - beta1^t) */
    float root;        /* sqrt(1 - beta2^t) */
    float shrink;      /* 1 - lr * decay */
};

/* sqrt(v / c2) + eps = (sqrt(v) + eps * sqrt(c2)) / sqrt(c2), and m / c1 goes into the rate. */
static inline void update_one(const struct step *s, float *restrict w, float *restrict m,
                              float *restrict v, const float *restrict g, float shrink)
{
    const float b1 = s->a->o.beta1, b2 = s->a->o.beta2;
    float x = *g * s->scale;
    *m = b1 * *m + (1 - b1) * x;
    *v = b2 * *v + (1 - b2) * (x * x);
    *w = shrink * *w - s->rate * s->root * (*m / (sqrtf(*v) + s->a->o.eps * s->root));
}

/* Loops of known length are what a compiler puts side by side without being asked twice. */
static void update(const struct step *s, float *restrict w, float *restrict m, float *restrict v,
                   const float *restrict g, size_t n, float shrink)
{
    const struct step k = *s;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            update_one(&k, w + i + j, m + i + j, v + i + j, g + i + j, shrink);
    for (; i < n; i++) update_one(&k, w + i, m + i, v + i, g + i, shrink);
}

/* Nearest even; moments are finite, because the norm of the gradients is. */
static inline uint16_t to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return (uint16_t)((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

static void update_bf16(const struct step *s, size_t at, size_t n, float shrink)
{
    uint16_t *m16 = (uint16_t *)s->a->m + at, *v16 = (uint16_t *)s->a->v + at;
    float m[TILE], v[TILE];
    for (size_t i = 0; i < n; i++) {
        m[i] = num_bf16_to_f32(m16[i]);
        v[i] = num_bf16_to_f32(v16[i]);
    }
    update(s, s->w + at, m, v, s->g + at, n, shrink);
    for (size_t i = 0; i < n; i++) {
        m16[i] = to_bf16(m[i]);
        v16[i] = to_bf16(v[i]);
    }
}

static void step_blocks(void *arg, size_t begin, size_t end, int worker)
{
    const struct step *s = arg;
    const adamw_range *r = s->a->range;
    size_t at = begin * BLOCK, last = size_min(end * BLOCK, s->a->n);
    (void)worker;
    while (at < last) {
        while (at >= r->at + r->n) r++;
        size_t n = size_min(last, r->at + r->n) - at;
        float shrink = r->decays ? s->shrink : 1.0f;
        if (s->a->o.bf16_moments) {
            n = size_min(n, TILE);
            update_bf16(s, at, n, shrink);
        } else {
            update(s, s->w + at, (float *)s->a->m + at, (float *)s->a->v + at, s->g + at, n,
                   shrink);
        }
        at += n;
    }
}

void adamw_step(adamw *a, float *w, const float *g, float lr, float scale, pool *p)
{
    a->steps++;
    double c1 = 1 - pow((double)a->o.beta1, (double)a->steps);
    double c2 = 1 - pow((double)a->o.beta2, (double)a->steps);
    struct step s = {.a = a, .w = w, .g = g, .scale = scale, .rate = (float)((double)lr / c1),
                     .root = (float)sqrt(c2),
                     .shrink = (float)(1 - (double)lr * (double)a->o.decay)};
    pool_run(p, size_ceil_div(a->n, BLOCK), 1, step_blocks, &s);
}

/* ---- schedules ------------------------------------------------------------------------------- */

bool lr_shape_by_name(enum lr_shape *out, str name)
{
    static const char *const names[] = {"constant", "linear", "cosine", "v3"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(name, str_of(names[i]))) return *out = (enum lr_shape)i, true;
    return false;
}

static double cosine(double from, double to, double part)
{
    const double pi = 3.14159265358979323846;
    return to + (from - to) * 0.5 * (1 + cos(pi * part));
}

static double v3_at(double peak, double end, double part)
{
    double trillion = 14.8 * part; /* tokens of the report's run */
    if (trillion <= 10) return peak;
    if (trillion <= 14.3) return cosine(peak, end, (trillion - 10) / 4.3);
    return trillion <= 14.633 ? end : end * (7.3e-6 / 2.2e-5);
}

double lr_at(const lr_schedule *l, uint64_t s)
{
    if (s < l->warmup) return l->peak * (double)(s + 1) / (double)l->warmup;
    uint64_t span = l->steps > l->warmup + 1 ? l->steps - l->warmup - 1 : 1;
    uint64_t done = s - l->warmup < span ? s - l->warmup : span;
    double part = (double)done / (double)span;
    switch (l->shape) {
    case LR_CONSTANT: break;
    case LR_LINEAR: return l->peak + (l->end - l->peak) * part;
    case LR_COSINE: return cosine(l->peak, l->end, part);
    case LR_V3: return v3_at(l->peak, l->end, part);
    }
    return l->peak;
}

uint64_t ramp_at(uint64_t from, uint64_t to, uint64_t over, uint64_t s)
{
    if (s >= over) return to;
    double x = (double)from + ((double)to - (double)from) * (double)s / (double)over;
    return (uint64_t)(x + 0.5);
}
