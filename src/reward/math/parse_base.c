/* math: the bases of the grammar in parse.c: numbers, names, brackets, functions, fractions,
 * matrices. SPDX-License-Identifier: MIT */
#include "reward/math/parse.h"

static uint32_t variable(parser *p, str name);

uint32_t node_make(parser *p, int kind)
{
    math_side *s = p->s;
    if (s->n_nodes == s->cap_nodes) return 0;
    s->nodes[s->n_nodes] = (node){.kind = (uint8_t)kind};
    return s->n_nodes++;
}

/* Hangs a child behind the others; 0 when either is missing. A child belongs to one parent. */
uint32_t node_add(parser *p, uint32_t parent, uint32_t child)
{
    if (!parent || !child) return 0;
    node *up = &p->s->nodes[parent];
    if (up->last) p->s->nodes[up->last].next = child;
    else up->first = child;
    up->last = child;
    up->n++;
    return parent;
}

uint32_t node_make1(parser *p, int kind, uint32_t a)
{
    return a ? node_add(p, node_make(p, kind), a) : 0;
}
uint32_t node_make2(parser *p, int kind, uint32_t a, uint32_t b)
{
    uint32_t up = node_make1(p, kind, a);
    return b ? node_add(p, up, b) : 0;
}

uint32_t node_text(parser *p, int kind, str text)
{
    uint32_t n = node_make(p, kind);
    p->s->nodes[n].text = text;
    return n;
}

uint32_t node_op(parser *p, int kind, int op, uint32_t a)
{
    uint32_t n = node_make1(p, kind, a);
    p->s->nodes[n].op = (uint8_t)op;
    return n;
}

/* Adds b to an n-ary sum or product, which it makes of a when that is something else. */
uint32_t node_chain(parser *p, int kind, uint32_t a, uint32_t b, bool fresh)
{
    if (!fresh && a && p->s->nodes[a].kind == kind) return node_add(p, a, b);
    return node_make2(p, kind, a, b);
}

/* ---- pieces that are kept as text ---------------------------------------------------------------
 */

str parse_note(parser *p, size_t start)
{
    return (str){p->s->pool.p + start, p->s->pool.n - start};
}

bool parse_room(parser *p, size_t n)
{
    return p->s->pool.n + n + 1 < p->s->pool.cap; /* texts point into the pool: it must stay */
}

/* The tokens of an index or a bound, one after the other. */
bool parse_raw(parser *p)
{
    token *t = cur(p);
    if (t->kind == '{') {
        int depth = 0;
        do {
            t = cur(p);
            if (t->kind == TOK_END || !parse_room(p, t->text.n + 2)) return false;
            if (t->kind == '{') depth++;
            else if (t->kind == '}') depth--;
            else if (t->text.n) buf_add_str(&p->s->pool, t->text);
            else buf_add_char(&p->s->pool, (char)t->kind);
            p->at++;
        } while (depth);
        return true;
    }
    if (t->kind == TOK_END || !parse_room(p, t->text.n + 2)) return false;
    if (t->text.n) buf_add_str(&p->s->pool, t->text);
    else buf_add_char(&p->s->pool, (char)t->kind);
    p->at++;
    return true;
}

/* ---- bases --------------------------------------------------------------------------------------
 */

enum { TAKEN_APART = 255, LETTERS_MAX = 4 };

/* A few letters with no text command around them: variables side by side. */
static bool is_product(const token *t)
{
    return t->plain && t->text.n <= LETTERS_MAX && (unsigned char)*t->text.p < 0x80;
}

/* What may open a factor without a sign before it. */
bool parse_opens_factor(parser *p)
{
    switch (cur(p)->kind) {
    case TOK_NUM:
    case TOK_REPEAT:
    case TOK_VAR:
    case TOK_FUNC:
    case TOK_PI:
    case TOK_E:
    case TOK_I:
    case TOK_INF:
    case TOK_FRAC:
    case TOK_SQRT:
    case TOK_CBRT:
    case TOK_BINOM:
    case '(':
    case '[':
    case '{':
    case TOK_LFLOOR:
    case TOK_LCEIL:
    case TOK_BEGIN:
    case TOK_BIG:
    case TOK_ACCENT: return true;
    case '|': return p->bars == 0 && !p->in_set;
    case TOK_WORD:
        return cur(p)->fn == TAKEN_APART || (is_product(cur(p)) && !math_unit_known(cur(p)->text));
    default: return false;
    }
}

