/* math: exact rational values, and what trees have in common.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "reward/math/math_int.h"

#include <flint/arith.h>
#include <flint/fmpz.h>

bool math_spend(math_eval *e, int64_t steps)
{
    if (e->steps < steps) return e->steps = 0, false;
    e->steps -= steps;
    return true;
}

/* ---- hashes -------------------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t h, uint64_t v) /* splitmix64's finaliser */
{
    h ^= v + 0x9E3779B97F4A7C15u + (h << 6) + (h >> 2);
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

static uint64_t hash_text(str s)
{
    return mix(hash_bytes(HASH_BEGIN, s), s.n);
}

/* Digits without leading zeros and without zeros after the last place behind the point. */
static str canonical(str s)
{
    while (s.n > 1 && s.p[0] == '0' && s.p[1] >= '0' && s.p[1] <= '9') s.p++, s.n--;
    if (str_find(s, STR("e"), 0) != SIZE_MAX || str_find(s, STR("E"), 0) != SIZE_MAX ||
        str_find(s, STR("."), 0) == SIZE_MAX)
        return s;
    while (s.n && s.p[s.n - 1] == '0') s.n--;
    if (s.n && s.p[s.n - 1] == '.') s.n--;
    return s.n ? s : STR("0");
}

uint64_t math_hash(ref r)
{
    node *n = &r.s->nodes[r.at];
    if (n->hash) return n->hash;
    uint64_t h = mix(n->kind, n->op), any = 0;
    if (n->kind == K_TUPLE) h = mix(h, n->open * 256u + n->close);
    if (n->kind == K_MATRIX) h = mix(h, n->cols);
    h = mix(h, hash_text(n->kind == K_NUM ? canonical(n->text) : n->text));
    if (n->more.n) h = mix(h, hash_text(n->more));
    for (ref c = ref_first(r); c.at; c = ref_next(c)) {
        uint64_t one = mix(math_hash(c), ref_node(c)->rel);
        if (n->kind == K_ADD || n->kind == K_MUL) any += one * (one | 1);
        else h = mix(h, one);
    }
    h = mix(h, any) | 1;
    return n->hash = h;
}

/* ---- variables ----------------------------------------------------------------------------------
 */

static uint64_t name_of(const node *n) { return hash_text(n->text); }

static bool needs_whole(const math_eval *e, uint64_t name)
{
    for (size_t i = 0; i < e->n_whole; i++)
        if (e->whole[i] == name) return true;
    return false;
}

void math_variable(fmpq_t out, const math_eval *e, uint64_t name)
{
    uint64_t h = mix(mix(e->seed, name), (uint64_t)e->point);
    for (const binding *b = e->bound; b; b = b->up)
        if (b->name == name) {
            fmpq_set_si(out, b->value, 1);
            return;
        }
    if (needs_whole(e, name)) {
        fmpq_set_si(out, 2 + (slong)(h % 17), 1);
        return;
    }
    /* Even numbers for every other point: sums and halves of angles then have a common measure. */
    bool even = e->small && e->point % 2 == 0;
    slong range = even ? 9 : e->small ? 40 : 1 << 24;
    slong p = 1 + (slong)(h % (uint64_t)range), q = 1 + (slong)((h >> 32) % (uint64_t)range);
    if (e->point >= 2 && (h >> 62) & 1) p = -p;
    if (even) fmpq_set_si(out, 2 * p, 1);
    else fmpq_set_si(out, p, (ulong)q);
}

static bool variables(math_eval *e, ref r, bool whole)
{
    const node *n = ref_node(r);
    bool any = n->kind == K_VAR || n->kind == K_APPLY;
    if (n->kind == K_VAR && whole && !needs_whole(e, name_of(n)) && e->n_whole < COUNT_OF(e->whole))
        e->whole[e->n_whole++] = name_of(n);
    bool below = whole || n->kind == K_FACT || n->kind == K_BINOM || n->kind == K_MOD ||
                 (n->kind == K_FUNC && (n->op == FN_FLOOR || n->op == FN_CEIL || n->op == FN_GCD ||
                                        n->op == FN_LCM || n->op == FN_EXP));
    size_t i = 0;
    for (ref c = ref_first(r); c.at; c = ref_next(c), i++)
        any |=
            variables(e, c, below || (n->kind == K_POW && i == 1) || (n->kind == K_BIG && i < 3));
    return any;
}

bool math_has_variables(math_eval *e, ref r) { return variables(e, r, false); }

/* ---- literals -----------------------------------------------------------------------------------
 */

enum { LITERAL_MAX = 20000, EXPONENT_MAX = 20000 };

static bool whole(fmpz_t out, str digits)
{
    char small[64], *z = small;
    if (digits.n > LITERAL_MAX) return false;
    if (digits.n >= sizeof small && !(z = flint_malloc(digits.n + 1))) return false;
    memcpy(z, digits.p, digits.n);
    z[digits.n] = '\0';
    bool ok = digits.n == 0 ? (fmpz_zero(out), true) : fmpz_set_str(out, z, 10) == 0;
    if (z != small) flint_free(z);
    return ok;
}

static void ten_to(fmpz_t out, ulong n)
{
    fmpz_set_ui(out, 10);
    fmpz_pow_ui(out, out, n);
}

bool math_literal(fmpq_t out, str s)
{
    slong exponent = 0;
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] | 32) != 'e') continue;
        bool minus = s.p[i + 1] == '-';
        for (size_t k = i + 1; k < s.n && exponent <= EXPONENT_MAX; k++)
            if (s.p[k] >= '0' && s.p[k] <= '9') exponent = exponent * 10 + (s.p[k] - '0');
        if (minus) exponent = -exponent;
        s.n = i;
    }
    size_t point = str_find(s, STR("."), 0);
    fmpz_t a, b;
    fmpz_init(a), fmpz_init(b);
    bool ok = true;
    if (point == SIZE_MAX) {
        ok = whole(a, s);
    } else {
        ok = whole(a, (str){s.p, point}) && whole(b, (str){s.p + point + 1, s.n - point - 1});
        slong places = (slong)(s.n - point - 1);
        exponent -= places;
        if (ok) {
            fmpz_t ten;
            fmpz_init(ten);
            ten_to(ten, (ulong)places);
            fmpz_mul(a, a, ten);
            fmpz_add(a, a, b);
            fmpz_clear(ten);
        }
    }
    ok = ok && exponent <= EXPONENT_MAX && exponent >= -2 * EXPONENT_MAX;
    if (ok) {
        ten_to(b, (ulong)(exponent < 0 ? -exponent : exponent));
        if (exponent >= 0) fmpz_mul(a, a, b), fmpz_one(b);
        fmpq_set_fmpz_frac(out, a, b);
    }
    fmpz_clear(a), fmpz_clear(b);
    return ok;
}

