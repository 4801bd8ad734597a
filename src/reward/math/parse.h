/* parse: what the two halves of the parser share. Functions return a node's number, or 0 after a
 * mistake; those that take nodes pass a 0 on.
 * SPDX-License-Identifier: MIT */
#ifndef MATH_PARSE_H
#define MATH_PARSE_H

#include "reward/math/math_int.h"

typedef struct parser {
    math_side *s;
    size_t at;
    int depth, bars; /* open brackets, open absolute values */
    int in_set;      /* where | and : separate a set's members from their condition */
    int i_index;     /* inside a sum over i */
    str currency;    /* a currency sign seen in the current item */
} parser;

static inline token *cur(parser *p) { return &p->s->tok[p->at]; }
static inline token *ahead(parser *p, size_t n)
{
    return &p->s->tok[size_min(p->at + n, p->s->n_tok - 1)];
}
static inline bool is(parser *p, int kind) { return cur(p)->kind == kind; }
static inline bool accept(parser *p, int kind)
{
    if (!is(p, kind)) return false;
    return p->at++, true;
}
static inline bool enter(parser *p) { return ++p->depth <= MATH_DEPTH_MAX; }

/* Nodes; a child belongs to one parent. */
uint32_t node_make(parser *p, int kind);
uint32_t node_add(parser *p, uint32_t parent, uint32_t child);
uint32_t node_make1(parser *p, int kind, uint32_t a);
uint32_t node_make2(parser *p, int kind, uint32_t a, uint32_t b);
uint32_t node_text(parser *p, int kind, str text);
uint32_t node_op(parser *p, int kind, int op, uint32_t a);
/* Adds b to the n-ary sum or product a, or makes one of both when a is something else or `fresh`.
 */
uint32_t node_chain(parser *p, int kind, uint32_t a, uint32_t b, bool fresh);

/* The grammar: see parse.c. */
uint32_t parse_list(parser *p);
uint32_t parse_item(parser *p);
uint32_t parse_sum(parser *p);
uint32_t parse_term(parser *p);
uint32_t parse_factor(parser *p);
uint32_t parse_base(parser *p);
/* An argument without brackets around it where TeX would take one token. */
uint32_t parse_argument(parser *p, bool one_digit);
/* What may open a factor without a sign before it. */
bool parse_opens_factor(parser *p);
/* Digits with the mark of their base behind them. */
uint32_t parse_in_base(parser *p, uint32_t n);

/* Room for n bytes in the pool? Texts point into it: it must stay where it is. */
bool parse_room(parser *p, size_t n);
/* The pool from `start` on. */
str parse_note(parser *p, size_t start);
/* Puts the tokens of an index or a bound into the pool, one after the other. */
bool parse_raw(parser *p);

#endif
