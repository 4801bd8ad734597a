/* eval: letters in responses, prompts, orders of choices, data sets.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "eval/prompt.h"

#include <stdlib.h>
#include <unistd.h>

static void letters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char strict, lenient; /* 0: none */
    } CASES[] = {
        {"Answer: B", 'B', 'B'},
        {"I think so.\n\nanswer : c", 'C', 'C'},
        {"**Answer:** D", 'D', 'D'},
        {"**Answer: (D)**", 'D', 'D'},
        {"Answer: $\\boxed{A}$", 'A', 'A'},
        {"Answer: \\boxed{\\text{C}}.", 'C', 'C'},
        {"Final: \\boxed{C}", 'C', 'C'},
        {"Answer: A\nWait, no.\nAnswer: B", 'B', 'B'},
        {"\\boxed{A} ... Answer: B", 'B', 'B'},
        {"Answer: B) because", 'B', 'B'},
        {"Answer: Ｃ", 'C', 'C'},
        {"答案：B", 'B', 'B'},
        {"所以答案是 C。", 'C', 'C'},
        {"答案: （D）", 'D', 'D'},
        {"**答案：A**", 'A', 'A'},
        {"解答：B", 'B', 'B'},
        /* only leniently */
        {"The correct answer is B.", 0, 'B'},
        {"The answer is **(C)**", 0, 'C'},
        {"故选 D", 0, 'D'},
        {"因此选择B。", 0, 'B'},
        {"B", 0, 'B'},
        {"(c)", 0, 'C'},
        {"A. the first one", 0, 'A'},
        /* no answers */
        {"", 0, 0},
        {"Answer:", 0, 0},
        {"Answer: none of these", 0, 0},
        {"Answer: E", 0, 0},
        {"Answer: a dog", 0, 0},
        {"Answer: Because", 0, 0},
        {"Answer: A or B", 0, 0},
        {"Answer: A, B", 0, 0},
        {"Answer: B/C", 0, 0},
        {"\\boxed{A, B, C, D}", 0, 0},
        {"答案：A或B", 0, 0},
        {"Answer: A\nAnswer: A and B", 0, 0},
        {"A dog and a cat", 0, 0},
        {"\\boxed{Bob}", 0, 0},
        {"answers: many", 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char s = eval_find_letter(str_of(CASES[i].text), 4, false);
        char l = eval_find_letter(str_of(CASES[i].text), 4, true);
        if (s != CASES[i].strict || l != CASES[i].lenient)
            fail_msg("\"%s\": strict %c, lenient %c", CASES[i].text, s ? s : '-', l ? l : '-');
    }
}

/* Any prefix and any cut of a text is read without a fault, and in linear time. */
static void letters_of_hostile_text(void **state)
{
    (void)state;
    static const char TEXT[] = "Answer: **(\\boxed{\\text{（Ｂ）\xEF\xBC 答案：\xE7\xAD and A, B, C";
    for (size_t n = 0; n < sizeof TEXT; n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, TEXT, n);
        for (size_t from = 0; from <= n; from++)
            eval_find_letter((str){copy + from, n - from}, 4, true);
        free(copy);
    }
    buf b = {0};
    for (int i = 0; i < 200000; i++) buf_add_str(&b, STR("\\boxed{"));
    double start = check_cpu_seconds();
    assert_int_equal(eval_find_letter(buf_str(&b), 4, true), 0);
    assert_true(check_cpu_seconds() - start < 5);
    buf_free(&b);
}

/* ---- data sets ---------------------------------------------------------------------------------- */

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static const char ROWS[] =
    "{\"id\":\"m\",\"problem\":\"1+1?\",\"answer\":2,\"level\":3,\"subject\":\"s\"}\n"
    "\n"
    "{\"id\":\"z\",\"problem\":\"一加一等于几？\",\"answer\":\"2\",\"grade\":\"1\"}\r\n"
    "{\"id\":\"c\",\"problem\":\"Which?\",\"choices\":[\"w\",\"x\",\"y\",\"z\"],\"answer\":\"B\"}\n"
    "{\"id\":\"f\",\"prompt\":\"Add.\",\"entry_point\":\"add\",\"cases\":[{\"args\":[1,2],\"expect\":3}]}\n"
    "{\"id\":\"p\",\"prompt\":\"Sum?\",\"tests\":[{\"input\":\"1\",\"output\":\"1\"}],\"language\":\"c\"}\n"
    "{\"id\":\"t\",\"prompt\":\"Reach 7.\",\"kind\":\"countdown\",\"puzzle\":{\"target\":7}}";

static void rows_are_recognised(void **state)
{
    (void)state;
    static const enum eval_form FORMS[] = {EVAL_ANSWER,   EVAL_ANSWER, EVAL_CHOICE,
                                           EVAL_FUNCTION, EVAL_STDIO,  EVAL_ANSWER};
    char path[] = "/tmp/ponder-test-XXXXXX";
    eval_dataset d;
    ponder_error err;
    write_file(path, ROWS);
    check_ok(eval_dataset_read(&d, path, &err));
    assert_int_equal(d.n, 6);
    for (size_t i = 0; i < d.n; i++) assert_int_equal(d.q[i].form, FORMS[i]);
    assert_true(str_eq(d.q[0].gold, STR("2")) && str_eq(d.q[0].level, STR("3")));
    assert_true(d.q[1].chinese && !d.q[0].chinese && str_eq(d.q[1].level, STR("1")));
    assert_true(d.q[5].puzzle && d.q[5].as_is && !d.q[0].as_is);
    uint64_t whole = d.hash;
    eval_dataset_cut(&d, 3);
    assert_true(d.n == 3 && d.hash != whole);
    eval_dataset_close(&d);
    unlink(path);
}

