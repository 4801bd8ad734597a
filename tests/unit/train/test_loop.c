/* train/loop: a small model learns, and a stop changes nothing.
 * SPDX-License-Identifier: MIT */
#include "tests/unit/train/vocab_dir.h"
#include "train/data.h"
#include "train/loop.h"

#include <math.h>

static vocab_dir V;

enum { STEPS = 20, BATCH = 6, MICRO = 128 };

static int set_up(void **state)
{
    (void)state;
    vocab_dir_open(&V);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vocab_dir_close(&V);
    return 0;
}

/* What one run of the loop has around it. */
typedef struct rig {
    model_trainable *t;
    train_source *data;
    pool *pool;
    char dir[64], metrics[80], report[80];
    volatile sig_atomic_t stop;
    uint64_t stop_after, poison_at, evaluations;
    float own[3]; /* a section of the stage's own */
    train_loop_options o;
} rig;

static ponder_status fill(void *user, train_loop *l, ponder_error *err)
{
    rig *r = user;
    for (int i = 0; i < BATCH; i++) TRY(r->data->draw(r->data, l->position++, &l->batch, err));
    if (r->poison_at && l->step + 1 == r->poison_at) {
        size_t n;
        model_trainable_masters(l->t, &n)[n / 2] = NAN;
        model_trainable_refresh(l->t);
    }
    return PONDER_OK;
}

static ponder_status after(void *user, train_loop *l, ponder_error *err)
{
    rig *r = user;
    (void)err;
    r->own[l->step % 3] += (float)l->step;
    metrics_put(&l->metrics, "own", (double)r->own[0]);
    if (r->stop_after && l->step >= r->stop_after) r->stop = 1;
    return PONDER_OK;
}

static ponder_status evaluate(void *user, train_loop *l, ponder_error *err)
{
    rig *r = user;
    train_batch b = {0};
    for (uint64_t i = 0; i < 4; i++) TRY(r->data->draw(r->data, 1000 + i, &b, err));
    TRY(train_loop_score(l, &b, false, err));
    metrics_put(&l->metrics, "eval_loss", batch_loss(&b));
    batch_free(&b);
    r->evaluations++;
    return PONDER_OK;
}

static size_t sections(void *user, checkpoint_section *out)
{
    out[0] = (checkpoint_section){"own", NUM_F32, ((rig *)user)->own, 3};
    return 1;
}

static void rig_open(rig *r, const char *name, int threads, const char *config)
{
    ponder_error err;
    model_config c;
    *r = (rig){0};
    check_ok(model_config_named(&c, config, &err));
    check_ok(pool_open(&r->pool, threads, &err));
    model_train_options mo = {.precision = MODEL_F32, .pool = r->pool, .cpu_mask = ~0u,
                              .max_tokens = MICRO, .max_sequence = 64, .max_sequences = 8,
                              .balance_loss = 1e-4f, .mtp_weight = c.mtp_layers ? 0.3f : 0};
    check_ok(model_trainable_init(&r->t, &c, 0.02f, 7, &mo, &err));
    snprintf(r->dir, sizeof r->dir, "%s/%s", V.dir, name);
    snprintf(r->metrics, sizeof r->metrics, "%s.jsonl", r->dir);
    snprintf(r->report, sizeof r->report, "%s.html", r->dir);
    example_options eo = {.t = V.t, .template = CHAT_NONE, .max_tokens = 64};
    const char *rows = "{\"text\":\"abc abc abc\"}\n{\"text\":\"12345678901234567890\"}\n"
                       "{\"prompt\":\"1+1=\",\"response\":\"2\"}\n{\"text\":\"the end\"}\n";
    check_ok(data_file_open(&r->data, vocab_dir_file(&V, "loop.jsonl", rows), &eo, 3, &err));
    r->o = (train_loop_options){
        .name = "base", .dir = r->dir, .metrics = r->metrics, .report = r->report, .title = "test",
        .lr = {.shape = LR_COSINE, .peak = 3e-3, .end = 3e-4, .warmup = 3, .steps = STEPS},
        .adamw = {.beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .decay = 0.1f}, .clip = 1,
        .micro_tokens = MICRO, .micro_sequences = 8, .save_every = 7, .keep = 2, .identity = 42,
        .eval_every = 10, .pool = r->pool, .stop = &r->stop};
}

