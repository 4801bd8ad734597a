/* task: what must hold for every family, found by walking the table.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "reward/reward.h"
#include "reward/task/task_int.h"

#include <stdlib.h>

static ponder_error err;

#define EACH_FAMILY(f) for (const task_family *const *f = task_families(); *f; f++)

static task_options options(int level, uint64_t seed, enum task_split split)
{
    return (task_options){.level = level, .seed = seed, .split = split};
}

static void generate(task_problem *p, const task_family *f, const task_options *o, uint64_t i)
{
    if (task_generate(p, f, o, i, &err) != PONDER_OK)
        fail_msg("%s level %d problem %d: %s", f->name, o->level, (int)i, err.message);
}

static bool is_text(const buf *b)
{
    json_t *t = json_stringn(buf_str(b).p, b->n); /* NULL for bytes that are not UTF-8 */
    json_decref(t);
    return t != NULL && b->n > 0;
}

static bool accepted(const task_family *f, const task_problem *p, const buf *prediction)
{
    json_t *puzzle = NULL;
    if (p->puzzle.n) check_ok(json_parse(&puzzle, buf_str(&p->puzzle), f->name, &err));
    const reward_question q = {str_of(f->kind), buf_str(&p->answer), puzzle};
    reward_verdict v;
    check_ok(reward_verify(&v, &q, buf_str(prediction), REWARD_ANSWER, &err));
    json_decref(puzzle);
    return v.equal;
}

static void table_is_sound(void **state)
{
    (void)state;
    EACH_FAMILY(f) {
        assert_ptr_equal(task_find(str_of(task_name(*f))), *f);
        assert_int_equal(task_levels(*f), 6);
        assert_true((*f)->state_bytes <= TASK_STATE_BYTES);
        int styles = 0;
        for (int s = TASK_DIRECT; s < TASK_STYLES; s++)
            styles += task_has_style(*f, (enum task_style)s);
        if (styles < 3) fail_msg("%s has %d styles", (*f)->name, styles);
        assert_true(task_has_style(*f, TASK_NO_TRACE));
        const reward_kind *k = reward_kinds;
        while (k->name && strcmp(k->name, task_kind(*f))) k++;
        if (!k->name) fail_msg("%s: no verifier %s", (*f)->name, task_kind(*f));
    }
    assert_null(task_find(STR("")));
    assert_null(task_find(STR("chai")));
    enum task_style s;
    assert_true(task_style_by_name(&s, STR("subgoals")) && s == TASK_SUBGOALS);
    assert_false(task_style_by_name(&s, STR("Direct")));
}

/* One problem in all its styles: answers right where they should be, wrong where they should be. */
static void check_styles(const task_family *f, task_options o, uint64_t index)
{
    task_problem p = {0};
    for (int s = TASK_NO_TRACE; s < TASK_STYLES; s++) {
        o.style = (enum task_style)s;
        if (!task_has_style(f, o.style)) continue;
        for (int flawed = 0; flawed <= (s != TASK_NO_TRACE); flawed++) {
            o.flawed = flawed;
            generate(&p, f, &o, index);
            if (!accepted(f, &p, &p.answer))
                fail_msg("%s: own answer %s refused", f->name, p.answer.p);
            /* No place of a pattern is left open. */
            if (!is_text(&p.prompt) || strchr(p.prompt.p, '%'))
                fail_msg("%s: prompt %s", f->name, p.prompt.p);
            if (s == TASK_NO_TRACE) {
                assert_int_equal(p.trace.n + p.trace_answer.n, 0);
                continue;
            }
            if (!is_text(&p.trace) || p.trace.p[p.trace.n - 1] == '\n')
                fail_msg("%s: trace \"%s\"", f->name, buf_str(&p.trace).p);
            if (accepted(f, &p, &p.trace_answer) == o.flawed)
                fail_msg("%s level %d, %s%s: trace of \"%s\" ends in %s, right is %s", f->name,
                         o.level, o.flawed ? "flawed " : "", task_style_name(o.style), p.prompt.p,
                         p.trace_answer.p, p.answer.p);
        }
    }
    task_problem_free(&p);
}

static void answers_are_judged_rightly(void **state)
{
    (void)state;
    EACH_FAMILY(f)
        for (int level = 1; level <= task_levels(*f); level++)
            for (int lang = 0; lang < 2; lang++)
                for (int split = 0; split < 2; split++)
                    for (uint64_t i = 0; i < 40; i++) {
                        task_options o = options(level, 7, (enum task_split)split);
                        o.lang = (enum task_lang)lang;
                        check_styles(*f, o, i);
                    }
}

