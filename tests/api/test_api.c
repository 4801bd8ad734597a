/* The C interface, on a tiny model of random weights. With --write PATH: writes that model.
 * SPDX-License-Identifier: MIT */
#include "tests/unit/engine/tiny.h"

#include <math.h>
#include <ponder/ponder.h>

static struct {
    tiny y; /* the same file through the modules themselves */
    ponder_model *m;
} both;

static int setup(void **state)
{
    (void)state;
    ponder_error err;
    ponder_model_options o;
    tiny_open(&both.y, 2);
    ponder_model_options_init(&o, sizeof o);
    o.threads = 2;
    o.context = 512;
    check_ok(ponder_model_open(&both.m, both.y.path, &o, &err));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ponder_model_close(both.m);
    tiny_close(&both.y);
    return 0;
}

static void opening_says_what_is_wrong(void **state)
{
    (void)state;
    ponder_error err;
    ponder_model *m = both.m;
    ponder_model_options o;
    assert_int_equal(ponder_model_open(&m, "/nonexistent/model.gguf", NULL, &err),
                     PONDER_ENOTFOUND);
    assert_null(m);
    assert_non_null(strstr(err.message, "/nonexistent/model.gguf"));
    assert_int_equal(ponder_model_open(&m, "/nonexistent/model.gguf", NULL, NULL),
                     PONDER_ENOTFOUND);
    ponder_model_options_init(&o, sizeof o);
    o.cpu = "abacus";
    assert_int_equal(ponder_model_open(&m, both.y.path, &o, &err), PONDER_EARG);
    ponder_model_options_init(&o, sizeof o);
    o.context = 1 << 20;
    assert_int_equal(ponder_model_open(&m, both.y.path, &o, &err), PONDER_ELIMIT);
    o.size = 0;
    assert_int_equal(ponder_model_open(&m, both.y.path, &o, &err), PONDER_EARG);
    ponder_model_close(NULL);
    ponder_session_close(NULL);
    assert_int_equal(ponder_model_vocab(both.m), TINY_VOCAB);
    assert_int_equal(ponder_model_context(both.m), 512);
    assert_string_equal(ponder_version(), PONDER_VERSION);
    assert_string_equal(ponder_status_name(PONDER_EFORMAT), "format");
}

/* A caller compiled against an older header has less, one against a newer header more. */
static void structs_of_other_versions_are_understood(void **state)
{
    (void)state;
    ponder_error err;
    ponder_model *m;
    struct {
        ponder_model_options o;
        int tail;
    } newer;
    ponder_model_options_init(&newer.o, sizeof newer);
    assert_int_equal(newer.o.size, sizeof newer);
    assert_int_equal(newer.tail, 0);
    newer.o.context = 64;
    check_ok(ponder_model_open(&m, both.y.path, &newer.o, &err));
    assert_int_equal(ponder_model_context(m), 64);
    ponder_model_close(m);
    newer.tail = 1; /* a field we do not know, and it is set */
    assert_int_equal(ponder_model_open(&m, both.y.path, &newer.o, &err), PONDER_EUNSUPPORTED);

    struct {
        size_t size;
        int threads;
        int guard;
    } older = {.guard = 77};
    ponder_model_options_init((ponder_model_options *)(void *)&older,
                              offsetof(ponder_model_options, cpu) - 4);
    assert_int_equal(older.guard, 77);
    check_ok(ponder_model_open(&m, both.y.path, (ponder_model_options *)(void *)&older, &err));
    ponder_model_close(m);
}

static void tokens_go_there_and_back(void **state)
{
    (void)state;
    ponder_error err;
    const char *text = "caf\xc3\xa9 <think>";
    int32_t ids[64], few[3] = {-1, -1, -1};
    char back[64];
    size_t n, len;
    check_ok(ponder_tokenize(both.m, text, strlen(text), 0, ids, COUNT_OF(ids), &n, &err));
    assert_int_equal(n, strlen(text)); /* one token a byte: nothing is recognised */
    check_ok(ponder_detokenize(both.m, ids, n, back, sizeof back, &len, &err));
    assert_int_equal(len, strlen(text));
    assert_memory_equal(back, text, len);
    check_ok(
        ponder_tokenize(both.m, text, strlen(text), PONDER_CONTROL, ids, COUNT_OF(ids), &n, &err));
    assert_int_equal(n, 7);
    assert_int_equal(ids[6], TINY_THINK);
    check_ok(ponder_tokenize(both.m, text, strlen(text), 0, few, 2, &n, &err));
    assert_int_equal(n, strlen(text)); /* the need, however small the room */
    assert_int_equal(few[2], -1);
    check_ok(ponder_tokenize(both.m, "", 0, 0, NULL, 0, &n, &err));
    assert_int_equal(n, 0);
    check_ok(ponder_detokenize(both.m, ids, 3, NULL, 0, &len, &err));
    assert_int_equal(len, 3);
}

