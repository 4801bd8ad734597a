/* task_path: a shortest way through a maze on a grid, or none.
 * SPDX-License-Identifier: MIT
 *
 * Traces name a cell by its row and column, both from 0: "23" is row 2, column 3. */
#include "reward/task/task_puzzle.h"

enum { SIDE = 10, CELLS = SIDE * SIDE, FAR = 1000 };

typedef struct maze {
    int side;
    uint8_t start, end; /* row * SIDE + column */
    bool wall[CELLS];
} maze;

static const char MOVE[] = "UDLR";

/* The cell one move on, or -1 at the rim. */
static int beside(const maze *m, int at, int move)
{
    int r = at / SIDE + (move == 1) - (move == 0), c = at % SIDE + (move == 3) - (move == 2);
    return r < 0 || c < 0 || r >= m->side || c >= m->side ? -1 : r * SIDE + c;
}

/* Moves from a cell to every other, FAR where there is no way; a wall counts as its best neighbour
 * and one more, the distance if it were open. */
static void measure(const maze *m, int from, int16_t *distance)
{
    uint8_t queue[CELLS];
    int head = 0, tail = 0;
    for (int i = 0; i < CELLS; i++) distance[i] = FAR;
    distance[from] = 0;
    queue[tail++] = (uint8_t)from;
    while (head < tail) {
        int at = queue[head++];
        for (int move = 0; move < 4; move++) {
            int to = beside(m, at, move);
            if (to < 0 || distance[to] < FAR) continue;
            distance[to] = (int16_t)(distance[at] + 1);
            if (!m->wall[to]) queue[tail++] = (uint8_t)to;
        }
    }
}

/* Enough walls that would mislead a reader who overlooks one: through it the way is no longer. */
static bool can_mislead(const maze *m, const int16_t *distance)
{
    int16_t back[CELLS];
    int walls = 0, good = 0;
    measure(m, m->end, back);
    for (int i = 0; i < CELLS; i++) {
        if (!m->wall[i]) continue;
        walls++;
        good += distance[i] < FAR && back[i] < FAR && distance[i] + back[i] <= distance[m->end];
    }
    return good && good * 12 >= walls;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const int SIDES[] = {4, 5, 6, 7, 8, 10};
    maze *m = state;
    m->side = SIDES[level - 1];
    bool none = task_below(d, 10) == 0;
    int16_t distance[CELLS];
    for (int tries = 0; tries < 200; tries++) {
        uint64_t rate = task_below(d, 11) + 25;
        for (int r = 0; r < m->side; r++)
            for (int c = 0; c < m->side; c++) m->wall[r * SIDE + c] = task_below(d, 100) < rate;
        uint64_t n = (uint64_t)m->side;
        m->start = (uint8_t)(task_below(d, n) * SIDE + task_below(d, n));
        m->end = (uint8_t)(task_below(d, n) * SIDE + task_below(d, n));
        if (m->start == m->end) continue;
        m->wall[m->start] = m->wall[m->end] = false;
        measure(m, m->start, distance);
        bool far = distance[m->end] == FAR;
        if (far == none && distance[m->end] >= m->side && can_mislead(m, distance)) return true;
    }
    return false;
}

static char cell_char(const maze *m, int at)
{
    return at == m->start ? 'S' : at == m->end ? 'E' : m->wall[at] ? '#' : '.';
}

static void put_grid(const maze *m, buf *out)
{
    for (int r = 0; r < m->side; r++) {
        if (r) buf_add_char(out, '\n');
        for (int c = 0; c < m->side; c++) buf_add_char(out, cell_char(m, r * SIDE + c));
    }
}