static void same_bytes(const buf *a, const buf *b)
{
    assert_int_equal(a->n, b->n);
    if (a->n) assert_memory_equal(a->p, b->p, a->n);
}

static void problems_are_functions_of_their_names(void **state)
{
    (void)state;
    task_problem a = {0}, b = {0};
    EACH_FAMILY(f)
        for (int level = 1; level <= task_levels(*f); level++)
            for (uint64_t i = 0; i < 10; i++) {
                task_options o = options(level, 3, TASK_TRAIN);
                o.style = TASK_BACKWARD;
                while (!task_has_style(*f, o.style)) o.style--;
                generate(&a, *f, &o, i);
                generate(&b, *f, &o, i + 1); /* what was in the buffers must not matter */
                generate(&b, *f, &o, i);
                assert_true(a.key == b.key);
                same_bytes(&a.prompt, &b.prompt), same_bytes(&a.answer, &b.answer);
                same_bytes(&a.puzzle, &b.puzzle), same_bytes(&a.trace, &b.trace);
                same_bytes(&a.trace_answer, &b.trace_answer);

                o.lang = TASK_ZH, o.style = TASK_DIRECT, o.flawed = true; /* another wording */
                if (!task_has_style(*f, o.style)) continue;
                generate(&b, *f, &o, i);
                assert_true(a.key == b.key);
                same_bytes(&a.answer, &b.answer), same_bytes(&a.puzzle, &b.puzzle);
                assert_false(str_eq(buf_str(&a.prompt), buf_str(&b.prompt)));
            }
    task_problem_free(&a);
    task_problem_free(&b);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum { SEEDS = 3, EACH = 250, LEVELS = 6, KEYS = SEEDS * EACH };

static size_t collect(uint64_t *keys, const task_family *f, int level, enum task_split split)
{
    task_problem p = {0};
    for (uint64_t i = 0; i < KEYS; i++) {
        task_options o = options(level, i / EACH, split);
        generate(&p, f, &o, i % EACH);
        keys[i] = p.key;
    }
    task_problem_free(&p);
    qsort(keys, KEYS, sizeof *keys, by_number);
    size_t distinct = 0;
    for (size_t i = 0; i < KEYS; i++) distinct += i == 0 || keys[i] != keys[i - 1];
    return distinct;
}

/* All levels of a family together: a problem of one level's training set must not be in another's
 * test set either. */
static void splits_never_meet(void **state)
{
    (void)state;
    static uint64_t train[LEVELS][KEYS], test[LEVELS][KEYS];
    EACH_FAMILY(f) {
        for (int l = 0; l < task_levels(*f); l++) {
            size_t many = collect(train[l], *f, l + 1, TASK_TRAIN);
            size_t few = collect(test[l], *f, l + 1, TASK_TEST);
            if (many < 25 || few < 4)
                fail_msg("%s level %d: %zu problems to train, %zu to test", (*f)->name, l + 1, many,
                         few);
        }
        for (int a = 0; a < task_levels(*f); a++)
            for (int b = 0; b < task_levels(*f); b++)
                for (size_t i = 0; i < KEYS; i++)
                    if (bsearch(&train[a][i], test[b], KEYS, sizeof train[a][i], by_number))
                        fail_msg("%s: a problem of train level %d in test level %d", (*f)->name,
                                 a + 1, b + 1);
    }
}

typedef struct seen {
    char text[128];
} seen;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const seen *)a)->text, ((const seen *)b)->text);
}

/* Share of the answer given most often among n problems. */
static double most_frequent(const task_family *f, int level, enum task_split split, size_t n)
{
    task_problem p = {0};
    seen *all = calloc(n, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < n; i++) {
        task_options o = options(level, 11, split);
        generate(&p, f, &o, i);
        snprintf(all[i].text, sizeof all[i].text, "%s", p.answer.p);
    }
    qsort(all, n, sizeof *all, by_text);
    size_t most = 0, run = 0;
    for (size_t i = 0; i < n; i++) {
        run = i && !by_text(&all[i], &all[i - 1]) ? run + 1 : 1;
        most = size_max(most, run);
    }
    free(all);
    task_problem_free(&p);
    return (double)most / (double)n;
}

static void guessing_does_not_pay(void **state)
{
    (void)state;
    EACH_FAMILY(f)
        for (int level = 1; level <= task_levels(*f); level++) {
            double share = most_frequent(*f, level, TASK_TRAIN, 400);
            double test = most_frequent(*f, level, TASK_TEST, 400);
            if (share > 0.58 || test > 0.75)
                fail_msg("%s level %d: one answer is right in %.0f %% of train, %.0f %% of test",
                         (*f)->name, level, 100 * share, 100 * test);
        }
}

