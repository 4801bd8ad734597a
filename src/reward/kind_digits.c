/* kind_digits: digits of a number in some base. Leading zeros and the case of letters are no
 * matter; anything else is another number.
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

static str without_zeros(str s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\n')) s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\n')) s.n--;
    while (s.n > 1 && *s.p == '0') s.p++, s.n--;
    return s;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

bool kind_digits(const reward_question *q, str answer, const char **reason)
{
    str a = without_zeros(q->gold), b = without_zeros(answer);
    bool same = a.n == b.n;
    for (size_t i = 0; same && i < a.n; i++) same = lower(a.p[i]) == lower(b.p[i]);
    *reason = same ? "same digits" : "other digits";
    return same;
}
