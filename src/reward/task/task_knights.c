/* task_knights: knights always tell the truth, knaves always lie; who is what?
 * SPDX-License-Identifier: MIT
 *
 * With at most six people a statement is a table of 64 bits, one for each way of giving the roles:
 * bit w is its truth when person i is a knight just if bit i of w is set. */
#include "reward/task/task_puzzle.h"

enum { PEOPLE = 6, CLAIMS = 8, NAMES = 12 };
enum { KNIGHT, KNAVE, SAME, DIFFER, NOT, AND, OR, IF, IFF };

/* a and b are people up to DIFFER, else earlier claims of the same statement. */
struct claim {
    uint8_t op, a, b;
};

typedef struct knights {
    int n;
    uint8_t name[PEOPLE];
    uint64_t all, fits[PEOPLE]; /* ways; those in which what i says goes with what i is */
    unsigned solution;          /* the one way */
    uint8_t claims[PEOPLE];
    struct claim claim[PEOPLE][CLAIMS]; /* the last one is what is said */
} knights;

static const char *const NAME[NAMES] = {"Ann", "Bob", "Cal", "Dee", "Eve", "Fay",
                                        "Gus", "Hal", "Ida", "Jon", "Kit", "Leo"};
static const uint64_t IS_KNIGHT[PEOPLE] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc,
                                           0xf0f0f0f0f0f0f0f0, 0xff00ff00ff00ff00,
                                           0xffff0000ffff0000, 0xffffffff00000000};

/* ---- statements ------------------------------------------------------------------------------ */

static uint64_t truth(const struct claim *c, int i)
{
    uint64_t a = c[i].op <= DIFFER ? IS_KNIGHT[c[i].a] : truth(c, c[i].a);
    if (c[i].op == KNIGHT) return a;
    if (c[i].op == KNAVE || c[i].op == NOT) return ~a;
    uint64_t b = c[i].op <= DIFFER ? IS_KNIGHT[c[i].b] : truth(c, c[i].b);
    switch (c[i].op) {
    case AND: return a & b;
    case OR: return a | b;
    case IF: return ~a | b;
    case DIFFER: return a ^ b;
    default: return ~(a ^ b);
    }
}

static int other_person(const knights *k, task_draw *d, int except)
{
    int p = (int)task_below(d, (uint64_t)k->n - 1);
    return p + (p >= except);
}

/* Adds a claim by `who`, not about themselves unless it is part of another; returns where. */
static uint8_t grow(knights *k, task_draw *d, int who, int depth, bool part)
{
    struct claim c;
    if (depth <= 1 || task_below(d, 4) == 0) {
        c.op = (uint8_t)task_below(d, k->n > 2 ? 4 : 2);
        c.a = (uint8_t)(part ? (int)task_below(d, (uint64_t)k->n) : other_person(k, d, who));
        c.b = (uint8_t)other_person(k, d, c.a);
    } else {
        c.op = (uint8_t)task_between(d, NOT, IFF);
        c.a = grow(k, d, who, depth - 1, true);
        c.b = c.op == NOT ? 0 : grow(k, d, who, 1, true);
    }
    k->claim[who][k->claims[who]] = c;
    return k->claims[who]++;
}

static bool draw(void *state, task_draw *d, int level)
{
    static const struct {
        int n, depth;
    } LADDER[] = {{2, 2}, {3, 1}, {3, 2}, {4, 2}, {5, 3}, {6, 3}};
    knights *k = state;
    uint8_t names[NAMES];
    k->n = LADDER[level - 1].n;
    for (int i = 0; i < NAMES; i++) names[i] = (uint8_t)i;
    task_shuffle(d, names, NAMES);
    memcpy(k->name, names, sizeof k->name);
    uint64_t fit = k->all = UINT64_MAX >> (64 - (1 << k->n));
    for (int i = 0; i < k->n; i++) {
        int last = grow(k, d, i, LADDER[level - 1].depth, false);
        k->fits[i] = ~(IS_KNIGHT[i] ^ truth(k->claim[i], last)) & k->all;
        fit &= k->fits[i];
        if (!fit || k->fits[i] == k->all) return false;
    }
    k->solution = (unsigned)__builtin_ctzll(fit);
    return !(fit & (fit - 1));
}

static const char *name_of(const knights *k, int i) { return NAME[k->name[i]]; }

