/* reward: verifiers of puzzles against right, wrong and dishonest answers, and against solvers that try
 * everything.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "reward/reward.h"
#include "reward/task/task.h"

#include <stdlib.h>

static ponder_error err;

/* Equal, or not, or a malformed puzzle. */
enum { NO, YES, BAD };

static int judge(const char *kind, const char *puzzle, const char *gold, str answer)
{
    json_t *p = NULL;
    if (puzzle) check_ok(json_parse(&p, str_of(puzzle), "puzzle", &err));
    reward_question q = {str_of(kind), str_of(gold ? gold : ""), p};
    reward_verdict v;
    ponder_status st = reward_verify(&v, &q, answer, REWARD_ANSWER, &err);
    json_decref(p);
    if (st == PONDER_EFORMAT) return BAD;
    assert_int_equal(st, PONDER_OK);
    assert_non_null(v.reason);
    return v.equal;
}

static void expect(const char *kind, const char *puzzle, const char *gold, const char *answer, int want)
{
    int got = judge(kind, puzzle, gold, str_of(answer));
    if (got != want) fail_msg("%s %s: \"%s\" is %d, not %d", kind, puzzle ? puzzle : gold, answer, got, want);
}

/* Answers, and what they are; ends with {NULL}. */
struct row {
    const char *answer;
    int want;
};

static void expect_all(const char *kind, const char *puzzle, const char *gold, const struct row *rows)
{
    for (; rows->answer; rows++) expect(kind, puzzle, gold, rows->answer, rows->want);
}

/* ---- the kinds -------------------------------------------------------------------------------------- */

