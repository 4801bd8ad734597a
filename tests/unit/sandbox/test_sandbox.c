/* The sandbox by its interface: limits, results, levels, threads, and nothing left behind.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "sandbox/sandbox.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A sandbox of the level in *state; skips where the machine does not grant it. */
static sandbox *open_in(void **state, int slots, const char *dir)
{
    const enum sandbox_level level = *(const enum sandbox_level *)*state;
    const sandbox_options o = {.slots = slots, .floor = level, .ceiling = level, .dir = dir};
    sandbox *s;
    ponder_error err;
    if (sandbox_open(&s, &o, &err) != PONDER_OK) {
        print_message("%s\n", err.message);
        skip();
    }
    assert_int_equal(sandbox_level_of(s), level);
    return s;
}

static sandbox *open_level(void **state, int slots) { return open_in(state, slots, NULL); }

static void run(sandbox *s, sandbox_job *job, sandbox_result *r)
{
    ponder_error err;
    check_ok(sandbox_run(s, job, r, &err));
}

static void check_text(const buf *b, const char *want)
{
    if (!str_eq(buf_str(b), str_of(want))) fail_msg("\"%.*s\" for \"%s\"", STR_ARG(buf_str(b)), want);
}

static void test_streams(void **state)
{
    sandbox *s = open_level(state, 1);
    sandbox_result r = {0};
    const char *const argv[] = {"/usr/bin/cat", NULL};
    run(s, &(sandbox_job){.argv = argv, .input = STR("in\0to out\n")}, &r);
    assert_int_equal(r.end, SANDBOX_EXITED);
    assert_int_equal(r.code, 0);
    assert_true(str_eq(buf_str(&r.out), STR("in\0to out\n")));
    const char *const sh[] = {"/bin/sh", "-c", "echo oops >&2; exit 7", NULL};
    run(s, &(sandbox_job){.argv = sh}, &r);
    assert_int_equal(r.code, 7);
    check_text(&r.err, "oops\n");
    check_text(&r.out, "");
    const char *const term[] = {"/bin/sh", "-c", "kill -TERM $$", NULL};
    run(s, &(sandbox_job){.argv = term}, &r);
    assert_int_equal(r.end, SANDBOX_SIGNALED);
    assert_int_equal(r.code, SIGTERM);
    sandbox_result_free(&r);
    sandbox_close(s);
}

static void test_files(void **state)
{
    sandbox *s = open_level(state, 1);
    sandbox_result r = {0};
    const sandbox_file files[] = {{"a", STR("first"), false}, {"run", STR("#!/bin/sh\nread x <a; echo $x$0"), true}};
    const char *const argv[] = {"./run", NULL};
    run(s, &(sandbox_job){.argv = argv, .files = files, .nfiles = 2}, &r);
    check_text(&r.out, "first./run\n");
    const char *const copy[] = {"/usr/bin/cp", "a", "kept", NULL};
    run(s, &(sandbox_job){.argv = copy, .files = files, .nfiles = 2, .keep = "kept", .limits.processes = true}, &r);
    check_text(&r.kept, "first");
    run(s, &(sandbox_job){.argv = argv, .files = files, .nfiles = 2, .keep = "kept"}, &r);
    check_text(&r.kept, "");
    sandbox_result_free(&r);
    sandbox_close(s);
}

static void test_limits(void **state)
{
    sandbox *s = open_level(state, 1);
    sandbox_result r = {0};
    const char *const spin[] = {"/bin/sh", "-c", "while :; do :; done", NULL};
    run(s, &(sandbox_job){.argv = spin, .limits = {.cpu_ms = 150, .wall_ms = 20000}}, &r);
    assert_int_equal(r.end, SANDBOX_CPU);
    assert_true(r.cpu_ms >= 150 && r.cpu_ms < 1200);
    const char *const sleep_long[] = {"/usr/bin/sleep", "100", NULL};
    run(s, &(sandbox_job){.argv = sleep_long, .limits.wall_ms = 150}, &r);
    assert_int_equal(r.end, SANDBOX_WALL);
    assert_true(r.wall_ms >= 150 && r.wall_ms < 5000);
    const char *const flood[] = {"/usr/bin/yes", NULL};
    run(s, &(sandbox_job){.argv = flood, .limits.output = 100000}, &r);
    assert_int_equal(r.end, SANDBOX_OUTPUT);
    assert_true(r.out.n <= 100000);
    const char *const exact[] = {"/usr/bin/head", "-c", "100000", "/dev/zero", NULL};
    run(s, &(sandbox_job){.argv = exact, .limits.output = 100000}, &r);
    assert_int_equal(r.end, SANDBOX_EXITED);
    assert_int_equal(r.out.n, 100000);
    sandbox_result_free(&r);
    sandbox_close(s);
}

