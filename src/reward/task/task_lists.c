/* task_lists: named functions applied to a list, one after the other.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_puzzle.h"

enum { LENGTH = 10, FUNCTIONS = 6, MOST = 9999 };
enum { REVERSE, ROTATE, DROP, TAKE, ADD, TIMES, EVENS, ODDS, UNIQUE, SORT, SUMS, SUM, OPS };

typedef struct list {
    int n;
    int32_t v[LENGTH];
} list;

typedef struct lists {
    list start;
    int functions;
    struct function {
        int op;
        int32_t k;
    } function[FUNCTIONS];
} lists;

/* In the question, in the trace; # is k. */
static const char *const NAMES[OPS][2][2] = {
    {{"reverse the list", "reverse"}, {"反转列表", "反转"}},
    {{"move the first # to the end", "rotate #"}, {"把前 # 个移到末尾", "轮转#"}},
    {{"drop the first #", "drop #"}, {"去掉前 # 个", "去掉#"}},
    {{"keep the first #", "take #"}, {"只留前 # 个", "取#"}},
    {{"add # to each", "+#"}, {"每个加 #", "+#"}},
    {{"multiply each by #", "*#"}, {"每个乘以 #", "*#"}},
    {{"keep the even numbers", "evens"}, {"只留偶数", "偶数"}},
    {{"keep the odd numbers", "odds"}, {"只留奇数", "奇数"}},
    {{"keep only the first of equal numbers", "unique"}, {"相同的数只留第一个", "去重"}},
    {{"sort ascending", "sort"}, {"从小到大排序", "排序"}},
    {{"replace each by the sum up to it", "sums"}, {"每个换成到它为止的和", "累加"}},
    {{"sum all into one number", "sum"}, {"全部求和成一个数", "求和"}},
};

static void put_function(struct function f, enum task_lang lang, bool brief, buf *out)
{
    task_digits digits;
    task_fill(out, NAMES[f.op][lang == TASK_ZH][brief], (const str[]){task_number(&digits, f.k)});
}

static bool seen(const list *l, int32_t v)
{
    for (int i = 0; i < l->n; i++)
        if (l->v[i] == v) return true;
    return false;
}

/* Does the function keep value v at place i, after those in `kept`? */
static bool keeps(struct function f, int i, int32_t v, const list *kept)
{
    switch (f.op) {
    case DROP: return i >= f.k;
    case TAKE: return i < f.k;
    case EVENS: return v % 2 == 0;
    case ODDS: return v % 2 != 0;
    case UNIQUE: return !seen(kept, v);
    case SUM: return i == 0;
    default: return true;
    }
}

static list apply(struct function f, const list *in)
{
    list out = {0};
    for (int i = 0; i < in->n; i++) {
        int from = f.op == REVERSE ? in->n - 1 - i : f.op == ROTATE ? (i + (int)f.k) % in->n : i;
        int32_t v = in->v[from];
        if (f.op == SUM) out.v[0] += v;
        if (!keeps(f, i, v, &out)) continue;
        if (f.op == ADD) v += f.k;
        if (f.op == TIMES) v *= f.k;
        if (f.op == SUMS && i) v += out.v[i - 1];
        int at = out.n++;
        for (; f.op == SORT && at > 0 && out.v[at - 1] > v; at--) out.v[at] = out.v[at - 1];
        out.v[at] = v;
    }
    return out;
}

static bool good(const list *l)
{
    for (int i = 0; i < l->n; i++)
        if (l->v[i] > MOST) return false;
    return l->n > 0;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const struct {
        int functions, n, most;
    } LADDER[] = {{1, 4, 9}, {2, 5, 9}, {2, 6, 20}, {3, 7, 20}, {4, 8, 50}, {6, 10, 50}};
    lists *s = state;
    s->functions = LADDER[level - 1].functions;
    s->start.n = LADDER[level - 1].n;
    for (int i = 0; i < s->start.n; i++)
        s->start.v[i] = (int32_t)task_between(d, 0, LADDER[level - 1].most);
    list l = s->start;
    for (int i = 0; i < s->functions; i++) {
        struct function *f = &s->function[i];
        f->op = (int)task_below(d, i + 1 == s->functions ? OPS : OPS - 1);
        if (i && f->op == s->function[i - 1].op) return false;
        if (f->op == ROTATE || f->op == DROP || f->op == TAKE) {
            if (l.n < 2) return false;
            f->k = (int32_t)task_between(d, 1, l.n < 5 ? l.n - 1 : 4);
        } else if (f->op == ADD || f->op == TIMES) {
            f->k = (int32_t)task_between(d, 2, f->op == ADD ? 9 : 3);
        }
        l = apply(*f, &l);
        if (!good(&l)) return false;
    }
    return true;
}

