/* Pages, stop strings, the loop guard.
 * SPDX-License-Identifier: MIT */
#include "engine/engine_int.h"
#include "tests/check.h"

/* ---- pages ----------------------------------------------------------------------------------- */

enum { PAGES = 6 };

static page_pool pool_of(arena *a)
{
    ponder_error err;
    page_pool p;
    arena count = {0};
    assert_int_equal(pages_place(&p, PAGES, &count), PONDER_OK);
    check_ok(arena_open(a, count.used, &err));
    assert_int_equal(pages_place(&p, PAGES, a), PONDER_OK);
    pages_reset(&p);
    return p;
}

static const int32_t *ids_of(int32_t kind)
{
    static int32_t ids[KERN_PAGE];
    for (int i = 0; i < KERN_PAGE; i++) ids[i] = kind * 1000 + i;
    return ids;
}

static void pages_are_free_held_or_cached(void **state)
{
    (void)state;
    arena a;
    page_pool p = pool_of(&a);
    uint32_t page[PAGES];
    for (int i = 0; i < PAGES; i++) page[i] = pages_take(&p);
    assert_int_equal(page[0], 0);
    assert_int_equal(pages_take(&p), PAGE_NONE);
    pages_name(&p, page[0], 0, ids_of(1));
    pages_name(&p, page[1], p.page[page[0]].name, ids_of(2));
    pages_hold(&p, page[0]);
    pages_drop(&p, page[0]);
    assert_int_equal(pages_ready(&p), 0);
    pages_drop(&p, page[1]);
    pages_drop(&p, page[0]);
    pages_drop(&p, page[2]);
    assert_int_equal(p.n_cached, 2);
    assert_int_equal(p.n_free, 1);
    /* A name is its ids after its predecessor. */
    assert_int_equal(pages_find(&p, 0, ids_of(1)), page[0]);
    assert_int_equal(pages_find(&p, 0, ids_of(2)), PAGE_NONE);
    assert_int_equal(pages_find(&p, p.page[page[0]].name, ids_of(2)), page[1]);
    /* The free one comes first, then the one unused longest, whose name is gone. */
    assert_int_equal(pages_take(&p), page[2]);
    uint64_t name = p.page[page[0]].name;
    assert_int_equal(pages_take(&p), page[1]);
    assert_int_equal(pages_find(&p, name, ids_of(2)), PAGE_NONE);
    pages_hold(&p, page[0]);
    assert_int_equal(pages_take(&p), PAGE_NONE);
    arena_close(&a);
}

static void orphans_are_not_found(void **state)
{
    (void)state;
    arena a;
    page_pool p = pool_of(&a);
    uint32_t first = pages_take(&p), second = pages_take(&p);
    pages_name(&p, first, 0, ids_of(1));
    pages_name(&p, second, p.page[first].name, ids_of(2));
    pages_drop(&p, first); /* older than its successor: forgotten first */
    pages_drop(&p, second);
    uint32_t got;
    while ((got = pages_take(&p)) != first) assert_int_not_equal(got, PAGE_NONE);
    pages_name(&p, first, 0, ids_of(1)); /* the same content again, under a new name */
    assert_int_equal(pages_find(&p, p.page[first].name, ids_of(2)), PAGE_NONE);
    arena_close(&a);
}

/* ---- stop strings ---------------------------------------------------------------------------- */

/* Where text ends by the definition: at the first byte that completes a stop string, before the
 * longest one that does. */
static size_t naive(str text, const str *stop, size_t n, int *which)
{
    for (size_t end = 1; end <= text.n; end++) {
        *which = -1;
        for (size_t i = 0; i < n; i++)
            if (str_ends((str){text.p, end}, stop[i]) && (*which < 0 || stop[i].n > stop[*which].n))
                *which = (int)i;
        if (*which >= 0) return end - stop[*which].n;
    }
    *which = -1;
    return text.n;
}

static char letter(uint64_t seed, uint64_t i)
{
    return (char)('a' + rng_below(2, seed, 1, i, RNG_TEST));
}

