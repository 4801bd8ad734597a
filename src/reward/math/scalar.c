/* math: are two expressions the same number, or the same function of their variables?
 * SPDX-License-Identifier: MIT
 *
 * Numbers: exact rational arithmetic; else enclosures, which part most unequal pairs at 64 bits;
 * else a separation bound (algebraic numbers) or Calcium decides that they are equal. With
 * variables the same is asked at points that follow from a hash of both sides: an identity of
 * rational functions that fails is caught at a random point but for a chance of degree/2^24 each.
 */
#include "reward/math/value.h"

/* Ends on certainty; UNSURE when the enclosure still holds zero at the last precision. */
static enum truth by_ball(math_eval *e, const formula *f, acb_t x, bool *defined, bool *real)
{
    static const slong LADDER[] = {64, 192, 512};
    *defined = *real = true;
    for (size_t i = 0; i < COUNT_OF(LADDER); i++) {
        e->left_reals = false;
        if (!math_ball_formula(e, x, f, LADDER[i])) return UNSURE;
        *defined = acb_is_finite(x);
        *real = arb_contains_zero(acb_imagref(x)) && !e->left_reals;
        if (*defined && !acb_contains_zero(x)) return FALSE_SURE;
    }
    return UNSURE;
}

/* Refines the enclosure until it excludes zero or lies inside 2^-bits. */
static enum truth by_separation(math_eval *e, const formula *f, acb_t x, slong bits)
{
    mag_t size;
    enum truth t = UNSURE;
    mag_init(size);
    for (slong prec = 512;; prec = 2 * prec < bits + 256 ? 2 * prec : 2 * prec + bits) {
        if (prec > 4 * bits + 8192 || !math_ball_formula(e, x, f, prec)) break;
        if (!acb_contains_zero(x)) {
            t = FALSE_SURE;
            break;
        }
        acb_get_mag(size, x);
        if (mag_cmp_2exp_si(size, -bits) < 0) {
            t = TRUE_SURE;
            break;
        }
    }
    mag_clear(size);
    return t;
}

static enum truth decide(math_eval *e, const formula *f, bool *defined, bool *real)
{
    acb_t x;
    slong bits;
    acb_init(x);
    enum truth t = by_ball(e, f, x, defined, real);
    if (t == UNSURE && *defined && (*real || e->complex) && e->steps > 0) {
        if (math_separation(e, &bits, f)) t = by_separation(e, f, x, bits);
        else t = math_calcium(e, f);
    }
    acb_clear(x);
    return t;
}

enum truth math_zero(math_eval *e, ref a, ref b, bool *defined, bool *real)
{
    fmpq_t x, y;
    fmpq_init(x), fmpq_init(y);
    *defined = true, *real = true;
    enum q_status sx = math_rational(e, x, a), sy = math_rational(e, y, b);
    enum truth t = UNSURE;
    if (sx == Q_UNDEFINED || sy == Q_UNDEFINED) *defined = false;
    else if (sx == Q_OK && sy == Q_OK) t = fmpq_equal(x, y) ? TRUE_SURE : FALSE_SURE;
    fmpq_clear(x), fmpq_clear(y);
    if (t != UNSURE || !*defined || (sx == Q_LIMIT && sy == Q_LIMIT && e->steps == 0)) return t;
    formula f = {.a = a, .b = b, .point = e->point};
    return decide(e, &f, defined, real);
}

enum truth math_proportional(math_eval *e, ref a, ref b, ref c, ref d, int point2, bool *defined)
{
    bool real;
    formula f = {a, b, c, d, e->point, point2};
    fmpq_t v[8];
    enum q_status st = Q_OK;
    for (int i = 0; i < 8; i++) fmpq_init(v[i]);
    ref side[] = {a, b, c, d};
    for (int i = 0; i < 8 && st == Q_OK; i++) {
        e->point = i < 4 ? f.point : point2;
        st = math_rational(e, v[i], side[i % 4]);
    }
    e->point = f.point;
    enum truth t = UNSURE;
    *defined = st != Q_UNDEFINED;
    if (st == Q_OK) {
        for (int i = 0; i < 8; i += 2) fmpq_sub(v[i], v[i], v[i + 1]);
        fmpq_mul(v[0], v[0], v[6]);
        fmpq_mul(v[2], v[2], v[4]);
        t = fmpq_equal(v[0], v[2]) ? TRUE_SURE : FALSE_SURE;
    }
    for (int i = 0; i < 8; i++) fmpq_clear(v[i]);
    return t == UNSURE && *defined ? decide(e, &f, defined, &real) : t;
}

int math_compare(math_eval *e, ref a, ref b)
{
    bool inf_a = ref_node(a)->kind == K_INF, inf_b = ref_node(b)->kind == K_INF;
    const node *na = ref_node(a), *nb = ref_node(b);
    bool minus_a = na->kind == K_NEG && ref_node(ref_first(a))->kind == K_INF;
    bool minus_b = nb->kind == K_NEG && ref_node(ref_first(b))->kind == K_INF;
    int x = inf_a - minus_a, y = inf_b - minus_b;
    if (x || y) return x == y ? 0 : x < y ? -1 : 1;
    bool defined, real;
    e->complex = true;
    enum truth t = math_zero(e, a, b, &defined, &real);
    if (!defined || t == UNSURE) return 2;
    if (t == TRUE_SURE) return 0;
    formula f = {.a = a, .b = b, .point = e->point};
    int sign = 2;
    acb_t d;
    acb_init(d);
    for (slong prec = 64; prec <= 4096 && sign == 2; prec *= 4) {
        if (!math_ball_formula(e, d, &f, prec)) break;
        if (arb_is_zero(acb_imagref(d)) && arb_is_positive(acb_realref(d))) sign = 1;
        if (arb_is_zero(acb_imagref(d)) && arb_is_negative(acb_realref(d))) sign = -1;
    }
    acb_clear(d);
    return sign;
}

