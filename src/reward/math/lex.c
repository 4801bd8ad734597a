/* math: LaTeX and plain notation to tokens.
 * SPDX-License-Identifier: MIT */
#include "reward/math/lex.h"

#include <stdlib.h>

/* strchr finds the NUL too. */
static bool one_of(const char *set, char c) { return c && strchr(set, c); }

typedef struct lexer {
    math_side *s;
    str in;
    size_t at;
    bool space;
    size_t cap;
    int depth; /* of text commands inside each other */
    /* Do plain commas between groups of three digits belong to a number, in each open bracket? */
    int8_t grouped[MATH_DEPTH_MAX + 2]; /* -1: not looked at yet */
    int level;
} lexer;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

static char peek(const lexer *x, size_t ahead)
{
    return x->at + ahead < x->in.n ? x->in.p[x->at + ahead] : '\0';
}

static token *emit(lexer *x, int kind)
{
    math_side *s = x->s;
    if (s->n_tok == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 64;
        token *t = realloc(s->tok, cap * sizeof *t);
        if (!t) return NULL;
        s->tok = t, x->cap = cap;
    }
    token *t = &s->tok[s->n_tok++];
    *t = (token){.kind = (uint8_t)kind, .space = x->space, .at = (uint32_t)x->at};
    x->space = false;
    return t;
}

static bool emit_text(lexer *x, int kind, str text)
{
    token *t = emit(x, kind);
    if (t) t->text = text;
    return t != NULL;
}

/* ---- numbers ------------------------------------------------------------------------------------
 */

/* Length of a mark between groups of digits that can be nothing else (LaTeX writes 10{,}080,
 * 10,\!080, 10\,080); 0: none here. */
static size_t group_mark(str s)
{
    static const char *const MARKS[] = {"{,}", ",\\!", "\\,", "\\ ", "~", "{\\,}", " "};
    for (size_t i = 0; i < COUNT_OF(MARKS); i++) {
        str m = str_of(MARKS[i]);
        if (!str_starts(s, m)) continue;
        size_t n = m.n;
        while (i == 1 && n < s.n && s.p[n] == ' ') n++;
        return n;
    }
    return 0;
}

static bool three_digits(str s, size_t at)
{
    if (at + 3 > s.n) return false;
    for (size_t i = 0; i < 3; i++)
        if (!is_digit(s.p[at + i])) return false;
    return at + 3 == s.n || !is_digit(s.p[at + 3]);
}

/* Looks over the open bracket around `at` (or the whole text): outside brackets every comma with no
 * blank after it must lead a group of three; inside, commas with blanks must separate the members.
 */
static bool look_at_commas(const lexer *x)
{
    size_t from = x->at, to = x->at;
    int depth = 0;
    for (; from > 0; from--) {
        char c = x->in.p[from - 1];
        if (one_of(")]}", c)) depth++;
        if (one_of("([{", c) && depth-- == 0) break;
    }
    depth = 0;
    bool spaced = false, all = true;
    for (to = from; to < x->in.n; to++) {
        char c = x->in.p[to];
        if (one_of("([{", c)) depth++;
        if (one_of(")]}", c) && depth-- == 0) break;
        if (c != ',' || depth) continue;
        if (to + 1 < x->in.n && one_of(" \\", x->in.p[to + 1])) spaced = true;
        else if (!three_digits(x->in, to + 1) || to == 0 || !is_digit(x->in.p[to - 1])) all = false;
    }
    return all && (spaced || x->level == 0);
}

static void open_level(lexer *x)
{
    if (++x->level <= MATH_DEPTH_MAX) x->grouped[x->level] = -1;
}

static void close_level(lexer *x)
{
    if (x->level > 0) x->level--;
}

static bool plain_commas(lexer *x)
{
    if (x->level > MATH_DEPTH_MAX) return false;
    int8_t *g = &x->grouped[x->level];
    if (*g < 0) *g = look_at_commas(x);
    return *g;
}