static ponder_status rig_run(rig *r, ponder_error *err)
{
    const train_stage stage = {.user = r, .fill = fill, .after = after, .evaluate = evaluate,
                               .sections = sections};
    return train_loop_run(r->t, &stage, &r->o, err);
}

static void rig_close(rig *r)
{
    train_source_close(r->data);
    model_trainable_close(r->t);
    pool_close(r->pool);
}

/* The values of a key in the metrics, in order. */
static size_t values_of(const rig *r, const char *key, double *out, size_t cap)
{
    ponder_error err;
    buf text = {0};
    size_t n = 0;
    check_ok(file_read(&text, r->metrics, 1 << 20, &err));
    for (size_t at = 0; at < text.n;) {
        json_t *row;
        size_t end = str_find(buf_str(&text), STR("\n"), at);
        check_ok(json_parse(&row, (str){text.p + at, end - at}, "row", &err));
        const json_t *v = json_object_get(row, key);
        if (v && n < cap) out[n++] = json_number_value(v);
        json_decref(row);
        at = end + 1;
    }
    buf_free(&text);
    return n;
}

static void same_masters(const rig *a, const rig *b)
{
    size_t n, m;
    const float *x = model_trainable_masters(a->t, &n), *y = model_trainable_masters(b->t, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n * sizeof *x);
    assert_memory_equal(a->own, b->own, sizeof a->own);
    double p[2 * STEPS], q[2 * STEPS];
    assert_int_equal(values_of(a, "loss", p, COUNT_OF(p)), STEPS);
    assert_int_equal(values_of(b, "loss", q, COUNT_OF(q)), STEPS);
    assert_memory_equal(p, q, STEPS * sizeof *p);
    assert_int_equal(values_of(a, "eval_loss", p, COUNT_OF(p)), 3); /* steps 0, 10, 20 */
    assert_int_equal(values_of(b, "eval_loss", q, COUNT_OF(q)), 3);
    assert_memory_equal(p, q, 3 * sizeof *p);
    assert_true(p[2] < p[1] && p[1] < p[0]);
}

static void a_stop_changes_nothing(void **state)
{
    (void)state;
    ponder_error err;
    rig whole, cut;
    double loss[STEPS];
    rig_open(&whole, "whole", 1, "tiny-llama");
    check_ok(rig_run(&whole, &err));
    assert_int_equal(values_of(&whole, "loss", loss, STEPS), STEPS);
    assert_float_equal((float)loss[0], logf(320), 0.3f); /* knows nothing yet */
    assert_true(loss[STEPS - 1] < 0.75 * loss[0]);
    assert_true(file_exists(whole.report));

    rig_open(&cut, "cut", 2, "tiny-llama"); /* another number of threads, too */
    cut.stop_after = 11;
    assert_int_equal(rig_run(&cut, &err), PONDER_ECANCELED);
    assert_non_null(strstr(err.message, "after step 11 of 20"));
    rig_close(&cut);
    rig_open(&cut, "cut", 1, "tiny-llama");
    check_ok(rig_run(&cut, &err));
    same_masters(&whole, &cut);
    rig_close(&cut);

    /* A finished stage is finished. */
    rig_open(&cut, "cut", 1, "tiny-llama");
    check_ok(rig_run(&cut, &err));
    same_masters(&whole, &cut);
    rig_close(&cut);
    rig_close(&whole);
}

