/* Rules of comparison: program output against expected output, JSON value against JSON value.
 * SPDX-License-Identifier: MIT
 *
 * Bytes are bytes: what follows a NUL counts, invalid UTF-8 is no error. Every rule demands as many
 * tokens or lines as expected: a right beginning is not a right answer. */
#include "reward/code/code_int.h"

#include <math.h>
#include <stdlib.h>

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c); }

static bool same_text(str a, str b, bool nocase)
{
    if (a.n != b.n) return false;
    if (!nocase) return str_eq(a, b);
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i])) return false;
    return true;
}

/* Takes the next token off the front; false at the end. */
static bool next_token(str *rest, str *token)
{
    while (rest->n && is_blank(*rest->p)) rest->p++, rest->n--;
    token->p = rest->p;
    while (rest->n && !is_blank(*rest->p)) rest->p++, rest->n--;
    token->n = (size_t)(rest->p - token->p);
    return token->n > 0;
}

/* Takes the next line off the front, without blanks at its end. */
static bool next_line(str *rest, str *line)
{
    if (!rest->n) return false;
    const char *end = memchr(rest->p, '\n', rest->n);
    line->p = rest->p;
    line->n = end ? (size_t)(end - rest->p) : rest->n;
    size_t taken = line->n + (end != NULL);
    rest->p += taken, rest->n -= taken;
    while (line->n && is_blank(line->p[line->n - 1])) line->n--;
    return true;
}