static void countdown_kind(void **state)
{
    (void)state;
    static const struct row ROWS[] = {
        {"(8-3)*5-1", YES}, {"( 8 - 3 ) * 5 - 1 = 24", YES}, {"(8 − 3) × 5 − 1", YES}, {"5x(8-3)-1", YES},
        {"$5 \\times (8-3) - 1$", YES}, {"\\(5\\cdot(8-3)-1\\)", YES}, {"5·(8-3)-1.", YES},
        {"\\left(8-3\\right)*5-1", YES}, {"（8-3）*5-1", YES}, {"[8-3]*5-1", YES}, {"((((8-3))))*5-1", YES},
        {"24", NO}, {"", NO}, {"()", NO}, {"8*3*1", NO}, {"8*3", NO}, {"8*3*1*5/5", NO},
        {"(8-3)*5-1 = 25", NO}, {"(8-3)*5-1 = 24 = 24", NO}, {"24 = (8-3)*5-1", NO}, {"(8-3)*5-1=24.0", NO},
        {"(8-3)*5-1 or 8*3", NO}, {"8*3 (8-3)*5-1", NO}, {"(8-3)*5-1, (8-3)*5-1", NO}, {"(8-3)*5-1;", NO},
        {"9**9**9", NO}, {"(8-3)**5-1", NO}, {"8^3*5*1", NO}, {"(8-3)*5--1", NO}, {"-1+(8-3)*5", NO},
        {"(-1)+(8-3)*5", NO}, {"+(8-3)*5-1", NO}, {"(8-3)5-1", NO}, {"(8-3)(5)-1", NO}, {"3.5*8-1-3", NO},
        {"35-8-1", NO}, {"(8-3)*5-01", NO}, {"(8-3)*5-1.0", NO}, {"(8-3)*5//1-1", NO}, {"(8-3]*5-1", NO},
        {"(8-3)*5-1)", NO}, {"((8-3)*5-1", NO}, {"(8-3)*5-1%5", NO}, {"sqrt(8-3)*5-1", NO},
        {"8/(3-3)", NO}, {"__import__('os')", NO}, {"(8-3)*5-1e0", NO}, {"(8-3)*5-0x1", NO},
        {"\\frac{8}{3}", NO}, {"(8-3)*5-1!", NO}, {"8 8 8", NO}, {"3 5 1 8", NO}, {NULL, NO}};
    expect_all("countdown", "{\"numbers\":[3,5,1,8],\"target\":24}", NULL, ROWS);
    /* The numbers and the target of the known expression. */
    expect_all("countdown", NULL, "(8-3)*5-1", ROWS);

    static const struct row FRACTIONS[] = {{"8/(3-8/3)", YES}, {"8/(3-(8/3))", YES}, {"(3-8/3)/8", NO}, {NULL, NO}};
    expect_all("countdown", "{\"numbers\":[3,3,8,8],\"target\":24}", NULL, FRACTIONS);
    expect("countdown", "{\"numbers\":[7,2],\"target\":3}", NULL, "7/2", NO); /* 3.5 is not 3 */
    expect("countdown", "{\"numbers\":[1,2],\"target\":-1}", NULL, "1-2", YES);
    expect("countdown", "{\"numbers\":[999999,999999,999999,999999],\"target\":1}", NULL,
           "999999*999999*999999*999999", NO);
    expect("countdown", "{\"numbers\":[5,5,0],\"target\":1}", NULL, "5/(5-0)", YES);
    expect("countdown", "{\"numbers\":[5,5,0],\"target\":0}", NULL, "0/(5-5)", NO);

    static const char *const MALFORMED[] = {
        "{}", "[]", "{\"numbers\":[],\"target\":1}", "{\"numbers\":[1],\"target\":\"1\"}",
        "{\"numbers\":[1.5],\"target\":1}", "{\"numbers\":[-1],\"target\":1}", "{\"numbers\":[1]}",
        "{\"numbers\":1,\"target\":1}", "{\"numbers\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"target\":17}",
        "{\"numbers\":[9223372036854775807],\"target\":1}", "{\"numbers\":[null],\"target\":1}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++) expect("countdown", MALFORMED[i], "1", "1", BAD);
}

static void list_kind(void **state)
{
    (void)state;
    static const struct row ROWS[] = {
        {"3 -1 20", YES}, {"[3, -1, 20]", YES}, {"(3,-1,20)", YES}, {"{3; -1; 20}", YES}, {"3, -1, 20.", YES},
        {"\\{3, -1, 20\\}", YES}, {"【3，−1，20】", YES}, {"[3 -1 20]", YES}, {"$[3,-1,20]$", YES}, {"3\n-1\n20", YES},
        {"3 -1", NO}, {"3 -1 20 20", NO}, {"-1 3 20", NO}, {"[3, -1, 20", NO}, {"3, -1, 20]", NO}, {"[3, -1, 20)", NO},
        {"3.0 -1 20", NO}, {"3 -1 20 or 3 20 -1", NO}, {"[3,-1,20] [3,-1,20]", NO}, {"[[3,-1,20]]", NO}, {"3-120", NO},
        {"3 - 1 20", NO}, {"31 20", NO}, {"+3 -1 20", NO}, {"03 -1 20", NO}, {"three -1 20", NO}, {"[3,-1,,20]", YES},
        {"[,3,-1,20]", NO}, {"[3,-1,20,]", NO}, {"99999999999999999999 -1 20", NO}, {"", NO}, {"[]", NO},
        {"sorted(3 -1 20)", NO}, {NULL, NO}};
    expect_all("list", NULL, "3 -1 20", ROWS);
    expect_all("list", NULL, "[3, -1, 20]", ROWS);
    expect("list", NULL, "[]", "[]", YES);
    expect("list", NULL, "[]", "( )", YES);
    expect("list", NULL, "[]", "0", NO);
    expect("list", NULL, "0", "-0", NO);
    expect("list", NULL, "none", "none", NO);
}

static void boolean_kind(void **state)
{
    (void)state;
    static const struct row ROWS[] = {
        {"true", YES}, {"True", YES}, {"TRUE.", YES}, {"T", YES}, {"1", YES}, {"yes", YES}, {"真", YES}, {"是", YES},
        {"\\text{true}", YES}, {"$\\top$", YES}, {"false", NO}, {"F", NO}, {"0", NO}, {"假", NO}, {"not true", NO},
        {"true or false", NO}, {"true false", NO}, {"true, true", NO}, {"untrue", NO}, {"truest", NO}, {"不成立", NO},
        {"10", NO}, {"tt", NO}, {"", NO}, {NULL, NO}};
    expect_all("boolean", NULL, "true", ROWS);
    expect("boolean", NULL, "false", "F", YES);
    expect("boolean", NULL, "不成立", "false", YES);
    expect("boolean", NULL, "maybe", "maybe", NO);
}

static void knights_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"names\":[\"Ann\",\"Bob\",\"A\"],\"statements\":[[\"knave\",\"Bob\"],"
                                 "[\"and\",[\"knight\",\"Ann\"],[\"not\",[\"knight\",\"Ann\"]]],[\"if\",[\"same\","
                                 "\"Ann\",\"A\"],[\"iff\",[\"differ\",\"A\",\"Bob\"],[\"or\",[\"knave\",\"Bob\"],"
                                 "[\"knight\",\"Bob\"]]]]]}";
    static const struct row ROWS[] = {
        {"Ann: knight, Bob: knave, A: knight", YES}, {"Ann is a knight, Bob is a knave, and A is a knight.", YES},
        {"A=knight; Bob=knave; Ann=knight", YES}, {"Ann and A are knights, Bob is a knave", YES},
        {"Knights: Ann, A. Knaves: Bob", YES}, {"Ann是骑士，Bob是无赖，A是骑士。", YES}, {"Ann和A都是骑士，Bob是骗子", YES},
        {"Ann: Knight\nBob: Knave\nA: Knight", YES}, {"(Ann, knight), (Bob, knave), (A, knight)", YES},
        {"Ann: knight, Bob: knight, A: knight", NO}, {"Ann: knave, Bob: knave, A: knight", NO},
        {"Ann: knight, Bob: knave", NO}, {"Ann: knight, Bob: knave, A: knight, Ann: knight", NO},
        {"Ann: knight, Ann: knave, Bob: knave, A: knight", NO}, {"Ann: knight knave, Bob: knave, A: knight", NO},
        {"Ann: knight or knave, Bob: knave, A: knight", NO}, {"Ann is not a knave, Bob: knave, A: knight", NO},
        {"Ann: knight, Bob: knave, A: knight, Cal: knave", NO}, {"ann: knight, bob: knave, a: knight", NO},
        {"Ann says Bob is a knave, so Ann: knight, Bob: knave, A: knight", NO}, {"Ann, Bob, A: knight, knave, knight", NO},
        {"Knights: Ann, A. Knaves: Bob. Knights: Bob", NO}, {"Knights: Ann, A, Bob. Knaves: none", NO},
        {"knight, knave, knight", NO}, {"Bob is a knave", NO}, {"Ann Bob A", NO}, {"", NO},
        {"Annie: knight, Bob: knave, A: knight", NO}, {"Knights Knaves: Ann, Bob, A", NO}, {NULL, NO}};
    expect_all("knights", PUZZLE, NULL, ROWS);
    expect_all("knights", NULL, "Ann: knight, Bob: knave, A: knight", ROWS);
    static const char TWO[] = "{\"names\":[\"x\",\"y\"],\"statements\":[[\"same\",\"x\",\"y\"],[\"same\",\"x\",\"y\"]]}";
    expect("knights", TWO, NULL, "Knights: x, y. Knaves: none", YES);
    expect("knights", TWO, NULL, "Knaves: none; knights: x, y", YES);
    expect("knights", TWO, NULL, "Knaves: none, x; knights: y", NO);
    expect("knights", NULL, "小明是骑士，小红是无赖", "小红: knave; 小明: knight", YES);
    expect("knights", NULL, "小明是骑士，小红是无赖", "小明是无赖，小红是骑士", NO);
    expect("knights", NULL, "nothing", "nothing", NO);

    static const char *const MALFORMED[] = {
        "{}", "{\"names\":[\"x\"],\"statements\":[]}", "{\"names\":[\"x\"],\"statements\":[[\"knight\",\"y\"]]}",
        "{\"names\":[\"x\",\"x\"],\"statements\":[[\"knight\",\"x\"],[\"knight\",\"x\"]]}",
        "{\"names\":[\"\"],\"statements\":[[\"knight\",\"\"]]}", "{\"names\":[\"x\"],\"statements\":[[\"says\",\"x\"]]}",
        "{\"names\":[\"x\"],\"statements\":[[\"and\",[\"knight\",\"x\"]]]}", "{\"names\":[\"x\"],\"statements\":[3]}",
        "{\"names\":[\"x\"],\"statements\":[[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"not\","
        "[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"not\",[\"knight\",\"x\"]"
        "]]]]]]]]]]]]]]]]]]]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++) expect("knights", MALFORMED[i], "", "x: knight", BAD);
}

static void sudoku_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"grid\":[\"12.4\",\"..1.\",\".1..\",\"4..1\"]}";
    static const struct row ROWS[] = {
        {"1324 2413 3142 4231", NO}, {"1234 3412 2143 4321", YES}, {"1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1", YES},
        {"1234341221434321", YES}, {"|12|34|\n|34|12|\n|--+--|\n|21|43|\n|43|21|", YES},
        {"[[1,2,3,4],[3,4,1,2],[2,1,4,3],[4,3,2,1]]", YES}, {"1234 3412 2143 432", NO}, {"1234 3412 2143 43211", NO},
        {"1234 3412 2143 4312", NO}, {"1234 3412 2134 4321", NO}, {"1..4 ..1. .1.. 4..1", NO}, {"1204 3412 2143 4321", NO},
        {"1234 3412 2143 4321 or 1234 3412 2143 4321", NO}, {"r1: 1234 3412 2143 4321", NO}, {"5234 3412 2143 4321", NO},
        {"", NO}, {NULL, NO}};
    expect_all("sudoku", PUZZLE, NULL, ROWS);
    expect_all("sudoku", NULL, "1234 3412 2143 4321", ROWS);
    expect("sudoku", "{\"grid\":[\"2...\",\"....\",\"....\",\"....\"]}", NULL, "1234 3412 2143 4321", NO);
    expect("sudoku", NULL, "1234 3412 2143 4312", "1234 3412 2143 4312", NO); /* the known one breaks the rules */
    expect("sudoku",
           "{\"grid\":[\"53..7....\",\"6..195...\",\".98....6.\",\"8...6...3\",\"4..8.3..1\",\"7...2...6\",\".6....28.\","
           "\"...419..5\",\"....8..79\"]}",
           NULL, "534678912672195348198342567859761423426853791713924856961537284287419635345286179", YES);
    static const char *const MALFORMED[] = {
        "{}", "{\"grid\":[]}", "{\"grid\":[\"1..4\",\"..1.\",\".1..\"]}", "{\"grid\":[\"1..4\",\"..1.\",\".1..\",\"4.1\"]}",
        "{\"grid\":[\"1..4\",\"..1.\",\".1..\",\"4..0\"]}", "{\"grid\":[1,2,3,4]}", "{\"grid\":\"1..4\"}",
        "{\"grid\":[\"1....\",\".....\",\".....\",\".....\",\".....\"]}", "{\"grid\":[\"\",\"\",\"\",\"\"]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++) expect("sudoku", MALFORMED[i], "", "1234 3412 2143 4321", BAD);
}

static void path_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"grid\":[\"S.#\",\".#.\",\"..E\"]}";
    static const struct row ROWS[] = {
        {"DDRR", YES}, {"ddrr", YES}, {"D D R R", YES}, {"D, D, R, R", YES}, {"down down right right", YES},
        {"Down, Down, Right, Right.", YES}, {"D->D->R->R", YES}, {"↓↓→→", YES}, {"下下右右", YES}, {"下、下、右、右", YES},
        {"[\"D\",\"D\",\"R\",\"R\"]", YES}, {"RRDD", NO}, {"RDDR", NO}, {"DDR", NO}, {"DDRRL", NO}, {"DDRLRR", NO},
        {"DUDDRR", NO}, {"DDRRDDRR", NO}, {"DDRR or RRDD", NO}, {"DDRR none", NO}, {"none", NO}, {"DDXR", NO},
        {"go DDRR", NO}, {"LLLL", NO}, {"", NO}, {"4", NO}, {NULL, NO}};
    expect_all("path", PUZZLE, NULL, ROWS);
    expect_all("path", NULL, "DDRR", ROWS);
    static const char CLOSED[] = "{\"grid\":[\"S#\",\"#E\"]}";
    expect("path", CLOSED, NULL, "none", YES);
    expect("path", CLOSED, NULL, "No path", YES);
    expect("path", CLOSED, NULL, "无解", YES);
    expect("path", CLOSED, NULL, "DR", NO);
    expect("path", CLOSED, NULL, "none or DR", NO);
    expect("path", NULL, "none", "unreachable", YES);
    expect("path", "{\"grid\":[\"S..\",\"...\",\"..E\"]}", NULL, "DRDR", YES); /* any shortest way */
    static const char *const MALFORMED[] = {"{}", "{\"grid\":[\"S.\"]}", "{\"grid\":[\"SE\",\"E.\"]}", "{\"grid\":[\"SE\",\".\"]}",
                                            "{\"grid\":[\"SE\",\".x\"]}", "{\"grid\":[]}", "{\"grid\":[null]}",
                                            "{\"grid\":[\"SE\",\"S.\"]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++) expect("path", MALFORMED[i], "", "R", BAD);
}

static void sat_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"variables\":4,\"clauses\":[[1,-2],[2,3],[-1,-3]]}";
    static const struct row ROWS[] = {
        {"x1=1, x2=1, x3=0, x4=0", YES}, {"x1=1 x2=1 x3=0", YES}, {"x1=T; x2=true; x3=F", YES}, {"x1 x2 ~x3", YES},
        {"x1 x2 x3'", YES}, {"x1, x2, ¬x3", YES}, {"x_1 = 1, x_{2} = 1, x_3 = 0", YES}, {"x1=真，x2=真，x3=假", YES},
        {"x1: true\nx2: true\nx3: false", YES}, {"not x1, not x2, x3", YES}, {"x1=1 x2=1", NO}, {"x1=1 x2=1 x3=1", NO},
        {"x1=1 x1=0 x2=1 x3=0", NO}, {"x1=1 x1=1 x2=1 x3=0", NO}, {"x1=1 x2=1 x3=0 unsat", NO}, {"unsat", NO},
        {"x1=1 x2=1 x3=0 x5=1", NO}, {"x1=10 x2=1 x3=0", NO}, {"x1=1x2=1x3=0", NO}, {"x1 x2 ~~x3", NO}, {"~x3=1 x1 x2", NO},
        {"x0=1 x1=1 x2=1 x3=0", NO}, {"1 1 0", NO}, {",", NO}, {"", NO}, {"satisfiable", NO},
        {"x1=1 x2=1 x3=0 or x1=0 x2=0 x3=1", NO}, {"x1=1|0 x2=1 x3=0", NO}, {NULL, NO}};
    expect_all("sat", PUZZLE, NULL, ROWS);
    static const char NEVER[] = "{\"variables\":2,\"clauses\":[[1,2],[1,-2],[-1,2],[-1,-2]]}";
    expect("sat", NEVER, NULL, "unsat", YES);
    expect("sat", NEVER, NULL, "Unsatisfiable.", YES);
    expect("sat", NEVER, NULL, "不可满足", YES);
    expect("sat", NEVER, NULL, "x1=1 x2=1", NO);
    expect("sat", NEVER, NULL, ",;", NO);
    expect("sat", NULL, "x1=1 x2=0", "~x2 x1", YES);
    expect("sat", NULL, "x1=1 x2=0", "x1", NO);
    expect("sat", NULL, "unsat", "unsat", YES);
    expect("sat", NULL, "unsat", "x1", NO);
    static const char *const MALFORMED[] = {"{}", "{\"variables\":2,\"clauses\":[]}", "{\"variables\":2,\"clauses\":[[]]}",
                                            "{\"variables\":2,\"clauses\":[[3]]}", "{\"variables\":2,\"clauses\":[[0]]}",
                                            "{\"variables\":65,\"clauses\":[[1]]}", "{\"variables\":2,\"clauses\":[1]}",
                                            "{\"clauses\":[[1]]}", "{\"variables\":2,\"clauses\":[[\"1\"]]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++) expect("sat", MALFORMED[i], "", "x1", BAD);
}

static void coloring_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"nodes\":3,\"colors\":3,\"edges\":[\"AB\",\"BC\"]}";
    static const struct row ROWS[] = {
        {"A=1 B=2 C=1", YES}, {"A:1, B:3, C:2", YES}, {"A1 B2 C1", YES}, {"C=1; A=1; B=2.", YES}, {"A-1, B-2, C-1", YES},
        {"A=1 B=1 C=2", NO}, {"A=1 B=2", NO}, {"A=1 B=2 C=1 D=1", NO}, {"A=1 A=2 B=2 C=1", NO}, {"A=1 B=4 C=1", NO},
        {"A=0 B=1 C=2", NO}, {"A=1 B=2 C=1 none", NO}, {"none", NO}, {"A=12 B=2 C=1", NO}, {"1 2 1", NO}, {"a=1 b=2 c=1", NO},
        {"A=1,2 B=3 C=1", NO}, {"", NO}, {",", NO}, {NULL, NO}};
    expect_all("coloring", PUZZLE, NULL, ROWS);
    static const char NEVER[] = "{\"nodes\":3,\"colors\":2,\"edges\":[\"AB\",\"BC\",\"CA\"]}";
    expect("coloring", NEVER, NULL, "none", YES);
    expect("coloring", NEVER, NULL, "无解", YES);
    expect("coloring", NEVER, NULL, "A=1 B=2 C=1", NO);
    expect("coloring", NULL, "A=1 B=2", "B:2, A:1", YES);
    expect("coloring", NULL, "A=1 B=2", "A=2 B=1", NO);
    static const char *const MALFORMED[] = {
        "{}", "{\"nodes\":27,\"colors\":3,\"edges\":[]}", "{\"nodes\":3,\"colors\":0,\"edges\":[]}",
        "{\"nodes\":3,\"colors\":3,\"edges\":[\"AD\"]}", "{\"nodes\":3,\"colors\":3,\"edges\":[\"AA\"]}",
        "{\"nodes\":3,\"colors\":3,\"edges\":[\"A\"]}", "{\"nodes\":3,\"colors\":3}", "{\"nodes\":3,\"colors\":3,\"edges\":[1]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++) expect("coloring", MALFORMED[i], "", "A=1 B=2 C=1", BAD);
}

/* ---- size and time ------------------------------------------------------------------------------------ */

/* n times `piece`, and `tail`. */
static void repeat(buf *b, const char *piece, int n, const char *tail)
{
    buf_clear(b);
    for (int i = 0; i < n; i++) buf_add(b, piece, strlen(piece));
    buf_add(b, tail, strlen(tail));
}

static void huge_answers_end_soon(void **state)
{
    (void)state;
    static const char *const PIECES[] = {"(", "9**", "1+", "-", "x1=1 ", "[", "R", "Ann: knight ", "A=1 ", "\xff", "$", "9"};
    static const struct { const char *kind, *puzzle; } KINDS[] = {
        {"countdown", "{\"numbers\":[1,2],\"target\":3}"}, {"list", NULL}, {"boolean", NULL},
        {"knights", "{\"names\":[\"Ann\"],\"statements\":[[\"knight\",\"Ann\"]]}"},
        {"sudoku", "{\"grid\":[\"1..4\",\"..1.\",\".1..\",\"4..1\"]}"}, {"path", "{\"grid\":[\"S.E\"]}"},
        {"sat", "{\"variables\":1,\"clauses\":[[1]]}"}, {"coloring", "{\"nodes\":1,\"colors\":1,\"edges\":[]}"}};
    buf b = {0};
    uint64_t start = clock_ns();
    int judged = 0;
    for (size_t k = 0; k < COUNT_OF(KINDS); k++)
        for (size_t i = 0; i < COUNT_OF(PIECES); i++)
            for (int n = 100; n <= 1000000; n *= 100, judged++) {
                repeat(&b, PIECES[i], n, "");
                assert_int_equal(judge(KINDS[k].kind, KINDS[k].puzzle, "1", buf_str(&b)), NO);
                assert_int_equal(judge(KINDS[k].kind, NULL, "1", (str){b.p, b.n}), NO);
            }
    assert_true((double)(clock_ns() - start) / judged < 50e6);
    buf_free(&b);
}

/* Pigeons: more of them than holes, which takes a search exponential time. */
static void hard_puzzles_end_soon(void **state)
{
    (void)state;
    enum { HOLES = 7, PIGEONS = HOLES + 1 };
    buf b = {0};
    buf_printf(&b, "{\"variables\":%d,\"clauses\":[", HOLES * PIGEONS);
    for (int p = 0; p < PIGEONS; p++)
        for (int h = 0; h < HOLES; h++)
            buf_printf(&b, "%s%d%s", h ? "," : "[", p * HOLES + h + 1, h + 1 == HOLES ? "]," : "");
    for (int h = 0; h < HOLES; h++)
        for (int p = 0; p < PIGEONS; p++)
            for (int q = 0; q < p; q++) buf_printf(&b, "[-%d,-%d],", p * HOLES + h + 1, q * HOLES + h + 1);
    buf_printf(&b, "[1,-1]]}");
    uint64_t start = clock_ns();
    assert_in_range(judge("sat", b.p, NULL, STR("unsat")), NO, YES);
    assert_true(clock_ns() - start < 500000000);
    buf_free(&b);
}

/* ---- against solvers that try everything ---------------------------------------------------------- */

static json_t *make(task_problem *p, const char *family, int level, uint64_t i)
{
    task_options o = {.level = level, .seed = 77, .lang = i % 2 ? TASK_ZH : TASK_EN};
    json_t *puzzle = NULL;
    check_ok(task_generate(p, task_find(str_of(family)), &o, i, &err));
    check_ok(json_parse(&puzzle, buf_str(&p->puzzle), family, &err));
    return puzzle;
}

static bool accepts(const char *kind, const json_t *puzzle, str answer)
{
    const reward_question q = {str_of(kind), {0}, puzzle};
    reward_verdict v;
    check_ok(reward_verify(&v, &q, answer, REWARD_ANSWER, &err));
    return v.equal;
}

/* Can the fractions be joined to the target? Tries all pairs and operations. */
static bool reachable(const double *v, int n, double target)
{
    if (n == 1) return v[0] - target < 1e-9 && target - v[0] < 1e-9;
    double rest[8];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            if (i == j) continue;
            int m = 0;
            for (int k = 0; k < n; k++)
                if (k != i && k != j) rest[m++] = v[k];
            const double results[] = {v[i] + v[j], v[i] - v[j], v[i] * v[j], v[j] != 0 ? v[i] / v[j] : 0};
            for (int k = 0; k < (v[j] != 0 ? 4 : 3); k++) {
                rest[m] = results[k];
                if (reachable(rest, m + 1, target)) return true;
            }
        }
    return false;
}

