/* math: the names of LaTeX and of plain notation that the lexer knows.
 * SPDX-License-Identifier: MIT */
#include "reward/math/lex.h"

static const math_name WORDS[] = {
    {"sqrt", TOK_SQRT, 0},
    {"cbrt", TOK_CBRT, 0},
    {"pi", TOK_PI, 0},
    {"infty", TOK_INF, 0},
    {"infinity", TOK_INF, 0},
    {"and", TOK_AND, 0},
    {"or", TOK_OR, 0},
    {"mod", TOK_MOD, 0},
    {"union", TOK_CUP, 0},
    {"percent", '%', 0},
    {"degrees", TOK_DEG, 0},
    {"degree", TOK_DEG, 0},
    {"sin", TOK_FUNC, FN_SIN},
    {"cos", TOK_FUNC, FN_COS},
    {"tan", TOK_FUNC, FN_TAN},
    {"tg", TOK_FUNC, FN_TAN},
    {"cot", TOK_FUNC, FN_COT},
    {"ctg", TOK_FUNC, FN_COT},
    {"sec", TOK_FUNC, FN_SEC},
    {"csc", TOK_FUNC, FN_CSC},
    {"cosec", TOK_FUNC, FN_CSC},
    {"arcsin", TOK_FUNC, FN_ASIN},
    {"asin", TOK_FUNC, FN_ASIN},
    {"arccos", TOK_FUNC, FN_ACOS},
    {"acos", TOK_FUNC, FN_ACOS},
    {"arctan", TOK_FUNC, FN_ATAN},
    {"atan", TOK_FUNC, FN_ATAN},
    {"arctg", TOK_FUNC, FN_ATAN},
    {"arccot", TOK_FUNC, FN_ACOT},
    {"acot", TOK_FUNC, FN_ACOT},
    {"arcsec", TOK_FUNC, FN_ASEC},
    {"arccsc", TOK_FUNC, FN_ACSC},
    {"sinh", TOK_FUNC, FN_SINH},
    {"cosh", TOK_FUNC, FN_COSH},
    {"tanh", TOK_FUNC, FN_TANH},
    {"coth", TOK_FUNC, FN_COTH},
    {"sech", TOK_FUNC, FN_SECH},
    {"csch", TOK_FUNC, FN_CSCH},
    {"arcsinh", TOK_FUNC, FN_ASINH},
    {"asinh", TOK_FUNC, FN_ASINH},
    {"arsinh", TOK_FUNC, FN_ASINH},
    {"arccosh", TOK_FUNC, FN_ACOSH},
    {"acosh", TOK_FUNC, FN_ACOSH},
    {"arctanh", TOK_FUNC, FN_ATANH},
    {"atanh", TOK_FUNC, FN_ATANH},
    {"ln", TOK_FUNC, FN_LN},
    {"log", TOK_FUNC, FN_LOG},
    {"lg", TOK_FUNC, FN_LG},
    {"exp", TOK_FUNC, FN_EXP},
    {"abs", TOK_FUNC, FN_ABS},
    {"floor", TOK_FUNC, FN_FLOOR},
    {"ceil", TOK_FUNC, FN_CEIL},
    {"gcd", TOK_FUNC, FN_GCD},
    {"lcm", TOK_FUNC, FN_LCM},
    {"max", TOK_FUNC, FN_MAX},
    {"min", TOK_FUNC, FN_MIN},
    {"det", TOK_FUNC, FN_DET},
};

