/* train/critic: values belong to their tokens, are learnt, and go on from what was saved.
 * SPDX-License-Identifier: MIT */
#include "tests/model/train_tiny.h"
#include "train/critic.h"

enum { ANSWERS = 6, TOKENS = 24, STEPS = 150 };

/* Answers made up, one of them empty; what they earn can only be known by heart. */
typedef struct chunk {
    rollout r;
    rollout_sample samples[ANSWERS];
    int32_t ids[ANSWERS][TOKENS];
    float logprob[ANSWERS][TOKENS], reward[ANSWERS];
} chunk;

static void make_chunk(chunk *c)
{
    *c = (chunk){.r = {.questions = ANSWERS, .group = 1, .longest = TOKENS}};
    c->r.samples = c->samples;
    for (uint64_t i = 0; i < ANSWERS; i++) {
        size_t prompt = 3 + (size_t)i, n = i == 2 ? prompt : prompt + 4 + 2 * (size_t)i;
        c->samples[i] = (rollout_sample){.ids = c->ids[i], .logprob = c->logprob[i],
                                         .prompt = prompt, .n = n};
        for (uint64_t t = 0; t < n; t++) {
            c->ids[i][t] = (int32_t)rng_below(VOCAB, 11, i, t, RNG_TEST);
            c->logprob[i][t] = -(float)rng_uniform(12, i, t, RNG_TEST);
        }
        c->reward[i] = (float)rng_uniform(13, i, 0, RNG_TEST) - 0.5f;
    }
}

typedef struct rig {
    run run;
    critic *v;
    pipeline_options o;
    stage_context c;
    training t;
} rig;

static void rig_open(rig *r, critic_options o)
{
    ponder_error err = {0};
    run_open(&r->run, &QWEN, (model_train_options){0}, 2);
    r->o = (pipeline_options){.pool = r->run.pool, .cpu_mask = ~0u};
    r->c = (stage_context){.o = &r->o, .where = "here"};
    r->t = training_defaults();
    r->t.max_tokens = TOKENS, r->t.micro_tokens = 48;
    check_ok(critic_open(&r->v, r->run.t, &r->c, &r->t, &o, ANSWERS, &err));
}

static void rig_close(rig *r)
{
    critic_close(r->v);
    run_close(&r->run);
}

static float expected(rig *r, size_t answer, size_t t)
{
    checkpoint_section s[CRITIC_SECTIONS];
    assert_int_equal(critic_sections(r->v, s), CRITIC_SECTIONS);
    assert_string_equal(s[3].name, "expected");
    return ((const float *)s[3].p)[answer * TOKENS + t];
}

static void learn(rig *r, const chunk *c, uint64_t from, uint64_t to)
{
    ponder_error err = {0};
    for (uint64_t step = from; step <= to; step++) {
        check_ok(critic_expect(r->v, &c->r, &err));
        critic_advise(r->v, &c->r, c->reward, NULL);
        check_ok(critic_learn(r->v, &c->r, 0, ANSWERS, step, 3e-3, &err));
    }
}

static void values_are_learnt_at_every_token(void **state)
{
    (void)state;
    ponder_error err = {0};
    chunk c;
    rig r;
    make_chunk(&c);
    rig_open(&r, (critic_options){.gamma = 1, .lambda = 1, .raw = true});
    check_ok(critic_expect(r.v, &c.r, &err));
    critic_advise(r.v, &c.r, c.reward, NULL);
    for (size_t i = 0; i < ANSWERS; i++)
        for (size_t t = 0; t + c.samples[i].prompt < c.samples[i].n; t++) {
            assert_true(expected(&r, i, t) == 0); /* the head begins at zero */
            assert_true(critic_advantages(r.v, i)[t] == c.reward[i]);
        }
    learn(&r, &c, 1, STEPS);
    check_ok(critic_expect(r.v, &c.r, &err));
    for (size_t i = 0; i < ANSWERS; i++)
        for (size_t t = 0; t + c.samples[i].prompt < c.samples[i].n; t++)
            assert_float_equal(expected(&r, i, t), c.reward[i], 0.1);
    rig_close(&r);
}

