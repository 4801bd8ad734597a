/* Right answers by task and level.
 * SPDX-License-Identifier: MIT */
#include "train/levels.h"

#include <stdlib.h>

static level_count *find(level_counts *c, const char *task, int level)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->at[i].level == level && !strcmp(c->at[i].task, task)) return &c->at[i];
    if (c->n == LEVELS_MAX) return NULL;
    c->at[c->n] = (level_count){.task = task, .level = level};
    return &c->at[c->n++];
}

void level_counts_add(level_counts *c, const answers *a, size_t n)
{
    for (size_t q = 0; q < n; q++) {
        level_count *k = find(c, a->asked[q].task, a->asked[q].level);
        for (size_t i = 0; i < a->o.group && k && question_known(&a->asked[q]); i++) {
            k->answers++;
            k->right += a->of[q * a->o.group + i].right;
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const level_count *x = a, *y = b;
    int order = strcmp(x->task, y->task);
    return order ? order : (x->level > y->level) - (x->level < y->level);
}

void level_counts_put(level_counts *c, metrics *m, const char *prefix)
{
    qsort(c->at, c->n, sizeof *c->at, by_name);
    for (size_t i = 0; i < c->n; i++) {
        const level_count *k = &c->at[i];
        if (!k->answers) continue; /* no known answers */
        buf name = {0};
        buf_printf(&name, "%s/%s", prefix, k->task);
        if (k->level) buf_printf(&name, "-%d", k->level);
        if (!name.failed) metrics_put(m, name.p, (double)k->right / (double)k->answers);
        else m->line.failed = true;
        buf_free(&name);
    }
}
