/* math: equality of numbers with logarithms, exponentials and angles, by Calcium (Johansson,
 * "Calcium: computing in exact real and complex fields", ISSAC 2021).
 * SPDX-License-Identifier: MIT
 *
 * Calcium has no way to stop it half-way, so what it is given is measured beforehand. */
#include "reward/math/value.h"

#include <calcium/ca.h>
#include <math.h>

/* How much a formula asks for. */
typedef struct load {
    double degree; /* of the polynomial in its roots and functions */
    int extensions;
    int terms;
    uint64_t seen[16];
} load;

enum { EXTENSIONS_MAX = 8, TERMS_MAX = 200, BITS_MAX = 160 };

static bool extension(math_eval *e, load *w, uint64_t h)
{
    h += (uint64_t)e->point * 0xBF58476D1CE4E5B9u;
    for (int i = 0; i < w->extensions; i++)
        if (w->seen[i] == h) return true;
    if (w->extensions == EXTENSIONS_MAX) return false;
    w->seen[w->extensions++] = h;
    return true;
}

static bool measure(math_eval *e, load *w, ref r, double *degree)
{
    enum { DEGREE_MAX = 24 };
    const node *n = ref_node(r);
    fmpq_t q;
    fmpq_init(q);
    enum q_status st = math_rational(e, q, r);
    bool small = fmpz_bits(fmpq_numref(q)) + fmpz_bits(fmpq_denref(q)) < BITS_MAX;
    fmpq_clear(q);
    *degree = 0;
    if (++w->terms > TERMS_MAX) return false;
    if (st != Q_IRRATIONAL) return st == Q_OK && small;
    double d, most = 0, all = 0;
    size_t i = 0;
    double power_of = 1;
    for (ref c = ref_first(r); c.at; c = ref_next(c), i++) {
        if (!measure(e, w, c, &d)) return false;
        most = most > d ? most : d;
        all += d;
        if (n->kind == K_POW && i == 1) {
            fmpq_init(q);
            if (math_rational(e, q, c) == Q_OK && fmpz_is_one(fmpq_denref(q))) {
                power_of = fmpz_bits(fmpq_numref(q)) < 16 ? fabs(fmpz_get_d(fmpq_numref(q))) : 1e9;
            } else {
                power_of = 0;
            }
            fmpq_clear(q);
        }
    }
    switch (n->kind) {
    case K_ADD:
    case K_NEG:
    case K_PM:
    case K_PERCENT:
    case K_DEG: *degree = most; break;
    case K_MUL:
    case K_DIV: *degree = all; break;
    case K_POW:
        if (power_of > 0) {
            *degree = all * power_of;
            break;
        } /* fall through */
    case K_ROOT:
    case K_FUNC:
    case K_PI:
    case K_E:
    case K_I:
        *degree = 1;
        if (!extension(e, w, math_hash(r))) return false;
        break;
    default: return false;
    }
    return *degree <= DEGREE_MAX;
}

static bool value(math_eval *e, ca_t out, ref r, ca_ctx_t ctx);

/* e^x. For x = p/q or i p/q as a power of e^(1/q) or e^(i/q), so that e^2 e^3 and e^5 are powers of
 * one number. */
static void exponential(ca_t out, const ca_t x, ca_ctx_t ctx)
{
    enum { POWER_MAX = 100 };
    fmpq_t r;
    ca_t unit, y;
    fmpq_init(r);
    ca_init(unit, ctx), ca_init(y, ctx);
    ca_one(unit, ctx);
    bool rational = ca_get_fmpq(r, x, ctx);
    if (!rational) {
        ca_i(unit, ctx);
        ca_div(y, x, unit, ctx);
        rational = ca_get_fmpq(r, y, ctx);
    }
    if (rational && !fmpq_is_zero(r) && fmpz_cmpabs(fmpq_numref(r), (fmpz[]){POWER_MAX}) <= 0) {
        ca_div_fmpz(unit, unit, fmpq_denref(r), ctx);
        ca_exp(unit, unit, ctx);
        ca_pow_si(out, unit, fmpz_get_si(fmpq_numref(r)), ctx);
    } else {
        ca_exp(out, x, ctx);
    }
    fmpq_clear(r);
    ca_clear(unit, ctx), ca_clear(y, ctx);
}

