/* math: certified enclosures, by Arb's balls (Johansson, "Arb: efficient arbitrary-precision
 * midpoint-radius interval arithmetic", IEEE Trans. Computers 66, 2017).
 * SPDX-License-Identifier: MIT
 *
 * Roots and powers take the real value where there is one (an odd root of a negative number), else
 * the principal one. */
#include "reward/math/value.h"

enum { MAGNITUDE_MAX = 40 }; /* arguments of exp and sin stay below 2^40 */

static bool charge(math_eval *e, slong prec, int weight)
{
    return math_spend(e, weight * (4 + prec / 32 + (prec / 64) * (prec / 64) / 32));
}

static bool too_large(const acb_t x)
{
    return mag_cmp_2exp_si(arb_radref(acb_realref(x)), MAGNITUDE_MAX) > 0 ||
           arf_cmpabs_2exp_si(arb_midref(acb_realref(x)), MAGNITUDE_MAX) > 0 ||
           arf_cmpabs_2exp_si(arb_midref(acb_imagref(x)), MAGNITUDE_MAX) > 0;
}

static bool is_real(const acb_t x) { return arb_is_zero(acb_imagref(x)); }

static bool negative(const acb_t x) { return is_real(x) && arb_is_negative(acb_realref(x)); }

/* x to the power p/q. */
static bool power_fmpq(math_eval *e, acb_t x, const fmpq_t y, slong prec)
{
    if (fmpz_bits(fmpq_numref(y)) > MAGNITUDE_MAX || fmpz_bits(fmpq_denref(y)) > 20) return false;
    if (!charge(e, prec, 4 + (int)fmpz_bits(fmpq_numref(y)))) return false;
    if (!acb_is_finite(x)) return true;
    ulong q = fmpz_get_ui(fmpq_denref(y));
    bool minus = q % 2 && q > 1 && negative(x);
    e->left_reals |= q % 2 == 0 && negative(x);
    if (acb_is_zero(x)) {
        if (fmpq_sgn(y) <= 0) acb_indeterminate(x);
        return true;
    }
    /* The size of the result is known before it is worked out. */
    mag_t size;
    mag_init(size);
    acb_get_mag(size, x);
    bool large = mag_cmp_2exp_si(size, 1L << 20) > 0;
    mag_clear(size);
    if (large) return false;
    if (minus) acb_neg(x, x);
    if (q > 1) acb_root_ui(x, x, q, prec);
    acb_pow_fmpz(x, x, fmpq_numref(y), prec);
    if (minus && !fmpz_is_even(fmpq_numref(y))) acb_neg(x, x);
    return true;
}

static bool power(math_eval *e, acb_t out, ref r, slong prec)
{
    ref base = ref_first(r), exponent = ref_next(base);
    fmpq_t y;
    acb_t z;
    fmpq_init(y);
    acb_init(z);
    bool ok = true;
    enum q_status st = math_rational(e, y, exponent);
    if (ref_node(r)->kind == K_ROOT && st == Q_OK) {
        if (fmpq_is_zero(y)) st = Q_UNDEFINED;
        else fmpq_inv(y, y);
    }
    if (st == Q_LIMIT) ok = false;
    else if (st == Q_UNDEFINED) acb_indeterminate(out);
    else if (st == Q_OK && ref_node(base)->kind != K_E) {
        ok = math_ball(e, out, base, prec) && power_fmpq(e, out, y, prec);
    } else {
        ok = math_ball(e, z, exponent, prec) && charge(e, prec, 20);
        if (ok && ref_node(r)->kind == K_ROOT) acb_inv(z, z, prec);
        if (ok && ref_node(base)->kind != K_E) {
            ok = math_ball(e, out, base, prec);
            if (ok && !too_large(out)) acb_log(out, out, prec);
            else ok = false;
            acb_mul(z, z, out, prec);
        }
        ok = ok && !too_large(z);
        if (ok) acb_exp(out, z, prec);
    }
    fmpq_clear(y);
    acb_clear(z);
    return ok;
}

static void reciprocal(acb_t x, slong prec)
{
    if (acb_contains_zero(x)) acb_indeterminate(x);
    else acb_inv(x, x, prec);
}

