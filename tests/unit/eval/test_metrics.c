/* eval: metrics against known values, against the case file beside the tree, and by properties.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "eval/dataset.h"
#include "eval/metrics.h"
#include "reward/vote.h"

#include <math.h>
#include <stdlib.h>

static void near(double got, double want, double tolerance, const char *what)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("%s: %.15g, want %.15g", what, got, want);
}

/* ---- the case file ------------------------------------------------------------------------------ */

static double num(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static size_t numbers(const json_t *list, double *out, size_t cap)
{
    size_t n = json_array_size(list);
    assert_true(n <= cap);
    for (size_t i = 0; i < n; i++) out[i] = json_number_value(json_array_get(list, i));
    return n;
}

/* [[1, 0, 1], ...] to counts and shares. */
static size_t counts_of(const json_t *lists, metric_count *c, double *share)
{
    size_t n = json_array_size(lists);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(lists, i);
        c[i] = (metric_count){.n = json_array_size(one)};
        for (size_t j = 0; j < c[i].n; j++)
            c[i].correct += json_integer_value(json_array_get(one, j)) == 1;
        share[i] = (double)c[i].correct / (double)c[i].n;
    }
    return n;
}

static double vote_of(const json_t *in)
{
    const json_t *answers = json_object_get(in, "answers");
    const reward_question q = {.gold = json_str(json_object_get(in, "gold"))};
    size_t n = json_array_size(answers), votes[64];
    uint32_t class_of[64];
    bool right[64];
    vote cast = {0};
    ponder_error err;
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        size_t class;
        check_ok(vote_cast(&cast, json_str(json_array_get(answers, i)), i, &class, &err));
        class_of[i] = class == VOTE_BLANK ? METRIC_NO_VOTE : (uint32_t)class;
    }
    for (size_t c = 0; c < cast.n; c++) {
        reward_verdict v;
        check_ok(reward_verify(&v, &q, buf_str(&cast.classes[c].answer), REWARD_ANSWER, &err));
        right[c] = v.equal;
    }
    double mean = metric_vote(class_of, n, right, cast.n, votes);
    vote_free(&cast);
    return mean;
}

static void percentile_case(const json_t *in, const char *dir, double want, double tolerance,
                            const char *id)
{
    metric_histogram h;
    ponder_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, json_string_value(json_object_get(in, "file")));
    check_ok(metric_histogram_read(&h, path, &err));
    near(metric_percentile(&h, num(in, "rating")), want, tolerance, id);
    metric_histogram_free(&h);
}

static void one_case(const json_t *row, const char *dir)
{
    static metric_count c[64];
    static double x[1024], y[64], out[64];
    const json_t *in = json_object_get(row, "input"), *want = json_object_get(row, "expected");
    const char *id = json_string_value(json_object_get(row, "id"));
    str kind = json_str(json_object_get(row, "kind"));
    double tol = num(row, "tolerance"), e = json_number_value(want), e2[64] = {0}, got = -1;
    if (json_is_array(want)) numbers(want, e2, 64);
    if (str_eq(kind, STR("pass_at_k"))) {
        metric_count one = {(size_t)num(in, "n"), (size_t)num(in, "correct")};
        bool ok = metric_pass_at_k(&got, one, (size_t)num(in, "k"));
        assert_int_equal(ok, !json_is_null(want));
        if (ok) near(got, e, tol, id);
    } else if (str_eq(kind, STR("pass_at_k_mean"))) {
        const json_t *list = json_object_get(in, "samples");
        size_t n = json_array_size(list);
        for (size_t i = 0; i < n; i++) {
            numbers(json_array_get(list, i), out, 2);
            c[i] = (metric_count){(size_t)out[0], (size_t)out[1]};
        }
        assert_true(metric_pass_at_k_mean(&got, c, n, (size_t)num(in, "k")));
        near(got, e, tol, id);
    } else if (str_eq(kind, STR("pass_at_1_mean"))) {
        size_t n = counts_of(json_object_get(in, "correct"), c, x);
        near(metric_clustered(c, n).mean, e, tol, id);
    } else if (str_eq(kind, STR("majority"))) {
        near(vote_of(in), e, tol, id);
    } else if (str_eq(kind, STR("wilson95"))) {
        metric_interval m = metric_wilson(num(in, "correct") / num(in, "n"), (size_t)num(in, "n"));
        near(m.low, e2[0], tol, id);
        near(m.high, e2[1], tol, id);
    } else if (str_eq(kind, STR("mean_and_se_clustered"))) {
        size_t n = counts_of(json_object_get(in, "correct"), c, x);
        metric_mean m = metric_clustered(c, n);
        near(m.mean, e2[0], tol, id);
        near(m.se, e2[1], tol, id);
    } else if (str_eq(kind, STR("paired_difference"))) {
        size_t n = counts_of(json_object_get(in, "a"), c, x);
        counts_of(json_object_get(in, "b"), c, y);
        metric_paired p = metric_compare(x, y, n);
        near(p.difference, e2[0], tol, id);
        near(p.se, e2[1], tol, id);
    } else if (str_eq(kind, STR("elo_from_rank"))) {
        size_t n = numbers(json_object_get(in, "ratings"), x, 1024);
        near(metric_rating(x, n, num(in, "rank")), e, tol, id);
    } else if (str_eq(kind, STR("percentile"))) {
        percentile_case(in, dir, e, tol, id);
    } else if (str_eq(kind, STR("win_probability"))) {
        near(metric_win_probability(num(in, "a"), num(in, "b")), e, tol, id);
    } else if (str_eq(kind, STR("group_advantage"))) {
        size_t n = numbers(json_object_get(in, "rewards"), x, 64);
        metric_advantages(out, x, n, !strcmp(json_string_value(json_object_get(in, "std")), "sample"));
        for (size_t i = 0; i < n; i++) near(out[i], e2[i], tol, id);
    } else if (str_eq(kind, STR("language_consistency"))) {
        near(num(in, "words_in_target") / num(in, "words"), e, tol, id);
    } else {
        fail_msg("%s: no such kind of case", id);
    }
}

