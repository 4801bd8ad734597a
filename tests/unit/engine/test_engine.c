/* The engine on a tiny model: what a request says is its own affair.
 * SPDX-License-Identifier: MIT */
#include "tests/unit/engine/tiny.h"

#include <math.h>

/* ---- counting allocations -------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Allocations so far, and the one that is to fail (0: none). */
static size_t allocations, failing;

#ifdef SANITIZED
__attribute__((visibility("default"))) void __sanitizer_malloc_hook(const volatile void *p,
                                                                    size_t n);
void __sanitizer_malloc_hook(const volatile void *p, size_t n)
{
    (void)p, (void)n;
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}
#else
static bool granted(void)
{
    size_t now = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return now != __atomic_load_n(&failing, __ATOMIC_RELAXED);
}
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t m);
void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n) { return granted() ? __libc_malloc(n) : NULL; }
void *calloc(size_t n, size_t m) { return granted() ? __libc_calloc(n, m) : NULL; }
void *realloc(void *p, size_t n) { return granted() ? __libc_realloc(p, n) : NULL; }
#endif

/* ---- what a request says --------------------------------------------------------------------- */

enum { MAX_TOKENS = 1200, MAX_TEXT = 16384 };

typedef struct said {
    size_t n, n_text[4], texts;
    int32_t id[MAX_TOKENS];
    float logprob[MAX_TOKENS], sample[MAX_TOKENS];
    bool forced[MAX_TOKENS], reasoning[MAX_TOKENS];
    char text[4][MAX_TEXT];
    int finished, closed;
    enum engine_finish finish;
    enum engine_close close;
    int stop;
    engine_usage usage;
} said;

/* Choices land in consecutive elements. */
static void record(void *user, const engine_event *ev)
{
    said *s = (said *)user + ev->choice;
    assert_int_equal(s->finished, 0);
    switch (ev->kind) {
    case ENGINE_TOKEN:
        s->id[s->n] = ev->id;
        s->logprob[s->n] = ev->logprob;
        s->sample[s->n] = ev->sample_logprob;
        s->forced[s->n] = ev->forced;
        s->reasoning[s->n++] = ev->part == CHAT_REASONING;
        break;
    case ENGINE_TEXT:
        memcpy(s->text[ev->part] + s->n_text[ev->part], ev->text.p, ev->text.n);
        s->n_text[ev->part] += ev->text.n;
        s->texts++;
        break;
    case ENGINE_CLOSED: s->closed++; break;
    case ENGINE_FINISH:
        s->finished = 1;
        s->finish = ev->finish;
        s->close = ev->close;
        s->stop = ev->stop;
        s->usage = ev->usage;
        break;
    }
}

static tiny Y;
static said A[8], B[8];
static int32_t prompt[8][TINY_CONTEXT];

static int start(void **state)
{
    (void)state;
    tiny_open(&Y, 2);
    for (uint64_t p = 0; p < 8; p++)
        for (uint64_t i = 0; i < TINY_CONTEXT; i++)
            prompt[p][i] = (int32_t)rng_below(256, 3, p, i, RNG_TEST);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tiny_close(&Y);
    return 0;
}

static engine *open_with(engine_options o)
{
    ponder_error err;
    engine *e;
    o.pool = Y.pool;
    o.kv = o.kv ? o.kv : KERN_KV_BF16;
    check_ok(engine_open(&e, Y.m, Y.t, &o, &err));
    return e;
}

static engine_request ask(size_t p, size_t n, said *to)
{
    memset(to, 0, sizeof *to);
    engine_request r = {.prompt = prompt[p],
                        .n_prompt = n,
                        .max_tokens = 60,
                        .raw = true,
                        .sampling = engine_sampling_of(CHAT_DEEPSEEK_R1),
                        .event = record,
                        .user = to};
    r.sampling.seed = 40 + p;
    return r;
}

static void submit(engine *e, const engine_request *r)
{
    ponder_error err;
    check_ok(engine_submit(e, r, NULL, &err));
}

static size_t run(engine *e)
{
    ponder_error err;
    size_t steps = 0;
    for (; engine_busy(e); steps++) check_ok(engine_step(e, &err));
    assert_int_equal(engine_state_of(e).pages_held, 0);
    return steps;
}

