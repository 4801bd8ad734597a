/* knights: who is a knight (all they say is true) and who a knave (all they say is false); every
 * name once with a role, judged against all statements.
 * SPDX-License-Identifier: MIT
 *
 * Puzzle: {"names":["Ann","Bob"],"statements":[S,S]}, one S a name, in order: ["knight","Bob"],
 * ["knave","Ann"], ["same","Ann","Bob"], ["differ","Ann","Bob"], ["not",S], ["and",S,S],
 * ["or",S,S],
 * ["if",S,S], ["iff",S,S].
 * Answers: "Ann is a knight, Bob is a knave", "Ann: knight; Bob: knave", "Knights: Ann. Knaves:
 * Bob", "Ann是骑士，Bob是无赖". Any other word makes it no answer. */
#include "reward/scan.h"

enum { PEOPLE = 16, NAME_BYTES = 32, DEPTH = 16, STATEMENT_NODES = 1024 };

struct people {
    size_t n;
    str name[PEOPLE];
};

struct roles {
    uint32_t known, knight; /* bit i: of people i */
};

/* Even places are knights, odd ones knaves. */
static const char *const ROLES[] = {"knight", "knave", "knights", "knaves", "骑士",
                                    "无赖",   "骑士",  "骗子",    NULL};
static const char *const FILLERS[] = {"is", "are", "and", "a",  "an", "=",  ":",  ".",  "-", "->",
                                      "(",  ")",   "是",  "为", "都", "：", "。", "和", NULL};
static const char *const NOBODY[] = {"none", "nobody", "无", NULL};

static bool word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Takes the longest known name; -1 if none is next. Case counts: "A" is a name, "a" is not. */
static int take_name(scan *s, const struct people *p)
{
    int best = -1;
    size_t longest = 0;
    for (size_t i = 0; i < p->n; i++) {
        str name = p->name[i];
        if ((size_t)(s->end - s->p) < name.n || memcmp(s->p, name.p, name.n) != 0) continue;
        bool whole =
            !word_byte(name.p[name.n - 1]) || s->p + name.n == s->end || !word_byte(s->p[name.n]);
        if (whole && name.n > longest) longest = name.n, best = (int)i;
    }
    s->p += longest;
    return best;
}

/* Takes a name not heard before, up to a role, a filler or a separator. */
static int learn_name(scan *s, struct people *p)
{
    const char *start = s->p;
    while (s->p < s->end) {
        bool word = word_byte(*s->p);
        do s->p++;
        while (word && s->p < s->end && word_byte(*s->p));
        scan next = *s;
        scan_separators(&next);
        if (next.p > s->p || scan_any(&next, ROLES) >= 0 || scan_any(&next, FILLERS) >= 0) break;
    }
    size_t n = (size_t)(s->p - start);
    if (n == 0 || n > NAME_BYTES || p->n == PEOPLE) return -1;
    p->name[p->n] = (str){start, n};
    return (int)p->n++;
}

/* An answer being read: "name [name...] role ..." or "role name [name...] ...", whichever comes
 * first. */
struct reading {
    struct roles roles;
    enum { AT_START, NAME_FIRST, ROLE_FIRST } order;
    uint32_t waiting; /* names that wait for their role */
    int role;         /* the role that waits for names, 0 or 1; -1: none */
    bool used;        /* it has been given to one */
};

static void give(struct reading *r, uint32_t people, int role)
{
    r->roles.known |= people;
    if (role == 0) r->roles.knight |= people;
}

static bool read_role(struct reading *r, int role)
{
    if (r->order == AT_START) r->order = ROLE_FIRST;
    if (r->order == ROLE_FIRST) {
        bool before_used = r->role < 0 || r->used;
        r->role = role, r->used = false;
        return before_used;
    }
    bool named = r->waiting;
    give(r, r->waiting, role);
    r->waiting = 0;
    return named;
}

static bool read_name(struct reading *r, int person)
{
    uint32_t bit = 1u << person;
    if (r->order == AT_START) r->order = NAME_FIRST;
    if ((r->roles.known | r->waiting) & bit) return false;
    if (r->order == NAME_FIRST) return r->waiting |= bit, true;
    r->used = true;
    give(r, bit, r->role);
    return r->role >= 0;
}