/* "(Ann is a knight) or (Bob is a knave)"; brackets only around what is joined. */
static void put_claim(const knights *k, int who, int i, enum task_lang lang, buf *out)
{
    static const char *const EN[][3] = {{"", " is a knight", ""},
                                        {"", " is a knave", ""},
                                        {"", " is the same kind as ", ""},
                                        {"", " is a different kind than ", ""},
                                        {"it is not true that ", "", ""},
                                        {"", " and ", ""},
                                        {"", " or ", ""},
                                        {"if ", " then ", ""},
                                        {"", " if and only if ", ""}};
    static const char *const ZH[][3] = {
        {"", "是骑士", ""},   {"", "是无赖", ""},   {"", "与", "同类"},
        {"", "与", "不同类"}, {"并非", "", ""},     {"", "且", ""},
        {"", "或", ""},       {"如果", "那么", ""}, {"", "当且仅当", ""}};
    const struct claim *c = &k->claim[who][i];
    const char *const *word = lang == TASK_ZH ? ZH[c->op] : EN[c->op];
    int parts = c->op == KNIGHT || c->op == KNAVE || c->op == NOT ? 1 : 2;
    for (int p = 0; p < parts; p++) {
        task_text(out, word[p]);
        int of = p ? c->b : c->a;
        if (c->op <= DIFFER) {
            task_text(out, name_of(k, of));
            continue;
        }
        bool bracket = k->claim[who][of].op > DIFFER;
        if (bracket) buf_add_char(out, '(');
        put_claim(k, who, of, lang, out);
        if (bracket) buf_add_char(out, ')');
    }
    task_text(out, word[parts]);
}

/* People count by their place, not by their names. */
static void key(const void *state, buf *out)
{
    knights k = *(const knights *)state;
    for (int i = 0; i < k.n; i++) k.name[i] = (uint8_t)i;
    for (int i = 0; i < k.n; i++)
        put_claim(&k, i, k.claims[i] - 1, TASK_EN, out), buf_add_char(out, ';');
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Knights always tell the truth, knaves always lie.#\nWho is what? (name: role, ...)",
        "Everyone is a knight (always truthful) or a knave (always lying).#\nGive name: role.",
        "Knights say only true things, knaves only false ones.#\nGive the roles (name: role).",
    };
    static const char *const ZH[] = {
        "骑士（knight）总说真话，无赖（knave）总说假话。#\n谁是什么？（名字: knight 或 knave）",
        "每个人是骑士（knight，只说真话）或无赖（knave，只说假话）。#\n按“名字: knight”的形式写出身份。",
    };
    const knights *k = state;
    buf said = {0};
    for (int i = 0; i < k->n; i++) {
        buf_add_char(&said, '\n');
        task_text(&said, name_of(k, i));
        task_text(&said, lang == TASK_ZH ? "说：" : " says: ");
        put_claim(k, i, k->claims[i] - 1, lang, &said);
        task_text(&said, lang == TASK_ZH ? "。" : ".");
    }
    task_ask(out, lang, d, EN, ZH, ((const str[]){buf_str(&said)}));
    buf_free(&said);
}

static void put_roles(const knights *k, unsigned way, buf *out)
{
    for (int i = 0; i < k->n; i++) {
        if (i) task_text(out, ", ");
        task_text(out, name_of(k, i));
        task_text(out, way >> i & 1 ? ": knight" : ": knave");
    }
}

static void answer(const void *state, buf *out)
{
    const knights *k = state;
    put_roles(k, k->solution, out);
}

static void write_claim(const knights *k, int who, int i, json_writer *w)
{
    static const char *const OPS[] = {"knight", "knave", "same", "differ", "not",
                                      "and",    "or",    "if",   "iff"};
    const struct claim *c = &k->claim[who][i];
    json_open(w, '[');
    json_text(w, str_of(OPS[c->op]));
    for (int p = 0; p < (c->op == KNIGHT || c->op == KNAVE || c->op == NOT ? 1 : 2); p++) {
        int of = p ? c->b : c->a;
        if (c->op <= DIFFER) json_text(w, str_of(name_of(k, of)));
        else write_claim(k, who, of, w);
    }
    json_close(w, ']');
}

static void puzzle(const void *state, json_writer *w)
{
    const knights *k = state;
    json_open(w, '{');
    json_key(w, "names");
    json_open(w, '[');
    for (int i = 0; i < k->n; i++) json_text(w, str_of(name_of(k, i)));
    json_close(w, ']');
    json_key(w, "statements");
    json_open(w, '[');
    for (int i = 0; i < k->n; i++) write_claim(k, i, k->claims[i] - 1, w);
    json_close(w, ']');
    json_close(w, '}');
}

/* ---- traces ---------------------------------------------------------------------------------- */

static uint64_t ways_with(const knights *k, int person, bool knight)
{
    return (knight ? IS_KNIGHT[person] : ~IS_KNIGHT[person]) & k->all;
}

static void put_role(const knights *k, task_tale *t, int person, bool knight)
{
    task_text(t->out, name_of(k, person));
    task_say(t, knight ? " knight" : " knave", knight ? "骑士" : "无赖");
}

