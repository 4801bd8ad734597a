/* Files that are not what they claim: every one must be refused with a message that names the
 * tensor. SPDX-License-Identifier: MIT */
#include "tests/model/tiny.h"

static char base_path[128];

static int make_model(void **state)
{
    (void)state;
    tiny_write("tiny-v3", NUM_Q8_0, base_path);
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    tiny_cleanup();
    return 0;
}

/* The file in memory; changed and written beside it. */
static void load_file(buf *b)
{
    ponder_error err = {0};
    *b = (buf){0};
    check_ok(file_read(b, base_path, 64 << 20, &err));
}

static const char *store_file(const buf *b)
{
    static char path[160];
    ponder_error err = {0};
    file_writer w;
    snprintf(path, sizeof path, "%s/damaged.gguf", tiny_folder());
    check_ok(file_begin(&w, path, &err));
    check_ok(file_put(&w, b->p, b->n, &err));
    check_ok(file_commit(&w, &err));
    return path;
}

static size_t data_offset(const char *tensor)
{
    ponder_error err = {0};
    fmt_model *m;
    check_ok(fmt_open(&m, base_path, &err));
    const fmt_tensor *t = fmt_find(m, tensor);
    assert_non_null(t);
    size_t at = (size_t)t->offset;
    fmt_close(m);
    return at;
}

/* Opening must fail with this code, and the message must contain both words. */
static void refuse(const char *path, ponder_status code, const char *word, const char *other)
{
    ponder_error err = {0};
    fmt_model *file;
    model *m = NULL;
    check_ok(fmt_open(&file, path, &err));
    model_options opt = {.cpu_mask = ~0u};
    assert_int_equal(model_open(&m, file, &opt, &err), code);
    assert_null(m);
    fmt_close(file);
    if (!strstr(err.message, word) || !strstr(err.message, other))
        fail_msg("the message should name %s and %s: %s", word, other, err.message);
}

static void missing_tensors(void **state)
{
    (void)state;
    const char *const names[] = {"token_embd.weight",          "output_norm.weight",
                                 "blk.0.ffn_up.weight",        "blk.1.attn_q_a_norm.weight",
                                 "blk.2.ffn_down_exps.weight", "blk.1.exp_probs_b.bias",
                                 "blk.3.nextn.eh_proj.weight", "blk.2.attn_k_b.weight"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        buf b;
        load_file(&b);
        size_t at = str_find(buf_str(&b), str_of(names[i]), 0);
        assert_true(at < b.n);
        b.p[at] ^= 1; /* now it has another name */
        const char *path = store_file(&b);
        if (i > 0) refuse(path, PONDER_ENOTFOUND, names[i], "missing");
        else refuse(path, PONDER_EFORMAT, "vocabulary", "not a plausible");
        buf_free(&b);
    }
}

static void wrong_shapes(void **state)
{
    (void)state;
    const char *const names[] = {"blk.0.ffn_up.weight", "blk.2.ffn_gate_exps.weight",
                                 "blk.0.attn_output.weight"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        buf b;
        load_file(&b);
        size_t at = str_find(buf_str(&b), str_of(names[i]), 0) + strlen(names[i]) + 4;
        uint64_t dim[2];
        memcpy(dim, b.p + at, sizeof dim);
        uint64_t changed[2] = {dim[0] / 2, dim[1] * 2};
        memcpy(b.p + at, changed, sizeof changed);
        refuse(store_file(&b), PONDER_EFORMAT, names[i], "want");
        buf_free(&b);
    }
}

