/* train/data, train/batch: examples, sources, resuming, micro-batches, bad files.
 * SPDX-License-Identifier: MIT */
#include "tests/unit/train/vocab_dir.h"
#include "train/data.h"

static vocab_dir V;

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

static example_options options(size_t max_tokens)
{
    return (example_options){.t = V.t, .template = tokenizer_template(V.t),
                             .max_tokens = max_tokens};
}

/* The sequence as text, the learnt tokens (those with weight) in brackets. */
static str shown(const train_batch *b, size_t k, buf *out)
{
    const train_sequence *s = &b->seq[k];
    bool inside = false;
    buf_clear(out);
    for (size_t i = 0; i < s->n; i++) {
        bool learnt = i > 0 && b->weight[s->at + i - 1] != 0;
        if (learnt != inside) buf_add_char(out, learnt ? '[' : ']');
        inside = learnt;
        tokenizer_decode(V.t, out, b->ids + s->at + i, 1, false);
    }
    if (inside) buf_add_char(out, ']');
    return buf_str(out);
}

static void check_shown(const train_batch *b, size_t k, const char *want)
{
    buf text = {0};
    shown(b, k, &text);
    assert_string_equal(text.p, want);
    buf_free(&text);
}

#define BOS "<｜begin▁of▁sentence｜>"
#define EOS "<｜end▁of▁sentence｜>"
#define ASK(q) BOS "<｜User｜>" q "<｜Assistant｜><think>\n"

static void the_loss_is_on_what_is_to_be_learnt(void **state)
{
    (void)state;
    ponder_error err;
    train_batch b = {0};
    example_options o = options(200);
    check_ok(example_text(&o, &b, STR("ab"), &err));
    check_ok(example_answer(&o, &b, STR("1+1?"), STR("<think>\nhm\n</think>\n\n2"), TRAIN_PLAIN,
                            &err));
    check_ok(example_answer(&o, &b, STR("1+1?"), STR("2"), TRAIN_PLAIN, &err));
    o.template = CHAT_NONE;
    check_ok(example_answer(&o, &b, STR("<think>"), STR("<think>"), TRAIN_PLAIN, &err));
    o.learn_all = true;
    check_ok(example_answer(&o, &b, STR("q"), STR("a"), TRAIN_PLAIN, &err));
    assert_int_equal(b.n, 5);
    check_shown(&b, 0, BOS "[ab" EOS "]");
    check_shown(&b, 1, ASK("1+1?") "[hm\n</think>\n\n2" EOS "]");
    check_shown(&b, 2, ASK("1+1?") "[\n</think>\n\n2" EOS "]");
    check_shown(&b, 3, BOS "<think>[<think>" EOS "]");
    check_shown(&b, 4, BOS "[qa" EOS "]");
    /* A question cannot forge the mark: it is seven bytes there and one token in the answer. */
    assert_int_equal(b.seq[3].n, 1 + 7 + 1 + 1);
    assert_true(batch_weight(&b) == 3 + 8 + 6 + 2 + 3);
    batch_free(&b);
}

static void long_texts_are_cut_and_long_answers_left_out(void **state)
{
    (void)state;
    ponder_error err;
    train_batch b = {0};
    example_options o = options(5);
    check_ok(example_text(&o, &b, STR("abcdefgh"), &err)); /* 10 tokens with BOS and EOS */
    assert_int_equal(b.n, 3);
    check_shown(&b, 0, BOS "[abcd]");
    check_shown(&b, 1, "d[efgh]");
    check_shown(&b, 2, "h[" EOS "]");
    o = options(12);
    check_ok(
        example_answer(&o, &b, STR("q"), STR("<think>\nlong\n</think>\n\n2"), TRAIN_PLAIN, &err));
    assert_int_equal(b.n, 3);
    assert_int_equal(b.skipped, 1);
    o.cut = true;
    check_ok(example_answer(&o, &b, STR("q"), STR("<think>\nlonger\n</think>\n\n2"), TRAIN_PLAIN,
                            &err));
    check_shown(&b, 3, ASK("q") "[longer]");
    batch_free(&b);
}

static const char ROWS[] =
    "{\"text\":\"aa\"}\n"
    "\n"
    "{\"prompt\":\"b\",\"response\":\"bb\",\"id\":7}\n"
    "{\"messages\":[{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":"
    "\"<think>x</think>cc\"},{\"role\":\"user\",\"content\":\"d\"},{\"role\":\"assistant\","
    "\"content\":\"<think>\\ny\\n</think>\\n\\ndd\"}]}\r\n"
    "{\"text\":\"ee\"}";

