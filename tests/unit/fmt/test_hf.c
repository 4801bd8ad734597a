/* fmt: safetensors and Hugging Face directories.
 * SPDX-License-Identifier: MIT */
#include "tests/unit/fmt/tiny.h"

/* Two tensors: "x" BF16 of 3 rows by 2, and "s" an F32 of one element. */
static void tiny_safetensors(const char *path, const char *first)
{
    ponder_error err;
    safetensors_writer *w;
    const uint64_t dx[] = {2, 3}, ds[] = {1};
    (void)unlink(path);
    check_ok(safetensors_write_open(&w, path, &err));
    check_ok(safetensors_put_str(w, "format", STR("pt"), &err));
    check_ok(safetensors_put_str(w, "note", STR("a \"quoted\"\nline"), &err));
    check_ok(safetensors_declare(w, first, NUM_BF16, 2, dx, &err));
    check_ok(safetensors_declare(w, "s", NUM_F32, 1, ds, &err));
    check_ok(safetensors_write_begin(w, &err));
    check_ok(safetensors_write_data(w, "0123456789abWXYZ", 16, &err));
    assert_false(file_exists(path));
    check_ok(safetensors_write_commit(w, &err));
    safetensors_write_close(w);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    const char *path = tiny_path("tiny.safetensors");
    tiny_safetensors(path, "x");
    check_ok(fmt_open(&m, path, &err));
    assert_int_equal(fmt_kind_of(m), FMT_HF);
    assert_null(fmt_config(m));
    assert_int_equal(fmt_tensor_count(m), 2);
    const fmt_tensor *x = fmt_find(m, "x"), *s = fmt_find(m, "s");
    assert_int_equal(x->type, NUM_BF16);
    assert_int_equal(x->n_dims, 2);
    assert_int_equal(x->dim[0], 2); /* the row length */
    assert_int_equal(x->dim[1], 3);
    assert_int_equal(x->bytes, 12);
    assert_memory_equal(x->data, "0123456789ab", 12);
    assert_memory_equal(s->data, "WXYZ", 4);
    assert_int_equal(x->offset % 8, 0);
    assert_null(fmt_value_find(m, "format"));
    fmt_close(m);
}

static void writer_refuses(void **state)
{
    (void)state;
    ponder_error err;
    safetensors_writer *w;
    const uint64_t n = 32;
    const char *path = tiny_path("refused.safetensors");
    check_ok(safetensors_write_open(&w, path, &err));
    assert_int_equal(safetensors_declare(w, "q", NUM_Q8_0, 1, &n, &err), PONDER_EUNSUPPORTED);
    assert_int_equal(safetensors_declare(w, "__metadata__", NUM_F32, 1, &n, &err), PONDER_EARG);
    check_ok(safetensors_declare(w, "x", NUM_F8_E4M3, 1, &n, &err));
    check_ok(safetensors_write_begin(w, &err));
    assert_int_equal(safetensors_put_str(w, "late", STR(""), &err), PONDER_EARG);
    check_ok(safetensors_write_data(w, "short", 5, &err));
    assert_int_equal(safetensors_write_commit(w, &err), PONDER_EARG);
    safetensors_write_close(w);
    assert_false(file_exists(path));
}

/* ---- damage ---------------------------------------------------------------------------------- */

static ponder_status try_bytes(const void *bytes, size_t n, ponder_error *err)
{
    fmt_model *m;
    char *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    *err = (ponder_error){0};
    ponder_status st = fmt_open_bytes(&m, FMT_HF, exact, n, "test", err);
    if (st == PONDER_OK) fmt_close(m);
    else assert_true(m == NULL && err->code == st && strlen(err->message) > 10);
    free(exact);
    return st;
}

/* A header, and `data` bytes behind it. */
static void expect(const char *header, size_t data, ponder_status st, const char *word)
{
    ponder_error err;
    buf b = {0};
    uint64_t n = strlen(header);
    buf_add(&b, &n, sizeof n);
    buf_add(&b, header, n);
    for (size_t i = 0; i < data; i++) buf_add_char(&b, 0);
    ponder_status got = try_bytes(b.p, b.n, &err);
    if (got != st) fail_msg("%s: status %d, wanted %d: %s", header, got, st, err.message);
    if (st != PONDER_OK && !strstr(err.message, word))
        fail_msg("no \"%s\" in: %s", word, err.message);
    buf_free(&b);
}

