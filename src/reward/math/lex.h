/* lex: the names that the lexer knows, and what they stand for.
 * SPDX-License-Identifier: MIT */
#ifndef REWARD_MATH_LEX_H
#define REWARD_MATH_LEX_H

#include "reward/math/math_int.h"

typedef struct math_name {
    const char *name;
    uint8_t kind, fn; /* of the token */
} math_name;

/* A word of plain notation; NULL: unknown. */
const math_name *math_word(str name);
/* A LaTeX command with a token of its own, its backslash aside; words are commands too. */
const math_name *math_command(str name);
bool math_is_dropped(str name); /* a command of looks alone */
bool math_is_symbol(str name);  /* a command that names a variable */
bool math_is_text(str name);    /* a command around words */

#endif
