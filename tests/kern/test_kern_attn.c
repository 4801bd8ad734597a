/* Every variant of attention against doubles, the stores against the reference, and the law: a
 * row's bits do not depend on its neighbours, on the tile, or on what it does not see. With
 * --bench: speed. SPDX-License-Identifier: MIT */
#include "tests/kern/kern_check.h"

#include <float.h>

static const double U = 0x1p-24;      /* half a unit in the last place of a float, relative */
static const double U_BF16 = 0x1p-9;  /* the same of a BF16 */
static const double FLUSH = 0x1p-126; /* BF16 arithmetic takes what is smaller for zero */

static const char *const TYPE_NAMES[KERN_KVS] = {"F32", "F16", "BF16", "Q8"};
enum { PAGES = KERN_SPAN / KERN_PAGE, ROWS = KERN_ATTN_ROWS };

/* ---- a span of keys and values
 * ------------------------------------------------------------------- */

typedef struct cache {
    enum kern_kv type;
    size_t d, dv;
    bool latent;
    guarded gk[PAGES], gv[PAGES];
    void *k[PAGES], *v[PAGES];
    float *key, *value; /* [KERN_SPAN][d], [KERN_SPAN][dv]: what was stored, as the layout says */
} cache;

/* Places of column i of position `at`, in elements: the layout of kern.h once more. */
static size_t key_place(const cache *c, size_t at, size_t i)
{
    size_t n = c->type == KERN_KV_BF16 ? 2 : c->type == KERN_KV_Q8 ? 4 : 1;
    size_t group = at / 16 * 16 * c->d;
    return group + i / n * 16 * n + at % 16 * n + i % n;
}

static size_t value_place(const cache *c, size_t at, size_t i)
{
    if (c->type != KERN_KV_BF16) return at * c->dv + i;
    return at / 2 * 2 * c->dv + 2 * i + at % 2;
}

static float element(const cache *c, const void *page, size_t place, size_t width, size_t scale)
{
    switch (c->type) {
    case KERN_KV_F32: return ((const float *)page)[place];
    case KERN_KV_F16: return num_f16_to_f32(((const uint16_t *)page)[place]);
    case KERN_KV_BF16: return num_bf16_to_f32(((const uint16_t *)page)[place]);
    default: break;
    }
    const int8_t *q = page;
    const float *scales = (const float *)(const void *)(q + KERN_PAGE * width);
    return (float)q[place] * scales[scale];
}

static void read_back(cache *c)
{
    for (size_t p = 0; p < KERN_SPAN; p++) {
        size_t page = p / KERN_PAGE, at = p % KERN_PAGE;
        for (size_t i = 0; i < c->d; i++)
            c->key[p * c->d + i] = element(c, c->k[page], key_place(c, at, i), c->d,
                                           (at / 16 * (c->d / 32) + i / 32) * 16 + at % 16);
        for (size_t i = 0; i < c->dv; i++)
            c->value[p * c->dv + i] = c->latent ? c->key[p * c->d + i]
                                                : element(c, c->v[page], value_place(c, at, i),
                                                          c->dv, at * (c->dv / 32) + i / 32);
    }
}

static void cache_open(cache *c, enum kern_kv type, size_t d, size_t dv, bool latent)
{
    *c = (cache){.type = type, .d = d, .dv = dv, .latent = latent};
    for (size_t i = 0; i < PAGES; i++) {
        size_t nk = kern_kv_key_bytes(type, d), nv = kern_kv_value_bytes(type, dv);
        c->k[i] = guarded_new(&c->gk[i], nk, 0);
        c->v[i] = guarded_new(&c->gv[i], nv, 0);
        memset(c->k[i], 0, nk);
        memset(c->v[i], 0, nv);
    }
    c->key = malloc(KERN_SPAN * d * sizeof(float));
    c->value = malloc(KERN_SPAN * dv * sizeof(float));
}

static void cache_close(cache *c)
{
    for (size_t i = 0; i < PAGES; i++) {
        guarded_check(&c->gk[i]);
        guarded_check(&c->gv[i]);
        guarded_free(&c->gk[i]);
        guarded_free(&c->gv[i]);
    }
    free(c->key);
    free(c->value);
}

