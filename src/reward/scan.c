/* scan: the readers that the verifiers of puzzles share.
 * SPDX-License-Identifier: MIT */
#include "reward/scan.h"

const char reward_bad_puzzle[] = "the puzzle lacks what its kind needs";
const char reward_bad_gold[] = "the known answer cannot be read";

ponder_status check_puzzle(const reward_question *q, ponder_error *err)
{
    const char *reason = NULL;
    reward_kind_find(q->kind)->equal(q, STR(""), &reason);
    if (reason == reward_bad_puzzle)
        return err_set(err, PONDER_EFORMAT,
                       "kind %.*s: \"puzzle\" lacks what it needs; docs/tasks.md has the forms",
                       STR_ARG(q->kind));
    if (reason == reward_bad_gold)
        return err_set(err, PONDER_EFORMAT,
                       "kind %.*s: \"gold\" is no answer of this kind, and there is no \"puzzle\"",
                       STR_ARG(q->kind));
    return PONDER_OK;
}

static bool ends_with(const scan *s, const char *text)
{
    return str_ends((str){s->p, (size_t)(s->end - s->p)}, str_of(text));
}

/* Removes one pair of marks around the whole. */
static bool unwrap(scan *s, const char *left, const char *right)
{
    size_t n = strlen(left), m = strlen(right);
    if ((size_t)(s->end - s->p) < n + m || memcmp(s->p, left, n) != 0 || !ends_with(s, right))
        return false;
    s->p += n, s->end -= m;
    return true;
}

static void trim_end(scan *s)
{
    while (s->end > s->p && strchr(" \t\r\n", s->end[-1])) s->end--;
}

bool scan_begin(scan *s, str answer)
{
    *s = (scan){answer.p, answer.p + answer.n};
    if (answer.n == 0 || answer.n > SCAN_BYTES || memchr(answer.p, 0, answer.n)) return false;
    scan_blanks(s);
    trim_end(s);
    if (ends_with(s, ".")) s->end--;
    else if (ends_with(s, "。")) s->end -= strlen("。");
    if (!unwrap(s, "$$", "$$") && !unwrap(s, "$", "$")) unwrap(s, "\\(", "\\)");
    trim_end(s);
    return !scan_done(s);
}

bool scan_take(scan *s, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0) return false;
    s->p += n;
    return true;
}

void scan_blanks(scan *s)
{
    while (scan_take(s, " ") || scan_take(s, "\n") || scan_take(s, "\t") || scan_take(s, "\r") ||
           scan_take(s, "\u3000") || scan_take(s, "\u00a0"))
        ;
}

void scan_separators(scan *s)
{
    do scan_blanks(s);
    while (scan_take(s, ",") || scan_take(s, ";") || scan_take(s, "，") || scan_take(s, "、") ||
           scan_take(s, "；"));
}

bool scan_done(scan *s)
{
    scan_blanks(s);
    return s->p == s->end;
}

static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Length of the text if it is next, else 0. */
static size_t matches(const scan *s, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(s->end - s->p) < n) return 0;
    for (size_t i = 0; i < n; i++)
        if (lower(s->p[i]) != lower(text[i])) return 0;
    return n && letter(text[n - 1]) && s->p + n < s->end && letter(s->p[n]) ? 0 : n;
}

int scan_any(scan *s, const char *const *texts)
{
    int best = -1;
    size_t longest = 0;
    for (int i = 0; texts[i]; i++) {
        size_t n = matches(s, texts[i]);
        if (n > longest) longest = n, best = i;
    }
    s->p += longest;
    return best;
}

bool scan_number(scan *s, int64_t max, int64_t *out)
{
    const char *start = s->p;
    int64_t v = 0;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
        int digit = *s->p - '0';
        if (v > (max - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return s->p > start && (*start != '0' || s->p == start + 1);
}

bool puzzle_int(const json_t *v, int64_t min, int64_t max, int64_t *out)
{
    *out = json_integer_value(v);
    return json_is_integer(v) && *out >= min && *out <= max;
}

size_t puzzle_ints(const json_t *v, int64_t min, int64_t max, int64_t *out, size_t cap)
{
    size_t n = json_array_size(v);
    if (n > cap) return 0;
    for (size_t i = 0; i < n; i++)
        if (!puzzle_int(json_array_get(v, i), min, max, &out[i])) return 0;
    return n;
}

size_t puzzle_rows(const json_t *v, const char *bytes, size_t side, char *cells, size_t *columns)
{
    size_t n = json_array_size(v);
    if (n > side) return 0;
    for (size_t i = 0; i < n; i++) {
        str row = json_str(json_array_get(v, i));
        if (i == 0) *columns = row.n;
        if (row.n == 0 || row.n > side || row.n != *columns) return 0;
        for (size_t j = 0; j < row.n; j++) {
            if (!row.p[j] || !strchr(bytes, row.p[j])) return 0;
            cells[i * side + j] = row.p[j];
        }
    }
    return n;
}
