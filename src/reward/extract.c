/* reward: the answer inside a response. Rules: docs/rewards.md.
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

static str trim(str s)
{
    while (s.n && strchr(" \t\r\n", *s.p) && *s.p) s.p++, s.n--;
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
    return s;
}

static str cut(str s, size_t from, size_t to) { return (str){s.p + from, to - from}; }

/* Offset of the last `needle`, or SIZE_MAX. */
static size_t find_last(str s, str needle)
{
    for (size_t at = s.n >= needle.n ? s.n - needle.n + 1 : 0; at-- > 0;)
        if (s.p[at] == *needle.p && !memcmp(s.p + at, needle.p, needle.n)) return at;
    return SIZE_MAX;
}

str reward_after_thinking(str r)
{
    const str open = STR("<think>"), close = STR("</think>");
    size_t end = find_last(r, close), from = end == SIZE_MAX ? 0 : end + close.n;
    if (str_find(r, open, from) != SIZE_MAX) return cut(r, r.n, r.n);
    return cut(r, from, r.n);
}

/* ---- boxes --------------------------------------------------------------------------------------
 */

static bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* \boxed 5: TeX takes one token; a number counts as one here. */
static size_t bare_token(str s, size_t at)
{
    size_t from = at;
    if (at < s.n && is_letter(s.p[at])) return at + 1;
    if (at < s.n && s.p[at] == '-') at++;
    while (at < s.n && is_digit(s.p[at])) at++;
    return at > from && is_digit(s.p[at - 1]) ? at : from;
}

/* The box that closes last: of boxes inside each other the outer one. One pass; of boxes left open
 * only the last few are remembered. */
static bool last_box(str *out, str s)
{
    enum { OPEN_MAX = 64 };
    static const char *const NAMES[] = {"\\boxed", "\\fbox"};
    struct {
        size_t start, depth;
    } open[OPEN_MAX];
    size_t depth = 0, n = 0;
    bool found = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '{') depth++;
        if (c == '}' && depth) {
            if (n && open[n - 1].depth == depth) *out = cut(s, open[--n].start, i), found = true;
            depth--;
        }
        if (c != '\\') continue;
        str rest = cut(s, i, s.n);
        size_t name = 0;
        for (size_t k = 0; k < COUNT_OF(NAMES) && !name; k++)
            if (str_starts(rest, str_of(NAMES[k]))) name = strlen(NAMES[k]);
        if (!name) {
            i++; /* an escaped brace is none */
            continue;
        }
        size_t at = i + name;
        while (at < s.n && strchr(" \t\n", s.p[at]) && s.p[at]) at++;
        if (at < s.n && s.p[at] == '{') {
            if (n == OPEN_MAX) memmove(open, open + 1, --n * sizeof *open);
            open[n].start = at + 1;
            open[n++].depth = ++depth;
            i = at;
        } else {
            size_t end = at > i + name ? bare_token(s, at) : at;
            if (end > at) *out = cut(s, at, end), found = true;
            i = size_max(end, i + 1) - 1;
        }
    }
    return found;
}

/* The last complete <answer>...</answer>. */
static bool last_tag(str *out, str s)
{
    const str open = STR("<answer>"), close = STR("</answer>");
    size_t end = find_last(s, close);
    if (end == SIZE_MAX) return false;
    size_t from = find_last(cut(s, 0, end), open);
    if (from == SIZE_MAX) return false;
    *out = cut(s, from + open.n, end);
    return true;
}

static bool strict(str *out, str s, const char **reason)
{
    str inside;
    bool tag = last_tag(out, s);
    bool box = last_box(&inside, tag ? *out : s);
    if (!tag && !box) return *reason = "no box and no answer tag", false;
    *out = trim(box ? inside : *out);
    if (out->n == 0) return *reason = "empty answer", false;
    return true;
}

/* ---- phrases ------------------------------------------------------------------------------------
 */

static bool same_folded(const char *p, str lower)
{
    for (size_t i = 0; i < lower.n; i++) {
        char c = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
        if (c != lower.p[i]) return false;
    }
    return true;
}

/* What stands behind the last phrase that announces an answer. */
static bool after_phrase(str *out, str s)
{
    static const char *const PHRASES[] = {
        "answer is",   "answer:",  "answer：", "answer $", "answer \\[",  "answer \\(",
        "answers are", "answer =", "####",     "答案",     "final answer"};
    size_t last = SIZE_MAX, length = 0;
    for (size_t i = 0; i < s.n; i++)
        for (size_t k = 0; k < COUNT_OF(PHRASES); k++) {
            str phrase = str_of(PHRASES[k]);
            if (s.n - i < phrase.n || !same_folded(s.p + i, phrase)) continue;
            bool formula = strchr("$[(", phrase.p[phrase.n - 1]) != NULL;
            last = i, length = formula ? strlen("answer") : phrase.n;
        }
    if (last == SIZE_MAX) return false;
    *out = cut(s, last + length, s.n);
    static const char *const SKIPPED[] = {" ",  "\n", "\t", ":",  "：",  "*", "为",
                                          "是", "就", "应", "选", "is ", "="};
    for (bool more = true; more;) {
        more = false;
        for (size_t k = 0; k < COUNT_OF(SKIPPED); k++) {
            str skip = str_of(SKIPPED[k]);
            if (!str_starts(*out, skip)) continue;
            *out = cut(*out, skip.n, out->n);
            more = true;
        }
    }
    return out->n > 0;
}