enum { SCORED = 70 }; /* more than two chunks of scoring */

static void scores_are_the_models_own(void **state)
{
    (void)state;
    ponder_error err;
    int32_t ids[SCORED];
    float got[SCORED - 1];
    uint32_t pages[(SCORED + KERN_PAGE - 1) / KERN_PAGE];
    static float logits[SCORED * TINY_VOCAB];
    for (int i = 0; i < SCORED; i++)
        ids[i] = (int32_t)rng_below(TINY_VOCAB, 5, 0, (uint64_t)i, RNG_TEST);
    check_ok(ponder_score(both.m, ids, SCORED, got, &err));

    model_kv kv;
    model_step *step;
    for (size_t i = 0; i < COUNT_OF(pages); i++) pages[i] = (uint32_t)i;
    check_ok(model_kv_open(&kv, model_config_of(both.y.m), KERN_KV_BF16, COUNT_OF(pages), &err));
    check_ok(model_step_open(&step, both.y.m, both.y.pool, SCORED, &err));
    model_span span = {.ids = ids, .n = SCORED, .pages = pages, .want = 2, .logits = logits};
    check_ok(model_forward(step, both.y.m, &kv, &span, 1, &err));
    for (int i = 0; i + 1 < SCORED; i++) {
        const float *row = logits + i * TINY_VOCAB;
        double sum = 0;
        for (int v = 0; v < TINY_VOCAB; v++) sum += exp((double)row[v]);
        double want = (double)row[ids[i + 1]] - log(sum);
        /* the sum of exponentials in float: TINY_VOCAB roundings at most, in the logarithm */
        assert_true(fabs((double)got[i] - want) <= (TINY_VOCAB + fabs(want)) * 0x1p-23);
    }
    model_step_close(step);
    model_kv_close(&kv);

    assert_int_equal(ponder_score(both.m, ids, 1, got, &err), PONDER_EARG);
    ids[3] = TINY_VOCAB;
    assert_int_equal(ponder_score(both.m, ids, SCORED, got, &err), PONDER_EARG);
    ids[3] = -1;
    assert_int_equal(ponder_score(both.m, ids, SCORED, got, &err), PONDER_EARG);
}

/* ---- generation
 * ------------------------------------------------------------------------------------- */

typedef struct heard {
    buf reasoning, answer;
    int pieces, stop_after; /* 0: never */
} heard;

static int hear(void *user, ponder_kind kind, const char *text, size_t n)
{
    heard *h = user;
    assert_int_equal(text[n], '\0');
    buf_add(kind == PONDER_REASONING ? &h->reasoning : &h->answer, text, n);
    return ++h->pieces == h->stop_after;
}

static ponder_generate_options options(heard *h, size_t max_tokens)
{
    ponder_generate_options o;
    ponder_generate_options_init(&o, sizeof o, both.m);
    o.piece = hear;
    o.user = h;
    o.max_tokens = max_tokens;
    return o;
}

static void a_chat_streams_what_it_returns(void **state)
{
    (void)state;
    char long_winded[KERN_PAGE + 1]; /* a page of it is kept from one generation to the next */
    memset(long_winded, 'm', KERN_PAGE);
    long_winded[KERN_PAGE] = '\0';
    ponder_error err;
    ponder_session *s;
    heard h = {0};
    ponder_result r = {.size = sizeof r}, again = {.size = sizeof again};
    ponder_generate_options o = options(&h, 60);
    o.seed = 11;
    o.think_budget = 20;
    check_ok(ponder_session_open(&s, both.m, PONDER_CHAT, &err));
    check_ok(ponder_session_add(s, "system", long_winded, &err));
    check_ok(ponder_generate(s, "Why?", &o, &r, &err));
    assert_string_equal(r.reasoning, buf_str(&h.reasoning).p);
    assert_string_equal(r.answer, buf_str(&h.answer).p);
    assert_true(h.reasoning.n > 0 && r.reasoning_tokens >= 20 && r.reasoning_tokens < 60);
    assert_true(r.prompt_tokens > 13 && r.completion_tokens <= 60 && r.prompt_seconds > 0);
    char *first = strdup(r.answer);
    size_t prompt = r.prompt_tokens;
    assert_non_null(first);

    /* the answer, without its reasoning, is what the next prompt grows by, and much of it is known
     */
    check_ok(ponder_generate(s, "Really?", &o, &again, &err));
    assert_true(again.prompt_tokens > prompt + strlen("Really?") && again.cached_tokens > 0);

    /* the same words and seed give the same answer */
    ponder_session_clear(s);
    check_ok(ponder_session_add(s, "system", long_winded, &err));
    check_ok(ponder_session_add(s, "user", "Why?", &err));
    check_ok(ponder_generate(s, NULL, &o, &again, &err));
    assert_string_equal(again.answer, first);
    free(first);
    ponder_session_close(s);
    buf_free(&h.reasoning);
    buf_free(&h.answer);
}