static void countdowns_have_solutions(void **state)
{
    (void)state;
    task_problem p = {0};
    for (int level = 1; level <= 4; level++)
        for (uint64_t i = 0; i < 50; i++) {
            json_t *puzzle = make(&p, "countdown", level, i);
            double v[8];
            int n = 0;
            for (json_t *x; (x = json_array_get(json_object_get(puzzle, "numbers"), (size_t)n)); n++)
                v[n] = (double)json_integer_value(x);
            double target = (double)json_integer_value(json_object_get(puzzle, "target"));
            assert_true(reachable(v, n, target));
            assert_true(accepts("countdown", puzzle, buf_str(&p.answer)));
            assert_false(accepts("countdown", puzzle, (str){p.answer.p, p.answer.n - 1}));
            json_decref(puzzle);
        }
    task_problem_free(&p);
}

/* Of all ways to give the roles the verifier accepts exactly one. */
static void knights_have_one_solution(void **state)
{
    (void)state;
    task_problem p = {0};
    buf b = {0};
    for (int level = 1; level <= 6; level++)
        for (uint64_t i = 0; i < 40; i++) {
            json_t *puzzle = make(&p, "knights", level, i), *names = json_object_get(puzzle, "names");
            size_t n = json_array_size(names);
            int good = 0;
            for (unsigned way = 0; way < 1u << n; way++) {
                buf_clear(&b);
                for (size_t k = 0; k < n; k++)
                    buf_printf(&b, "%s: %s, ", json_string_value(json_array_get(names, k)),
                               way >> k & 1 ? "knight" : "knave");
                good += accepts("knights", puzzle, buf_str(&b));
            }
            if (good != 1) fail_msg("%d solutions of %s", good, p.prompt.p);
            json_decref(puzzle);
        }
    buf_free(&b);
    task_problem_free(&p);
}