/* sin and cos of a rational number by e^(ix); of anything else as Calcium does. */
static void sine_cosine(ca_t s, ca_t c, const ca_t x, ca_ctx_t ctx)
{
    fmpq_t r;
    fmpq_init(r);
    if (ca_get_fmpq(r, x, ctx)) {
        ca_t i, a, b;
        ca_init(i, ctx), ca_init(a, ctx), ca_init(b, ctx);
        ca_i(i, ctx);
        ca_mul(a, i, x, ctx);
        exponential(a, a, ctx);
        ca_inv(b, a, ctx);
        ca_sub(s, a, b, ctx);
        ca_div_ui(s, s, 2, ctx);
        ca_div(s, s, i, ctx);
        ca_add(c, a, b, ctx);
        ca_div_ui(c, c, 2, ctx);
        ca_clear(i, ctx), ca_clear(a, ctx), ca_clear(b, ctx);
    } else {
        ca_sin_cos(s, c, x, ctx);
    }
    fmpq_clear(r);
}

static bool power(math_eval *e, ca_t out, ref r, ca_ctx_t ctx)
{
    ref base = ref_first(r), exponent = ref_next(base);
    fmpq_t y;
    fmpq_init(y);
    bool ok = true, exact = math_rational(e, y, exponent) == Q_OK;
    bool root = ref_node(r)->kind == K_ROOT;
    if (root && (!exact || fmpq_is_zero(y))) ok = false;
    else if (root) fmpq_inv(y, y);
    if (ok && ref_node(base)->kind == K_E) {
        ok = value(e, out, exponent, ctx);
        ca_t x;
        ca_init(x, ctx);
        ca_swap(x, out, ctx);
        exponential(out, x, ctx);
        ca_clear(x, ctx);
    } else if (ok && exact) {
        ok = value(e, out, base, ctx);
        bool minus = ok && !fmpz_is_one(fmpq_denref(y)) && !fmpz_is_even(fmpq_denref(y)) &&
                     ca_check_is_negative_real(out, ctx) == T_TRUE;
        if (minus) ca_neg(out, out, ctx);
        ca_pow_fmpq(out, out, y, ctx);
        if (minus && !fmpz_is_even(fmpq_numref(y))) ca_neg(out, out, ctx);
    } else if (ok) {
        ca_t x;
        ca_init(x, ctx);
        ok = value(e, out, base, ctx) && value(e, x, exponent, ctx);
        ca_log(out, out, ctx);
        ca_mul(x, x, out, ctx);
        exponential(out, x, ctx);
        ca_clear(x, ctx);
    }
    fmpq_clear(y);
    return ok;
}

/* (e^x + s e^-x) / 2 */
static void hyperbolic(ca_t out, const ca_t x, int sign, ca_ctx_t ctx)
{
    ca_t p;
    ca_init(p, ctx);
    exponential(p, x, ctx);
    ca_inv(out, p, ctx);
    if (sign < 0) ca_sub(out, p, out, ctx);
    else ca_add(out, p, out, ctx);
    ca_div_ui(out, out, 2, ctx);
    ca_clear(p, ctx);
}

static bool logarithm(math_eval *e, ca_t out, const ca_t x, ref r, ca_ctx_t ctx)
{
    const node *n = ref_node(r);
    bool ok = true, divide = n->n == 2 || n->op == FN_LG || (n->op == FN_LOG && e->log10);
    ca_log(out, x, ctx);
    if (!divide) return true;
    ca_t b;
    ca_init(b, ctx);
    if (n->n == 2) ok = value(e, b, ref_next(ref_first(r)), ctx);
    else ca_set_ui(b, 10, ctx);
    ca_log(b, b, ctx);
    ca_div(out, out, b, ctx);
    ca_clear(b, ctx);
    return ok;
}