static void a_raw_text_goes_on(void **state)
{
    (void)state;
    ponder_error err;
    ponder_session *s;
    heard h = {0};
    ponder_result r = {.size = sizeof r};
    ponder_generate_options o = options(&h, 10);
    o.temperature = 0;
    check_ok(ponder_session_open(&s, both.m, PONDER_RAW, &err));
    assert_int_equal(ponder_session_add(s, "user", "x", &err), PONDER_EARG);
    assert_int_equal(ponder_generate(s, NULL, &o, &r, &err), PONDER_EARG); /* nothing to continue */
    check_ok(ponder_session_add(s, NULL, "Once upon", &err));
    check_ok(ponder_generate(s, " a time", &o, &r, &err));
    assert_int_equal(r.prompt_tokens, strlen("Once upon a time"));
    assert_int_equal(r.reasoning_tokens, 0);
    size_t first = h.answer.n;
    check_ok(ponder_generate(s, NULL, &o, &r, &err));
    assert_int_equal(r.prompt_tokens, strlen("Once upon a time") + first);
    ponder_session_close(s);
    buf_free(&h.answer);
}

static void generation_can_be_ended(void **state)
{
    (void)state;
    ponder_error err;
    ponder_session *s;
    heard h = {.stop_after = 3};
    ponder_result r = {.size = sizeof r};
    ponder_generate_options o = options(&h, 0);
    check_ok(ponder_session_open(&s, both.m, PONDER_CHAT, &err));
    check_ok(ponder_generate(s, "Hm?", &o, &r, &err));
    assert_int_equal(r.finish, PONDER_FINISH_CANCELED);
    assert_true(h.pieces >= 3 && r.completion_tokens < 30);

    ponder_session_cancel(s); /* holds for one generation */
    check_ok(ponder_generate(s, "Hm?", &o, &r, &err));
    assert_int_equal(r.finish, PONDER_FINISH_CANCELED);
    o = options(&h, 4);
    check_ok(ponder_generate(s, "Hm?", &o, &r, &err));
    assert_int_equal(r.finish, PONDER_FINISH_LENGTH);
    assert_int_equal(r.completion_tokens, 4);
    ponder_session_close(s);
    buf_free(&h.reasoning);
    buf_free(&h.answer);
}

static void a_failure_leaves_the_session_as_it_was(void **state)
{
    (void)state;
    ponder_error err;
    ponder_session *s;
    heard h = {0};
    ponder_result r = {.size = sizeof r};
    ponder_generate_options o = options(&h, 4);
    char flood[2001];
    memset(flood, 'x', sizeof flood - 1);
    flood[sizeof flood - 1] = '\0';
    check_ok(ponder_session_open(&s, both.m, PONDER_CHAT, &err));
    assert_int_equal(ponder_generate(s, flood, &o, &r, &err), PONDER_ELIMIT);
    check_ok(ponder_generate(s, "Hm?", &o, &r, &err));
    assert_true(r.prompt_tokens < 50); /* the flood is gone */
    o.temperature = -1;
    assert_int_equal(ponder_generate(s, "Hm?", &o, &r, &err), PONDER_EARG);
    o = options(&h, 4);
    const char *none = "";
    o.stop = &none;
    o.n_stop = 1;
    assert_int_equal(ponder_generate(s, "Hm?", &o, &r, &err), PONDER_EARG);
    r.size = 0;
    assert_int_equal(ponder_generate(s, "Hm?", NULL, &r, &err), PONDER_EARG);
    assert_int_equal(ponder_session_add(s, "wizard", "x", &err), PONDER_EARG);
    assert_int_equal(ponder_session_add(s, NULL, "x", &err), PONDER_EARG);
    ponder_session_clear(s);
    o = options(&h, 4);
    r.size = sizeof r;
    assert_int_equal(ponder_generate(s, NULL, &o, &r, &err), PONDER_EARG); /* nothing to answer */
    ponder_session_close(s);
    buf_free(&h.reasoning);
    buf_free(&h.answer);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--write")) return tiny_write(argv[2]), 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_says_what_is_wrong),
        cmocka_unit_test(structs_of_other_versions_are_understood),
        cmocka_unit_test(tokens_go_there_and_back),
        cmocka_unit_test(scores_are_the_models_own),
        cmocka_unit_test(a_chat_streams_what_it_returns),
        cmocka_unit_test(a_raw_text_goes_on),
        cmocka_unit_test(generation_can_be_ended),
        cmocka_unit_test(a_failure_leaves_the_session_as_it_was),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
