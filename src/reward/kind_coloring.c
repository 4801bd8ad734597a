/* coloring: a colour for every node so that no edge joins two of one colour, or "none" where that
 * cannot be done. Puzzle: {"nodes":3,"colors":2,"edges":["AB","BC"]}; nodes are A, B, ...
 * SPDX-License-Identifier: MIT */
#include "reward/scan.h"

enum { NODES = 26, COLORS = 9, STEPS = 500000 };

struct graph {
    int n, colors;
    uint32_t beside[NODES]; /* bit b of beside[a]: an edge joins a and b */
};

static const char *const NONE[] = {"none", "no coloring", "no colouring", "impossible",
                                   "无",   "无解",        "不可能",       NULL};
static const char *const EQUALS[] = {"=", ":", "：", "＝", "-", NULL};

/* color[node] from 1, 0 for none given; 1 for a colouring, 0 for "none", -1 for neither. */
static int read_colors(str text, int8_t *color)
{
    scan s;
    memset(color, 0, NODES);
    if (!scan_begin(&s, text)) return -1;
    scan word = s;
    if (scan_any(&word, NONE) >= 0 && scan_done(&word)) return 0;
    while (scan_separators(&s), s.p < s.end) {
        int64_t c;
        int node = *s.p - 'A';
        if (node < 0 || node >= NODES || color[node]) return -1;
        s.p++;
        scan_blanks(&s);
        scan_any(&s, EQUALS);
        scan_blanks(&s);
        if (!scan_number(&s, COLORS, &c) || c == 0) return -1;
        color[node] = (int8_t)c;
    }
    return 1;
}

static bool read_graph(struct graph *g, const json_t *puzzle)
{
    int64_t n, colors;
    const json_t *edges = json_object_get(puzzle, "edges");
    if (!puzzle_int(json_object_get(puzzle, "nodes"), 1, NODES, &n) || !json_is_array(edges) ||
        !puzzle_int(json_object_get(puzzle, "colors"), 1, COLORS, &colors) ||
        json_array_size(edges) > NODES * NODES)
        return false;
    *g = (struct graph){.n = (int)n, .colors = (int)colors};
    for (size_t i = 0; i < json_array_size(edges); i++) {
        str e = json_str(json_array_get(edges, i));
        if (e.n != 2) return false;
        int a = e.p[0] - 'A', b = e.p[1] - 'A';
        if (a < 0 || b < 0 || a >= n || b >= n || a == b) return false;
        g->beside[a] |= 1u << b, g->beside[b] |= 1u << a;
    }
    return true;
}

enum outcome { IMPOSSIBLE, FOUND, GAVE_UP };

/* Colours the node with the fewest colours left first (Brelaz, 1979); of the colours not used yet
 * one is as good as another. */
static enum outcome solve(const struct graph *g, int8_t *color, int used, int64_t *steps)
{
    int best = -1, fewest = COLORS + 1;
    unsigned taken_best = 0;
    if (--*steps < 0) return GAVE_UP;
    for (int v = 0; v < g->n; v++) {
        if (color[v]) continue;
        unsigned taken = 0;
        for (uint32_t m = g->beside[v]; m; m &= m - 1) taken |= 1u << color[__builtin_ctz(m)];
        int left = g->colors - __builtin_popcount(taken >> 1);
        if (left < fewest) fewest = left, best = v, taken_best = taken;
    }
    if (best < 0) return FOUND;
    for (int c = 1; c <= g->colors && c <= used + 1; c++) {
        if (taken_best >> c & 1) continue;
        color[best] = (int8_t)c;
        enum outcome o = solve(g, color, c > used ? c : used, steps);
        color[best] = 0;
        if (o != IMPOSSIBLE) return o;
    }
    return IMPOSSIBLE;
}

static bool check_colors(const struct graph *g, const int8_t *color, const char **reason)
{
    for (int a = 0; a < NODES; a++) {
        if ((color[a] > 0) != (a < g->n)) return scan_no(reason, "not every node exactly once");
        if (color[a] > g->colors) return scan_no(reason, "a colour that is not allowed");
        for (int b = 0; a < g->n && b < a; b++)
            if (g->beside[a] >> b & 1 && color[a] == color[b])
                return scan_no(reason, "an edge joins two nodes of one colour");
    }
    *reason = "every edge joins two colours";
    return true;
}

bool kind_coloring(const reward_question *q, str answer, const char **reason)
{
    struct graph g;
    int8_t color[NODES], known[NODES];
    if (q->puzzle && !read_graph(&g, q->puzzle)) return scan_no(reason, reward_bad_puzzle);
    int said = read_colors(answer, color), want = q->puzzle ? 0 : read_colors(q->gold, known);
    if (want < 0) return scan_no(reason, reward_bad_gold);
    if (said < 0) return scan_no(reason, "neither one colour a node nor \"none\"");
    if (!q->puzzle) {
        bool same = want == said && memcmp(color, known, NODES) == 0;
        *reason = same ? "the same colouring" : "not the known colouring";
        return same;
    }
    if (said == 1) return check_colors(&g, color, reason);
    int64_t steps = STEPS;
    enum outcome o = solve(&g, color, 0, &steps);
    *reason = o == IMPOSSIBLE ? "it cannot be coloured"
              : o == FOUND    ? "it can be coloured"
                              : "too hard to decide";
    return o == IMPOSSIBLE;
}