static void check_same(const said *a, const said *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->id, b->id, a->n * sizeof *a->id);
    assert_memory_equal(a->logprob, b->logprob, a->n * sizeof *a->logprob);
    assert_memory_equal(a->sample, b->sample, a->n * sizeof *a->sample);
    assert_int_equal(a->finish, b->finish);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(a->n_text[i], b->n_text[i]);
        assert_memory_equal(a->text[i], b->text[i], a->n_text[i]);
    }
}

/* Requests of all kinds of settings. */
static engine_request varied(size_t p, size_t longer, said *to)
{
    engine_request r = ask(p, 5 + 47 * p, to);
    r.max_tokens = 40 + 13 * p + longer;
    r.ignore_end = true;
    if (p % 2) r.sampling.top_k = 20;
    if (p % 3 == 1) r.sampling.presence = 0.7f, r.sampling.frequency = 0.2f;
    if (p % 3 == 2) r.sampling.repetition = 1.2f;
    if (p == 4) r.sampling.temperature = 0;
    if (p == 6) r.sampling.min_p = 0.02f;
    return r;
}

static void all_alone(size_t longer)
{
    for (size_t p = 0; p < 8; p++) {
        engine *e = open_with((engine_options){0});
        engine_request r = varied(p, longer, &A[p]);
        submit(e, &r);
        run(e);
        engine_close(e);
        assert_int_equal(A[p].finished, 1);
        assert_true(A[p].n > 10);
    }
}

static void alone_equals_in_batch(void **state)
{
    (void)state;
    const engine_options os[] = {
        {0},
        {.max_batch_tokens = 9, .max_sequences = 8},
        {.max_batch_tokens = 64, .max_sequences = 8, .no_prefix_cache = true}};
    all_alone(0);
    for (size_t i = 0; i < COUNT_OF(os); i++) {
        ponder_error err;
        engine *e = open_with(os[i]);
        for (size_t p = 0; p < 8; p++) {
            engine_request r = varied(p, 0, &B[p]);
            submit(e, &r);
            for (size_t s = 0; s < p; s++)
                check_ok(engine_step(e, &err)); /* they come one by one */
        }
        run(e);
        for (size_t p = 0; p < 8; p++) check_same(&A[p], &B[p]);
        engine_close(e);
    }
}

static void little_memory_changes_nothing(void **state)
{
    (void)state;
    all_alone(200);
    size_t page = model_kv_page_bytes(model_config_of(Y.m), KERN_KV_BF16);
    /* Its own, or lent by one who left no numbers in it. */
    engine_options lent = {.max_sequences = 8};
    size_t step = size_round_up(model_step_bytes(Y.m, Y.pool, engine_step_tokens(&lent)), 4096);
    lent.memory_bytes = step + 16 * page;
    lent.memory = malloc(lent.memory_bytes);
    const engine_options os[] = {{.kv_bytes = 16 * page, .max_sequences = 8}, lent};
    for (size_t i = 0; i < COUNT_OF(os); i++) {
        memset(lent.memory, 0xFF, lent.memory_bytes);
        engine *e = open_with(os[i]);
        assert_int_equal(engine_state_of(e).pages, TINY_CONTEXT / KERN_PAGE);
        for (size_t p = 0; p < 8; p++) {
            engine_request r = varied(p, 200, &B[p]);
            submit(e, &r);
        }
        run(e);
        assert_true(engine_state_of(e).preempted > 0);
        for (size_t p = 0; p < 8; p++) check_same(&A[p], &B[p]);
        engine_close(e);
    }
    ponder_error err;
    engine *none;
    lent.kv = KERN_KV_BF16, lent.pool = Y.pool, lent.memory_bytes = step + page, lent.context = 512;
    assert_int_equal(engine_open(&none, Y.m, Y.t, &lent, &err), PONDER_ELIMIT);
    free(lent.memory);
}

static void choices_equal_requests(void **state)
{
    (void)state;
    engine *e = open_with((engine_options){0});
    engine_request r = ask(1, 100, A);
    memset(A, 0, sizeof A);
    r.choices = 6;
    submit(e, &r);
    run(e);
    for (size_t c = 0; c < 6; c++) {
        engine *alone = open_with((engine_options){0});
        r = ask(1, 100, B);
        memset(B, 0, sizeof B);
        r.first_choice = c;
        submit(alone, &r);
        run(alone);
        check_same(&A[c], &B[c]);
        assert_int_equal(A[c].usage.cached, c ? 100 : 0);
        assert_int_equal(A[c].usage.prompt, 100);
        engine_close(alone);
    }
    assert_memory_not_equal(A[0].id, A[1].id, 60 * sizeof *A[0].id);
    engine_close(e);
}