/* Digits that repeat, written \overline{36}, \dot{3}, (36) or \dot36\dot: after the point. */
static bool repeating(lexer *x, str *digits)
{
    static const char *const OPEN[] = {"\\overline{", "\\bar{",     "\\dot{",
                                       "\\dot",       "\\overline", "("};
    str rest = {x->in.p + x->at, x->in.n - x->at};
    for (size_t i = 0; i < COUNT_OF(OPEN); i++) {
        str open = str_of(OPEN[i]);
        if (!str_starts(rest, open)) continue;
        size_t n = open.n;
        while (n < rest.n && rest.p[n] == ' ') n++;
        size_t from = n;
        bool braced = open.p[open.n - 1] == '{' || i == 5;
        while (n < rest.n && is_digit(rest.p[n]) && (braced || n == from)) n++;
        if (n == from) return false;
        if (braced && (n == rest.n || rest.p[n] != (i == 5 ? ')' : '}'))) return false;
        size_t start = x->s->pool.n;
        buf_add(&x->s->pool, rest.p + from, n - from);
        n += braced;
        if (i == 2 || i == 3) { /* dots stand on the first and the last digit */
            size_t m = n;
            while (m < rest.n && is_digit(rest.p[m])) m++;
            str tail = {rest.p + m, rest.n - m};
            size_t lead = str_starts(tail, STR("\\dot{"))  ? 5
                          : str_starts(tail, STR("\\dot")) ? 4
                                                           : 0;
            if (lead && m + lead < rest.n && is_digit(rest.p[m + lead])) {
                buf_add(&x->s->pool, rest.p + n, m - n);
                buf_add_char(&x->s->pool, rest.p[m + lead]);
                n = m + lead + 1;
                if (lead == 5 && n < rest.n && rest.p[n] == '}') n++;
            }
        }
        *digits = (str){x->s->pool.p + start, x->s->pool.n - start};
        x->at += n;
        return true;
    }
    return false;
}

static void take_digits(lexer *x)
{
    size_t from = x->at;
    while (is_digit(peek(x, 0))) x->at++;
    buf_add(&x->s->pool, x->in.p + from, x->at - from);
}

static void take_groups(lexer *x, size_t first)
{
    while (first >= 1 && first <= 3) {
        str rest = {x->in.p + x->at, x->in.n - x->at};
        size_t mark = group_mark(rest);
        if (!mark && rest.n && *rest.p == ',' && three_digits(rest, 1) && plain_commas(x)) mark = 1;
        if (!mark || !three_digits(rest, mark)) return;
        x->at += mark;
        take_digits(x);
    }
}

static bool number(lexer *x)
{
    size_t start = x->s->pool.n, from = x->at;
    bool point = false, space = x->space;
    take_digits(x);
    size_t first = x->at - from;
    if (first && x->in.p[from] != '0') take_groups(x, first);
    str again = {0};
    if (peek(x, 0) == '.' && (is_digit(peek(x, 1)) || peek(x, 1) == '\\' || peek(x, 1) == '(')) {
        size_t before = x->at;
        buf_add_char(&x->s->pool, '.');
        x->at++;
        take_digits(x);
        point = true;
        if (x->at - before == 1 && !repeating(x, &again)) {
            x->at = before; /* "5.\ldots", "5.(" */
            point = false;
            x->s->pool.n--;
        }
    } else if (first && peek(x, 0) == '.' && peek(x, 1) != '.') {
        x->at++; /* "5." */
    }
    size_t end = x->s->pool.n - again.n;
    if (point && !again.n) repeating(x, &again);
    if ((peek(x, 0) | 32) == 'e' && !again.n) {
        size_t sign = peek(x, 1) == '-' || peek(x, 1) == '+';
        if (is_digit(peek(x, 1 + sign))) {
            buf_add(&x->s->pool, x->in.p + x->at, 1 + sign);
            x->at += 1 + sign;
            take_digits(x);
            end = x->s->pool.n;
        }
    }
    x->space = space;
    token *t = emit(x, again.n ? TOK_REPEAT : TOK_NUM);
    if (!t) return false;
    t->text = (str){x->s->pool.p + start, end - start};
    t->more = again;
    return true;
}

/* ---- names --------------------------------------------------------------------------------------
 */

static bool emit_word(lexer *x, const math_name *w)
{
    token *t = emit(x, w->kind);
    if (!t) return false;
    t->fn = w->fn;
    t->text = str_of(w->name);
    return true;
}

static bool letter(lexer *x, str one)
{
    return emit_text(x, *one.p == 'e' ? TOK_E : *one.p == 'i' ? TOK_I : TOK_VAR, one);
}

/* The x of "3 x 10^8". */
static bool is_times(const lexer *x)
{
    size_t at = x->at;
    while (at < x->in.n && x->in.p[at] == ' ') at++;
    return x->s->n_tok && x->s->tok[x->s->n_tok - 1].kind == TOK_NUM &&
           str_starts((str){x->in.p + at, x->in.n - at}, STR("10^"));
}

