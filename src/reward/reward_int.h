/* reward_int: the verifiers behind reward_kinds. Each is in kind_NAME.c or task/, says in one line
 * what it accepts, and gives a static reason either way.
 * SPDX-License-Identifier: MIT */
#ifndef REWARD_INT_H
#define REWARD_INT_H

#include "reward/reward.h"

reward_kind_fn kind_math, kind_exact, kind_digits, kind_assignment;
reward_kind_fn kind_countdown, kind_list, kind_boolean, kind_knights, kind_sudoku, kind_path, kind_sat;
reward_kind_fn kind_coloring;

/* The reason by which a kind says that the puzzle is malformed, whatever the answer. */
extern const char reward_bad_puzzle[];

#endif
