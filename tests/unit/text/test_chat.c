/* text: chat prompts and what the model wrote.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "tests/unit/text/tiny.h"

#define CALL(name, args)                                                                           \
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" name "\n```json\n" args "\n```<"                 \
                                                                          "｜tool▁call▁end｜>"

static void split_all(str text, size_t cut, bool opened, buf part[3])
{
    chat_splitter s = {.state = opened ? CHAT_REASONING : CHAT_START};
    for (int i = 0; i < 3; i++) buf_clear(&part[i]);
    for (size_t at = 0; at < text.n;) {
        size_t n = size_min(cut, text.n - at);
        chat_split(&s, (str){text.p + at, n}, &part[0], &part[1], &part[2]);
        at += n;
    }
    chat_split_end(&s, &part[0], &part[1], &part[2]);
    chat_splitter_free(&s);
}

static void answers_are_split_wherever_they_are_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool opened;
        const char *want[3];
    } cases[] = {
        {"plain", false, {"", "plain", ""}},
        {"<think>\nwhy\n</think>\n\nbecause", false, {"why", "because", ""}},
        {" \n<think>a\n\nb</think>c\n\n", false, {"a\n\nb", "c\n\n", ""}},
        {"why\n</think>\n\nbecause", true, {"why", "because", ""}},
        {"never closed </thin", true, {"never closed </thin", "", ""}},
        {"open\n\n", true, {"open", "", ""}},
        {"<think></think>x", false, {"", "x", ""}},
        {"<thin", false, {"", "<thin", ""}},
        {"  <b>", false, {"", "  <b>", ""}},
        {"a < b </think> c", false, {"", "a < b </think> c", ""}},
        {"w</think>ok<｜tool▁calls▁begin｜>X", true, {"w", "ok", "X"}},
        {"half a mark <｜tool▁calls", false, {"", "half a mark <｜tool▁calls", ""}},
        {"", false, {"", "", ""}},
    };
    buf part[3] = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t cut = 1; cut < 40; cut++) {
            split_all(str_of(cases[i].text), cut, cases[i].opened, part);
            for (int k = 0; k < 3; k++)
                assert_true(str_eq(buf_str(&part[k]), str_of(cases[i].want[k])));
        }
    for (int k = 0; k < 3; k++) buf_free(&part[k]);
}

static void nothing_is_held_back_without_need(void **state)
{
    (void)state;
    buf answer = {0};
    chat_splitter s = {.state = CHAT_ANSWER};
    chat_split(&s, STR("x < y\n"), NULL, &answer, NULL);
    assert_string_equal(answer.p, "x < y\n");
    chat_split(&s, STR("<｜t"), NULL, &answer, NULL);
    assert_string_equal(answer.p, "x < y\n");
    chat_split(&s, STR("urn"), NULL, &answer, NULL);
    assert_string_equal(answer.p, "x < y\n<｜turn");
    chat_splitter_free(&s);
    buf_free(&answer);
}

static void calls_are_found(void **state)
{
    (void)state;
    str text = STR(CALL("add", "{\"a\": 1}") "\n" CALL(
        "none", "{}") "<｜tool▁call▁begin｜>broken<｜tool▁call▁end｜>"
                      "<｜tool▁call▁begin｜>get<｜tool▁sep｜>{\"x\":\n2}<｜tool▁call▁end｜><"
                      "｜tool▁calls▁end｜>"
                      "<｜tool▁call▁begin｜>cut<｜tool▁sep｜>{");
    static const char *const want[][2] = {
        {"add", "{\"a\": 1}"}, {"none", "{}"}, {"get", "{\"x\":\n2}"}};
    size_t at = 0;
    chat_called c;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_true(chat_next_call(text, &at, &c));
        assert_true(str_eq(c.name, str_of(want[i][0])));
        assert_true(str_eq(c.arguments, str_of(want[i][1])));
    }
    assert_false(chat_next_call(text, &at, &c));
}

static void render_json(const char *json, chat_template c, chat_prompt *p, ponder_status want)
{
    ponder_error err;
    json_t *row;
    chat_json chat;
    check_ok(json_parse(&row, str_of(json), "row", &err));
    ponder_status st = chat_read_json(&chat, row, "row", &err);
    *p = (chat_prompt){0};
    if (st == PONDER_OK) {
        st = chat_render(p, c, &chat.request, STR("<B>"), &err);
        chat_json_free(&chat);
    }
    json_decref(row);
    assert_int_equal(st, want);
}

static void check_render(const char *json, chat_template c, const char *want)
{
    chat_prompt p;
    render_json(json, c, &p, PONDER_OK);
    assert_string_equal(p.text.p, want);
    for (size_t i = 0; i < p.n_trusted; i++) {
        assert_true(p.trusted[i].begin < p.trusted[i].end && p.trusted[i].end <= p.text.n);
        if (i) assert_true(p.trusted[i - 1].end < p.trusted[i].begin);
    }
    chat_prompt_free(&p);
}

#define U "<｜User｜>"
#define A "<｜Assistant｜>"
#define E "<｜end▁of▁sentence｜>"
#define TALK                                                                                       \
    "{\"add_generation_prompt\":true,\"messages\":[{\"role\":\"system\",\"content\":\"S\"},"       \
    "{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":"                   \
    "\"<think>t</think>\\n\\na\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\","             \
    "\"text\":\"x\"},{\"type\":\"text\",\"text\":\"y\"}]}]}"

static void prompts(void **state)
{
    (void)state;
    check_render(TALK, CHAT_DEEPSEEK_R1, "<B>S" U "q" A "\n\na" E U "xy" A "<think>\n");
    check_render(TALK, CHAT_R1_DISTILL_JAN, "<B>S" U "q" A "\n\na" E U "xy" A);
    check_render(TALK, CHAT_DEEPSEEK_R1_0528, "<B>S" U "q" A "\n\na" E U "xy" A);
    check_render(TALK, CHAT_DEEPSEEK_V3, "<B>S" U "q" A "<think>t</think>\n\na" E U "xy" A);
    check_render(TALK, CHAT_DEEPSEEK_V3_1,
                 "<B>S" U "q" A "<think></think>\n\na" E U "xy" A "<think></think>");
    check_render(TALK, CHAT_DEEPSEEK_V2,
                 "<B>S\n\nUser: q\n\nAssistant: <think>t</think>\n\na" E "User: xy\n\nAssistant:");
    check_render(
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}", CHAT_SMOLLM2,
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
        "Face<|im_end|>\n<|im_start|>user\nq<|im_end|>\n");
    check_render("{\"messages\":[{\"role\":\"user\",\"content\":\"\\u3000 q\\u001f\\u00a0\"}]}",
                 CHAT_LLAMA3, "<B><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>");
    check_render(
        "{\"messages\":[{\"role\":\"assistant\",\"content\":\"c\",\"tool_calls\":[{\"function\":"
        "{\"name\":\"f\",\"arguments\":{\"k\":[1,2.50,1e30,0.00001,-0.0,true,null,\"\\u00e9\\\"\"]}"
        "}}]}]}",
        CHAT_DEEPSEEK_V3_1,
        "<B>c<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"k\": [1, 2.5, "
        "1e+30, 1e-05, -0.0, true, null, \"é\\\"\"]}<｜tool▁call▁end｜><｜tool▁calls▁end｜>" E);
    chat_prompt p;
    render_json(TALK, CHAT_DEEPSEEK_R1, &p, PONDER_OK);
    assert_true(p.opens_thinking);
    chat_prompt_free(&p);
    render_json(TALK, CHAT_QWEN2_5, &p, PONDER_OK);
    assert_false(p.opens_thinking);
    chat_prompt_free(&p);
    static const char *const bad[] = {
        "{}",
        "{\"messages\":3}",
        "{\"messages\":[{}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":3}]}",
        "{\"messages\":[],\"tools\":{}}",
        "{\"messages\":[],\"thinking\":1}",
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}",
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":3}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        render_json(bad[i], CHAT_CHATML, &p, PONDER_EFORMAT);
        chat_prompt_free(&p);
    }
    render_json("{\"messages\":[{\"role\":\"user\"}]}", CHAT_CHATML, &p, PONDER_EARG);
    chat_prompt_free(&p);
    render_json(TALK, CHAT_NONE, &p, PONDER_EUNSUPPORTED);
    chat_prompt_free(&p);
}

static void names_and_detection(void **state)
{
    (void)state;
    ponder_error err;
    tiny v;
    tokenizer *t;
    tiny_bytes(&v);
    check_ok(tiny_open(&t, &v, "", "", &err));
    for (int c = CHAT_NONE + 1; c <= CHAT_SMOLLM2; c++) {
        chat_template back;
        assert_true(chat_template_by_name(&back, str_of(chat_template_name((chat_template)c))));
        assert_int_equal(back, c);
    }
    chat_template none;
    assert_false(chat_template_by_name(&none, STR("none")));
    assert_int_equal(chat_template_detect(t, STR("")), CHAT_NONE);
    assert_int_equal(chat_template_detect(t, STR("something else")), CHAT_NONE);
    assert_int_equal(chat_template_detect(t, STR("{{'<|im_start|>'}}")), CHAT_CHATML);
    assert_int_equal(chat_template_detect(t, STR("<｜Assistant｜> if thinking")),
                     CHAT_DEEPSEEK_V3_1);
    tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_split_wherever_they_are_cut),
        cmocka_unit_test(nothing_is_held_back_without_need),
        cmocka_unit_test(calls_are_found),
        cmocka_unit_test(prompts),
        cmocka_unit_test(names_and_detection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
