/* math: one notation out of many. Unicode to LaTeX, wrappers off.
 * SPDX-License-Identifier: MIT */
#include "reward/math/math_int.h"

/* Code points by Unicode's own names; ascending. */
static const struct glyph {
    uint32_t c;
    const char *to;
} GLYPHS[] = {
    {0xA0, " "},
    {0xA2, "\\text{ cents}"},
    {0xA3, "\\pounds "},
    {0xA5, "\\yen "},
    {0xAC, "\\neg "},
    {0xAD, ""},
    {0xB0, "^{\\circ}"},
    {0xB1, "\\pm "},
    {0xB4, "'"},
    {0xB5, "\\mu "},
    {0xB7, "\\cdot "},
    {0xBA, "^{\\circ}"},
    {0xBC, "\\frac{1}{4}"},
    {0xBD, "\\frac{1}{2}"},
    {0xBE, "\\frac{3}{4}"},
    {0xD7, "\\times "},
    {0xF7, "\\div "},
    {0x2BC, "'"},
    {0x391, "A"},
    {0x392, "B"},
    {0x393, "\\Gamma "},
    {0x394, "\\Delta "},
    {0x398, "\\Theta "},
    {0x39B, "\\Lambda "},
    {0x39E, "\\Xi "},
    {0x3A0, "\\Pi "},
    {0x3A3, "\\Sigma "},
    {0x3A6, "\\Phi "},
    {0x3A8, "\\Psi "},
    {0x3A9, "\\Omega "},
    {0x3B1, "\\alpha "},
    {0x3B2, "\\beta "},
    {0x3B3, "\\gamma "},
    {0x3B4, "\\delta "},
    {0x3B5, "\\epsilon "},
    {0x3B6, "\\zeta "},
    {0x3B7, "\\eta "},
    {0x3B8, "\\theta "},
    {0x3B9, "\\iota "},
    {0x3BA, "\\kappa "},
    {0x3BB, "\\lambda "},
    {0x3BC, "\\mu "},
    {0x3BD, "\\nu "},
    {0x3BE, "\\xi "},
    {0x3C0, "\\pi "},
    {0x3C1, "\\rho "},
    {0x3C3, "\\sigma "},
    {0x3C4, "\\tau "},
    {0x3C5, "\\upsilon "},
    {0x3C6, "\\phi "},
    {0x3C7, "\\chi "},
    {0x3C8, "\\psi "},
    {0x3C9, "\\omega "},
    {0x3D5, "\\phi "},
    {0x2000, " "},
    {0x2001, " "},
    {0x2002, " "},
    {0x2003, " "},
    {0x2004, " "},
    {0x2005, " "},
    {0x2006, " "},
    {0x2007, " "},
    {0x2008, " "},
    {0x2009, " "},
    {0x200A, " "},
    {0x200B, ""},
    {0x200C, ""},
    {0x200D, ""},
    {0x200E, ""},
    {0x200F, ""},
    {0x2010, "-"},
    {0x2011, "-"},
    {0x2012, "-"},
    {0x2013, "-"},
    {0x2014, "-"},
    {0x2015, "-"},
    {0x2018, "'"},
    {0x2019, "'"},
    {0x201C, ""},
    {0x201D, ""},
    {0x2022, "\\cdot "},
    {0x2026, "\\ldots "},
    {0x202F, " "},
    {0x2030, "\\permil "},
    {0x2032, "'"},
    {0x2033, "''"},
    {0x2044, "/"},
    {0x205F, " "},
    {0x2060, ""},
    {0x2061, ""},
    {0x2062, " "},
    {0x2064, " "},
    {0x20AC, "\\euro "},
    {0x20BD, "\\rouble "},
    {0x20B9, "\\rupee "},
    {0x2102, "\\mathbb{C}"},
    {0x2103, "\\text{ celsius}"},
    {0x2115, "\\mathbb{N}"},
    {0x211A, "\\mathbb{Q}"},
    {0x211D, "\\mathbb{R}"},
    {0x2124, "\\mathbb{Z}"},
    {0x212F, "e"},
    {0x2150, "\\frac{1}{7}"},
    {0x2151, "\\frac{1}{9}"},
    {0x2152, "\\frac{1}{10}"},
    {0x2153, "\\frac{1}{3}"},
    {0x2154, "\\frac{2}{3}"},
    {0x2155, "\\frac{1}{5}"},
    {0x2156, "\\frac{2}{5}"},
    {0x2157, "\\frac{3}{5}"},
    {0x2158, "\\frac{4}{5}"},
    {0x2159, "\\frac{1}{6}"},
    {0x215A, "\\frac{5}{6}"},
    {0x215B, "\\frac{1}{8}"},
    {0x215C, "\\frac{3}{8}"},
    {0x215D, "\\frac{5}{8}"},
    {0x215E, "\\frac{7}{8}"},
    {0x2190, "\\leftarrow "},
    {0x2192, "\\to "},
    {0x21D2, "\\Rightarrow "},
    {0x2205, "\\emptyset "},
    {0x2208, "\\in "},
    {0x2209, "\\notin "},
    {0x2212, "-"},
    {0x2213, "\\mp "},
    {0x2215, "/"},
    {0x2216, "\\setminus "},
    {0x2217, "*"},
    {0x2218, "\\circ "},
    {0x2219, "\\cdot "},
    {0x221A, "\\sqrt "},
    {0x221B, "\\cbrt "},
    {0x221E, "\\infty "},
    {0x2220, "\\angle "},
    {0x2223, "|"},
    {0x2227, "\\text{ and }"},
    {0x2228, "\\text{ or }"},
    {0x2229, "\\cap "},
    {0x222A, "\\cup "},
    {0x2236, ":"},
    {0x2248, "\\approx "},
    {0x2260, "\\ne "},
    {0x2261, "\\equiv "},
    {0x2264, "\\le "},
    {0x2265, "\\ge "},
    {0x2266, "\\le "},
    {0x2267, "\\ge "},
    {0x2282, "\\subset "},
    {0x2286, "\\subseteq "},
    {0x22C5, "\\cdot "},
    {0x22EF, "\\ldots "},
    {0x2308, "\\lceil "},
    {0x2309, "\\rceil "},
    {0x230A, "\\lfloor "},
    {0x230B, "\\rfloor "},
    {0x25B3, "\\triangle "},
    {0x27E8, "("},
    {0x27E9, ")"},
    {0x2A7D, "\\le "},
    {0x2A7E, "\\ge "},
    {0x3000, " "},
    {0x3001, ","},
    {0x3002, "."},
    {0x3008, "("},
    {0x3009, ")"},
    {0x3010, "["},
    {0x3011, "]"},
    {0x4E14, "\\text{ and }"},
    {0x548C, "\\text{ and }"},
    {0x6216, "\\text{ or }"},
    {0xFEFF, ""},
};