static bool whole_digits(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    return s.n > 0;
}

/* Digits in another base: 204_5, 204_{\text{five}}, 204_{(5)}. */
uint32_t parse_in_base(parser *p, uint32_t n)
{
    static const char *const BASES[] = {"two",   "three", "four", "five",   "six",    "seven",
                                        "eight", "nine",  "ten",  "twelve", "sixteen"};
    static const char *const DIGITS[] = {"2", "3", "4", "5", "6", "7", "8", "9", "10", "12", "16"};
    p->at++;
    size_t start = p->s->pool.n;
    if (!parse_raw(p)) return 0;
    str of = parse_note(p, start);
    if (str_starts(of, STR("base"))) of.p += 4, of.n -= 4;
    while (of.n && strchr(" (", *of.p)) of.p++, of.n--;
    while (of.n && strchr(" )", of.p[of.n - 1])) of.n--;
    for (size_t i = 0; i < COUNT_OF(BASES); i++)
        if (str_eq(of, str_of(BASES[i]))) of = str_of(DIGITS[i]);
    p->s->nodes[n].kind = K_BASE;
    p->s->nodes[n].more = of;
    return n;
}

/* A mixed number: 1\frac{4}{5}, 2 1/3. */
static uint32_t mixed(parser *p, uint32_t n)
{
    size_t back = p->at;
    str above = {0}, below = {0};
    if (is(p, TOK_NUM) && cur(p)->space && ahead(p, 1)->kind == '/' &&
        ahead(p, 2)->kind == TOK_NUM) {
        above = cur(p)->text, below = ahead(p, 2)->text;
        p->at += 3;
    } else if (accept(p, TOK_FRAC)) {
        str *half[] = {&above, &below};
        for (int i = 0; i < 2; i++) {
            bool braced = accept(p, '{');
            if (!is(p, TOK_NUM)) break;
            *half[i] = cur(p)->text;
            if (!braced && i == 0 && half[0]->n == 2) { /* \frac12 */
                above = (str){half[0]->p, 1}, below = (str){half[0]->p + 1, 1};
                p->at++;
                break;
            }
            p->at++;
            if (braced && !accept(p, '}')) {
                below.n = 0;
                break;
            }
        }
    }
    bool proper =
        whole_digits(above) && whole_digits(below) &&
        (above.n < below.n || (above.n == below.n && memcmp(above.p, below.p, above.n) < 0));
    if (!proper) {
        p->at = back;
        return n;
    }
    uint32_t part = node_make2(p, K_DIV, node_text(p, K_NUM, above), node_text(p, K_NUM, below));
    return node_make2(p, K_ADD, n, part);
}

static uint32_t number(parser *p)
{
    token *t = cur(p);
    p->at++;
    uint32_t n = node_text(p, t->kind == TOK_REPEAT ? K_REPEAT : K_NUM, t->text);
    p->s->nodes[n].more = t->more;
    if (t->kind != TOK_NUM || !whole_digits(t->text)) return n;
    return is(p, '_') ? parse_in_base(p, n) : mixed(p, n);
}

/* A short word where a product is meant: takes its first letter off and leaves the rest. */
static uint32_t first_letter(parser *p)
{
    token *t = cur(p);
    str one = {t->text.p, 1};
    t->text.p++, t->text.n--;
    t->fn = TAKEN_APART;
    if (t->text.n == 0) p->at++;
    if (*one.p == 'e') return node_make(p, K_E);
    if (*one.p == 'i' && !p->i_index) return node_make(p, K_I);
    return t->text.n ? node_text(p, K_VAR, one) : variable(p, one);
}

/* An argument without brackets around it where TeX would take one token. */
uint32_t parse_argument(parser *p, bool one_digit)
{
    if (is(p, TOK_NUM) && one_digit && cur(p)->text.n > 1) {
        token *t = cur(p);
        uint32_t n = node_text(p, K_NUM, (str){t->text.p, 1});
        t->text.p++, t->text.n--;
        return n;
    }
    if (is(p, TOK_NUM)) return node_text(p, K_NUM, p->s->tok[p->at++].text);
    return parse_base(p);
}

