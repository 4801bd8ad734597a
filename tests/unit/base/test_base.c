/* base: errors, strings, arenas, files, counted randomness, the pool.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static void error_message_is_one_line(void **state)
{
    (void)state;
    ponder_error err;
    assert_int_equal(err_set(&err, PONDER_EFORMAT, "bad %s", "na\nme"), PONDER_EFORMAT);
    assert_string_equal(err.message, "bad na?me");
    err_context(&err, PONDER_EIO, "file %d", 3);
    assert_string_equal(err.message, "file 3: bad na?me");
    assert_int_equal(err.code, PONDER_EIO);
    assert_int_equal(err_set(NULL, PONDER_EARG, "x"), PONDER_EARG);
}

static void strings(void **state)
{
    (void)state;
    assert_true(str_starts(STR("ponder"), STR("pon")));
    assert_false(str_starts(STR("po"), STR("pon")));
    assert_true(str_ends(STR("a.gguf"), STR(".gguf")));
    assert_int_equal(str_find(STR("aab"), STR("ab"), 0), 1);
    assert_int_equal(str_find(STR("aab"), STR("ba"), 0), SIZE_MAX);
    assert_int_equal(str_find(STR("abab"), STR("ab"), 1), 2);
    buf b = {0};
    for (int i = 0; i < 1000; i++) buf_printf(&b, "%d,", i);
    assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4);
    assert_false(b.failed);
    assert_false(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_free(&b);
}

static void arena_measures_what_it_places(void **state)
{
    (void)state;
    ponder_error err;
    arena count = {0};
    assert_non_null(arena_new(&count, float, 100));
    assert_non_null(arena_new(&count, char, 1));
    assert_int_equal(count.used, 448 + 64);
    assert_null(arena_array(&count, SIZE_MAX, 8));
    arena a;
    check_ok(arena_open(&a, count.used, &err));
    assert_non_null(arena_new(&a, float, 100));
    assert_non_null(arena_new(&a, char, 1));
    assert_null(arena_new(&a, char, 1));
    arena_close(&a);
}

static void file_is_complete_or_absent(void **state)
{
    (void)state;
    ponder_error err;
    char dir[] = "/tmp/ponder-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char path[64];
    snprintf(path, sizeof path, "%s/out", dir);
    file_writer w;
    check_ok(file_begin(&w, path, &err));
    check_ok(file_put(&w, "hello", 5, &err));
    assert_false(file_exists(path));
    file_abort(&w);
    assert_false(file_exists(path));
    check_ok(file_begin(&w, path, &err));
    check_ok(file_put(&w, "hello", 5, &err));
    check_ok(file_commit(&w, &err));
    mapped m;
    check_ok(file_map(&m, path, &err));
    assert_int_equal(m.n, 5);
    assert_memory_equal(m.p, "hello", 5);
    file_unmap(&m);
    buf b = {0};
    assert_int_equal(file_read(&b, path, 4, &err), PONDER_ELIMIT);
    buf_free(&b);
    unlink(path);
    assert_int_equal(file_map(&m, path, &err), PONDER_ENOTFOUND);
    rmdir(dir);
}

/* Known answers published with the Philox paper's Random123 library (kat_vectors). */
static void philox_known_answers(void **state)
{
    (void)state;
    rng_bits z = rng_at(0, 0, 0, 0);
    assert_int_equal(z.v[0], 0x6627e8d5);
    assert_int_equal(z.v[1], 0xe169c58d);
    assert_int_equal(z.v[2], 0xbc57ac4c);
    assert_int_equal(z.v[3], 0x9b00dbd8);
    rng_bits f = rng_at(UINT64_MAX, UINT64_MAX, UINT64_MAX, 0);
    assert_int_equal(f.v[0], 0x408f276d);
    assert_int_equal(f.v[1], 0x41c83b0e);
    assert_int_equal(f.v[2], 0xa20bc7c6);
    assert_int_equal(f.v[3], 0x6d5451fd);
}