static void damaged_files(void **state)
{
    (void)state;
    ponder_error err;
    buf b = {0};
    tiny_safetensors(tiny_path("tiny.safetensors"), "x");
    check_ok(file_read(&b, tiny_path("tiny.safetensors"), 1 << 20, &err));
    check_ok(try_bytes(b.p, b.n, &err));
    for (size_t n = 0; n < b.n; n++) assert_int_equal(try_bytes(b.p, n, &err), PONDER_EFORMAT);
    int refused = 0;
    for (size_t i = 0; i < b.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.p[i] ^= (char)(1 << bit);
            refused += try_bytes(b.p, b.n, &err) != PONDER_OK;
            b.p[i] ^= (char)(1 << bit);
        }
    assert_true(refused > 500);
    buf_free(&b);
}

static void hostile_headers(void **state)
{
    (void)state;
    expect("{}", 0, PONDER_OK, "");
    expect("[]", 0, PONDER_EFORMAT, "object");
    expect("{", 0, PONDER_EFORMAT, "JSON");
    expect("{\"a\":1,\"a\":2}", 0, PONDER_EFORMAT, "JSON");
    expect("{\"a\":7}", 0, PONDER_EUNSUPPORTED, "\"a\"");
    expect("{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, PONDER_EFORMAT,
           "name");
    static const struct {
        const char *dtype, *shape, *offsets;
        ponder_status st;
        const char *word;
    } cases[] = {
        {"F32", "[2,2]", "[0,16]", PONDER_OK, ""},
        {"F32", "[]", "[0,4]", PONDER_OK, ""},
        {"F32", "[0,4]", "[3,3]", PONDER_OK, ""},
        {"U8", "[16]", "[0,16]", PONDER_OK, ""},
        {"F4", "[2,2]", "[0,16]", PONDER_EUNSUPPORTED, "\"F4\""},
        {"F32", "[2,2]", "[0,12]", PONDER_EFORMAT, "do not fit"},
        {"F32", "[2,2]", "[4,20]", PONDER_EFORMAT, "past the end"},
        {"F32", "[2,2]", "[16,0]", PONDER_EFORMAT, "data_offsets"},
        {"F32", "[2,2]", "[-4,12]", PONDER_EFORMAT, "data_offsets"},
        {"F32", "[2,2]", "[0,16,32]", PONDER_EFORMAT, "data_offsets"},
        {"F32", "[2,2]", "[0,16.0]", PONDER_EFORMAT, "data_offsets"},
        {"F32", "[2,2]", "{}", PONDER_EFORMAT, "data_offsets"},
        {"F32", "4", "[0,16]", PONDER_EFORMAT, "shape"},
        {"F32", "[1,1,1,2,2]", "[0,16]", PONDER_EFORMAT, "4 dimensions"},
        {"F32", "[-2,-2]", "[0,16]", PONDER_EFORMAT, "dimension"},
        {"F32", "[4611686018427387904]", "[0,0]", PONDER_EFORMAT, "overflows"},
        {"F32", "[4294967296,4294967296]", "[0,0]", PONDER_EFORMAT, "overflows"},
        {"I8", "[9223372036854775807]", "[0,9223372036854775807]", PONDER_EFORMAT, "past the end"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char header[256];
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}}", cases[i].dtype,
                 cases[i].shape, cases[i].offsets);
        expect(header, 16, cases[i].st, cases[i].word);
    }
    expect("{\"a\":{\"dtype\":\"I8\",\"shape\":[8],\"data_offsets\":[0,8]},"
           "\"b\":{\"dtype\":\"I8\",\"shape\":[8],\"data_offsets\":[4,12]}}",
           16, PONDER_EFORMAT, "overlap");
    ponder_error err;
    const uint64_t huge = UINT64_MAX;
    assert_int_equal(try_bytes(&huge, sizeof huge, &err), PONDER_EFORMAT);
}

static void types_without_decoder_are_listed(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    static const char header[] =
        "{\"mask\":{\"dtype\":\"BOOL\",\"shape\":[2,3],\"data_offsets\":[0,6]}}";
    uint64_t n = strlen(header);
    buf b = {0};
    buf_add(&b, &n, sizeof n);
    buf_add(&b, header, n);
    buf_add(&b, "\1\0\1\0\1\1", 6);
    check_ok(fmt_open_bytes(&m, FMT_HF, b.p, b.n, "test", &err));
    const fmt_tensor *t = fmt_find(m, "mask");
    assert_int_equal(t->type, NUM_NONE);
    assert_string_equal(t->type_name, "BOOL");
    assert_int_equal(t->bytes, 6);
    assert_int_equal(t->data[5], 1);
    fmt_forget(m, t); /* no mapping: must leave the caller's bytes alone */
    assert_int_equal(t->data[0], 1);
    fmt_close(m);
    buf_free(&b);
}