static void cache_store(cache *c, const kern *k, size_t p, const float *key, const float *value)
{
    k->attn[c->type].store(c->k[p / KERN_PAGE], c->latent ? NULL : c->v[p / KERN_PAGE],
                           p % KERN_PAGE, key, c->latent ? NULL : value, c->d, c->dv);
}

static void cache_fill(cache *c, const kern *k, uint64_t seed, float size)
{
    float key[KERN_HEAD_MAX], value[KERN_HEAD_MAX];
    for (size_t p = 0; p < KERN_SPAN; p++) {
        for (size_t i = 0; i < c->d; i++) key[i] = size * random_normal(seed, p * c->d + i);
        for (size_t i = 0; i < c->dv; i++) value[i] = random_normal(seed + 1, p * c->dv + i);
        cache_store(c, k, p, key, value);
    }
    read_back(c);
}

/* ---- queries and their results
 * ------------------------------------------------------------------- */

typedef struct query {
    guarded gq, go, gmax, gsum, gscratch;
    float *q, *o, *max, *sum;
    void *scratch;
    size_t nq, ldq, ldo;
    float scale;
    int32_t n[ROWS];
} query;

static void query_open(query *x, const cache *c, size_t nq)
{
    *x = (query){.nq = nq, .ldq = c->d + 3, .ldo = c->dv + 5, .scale = 1 / sqrtf((float)c->d)};
    x->q = guarded_new(&x->gq, (nq * x->ldq - 3) * 4, 4);
    x->o = guarded_new(&x->go, (nq * x->ldo - 5) * 4, 12);
    x->max = guarded_new(&x->gmax, nq * 4, 4);
    x->sum = guarded_new(&x->gsum, nq * 4, 8);
    x->scratch = guarded_new(&x->gscratch, KERN_ATTN_SCRATCH, 0);
}

static void query_fill(query *x, const cache *c, uint64_t seed, float size)
{
    for (size_t r = 0; r < x->nq; r++)
        for (size_t i = 0; i < c->d; i++)
            x->q[r * x->ldq + i] = size * random_normal(seed, r * c->d + i);
}

static void query_close(query *x)
{
    guarded *all[] = {&x->gq, &x->go, &x->gmax, &x->gsum, &x->gscratch};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        guarded_check(all[i]);
        guarded_free(all[i]);
    }
}

static void run(const kern *k, query *x, const cache *c)
{
    const uint8_t guard[4] = {GUARD_BYTE, GUARD_BYTE, GUARD_BYTE, GUARD_BYTE};
    kern_attn_args a = {.q = x->q,
                        .ldq = x->ldq,
                        .nq = x->nq,
                        .d = c->d,
                        .dv = c->dv,
                        .scale = x->scale,
                        .k = (const void *const *)c->k,
                        .v = c->latent ? NULL : (const void *const *)c->v,
                        .n = x->n,
                        .o = x->o,
                        .ldo = x->ldo,
                        .max = x->max,
                        .sum = x->sum,
                        .scratch = x->scratch};
    k->attn[c->type].span(&a);
    for (size_t r = 0; r + 1 < x->nq; r++) /* what lies between the rows of o */
        for (size_t i = c->dv; i < x->ldo; i++)
            assert_memory_equal(x->o + r * x->ldo + i, guard, 4);
}

/* ---- against doubles
 * ------------------------------------------------------------------------------- */

/* How far a variant may be off. A score is a sum of d products (each addition U of what is added
 * up), scaled (U); with BF16 arithmetic the query is rounded first. A weight is exp (4 U) of a
 * difference (U of it) and may be rounded to BF16; an output is a sum of n of them times values.
 * A Q8 key or value that enters BF16 arithmetic is rounded, too.
 * Both max and weights follow the scores, so results are compared after moving the variant's to the
 * true max. Returns the largest error as a share of its bound. */
