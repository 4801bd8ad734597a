/* math: are two answers the same?
 * SPDX-License-Identifier: MIT */
#include "reward/math/math_int.h"
#include "reward/reward_int.h"

#include <stdlib.h>

/* ---- one answer ---------------------------------------------------------------------------------
 */

static void side_free(math_side *s)
{
    buf_free(&s->clean);
    buf_free(&s->plain);
    buf_free(&s->pool);
    free(s->tok);
    free(s->nodes);
}

/* Words that stand for notation. */
static void translate(math_side *s)
{
    static const char *const NAMES[][2] = {
        {"all real numbers", "\\mathbb{R}"},
        {"all reals", "\\mathbb{R}"},
        {"real numbers", "\\mathbb{R}"},
        {"empty set", "\\emptyset"},
        {"infinity", "\\infty"},
        {"negative infinity", "-\\infty"},
    };
    buf words = {0};
    if (math_words(&words, buf_str(&s->plain)))
        for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
            if (!str_eq(buf_str(&words), str_of(NAMES[i][0]))) continue;
            buf_clear(&s->clean);
            buf_add_str(&s->clean, str_of(NAMES[i][1]));
        }
    buf_clear(&words);
    size_t used;
    bool percent;
    if (math_chinese_number(&words, buf_str(&s->clean), &used, &percent)) {
        buf_add(&words, s->clean.p + used, s->clean.n - used);
        buf_clear(&s->clean);
        buf_add_str(&s->clean, buf_str(&words));
    }
    buf_free(&words);
}

static bool side_parse(math_side *s)
{
    translate(s);
    return math_lex(s) && math_parse(s) && math_fold_matrices(s);
}

/* ---- units --------------------------------------------------------------------------------------
 */

static void swap_marks(node *a, node *b)
{
    node t = *a;
    a->kind = b->kind, a->op = b->op, a->text = b->text, a->cols = b->cols;
    b->kind = t.kind, b->op = t.op, b->text = t.text, b->cols = t.cols;
    a->hash = b->hash = 0;
}

/* Takes unit, percent and degree signs off; the sign of the number moves inside them. */
static ref peel(ref r, str *unit)
{
    *unit = (str){0};
    for (;;) {
        node *n = &r.s->nodes[r.at];
        node *in = &r.s->nodes[n->first];
        if ((n->kind == K_NEG || n->kind == K_PM) &&
            (in->kind == K_DEG || in->kind == K_PERCENT || in->kind == K_UNIT)) {
            swap_marks(n, in);
            continue;
        }
        if (n->kind == K_DEG) *unit = STR("deg");
        else if (n->kind == K_PERCENT) *unit = STR("percent");
        else if (n->kind == K_UNIT) *unit = n->text;
        else return r;
        r.at = n->first;
    }
}

/* A letter that can be a unit, perhaps with a power: "m", "s^2". Its text goes to out. */
static bool letter_unit(buf *out, ref r)
{
    static const char LETTERS[] = "mgshlLNJWVAKCF";
    const node *n = ref_node(r);
    bool raised = n->kind == K_POW;
    const node *v = raised ? ref_node(ref_first(r)) : n;
    const node *power = raised ? ref_node(math_last(r)) : NULL;
    if (v->kind != K_VAR || v->text.n != 1 || !memchr(LETTERS, *v->text.p, sizeof LETTERS - 1))
        return false;
    if (raised && power->kind != K_NUM) return false;
    buf_add_str(out, v->text);
    if (raised) buf_add_char(out, '^'), buf_add_str(out, power->text);
    return true;
}

/* The number in "5 m" or "3 m/s", where letters behind it can be a unit; else r. */
static ref without_letter_unit(buf *unit, ref r)
{
    const node *n = ref_node(r);
    ref number = ref_first(r);
    if (n->kind == K_DIV) {
        ref left = without_letter_unit(unit, number);
        buf_add_char(unit, '/');
        return left.at != number.at && letter_unit(unit, ref_next(number)) ? left : r;
    }
    bool fits = n->kind == K_MUL && n->n == 2 && ref_node(number)->kind == K_NUM;
    return fits && letter_unit(unit, ref_next(number)) ? number : r;
}

/* ---- by type ------------------------------------------------------------------------------------
 */

