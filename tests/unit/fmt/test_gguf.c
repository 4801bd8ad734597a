/* fmt: GGUF written and read back; damaged, hostile and split files.
 * SPDX-License-Identifier: MIT */
#include "tests/unit/fmt/tiny.h"

#include <math.h>

static void what_is_written_is_read(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    const char *path = tiny_path("tiny.gguf");
    tiny_gguf(path);
    check_ok(fmt_open(&m, path, &err));
    assert_int_equal(fmt_kind_of(m), FMT_GGUF);
    assert_string_equal(fmt_path(m), path);
    assert_int_equal(fmt_file_count(m), 1);
    assert_null(fmt_config(m));
    assert_int_equal(fmt_tensor_count(m), 3);
    assert_null(fmt_tensor_at(m, 3));
    assert_null(fmt_find(m, "d"));
    assert_null(fmt_find(m, ""));

    const fmt_tensor *a = fmt_find(m, "a"), *b = fmt_find(m, "b"), *c = fmt_find(m, "c");
    assert_non_null(a);
    assert_ptr_equal(a, fmt_tensor_at(m, 0));
    assert_int_equal(a->type, NUM_Q8_0);
    assert_string_equal(a->type_name, "Q8_0");
    assert_int_equal(a->n_dims, 2);
    assert_int_equal(a->dim[0], 32);
    assert_int_equal(a->dim[1], 3);
    assert_int_equal(a->dim[2], 1);
    assert_int_equal(a->bytes, 102);
    assert_int_equal(b->bytes, 20);
    assert_int_equal(c->bytes, 16);
    assert_int_equal(c->dim[2], 2);
    for (int i = 0; i < 102; i++) assert_int_equal(a->data[i], 1 + i);
    for (int i = 0; i < 20; i++) assert_int_equal(b->data[i], 2 + i);
    for (int i = 0; i < 16; i++) assert_int_equal(c->data[i], 3 + i);
    assert_int_equal((uintptr_t)b->data % GGUF_ALIGNMENT, 0);
    buf file = {0};
    check_ok(file_read(&file, path, 1 << 20, &err));
    assert_int_equal(file.n, fmt_file_bytes(m));
    assert_memory_equal(file.p + b->offset, b->data, b->bytes);
    buf_free(&file);
    fmt_forget(m, a); /* pages come back from the file */
    assert_int_equal(a->data[101], 102);
    fmt_close(m);
    fmt_close(NULL);
}

static void values_by_type(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    const char *path = tiny_path("tiny.gguf");
    tiny_gguf(path);
    check_ok(fmt_open(&m, path, &err));
    int64_t i = 99;
    double f = 99;
    bool flag = false;
    str s = STR("default");
    check_ok(fmt_get_i64(m, "absent", 0, 1, &i, &err));
    check_ok(fmt_get_f64(m, "absent", &f, &err));
    check_ok(fmt_get_str(m, "absent", &s, &err));
    check_ok(fmt_get_bool(m, "absent", &flag, &err));
    assert_true(i == 99 && f == 99 && str_eq(s, STR("default")) && !flag);
    check_ok(fmt_get_i64(m, "tiny.u32", 0, 7, &i, &err));
    assert_int_equal(i, 7);
    check_ok(fmt_get_i64(m, "tiny.i32", -7, 7, &i, &err));
    assert_int_equal(i, -7);
    check_ok(fmt_get_f64(m, "tiny.f32", &f, &err));
    assert_true(f == 0.25);
    check_ok(fmt_get_f64(m, "tiny.u32", &f, &err));
    assert_true(f == 7);
    check_ok(fmt_get_bool(m, "tiny.bool", &flag, &err));
    assert_true(flag);
    check_ok(fmt_get_str(m, "general.architecture", &s, &err));
    assert_true(str_eq(s, STR("tiny")));
    assert_int_equal(fmt_get_i64(m, "tiny.u32", 8, 9, &i, &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "tiny.u32"));
    assert_non_null(strstr(err.message, path));
    assert_int_equal(fmt_get_i64(m, "tiny.u64", 0, INT64_MAX, &i, &err), PONDER_EFORMAT);
    assert_int_equal(fmt_get_i64(m, "tiny.f32", 0, 9, &i, &err), PONDER_EFORMAT);
    assert_int_equal(fmt_get_i64(m, "tiny.bool", 0, 9, &i, &err), PONDER_EFORMAT);
    assert_int_equal(fmt_get_f64(m, "general.architecture", &f, &err), PONDER_EFORMAT);
    assert_int_equal(fmt_get_bool(m, "tiny.u32", &flag, &err), PONDER_EFORMAT);
    assert_int_equal(fmt_get_str(m, "tiny.strs", &s, &err), PONDER_EFORMAT);
    fmt_close(m);
}