static void scales_that_are_no_numbers(void **state)
{
    (void)state;
    const uint16_t bad[] = {0x7E00 /* NaN */, 0x7C00 /* infinity */, 0xFC00};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        buf b;
        load_file(&b);
        size_t block = 34 * (1000 + 7 * i); /* somewhere inside */
        memcpy(b.p + data_offset("blk.1.ffn_up_exps.weight") + block, &bad[i], sizeof bad[i]);
        refuse(store_file(&b), PONDER_EFORMAT, "blk.1.ffn_up_exps.weight", "finite");
        buf_free(&b);
    }
    buf b;
    const uint32_t nan = 0x7FC00000;
    load_file(&b);
    memcpy(b.p + data_offset("blk.2.ffn_norm.weight") + 40, &nan, sizeof nan);
    refuse(store_file(&b), PONDER_EFORMAT, "blk.2.ffn_norm.weight", "finite");
    buf_free(&b);
}

/* A number in the metadata that no model has, or that contradicts the tensors. */
static void implausible_numbers(void **state)
{
    (void)state;
    const struct {
        const char *key;
        uint32_t value;
        ponder_status st;
        const char *word, *other;
    } cases[] = {
        {"deepseek2.block_count", 0, PONDER_EFORMAT, "layers", "plausible"},
        {"deepseek2.block_count", 2000000, PONDER_EFORMAT, "layers", "plausible"},
        {"deepseek2.block_count", 40, PONDER_ENOTFOUND, "missing", "blk."},
        {"deepseek2.attention.head_count", 0, PONDER_EFORMAT, "head", "plausible"},
        {"deepseek2.embedding_length", 512, PONDER_EFORMAT, "token_embd.weight", "want"},
        {"deepseek2.expert_used_count", 9, PONDER_EFORMAT, "experts used", "plausible"},
        {"deepseek2.expert_group_count", 3, PONDER_EFORMAT, "groups", "plausible"},
        {"deepseek2.attention.kv_lora_rank", 70, PONDER_EUNSUPPORTED, "keys of", "multiple"},
        {"deepseek2.rope.dimension_count", 31, PONDER_EFORMAT, "rotated", "plausible"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf b;
        load_file(&b);
        size_t at = str_find(buf_str(&b), str_of(cases[i].key), 0) + strlen(cases[i].key) + 4;
        memcpy(b.p + at, &cases[i].value, sizeof cases[i].value);
        refuse(store_file(&b), cases[i].st, cases[i].word, cases[i].other);
        buf_free(&b);
    }
}

static void bad_calls(void **state)
{
    (void)state;
    ponder_error err = {0};
    tiny t;
    float logits[320];
    tiny_open(&t, base_path, ~0u, 1, KERN_KV_F16, 2, 8);
    int32_t ids[9] = {1, 2, 3};
    const uint32_t far_page[] = {7, 7};
    const model_span good = {.ids = ids, .n = 3, .pages = t.pages, .want = 1, .logits = logits};
    model_span bad[6];
    for (size_t i = 0; i < COUNT_OF(bad); i++) bad[i] = good;
    int32_t outside[] = {1, 320, 2}, negative[] = {-1, 1, 1};
    bad[0].ids = outside;
    bad[1].ids = negative;
    bad[2].n = 9;
    bad[3].n = 0;
    bad[4].pages = far_page;
    bad[5].logits = NULL;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(model_forward(t.step, t.m, &t.kv, &bad[i], 1, &err), PONDER_EARG);
    check_ok(model_forward(t.step, t.m, &t.kv, &good, 1, &err));
    tiny_close(&t);
}

static void too_large_is_refused(void **state)
{
    (void)state;
    ponder_error err = {0};
    model_config c;
    model_kv kv;
    check_ok(model_config_named(&c, "deepseek-v3", &err));
    assert_int_equal(model_kv_open(&kv, &c, KERN_KV_F16, (size_t)1 << 30, &err), PONDER_ELIMIT);
    assert_non_null(strstr(err.message, "GB"));
    assert_int_equal(model_kv_open(&kv, &c, KERN_KV_F16, SIZE_MAX / 2, &err), PONDER_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_tensors),
        cmocka_unit_test(wrong_shapes),
        cmocka_unit_test(scales_that_are_no_numbers),
        cmocka_unit_test(implausible_numbers),
        cmocka_unit_test(bad_calls),
        cmocka_unit_test(too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