static bool has_signs(ref r)
{
    if (ref_node(r)->kind == K_PM) return true;
    if (ref_node(r)->kind >= K_SCALARS_END) return false;
    for (ref c = ref_first(r); c.at; c = ref_next(c))
        if (has_signs(c)) return true;
    return false;
}

static bool same_in_order(math_eval *e, ref a, ref b)
{
    if (ref_node(a)->n != ref_node(b)->n) return false;
    ref y = ref_first(b);
    for (ref x = ref_first(a); x.at; x = ref_next(x), y = ref_next(y))
        if (!math_same(e, x, y)) return false;
    return true;
}

static bool is_many(ref r)
{
    int k = ref_node(r)->kind;
    return k == K_LIST || k == K_SET || k == K_EMPTY;
}

/* One side is an equation or inequality, the other is not. */
static bool against_relation(math_eval *e, ref rel, ref other, bool rel_is_gold)
{
    ref first = ref_first(rel), last = math_last(rel);
    if (math_is_equation(rel)) {
        if (ref_node(rel)->n == 2 && !math_is_name(first) && math_is_name(last)) { /* 5 = x */
            ref swap = first;
            first = last, last = swap;
        }
        if (math_is_name(first))
            return rel_is_gold ? math_same(e, last, other) : math_same(e, other, last);
        if (rel_is_gold) return false;
        for (ref c = first; c.at; c = ref_next(c)) /* 2+3 = 5: every side must be the gold */
            if (!math_same(e, other, c)) return false;
        return true;
    }
    if (ref_node(rel)->n == 2 && ref_node(last)->rel == TOK_IN && math_is_name(first))
        return rel_is_gold ? math_same(e, last, other) : math_same(e, other, last);
    return rel_is_gold ? math_same_set(e, rel, other) : math_same_set(e, other, rel);
}

static bool is_real_set(ref r)
{
    int k = ref_node(r)->kind;
    return k == K_SETOP || k == K_REALS || k == K_BUILDER ||
           (k == K_LIST && ref_node(ref_first(r))->kind == K_REL);
}

static bool same_structure(math_eval *e, ref a, ref b)
{
    const node *x = ref_node(a), *y = ref_node(b);
    if (x->kind != y->kind) return false;
    switch (x->kind) {
    case K_TUPLE: return x->open == y->open && x->close == y->close && same_in_order(e, a, b);
    case K_MATRIX: return x->cols == y->cols && same_in_order(e, a, b);
    case K_RATIO:
    case K_BUILDER: return same_in_order(e, a, b);
    case K_SETOP:
        return x->op == y->op &&
               (same_in_order(e, a, b) || (x->op == TOK_CUP && math_same_members(e, a, b)));
    case K_REALS: return str_eq(x->text, y->text);
    case K_EMPTY: return true;
    default: return false;
    }
}

static bool same_peeled(math_eval *e, ref a, ref b)
{
    int ka = ref_node(a)->kind, kb = ref_node(b)->kind;
    if (ka == K_REL && kb == K_REL) return math_same_relation(e, a, b);
    if (is_real_set(a) || is_real_set(b))
        if (math_same_set(e, a, b)) return true;
    if (ka == K_REL) return against_relation(e, a, b, true);
    if (kb == K_REL) return against_relation(e, b, a, false);
    if (is_many(a) || is_many(b)) {
        bool flat = (is_many(a) || ka < K_SCALARS_END) && (is_many(b) || kb < K_SCALARS_END);
        return flat && math_same_members(e, a, b);
    }
    if (ka >= K_SCALARS_END || kb >= K_SCALARS_END) return same_structure(e, a, b);
    return math_same_scalar(e, a, b) || math_approximates(e, a, b);
}

