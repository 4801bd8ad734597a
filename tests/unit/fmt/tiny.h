/* A scratch folder and small model files for the fmt tests.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_FMT_TINY_H
#define TESTS_FMT_TINY_H

#include "tests/check.h"

#include "fmt/fmt_int.h"

#include <stdlib.h>
#include <unistd.h>

static char tiny_dir[] = "/tmp/ponder-fmt-XXXXXX";

static inline int tiny_setup(void **state)
{
    (void)state;
    return mkdtemp(tiny_dir) ? 0 : -1;
}

static inline int tiny_teardown(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", tiny_dir);
    return system(command);
}

/* A path in the scratch folder; one of four, used in turn. */
static inline const char *tiny_path(const char *name)
{
    static char paths[4][128];
    static int turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", tiny_dir, name);
    return p;
}

static inline void tiny_write(const char *path, const void *bytes, size_t n)
{
    ponder_error err;
    file_writer w;
    check_ok(file_begin(&w, path, &err));
    check_ok(file_put(&w, bytes, n, &err));
    check_ok(file_commit(&w, &err));
}

/* A GGUF file with every kind of value and three tensors: a Q8_0 of 32x3, b F32 of 5, c F16 of
 * 2x2x2. Their bytes count up from 1, 2 and 3. */
static inline void tiny_gguf(const char *path)
{
    ponder_error err;
    gguf_writer *w;
    const str words[] = {STR("zero"), STR(""), STR("two")};
    const int32_t ints[] = {-1, 2, 3};
    const float floats[] = {0.5f, -2};
    const uint64_t da[] = {32, 3}, db[] = {5}, dc[] = {2, 2, 2};
    uint8_t bytes[102 + 20 + 16];
    check_ok(gguf_write_open(&w, path, &err));
    check_ok(gguf_put_str(w, "general.architecture", STR("tiny"), &err));
    check_ok(gguf_put_u32(w, "tiny.u32", 7, &err));
    check_ok(gguf_put_i32(w, "tiny.i32", -7, &err));
    check_ok(gguf_put_u64(w, "tiny.u64", UINT64_MAX, &err));
    check_ok(gguf_put_f32(w, "tiny.f32", 0.25f, &err));
    check_ok(gguf_put_bool(w, "tiny.bool", true, &err));
    check_ok(gguf_put_strs(w, "tiny.strs", words, 3, &err));
    check_ok(gguf_put_i32s(w, "tiny.i32s", ints, 3, &err));
    check_ok(gguf_put_f32s(w, "tiny.f32s", floats, 2, &err));
    check_ok(gguf_declare(w, "a", NUM_Q8_0, 2, da, &err));
    check_ok(gguf_declare(w, "b", NUM_F32, 1, db, &err));
    check_ok(gguf_declare(w, "c", NUM_F16, 3, dc, &err));
    check_ok(gguf_write_begin(w, &err));
    for (int i = 0; i < 102; i++) bytes[i] = (uint8_t)(1 + i);
    for (int i = 0; i < 20; i++) bytes[102 + i] = (uint8_t)(2 + i);
    for (int i = 0; i < 16; i++) bytes[122 + i] = (uint8_t)(3 + i);
    for (size_t at = 0; at < sizeof bytes; at += 23) /* pieces that end anywhere */
        check_ok(gguf_write_data(w, bytes + at, size_min(23, sizeof bytes - at), &err));
    check_ok(gguf_write_commit(w, &err));
    gguf_write_close(w);
}

#endif