static void files_of_all_forms(void **state)
{
    (void)state;
    ponder_error err;
    train_source *s;
    train_batch b = {0};
    example_options o = options(200);
    check_ok(data_file_open(&s, vocab_dir_file(&V, "rows.jsonl", ROWS), &o, 3, &err));
    assert_int_equal(s->n, 4);
    unsigned seen = 0;
    for (uint64_t i = 0; i < 4; i++) {
        size_t before = b.n;
        check_ok(s->draw(s, i, &b, &err));
        assert_int_equal(b.n, before + 1);
        buf text = {0};
        str t = shown(&b, before, &text);
        static const char *const want[] = {
            BOS "[aa" EOS "]", ASK("b") "[\n</think>\n\nbb" EOS "]",
            BOS "<｜User｜>c<｜Assistant｜>cc" EOS
                "<｜User｜>d<｜Assistant｜><think>\n[y\n</think>\n\ndd" EOS "]",
            BOS "[ee" EOS "]"};
        for (unsigned k = 0; k < 4; k++) seen |= (unsigned)str_eq(t, str_of(want[k])) << k;
        buf_free(&text);
    }
    assert_int_equal(seen, 15);
    batch_free(&b);
    train_source_close(s);
}

static void pairs_come_whole(void **state)
{
    (void)state;
    ponder_error err;
    train_source *s;
    train_batch b = {0};
    example_options o = options(18);
    const char *rows =
        "{\"prompt\":\"q\",\"chosen\":\"yes\",\"rejected\":\"no\"}\n"
        "{\"prompt\":\"q\",\"chosen\":\"yes\",\"rejected\":\"much too long for it\"}";
    check_ok(data_file_open(&s, vocab_dir_file(&V, "pairs.jsonl", rows), &o, 3, &err));
    assert_true(s->pairs);
    for (uint64_t i = 0; i < 2; i++) check_ok(s->draw(s, i, &b, &err));
    assert_int_equal(b.n, 2);
    assert_int_equal(b.skipped, 1);
    assert_int_equal(b.seq[0].role, TRAIN_CHOSEN);
    assert_int_equal(b.seq[1].role, TRAIN_REJECTED);
    batch_free(&b);
    train_source_close(s);
}

static void bad_lines_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *rows, *where;
    } bad[] = {
        {"{\"text\":\"a\"}\n{\"text\":\"a\"\n", "bad.jsonl:2: not valid JSON"},
        {"{\"text\":\"a\"}\n\n[1]\n", "bad.jsonl:3: want a JSON object"},
        {"{\"txt\":\"a\"}\n", "bad.jsonl:1: want one of"},
        {"{\"text\":\"a\",\"messages\":[]}\n", "bad.jsonl:1: want one of"},
        {"{\"prompt\":\"a\",\"response\":1}\n", "bad.jsonl:1: want one of"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}\n",
         "bad.jsonl:1: the last message"},
        {"{\"messages\":[{\"role\":1}]}\n", "bad.jsonl:1"},
        {"{\"text\":\"a\"}\n{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n",
         "bad.jsonl:2: pref"},
        {"\n \n", "no rows"},
    };
    example_options o = options(100);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ponder_error err = {0};
        train_source *s;
        assert_int_equal(
            data_file_open(&s, vocab_dir_file(&V, "bad.jsonl", bad[i].rows), &o, 3, &err),
            PONDER_EFORMAT);
        if (!strstr(err.message, bad[i].where)) fail_msg("case %zu: %s", i, err.message);
    }
}

static void shuffling_is_a_permutation(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 17, 256, 1000, 4097};
    for (size_t k = 0; k < COUNT_OF(sizes); k++) {
        uint64_t n = sizes[k], same = 0;
        bool seen[2][4097] = {0};
        for (uint64_t i = 0; i < 2 * n; i++) {
            uint64_t at = data_shuffle(n, 9, i);
            assert_true(at < n && !seen[i / n][at]);
            seen[i / n][at] = true;
            same += i >= n && at == data_shuffle(n, 9, i - n);
        }
        assert_true(n < 256 || same < n / 16); /* the second pass has another order */
    }
}

static ponder_status open_list(train_source **s, const char *list, ponder_error *err)
{
    example_options o = options(400);
    json_t *j;
    TRY(json_parse(&j, str_of(list), "data", err));
    ponder_status st = data_open(s, j, "data", V.dir, &o, 5, err);
    json_decref(j);
    return st;
}