static void test_bad_jobs(void **state)
{
    sandbox *s = open_level(state, 1);
    sandbox_result r = {0};
    ponder_error err;
    const char *const none[] = {NULL}, *const absent[] = {"/usr/bin/no-such-program", NULL};
    const char *const good[] = {"/usr/bin/true", NULL};
    const sandbox_file outside = {"../x", STR("x"), false};
    assert_int_equal(sandbox_run(s, &(sandbox_job){.argv = none}, &r, &err), PONDER_EARG);
    assert_int_equal(sandbox_run(s, &(sandbox_job){.argv = absent}, &r, &err), PONDER_ENOTFOUND);
    assert_non_null(strstr(err.message, "no-such-program"));
    assert_int_equal(sandbox_run(s, &(sandbox_job){.argv = good, .files = &outside, .nfiles = 1}, &r, &err), PONDER_EARG);
    assert_int_equal(sandbox_run(s, &(sandbox_job){.argv = good, .limits.tasks = 1u << 30}, &r, &err), PONDER_EARG);
    run(s, &(sandbox_job){.argv = good}, &r);
    assert_int_equal(r.code, 0);
    sandbox_result_free(&r);
    sandbox_close(s);
}

/* ---- from several threads -------------------------------------------------------------------------- */

typedef struct crowd {
    sandbox *s;
    atomic_int next, wrong, alone;
} crowd;

static void *run_some(void *arg)
{
    crowd *c = arg;
    sandbox_result r = {0};
    for (int i; (i = atomic_fetch_add(&c->next, 1)) < 40;) {
        char text[32], want[40];
        snprintf(text, sizeof text, "run %d", i);
        snprintf(want, sizeof want, "%s\n", text);
        const char *const argv[] = {"/usr/bin/echo", text, NULL};
        const bool alone = i % 10 == 0;
        ponder_status st = sandbox_run(c->s, &(sandbox_job){.argv = argv, .alone = alone}, &r, NULL);
        if (st != PONDER_OK || !str_eq(buf_str(&r.out), str_of(want))) atomic_fetch_add(&c->wrong, 1);
    }
    sandbox_result_free(&r);
    return NULL;
}

static void test_threads(void **state)
{
    crowd c = {.s = open_level(state, 3)};
    pthread_t t[6];
    for (size_t i = 0; i < COUNT_OF(t); i++) assert_int_equal(pthread_create(&t[i], NULL, run_some, &c), 0);
    for (size_t i = 0; i < COUNT_OF(t); i++) pthread_join(t[i], NULL);
    assert_int_equal(c.wrong, 0);
    sandbox_close(c.s);
}

static void *wait_for_end(void *arg)
{
    const atomic_int *end = arg;
    while (!atomic_load(end)) usleep(1000);
    return NULL;
}

/* What is forked must not wait for threads that it does not have. */
static void test_opened_among_threads(void **state)
{
    atomic_int end = 0;
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, wait_for_end, &end), 0);
    const enum sandbox_level level = *(const enum sandbox_level *)*state;
    const sandbox_options o = {.slots = 1, .floor = level, .ceiling = level};
    sandbox *s;
    ponder_error err;
    ponder_status st = sandbox_open(&s, &o, &err);
    atomic_store(&end, 1);
    pthread_join(t, NULL);
    assert_true(st == PONDER_OK || st == PONDER_ELIMIT);
    sandbox_close(s);
}

