/* reward: verifiers of puzzles against right, wrong and dishonest answers, and against solvers that
 * try everything. SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "reward/reward.h"
#include "reward/task/task.h"

#include <stdlib.h>

static ponder_error err;

/* Equal, or not, or a malformed question. */
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

static void expect(const char *kind, const char *puzzle, const char *gold, const char *answer,
                   int want)
{
    int got = judge(kind, puzzle, gold, str_of(answer));
    if (got != want)
        fail_msg("%s %s: \"%s\" is %d, not %d", kind, puzzle ? puzzle : gold, answer, got, want);
}

/* Right and wrong answers; both lists end with NULL. */
static void expect_all(const char *kind, const char *puzzle, const char *gold,
                       const char *const *right, const char *const *wrong)
{
    for (; *right; right++) expect(kind, puzzle, gold, *right, YES);
    for (; *wrong; wrong++) expect(kind, puzzle, gold, *wrong, NO);
}

/* ---- the kinds ------------------------------------------------------------------------------- */

static void countdown_kind(void **state)
{
    (void)state;
    static const char *const RIGHT[] = {
        "(8-3)*5-1", "( 8 - 3 ) * 5 - 1 = 24", "(8 − 3) × 5 − 1", "5x(8-3)-1",
        "$5 \\times (8-3) - 1$", "\\(5\\cdot(8-3)-1\\)", "5·(8-3)-1.", "\\left(8-3\\right)*5-1",
        "（8-3）*5-1", "[8-3]*5-1", "((((8-3))))*5-1", NULL};
    static const char *const WRONG[] = {
        "24", "", "()", "8*3*1", "8*3", "8*3*1*5/5", "(8-3)*5-1 = 25", "(8-3)*5-1 = 24 = 24",
        "24 = (8-3)*5-1", "(8-3)*5-1=24.0", "(8-3)*5-1 or 8*3", "8*3 (8-3)*5-1",
        "(8-3)*5-1, (8-3)*5-1", "(8-3)*5-1;", "9**9**9", "(8-3)**5-1", "8^3*5*1", "(8-3)*5--1",
        "-1+(8-3)*5", "(-1)+(8-3)*5", "+(8-3)*5-1", "(8-3)5-1", "(8-3)(5)-1", "3.5*8-1-3",
        "35-8-1", "(8-3)*5-01", "(8-3)*5-1.0", "(8-3)*5//1-1", "(8-3]*5-1", "(8-3)*5-1)",
        "((8-3)*5-1", "(8-3)*5-1%5", "sqrt(8-3)*5-1", "8/(3-3)", "__import__('os')",
        "(8-3)*5-1e0", "(8-3)*5-0x1", "\\frac{8}{3}", "(8-3)*5-1!", "8 8 8", "3 5 1 8", NULL};
    expect_all("countdown", "{\"numbers\":[3,5,1,8],\"target\":24}", NULL, RIGHT, WRONG);
    /* The numbers and the target of the known expression. */
    expect_all("countdown", NULL, "(8-3)*5-1", RIGHT, WRONG);

    static const char *const FRACTIONS_RIGHT[] = {"8/(3-8/3)", "8/(3-(8/3))", NULL};
    static const char *const FRACTIONS_WRONG[] = {"(3-8/3)/8", NULL};
    expect_all("countdown", "{\"numbers\":[3,3,8,8],\"target\":24}", NULL, FRACTIONS_RIGHT,
               FRACTIONS_WRONG);
    expect("countdown", "{\"numbers\":[7,2],\"target\":3}", NULL, "7/2", NO); /* 3.5 is not 3 */
    expect("countdown", "{\"numbers\":[1,2],\"target\":-1}", NULL, "1-2", YES);
    expect("countdown", "{\"numbers\":[999999,999999,999999,999999],\"target\":1}", NULL,
           "999999*999999*999999*999999", NO);
    expect("countdown", "{\"numbers\":[5,5,0],\"target\":1}", NULL, "5/(5-0)", YES);
    expect("countdown", "{\"numbers\":[5,5,0],\"target\":0}", NULL, "0/(5-5)", NO);

    static const char *const MALFORMED[] = {
        "{}", "[]", "{\"numbers\":[],\"target\":1}", "{\"numbers\":[1],\"target\":\"1\"}",
        "{\"numbers\":[1.5],\"target\":1}", "{\"numbers\":[-1],\"target\":1}",
        "{\"numbers\":[1]}", "{\"numbers\":1,\"target\":1}",
        "{\"numbers\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"target\":17}",
        "{\"numbers\":[9223372036854775807],\"target\":1}", "{\"numbers\":[null],\"target\":1}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++)
        expect("countdown", MALFORMED[i], "1", "1", BAD);
}

static void list_kind(void **state)
{
    (void)state;
    static const char *const RIGHT[] = {
        "3 -1 20", "[3, -1, 20]", "(3,-1,20)", "{3; -1; 20}", "3, -1, 20.", "\\{3, -1, 20\\}",
        "【3，−1，20】", "[3 -1 20]", "$[3,-1,20]$", "3\n-1\n20", "[3,-1,,20]", NULL};
    static const char *const WRONG[] = {
        "3 -1", "3 -1 20 20", "-1 3 20", "[3, -1, 20", "3, -1, 20]", "[3, -1, 20)", "3.0 -1 20",
        "3 -1 20 or 3 20 -1", "[3,-1,20] [3,-1,20]", "[[3,-1,20]]", "3-120", "3 - 1 20", "31 20",
        "+3 -1 20", "03 -1 20", "three -1 20", "[,3,-1,20]", "[3,-1,20,]",
        "99999999999999999999 -1 20", "", "[]", "sorted(3 -1 20)", NULL};
    expect_all("list", NULL, "3 -1 20", RIGHT, WRONG);
    expect_all("list", NULL, "[3, -1, 20]", RIGHT, WRONG);
    expect("list", NULL, "[]", "[]", YES);
    expect("list", NULL, "[]", "( )", YES);
    expect("list", NULL, "[]", "0", NO);
    expect("list", NULL, "0", "-0", NO);
    expect("list", NULL, "none", "none", BAD);
    expect("list", NULL, "[1, 2", "[1, 2", BAD);
}

static void boolean_kind(void **state)
{
    (void)state;
    static const char *const RIGHT[] = {
        "true", "True", "TRUE.", "T", "1", "yes", "真", "是", "\\text{true}", "$\\top$", NULL};
    static const char *const WRONG[] = {
        "false", "F", "0", "假", "not true", "true or false", "true false", "true, true", "untrue",
        "truest", "不成立", "10", "tt", "", NULL};
    expect_all("boolean", NULL, "true", RIGHT, WRONG);
    expect("boolean", NULL, "false", "F", YES);
    expect("boolean", NULL, "不成立", "false", YES);
    expect("boolean", NULL, "maybe", "maybe", BAD);
}

static void knights_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] =
        "{\"names\":[\"Ann\",\"Bob\",\"A\"],\"statements\":[[\"knave\",\"Bob\"],"
        "[\"and\",[\"knight\",\"Ann\"],[\"not\",[\"knight\",\"Ann\"]]],[\"if\",[\"same\","
        "\"Ann\",\"A\"],[\"iff\",[\"differ\",\"A\",\"Bob\"],[\"or\",[\"knave\",\"Bob\"],"
        "[\"knight\",\"Bob\"]]]]]}";
    static const char *const RIGHT[] = {
        "Ann: knight, Bob: knave, A: knight",
        "Ann is a knight, Bob is a knave, and A is a knight.", "A=knight; Bob=knave; Ann=knight",
        "Ann and A are knights, Bob is a knave", "Knights: Ann, A. Knaves: Bob",
        "Ann是骑士，Bob是无赖，A是骑士。", "Ann和A都是骑士，Bob是骗子", "Ann: Knight\nBob: Knave\nA: Knight",
        "(Ann, knight), (Bob, knave), (A, knight)", NULL};
    static const char *const WRONG[] = {
        "Ann: knight, Bob: knight, A: knight", "Ann: knave, Bob: knave, A: knight",
        "Ann: knight, Bob: knave", "Ann: knight, Bob: knave, A: knight, Ann: knight",
        "Ann: knight, Ann: knave, Bob: knave, A: knight",
        "Ann: knight knave, Bob: knave, A: knight", "Ann: knight or knave, Bob: knave, A: knight",
        "Ann is not a knave, Bob: knave, A: knight",
        "Ann: knight, Bob: knave, A: knight, Cal: knave", "ann: knight, bob: knave, a: knight",
        "Ann says Bob is a knave, so Ann: knight, Bob: knave, A: knight",
        "Ann, Bob, A: knight, knave, knight", "Knights: Ann, A. Knaves: Bob. Knights: Bob",
        "Knights: Ann, A, Bob. Knaves: none", "knight, knave, knight", "Bob is a knave",
        "Ann Bob A", "", "Annie: knight, Bob: knave, A: knight", "Knights Knaves: Ann, Bob, A",
        NULL};
    expect_all("knights", PUZZLE, NULL, RIGHT, WRONG);
    expect_all("knights", NULL, "Ann: knight, Bob: knave, A: knight", RIGHT, WRONG);
    static const char TWO[] =
        "{\"names\":[\"x\",\"y\"],\"statements\":[[\"same\",\"x\",\"y\"],[\"same\",\"x\",\"y\"]]}";
    expect("knights", TWO, NULL, "Knights: x, y. Knaves: none", YES);
    expect("knights", TWO, NULL, "Knaves: none; knights: x, y", YES);
    expect("knights", TWO, NULL, "Knaves: none, x; knights: y", NO);
    expect("knights", NULL, "小明是骑士，小红是无赖", "小红: knave; 小明: knight", YES);
    expect("knights", NULL, "小明是骑士，小红是无赖", "小明是无赖，小红是骑士", NO);
    expect("knights", NULL, "nothing", "nothing", BAD);

    static const char *const MALFORMED[] = {
        "{}", "{\"names\":[\"x\"],\"statements\":[]}",
        "{\"names\":[\"x\"],\"statements\":[[\"knight\",\"y\"]]}",
        "{\"names\":[\"x\",\"x\"],\"statements\":[[\"knight\",\"x\"],[\"knight\",\"x\"]]}",
        "{\"names\":[\"\"],\"statements\":[[\"knight\",\"\"]]}",
        "{\"names\":[\"x\"],\"statements\":[[\"says\",\"x\"]]}",
        "{\"names\":[\"x\"],\"statements\":[[\"and\",[\"knight\",\"x\"]]]}",
        "{\"names\":[\"x\"],\"statements\":[3]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++)
        expect("knights", MALFORMED[i], "", "x: knight", BAD);

    /* Statements may be nested, but not without end. */
    for (int depth = 10; depth <= 1000; depth *= 10) {
        buf b = {0};
        buf_printf(&b, "{\"names\":[\"x\"],\"statements\":[");
        for (int i = 0; i < depth; i++) buf_printf(&b, "[\"not\",");
        buf_printf(&b, "[\"knight\",\"x\"]");
        for (int i = 0; i < depth; i++) buf_add_char(&b, ']');
        buf_printf(&b, "]}");
        expect("knights", b.p, "", "x: knight", depth == 10 ? YES : BAD);
        buf_free(&b);
    }
}

