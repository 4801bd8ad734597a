/* text: merging, splitting, added tokens, decoding, streams, normal forms; on made-up vocabularies.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "tests/unit/text/tiny.h"

#include <stdlib.h>
#include <utf8proc.h>

static const char *const STAGES[] = {"", TINY_LLAMA3, TINY_DEEPSEEK};

static uint64_t rnd(uint64_t at, uint64_t n) { return rng_below(n, 11, 5, at, RNG_TEST); }

/* Random text: letters the merges know, blanks, marks, digits, any character, or any byte. */
static void random_text(buf *b, uint64_t seed, size_t units, bool valid)
{
    static const char *const parts[] = {
        "a",  "b",     "ab",     " ",   "\n",      "中",           "中", "1", "!",
        "'s", "<|x|>", "<|x|>y", "<n>", "e\u0301", "\u0316\u0301", "\t", "한"};
    buf_clear(b);
    for (size_t i = 0; i < units; i++) {
        uint64_t r = rnd(seed * 100000 + i, 1 << 20);
        utf8proc_uint8_t c[4];
        if (r % 20 < COUNT_OF(parts)) buf_add_str(b, str_of(parts[r % 20]));
        else if (r % 20 == 19 && !valid) buf_add_char(b, (char)(r / 20));
        else buf_add(b, c, (size_t)utf8proc_encode_char((int)(r / 20 % 0xD7FF), c));
    }
}

