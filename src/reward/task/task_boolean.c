/* task_boolean: the value of a formula of & | ^ -> and !.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_puzzle.h"

enum { LEAVES = 12, VARIABLES = 5 };
enum { AND, OR, XOR, IMPLIES };

/* A variable (0..VARIABLES-1) or the part VARIABLES + i, perhaps negated. */
struct operand {
    uint8_t of;
    bool negated;
};

/* Parts come after those that they are made of; the last is the formula. */
typedef struct boolean {
    int variables, parts;
    bool value[VARIABLES];
    struct part {
        uint8_t op;
        struct operand side[2];
    } part[LEAVES - 1];
} boolean;

static const char *const SIGN[] = {" & ", " | ", " ^ ", " -> "};

static bool join(int op, bool a, bool b)
{
    return op == AND ? a && b : op == OR ? a || b : op == XOR ? a != b : !a || b;
}

static bool value_of(const boolean *f, struct operand o);

static bool part_value(const boolean *f, int i)
{
    const struct part *p = &f->part[i];
    return join(p->op, value_of(f, p->side[0]), value_of(f, p->side[1]));
}

static bool value_of(const boolean *f, struct operand o)
{
    return (o.of < VARIABLES ? f->value[o.of] : part_value(f, o.of - VARIABLES)) != o.negated;
}

/* Adds a formula of so many variables and says where it is. */
static struct operand grow(boolean *f, task_draw *d, int leaves, int ops)
{
    bool negated = task_below(d, 3) == 0;
    if (leaves == 1)
        return (struct operand){(uint8_t)task_below(d, (uint64_t)f->variables), negated};
    int left = (int)task_between(d, 1, leaves - 1);
    struct part p = {.op = (uint8_t)task_below(d, (uint64_t)ops)};
    p.side[0] = grow(f, d, left, ops);
    p.side[1] = grow(f, d, leaves - left, ops);
    f->part[f->parts] = p;
    return (struct operand){(uint8_t)(VARIABLES + f->parts++), negated};
}

/* Is there a variable that matters? Then misreading it misleads. */
static bool sensitive(boolean *f)
{
    bool value = part_value(f, f->parts - 1), found = false;
    for (int v = 0; v < f->variables; v++) {
        f->value[v] = !f->value[v];
        found = found || part_value(f, f->parts - 1) != value;
        f->value[v] = !f->value[v];
    }
    return found;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const struct {
        int leaves, variables, ops;
    } LADDER[] = {{2, 2, 2}, {3, 3, 2}, {4, 3, 3}, {6, 4, 4}, {8, 4, 4}, {12, 5, 4}};
    boolean *f = state;
    f->variables = LADDER[level - 1].variables;
    bool want = task_below(d, 2); /* as many true as false, so that a guess is worth no more */
    grow(f, d, LADDER[level - 1].leaves, LADDER[level - 1].ops);
    for (int tries = 0; tries < 32; tries++) {
        for (int v = 0; v < f->variables; v++) f->value[v] = task_below(d, 2);
        if (part_value(f, f->parts - 1) == want && sensitive(f)) return true;
    }
    return false;
}

/* How an operand stands in a text: named (p, a), as values (T), or written out. */
enum manner { NAMED, VALUED, WRITTEN };

static void put_part(const boolean *f, int i, enum manner m, buf *out);

static void put_operand(const boolean *f, struct operand o, enum manner m, buf *out)
{
    if (o.negated) buf_add_char(out, '!');
    if (o.of < VARIABLES) {
        buf_add_char(out, m != VALUED ? (char)('p' + o.of) : f->value[o.of] ? 'T' : 'F');
    } else if (m == NAMED) {
        buf_add_char(out, (char)('a' + o.of - VARIABLES));
    } else {
        buf_add_char(out, '(');
        put_part(f, o.of - VARIABLES, m, out);
        buf_add_char(out, ')');
    }
}

static void put_part(const boolean *f, int i, enum manner m, buf *out)
{
    put_operand(f, f->part[i].side[0], m, out);
    task_text(out, SIGN[f->part[i].op]);
    put_operand(f, f->part[i].side[1], m, out);
}

static void put_values(const boolean *f, buf *out)
{
    for (int v = 0; v < f->variables; v++) {
        if (v) task_text(out, ", ");
        buf_add_char(out, (char)('p' + v)), buf_add_char(out, '='),
            buf_add_char(out, f->value[v] ? 'T' : 'F');
    }
}