/* Reads every name at most once with a role. With `learn` the names are taken from the text. */
static bool read_roles(struct roles *out, struct people *p, bool learn, str text)
{
    struct reading r = {.role = -1};
    scan s;
    *out = (struct roles){0, 0};
    if (!scan_begin(&s, text)) return false;
    while (scan_separators(&s), s.p < s.end) {
        bool capital = *s.p >= 'A' && *s.p <= 'Z'; /* a name not heard before, not the article */
        int name = take_name(&s, p), role = name < 0 ? scan_any(&s, ROLES) % 2 : -1;
        if (name < 0 && role < 0) {
            if (r.role >= 0 && !r.used && scan_any(&s, NOBODY) >= 0) {
                r.role = -1;
                continue;
            }
            if (!(learn && capital) && scan_any(&s, FILLERS) >= 0) continue;
            if (!learn || (name = learn_name(&s, p)) < 0) return false;
        }
        if (role >= 0 ? !read_role(&r, role) : !read_name(&r, name)) return false;
    }
    *out = r.roles;
    return r.roles.known && !r.waiting && (r.role < 0 || r.used);
}

static bool read_people(struct people *p, const json_t *names)
{
    p->n = json_array_size(names);
    if (p->n == 0 || p->n > PEOPLE) return false;
    for (size_t i = 0; i < p->n; i++) {
        p->name[i] = json_str(json_array_get(names, i));
        if (p->name[i].n == 0 || p->name[i].n > NAME_BYTES) return false;
        for (size_t j = 0; j < i; j++)
            if (str_eq(p->name[i], p->name[j])) return false;
    }
    return true;
}

struct hearing {
    const struct people *people;
    uint32_t knight;
    int nodes;
};

static bool find_person(const struct hearing *h, const json_t *name, size_t *out)
{
    for (*out = 0; *out < h->people->n; ++*out)
        if (str_eq(h->people->name[*out], json_str(name))) return true;
    return false;
}

static bool is_knight(const struct hearing *h, size_t person) { return h->knight >> person & 1; }

/* Is the statement true? False: the statement is malformed. */
static bool hear(struct hearing *h, const json_t *s, int depth, bool *truth)
{
    enum { KNIGHT, KNAVE, SAME, DIFFER, NOT, AND, OR, IF, IFF };
    static const char *const OPS[] = {"knight", "knave", "same", "differ", "not",
                                      "and",    "or",    "if",   "iff"};
    str word = json_str(json_array_get(s, 0));
    size_t op = 0, parts = json_array_size(s), x, y;
    while (op < COUNT_OF(OPS) && !str_eq(word, str_of(OPS[op]))) op++;
    if (op == COUNT_OF(OPS) || depth > DEPTH || ++h->nodes > STATEMENT_NODES) return false;
    if (parts != (op == KNIGHT || op == KNAVE || op == NOT ? 2u : 3u)) return false;
    if (op <= DIFFER) {
        if (!find_person(h, json_array_get(s, 1), &x)) return false;
        if (op <= KNAVE) return *truth = is_knight(h, x) == (op == KNIGHT), true;
        if (!find_person(h, json_array_get(s, 2), &y)) return false;
        return *truth = (is_knight(h, x) == is_knight(h, y)) == (op == SAME), true;
    }
    bool a, b = false;
    if (!hear(h, json_array_get(s, 1), depth + 1, &a)) return false;
    if (op != NOT && !hear(h, json_array_get(s, 2), depth + 1, &b)) return false;
    *truth = op == NOT ? !a : op == AND ? a && b : op == OR ? a || b : op == IF ? !a || b : a == b;
    return true;
}

/* Names of both that have the same roles. */
static bool same_roles(const struct people *p, struct roles known, str answer)
{
    struct people same = *p;
    struct roles r;
    return read_roles(&r, &same, false, answer) && r.known == known.known &&
           r.knight == known.knight;
}

bool kind_knights(const reward_question *q, str answer, const char **reason)
{
    struct people p = {0};
    struct roles r;
    if (!q->puzzle) {
        if (!read_roles(&r, &p, true, q->gold)) return scan_no(reason, reward_bad_gold);
        bool same = same_roles(&p, r, answer);
        *reason = same ? "the same roles" : "not the known roles";
        return same;
    }
    const json_t *statements = json_object_get(q->puzzle, "statements");
    if (!read_people(&p, json_object_get(q->puzzle, "names")) || json_array_size(statements) != p.n)
        return scan_no(reason, reward_bad_puzzle);
    bool read = read_roles(&r, &p, false, answer), consistent = true;
    struct hearing h = {&p, r.knight, 0};
    for (size_t i = 0; i < p.n; i++) {
        bool truth;
        if (!hear(&h, json_array_get(statements, i), 0, &truth))
            return scan_no(reason, reward_bad_puzzle);
        consistent = consistent && truth == is_knight(&h, i);
    }
    if (!read) return scan_no(reason, "not names with roles alone");
    if (r.known != (1u << p.n) - 1) return scan_no(reason, "not every name exactly once");
    *reason = consistent ? "all statements fit" : "a statement does not fit";
    return consistent;
}