/* Experts, latent attention and the prediction module: biases and loads are part of the state. */
static void a_stop_changes_nothing_with_experts(void **state)
{
    (void)state;
    ponder_error err;
    rig whole, cut;
    double load[STEPS], mtp[STEPS];
    rig_open(&whole, "moe", 2, "tiny-v3");
    whole.o.balance_speed = 0.01f;
    check_ok(rig_run(&whole, &err));
    assert_int_equal(values_of(&whole, "expert_load", load, STEPS), STEPS);
    for (int i = 0; i < STEPS; i++) assert_true(load[i] >= 1 && load[i] <= 8);
    assert_int_equal(values_of(&whole, "mtp_loss", mtp, STEPS), STEPS);
    assert_true(mtp[STEPS - 1] < mtp[0]);
    rig_open(&cut, "moe-cut", 1, "tiny-v3");
    cut.o.balance_speed = 0.01f;
    cut.stop_after = 8;
    assert_int_equal(rig_run(&cut, &err), PONDER_ECANCELED);
    rig_close(&cut);
    rig_open(&cut, "moe-cut", 2, "tiny-v3");
    cut.o.balance_speed = 0.01f;
    check_ok(rig_run(&cut, &err));
    same_masters(&whole, &cut);
    rig_close(&cut);
    rig_close(&whole);
}

/* Adapters: the same of a stop, and only matrices change, by matrices of low rank. */
static void adapters_learn_and_the_rest_stays(void **state)
{
    (void)state;
    ponder_error err;
    rig whole, cut, fresh;
    double loss[STEPS];
    rig_open(&whole, "lora", 2, "tiny-qwen2");
    whole.o.lora_rank = 4, whole.o.lora_alpha = 8, whole.o.lora_seed = 3;
    whole.o.lr.peak = 1e-2;
    check_ok(rig_run(&whole, &err));
    assert_int_equal(values_of(&whole, "loss", loss, STEPS), STEPS);
    assert_true(loss[STEPS - 1] < 0.95 * loss[0]);
    rig_open(&fresh, "fresh", 1, "tiny-qwen2");
    size_t n, count, changed = 0;
    const float *w = model_trainable_masters(whole.t, &n),
                *w0 = model_trainable_masters(fresh.t, &n);
    const model_param *p = model_trainable_params(whole.t, &count);
    for (size_t i = 0; i < count; i++) {
        bool same = !memcmp(w + p[i].at, w0 + p[i].at, p[i].n * sizeof *w);
        assert_true(same == (p[i].tensor.role != MODEL_MATRIX));
        changed += !same;
    }
    assert_int_equal(changed, 2 * 7);
    rig_close(&fresh);
    rig_open(&cut, "lora-cut", 1, "tiny-qwen2");
    cut.o.lora_rank = 4, cut.o.lora_alpha = 8, cut.o.lora_seed = 3, cut.o.lr.peak = 1e-2;
    cut.stop_after = 9;
    assert_int_equal(rig_run(&cut, &err), PONDER_ECANCELED);
    rig_close(&cut);
    rig_open(&cut, "lora-cut", 2, "tiny-qwen2");
    cut.o.lora_rank = 4, cut.o.lora_alpha = 8, cut.o.lora_seed = 3, cut.o.lr.peak = 1e-2;
    check_ok(rig_run(&cut, &err));
    same_masters(&whole, &cut);
    rig_close(&cut);
    rig_close(&whole);
}

static double loss_of(rig *r)
{
    ponder_error err;
    train_batch b = {0};
    float lp[64];
    model_train_stats stats = {0};
    double sum = 0;
    check_ok(r->data->draw(r->data, 0, &b, &err));
    model_train_sequence s = {.ids = b.ids, .n = b.seq[0].n, .logprob = lp};
    check_ok(model_train_batch(r->t, &s, 1, NULL, &stats, &err));
    for (size_t i = 0; i + 1 < s.n; i++) sum -= (double)lp[i];
    batch_free(&b);
    return sum;
}

static float minus_one(void *user, size_t sequence, size_t i, float logprob)
{
    (void)user, (void)sequence, (void)i, (void)logprob;
    return -1;
}

