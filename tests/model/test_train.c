/* Training: the same log-probabilities as generation, the same gradients however the work is cut, and
 * that it learns.
 * SPDX-License-Identifier: MIT */
#include "tests/model/train_tiny.h"

#include "engine/engine.h"

#include <unistd.h>

static const model_config *const CONFIGS[] = {&LLAMA, &QWEN, &V2, &V3};

/* ---- generation and training agree ---------------------------------------------------------------- */

enum { REQUESTS = 3, NEW = 24 };

typedef struct said {
    int32_t ids[LONGEST];
    float logprob[LONGEST]; /* of ids[i + 1] */
    size_t prompt, n;
} said;

static void hear(void *user, const engine_event *ev)
{
    said *s = user;
    if (ev->kind != ENGINE_TOKEN) return;
    s->logprob[s->n - 1] = ev->logprob;
    s->ids[s->n++] = ev->id;
}

static void generate(const run *r, said *said_, size_t n)
{
    ponder_error err = {0};
    engine *e;
    engine_options o = {.kv = model_trainable_kv(r->t), .context = 64, .kv_bytes = 8 << 20, .pool = r->pool,
                        .max_batch_tokens = 11};
    check_ok(engine_open(&e, model_trainable_model(r->t), NULL, &o, &err));
    for (size_t i = 0; i < n; i++) {
        said *s = &said_[i];
        *s = (said){.prompt = 3 + 9 * i, .n = 3 + 9 * i};
        for (size_t j = 0; j < s->n; j++) s->ids[j] = (int32_t)rng_below(VOCAB, 8, i, j, RNG_TEST);
        engine_request q = {.prompt = s->ids, .n_prompt = s->n, .max_tokens = NEW - i, .event = hear, .user = s,
                            .sampling = {.temperature = 1, .top_p = 1, .repetition = 1, .seed = i}};
        check_ok(engine_submit(e, &q, NULL, &err));
    }
    while (engine_busy(e)) check_ok(engine_step(e, &err));
    engine_close(e);
}

static void compare_bits(const char *what, const said *s, const float *logprob)
{
    assert_true(s->n == s->prompt + NEW - (s->prompt - 3) / 9);
    for (size_t i = s->prompt - 1; i + 1 < s->n; i++)
        if (memcmp(&logprob[i], &s->logprob[i], sizeof *logprob))
            fail_msg("%s, token %zu: generated with %.9g, trained with %.9g", what, i, (double)s->logprob[i],
                     (double)logprob[i]);
}

static void agrees(const model_config *c, enum model_precision precision)
{
    static said s[REQUESTS];
    float logprob[REQUESTS][LONGEST];
    model_train_sequence seq[REQUESTS];
    ponder_error err = {0};
    run a, b;
    char what[128];
    snprintf(what, sizeof what, "%s, precision %d", c->name, (int)precision);
    run_open(&a, c, (model_train_options){.precision = precision}, 2);
    run_open(&b, c, (model_train_options){.precision = precision, .recompute = true}, 3);
    generate(&a, s, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) seq[i] = (model_train_sequence){.ids = s[i].ids, .n = s[i].n, .logprob = logprob[i]};
    check_ok(model_train_batch(a.t, seq, REQUESTS, NULL, NULL, &err)); /* all together, without a tape */
    for (size_t i = 0; i < REQUESTS; i++) compare_bits(what, &s[i], logprob[i]);
    static batch any;
    make_batch(&any);
    model_train_loss loss = {.slope = cross_entropy, .user = &any};
    for (size_t i = 0; i < REQUESTS; i++) { /* each alone, with one */
        check_ok(model_train_batch(b.t, &seq[i], 1, &loss, NULL, &err));
        compare_bits(what, &s[i], logprob[i]);
    }
    run_close(&a);
    run_close(&b);
}

static void same_logprobs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(CONFIGS); i++) {
        agrees(CONFIGS[i], MODEL_F32);
        agrees(CONFIGS[i], MODEL_BF16);
        agrees(CONFIGS[i], MODEL_FP8);
    }
}

/* ---- the same gradients ----------------------------------------------------------------------------- */

static void same_gradients(void **state)
{
    (void)state;
    static batch b;
    make_batch(&b);
    for (size_t i = 0; i < COUNT_OF(CONFIGS); i++) {
        model_train_options o = plain(CONFIGS[i]);
        o.precision = (enum model_precision)(i % 3);
        run r, other;
        run_open(&r, CONFIGS[i], o, 1);
        run_batch(&r, &b);
        for (int threads = 2; threads <= 4; threads++) {
            o.recompute = threads % 2;
            run_open(&other, CONFIGS[i], o, threads);
            for (int again = 0; again < 2; again++) {
                model_trainable_zero(other.t);
                run_batch(&other, &b);
                assert_memory_equal(r.gradients, other.gradients, r.n * sizeof(float));
            }
            run_close(&other);
        }
        run_close(&r);
    }
}