static double check_row(const query *x, const cache *c, size_t r, bool bf16)
{
    size_t n = (size_t)x->n[r];
    const float *q = x->q + r * x->ldq, *o = x->o + r * x->ldo;
    const double rounded = bf16 ? U_BF16 : 0, page_rounded = c->type == KERN_KV_Q8 ? rounded : 0;
    double s[KERN_SPAN], off[KERN_SPAN], top = -INFINITY, off_max = 0, worst = 0;
    for (size_t p = 0; p < n; p++) {
        double dot = 0, size = 0, lost = 0;
        for (size_t i = 0; i < c->d; i++) {
            double k = c->key[p * c->d + i];
            dot += (double)q[i] * k;
            size += fabs((double)q[i] * k);
            lost += bf16 ? FLUSH * (fabs((double)q[i]) + fabs(k)) : 0;
        }
        s[p] = dot * (double)x->scale;
        off[p] = (rounded + page_rounded + (double)(c->d + 2) * U) * size + lost;
        off[p] *= 1.01 * (double)x->scale; /* 1.01: products of these small errors */
        top = fmax(top, s[p]);
        off_max = fmax(off_max, off[p]);
    }
    if (n == 0) {
        assert_true(x->max[r] == -INFINITY && x->sum[r] == 0);
        for (size_t i = 0; i < c->dv; i++) assert_true(o[i] == 0);
        return 0;
    }
    double moved = (double)x->max[r] - top, sum = 0, sum_bound = 0;
    assert_true(fabs(moved) <= off_max);
    for (size_t p = 0; p < n; p++) { /* from here: s the weight, off its bound */
        double w = exp(s[p] - top);
        off[p] =
            w * (expm1(off[p]) + 1.01 * (rounded + U * fabs(s[p] - top) + (double)(n + 8) * U)) +
            FLUSH * exp(moved);
        s[p] = w;
        sum += w;
        sum_bound += off[p];
    }
    double err = fabs((double)x->sum[r] * exp(moved) - sum);
    if (!(err <= sum_bound)) fail_msg("row %zu of n %zu: sum is off by %g of %g", r, n, err, sum);
    worst = err / sum_bound;
    for (size_t i = 0; i < c->dv; i++) {
        double want = 0, bound = FLUSH;
        for (size_t p = 0; p < n; p++) {
            double v = c->value[p * c->dv + i];
            want += s[p] * v;
            bound += (off[p] + 1.01 * page_rounded * s[p]) * fabs(v);
        }
        err = fabs((double)o[i] * exp(moved) - want);
        if (!(err <= bound))
            fail_msg("row %zu of n %zu: o[%zu] is off by %g, allowed %g", r, n, i, err, bound);
        worst = fmax(worst, err / bound);
    }
    return worst;
}

static const struct shape {
    size_t d, dv;
    bool latent;
} SHAPES[] = {{16, 16, 0},   {64, 64, 0},   {128, 128, 0}, {96, 48, 0}, {80, 112, 0},
              {192, 128, 0}, {256, 256, 0}, {576, 512, 1}, {64, 48, 1}, {32, 32, 1}};

enum { PATTERNS = 6 };
/* Positions seen by each row: whole, one length, causal by head groups, ragged, few, across a
 * start. */
static void fill_n(query *x, int pattern, uint64_t seed)
{
    size_t base = random_below(KERN_SPAN, seed, 1000), group = 1 + random_below(8, seed, 1001);
    for (size_t r = 0; r < x->nq; r++) {
        size_t n = 0;
        switch (pattern) {
        case 0: n = KERN_SPAN; break;
        case 1: n = base + 1; break;
        case 2: n = base + r / group; break;
        case 3: n = random_below(KERN_SPAN + 1, seed, r); break;
        case 4: n = random_below(3, seed, r); break;
        case 5: n = r < x->nq / 2 ? 0 : r - x->nq / 2; break;
        }
        x->n[r] = (int32_t)size_min(n, KERN_SPAN);
    }
}

typedef struct setting {
    kern k;
    bool bf16[KERN_KVS]; /* arithmetic on BF16 operands */
} setting;

static void set_up(setting *s, const char *level)
{
    if (!level_table(&s->k, level)) skip();
    memset(s->bf16, 0, sizeof s->bf16);
    s->bf16[KERN_KV_BF16] = s->bf16[KERN_KV_Q8] = (s->k.cpu & CPU_AVX512_BF16) != 0;
}

static bool fits(enum kern_kv t, const struct shape *s)
{
    return t != KERN_KV_Q8 || (s->d % 32 == 0 && s->dv % 32 == 0);
}