static void wordings_differ(void **state)
{
    (void)state;
    /* The words of a prompt without its numbers: several in each language. */
    EACH_FAMILY(f)
        for (int lang = 0; lang < 2; lang++) {
            task_problem p = {0};
            char first[64] = "";
            int others = 0;
            for (uint64_t i = 0; i < 60; i++) {
                task_options o = options(2, 5, TASK_TRAIN);
                o.lang = (enum task_lang)lang;
                generate(&p, *f, &o, i);
                char words[64] = "";
                size_t n = 0;
                for (size_t k = 0; k < p.prompt.n && n < sizeof words - 1; k++)
                    if ((unsigned char)p.prompt.p[k] > '@') words[n++] = p.prompt.p[k];
                if (i == 0) memcpy(first, words, sizeof first);
                else others += strcmp(first, words) != 0;
            }
            if (!others) fail_msg("%s: one wording only: %s", (*f)->name, first);
            task_problem_free(&p);
        }
}

static void impossible_wishes_are_refused(void **state)
{
    (void)state;
    task_problem p = {0};
    EACH_FAMILY(f) {
        const int bad[] = {0, -1, task_levels(*f) + 1, INT32_MAX};
        for (size_t i = 0; i < COUNT_OF(bad); i++) {
            task_options o = options(bad[i], 0, TASK_TRAIN);
            assert_int_equal(task_generate(&p, *f, &o, 0, &err), PONDER_EARG);
            assert_non_null(strstr(err.message, task_name(*f)));
        }
        task_options o = options(1, 0, TASK_TRAIN);
        o.flawed = true;
        assert_int_equal(task_generate(&p, *f, &o, 0, &err), PONDER_EARG);
        o.flawed = false;
        for (int s = TASK_DIRECT; s < TASK_STYLES; s++) {
            o.style = (enum task_style)s;
            ponder_status st = task_generate(&p, *f, &o, 0, &err);
            assert_int_equal(st, task_has_style(*f, o.style) ? PONDER_OK : PONDER_EARG);
            if (st) assert_non_null(strstr(err.message, task_style_name(o.style)));
        }
    }
    task_problem_free(&p);
}

/* The keys of the distinct problems of a level; all are different, and the caller frees them. */
static uint64_t *distinct_keys(size_t *n, const task_family *f, const task_options *o, size_t most)
{
    uint64_t *numbers;
    task_problem p = {0};
    check_ok(task_distinct(&numbers, n, f, o, most, &err));
    uint64_t *keys = calloc(*n, sizeof *keys);
    assert_non_null(keys);
    for (size_t i = 0; i < *n; i++) {
        if (i && numbers[i] <= numbers[i - 1]) fail_msg("%s: numbers out of order", f->name);
        generate(&p, f, o, numbers[i]);
        keys[i] = p.key;
        for (size_t j = 0; j < i; j++)
            if (keys[j] == keys[i]) fail_msg("%s: problem %zu is problem %zu", f->name, i, j);
    }
    free(numbers);
    task_problem_free(&p);
    return keys;
}

static void distinct_problems_are_the_first_of_their_kind(void **state)
{
    (void)state;
    const task_family *f = task_find(STR("countdown"));
    const task_options o = options(2, 7, TASK_TEST);
    size_t n, at = 0;
    uint64_t *keys = distinct_keys(&n, f, &o, 60);
    assert_int_equal(n, 60);
    task_problem p = {0};
    for (uint64_t i = 0; at < n; i++) { /* every draw is the next of them or an earlier one */
        generate(&p, f, &o, i);
        size_t j = 0;
        while (j < at && keys[j] != p.key) j++;
        if (j == at) assert_true(keys[at++] == p.key);
    }
    task_problem_free(&p);
    free(keys);
}

/* Whatever the seed, the whole of a small level comes up. */
static void a_small_level_is_given_whole(void **state)
{
    (void)state;
    const task_family *f = task_find(STR("chain"));
    size_t n[2];
    uint64_t *keys[2];
    for (size_t s = 0; s < 2; s++) {
        const task_options o = options(1, s, TASK_TEST);
        keys[s] = distinct_keys(&n[s], f, &o, 100000);
    }
    assert_in_range(n[0], 2, 99999);
    assert_int_equal(n[0], n[1]);
    for (size_t i = 0; i < n[0]; i++) {
        size_t j = 0;
        while (j < n[1] && keys[1][j] != keys[0][i]) j++;
        assert_true(j < n[1]);
    }
    free(keys[0]), free(keys[1]);
}

/* ---- a family of one problem, to see the framework at its limits ----------------------------- */