static void mixtures_keep_their_shares_and_any_place_can_be_drawn(void **state)
{
    (void)state;
    ponder_error err;
    train_source *s, *again;
    train_batch b = {0}, c = {0};
    buf x = {0}, y = {0};
    vocab_dir_file(&V, "one.jsonl", "{\"text\":\"1\"}\n{\"text\":\"11\"}\n{\"text\":\"111\"}\n");
    vocab_dir_file(&V, "two.jsonl", "{\"text\":\"2\"}\n{\"text\":\"22\"}\n");
    const char *list = "[{\"file\":\"one.jsonl\",\"weight\":3},{\"file\":\"two.jsonl\"},"
                       "{\"task\":\"parity\",\"levels\":\"1-2\",\"weight\":4,\"zh\":0.5}]";
    check_ok(open_list(&s, list, &err));
    check_ok(open_list(&again, list, &err));
    size_t n[4] = {0};
    uint64_t lengths = 0;
    for (uint64_t i = 0; i < 2048; i++) {
        batch_clear(&b);
        check_ok(s->draw(s, i, &b, &err));
        assert_int_equal(b.n, 1);
        int32_t first = b.ids[1];
        n[first == '1' ? 1 : first == '2' ? 2 : 3]++;
        if (first == '1') lengths += b.seq[0].n;
    }
    assert_int_equal(n[1], 768); /* 3 of 8 */
    assert_int_equal(n[2], 256);
    assert_int_equal(n[3], 1024);
    assert_int_equal(lengths, 256 * (3 + 4 + 5)); /* each line the same number of times */
    for (uint64_t i = 2040; i-- > 2000;) {
        batch_clear(&b), batch_clear(&c);
        check_ok(s->draw(s, i, &b, &err));
        check_ok(again->draw(again, i, &c, &err));
        assert_true(str_eq(shown(&b, 0, &x), shown(&c, 0, &y)));
    }
    buf_free(&x), buf_free(&y);
    batch_free(&b), batch_free(&c);
    train_source_close(s), train_source_close(again);
}

static void reasoning_can_be_in_the_other_language(void **state)
{
    (void)state;
    const data_task one = {.family = task_find(STR("gcd")), .low = 1, .high = 1, .mixed = 0.5,
                           .styles = 1 << TASK_VERIFICATION};
    ponder_error err;
    train_source *s;
    buf text = {0};
    int mixed = 0;
    check_ok(data_task_open(&s, &one, &(example_options){0}, 3, &err));
    for (uint64_t i = 0; i < 200; i++) {
        buf_clear(&text);
        check_ok(s->text(s, i, &text, &err));
        bool zh = str_find(buf_str(&text), STR("检查"), 0) != SIZE_MAX;
        assert_int_equal(zh, str_find(buf_str(&text), STR("check"), 0) == SIZE_MAX);
        assert_true(str_find(buf_str(&text), STR("的"), 0) == SIZE_MAX); /* the question stays */
        mixed += zh;
    }
    assert_in_range(mixed, 70, 130);
    buf_free(&text);
    train_source_close(s);
}

static void bad_mixtures_are_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"[]", "1 to 64 parts"},
        {"[{}]", "a \"file\" or a \"task\""},
        {"[{\"file\":\"none\"}]", "none"},
        {"[{\"task\":\"none\"}]", "no task \"none\""},
        {"[{\"task\":\"parity\",\"levels\":\"0\"}]", "levels 0-0"},
        {"[{\"task\":\"parity\",\"levels\":\"1-x\"}]", "want L or L-M"},
        {"[{\"task\":\"parity\",\"styles\":[\"odd\"]}]", "no style of trace \"odd\""},
        {"[{\"task\":\"parity\",\"zh\":2}]", "shares"},
        {"[{\"task\":\"parity\",\"wieght\":2}]", "no key \"wieght\""},
        {"[{\"task\":\"parity\",\"weight\":0}]", "above 0"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ponder_error err = {0};
        train_source *s;
        assert_int_not_equal(open_list(&s, bad[i][0], &err), PONDER_OK);
        if (!strstr(err.message, bad[i][1])) fail_msg("case %zu: %s", i, err.message);
    }
}

/* ---- micro-batches --------------------------------------------------------------------------- */

