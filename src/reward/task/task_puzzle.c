/* task_puzzle: what the families of puzzles share.
 * SPDX-License-Identifier: MIT */
#include "reward/task/task_puzzle.h"

void task_shuffle(task_draw *d, uint8_t *v, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = (int)task_below(d, (uint64_t)i + 1);
        uint8_t swap = v[i];
        v[i] = v[j], v[j] = swap;
    }
}

void task_numbers(buf *out, const int32_t *v, int n)
{
    for (int i = 0; i < n; i++) {
        if (i) buf_add_char(out, ' ');
        task_put(out, v[i]);
    }
}
