/* train/head: losses and gradients against differences, and that a head comes back as it was.
 * SPDX-License-Identifier: MIT */
#include "tests/model/train_tiny.h"
#include "train/head.h"

#include <unistd.h>

static const adamw_options ADAMW = {.beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .decay = 0.1f};

static void the_loss_is_minus_log_sigmoid(void **state)
{
    (void)state;
    double slope;
    assert_float_equal(logistic_loss(0, &slope), log(2), 1e-15);
    assert_float_equal(slope, -0.5, 1e-15);
    for (double x = -30; x <= 30; x += 0.37) {
        double up, down, unused, h = 1e-5;
        assert_float_equal(logistic_loss(x, &slope), -log(1 / (1 + exp(-x))), 1e-12);
        up = logistic_loss(x + h, &unused), down = logistic_loss(x - h, &unused);
        assert_float_equal(slope, (up - down) / (2 * h), 1e-8);
    }
    assert_true(logistic_loss(-1e6, &slope) == 1e6 && slope == -1);
    assert_true(logistic_loss(1e6, &slope) == 0 && slope == 0);
}

/* ---- a pair through a whole model ------------------------------------------------------------ */

enum { CHOSEN = 0, REJECTED = 2 }; /* of the batch; the one between them is no part of the pair */

typedef struct pair {
    scalar_head *head;
    const float *hidden;
    float *gradient;
    double score, loss;
} pair;

/* The Bradley-Terry loss, read at the last tokens. */
static void read_pair(void *user, size_t sequence, const float *hidden, float *gradient)
{
    pair *p = user;
    size_t at = (LENGTH[sequence] - 1) * p->head->D;
    double slope;
    if (sequence == CHOSEN) {
        p->hidden = hidden + at;
        p->gradient = gradient ? gradient + at : NULL;
        p->score = head_score(p->head, hidden + at);
    } else if (sequence == REJECTED) {
        p->loss = logistic_loss(p->score - head_score(p->head, hidden + at), &slope);
        if (!gradient) return;
        head_back(p->head, p->hidden, slope, p->gradient);
        head_back(p->head, hidden + at, -slope, gradient + at);
    }
}

static double run_pair(const run *r, scalar_head *head, batch *b, bool look)
{
    ponder_error err = {0};
    model_train_sequence seq[SEQUENCES];
    for (size_t s = 0; s < SEQUENCES; s++)
        seq[s] = (model_train_sequence){.ids = b->ids[s], .n = LENGTH[s]};
    pair p = {.head = head};
    const model_train_loss loss = {.head = read_pair, .user = &p, .look = look};
    check_ok(model_train_batch(r->t, seq, SEQUENCES, &loss, NULL, &err));
    return p.loss;
}

/* The loss along a direction in the space of all numbers of model and head. */
static void a_pair(const model_config *c, bool recompute)
{
    ponder_error err = {0};
    scalar_head head;
    static batch b;
    run r;
    make_batch(&b);
    run_open(&r, c, (model_train_options){.recompute = recompute}, 2);
    size_t D = (size_t)c->width, all = r.n + D + 1;
    check_ok(head_open(&head, D, 0.5f, 7, &ADAMW, &err));
    double loss = run_pair(&r, &head, &b, false);
    assert_true(loss == run_pair(&r, &head, &b, true)); /* looking is the same forward */
    assert_true(head.gradient[D] == 0);                 /* a constant changes no difference */
    float *start = malloc(r.n * sizeof *start), first[256];
    assert_non_null(start);
    memcpy(start, r.masters, r.n * sizeof *start);
    memcpy(first, head.value, (D + 1) * sizeof *first);
    for (uint64_t which = 0; which < 2; which++) { /* along the head's numbers; along all */
        const double h = which ? 2e-4 : 2e-3;
        double along = 0, at[2];
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < all; i++) {
                bool of_head = i >= r.n;
                size_t k = of_head ? i - r.n : i;
                if (!of_head && !which) continue;
                double d = rng_uniform(6, which, i, RNG_TEST) - 0.5;
                if (!side) along += d * (double)(of_head ? head.gradient[k] : r.gradients[k]);
                *(of_head ? &head.value[k] : &r.masters[k]) =
                    (of_head ? first[k] : start[k]) + (float)(side ? -h * d : h * d);
            }
            model_trainable_refresh(r.t);
            at[side] = run_pair(&r, &head, &b, true);
        }
        /* An error of the order h^2, and roundings of two scores of the order 1 over h. */
        double difference = (at[0] - at[1]) / (2 * h);
        if (!(fabs(difference - along) < 0.01 * fabs(along) + 8 * 0x1p-24 / h))
            fail_msg("%s: gradient %.9g, difference %.9g", c->name, along, difference);
        assert_true(fabs(along) > 0.02);
    }
    free(start);
    head_close(&head);
    run_close(&r);
}