static const char *glyph(uint32_t c)
{
    size_t lo = 0, hi = COUNT_OF(GLYPHS);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (GLYPHS[mid].c < c) lo = mid + 1;
        else hi = mid;
    }
    return lo < COUNT_OF(GLYPHS) && GLYPHS[lo].c == c ? GLYPHS[lo].to : NULL;
}

/* Raised or lowered digit or sign as its ASCII character; 0: none. */
static char script(uint32_t c, bool *raised)
{
    static const char SIGNS[] = "+-=()";
    *raised = c < 0x2080;
    switch (c) {
    case 0xB2: return '2';
    case 0xB3: return '3';
    case 0xB9: return '1';
    case 0x2071: return 'i';
    case 0x207F: return 'n';
    default: break;
    }
    if (c == 0x2070 || (c >= 0x2074 && c <= 0x2079)) return (char)('0' + (c - 0x2070));
    if (c >= 0x2080 && c <= 0x2089) return (char)('0' + (c - 0x2080));
    if (c >= 0x207A && c <= 0x207E) return SIGNS[c - 0x207A];
    if (c >= 0x208A && c <= 0x208E) return SIGNS[c - 0x208A];
    return 0;
}

/* Decodes one code point; bytes that are not UTF-8 count as blanks. */
static uint32_t next_point(str s, size_t *at)
{
    const uint8_t *p = (const uint8_t *)s.p + *at;
    size_t left = s.n - *at, n = *p < 0x80                 ? 1
                                 : *p >= 0xC2 && *p < 0xE0 ? 2
                                 : (*p & 0xF0) == 0xE0     ? 3
                                 : (*p & 0xF8) == 0xF0     ? 4
                                                           : 0;
    if (n == 0 || n > left) return ++*at, ' ';
    uint32_t c = n == 1 ? *p : *p & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return ++*at, ' ';
        c = c << 6 | (p[i] & 0x3F);
    }
    *at += n;
    return c;
}

static void to_ascii(buf *out, str s)
{
    int open = 0; /* an exponent (1) or index (2) of raised or lowered characters is open */
    for (size_t at = 0; at < s.n;) {
        size_t from = at;
        uint32_t c = next_point(s, &at);
        bool raised;
        char small = script(c, &raised);
        int want = small ? (raised ? 1 : 2) : 0;
        if (open != want) {
            if (open) buf_add_char(out, '}');
            if (want) buf_add_str(out, want == 1 ? STR("^{") : STR("_{"));
            open = want;
        }
        if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0; /* full width */
        if (c >= 0x1D400 && c < 0x1D6A4) { /* mathematical alphabets, 26 and 26 letters each */
            uint32_t k = (c - 0x1D400) % 52;
            c = k < 26 ? 'A' + k : 'a' + k - 26;
        } else if (c >= 0x1D7CE && c <= 0x1D7FF) {
            c = '0' + (c - 0x1D7CE) % 10;
        }
        const char *to = small ? NULL : glyph(c);
        if (small) buf_add_char(out, small);
        else if (to) buf_add_str(out, str_of(to));
        else if (c < 0x80) buf_add_char(out, c < ' ' ? ' ' : (char)c);
        else if (c == 0xFFE5) buf_add_str(out, STR("\\yen "));
        else buf_add(out, s.p + from, at - from);
    }
    if (open) buf_add_char(out, '}');
}

