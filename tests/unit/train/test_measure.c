/* measure: figures of judged answers by hand; what is no such line is refused. cells: questions for
 * measuring are of the test split, different, and the same in both languages.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/cells.h"
#include "train/measure.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static ponder_status add(measure *m, const char *text, ponder_error *err)
{
    json_t *line;
    assert_int_equal(json_parse(&line, str_of(text), "line", err), PONDER_OK);
    ponder_status st = measure_add(m, line, "line", err);
    json_decref(line);
    return st;
}

/* Three questions with four answers each:
 *   7 7 8 -   right are the sevens: majority right
 *   8 8 7 -   majority wrong, one right
 *   - - - -   nothing */
static const char *const LINES[] = {
    "{\"kind\":\"integer\",\"answers\":["
    "{\"answer\":\"7\",\"right\":true,\"format\":true,\"language\":1,\"tokens\":10,\"verification\":2},"
    "{\"answer\":\"+7\",\"right\":true,\"format\":false,\"language\":0.5,\"tokens\":20},"
    "{\"answer\":\"8\",\"right\":false,\"tokens\":30,\"backtracking\":1,\"verification\":1},"
    "{\"answer\":\"\",\"right\":false,\"tokens\":40,\"truncated\":true}]}",
    "{\"kind\":\"integer\",\"answers\":["
    "{\"answer\":\"8\",\"right\":false,\"tokens\":0},{\"answer\":\"8\",\"right\":false,\"tokens\":0},"
    "{\"answer\":\"7\",\"right\":true,\"tokens\":30},{\"answer\":\"\",\"right\":false,\"tokens\":0}]}",
    "{\"kind\":\"integer\",\"answers\":["
    "{\"answer\":\"\",\"right\":false,\"tokens\":0},{\"answer\":\"\",\"right\":false,\"tokens\":0},"
    "{\"answer\":\"\",\"right\":false,\"tokens\":0},{\"answer\":\"\",\"right\":false,\"tokens\":0}]}",
};

static void near(double have, double want)
{
    if (!(fabs(have - want) < 1e-12)) fail_msg("%.17g, not %.17g", have, want);
}

static void figures_by_hand(void **state)
{
    (void)state;
    ponder_error err = {0};
    measure m = {0}, twice = {0};
    measured f, g;
    for (size_t i = 0; i < COUNT_OF(LINES); i++) check_ok(add(&m, LINES[i], &err));
    check_ok(measure_figures(&f, &m, 1, &err));
    assert_int_equal(f.questions, 3);
    assert_int_equal(f.group, 4);
    near(f.pass1, 3.0 / 12);
    near(f.vote, 1.0 / 3);
    near(f.any, 2.0 / 3);
    near(f.length, 130.0 / 12);
    near(f.length_right, 20);
    near(f.length_wrong, 70.0 / 9);
    near(f.truncated, 1.0 / 12);
    near(f.format, 1.0 / 12);
    near(f.language, 1.5 / 12);
    near(f.verification, 2.0 / 12);
    near(f.backtracking, 1.0 / 12);
    near(f.reflections, 4.0 / 12);
    assert_true(f.pass1_in.low < f.pass1 && f.pass1 < f.pass1_in.high);
    check_ok(measure_join(&twice, &m, &err));
    check_ok(measure_join(&twice, &m, &err));
    check_ok(measure_figures(&g, &twice, 1, &err));
    assert_int_equal(g.questions, 6);
    near(g.pass1, f.pass1), near(g.vote, f.vote), near(g.any, f.any);
    near(g.length_wrong, f.length_wrong), near(g.reflections, f.reflections);
    assert_true(g.pass1_in.high - g.pass1_in.low < f.pass1_in.high - f.pass1_in.low);
    measure_free(&m), measure_free(&twice);
}

static void nothing_right_has_an_interval_and_no_length(void **state)
{
    (void)state;
    ponder_error err = {0};
    measure m = {0};
    measured f;
    check_ok(add(&m, LINES[2], &err));
    check_ok(measure_figures(&f, &m, 1, &err));
    near(f.pass1, 0);
    assert_true(f.pass1_in.low == 0 && f.pass1_in.high > 0.5); /* Wilson, of one question */
    assert_true(isnan(f.length_right));
    near(f.length_wrong, 0);
    measure_free(&m);
}