bool math_same(math_eval *e, ref gold, ref answer)
{
    str ua, ub;
    if (!math_spend(e, 10)) return false;
    ref a = peel(gold, &ua), b = peel(answer, &ub);
    if (ua.n && ub.n && !str_eq(ua, ub)) return false;
    uint32_t signs = has_signs(a) + has_signs(b);
    if (signs && !e->in_members && ref_node(a)->kind < K_SCALARS_END &&
        ref_node(b)->kind < K_SCALARS_END)
        return math_same_members(e, a, b);
    if (same_peeled(e, a, b)) return true;
    math_eval probe = *e;
    if (ref_node(a)->kind >= K_SCALARS_END || math_has_variables(&probe, a)) return false;
    buf raw = {0}, unit = {0};
    ref number = without_letter_unit(&raw, b);
    bool fits = number.at != b.at &&
                (ua.n == 0 || (math_unit(&unit, buf_str(&raw)) && str_eq(buf_str(&unit), ua)));
    buf_free(&raw);
    buf_free(&unit);
    return fits && math_same_scalar(e, a, number);
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

/* Digits, one comma, digits: a decimal comma if the other side has no comma. "1,5" may be a list.
 */
static bool decimal_comma(math_side *s, const math_side *other)
{
    str t = buf_str(&s->clean);
    size_t comma = str_find(t, STR(","), 0);
    if (comma == SIZE_MAX || comma == 0 ||
        str_find(buf_str(&other->clean), STR(","), 0) != SIZE_MAX)
        return false;
    size_t places = t.n - comma - 1, from = *t.p == '-';
    if (places == 3 && comma <= from + 3 && t.p[from] != '0') return false; /* 1,234 */
    if (places < 1 || (places < 2 && !(comma == from + 1 && t.p[from] == '0'))) return false;
    for (size_t i = from; i < t.n; i++)
        if (i != comma && (t.p[i] < '0' || t.p[i] > '9')) return false;
    s->clean.p[comma] = '.';
    return true;
}

static const char *compare_trees(math_side *a, math_side *b)
{
    math_eval e = {.steps = MATH_STEPS};
    ref x = {a, a->root}, y = {b, b->root};
    if (math_same(&e, x, y)) return "equal value";
    if (e.steps > 0 && (a->has_log || b->has_log)) {
        e = (math_eval){.steps = e.steps, .log10 = true};
        if (math_same(&e, x, y)) return "equal value";
    }
    return NULL;
}

static bool words_decide(const math_side *a, const math_side *b, bool *equal)
{
    buf x = {0}, y = {0};
    bool wa = math_words(&x, buf_str(&a->plain)), wb = math_words(&y, buf_str(&b->plain));
    bool both = wa && wb;
    *equal = both && str_eq(buf_str(&x), buf_str(&y));
    buf_free(&x);
    buf_free(&y);
    return both;
}

static bool is_notation(const math_side *s)
{
    for (size_t i = 0; i < s->n_tok; i++)
        if (s->tok[i].kind == TOK_FUNC || s->tok[i].kind == TOK_INF || s->tok[i].kind == TOK_PI ||
            s->tok[i].kind == TOK_REALS || s->tok[i].kind == TOK_EMPTY)
            return true;
    return false;
}

static bool decide(math_side *a, math_side *b, const char **reason)
{
    bool equal;
    *reason = "no answer";
    if (a->clean.failed || b->clean.failed || b->clean.n == 0) return false;
    *reason = "same text";
    if (str_eq(buf_str(&a->clean), buf_str(&b->clean))) return true;
    *reason = "too long";
    if (a->clean.n > MATH_TEXT_MAX || b->clean.n > MATH_TEXT_MAX) return false;
    math_plain(&a->plain, buf_str(&a->clean));
    math_plain(&b->plain, buf_str(&b->clean));
    char x = math_choice(buf_str(&a->plain)), y = math_choice(buf_str(&b->plain));
    *reason = "letter";
    if (x && y) return x == y;
    bool words = words_decide(a, b, &equal);
    *reason = "words";
    if (words && equal) return true;
    if (!decimal_comma(a, b)) decimal_comma(b, a);
    bool pa = side_parse(a), pb = side_parse(b);
    if (words && !is_notation(a) && !is_notation(b)) return false;
    *reason = pa ? "answer not understood" : "gold not understood";
    if (!pa || !pb) return false;
    const char *found = compare_trees(a, b);
    *reason = found ? found : "not equal";
    return found != NULL;
}

bool math_equal(str gold, str prediction, const char **reason)
{
    const char *why;
    math_side a = {0}, b = {0};
    if (gold.n > 4 * MATH_TEXT_MAX || prediction.n > 4 * MATH_TEXT_MAX) { /* not worth cleaning */
        if (reason) *reason = "too long";
        return prediction.n > 0 && str_eq(gold, prediction);
    }
    math_thread_begin();
    math_clean(&a.clean, gold);
    math_clean(&b.clean, prediction);
    bool equal = decide(&a, &b, &why);
    side_free(&a);
    side_free(&b);
    if (reason) *reason = why;
    return equal;
}
