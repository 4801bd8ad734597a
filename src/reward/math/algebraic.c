/* math: how close to zero can an algebraic number be without being zero?
 * SPDX-License-Identifier: MIT
 *
 * A value built from rational numbers, roots and roots of unity by the four operations is written
 * as a/b, where a and b are algebraic integers of one field of degree at most D, the product of the
 * degrees of all different roots. If u and l bound a and b and all their conjugates, then the norm
 * of a non-zero a is at least 1 in size, so |a| >= u^(1-D), and |a/b| >= 1/(l u^(D-1)). The rules
 * for u and l are those of Burnikel, Funke, Mehlhorn, Schirra and Schmitt ("A separation bound for
 * real algebraic expressions", Algorithmica 55, 2009), which hold for complex roots as well. u and
 * l are kept as logarithms to base 2. An enclosure inside 2^-bits that contains zero is then zero
 * itself. */
#include "reward/math/value.h"

#include <flint/ulong_extras.h>
#include <math.h>

enum { ROOTS_MAX = 32, DEGREE_MAX = 4096, ORDER_MAX = 5000 };

typedef struct field {
    uint64_t root[ROOTS_MAX];
    size_t n;
    double degree; /* of the roots */
    ulong order;   /* of the roots of unity */
} field;

typedef struct size {
    double u, l;
} size;

static bool bound(math_eval *e, field *f, size *out, ref r);

static bool unity(field *f, ulong order)
{
    f->order = f->order / n_gcd(f->order, order) * order;
    return f->order <= ORDER_MAX;
}

/* Adjoins a k-th root of the value with hash h. */
static bool adjoin(math_eval *e, field *f, size *s, ulong k, uint64_t h)
{
    if (k == 0 || k > DEGREE_MAX || e->bound) return false;
    if (k == 1) return true;
    h = (h ^ k * 0x9E3779B97F4A7C15u) + (uint64_t)e->point * 0xBF58476D1CE4E5B9u + e->pm;
    bool known = false;
    for (size_t i = 0; i < f->n; i++) known |= f->root[i] == h;
    if (!known) {
        if (f->n == ROOTS_MAX || f->degree * (double)k > DEGREE_MAX) return false;
        f->root[f->n++] = h;
        f->degree *= (double)k;
    }
    double up = (s->u + (double)(k - 1) * s->l) / (double)k;
    double low = ((double)(k - 1) * s->u + s->l) / (double)k;
    if (s->u >= s->l) s->u = up; /* root(a b^(k-1)) / b */
    else s->l = low;             /* a / root(a^(k-1) b) */
    return true;
}

static void sum(size *s, const size *t)
{
    s->u = fmax(s->u + t->l, t->u + s->l) + 1;
    s->l += t->l;
}

static bool power(math_eval *e, field *f, size *s, ref r)
{
    ref base = ref_first(r);
    fmpq_t y;
    fmpq_init(y);
    bool ok = math_rational(e, y, ref_next(base)) == Q_OK && !fmpq_is_zero(y);
    if (ok && ref_node(r)->kind == K_ROOT) fmpq_inv(y, y);
    ok = ok && fmpz_bits(fmpq_denref(y)) < 16 && fmpz_bits(fmpq_numref(y)) < 16;
    ok =
        ok && bound(e, f, s, base) && adjoin(e, f, s, fmpz_get_ui(fmpq_denref(y)), math_hash(base));
    if (ok) {
        double n = fmpz_get_d(fmpq_numref(y));
        if (n < 0) *s = (size){s->l, s->u};
        s->u *= fabs(n), s->l *= fabs(n);
    }
    fmpq_clear(y);
    return ok;
}

/* cos(pi a/b) is (z + 1/z)/2 with a root of unity z; the others follow. */
static bool trigonometric(math_eval *e, field *f, size *s, ref r)
{
    fmpq_t x;
    fmpq_init(x);
    bool ok = ref_node(r)->op <= FN_CSC && math_angle(e, x, ref_first(r)) &&
              fmpz_cmp_ui(fmpq_denref(x), ORDER_MAX) < 0 &&
              unity(f, 2 * fmpz_get_ui(fmpq_denref(x))) && unity(f, 4);
    fmpq_clear(x);
    *s = (size){1, 1};
    return ok;
}

static bool real_or_whole(math_eval *e, field *f, size *s, ref r)
{
    enum { PREC = 128 };
    int fn = ref_node(r)->op;
    acb_t x;
    acb_init(x);
    bool ok;
    if (fn == FN_ABS) { /* of a real number: itself or its negative */
        ok = math_ball(e, x, ref_first(r), PREC) && arb_is_zero(acb_imagref(x)) &&
             bound(e, f, s, ref_first(r));
    } else {
        ok = (fn == FN_FLOOR || fn == FN_CEIL) && math_ball(e, x, r, PREC) && acb_is_finite(x);
        *s = (size){64, 0};
        ok = ok && arf_cmpabs_2exp_si(arb_midref(acb_realref(x)), 64) < 0;
    }
    acb_clear(x);
    return ok;
}