static bool function(math_eval *e, ca_t out, ref r, ca_ctx_t ctx)
{
    int fn = ref_node(r)->op;
    ca_t x, y;
    ca_init(x, ctx), ca_init(y, ctx);
    bool ok = value(e, x, ref_first(r), ctx);
    if (ok) switch (fn) {
        case FN_SIN: sine_cosine(out, y, x, ctx); break;
        case FN_COS: sine_cosine(y, out, x, ctx); break;
        case FN_TAN: sine_cosine(out, y, x, ctx), ca_div(out, out, y, ctx); break;
        case FN_COT: sine_cosine(y, out, x, ctx), ca_div(out, out, y, ctx); break;
        case FN_SEC: sine_cosine(y, out, x, ctx), ca_inv(out, out, ctx); break;
        case FN_CSC: sine_cosine(out, y, x, ctx), ca_inv(out, out, ctx); break;
        case FN_ASEC: ca_inv(x, x, ctx); /* fall through */
        case FN_ACOS: ca_acos(out, x, ctx); break;
        case FN_ACSC: ca_inv(x, x, ctx); /* fall through */
        case FN_ASIN: ca_asin(out, x, ctx); break;
        case FN_ATAN: ca_atan(out, x, ctx); break;
        case FN_ACOT:
            ca_atan(y, x, ctx);
            ca_pi(out, ctx);
            ca_div_ui(out, out, 2, ctx);
            ca_sub(out, out, y, ctx);
            break;
        case FN_SINH: hyperbolic(out, x, -1, ctx); break;
        case FN_COSH: hyperbolic(out, x, 1, ctx); break;
        case FN_SECH: hyperbolic(out, x, 1, ctx), ca_inv(out, out, ctx); break;
        case FN_CSCH: hyperbolic(out, x, -1, ctx), ca_inv(out, out, ctx); break;
        case FN_TANH:
        case FN_COTH:
            hyperbolic(out, x, -1, ctx);
            hyperbolic(y, x, 1, ctx);
            if (fn == FN_TANH) ca_div(out, out, y, ctx);
            else ca_div(out, y, out, ctx);
            break;
        case FN_LN:
        case FN_LOG:
        case FN_LG: ok = logarithm(e, out, x, r, ctx); break;
        case FN_EXP: exponential(out, x, ctx); break;
        case FN_ABS: ca_abs(out, x, ctx); break;
        default: ok = false;
        }
    ca_clear(x, ctx), ca_clear(y, ctx);
    return ok;
}

static bool fold(math_eval *e, ca_t out, ref r, ca_ctx_t ctx)
{
    bool ok = true, product = ref_node(r)->kind == K_MUL;
    ca_t x, all;
    ca_init(x, ctx), ca_init(all, ctx);
    ca_set_si(all, product, ctx);
    for (ref c = ref_first(r); c.at && ok; c = ref_next(c)) {
        ok = value(e, x, c, ctx);
        if (product) ca_mul(all, all, x, ctx);
        else ca_add(all, all, x, ctx);
    }
    ca_swap(out, all, ctx);
    ca_clear(x, ctx), ca_clear(all, ctx);
    return ok;
}

