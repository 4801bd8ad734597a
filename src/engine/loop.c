/* Notices that a generation repeats itself word for word.
 * SPDX-License-Identifier: MIT
 *
 * run[p] is the number of newest tokens that each equal the one p places before: the newest
 * run[p] + p tokens have period p. A token costs one comparison per period, so the work is linear.
 * A loop is a stretch that repeats at least three times and is `limit` tokens long: a ruler, a
 * table of zeros, a refrain stay below both; a list whose lines differ in a number has no period at
 * all. */
#include "engine/engine_int.h"

void loop_reset(loop_guard *g) { memset(g, 0, sizeof *g); }

size_t loop_push(loop_guard *g, int32_t id, size_t limit)
{
    size_t found = 0;
    size_t periods = size_min(g->n, LOOP_PERIODS);
    for (size_t p = 1; p <= periods; p++) {
        bool same = g->ring[(g->n - p) % LOOP_PERIODS] == id;
        g->run[p] = same ? g->run[p] + 1 : 0;
        if (!found && g->run[p] >= size_max(limit, 3 * p)) found = p;
    }
    g->ring[g->n++ % LOOP_PERIODS] = id;
    return found;
}
