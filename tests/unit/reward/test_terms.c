/* Terms of a reward that need no question: format, language, length, repetition.
 * SPDX-License-Identifier: MIT */
#include "reward/terms.h"
#include "tests/check.h"
#include "tests/unit/text/tiny.h"

#include <math.h>
#include <stdlib.h>

/* ---- format ---------------------------------------------------------------------------------- */

typedef struct form {
    const char *text;
    int right[4]; /* think, think opened, think_answer, think_answer opened */
} form;

static const form FORMS[] = {
    {"<think>\nso\n</think>\n4", {1, 0, 0, 0}},
    {"\n<think>so</think>4", {1, 0, 0, 0}},
    {"so</think>4", {0, 1, 0, 0}},
    {"<think>so</think>\n<answer>4</answer>\n", {1, 0, 1, 0}},
    {"so</think><answer>4</answer>", {0, 1, 0, 1}},
    {"<think>so</think>", {0, 0, 0, 0}},
    {"<think>so</think> \n", {0, 0, 0, 0}},
    {"<think>\n\n</think>4", {0, 0, 0, 0}},
    {"<think></think>4", {0, 0, 0, 0}},
    {"</think>4", {0, 0, 0, 0}},
    {"<think>so 4", {0, 0, 0, 0}},
    {"4", {0, 0, 0, 0}},
    {"", {0, 0, 0, 0}},
    {"Well, <think>so</think>4", {0, 0, 0, 0}},
    {"<think>so</think>4<think>or</think>5", {0, 0, 0, 0}},
    {"<think><think>so</think>4", {0, 0, 0, 0}},
    {"<think>so</think></think>4", {0, 0, 0, 0}},
    {"</think>so<think>4", {0, 0, 0, 0}},
    {"<think>so</think>4</think>", {0, 0, 0, 0}},
    {"<think>so</think>it is <answer>4</answer>", {1, 0, 0, 0}},
    {"<think>so</think><answer>4</answer> surely", {1, 0, 0, 0}},
    {"<think>so</think><answer>4</answer><answer>5</answer>", {1, 0, 0, 0}},
    {"<think>so</think><answer> </answer>", {1, 0, 0, 0}},
    {"<think>so</think><answer>4", {1, 0, 0, 0}},
    {"<think>so <answer>4</answer></think>5", {1, 0, 0, 0}},
    {"<answer>4</answer><think>so</think>", {0, 0, 0, 0}},
    {"<think>a</think>b<think>a</think>b<think>a</think>b<think>a</think>b<think>a</think>b",
     {0, 0, 0, 0}},
};

/* Bytes, with the thinking marks as tokens if `marks`, an end token and another control token. */
enum { OPEN = 256, CLOSE, END, TURN };

static tokenizer *open_bytes(bool marks)
{
    ponder_error err;
    buf b = {0};
    tokenizer *t;
    static tiny v;
    tiny_bytes(&v);
    buf_add_str(&b, STR("{\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{"));
    for (size_t i = 0; i < v.n; i++) {
        buf_add_str(&b, i ? STR(",\"") : STR("\""));
        tiny_spell(&b, v.token[i]);
        buf_printf(&b, "\":%zu", i);
    }
    buf_printf(
        &b,
        "}},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":"
        "false},\"added_tokens\":[{\"id\":%d,\"content\":\"%s\"},{\"id\":%d,\"content\":\"%s\"},"
        "{\"id\":%d,\"content\":\"<|im_end|>\",\"special\":true},"
        "{\"id\":%d,\"content\":\"<|im_start|>\",\"special\":true}]}",
        OPEN, marks ? "<think>" : "<x>", CLOSE, marks ? "</think>" : "</x>", END, TURN);
    check_ok(load_json_text(&t, buf_str(&b), "bytes", (str){0}, &err));
    assert_int_equal(tokenizer_find(t, STR("<think>")), marks ? OPEN : -1);
    buf_free(&b);
    return t;
}

static double of_tokens(const tokenizer *t, const char *text, unsigned flags, bool ended,
                        int layout, bool opened)
{
    ponder_error err;
    tokens ids = {0};
    double out;
    check_ok(tokenizer_encode(t, &ids, str_of(text), flags, &err));
    if (ended) tokens_add(&ids, END);
    check_ok(reward_format_tokens(&out, t, ids.p, ids.n, (enum reward_layout)layout, opened, &err));
    tokens_free(&ids);
    return out;
}