static uint32_t fraction(parser *p)
{
    uint32_t a = parse_argument(p, true);
    return a ? node_make2(p, K_DIV, a, parse_argument(p, true)) : 0;
}

static uint32_t root(parser *p, bool cube)
{
    uint32_t degree = 0;
    if (cube) degree = node_text(p, K_NUM, STR("3"));
    else if (accept(p, '[')) {
        degree = parse_sum(p);
        if (!accept(p, ']')) return 0;
    } else {
        degree = node_text(p, K_NUM, STR("2"));
    }
    return node_make2(p, K_ROOT, parse_argument(p, false), degree);
}

static uint32_t brackets(parser *p)
{
    uint8_t open = cur(p)->kind;
    p->at++;
    int bars = p->bars, in_set = p->in_set;
    p->bars = p->in_set = 0;
    uint32_t n = is(p, ')') || is(p, ']') ? 0 : parse_list(p);
    p->bars = bars, p->in_set = in_set;
    uint8_t close = cur(p)->kind;
    if (!n || (close != ')' && close != ']')) return 0;
    p->at++;
    if (p->s->nodes[n].kind == K_LIST && p->s->nodes[n].sep == ',') {
        p->s->nodes[n].kind = K_TUPLE;
        p->s->nodes[n].open = open, p->s->nodes[n].close = close;
        return n;
    }
    return (open == '(') == (close == ')') ? n : 0;
}

static uint32_t braces(parser *p, bool escaped)
{
    int close = escaped ? TOK_SETCLOSE : '}';
    p->at++;
    if (accept(p, close)) return escaped ? node_make(p, K_EMPTY) : 0;
    int bars = p->bars, in_set = p->in_set;
    p->bars = 0, p->in_set = escaped;
    uint32_t n = parse_list(p);
    if (n && escaped && (is(p, '|') || is(p, ':'))) {
        p->at++;
        p->in_set = 0;
        n = node_make2(p, K_BUILDER, n, parse_list(p));
        p->bars = bars, p->in_set = in_set;
        return accept(p, close) ? n : 0;
    }
    p->bars = bars, p->in_set = in_set;
    if (!n || !accept(p, close)) return 0;
    bool many = p->s->nodes[n].kind == K_LIST;
    if (many) p->s->nodes[n].kind = K_SET;
    return escaped && !many ? node_make1(p, K_SET, n) : n;
}

static uint32_t bars(parser *p)
{
    p->at++;
    p->bars++;
    uint32_t n = parse_sum(p);
    p->bars--;
    return accept(p, '|') ? node_op(p, K_FUNC, FN_ABS, n) : 0;
}

static uint32_t fenced(parser *p, int close, int fn)
{
    p->at++;
    int open = p->bars;
    p->bars = 0;
    uint32_t n = parse_sum(p);
    p->bars = open;
    return accept(p, close) ? node_op(p, K_FUNC, fn, n) : 0;
}

static uint32_t matrix(parser *p)
{
    str name = cur(p)->text;
    p->at++;
    bool rows_only = str_starts(name, STR("align")) || str_starts(name, STR("cases")) ||
                     str_starts(name, STR("gather")) || str_starts(name, STR("split"));
    if (str_eq(name, STR("vmatrix")) || str_eq(name, STR("Vmatrix"))) return 0;
    uint32_t n = node_make(p, rows_only ? K_LIST : K_MATRIX), columns = 0, column = 0;
    while (n && !is(p, TOK_ENDENV)) {
        if (is(p, TOK_ROW)) { /* a row ends, or blank rows */
            p->at++;
            if (column == 0) continue;
            if (!rows_only && columns && column != columns) return 0;
            columns = column, column = 0;
            continue;
        }
        if (rows_only && (accept(p, '&') || accept(p, ',') || accept(p, '.'))) continue;
        n = node_add(p, n, parse_item(p));
        column++;
        if (!rows_only && is(p, '&')) {
            p->at++;
            if (is(p, '&') || is(p, TOK_ROW) || is(p, TOK_ENDENV)) return 0;
        }
    }
    if (!n || !accept(p, TOK_ENDENV)) return 0;
    if (!rows_only && columns && column && column != columns) return 0;
    p->s->nodes[n].cols = columns ? columns : column;
    p->s->nodes[n].sep = ',';
    return p->s->nodes[n].n ? n : 0;
}