/* How many of all ways to fill the rest are accepted? Rows first, so that a wrong one ends early. */
static int count_grids(char *grid, const char *given, int cell, const json_t *puzzle)
{
    if (cell == 16) return accepts("sudoku", puzzle, (str){grid, 16});
    int found = 0;
    for (char d = '1'; d <= '4'; d++) {
        if (given[cell] != '.' && given[cell] != d) continue;
        bool taken = false;
        for (int c = 0; c < cell; c++)
            taken = taken || (grid[c] == d && (c / 4 == cell / 4 || c % 4 == cell % 4));
        if (taken) continue;
        grid[cell] = d;
        found += count_grids(grid, given, cell + 1, puzzle);
    }
    return found;
}

static void sudokus_have_one_solution(void **state)
{
    (void)state;
    static const int EMPTY[] = {3, 5, 7, 9, 10, 11};
    task_problem p = {0};
    for (int level = 1; level <= 6; level++)
        for (uint64_t i = 0; i < 40; i++) {
            json_t *puzzle = make(&p, "sudoku", level, i);
            char given[17] = "", grid[16];
            int empty = 0;
            for (size_t r = 0; r < 4; r++)
                strcat(given, json_string_value(json_array_get(json_object_get(puzzle, "grid"), r)));
            for (int c = 0; c < 16; c++) empty += given[c] == '.';
            assert_int_equal(empty, EMPTY[level - 1]);
            assert_int_equal(count_grids(grid, given, 0, puzzle), 1);
            json_decref(puzzle);
        }
    task_problem_free(&p);
}