static str without_trailing_blanks(str s)
{
    while (s.n && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

/* A finite decimal number, the whole token. */
static bool parse_number(str token, double *out)
{
    char text[128], *end;
    if (token.n == 0 || token.n >= sizeof text) return false;
    for (size_t i = 0; i < token.n; i++) { /* not "inf", "nan", "0x1p3" */
        const char c = token.p[i];
        if (!(c >= '0' && c <= '9') && !strchr("+-.eE", c)) return false;
        if (c == '\0') return false;
    }
    memcpy(text, token.p, token.n);
    text[token.n] = '\0';
    *out = strtod(text, &end);
    return end == text + token.n && isfinite(*out);
}

static bool near(double want, double got, double tolerance)
{
    const double gap = fabs(want - got);
    return gap <= tolerance || gap <= tolerance * fabs(want);
}

static bool same_token(const code_task *t, str want, str got)
{
    double a, b;
    if (same_text(want, got, t->nocase)) return true;
    return t->rule == CODE_FLOAT && parse_number(want, &a) && parse_number(got, &b) &&
           near(a, b, t->tolerance);
}

static bool same_tokens(const code_task *t, str want, str got, const char **reason)
{
    str a, b;
    for (;;) {
        const bool more = next_token(&want, &a), has = next_token(&got, &b);
        if (!more && !has) return true;
        *reason = !more ? "more output than expected" : !has ? "less output than expected" : "other output";
        if (!more || !has || !same_token(t, a, b)) return false;
    }
}

static bool same_lines(const code_task *t, str want, str got, const char **reason)
{
    str a, b;
    want = without_trailing_blanks(want), got = without_trailing_blanks(got);
    for (;;) {
        const bool more = next_line(&want, &a), has = next_line(&got, &b);
        if (!more && !has) return true;
        *reason = !more ? "more lines than expected" : !has ? "fewer lines than expected" : "other line";
        if (!more || !has || !same_text(a, b, t->nocase)) return false;
    }
}

typedef struct line_list {
    str *p;
    size_t n;
} line_list;

static bool split_lines(line_list *l, str text)
{
    str rest = without_trailing_blanks(text), line;
    size_t n = 0;
    while (next_line(&rest, &line)) n++;
    l->n = 0;
    l->p = malloc((n ? n : 1) * sizeof *l->p);
    if (!l->p) return false;
    rest = without_trailing_blanks(text);
    while (next_line(&rest, &line)) l->p[l->n++] = line;
    return true;
}

static int compare_text(const void *pa, const void *pb, bool nocase)
{
    const str a = *(const str *)pa, b = *(const str *)pb;
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        const char x = nocase ? lower(a.p[i]) : a.p[i], y = nocase ? lower(b.p[i]) : b.p[i];
        if (x != y) return (unsigned char)x < (unsigned char)y ? -1 : 1;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}
static int compare_cased(const void *a, const void *b) { return compare_text(a, b, false); }
static int compare_uncased(const void *a, const void *b) { return compare_text(a, b, true); }

static bool same_unordered(const code_task *t, str want, str got, const char **reason)
{
    line_list a = {0}, b = {0};
    bool same = split_lines(&a, want) && split_lines(&b, got) && a.n == b.n;
    *reason = "other number of lines";
    if (same) {
        qsort(a.p, a.n, sizeof *a.p, t->nocase ? compare_uncased : compare_cased);
        qsort(b.p, b.n, sizeof *b.p, t->nocase ? compare_uncased : compare_cased);
        *reason = "other lines";
        for (size_t i = 0; same && i < a.n; i++) same = same_text(a.p[i], b.p[i], t->nocase);
    }
    free(a.p);
    free(b.p);
    return same;
}

bool code_same_output(const code_task *t, str want, str got, const char **reason)
{
    *reason = "other output";
    switch (t->rule) {
    case CODE_TOKENS:
    case CODE_FLOAT: return same_tokens(t, want, got, reason);
    case CODE_LINES: return same_lines(t, want, got, reason);
    case CODE_UNORDERED: return same_unordered(t, want, got, reason);
    case CODE_EXACT: return same_text(want, got, t->nocase);
    case CODE_SPECIAL: break;
    }
    return false;
}

/* ---- JSON --------------------------------------------------------------------------------------- */

/* Python's numbers: True is 1. */
static bool is_numeric(const json_t *v) { return json_is_number(v) || json_is_boolean(v); }
static bool is_whole(const json_t *v) { return json_is_integer(v) || json_is_boolean(v); }
static int64_t whole(const json_t *v)
{
    return json_is_integer(v) ? json_integer_value(v) : json_is_true(v);
}

static bool same_number(const json_t *want, const json_t *got, double tolerance)
{
    if (is_whole(want) && is_whole(got) && whole(want) == whole(got)) return true;
    const double a = is_whole(want) ? (double)whole(want) : json_real_value(want);
    const double b = is_whole(got) ? (double)whole(got) : json_real_value(got);
    if (tolerance > 0 && !(json_is_boolean(want) || json_is_boolean(got))) return near(a, b, tolerance);
    if (is_whole(want) && is_whole(got)) return false;
    /* A whole number equals a float only if the float holds it exactly. */
    if (is_whole(want)) return a == b && fabs(b) < 0x1p63 && (int64_t)b == whole(want);
    if (is_whole(got)) return a == b && fabs(a) < 0x1p63 && (int64_t)a == whole(got);
    return a == b;
}

bool code_same_value(const json_t *want, const json_t *got, double tolerance)
{
    if (is_numeric(want) && is_numeric(got)) return same_number(want, got, tolerance);
    if (json_typeof(want) != json_typeof(got)) return false;
    if (json_is_string(want)) return str_eq(json_str(want), json_str(got));
    if (json_is_array(want)) {
        if (json_array_size(want) != json_array_size(got)) return false;
        for (size_t i = 0; i < json_array_size(want); i++)
            if (!code_same_value(json_array_get(want, i), json_array_get(got, i), tolerance)) return false;
        return true;
    }
    if (!json_is_object(want)) return true; /* null */
    if (json_object_size(want) != json_object_size(got)) return false;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)want, key, value) {
        const json_t *other = json_object_get(got, key);
        if (!other || !code_same_value(value, other, tolerance)) return false;
    }
    return true;
}