static void span_is_attention(void **state)
{
    static const size_t counts[] = {1, 2, 3, 5, 6, 7, 8, 11, 16, 60, 64};
    static const float sizes[] = {1, 0.01f, 6, 40};
    setting set;
    set_up(&set, *state);
    for (enum kern_kv t = KERN_KV_F32; t <= KERN_KV_Q8; t++) {
        double worst = 0;
        uint64_t seed = 0;
        for (size_t s = 0; s < COUNT_OF(SHAPES); s++) {
            if (!fits(t, &SHAPES[s])) continue;
            cache c;
            cache_open(&c, t, SHAPES[s].d, SHAPES[s].dv, SHAPES[s].latent);
            cache_fill(&c, &set.k, s, sizes[s % 3]);
            for (int pattern = 0; pattern < PATTERNS; pattern++, seed++) {
                query x;
                query_open(&x, &c, counts[seed * 7 % COUNT_OF(counts)]);
                query_fill(&x, &c, 100 + seed, sizes[seed % COUNT_OF(sizes)]);
                fill_n(&x, pattern, seed);
                run(&set.k, &x, &c);
                for (size_t r = 0; r < x.nq; r++)
                    worst = fmax(worst, check_row(&x, &c, r, set.bf16[t]));
                query_close(&x);
            }
            cache_close(&c);
        }
        print_message("# %s: %.2f of the bound at worst\n", TYPE_NAMES[t], worst);
    }
}

/* ---- the law
 * ------------------------------------------------------------------------------------- */

/* NaN into every position from p on: numbers for F32, F16 and BF16, scales for Q8. */
static void poison(cache *c, size_t p)
{
    for (size_t i = 0; i < PAGES; i++) {
        for (int value = 0; value < 2; value++) {
            size_t d = value ? c->dv : c->d, all = kern_kv_key_bytes(c->type, d);
            if (value && c->latent) continue;
            uint8_t *page = value ? c->v[i] : c->k[i];
            for (size_t at = p > i * KERN_PAGE ? p - i * KERN_PAGE : 0; at < KERN_PAGE; at++) {
                for (size_t j = 0; j < d; j++) {
                    size_t place = value ? value_place(c, at, j) : key_place(c, at, j);
                    size_t scale = value ? at * (d / 32) + j / 32
                                         : (at / 16 * (d / 32) + j / 32) * 16 + at % 16;
                    size_t size = all / (KERN_PAGE * d);
                    if (c->type == KERN_KV_Q8) memset(page + KERN_PAGE * d + scale * 4, 0xFF, 4);
                    else memset(page + place * size, 0xFF, size);
                }
            }
        }
    }
}

/* Row `from` of x alone or among others gives the bits it has as row `to` of y. */
static void check_same_row(const query *x, size_t from, const query *y, size_t to, size_t dv)
{
    assert_memory_equal(&x->max[from], &y->max[to], 4);
    assert_memory_equal(&x->sum[from], &y->sum[to], 4);
    for (size_t i = 0; i < dv; i++)
        if (memcmp(&x->o[from * x->ldo + i], &y->o[to * y->ldo + i], 4) != 0)
            fail_msg("row %zu (n %d), column %zu: %a among %zu rows, %a among %zu", from,
                     x->n[from], i, (double)x->o[from * x->ldo + i], x->nq,
                     (double)y->o[to * y->ldo + i], y->nq);
}

static void take_row(query *y, size_t to, const query *x, size_t from, size_t d)
{
    memcpy(y->q + to * y->ldq, x->q + from * x->ldq, d * sizeof *x->q);
    y->n[to] = x->n[from];
}

/* Any company of 1 to 64 rows, in any order. */
static void rows_do_not_see_each_other(void **state)
{
    setting set;
    set_up(&set, *state);
    for (enum kern_kv t = KERN_KV_F32; t <= KERN_KV_Q8; t++) {
        for (size_t s = 0; s < COUNT_OF(SHAPES); s++) {
            if (!fits(t, &SHAPES[s])) continue;
            cache c;
            cache_open(&c, t, SHAPES[s].d, SHAPES[s].dv, SHAPES[s].latent);
            cache_fill(&c, &set.k, s, 1);
            query x;
            query_open(&x, &c, ROWS);
            query_fill(&x, &c, 7, 1);
            fill_n(&x, 2 + (int)s % 3, s);
            run(&set.k, &x, &c);
            for (size_t nq = 1; nq <= ROWS; nq += SHAPES[s].d > 128 ? 9 : 1) {
                query y;
                query_open(&y, &c, nq);
                size_t first = random_below(ROWS, s, nq),
                       stride = 2 * random_below(32, s + 1, nq) + 1;
                for (size_t r = 0; r < nq; r++)
                    take_row(&y, r, &x, (first + r * stride) % ROWS, c.d);
                run(&set.k, &y, &c);
                for (size_t r = 0; r < nq; r++)
                    check_same_row(&x, (first + r * stride) % ROWS, &y, r, c.dv);
                query_close(&y);
            }
            query_close(&x);
            cache_close(&c);
        }
    }
}