static void micro_batches_hold_every_sequence_once(void **state)
{
    (void)state;
    ponder_error err;
    train_batch b = {0};
    micro_plan p = {0};
    int32_t ids[100] = {0};
    for (int round = 0; round < 20; round++) {
        size_t total = 0, longest = 0;
        batch_clear(&b);
        for (uint64_t k = 0; k < 10 * (uint64_t)(round + 1); k++) {
            size_t n = 2 + (size_t)rng_below(98, 1, (uint64_t)round, k, RNG_TEST);
            batch_begin(&b, TRAIN_PLAIN), batch_put(&b, ids, n, 1), batch_end(&b);
            total += n, longest = size_max(longest, n);
        }
        assert_int_equal(micro_plan_make(&p, &b, longest - 1, 99, &err), PONDER_ELIMIT);
        check_ok(micro_plan_make(&p, &b, 128, 99, &err));
        uint8_t seen[200] = {0};
        const micro_size largest = micro_plan_largest(&p, &b);
        assert_in_range(largest.longest, largest.tokens / largest.sequences, longest);
        for (size_t m = 0, most = 0; m < p.n; m++) {
            size_t tokens_in = 0;
            for (size_t i = p.first[m]; i < p.first[m + 1]; i++) {
                tokens_in += b.seq[p.order[i]].n;
                seen[p.order[i]]++;
                assert_true(i == p.first[m] || p.order[i] > p.order[i - 1]);
            }
            assert_in_range(tokens_in, 1, largest.tokens);
            most = size_max(most, tokens_in);
            if (m + 1 == p.n) assert_int_equal(most, largest.tokens);
        }
        assert_in_range(largest.tokens, longest, 128);
        for (size_t k = 0; k < b.n; k++) assert_int_equal(seen[k], 1);
        /* Best fit decreasing needs at most 11/9 of the best and one more (Johnson, 1973). */
        assert_in_range(p.n, 1, size_ceil_div(total, 128) * 11 / 9 + 6);
        check_ok(micro_plan_make(&p, &b, 10000, 3, &err));
        assert_int_equal(p.n, size_ceil_div(b.n, 3));
        for (size_t m = 0; m < p.n; m++) assert_in_range(p.first[m + 1] - p.first[m], 1, 3);
    }
    micro_plan_free(&p);
    batch_free(&b);
}

/* Groups of 1 to 6 that share what is not learnt: micro-batches hold them in order, what is shared once in each. */
static void groups_share_in_micro_batches(void **state)
{
    (void)state;
    enum { TOKENS = 128, SEQUENCES = 4 };
    ponder_error err;
    train_batch b = {0};
    micro_plan p = {0};
    int32_t ids[100] = {0};
    for (uint64_t group = 0; group < 40; group++) {
        size_t shared = (size_t)rng_below(40, 3, group, 0, RNG_TEST);
        for (uint64_t k = 0; k <= group % 6; k++) {
            batch_begin(&b, TRAIN_PLAIN), batch_share(&b, group, shared);
            batch_put(&b, ids, shared, 0);
            batch_put(&b, ids, 2 + (size_t)rng_below(50, 3, group, k + 1, RNG_TEST), 1), batch_end(&b);
        }
    }
    check_ok(micro_plan_make(&p, &b, TOKENS, SEQUENCES, &err));
    size_t next = 0, cut = 0;
    for (size_t m = 0; m < p.n; m++) {
        size_t tokens_in = 0, count = 0, n = p.first[m + 1] - p.first[m];
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(p.order[next], next); /* in the batch's order */
            const train_sequence *q = &b.seq[next];
            bool same = i && q->shared && q->group == q[-1].group;
            bool second = same && (i == 1 || q[-2].group != q->group);
            tokens_in += same ? q->n - q->shared : q->n;
            count += second ? 2 : 1;
            cut += same;
            next++;
        }
        assert_in_range(tokens_in, 2, TOKENS);
        assert_in_range(count, 1, SEQUENCES);
        if (next == b.n) break;
        const train_sequence *q = &b.seq[next]; /* it would not have fitted */
        bool same = q->shared && q->group == q[-1].group;
        assert_true(tokens_in + (same ? q->n - q->shared : q->n) > TOKENS || count == SEQUENCES ||
                    (count + 1 == SEQUENCES && same));
    }
    assert_int_equal(next, b.n);
    assert_true(cut > b.n / 4);
    assert_int_equal(micro_plan_make(&p, &b, 40, SEQUENCES, &err), PONDER_ELIMIT);
    micro_plan_free(&p);
    batch_free(&b);
}

