/* math_int: the stages of comparing two mathematical answers.
 * SPDX-License-Identifier: MIT
 *
 *   clean (bytes -> LaTeX in ASCII) -> lex (tokens) -> parse (tree) -> equal (by type)
 *   scalars: rational (exact) -> ball (certified different) -> algebraic bound, Calcium (equal)
 *
 * All work is charged to one counter of steps, so that a verdict depends on its input alone. */
#ifndef MATH_INT_H
#define MATH_INT_H

#include "reward/reward.h"

#include <flint/flint.h>
#include <flint/fmpq.h>

enum {
    MATH_TEXT_MAX = 32 << 10, /* longer answers are compared as text only */
    MATH_DEPTH_MAX = 200,
    MATH_NODES_MAX = 16384,
    MATH_STEPS = 700000,   /* for a pair of answers; about 20 ns each */
    MATH_BITS_MAX = 1 << 16 /* of an exact number */
};

/* Sees to it that FLINT's memory for this thread is freed when the thread ends. */
void math_thread_begin(void);

/* ---- notation -----------------------------------------------------------------------------------
 */

/* Unicode, full width and Chinese punctuation to LaTeX in ASCII; delimiters, bold, boxes and full
 * stops around the whole taken off; $ dropped. Letters of other scripts stay. */
void math_clean(buf *out, str text);
/* `clean` without text and font commands, braces and extra blanks: "\textbf{(C)}" -> "(C)". */
void math_plain(buf *out, str clean);

/* The value of Chinese numerals ("三分之一", "百分之五十" with *percent). False: none. */
bool math_chinese_number(buf *out, str text, size_t *used, bool *percent);

/* The letter of a choice, upper case; 0: the text is none. */
char math_choice(str plain);
/* Words only (folded, without article and end stop)? Numbers, signs and single letters are none. */
bool math_words(buf *folded, str plain);
/* A unit in one spelling: "square centimeters" and "cm^2" are "cm^2". False: this is no unit. */
bool math_unit(buf *out, str text);
bool math_unit_known(str word);

/* ---- tokens -------------------------------------------------------------------------------------
 */

enum tok {
    TOK_END = 0, /* single characters stand for themselves: + - * / ^ _ ( ) [ ] { } | , ; : ! % ' =
                    < > & */
    TOK_NUM = 128,
    TOK_REPEAT,
    TOK_VAR,
    TOK_WORD,
    TOK_FUNC,
    TOK_PI,
    TOK_E,
    TOK_I,
    TOK_INF,
    TOK_FRAC,
    TOK_SQRT,
    TOK_CBRT,
    TOK_BINOM,
    TOK_OVER,
    TOK_CHOOSE,
    TOK_LE,
    TOK_GE,
    TOK_NE,
    TOK_IN,
    TOK_APPROX,
    TOK_REL, /* other relations: name in text */
    TOK_CUP,
    TOK_CAP,
    TOK_SETMINUS,
    TOK_PM,
    TOK_MP,
    TOK_SETOPEN,
    TOK_SETCLOSE,
    TOK_LFLOOR,
    TOK_RFLOOR,
    TOK_LCEIL,
    TOK_RCEIL,
    TOK_BEGIN,
    TOK_ENDENV,
    TOK_ROW,
    TOK_AND,
    TOK_OR,
    TOK_DEG,
    TOK_CURRENCY,
    TOK_BIG,
    TOK_MOD,
    TOK_PMOD,
    TOK_ACCENT,
    TOK_EMPTY,
    TOK_REALS,
    TOK_DOTS,
    TOK_BAD
};

enum math_func {
    FN_SIN,
    FN_COS,
    FN_TAN,
    FN_COT,
    FN_SEC,
    FN_CSC,
    FN_ASIN,
    FN_ACOS,
    FN_ATAN,
    FN_ACOT,
    FN_ASEC,
    FN_ACSC,
    FN_SINH,
    FN_COSH,
    FN_TANH,
    FN_COTH,
    FN_SECH,
    FN_CSCH,
    FN_ASINH,
    FN_ACOSH,
    FN_ATANH,
    FN_LN,
    FN_LOG,
    FN_LG,
    FN_EXP,
    FN_ABS,
    FN_FLOOR,
    FN_CEIL,
    FN_SQRT,
    FN_CBRT,
    FN_GCD,
    FN_LCM,
    FN_MAX,
    FN_MIN,
    FN_DET
};

typedef struct token {
    uint8_t kind, fn;
    bool space;  /* blanks stood before it */
    bool plain;  /* TOK_WORD: letters without a text command around them */
    str text;    /* number: digits with at most one point and exponent; variable: its name; ... */
    str more;    /* TOK_REPEAT: the digits that repeat */
    uint32_t at; /* offset in the cleaned text */
} token;

typedef struct math_side math_side;

/* ---- the tree -----------------------------------------------------------------------------------
 */