static void uniform_and_normal_moments(void **state)
{
    (void)state;
    enum { N = 100000 };
    double su = 0, sn = 0, sn2 = 0;
    for (uint64_t i = 0; i < N; i++) {
        double u = rng_uniform(7, 1, i, RNG_TEST);
        assert_true(u >= 0 && u < 1);
        su += u;
        float g[2];
        rng_normal2(g, 7, 2, i, RNG_TEST);
        sn += (double)g[0] + (double)g[1];
        sn2 += (double)g[0] * (double)g[0] + (double)g[1] * (double)g[1];
        assert_true(rng_below(10, 7, 3, i, RNG_TEST) < 10);
    }
    /* Five standard errors: sd of a uniform is 12^-1/2, of a square of a normal 2^1/2. */
    assert_true(fabs(su / N - 0.5) < 5 * 0.2887 / sqrt(N));
    assert_true(fabs(sn / (2 * N)) < 5 / sqrt(2 * N));
    assert_true(fabs(sn2 / (2 * N) - 1) < 5 * 1.4142 / sqrt(2 * N));
}

struct cover {
    atomic_uchar seen[1000];
    pool *pool;
};

static void mark(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct cover *c = arg;
    for (size_t i = begin; i < end; i++) atomic_fetch_add(&c->seen[i], 1);
}

static void mark_nested(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    struct cover *c = arg;
    for (size_t i = begin; i < end; i++) {
        struct cover inner = {.pool = NULL};
        pool_run(c->pool, 10, 1, mark, &inner); /* must run inline */
        atomic_fetch_add(&c->seen[i], inner.seen[9]);
    }
}

static void pool_covers_each_item_once(void **state)
{
    (void)state;
    ponder_error err;
    for (int threads = 1; threads <= 5; threads++) {
        pool *p;
        check_ok(pool_open(&p, threads, &err));
        for (int round = 0; round < 200; round++) {
            struct cover c = {.pool = p};
            size_t n = 1 + (size_t)round * 5 % 1000;
            pool_run(p, n, 1 + (size_t)round % 7, round % 10 ? mark : mark_nested, &c);
            for (size_t i = 0; i < 1000; i++) assert_int_equal(c.seen[i], i < n);
            if (round % 50 == 49) usleep(1000); /* long enough to fall asleep */
        }
        pool_close(p);
    }
    pool *p;
    assert_int_equal(pool_open(&p, 0, &err), PONDER_EARG);
}

enum { PIECES = 100, OTHERS = PIECES / 2 };

struct parts {
    atomic_size_t first[2], done, stolen; /* first: where a worker began, and 1 */
};

/* Worker 0 waits at its first piece until worker 1 has one, and worker 1 at its own until all others are done. */
static void take_turns(void *arg, size_t begin, size_t end, int worker)
{
    struct parts *c = arg;
    size_t none = 0;
    bool first = atomic_compare_exchange_strong(&c->first[worker], &none, begin + 1);
    while (first && worker == 0 && !c->first[1]) usleep(1);
    while (first && worker == 1 && c->done + (end - begin) < PIECES) usleep(1);
    if (worker == 0 && begin >= OTHERS) c->stolen += end - begin;
    c->done += end - begin;
}

static void pool_worker_begins_with_its_part(void **state)
{
    (void)state;
    ponder_error err;
    pool *p;
    check_ok(pool_open(&p, 2, &err));
    for (int round = 0; round < 20; round++) {
        struct parts c = {0};
        pool_run(p, PIECES, 1, take_turns, &c);
        assert_int_equal(c.first[0], 1);
        assert_int_equal(c.first[1], OTHERS + 1);
        assert_int_equal(c.done, PIECES);
        assert_in_range(c.stolen, 1, OTHERS - 1);
    }
    pool_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_message_is_one_line),
        cmocka_unit_test(strings),
        cmocka_unit_test(arena_measures_what_it_places),
        cmocka_unit_test(file_is_complete_or_absent),
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(uniform_and_normal_moments),
        cmocka_unit_test(pool_covers_each_item_once),
        cmocka_unit_test(pool_worker_begins_with_its_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
