/* train/part: whatever byte a kill comes at, whole chunks stay and the rest is made again.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/part.h"

#include <stdlib.h>
#include <unistd.h>

static char dir[32], path[64], copy[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/part-XXXXXX");
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/rows.part", dir);
    snprintf(copy, sizeof copy, "%s/rows", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path), unlink(copy);
    return rmdir(dir);
}

static ponder_status note(void *user, char letter, str row, ponder_error *err)
{
    (void)err;
    buf_printf(user, "%c:%.*s;", letter, STR_ARG(row));
    return PONDER_OK;
}

/* Chunk k holds k rows, one of them of another letter, and the state k. */
static void make_chunks(part *p, int from, int to)
{
    ponder_error err;
    for (int k = from; k <= to; k++) {
        for (int i = 0; i < k; i++) {
            char row[64];
            snprintf(row, sizeof row, "{\"k\":%d,\"i\":%d}", k, i);
            part_add(p, i == 1 ? 'b' : 'a', str_of(row));
        }
        char state[16];
        snprintf(state, sizeof state, "%d", k);
        check_ok(part_commit(p, str_of(state), &err));
    }
}

static void expect_file(const char *name, str want)
{
    ponder_error err;
    buf have = {0};
    check_ok(file_read(&have, name, 1 << 20, &err));
    assert_int_equal(have.n, want.n);
    assert_memory_equal(have.p, want.p, want.n);
    buf_free(&have);
}

static void every_cut_is_gone_on_from(void **state)
{
    (void)state;
    ponder_error err;
    part p;
    buf last = {0}, whole = {0};
    check_ok(part_open(&p, path, &last, note, NULL, &err));
    assert_int_equal(last.n, 0);
    make_chunks(&p, 1, 4);
    part_close(&p);
    check_ok(file_read(&whole, path, 1 << 20, &err));
    for (size_t cut = 0; cut <= whole.n; cut++) {
        buf rows = {0};
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(whole.p, 1, cut, f), cut);
        fclose(f);
        check_ok(part_open(&p, path, &last, note, &rows, &err));
        int chunks = last.n ? atoi(last.p) : 0, n = 0;
        for (size_t i = 0; i < rows.n; i++) n += rows.p[i] == ';';
        assert_int_equal(n, chunks * (chunks + 1) / 2);
        if (cut == whole.n) assert_int_equal(chunks, 4);
        make_chunks(&p, chunks + 1, 4);
        part_close(&p);
        expect_file(path, buf_str(&whole));
        buf_free(&rows);
    }
    buf_free(&last), buf_free(&whole);
}

static void letters_become_files(void **state)
{
    (void)state;
    ponder_error err;
    part p;
    buf last = {0};
    check_ok(part_open(&p, path, &last, NULL, NULL, &err));
    make_chunks(&p, 1, 3);
    check_ok(part_copy(&p, 'b', copy, &err));
    expect_file(copy, STR("{\"k\":2,\"i\":1}\n{\"k\":3,\"i\":1}\n"));
    check_ok(part_copy(&p, 'a', copy, &err));
    expect_file(copy, STR("{\"k\":1,\"i\":0}\n{\"k\":2,\"i\":0}\n{\"k\":3,\"i\":0}\n{\"k\":3,\"i\":2}\n"));
    check_ok(part_copy(&p, 'c', copy, &err));
    expect_file(copy, STR(""));
    part_close(&p);
    buf_free(&last);
}

static void a_folder_that_is_not_there(void **state)
{
    (void)state;
    ponder_error err;
    part p;
    buf last = {0};
    assert_int_equal(part_open(&p, "/none/of/this/rows.part", &last, NULL, NULL, &err), PONDER_EIO);
    assert_non_null(strstr(err.message, "rows.part"));
    part_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_cut_is_gone_on_from, set_up, tear_down),
        cmocka_unit_test_setup_teardown(letters_become_files, set_up, tear_down),
        cmocka_unit_test(a_folder_that_is_not_there),
    };
    return cmocka_run_group_tests_name("part", tests, NULL, NULL);
}
