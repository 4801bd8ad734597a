/* cells: held-out questions, parted by task, level and language.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_CELLS_H
#define TRAIN_CELLS_H

#include "train/questions.h"

typedef struct question_cell {
    const questions *from; /* borrowed from the list */
    char *task, *name;     /* "countdown", "countdown-2-en"; a name is a file's */
    int level;
    enum task_lang lang;
    uint64_t *number; /* [n] of questions of `from`, all different problems */
    size_t n;
} question_cell;

typedef struct question_source {
    questions *q;
    json_t *list; /* that it was opened with */
} question_source;

typedef struct question_cells {
    question_cell *cell;
    size_t n;
    question_source *source;
    size_t sources;
} question_cells;

/* At most `each` questions a cell, of the test split: from every level of a part, in English unless
 * its "zh" is 1 and in Chinese unless it is 0, the same problems in both; a file's rows by what they
 * say. Levels with few problems give fewer. EFORMAT when two parts give the same cell. Close it in
 * any case. */
ponder_status question_cells_open(question_cells *out, const json_t *data, const char *where,
                                  const char *dir, size_t each, uint64_t seed, ponder_error *err);
void question_cells_close(question_cells *c);

/* `text` as a part of a file's name: what is no letter, digit, '.', '-' or '_' becomes '_'. */
void name_of_file(buf *out, str text);

#endif