static void arrays(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    const char *path = tiny_path("tiny.gguf");
    tiny_gguf(path);
    check_ok(fmt_open(&m, path, &err));
    const fmt_value *v = fmt_value_find(m, "tiny.strs"), *n = fmt_value_find(m, "tiny.i32s");
    const str words[] = {STR("zero"), STR(""), STR("two")};
    fmt_cursor c = {0};
    str s;
    assert_int_equal(v->count, 3);
    for (int k = 0; k < 3; k++) {
        assert_true(fmt_next_str(v, &c, &s));
        assert_true(str_eq(s, words[k]));
    }
    assert_false(fmt_next_str(v, &c, &s));
    c = (fmt_cursor){0};
    assert_false(fmt_next_str(n, &c, &s));
    int64_t i;
    double f;
    assert_true(fmt_item_i64(n, 0, &i) && i == -1);
    assert_true(fmt_item_i64(n, 2, &i) && i == 3);
    assert_false(fmt_item_i64(n, 3, &i));
    assert_false(fmt_item_i64(v, 0, &i));
    assert_false(fmt_item_i64(fmt_value_find(m, "tiny.u32"), 0, &i));
    assert_true(fmt_item_f64(fmt_value_find(m, "tiny.f32s"), 1, &f) && f == -2);
    assert_true(fmt_item_f64(n, 1, &f) && f == 2);
    fmt_close(m);
}

/* Everything a file holds, handed through, makes the same file. */
static void copy_is_the_same_file(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    gguf_writer *w;
    const char *path = tiny_path("tiny.gguf"), *again = tiny_path("again.gguf");
    tiny_gguf(path);
    check_ok(fmt_open(&m, path, &err));
    check_ok(gguf_write_open(&w, again, &err));
    for (size_t i = 0; i < fmt_value_count(m); i++)
        check_ok(gguf_put_value(w, fmt_value_at(m, i), &err));
    for (size_t i = 0; i < fmt_tensor_count(m); i++) {
        const fmt_tensor *t = fmt_tensor_at(m, i);
        check_ok(gguf_declare(w, t->name.n == 1 ? (char[]){t->name.p[0], 0} : "", t->type,
                              t->n_dims, t->dim, &err));
    }
    check_ok(gguf_write_begin(w, &err));
    for (size_t i = 0; i < fmt_tensor_count(m); i++)
        check_ok(gguf_write_data(w, fmt_tensor_at(m, i)->data, fmt_tensor_at(m, i)->bytes, &err));
    assert_false(file_exists(again));
    check_ok(gguf_write_commit(w, &err));
    gguf_write_close(w);
    buf x = {0}, y = {0};
    check_ok(file_read(&x, path, 1 << 20, &err));
    check_ok(file_read(&y, again, 1 << 20, &err));
    assert_true(str_eq(buf_str(&x), buf_str(&y)));
    buf_free(&x);
    buf_free(&y);
    fmt_close(m);
}