static void sudoku_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"grid\":[\"12.4\",\"..1.\",\".1..\",\"4..1\"]}";
    static const char *const RIGHT[] = {
        "1234 3412 2143 4321", "1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1", "1234341221434321",
        "|12|34|\n|34|12|\n|--+--|\n|21|43|\n|43|21|",
        "[[1,2,3,4],[3,4,1,2],[2,1,4,3],[4,3,2,1]]", NULL};
    static const char *const WRONG[] = {
        "1324 2413 3142 4231", "1234 3412 2143 432", "1234 3412 2143 43211",
        "1234 3412 2143 4312", "1234 3412 2134 4321", "1..4 ..1. .1.. 4..1",
        "1204 3412 2143 4321", "1234 3412 2143 4321 or 1234 3412 2143 4321",
        "r1: 1234 3412 2143 4321", "5234 3412 2143 4321", "", NULL};
    expect_all("sudoku", PUZZLE, NULL, RIGHT, WRONG);
    expect_all("sudoku", NULL, "1234 3412 2143 4321", RIGHT, WRONG);
    expect("sudoku", "{\"grid\":[\"2...\",\"....\",\"....\",\"....\"]}", NULL,
           "1234 3412 2143 4321", NO);
    expect("sudoku", NULL, "1234 3412 2143 4312", "1234 3412 2143 4312",
           NO); /* the known one breaks the rules */
    expect("sudoku",
           "{\"grid\":[\"53..7....\",\"6..195...\",\".98....6.\",\"8...6...3\",\"4..8.3..1\",\"7..."
           "2...6\",\".6....28.\","
           "\"...419..5\",\"....8..79\"]}",
           NULL,
           "534678912672195348198342567859761423426853791713924856961537284287419635345286179",
           YES);
    static const char *const MALFORMED[] = {
        "{}", "{\"grid\":[]}", "{\"grid\":[\"1..4\",\"..1.\",\".1..\"]}",
        "{\"grid\":[\"1..4\",\"..1.\",\".1..\",\"4.1\"]}",
        "{\"grid\":[\"1..4\",\"..1.\",\".1..\",\"4..0\"]}", "{\"grid\":[1,2,3,4]}",
        "{\"grid\":\"1..4\"}", "{\"grid\":[\"1....\",\".....\",\".....\",\".....\",\".....\"]}",
        "{\"grid\":[\"\",\"\",\"\",\"\"]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++)
        expect("sudoku", MALFORMED[i], "", "1234 3412 2143 4321", BAD);
}

