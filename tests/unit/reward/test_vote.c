/* vote: winners, ties, and when a vote is decided.
 * SPDX-License-Identifier: MIT */
#include "reward/vote.h"
#include "tests/check.h"

static void most_votes_then_lowest_sample(void **state)
{
    (void)state;
    ponder_error err;
    vote v = {.kind = reward_kind_find(STR("exact"))};
    assert_null(vote_winner(&v));
    assert_true(vote_decided(&v, 0));
    assert_false(vote_decided(&v, 1));
    check_ok(vote_cast(&v, STR("7"), 3, NULL, &err));
    check_ok(vote_cast(&v, STR("8"), 1, NULL, &err));
    check_ok(vote_cast(&v, STR(""), 0, NULL, &err));
    assert_string_equal(vote_winner(&v)->answer.p, "8");
    check_ok(vote_cast(&v, STR("7"), 4, NULL, &err));
    assert_string_equal(vote_winner(&v)->answer.p, "7");
    check_ok(vote_cast(&v, STR("8"), 9, NULL, &err));
    assert_int_equal(vote_winner(&v)->first, 1);
    assert_int_equal(v.cast, 4);
    assert_int_equal(v.blank, 1);
    vote_free(&v);
}

static void equal_answers_are_one_class(void **state)
{
    (void)state;
    ponder_error err;
    vote v = {0};
    static const struct {
        const char *answer;
        size_t class;
    } CASES[] = {{"1/2", 0}, {"3", 1}, {"0.5", 0}, {"", VOTE_BLANK}, {"\\frac{2}{4}", 0},
                 {"no { number", 2}, {"no { number", 2}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        size_t class;
        check_ok(vote_cast(&v, str_of(CASES[i].answer), i, &class, &err));
        assert_int_equal(class, CASES[i].class);
    }
    assert_int_equal(v.n, 3);
    assert_int_equal(v.classes[2].count, 2);
    vote_free(&v);
    v.kind = reward_kind_find(STR("countdown")); /* what its verifier cannot read */
    check_ok(vote_cast(&v, STR("3 + 4 -"), 0, NULL, &err));
    check_ok(vote_cast(&v, STR("3 + 4 -"), 1, NULL, &err));
    assert_int_equal(v.n, 1);
    vote_free(&v);
}

static void an_answer_is_no_pattern(void **state)
{
    (void)state;
    ponder_error err;
    vote v = {.kind = reward_kind_find(STR("regex"))};
    check_ok(vote_cast(&v, STR("a+b"), 0, NULL, &err));
    check_ok(vote_cast(&v, STR("aab"), 1, NULL, &err));
    check_ok(vote_cast(&v, STR(".*"), 2, NULL, &err));
    check_ok(vote_cast(&v, STR("aab"), 3, NULL, &err));
    assert_int_equal(v.n, 3);
    assert_string_equal(vote_winner(&v)->answer.p, "aab");
    vote_free(&v);
}

/* Against every way the samples to come could vote: decided means none changes the winner. */
static void decided_means_decided(void **state)
{
    (void)state;
    ponder_error err;
    static const char *const ANSWERS[] = {"a", "b", "c"};
    enum { K = 6 };
    size_t decided = 0;
    for (unsigned code = 0; code < 729; code++) {
        str cast[K];
        for (unsigned i = 0, c = code; i < K; i++, c /= 3) cast[i] = str_of(ANSWERS[c % 3]);
        vote full = {.kind = reward_kind_find(STR("exact"))}, part = full;
        for (size_t i = 0; i < K; i++) check_ok(vote_cast(&full, cast[i], i, NULL, &err));
        /* finished in another order than numbered */
        for (size_t i = 0; i < K; i++) {
            size_t who = (i * 5 + 3) % K;
            check_ok(vote_cast(&part, cast[who], who, NULL, &err));
            if (!vote_decided(&part, K - 1 - i)) continue;
            assert_string_equal(vote_winner(&part)->answer.p, vote_winner(&full)->answer.p);
            decided += i + 1 < K;
        }
        vote_free(&full);
        vote_free(&part);
    }
    assert_true(decided > 300); /* and it is noticed early often */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_votes_then_lowest_sample),
        cmocka_unit_test(equal_answers_are_one_class),
        cmocka_unit_test(an_answer_is_no_pattern),
        cmocka_unit_test(decided_means_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