static bool value(math_eval *e, ca_t out, ref r, ca_ctx_t ctx)
{
    const node *n = ref_node(r);
    fmpq_t q;
    fmpq_init(q);
    enum q_status st = math_rational(e, q, r);
    if (st == Q_OK) ca_set_fmpq(out, q, ctx);
    fmpq_clear(q);
    if (st != Q_IRRATIONAL) return st == Q_OK;
    bool ok;
    switch (n->kind) {
    case K_ADD:
    case K_MUL: return fold(e, out, r, ctx);
    case K_NEG:
    case K_PM:
        ok = value(e, out, ref_first(r), ctx);
        if (n->kind == K_NEG || ((e->pm >> n->cols) ^ n->op) & 1) ca_neg(out, out, ctx);
        return ok;
    case K_PERCENT: ok = value(e, out, ref_first(r), ctx); return ca_div_ui(out, out, 100, ctx), ok;
    case K_DEG: {
        ca_t pi;
        ca_init(pi, ctx);
        ok = value(e, out, ref_first(r), ctx);
        ca_pi(pi, ctx);
        ca_mul(out, out, pi, ctx);
        ca_div_ui(out, out, 180, ctx);
        return ca_clear(pi, ctx), ok;
    }
    case K_DIV: {
        ca_t y;
        ca_init(y, ctx);
        ok = value(e, out, ref_first(r), ctx) && value(e, y, ref_next(ref_first(r)), ctx);
        ca_div(out, out, y, ctx);
        return ca_clear(y, ctx), ok;
    }
    case K_POW:
    case K_ROOT: return power(e, out, r, ctx);
    case K_PI: return ca_pi(out, ctx), true;
    case K_I: return ca_i(out, ctx), true;
    case K_E: return ca_one(out, ctx), ca_exp(out, out, ctx), true;
    case K_FUNC: return function(e, out, r, ctx);
    default: return false;
    }
}

static bool difference(math_eval *e, ca_t out, ref a, ref b, int point, ca_ctx_t ctx)
{
    ca_t y;
    e->point = point;
    ca_init(y, ctx);
    bool ok = value(e, out, a, ctx) && value(e, y, b, ctx);
    ca_sub(out, out, y, ctx);
    ca_clear(y, ctx);
    return ok;
}

static bool affordable(math_eval *e, const formula *f)
{
    enum { STEPS = 60000 };
    load w = {0};
    double d;
    bool ok = measure(e, &w, f->a, &d) && measure(e, &w, f->b, &d);
    if (ok && f->c.at) {
        ok = measure(e, &w, f->c, &d) && measure(e, &w, f->d, &d);
        e->point = f->point2;
        ok = ok && measure(e, &w, f->a, &d) && measure(e, &w, f->b, &d) &&
             measure(e, &w, f->c, &d) && measure(e, &w, f->d, &d);
        e->point = f->point;
    }
    return ok && math_spend(e, STEPS);
}

enum truth math_calcium(math_eval *e, const formula *f)
{
    if (!affordable(e, f)) return UNSURE;
    ca_ctx_t ctx;
    ca_ctx_init(ctx);
    ca_ctx_set_option(ctx, CA_OPT_PREC_LIMIT, 512);
    ca_ctx_set_option(ctx, CA_OPT_QQBAR_DEG_LIMIT, 40);
    ca_ctx_set_option(ctx, CA_OPT_POW_LIMIT, 10);
    ca_ctx_set_option(ctx, CA_OPT_LLL_PREC, 128);
    ca_ctx_set_option(ctx, CA_OPT_GROEBNER_LENGTH_LIMIT, 16);
    ca_ctx_set_option(ctx, CA_OPT_GROEBNER_POLY_LENGTH_LIMIT, 100);
    ca_ctx_set_option(ctx, CA_OPT_GROEBNER_POLY_BITS_LIMIT, 1000);
    ca_t x[4];
    for (int i = 0; i < 4; i++) ca_init(x[i], ctx);
    bool ok = difference(e, x[0], f->a, f->b, f->point, ctx);
    if (ok && f->c.at) {
        ok = difference(e, x[1], f->c, f->d, f->point2, ctx) &&
             difference(e, x[2], f->a, f->b, f->point2, ctx) &&
             difference(e, x[3], f->c, f->d, f->point, ctx);
        ca_mul(x[0], x[0], x[1], ctx);
        ca_mul(x[2], x[2], x[3], ctx);
        ca_sub(x[0], x[0], x[2], ctx);
        e->point = f->point;
    }
    truth_t zero = ok ? ca_check_is_zero(x[0], ctx) : T_UNKNOWN;
    for (int i = 0; i < 4; i++) ca_clear(x[i], ctx);
    ca_ctx_clear(ctx);
    return zero == T_TRUE ? TRUE_SURE : zero == T_FALSE ? FALSE_SURE : UNSURE;
}