static void writer_refuses(void **state)
{
    (void)state;
    ponder_error err;
    gguf_writer *w;
    const uint64_t five = 5, zero = 0, huge[] = {UINT64_MAX / 2, 8};
    const char *path = tiny_path("refused.gguf");
    assert_int_equal(gguf_write_open(&w, tiny_path("no/such/dir"), &err), PONDER_EIO);
    check_ok(gguf_write_open(&w, path, &err));
    assert_int_equal(gguf_put_u32(w, "", 1, &err), PONDER_EARG);
    assert_int_equal(gguf_put_u32(w, "general.alignment", 64, &err), PONDER_EARG);
    assert_int_equal(gguf_declare(w, "x", NUM_Q4_0, 1, &five, &err), PONDER_EFORMAT);
    assert_int_equal(gguf_declare(w, "x", NUM_F8_E4M3, 1, &five, &err), PONDER_EUNSUPPORTED);
    assert_int_equal(gguf_declare(w, "x", NUM_NONE, 1, &five, &err), PONDER_EARG);
    assert_int_equal(gguf_declare(w, "x", NUM_F32, 0, &five, &err), PONDER_EARG);
    assert_int_equal(gguf_declare(w, "x", NUM_F32, 1, &zero, &err), PONDER_EARG);
    assert_int_equal(gguf_declare(w, "x", NUM_F32, 2, huge, &err), PONDER_EFORMAT);
    assert_int_equal(gguf_declare(w, "x\n", NUM_F32, 1, &five, &err), PONDER_EARG);
    char name[65];
    memset(name, 'n', 64);
    name[64] = 0;
    assert_int_equal(gguf_declare(w, name, NUM_F32, 1, &five, &err), PONDER_EARG);
    check_ok(gguf_declare(w, name + 1, NUM_F32, 1, &five, &err));
    assert_int_equal(gguf_write_data(w, "x", 1, &err), PONDER_EARG);
    assert_int_equal(gguf_write_commit(w, &err), PONDER_EARG);
    check_ok(gguf_write_begin(w, &err));
    assert_int_equal(gguf_write_begin(w, &err), PONDER_EARG);
    assert_int_equal(gguf_put_u32(w, "late", 1, &err), PONDER_EARG);
    assert_int_equal(gguf_declare(w, "late", NUM_F32, 1, &five, &err), PONDER_EARG);
    check_ok(gguf_write_data(w, "0123456789", 10, &err));
    assert_int_equal(gguf_write_commit(w, &err), PONDER_EARG); /* half a tensor */
    assert_int_equal(gguf_write_data(w, "01234567890", 11, &err), PONDER_EARG);
    gguf_write_close(w);
    assert_false(file_exists(path));

    check_ok(gguf_write_open(&w, path, &err));
    check_ok(gguf_put_u32(w, "twice", 1, &err));
    check_ok(gguf_put_u32(w, "twice", 2, &err));
    assert_int_equal(gguf_write_begin(w, &err), PONDER_EARG);
    assert_non_null(strstr(err.message, "twice"));
    gguf_write_close(w);
    check_ok(gguf_write_open(&w, path, &err));
    check_ok(gguf_declare(w, "twice", NUM_F32, 1, &five, &err));
    check_ok(gguf_declare(w, "twice", NUM_F32, 1, &five, &err));
    assert_int_equal(gguf_write_begin(w, &err), PONDER_EARG);
    gguf_write_close(w);
    assert_false(file_exists(path));
}

/* ---- from memory ----------------------------------------------------------------------------- */

