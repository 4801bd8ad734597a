/* task_sudoku: 4x4 grids with one solution, which follows step by step without guessing.
 * SPDX-License-Identifier: MIT
 *
 * The order of a trace is a solver's: each step fills a cell with one digit left, or a digit with
 * one place left. Fixed or random orders are not learnt (Shah et al., 2024, arXiv 2409.10502). */
#include "reward/task/task_puzzle.h"

enum { SIDE = 4, CELLS = 16, UNITS = 12, ALL = 15 };

typedef struct sudoku {
    uint8_t given[CELLS]; /* 0: empty */
    uint8_t solution[CELLS];
} sudoku;

/* Rows, columns, boxes. */
static const uint8_t UNIT[UNITS][SIDE] = {{0, 1, 2, 3},     {4, 5, 6, 7},   {8, 9, 10, 11},
                                          {12, 13, 14, 15}, {0, 4, 8, 12},  {1, 5, 9, 13},
                                          {2, 6, 10, 14},   {3, 7, 11, 15}, {0, 1, 4, 5},
                                          {2, 3, 6, 7},     {8, 9, 12, 13}, {10, 11, 14, 15}};

/* Digits as bits 1, 2, 4, 8. */
static unsigned bit_of(uint8_t digit) { return digit ? 1u << (digit - 1) : 0; }
static uint8_t digit_of(unsigned bit) { return (uint8_t)(__builtin_ctz(bit) + 1); }

static int box_of(int cell) { return cell / 8 * 2 + cell % SIDE / 2; }

/* Digits in the rows, columns and boxes of a grid. */
struct taken {
    unsigned unit[UNITS];
};

static struct taken look(const uint8_t *grid)
{
    struct taken t = {{0}};
    for (int u = 0; u < UNITS; u++)
        for (int i = 0; i < SIDE; i++) t.unit[u] |= bit_of(grid[UNIT[u][i]]);
    return t;
}

static unsigned left_for(const struct taken *t, int cell)
{
    return ALL &
           ~(t->unit[cell / SIDE] | t->unit[SIDE + cell % SIDE] | t->unit[2 * SIDE + box_of(cell)]);
}

struct step {
    int cell, unit; /* unit: the one in which the digit has no other place, or -1 */
    uint8_t digit;
};

/* A cell with one digit left, else a digit with one place left in a unit. */
static bool next_step(const uint8_t *grid, struct step *s)
{
    struct taken t = look(grid);
    unsigned left[CELLS];
    for (int c = 0; c < CELLS; c++) {
        left[c] = grid[c] ? 0 : left_for(&t, c);
        if (left[c] && !(left[c] & (left[c] - 1))) {
            *s = (struct step){c, -1, digit_of(left[c])};
            return true;
        }
    }
    for (int u = 0; u < UNITS; u++) {
        unsigned once = 0, more = 0;
        for (int i = 0; i < SIDE; i++) more |= once & left[UNIT[u][i]], once |= left[UNIT[u][i]];
        once &= ~more;
        if (!once) continue;
        unsigned bit = once & (0 - once);
        for (int i = 0; i < SIDE; i++)
            if (left[UNIT[u][i]] & bit) *s = (struct step){UNIT[u][i], u, digit_of(bit)};
        return true;
    }
    return false;
}

/* Do these steps fill the grid? Then it has one solution. */
static bool solvable(const uint8_t *given)
{
    uint8_t grid[CELLS];
    int empty = 0;
    struct step s;
    memcpy(grid, given, CELLS);
    for (int c = 0; c < CELLS; c++) empty += !grid[c];
    for (; empty && next_step(grid, &s); empty--) grid[s.cell] = s.digit;
    return empty == 0;
}

/* One of the 288 grids: digits renamed, rows and columns swapped within their halves, halves
 * swapped, turned over, of one of the two grids that cannot be turned into each other. */
