/* math: answers and parts of answers that are words. Letters of choices, plain words, units,
 * Chinese numerals.
 * SPDX-License-Identifier: MIT */
#include "reward/math/math_int.h"

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
static bool is_word_byte(char c) { return is_letter(c) || (unsigned char)c >= 0x80; }

char math_choice(str s)
{
    static const char *const LEADS[] = {"option ", "choice ", "answer "};
    for (size_t i = 0; i < COUNT_OF(LEADS); i++) {
        size_t n = strlen(LEADS[i]), k = 0;
        while (k < n && k < s.n && lower(s.p[k]) == LEADS[i][k]) k++;
        if (k == n) s.p += n, s.n -= n;
    }
    bool bracket = s.n && *s.p == '(';
    if (bracket) s.p++, s.n--;
    while (s.n && *s.p == ' ') s.p++, s.n--;
    if (s.n == 0 || !is_letter(*s.p)) return 0;
    char letter = (char)(*s.p & ~32);
    s.p++, s.n--;
    while (s.n && *s.p == ' ') s.p++, s.n--;
    if (bracket && (s.n == 0 || *s.p != ')')) return 0;
    if (s.n && strchr(").:", *s.p)) s.p++, s.n--;
    if (s.n && *s.p == '.') s.n--;
    return s.n == 0 && letter <= 'J' ? letter : 0;
}

bool math_words(buf *out, str s)
{
    size_t letters = 0, run = 0, longest = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        run = is_word_byte(c) ? run + 1 : 0;
        longest = size_max(longest, run);
        letters += run > 0;
        if (run || c == ' ') {
            if (c == ' ' && (out->n == 0 || out->p[out->n - 1] == ' ')) continue;
            buf_add_char(out, lower(c));
        } else if (c == '-') {
            if (i == 0 || i + 1 == s.n || !is_word_byte(s.p[i - 1]) || !is_word_byte(s.p[i + 1]))
                return false;
            buf_add_char(out, ' ');
        } else if (!strchr("'.,!\"", c)) {
            return false;
        }
    }
    while (out->n && out->p[out->n - 1] == ' ') out->p[--out->n] = '\0';
    static const char *const ARTICLES[] = {"a ", "an ", "the "};
    for (size_t i = 0; i < COUNT_OF(ARTICLES); i++) {
        size_t n = strlen(ARTICLES[i]);
        if (!str_starts(buf_str(out), str_of(ARTICLES[i])) || out->n <= n) continue;
        memmove(out->p, out->p + n, out->n - n + 1);
        out->n -= n;
        break;
    }
    return letters > 2 && longest > 2;
}

/* ---- units --------------------------------------------------------------------------------------
 */

/* Each line: the spelling kept, then the others. Plurals in s are found without being listed. */
static const char *const UNITS[] = {
    "m meter metre",
    "cm centimeter centimetre",
    "mm millimeter millimetre",
    "km kilometer kilometre",
    "in inch inches",
    "ft foot feet",
    "yd yard",
    "mi mile",
    "g gram gm",
    "kg kilogram",
    "mg milligram",
    "lb pound lbs",
    "oz ounce",
    "t ton tonne",
    "s second sec",
    "min minute",
    "h hour hr",
    "d day",
    "week",
    "month",
    "y year yr",
    "l liter litre",
    "ml milliliter millilitre",
    "gal gallon",
    "cup",
    "deg degree",
    "rad radian",
    "percent pct",
    "usd dollar",
    "cent",
    "eur euro",
    "gbp",
    "yuan rmb",
    "yen",
    "mph",
    "kph",
    "hz hertz",
    "n newton",
    "j joule",
    "w watt",
    "v volt",
    "pa pascal",
    "k kelvin",
    "celsius",
    "fahrenheit",
    "unit",
    "acre",
    "people person",
    "child children",
    "apiece",
};

static bool spelled(str line, str word, str *kept)
{
    size_t at = 0;
    *kept = (str){line.p, 0};
    while (at <= line.n) {
        size_t end = str_find(line, STR(" "), at);
        if (end == SIZE_MAX) end = line.n;
        str s = {line.p + at, end - at};
        if (at == 0) *kept = s;
        if (str_eq(s, word) ||
            (word.n == s.n + 1 && s.n > 1 && word.p[s.n] == 's' && str_starts(word, s)))
            return true;
        at = end + 1;
    }
    return false;
}

static str unit_of(str word)
{
    str kept;
    for (size_t i = 0; i < COUNT_OF(UNITS); i++)
        if (spelled(str_of(UNITS[i]), word, &kept)) return kept;
    return STR("");
}

bool math_unit_known(str word)
{
    char low[32];
    if (word.n == 0 || word.n > sizeof low) return false;
    for (size_t i = 0; i < word.n; i++) low[i] = lower(word.p[i]);
    return unit_of((str){low, word.n}).n > 0;
}

/* Words that make a text behind a number more than a unit. */
static bool takes_back(str w)
{
    static const char *const NO[] = {
        "not",     "no",       "is",      "isn",    "are",     "or",      "and",
        "maybe",   "if",       "perhaps", "unless", "except",  "wrong",   "false",
        "but",     "to",       "nor",     "less",   "more",    "mod",     "base",
        "when",    "where",    "for",     "never",  "million", "billion", "thousand",
        "hundred", "trillion", "dozen",   "than",   "at",      "about",   "approximately",
        "then",    "with",     "without"};
    for (size_t i = 0; i < COUNT_OF(NO); i++)
        if (str_eq(w, str_of(NO[i]))) return true;
    return false;
}