static void bytes_are_as_the_file(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *file, *memory;
    buf b = {0};
    tiny_gguf(tiny_path("tiny.gguf"));
    check_ok(file_read(&b, tiny_path("tiny.gguf"), 1 << 20, &err));
    check_ok(fmt_open(&file, tiny_path("tiny.gguf"), &err));
    check_ok(fmt_open_bytes(&memory, FMT_GGUF, b.p, b.n, "some bytes", &err));
    assert_string_equal(fmt_path(memory), "some bytes");
    assert_int_equal(fmt_file_bytes(memory), b.n);
    assert_int_equal(fmt_tensor_count(memory), fmt_tensor_count(file));
    for (size_t i = 0; i < fmt_tensor_count(file); i++) {
        const fmt_tensor *a = fmt_tensor_at(file, i), *m = fmt_tensor_at(memory, i);
        assert_true(!a->in_memory && m->in_memory);
        assert_true(str_eq(a->name, m->name) && a->bytes == m->bytes && a->offset == m->offset);
        assert_memory_equal(a->data, m->data, a->bytes);
        fmt_forget(memory, m); /* the caller's bytes stay */
        assert_memory_equal(a->data, m->data, a->bytes);
    }
    fmt_close(memory);
    fmt_close(file);
    buf_free(&b);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Opens bytes in a buffer of exactly their size; reads all there is when that works. */
static ponder_status try_bytes(const void *bytes, size_t n, ponder_error *err)
{
    fmt_model *m;
    char *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    *err = (ponder_error){0};
    ponder_status st = fmt_open_bytes(&m, FMT_GGUF, exact, n, "test", err);
    unsigned sum = 0;
    for (size_t i = 0; st == PONDER_OK && i < fmt_tensor_count(m); i++)
        for (size_t k = 0; k < fmt_tensor_at(m, i)->bytes; k++) sum += fmt_tensor_at(m, i)->data[k];
    if (st == PONDER_OK) fmt_close(m);
    else assert_true(m == NULL && err->code == st && strlen(err->message) > 10);
    free(exact);
    return sum == 0xFFFFFFFF ? PONDER_EINTERNAL : st; /* the sum must not be optimised away */
}

static void every_prefix_fails(void **state)
{
    (void)state;
    ponder_error err;
    buf b = {0};
    tiny_gguf(tiny_path("tiny.gguf"));
    check_ok(file_read(&b, tiny_path("tiny.gguf"), 1 << 20, &err));
    check_ok(try_bytes(b.p, b.n, &err));
    size_t padding = 16; /* behind the last tensor */
    for (size_t n = 0; n < b.n - padding; n++)
        assert_int_equal(try_bytes(b.p, n, &err), PONDER_EFORMAT);
    buf_free(&b);
}

static void bit_flips_do_no_harm(void **state)
{
    (void)state;
    ponder_error err;
    buf b = {0};
    tiny_gguf(tiny_path("tiny.gguf"));
    check_ok(file_read(&b, tiny_path("tiny.gguf"), 1 << 20, &err));
    int refused = 0;
    for (size_t i = 0; i < b.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.p[i] ^= (char)(1 << bit);
            refused += try_bytes(b.p, b.n, &err) != PONDER_OK;
            b.p[i] ^= (char)(1 << bit);
        }
    assert_true(refused >
                1000); /* many a flip hits a name, a value or data and is none the worse */
    buf_free(&b);
}

/* A GGUF file put together by hand. */
struct hand {
    buf b;
};

static void u32(struct hand *h, uint32_t v) { buf_add(&h->b, &v, 4); }
static void u64(struct hand *h, uint64_t v) { buf_add(&h->b, &v, 8); }

static void text(struct hand *h, const char *z)
{
    u64(h, strlen(z));
    buf_add(&h->b, z, strlen(z));
}

static struct hand hand(uint32_t version, uint64_t tensors, uint64_t values)
{
    struct hand h = {{0}};
    buf_add(&h.b, "GGUF", 4);
    u32(&h, version);
    u64(&h, tensors);
    u64(&h, values);
    return h;
}

static void tensor(struct hand *h, const char *name, uint64_t d0, uint64_t d1, uint32_t type,
                   uint64_t offset)
{
    text(h, name);
    u32(h, 2);
    u64(h, d0);
    u64(h, d1);
    u32(h, type);
    u64(h, offset);
}

/* Pads to the data section, adds `data` zero bytes, expects st and `word` in the message. */
static void expect(struct hand *h, size_t data, ponder_status st, const char *word)
{
    ponder_error err;
    while (h->b.n % 32) buf_add_char(&h->b, 0);
    for (size_t i = 0; i < data; i++) buf_add_char(&h->b, 0);
    ponder_status got = try_bytes(h->b.p, h->b.n, &err);
    if (got != st) fail_msg("status %d, wanted %d: %s", got, st, err.message);
    if (st != PONDER_OK && !strstr(err.message, word))
        fail_msg("no \"%s\" in: %s", word, err.message);
    buf_free(&h->b);
}

static void hostile_headers(void **state)
{
    (void)state;
    struct hand h = hand(1, 0, 0);
    expect(&h, 0, PONDER_EUNSUPPORTED, "version 1");
    h = hand(0x03000000, 0, 0);
    expect(&h, 0, PONDER_EUNSUPPORTED, "big-endian");
    h = hand(2, 0, 0);
    expect(&h, 0, PONDER_OK, "");
    h = hand(3, UINT64_MAX, 0);
    expect(&h, 0, PONDER_EFORMAT, "no room");
    h = hand(3, 0, 1ull << 60);
    expect(&h, 0, PONDER_EFORMAT, "no room");
    h = hand(3, 1ull << 21, 0);
    expect(&h, 24u << 21, PONDER_ELIMIT, "tensors");
    h = hand(3, 0, 1 << 17);
    expect(&h, 13u << 17, PONDER_ELIMIT, "metadata");
    h.b = (buf){0};
    buf_add_str(&h.b, STR("GGML a different thing altogether"));
    expect(&h, 0, PONDER_EFORMAT, "not a GGUF");
}

static void hostile_values(void **state)
{
    (void)state;
    struct hand h = hand(3, 0, 1);
    u64(&h, UINT64_MAX);
    expect(&h, 64, PONDER_EFORMAT, "key");
    h = hand(3, 0, 1);
    text(&h, "");
    u32(&h, FMT_U8);
    expect(&h, 64, PONDER_EFORMAT, "empty");
    h = hand(3, 0, 1);
    text(&h, "a\x1b[2J");
    u32(&h, FMT_U8);
    expect(&h, 64, PONDER_EFORMAT, "control");
    h = hand(3, 0, 1);
    text(&h, "key");
    u32(&h, 13);
    expect(&h, 64, PONDER_EUNSUPPORTED, "\"key\"");
    h = hand(3, 0, 1);
    text(&h, "key");
    u32(&h, FMT_STRING);
    u64(&h, 1ull << 40);
    expect(&h, 64, PONDER_EFORMAT, "\"key\"");
    for (int item = FMT_U8; item <= FMT_F64;
         item++) { /* counts that overflow or are merely too large */
        for (int shift = 20; shift < 64; shift += 43) {
            h = hand(3, 0, 1);
            text(&h, "key");
            u32(&h, FMT_ARRAY);
            u32(&h, (uint32_t)item);
            u64(&h, 1ull << shift);
            expect(&h, 64, PONDER_EFORMAT, "past the end");
        }
    }
    h = hand(3, 0, 1);
    text(&h, "key");
    u32(&h, FMT_ARRAY);
    u32(&h, 77);
    u64(&h, 0);
    expect(&h, 64, PONDER_EUNSUPPORTED, "type 77");
    for (int depth = 2; depth <= 6; depth++) { /* arrays in arrays: four are enough */
        h = hand(3, 0, 1);
        text(&h, "key");
        u32(&h, FMT_ARRAY);
        for (int i = 1; i < depth; i++) u32(&h, FMT_ARRAY), u64(&h, 1);
        u32(&h, FMT_U8);
        u64(&h, 1);
        expect(&h, 64, depth <= 4 ? PONDER_OK : PONDER_EUNSUPPORTED, "nested");
    }
    h = hand(3, 0, 2);
    for (int i = 0; i < 2; i++) {
        text(&h, "same");
        u32(&h, FMT_U32);
        u32(&h, 1);
    }
    expect(&h, 64, PONDER_EFORMAT, "\"same\"");
    static const uint32_t alignments[] = {0, 1, 4, 24, 33, 1u << 31};
    for (size_t i = 0; i < COUNT_OF(alignments); i++) {
        h = hand(3, 0, 1);
        text(&h, "general.alignment");
        u32(&h, FMT_U32);
        u32(&h, alignments[i]);
        expect(&h, 64, PONDER_EFORMAT, "alignment");
    }
}

static void hostile_tensors(void **state)
{
    (void)state;
    static const struct {
        uint64_t d0, d1;
        uint32_t type;
        uint64_t offset;
        ponder_status st;
        const char *word;
    } cases[] = {
        {8, 2, NUM_F32, 0, PONDER_OK, ""},
        {8, 2, NUM_F32, 32, PONDER_EFORMAT, "past the end"},
        {8, 2, NUM_F32, 16, PONDER_EFORMAT, "alignment"},
        {8, 2, NUM_F32, UINT64_MAX - 31, PONDER_EFORMAT, "past the end"},
        {8, 3, NUM_F32, 0, PONDER_EFORMAT, "past the end"},
        {0, 2, NUM_F32, 0, PONDER_EFORMAT, "zero"},
        {8, 0, NUM_F32, 0, PONDER_EFORMAT, "zero"},
        {1ull << 62, 1, NUM_F32, 0, PONDER_EFORMAT, "overflows"},
        {1ull << 32, 1ull << 32, NUM_I8, 0, PONDER_EFORMAT, "overflows"},
        {1ull << 40, 1, NUM_I8, 0, PONDER_EFORMAT, "past the end"},
        {33, 1, NUM_Q4_0, 0, PONDER_EFORMAT, "do not divide"},
        {32, 1, NUM_Q6_K, 0, PONDER_EFORMAT, "do not divide"},
        {32, 1, 39, 0, PONDER_EUNSUPPORTED, "MXFP4"},
        {32, 1, 9999, 0, PONDER_EUNSUPPORTED, "9999"},
        {32, 1, NUM_F8_E4M3, 0, PONDER_EUNSUPPORTED, "1000"}, /* ours, not the file format's */
        {32, 1, UINT32_MAX, 0, PONDER_EUNSUPPORTED, "4294967295"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct hand h = hand(3, 1, 0);
        tensor(&h, "weight", cases[i].d0, cases[i].d1, cases[i].type, cases[i].offset);
        expect(&h, 64, cases[i].st, cases[i].word);
    }
    struct hand h = hand(3, 2, 0);
    tensor(&h, "same", 8, 1, NUM_F32, 0);
    tensor(&h, "same", 8, 1, NUM_F32, 32);
    expect(&h, 64, PONDER_EFORMAT, "\"same\"");
    h = hand(3, 2, 0);
    tensor(&h, "one", 8, 2, NUM_F32, 0);
    tensor(&h, "two", 8, 1, NUM_F32, 32);
    expect(&h, 64, PONDER_EFORMAT, "overlap");
    h = hand(3, 1, 0);
    text(&h, "weight");
    u32(&h, 5);
    expect(&h, 96, PONDER_EFORMAT, "5 dimensions");
    h = hand(3, 1, 0);
    text(&h, "weight");
    u32(&h, 0); /* a single number */
    u32(&h, NUM_F32);
    u64(&h, 0);
    expect(&h, 4, PONDER_OK, "");
    char name[FMT_MAX_NAME + 2];
    memset(name, 'n', sizeof name);
    name[FMT_MAX_NAME + 1] = 0;
    h = hand(3, 1, 0);
    tensor(&h, name, 8, 1, NUM_F32, 0);
    expect(&h, 64, PONDER_EFORMAT, "longer");
    h = hand(3, 1, 0);
    tensor(&h, name + 1, 8, 1, NUM_F32, 0);
    expect(&h, 64, PONDER_OK, "");
}

static void not_a_number_is_refused(void **state)
{
    (void)state;
    ponder_error err;
    gguf_writer *w;
    fmt_model *m;
    double f = 1;
    check_ok(gguf_write_open(&w, tiny_path("nan.gguf"), &err));
    check_ok(gguf_put_f32(w, "eps", NAN, &err));
    check_ok(gguf_write_begin(w, &err));
    check_ok(gguf_write_commit(w, &err));
    gguf_write_close(w);
    check_ok(fmt_open(&m, tiny_path("nan.gguf"), &err));
    assert_int_equal(fmt_get_f64(m, "eps", &f, &err), PONDER_EFORMAT);
    fmt_close(m);
}

static void many_names_are_found(void **state)
{
    (void)state;
    enum { N = 100000 };
    ponder_error err;
    gguf_writer *w;
    fmt_model *m;
    char name[32];
    const uint64_t one = 1;
    const char *path = tiny_path("many.gguf");
    check_ok(gguf_write_open(&w, path, &err));
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "blk.%d.weight", i);
        check_ok(gguf_declare(w, name, NUM_I32, 1, &one, &err));
    }
    check_ok(gguf_write_begin(w, &err));
    for (int i = 0; i < N; i++) check_ok(gguf_write_data(w, &i, sizeof i, &err));
    check_ok(gguf_write_commit(w, &err));
    gguf_write_close(w);
    check_ok(fmt_open(&m, path, &err));
    for (int i = 0; i < N; i++) {
        int held;
        snprintf(name, sizeof name, "blk.%d.weight", i);
        const fmt_tensor *t = fmt_find(m, name);
        assert_non_null(t);
        memcpy(&held, t->data, sizeof held);
        assert_int_equal(held, i);
    }
    assert_null(fmt_find(m, "blk.100000.weight"));
    fmt_close(m);
}