static bool has_i(ref r)
{
    if (ref_node(r)->kind == K_I) return true;
    for (ref c = ref_first(r); c.at; c = ref_next(c))
        if (has_i(c)) return true;
    return false;
}

bool math_same_scalar(math_eval *e, ref a, ref b)
{
    enum { POINTS = 24, WANTED = 7, WANTED_SMALL = 5 }; /* the first two points are positive */
    bool defined, real;
    if (ref_node(a)->kind >= K_SCALARS_END || ref_node(b)->kind >= K_SCALARS_END) return false;
    bool minus_inf = ref_node(a)->kind == K_NEG && ref_node(b)->kind == K_NEG;
    ref ia = minus_inf ? ref_first(a) : a, ib = minus_inf ? ref_first(b) : b;
    if (ref_node(ia)->kind == K_INF || ref_node(ib)->kind == K_INF)
        return ref_node(ia)->kind == ref_node(ib)->kind;
    e->n_whole = 0;
    e->point = 0;
    bool vars = math_has_variables(e, a);
    vars |= math_has_variables(e, b);
    e->complex = !vars || has_i(a) || has_i(b);
    if (!vars) return math_zero(e, a, b, &defined, &real) == TRUE_SURE && defined;
    e->seed = math_hash(a) ^ (math_hash(b) << 1);
    if (math_hash(a) == math_hash(b)) return true;
    int good = 0, imaginary = 0;
    fmpq_t x;
    fmpq_init(x);
    e->small = math_rational(e, x, a) == Q_IRRATIONAL || math_rational(e, x, b) == Q_IRRATIONAL;
    fmpq_clear(x);
    bool same = true;
    int wanted = e->small ? WANTED_SMALL : WANTED;
    for (e->point = 0; e->point < POINTS && good < wanted && same; e->point++) {
        enum truth t = math_zero(e, a, b, &defined, &real);
        if (!defined) continue;
        /* Where one side leaves the real numbers the point is outside of what was asked. */
        if (!real && !e->complex) imaginary++;
        else if (t == TRUE_SURE) good++;
        else same = t == UNSURE && e->steps > 0; /* 512 bits agree: other points may decide */
    }
    e->point = 0, e->small = false;
    return same && good >= 2 && imaginary < POINTS;
}

/* Digits that count, and places behind the point, of a plain decimal with both; 0: none. */
static size_t digits_of(ref r, slong *places)
{
    if (ref_node(r)->kind == K_NEG) r = ref_first(r);
    if (ref_node(r)->kind != K_NUM) return 0;
    str s = ref_node(r)->text;
    size_t point = str_find(s, STR("."), 0), n = 0;
    if (point == SIZE_MAX || point + 1 == s.n || s.n > 1000) return 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9')) return 0;
        if (s.p[i] != '.' && (n || s.p[i] != '0')) n++;
    }
    *places = (slong)(s.n - point - 1);
    return n;
}

static bool terminates(const fmpq_t x)
{
    fmpz_t d, p;
    fmpz_init_set(d, fmpq_denref(x)), fmpz_init_set_ui(p, 2);
    fmpz_remove(d, d, p);
    fmpz_set_ui(p, 5);
    fmpz_remove(d, d, p);
    bool one = fmpz_is_one(d);
    fmpz_clear(d), fmpz_clear(p);
    return one;
}

/* The last place is cut off or rounded: in units of it, |x| - |decimal| lies in (-1/2, 1). */
static bool rounds(math_eval *e, ref decimal, ref x, slong places)
{
    acb_t v, w;
    acb_init(v), acb_init(w);
    slong prec = 128 + 4 * places;
    bool ok = math_ball(e, v, decimal, prec) && math_ball(e, w, x, prec) && acb_is_finite(w) &&
              arb_is_zero(acb_imagref(w));
    if (ok && arb_is_negative(acb_realref(v))) acb_neg(v, v), acb_neg(w, w);
    acb_sub(w, w, v, prec);
    acb_set_ui(v, 10);
    acb_pow_ui(v, v, (ulong)places, prec);
    acb_mul(w, w, v, prec);
    if (ok) { /* 4w - 1 inside (-3, 3) */
        acb_mul_2exp_si(w, w, 2);
        acb_sub_ui(w, w, 1, prec);
        mag_t size;
        mag_init(size);
        arb_get_mag(size, acb_realref(w));
        ok = mag_cmp_2exp_si(size, 1) <= 0 || mag_get_d(size) < 3;
        mag_clear(size);
    }
    acb_clear(v), acb_clear(w);
    return ok;
}

bool math_approximates(math_eval *e, ref a, ref b)
{
    enum { DIGITS_MIN = 8 };
    slong places = 0;
    bool a_is = digits_of(a, &places) >= DIGITS_MIN;
    ref decimal = a_is ? a : b, x = a_is ? b : a;
    if (!a_is && digits_of(b, &places) < DIGITS_MIN) return false;
    e->n_whole = 0;
    if (ref_node(x)->kind >= K_SCALARS_END || math_has_variables(e, x)) return false;
    fmpq_t q;
    fmpq_init(q);
    enum q_status st = math_rational(e, q, decimal);
    bool fits = st == Q_OK && !fmpz_is_one(fmpq_denref(q));
    st = math_rational(e, q, x);
    fits = fits && (st == Q_IRRATIONAL || (st == Q_OK && !terminates(q)));
    fmpq_clear(q);
    return fits && rounds(e, decimal, x, places);
}