bool math_unit(buf *out, str text)
{
    enum { WORDS_MAX = 4 };
    char low[64];
    const char *power = NULL;
    int words = 0;
    for (size_t i = 0; i < text.n;) {
        char c = lower(text.p[i]);
        if (is_word_byte(c)) {
            size_t n = 0;
            while (i < text.n && is_word_byte(text.p[i])) {
                if (n == sizeof low) return false;
                low[n++] = lower(text.p[i++]);
            }
            str w = {low, n};
            if (takes_back(w) || ++words > WORDS_MAX) return false;
            bool square = str_eq(w, STR("square")) || str_eq(w, STR("sq"));
            bool cubic = str_eq(w, STR("cubic")) || str_eq(w, STR("cu"));
            if (square || cubic) {
                power = square ? "^2" : "^3";
                continue;
            }
            bool squared = str_eq(w, STR("squared")), cubed = str_eq(w, STR("cubed"));
            if ((squared || cubed) && out->n) {
                buf_add_str(out, squared ? STR("^2") : STR("^3"));
                continue;
            }
            if (str_eq(w, STR("per"))) {
                buf_add_char(out, '/');
                continue;
            }
            str kept = unit_of(w);
            if (out->n && out->p[out->n - 1] != '/') buf_add_char(out, ' ');
            buf_add_str(out, kept.n ? kept : w);
            if (power) buf_add_str(out, str_of(power));
            power = NULL;
        } else if (c == '^' || c == '/' || (c >= '0' && c <= '9') || c == '-') {
            if ((c >= '0' && c <= '9') && (i == 0 || !strchr("^-{", text.p[i - 1]))) return false;
            buf_add_char(out, c);
            i++;
        } else if (strchr(" ~.{}*'", c)) {
            i++;
        } else {
            return false;
        }
    }
    return out->n > 0 && !out->failed;
}

/* ---- Chinese numerals ---------------------------------------------------------------------------
 */

static const struct numeral {
    const char *c;
    int64_t value; /* 0..9 digits; from 10 multipliers */
} NUMERALS[] = {
    {"〇", 0},  {"零", 0},   {"一", 1},    {"二", 2},     {"两", 2},         {"三", 3},
    {"四", 4},  {"五", 5},   {"六", 6},    {"七", 7},     {"八", 8},         {"九", 9},
    {"十", 10}, {"百", 100}, {"千", 1000}, {"万", 10000}, {"亿", 100000000},
};

/* A whole number below 10^12; *at moves past it. */
static bool chinese_whole(int64_t *out, str s, size_t *at)
{
    enum { CHAR = 3, RUN_MAX = 24 };
    int64_t total = 0, part = 0, digit = -1;
    bool any = false, plain = true;
    for (int run = 0; run < RUN_MAX && *at + CHAR <= s.n; run++, *at += CHAR) {
        const struct numeral *found = NULL;
        for (size_t i = 0; i < COUNT_OF(NUMERALS) && !found; i++)
            if (!memcmp(s.p + *at, NUMERALS[i].c, CHAR)) found = &NUMERALS[i];
        if (!found) break;
        any = true;
        int64_t v = found->value;
        if (v < 10) {
            digit = digit > 0 && plain ? digit * 10 + v : v; /* digit by digit, as in 二〇二四 */
        } else if (v < 10000) {
            part += (digit < 0 ? 1 : digit) * v;
            digit = -1, plain = false;
        } else {
            total = (total + part + (digit < 0 ? 0 : digit)) * v;
            part = 0, digit = -1, plain = false;
        }
        if (total > 1000000000000 || digit > 1000000000000) return false;
    }
    *out = total + part + (digit < 0 ? 0 : digit);
    return any;
}

bool math_chinese_number(buf *out, str s, size_t *used, bool *percent)
{
    int64_t a, b;
    size_t at = 0;
    *percent = str_starts(s, STR("百分之"));
    bool minus = str_starts(s, STR("负"));
    if (minus) at += 3;
    if (*percent) at += 9;
    if (!chinese_whole(&a, s, &at)) return false;
    str rest = {s.p + at, s.n - at};
    if (minus) buf_add_char(out, '-');
    if (str_starts(rest, STR("分之"))) {
        at += 6;
        if (!chinese_whole(&b, s, &at)) return false;
        buf_printf(out, "\\frac{%lld}{%lld}", (long long)b, (long long)a);
    } else {
        buf_printf(out, "%lld", (long long)a);
        if (str_starts(rest, STR("点"))) {
            at += 3;
            buf_add_char(out, '.');
            for (size_t before = at; at + 3 <= s.n; before = at) {
                str one = {s.p + at, 3};
                size_t used_one = 0;
                if (!chinese_whole(&b, one, &used_one) || b > 9) break;
                at = before + 3;
                buf_printf(out, "%lld", (long long)b);
            }
        }
    }
    if (*percent) buf_add_str(out, STR("\\%"));
    *used = at;
    return true;
}