/* Merges as the definition says: over and over the leftmost pair of lowest rank. */
static size_t merge_slowly(const tiny *v, str s, int32_t *id)
{
    size_t n = s.n;
    for (size_t i = 0; i < n; i++) id[i] = (unsigned char)s.p[i];
    for (;;) {
        int best = v->merges;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (int m = 0; m < best; m++)
                if (v->left[m] == id[i] && v->right[m] == id[i + 1]) best = m, at = i;
        if (best == v->merges) return n;
        id[at] = v->made[best];
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

static void merging_is_as_defined(void **state)
{
    (void)state;
    ponder_error err;
    for (uint64_t seed = 0; seed < 6; seed++) {
        tiny v;
        tokenizer *t;
        tiny_bytes(&v);
        tiny_merges(&v, seed, 120);
        check_ok(tiny_open(&t, &v, "", "", &err));
        for (uint64_t round = 0; round < 150; round++) {
            char text[400];
            int32_t want[400];
            size_t n = round < 120 ? rnd(round, 60) : 50 + rnd(round, 350);
            for (size_t i = 0; i < n; i++)
                text[i] = (char)(unsigned char[]){
                    'a', 'b', ' ', 0xE4, 0xB8, 0xAD}[rnd(seed * 977 + round * 401 + i, 6)];
            tokens got = {0};
            check_ok(tokenizer_encode(t, &got, (str){text, n}, TEXT_PLAIN, &err));
            /* Bytes that are not UTF-8 are pieces of their own, so only valid text is one piece. */
            buf clean = {0};
            if (utf8_repair(&clean, (str){text, n})) {
                size_t m = merge_slowly(&v, (str){text, n}, want);
                assert_int_equal(got.n, m);
                assert_memory_equal(got.p ? (void *)got.p : "", want, m * sizeof *want);
            }
            buf_free(&clean);
            tokens_free(&got);
        }
        for (uint64_t round = 0; round < 41; round++) { /* all valid: two letters and a blank */
            static char text[3000];
            static int32_t want[3000];
            size_t n = round < 40 ? 300 : 3000; /* the last is long enough to be sorted */
            for (size_t i = 0; i < n; i++) text[i] = "aab "[rnd(seed * 7919 + round * 307 + i, 4)];
            tokens got = {0};
            check_ok(tokenizer_encode(t, &got, (str){text, n}, TEXT_PLAIN, &err));
            size_t m = merge_slowly(&v, (str){text, n}, want);
            assert_int_equal(got.n, m);
            assert_memory_equal(got.p, want, m * sizeof *want);
            tokens_free(&got);
        }
        tokenizer_close(t);
    }
}

static void decode_undoes_encode(void **state)
{
    (void)state;
    ponder_error err;
    tiny v;
    tiny_bytes(&v);
    tiny_merges(&v, 3, 200);
    buf text = {0}, back = {0};
    for (size_t s = 0; s < COUNT_OF(STAGES); s++) {
        tokenizer *t;
        check_ok(tiny_open(&t, &v, STAGES[s], "", &err));
        for (uint64_t round = 0; round < 400; round++) {
            random_text(&text, round, 1 + rnd(round, 80), round % 2);
            tokens ids = {0};
            check_ok(tokenizer_encode(t, &ids, buf_str(&text), round % 3 ? 0 : TEXT_PLAIN, &err));
            buf_clear(&back);
            tokenizer_decode(t, &back, ids.p, ids.n, false);
            assert_true(str_eq(buf_str(&back), buf_str(&text)));
            tokens_free(&ids);
        }
        tokenizer_close(t);
    }
    buf_free(&text);
    buf_free(&back);
}

static void check_ids(const tokenizer *t, str text, const text_span *trusted, size_t n_trusted,
                      const int32_t *want, size_t n)
{
    ponder_error err;
    tokens ids = {0};
    check_ok(tokenizer_encode_trusted(t, &ids, text, trusted, n_trusted, &err));
    assert_int_equal(ids.n, n);
    assert_memory_equal(ids.p, want, n * sizeof *want);
    tokens_free(&ids);
}

static void added_tokens(void **state)
{
    (void)state;
    ponder_error err;
    tiny v;
    tokenizer *t;
    tiny_bytes(&v);
    check_ok(tiny_open(&t, &v, "", "\"normalizer\":{\"type\":\"NFC\"},", &err));
    const int32_t x = 256, xy = 257, n = 258;
    assert_int_equal(tokenizer_find(t, STR("<|x|>")), x);
    assert_int_equal(tokenizer_find(t, STR("<n>")), n);
    assert_int_equal(tokenizer_find(t, STR("q")), 'q');
    assert_int_equal(tokenizer_find(t, STR("nothing")), -1);
    assert_int_equal(tokenizer_find(t, STR("")), -1);
    assert_true(tokenizer_is_special(t, x) && !tokenizer_is_special(t, xy));
    assert_int_equal(tokenizer_size(t), 259);
    assert_int_equal(tokenizer_bytes(t, 4000).n, 0);
    const text_span all = {0, 100}, back = {4, 100}, both[] = {{0, 3}, {3, 100}};
    check_ids(t, STR("<|x|>"), &all, 1, (int32_t[]){x}, 1);
    check_ids(t, STR("<|x|>y<|x|"), &all, 1, (int32_t[]){xy, '<', '|', 'x', '|'}, 5);
    check_ids(t, STR("a<n><|x|>"), &all, 1, (int32_t[]){'a', n, x}, 3);
    check_ids(t, STR("<n><n>"), &back, 1, (int32_t[]){'<', 'n', '>', '<', 'n', '>'}, 6);
    check_ids(t, STR("<|x|><|x|>"), &back, 1, (int32_t[]){'<', '|', 'x', '|', '>', x}, 6);
    check_ids(t, STR("<|x|>a"), both, 2, (int32_t[]){'<', '|', 'x', '|', '>', 'a'}, 6);
    check_ids(t, STR("e\u0301<n>"), &all, 1, (int32_t[]){0xC3, 0xA9, n}, 3);
    const text_span tail = {3, 100};
    check_ids(t, STR("e\u0301<n>"), &tail, 1, (int32_t[]){0xC3, 0xA9, n}, 3);
    check_ids(t, STR("e\u0301<n>"), NULL, 0, (int32_t[]){0xC3, 0xA9, '<', 'n', '>'}, 5);
    buf out = {0};
    tokenizer_decode(t, &out, (int32_t[]){'a', x, xy, -1, 9999}, 5, true);
    assert_string_equal(out.p, "a<|x|>y");
    buf_free(&out);
    tokenizer_close(t);
}

/* Each piece is a subject of its own: the blank before the digit ends its piece. */
static void patterns_nest(void **state)
{
    (void)state;
    ponder_error err;
    tiny v;
    tokenizer *t;
    tiny_bytes(&v);
    v.left[0] = v.right[0] = ' ';
    v.made[0] = (int)v.n;
    v.merges = 1;
    v.token[v.n++] = STR("  ");
    check_ok(tiny_open(&t, &v, TINY_DEEPSEEK, "", &err));
    check_ids(t, STR("  1"), NULL, 0, (int32_t[]){256, '1'}, 2);
    check_ids(t, STR("  a"), NULL, 0, (int32_t[]){' ', ' ', 'a'}, 3);
    tokenizer_close(t);
    check_ok(tiny_open(&t, &v, TINY_SPLIT("\\\\s+$"), "", &err));
    check_ids(t, STR("  a  "), NULL, 0, (int32_t[]){256, 'a', 256}, 3);
    check_ids(t, STR("a \n "), NULL, 0, (int32_t[]){'a', ' ', '\n', ' '}, 4);
    tokenizer_close(t);
}

static void long_runs_are_linear(void **state)
{
    (void)state;
    enum { N = 2000000 };
    static const char *const units[] = {"a", " ", "\n",           "中", "ab ",
                                        "<", "'", "\u0316\u0301", "1",  "<|x|"};
    ponder_error err;
    tiny v;
    tiny_bytes(&v);
    tiny_merges(&v, 3, 200);
    buf text = {0};
    for (size_t s = 0; s < COUNT_OF(STAGES); s++) {
        tokenizer *t;
        check_ok(tiny_open(&t, &v, STAGES[s], "\"normalizer\":{\"type\":\"NFC\"},", &err));
        for (size_t u = 0; u < COUNT_OF(units); u++) {
            buf_clear(&text);
            while (text.n < N) buf_add_str(&text, str_of(units[u]));
            tokens ids = {0};
            double start = check_cpu_seconds();
            check_ok(tokenizer_encode(t, &ids, buf_str(&text), 0, &err));
            /* Quadratic would be hours; a loaded machine under sanitizers is allowed a lot. */
            assert_true(check_cpu_seconds() - start < 60);
            assert_true(ids.n > N / 40);
            tokens_free(&ids);
        }
        tokenizer_close(t);
    }
    buf_free(&text);
}

static void streams_equal_the_whole(void **state)
{
    (void)state;
    buf text = {0}, whole = {0}, parts = {0};
    for (uint64_t round = 0; round < 500; round++) {
        random_text(&text, round, rnd(round, 60), false);
        buf_clear(&whole);
        buf_clear(&parts);
        utf8_repair(&whole, buf_str(&text));
        utf8_stream u = {0};
        for (size_t at = 0; at < text.n;) {
            size_t n = size_min(text.n - at, 1 + rnd(round * 131 + at, 4));
            utf8_push(&u, (str){text.p + at, n}, &parts);
            at += n;
            buf check = {0};
            assert_true(utf8_repair(&check, buf_str(&parts))); /* never half a character */
            buf_free(&check);
        }
        utf8_flush(&u, &parts);
        assert_true(str_eq(buf_str(&whole), buf_str(&parts)));
    }
    buf_clear(&whole);
    assert_false(utf8_repair(&whole, (str){"\xF0\x9F\x98 \xE0\x80\x41\xED\xA0\x80\xC3", 11}));
    assert_string_equal(whole.p, "\uFFFD \uFFFD\uFFFD"
                                 "A\uFFFD\uFFFD\uFFFD\uFFFD");
    buf_free(&text);
    buf_free(&whole);
    buf_free(&parts);
}

static void normal_forms_are_utf8procs(void **state)
{
    (void)state;
    static const utf8proc_option_t how[] = {[FORM_NFC] = UTF8PROC_COMPOSE,
                                            [FORM_NFD] = UTF8PROC_DECOMPOSE,
                                            [FORM_NFKC] = UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                                            [FORM_NFKD] = UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
    ponder_error err;
    buf text = {0}, got = {0};
    for (uint64_t round = 0; round < 2000; round++) {
        enum text_form form = (enum text_form)(FORM_NFC + round % 4);
        random_text(&text, round, 1 + rnd(round, 50), true);
        for (uint64_t k = rnd(round + 5, 40); k > 0; k--) { /* a run of marks */
            utf8proc_uint8_t c[4];
            buf_add(&text, c,
                    (size_t)utf8proc_encode_char(0x300 + (int)rnd(round * 41 + k, 0x70), c));
        }
        utf8proc_uint8_t *want;
        utf8proc_ssize_t n = utf8proc_map((utf8proc_uint8_t *)text.p, (utf8proc_ssize_t)text.n,
                                          &want, UTF8PROC_STABLE | how[form]);
        assert_true(n >= 0);
        buf_clear(&got);
        check_ok(normal_form(&got, form, buf_str(&text), &err));
        assert_true(str_eq(buf_str(&got), (str){(char *)want, (size_t)n}));
        if (normal_already(form, buf_str(&text)))
            assert_true(str_eq(buf_str(&got), buf_str(&text)));
        free(want);
    }
    /* Every character that passes for calm really is left alone. */
    for (int cp = 1; cp < 0x30000; cp++) {
        utf8proc_uint8_t c[4];
        if (cp >= 0xD800 && cp < 0xE000) continue;
        buf_clear(&text);
        buf_add(&text, c, (size_t)utf8proc_encode_char(cp, c));
        if (!normal_already(FORM_NFC, buf_str(&text))) continue;
        buf_clear(&got);
        check_ok(normal_form(&got, FORM_NFC, buf_str(&text), &err));
        assert_true(str_eq(buf_str(&got), buf_str(&text)));
        assert_int_equal(utf8proc_get_property(cp)->combining_class, 0);
    }
    buf_free(&text);
    buf_free(&got);
}

static void settings_and_refusals(void **state)
{
    (void)state;
    ponder_error err;
    tiny v;
    tokenizer *t;
    tiny_bytes(&v);
    check_ok(
        tiny_open(&t, &v, "",
                  "\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":"
                  "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<|x|>\"}}]}]},",
                  &err));
    assert_int_equal(tokenizer_bos(t), 256);
    assert_true(tokenizer_adds_bos(t));
    tokens ids = {0};
    check_ok(tokenizer_encode(t, &ids, STR("<|x|>a"), TEXT_BOS, &err));
    assert_int_equal(ids.n, 3);
    assert_int_equal(ids.p[0], 256);
    assert_int_equal(ids.p[1], 256);
    assert_int_equal(tokenizer_encode(t, &ids, (str){"", (size_t)1 << 31}, 0, &err), PONDER_ELIMIT);
    assert_int_equal(ids.n, 3);
    tokens_free(&ids);
    tokenizer_close(t);
    assert_int_equal(tiny_open(&t, &v, TINY_SPLIT("(a"), "", &err), PONDER_EUNSUPPORTED);
    assert_int_equal(tiny_open(&t, &v, TINY_SPLIT("[a[b]]"), "", &err), PONDER_EUNSUPPORTED);
    assert_int_equal(tiny_open(&t, &v, TINY_SPLIT("[a&&b]"), "", &err), PONDER_EUNSUPPORTED);
    assert_int_equal(tiny_open(&t, &v, "", "\"normalizer\":{\"type\":\"Lowercase\"},", &err),
                     PONDER_EUNSUPPORTED);
    assert_null(t);
    /* A pattern that runs away ends in an error, not in a hang. */
    check_ok(tiny_open(&t, &v, TINY_SPLIT("(a|a|b)*[cd]"), "", &err));
    char runaway[4000];
    memset(runaway, 'a', sizeof runaway);
    assert_int_equal(tokenizer_encode(t, &ids, (str){runaway, sizeof runaway}, 0, &err),
                     PONDER_ELIMIT);
    tokens_free(&ids);
    tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merging_is_as_defined),
        cmocka_unit_test(decode_undoes_encode),
        cmocka_unit_test(added_tokens),
        cmocka_unit_test(patterns_nest),
        cmocka_unit_test(long_runs_are_linear),
        cmocka_unit_test(streams_equal_the_whole),
        cmocka_unit_test(normal_forms_are_utf8procs),
        cmocka_unit_test(settings_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