/* LaTeX commands whose name is not the plain word. */
static const math_name COMMANDS[] = {
    {"frac", TOK_FRAC, 0},
    {"dfrac", TOK_FRAC, 0},
    {"tfrac", TOK_FRAC, 0},
    {"cfrac", TOK_FRAC, 0},
    {"nicefrac", TOK_FRAC, 0},
    {"sfrac", TOK_FRAC, 0},
    {"surd", TOK_SQRT, 0},
    {"binom", TOK_BINOM, 0},
    {"dbinom", TOK_BINOM, 0},
    {"tbinom", TOK_BINOM, 0},
    {"over", TOK_OVER, 0},
    {"choose", TOK_CHOOSE, 0},
    {"le", TOK_LE, 0},
    {"leq", TOK_LE, 0},
    {"leqslant", TOK_LE, 0},
    {"leqq", TOK_LE, 0},
    {"ge", TOK_GE, 0},
    {"geq", TOK_GE, 0},
    {"geqslant", TOK_GE, 0},
    {"geqq", TOK_GE, 0},
    {"ne", TOK_NE, 0},
    {"neq", TOK_NE, 0},
    {"lt", '<', 0},
    {"gt", '>', 0},
    {"in", TOK_IN, 0},
    {"approx", TOK_APPROX, 0},
    {"equiv", TOK_REL, 0},
    {"sim", TOK_REL, 0},
    {"subset", TOK_REL, 0},
    {"subseteq", TOK_REL, 0},
    {"supset", TOK_REL, 0},
    {"to", TOK_REL, 0},
    {"rightarrow", TOK_REL, 0},
    {"notin", TOK_REL, 0},
    {"Rightarrow", TOK_REL, 0},
    {"implies", TOK_REL, 0},
    {"parallel", TOK_REL, 0},
    {"perp", TOK_REL, 0},
    {"propto", TOK_REL, 0},
    {"cong", TOK_REL, 0},
    {"mapsto", TOK_REL, 0},
    {"iff", TOK_REL, 0},
    {"Leftrightarrow", TOK_REL, 0},
    {"cup", TOK_CUP, 0},
    {"bigcup", TOK_CUP, 0},
    {"cap", TOK_CAP, 0},
    {"setminus", TOK_SETMINUS, 0},
    {"backslash", TOK_SETMINUS, 0},
    {"pm", TOK_PM, 0},
    {"mp", TOK_MP, 0},
    {"lbrace", TOK_SETOPEN, 0},
    {"rbrace", TOK_SETCLOSE, 0},
    {"lfloor", TOK_LFLOOR, 0},
    {"rfloor", TOK_RFLOOR, 0},
    {"lceil", TOK_LCEIL, 0},
    {"rceil", TOK_RCEIL, 0},
    {"times", '*', 0},
    {"cdot", '*', 0},
    {"ast", '*', 0},
    {"div", '/', 0},
    {"mid", '|', 0},
    {"vert", '|', 0},
    {"lvert", '|', 0},
    {"rvert", '|', 0},
    {"colon", ':', 0},
    {"lbrack", '[', 0},
    {"rbrack", ']', 0},
    {"langle", '(', 0},
    {"rangle", ')', 0},
    {"prime", '\'', 0},
    {"pounds", TOK_CURRENCY, 0},
    {"yen", TOK_CURRENCY, 0},
    {"euro", TOK_CURRENCY, 0},
    {"rouble", TOK_CURRENCY, 0},
    {"rupee", TOK_CURRENCY, 0},
    {"sum", TOK_BIG, 0},
    {"prod", TOK_BIG, 0},
    {"int", TOK_BIG, 0},
    {"lim", TOK_BIG, 0},
    {"bmod", TOK_MOD, 0},
    {"pmod", TOK_PMOD, 0},
    {"emptyset", TOK_EMPTY, 0},
    {"varnothing", TOK_EMPTY, 0},
    {"ldots", TOK_DOTS, 0},
    {"cdots", TOK_DOTS, 0},
    {"dots", TOK_DOTS, 0},
    {"dotsc", TOK_DOTS, 0},
    {"vec", TOK_ACCENT, 0},
    {"hat", TOK_ACCENT, 0},
    {"bar", TOK_ACCENT, 0},
    {"overline", TOK_ACCENT, 0},
    {"tilde", TOK_ACCENT, 0},
    {"widehat", TOK_ACCENT, 0},
    {"overrightarrow", TOK_ACCENT, 0},
    {"wp", TOK_VAR, 0},
};

static const char *const DROPPED[] = {
    "left",         "right",     "big",        "Big",   "bigg",    "Bigg",     "bigl",
    "bigr",         "Bigl",      "Bigr",       "biggl", "biggr",   "Biggl",    "Biggr",
    "displaystyle", "textstyle", "quad",       "qquad", "limits",  "nolimits", "thinspace",
    "middle",       "mathbf",    "boldsymbol", "bf",    "rm",      "it",       "mathit",
    "mathsf",       "mathcal",   "boxed",      "fbox",  "enspace", "hfill",    "scriptstyle",
    "mathstrut",    "bm",        "tiny",       "small", "large",   "Large",    "underline",
    "mathop",       "mathrel",   "ensuremath", "sf",    "hline"};

static const char *const SYMBOLS[] = {
    "alpha", "beta",     "gamma", "delta",   "epsilon",  "varepsilon", "zeta", "eta",
    "theta", "vartheta", "iota",  "kappa",   "lambda",   "mu",         "nu",   "xi",
    "rho",   "sigma",    "tau",   "upsilon", "phi",      "varphi",     "chi",  "psi",
    "omega", "Gamma",    "Delta", "Theta",   "Lambda",   "Xi",         "Pi",   "Sigma",
    "Phi",   "Psi",      "Omega", "ell",     "triangle", "angle",      "star", "hbar"};

static const char *const TEXTS[] = {
    "text",   "textbf", "textit", "textrm",     "textsf",      "mathrm",
    "mbox",   "hbox",   "texttt", "textnormal", "operatorname"};

static bool listed(const char *const *list, size_t n, str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, str_of(list[i]))) return true;
    return false;
}

static const math_name *find(const math_name *list, size_t n, str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, str_of(list[i].name))) return &list[i];
    return NULL;
}

const math_name *math_word(str name) { return find(WORDS, COUNT_OF(WORDS), name); }

const math_name *math_command(str name)
{
    const math_name *w = find(COMMANDS, COUNT_OF(COMMANDS), name);
    return w ? w : math_word(name);
}

bool math_is_dropped(str name) { return listed(DROPPED, COUNT_OF(DROPPED), name); }
bool math_is_symbol(str name) { return listed(SYMBOLS, COUNT_OF(SYMBOLS), name); }
bool math_is_text(str name) { return listed(TEXTS, COUNT_OF(TEXTS), name); }