enum kind {
    K_NUM,
    K_REPEAT,
    K_VAR,
    K_PI,
    K_E,
    K_I,
    K_INF,
    K_ADD,
    K_MUL,
    K_NEG,
    K_DIV,
    K_POW,
    K_ROOT /* radicand, degree */,
    K_FUNC,
    K_FACT,
    K_BINOM,
    K_PERCENT,
    K_DEG,
    K_PM,
    K_BIG,
    K_APPLY /* f(x) */,
    K_MOD,
    K_BASE,
    K_SCALARS_END,
    K_TUPLE = K_SCALARS_END,
    K_SET,
    K_LIST,
    K_RATIO,
    K_SETOP,
    K_REL,
    K_MATRIX,
    K_REALS,
    K_EMPTY,
    K_BUILDER,
    K_UNIT
};

typedef struct node {
    uint8_t kind;
    uint8_t op;          /* function; relation that stands before this child; set operation; sign */
    uint8_t open, close; /* K_TUPLE: brackets */
    uint8_t rel;         /* the relation between the sibling before and this one */
    uint8_t sep;         /* K_LIST: ',' or TOK_AND or TOK_OR */
    uint32_t n;          /* children; K_MATRIX: all cells */
    uint32_t first, last, next; /* 0: none */
    uint32_t cols;
    str text, more; /* number, name, unit, operator */
    uint64_t hash;  /* 0: not made yet */
} node;

struct math_side {
    buf clean, plain, pool; /* pool: texts of tokens */
    token *tok;
    size_t n_tok;
    node *nodes; /* [0] is "none" */
    uint32_t n_nodes, cap_nodes;
    uint32_t root; /* 0: did not parse */
    bool has_log;  /* \log without a base: the base is 10 or e, as both sides please */
};

bool math_lex(math_side *s);
bool math_parse(math_side *s);

/* A reference to a tree of either side. */
typedef struct ref {
    math_side *s;
    uint32_t at;
} ref;

static inline const node *ref_node(ref r) { return &r.s->nodes[r.at]; }
static inline ref ref_first(ref r) { return (ref){r.s, ref_node(r)->first}; }
static inline ref ref_next(ref r) { return (ref){r.s, ref_node(r)->next}; }
/* Equal for trees that differ in the order of sums and products only. */
uint64_t math_hash(ref r);

/* ---- values -------------------------------------------------------------------------------------
 */

/* A variable bound by a sum or product that is being worked out. */
typedef struct binding {
    uint64_t name;
    slong value;
    const struct binding *up;
} binding;

/* Where expressions are evaluated, and what is left to spend. */
typedef struct math_eval {
    int64_t steps;
    int point;       /* which values variables have */
    bool small;      /* values of few bits, for functions that are not rational */
    bool left_reals; /* an even root or a logarithm of a negative number was taken */
    bool complex;    /* values that are not real are wanted */
    bool in_members; /* signs of plus-minus are chosen */
    bool log10;      /* \log means base 10 */
    uint64_t seed;
    uint32_t pm;        /* signs of plus-minus: bit i */
    uint64_t whole[32]; /* names of variables that need whole values */
    size_t n_whole;
    const binding *bound;
} math_eval;

enum q_status { Q_OK, Q_IRRATIONAL, Q_UNDEFINED, Q_LIMIT };
/* The exact rational value. */
enum q_status math_rational(math_eval *e, fmpq_t out, ref r);
/* A literal such as "12.50e-3"; false when too long. */
bool math_literal(fmpq_t out, str digits);
void math_variable(fmpq_t out, const math_eval *e, uint64_t name);
bool math_spend(math_eval *e, int64_t steps);
/* Free variables of a tree; those in exponents, factorials and the like are put into e->whole. */
bool math_has_variables(math_eval *e, ref r);

enum truth { FALSE_SURE, TRUE_SURE, UNSURE };
/* Is a - b zero, at the current point? *defined: false where a or b has no value. */
enum truth math_zero(math_eval *e, ref a, ref b, bool *defined, bool *real);
/* The same for a*d - b*c: proportions without division. Points of b and d are `point2`. */
enum truth math_proportional(math_eval *e, ref a, ref b, ref c, ref d, int point2, bool *defined);
/* Certified sign of a - b: -1, 0, 1; 2 when not known or not real. */
int math_compare(math_eval *e, ref a, ref b);
/* a = b for all values of their variables. */
bool math_same_scalar(math_eval *e, ref a, ref b);
/* One is a decimal of 8 digits and more that rounds the other, which has no finite decimal. */
bool math_approximates(math_eval *e, ref a, ref b);

/* ---- comparison by type: gold first, then what was answered -------------------------------------
 */

bool math_same(math_eval *e, ref gold, ref answer);
bool math_same_members(math_eval *e, ref gold, ref answer);
bool math_same_relation(math_eval *e, ref gold, ref answer);
/* Both as sets of real numbers: intervals, unions, solved inequalities. */
bool math_same_set(math_eval *e, ref gold, ref answer);
/* The name on the left of "x = 5", "f(x) = ...", "(p,q) = ..."? */
bool math_is_name(ref r);
/* Only equals signs (and approximately equal)? */
bool math_is_equation(ref r);
ref math_last(ref r);
/* Numbers its plus-minus signs from `from`; true when they go together (there is a minus-plus). */
bool math_number_signs(ref r, uint32_t from, uint32_t *n);
/* Sums, multiples and products of matrices become one matrix. False: out of memory or too large. */
bool math_fold_matrices(math_side *s);

#endif