/* All assignments: the verifier accepts "unsat" exactly if it accepts none of them. */
static void formulas_are_as_they_say(void **state)
{
    (void)state;
    task_problem p = {0};
    buf b = {0};
    int unsat = 0, all = 0;
    for (int level = 1; level <= 5; level++)
        for (uint64_t i = 0; i < 40; i++, all++) {
            json_t *puzzle = make(&p, "sat", level, i);
            int n = (int)json_integer_value(json_object_get(puzzle, "variables")), good = 0;
            for (unsigned way = 0; way < 1u << n; way++) {
                buf_clear(&b);
                for (int v = 0; v < n; v++) buf_printf(&b, "x%d=%u ", v + 1, way >> v & 1);
                bool truth = true;
                for (size_t c = 0; c < json_array_size(json_object_get(puzzle, "clauses")); c++) {
                    json_t *clause = json_array_get(json_object_get(puzzle, "clauses"), c);
                    bool one = false;
                    for (size_t k = 0; k < json_array_size(clause); k++) {
                        int l = (int)json_integer_value(json_array_get(clause, k));
                        one = one || (way >> (abs(l) - 1) & 1) == (l > 0);
                    }
                    truth = truth && one;
                }
                assert_int_equal(accepts("sat", puzzle, buf_str(&b)), truth);
                good += truth;
            }
            assert_int_equal(accepts("sat", puzzle, STR("unsat")), good == 0);
            unsat += good == 0;
            json_decref(puzzle);
        }
    assert_in_range(unsat, all * 4 / 10, all * 6 / 10);
    buf_free(&b);
    task_problem_free(&p);
}

