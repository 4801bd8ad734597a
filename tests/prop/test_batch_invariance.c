/* The law of batch invariance: the logits of a token depend on its sequence and the weights alone.
 * Every run here must give the same bits as each sequence alone, in one piece, on one thread.
 * SPDX-License-Identifier: MIT */
#include "tests/model/tiny.h"

enum { SEQUENCES = 3, MAX_LENGTH = 700, MAX_STEP = 256 };

/* How a run deviates from the plain one. */
typedef struct variant {
    const char *name;
    int threads;
    size_t chunk[SEQUENCES]; /* tokens of a sequence that enter in one step */
    bool together;           /* sequences share steps, else one after the other */
    bool shuffled;           /* pages in another order, and interleaved */
} variant;

static const variant VARIANTS[] = {
    {"token by token", 2, {1, 1, 1}, false, false},
    {"decoding together, pages mixed", 2, {1, 1, 1}, true, true},
    {"uneven chunks together, 3 threads", 3, {7, 64, 1}, true, true},
    {"large chunks together", 2, {100, 5, 130}, true, false},
};

static const char *const ARCHS[] = {"tiny-llama", "tiny-qwen2", "tiny-v2", "tiny-v3"};
static const num_type TYPES[] = {NUM_F32, NUM_BF16, NUM_Q8_0, NUM_Q4_K};
static char paths[COUNT_OF(ARCHS)][COUNT_OF(TYPES)][128];

static int make_models(void **state)
{
    (void)state;
    for (size_t a = 0; a < COUNT_OF(ARCHS); a++)
        for (size_t t = 0; t < COUNT_OF(TYPES); t++) tiny_write(ARCHS[a], TYPES[t], paths[a][t]);
    return 0;
}

static int remove_models(void **state)
{
    (void)state;
    tiny_cleanup();
    return 0;
}

static size_t pages_of(size_t length) { return size_ceil_div(length, KERN_PAGE); }

/* Page tables of all sequences, one after the other; shuffled ones stride through the pool. */
static void give_pages(tiny *t, const size_t *length, bool shuffled, uint32_t *table[SEQUENCES])
{
    size_t n = 0, all = 0, at = 0;
    for (size_t s = 0; s < SEQUENCES; s++) all += pages_of(length[s]);
    for (size_t i = 0; i < all; i++) t->pages[i] = (uint32_t)i;
    for (size_t i = all; shuffled && i > 1; i--) {
        size_t j = (size_t)rng_below(i, 3, 0, i, RNG_TEST);
        uint32_t swap = t->pages[i - 1];
        t->pages[i - 1] = t->pages[j];
        t->pages[j] = swap;
    }
    for (size_t s = 0; s < SEQUENCES; s++, at += n) {
        table[s] = t->pages + at;
        n = pages_of(length[s]);
    }
}

/* Runs all sequences as the variant says; logits[s] gets [length, vocab]. */
static void run(tiny *t, const variant *v, int32_t ids[][MAX_LENGTH], const size_t *length,
                float **logits)
{
    ponder_error err = {0};
    uint32_t *table[SEQUENCES];
    size_t vocab = (size_t)model_config_of(t->m)->vocab, done[SEQUENCES] = {0};
    give_pages(t, length, v->shuffled, table);
    memset(t->kv.base, 0xFF,
           t->kv.pages * t->kv.page_bytes); /* what is not stored must not matter: NaN */
    for (;;) {
        model_span spans[SEQUENCES];
        size_t n = 0, which[SEQUENCES];
        for (size_t s = 0; s < SEQUENCES && (n == 0 || v->together); s++) {
            size_t got = size_min(v->chunk[s], length[s] - done[s]);
            if (got == 0) continue;
            which[n] = s;
            spans[n++] = (model_span){.ids = ids[s] + done[s],
                                      .n = got,
                                      .pos = done[s],
                                      .pages = table[s],
                                      .want = 2,
                                      .logits = logits[s] + done[s] * vocab};
        }
        if (n == 0) return;
        check_ok(model_forward(t->step, t->m, &t->kv, spans, n, &err));
        for (size_t i = 0; i < n; i++) done[which[i]] += spans[i].n;
    }
}