static void *run_sleeper(void *arg)
{
    sandbox_result r = {0};
    const char *const argv[] = {"/usr/bin/sleep", "100", NULL};
    sandbox_run(arg, &(sandbox_job){.argv = argv, .limits.wall_ms = 3000}, &r, NULL);
    sandbox_result_free(&r);
    return NULL;
}

/* One slot sleeps for three seconds; the other goes on meanwhile. */
static void test_neighbours(void **state)
{
    sandbox *s = open_level(state, 2);
    sandbox_result r = {0};
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run_sleeper, s), 0);
    usleep(100000);
    const char *const argv[] = {"/usr/bin/true", NULL};
    const double start = clock_seconds();
    for (int i = 0; i < 5; i++) run(s, &(sandbox_job){.argv = argv}, &r);
    assert_true(clock_seconds() - start < 2.5);
    pthread_join(t, NULL);
    sandbox_result_free(&r);
    sandbox_close(s);
}

/* ---- nothing left ---------------------------------------------------------------------------------- */

static int count_open(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static int count_named(const char *folder, const char *prefix)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    if (d) closedir(d);
    return n;
}

static void test_leaves_nothing(void **state)
{
    char group[64], dir[] = "/tmp/ponder-left-XXXXXX";
    snprintf(group, sizeof group, "ponder-%d-", (int)getpid());
    sandbox_close(open_level(state, 2)); /* skips before there is a folder */
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0711), 0);
    const int descriptors = count_open();
    sandbox *s = open_in(state, 2, dir);
    sandbox_result r = {0};
    const int during = count_open();
    const char *const argv[] = {"/bin/sh", "-c", "echo x >left; mkdir d; echo y >d/z", NULL};
    for (int i = 0; i < 3; i++) run(s, &(sandbox_job){.argv = argv, .limits.processes = true}, &r);
    assert_int_equal(count_open(), during);
    sandbox_result_free(&r);
    sandbox_close(s);
    assert_int_equal(count_open(), descriptors);
    assert_int_equal(rmdir(dir), 0); /* empty */
    assert_int_equal(count_named("/sys/fs/cgroup/pids", group), 0);
    assert_int_equal(count_named("/sys/fs/cgroup", group), 0);
}

static void test_floor(void **state)
{
    (void)state;
    sandbox *s;
    ponder_error err;
    const sandbox_options o = {.slots = 1, .floor = SANDBOX_A, .ceiling = SANDBOX_C};
    assert_int_equal(sandbox_open(&s, &o, &err), PONDER_ELIMIT);
    assert_null(s);
    assert_non_null(strstr(err.message, "floor A"));
    assert_int_equal(sandbox_open(&s, &(sandbox_options){.slots = 65}, &err), PONDER_EARG);
    enum sandbox_level level;
    assert_true(sandbox_level_by_name(&level, STR("B")) && level == SANDBOX_B);
    assert_false(sandbox_level_by_name(&level, STR("D")) || sandbox_level_by_name(&level, STR("")));
}

static void test_probe(void **state)
{
    (void)state;
    sandbox_probed p;
    sandbox_probe(&p);
    assert_true(p.n >= 10);
    for (size_t i = 0; i < p.n; i++) assert_true(p.layer[i].name[0] && p.layer[i].remedy[0] && p.layer[i].detail[0]);
    if (geteuid() != 0) assert_true(p.level < SANDBOX_A);
}

int main(void)
{
    static enum sandbox_level levels[] = {SANDBOX_A, SANDBOX_B, SANDBOX_C};
    static const char *const names[] = {"level A", "level B", "level C"};
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        enum sandbox_level *level = &levels[i];
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_prestate(test_streams, level),    cmocka_unit_test_prestate(test_files, level),
            cmocka_unit_test_prestate(test_limits, level),     cmocka_unit_test_prestate(test_bad_jobs, level),
            cmocka_unit_test_prestate(test_threads, level),    cmocka_unit_test_prestate(test_neighbours, level),
            cmocka_unit_test_prestate(test_leaves_nothing, level),
            cmocka_unit_test_prestate(test_opened_among_threads, level),
        };
        failed += cmocka_run_group_tests_name(names[i], tests, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_floor), cmocka_unit_test(test_probe)};
    return failed + cmocka_run_group_tests_name("opening", tests, NULL, NULL);
}