/* A sum, product, integral or limit. Sums and products with an index keep index, bounds and body.
 */
static uint32_t big(parser *p)
{
    str name = cur(p)->text;
    p->at++;
    bool counted = str_eq(name, STR("sum")) || str_eq(name, STR("prod"));
    uint32_t n = node_make(p, K_BIG);
    if (counted && is(p, '_') && ahead(p, 1)->kind == '{' && ahead(p, 3)->kind == '=' &&
        ahead(p, 2)->text.n) {
        bool i = ahead(p, 2)->kind == TOK_I;
        uint32_t index = node_text(p, K_VAR, ahead(p, 2)->text);
        p->i_index += i;
        p->at += 4;
        uint32_t low = parse_sum(p), high = 0;
        if (low && accept(p, '}') && accept(p, '^')) high = parse_argument(p, false);
        uint32_t body = high ? parse_term(p) : 0;
        p->i_index -= i;
        if (!body) return 0; /* going back would read nested sums twice each */
        p->s->nodes[n].op = str_eq(name, STR("sum")) ? 1 : 2;
        return node_add(p, node_add(p, node_add(p, node_add(p, n, index), low), high), body);
    }
    size_t start = p->s->pool.n;
    if (!parse_room(p, name.n)) return 0;
    buf_add_str(&p->s->pool, name);
    while (is(p, '_') || is(p, '^')) {
        p->at++;
        if (!parse_raw(p)) return 0;
    }
    p->s->nodes[n].text = parse_note(p, start);
    return node_add(p, n, parse_term(p));
}

/* The argument of a function: in brackets, or the factors up to a sign or another function. */
static uint32_t function_argument(parser *p)
{
    if (is(p, '(') || is(p, '[') || is(p, '{')) return parse_base(p);
    if (accept(p, '-')) return node_make1(p, K_NEG, function_argument(p));
    if (is(p, TOK_FUNC)) return parse_factor(p);
    uint32_t n = parse_factor(p);
    bool fresh = true;
    while (n && !is(p, TOK_FUNC) && (parse_opens_factor(p) || is(p, '/'))) {
        if (is(p, '(') || is(p, '[')) break;
        if (accept(p, '/')) n = node_make2(p, K_DIV, n, parse_factor(p)), fresh = true;
        else n = node_chain(p, K_MUL, n, parse_factor(p), fresh), fresh = false;
    }
    return n;
}

static int inverse(int fn)
{
    return fn <= FN_CSC                     ? fn + FN_ASIN - FN_SIN
           : fn >= FN_SINH && fn <= FN_TANH ? fn + FN_ASINH - FN_SINH
                                            : -1;
}

static uint32_t function(parser *p)
{
    int fn = cur(p)->fn;
    p->at++;
    uint32_t base_of_log = 0, power = 0;
    while (is(p, '_') || is(p, '^')) {
        bool index = is(p, '_');
        if (index && (fn != FN_LOG || base_of_log)) return 0;
        if (!index && power) return 0;
        p->at++;
        uint32_t n = parse_argument(p, false);
        if (!n) return 0;
        if (index) base_of_log = n;
        else power = n;
    }
    if (power) {
        const node *w = &p->s->nodes[power];
        const node *in = w->kind == K_NEG ? &p->s->nodes[w->first] : NULL;
        if (in && in->kind == K_NUM && str_eq(in->text, STR("1")) && inverse(fn) >= 0)
            fn = inverse(fn), power = 0;
    }
    uint32_t x = function_argument(p);
    if (!x) return 0;
    uint32_t n;
    if (fn == FN_SQRT || fn == FN_CBRT) {
        n = node_make2(p, K_ROOT, x, node_text(p, K_NUM, fn == FN_CBRT ? STR("3") : STR("2")));
    } else {
        n = node_op(p, K_FUNC, fn, x);
        if (base_of_log) n = node_add(p, n, base_of_log);
        else p->s->has_log |= fn == FN_LOG;
    }
    return power ? node_make2(p, K_POW, n, power) : n;
}