static bool repeat(fmpq_t out, const node *n)
{
    /* 0.12 with 36 repeating: (1236 - 12) / 9900. */
    if (n->more.n > 400 || !math_literal(out, n->text)) return false;
    size_t point = str_find(n->text, STR("."), 0);
    slong places = point == SIZE_MAX ? 0 : (slong)(n->text.n - point - 1);
    fmpz_t a, b, c;
    fmpz_init(a), fmpz_init(b), fmpz_init(c);
    bool ok = whole(a, n->more) && places < 1000;
    if (ok) {
        ten_to(b, (ulong)n->more.n);
        fmpz_sub_ui(b, b, 1);
        ten_to(c, (ulong)places);
        fmpz_mul(b, b, c);
        fmpq_t q;
        fmpq_init(q);
        fmpq_set_fmpz_frac(q, a, b);
        fmpq_add(out, out, q);
        fmpq_clear(q);
    }
    fmpz_clear(a), fmpz_clear(b), fmpz_clear(c);
    return ok;
}

/* ---- evaluation ---------------------------------------------------------------------------------
 */

static slong bits(const fmpq_t q)
{
    return (slong)fmpz_bits(fmpq_numref(q)) + (slong)fmpz_bits(fmpq_denref(q));
}

/* Charges an operation on numbers of so many bits; the square covers greatest common divisors. */
static bool charge(math_eval *e, slong n)
{
    int64_t limbs = n / 64;
    return n <= MATH_BITS_MAX && math_spend(e, 2 + limbs + limbs * limbs / 24);
}