static void graphs_are_as_they_say(void **state)
{
    (void)state;
    task_problem p = {0};
    int none = 0, all = 0;
    for (int level = 1; level <= 5; level++)
        for (uint64_t i = 0; i < 40; i++, all++) {
            json_t *puzzle = make(&p, "coloring", level, i), *edges = json_object_get(puzzle, "edges");
            int n = (int)json_integer_value(json_object_get(puzzle, "nodes")), good = 0, ways = 1;
            int colors = (int)json_integer_value(json_object_get(puzzle, "colors"));
            for (int v = 0; v < n; v++) ways *= colors;
            for (int way = 0; way < ways && !good; way++) {
                int color[26], rest = way;
                bool fits = true;
                for (int v = 0; v < n; v++, rest /= colors) color[v] = rest % colors;
                for (size_t e = 0; e < json_array_size(edges); e++) {
                    const char *ends = json_string_value(json_array_get(edges, e));
                    fits = fits && color[ends[0] - 'A'] != color[ends[1] - 'A'];
                }
                good += fits;
            }
            assert_int_equal(accepts("coloring", puzzle, STR("none")), good == 0);
            assert_true(accepts("coloring", puzzle, buf_str(&p.answer)));
            none += good == 0;
            json_decref(puzzle);
        }
    assert_in_range(none, all * 4 / 10, all * 6 / 10);
    task_problem_free(&p);
}