static uint32_t variable(parser *p, str name)
{
    size_t start = p->s->pool.n;
    bool longer = false;
    if (!parse_room(p, name.n + 8)) return 0;
    buf_add_str(&p->s->pool, name);
    while (is(p, '_') || is(p, '\'')) {
        longer = true;
        if (!parse_room(p, 8)) return 0;
        buf_add_char(&p->s->pool, (char)cur(p)->kind);
        p->at++;
        if (p->s->pool.p[p->s->pool.n - 1] == '_' && !parse_raw(p)) return 0;
    }
    str full = parse_note(p, start);
    if (!longer) p->s->pool.n = start;
    bool called =
        is(p, '(') && !cur(p)->space && full.n && (strchr("fgh", *full.p) != NULL) && (name.n == 1);
    if (!called) return node_text(p, K_VAR, longer ? full : name);
    uint32_t n = node_make1(p, K_APPLY, parse_base(p));
    p->s->nodes[n].text = longer ? full : name;
    return n;
}

static uint32_t accent(parser *p)
{
    size_t start = p->s->pool.n;
    if (!parse_room(p, cur(p)->text.n + 4)) return 0;
    buf_add_str(&p->s->pool, cur(p)->text);
    buf_add_char(&p->s->pool, ' ');
    p->at++;
    if (!parse_raw(p)) return 0;
    return node_text(p, K_VAR, parse_note(p, start));
}

static uint32_t base_inside(parser *p)
{
    token *t = cur(p);
    switch (t->kind) {
    case TOK_NUM:
    case TOK_REPEAT: return number(p);
    case TOK_VAR: return p->at++, variable(p, t->text);
    case TOK_E: return p->at++, is(p, '_') ? variable(p, t->text) : node_make(p, K_E);
    case TOK_I: return p->at++, is(p, '_') || p->i_index ? variable(p, t->text) : node_make(p, K_I);
    case TOK_PI: return p->at++, node_make(p, K_PI);
    case TOK_INF: return p->at++, node_make(p, K_INF);
    case TOK_REALS: return p->at++, node_text(p, K_REALS, t->text);
    case TOK_EMPTY: return p->at++, node_make(p, K_EMPTY);
    case TOK_DOTS: return p->at++, node_text(p, K_VAR, STR("..."));
    case TOK_FRAC: return p->at++, fraction(p);
    case TOK_SQRT: return p->at++, root(p, false);
    case TOK_CBRT: return p->at++, root(p, true);
    case TOK_BINOM: {
        p->at++;
        uint32_t a = parse_argument(p, true);
        return a ? node_make2(p, K_BINOM, a, parse_argument(p, true)) : 0;
    }
    case '(':
    case '[': return brackets(p);
    case '{': return braces(p, false);
    case TOK_SETOPEN: return braces(p, true);
    case '|': return bars(p);
    case TOK_LFLOOR: return fenced(p, TOK_RFLOOR, FN_FLOOR);
    case TOK_LCEIL: return fenced(p, TOK_RCEIL, FN_CEIL);
    case TOK_BEGIN: return matrix(p);
    case TOK_BIG: return big(p);
    case TOK_FUNC: return function(p);
    case TOK_ACCENT: return accent(p);
    case TOK_CURRENCY: return p->at++, p->currency = t->text, parse_base(p);
    case TOK_WORD:
        if (t->fn == TAKEN_APART || is_product(t)) return first_letter(p);
        return p->at++, node_text(p, K_VAR, t->text);
    case '-': return p->at++, node_make1(p, K_NEG, parse_factor(p));
    case '+': return p->at++, parse_factor(p);
    case TOK_PM:
    case TOK_MP: return p->at++, node_op(p, K_PM, t->kind == TOK_MP, parse_factor(p));
    default: return 0;
    }
}

uint32_t parse_base(parser *p)
{
    uint32_t n = enter(p) ? base_inside(p) : 0;
    p->depth--;
    return n;
}
