/* math: tokens to a tree, by recursive descent with caps on depth and nodes.
 * SPDX-License-Identifier: MIT
 *
 *   list  := item ((',' | ';' | and | or) item)*
 *   item  := set (relation set)* [unit]
 *   set   := ratio ((cup | cap | setminus) ratio)*
 *   ratio := sum (':' sum)*
 *   sum   := [sign] term (sign term)*
 *   term  := factor ((times | over | nothing) factor)*
 *   factor := base (power | index | ! | % | degree | prime)*
 * Functions return a node's number, or 0 after a mistake. */
#include "reward/math/parse.h"

#include <stdlib.h>

static bool at_item_end(parser *p)
{
    static const uint8_t ENDS[] = {TOK_END,      ',',     ';',    ')',        ']',     '}',
                                   TOK_SETCLOSE, TOK_AND, TOK_OR, '=',        '<',     '>',
                                   TOK_LE,       TOK_GE,  TOK_NE, TOK_APPROX, TOK_ROW, '&',
                                   TOK_ENDENV,   '|',     TOK_IN, TOK_REL};
    for (size_t i = 0; i < COUNT_OF(ENDS); i++)
        if (is(p, ENDS[i])) return true;
    return false;
}

/* The words behind a number, up to the end of the item, as its unit. */
static uint32_t with_unit(parser *p, uint32_t of)
{
    if (!of || !(is(p, TOK_WORD) || (is(p, TOK_FUNC) && cur(p)->fn == FN_MIN))) return of;
    buf text = {0}, one = {0};
    while (!at_item_end(p)) {
        token *t = cur(p);
        if (t->kind == TOK_WORD || t->kind == TOK_VAR || t->kind == TOK_E || t->kind == TOK_I ||
            t->kind == TOK_FUNC) {
            buf_add_char(&text, ' ');
            buf_add_str(&text, t->text);
        } else if (t->kind == TOK_NUM && text.n && strchr("^-", text.p[text.n - 1])) {
            buf_add_str(&text, t->text);
        } else if (t->kind == '^' || t->kind == '/' || t->kind == '-') {
            buf_add_char(&text, (char)t->kind);
            if (t->kind == '^' && ahead(p, 1)->kind == '{' && ahead(p, 3)->kind == '}') { /* ^{2} */
                buf_add_str(&text, ahead(p, 2)->text);
                p->at += 3;
            }
        } else if (t->kind != '*') {
            break;
        }
        p->at++;
    }
    uint32_t n = 0;
    if (at_item_end(p) && math_unit(&one, buf_str(&text)) && parse_room(p, one.n)) {
        size_t start = p->s->pool.n;
        buf_add_str(&p->s->pool, buf_str(&one));
        n = node_make1(p, K_UNIT, of);
        p->s->nodes[n].text = parse_note(p, start);
    }
    buf_free(&text);
    buf_free(&one);
    return n;
}

/* ---- operators ----------------------------------------------------------------------------------
 */

/* After '^'. */
static uint32_t power(parser *p, uint32_t n)
{
    bool braced = is(p, '{');
    if (is(p, TOK_DEG) || (braced && ahead(p, 1)->kind == TOK_DEG && ahead(p, 2)->kind == '}')) {
        p->at += braced ? 3 : 1;
        return node_make1(p, K_DEG, n);
    }
    if (is(p, '\'')) return p->at++, n;
    uint32_t e = parse_argument(p, false);
    if (e && is(p, '^')) { /* a^b^c */
        p->at++;
        e = enter(p) ? power(p, e) : 0;
        p->depth--;
    }
    return node_make2(p, K_POW, n, e);
}

uint32_t parse_factor(parser *p)
{
    uint32_t n = parse_base(p);
    for (int i = 0; n && i < MATH_DEPTH_MAX; i++) {
        if (accept(p, '^')) n = power(p, n);
        else if (accept(p, '!')) n = node_make1(p, K_FACT, n);
        else if (accept(p, '%')) n = node_make1(p, K_PERCENT, n);
        else if (accept(p, TOK_DEG)) n = node_make1(p, K_DEG, n);
        else if (is(p, '_') && p->s->nodes[n].kind == K_NUM) n = parse_in_base(p, n); /* (204)_5 */
        else return n;
    }
    return 0;
}

static bool multiplier(str w, const char **zeros)
{
    static const struct {
        const char *name, *value;
    } M[] = {{"thousand", "1000"},          {"million", "1000000"}, {"billion", "1000000000"},
             {"trillion", "1000000000000"}, {"dozen", "12"},        {"hundred", "100"}};
    for (size_t i = 0; i < COUNT_OF(M); i++)
        if (str_eq(w, str_of(M[i].name))) return *zeros = M[i].value, true;
    return false;
}

uint32_t parse_term(parser *p)
{
    uint32_t n = enter(p) ? parse_factor(p) : 0;
    bool fresh = true;
    const char *zeros;
    while (n) {
        if (accept(p, '*')) n = node_chain(p, K_MUL, n, parse_factor(p), fresh), fresh = false;
        else if (accept(p, '/')) n = node_make2(p, K_DIV, n, parse_factor(p)), fresh = true;
        else if (accept(p, TOK_MOD)) n = node_make2(p, K_MOD, n, parse_factor(p)), fresh = true;
        else if (is(p, TOK_WORD) && multiplier(cur(p)->text, &zeros))
            p->at++, n = node_chain(p, K_MUL, n, node_text(p, K_NUM, str_of(zeros)), fresh),
                     fresh = false;
        else if (is(p, TOK_NUM) && p->at && ahead(p, 0)->space &&
                 p->s->tok[p->at - 1].kind == TOK_NUM)
            n = 0; /* "2 3" */
        else if (parse_opens_factor(p))
            n = node_chain(p, K_MUL, n, parse_factor(p), fresh), fresh = false;
        else break;
    }
    p->depth--;
    return n;
}

