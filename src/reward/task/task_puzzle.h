/* task_puzzle: what the families of puzzles share.
 * SPDX-License-Identifier: MIT
 *
 * A flaw in a trace is something misread or a step done wrong; what follows is told as the narrator
 * sees it. Where that leads nowhere the telling ends with the right answer, and the framework takes
 * another place for the flaw. */
#ifndef TASK_PUZZLE_H
#define TASK_PUZZLE_H

#include "reward/task/task_int.h"

void task_shuffle(task_draw *d, uint8_t *v, int n);
/* "3 1 2" */
void task_numbers(buf *out, const int32_t *v, int n);

#endif