static void pairs_stay_together(void **state)
{
    (void)state;
    ponder_error err;
    train_batch b = {0};
    micro_plan p = {0};
    int32_t ids[100] = {0};
    for (uint64_t k = 0; k < 60; k++) {
        bool pair = k % 3 != 2;
        for (uint64_t half = 0; half < (pair ? 2u : 1u); half++) {
            size_t n = 2 + (size_t)rng_below(58, 2, k, half, RNG_TEST);
            batch_begin(&b, !pair ? TRAIN_PLAIN : half ? TRAIN_REJECTED : TRAIN_CHOSEN);
            batch_put(&b, ids, n, 1), batch_end(&b);
        }
    }
    check_ok(micro_plan_make(&p, &b, 120, 5, &err));
    size_t pairs = 0, all = 0;
    for (size_t m = 0; m < p.n; m++) {
        size_t tokens_in = 0, n = p.first[m + 1] - p.first[m];
        assert_in_range(n, 1, 5);
        for (size_t i = p.first[m]; i < p.first[m + 1]; i++, all++) {
            tokens_in += b.seq[p.order[i]].n;
            if (b.seq[p.order[i]].role != TRAIN_REJECTED) continue;
            assert_true(i > p.first[m] && p.order[i - 1] + 1 == p.order[i]);
            pairs++;
        }
        assert_in_range(tokens_in, 2, 120);
    }
    assert_int_equal(pairs, 40);
    assert_int_equal(all, 100);
    assert_int_equal(micro_plan_make(&p, &b, 120, 1, &err), PONDER_ELIMIT);
    assert_int_equal(micro_plan_make(&p, &b, 60, 5, &err), PONDER_ELIMIT);
    micro_plan_free(&p);
    batch_free(&b);
}

static void labels_and_summaries(void **state)
{
    (void)state;
    ponder_error err;
    train_source *s;
    train_batch b = {0};
    buf text = {0};
    example_options o = options(100);
    o.template = CHAT_NONE;
    o.summary = true;
    const char *lines = "{\"prompt\":\"p\",\"response\":\"<think>x</think>\\n\\ny\",\"label\":1}\n"
                        "{\"prompt\":\"p\",\"response\":\"<think>endless\",\"label\":0}\n"
                        "{\"prompt\":\"p\",\"response\":\"plain\",\"label\":0}\n";
    check_ok(data_file_open(&s, vocab_dir_file(&V, "labels.jsonl", lines), &o, 3, &err));
    assert_true(s->labelled && !s->pairs);
    bool seen[3] = {0};
    for (uint64_t i = 0; i < 3; i++) {
        batch_clear(&b);
        check_ok(s->draw(s, i, &b, &err));
        str t = shown(&b, 0, &text);
        size_t k = str_find(t, STR("p[y"), 0) != SIZE_MAX      ? 0
                   : str_find(t, STR("p[plain"), 0) != SIZE_MAX ? 2
                                                               : 1;
        assert_int_equal(b.seq[0].role, k ? TRAIN_BAD : TRAIN_GOOD);
        assert_true(str_find(t, STR("endless"), 0) == SIZE_MAX);
        seen[k] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    train_source_close(s);
    const char *mixed = "{\"prompt\":\"p\",\"response\":\"y\",\"label\":1}\n"
                        "{\"prompt\":\"p\",\"response\":\"y\",\"label\":2}\n";
    check_ok(data_file_open(&s, vocab_dir_file(&V, "labels.jsonl", mixed), &o, 3, &err));
    assert_true(!s->labelled);
    train_source_close(s);
    buf_free(&text);
    batch_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_on_what_is_to_be_learnt),
        cmocka_unit_test(long_texts_are_cut_and_long_answers_left_out),
        cmocka_unit_test(files_of_all_forms),
        cmocka_unit_test(pairs_come_whole),
        cmocka_unit_test(bad_lines_are_named),
        cmocka_unit_test(shuffling_is_a_permutation),
        cmocka_unit_test(mixtures_keep_their_shares_and_any_place_can_be_drawn),
        cmocka_unit_test(reasoning_can_be_in_the_other_language),
        cmocka_unit_test(bad_mixtures_are_named),
        cmocka_unit_test(micro_batches_hold_every_sequence_once),
        cmocka_unit_test(groups_share_in_micro_batches),
        cmocka_unit_test(pairs_stay_together),
        cmocka_unit_test(labels_and_summaries),
    };
    return cmocka_run_group_tests_name("train/data", tests, set_up, tear_down);
}
