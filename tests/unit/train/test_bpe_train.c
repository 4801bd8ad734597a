/* train/bpe_train: merges against a slow reference, and round trips through our tokenizer.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "train/bpe_int.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const TEXTS[] = {
    "low lower lowest newer newest wider 12 123 1234",
    "aaaa aaab abab abababab 你好，世界。你好！",
    "<think>\nIs 12+34 = 46? Yes, 12+34 = 46.\n</think>\n\n<answer>46</answer>",
    "The lowest number is lower than the newest.\r\n\tIt's  wide.",
    "\xff\xfe not UTF-8 \xc3",
};

static ponder_status trained(bpe_trainer **t, const char *pre, size_t size, int order,
                             ponder_error *err)
{
    const bpe_options o = {.pre = pre, .size = size};
    TRY(bpe_trainer_open(t, &o, err));
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++)
        TRY(bpe_trainer_add(*t, str_of(TEXTS[order > 0 ? i : COUNT_OF(TEXTS) - 1 - i]), err));
    return bpe_trainer_run(*t, NULL, err);
}

/* ---- the reference: counts everything again for every merge ---------------------------------- */

typedef struct words {
    int32_t s[200][256];
    size_t n[200], count;
} words;

static void add_word(void *user, str piece)
{
    words *w = user;
    assert_true(w->count < COUNT_OF(w->n) && piece.n <= 256);
    for (size_t i = 0; i < piece.n; i++) w->s[w->count][i] = (uint8_t)piece.p[i];
    w->n[w->count++] = piece.n;
}

static uint64_t best_pair(const words *w, size_t ids, int32_t *left, int32_t *right)
{
    uint64_t best = 0, *count = calloc(ids * ids, sizeof *count);
    for (size_t k = 0; k < w->count; k++)
        for (size_t i = 0; i + 1 < w->n[k]; i++)
            count[(size_t)w->s[k][i] * ids + (size_t)w->s[k][i + 1]]++;
    for (size_t p = 0; p < ids * ids; p++)
        if (count[p] > best) {
            best = count[p];
            *left = (int32_t)(p / ids);
            *right = (int32_t)(p % ids);
        }
    free(count);
    return best;
}

static void apply(words *w, bpe_merge m)
{
    for (size_t k = 0; k < w->count; k++) {
        size_t n = 0;
        for (size_t i = 0; i < w->n[k]; n++) {
            bool hit = i + 1 < w->n[k] && w->s[k][i] == m.left && w->s[k][i + 1] == m.right;
            w->s[k][n] = hit ? m.id : w->s[k][i];
            i += hit ? 2 : 1;
        }
        w->n[k] = n;
    }
}

static void merges_are_those_of_the_reference(void **state)
{
    (void)state;
    ponder_error err;
    bpe_trainer *t;
    text_splitter *s;
    static words w;
    check_ok(trained(&t, "smollm", 256 + 8 + 60, 1, &err));
    check_ok(text_splitter_open(&s, "smollm", &err));
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++)
        if (i != 2) check_ok(text_split(s, str_of(TEXTS[i]), add_word, &w, &err));
    check_ok(text_split(s, STR("\nIs 12+34 = 46? Yes, 12+34 = 46.\n"), add_word, &w, &err));
    check_ok(text_split(s, STR("\n\n"), add_word, &w, &err));
    check_ok(text_split(s, STR("46"), add_word, &w, &err));
    size_t ids = 256;
    for (size_t i = 0; i < t->merges; i++) {
        int32_t left = 0, right = 0;
        assert_true(best_pair(&w, ids, &left, &right) >= 2);
        assert_int_equal(t->merge[i].left, left);
        assert_int_equal(t->merge[i].right, right);
        apply(&w, t->merge[i]);
        if ((size_t)t->merge[i].id == ids) ids++;
    }
    assert_int_equal(bpe_trainer_size(t), ids + 8);
    assert_in_range(t->merges, 20, 60);
    text_splitter_close(s);
    bpe_trainer_close(t);
}

static void the_order_of_texts_does_not_matter(void **state)
{
    (void)state;
    ponder_error err;
    bpe_trainer *a, *b;
    check_ok(trained(&a, "qwen2", 320, 1, &err));
    check_ok(trained(&b, "qwen2", 320, -1, &err));
    assert_int_equal(a->merges, b->merges);
    assert_memory_equal(a->merge, b->merge, a->merges * sizeof *a->merge);
    bpe_trainer_close(a);
    bpe_trainer_close(b);
}