/* ---- split files ----------------------------------------------------------------------------- */

static void add_u16(struct hand *h, const char *key, uint16_t v)
{
    text(h, key);
    u32(h, FMT_U16);
    buf_add(&h->b, &v, 2);
}

/* Part `no` of `count`, with one tensor of 8 floats; `promised` tensors in all. */
static void write_part(const char *file, uint16_t no, uint16_t count, const char *name,
                       int promised)
{
    struct hand h = hand(3, 1, 3);
    add_u16(&h, "split.no", no);
    add_u16(&h, "split.count", count);
    text(&h, "split.tensors.count");
    u32(&h, FMT_I32);
    u32(&h, (uint32_t)promised);
    tensor(&h, name, 8, 1, NUM_F32, 0);
    while (h.b.n % 32) buf_add_char(&h.b, 0);
    for (int i = 0; i < 32; i++) buf_add_char(&h.b, (char)(no + 1));
    tiny_write(tiny_path(file), h.b.p, h.b.n);
    buf_free(&h.b);
}

static void expect_open(const char *file, ponder_status st, const char *word)
{
    ponder_error err;
    fmt_model *m;
    ponder_status got = fmt_open(&m, tiny_path(file), &err);
    if (got == PONDER_OK) fmt_close(m);
    if (got != st) fail_msg("%s: status %d, wanted %d", file, got, st);
    if (st != PONDER_OK && !strstr(err.message, word))
        fail_msg("no \"%s\" in: %s", word, err.message);
}