/* A run of plain letters: a known word, a function glued to its argument ("sinx"), one variable, or
 * a word that the parser takes apart where it stands for a product. */
static bool letters(lexer *x)
{
    size_t from = x->at;
    while (is_letter(peek(x, 0)) || (unsigned char)peek(x, 0) >= 0x80) x->at++;
    str run = {x->in.p + from, x->at - from};
    const math_name *w = math_word(run);
    if (w) return emit_word(x, w);
    if (*run.p == 'x' && run.n == 1 && is_times(x)) return emit(x, '*') != NULL;
    if (run.n == 1) return letter(x, run);
    if (str_eq(run, STR("dollars")) || str_eq(run, STR("USD"))) return emit_text(x, TOK_WORD, run);
    for (size_t n = run.n - 1; n >= 2 && n < 8 && run.n <= n + 2; n--) {
        w = math_word((str){run.p, n});
        if (!w || (w->kind != TOK_FUNC && w->kind != TOK_SQRT && w->kind != TOK_PI)) continue;
        x->at = from + n;
        return emit_word(x, w);
    }
    token *t = emit(x, TOK_WORD);
    if (!t) return false;
    t->text = run, t->plain = true;
    return true;
}

/* {...} at the cursor: its inside; the cursor moves past it. */
static bool group(lexer *x, str *in)
{
    size_t at = x->at, depth = 0;
    while (at < x->in.n && x->in.p[at] == ' ') at++;
    if (at == x->in.n || x->in.p[at] != '{') return false;
    size_t from = at + 1;
    for (; at < x->in.n; at++) {
        if (x->in.p[at] == '\\') at++;
        else if (x->in.p[at] == '{') depth++;
        else if (x->in.p[at] == '}' && --depth == 0) {
            *in = (str){x->in.p + from, at - from};
            x->at = at + 1;
            return true;
        }
    }
    return false;
}

static bool run(lexer *x);

/* The inside of \text{...}, \mathrm{...}: words stay together as one token; numbers, single letters
 * and known words are read as if no command stood there. */
static bool text_command(lexer *x)
{
    str in;
    if (!group(x, &in)) return true; /* \rm and the like: nothing to hold together */
    if (in.n == 0) return true;
    size_t n_letters = 0, digits = 0;
    for (size_t i = 0; i < in.n; i++) {
        n_letters += is_letter(in.p[i]) || (unsigned char)in.p[i] >= 0x80;
        digits += is_digit(in.p[i]);
    }
    str t = in;
    while (t.n && one_of(" ~,.;", *t.p)) t.p++, t.n--;
    while (t.n && one_of(" ~,.;", t.p[t.n - 1])) t.n--;
    const math_name *w = math_word(t);
    bool command =
        str_find(in, STR("\\"), 0) != SIZE_MAX && str_find(in, STR("\\ "), 0) == SIZE_MAX;
    if (w && t.n > 1) return emit_word(x, w);
    int before = x->s->n_tok ? x->s->tok[x->s->n_tok - 1].kind : TOK_END;
    bool unit =
        t.n == 1 && math_unit_known(t) && *t.p != 'd' && (before == TOK_NUM || before == '}');
    if (unit) return emit_text(x, TOK_WORD, t);
    if (n_letters <= 1 || digits || command) {
        if (++x->depth > 8) return false;
        str all = x->in;
        size_t back = x->at;
        x->in = (str){all.p, (size_t)(in.p + in.n - all.p)};
        x->at = (size_t)(in.p - all.p);
        bool ok = run(x);
        x->in = all, x->at = back;
        x->depth--;
        return ok;
    }
    return emit_text(x, TOK_WORD, t);
}

static bool environment(lexer *x, bool begin)
{
    str name;
    if (!group(x, &name)) return false;
    if (begin && (str_eq(name, STR("array")) || str_eq(name, STR("tabular")))) {
        str columns;
        if (!group(x, &columns)) return false;
    }
    return emit_text(x, begin ? TOK_BEGIN : TOK_ENDENV, name);
}

