/* path: a shortest way through a grid as moves U D L R, or "none" where there is no way.
 * Puzzle: {"grid":["S.#", "..E"]}; # is a wall.
 * SPDX-License-Identifier: MIT */
#include "reward/scan.h"

enum { SIDE = 64, CELLS = SIDE * SIDE, NO_PATH = -1, NO_ANSWER = -2 };

static const char *const WORDS[] = {"up", "down", "left", "right", "u",  "d",  "l",  "r", "↑",
                                    "↓",  "←",    "→",    "上",    "下", "左", "右", NULL};
static const char *const NONE[] = {"none", "no path", "unreachable", "无",     "无解",
                                   "无路", "没有",    "无法到达",    "不可达", NULL};
static const char *const BETWEEN[] = {"->", "-", "[", "]", "\"", "'", NULL};

/* Takes one move; letters may stand together ("RRD"), words need an end. */
static int take_move(scan *s)
{
    int move = scan_any(s, WORDS);
    if (move >= 0) return move % 4;
    static const char LETTERS[] = "udlrUDLR";
    const char *at = s->p < s->end && *s->p ? strchr(LETTERS, *s->p) : NULL;
    if (!at) return -1;
    s->p++;
    return (int)(at - LETTERS) % 4;
}

/* The moves as 0..3; how many, NO_PATH for "none", NO_ANSWER for anything else. */
static int read_moves(str text, uint8_t *moves)
{
    scan s;
    int n = 0;
    if (!scan_begin(&s, text)) return NO_ANSWER;
    scan word = s;
    if (scan_any(&word, NONE) >= 0 && scan_done(&word)) return NO_PATH;
    for (;;) {
        do scan_separators(&s);
        while (scan_any(&s, BETWEEN) >= 0);
        if (s.p == s.end) return n ? n : NO_ANSWER;
        int move = take_move(&s);
        if (move < 0 || n == CELLS) return NO_ANSWER;
        moves[n++] = (uint8_t)move;
    }
}

struct maze {
    char cell[CELLS]; /* [row * SIDE + column] */
    size_t rows, columns, start, end;
};

static bool read_maze(struct maze *m, const json_t *puzzle)
{
    size_t starts = 0, ends = 0;
    m->rows = puzzle_rows(json_object_get(puzzle, "grid"), "SE.#", SIDE, m->cell, &m->columns);
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->columns; c++) {
            size_t at = r * SIDE + c;
            if (m->cell[at] == 'S') m->start = at, starts++;
            if (m->cell[at] == 'E') m->end = at, ends++;
        }
    return starts == 1 && ends == 1;
}

/* The cell one move on, or SIZE_MAX at a wall or the rim. */
static size_t step(const struct maze *m, size_t at, int move)
{
    size_t r = at / SIDE, c = at % SIDE;
    if (move == 0   ? r == 0
        : move == 1 ? r + 1 == m->rows
        : move == 2 ? c == 0
                    : c + 1 == m->columns)
        return SIZE_MAX;
    size_t to = move == 0 ? at - SIDE : move == 1 ? at + SIDE : move == 2 ? at - 1 : at + 1;
    return m->cell[to] == '#' ? SIZE_MAX : to;
}

/* Breadth first: the least number of moves, or NO_PATH. */
static int least(const struct maze *m)
{
    int16_t distance[CELLS];
    uint16_t queue[CELLS];
    memset(distance, -1, sizeof distance);
    size_t head = 0, tail = 0;
    distance[m->start] = 0;
    queue[tail++] = (uint16_t)m->start;
    while (head < tail && distance[m->end] < 0) {
        size_t at = queue[head++];
        for (int move = 0; move < 4; move++) {
            size_t to = step(m, at, move);
            if (to == SIZE_MAX || distance[to] >= 0) continue;
            distance[to] = (int16_t)(distance[at] + 1);
            queue[tail++] = (uint16_t)to;
        }
    }
    return distance[m->end];
}

static bool walk_reaches(const struct maze *m, const uint8_t *moves, int n, const char **reason)
{
    size_t at = m->start;
    for (int i = 0; i < n; i++) {
        at = step(m, at, moves[i]);
        if (at == SIZE_MAX) return scan_no(reason, "walks into a wall or off the grid");
    }
    return at == m->end || scan_no(reason, "does not end at E");
}

bool kind_path(const reward_question *q, str answer, const char **reason)
{
    struct maze m;
    uint8_t moves[CELLS], known[CELLS];
    if (q->puzzle && !read_maze(&m, q->puzzle)) return scan_no(reason, reward_bad_puzzle);
    int n = read_moves(answer, moves);
    int want = q->puzzle ? 0 : read_moves(q->gold, known);
    if (want == NO_ANSWER) return scan_no(reason, reward_bad_gold);
    if (n == NO_ANSWER) return scan_no(reason, "not moves U D L R");
    if (!q->puzzle) {
        if (want != n || (n > 0 && memcmp(moves, known, (size_t)n) != 0))
            return scan_no(reason, "other moves than the known answer");
        *reason = "the same moves";
        return true;
    }
    want = least(&m);
    if (n == NO_PATH && want != NO_PATH) return scan_no(reason, "there is a way");
    if (n != NO_PATH && !walk_reaches(&m, moves, n, reason)) return false;
    if (n != want) return scan_no(reason, "there is a shorter way");
    *reason = n == NO_PATH ? "there is no way" : "a shortest way";
    return true;
}