/* Alone with nothing but NaN behind its last position, a row has the bits it had among rows that
 * see further; and rows that do see a NaN say so and do not pass it on. */
static void what_is_not_seen_does_not_matter(void **state)
{
    setting set;
    set_up(&set, *state);
    for (enum kern_kv t = KERN_KV_F32; t <= KERN_KV_Q8; t++) {
        for (size_t s = 1; s < COUNT_OF(SHAPES); s += 2) {
            if (!fits(t, &SHAPES[s])) continue;
            cache c;
            cache_open(&c, t, SHAPES[s].d, SHAPES[s].dv, SHAPES[s].latent);
            cache_fill(&c, &set.k, s, 1);
            query x, y, all;
            query_open(&x, &c, 8);
            query_open(&all, &c, 8);
            query_open(&y, &c, 1);
            query_fill(&x, &c, 7, 1);
            static const int32_t seen[8] = {300, 299, 256, 193, 129, 65, 31, 1}; /* falling */
            memcpy(x.n, seen, sizeof seen);
            run(&set.k, &x, &c);
            memcpy(all.n, seen, sizeof seen);
            for (size_t r = 0; r < 8; r++) take_row(&all, r, &x, r, c.d);
            for (size_t r = 0; r < 8; r++) {
                poison(&c, (size_t)x.n[r]);
                take_row(&y, 0, &x, r, c.d);
                run(&set.k, &y, &c);
                check_same_row(&x, r, &y, 0, c.dv);
                run(&set.k, &all, &c);
                for (size_t i = 0; i < 8; i++) {
                    if (i >= r) check_same_row(&x, i, &all, i, c.dv);
                    else assert_true(isnan(all.sum[i]) && isnan(all.o[i * all.ldo]));
                }
            }
            query_close(&x);
            query_close(&y);
            query_close(&all);
            cache_close(&c);
        }
    }
}

/* Pages that hold the heads c[0..heads) one after the other, keys before values. */
static void join(guarded pages[PAGES], const void **k, const void **v, const cache *c, size_t heads)
{
    size_t nk = kern_kv_key_bytes(c->type, c->d), nv = kern_kv_value_bytes(c->type, c->dv);
    for (size_t i = 0; i < PAGES; i++) {
        uint8_t *page = guarded_new(&pages[i], heads * (nk + nv), 0);
        for (size_t h = 0; h < heads; h++) {
            memcpy(page + h * (nk + nv), c[h].k[i], nk);
            memcpy(page + h * (nk + nv) + nk, c[h].v[i], nv);
        }
        k[i] = page;
        v[i] = page + nk;
    }
}

enum { HEADS = 5 };

/* nq rows of each of several heads in one call against a call for each head. */
static void check_heads(const kern *k, const cache *c, size_t heads, size_t nq, int pattern)
{
    size_t nk = kern_kv_key_bytes(c->type, c->d), nv = kern_kv_value_bytes(c->type, c->dv);
    guarded pages[PAGES];
    const void *kp[PAGES], *vp[PAGES];
    query x, y;
    join(pages, kp, vp, c, heads);
    query_open(&x, c, heads * nq);
    query_fill(&x, c, 7, 1);
    fill_n(&x, pattern, nq);
    k->attn[c->type].span(&(kern_attn_args){.q = x.q, .ldq = x.ldq, .nq = nq, .d = c->d, .dv = c->dv,
                                            .scale = x.scale, .k = kp, .v = vp, .n = x.n, .o = x.o,
                                            .ldo = x.ldo, .max = x.max, .sum = x.sum,
                                            .scratch = x.scratch, .heads = heads,
                                            .head_bytes = nk + nv, .next = kp[0], .n_next = 70});
    for (size_t h = 0; h < heads; h++) {
        query_open(&y, c, nq);
        for (size_t r = 0; r < nq; r++) {
            take_row(&y, r, &x, h * nq + r, c->d);
            y.n[r] = x.n[h * nq + r] = x.n[r];
        }
        run(k, &y, &c[h]);
        for (size_t r = 0; r < nq; r++) check_same_row(&x, h * nq + r, &y, r, c->dv);
        query_close(&y);
    }
    query_close(&x);
    for (size_t i = 0; i < PAGES; i++) {
        guarded_check(&pages[i]);
        guarded_free(&pages[i]);
    }
}