uint32_t parse_sum(parser *p)
{
    uint32_t n = 0;
    bool fresh = true, first = true;
    if (!enter(p)) return p->depth--, 0;
    for (;;) {
        int minus = 0, pm = 0;
        bool any = false;
        for (;; p->at++) {
            if (is(p, '-')) minus ^= 1;
            else if (is(p, TOK_PM) || is(p, TOK_MP)) {
                if (pm) break;
                pm = cur(p)->kind;
            } else if (!is(p, '+')) break;
            any = true;
        }
        if (!first && !any) break;
        uint32_t t = parse_term(p);
        if (minus) t = node_make1(p, K_NEG, t);
        if (pm) t = node_op(p, K_PM, pm == TOK_MP, t);
        if (first) n = t;
        else n = node_chain(p, K_ADD, n, t, fresh), fresh = false;
        first = false;
        if (!n || !t) {
            n = 0;
            break;
        }
    }
    p->depth--;
    return n;
}

static uint32_t ratio(parser *p)
{
    uint32_t n = parse_sum(p);
    if (!n || p->in_set || !is(p, ':')) return n;
    n = node_make1(p, K_RATIO, n);
    while (n && accept(p, ':')) n = node_add(p, n, parse_sum(p));
    return n;
}

static uint32_t set_expr(parser *p)
{
    uint32_t n = ratio(p);
    while (n && (is(p, TOK_CUP) || is(p, TOK_CAP) || is(p, TOK_SETMINUS))) {
        uint8_t op = cur(p)->kind;
        p->at++;
        n = node_make2(p, K_SETOP, n, ratio(p));
        p->s->nodes[n].op = op;
    }
    return n;
}

static bool relation(int kind)
{
    return kind == '=' || kind == '<' || kind == '>' || (kind >= TOK_LE && kind <= TOK_REL);
}

uint32_t parse_item(parser *p)
{
    str outer = p->currency;
    p->currency = (str){0};
    if (is(p, '=') || is(p, TOK_APPROX)) p->at++; /* "= 5" */
    uint32_t n = with_unit(p, set_expr(p));
    if (n && (is(p, TOK_OVER) || is(p, TOK_CHOOSE))) { /* {1 \over 2} */
        int kind = is(p, TOK_OVER) ? K_DIV : K_BINOM;
        p->at++;
        n = node_make2(p, kind, n, parse_sum(p));
    }
    if (n && relation(cur(p)->kind)) {
        n = node_make1(p, K_REL, n);
        while (n && relation(cur(p)->kind)) {
            token *t = cur(p);
            p->at++;
            uint32_t next = with_unit(p, set_expr(p));
            p->s->nodes[next].rel = t->kind;
            n = node_add(p, n, next);
            if (t->kind == TOK_REL) p->s->nodes[n].text = t->text;
        }
    }
    if (accept(p, TOK_CURRENCY)) p->currency = p->s->tok[p->at - 1].text;
    if (n && p->currency.n) {
        static const char *const NAMES[][2] = {
            {"$", "usd"}, {"euro", "eur"}, {"pounds", "gbp"}, {"yen", "yuan"}};
        n = node_make1(p, K_UNIT, n);
        p->s->nodes[n].text = p->currency;
        for (size_t i = 0; i < COUNT_OF(NAMES); i++)
            if (str_eq(p->currency, str_of(NAMES[i][0]))) p->s->nodes[n].text = str_of(NAMES[i][1]);
    }
    p->currency = outer;
    return n;
}

static int separator(parser *p)
{
    if (is(p, ',') || is(p, ';')) return ',';
    if (is(p, TOK_AND) || is(p, TOK_OR)) return cur(p)->kind;
    return 0;
}

uint32_t parse_list(parser *p)
{
    uint32_t first = enter(p) ? parse_item(p) : 0, n = first;
    while (n && separator(p)) {
        int sep = 0;
        for (int s; (s = separator(p)) != 0; p->at++) {
            if (sep && (sep != ',' || s == ',')) return p->depth--, 0; /* ",,", "and or" */
            sep = s;
        }
        if (n == first) n = node_make1(p, K_LIST, first);
        if (sep != ',' || !p->s->nodes[n].sep) p->s->nodes[n].sep = (uint8_t)sep;
        n = node_add(p, n, parse_item(p));
    }
    p->depth--;
    return n;
}

bool math_parse(math_side *s)
{
    parser p = {.s = s};
    size_t cap = size_min(3 * s->n_tok + 64, MATH_NODES_MAX);
    for (size_t i = 0; i < s->n_tok; i++)
        if (s->tok[i].kind == TOK_WORD) cap += size_min(s->tok[i].text.n, 5);
    s->nodes = malloc(cap * sizeof *s->nodes);
    if (!s->nodes) return false;
    s->cap_nodes = (uint32_t)size_min(cap, MATH_NODES_MAX);
    s->nodes[0] = (node){0};
    s->n_nodes = 1;
    s->root = parse_list(&p);
    if (!is(&p, TOK_END)) s->root = 0;
    return s->root != 0;
}
