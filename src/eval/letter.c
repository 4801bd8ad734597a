/* The letter of a multiple-choice answer.
 * SPDX-License-Identifier: MIT
 *
 * Of several statements the last one counts: a response that names a letter early and thinks again
 * means the later one. The cues are those of simple-evals' English and multilingual patterns. */
#include "eval/prompt.h"

#include <strings.h>

enum { MOST_DRESSING = 12 };

/* What may stand before an answer. colon: only with a colon behind it. */
static const struct cue {
    const char *text;
    bool colon, lenient;
} CUES[] = {
    {"answer", true, false},    {"答案", true, false},      {"答案是", false, false},
    {"答案为", false, false},   {"回答", true, false},      {"解答", true, false},
    {"答复", true, false},      {"答曰", true, false},      {"答", true, false},
    {"\\boxed{", false, false}, {"\\fbox{", false, false},  {"answer is", false, true},
    {"option is", false, true}, {"choice is", false, true}, {"答案选", false, true},
    {"故选", false, true},      {"应选", false, true},      {"选择", false, true},
    {"选", false, true},
};

/* at < s.n */
static bool starts(str s, size_t at, const char *prefix)
{
    if (((s.p[at] ^ prefix[0]) & ~32) != 0) return false; /* most end here */
    size_t n = strlen(prefix);
    return s.n - at >= n && !strncasecmp(s.p + at, prefix, n);
}

/* Length of one thing that may stand around a letter; 0: there is none. */
static size_t dressing(str s, size_t at)
{
    static const char *const ALL[] = {" ",  "\t",          "*",        "_",        "$",         "(",
                                      "[",  "\"",          "`",        "{",        "\\(",       "\\[",
                                      "（", "【",          "「",       "“",        "\\boxed{",  "\\text{",
                                      "<b>", "<answer>",   "\\textbf{", "\\mathrm{", "\\mathbf{", "：",
                                      ":",  "\xC2\xA0"};
    for (size_t i = 0; i < COUNT_OF(ALL); i++)
        if (starts(s, at, ALL[i])) return strlen(ALL[i]);
    return 0;
}

/* A bounded number of them, so that a text of nothing else is read in linear time. */
static size_t skip_dressing(str s, size_t at)
{
    size_t n;
    for (int i = 0; i < MOST_DRESSING && at < s.n && (n = dressing(s, at)) > 0; i++) at += n;
    return at;
}

static bool is_word(str s, size_t at)
{
    if (at >= s.n) return false;
    unsigned char c = (unsigned char)s.p[at];
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* A letter that stands alone at `at`: its length in bytes, else 0. A small one only where no blank
 * and word follow, or every "answer: a ..." would name A. */
static size_t lone_letter(str s, size_t at, char *out)
{
    if (at >= s.n) return 0;
    unsigned char c = (unsigned char)s.p[at];
    /* Full-width capitals, U+FF21..U+FF3A: EF BC A1 .. EF BC BA. */
    if (s.n - at >= 3 && c == 0xEF && (unsigned char)s.p[at + 1] == 0xBC) {
        unsigned char last = (unsigned char)s.p[at + 2];
        if (last >= 0xA1 && last <= 0xBA) return *out = (char)('A' + last - 0xA1), 3;
    }
    if ((c | 32) < 'a' || (c | 32) > 'z' || is_word(s, at + 1)) return 0;
    if (at + 1 < s.n && (s.p[at + 1] == '\'' || s.p[at + 1] == '-')) return 0;
    if (c >= 'a' && at + 1 < s.n && s.p[at + 1] == ' ' && is_word(s, at + 2)) return 0;
    return *out = (char)(c & ~32), 1;
}

/* After a letter: does another one follow as an equal, "A or B", "A, B", "A/B"? */
static bool another_follows(str s, size_t at)
{
    static const char *const JOINS[] = {",", "/", "&", "or ", "and ", "、", "，", "或", "和"};
    char other;
    while (at < s.n && strchr(" )*}$", s.p[at]) && s.p[at]) at++;
    for (size_t i = 0; i < COUNT_OF(JOINS) && at < s.n; i++) {
        if (!starts(s, at, JOINS[i])) continue;
        size_t next = skip_dressing(s, at + strlen(JOINS[i]));
        return lone_letter(s, next, &other) > 0;
    }
    return false;
}

/* The letter at `at`, behind its dressing; 0: none, -1: several at once. */
static int letter_at(str s, size_t at, size_t n_choices)
{
    char c;
    at = skip_dressing(s, at);
    size_t n = lone_letter(s, at, &c);
    if (n == 0 || (size_t)(c - 'A') >= n_choices) return 0;
    return another_follows(s, at + n) ? -1 : c;
}

static int letter_after(str s, size_t at, const struct cue *cue, size_t n_choices)
{
    at += strlen(cue->text);
    if (cue->colon) {
        while (at < s.n && strchr(" *_\t", s.p[at]) && s.p[at]) at++;
        if (at == s.n || (!starts(s, at, ":") && !starts(s, at, "："))) return 0;
    }
    return letter_at(s, at, n_choices);
}

char eval_find_letter(str text, size_t n_choices, bool lenient)
{
    int found = 0;
    for (size_t at = 0; at < text.n; at++) {
        int here = 0;
        for (size_t i = 0; i < COUNT_OF(CUES) && here == 0; i++) {
            if (CUES[i].lenient && !lenient) continue;
            if (starts(text, at, CUES[i].text)) here = letter_after(text, at, &CUES[i], n_choices);
        }
        if (here) found = here;
    }
    if (found == 0 && lenient) { /* "B", "(B)", "B. because" */
        size_t at = 0;
        char c;
        while (at < text.n && strchr(" \n\r\t", text.p[at]) && text.p[at]) at++;
        at = skip_dressing(text, at);
        size_t n = lone_letter(text, at, &c);
        bool ends = n && (at + n == text.n || strchr(".)]*:\n}$", text.p[at + n]));
        if (ends) found = letter_at(text, at, n_choices);
    }
    return found > 0 ? (char)found : 0;
}