/* Least moves by relaxing every cell until nothing changes; and the verifier wants exactly that. */
static void mazes_are_as_they_say(void **state)
{
    (void)state;
    task_problem p = {0};
    int none = 0, all = 0;
    for (int level = 1; level <= 6; level++)
        for (uint64_t i = 0; i < 60; i++, all++) {
            json_t *puzzle = make(&p, "path", level, i), *grid = json_object_get(puzzle, "grid");
            int side = (int)json_array_size(grid), far = 1000, d[12][12], least = far;
            for (int r = 0; r < 12; r++)
                for (int c = 0; c < 12; c++) d[r][c] = far;
            for (bool more = true; more;) {
                more = false;
                for (int r = 1; r <= side; r++)
                    for (int c = 1; c <= side; c++) {
                        char cell = json_string_value(json_array_get(grid, (size_t)r - 1))[c - 1];
                        int best = cell == 'S' ? 0 : d[r - 1][c] + 1;
                        if (cell == '#') continue;
                        if (d[r + 1][c] + 1 < best) best = d[r + 1][c] + 1;
                        if (d[r][c - 1] + 1 < best) best = d[r][c - 1] + 1;
                        if (d[r][c + 1] + 1 < best) best = d[r][c + 1] + 1;
                        if (best < d[r][c]) d[r][c] = best, more = true;
                        if (cell == 'E') least = d[r][c];
                    }
            }
            assert_int_equal(accepts("path", puzzle, STR("none")), least >= far);
            assert_true(accepts("path", puzzle, buf_str(&p.answer)));
            if (least < far) assert_int_equal(p.answer.n, least);
            none += least >= far;
            json_decref(puzzle);
        }
    assert_in_range(none, all * 4 / 100, all * 17 / 100);
    task_problem_free(&p);
}

