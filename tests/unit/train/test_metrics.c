/* train/metrics, train/report: lines that survive stops, and a page made of them.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[32], path[64], page[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/metrics-XXXXXX");
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    snprintf(page, sizeof page, "%s/report.html", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path), unlink(page);
    return rmdir(dir);
}

static void write_steps(const char *stage, uint64_t from, uint64_t to)
{
    ponder_error err;
    metrics m;
    check_ok(metrics_open(&m, path, stage, from ? (int64_t)from - 1 : -1, &err));
    for (uint64_t s = from; s <= to; s++) {
        metrics_begin(&m, s);
        metrics_put(&m, "loss", 1 / (double)s);
        if (s == 3) metrics_put(&m, "odd", NAN);
        if (s == to) metrics_text(&m, "sample", STR("<b>\"1 & 2\"\n"));
        check_ok(metrics_end(&m, &err));
    }
    metrics_close(&m);
}

static void a_resumed_stage_writes_its_steps_once(void **state)
{
    (void)state;
    ponder_error err;
    buf text = {0};
    write_steps("base", 0, 4);
    write_steps("base", 0, 2); /* stopped before there was a checkpoint */
    write_steps("base", 1, 20);
    write_steps("zero", 1, 5);
    FILE *f = fopen(path, "a");
    fputs("{\"stage\":\"zero\",\"st", f); /* killed while it wrote */
    fclose(f);
    write_steps("zero", 4, 8); /* goes on from step 3 */
    check_ok(file_read(&text, path, 1 << 20, &err));
    size_t lines = 0, at = 0;
    for (; at < text.n; lines++) {
        json_t *row;
        size_t end = str_find(buf_str(&text), STR("\n"), at);
        check_ok(json_parse(&row, (str){text.p + at, end - at}, "row", &err));
        long long want = lines <= 20 ? (long long)lines : (long long)lines - 20;
        assert_int_equal(json_integer_value(json_object_get(row, "step")), want);
        assert_true(!want || json_number_value(json_object_get(row, "loss")) == 1 / (double)want);
        json_decref(row);
        at = end + 1;
    }
    assert_int_equal(lines, 29);
    buf_free(&text);
}

static size_t count(const buf *b, const char *what)
{
    size_t n = 0;
    for (size_t at = 0; (at = str_find(buf_str(b), str_of(what), at)) != SIZE_MAX; at++) n++;
    return n;
}

static void the_report_has_a_plot_for_every_key(void **state)
{
    (void)state;
    ponder_error err;
    buf text = {0};
    check_ok(report_write(page, path, "empty", &err));
    write_steps("base", 1, 3000);
    write_steps("ze<ro", 1, 5);
    check_ok(report_write(page, path, "a <title>", &err));
    check_ok(file_read(&text, page, 1 << 20, &err));
    assert_int_equal(count(&text, "<svg"), 1); /* what is never a number has no plot */
    assert_int_equal(count(&text, "<polyline"), 2);
    assert_int_equal(count(&text, ">ze&lt;ro</text>"), 1);
    assert_int_equal(count(&text, "a &lt;title>"), 2);
    assert_int_equal(count(&text, "&lt;b>&quot;1 &amp; 2&quot;"), 2);
    assert_int_equal(count(&text, "http"), 0); /* nothing from elsewhere */
    assert_int_equal(count(&text, "nan"), 0);
    assert_in_range(text.n, 5000, 60000);
    buf_free(&text);
}

/* Lines of one name share a figure; texts are spread over the run; figures of models are a table. */
static void the_report_puts_together_what_belongs_together(void **state)
{
    (void)state;
    ponder_error err;
    buf text = {0};
    metrics m;
    check_ok(metrics_open(&m, path, "zero", -1, &err));
    for (uint64_t s = 1; s <= 200; s++) {
        char what[32];
        metrics_begin(&m, s);
        metrics_put(&m, "accuracy", 0.5);
        metrics_put(&m, "accuracy/chain-2", 0.25);
        if (s % 2) metrics_put(&m, "accuracy/parity-1", 0.75);
        snprintf(what, sizeof what, "said at %d.", (int)s);
        metrics_text(&m, "answer", str_of(what));
        check_ok(metrics_end(&m, &err));
    }
    metrics_begin(&m, 0);
    json_key(&m.w, "evaluation");
    json_raw(&m.w, STR("[{\"model\":\"<base>\",\"task\":\"chain\",\"level\":2,\"lang\":\"en\","
                       "\"questions\":7,\"pass@1\":{\"value\":0.5,\"low\":0.25,\"high\":0.75},"
                       "\"length\":12},7,{}]"));
    check_ok(metrics_end(&m, &err));
    metrics_close(&m);
    check_ok(report_write(page, path, "a title", &err));
    check_ok(file_read(&text, page, 1 << 20, &err));
    assert_int_equal(count(&text, "<svg"), 2);
    assert_int_equal(count(&text, "<polyline"), 6);
    assert_int_equal(count(&text, "chain-2 0.25</b>"), 1);
    assert_int_equal(count(&text, "parity-1 0.75</b>"), 1);
    assert_int_equal(count(&text, "said at "), 40);
    assert_int_equal(count(&text, "said at 1."), 1);
    assert_int_equal(count(&text, "said at 200."), 1);
    assert_true(count(&text, "said at 9") <= 4);
    assert_int_equal(count(&text, "<td>&lt;base></td><td>chain-2 en</td><td>7</td><td>12</td>"
                                  "<td>50.0 <i>25.0-75.0</i></td><td>-</td>"), 1);
    assert_int_equal(count(&text, "<tr>"), 4);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_resumed_stage_writes_its_steps_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_report_has_a_plot_for_every_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_report_puts_together_what_belongs_together, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("train/metrics", tests, NULL, NULL);
}