static void a_known_beginning_is_not_computed_again(void **state)
{
    (void)state;
    engine *with = open_with((engine_options){0}),
           *without = open_with((engine_options){.no_prefix_cache = true});
    engine_request r = ask(2, 300, &A[0]);
    submit(with, &r);
    run(with);
    /* The next turn: prompt, answer, and more. */
    static int32_t turn[TINY_CONTEXT];
    memcpy(turn, prompt[2], 300 * sizeof *turn);
    memcpy(turn + 300, A[0].id, A[0].n * sizeof *turn);
    size_t n = 300 + A[0].n;
    for (size_t i = 0; i < 20; i++) turn[n++] = (int32_t)i;
    r = ask(2, n, &A[1]);
    r.prompt = turn;
    submit(with, &r);
    run(with);
    r = ask(2, n, &B[1]);
    r.prompt = turn;
    submit(without, &r);
    run(without);
    check_same(&A[1], &B[1]);
    assert_int_equal(A[1].usage.cached, (300 + A[0].n - 1) / KERN_PAGE * KERN_PAGE);
    assert_int_equal(B[1].usage.cached, 0);
    /* The very same prompt of whole pages: its last one is computed, for the logits. */
    r = ask(3, 4 * KERN_PAGE, &A[2]);
    submit(with, &r);
    run(with);
    r = ask(3, 4 * KERN_PAGE, &B[2]);
    submit(with, &r);
    run(with);
    check_same(&A[2], &B[2]);
    assert_int_equal(B[2].usage.cached, 3 * KERN_PAGE);
    engine_close(with);
    engine_close(without);
}