static void has(const buf *b, const char *part)
{
    if (str_find(buf_str(b), str_of(part), 0) == SIZE_MAX)
        fail_msg("no \"%s\" in: %s", part, buf_str(b).p);
}

static void prompts(void **state)
{
    (void)state;
    static const char *const PARTS[6][2] = {
        {"1+1?", "\\boxed{}"}, {"一加一", "推理"},          {"B) x\n", "\"Answer: X\""},
        {"add(1, 2) == 3", "```python"}, {"a C program", "```c"}, {"Reach 7.", ""}};
    char path[] = "/tmp/ponder-test-XXXXXX";
    eval_dataset d;
    ponder_error err;
    buf out = {0};
    write_file(path, ROWS);
    check_ok(eval_dataset_read(&d, path, &err));
    eval_prompter p = {0};
    for (size_t i = 0; i < d.n; i++) {
        eval_order o = eval_order_of(&p, &d.q[i], 0);
        buf_clear(&out);
        eval_prompt(&out, &p, &d.q[i], &o);
        has(&out, PARTS[i][0]);
        has(&out, PARTS[i][1]);
    }
    assert_string_equal(out.p, "Reach 7."); /* says itself how to answer */
    p = (eval_prompter){.style = EVAL_BASE, .shots = &d, .n_shots = 2};
    eval_order o = eval_order_of(&p, &d.q[0], 0);
    buf_clear(&out);
    eval_prompt(&out, &p, &d.q[0], &o);
    assert_string_equal(out.p, "问题：一加一等于几？\n答案：2\n\nQuestion: 1+1?\nAnswer:");
    p.style = EVAL_ZERO;
    buf_clear(&out);
    eval_prompt(&out, &p, &d.q[0], &o);
    has(&out, "<answer>");
    assert_true(str_ends(buf_str(&out), STR("\nAssistant:")));
    buf_free(&out);
    eval_dataset_close(&d);
    unlink(path);
}

static void orders(void **state)
{
    (void)state;
    const eval_question q = {.n_choices = 4, .key = 77, .form = EVAL_CHOICE};
    eval_prompter p = {.permute = true, .seed = 5};
    size_t seen[4][4] = {0};
    for (size_t s = 0; s < 4000; s++) {
        eval_order a = eval_order_of(&p, &q, s), b = eval_order_of(&p, &q, s);
        assert_memory_equal(&a, &b, sizeof a);
        unsigned set = 0;
        for (size_t i = 0; i < 4; i++) set |= 1u << a.from[i], seen[i][a.from[i]]++;
        assert_int_equal(set, 15);
    }
    for (size_t i = 0; i < 16; i++) assert_in_range(seen[i / 4][i % 4], 850, 1150);
    p.permute = false;
    for (size_t i = 0; i < 4; i++) assert_int_equal(eval_order_of(&p, &q, 3).from[i], i);
}

/* A permuted letter means the row's own choice. */
static void permuted_letters_are_read_back(void **state)
{
    (void)state;
    json_t *choices = json_pack("[s, s, s, s]", "w", "x", "y", "z");
    const eval_question q = {
        .form = EVAL_CHOICE, .n_choices = 4, .choices = choices, .gold = STR("B")};
    const eval_order o = {.from = {2, 0, 3, 1}};
    const eval_prompter r1 = {0}, base = {.style = EVAL_BASE};
    const eval_judge j = {.prompter = &r1}, jb = {.prompter = &base};
    eval_verdict v = {0};
    ponder_error err;
    check_ok(eval_judge_text(&j, &v, &q, &o, STR("Answer: D"), &err));
    assert_true(v.strict && v.lenient && v.found && !strcmp(v.answer.p, "B"));
    check_ok(eval_judge_text(&j, &v, &q, &o, STR("Answer: B"), &err));
    assert_true(!v.strict && !v.lenient && v.found && !strcmp(v.answer.p, "A"));
    check_ok(eval_judge_text(&j, &v, &q, &o, STR("It is D. The answer is D"), &err));
    assert_true(!v.strict && v.lenient && !v.found);
    check_ok(eval_judge_text(&j, &v, &q, &o, STR("<think>Answer: D"), &err));
    assert_true(!v.lenient && !v.answered);
    check_ok(eval_judge_text(&jb, &v, &q, &o, STR("D"), &err));
    assert_true(v.strict && v.lenient);
    buf_free(&v.answer);
    json_decref(choices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters),
        cmocka_unit_test(letters_of_hostile_text),
        cmocka_unit_test(rows_are_recognised),
        cmocka_unit_test(prompts),
        cmocka_unit_test(orders),
        cmocka_unit_test(permuted_letters_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