/* ---- round trips ----------------------------------------------------------------------------- */

static void remove_dir(const char *dir)
{
    char path[256];
    static const char *const files[] = {"tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void check_tokenizer(const tokenizer *t, const bpe_trainer *b)
{
    ponder_error err;
    tokens ids = {0};
    buf back = {0};
    assert_int_equal(tokenizer_size(t), bpe_trainer_size(b));
    assert_true(tokenizer_adds_bos(t));
    assert_int_equal(tokenizer_find(t, STR("<think>")), (int32_t)b->tokens + 4);
    assert_int_equal(tokenizer_bos(t), (int32_t)b->tokens);
    assert_int_equal(tokenizer_template(t), CHAT_DEEPSEEK_R1);
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
        ids.n = 0, buf_clear(&back);
        check_ok(tokenizer_encode(t, &ids, str_of(TEXTS[i]), 0, &err));
        tokenizer_decode(t, &back, ids.p, ids.n, false);
        assert_int_equal(back.n, strlen(TEXTS[i]));
        assert_memory_equal(back.p, TEXTS[i], back.n);
        assert_true(b->merges == 0 || ids.n < strlen(TEXTS[i]));
    }
    tokens_free(&ids);
    buf_free(&back);
}

static void our_tokenizer_reads_what_is_written(void **state)
{
    (void)state;
    static const char *const pres[] = {"smollm", "gpt-2", "qwen2", "deepseek-v3", "llama-bpe",
                                       "deepseek-llm", "deepseek-coder"};
    for (size_t k = 0; k < COUNT_OF(pres); k++)
        for (size_t size = 264; size <= 340; size += 76) {
            ponder_error err;
            bpe_trainer *b;
            tokenizer *t;
            char dir[] = "/tmp/bpe-XXXXXX", path[64];
            assert_non_null(mkdtemp(dir));
            check_ok(trained(&b, pres[k], size, 1, &err));
            check_ok(bpe_trainer_save(b, dir, &err));
            snprintf(path, sizeof path, "%s/tokenizer.json", dir);
            check_ok(tokenizer_open(&t, path, &err));
            check_tokenizer(t, b);
            json_t *j;
            check_ok(json_parse_file(&j, path, 1 << 20, &err));
            const char *name = text_splitter_name(json_object_get(j, "normalizer"),
                                                  json_object_get(j, "pre_tokenizer"));
            assert_non_null(name);
            assert_string_equal(name, pres[k]);
            json_decref(j);
            tokenizer_close(t);
            bpe_trainer_close(b);
            remove_dir(dir);
        }
}

static void digits_stay_single_where_asked(void **state)
{
    (void)state;
    ponder_error err;
    bpe_trainer *t;
    const bpe_options o = {.pre = "smollm", .size = 300};
    check_ok(bpe_trainer_open(&t, &o, &err));
    for (int i = 0; i < 50; i++) check_ok(bpe_trainer_add(t, STR("1234 + 1234"), &err));
    check_ok(bpe_trainer_run(t, NULL, &err));
    for (size_t i = 256; i < t->tokens; i++)
        for (size_t k = 0; k < t->token[i].n; k++)
            assert_null(memchr("0123456789", t->token_text.p[t->token[i].at + k], 10));
    bpe_trainer_close(t);
}

static void bad_options_say_what_is_wrong(void **state)
{
    (void)state;
    ponder_error err;
    bpe_trainer *t;
    assert_int_equal(bpe_trainer_open(&t, &(bpe_options){.pre = "smollm", .size = 200}, &err),
                     PONDER_EARG);
    assert_int_equal(bpe_trainer_open(&t, &(bpe_options){.pre = "none such", .size = 400}, &err),
                     PONDER_EUNSUPPORTED);
    static const bpe_added one[] = {{"<s>", true}, {NULL, false}};
    assert_int_equal(bpe_trainer_open(
                         &t, &(bpe_options){.pre = "smollm", .size = 400, .added = one}, &err),
                     PONDER_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_those_of_the_reference),
        cmocka_unit_test(the_order_of_texts_does_not_matter),
        cmocka_unit_test(our_tokenizer_reads_what_is_written),
        cmocka_unit_test(digits_stay_single_where_asked),
        cmocka_unit_test(bad_options_say_what_is_wrong),
    };
    return cmocka_run_group_tests_name("train/bpe_train", tests, NULL, NULL);
}