static void short_prompts_do_not_wait_behind_long_ones(void **state)
{
    (void)state;
    ponder_error err;
    engine *e = open_with((engine_options){.max_batch_tokens = 32, .max_sequences = 4});
    engine_request slow = ask(0, 800, &A[0]), quick = ask(1, 30, &A[1]);
    submit(e, &slow);
    check_ok(engine_step(e, &err));
    submit(e, &quick);
    for (int i = 0; i < 10; i++) check_ok(engine_step(e, &err));
    assert_int_equal(A[0].n, 0);
    assert_int_equal(A[1].n, 9); /* half of each batch is its share: two steps for 30 tokens */
    run(e);
    assert_int_equal(A[0].n, 60);
    engine_close(e);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void answers_end(void **state)
{
    (void)state;
    ponder_error err;
    engine *e = open_with((engine_options){.context = 256});
    engine_request r = ask(0, 250, &A[0]);
    r.max_tokens = 0;
    submit(e, &r);
    run(e);
    assert_int_equal(A[0].finish, ENGINE_LENGTH); /* the context is full */
    assert_int_equal(A[0].n, 6);
    r = ask(0, 20, &A[1]);
    engine_bias stop = {TINY_EOS, 1000};
    r.sampling.bias = &stop, r.sampling.n_bias = 1;
    submit(e, &r);
    run(e);
    assert_int_equal(A[1].finish, ENGINE_STOP);
    assert_int_equal(A[1].n, 1);
    assert_int_equal(A[1].texts, 0);
    r = ask(0, 20, &A[2]);
    r.sampling.bias = &stop, r.sampling.n_bias = 1;
    r.ignore_end = true;
    r.max_tokens = 9;
    submit(e, &r);
    run(e);
    assert_int_equal(A[2].finish, ENGINE_LENGTH);
    assert_int_equal(A[2].n, 9);
    /* The text of a free run, cut at something it says. */
    r = ask(5, 20, &A[3]);
    submit(e, &r);
    run(e);
    str text = {A[3].text[CHAT_ANSWER], A[3].n_text[CHAT_ANSWER]};
    size_t from = 20;
    while ((text.p[from] & 0xC0) == 0x80) from++;
    size_t to = from + 9;
    while ((text.p[to] & 0xC0) == 0x80) to++;
    str stops[] = {STR("never said in this text"), {text.p + from, to - from}};
    r = ask(5, 20, &A[4]);
    r.stop = stops, r.n_stop = 2;
    submit(e, &r);
    run(e);
    assert_int_equal(A[4].finish, ENGINE_STOP);
    assert_int_equal(A[4].stop, 1);
    assert_int_equal(A[4].n_text[CHAT_ANSWER], str_find(text, stops[1], 0));
    assert_memory_equal(A[4].text[CHAT_ANSWER], text.p, A[4].n_text[CHAT_ANSWER]);
    /* Cancelled while it runs, and before it does. */
    uint64_t id;
    r = ask(6, 30, &A[5]);
    check_ok(engine_submit(e, &r, &id, &err));
    for (int i = 0; i < 5; i++) check_ok(engine_step(e, &err));
    engine_cancel(e, id);
    run(e);
    assert_int_equal(A[5].finish, ENGINE_CANCELLED);
    assert_in_range(A[5].n, 1, 5);
    memset(A, 0, sizeof A);
    r = ask(6, 30, &A[0]);
    r.choices = 3;
    check_ok(engine_submit(e, &r, &id, &err));
    engine_cancel(e, id);
    run(e);
    for (int c = 0; c < 3; c++) assert_int_equal(A[c].finish, ENGINE_CANCELLED);
    engine_close(e);
}

/* ---- thinking -------------------------------------------------------------------------------- */

/* Bans what would end the thought or the text, so that the tests decide when. */
static engine_bias BANS[] = {
    {TINY_EOS, -INFINITY}, {TINY_UNTHINK, -INFINITY}, {TINY_THINK, -INFINITY}};

static void a_budget_closes_the_thought(void **state)
{
    (void)state;
    engine *e = open_with((engine_options){0});
    engine_request r = ask(1, 40, &A[0]);
    r.raw = false;
    r.begin = CHAT_REASONING;
    r.think_budget = 25;
    r.sampling.bias = BANS, r.sampling.n_bias = 3;
    r.sampling.temperature = 0;
    submit(e, &r);
    run(e);
    /* 25 tokens of its own, then "\n</think>\n\n", then the answer. */
    const int32_t close[] = {'\n', TINY_UNTHINK, '\n', '\n'};
    assert_memory_equal(A[0].id + 25, close, sizeof close);
    for (size_t i = 0; i < A[0].n; i++) {
        assert_int_equal(A[0].forced[i], i >= 25 && i < 29);
        assert_int_equal(A[0].reasoning[i], i < 27);
    }
    assert_int_equal(A[0].usage.reasoning, 27);
    assert_int_equal(A[0].usage.completion, 60);
    assert_int_equal(A[0].closed, 1);
    assert_int_equal(A[0].close, ENGINE_BY_BUDGET);
    assert_true(A[0].n_text[CHAT_REASONING] > 0 && A[0].n_text[CHAT_ANSWER] > 0);
    /* What follows is what the model says after just these tokens. */
    static int32_t whole[200];
    memcpy(whole, prompt[1], 40 * sizeof *whole);
    memcpy(whole + 40, A[0].id, 29 * sizeof *whole);
    r = ask(1, 69, &B[0]);
    r.prompt = whole;
    r.raw = false;
    r.begin = CHAT_ANSWER;
    r.max_tokens = 31;
    r.sampling.bias = BANS, r.sampling.n_bias = 3;
    r.sampling.temperature = 0;
    submit(e, &r);
    run(e);
    assert_memory_equal(A[0].id + 29, B[0].id, 31 * sizeof *whole);
    assert_memory_equal(A[0].logprob + 29, B[0].logprob, 31 * sizeof(float));
    assert_memory_equal(A[0].text[CHAT_ANSWER], B[0].text[CHAT_ANSWER], B[0].n_text[CHAT_ANSWER]);
    engine_close(e);
}

static void a_nudge_closes_it_earlier(void **state)
{
    (void)state;
    engine *e = open_with((engine_options){0});
    engine_bias dots[] = {{'.', 58}, {TINY_EOS, -INFINITY}, {TINY_UNTHINK, 50}};
    engine_request r = ask(1, 40, &A[0]);
    r.raw = false;
    r.begin = CHAT_REASONING;
    r.think_budget = 40;
    r.sampling.temperature = 0;
    r.sampling.bias = dots, r.sampling.n_bias = 3;
    submit(e, &r);
    run(e);
    assert_int_equal(A[0].closed, 0);
    assert_int_equal(A[0].close, ENGINE_BY_MODEL);
    assert_in_range(A[0].usage.reasoning, 31, 40);
    assert_int_equal(A[0].id[A[0].usage.reasoning - 1], TINY_UNTHINK);
    for (size_t i = 0; i < A[0].n; i++) assert_false(A[0].forced[i]);
    engine_close(e);
}

static void loops_end(void **state)
{
    (void)state;
    engine *e = open_with((engine_options){0});
    engine_bias same[] = {{'a', 1000}};
    engine_request r = ask(1, 40, &A[0]);
    r.raw = false;
    r.begin = CHAT_REASONING;
    r.max_tokens = 0;
    r.loop_tokens = 50;
    r.sampling.bias = same, r.sampling.n_bias = 1;
    submit(e, &r);
    run(e);
    assert_int_equal(A[0].close, ENGINE_BY_LOOP);
    assert_int_equal(A[0].closed, 1);
    assert_int_equal(A[0].finish, ENGINE_LOOP);
    assert_int_equal(A[0].usage.reasoning, 51 + 2);
    assert_int_equal(A[0].usage.completion, 51 + 4 + 51);
    assert_int_equal(A[0].n_text[CHAT_ANSWER], 51);
    engine_close(e);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    ponder_error err;
    engine *e;
    size_t page = model_kv_page_bytes(model_config_of(Y.m), KERN_KV_BF16);
    engine_options o = {.kv = KERN_KV_BF16, .context = 512, .kv_bytes = 3 * page};
    assert_int_equal(engine_open(&e, Y.m, Y.t, &o, &err), PONDER_ELIMIT);
    assert_null(e);
    assert_non_null(strstr(err.message, "a context of 512 takes 0.1 MB"));
    assert_non_null(strstr(err.message, "at most 192 positions fit"));
    o = (engine_options){.context = 4096};
    assert_int_equal(engine_open(&e, Y.m, Y.t, &o, &err), PONDER_ELIMIT);
    o = (engine_options){.kv_bytes = SIZE_MAX / 2};
    assert_int_equal(engine_open(&e, Y.m, Y.t, &o, &err), PONDER_ELIMIT);
    /* Without a wish the context shrinks to what there is. */
    e = open_with((engine_options){.kv_bytes = 10 * page});
    assert_int_equal(engine_state_of(e).context, 640);
    engine_close(e);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    ponder_error err;
    engine *e = open_with((engine_options){.context = 128, .max_sequences = 2});
    engine_request r = ask(0, 128, &A[0]);
    assert_int_equal(engine_submit(e, &r, NULL, &err), PONDER_ELIMIT);
    r = ask(0, 0, &A[0]);
    assert_int_equal(engine_submit(e, &r, NULL, &err), PONDER_EARG);
    int32_t outside[] = {1, TINY_VOCAB};
    r = ask(0, 2, &A[0]);
    r.prompt = outside;
    assert_int_equal(engine_submit(e, &r, NULL, &err), PONDER_EARG);
    r = ask(0, 10, &A[0]);
    r.choices = 3;
    assert_int_equal(engine_submit(e, &r, NULL, &err), PONDER_ELIMIT);
    const float bad[] = {-1, NAN, INFINITY};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        float *at[] = {&r.sampling.temperature, &r.sampling.top_p, &r.sampling.min_p,
                       &r.sampling.repetition};
        for (size_t j = 0; j < COUNT_OF(at); j++) {
            r = ask(0, 10, &A[0]);
            *at[j] = bad[i];
            assert_int_equal(engine_submit(e, &r, NULL, &err), PONDER_EARG);
        }
    }
    str stop = STR("\xff");
    r = ask(0, 10, &A[0]);
    r.stop = &stop, r.n_stop = 1;
    assert_int_equal(engine_submit(e, &r, NULL, &err), PONDER_EARG);
    assert_false(engine_busy(e));
    engine_close(e);
}