static void key(const void *state, buf *out)
{
    const lists *s = state;
    task_numbers(out, s->start.v, s->start.n);
    for (int i = 0; i < s->functions; i++) {
        buf_add_char(out, ';');
        put_function(s->function[i], TASK_EN, true, out);
    }
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Start with the list #. In this order: #. What is the list then?",
        "List: #. Steps: #. Give the final list.",
        "Take the list # and do the following: #. Write the result."};
    static const char *const ZH[] = {"从列表 # 开始，依次：#。最后的列表是什么？",
                                     "列表：#。步骤：#。写出最后的列表。",
                                     "对列表 # 依次做：#。给出结果。"};
    const lists *s = state;
    buf start = {0}, steps = {0};
    task_numbers(&start, s->start.v, s->start.n);
    for (int i = 0; i < s->functions; i++) {
        if (i) task_text(&steps, lang == TASK_ZH ? "；" : "; ");
        put_function(s->function[i], lang, false, &steps);
    }
    task_ask(out, lang, d, EN, ZH, ((const str[]){buf_str(&start), buf_str(&steps)}));
    buf_free(&start), buf_free(&steps);
}

static void answer(const void *state, buf *out)
{
    const lists *s = state;
    list l = s->start;
    for (int i = 0; i < s->functions; i++) l = apply(s->function[i], &l);
    task_numbers(out, l.v, l.n);
}

static void put_label(const lists *s, int i, task_tale *t)
{
    if (t->o->style == TASK_SUBGOALS) task_put(t->out, i + 1);
    else put_function(s->function[i], t->o->lang, true, t->out);
    task_text(t->out, ": ");
}

static void trace(const void *state, task_tale *t)
{
    const lists *s = state;
    list l = s->start;
    int lengths[FUNCTIONS];
    for (int i = 0; i < l.n; i++) l.v[i] = (int32_t)task_read(t, l.v[i], 0, MOST);
    if (t->o->style == TASK_SUBGOALS) {
        for (int i = 0; i < s->functions; i++) {
            buf_printf(t->out, i ? "; %d " : "%d ", i + 1);
            put_function(s->function[i], t->o->lang, true, t->out);
        }
        buf_add_char(t->out, '\n');
    }
    if (t->o->style == TASK_VERIFICATION)
        task_numbers(t->out, l.v, l.n), buf_add_char(t->out, '\n');
    for (int i = 0; i < s->functions; i++) {
        l = apply(s->function[i], &l);
        if (task_turns(t)) {
            list wrong = l;
            int at = (int)task_below(t->d, (uint64_t)l.n);
            wrong.v[at] = (int32_t)task_near(t->d, l.v[at], 0, MOST);
            put_label(s, i, t);
            task_numbers(t->out, wrong.v, wrong.n);
            task_no(t);
        }
        for (int j = 0; j < l.n; j++) l.v[j] = (int32_t)task_work(t, l.v[j], 0, MOST);
        put_label(s, i, t);
        task_numbers(t->out, l.v, l.n);
        buf_add_char(t->out, '\n');
        lengths[i] = l.n;
        if (l.n == 0) break;
    }
    if (t->o->style == TASK_VERIFICATION && l.n) {
        task_say(t, "check lengths: ", "检查长度：");
        task_put(t->out, s->start.n);
        for (int i = 0; i < s->functions; i++) buf_printf(t->out, " %d", lengths[i]);
    }
    if (l.n == 0) task_text(t->answer, "[]");
    task_numbers(t->answer, l.v, l.n);
}

const task_family task_lists = {
    .name = "lists",
    .kind = "list",
    .about = "named functions applied to a list in a row",
    .levels = 6,
    .styles =
        1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING | 1 << TASK_SUBGOALS,
    .state_bytes = sizeof(lists),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