static void path_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"grid\":[\"S.#\",\".#.\",\"..E\"]}";
    static const char *const RIGHT[] = {
        "DDRR", "ddrr", "D D R R", "D, D, R, R", "down down right right",
        "Down, Down, Right, Right.", "D->D->R->R", "↓↓→→", "下下右右", "下、下、右、右",
        "[\"D\",\"D\",\"R\",\"R\"]", NULL};
    static const char *const WRONG[] = {
        "RRDD", "RDDR", "DDR", "DDRRL", "DDRLRR", "DUDDRR", "DDRRDDRR", "DDRR or RRDD",
        "DDRR none", "none", "DDXR", "go DDRR", "LLLL", "", "4", NULL};
    expect_all("path", PUZZLE, NULL, RIGHT, WRONG);
    expect_all("path", NULL, "DDRR", RIGHT, WRONG);
    static const char CLOSED[] = "{\"grid\":[\"S#\",\"#E\"]}";
    expect("path", CLOSED, NULL, "none", YES);
    expect("path", CLOSED, NULL, "No path", YES);
    expect("path", CLOSED, NULL, "无解", YES);
    expect("path", CLOSED, NULL, "DR", NO);
    expect("path", CLOSED, NULL, "none or DR", NO);
    expect("path", NULL, "none", "unreachable", YES);
    expect("path", "{\"grid\":[\"S..\",\"...\",\"..E\"]}", NULL, "DRDR",
           YES); /* any shortest way */
    static const char *const MALFORMED[] = {
        "{}", "{\"grid\":[\"S.\"]}", "{\"grid\":[\"SE\",\"E.\"]}", "{\"grid\":[\"SE\",\".\"]}",
        "{\"grid\":[\"SE\",\".x\"]}", "{\"grid\":[]}", "{\"grid\":[null]}",
        "{\"grid\":[\"SE\",\"S.\"]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++) expect("path", MALFORMED[i], "", "R", BAD);
}

