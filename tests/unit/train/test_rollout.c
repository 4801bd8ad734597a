/* rollout: every sampled token has, to the bit, the log-probability that the finished sequence has when
 * it is scored alone.
 * SPDX-License-Identifier: MIT */
#include "tests/unit/engine/tiny.h"
#include "train/rollout.h"

#include <math.h>

enum { QUESTIONS = 3, GROUP = 5, LONGEST = 96, PROMPT = 11 };

static void make_prompts(rollout_prompt *p, int32_t ids[QUESTIONS][PROMPT])
{
    for (size_t q = 0; q < QUESTIONS; q++) {
        for (size_t i = 0; i < PROMPT; i++)
            ids[q][i] = (int32_t)rng_below(256, 11, q, i, RNG_TEST);
        p[q] = (rollout_prompt){ids[q], PROMPT - q, rng_u64(42, q, 0, RNG_SAMPLE)};
    }
}

static void fill(rollout *r, const tiny *y, size_t n, size_t batch)
{
    ponder_error err;
    engine *e;
    rollout_prompt p[QUESTIONS];
    int32_t ids[QUESTIONS][PROMPT];
    const engine_options o = {.kv = KERN_KV_F32,
                              .context = 128,
                              .max_sequences = QUESTIONS * GROUP,
                              .max_batch_tokens = batch,
                              .no_prefix_cache = true,
                              .pool = y->pool};
    make_prompts(p, ids);
    check_ok(engine_open(&e, y->m, y->t, &o, &err));
    check_ok(rollout_open(r, QUESTIONS, GROUP, LONGEST, &err));
    const engine_sampling all = {.temperature = 1, .top_p = 1, .repetition = 1};
    check_ok(rollout_fill(r, e, 0, p, n, &all, 64, NULL, &err));
    engine_close(e);
}

static void score(const tiny *y, const rollout_sample *s, float *logprob)
{
    ponder_error err;
    model_step *step;
    model_kv kv;
    uint32_t pages[] = {0, 1};
    const kern *k = model_kern(y->m);
    float *logits = malloc(LONGEST * TINY_VOCAB * sizeof *logits);
    check_ok(model_step_open(&step, y->m, NULL, LONGEST, &err));
    check_ok(model_kv_open(&kv, model_config_of(y->m), KERN_KV_F32, 2, &err));
    const model_span span = {
        .ids = s->ids, .n = s->n, .pages = pages, .want = 2, .logits = logits};
    check_ok(model_forward(step, y->m, &kv, &span, 1, &err));
    for (size_t i = s->prompt; i < s->n; i++) {
        const float *x = logits + (i - 1) * TINY_VOCAB;
        logprob[i - s->prompt] =
            (float)((double)x[s->ids[i]] - ops_log_sum_exp(k, x, TINY_VOCAB, NULL));
    }
    model_kv_close(&kv);
    model_step_close(step);
    free(logits);
}

static void logprobs_are_those_of_scoring(void **state)
{
    (void)state;
    tiny y;
    rollout r;
    tiny_open(&y, 2);
    fill(&r, &y, QUESTIONS, 32);
    size_t different = 0;
    for (size_t i = 0; i < QUESTIONS * GROUP; i++) {
        const rollout_sample *s = &r.samples[i];
        float alone[LONGEST];
        assert_true(s->n > s->prompt && s->n <= LONGEST);
        score(&y, s, alone);
        assert_memory_equal(s->logprob, alone, (s->n - s->prompt) * sizeof(float));
        different += i % GROUP && s->ids[s->prompt] != s[-1].ids[s->prompt];
    }
    assert_true(different > 3); /* choices are independent */
    rollout_close(&r);
    tiny_close(&y);
}

static void others_and_threads_change_nothing(void **state)
{
    (void)state;
    tiny one, two;
    rollout a, b;
    tiny_open(&one, 1);
    tiny_open(&two, 2);
    fill(&a, &one, 1, 16); /* the first question alone */
    fill(&b, &two, QUESTIONS, 64);
    for (size_t i = 0; i < GROUP; i++) {
        assert_int_equal(a.samples[i].n, b.samples[i].n);
        assert_memory_equal(a.samples[i].ids, b.samples[i].ids, a.samples[i].n * sizeof(int32_t));
        assert_memory_equal(a.samples[i].logprob, b.samples[i].logprob,
                            (a.samples[i].n - a.samples[i].prompt) * sizeof(float));
    }
    rollout_close(&a);
    rollout_close(&b);
    tiny_close(&one);
    tiny_close(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logprobs_are_those_of_scoring),
        cmocka_unit_test(others_and_threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