static void key(const void *state, buf *out) { put_grid(state, out); }

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Find a shortest way from S to E; # is a wall. Write moves U, D, L, R, or none.\n#",
        "Maze (S start, E end, # wall, . free):\n#\nGive the fewest moves U D L R, or none.",
        "Get from S to E in the fewest moves (U, D, L, R; not through #), or answer none.\n#",
    };
    static const char *const ZH[] = {
        "求从 S 到 E 的一条最短路，# 是墙。用 U、D、L、R（上下左右）写出每步；没有路就答 none。\n#",
        "迷宫（S 起点，E 终点，# 墙，. 空地）：\n#\n写出步数最少的走法（U D L R），走不到答 none。",
    };
    buf grid = {0};
    put_grid(state, &grid);
    task_ask(out, lang, d, EN, ZH, ((const str[]){STR("#"), buf_str(&grid)}));
    buf_free(&grid);
}

/* A way as cells from start to end, by falling distances to the end; how many moves. */
static int follow(const maze *m, int from, const int16_t *to_end, uint8_t *cells)
{
    int n = 0;
    cells[n] = (uint8_t)from;
    while (to_end[cells[n]] > 0) {
        for (int move = 0; move < 4; move++) {
            int next = beside(m, cells[n], move);
            if (next < 0 || m->wall[next] || to_end[next] + 1 != to_end[cells[n]]) continue;
            cells[++n] = (uint8_t)next;
            break;
        }
    }
    return n;
}

static char move_between(const maze *m, int from, int to)
{
    for (int move = 0; move < 4; move++)
        if (beside(m, from, move) == to) return MOVE[move];
    return '?';
}

static void answer(const void *state, buf *out)
{
    const maze *m = state;
    int16_t distance[CELLS];
    uint8_t cells[CELLS];
    measure(m, m->end, distance);
    if (distance[m->start] == FAR) {
        task_text(out, "none");
        return;
    }
    int n = follow(m, m->start, distance, cells);
    for (int i = 0; i < n; i++) buf_add_char(out, move_between(m, cells[i], cells[i + 1]));
}

static void puzzle(const void *state, json_writer *w)
{
    const maze *m = state;
    json_open(w, '{');
    json_key(w, "grid");
    json_open(w, '[');
    for (int r = 0; r < m->side; r++) {
        char row[SIDE];
        for (int c = 0; c < m->side; c++) row[c] = cell_char(m, r * SIDE + c);
        json_text(w, (str){row, (size_t)m->side});
    }
    json_close(w, ']');
    json_close(w, '}');
}

/* ---- traces ---------------------------------------------------------------------------------- */

static void put_cell(buf *out, int at)
{
    buf_add_char(out, (char)('0' + at / SIDE)), buf_add_char(out, (char)('0' + at % SIDE));
}

/* The cells at each distance from `from`, until `to` is among them: "2: 02 11". */
static void put_waves(task_tale *t, const maze *m, const int16_t *distance, int to)
{
    for (int wave = 0; wave <= distance[to]; wave++) {
        bool any = false;
        for (int i = 0; i < CELLS; i++) {
            if (distance[i] != wave || m->wall[i]) continue;
            if (!any) task_put(t->out, wave), buf_add_char(t->out, ':');
            any = true;
            buf_add_char(t->out, ' '), put_cell(t->out, i);
        }
        if (!any) return;
        buf_add_char(t->out, '\n');
    }
}

struct search {
    const maze *m;
    int limit;
    int16_t seen[CELLS]; /* fewest moves with which a cell was entered */
    uint8_t cells[CELLS];
};

static int apart(int a, int b)
{
    int r = a / SIDE - b / SIDE, c = a % SIDE - b % SIDE;
    return (r < 0 ? -r : r) + (c < 0 ? -c : c);
}

/* Depth first within the limit, towards the end first; "x" goes back a cell. */
static bool by_search(task_tale *t, struct search *s, int at, int moves)
{
    if (moves) buf_add_char(t->out, ' ');
    put_cell(t->out, at);
    s->seen[at] = (int16_t)moves;
    s->cells[moves] = (uint8_t)at;
    if (at == s->m->end) return true;
    for (int nearer = 1; nearer >= 0; nearer--)
        for (int move = 0; move < 4; move++) {
            int to = beside(s->m, at, move);
            if (to < 0 || s->m->wall[to] || s->seen[to] <= moves + 1) continue;
            if ((apart(to, s->m->end) < apart(at, s->m->end)) != nearer) continue;
            if (moves + 1 + apart(to, s->m->end) > s->limit) continue;
            if (by_search(t, s, to, moves + 1)) return true;
        }
    task_text(t->out, " x");
    return false;
}