static void sat_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"variables\":4,\"clauses\":[[1,-2],[2,3],[-1,-3]]}";
    static const char *const RIGHT[] = {
        "x1=1, x2=1, x3=0, x4=0", "x1=1 x2=1 x3=0", "x1=T; x2=true; x3=F", "x1 x2 ~x3",
        "x1 x2 x3'", "x1, x2, ¬x3", "x_1 = 1, x_{2} = 1, x_3 = 0", "x1=真，x2=真，x3=假",
        "x1: true\nx2: true\nx3: false", "not x1, not x2, x3", NULL};
    static const char *const WRONG[] = {
        "x1=1 x2=1", "x1=1 x2=1 x3=1", "x1=1 x1=0 x2=1 x3=0", "x1=1 x1=1 x2=1 x3=0",
        "x1=1 x2=1 x3=0 unsat", "unsat", "x1=1 x2=1 x3=0 x5=1", "x1=10 x2=1 x3=0", "x1=1x2=1x3=0",
        "x1 x2 ~~x3", "~x3=1 x1 x2", "x0=1 x1=1 x2=1 x3=0", "1 1 0", ",", "", "satisfiable",
        "x1=1 x2=1 x3=0 or x1=0 x2=0 x3=1", "x1=1|0 x2=1 x3=0", NULL};
    expect_all("sat", PUZZLE, NULL, RIGHT, WRONG);
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
    static const char *const MALFORMED[] = {
        "{}", "{\"variables\":2,\"clauses\":[]}", "{\"variables\":2,\"clauses\":[[]]}",
        "{\"variables\":2,\"clauses\":[[3]]}", "{\"variables\":2,\"clauses\":[[0]]}",
        "{\"variables\":65,\"clauses\":[[1]]}", "{\"variables\":2,\"clauses\":[1]}",
        "{\"clauses\":[[1]]}", "{\"variables\":2,\"clauses\":[[\"1\"]]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++) expect("sat", MALFORMED[i], "", "x1", BAD);
}