static void any_failed_allocation_is_an_error(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip(); /* the sanitizer's allocator cannot be made to fail */
#endif
    ponder_error err;
    engine *e = NULL;
    size_t failed = 0;
    while (!e) {
        const engine_options o = {.kv = KERN_KV_BF16, .max_sequences = 4};
        failing = allocations + ++failed;
        ponder_status st = engine_open(&e, Y.m, Y.t, &o, &err);
        failing = 0;
        assert_int_equal(st, e ? PONDER_OK : PONDER_ENOMEM);
    }
    assert_true(failed > 4);
    engine_close(e);
}

static void steps_do_not_allocate(void **state)
{
    (void)state;
    ponder_error err;
    engine *e = open_with((engine_options){0});
    for (size_t p = 0; p < 8; p++) {
        engine_request r = varied(p, 0, &B[p]);
        r.raw = p % 2;
        r.begin = p % 4 ? CHAT_ANSWER : CHAT_REASONING;
        r.tops = 5;
        r.loop_tokens = ENGINE_LOOP_TOKENS;
        submit(e, &r);
    }
    check_ok(engine_step(e, &err));
    size_t before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    assert_true(before > 0); /* the counter counts */
    size_t steps = run(e);
    assert_int_equal(__atomic_load_n(&allocations, __ATOMIC_RELAXED), before);
    assert_true(steps > 100);
    engine_close(e);
}