static void what_is_no_line_of_answers(void **state)
{
    (void)state;
    ponder_error err = {0};
    static const char *const BAD[] = {
        "{}", "[]", "{\"answers\":[]}", "{\"answers\":[{}]}", "{\"answers\":7}",
        "{\"answers\":[{\"right\":true}]}", "{\"answers\":[{\"right\":1,\"tokens\":3}]}",
        "{\"answers\":[{\"right\":true,\"tokens\":-1}]}",
        "{\"answers\":[{\"right\":true,\"tokens\":1,\"verification\":\"x\"}]}",
    };
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        measure m = {0};
        if (add(&m, BAD[i], &err) != PONDER_EFORMAT) fail_msg("accepted %s", BAD[i]);
        measure_free(&m);
    }
    measure m = {0};
    check_ok(add(&m, LINES[0], &err));
    assert_int_equal(add(&m, "{\"answers\":[{\"right\":true,\"tokens\":1}]}", &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "want 4"));
    measure_free(&m);
}

/* ---- cells ----------------------------------------------------------------------------------- */

static ponder_status open_cells(question_cells *c, const char *data, size_t each, ponder_error *err)
{
    json_t *list;
    assert_int_equal(json_parse(&list, str_of(data), "data", err), PONDER_OK);
    ponder_status st = question_cells_open(c, list, "data", "/tmp", each, 3, err);
    json_decref(list);
    return st;
}

static uint64_t key_of(const question_cell *c, size_t i, question *q)
{
    ponder_error err = {0};
    check_ok(questions_draw(q, c->from, c->number[i], &err));
    assert_int_equal(q->level, c->level);
    assert_int_equal(q->lang, c->lang);
    return q->key;
}

static void cells_of_tasks(void **state)
{
    (void)state;
    ponder_error err = {0};
    question_cells c;
    question a = {0}, b = {0};
    check_ok(open_cells(&c, "[{\"task\":\"chain\",\"levels\":\"2-3\",\"zh\":0.2},{\"task\":\"parity\","
                            "\"zh\":1},{\"task\":\"multiplication\"}]", 30, &err));
    static const char *const NAMES[] = {"chain-2-en", "chain-2-zh", "chain-3-en",
                                        "chain-3-zh", "parity-1-zh", "multiplication-1-en"};
    assert_int_equal(c.n, COUNT_OF(NAMES));
    for (size_t i = 0; i < c.n; i++) {
        assert_string_equal(c.cell[i].name, NAMES[i]);
        for (size_t k = 0; k < c.cell[i].n; k++) {
            uint64_t key = key_of(&c.cell[i], k, &a);
            assert_int_equal(key % 8, 0); /* the test split */
            for (size_t j = 0; j < k; j++) assert_true(key_of(&c.cell[i], j, &b) != key);
        }
    }
    assert_int_equal(c.cell[0].n, 30);
    assert_int_equal(c.cell[5].n, 7); /* all there are */
    for (size_t k = 0; k < 30; k++)
        assert_true(key_of(&c.cell[0], k, &a) == key_of(&c.cell[1], k, &b));
    question_free(&a), question_free(&b);
    question_cells_close(&c);
    assert_int_equal(open_cells(&c, "[{\"task\":\"chain\"},{\"task\":\"chain\",\"levels\":\"1-2\"}]", 3,
                                &err), PONDER_EFORMAT);
    assert_non_null(strstr(err.message, "chain-1-en"));
    question_cells_close(&c);
}

static void cells_of_files(void **state)
{
    (void)state;
    ponder_error err = {0};
    question_cells c;
    char path[] = "/tmp/cells-XXXXXX";
    char data[128];
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    for (int i = 0; i < 20; i++)
        fprintf(f, "{\"prompt\":\"%d\",\"answer\":\"1\",\"task\":\"a|b\",\"level\":%d,\"lang\":\"%s\"}\n", i,
                i % 4 == 3 ? -7 : i % 2 + 1, i % 5 ? "en" : "zh");
    fclose(f);
    snprintf(data, sizeof data, "[{\"file\":\"%s\"}]", path);
    check_ok(open_cells(&c, data, 6, &err));
    size_t all = 0;
    question q = {0};
    for (size_t i = 0; i < c.n; i++) {
        assert_true(c.cell[i].n <= 6 && c.cell[i].n > 0);
        assert_true(str_starts(str_of(c.cell[i].name), STR("a_b-")));
        all += c.cell[i].n;
        for (size_t k = 0; k < c.cell[i].n; k++) key_of(&c.cell[i], k, &q);
    }
    assert_int_equal(c.n, 6); /* levels 1, 2 and none, in two languages */
    assert_in_range(all, 18, 20); /* 8 rows of level 1 in English, 6 of them asked */
    question_free(&q);
    question_cells_close(&c);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_by_hand),
        cmocka_unit_test(nothing_right_has_an_interval_and_no_length),
        cmocka_unit_test(what_is_no_line_of_answers),
        cmocka_unit_test(cells_of_tasks),
        cmocka_unit_test(cells_of_files),
    };
    return cmocka_run_group_tests_name("train/measure", tests, NULL, NULL);
}