static void coloring_kind(void **state)
{
    (void)state;
    static const char PUZZLE[] = "{\"nodes\":3,\"colors\":3,\"edges\":[\"AB\",\"BC\"]}";
    static const char *const RIGHT[] = {
        "A=1 B=2 C=1", "A:1, B:3, C:2", "A1 B2 C1", "C=1; A=1; B=2.", "A-1, B-2, C-1", NULL};
    static const char *const WRONG[] = {
        "A=1 B=1 C=2", "A=1 B=2", "A=1 B=2 C=1 D=1", "A=1 A=2 B=2 C=1", "A=1 B=4 C=1",
        "A=0 B=1 C=2", "A=1 B=2 C=1 none", "none", "A=12 B=2 C=1", "1 2 1", "a=1 b=2 c=1",
        "A=1,2 B=3 C=1", "", ",", NULL};
    expect_all("coloring", PUZZLE, NULL, RIGHT, WRONG);
    static const char NEVER[] = "{\"nodes\":3,\"colors\":2,\"edges\":[\"AB\",\"BC\",\"CA\"]}";
    expect("coloring", NEVER, NULL, "none", YES);
    expect("coloring", NEVER, NULL, "无解", YES);
    expect("coloring", NEVER, NULL, "A=1 B=2 C=1", NO);
    expect("coloring", NULL, "A=1 B=2", "B:2, A:1", YES);
    expect("coloring", NULL, "A=1 B=2", "A=2 B=1", NO);
    static const char *const MALFORMED[] = {
        "{}", "{\"nodes\":27,\"colors\":3,\"edges\":[]}",
        "{\"nodes\":3,\"colors\":0,\"edges\":[]}",
        "{\"nodes\":3,\"colors\":3,\"edges\":[\"AD\"]}",
        "{\"nodes\":3,\"colors\":3,\"edges\":[\"AA\"]}",
        "{\"nodes\":3,\"colors\":3,\"edges\":[\"A\"]}", "{\"nodes\":3,\"colors\":3}",
        "{\"nodes\":3,\"colors\":3,\"edges\":[1]}"};
    for (size_t i = 0; i < COUNT_OF(MALFORMED); i++)
        expect("coloring", MALFORMED[i], "", "A=1 B=2 C=1", BAD);
}

