/* model/train: what is saved is what was trained, and biases follow the load.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "model/train.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const model_train_options OPTIONS = {.precision = MODEL_F32, .cpu_mask = ~0u,
                                            .max_tokens = 64, .max_sequence = 64,
                                            .max_sequences = 4};

static ponder_status vocab(void *user, gguf_writer *w, ponder_error *err)
{
    return gguf_put_str(w, "tokenizer.test", str_of(user), err);
}

static char path[32];

static void save_and_open(const model_trainable *t, model_trainable **again, num_type type)
{
    ponder_error err;
    fmt_model *file;
    char word[] = "kept";
    str kept = {0};
    strcpy(path, "/tmp/saved-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    strcat(path, ".gguf");
    check_ok(model_trainable_save(t, path, type, vocab, word, &err));
    check_ok(fmt_open(&file, path, &err));
    check_ok(fmt_get_str(file, "tokenizer.test", &kept, &err));
    assert_true(str_eq(kept, STR("kept")));
    check_ok(model_trainable_open(again, file, &OPTIONS, &err));
    fmt_close(file);
    unlink(path);
}

static void scramble(model_trainable *t)
{
    size_t n, count;
    float *x = model_trainable_masters(t, &n);
    const model_param *p = model_trainable_params(t, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < p[i].n; k++)
            x[p[i].at + k] += (float)(0.1 * rng_uniform(5, i, k, RNG_TEST) - 0.05);
    model_trainable_refresh(t);
}

static void saved_in_f32_is_the_same_to_the_bit(void **state)
{
    (void)state;
    static const char *const configs[] = {"tiny-llama", "tiny-qwen2", "tiny-v2", "tiny-v3"};
    for (size_t k = 0; k < COUNT_OF(configs); k++) {
        ponder_error err;
        model_config c;
        model_trainable *t, *again;
        size_t n, m;
        check_ok(model_config_named(&c, configs[k], &err));
        check_ok(model_trainable_init(&t, &c, 0.02f, 1, &OPTIONS, &err));
        scramble(t);
        save_and_open(t, &again, NUM_F32);
        const float *x = model_trainable_masters(t, &n), *y = model_trainable_masters(again, &m);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n * sizeof *x);
        model_trainable_close(again);
        save_and_open(t, &again, NUM_BF16);
        y = model_trainable_masters(again, &m);
        for (size_t i = 0; i < n; i++) assert_true(fabsf(x[i] - y[i]) <= fabsf(x[i]) * 0x1p-8f);
        model_trainable_close(again);
        model_trainable_close(t);
    }
}

/* Hugging Face's order of rotated columns in memory, GGUF's in the file: the same model. */
static void halves_become_pairs(void **state)
{
    (void)state;
    ponder_error err;
    model_config c;
    model_trainable *t, *again;
    int32_t ids[20];
    float a[19], b[19];
    for (int i = 0; i < 20; i++) ids[i] = i * 7 % 320;
    model_train_sequence x = {.ids = ids, .n = 20, .logprob = a},
                         y = {.ids = ids, .n = 20, .logprob = b};
    model_train_stats stats = {0};
    check_ok(model_config_named(&c, "tiny-llama", &err));
    c.rope_pairs = false;
    check_ok(model_trainable_init(&t, &c, 0.05f, 1, &OPTIONS, &err));
    scramble(t);
    save_and_open(t, &again, NUM_F32);
    assert_true(model_config_of(model_trainable_model(again))->rope_pairs);
    check_ok(model_train_batch(t, &x, 1, NULL, &stats, &err));
    check_ok(model_train_batch(again, &y, 1, NULL, &stats, &err));
    /* Sums of 64 products in another order, three layers of them: a few ten roundings of numbers
     * below 10. */
    for (int i = 0; i < 19; i++) assert_float_equal(a[i], b[i], 100 * 10 * 0x1p-24f);
    model_trainable_close(again);
    model_trainable_close(t);
}

/* Through a Hugging Face directory and back into a file: every parameter to the bit. */
static void a_hugging_face_directory_is_the_same_model(void **state)
{
    (void)state;
    static const char *const configs[] = {"tiny-llama", "tiny-qwen2", "tiny-v2", "tiny-v3"};
    for (size_t k = 0; k < COUNT_OF(configs); k++) {
        ponder_error err;
        model_config c;
        model_trainable *t, *hf, *back;
        fmt_model *file;
        char dir[] = "/tmp/hf-XXXXXX", command[64];
        size_t n, m;
        check_ok(model_config_named(&c, configs[k], &err));
        check_ok(model_trainable_init(&t, &c, 0.02f, 1, &OPTIONS, &err));
        scramble(t);
        assert_non_null(mkdtemp(dir));
        check_ok(model_trainable_save_hf(t, dir, NUM_F32, &err));
        check_ok(fmt_open(&file, dir, &err));
        check_ok(model_trainable_open(&hf, file, &OPTIONS, &err));
        fmt_close(file);
        save_and_open(hf, &back, NUM_F32);
        const float *x = model_trainable_masters(t, &n), *y = model_trainable_masters(back, &m);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n * sizeof *x);
        const model_config *a = model_config_of(model_trainable_model(t)),
                           *b = model_config_of(model_trainable_model(hf));
        assert_int_equal(a->layers, b->layers);
        assert_int_equal(a->experts_used, b->experts_used);
        assert_int_equal(a->gate, b->gate);
        assert_int_equal(a->rope, b->rope);
        assert_int_equal(a->tied, b->tied);
        model_trainable_close(back);
        model_trainable_close(hf);
        model_trainable_close(t);
        snprintf(command, sizeof command, "rm -rf %s", dir);
        assert_int_equal(system(command), 0);
    }
}

static void biases_follow_the_load(void **state)
{
    (void)state;
    ponder_error err;
    model_config c;
    model_trainable *t;
    size_t n, count;
    check_ok(model_config_named(&c, "tiny-v3", &err));
    check_ok(model_trainable_init(&t, &c, 0.02f, 1, &OPTIONS, &err));
    const model_param *p = model_trainable_params(t, &count);
    uint64_t load[4 * 8] = {0}; /* three layers and the prediction module, eight experts */
    for (int e = 0; e < 8; e++) load[8 + e] = e < 2 ? 10 : e < 4 ? 4 : 1; /* mean 4 */
    model_train_balance(t, load, 0.5f);
    float *x = model_trainable_masters(t, &n);
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        if (!strstr(p[i].tensor.name, "exp_probs_b")) continue;
        for (size_t e = 0; e < 8; e++) {
            float want = p[i].tensor.layer != 1 ? 0 : e < 2 ? -0.5f : e < 4 ? 0 : 0.5f;
            assert_true(x[p[i].at + e] == want);
        }
        found++;
    }
    assert_int_equal(found, 3);
    model_trainable_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_in_f32_is_the_same_to_the_bit),
        cmocka_unit_test(halves_become_pairs),
        cmocka_unit_test(a_hugging_face_directory_is_the_same_model),
        cmocka_unit_test(biases_follow_the_load),
    };
    return cmocka_run_group_tests_name("model/train_save", tests, NULL, NULL);
}