static void compare(const char *what, const variant *v, size_t vocab, const size_t *length,
                    float **want, float **got)
{
    for (size_t s = 0; s < SEQUENCES; s++)
        for (size_t i = 0; i < length[s] * vocab; i++) {
            if (memcmp(&want[s][i], &got[s][i], sizeof(float)) == 0 && want[s][i] == want[s][i])
                continue;
            fail_msg("%s, %s: sequence %zu, position %zu, token %zu: %.9g alone, %.9g here", what,
                     v->name, s, i / vocab, i % vocab, (double)want[s][i], (double)got[s][i]);
        }
}

/* All variants against the plain run. */
static void check_model(const char *path, const char *level, enum kern_kv kv, const size_t *length)
{
    static int32_t ids[SEQUENCES][MAX_LENGTH];
    unsigned mask;
    assert_true(cpu_mask_by_name(&mask, level));
    size_t pages = 0, vocab = 0;
    float *want[SEQUENCES] = {0}, *got[SEQUENCES] = {0};
    const variant plain = {"alone", 1, {MAX_LENGTH, MAX_LENGTH, MAX_LENGTH}, false, false};
    for (size_t s = 0; s < SEQUENCES; s++) pages += pages_of(length[s]);
    for (size_t i = 0; i <= COUNT_OF(VARIANTS); i++) {
        const variant *v = i ? &VARIANTS[i - 1] : &plain;
        tiny t;
        tiny_open(&t, path, mask, v->threads, kv, pages, i ? MAX_STEP : MAX_LENGTH);
        vocab = (size_t)model_config_of(t.m)->vocab;
        for (size_t s = 0; s < SEQUENCES && i == 0; s++) {
            want[s] = malloc(length[s] * vocab * sizeof(float));
            got[s] = malloc(length[s] * vocab * sizeof(float));
            assert_true(want[s] && got[s]);
            for (size_t p = 0; p < length[s]; p++)
                ids[s][p] = (int32_t)rng_below(vocab, 11, s, p, RNG_TEST);
        }
        run(&t, v, ids, length, i ? got : want);
        char what[192];
        snprintf(what, sizeof what, "%s, %s, cache %d", strrchr(path, '/') + 1, level, (int)kv);
        if (i) compare(what, v, vocab, length, want, got);
        tiny_close(&t);
    }
    for (size_t s = 0; s < SEQUENCES; s++) {
        free(want[s]);
        free(got[s]);
    }
}

static const size_t TINY[SEQUENCES] = {5, 20, 3}, SHORT[SEQUENCES] = {9, 70, 20},
                    MIDDLE[SEQUENCES] = {75, 33, 130};

/* Every type on every architecture, the cache type changing with them: all four meet each. */
static void native_archs(void **state)
{
    (void)state;
    for (size_t a = 0; a < COUNT_OF(ARCHS); a++)
        for (size_t t = 0; t < COUNT_OF(TYPES); t++)
            check_model(paths[a][t], "native", (enum kern_kv)((t + a) % KERN_KVS),
                        a == 0 ? MIDDLE : SHORT);
}

/* The lower levels: every type once, each on another architecture. */
static void check_level(const char *level, size_t shift, const size_t *length)
{
    for (size_t a = 0; a < COUNT_OF(ARCHS); a++)
        check_model(paths[a][(a + shift) % COUNT_OF(TYPES)], level,
                    (enum kern_kv)((a + 2 * shift) % KERN_KVS), length);
}

static void avx512_vnni_archs(void **state) { (void)state, check_level("avx512_vnni", 1, SHORT); }
static void avx512_archs(void **state) { (void)state, check_level("avx512", 2, SHORT); }
static void avx2_archs(void **state) { (void)state, check_level("avx2", 3, SHORT); }
static void ref_archs(void **state) { (void)state, check_level("ref", 4, TINY); }

/* Over the border of attention spans, where partial results are merged. */
static void long_sequences(void **state)
{
    (void)state;
    const size_t length[SEQUENCES] = {530, 10, 5};
    check_model(paths[0][2], "native", KERN_KV_F32, length);
    check_model(paths[2][2], "native", KERN_KV_BF16, length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_archs), cmocka_unit_test(avx512_vnni_archs),
        cmocka_unit_test(avx512_archs), cmocka_unit_test(avx2_archs),
        cmocka_unit_test(ref_archs),    cmocka_unit_test(long_sequences),
    };
    return cmocka_run_group_tests(tests, make_models, remove_models);
}