/* ---- size and time --------------------------------------------------------------------------- */

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
    static const char *const PIECES[] = {"(", "9**",          "1+",   "-",    "x1=1 ", "[",
                                         "R", "Ann: knight ", "A=1 ", "\xff", "$",     "9"};
    static const struct {
        const char *kind, *puzzle;
    } KINDS[] = {{"countdown", "{\"numbers\":[1,2],\"target\":3}"},
                 {"list", NULL},
                 {"boolean", NULL},
                 {"knights", "{\"names\":[\"Ann\"],\"statements\":[[\"knight\",\"Ann\"]]}"},
                 {"sudoku", "{\"grid\":[\"1..4\",\"..1.\",\".1..\",\"4..1\"]}"},
                 {"path", "{\"grid\":[\"S.E\"]}"},
                 {"sat", "{\"variables\":1,\"clauses\":[[1]]}"},
                 {"coloring", "{\"nodes\":1,\"colors\":1,\"edges\":[]}"}};
    buf b = {0};
    double start = check_cpu_seconds();
    int judged = 0;
    for (size_t k = 0; k < COUNT_OF(KINDS); k++)
        for (size_t i = 0; i < COUNT_OF(PIECES); i++)
            for (int n = 100; n <= 1000000; n *= 100, judged++) {
                repeat(&b, PIECES[i], n, "");
                assert_int_equal(judge(KINDS[k].kind, KINDS[k].puzzle, "1", buf_str(&b)), NO);
                assert_int_not_equal(judge(KINDS[k].kind, NULL, "1", buf_str(&b)), YES);
            }
    assert_true((check_cpu_seconds() - start) / judged < 0.05 * CHECK_SLOWER);
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
            for (int q = 0; q < p; q++)
                buf_printf(&b, "[-%d,-%d],", p * HOLES + h + 1, q * HOLES + h + 1);
    buf_printf(&b, "[1,-1]]}");
    double start = check_cpu_seconds();
    assert_in_range(judge("sat", b.p, NULL, STR("unsat")), NO, YES);
    assert_true(check_cpu_seconds() - start < 0.5 * CHECK_SLOWER);
    buf_free(&b);
}

/* ---- against solvers that try everything ----------------------------------------------------- */

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
            const double results[] = {v[i] + v[j], v[i] - v[j], v[i] * v[j],
                                      v[j] != 0 ? v[i] / v[j] : 0};
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
            for (json_t *x; (x = json_array_get(json_object_get(puzzle, "numbers"), (size_t)n));
                 n++)
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
            json_t *puzzle = make(&p, "knights", level, i),
                   *names = json_object_get(puzzle, "names");
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

/* How many of all ways to fill the rest are accepted? Rows first, so that a wrong one ends early.
 */
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
                strcat(given,
                       json_string_value(json_array_get(json_object_get(puzzle, "grid"), r)));
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
            json_t *puzzle = make(&p, "coloring", level, i),
                   *edges = json_object_get(puzzle, "edges");
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

/* A trace must fit a small model's context, most of the time and at every level; a search sees
 * through up to seven ways of 260 bytes. */
static void traces_are_short(void **state)
{
    (void)state;
    static const char *const FAMILIES[] = {"countdown", "sorting", "lists", "boolean", "sudoku",
                                           "knights",   "path",    "sat",   "coloring"};
    enum { PROBLEMS = 60, BYTES = 700, WAYS = 7, WAY_BYTES = 260 };
    task_problem p = {0};
    for (size_t f = 0; f < COUNT_OF(FAMILIES); f++) {
        const task_family *family = task_find(str_of(FAMILIES[f]));
        for (int level = 1; level <= 6; level++)
            for (int s = TASK_DIRECT; s < TASK_STYLES; s++) {
                if (!task_has_style(family, (enum task_style)s)) continue;
                int longer = 0, most = s == TASK_SEARCH ? WAYS * WAY_BYTES : BYTES;
                for (uint64_t i = 0; i < PROBLEMS; i++) {
                    task_options o = {.level = level, .seed = 5, .style = (enum task_style)s};
                    check_ok(task_generate(&p, family, &o, i, &err));
                    longer += p.trace.n > (size_t)most;
                }
                if (longer > PROBLEMS / 10)
                    fail_msg("%s level %d %s: %d of %d traces over %d bytes", FAMILIES[f], level,
                             task_style_name((enum task_style)s), longer, PROBLEMS, most);
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
