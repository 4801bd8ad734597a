/* task_countdown: reach a target from given numbers with + - * /, each number once.
 * SPDX-License-Identifier: MIT
 *
 * Solvable by construction: numbers are joined two by two, and the last result is the target. All
 * intermediate results are natural numbers; solutions may use fractions. */
#include "reward/task/countdown.h"
#include "reward/task/task_puzzle.h"

int32_t countdown_target(const countdown *c) { return c->value[2 * c->n - 2]; }

void countdown_sort(int32_t *v, int n)
{
    for (int i = 1; i < n; i++) {
        int32_t x = v[i];
        int j = i;
        for (; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1];
        v[j] = x;
    }
}

int32_t countdown_join(int32_t a, char op, int32_t b, int32_t most)
{
    int32_t v = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a % b == 0 ? a / b : 0;
    return v > 0 && v <= most ? v : 0;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const struct {
        int n;
        int32_t most, target;
    } LADDER[] = {{2, 9, 20}, {3, 9, 30}, {3, 20, 100}, {4, 20, 100}, {5, 50, 200}, {6, 99, 999}};
    enum { INTERMEDIATE = 2000 };
    countdown *c = state;
    c->n = LADDER[level - 1].n;
    uint8_t open[COUNTDOWN_NUMBERS];
    int left = c->n;
    for (int i = 0; i < c->n; i++) {
        c->value[i] = (int32_t)task_between(d, 1, LADDER[level - 1].most);
        open[i] = (uint8_t)i;
    }
    for (int i = 0; i < c->n - 1; i++, left--) {
        task_shuffle(d, open, left);
        uint8_t a = open[left - 1], b = open[left - 2];
        if (c->value[a] < c->value[b]) a = open[left - 2], b = open[left - 1];
        char op = "+-*/+-*/"[task_below(d, 8)];
        int32_t v = countdown_join(c->value[a], op, c->value[b], INTERMEDIATE);
        if (!v || (op == '/' && c->value[b] == 1)) {
            op = c->value[a] > c->value[b] && task_below(d, 2) ? '-' : '+';
            v = countdown_join(c->value[a], op, c->value[b], INTERMEDIATE);
        }
        if (!v) return false;
        c->step[i] = (struct countdown_step){a, b, op};
        c->value[c->n + i] = v;
        open[left - 2] = (uint8_t)(c->n + i);
    }
    return countdown_target(c) <= LADDER[level - 1].target;
}

static void key(const void *state, buf *out)
{
    const countdown *c = state;
    int32_t v[COUNTDOWN_NUMBERS];
    memcpy(v, c->value, (size_t)c->n * sizeof *v);
    countdown_sort(v, c->n);
    task_numbers(out, v, c->n);
    buf_add_char(out, '=');
    task_put(out, countdown_target(c));
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Use the numbers # exactly once each with + - * / and brackets to make #.",
        "Numbers: #. Target: #. Reach it with + - * / and brackets, each number once.",
        "Combine # (each exactly once; + - * / and brackets) into an expression equal to #.",
    };
    static const char *const ZH[] = {
        "用数字 # 各恰好一次，加上 + - * / 和括号，得到 #。写出算式。",
        "数字：#。目标：#。写出一个算式，每个数字用一次，只用 + - * / 和括号，结果等于目标。",
        "把 # 各用一次（可用 + - * / 和括号）组成值为 # 的算式。",
    };
    const countdown *c = state;
    buf numbers = {0}, goal = {0};
    task_numbers(&numbers, c->value, c->n);
    task_put(&goal, countdown_target(c));
    task_ask(out, lang, d, EN, ZH, ((const str[]){buf_str(&numbers), buf_str(&goal)}));
    buf_free(&numbers), buf_free(&goal);
}

static bool loose(char op) { return op == '+' || op == '-'; }

/* An operand in the brackets that it needs beside op. */
static void put_operand(const countdown *c, int v, int known, char op, bool right, buf *out)
{
    char inner = v < known ? 0 : c->step[v - c->n].op;
    bool bracket =
        inner && ((loose(inner) && (!loose(op) || (right && op == '-'))) ||
                  (!loose(inner) && right && (op == '/' || (op == '*' && inner == '/'))));
    if (bracket) buf_add_char(out, '(');
    countdown_put(c, v, known, out);
    if (bracket) buf_add_char(out, ')');
}

void countdown_put(const countdown *c, int v, int known, buf *out)
{
    if (v < known) {
        task_put(out, c->value[v]);
        return;
    }
    struct countdown_step s = c->step[v - c->n];
    put_operand(c, s.a, known, s.op, false, out);
    buf_add_char(out, s.op);
    put_operand(c, s.b, known, s.op, true, out);
}