/* The whole number next to a real enclosure, when there is just one. */
static void whole(acb_t x, bool up, slong prec)
{
    if (!is_real(x)) acb_indeterminate(x);
    else if (up) arb_ceil(acb_realref(x), acb_realref(x), prec);
    else arb_floor(acb_realref(x), acb_realref(x), prec);
    if (!arb_is_exact(acb_realref(x))) acb_indeterminate(x);
}

static bool logarithm(math_eval *e, acb_t x, ref r, slong prec)
{
    const node *n = ref_node(r);
    acb_t b;
    bool ok = true, divide = n->n == 2 || n->op == FN_LG || (n->op == FN_LOG && e->log10);
    if (acb_contains_zero(x)) return acb_indeterminate(x), true;
    e->left_reals |= negative(x);
    acb_log(x, x, prec);
    if (!divide) return true;
    acb_init(b);
    if (n->n == 2) ok = math_ball(e, b, ref_next(ref_first(r)), prec);
    else acb_set_ui(b, 10);
    if (acb_contains_zero(b)) acb_indeterminate(b);
    else acb_log(b, b, prec);
    if (acb_contains_zero(b)) acb_indeterminate(x);
    else acb_div(x, x, b, prec);
    acb_clear(b);
    return ok;
}

static bool function(math_eval *e, acb_t x, ref r, slong prec)
{
    int fn = ref_node(r)->op;
    fmpq_t angle;
    if (!charge(e, prec, 30)) return false;
    if (fn <= FN_CSC) { /* sin(pi/6) and the like without a rounded pi */
        fmpq_init(angle);
        bool exact = math_angle(e, angle, ref_first(r)) && fmpz_bits(fmpq_numref(angle)) < 60 &&
                     fmpz_bits(fmpq_denref(angle)) < 60;
        if (exact) {
            arb_t s, c;
            arb_init(s), arb_init(c);
            arb_sin_cos_pi_fmpq(s, c, angle, prec);
            bool over_s = fn == FN_COT || fn == FN_CSC, over_c = fn == FN_TAN || fn == FN_SEC;
            acb_zero(x);
            arb_set(acb_realref(x), fn == FN_SIN || fn == FN_TAN ? s : c);
            if (fn == FN_SEC || fn == FN_CSC) arb_one(acb_realref(x));
            if (over_s || over_c) arb_div(acb_realref(x), acb_realref(x), over_s ? s : c, prec);
            arb_clear(s), arb_clear(c);
        }
        fmpq_clear(angle);
        if (exact) return true;
    }
    if (!math_ball(e, x, ref_first(r), prec)) return false;
    if (!acb_is_finite(x)) return true;
    if (fn <= FN_CSCH && too_large(x)) return false;
    switch (fn) {
    case FN_SIN: acb_sin(x, x, prec); break;
    case FN_COS: acb_cos(x, x, prec); break;
    case FN_TAN: acb_tan(x, x, prec); break;
    case FN_COT: acb_cot(x, x, prec); break;
    case FN_SEC: acb_cos(x, x, prec), reciprocal(x, prec); break;
    case FN_CSC: acb_sin(x, x, prec), reciprocal(x, prec); break;
    case FN_ASEC: reciprocal(x, prec); /* fall through */
    case FN_ACOS: acb_acos(x, x, prec); break;
    case FN_ACSC: reciprocal(x, prec); /* fall through */
    case FN_ASIN: acb_asin(x, x, prec); break;
    case FN_ATAN: acb_atan(x, x, prec); break;
    case FN_ACOT: { /* between 0 and pi */
        acb_t half;
        acb_init(half);
        acb_atan(x, x, prec);
        acb_const_pi(half, prec);
        acb_mul_2exp_si(half, half, -1);
        acb_sub(x, half, x, prec);
        acb_clear(half);
        break;
    }
    case FN_SINH: acb_sinh(x, x, prec); break;
    case FN_COSH: acb_cosh(x, x, prec); break;
    case FN_TANH: acb_tanh(x, x, prec); break;
    case FN_COTH: acb_coth(x, x, prec); break;
    case FN_SECH: acb_cosh(x, x, prec), reciprocal(x, prec); break;
    case FN_CSCH: acb_sinh(x, x, prec), reciprocal(x, prec); break;
    case FN_ASINH: acb_asinh(x, x, prec); break;
    case FN_ACOSH: acb_acosh(x, x, prec); break;
    case FN_ATANH: acb_atanh(x, x, prec); break;
    case FN_LN:
    case FN_LOG:
    case FN_LG: return logarithm(e, x, r, prec);
    case FN_EXP:
        if (too_large(x)) return false;
        acb_exp(x, x, prec);
        break;
    case FN_ABS:
        acb_abs(acb_realref(x), x, prec);
        arb_zero(acb_imagref(x));
        break;
    case FN_FLOOR: whole(x, false, prec); break;
    case FN_CEIL: whole(x, true, prec); break;
    default: acb_indeterminate(x);
    }
    return true;
}