static void case_file(void **state)
{
    (void)state;
    const char *shared = getenv("PONDER_SHARED");
    char dir[400], path[512];
    buf text = {0};
    ponder_error err;
    size_t n = 0;
    snprintf(dir, sizeof dir, "%s/data", shared ? shared : "../shared");
    snprintf(path, sizeof path, "%s/metrics_cases.jsonl", dir);
    if (!file_exists(path)) skip(); /* the data is not part of the tree */
    check_ok(file_read(&text, path, 1 << 24, &err));
    for (size_t at = 0, end; at < text.n; at = end + 1) {
        end = size_min(str_find(buf_str(&text), STR("\n"), at), text.n);
        json_t *row;
        check_ok(json_parse(&row, (str){text.p + at, end - at}, path, &err));
        one_case(row, dir);
        json_decref(row);
        n++;
    }
    assert_int_equal(n, 50);
    buf_free(&text);
}

/* ---- known values and properties ---------------------------------------------------------------- */

static double choose(double n, double k)
{
    double c = 1;
    for (double i = 1; i <= k; i++) c = c * (n - k + i) / i;
    return n < k ? 0 : c;
}

static void pass_at_k_is_the_formula(void **state)
{
    (void)state;
    double got;
    for (size_t n = 1; n <= 20; n++)
        for (size_t c = 0; c <= n; c++)
            for (size_t k = 1; k <= n; k++) {
                assert_true(metric_pass_at_k(&got, (metric_count){n, c}, k));
                double want = 1 - choose((double)(n - c), (double)k) / choose((double)n, (double)k);
                near(got, want, 1e-12, "pass@k");
            }
    assert_false(metric_pass_at_k(&got, (metric_count){4, 2}, 0));
    assert_false(metric_pass_at_k(&got, (metric_count){4, 2}, 5));
    assert_false(metric_pass_at_k_mean(&got, NULL, 0, 1));
}

static void variance_is_split(void **state)
{
    (void)state;
    /* Two questions at one half, two samples each: all of the spread is noise of sampling. */
    metric_count same[] = {{2, 1}, {2, 1}};
    metric_mean m = metric_clustered(same, 2);
    near(m.between, 0, 0, "between");
    near(m.within, 0.25, 1e-15, "within");
    /* Certain questions: all of it is between them. */
    metric_count sure[] = {{8, 8}, {8, 0}, {8, 8}, {8, 0}};
    m = metric_clustered(sure, 4);
    near(m.within, 0, 0, "within");
    near(m.between, 1.0 / 3, 1e-15, "between");
    near(m.se, sqrt(1.0 / 12), 1e-15, "se");
    near(metric_clustered(sure, 1).se, 0, 0, "se of one question");
}

static void bootstrap_covers_and_is_counted(void **state)
{
    (void)state;
    ponder_error err;
    double x[200];
    metric_interval a, b, c;
    for (size_t i = 0; i < 200; i++) x[i] = i < 60;
    check_ok(metric_bootstrap(&a, x, 200, 4000, 1, &err));
    check_ok(metric_bootstrap(&b, x, 200, 4000, 1, &err));
    check_ok(metric_bootstrap(&c, x, 200, 4000, 2, &err));
    assert_true(a.low == b.low && a.high == b.high);
    assert_true(fabs(a.low - c.low) < 0.02 && fabs(a.high - c.high) < 0.02);
    /* The normal interval of a share: 0.3 +- 1.96 sqrt(0.21 / 200) = 0.0635. */
    near(a.low, 0.3 - 0.0635, 0.012, "low");
    near(a.high, 0.3 + 0.0635, 0.012, "high");
}

static void paired_runs(void **state)
{
    (void)state;
    double a[] = {1, 1, 1, 0, 1, 0, 1, 1}, b[] = {0, 1, 0, 0, 1, 0, 1, 0};
    metric_paired m = metric_compare(a, b, 8);
    near(m.difference, 0.375, 1e-15, "difference");
    near(m.se, sqrt(15.0 / 8 / 7 / 8), 1e-12, "se"); /* sum of squares 3 - 9/8 */
    near(m.p, erfc(m.z / sqrt(2)), 1e-15, "p");
    m = metric_compare(a, a, 8);
    assert_true(m.p == 1 && m.z == 0);
}

static void quantiles(void **state)
{
    (void)state;
    double x[] = {1, 2, 3, 4};
    near(metric_quantile(x, 4, 0), 1, 0, "least");
    near(metric_quantile(x, 4, 0.5), 2.5, 1e-15, "median");
    near(metric_quantile(x, 4, 1), 4, 0, "most");
    near(metric_quantile(x, 1, 0.3), 1, 0, "one");
}

static void rating_is_the_inverse_of_rank(void **state)
{
    (void)state;
    double r[] = {900, 1200, 1500, 1800, 2400};
    for (double x = 600; x <= 2700; x += 300) {
        double rank = 0;
        for (size_t i = 0; i < 5; i++) rank += metric_win_probability(r[i], x);
        near(metric_rating(r, 5, rank), x, 1e-6, "rating");
    }
    near(metric_win_probability(1500, 1900) + metric_win_probability(1900, 1500), 1, 1e-15, "sum");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_file),
        cmocka_unit_test(pass_at_k_is_the_formula),
        cmocka_unit_test(variance_is_split),
        cmocka_unit_test(bootstrap_covers_and_is_counted),
        cmocka_unit_test(paired_runs),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(rating_is_the_inverse_of_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