static enum q_status fold(math_eval *e, fmpq_t out, ref r, bool product)
{
    fmpq_t x;
    enum q_status st = Q_OK;
    fmpq_init(x);
    fmpq_set_si(out, product, 1);
    for (ref c = ref_first(r); c.at && st == Q_OK; c = ref_next(c)) {
        st = math_rational(e, x, c);
        if (st == Q_OK && !charge(e, bits(out) + bits(x))) st = Q_LIMIT;
        if (st != Q_OK) break;
        if (product) fmpq_mul(out, out, x);
        else fmpq_add(out, out, x);
    }
    fmpq_clear(x);
    return st;
}

/* The k-th root, when it is rational. Negative numbers have one for odd k: the real one. */
static enum q_status take_root(math_eval *e, fmpq_t x, ulong k)
{
    if (k == 0 || k > 4096) return Q_LIMIT;
    if (fmpq_sgn(x) < 0 && k % 2 == 0) return Q_IRRATIONAL;
    if (!charge(e, bits(x))) return Q_LIMIT;
    fmpq_t y;
    fmpq_init(y);
    bool minus = fmpq_sgn(x) < 0, exact = true;
    fmpq_abs(x, x);
    if (k == 1) fmpq_set(y, x);
    else {
        exact = fmpz_root(fmpq_numref(y), fmpq_numref(x), (slong)k);
        exact = exact && fmpz_root(fmpq_denref(y), fmpq_denref(x), (slong)k);
    }
    if (exact && minus) fmpq_neg(y, y);
    if (exact) fmpq_swap(x, y);
    fmpq_clear(y);
    return exact ? Q_OK : Q_IRRATIONAL;
}

static enum q_status raise_to(math_eval *e, fmpq_t x, const fmpq_t y)
{
    if (fmpq_is_zero(x)) return fmpq_sgn(y) > 0 ? Q_OK : Q_UNDEFINED;
    if (fmpq_is_zero(y) || fmpq_is_one(x)) return fmpq_one(x), Q_OK;
    if (!fmpz_abs_fits_ui(fmpq_denref(y)) || !fmpz_fits_si(fmpq_numref(y))) {
        /* Of the numbers raised to huge powers, only -1 stays small. */
        if (!fmpz_is_one(fmpq_denref(y)) || !fmpz_equal_si(fmpq_numref(x), -1) ||
            !fmpz_is_one(fmpq_denref(x)))
            return Q_LIMIT;
        fmpq_set_si(x, fmpz_is_even(fmpq_numref(y)) ? 1 : -1, 1);
        return Q_OK;
    }
    ulong k = fmpz_get_ui(fmpq_denref(y));
    slong n = fmpz_get_si(fmpq_numref(y));
    if (k > 1) {
        enum q_status st = take_root(e, x, k);
        if (st != Q_OK) return st;
    }
    if (fmpz_equal_si(fmpq_numref(x), -1) && fmpz_is_one(fmpq_denref(x))) {
        fmpq_set_si(x, n % 2 ? -1 : 1, 1);
        return Q_OK;
    }
    if (fmpq_is_one(x)) return Q_OK;
    ulong size = (ulong)(n < 0 ? -n : n);
    if (n < -(1L << 40) || size > MATH_BITS_MAX || (ulong)bits(x) * size > MATH_BITS_MAX ||
        !charge(e, bits(x) * (slong)size))
        return Q_LIMIT;
    fmpq_pow_si(x, x, n);
    return Q_OK;
}