static void answer(const void *state, buf *out)
{
    const countdown *c = state;
    countdown_put(c, 2 * c->n - 2, c->n, out);
}

static void puzzle(const void *state, json_writer *w)
{
    const countdown *c = state;
    json_open(w, '{');
    json_key(w, "numbers");
    json_open(w, '[');
    for (int i = 0; i < c->n; i++) json_i64(w, c->value[i]);
    json_close(w, ']');
    json_key(w, "target");
    json_i64(w, countdown_target(c));
    json_close(w, '}');
}

/* ---- traces ---------------------------------------------------------------------------------- */

static void put_join(buf *out, int32_t a, char op, int32_t b, int32_t v)
{
    task_put(out, a), buf_add_char(out, op), task_put(out, b);
    buf_add_char(out, '='), task_put(out, v);
}

static void put_step(const countdown *c, int i, buf *out)
{
    struct countdown_step s = c->step[i];
    put_join(out, c->value[s.a], s.op, c->value[s.b], c->value[c->n + i]);
}

/* Another operation between the operands of step i, with another result. */
static char other_op(const countdown *c, int i, task_draw *d, int32_t *v)
{
    struct countdown_step s = c->step[i];
    static const char OPS[] = "+-*/";
    uint64_t from = task_below(d, 4);
    for (uint64_t k = 0; k < 4; k++) {
        char op = OPS[(from + k) % 4];
        *v = countdown_join(c->value[s.a], op, c->value[s.b], INT32_MAX);
        if (*v && *v != c->value[c->n + i]) return op;
    }
    return s.op;
}

/* The solution as the narrator sees it. In a check that agrees it is the target that was misread;
 * else one step claims the result of another operation, which makes its expression miss the target.
 */
static countdown flawed(const countdown *c, task_tale *t)
{
    countdown told = *c;
    int32_t v;
    if (t->o->style == TASK_VERIFICATION) {
        if (task_slips(t)) {
            told.step[c->n - 2].op = other_op(c, c->n - 2, t->slips, &v);
            told.value[2 * c->n - 2] = v;
        }
    } else {
        for (int i = 0; i < c->n - 1; i++)
            if (task_slips(t)) told.step[i].op = other_op(c, i, t->slips, &v);
    }
    return told;
}

/* a op b as somebody tries it who is after `goal`; -1: not worth a try, since it does not come out
 * even or overshoots by far. */
static int32_t attempt(int32_t a, char op, int32_t b, int32_t goal)
{
    enum { EASY = 100 };
    int32_t r = op == '-' ? a - b : countdown_join(a, op, b, goal > EASY / 2 ? 2 * goal : EASY);
    return r > 0 || op == '-' ? r : -1;
}

/* Every way to join the last two numbers, until one makes the target; false: one does. */
static bool try_last(task_tale *t, const int32_t *v, int32_t goal)
{
    bool first = true;
    int32_t a = v[0] > v[1] ? v[0] : v[1], b = v[0] > v[1] ? v[1] : v[0];
    for (const char *op = "+-*/"; *op; op++) {
        int32_t r = attempt(a, *op, b, goal);
        if (r < 0) continue;
        if (r == goal) return false;
        if (!first) buf_add_char(t->out, ' ');
        first = false;
        put_join(t->out, a, *op, b, r);
    }
    return true;
}

/* Last pairs that were tried already: a search does not repeat itself. */
enum { WAYS = 9 };
typedef struct ways {
    int32_t high[WAYS], low[WAYS];
    size_t n;
} ways;

static bool is_new(ways *w, int32_t a, int32_t b)
{
    int32_t high = a > b ? a : b, low = a > b ? b : a;
    for (size_t i = 0; i < w->n; i++)
        if (w->high[i] == high && w->low[i] == low) return false;
    if (w->n < WAYS) w->high[w->n] = high, w->low[w->n++] = low;
    return true;
}

/* A random way to the end that misses the target, with all its last joins; false: it would not, or
 * was told before. Two numbers have one way, which is told up to the right join. */
