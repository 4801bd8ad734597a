/* task_coloring: colours for the nodes of a graph, no edge inside one colour, or "none".
 * SPDX-License-Identifier: MIT
 *
 * As many graphs can be coloured as not, so that a guess is worth no more. */
#include "reward/task/task_puzzle.h"

enum { NODES = 10, EDGES = 20 };

typedef struct graph {
    int n, colors, edges;
    bool colorable;
    uint8_t edge[EDGES][2]; /* the smaller node first */
    uint16_t beside[NODES];
} graph;

/* Colours from 1; 0: none yet. */
struct coloring {
    uint8_t of[NODES];
};

static void join(graph *g)
{
    memset(g->beside, 0, sizeof g->beside);
    for (int i = 0; i < g->edges; i++) {
        int a = g->edge[i][0], b = g->edge[i][1];
        g->beside[a] |= (uint16_t)(1u << b), g->beside[b] |= (uint16_t)(1u << a);
    }
}

/* Colours of the neighbours, as bits from bit 1. */
static unsigned taken(const graph *g, const struct coloring *c, int node)
{
    unsigned t = 0;
    for (unsigned m = g->beside[node]; m; m &= m - 1) t |= 1u << c->of[__builtin_ctz(m)];
    return t & ~1u;
}

/* The node to colour next: the one with the fewest colours left (Brelaz, 1979); or, less cleverly,
 * with the most neighbours coloured, which leads into more dead ends. */
static int choose(const graph *g, const struct coloring *c, bool naive)
{
    int best = -1, most = -1;
    for (int v = 0; v < g->n; v++) {
        if (c->of[v]) continue;
        int n = 0, degree = __builtin_popcount(g->beside[v]);
        for (unsigned m = g->beside[v]; m; m &= m - 1) n += c->of[__builtin_ctz(m)] != 0;
        if (!naive) n = __builtin_popcount(taken(g, c, v)) * NODES + degree;
        if (n > most) most = n, best = v;
    }
    return best;
}

/* Colours with numbers that were used, and one more: the others are no different. */
static bool solve(const graph *g, struct coloring *c, int used)
{
    int v = choose(g, c, false);
    if (v < 0) return true;
    unsigned t = taken(g, c, v);
    for (int k = 1; k <= g->colors && k <= used + 1; k++) {
        if (t >> k & 1) continue;
        c->of[v] = (uint8_t)k;
        if (solve(g, c, k > used ? k : used)) return true;
    }
    c->of[v] = 0;
    return false;
}

/* A colouring in which just this edge joins one colour: without it, its ends merged. */
static bool solve_without(const graph *g, int edge, struct coloring *c)
{
    graph rest = *g;
    int a = g->edge[edge][0], b = g->edge[edge][1];
    rest.edges--;
    memmove(rest.edge + edge, rest.edge + edge + 1,
            (size_t)(rest.edges - edge) * sizeof *rest.edge);
    for (int i = 0; i < rest.edges; i++)
        for (int k = 0; k < 2; k++)
            if (rest.edge[i][k] == b) rest.edge[i][k] = (uint8_t)a;
    join(&rest);
    *c = (struct coloring){{0}};
    if (!solve(&rest, c, 0)) return false;
    c->of[b] = c->of[a];
    return true;
}

/* ---- the problem ----------------------------------------------------------------------------- */

static void draw_edges(graph *g, task_draw *d, int edges)
{
    memset(g->beside, 0, sizeof g->beside);
    for (g->edges = 0; g->edges < edges;) {
        uint8_t a = (uint8_t)task_below(d, (uint64_t)g->n),
                b = (uint8_t)task_below(d, (uint64_t)g->n);
        if (a >= b || g->beside[a] >> b & 1) continue;
        g->beside[a] |= (uint16_t)(1u << b), g->beside[b] |= (uint16_t)(1u << a);
        g->edge[g->edges][0] = a, g->edge[g->edges++][1] = b;
    }
}

/* Overlooking one of some edges must be able to mislead. */
static bool can_mislead(const graph *g)
{
    struct coloring c;
    int good = 0;
    for (int i = 0; i < g->edges && good < 2; i++) good += solve_without(g, i, &c);
    return good >= 2;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const struct {
        int n, colors, least, most;
    } LADDER[] = {{5, 2, 4, 6},   {5, 3, 6, 8},   {6, 3, 9, 11},
                  {7, 3, 11, 13}, {8, 3, 13, 16}, {10, 3, 18, EDGES}};
    graph *g = state;
    g->n = LADDER[level - 1].n, g->colors = LADDER[level - 1].colors;
    g->colorable = task_below(d, 2);
    for (int tries = 0; tries < 300; tries++) {
        struct coloring c = {{0}};
        draw_edges(g, d, (int)task_between(d, LADDER[level - 1].least, LADDER[level - 1].most));
        if (solve(g, &c, 0) == g->colorable && can_mislead(g)) return true;
    }
    return false;
}

static void put_node(buf *out, int v) { buf_add_char(out, (char)('A' + v)); }

static void put_edges(const graph *g, buf *out)
{
    for (int i = 0; i < g->edges; i++) {
        if (i) buf_add_char(out, ' ');
        put_node(out, g->edge[i][0]), put_node(out, g->edge[i][1]);
    }
}