static bool fold(math_eval *e, acb_t out, ref r, slong prec, bool product)
{
    acb_t x;
    bool ok = true;
    acb_init(x);
    acb_set_si(out, product);
    for (ref c = ref_first(r); c.at && ok; c = ref_next(c)) {
        ok = math_ball(e, x, c, prec);
        if (product) acb_mul(out, out, x, prec);
        else acb_add(out, out, x, prec);
    }
    acb_clear(x);
    return ok;
}

bool math_ball(math_eval *e, acb_t out, ref r, slong prec)
{
    const node *n = ref_node(r);
    if (!charge(e, prec, 1)) return false;
    switch (n->kind) {
    case K_ADD: return fold(e, out, r, prec, false);
    case K_MUL: return fold(e, out, r, prec, true);
    case K_NEG:
    case K_PM: {
        bool ok = math_ball(e, out, ref_first(r), prec);
        if (n->kind == K_NEG || ((e->pm >> n->cols) ^ n->op) & 1) acb_neg(out, out);
        return ok;
    }
    case K_DIV: {
        acb_t y;
        acb_init(y);
        bool ok =
            math_ball(e, out, ref_first(r), prec) && math_ball(e, y, ref_next(ref_first(r)), prec);
        if (acb_contains_zero(y)) acb_indeterminate(out);
        else acb_div(out, out, y, prec);
        acb_clear(y);
        return ok;
    }
    case K_POW:
    case K_ROOT: return power(e, out, r, prec);
    case K_PI: return acb_const_pi(out, prec), true;
    case K_E: acb_one(out); return acb_exp(out, out, prec), true;
    case K_I: return acb_onei(out), true;
    case K_PERCENT: {
        bool ok = math_ball(e, out, ref_first(r), prec);
        return acb_div_ui(out, out, 100, prec), ok;
    }
    case K_DEG: {
        acb_t pi;
        acb_init(pi);
        bool ok = math_ball(e, out, ref_first(r), prec);
        acb_const_pi(pi, prec);
        acb_mul(out, out, pi, prec);
        acb_div_ui(out, out, 180, prec);
        acb_clear(pi);
        return ok;
    }
    case K_FUNC:
        if (n->op < FN_GCD) return function(e, out, r, prec);
        break;
    default: break;
    }
    fmpq_t q;
    fmpq_init(q);
    enum q_status st = math_rational(e, q, r);
    if (st == Q_OK) acb_set_fmpq(out, q, prec);
    else acb_indeterminate(out);
    fmpq_clear(q);
    return st != Q_LIMIT;
}

static bool difference(math_eval *e, acb_t out, ref a, ref b, int point, slong prec)
{
    acb_t y;
    acb_init(y);
    e->point = point;
    bool ok = math_ball(e, out, a, prec) && math_ball(e, y, b, prec);
    acb_sub(out, out, y, prec);
    acb_clear(y);
    return ok;
}

bool math_ball_formula(math_eval *e, acb_t out, const formula *f, slong prec)
{
    if (!f->c.at) return difference(e, out, f->a, f->b, f->point, prec);
    acb_t x[3];
    for (int i = 0; i < 3; i++) acb_init(x[i]);
    bool ok = difference(e, out, f->a, f->b, f->point, prec) &&
              difference(e, x[0], f->c, f->d, f->point2, prec) &&
              difference(e, x[1], f->a, f->b, f->point2, prec) &&
              difference(e, x[2], f->c, f->d, f->point, prec);
    acb_mul(out, out, x[0], prec);
    acb_mul(x[1], x[1], x[2], prec);
    acb_sub(out, out, x[1], prec);
    for (int i = 0; i < 3; i++) acb_clear(x[i]);
    e->point = f->point;
    return ok;
}