static bool bound(math_eval *e, field *f, size *s, ref r)
{
    const node *n = ref_node(r);
    if (!math_spend(e, 8)) return false;
    fmpq_t q;
    fmpq_init(q);
    enum q_status st = math_rational(e, q, r);
    if (st == Q_OK)
        *s = (size){(double)fmpz_bits(fmpq_numref(q)), (double)fmpz_bits(fmpq_denref(q))};
    fmpq_clear(q);
    if (st != Q_IRRATIONAL) return st == Q_OK;
    ref c = ref_first(r);
    size t;
    switch (n->kind) {
    case K_I: return *s = (size){0, 0}, unity(f, 4);
    case K_NEG:
    case K_PM: return bound(e, f, s, c);
    case K_PERCENT: return bound(e, f, s, c) && (s->l += 7, true);
    case K_ADD:
        if (!bound(e, f, s, c)) return false;
        for (c = ref_next(c); c.at; c = ref_next(c)) {
            if (!bound(e, f, &t, c)) return false;
            sum(s, &t);
        }
        return true;
    case K_MUL:
        if (!bound(e, f, s, c)) return false;
        for (c = ref_next(c); c.at; c = ref_next(c)) {
            if (!bound(e, f, &t, c)) return false;
            s->u += t.u, s->l += t.l;
        }
        return true;
    case K_DIV:
        if (!bound(e, f, s, c) || !bound(e, f, &t, ref_next(c))) return false;
        s->u += t.l, s->l += t.u;
        return true;
    case K_POW:
    case K_ROOT: return power(e, f, s, r);
    case K_FUNC: return n->op <= FN_CSC ? trigonometric(e, f, s, r) : real_or_whole(e, f, s, r);
    default: return false;
    }
}

static bool difference(math_eval *e, field *f, size *s, ref a, ref b, int point)
{
    size t;
    e->point = point;
    if (!bound(e, f, s, a) || !bound(e, f, &t, b)) return false;
    sum(s, &t);
    return true;
}

bool math_separation(math_eval *e, slong *bits, const formula *w)
{
    enum { BITS_MAX = 30000 };
    field f = {.degree = 1, .order = 1};
    size s, t;
    bool ok = difference(e, &f, &s, w->a, w->b, w->point);
    if (ok && w->c.at) {
        size x, y;
        ok = difference(e, &f, &t, w->c, w->d, w->point2) &&
             difference(e, &f, &x, w->a, w->b, w->point2) &&
             difference(e, &f, &y, w->c, w->d, w->point);
        s.u += t.u, s.l += t.l;
        x.u += y.u, x.l += y.l;
        sum(&s, &x);
    }
    e->point = w->point;
    if (!ok) return false;
    double need = s.l + s.u * (f.degree * (double)n_euler_phi(f.order) - 1) + 2;
    if (!(need < BITS_MAX)) return false;
    *bits = (slong)need + 1;
    return true;
}

bool math_angle(math_eval *e, fmpq_t out, ref r)
{
    const node *n = ref_node(r);
    ref c = ref_first(r);
    fmpq_t x;
    bool ok = true;
    switch (n->kind) {
    case K_PI: return fmpq_one(out), true;
    case K_DEG:
        ok = math_rational(e, out, c) == Q_OK;
        if (ok) fmpq_div_fmpz(out, out, (fmpz[]){180});
        return ok;
    case K_NEG: ok = math_angle(e, out, c); return fmpq_neg(out, out), ok;
    case K_DIV: {
        if (!math_angle(e, out, c)) return false;
        fmpq_init(x);
        ok = math_rational(e, x, ref_next(c)) == Q_OK && !fmpq_is_zero(x);
        if (ok) fmpq_div(out, out, x);
        fmpq_clear(x);
        return ok;
    }
    case K_MUL:
    case K_ADD: {
        fmpq_init(x);
        bool any = false, product = n->kind == K_MUL;
        fmpq_set_si(out, product, 1);
        for (; c.at && ok; c = ref_next(c)) {
            if (product && math_rational(e, x, c) == Q_OK) fmpq_mul(out, out, x);
            else {
                ok = math_angle(e, x, c) && !(product && any);
                any = true;
                if (product) fmpq_mul(out, out, x);
                else fmpq_add(out, out, x);
            }
        }
        fmpq_clear(x);
        return ok && any;
    }
    default: return math_rational(e, out, r) == Q_OK && fmpq_is_zero(out);
    }
}