static enum q_status factorial(math_eval *e, fmpq_t x)
{
    enum { FACTORIAL_MAX = 2000 };
    if (!fmpz_is_one(fmpq_denref(x)) || fmpq_sgn(x) < 0) return Q_UNDEFINED;
    if (fmpz_cmp_ui(fmpq_numref(x), FACTORIAL_MAX) > 0 || !math_spend(e, 2000)) return Q_LIMIT;
    fmpz_fac_ui(fmpq_numref(x), fmpz_get_ui(fmpq_numref(x)));
    return Q_OK;
}

/* n over k for whole k >= 0 and any n: n (n-1) ... (n-k+1) / k!. */
static enum q_status binomial(math_eval *e, fmpq_t n, const fmpq_t k)
{
    enum { TERMS_MAX = 1000 };
    if (!fmpz_is_one(fmpq_denref(k))) return Q_UNDEFINED;
    fmpz_t few;
    fmpz_init_set(few, fmpq_numref(k));
    bool natural = fmpz_is_one(fmpq_denref(n)) && fmpq_sgn(n) >= 0;
    if (natural && fmpz_cmp(few, fmpq_numref(n)) <= 0) {
        fmpz_t other;
        fmpz_init(other);
        fmpz_sub(other, fmpq_numref(n), few);
        if (fmpz_cmp(other, few) < 0) fmpz_swap(few, other);
        fmpz_clear(other);
    }
    enum q_status st = Q_OK;
    fmpq_t out, t;
    fmpq_init(out), fmpq_init(t);
    fmpq_one(out);
    if (fmpz_sgn(few) < 0) fmpq_zero(out);
    else if (natural && fmpz_cmp(few, fmpq_numref(n)) > 0) fmpq_zero(out);
    else if (fmpz_cmp_ui(few, TERMS_MAX) > 0) st = Q_LIMIT;
    else {
        slong count = fmpz_get_si(few);
        fmpq_set(t, n);
        for (slong i = 1; i <= count && st == Q_OK; i++) {
            if (!charge(e, bits(out) + bits(t))) st = Q_LIMIT;
            fmpq_mul(out, out, t);
            fmpq_div_fmpz(out, out, (fmpz[]){i});
            fmpq_sub_si(t, t, 1);
        }
    }
    fmpq_swap(n, out);
    fmpq_clear(out), fmpq_clear(t), fmpz_clear(few);
    return st;
}

static void round_to(fmpq_t x, bool up)
{
    if (up) fmpz_cdiv_q(fmpq_numref(x), fmpq_numref(x), fmpq_denref(x));
    else fmpz_fdiv_q(fmpq_numref(x), fmpq_numref(x), fmpq_denref(x));
    fmpz_one(fmpq_denref(x));
}

/* gcd, lcm, max and min of the members of a tuple. */
static enum q_status of_members(math_eval *e, fmpq_t out, ref args, int fn)
{
    fmpq_t x;
    fmpq_init(x);
    bool first = true;
    enum q_status st = Q_OK;
    for (ref c = ref_first(args); c.at && st == Q_OK; c = ref_next(c)) {
        st = math_rational(e, x, c);
        if (st != Q_OK || !charge(e, bits(x) + bits(out))) break;
        bool whole_number = fmpz_is_one(fmpq_denref(x));
        if ((fn == FN_GCD || fn == FN_LCM) && !whole_number) st = Q_UNDEFINED;
        else if (first) fmpq_set(out, x);
        else if (fn == FN_GCD) fmpz_gcd(fmpq_numref(out), fmpq_numref(out), fmpq_numref(x));
        else if (fn == FN_LCM) fmpz_lcm(fmpq_numref(out), fmpq_numref(out), fmpq_numref(x));
        else if ((fmpq_cmp(x, out) > 0) == (fn == FN_MAX)) fmpq_set(out, x);
        first = false;
    }
    fmpq_clear(x);
    return first ? Q_UNDEFINED : st;
}