static void key(const void *state, buf *out)
{
    const boolean *f = state;
    put_values(f, out);
    buf_add_char(out, ' ');
    put_part(f, f->parts - 1, WRITTEN, out);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "# (& and, | or, ! not, ^ exclusive or, -> implies). Is # true or false?",
        "Evaluate, with #: #. True or false? (& and, | or, ! not, ^ exclusive or, -> implies)",
        "Let #. What is #, true or false? Signs: & and, | or, ! not, ^ exclusive or, -> implies.",
    };
    static const char *const ZH[] = {
        "#（& 与，| 或，! 非，^ 异或，-> 蕴含）。# 为真（true）还是假（false）？",
        "设 #，求 # 的真值，答 true 或 false。（& 与，| 或，! 非，^ 异或，-> 蕴含）",
        "已知 #。# 是 true 还是 false？符号：& 与，| 或，! 非，^ 异或，-> 蕴含。",
    };
    const boolean *f = state;
    buf values = {0}, formula = {0};
    put_values(f, &values);
    put_part(f, f->parts - 1, WRITTEN, &formula);
    task_ask(out, lang, d, EN, ZH, ((const str[]){buf_str(&values), buf_str(&formula)}));
    buf_free(&values), buf_free(&formula);
}

static void answer(const void *state, buf *out)
{
    const boolean *f = state;
    task_text(out, part_value(f, f->parts - 1) ? "true" : "false");
}

/* ---- traces ---------------------------------------------------------------------------------- */

static void put_truth(buf *out, bool v) { buf_add_char(out, v ? 'T' : 'F'); }

/* What the narrator has found; parts as well as variables. */
struct found {
    const boolean *f;
    bool value[VARIABLES + LEAVES - 1];
};

static bool look(const struct found *k, struct operand o) { return k->value[o.of] != o.negated; }

static void name_part(const boolean *f, int i, buf *out)
{
    buf_add_char(out, (char)('a' + i)), buf_add_char(out, '=');
    put_part(f, i, NAMED, out);
}

/* "a=p & !q=T & F=F" */
static void work_out(task_tale *t, struct found *k, int i)
{
    const struct part *p = &k->f->part[i];
    bool a = look(k, p->side[0]), b = look(k, p->side[1]), v = join(p->op, a, b);
    for (bool wrong = task_turns(t);; wrong = false) {
        if (t->o->style == TASK_SUBGOALS) buf_add_char(t->out, (char)('a' + i));
        else name_part(k->f, i, t->out);
        buf_add_char(t->out, '=');
        put_truth(t->out, a), task_text(t->out, SIGN[p->op]), put_truth(t->out, b);
        buf_add_char(t->out, '=');
        if (!wrong) break;
        put_truth(t->out, !v);
        task_no(t);
    }
    k->value[VARIABLES + i] = task_work(t, v, 0, 1);
    put_truth(t->out, k->value[VARIABLES + i]);
    buf_add_char(t->out, '\n');
}

static bool find(task_tale *t, struct found *k, struct operand o);

/* From the formula down, and no further than needed: a left side that decides ends it. */
static void ask_for(task_tale *t, struct found *k, int i)
{
    const struct part *p = &k->f->part[i];
    name_part(k->f, i, t->out);
    buf_add_char(t->out, '\n');
    bool a = find(t, k, p->side[0]), decided = join(p->op, a, false) == join(p->op, a, true);
    bool b = !decided && find(t, k, p->side[1]);
    k->value[VARIABLES + i] = task_work(t, join(p->op, a, b), 0, 1);
    buf_add_char(t->out, (char)('a' + i)), buf_add_char(t->out, '=');
    put_truth(t->out, a), task_text(t->out, SIGN[p->op]);
    buf_add_char(t->out, decided ? '?' : b ? 'T' : 'F'), buf_add_char(t->out, '=');
    put_truth(t->out, k->value[VARIABLES + i]);
    buf_add_char(t->out, '\n');
}

static bool find(task_tale *t, struct found *k, struct operand o)
{
    if (o.of >= VARIABLES) ask_for(t, k, o.of - VARIABLES);
    return look(k, o);
}

static void trace(const void *state, task_tale *t)
{
    boolean f = *(const boolean *)state;
    struct found k = {.f = &f};
    int last = f.parts - 1;
    for (int v = 0; v < f.variables; v++) k.value[v] = f.value[v] = task_read(t, f.value[v], 0, 1);
    if (t->o->style == TASK_SUBGOALS)
        for (int i = 0; i <= last; i++) name_part(&f, i, t->out), buf_add_char(t->out, '\n');
    if (t->o->style == TASK_VERIFICATION) put_values(&f, t->out), buf_add_char(t->out, '\n');
    if (t->o->style == TASK_BACKWARD) ask_for(t, &k, last);
    else
        for (int i = 0; i <= last; i++) work_out(t, &k, i);
    bool v = k.value[VARIABLES + last];
    if (t->o->style == TASK_VERIFICATION) {
        task_say(t, "check: ", "检查：");
        put_part(&f, last, VALUED, t->out);
        buf_add_char(t->out, '=');
        put_truth(t->out, v);
    }
    task_text(t->answer, v ? "true" : "false");
}

const task_family task_boolean = {
    .name = "boolean",
    .kind = "boolean",
    .about = "the value of a logical formula",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS | 1 << TASK_BACKWARD,
    .state_bytes = sizeof(boolean),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