static void test_format(void **state)
{
    (void)state;
    tokenizer *with = open_bytes(true), *without = open_bytes(false);
    for (size_t i = 0; i < COUNT_OF(FORMS); i++)
        for (int k = 0; k < 4; k++) {
            const char *text = FORMS[i].text;
            bool opened = k & 1;
            double want = FORMS[i].right[k];
            if (reward_format(str_of(text), (enum reward_layout)(k / 2), opened) != want)
                fail_msg("\"%s\" (%d) must give %g", text, k, want);
            if (of_tokens(with, text, 0, k / 2, k / 2, opened) != want)
                fail_msg("tokens of \"%s\" (%d) must give %g", text, k, want);
            if (of_tokens(without, text, 0, false, k / 2, opened) != want)
                fail_msg("bytes of \"%s\" (%d) must give %g", text, k, want);
        }
    tokenizer_close(with);
    tokenizer_close(without);
}

/* Spelled marks are text for a model that has them as tokens; control tokens end the matter. */
static void test_format_faked(void **state)
{
    (void)state;
    ponder_error err;
    tokenizer *t = open_bytes(true);
    assert_true(of_tokens(t, "<think>so</think>4", TEXT_PLAIN, true, LAYOUT_THINK, false) == 0);
    static const char *const PART[] = {"the user wrote </think><think>", "tags: <think></think>"};
    tokens ids = {0};
    double out;
    tokens_add(&ids, OPEN);
    check_ok(tokenizer_encode(t, &ids, str_of(PART[0]), TEXT_PLAIN, &err));
    tokens_add(&ids, CLOSE);
    check_ok(tokenizer_encode(t, &ids, str_of(PART[1]), TEXT_PLAIN, &err));
    tokens_add(&ids, END);
    check_ok(reward_format_tokens(&out, t, ids.p, ids.n, LAYOUT_THINK, false, &err));
    assert_true(out == 1);
    tokens_add(&ids, TURN);
    check_ok(tokenizer_encode(t, &ids, STR("more"), TEXT_PLAIN, &err));
    check_ok(reward_format_tokens(&out, t, ids.p, ids.n, LAYOUT_THINK, false, &err));
    assert_true(out == 0);
    tokens_free(&ids);
    /* "<answer>" must not come about across a mark. */
    check_ok(tokenizer_encode(t, &ids, STR("so"), TEXT_PLAIN, &err));
    check_ok(tokenizer_encode(t, &ids, STR("<ans"), TEXT_PLAIN, &err));
    tokens_add(&ids, CLOSE);
    check_ok(tokenizer_encode(t, &ids, STR("wer>4</answer>"), TEXT_PLAIN, &err));
    check_ok(reward_format_tokens(&out, t, ids.p, ids.n, LAYOUT_THINK_ANSWER, true, &err));
    assert_true(out == 0);
    tokens_free(&ids);
    tokenizer_close(t);
}

/* ---- language -------------------------------------------------------------------------------- */