static bool one_draw(void *state, task_draw *d, int level)
{
    (void)state, (void)level;
    return task_below(d, 2) == 0;
}
static void one_key(const void *state, buf *out) { (void)state, task_put(out, -17); }
static void one_prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    (void)state, (void)lang, (void)d;
    task_text(out, "?");
}
static void one_trace(const void *state, task_tale *t)
{
    (void)state;
    task_step(t, -20, '+', 3);
    task_put(t->answer, -17); /* whatever the step came to */
}
static const task_family ONE = {
    .name = "one", .kind = "math", .about = "", .levels = 1, .styles = 1 << TASK_BACKTRACKING,
    .state_bytes = 8, .draw = one_draw, .key = one_key, .prompt = one_prompt, .answer = one_key,
    .trace = one_trace,
};

static void empty_split_is_an_error(void **state)
{
    (void)state;
    task_problem p = {0};
    ponder_status st[2];
    char message[2][512];
    for (int split = 0; split < 2; split++) {
        task_options o = options(1, 0, (enum task_split)split);
        st[split] = task_generate(&p, &ONE, &o, 5, &err);
        memcpy(message[split], err.message, sizeof err.message);
    }
    int failed = st[1] != PONDER_OK;
    assert_int_equal(st[!failed], PONDER_OK); /* one problem is in exactly one split */
    assert_int_equal(st[failed], PONDER_ELIMIT);
    assert_non_null(strstr(message[failed], "task one, level 1"));
    assert_non_null(strstr(message[failed], failed ? "test" : "train"));

    uint64_t *numbers;
    size_t n;
    task_options o = options(1, 0, failed ? TASK_TEST : TASK_TRAIN);
    assert_int_equal(task_distinct(&numbers, &n, &ONE, &o, 5, &err), PONDER_ELIMIT);
    assert_null(numbers);
    o.split = failed ? TASK_TRAIN : TASK_TEST;
    check_ok(task_distinct(&numbers, &n, &ONE, &o, 5, &err));
    assert_int_equal(n, 1);
    assert_int_equal(numbers[0], 0);
    free(numbers);

    o.style = TASK_BACKTRACKING;
    check_ok(task_generate(&p, &ONE, &o, 5, &err));
    assert_non_null(strstr(p.trace.p, " no\n-20+3=-17"));
    o.flawed = true;
    assert_int_equal(task_generate(&p, &ONE, &o, 5, &err), PONDER_EINTERNAL);
    task_problem_free(&p);
}

static void draws_cover_their_range(void **state)
{
    (void)state;
    int hits[7] = {0};
    task_draw d = {.seed = 1, .sequence = 2, .stream = 3};
    for (int i = 0; i < 7000; i++) hits[task_between(&d, -3, 3) + 3]++;
    for (int i = 0; i < 7; i++) assert_in_range(hits[i], 850, 1150);
    uint64_t top = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t v = task_below(&d, 1000000000000u);
        assert_true(v < 1000000000000u);
        top += v >= 500000000000u;
    }
    assert_in_range(top, 420, 580);
    task_draw again = {.seed = 1, .sequence = 2, .stream = 3}, other = {.seed = 1, .sequence = 2};
    int same = 0;
    for (int i = 0; i < 1000; i++) same += task_below(&again, 1000) == task_below(&other, 1000);
    assert_true(same < 20);
}

static void near_misses_stay_in_bounds(void **state)
{
    (void)state;
    task_draw d = {.seed = 9};
    for (int i = 0; i < 1000; i++) {
        int64_t low = task_between(&d, -5, 5), high = low + task_between(&d, 1, 3);
        int64_t v = task_between(&d, low, high), w = task_near(&d, v, low, high);
        assert_true(w != v && w >= low && w <= high);
    }
}

static void numbers_in_decimal(void **state)
{
    (void)state;
    const int64_t v[] = {0, 7, -7, 10, INT64_MAX, INT64_MIN};
    buf a = {0}, b = {0};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        task_put(&a, v[i]);
        buf_printf(&b, "%lld", (long long)v[i]);
    }
    same_bytes(&a, &b);
    buf_free(&a);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(answers_are_judged_rightly),
        cmocka_unit_test(problems_are_functions_of_their_names),
        cmocka_unit_test(splits_never_meet),
        cmocka_unit_test(guessing_does_not_pay),
        cmocka_unit_test(wordings_differ),
        cmocka_unit_test(impossible_wishes_are_refused),
        cmocka_unit_test(distinct_problems_are_the_first_of_their_kind),
        cmocka_unit_test(a_small_level_is_given_whole),
        cmocka_unit_test(empty_split_is_an_error),
        cmocka_unit_test(draws_cover_their_range),
        cmocka_unit_test(near_misses_stay_in_bounds),
        cmocka_unit_test(numbers_in_decimal),
    };
    return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