static void gradients_are_differences(void **state)
{
    (void)state;
    a_pair(&LLAMA, false);
    a_pair(&QWEN, true);
    a_pair(&V3, false);
}

/* ---- steps and files ------------------------------------------------------------------------- */

static void a_head_learns_a_sum(void **state)
{
    (void)state;
    ponder_error err = {0};
    scalar_head head;
    const adamw_options no_decay = {.beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f};
    check_ok(head_open(&head, 5, 0, 1, &no_decay, &err));
    double last = 0;
    for (uint64_t step = 1; step <= 600; step++) {
        float x[5], unused[5] = {0};
        double want = 0.5;
        for (uint64_t i = 0; i < 5; i++) {
            x[i] = (float)rng_uniform(2, step, i, RNG_TEST) - 0.5f;
            want += (double)i * (double)x[i];
        }
        double off = head_score(&head, x) - want;
        if (step > 550) last += off * off / 50;
        head_back(&head, x, 2 * off, unused);
        check_ok(head_step(&head, step, step < 300 ? 0.05 : 0.005, 0, &err));
    }
    assert_true(last < 1e-2);
    float bad[5] = {NAN}, unused[5] = {0}, kept = head.value[1];
    head_back(&head, bad, 1, unused);
    assert_int_equal(head_step(&head, 601, 0.1, 1, &err), PONDER_EFORMAT);
    assert_true(head.value[1] == kept);
    head_close(&head);
}

static void write_tensor(const char *path, const char *name, uint64_t n, const float *p)
{
    ponder_error err = {0};
    safetensors_writer *w;
    check_ok(safetensors_write_open(&w, path, &err));
    check_ok(safetensors_declare(w, name, NUM_F32, 1, &n, &err));
    check_ok(safetensors_write_begin(w, &err));
    check_ok(safetensors_write_data(w, p, n * sizeof *p, &err));
    check_ok(safetensors_write_commit(w, &err));
    safetensors_write_close(w);
}

static void files_come_back_and_others_are_refused(void **state)
{
    (void)state;
    ponder_error err = {0};
    char dir[] = "/tmp/head-XXXXXX", path[64];
    scalar_head a, b, other;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/head.safetensors", dir);
    check_ok(head_open(&a, 7, 1, 1, &ADAMW, &err));
    check_ok(head_open(&b, 7, 1, 2, &ADAMW, &err));
    check_ok(head_open(&other, 8, 1, 2, &ADAMW, &err));
    a.value[7] = 3;
    check_ok(head_save(&a, path, &err));
    assert_true(memcmp(a.value, b.value, 8 * sizeof *a.value) != 0);
    check_ok(head_load(&b, path, &err));
    assert_memory_equal(a.value, b.value, 8 * sizeof *a.value);
    assert_int_equal(head_load(&other, path, &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "\"weight\" with 8 numbers"));
    b.value[2] = NAN;
    check_ok(head_save(&b, path, &err));
    assert_int_equal(head_load(&a, path, &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "not finite"));
    write_tensor(path, "weight", 7, other.value);
    assert_int_equal(head_load(&a, path, &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "\"bias\""));
    head_close(&a), head_close(&b), head_close(&other);
    unlink(path), rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_minus_log_sigmoid),
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(a_head_learns_a_sum),
        cmocka_unit_test(files_come_back_and_others_are_refused),
    };
    return cmocka_run_group_tests_name("train/head", tests, NULL, NULL);
}