static void draw_solution(task_draw *d, uint8_t *grid)
{
    static const uint8_t BASE[2][CELLS] = {{0, 1, 2, 3, 2, 3, 0, 1, 1, 0, 3, 2, 3, 2, 1, 0},
                                           {0, 1, 2, 3, 2, 3, 0, 1, 1, 2, 3, 0, 3, 0, 1, 2}};
    uint8_t digits[SIDE] = {1, 2, 3, 4};
    task_shuffle(d, digits, SIDE);
    unsigned how = (unsigned)task_below(d, 128);
    const uint8_t *base = BASE[task_below(d, 3) != 0]; /* 96 and 192 grids */
    unsigned rows[SIDE], columns[SIDE];
    for (unsigned i = 0; i < SIDE; i++) {
        unsigned half = i / 2, place = i % 2;
        rows[i] = ((half ^ (how & 1)) << 1) | (place ^ (how >> (1 + half) & 1));
        columns[i] = ((half ^ (how >> 3 & 1)) << 1) | (place ^ (how >> (4 + half) & 1));
    }
    for (unsigned r = 0; r < SIDE; r++)
        for (unsigned c = 0; c < SIDE; c++)
            grid[how >> 6 ? c * SIDE + r : r * SIDE + c] =
                digits[base[rows[r] * SIDE + columns[c]]];
}

static bool draw(void *state, task_draw *d, int level)
{
    static const int EMPTY[] = {3, 5, 7, 9, 10, 11};
    sudoku *s = state;
    uint8_t order[CELLS];
    draw_solution(d, s->solution);
    memcpy(s->given, s->solution, CELLS);
    for (int c = 0; c < CELLS; c++) order[c] = (uint8_t)c;
    task_shuffle(d, order, CELLS);
    int empty = 0;
    for (int i = 0; i < CELLS && empty < EMPTY[level - 1]; i++) {
        s->given[order[i]] = 0;
        if (solvable(s->given)) empty++;
        else s->given[order[i]] = s->solution[order[i]];
    }
    return empty == EMPTY[level - 1];
}

static void put_grid(const uint8_t *grid, const char *between, buf *out)
{
    for (int c = 0; c < CELLS; c++) {
        if (c && c % SIDE == 0) task_text(out, between);
        buf_add_char(out, grid[c] ? (char)('0' + grid[c]) : '.');
    }
}

static void key(const void *state, buf *out) { put_grid(((const sudoku *)state)->given, "", out); }

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Fill this grid so that each row, column and 2x2 box has 1 to 4 once. Give the rows.\n#",
        "Solve this 4x4 sudoku (1-4 once in each row, column and 2x2 box):\n#",
        "4x4 sudoku, dots are to be filled with 1 to 4:\n#\nWrite the whole grid.",
    };
    static const char *const ZH[] = {
        "填完 4x4 数独：每行、每列、每个 2x2 宫都恰有 1 到 4。点表示空格。写出四行。\n#",
        "解这个 4x4 数独（每行、每列、每个 2x2 宫含 1 到 4 各一次），写出填好的各行：\n#",
        "4x4 数独，把点换成 1 到 4：\n#\n写出整个方格。",
    };
    buf grid = {0};
    put_grid(((const sudoku *)state)->given, "\n", &grid);
    task_ask(out, lang, d, EN, ZH, ((const str[]){buf_str(&grid)}));
    buf_free(&grid);
}

static void answer(const void *state, buf *out)
{
    put_grid(((const sudoku *)state)->solution, " ", out);
}

static void puzzle(const void *state, json_writer *w)
{
    const sudoku *s = state;
    buf row = {0};
    json_open(w, '{');
    json_key(w, "grid");
    json_open(w, '[');
    put_grid(s->given, "", &row);
    for (size_t r = 0; r < SIDE && row.n == CELLS; r++) json_text(w, (str){row.p + r * SIDE, SIDE});
    json_close(w, ']');
    json_close(w, '}');
    buf_free(&row);
}

/* ---- traces ---------------------------------------------------------------------------------- */

static void put_cell(task_tale *t, int cell)
{
    char name[] = {'r', (char)('1' + cell / SIDE), 'c', (char)('1' + cell % SIDE)};
    buf_add(t->out, name, sizeof name);
}

static void put_digits(task_tale *t, unsigned bits)
{
    for (int i = 0; i < SIDE; i++)
        if (bits >> i & 1) buf_add_char(t->out, (char)('1' + i));
}