/* A formula between delimiters that begins at `at`; its inside and where it ends. `unclosed` keeps
 * which delimiters have no end behind this place, so that they are looked for once. */
static bool formula_at(str *inside, size_t *end, str s, size_t at, unsigned *unclosed)
{
    static const char *const MARKS[][2] = {
        {"$$", "$$"}, {"$", "$"}, {"\\[", "\\]"}, {"\\(", "\\)"}};
    str rest = cut(s, at, s.n);
    for (size_t k = 0; k < COUNT_OF(MARKS); k++) {
        str open = str_of(MARKS[k][0]), close = str_of(MARKS[k][1]);
        if (!str_starts(rest, open)) continue;
        size_t to = *unclosed >> k & 1 ? SIZE_MAX : str_find(rest, close, open.n);
        if (to == SIZE_MAX) *unclosed |= 1u << k;
        if (to == SIZE_MAX || to == open.n) return false;
        *inside = cut(rest, open.n, to);
        *end = at + to + close.n;
        return true;
    }
    return false;
}

static bool last_formula(str *out, size_t *end, str s)
{
    bool found = false;
    unsigned unclosed = 0;
    for (size_t i = 0; i < s.n; i++) {
        size_t to;
        str in;
        if (s.p[i] == '\\' && i + 1 < s.n && !strchr("[(", s.p[i + 1])) {
            i++;
        } else if (strchr("$\\", s.p[i]) && formula_at(&in, &to, s, i, &unclosed)) {
            *out = in, *end = to;
            found = true;
            i = to - 1;
        } else if (s.p[i] == '$' && i + 1 < s.n && s.p[i + 1] == '$') {
            i++;
        }
    }
    return found;
}

/* The last number that is no part of a word: "1,000.99", "2/3". */
static bool last_number(str *out, size_t *end, str s)
{
    size_t at = s.n;
    while (at > 0) {
        while (at > 0 && !is_digit(s.p[at - 1])) at--;
        size_t to = at;
        while (at > 0 && (is_digit(s.p[at - 1]) || strchr(",./", s.p[at - 1]))) at--;
        while (at < to && strchr(",/", s.p[at])) at++;
        if (at == to) return false;
        size_t from = at;
        if (from > 0 && s.p[from - 1] == '-' && (from == 1 || s.p[from - 2] == ' ')) from--;
        if (from == 0 || !(is_letter(s.p[from - 1]) || s.p[from - 1] == '_')) {
            *out = cut(s, from, to), *end = to;
            return true;
        }
    }
    return false;
}

/* The end of the sentence or line that begins s. */
static size_t sentence(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') return i;
        if (s.p[i] == '.' && (i + 1 == s.n || strchr(" \n", s.p[i + 1]))) return i;
        if (s.n - i >= 3 && !memcmp(s.p + i, "。", 3)) return i;
    }
    return s.n;
}

static bool lenient(str *out, str s)
{
    str rest, formula;
    size_t at_formula = 0, at_number = 0;
    if (after_phrase(&rest, s)) {
        unsigned unclosed = 0;
        if (formula_at(&formula, &at_formula, rest, 0, &unclosed))
            return *out = trim(formula), out->n > 0;
        str line = cut(rest, 0, sentence(rest));
        if (last_formula(&formula, &at_formula, line) && at_formula == line.n)
            return *out = trim(formula), out->n > 0;
        size_t is = find_last(line, STR(" is "));
        if (is != SIZE_MAX) line = cut(line, is + 4, line.n);
        *out = trim(line);
        if (out->n) return true;
    }
    bool has_formula = last_formula(&formula, &at_formula, s);
    bool has_number = last_number(out, &at_number, s);
    if (has_formula && (!has_number || at_formula >= at_number)) *out = formula;
    *out = trim(*out);
    return (has_formula || has_number) && out->n > 0;
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

bool reward_extract(str *answer, str response, enum reward_form form, const char **reason)
{
    const char *unused;
    if (!reason) reason = &unused;
    *answer = response;
    if (form == REWARD_ANSWER) return true;
    str s = reward_after_thinking(response);
    if (s.n == 0) {
        *reason = response.n ? "the thinking was never closed" : "empty response";
        *answer = s;
        return false;
    }
    if (strict(answer, s, reason) || (form == REWARD_LENIENT && lenient(answer, s))) return true;
    *answer = cut(s, 0, 0);
    return false;
}