static bool command(lexer *x)
{
    size_t from = x->at + 1, end = from;
    while (end < x->in.n && is_letter(x->in.p[end])) end++;
    str name = {x->in.p + from, end - from};
    x->at = end;
    if (math_is_text(name)) return text_command(x);
    if (math_is_dropped(name)) {
        bool side = str_eq(name, STR("left")) || str_eq(name, STR("right"));
        if (side && peek(x, 0) == '.') x->at++;
        x->space = true;
        return true;
    }
    if (str_eq(name, STR("begin"))) return environment(x, true);
    if (str_eq(name, STR("end"))) return environment(x, false);
    if (str_eq(name, STR("mathbb")) || str_eq(name, STR("Bbb"))) {
        str in;
        return group(x, &in) && emit_text(x, str_eq(in, STR("R")) ? TOK_REALS : TOK_VAR, in);
    }
    if (str_eq(name, STR("circ"))) return emit(x, TOK_DEG) != NULL;
    if (str_eq(name, STR("not"))) { /* \not= */
        while (peek(x, 0) == ' ') x->at++;
        if (peek(x, 0) != '=') return emit(x, TOK_BAD) != NULL;
        return x->at++, emit(x, TOK_NE) != NULL;
    }
    if (str_eq(name, STR("hspace")) || str_eq(name, STR("vspace")) ||
        str_eq(name, STR("phantom"))) {
        str in;
        x->space = true;
        return group(x, &in);
    }
    const math_name *w = math_command(name);
    if (w) {
        token *t = emit(x, w->kind);
        if (!t) return false;
        t->fn = w->fn, t->text = name;
        return true;
    }
    if (math_is_symbol(name)) return emit_text(x, TOK_VAR, name);
    return emit(x, TOK_BAD) != NULL;
}

/* A backslash and a sign. */
static bool escape(lexer *x)
{
    char c = peek(x, 1);
    x->at += 2;
    switch (c) {
    case '{': return open_level(x), emit(x, TOK_SETOPEN) != NULL;
    case '}': return close_level(x), emit(x, TOK_SETCLOSE) != NULL;
    case '%': return emit(x, '%') != NULL;
    case '$': return emit_text(x, TOK_CURRENCY, STR("$"));
    case '|': return emit(x, '|') != NULL;
    case '&': return emit(x, TOK_AND) != NULL;
    case '\\': {
        str skip = {x->in.p + x->at, x->in.n - x->at};
        if (str_starts(skip, STR("["))) { /* \\[2pt] */
            size_t end = str_find(skip, STR("]"), 0);
            if (end != SIZE_MAX && end < 8 &&
                str_find((str){skip.p, end}, STR("pt"), 0) != SIZE_MAX)
                x->at += end + 1;
        }
        return emit(x, TOK_ROW) != NULL;
    }
    default: x->space = true; return true; /* \, \; \! \( \[ and a lone backslash */
    }
}

static bool sign(lexer *x)
{
    static const struct {
        const char *text;
        uint8_t kind;
    } LONG[] = {{"<=", TOK_LE}, {">=", TOK_GE},  {"!=", TOK_NE}, {"=<", TOK_LE},   {"**", '^'},
                {"+-", TOK_PM}, {"+/-", TOK_PM}, {"==", '='},    {"...", TOK_DOTS}};
    str rest = {x->in.p + x->at, x->in.n - x->at};
    for (size_t i = 0; i < COUNT_OF(LONG); i++) {
        str s = str_of(LONG[i].text);
        if (!str_starts(rest, s)) continue;
        bool ok = emit(x, LONG[i].kind) != NULL;
        x->at += s.n;
        return ok;
    }
    char c = *rest.p;
    if (one_of("([{", c)) open_level(x);
    if (one_of(")]}", c)) close_level(x);
    bool ok = emit(x, one_of("+-*/^_()[]{}|,;:!%'=<>&", c) ? c : TOK_BAD) != NULL;
    x->at++;
    return ok;
}

static bool run(lexer *x)
{
    bool ok = true;
    while (ok && x->at < x->in.n) {
        char c = peek(x, 0);
        if (c == ' ' || c == '~') x->space = true, x->at++;
        else if (is_digit(c) || (c == '.' && is_digit(peek(x, 1)))) ok = number(x);
        else if (is_letter(c) || (unsigned char)c >= 0x80) ok = letters(x);
        else if (c == '\\' && is_letter(peek(x, 1))) ok = command(x);
        else if (c == '\\') ok = escape(x);
        else ok = sign(x);
    }
    return ok;
}

bool math_lex(math_side *s)
{
    lexer x = {.s = s, .in = buf_str(&s->clean)};
    memset(x.grouped, -1, sizeof x.grouped);
    /* Token texts point into the pool, so it must not move. */
    if (!buf_reserve(&s->pool, 2 * s->clean.n + 1024)) return false;
    return run(&x) && emit(&x, TOK_END) != NULL && !s->pool.failed;
}