/* A thought, one sentence a line. */
static const struct sample {
    const char *language, *text;
} SAMPLES[] = {
    {"en", "Let me think about this problem step by step.\n"
           "We need two numbers whose sum is ten.\n"
           "Wait, that cannot be right.\n"
           "If we add both equations, the variable cancels.\n"
           "Checking the result again, everything works.\n"
           "Poincaré would have liked this argument.\n"
           "So the answer is twelve.\n"},
    {"de", "Ich denke Schritt für Schritt über die Aufgabe nach.\n"
           "Wir brauchen zwei Zahlen, deren Summe zehn ist.\n"
           "Moment, das kann nicht stimmen.\n"
           "Wenn wir beide Gleichungen addieren, fällt die Unbekannte weg.\n"
           "Die Rechnung ist damit noch nicht fertig.\n"
           "Also lautet die Antwort zwölf.\n"},
    {"fr", "Je vais réfléchir à ce problème étape par étape.\n"
           "Il nous faut deux nombres dont la somme vaut dix.\n"
           "Attends, cela ne peut pas être juste.\n"
           "Si on additionne les deux équations, la variable disparaît.\n"
           "Donc la réponse est douze.\n"},
    {"es", "Voy a pensar en este problema paso a paso.\n"
           "Necesitamos dos números cuya suma es diez.\n"
           "Espera, eso no puede ser correcto.\n"
           "Si sumamos las dos ecuaciones, la variable desaparece.\n"
           "Entonces la respuesta es doce.\n"},
    {"it", "Penso a questo problema un passo alla volta.\n"
           "Ci servono due numeri la cui somma è dieci.\n"
           "Aspetta, questo non può essere giusto.\n"
           "Se sommiamo le due equazioni, la variabile sparisce.\n"
           "Quindi la risposta è dodici.\n"},
    {"pt", "Vou pensar neste problema passo a passo.\n"
           "Precisamos de dois números cuja soma é dez.\n"
           "Espera, isso não pode estar certo.\n"
           "Se somarmos as duas equações, a variável desaparece.\n"
           "Então a resposta é doze.\n"},
    {"nl", "Ik denk stap voor stap over dit probleem na.\n"
           "We hebben twee getallen nodig waarvan de som tien is.\n"
           "Wacht, dat kan niet kloppen.\n"
           "Als we de twee vergelijkingen optellen, valt de onbekende weg.\n"
           "Dus het antwoord is twaalf.\n"},
    {"zh", "让我一步一步地想这个问题。\n我们需要两个数，它们的和是十。\n等等，这不对。\n所以答案是"
           "十二。\n"},
    {"ja",
     "この問題を順番に考えてみます。\n和が十になる数を二つ見つけます。\nだから答えは十二です。\n"},
    {"ko", "이 문제를 차근차근 생각해 보자.\n두 수의 합은 열이다.\n"},
    {"ru",
     "Подумаем над этой задачей по шагам.\nНам нужны два числа, сумма которых равна десяти.\n"},
    {"el", "Ας σκεφτούμε το πρόβλημα βήμα προς βήμα.\n"},
    {"ar", "لنفكر في هذه المسألة خطوة بخطوة.\n"},
    {"he", "בואו נחשוב על הבעיה הזאת צעד אחר צעד.\n"},
    {"hi", "आइए इस समस्या पर एक एक कदम सोचते हैं।\n"},
    {"th", "ลองคิดปัญหานี้ทีละขั้นตอน\n"},
};

static void test_language(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(SAMPLES); i++)
        for (size_t k = 0; k < COUNT_OF(SAMPLES); k++) {
            reward_words w = reward_language(str_of(SAMPLES[i].text), str_of(SAMPLES[k].language));
            bool own = i == k;
            if (own ? w.share < 0.99 : w.share > 0.01)
                fail_msg("text in %s has a share of %.3f in %s", SAMPLES[i].language, w.share,
                         SAMPLES[k].language);
        }
    assert_false(reward_language_known(STR("xx")));
    assert_true(reward_language_known(STR("zh")));
}

/* One sentence of another language is told from the others, whichever two they are. */
static void test_language_mixed(void **state)
{
    (void)state;
    int wrong = 0, all = 0;
    for (size_t i = 0; i < COUNT_OF(SAMPLES); i++) {
        str lines = str_of(SAMPLES[i].text);
        for (size_t at = 0, end; at < lines.n; at = end + 1) {
            end = str_find(lines, STR("\n"), at);
            str line = {lines.p + at, end - at};
            for (size_t k = 0; k < COUNT_OF(SAMPLES); k++, all++) {
                bool own = reward_language(line, str_of(SAMPLES[k].language)).share > 0.5;
                if (own != (i == k)) {
                    wrong++;
                    print_message("# %.*s: %s\n", STR_ARG(line), SAMPLES[k].language);
                }
            }
        }
    }
    print_message("# sentences alone: %d of %d verdicts wrong\n", wrong, all);
    assert_true(wrong * 100 <= all);
}

static void check_share(const char *language, const char *text, double least, double most)
{
    double share = reward_language(str_of(text), str_of(language)).share;
    if (share < least || share > most)
        fail_msg("\"%s\": %.3f in %s, wanted %g..%g", text, share, language, least, most);
}