/* Values are of the tokens of their own answer: alone as in the chunk. */
static void values_do_not_depend_on_the_chunk(void **state)
{
    (void)state;
    ponder_error err = {0};
    chunk c, one;
    rig r;
    make_chunk(&c);
    rig_open(&r, (critic_options){.gamma = 1, .lambda = 0.9f, .clip = 0.2f});
    learn(&r, &c, 1, 20);
    check_ok(critic_expect(r.v, &c.r, &err));
    float all[TOKENS];
    size_t n = c.samples[4].n - c.samples[4].prompt;
    for (size_t t = 0; t < n; t++) all[t] = expected(&r, 4, t);
    make_chunk(&one);
    for (size_t i = 0; i < ANSWERS; i++)
        if (i != 4) one.samples[i].n = one.samples[i].prompt;
    check_ok(critic_expect(r.v, &one.r, &err));
    for (size_t t = 0; t < n; t++) {
        float alone = expected(&r, 4, t);
        assert_memory_equal(&alone, &all[t], sizeof alone);
        assert_true(t == 0 || all[t] != all[t - 1]);
    }
    rig_close(&r);
}

static void advantages_are_levelled_and_penalised(void **state)
{
    (void)state;
    ponder_error err = {0};
    chunk c;
    rig r;
    float reference[ANSWERS * TOKENS] = {0};
    make_chunk(&c);
    rig_open(&r, (critic_options){.gamma = 1, .lambda = 1, .kl = 0.5f, .raw = true});
    check_ok(critic_expect(r.v, &c.r, &err));
    for (size_t t = 0; t < 12; t++) reference[4 * TOKENS + t] = c.logprob[4][t] - 0.25f;
    for (size_t i = 0; i < ANSWERS; i++)
        for (size_t t = 0; t < TOKENS && i != 4; t++) reference[i * TOKENS + t] = c.logprob[i][t];
    critic_advise(r.v, &c.r, c.reward, reference);
    for (size_t t = 0; t < 12; t++) /* what is still to be paid */
        assert_float_equal(critic_advantages(r.v, 4)[t],
                           c.reward[4] - 0.125f * (float)(12 - t), 1e-5);
    assert_true(critic_advantages(r.v, 3)[0] == c.reward[3]);
    rig_close(&r);

    rig_open(&r, (critic_options){.gamma = 1, .lambda = 1});
    check_ok(critic_expect(r.v, &c.r, &err));
    critic_advise(r.v, &c.r, c.reward, NULL);
    double sum = 0, squares = 0, n = 0;
    for (size_t i = 0; i < ANSWERS; i++)
        for (size_t t = 0; t + c.samples[i].prompt < c.samples[i].n; t++, n++) {
            double a = (double)critic_advantages(r.v, i)[t];
            sum += a, squares += a * a;
        }
    assert_float_equal(sum / n, 0, 1e-5);
    assert_float_equal(squares / n, 1, 1e-4);
    rig_close(&r);
}

static void what_is_saved_goes_on(void **state)
{
    (void)state;
    chunk c;
    rig a, b;
    checkpoint_section from[CRITIC_SECTIONS], to[CRITIC_SECTIONS];
    make_chunk(&c);
    const critic_options o = {.gamma = 1, .lambda = 0.95f, .clip = 0.2f};
    rig_open(&a, o), rig_open(&b, o);
    learn(&a, &c, 1, 5);
    critic_sections(a.v, from), critic_sections(b.v, to);
    for (size_t i = 0; i < CRITIC_SECTIONS; i++) {
        assert_int_equal(from[i].n, to[i].n);
        memcpy(to[i].p, from[i].p, from[i].n * num_info_of(from[i].type)->block_bytes);
    }
    learn(&a, &c, 6, 9), learn(&b, &c, 6, 9);
    for (size_t i = 0; i < CRITIC_SECTIONS; i++)
        assert_memory_equal(to[i].p, from[i].p, from[i].n * num_info_of(from[i].type)->block_bytes);
    rig_close(&a), rig_close(&b);
}

static void numbers_that_are_none_are_an_error(void **state)
{
    (void)state;
    ponder_error err = {0};
    chunk c;
    rig r;
    make_chunk(&c);
    rig_open(&r, (critic_options){.gamma = 1, .lambda = 1});
    check_ok(critic_expect(r.v, &c.r, &err));
    c.reward[1] = NAN;
    critic_advise(r.v, &c.r, c.reward, NULL);
    assert_int_equal(critic_learn(r.v, &c.r, 0, ANSWERS, 1, 1e-3, &err), PONDER_EFORMAT);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_learnt_at_every_token),
        cmocka_unit_test(values_do_not_depend_on_the_chunk),
        cmocka_unit_test(advantages_are_levelled_and_penalised),
        cmocka_unit_test(what_is_saved_goes_on),
        cmocka_unit_test(numbers_that_are_none_are_an_error),
    };
    return cmocka_run_group_tests_name("train/critic", tests, NULL, NULL);
}