static void heads_do_not_see_each_other(void **state)
{
    setting set;
    set_up(&set, *state);
    for (enum kern_kv t = KERN_KV_F32; t <= KERN_KV_Q8; t++) {
        for (size_t s = 0; s < COUNT_OF(SHAPES); s++) {
            size_t most = KERN_HEAD_MAX / size_max(SHAPES[s].d, SHAPES[s].dv);
            if (!fits(t, &SHAPES[s]) || SHAPES[s].latent) continue;
            cache c[HEADS];
            for (size_t h = 0; h < HEADS; h++) {
                cache_open(&c[h], t, SHAPES[s].d, SHAPES[s].dv, false);
                cache_fill(&c[h], &set.k, s + 10 * h, 1);
            }
            for (size_t heads = 2; heads <= size_min(HEADS, most); heads++)
                for (size_t nq = 1; nq <= 3; nq++)
                    check_heads(&set.k, c, heads, nq, (int)(heads + nq + s) % PATTERNS);
            for (size_t h = 0; h < HEADS; h++) cache_close(&c[h]);
        }
    }
}

/* ---- stores
 * ---------------------------------------------------------------------------------------- */

static void stores_are_those_of_the_reference(void **state)
{
    static const float odd[] = {0.0f,      -0.0f, 1e-42f,    -1e-38f,   1e-6f,
                                65519.9f,  65520, 1e30f,     FLT_MAX,   INFINITY,
                                -INFINITY, NAN,   0x1.01p0f, 0x1.03p0f, 0x1.00200002p0f};
    setting set;
    kern ref;
    set_up(&set, *state);
    kern_init(&ref, 0);
    for (enum kern_kv t = KERN_KV_F32; t <= KERN_KV_Q8; t++) {
        for (size_t s = 0; s < COUNT_OF(SHAPES); s++) {
            if (!fits(t, &SHAPES[s])) continue;
            cache a, b;
            cache_open(&a, t, SHAPES[s].d, SHAPES[s].dv, SHAPES[s].latent);
            cache_open(&b, t, SHAPES[s].d, SHAPES[s].dv, SHAPES[s].latent);
            float buffer[2 * KERN_HEAD_MAX + 2], *key = buffer + 1, *value = key + a.d;
            for (size_t p = 0; p < KERN_SPAN; p += 1 + p % 5) {
                for (size_t i = 0; i < a.d + a.dv; i++)
                    key[i] = p % 3 == 0 && random_below(8, p, i) == 0
                                 ? odd[random_below(COUNT_OF(odd), p + 1, i)]
                                 : 3 * random_normal(p, i);
                cache_store(&a, &set.k, p, key, value);
                cache_store(&b, &ref, p, key, value);
            }
            for (size_t i = 0; i < PAGES; i++) {
                assert_memory_equal(a.k[i], b.k[i], kern_kv_key_bytes(t, a.d));
                assert_memory_equal(a.v[i], b.v[i], kern_kv_value_bytes(t, a.dv));
            }
            cache_close(&a);
            cache_close(&b);
        }
    }
}

/* ---- timing
 * ---------------------------------------------------------------------------------------- */

typedef struct bench {
    kern k;
    enum kern_kv type;
    kern_attn_args a;
    uint8_t *pool; /* pages of many spans */
    size_t key_bytes, value_bytes, spans, at;
} bench;

static void bench_span(void *arg)
{
    bench *b = arg;
    const void *k[PAGES], *v[PAGES];
    uint8_t *p = b->pool + b->at * PAGES * (b->key_bytes + b->value_bytes);
    for (size_t i = 0; i < PAGES; i++, p += b->key_bytes + b->value_bytes) {
        k[i] = p;
        v[i] = p + b->key_bytes;
    }
    b->a.k = k;
    b->a.v = b->value_bytes ? v : NULL;
    b->k.attn[b->type].span(&b->a);
    b->at = (b->at + 1) % b->spans;
}