static void test_language_neutral(void **state)
{
    (void)state;
    check_share("zh", "设 $x + y = 3$，则 x 等于 2，y = 1。使用 GPU 计算 sin(x) 和 `max_value`。",
                1, 1);
    check_share("zh", "```python\nfor item in range(10): print(item)\n```\n这段代码输出十个数。", 1,
                1);
    check_share("zh", "见 https://example.org/some/page 的说明，\\frac{a}{b} 也是。", 1, 1);
    check_share("zh", "所以 the answer is 十二", 0.2, 0.8);
    check_share("en",
                "The sum of α and β is x_1 + y2, i.e. $\\alpha + \\beta$ or \\(\\text{wert}\\).", 1,
                1);
    check_share("en", "", 1, 1);
    check_share("en", "$$x^2$$ 12 + 3 = 15", 1, 1);
    /* Nothing hides in code or a formula. */
    check_share("en", "The answer is $所以答案是十二个苹果$ now.", 0, 0.5);
    check_share("en", "It costs $5 and the rest costs $6 more.", 1, 1);
    check_share("zh", "It costs $5 and the rest costs $6 more.", 0, 0);
    /* A fence that never closes protects nothing. */
    check_share("zh", "``` this is the whole of it", 0, 0);
    check_share("zh", "$this is the whole of it", 0, 0);
    check_share("en", "So we have it. 所以我们得到了答案是这样的。", 0.2, 0.5);
    /* A sentence that says nothing about its language follows the one before. */
    check_share("en", "Das ist die Summe der Zahlen. Apfel Banane.", 0, 0);
    check_share("en", "This is the sum of the numbers. Calculation finished.", 1, 1);
    check_share("en", "\xFF\xFE the sum of it \xE4\xB8", 1, 1);
}

/* Real questions: the English and the Chinese sets of ../shared/data. */
static void test_language_data(void **state)
{
    (void)state;
    static const struct {
        const char *file, *language;
        double least;
    } SET[] = {{"gsm8k_test.jsonl", "en", 0.99},
               {"math500.jsonl", "en", 0.98},
               {"cmath_dev.jsonl", "zh", 0.99},
               {"gaokao_mcq_zh.jsonl", "zh", 0.5}};
    const char *root = getenv("PONDER_SHARED");
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(SET); i++) {
        char path[1000];
        buf b = {0};
        snprintf(path, sizeof path, "%s/data/%s", root ? root : "../shared", SET[i].file);
        if (file_read(&b, path, 64 << 20, NULL) != PONDER_OK) continue;
        any = true;
        size_t n = 0, low = 0;
        reward_words sum = {0};
        str text = buf_str(&b);
        for (size_t at = 0, end; at < text.n; at = end + 1) {
            json_t *row;
            end = size_min(str_find(text, STR("\n"), at), text.n);
            if (json_parse(&row, (str){text.p + at, end - at}, "row", NULL) != PONDER_OK) continue;
            str problem = json_str(json_object_get(row, "problem"));
            reward_words w = reward_language(problem, str_of(SET[i].language));
            sum.target += w.target;
            sum.other += w.other;
            low += w.share < 0.9;
            n++;
            json_decref(row);
        }
        double share = (double)sum.target / (double)(sum.target + sum.other);
        print_message("# %s: %.4f of the words are %s; %zu of %zu rows below 0.9\n", SET[i].file,
                      share, SET[i].language, low, n);
        assert_true(share >= SET[i].least);
        buf_free(&b);
    }
    if (!any) skip();
}

/* ---- length and repetition
 * ------------------------------------------------------------------------ */

static void test_length(void **state)
{
    (void)state;
    assert_true(reward_overlong(0, 100, 20) == 0);
    assert_true(reward_overlong(80, 100, 20) == 0);
    assert_true(reward_overlong(90, 100, 20) == -0.5);
    assert_true(reward_overlong(100, 100, 20) == -1);
    assert_true(reward_overlong(101, 100, 20) == -1);
    assert_true(reward_overlong(100, 100, 0) == 0);
    assert_true(reward_overlong(101, 100, 0) == -1);
    assert_true(reward_overlong(0, 0, 0) == 0);
    assert_true(reward_cosine(0, 100, 2, 1) == 2);
    assert_true(fabs(reward_cosine(50, 100, 2, 1) - 1.5) < 1e-12);
    assert_true(reward_cosine(100, 100, 2, 1) == 1);
    assert_true(reward_cosine(999, 100, -10, 0) == 0);
    assert_true(reward_cosine(0, 0, 2, 1) == 1);
}