static void split_files(void **state)
{
    (void)state;
    ponder_error err;
    fmt_model *m;
    write_part("s-00001-of-00003.gguf", 0, 3, "a", 3);
    write_part("s-00002-of-00003.gguf", 1, 3, "b", 3);
    expect_open("s-00001-of-00003.gguf", PONDER_ENOTFOUND, "s-00003-of-00003.gguf");
    write_part("s-00003-of-00003.gguf", 2, 3, "c", 3);
    check_ok(fmt_open(&m, tiny_path("s-00001-of-00003.gguf"), &err));
    assert_int_equal(fmt_file_count(m), 3);
    assert_int_equal(fmt_tensor_count(m), 3);
    assert_int_equal(fmt_find(m, "a")->data[0], 1);
    assert_int_equal(fmt_find(m, "c")->data[31], 3);
    assert_true(str_ends(str_of(fmt_find(m, "c")->path), STR("s-00003-of-00003.gguf")));
    fmt_forget(m, fmt_find(m, "c"));
    fmt_close(m);
    expect_open("s-00002-of-00003.gguf", PONDER_EARG, "-00001-of-00003.gguf");
    write_part("s-00003-of-00003.gguf", 1, 3, "c", 3);
    expect_open("s-00001-of-00003.gguf", PONDER_EFORMAT, "part 2 of 3");
    write_part("s-00003-of-00003.gguf", 2, 3, "a", 3);
    expect_open("s-00001-of-00003.gguf", PONDER_EFORMAT, "\"a\"");
    write_part("s-00001-of-00003.gguf", 0, 3, "z", 4);
    expect_open("s-00001-of-00003.gguf", PONDER_EFORMAT, "promised");
    write_part("odd-name.gguf", 0, 3, "a", 3);
    expect_open("odd-name.gguf", PONDER_EFORMAT, "-00001-of-00003.gguf");
    write_part("alone.gguf", 0, 1, "a", 1);
    expect_open("alone.gguf", PONDER_OK, "");
    write_part("many-00001-of-65535.gguf", 0, 65535, "a", 1);
    expect_open("many-00001-of-65535.gguf", PONDER_EFORMAT, "split.count");
}

static void paths_that_are_no_models(void **state)
{
    (void)state;
    expect_open("absent.gguf", PONDER_ENOTFOUND, "absent.gguf");
    tiny_write(tiny_path("empty.gguf"), "", 0);
    expect_open("empty.gguf", PONDER_EFORMAT, "empty");
    tiny_write(tiny_path("text.txt"), "hello, world\n", 13);
    expect_open("text.txt", PONDER_EFORMAT, "not a GGUF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(values_by_type),
        cmocka_unit_test(arrays),
        cmocka_unit_test(copy_is_the_same_file),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(bytes_are_as_the_file),
        cmocka_unit_test(every_prefix_fails),
        cmocka_unit_test(bit_flips_do_no_harm),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(hostile_values),
        cmocka_unit_test(hostile_tensors),
        cmocka_unit_test(not_a_number_is_refused),
        cmocka_unit_test(many_names_are_found),
        cmocka_unit_test(split_files),
        cmocka_unit_test(paths_that_are_no_models),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