/* ---- prompts --------------------------------------------------------------------------------- */

static void check_prompt(chat_template c, enum engine_think think, const char *tail,
                         enum chat_part begin)
{
    ponder_error err;
    tokens ids = {0};
    buf text = {0};
    enum chat_part got;
    const chat_message m = {
        .role = STR("user"), .content = STR("1+1? </think>"), .has_content = true};
    const chat_request r = {.messages = &m, .n_messages = 1, .generation_prompt = true};
    check_ok(engine_prompt(&ids, &got, Y.t, c, &r, think, &err));
    tokenizer_decode(Y.t, &text, ids.p, ids.n, false);
    if (!str_ends(buf_str(&text), str_of(tail))) fail_msg("%s", text.p);
    assert_int_equal(got, begin);
    int closes = 0;
    for (size_t i = 0; i < ids.n; i++) closes += ids.p[i] == TINY_UNTHINK;
    assert_int_equal(closes, begin == CHAT_ANSWER); /* never the user's */
    tokens_free(&ids);
    buf_free(&text);
}

static void prompts_open_and_close_the_thought(void **state)
{
    (void)state;
    const enum engine_think AUTO = ENGINE_THINK_AUTO, ON = ENGINE_THINK_ON, OFF = ENGINE_THINK_OFF;
    const char *open = "<｜Assistant｜><think>\n", *shut = "<｜Assistant｜><think>\n\n</think>\n\n";
    check_prompt(CHAT_DEEPSEEK_R1, AUTO, open, CHAT_REASONING);
    check_prompt(CHAT_DEEPSEEK_R1, ON, open, CHAT_REASONING);
    check_prompt(CHAT_DEEPSEEK_R1, OFF, shut, CHAT_ANSWER);
    check_prompt(CHAT_DEEPSEEK_R1_0528, AUTO, "<｜Assistant｜>", CHAT_START);
    check_prompt(CHAT_DEEPSEEK_R1_0528, ON, open, CHAT_REASONING);
    check_prompt(CHAT_DEEPSEEK_R1_0528, OFF, shut, CHAT_ANSWER);
    check_prompt(CHAT_DEEPSEEK_V3_1, AUTO, "<｜Assistant｜><think></think>", CHAT_ANSWER);
    check_prompt(CHAT_DEEPSEEK_V3_1, ON, "<｜Assistant｜><think>", CHAT_REASONING);
    check_prompt(CHAT_DEEPSEEK_V3_1, OFF, "<｜Assistant｜><think></think>", CHAT_ANSWER);
    check_prompt(CHAT_DEEPSEEK_V3, OFF, "<｜Assistant｜>", CHAT_START);
    check_prompt(CHAT_CHATML, ON, "assistant\n<think>\n", CHAT_REASONING);
    check_prompt(CHAT_CHATML, OFF, "assistant\n", CHAT_START);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_equals_in_batch),
        cmocka_unit_test(little_memory_changes_nothing),
        cmocka_unit_test(choices_equal_requests),
        cmocka_unit_test(a_known_beginning_is_not_computed_again),
        cmocka_unit_test(short_prompts_do_not_wait_behind_long_ones),
        cmocka_unit_test(answers_end),
        cmocka_unit_test(a_budget_closes_the_thought),
        cmocka_unit_test(a_nudge_closes_it_earlier),
        cmocka_unit_test(loops_end),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(any_failed_allocation_is_an_error),
        cmocka_unit_test(steps_do_not_allocate),
        cmocka_unit_test(prompts_open_and_close_the_thought),
    };
    return cmocka_run_group_tests(tests, start, end);
}