/* "r1c2 not 134: 2" or "r1c2 row 1, only place: 3" and the digit taken, wrong where the flaw is. */
static uint8_t tell_step(task_tale *t, const uint8_t *grid, struct step s)
{
    struct taken k = look(grid);
    put_cell(t, s.cell);
    if (s.unit < 0) {
        task_say(t, " not ", " 非");
        put_digits(t, ALL & ~left_for(&k, s.cell));
    } else {
        static const char *const EN[] = {" row ", " column ", " box "};
        static const char *const ZH[] = {" 行", " 列", " 宫"};
        task_say(t, EN[s.unit / SIDE], ZH[s.unit / SIDE]);
        task_put(t->out, s.unit % SIDE + 1);
        task_say(t, ", only place", "，唯一位置");
    }
    uint8_t digit = s.digit;
    if (task_slips(t)) digit = (uint8_t)((digit + task_below(t->slips, SIDE - 1)) % SIDE + 1);
    task_text(t->out, ": ");
    task_put(t->out, digit);
    buf_add_char(t->out, '\n');
    return digit;
}

/* False: a wrong digit led to a dead end. */
static bool by_steps(task_tale *t, uint8_t *grid)
{
    struct step s;
    while (next_step(grid, &s)) grid[s.cell] = tell_step(t, grid, s);
    return !memchr(grid, 0, CELLS);
}

/* The empty cell with the fewest digits left; for the first guess of a search one with several. */
static int choose_cell(const struct taken *k, const uint8_t *grid, bool guess, int *count)
{
    int best = -1, fewest = SIDE + 1;
    for (int c = 0; c < CELLS; c++) {
        int n = grid[c] ? SIDE + 1 : __builtin_popcount(left_for(k, c));
        if (n < fewest && (!guess || n > 1)) fewest = n, best = c;
    }
    *count = fewest;
    return best >= 0 || !guess ? best : choose_cell(k, grid, false, count);
}

/* Tries the digits left in a cell, wrong ones of the first cell first, and goes back from a cell
 * that has none: "r1c2 13: 1", "r3c3 none no", "r1c2: 3". */
static bool by_search(task_tale *t, const sudoku *s, uint8_t *grid, bool guess)
{
    struct taken k = look(grid);
    int n, cell = choose_cell(&k, grid, guess, &n);
    if (cell < 0) return true;
    unsigned left = left_for(&k, cell), right = bit_of(s->solution[cell]);
    if (n == 1 && task_turns(t)) {
        unsigned wrong = ALL & ~left;
        put_cell(t, cell);
        buf_printf(t->out, ": %d", digit_of(wrong));
        task_no(t);
    }
    put_cell(t, cell);
    if (!left) return task_say(t, " none", " 无"), task_no(t), false;
    if (n > 1) buf_add_char(t->out, ' '), put_digits(t, left);
    for (unsigned rest = left; rest;) {
        unsigned bit = guess && rest != right ? rest & ~right : rest;
        bit &= 0 - bit;
        uint8_t digit = digit_of(bit);
        if (rest != left) put_cell(t, cell);
        if (task_slips(t)) digit = (uint8_t)((digit + task_below(t->slips, SIDE - 1)) % SIDE + 1);
        buf_printf(t->out, ": %d\n", digit);
        grid[cell] = digit;
        if (by_search(t, s, grid, false)) return true;
        grid[cell] = 0;
        rest &= ~bit;
    }
    return false;
}

static void check(task_tale *t, const uint8_t *grid)
{
    task_say(t, "check:", "检查：");
    for (int u = 0; u < UNITS; u++) {
        if (u % SIDE == 0 && u) task_text(t->out, ";");
        buf_add_char(t->out, ' ');
        for (int i = 0; i < SIDE; i++) buf_add_char(t->out, (char)('0' + grid[UNIT[u][i]]));
    }
}

static void trace(const void *state, task_tale *t)
{
    const sudoku *s = state;
    uint8_t grid[CELLS];
    memcpy(grid, s->given, CELLS);
    bool filled =
        t->o->style == TASK_BACKTRACKING ? by_search(t, s, grid, true) : by_steps(t, grid);
    if (t->o->style == TASK_VERIFICATION) check(t, grid);
    put_grid(filled ? grid : s->solution, " ", t->answer);
}

const task_family task_sudoku = {
    .name = "sudoku",
    .kind = "sudoku",
    .about = "4x4 sudoku with one solution",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING,
    .state_bytes = sizeof(sudoku),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .puzzle = puzzle,
    .trace = trace,
};
