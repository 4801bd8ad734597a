/* task_expression: sums, differences and products with brackets.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_int.h"

enum { MAX_LEAVES = 14, MAX_NODES = 2 * MAX_LEAVES - 1, MOST = 999 };

typedef struct node {
    char op; /* 0: a number */
    int left, right;
    int64_t v;
} node;

/* A binary tree; the root is the last node. Its text has brackets only where they are needed, so
 * that text and tree determine each other. */
typedef struct expression {
    int n;
    node node[MAX_NODES];
} expression;

/* Builds a tree of so many leaves; -1 when a value grows too large. */
static int grow(expression *e, task_draw *d, int leaves)
{
    static const char OPS[] = {'+', '-', '*', '+', '-', '*', '+'};
    node x = {0};
    if (leaves == 1) {
        x.v = task_between(d, 1, 9);
    } else {
        int left = (int)task_between(d, 1, leaves - 1);
        x.op = task_pick(d, OPS);
        x.left = grow(e, d, left);
        x.right = x.left < 0 ? -1 : grow(e, d, leaves - left);
        if (x.right < 0) return -1;
        int64_t a = e->node[x.left].v, b = e->node[x.right].v;
        x.v = x.op == '+' ? a + b : x.op == '-' ? a - b : a * b;
        if (x.v > MOST || x.v < -MOST) return -1;
    }
    e->node[e->n] = x;
    return e->n++;
}

static bool needs_brackets(const expression *e, int parent, bool right)
{
    char op = e->node[parent].op;
    char child = e->node[right ? e->node[parent].right : e->node[parent].left].op;
    if (!child) return false;
    return right ? op == '*' || child != '*' : op == '*' && child != '*';
}

static int depth(const expression *e, int i)
{
    const node *x = &e->node[i];
    if (!x->op) return 0;
    int left = depth(e, x->left) + needs_brackets(e, i, false);
    int right = depth(e, x->right) + needs_brackets(e, i, true);
    return left > right ? left : right;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const struct { int least, most, depth; } LADDER[] = {{3, 3, 1}, {4, 4, 2},  {5, 6, 2},
                                                                {7, 8, 3}, {9, 10, 3}, {12, 14, 4}};
    expression *e = state;
    int leaves = (int)task_between(d, LADDER[level - 1].least, LADDER[level - 1].most);
    int root = grow(e, d, leaves);
    /* Of a product of two zeros no number alone could be misread to any effect. */
    return root >= 0 && e->node[root].v != 0 && depth(e, root) <= LADDER[level - 1].depth;
}

/* A number for a subtree that does not see the order of what is added or multiplied. */
static uint64_t shape(const expression *e, int i)
{
    const node *x = &e->node[i];
    if (!x->op) return rng_u64((uint64_t)x->v, 0, 0, RNG_TASK);
    uint64_t a = shape(e, x->left), b = shape(e, x->right);
    if (x->op != '-' && a > b) {
        uint64_t c = a;
        a = b, b = c;
    }
    return rng_u64(a, b, (uint64_t)x->op, RNG_TASK);
}

static void key(const void *state, buf *out)
{
    const expression *e = state;
    buf_printf(out, "%llx", (unsigned long long)shape(e, e->n - 1));
}

static void put_node(const expression *e, int i, buf *out)
{
    const node *x = &e->node[i];
    if (!x->op) {
        task_put(out, x->v);
        return;
    }
    for (int right = 0; right < 2; right++) {
        bool brackets = needs_brackets(e, i, right);
        if (right) buf_add_char(out, ' '), buf_add_char(out, x->op), buf_add_char(out, ' ');
        if (brackets) buf_add_char(out, '(');
        put_node(e, right ? x->right : x->left, out);
        if (brackets) buf_add_char(out, ')');
    }
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {"Evaluate #.", "What is #?", "Compute #.",
                                     "Find the value of #."};
    static const char *const ZH[] = {"计算 #。", "# 等于多少？", "求 # 的值。", "算一算：#。"};
    const expression *e = state;
    buf text = {0};
    put_node(e, e->n - 1, &text);
    const str parts[] = {buf_str(&text)};
    task_ask(out, lang, d, EN, ZH, parts);
    out->failed |= text.failed;
    buf_free(&text);
}

static void answer(const void *state, buf *out)
{
    const expression *e = state;
    task_put(out, e->node[e->n - 1].v);
}

/* Inner operations first; the right-hand side first for another way through. */
static int64_t reduce(task_tale *t, const expression *e, int i, bool right_first)
{
    const node *x = &e->node[i];
    if (!x->op) return x->v;
    int64_t right = right_first ? reduce(t, e, x->right, right_first) : 0;
    int64_t left = reduce(t, e, x->left, right_first);
    if (!right_first) right = reduce(t, e, x->right, right_first);
    return task_step(t, left, x->op, right);
}

/* The terms of the outermost sum, each named before it is worked out. */
static int64_t by_terms(task_tale *t, const expression *e, int i)
{
    const node *x = &e->node[i];
    if (x->op == '+' || x->op == '-') {
        int64_t left = by_terms(t, e, x->left), right = by_terms(t, e, x->right);
        return task_step(t, left, x->op, right);
    }
    if (!x->op) return x->v;
    task_say(t, "term ", "项 ");
    put_node(e, i, t->out);
    buf_add_char(t->out, '\n');
    return reduce(t, e, i, false);
}

static void trace(const void *state, task_tale *t)
{
    expression e = *(const expression *)state;
    int root = e.n - 1;
    int64_t v;
    if (t->o->style == TASK_SUBGOALS) {
        v = by_terms(t, &e, root);
    } else if (t->o->style == TASK_VERIFICATION) {
        for (int i = 0; i < e.n; i++)
            if (!e.node[i].op) e.node[i].v = task_read(t, e.node[i].v, 1, 9);
        put_node(&e, root, t->out);
        buf_add_char(t->out, '\n');
        v = reduce(t, &e, root, false);
        task_checks(t);
        v = reduce(t, &e, root, true);
    } else {
        v = reduce(t, &e, root, false);
    }
    task_put(t->answer, v);
}

const task_family task_expression = {
    .name = "expression",
    .kind = "integer",
    .about = "brackets and precedence with + - *",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(expression),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
