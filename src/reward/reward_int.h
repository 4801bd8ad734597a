/* reward_int: the verifiers behind reward_kinds. Each is in kind_NAME.c or task/, says in one line
 * what it accepts, and gives a static reason either way.
 * SPDX-License-Identifier: MIT */
#ifndef REWARD_INT_H
#define REWARD_INT_H

#include "reward/reward.h"

reward_kind_fn kind_math, kind_exact, kind_digits, kind_assignment;
reward_kind_fn kind_countdown, kind_list, kind_boolean, kind_knights, kind_sudoku, kind_path, kind_sat;
reward_kind_fn kind_coloring;

/* The reasons by which the kinds of puzzles say, whatever the answer, that the question is malformed;
 * check_puzzle asks for them. */
extern const char reward_bad_puzzle[], reward_bad_gold[];
reward_check_fn check_puzzle;
reward_kind_fn kind_text, kind_integer, kind_choice, kind_regex, kind_json, kind_format,
    kind_language;
reward_check_fn check_text, check_integer, check_choice, check_regex, check_json, check_format,
    check_language;

/* Appends s in NFKC, but for raised, lowered and circled characters and fractions, its case folded
 * unless `keep_case`, invisible characters dropped, every run of blanks one space, none at the
 * ends. False: s is not UTF-8, or no memory is left. */
bool fold_text(buf *out, str s, bool keep_case);
/* Are two texts the same words by the rules of kind_text? */
bool same_text(str a, str b);

#endif