/* Sequence by sequence against all at once: equal but for rounding. */
static void accumulated(void **state)
{
    (void)state;
    static batch b;
    make_batch(&b);
    for (size_t i = 0; i < COUNT_OF(CONFIGS); i++) {
        ponder_error err = {0};
        run whole, parts;
        run_open(&whole, CONFIGS[i], plain(CONFIGS[i]), 2);
        run_open(&parts, CONFIGS[i], plain(CONFIGS[i]), 2);
        run_batch(&whole, &b);
        for (size_t s = 0; s < SEQUENCES; s++) {
            batch one = b;
            memcpy(one.weight[0], b.weight[s], sizeof one.weight[0]);
            model_train_loss loss = {.slope = cross_entropy, .user = &one};
            check_ok(model_train_batch(parts.t, &b.seq[s], 1, &loss, NULL, &err));
        }
        double off = 0, all = 0;
        for (size_t j = 0; j < whole.n; j++) {
            double d = (double)whole.gradients[j] - (double)parts.gradients[j];
            off += d * d;
            all += (double)whole.gradients[j] * (double)whole.gradients[j];
        }
        assert_true(all > 0 && off < 1e-12 * all);
        run_close(&whole);
        run_close(&parts);
    }
}

/* ---- what sequences begin with together ------------------------------------------------------------------ */

enum { GROUP = 3, PREFIX_MAX = 130, ANSWER_MAX = 70 };

/* GROUP answers to one prompt, of which all but the prompt is learnt. */
typedef struct group {
    size_t prefix, n[GROUP]; /* of an answer with the prompt's last two tokens */
    int32_t ids[GROUP][PREFIX_MAX + ANSWER_MAX];
    float logprob[GROUP][PREFIX_MAX + ANSWER_MAX], entropy[GROUP][PREFIX_MAX + ANSWER_MAX];
    size_t sequences;
    size_t answer[GROUP + 1], from[GROUP + 1]; /* of a sequence of the batch */
} group;

static void make_group(group *g, size_t prefix)
{
    static const size_t EACH[GROUP] = {ANSWER_MAX, 3, 41};
    *g = (group){.prefix = prefix};
    for (size_t s = 0; s < GROUP; s++) {
        g->n[s] = EACH[s];
        for (size_t i = 0; i < prefix + EACH[s]; i++)
            g->ids[s][i] = (int32_t)rng_below(VOCAB, 6, i < prefix + 2 ? GROUP : s, i, RNG_TEST);
    }
}

static float of_answers(void *user, size_t s, size_t i, float logprob)
{
    const group *g = user;
    (void)logprob;
    size_t at = g->from[s] + i, answer = g->answer[s];
    return at < g->prefix + 1 ? 0 : -0.01f * (1 + (float)((answer + at) % 3));
}

/* All answers as whole sequences, or behind a prefix that they continue. */
static void run_group(run *r, group *g, bool shared, bool entropy)
{
    model_train_sequence seq[GROUP + 1];
    ponder_error err = {0};
    size_t n = 0;
    if (shared) {
        seq[n] = (model_train_sequence){.ids = g->ids[0], .n = g->prefix};
        g->answer[n] = g->from[n] = 0;
        n++;
    }
    for (size_t s = 0; s < GROUP; s++, n++) {
        size_t from = shared ? g->prefix : 0;
        seq[n] = (model_train_sequence){.ids = g->ids[s] + from, .n = g->prefix + g->n[s] - from,
                                        .logprob = g->logprob[s] + from, .continues = shared,
                                        .entropy = entropy ? g->entropy[s] + from : NULL};
        g->answer[n] = s;
        g->from[n] = from;
    }
    model_train_loss loss = {.slope = of_answers, .user = g};
    check_ok(model_train_batch(r->t, seq, n, &loss, NULL, &err));
}

static double relative(const float *a, const float *b, size_t n)
{
    double off = 0, all = 0;
    for (size_t j = 0; j < n; j++) {
        double d = (double)a[j] - (double)b[j];
        off += d * d;
        all += (double)b[j] * (double)b[j];
    }
    return all > 0 ? sqrt(off / all) : INFINITY;
}