static enum q_status function(math_eval *e, fmpq_t x, ref r)
{
    const node *n = ref_node(r);
    ref arg = ref_first(r);
    if (n->op >= FN_GCD && n->op <= FN_MIN)
        return ref_node(arg)->kind == K_TUPLE ? of_members(e, x, arg, n->op) : Q_UNDEFINED;
    enum q_status st = math_rational(e, x, arg);
    if (st != Q_OK) return st;
    switch (n->op) {
    case FN_ABS: return fmpq_abs(x, x), Q_OK;
    case FN_FLOOR: return round_to(x, false), Q_OK;
    case FN_CEIL: return round_to(x, true), Q_OK;
    default: return Q_IRRATIONAL;
    }
}

/* A sum or product over an index, worked out term by term when its bounds are near. */
static enum q_status indexed(math_eval *e, fmpq_t out, ref r)
{
    enum { TERMS_MAX = 500 };
    ref index = ref_first(r), low = ref_next(index), high = ref_next(low), body = ref_next(high);
    bool product = ref_node(r)->op == 2;
    fmpq_t x, y;
    fmpq_init(x), fmpq_init(y);
    enum q_status st = math_rational(e, x, low);
    if (st == Q_OK) st = math_rational(e, y, high);
    if (st == Q_OK && (!fmpz_is_one(fmpq_denref(x)) || !fmpz_is_one(fmpq_denref(y))))
        st = Q_UNDEFINED;
    if (st == Q_OK && (fmpz_bits(fmpq_numref(x)) > 40 || fmpz_bits(fmpq_numref(y)) > 40))
        st = Q_LIMIT;
    slong from = 0, to = 0;
    if (st == Q_OK) {
        from = fmpz_get_si(fmpq_numref(x)), to = fmpz_get_si(fmpq_numref(y));
        if (to - from > TERMS_MAX) st = Q_LIMIT;
    }
    binding b = {name_of(ref_node(index)), from, e->bound};
    fmpq_set_si(out, product, 1);
    e->bound = &b;
    for (; st == Q_OK && b.value <= to; b.value++) {
        st = math_rational(e, x, body);
        if (st == Q_OK && !charge(e, bits(out) + bits(x))) st = Q_LIMIT;
        if (st != Q_OK) break;
        if (product) fmpq_mul(out, out, x);
        else fmpq_add(out, out, x);
    }
    e->bound = b.up;
    fmpq_clear(x), fmpq_clear(y);
    return st;
}

/* What is not worked out (an integral, an unknown function) is a number of its own: the same for
 * the same expression, and never by chance another's. */
static enum q_status unknown(math_eval *e, fmpq_t out, uint64_t h)
{
    h = mix(mix(e->seed, h), (uint64_t)e->point);
    fmpq_set_si(out, 1 + (slong)(h >> 34), 1 + (h & 0x3FFFFFFF));
    return Q_OK;
}

static enum q_status apply(math_eval *e, fmpq_t out, ref r)
{
    uint64_t h = hash_text(ref_node(r)->text);
    ref arg = ref_first(r);
    bool many = ref_node(arg)->kind == K_TUPLE;
    for (ref c = many ? ref_first(arg) : arg; c.at; c = ref_next(c)) {
        enum q_status st = math_rational(e, out, c);
        if (st == Q_UNDEFINED || st == Q_LIMIT) return st;
        if (st == Q_OK) {
            h = mix(h, fmpz_get_ui(fmpq_numref(out)) ^ (fmpq_sgn(out) < 0 ? ~0ull : 0));
            h = mix(h, fmpz_get_ui(fmpq_denref(out)));
            h = mix(h, (uint64_t)bits(out));
        } else {
            h = mix(h, math_hash(c));
        }
        if (!many) break;
    }
    return unknown(e, out, h);
}