/* Searches with too low a limit and then with the right one; the number of moves, or -1. */
static int search_deeper(task_tale *t, struct search *s, int length)
{
    int limit = length == FAR ? FAR : length - 2;
    if (limit < apart(s->m->start, s->m->end)) limit = length;
    for (; limit <= length; limit += 2) {
        s->limit = limit;
        for (int i = 0; i < CELLS; i++) s->seen[i] = FAR + 1;
        if (length < FAR) {
            task_say(t, "at most ", "至多 ");
            task_put(t->out, limit);
            task_text(t->out, ": ");
        }
        bool found = by_search(t, s, s->m->start, 0);
        buf_add_char(t->out, '\n');
        if (found) return length;
    }
    return -1;
}

/* The way through a wall that was overlooked, or any. */
static int pick_way(const maze *m, int opened, const int16_t *to_end, uint8_t *cells)
{
    int16_t to_wall[CELLS];
    if (opened < 0) return follow(m, m->start, to_end, cells);
    measure(m, opened, to_wall);
    if (to_wall[m->start] + to_end[opened] != to_end[m->start])
        return follow(m, m->start, to_end, cells);
    int n = follow(m, m->start, to_wall, cells);
    return n + follow(m, opened, to_end, cells + n);
}

static void put_way(task_tale *t, const maze *m, const uint8_t *cells, int n)
{
    task_say(t, "way: ", "路：");
    put_cell(t->out, cells[0]);
    for (int i = 0; i < n; i++) {
        char move = move_between(m, cells[i], cells[i + 1]);
        if (t->o->style != TASK_VERIFICATION && task_slips(t))
            move = "DURL"[strchr(MOVE, move) - MOVE];
        buf_add_char(t->answer, move);
        buf_add_char(t->out, ' '), buf_add_char(t->out, move), buf_add_char(t->out, ' ');
        put_cell(t->out, cells[i + 1]);
    }
    if (t->o->style != TASK_VERIFICATION) return;
    task_say(t, "\ncheck: ", "\n检查：");
    for (int i = 0; i <= n; i++) buf_add_char(t->out, cell_char(m, cells[i]));
    task_say(t, ", moves ", "，步数 ");
    task_put(t->out, n);
}

static void trace(const void *state, task_tale *t)
{
    maze m = *(const maze *)state;
    int opened = -1, n = 0;
    for (int i = 0; i < CELLS; i++)
        if (m.wall[i] && task_slips(t)) m.wall[i] = false, opened = i;
    int16_t from_start[CELLS], to_end[CELLS];
    struct search s = {.m = &m};
    measure(&m, m.start, from_start);
    measure(&m, m.end, to_end);
    int length = from_start[m.end];
    if (t->o->style == TASK_BACKTRACKING) n = search_deeper(t, &s, length);
    else if (t->o->style == TASK_BACKWARD) put_waves(t, &m, to_end, m.start);
    else put_waves(t, &m, from_start, m.end);
    if (length == FAR) {
        task_say(t, "E not reached", "到不了 E");
        task_text(t->answer, "none");
        return;
    }
    if (t->o->style != TASK_BACKTRACKING) n = pick_way(&m, opened, to_end, s.cells);
    put_way(t, &m, s.cells, n);
}

const task_family task_path = {
    .name = "path",
    .kind = "path",
    .about = "a shortest way through a maze, or none",
    .levels = 6,
    .styles =
        1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING | 1 << TASK_BACKWARD,
    .state_bytes = sizeof(maze),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .puzzle = puzzle,
    .trace = trace,
};