static void shares(const model_config *c, enum model_precision precision, size_t prefix)
{
    static group whole, parts;
    model_train_options o = {.precision = precision, .mtp_weight = c->mtp_layers ? MTP : 0, .prefixes = true,
                             .max_tokens = GROUP * (PREFIX_MAX + ANSWER_MAX), .max_sequence = PREFIX_MAX + ANSWER_MAX,
                             .max_sequences = GROUP + 1};
    run a, b, again;
    make_group(&whole, prefix), make_group(&parts, prefix);
    run_open(&a, c, o, 2), run_open(&b, c, o, 2);
    o.recompute = true;
    run_open(&again, c, o, 3);
    run_group(&a, &whole, false, true);
    run_group(&b, &parts, true, true);
    for (size_t s = 0; s < GROUP; s++) {
        size_t bytes = (whole.n[s] - 1) * sizeof(float);
        assert_memory_equal(whole.logprob[s] + prefix, parts.logprob[s] + prefix, bytes);
        assert_memory_equal(whole.entropy[s] + prefix, parts.entropy[s] + prefix, bytes);
    }
    run_group(&again, &parts, true, false);
    assert_memory_equal(b.gradients, again.gradients, b.n * sizeof(float));
    double off = relative(b.gradients, a.gradients, a.n);
    static const double LIMIT[] = {1e-6, 3e-3, 0.05}; /* sums are rounded elsewhere */
    print_message("# %s, precision %d, prefix %zu: gradients are off by %.2g\n", c->name, (int)precision, prefix, off);
    assert_true(off < LIMIT[precision]);
    run_close(&a), run_close(&b), run_close(&again);
}

/* Prefixes shorter than a page, of whole pages, and of more. */
static void prefixes_are_shared(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(CONFIGS); i++)
        for (int p = 0; p < 3; p++) {
            shares(CONFIGS[i], (enum model_precision)p, 1 + 18 * (size_t)p);
            shares(CONFIGS[i], (enum model_precision)p, 64);
            shares(CONFIGS[i], (enum model_precision)p, PREFIX_MAX - (size_t)p);
        }
}

/* ---- it learns ---------------------------------------------------------------------------------------- */

enum { MODULUS = 7, STEPS = 200, TASKS = MODULUS *MODULUS /* all there are */ };

static void adam(run *r, float *m, float *v, int step)
{
    double a = 1 - pow(0.9, step), b = 1 - pow(0.98, step), rate = 1e-2 * (1 - (double)step / (STEPS + 1));
    for (size_t i = 0; i < r->n; i++) {
        float g = r->gradients[i];
        m[i] += 0.1f * (g - m[i]);
        v[i] += 0.02f * (g * g - v[i]);
        r->masters[i] -= (float)(rate * (double)m[i] / a / (sqrt((double)v[i] / b) + 1e-8));
    }
    model_trainable_refresh(r->t);
    model_trainable_zero(r->t);
}

/* "a b c": only c is asked for. */
static float last_token(void *user, size_t s, size_t i, float logprob)
{
    (void)user, (void)s, (void)logprob;
    return i == 1 ? -1.0f / TASKS : 0;
}

/* Trains a + b modulo MODULUS; returns the mean loss of the last steps. */
static double learn(const model_config *c, enum model_precision precision)
{
    ponder_error err = {0};
    run r;
    model_train_options o = plain(c);
    o.precision = precision;
    o.balance_loss *= 1e-3f;
    run_open(&r, c, o, 1);
    size_t n;
    const model_param *p = model_trainable_params(r.t, &n);
    for (size_t i = 0; i < n; i++) /* learning begins from smaller weights */
        for (size_t j = 0; p[i].tensor.n_dims > 1 && j < p[i].n; j++) r.masters[p[i].at + j] *= 0.5f;
    model_trainable_refresh(r.t);
    float *m = calloc(r.n, sizeof *m), *v = calloc(r.n, sizeof *v), logprob[TASKS][2];
    assert_true(m && v);
    int32_t ids[TASKS][3];
    model_train_sequence seq[TASKS];
    double loss = 0;
    model_train_loss want = {.slope = last_token};
    for (int step = 1; step <= STEPS; step++) {
        for (size_t s = 0; s < TASKS; s++) {
            ids[s][0] = (int32_t)s / MODULUS;
            ids[s][1] = (int32_t)s % MODULUS;
            ids[s][2] = (ids[s][0] + ids[s][1]) % MODULUS + 20;
            seq[s] = (model_train_sequence){.ids = ids[s], .n = 3, .logprob = logprob[s]};
        }
        check_ok(model_train_batch(r.t, seq, TASKS, &want, NULL, &err));
        adam(&r, m, v, step);
        for (size_t s = 0; s < TASKS && step > STEPS - 20; s++) loss -= (double)logprob[s][1] / (20 * TASKS);
    }
    free(m), free(v);
    run_close(&r);
    return loss;
}