static void stops_equal_search_in_whole_text(void **state)
{
    (void)state;
    int hits = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        char text[40], bytes[4][8];
        str stop[4];
        size_t n = 1 + rng_below(4, seed, 2, 0, RNG_TEST);
        for (size_t i = 0; i < sizeof text; i++) text[i] = letter(seed, i);
        for (size_t i = 0; i < n; i++) {
            stop[i] = (str){bytes[i], 2 + rng_below(7, seed, 3, i, RNG_TEST)};
            for (size_t j = 0; j < stop[i].n; j++) bytes[i][j] = letter(seed, 100 + 10 * i + j);
        }
        stopper s;
        assert_true(stop_set(&s, stop, n));
        buf out = {0};
        int hit = -1, want;
        size_t cut = naive((str){text, sizeof text}, stop, n, &want);
        for (size_t at = 0; at < sizeof text && hit < 0;) {
            size_t piece = size_min(sizeof text - at, 1 + rng_below(5, seed, 4, at, RNG_TEST));
            hit = stop_push(&s, (str){text + at, piece}, &out);
            at += piece;
            assert_true(out.n <= cut); /* never a part of a stop string */
        }
        if (hit < 0) stop_flush(&s, &out);
        assert_true(hit == want || (hit >= 0 && str_eq(stop[hit], stop[want])));
        assert_int_equal(out.n, cut);
        assert_memory_equal(out.p ? out.p : "", text, cut);
        hits += hit >= 0;
        buf_free(&out);
    }
    assert_true(hits > 1000 && hits < 3999);
}

static void stops_have_limits(void **state)
{
    (void)state;
    stopper s;
    str many[ENGINE_STOPS + 1], empty = STR("");
    static char big[ENGINE_STOP_BYTES + 1];
    for (size_t i = 0; i < COUNT_OF(many); i++) many[i] = STR("x");
    assert_true(stop_set(&s, many, ENGINE_STOPS));
    assert_false(stop_set(&s, many, ENGINE_STOPS + 1));
    assert_false(stop_set(&s, &empty, 1));
    assert_false(stop_set(&s, &(str){big, sizeof big}, 1));
    assert_true(stop_set(&s, &(str){big, sizeof big - 1}, 1));
    assert_true(stop_set(&s, NULL, 0));
}

/* ---- loops ----------------------------------------------------------------------------------- */

static size_t tokens_until_loop(int32_t (*id)(size_t i), size_t n)
{
    static loop_guard g;
    loop_reset(&g);
    for (size_t i = 0; i < n; i++)
        if (loop_push(&g, id(i), ENGINE_LOOP_TOKENS)) return i + 1;
    return 0;
}

static int32_t one(size_t i) { return i < 100 ? (int32_t)(i * 7919 % 1009) : 5; }
static int32_t sentence(size_t i)
{
    return i < 500 ? (int32_t)(i * i % 997) : (int32_t)((i % 37) * 31);
}
static int32_t paragraph(size_t i) { return (int32_t)((i % 1000) * (i % 1000) % 4093); }
/* "12. word\n": the number of two tokens counts up, the rest of the line repeats. */
static int32_t list(size_t i)
{
    size_t line = i / 8;
    return i % 8 == 0   ? (int32_t)(line / 10 % 100)
           : i % 8 == 1 ? (int32_t)(200 + line % 10)
                        : (int32_t)(i % 8 + 500);
}
/* Rulers of 120 equal tokens between lines of text; a table of zeros, 12 x 12. */
static int32_t table(size_t i)
{
    size_t at = i % 160;
    return at < 120 ? 7 : (int32_t)(at + i / 160 * 40 % 4000);
}
static int32_t zeros(size_t i)
{
    return i % 700 < 288 ? (int32_t)(i % 2) : (int32_t)(i * 13 % 2003);
}
static int32_t noise(size_t i) { return (int32_t)rng_below(3, 1, 2, i, RNG_TEST); }

static void loops_are_found_and_lists_are_not(void **state)
{
    (void)state;
    assert_in_range(tokens_until_loop(one, 2000), 100 + ENGINE_LOOP_TOKENS,
                    110 + ENGINE_LOOP_TOKENS);
    assert_in_range(tokens_until_loop(sentence, 2000), 500 + ENGINE_LOOP_TOKENS,
                    540 + ENGINE_LOOP_TOKENS);
    assert_in_range(tokens_until_loop(paragraph, 9000), 4000,
                    4000); /* four times the same thousand */
    assert_int_equal(tokens_until_loop(list, 20000), 0);
    assert_int_equal(tokens_until_loop(table, 20000), 0);
    assert_int_equal(tokens_until_loop(zeros, 20000), 0);
    assert_int_equal(tokens_until_loop(noise, 20000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_free_held_or_cached),
        cmocka_unit_test(orphans_are_not_found),
        cmocka_unit_test(stops_equal_search_in_whole_text),
        cmocka_unit_test(stops_have_limits),
        cmocka_unit_test(loops_are_found_and_lists_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