/* A trace must fit a small model's context, most of the time and at every level. */
static void traces_are_short(void **state)
{
    (void)state;
    static const char *const FAMILIES[] = {"countdown", "sorting", "lists", "boolean", "sudoku",
                                           "knights",   "path",    "sat",   "coloring"};
    enum { PROBLEMS = 60, BYTES = 700 };
    task_problem p = {0};
    for (size_t f = 0; f < COUNT_OF(FAMILIES); f++) {
        const task_family *family = task_find(str_of(FAMILIES[f]));
        for (int level = 1; level <= 6; level++)
            for (int s = TASK_DIRECT; s < TASK_STYLES; s++) {
                if (!task_has_style(family, (enum task_style)s)) continue;
                int longer = 0;
                for (uint64_t i = 0; i < PROBLEMS; i++) {
                    task_options o = {.level = level, .seed = 5, .style = (enum task_style)s};
                    check_ok(task_generate(&p, family, &o, i, &err));
                    longer += p.trace.n > BYTES;
                }
                if (longer > PROBLEMS / 10)
                    fail_msg("%s level %d %s: %d of %d traces over %d bytes", FAMILIES[f], level,
                             task_style_name((enum task_style)s), longer, PROBLEMS, BYTES);
            }
    }
    task_problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(countdown_kind),
        cmocka_unit_test(list_kind),
        cmocka_unit_test(boolean_kind),
        cmocka_unit_test(knights_kind),
        cmocka_unit_test(sudoku_kind),
        cmocka_unit_test(path_kind),
        cmocka_unit_test(sat_kind),
        cmocka_unit_test(coloring_kind),
        cmocka_unit_test(huge_answers_end_soon),
        cmocka_unit_test(hard_puzzles_end_soon),
        cmocka_unit_test(countdowns_have_solutions),
        cmocka_unit_test(knights_have_one_solution),
        cmocka_unit_test(sudokus_have_one_solution),
        cmocka_unit_test(formulas_are_as_they_say),
        cmocka_unit_test(graphs_are_as_they_say),
        cmocka_unit_test(mazes_are_as_they_say),
        cmocka_unit_test(traces_are_short),
    };
    return cmocka_run_group_tests_name("puzzles", tests, NULL, NULL);
}
