/* reflection: how often a thinking looks back at itself. DeepSeek-R1-Zero's growing use of such
 * words is its sign of emergence (arXiv 2501.12948, section 2.2.4); verification and backtracking
 * are two of the behaviours that Gandhi et al. name (arXiv 2503.01307).
 * SPDX-License-Identifier: MIT */
#ifndef REFLECTION_H
#define REFLECTION_H

#include "base/base.h"

typedef struct reward_reflection {
    size_t verification; /* places where a result is checked */
    size_t backtracking; /* places where a step is taken back */
} reward_reflection;

/* Counts words and phrases of the lists in docs/rewards.md, English ones in any case and as whole
 * words, Chinese ones anywhere; of several that begin at one place the longest counts. Besides, as
 * the traces of `ponder task` have it: a line that ends in " no", and each way back in a walk
 * ("at most 7: 32 33 x ..."). */
reward_reflection reward_reflect(str thinking);

#endif