static void key(const void *state, buf *out)
{
    const graph *g = state;
    task_put(out, g->colors);
    for (int a = 0; a < g->n; a++) buf_add_char(out, ' '), task_put(out, g->beside[a]);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Colour nodes A-# with 1-#, no edge inside one colour. Edges: #. (A=1 ..., or none)",
        "Nodes A-#, colours 1-#, edges #. Give colours (A=1 ...), different along edges, or none.",
    };
    static const char *const ZH[] = {
        "给节点 A-# 涂颜色 1-#，每条边两端颜色不同。边：#。答案形如 A=1 B=2，做不到就答 none。",
        "节点 A-#，颜色 1-#，边 #。写出颜色（A=1 B=2 …），相邻节点颜色不同；不可能则答 none。",
    };
    const graph *g = state;
    buf edges = {0};
    put_edges(g, &edges);
    char last = (char)('A' + g->n - 1), colors = (char)('0' + g->colors);
    task_ask(out, lang, d, EN, ZH, ((const str[]){{&last, 1}, {&colors, 1}, buf_str(&edges)}));
    buf_free(&edges);
}

static void put_coloring(const graph *g, const struct coloring *c, buf *out)
{
    for (int v = 0; v < g->n; v++) {
        if (v) buf_add_char(out, ' ');
        put_node(out, v), buf_add_char(out, '='), task_put(out, c->of[v]);
    }
}

static void answer(const void *state, buf *out)
{
    const graph *g = state;
    struct coloring c = {{0}};
    if (solve(g, &c, 0)) put_coloring(g, &c, out);
    else task_text(out, "none");
}

static void puzzle(const void *state, json_writer *w)
{
    const graph *g = state;
    json_open(w, '{');
    json_key(w, "nodes");
    json_i64(w, g->n);
    json_key(w, "colors");
    json_i64(w, g->colors);
    json_key(w, "edges");
    json_open(w, '[');
    for (int i = 0; i < g->edges; i++)
        json_text(w, (str){(char[]){(char)('A' + g->edge[i][0]), (char)('A' + g->edge[i][1])}, 2});
    json_close(w, ']');
    json_close(w, '}');
}

/* ---- traces ---------------------------------------------------------------------------------- */

struct telling {
    task_tale *t;
    graph g;
    struct coloring c;
    const struct coloring *target; /* where an overlooked edge leads; NULL: search */
};

static void put_taken(struct telling *s, int v, unsigned t)
{
    put_node(s->t->out, v);
    if (!t) return;
    task_say(s->t, " not ", " 非");
    for (int k = 1; k <= s->g.colors; k++)
        if (t >> k & 1) task_put(s->t->out, k);
}

/* "C not 12: 3"; back from a node that has no colour left: "D not 123 no". */
static bool by_search(struct telling *s, int used)
{
    int v = choose(&s->g, &s->c, s->t->o->style == TASK_BACKTRACKING);
    if (v < 0) return true;
    unsigned t = taken(&s->g, &s->c, v);
    bool told = false;
    for (int k = 1; k <= s->g.colors && k <= used + 1; k++) {
        if (t >> k & 1 || (s->target && k != s->target->of[v])) continue;
        if (told) put_node(s->t->out, v);
        else put_taken(s, v, t);
        told = true;
        buf_printf(s->t->out, ": %d\n", k);
        s->c.of[v] = (uint8_t)k;
        if (by_search(s, s->target ? s->g.colors : k > used ? k : used)) return true;
        s->c.of[v] = 0;
    }
    if (!told) {
        put_taken(s, v, t);
        task_no(s->t);
    }
    return false;
}

static void check(struct telling *s)
{
    task_say(s->t, "check:", "检查：");
    for (int i = 0; i < s->g.edges; i++) {
        int a = s->g.edge[i][0], b = s->g.edge[i][1];
        buf_add_char(s->t->out, ' ');
        put_node(s->t->out, a), put_node(s->t->out, b);
        task_put(s->t->out, s->c.of[a]), task_put(s->t->out, s->c.of[b]);
    }
}

static void trace(const void *state, task_tale *t)
{
    struct telling s = {.t = t, .g = *(const graph *)state};
    struct coloring misled;
    for (int i = 0; i < s.g.edges; i++) {
        if (!task_slips(t)) continue;
        if (solve_without(&s.g, i, &misled)) s.target = &misled;
        s.g.edges--;
        memmove(s.g.edge + i, s.g.edge + i + 1, (size_t)(s.g.edges - i) * sizeof *s.g.edge);
        join(&s.g);
        i--;
    }
    if (!by_search(&s, s.target ? s.g.colors : 0)) {
        task_say(t, "all fail", "都不行");
        task_text(t->answer, "none");
        return;
    }
    if (t->o->style == TASK_VERIFICATION) check(&s);
    put_coloring(&s.g, &s.c, t->answer);
}

const task_family task_coloring = {
    .name = "coloring",
    .kind = "coloring",
    .about = "colours for the nodes of a graph, or none",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING,
    .state_bytes = sizeof(graph),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .puzzle = puzzle,
    .trace = trace,
};
