/* integer: whole numbers of any size, compared as digits. Kind "integer".
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

typedef struct integer {
    buf digits; /* no leading zeros; empty: zero */
    bool negative;
} integer;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t digits_at(str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && is_digit(s.p[at + n])) n++;
    return n;
}

/* Digits, plain or in groups of three behind one to three, always with the same mark. Returns the
 * bytes read; 0: no number. */
static size_t read_digits(integer *out, str s)
{
    size_t at = digits_at(s, 0);
    buf_add(&out->digits, s.p, at);
    if (at == 0 || at > 3 || at == s.n || !strchr(",_' ", s.p[at]) || !s.p[at]) return at;
    if (s.p[0] == '0') return 0; /* "0,125" has a decimal comma */
    for (char mark = s.p[at]; at < s.n && s.p[at] == mark; at += 4) {
        if (digits_at(s, at + 1) != 3) return 0;
        buf_add(&out->digits, s.p + at + 1, 3);
    }
    return at;
}

/* Of a folded text. */
static bool read_folded(integer *out, str s)
{
    static const str MINUS[] = {STR("-"), STR("−")}, PLUS = STR("+");
    for (size_t i = 0; i < COUNT_OF(MINUS) && !out->negative; i++)
        if ((out->negative = str_starts(s, MINUS[i])))
            s = (str){s.p + MINUS[i].n, s.n - MINUS[i].n};
    if (!out->negative && str_starts(s, PLUS)) s = (str){s.p + 1, s.n - 1};
    size_t at = read_digits(out, s);
    if (at == 0) return false;
    if (at < s.n && s.p[at] == '.') /* "12.", "12.00" */
        for (at++; at < s.n && s.p[at] == '0';) at++;
    if (at < s.n) return false;
    size_t zeros = 0;
    while (zeros < out->digits.n && out->digits.p[zeros] == '0') zeros++;
    if (zeros) memmove(out->digits.p, out->digits.p + zeros, out->digits.n - zeros);
    out->digits.n -= zeros;
    if (out->digits.n == 0) out->negative = false;
    return !out->digits.failed;
}

static bool read_integer(integer *out, str text)
{
    buf folded = {0};
    *out = (integer){0};
    bool ok = fold_text(&folded, text, false) && read_folded(out, buf_str(&folded));
    buf_free(&folded);
    return ok;
}

ponder_status check_integer(const reward_question *q, ponder_error *err)
{
    integer gold;
    bool ok = read_integer(&gold, q->gold);
    buf_free(&gold.digits);
    if (ok) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "kind integer: \"gold\" \"%.*s\" is not a whole number",
                   STR_ARG(q->gold));
}

bool kind_integer(const reward_question *q, str answer, const char **reason)
{
    integer a, b;
    bool known = read_integer(&a, q->gold), read = read_integer(&b, answer);
    bool same =
        known && read && a.negative == b.negative && str_eq(buf_str(&a.digits), buf_str(&b.digits));
    *reason = same ? "same integer" : read ? "other integer" : "not a whole number";
    buf_free(&a.digits);
    buf_free(&b.digits);
    return same;
}