static bool wrong_way(task_tale *t, const countdown *c, int32_t goal, ways *told)
{
    int32_t v[COUNTDOWN_NUMBERS];
    size_t start = t->out->n;
    int left = c->n;
    memcpy(v, c->value, sizeof *v * (size_t)c->n);
    for (; left > 2; left--) {
        int i = (int)task_below(t->d, (uint64_t)left),
            j = (int)task_below(t->d, (uint64_t)left - 1);
        if (j >= i) j++;
        if (v[i] < v[j]) {
            int swap = i;
            i = j, j = swap;
        }
        char op = "+-*/"[task_below(t->d, 4)];
        int32_t r = attempt(v[i], op, v[j], goal);
        if (r <= 0) op = '+', r = v[i] + v[j];
        put_join(t->out, v[i], op, v[j], r);
        task_text(t->out, ", ");
        v[i] = r, v[j] = v[left - 1];
    }
    bool misses = try_last(t, v, goal);
    if (t->out->n > start && (misses || c->n == 2) && is_new(told, v[0], v[1]))
        return task_no(t), true;
    t->out->n = start; /* a lucky guess, or an old one: not told */
    return false;
}

/* The right way in the words of the wrong ones: nothing before its last join tells them apart. */
static void right_way(task_tale *t, const countdown *c)
{
    int last = c->n - 2;
    struct countdown_step s = c->step[last];
    int32_t a = c->value[s.a], b = c->value[s.b];
    for (int i = 0; i < last; i++) put_step(c, i, t->out), task_text(t->out, ", ");
    for (const char *op = "+-*/"; *op && *op != s.op; op++) {
        int32_t r = attempt(a, *op, b, countdown_target(c));
        if (r < 0 || r == countdown_target(c)) continue;
        put_join(t->out, a, *op, b, r);
        buf_add_char(t->out, ' ');
    }
    put_step(c, last, t->out), buf_add_char(t->out, '\n');
}

/* How long a search lasts has no memory: after any number of misses the next way is as likely to
 * miss, so that who learns from it learns to go on, not to be right at the second try. */
static void search(task_tale *t, const countdown *c)
{
    ways told = {0};
    size_t most = c->n <= 4 ? WAYS : 4; /* those of five or six numbers are long */
    for (size_t tries = 0; tries < 4 * most && told.n < most; tries++) {
        (void)wrong_way(t, c, countdown_target(c), &told);
        if (told.n && (c->n == 2 || task_below(t->d, 4) == 0)) break;
    }
    right_way(t, c);
}

static void trace(const void *state, task_tale *t)
{
    if (t->o->style == TASK_SEARCH) {
        countdown_search(t, state);
        return;
    }
    const countdown told = flawed(state, t), *c = &told;
    int steps = c->n - 1;
    switch (t->o->style) {
    case TASK_BACKTRACKING: search(t, c); break;
    case TASK_SUBGOALS:
        for (int i = 0; i < steps; i++) {
            task_say(t, i + 1 < steps ? "make " : "goal ", i + 1 < steps ? "先得 " : "目标 ");
            task_put(t->out, c->value[c->n + i]);
            task_text(t->out, ": ");
            put_step(c, i, t->out), buf_add_char(t->out, '\n');
        }
        break;
    case TASK_BACKWARD:
        for (int i = steps - 1; i >= 0; i--) {
            struct countdown_step s = c->step[i];
            task_put(t->out, c->value[c->n + i]), buf_add_char(t->out, '=');
            task_put(t->out, c->value[s.a]), buf_add_char(t->out, s.op),
                task_put(t->out, c->value[s.b]);
            for (int k = 0; k < 2; k++) {
                int v = k ? s.b : s.a;
                task_say(t, v < c->n ? ", have " : ", need ", v < c->n ? "，有 " : "，要 ");
                task_put(t->out, c->value[v]);
            }
            buf_add_char(t->out, '\n');
        }
        break;
    default:
        if (t->o->style == TASK_VERIFICATION) {
            task_say(t, "target ", "目标 ");
            task_put(t->out, countdown_target(c)), buf_add_char(t->out, '\n');
        }
    }
    if (t->o->style == TASK_DIRECT || t->o->style == TASK_VERIFICATION)
        for (int i = 0; i < steps; i++) put_step(c, i, t->out), buf_add_char(t->out, '\n');
    countdown_put(c, 2 * c->n - 2, c->n, t->answer);
    if (t->o->style == TASK_VERIFICATION) {
        task_say(t, "check: ", "检查：");
        buf_add_str(t->out, buf_str(t->answer));
        buf_add_char(t->out, '=');
        task_put(t->out, countdown_target(c));
        task_say(t, ", used ", "，用了 ");
        task_numbers(t->out, c->value, c->n);
    }
}

const task_family task_countdown = {
    .name = "countdown",
    .kind = "countdown",
    .about = "an expression with a given value from given numbers, each once",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS | 1 << TASK_BACKWARD | 1 << TASK_SEARCH,
    .state_bytes = sizeof(countdown),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .puzzle = puzzle,
    .trace = trace,
};