static void learns(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(CONFIGS); i++) {
        double f32 = learn(CONFIGS[i], MODEL_F32), bf16 = learn(CONFIGS[i], MODEL_BF16);
        double fp8 = learn(CONFIGS[i], MODEL_FP8);
        print_message("# %s: loss %.4f in F32, %.4f in BF16, %.4f in FP8 after %d steps (guessing: %.2f)\n",
                      CONFIGS[i]->name, f32, bf16, fp8, STEPS, log(MODULUS));
        assert_true(f32 < 0.05 && bf16 < 0.05 && fp8 < 0.1);
    }
}

/* ---- files, balancing, limits -------------------------------------------------------------------- */

static ponder_status no_vocab(void *user, gguf_writer *w, ponder_error *err)
{
    (void)user, (void)w, (void)err;
    return PONDER_OK;
}

static void saved_and_opened(void **state)
{
    (void)state;
    char folder[] = "/tmp/ponder-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    for (size_t i = 0; i < COUNT_OF(CONFIGS); i++) {
        ponder_error err = {0};
        run r;
        fmt_model *file;
        model_trainable *back;
        run_open(&r, CONFIGS[i], plain(CONFIGS[i]), 2);
        check_ok(model_trainable_save(r.t, path, NUM_F32, no_vocab, NULL, &err));
        check_ok(fmt_open(&file, path, &err));
        model_train_options o = {.pool = r.pool, .cpu_mask = ~0u, .max_tokens = 64, .max_sequence = 32};
        check_ok(model_trainable_open(&back, file, &o, &err));
        fmt_close(file);
        size_t n;
        float *masters = model_trainable_masters(back, &n);
        assert_int_equal(n, r.n);
        assert_memory_equal(masters, r.masters, n * sizeof *masters);
        model_trainable_close(back);
        assert_int_equal(model_trainable_save(r.t, path, NUM_IQ1_S, no_vocab, NULL, &err), PONDER_EUNSUPPORTED);
        run_close(&r);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* Experts with more than the mean load become less likely, the others more. */
static void balances(void **state)
{
    (void)state;
    static batch b;
    uint64_t load[3 * 8] = {0};
    ponder_error err = {0};
    run r;
    make_batch(&b);
    run_open(&r, &V3, plain(&V3), 2);
    model_train_stats stats = {.load = load};
    model_train_loss loss = {.slope = cross_entropy, .user = &b};
    check_ok(model_train_batch(r.t, b.seq, SEQUENCES, &loss, &stats, &err));
    assert_true(stats.mtp_loss > 1 && stats.mtp_loss < 50 && stats.balance_loss > 0);
    uint64_t all = 0, sum = 0;
    for (size_t s = 0; s < SEQUENCES; s++) all += LENGTH[s];
    for (size_t e = 0; e < 8; e++) {
        assert_int_equal(load[e], 0); /* the first layer is dense */
        sum += load[8 + e];
    }
    assert_int_equal(sum, all * 3);
    float *before = malloc(r.n * sizeof *before);
    assert_non_null(before);
    memcpy(before, r.masters, r.n * sizeof *before);
    model_train_balance(r.t, load, 0.125f);
    size_t n, changed = 0;
    const model_param *p = model_trainable_params(r.t, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p[i].n; j++) {
            float moved = r.masters[p[i].at + j] - before[p[i].at + j];
            changed += moved != 0;
            if (strcmp(p[i].tensor.name, "blk.1.exp_probs_b.bias")) continue;
            uint64_t mean8 = all * 3, have8 = load[8 + j] * 8;
            assert_true(have8 > mean8 ? moved < 0 : have8 < mean8 ? moved > 0 : moved == 0);
        }
    assert_true(changed > 0 && changed <= 16);
    free(before);
    run_close(&r);
}

/* What a run takes is what was said before it. */
static void memory_as_estimated(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    model_config c = V3;
    c.width = 256, c.ffn = 512, c.expert_ffn = 128, c.vocab = 2048, c.layers = 4;
    for (int again = 0; again < 2; again++) {
        enum { N = 8, EACH = 256 };
        static int32_t ids[N * EACH];
        static batch weights; /* all the same */
        ponder_error err = {0};
        model_trainable *t;
        model_train_sequence seq[N];
        for (size_t i = 0; i < N * EACH; i++) ids[i] = (int32_t)rng_below(2048, 1, 2, i, RNG_TEST);
        for (size_t i = 0; i < N; i++) seq[i] = (model_train_sequence){.ids = ids + i * EACH, .n = EACH};
        model_train_options o = {.precision = MODEL_BF16, .cpu_mask = ~0u, .max_tokens = N * EACH, .max_sequence = EACH,
                                 .max_sequences = N, .recompute = again, .mtp_weight = 0.1f};
        const model_train_size size = model_trainable_size(&c, &o);
        size_t before = mem_resident_bytes(), said_bytes = size.lasting + size.work;
        check_ok(model_trainable_init(&t, &c, 0.02f, 1, &o, &err));
        model_train_loss loss = {.slope = last_token, .user = &weights};
        check_ok(model_train_batch(t, seq, N, &loss, NULL, &err));
        double took = (double)(mem_resident_bytes() - before) / (double)said_bytes;
        /* One beside it takes what lasts, and neither sees the other in the memory they share. */
        size_t n, alone = mem_resident_bytes();
        model_trainable *u;
        model_train_options beside = o;
        beside.beside = t;
        check_ok(model_trainable_init(&u, &c, 0.02f, 1, &beside, &err));
        check_ok(model_train_batch(u, seq, N / 2, &loss, NULL, &err));
        double more = (double)(mem_resident_bytes() - alone) / (double)size.lasting;
        model_trainable_zero(t), model_trainable_zero(u);
        check_ok(model_train_batch(t, seq, N, &loss, NULL, &err));
        check_ok(model_train_batch(u, seq, N, &loss, NULL, &err));
        (void)model_trainable_masters(t, &n);
        assert_memory_equal(model_trainable_gradients(t), model_trainable_gradients(u), n * sizeof(float));
        model_trainable_close(u);
        model_trainable_close(t);
        assert_true(more > 0.9 && more < 1.1);
        assert_true(size.look < size.work);
        print_message("# recompute %d: %.1f MB estimated, %.3f of it taken\n", again, 1e-6 * (double)said_bytes, took);
        assert_true(took > 0.95 && took < 1.05);
    }
}

static void refuses(void **state)
{
    (void)state;
    static batch b;
    ponder_error err = {0};
    run r;
    make_batch(&b);
    run_open(&r, &LLAMA, plain(&LLAMA), 1);
    int32_t bad[] = {1, VOCAB, 2}, longer[LONGEST + 1] = {0};
    model_train_sequence seq = {.ids = bad, .n = 3};
    assert_int_equal(model_train_batch(r.t, &seq, 1, NULL, NULL, &err), PONDER_EARG);
    seq = (model_train_sequence){.ids = longer, .n = LONGEST + 1};
    assert_int_equal(model_train_batch(r.t, &seq, 1, NULL, NULL, &err), PONDER_EARG);
    assert_int_equal(model_train_batch(r.t, &seq, 0, NULL, NULL, &err), PONDER_EARG);
    model_train_sequence two[] = {b.seq[1], b.seq[1]};
    two[1].continues = true; /* not provided for */
    assert_int_equal(model_train_batch(r.t, two, 2, NULL, NULL, &err), PONDER_EARG);
    assert_int_equal(model_train_batch(r.t, two + 1, 1, NULL, NULL, &err), PONDER_EARG);
    r.masters[r.n / 2] = NAN; /* in some matrix of a layer */
    model_trainable_refresh(r.t);
    model_train_loss loss = {.slope = cross_entropy, .user = &b};
    assert_int_equal(model_train_batch(r.t, b.seq, SEQUENCES, &loss, NULL, &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "layer"));
    run_close(&r);
    model_train_options o = {.max_tokens = 1 << 24, .max_sequence = 1 << 24, .cpu_mask = ~0u};
    assert_int_equal(model_trainable_init(&r.t, &LLAMA, 0.02f, 1, &o, &err), PONDER_ELIMIT);
    o = (model_train_options){.max_tokens = 8, .max_sequence = 8, .mtp_weight = 1};
    assert_int_equal(model_trainable_init(&r.t, &LLAMA, 0.02f, 1, &o, &err), PONDER_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_logprobs),
        cmocka_unit_test(same_gradients),
        cmocka_unit_test(accumulated),
        cmocka_unit_test(prefixes_are_shared),
        cmocka_unit_test(saved_and_opened),
        cmocka_unit_test(balances),
        cmocka_unit_test(memory_as_estimated),
        cmocka_unit_test(refuses),
        cmocka_unit_test(learns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
