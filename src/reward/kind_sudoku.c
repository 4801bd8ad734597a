/* sudoku: 16 or 81 digits in any layout; rows, columns and boxes hold each digit once and the given
 * digits stand. Puzzle: {"grid":["1..4", ...]}.
 * SPDX-License-Identifier: MIT */
#include "reward/scan.h"

enum { SIDE = 9 };

/* The digits in reading order; how many, or 0 for a text that has anything but digits and lines. */
static size_t read_digits(str text, char *cells)
{
    static const char *const LAYOUT[] = {"|",    "-", "+", "[", "]", "\"", "&",
                                         "\\\\", "│", "─", "┼", "/", NULL};
    scan s;
    size_t n = 0;
    if (!scan_begin(&s, text)) return 0;
    for (;;) {
        scan_separators(&s);
        if (s.p == s.end) return n;
        if (*s.p >= '1' && *s.p <= '9') {
            if (n == SIDE * SIDE) return 0;
            cells[n++] = *s.p++;
        } else if (scan_any(&s, LAYOUT) < 0) {
            return 0;
        }
    }
}

static bool rules_hold(const char *cells, size_t side)
{
    size_t box = side == 4 ? 2 : 3;
    unsigned all = (1u << side) - 1;
    for (size_t i = 0; i < side; i++) {
        unsigned row = 0, column = 0, square = 0;
        for (size_t j = 0; j < side; j++) {
            row |= 1u << (cells[i * side + j] - '1');
            column |= 1u << (cells[j * side + i] - '1');
            size_t r = i / box * box + j / box, c = i % box * box + j % box;
            square |= 1u << (cells[r * side + c] - '1');
        }
        if (row != all || column != all || square != all) return false;
    }
    return true;
}

bool kind_sudoku(const reward_question *q, str answer, const char **reason)
{
    char given[SIDE * SIDE], got[SIDE * SIDE], known[SIDE * SIDE];
    size_t side = 0, columns = 0, n = read_digits(answer, got);
    if (q->puzzle) {
        size_t rows =
            puzzle_rows(json_object_get(q->puzzle, "grid"), ".123456789", SIDE, given, &columns);
        if (rows != columns || (rows != 4 && rows != 9)) return scan_no(reason, reward_bad_puzzle);
        side = rows;
    } else {
        size_t cells = read_digits(q->gold, known);
        if (cells != 16 && cells != 81) return scan_no(reason, reward_bad_gold);
        side = cells == 16 ? 4 : 9;
    }
    if (n == 0) return scan_no(reason, "not a grid of digits");
    if (n != side * side) return scan_no(reason, "another number of digits");
    for (size_t i = 0; i < n; i++) {
        char want = q->puzzle ? given[i / side * SIDE + i % side] : known[i];
        if (want != '.' && want != got[i]) return scan_no(reason, "a given digit was changed");
    }
    if (!rules_hold(got, side)) return scan_no(reason, "a row, column or box lacks a digit");
    *reason = "all digits once in every row, column and box";
    return true;
}