static enum q_status two(math_eval *e, fmpq_t x, ref r)
{
    fmpq_t y;
    fmpq_init(y);
    ref a = ref_first(r), b = ref_next(a);
    enum q_status st = math_rational(e, x, a), sy = math_rational(e, y, b);
    if (st == Q_UNDEFINED || sy == Q_UNDEFINED) st = Q_UNDEFINED;
    else if (st == Q_OK) st = sy;
    if (st == Q_OK && !charge(e, bits(x) + bits(y))) st = Q_LIMIT;
    if (st == Q_OK) switch (ref_node(r)->kind) {
        case K_DIV:
            if (fmpq_is_zero(y)) st = Q_UNDEFINED;
            else fmpq_div(x, x, y);
            break;
        case K_POW: st = raise_to(e, x, y); break;
        case K_ROOT:
            if (fmpq_is_zero(y)) st = Q_UNDEFINED;
            else if (fmpz_is_one(fmpq_denref(y)) && fmpz_cmp_ui(fmpq_numref(y), 4096) <= 0 &&
                     fmpq_sgn(y) > 0)
                st = take_root(e, x, fmpz_get_ui(fmpq_numref(y)));
            else fmpq_inv(y, y), st = raise_to(e, x, y);
            break;
        case K_BINOM: st = binomial(e, x, y); break;
        default: /* K_MOD */
            if (fmpq_sgn(y) <= 0) st = Q_UNDEFINED;
            else {
                fmpq_t q;
                fmpq_init(q);
                fmpq_div(q, x, y);
                round_to(q, false);
                fmpq_submul(x, q, y);
                fmpq_clear(q);
            }
        }
    fmpq_clear(y);
    return st;
}

enum q_status math_rational(math_eval *e, fmpq_t out, ref r)
{
    const node *n = ref_node(r);
    enum q_status st;
    if (!math_spend(e, 2)) return Q_LIMIT;
    switch (n->kind) {
    case K_NUM:
        return math_spend(e, (int64_t)(n->text.n / 16)) && math_literal(out, n->text) ? Q_OK
                                                                                      : Q_LIMIT;
    case K_REPEAT: return repeat(out, n) ? Q_OK : Q_LIMIT;
    case K_VAR: return math_variable(out, e, name_of(n)), Q_OK;
    case K_ADD: return fold(e, out, r, false);
    case K_MUL: return fold(e, out, r, true);
    case K_NEG:
        st = math_rational(e, out, ref_first(r));
        fmpq_neg(out, out);
        return st;
    case K_PERCENT:
        st = math_rational(e, out, ref_first(r));
        if (st == Q_OK) fmpq_div_fmpz(out, out, (fmpz[]){100});
        return st;
    case K_PM:
        st = math_rational(e, out, ref_first(r));
        if ((((e->pm >> n->cols) ^ n->op) & 1) && st == Q_OK) fmpq_neg(out, out);
        return st;
    case K_DIV:
    case K_POW:
    case K_ROOT:
    case K_BINOM:
    case K_MOD: return two(e, out, r);
    case K_FACT:
        st = math_rational(e, out, ref_first(r));
        return st == Q_OK ? factorial(e, out) : st;
    case K_FUNC: return function(e, out, r);
    case K_APPLY: return apply(e, out, r);
    case K_BIG:
        if (n->op) {
            st = indexed(e, out, r);
            if (st == Q_OK || st == Q_UNDEFINED) return st;
            if (e->steps <= 0) return Q_LIMIT;
        }
        return unknown(e, out, math_hash(r));
    case K_BASE: return unknown(e, out, math_hash(r));
    case K_INF: return Q_IRRATIONAL;
    case K_PI:
    case K_E:
    case K_I:
    case K_DEG: return Q_IRRATIONAL;
    default: return Q_UNDEFINED; /* no number */
    }
}