/* By the definition: every earlier place is looked at. */
static double repetition_slow(const int32_t *ids, size_t n, size_t gram)
{
    size_t repeated = 0, grams = n - gram + 1;
    for (size_t i = 1; i < grams; i++) {
        bool before = false;
        for (size_t k = 0; k < i && !before; k++)
            before = memcmp(ids + k, ids + i, gram * sizeof *ids) == 0;
        repeated += before;
    }
    return (double)repeated / (double)grams;
}

/* Every end and every period are tried. */
static reward_loop loop_slow(const int32_t *ids, size_t n, size_t times, size_t least)
{
    for (size_t k = n; k >= size_max(least, 1); k--)
        for (size_t period = 1; k / period >= times && period < k; period++) {
            bool same = true;
            for (size_t i = n - k; same && i + period < n; i++) same = ids[i] == ids[i + period];
            if (same) return (reward_loop){period, k};
        }
    return (reward_loop){0};
}

static void test_repetition(void **state)
{
    (void)state;
    ponder_error err;
    double out;
    int32_t ids[400];
    for (uint64_t round = 0; round < 300; round++) {
        size_t n = 1 + rng_below(round < 250 ? 40 : 400, 1, round, 0, RNG_TEST);
        uint64_t kinds = 1 + rng_below(4, 2, round, 0, RNG_TEST);
        size_t period = 1 + rng_below(12, 5, round, 0, RNG_TEST), tail = n / 2;
        for (size_t i = 0; i < n; i++)
            ids[i] = round % 2 && i >= tail + period
                         ? ids[i - period]
                         : (int32_t)rng_below(kinds, 3, round, i, RNG_TEST) * 1000003;
        for (int gram = 1; gram <= 6; gram++) {
            check_ok(reward_repetition(&out, ids, n, gram, &err));
            double want = n <= (size_t)gram ? 0 : repetition_slow(ids, n, (size_t)gram);
            assert_true(out == want);
        }
        for (size_t times = 2; times <= 4; times++) {
            reward_loop loop, slow = loop_slow(ids, n, times, 6);
            check_ok(reward_find_loop(&loop, ids, n, times, 6, &err));
            assert_int_equal(loop.tokens, slow.tokens);
            assert_int_equal(loop.period, slow.period);
        }
    }
    assert_int_equal(reward_repetition(&out, ids, 10, 0, &err), PONDER_EARG);
    assert_int_equal(reward_repetition(&out, ids, 10, 65, &err), PONDER_EARG);
    check_ok(reward_repetition(&out, NULL, 0, 3, &err));
    assert_true(out == 0);
}

/* A million tokens, repeating or not, in about linear time. */
static void test_linear(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    ponder_error err;
    int32_t *ids = malloc(N * sizeof *ids);
    double out, start = check_cpu_seconds();
    reward_loop loop;
    assert_non_null(ids);
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < N; i++)
            ids[i] = kind == 0 ? 7 : kind == 1 ? i : i % 1000 == 999 ? i : i % 2;
        check_ok(reward_repetition(&out, ids, N, 20, &err));
        check_ok(reward_find_loop(&loop, ids, N, 3, 64, &err));
        assert_true(kind == 1 ? out == 0 : out > 0.9);
        assert_int_equal(loop.tokens, kind == 0 ? N : kind == 1 ? 0 : loop.tokens);
    }
    assert_true(check_cpu_seconds() - start < 30);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),           cmocka_unit_test(test_format_faked),
        cmocka_unit_test(test_language),         cmocka_unit_test(test_language_mixed),
        cmocka_unit_test(test_language_neutral), cmocka_unit_test(test_language_data),
        cmocka_unit_test(test_length),           cmocka_unit_test(test_repetition),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests_name("terms", tests, NULL, NULL);
}
