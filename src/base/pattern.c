/* Regular expressions with a budget.
 * SPDX-License-Identifier: MIT
 *
 * PCRE2's own match limit starts anew at every place a match could begin, so it does not bound a
 * search. Here every item of a pattern is an automatic callout that is charged for itself and for
 * the characters passed since the last one. */
#include "base/pattern.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    PATTERN_LIMIT = 64 << 10,
    NEST_LIMIT = 100,
    HEAP_LIMIT_KIB = 32 << 10,
    STEPS = 1 << 20,
    STEPS_PER_BYTE = 16
};

struct pattern {
    pcre2_code *code;
};

/* General categories by the long names that ECMA-262 allows (Unicode, PropertyValueAliases). */
static const struct category {
    const char *name, *code;
} CATEGORIES[] = {
    {"Cased_Letter", "L&"},
    {"Close_Punctuation", "Pe"},
    {"Connector_Punctuation", "Pc"},
    {"Control", "Cc"},
    {"Currency_Symbol", "Sc"},
    {"Dash_Punctuation", "Pd"},
    {"Decimal_Number", "Nd"},
    {"Enclosing_Mark", "Me"},
    {"Final_Punctuation", "Pf"},
    {"Format", "Cf"},
    {"Initial_Punctuation", "Pi"},
    {"Letter", "L"},
    {"Letter_Number", "Nl"},
    {"Line_Separator", "Zl"},
    {"Lowercase_Letter", "Ll"},
    {"Mark", "M"},
    {"Math_Symbol", "Sm"},
    {"Modifier_Letter", "Lm"},
    {"Modifier_Symbol", "Sk"},
    {"Nonspacing_Mark", "Mn"},
    {"Number", "N"},
    {"Open_Punctuation", "Ps"},
    {"Other", "C"},
    {"Other_Letter", "Lo"},
    {"Other_Number", "No"},
    {"Other_Punctuation", "Po"},
    {"Other_Symbol", "So"},
    {"Paragraph_Separator", "Zp"},
    {"Private_Use", "Co"},
    {"Punctuation", "P"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Spacing_Mark", "Mc"},
    {"Surrogate", "Cs"},
    {"Symbol", "S"},
    {"Titlecase_Letter", "Lt"},
    {"Unassigned", "Cn"},
    {"Uppercase_Letter", "Lu"},
    {"digit", "Nd"},
    {"punct", "P"},
};

/* "\\p{...}" without "General_Category=" and with the category's code, which is all PCRE2 knows. */
static void add_property(buf *out, str name)
{
    static const str PREFIX[] = {STR("General_Category="), STR("gc=")};
    for (size_t i = 0; i < COUNT_OF(PREFIX); i++)
        if (str_starts(name, PREFIX[i])) name = (str){name.p + PREFIX[i].n, name.n - PREFIX[i].n};
    for (size_t i = 0; i < COUNT_OF(CATEGORIES); i++)
        if (str_eq(name, str_of(CATEGORIES[i].name))) name = str_of(CATEGORIES[i].code);
    buf_add_str(out, name);
}

/* ECMA's blanks: ASCII's, every separator and U+FEFF. */
#define BLANKS "\\s\\p{Z}\xEF\xBB\xBF"

/* What ECMA-262 writes otherwise than PCRE2: names of properties, and \s. (\S in a class stays
 * PCRE2's.) */
static void translate(buf *out, str p)
{
    bool class = false;
    for (size_t i = 0; i < p.n;) {
        bool escape = p.p[i] == '\\' && i + 1 < p.n;
        char c = escape ? p.p[i + 1] : p.p[i];
        size_t n = escape ? 2 : 1, end = SIZE_MAX;
        if (!escape) class = c == '[' || (class && c != ']');
        else if ((c == 'p' || c == 'P') && i + 2 < p.n && p.p[i + 2] == '{')
            end = str_find(p, STR("}"), i);
        if (escape && c == 's') buf_add_str(out, class ? STR(BLANKS) : STR("[" BLANKS "]"));
        else if (escape && c == 'S' && !class) buf_add_str(out, STR("[^" BLANKS "]"));
        else buf_add(out, p.p + i, n);
        i += n;
        if (end == SIZE_MAX) continue;
        buf_add_char(out, '{');
        add_property(out, (str){p.p + i + 1, end - i - 1});
        i = end;
    }
}

static ponder_status compile(pattern *p, str text, unsigned flags, ponder_error *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                       PCRE2_AUTO_CALLOUT;
    if (flags & PATTERN_ECMA)
        options |= PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
                   PCRE2_ALLOW_EMPTY_CLASS;
    else options |= PCRE2_UCP;
    if (flags & PATTERN_WHOLE) options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) return err_set(err, PONDER_ENOMEM, "regular expression: out of memory");
    int code;
    PCRE2_SIZE where;
    pcre2_set_parens_nest_limit(context, NEST_LIMIT);
    if (flags & PATTERN_ECMA) pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
    p->code = pcre2_compile((PCRE2_SPTR)text.p, text.n, options, &code, &where, context);
    pcre2_compile_context_free(context);
    if (p->code) return PONDER_OK;
    char why[128] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    return err_set(err, PONDER_EFORMAT, "regular expression \"%.*s\": %s at byte %zu",
                   STR_ARG(text), why, (size_t)where);
}

ponder_status pattern_open(pattern **out, str text, unsigned flags, ponder_error *err)
{
    *out = NULL;
    if (text.n >= PATTERN_LIMIT)
        return err_set(err, PONDER_ELIMIT, "regular expression has %zu bytes", text.n);
    pattern *p = calloc(1, sizeof *p);
    buf translated = {0};
    if (flags & PATTERN_ECMA) translate(&translated, text);
    ponder_status st;
    if (!p || translated.failed)
        st = err_set(err, PONDER_ENOMEM, "regular expression: out of memory");
    else st = compile(p, translated.n ? buf_str(&translated) : text, flags, err);
    buf_free(&translated);
    if (st == PONDER_OK) *out = p;
    else pattern_close(p);
    return st;
}

void pattern_close(pattern *p)
{
    if (!p) return;
    pcre2_code_free(p->code);
    free(p);
}

typedef struct budget {
    size_t left, at;
} budget;

static int charge(pcre2_callout_block *block, void *arg)
{
    budget *b = arg;
    size_t at = block->current_position, cost = 1 + (at > b->at ? at - b->at : b->at - at);
    b->at = at;
    if (cost > b->left) return PCRE2_ERROR_MATCHLIMIT;
    b->left -= cost;
    return 0;
}

enum pattern_verdict pattern_match(const pattern *p, str subject, size_t *steps)
{
    size_t own;
    if (!size_mul(&own, subject.n, STEPS_PER_BYTE) || !size_add(&own, own, STEPS))
        return PATTERN_GAVE_UP;
    budget b = {.left = steps ? *steps : own};
    int rc = PCRE2_ERROR_NOMEMORY;
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (context && match) {
        pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
        pcre2_set_callout(context, charge, &b);
        rc = pcre2_match(p->code, (PCRE2_SPTR)(subject.p ? subject.p : ""), subject.n, 0, 0, match,
                         context);
    }
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    if (steps) *steps = b.left;
    return rc >= 0 ? PATTERN_YES : rc == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_GAVE_UP;
}