/* ---- directories ----------------------------------------------------------------------------- */

static void put(const char *dir, const char *file, const char *contents)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    tiny_write(path, contents, strlen(contents));
}

static void expect_open(const char *dir, ponder_status st, const char *word)
{
    ponder_error err;
    fmt_model *m;
    ponder_status got = fmt_open(&m, dir, &err);
    if (got == PONDER_OK) fmt_close(m);
    if (got != st) fail_msg("%s: status %d, wanted %d", word, got, st);
    if (st != PONDER_OK && !strstr(err.message, word))
        fail_msg("no \"%s\" in: %s", word, err.message);
}

static void single_file_directory(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    char dir[128];
    snprintf(dir, sizeof dir, "%s", tiny_path("single"));
    check_ok(file_make_dirs(dir, &err));
    expect_open(dir, PONDER_ENOTFOUND, "config.json");
    put(dir, "config.json", "[1]");
    expect_open(dir, PONDER_EFORMAT, "object");
    put(dir, "config.json", "{\"model_type\": \"qwen2\"}");
    expect_open(dir, PONDER_ENOTFOUND, "model.safetensors");
    tiny_safetensors(tiny_path("single/model.safetensors"), "x");
    check_ok(fmt_open(&m, dir, &err));
    assert_int_equal(fmt_kind_of(m), FMT_HF);
    str type = STR("");
    check_ok(json_field_str(fmt_config(m), "config.json", "model_type", &type, &err));
    assert_true(str_eq(type, STR("qwen2")));
    assert_non_null(fmt_find(m, "x"));
    fmt_close(m);
}

static void sharded_directory(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    char dir[128];
    snprintf(dir, sizeof dir, "%s", tiny_path("sharded"));
    check_ok(file_make_dirs(dir, &err));
    put(dir, "config.json", "{}");
    static const char index[] = "model.safetensors.index.json";
    put(dir, index, "{\"weight_map\": {\"x\": \"m-1.safetensors\", \"y\": \"m-2.safetensors\"}}");
    tiny_safetensors(tiny_path("sharded/m-1.safetensors"), "x");
    expect_open(dir, PONDER_ENOTFOUND, "m-2.safetensors");
    safetensors_writer *w;
    const uint64_t one = 1;
    check_ok(safetensors_write_open(&w, tiny_path("sharded/m-2.safetensors"), &err));
    check_ok(safetensors_declare(w, "y", NUM_F32, 1, &one, &err));
    check_ok(safetensors_write_begin(w, &err));
    check_ok(safetensors_write_data(w, "YYYY", 4, &err));
    check_ok(safetensors_write_commit(w, &err));
    safetensors_write_close(w);
    check_ok(fmt_open(&m, dir, &err));
    assert_int_equal(fmt_file_count(m), 2);
    assert_int_equal(fmt_tensor_count(m), 3);
    assert_memory_equal(fmt_find(m, "y")->data, "YYYY", 4);
    fmt_close(m);

    put(dir, index, "{\"weight_map\": {\"x\": \"m-2.safetensors\", \"y\": \"m-1.safetensors\"}}");
    expect_open(dir, PONDER_EFORMAT, "is not in");
    put(dir, index, "{\"weight_map\": {\"z\": \"m-2.safetensors\"}}");
    expect_open(dir, PONDER_EFORMAT, "\"z\"");
    put(dir, index, "{\"weight_map\": {}}");
    expect_open(dir, PONDER_EFORMAT, "weight_map");
    static const char *const escapes[] = {
        "../m-1.safetensors", "/etc/passwd", ".x.safetensors", "a/b.safetensors", "", "m-1.bin"};
    for (size_t i = 0; i < COUNT_OF(escapes); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"weight_map\": {\"x\": \"%s\"}}", escapes[i]);
        put(dir, index, text);
        expect_open(dir, PONDER_EFORMAT, "same directory");
    }
    put(dir, index, "{\"weight_map\": {\"x\": \"m-1.safetensors\", \"y\": \"m-2.safetensors\"}}");
    tiny_safetensors(tiny_path("sharded/m-2.safetensors"), "y"); /* "s" stands in both now */
    expect_open(dir, PONDER_EFORMAT, "\"s\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(types_without_decoder_are_listed),
        cmocka_unit_test(single_file_directory),
        cmocka_unit_test(sharded_directory),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
