/* train/checkpoint: what is saved comes back, at every interruption.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/checkpoint.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 5000 };

typedef struct run {
    float w[N];
    uint16_t m[N];
    int64_t counter[3];
} run;

static char dir[32];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/checkpoint-XXXXXX");
    return mkdtemp(dir) ? 0 : 1;
}

static int tear_down(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static size_t sections(run *r, checkpoint_section s[3])
{
    s[0] = (checkpoint_section){"weights", NUM_F32, r->w, N};
    s[1] = (checkpoint_section){"moments", NUM_BF16, r->m, N};
    s[2] = (checkpoint_section){"counters", NUM_I64, r->counter, 3};
    return 3;
}

static run *run_at(uint64_t step)
{
    run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (size_t i = 0; i < N; i++) {
        r->w[i] = (float)rng_uniform(step, 0, i, RNG_TEST);
        r->m[i] = (uint16_t)rng_u64(step, 1, i, RNG_TEST);
    }
    for (int i = 0; i < 3; i++) r->counter[i] = (int64_t)rng_u64(step, 2, (uint64_t)i, RNG_TEST);
    return r;
}

static ponder_status save(uint64_t step, ponder_error *err)
{
    checkpoint_section s[3];
    char state[64];
    run *r = run_at(step);
    snprintf(state, sizeof state, "{\"step\":%llu}", (unsigned long long)step);
    ponder_status st = checkpoint_save(dir, step, str_of(state), s, sections(r, s), 2, err);
    free(r);
    return st;
}

/* The step to go on from, after a check that all its bytes are right. */
static uint64_t resumed(void)
{
    ponder_error err;
    char *path;
    json_t *state;
    checkpoint_section s[3];
    check_ok(checkpoint_find(&path, dir, &err));
    check_ok(checkpoint_state(&state, path, &err));
    uint64_t step = (uint64_t)json_integer_value(json_object_get(state, "step"));
    json_decref(state);
    run *r = calloc(1, sizeof *r), *want = run_at(step);
    check_ok(checkpoint_load(path, s, sections(r, s), &err));
    assert_memory_equal(r, want, sizeof *r);
    free(r), free(want), free(path);
    return step;
}

static size_t files(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static size_t half_written(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) n += strstr(e->d_name, ".tmp-") != NULL;
    closedir(d);
    return n;
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static void saved_is_loaded_and_old_ones_go(void **state)
{
    (void)state;
    ponder_error err;
    char *path;
    assert_int_equal(checkpoint_find(&path, dir, &err), PONDER_ENOTFOUND);
    for (uint64_t step = 10; step <= 40; step += 10) {
        check_ok(save(step, &err));
        assert_int_equal(resumed(), step);
    }
    assert_int_equal(files(), 3); /* two checkpoints and the pointer */
}

static void damage_falls_back_to_what_can_be_read(void **state)
{
    (void)state;
    ponder_error err;
    check_ok(save(10, &err));
    check_ok(save(20, &err));
    write_file("latest", "step-0000000010.safetensors\n");
    assert_int_equal(resumed(), 10); /* the pointer decides */
    write_file("latest", "../../etc/passwd\n");
    assert_int_equal(resumed(), 20);
    write_file("latest", "");
    assert_int_equal(resumed(), 20);
    write_file("step-0000000030.safetensors", "torn");
    write_file("latest", "step-0000000030.safetensors\n");
    assert_int_equal(resumed(), 20);
}

static void another_shape_is_refused_before_anything_changes(void **state)
{
    (void)state;
    ponder_error err;
    char *path;
    checkpoint_section s[3];
    check_ok(save(10, &err));
    check_ok(checkpoint_find(&path, dir, &err));
    run *r = calloc(1, sizeof *r);
    sections(r, s);
    s[2].n = 2;
    assert_int_equal(checkpoint_load(path, s, 3, &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "counters"));
    assert_int_equal(checkpoint_load(path, s, 2, &err), PONDER_EFORMAT);
    s[2].n = 3, s[1].type = NUM_F16;
    assert_int_equal(checkpoint_load(path, s, 3, &err), PONDER_EFORMAT);
    for (size_t i = 0; i < N; i++) assert_true(r->w[i] == 0);
    free(r), free(path);
}

/* Kills a process that saves without pause, at many moments: 40, or more on a machine so busy that
 * it saved nothing in them. */
static void a_kill_at_any_moment_loses_nothing(void **state)
{
    (void)state;
    ponder_error err;
    check_ok(save(1, &err));
    uint64_t last = 1;
    for (int round = 0; round < 40 || (last == 1 && round < 4000); round++) {
        pid_t child = fork();
        if (child == 0)
            for (uint64_t step = last + 1;; step++)
                if (save(step, NULL) != PONDER_OK) _exit(1);
        usleep((useconds_t)(500 + rng_below(20000, 1, 0, (uint64_t)round, RNG_TEST)));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        uint64_t now = resumed();
        assert_true(now >= last);
        last = now;
        assert_int_equal(half_written(), 0);
    }
    assert_true(last > 1);
    check_ok(save(last + 1, &err));
    assert_int_equal(files(), 3); /* what kills left over is gone */
}

static void a_full_disk_leaves_the_last_one(void **state)
{
    (void)state;
    ponder_error err;
    check_ok(save(10, &err));
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 10000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    ponder_status st = save(20, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(st, PONDER_EIO);
    assert_non_null(strstr(err.message, "step-0000000020.safetensors"));
    assert_int_equal(files(), 2);
    assert_int_equal(resumed(), 10);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(saved_is_loaded_and_old_ones_go),
        TEST(damage_falls_back_to_what_can_be_read),
        TEST(another_shape_is_refused_before_anything_changes),
        TEST(a_kill_at_any_moment_loses_nothing),
        TEST(a_full_disk_leaves_the_last_one),
    };
    return cmocka_run_group_tests_name("train/checkpoint", tests, NULL, NULL);
}