/* The gradient of an adapter's number is how the loss changes with it. */
static void gradients_of_adapters_are_differences(void **state)
{
    (void)state;
    ponder_error err;
    rig r;
    lora l;
    train_batch b = {0};
    float lp[64];
    model_train_stats stats = {0};
    const model_train_loss loss = {.slope = minus_one};
    rig_open(&r, "difference", 1, "tiny-qwen2");
    check_ok(lora_open(&l, r.t, 2, 4, 1, &err));
    for (size_t i = 0; i < l.n; i++) /* B away from zero, so that A has a gradient */
        for (size_t k = 0; k < 2 * l.m[i].N; k++)
            l.values[l.m[i].b + k] = (float)rng_uniform(4, i, k, RNG_TEST) - 0.5f;
    lora_apply(&l, NULL);
    model_trainable_refresh(r.t);
    check_ok(r.data->draw(r.data, 0, &b, &err));
    model_train_sequence s = {.ids = b.ids, .n = b.seq[0].n, .logprob = lp};
    model_trainable_zero(r.t);
    check_ok(model_train_batch(r.t, &s, 1, &loss, &stats, &err));
    lora_gradients(&l, NULL);
    double along = 0, up, down;
    const double h = 2e-3;
    float *start = malloc(l.count * sizeof *start);
    memcpy(start, l.values, l.count * sizeof *start);
    for (int side = 0; side < 2; side++) {
        for (size_t k = 0; k < l.count; k++) {
            double d = rng_uniform(6, 0, k, RNG_TEST) - 0.5;
            if (!side) along += d * (double)l.gradients[k];
            l.values[k] = start[k] + (float)(side ? -h * d : h * d);
        }
        lora_apply(&l, NULL);
        model_trainable_refresh(r.t);
        *(side ? &down : &up) = loss_of(&r);
    }
    /* Central difference: error of the order h^2 and roundings of the loss (20 or so) over h. */
    assert_true(fabs((up - down) / (2 * h) - along) < 0.02 * fabs(along) + 40 * 0x1p-22 / h);
    assert_true(fabs(along) > 1);
    free(start);
    batch_free(&b);
    lora_close(&l);
    rig_close(&r);
}

static void numbers_that_are_none_stop_the_run(void **state)
{
    (void)state;
    ponder_error err;
    rig r;
    char *path;
    rig_open(&r, "nan", 1, "tiny-llama");
    r.poison_at = 17;
    assert_int_equal(rig_run(&r, &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "step 17"));
    check_ok(checkpoint_find(&path, r.dir, &err));
    assert_non_null(strstr(path, "step-0000000014"));
    free(path);
    rig_close(&r);
    rig_open(&r, "nan", 1, "tiny-llama");
    check_ok(rig_run(&r, &err)); /* from the good checkpoint */
    rig_close(&r);
}

static void other_settings_are_not_gone_on_with(void **state)
{
    (void)state;
    ponder_error err;
    rig r;
    rig_open(&r, "other", 1, "tiny-llama");
    check_ok(rig_run(&r, &err));
    rig_close(&r);
    rig_open(&r, "other", 1, "tiny-llama");
    r.o.identity = 43;
    assert_int_equal(rig_run(&r, &err), PONDER_EARG);
    assert_non_null(strstr(err.message, "other settings"));
    rig_close(&r);
    rig_open(&r, "other", 1, "tiny-qwen2");
    assert_int_equal(rig_run(&r, &err), PONDER_EFORMAT); /* another shape */
    assert_non_null(strstr(err.message, "masters"));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_changes_nothing),
        cmocka_unit_test(a_stop_changes_nothing_with_experts),
        cmocka_unit_test(adapters_learn_and_the_rest_stays),
        cmocka_unit_test(gradients_of_adapters_are_differences),
        cmocka_unit_test(numbers_that_are_none_stop_the_run),
        cmocka_unit_test(other_settings_are_not_gone_on_with),
    };
    return cmocka_run_group_tests_name("train/loop", tests, set_up, tear_down);
}