static str trim(str s)
{
    while (s.n && *s.p == ' ') s.p++, s.n--;
    while (s.n && s.p[s.n - 1] == ' ') s.n--;
    return s;
}

/* Takes `open` and `close` off both ends when they belong together. */
static bool unwrap(str *s, str open, str close)
{
    if (s->n < open.n + close.n || !str_starts(*s, open) || !str_ends(*s, close)) return false;
    str in = {s->p + open.n, s->n - open.n - close.n};
    if (str_find(in, open, 0) != SIZE_MAX) return false;
    return *s = trim(in), true;
}

/* \boxed{...} or {...} around everything. */
static bool unbrace(str *s)
{
    static const char *const BOXES[] = {"\\boxed", "\\fbox", "\\displaystyle", ""};
    for (size_t i = 0; i < COUNT_OF(BOXES); i++) {
        str box = str_of(BOXES[i]);
        if (!str_starts(*s, box)) continue;
        str in = trim((str){s->p + box.n, s->n - box.n});
        if (i == 2 &&
            (in.n == 0 || in.p != s->p + box.n || !((*in.p | 32) >= 'a' && (*in.p | 32) <= 'z')))
            return *s = in, true;
        if (in.n < 2 || *in.p != '{') continue;
        size_t depth = 0, at = 0;
        for (; at < in.n; at++) {
            if (in.p[at] == '\\') at++;
            else if (in.p[at] == '{') depth++;
            else if (in.p[at] == '}' && --depth == 0) break;
        }
        if (at + 1 == in.n && depth == 0) return *s = trim((str){in.p + 1, in.n - 2}), true;
    }
    return false;
}

static bool strip_end(str *s)
{
    static const char *const ENDS[] = {".",       ",",   ";",   "\\\\", "\\ ", "~", "\\quad",
                                       "\\qquad", "\\,", "\\!", "\\;",  "\\:", "\\"};
    for (size_t i = 0; i < COUNT_OF(ENDS); i++) {
        str end = str_of(ENDS[i]);
        if (!str_ends(*s, end)) continue;
        if (i == 0 && s->n >= 2 && s->p[s->n - 2] == '.') return false; /* an ellipsis */
        if (s->n > end.n && i < 3 && s->p[s->n - end.n - 1] == '\\') continue;
        return *s = trim((str){s->p, s->n - end.n}), true;
    }
    return false;
}

void math_clean(buf *out, str text)
{
    buf wide = {0};
    to_ascii(&wide, text);
    str s = trim(buf_str(&wide));
    enum { WRAPPERS_MAX = 64 };
    bool more = true;
    for (int i = 0; i < WRAPPERS_MAX && more && s.n; i++) {
        more = unbrace(&s) || unwrap(&s, STR("$$"), STR("$$")) || unwrap(&s, STR("$"), STR("$")) ||
               unwrap(&s, STR("\\["), STR("\\]")) || unwrap(&s, STR("\\("), STR("\\)")) ||
               unwrap(&s, STR("**"), STR("**")) || unwrap(&s, STR("`"), STR("`")) || strip_end(&s);
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '$' && (i == 0 || s.p[i - 1] != '\\')) buf_add_char(out, ' ');
        else buf_add_char(out, s.p[i]);
    }
    out->failed |= wide.failed;
    buf_free(&wide);
}

static bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

void math_plain(buf *out, str s)
{
    static const char *const DROPPED[] = {
        "text",         "textbf",     "textit",     "textrm",       "textsf",  "mathrm",
        "mathbf",       "mathit",     "mathsf",     "mbox",         "hbox",    "bf",
        "rm",           "it",         "textnormal", "operatorname", "left",    "right",
        "displaystyle", "big",        "Big",        "bigl",         "bigr",    "Bigl",
        "Bigr",         "boldsymbol", "quad",       "qquad",        "mathcal", "underline"};
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool blank = c == ' ' || c == '~';
        if (c == '\\' && i + 1 < s.n && is_letter(s.p[i + 1])) {
            size_t end = i + 1;
            while (end < s.n && is_letter(s.p[end])) end++;
            str name = {s.p + i + 1, end - i - 1};
            bool dropped = false;
            for (size_t k = 0; k < COUNT_OF(DROPPED) && !dropped; k++)
                dropped = str_eq(name, str_of(DROPPED[k]));
            if (!dropped) buf_add(out, s.p + i, end - i);
            i = end - 1;
            blank = dropped;
        } else if (c == '\\' && i + 1 < s.n && strchr(" ,;:!", s.p[i + 1])) {
            blank = s.p[++i] != '!';
        } else if (c == '{' || c == '}') {
            continue;
        } else if (!blank) {
            buf_add_char(out, c);
        }
        if (blank && out->n && out->p[out->n - 1] != ' ') buf_add_char(out, ' ');
    }
    while (out->n && out->p[out->n - 1] == ' ') out->p[--out->n] = '\0';
}