/* The least set of statements that rules the ways out; 0: none does. */
static unsigned conflict(const knights *k, uint64_t ways)
{
    unsigned best = 0;
    int least = PEOPLE + 1;
    for (unsigned set = 1; set < 1u << k->n; set++) {
        int size = __builtin_popcount(set);
        if (size >= least) continue;
        uint64_t left = ways;
        for (int i = 0; i < k->n; i++)
            if (set >> i & 1) left &= k->fits[i];
        if (!left) least = size, best = set;
    }
    return best;
}

static void put_conflict(const knights *k, task_tale *t, unsigned set)
{
    task_say(t, ": against", "：矛盾于");
    for (int i = 0; i < k->n; i++)
        if (set >> i & 1) buf_add_char(t->out, ' '), task_text(t->out, name_of(k, i));
}

/* Person after person: the role that the fewest statements rule out, so the other. */
static unsigned by_cases(const knights *k, task_tale *t)
{
    uint64_t ways = k->all;
    unsigned known = 0, way = 0;
    while (known != (1u << k->n) - 1) {
        int person = -1;
        bool wrong = false;
        unsigned set = 0;
        for (int i = 0; i < 2 * k->n; i++) {
            if (known >> (i / 2) & 1) continue;
            unsigned s = conflict(k, ways & ways_with(k, i / 2, i % 2));
            if (s && (!set || __builtin_popcount(s) < __builtin_popcount(set)))
                set = s, person = i / 2, wrong = i % 2;
        }
        if (task_slips(t)) wrong = !wrong;
        put_role(k, t, person, wrong);
        put_conflict(k, t, set);
        task_say(t, ", so ", "，所以");
        put_role(k, t, person, !wrong);
        buf_add_char(t->out, '\n');
        known |= 1u << person;
        if (!wrong) way |= 1u << person;
        ways &= ways_with(k, person, !wrong);
    }
    return way;
}

/* Statements of which each alone rules the ways out. */
static unsigned alone_against(const knights *k, uint64_t ways)
{
    unsigned set = 0;
    for (int i = 0; i < k->n; i++)
        if (!(ways & k->fits[i])) set |= 1u << i;
    return set;
}

/* The person with the fewest roles that no statement alone rules out; -1: all are known. */
static int choose(const knights *k, uint64_t ways, unsigned known)
{
    int best = -1, fewest = 3;
    for (int i = 0; i < k->n; i++) {
        if (known >> i & 1) continue;
        int roles = !alone_against(k, ways & ways_with(k, i, true)) +
                    !alone_against(k, ways & ways_with(k, i, false));
        if (roles < fewest) fewest = roles, best = i;
    }
    return best;
}

/* Takes a role, knight first, until a statement cannot fit, and then goes back. */
static bool by_search(const knights *k, task_tale *t, uint64_t ways, unsigned known, unsigned *way)
{
    int person = choose(k, ways, known);
    if (person < 0) return true;
    for (int knight = 1; knight >= 0; knight--) {
        uint64_t left = ways & ways_with(k, person, knight);
        unsigned against = alone_against(k, left);
        put_role(k, t, person, knight);
        if (against && !task_slips(t)) {
            put_conflict(k, t, against & (0 - against));
            task_no(t);
            continue;
        }
        buf_add_char(t->out, '\n');
        *way = (*way & ~(1u << person)) | (unsigned)knight << person;
        if (by_search(k, t, left, known | 1u << person, way)) return true;
        put_role(k, t, person, knight);
        task_no(t);
    }
    return false;
}

static void trace(const void *state, task_tale *t)
{
    const knights *k = state;
    unsigned way = 0;
    if (t->o->style == TASK_BACKTRACKING) {
        if (!by_search(k, t, k->all, 0, &way)) way = k->solution;
        task_say(t, "so", "所以");
        for (int i = 0; i < k->n; i++) {
            if (task_slips(t)) way ^= 1u << i;
            buf_add_char(t->out, ' ');
            put_role(k, t, i, way >> i & 1);
        }
    } else {
        way = by_cases(k, t);
    }
    if (t->o->style == TASK_VERIFICATION) {
        task_say(t, "check:", "检查：");
        for (int i = 0; i < k->n; i++) {
            bool said = truth(k->claim[i], k->claims[i] - 1) >> way & 1;
            task_text(t->out, i ? ", " : " ");
            put_role(k, t, i, way >> i & 1);
            task_say(t, said ? " true" : " false", said ? "真" : "假");
        }
    }
    put_roles(k, way, t->answer);
}

const task_family task_knights = {
    .name = "knights",
    .kind = "knights",
    .about = "knights tell the truth, knaves lie: who is what",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING,
    .state_bytes = sizeof(knights),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .puzzle = puzzle,
    .trace = trace,
};