static const struct bench_case {
    const char *name;
    size_t nq, d, dv;
    bool latent, causal;
    size_t memory; /* bytes of pages to walk through: more than the caches hold, or 1 span */
} BENCHES[] = {{"decode", 6, 128, 128, 0, 0, 128 << 20},
               {"decode, in cache", 6, 128, 128, 0, 0, 0},
               {"prefill 64", 64, 128, 128, 0, 0, 0},
               {"prefill 60", 60, 128, 128, 0, 0, 0},
               {"prefill 64, causal", 64, 128, 128, 0, 1, 0},
               {"MLA 16", 16, 576, 512, 1, 0, 0},
               {"MLA 64", 64, 576, 512, 1, 0, 0},
               {"MLA 16, from memory", 16, 576, 512, 1, 0, 128 << 20}};

static void bench_case_at(const struct bench_case *c, enum kern_kv t, const char *level)
{
    bench b = {.type = t, .key_bytes = kern_kv_key_bytes(t, c->d), .spans = 1};
    if (!level_table(&b.k, level)) return;
    if (!c->latent) b.value_bytes = kern_kv_value_bytes(t, c->dv);
    size_t bytes = PAGES * (b.key_bytes + b.value_bytes);
    if (c->memory) b.spans = c->memory / bytes;
    cache one;
    query x;
    cache_open(&one, t, c->d, c->dv, c->latent);
    cache_fill(&one, &b.k, 1, 1);
    query_open(&x, &one, c->nq);
    query_fill(&x, &one, 2, 1);
    b.pool = aligned_alloc(64, b.spans * bytes);
    uint8_t *p = b.pool;
    for (size_t i = 0; i < b.spans * PAGES; i++) {
        memcpy(p, one.k[i % PAGES], b.key_bytes);
        memcpy(p + b.key_bytes, one.v[i % PAGES], b.value_bytes);
        p += b.key_bytes + b.value_bytes;
    }
    double seen = 0;
    for (size_t r = 0; r < c->nq; r++) {
        x.n[r] = c->causal ? (int32_t)(KERN_SPAN - c->nq + r + 1) : KERN_SPAN;
        seen += x.n[r];
    }
    b.a = (kern_attn_args){.q = x.q,
                           .ldq = x.ldq,
                           .nq = c->nq,
                           .d = c->d,
                           .dv = c->dv,
                           .scale = x.scale,
                           .n = x.n,
                           .o = x.o,
                           .ldo = x.ldo,
                           .max = x.max,
                           .sum = x.sum,
                           .scratch = x.scratch};
    double s = bench_seconds(bench_span, &b);
    printf("%-20s %-5s %-12s %8.1f us %7.1f GFLOP/s %6.1f GB/s\n", c->name, TYPE_NAMES[t], level,
           s * 1e6, 2 * seen * (double)(c->d + c->dv) / s / 1e9, (double)bytes / s / 1e9);
    free(b.pool);
    query_close(&x);
    cache_close(&one);
}

static const char *const LEVELS[] = {"ref", "avx2", "avx512", "avx512_bf16"};

/* Each type at the levels that have code of their own for it. */
static void run_bench(const char *filter)
{
    for (size_t i = 0; i < COUNT_OF(BENCHES); i++)
        for (enum kern_kv t = KERN_KV_F32; t <= KERN_KV_Q8; t++)
            for (size_t l = 1; l < COUNT_OF(LEVELS); l++)
                if ((l < 3 || t >= KERN_KV_BF16) && strstr(LEVELS[l], filter))
                    bench_case_at(&BENCHES[i], t, LEVELS[l]);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) return run_bench(argc > 2 ? argv[2] : ""), 0;
    static test_list list;
    for (size_t l = 0; l < COUNT_OF(LEVELS); l++) {
        test_at(&list, "span is attention", span_is_attention, LEVELS[l]);
        test_at(&list, "the unseen does not matter", what_is_not_seen_does_not_matter, LEVELS[l]);
        test_at(&list, "heads do not see each other", heads_do_not_see_each_other, LEVELS[l]);
        if (l == 0) continue; /* one row at a time, and what stores must do */
        test_at(&list, "rows do not see each other", rows_do_not_see_each_other, LEVELS[l]);
        test_at(&list, "stores", stores_are_those_of_the_reference, LEVELS[l]);
    }
    return run_list("attention kernels", &list);
}
