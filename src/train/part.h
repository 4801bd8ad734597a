/* part: rows that are written over hours and must survive a kill at any moment.
 * SPDX-License-Identifier: MIT
 *
 * A file of lines, each with a letter that says where it belongs. Rows are added in chunks; a line
 * that begins with PART_STATE ends a chunk, and holds what is needed to go on after it. It is
 * written when all rows before it are on the disk, so what stands after the last such line is
 * of a chunk that was cut off, and is taken away. */
#ifndef TRAIN_PART_H
#define TRAIN_PART_H

#include "base/base.h"

enum { PART_STATE = '=' };

typedef struct part {
    int fd; /* -1: closed */
    char *path;
    buf rows; /* of the chunk that is being made */
} part;

/* A row that is there already, without letter and end of line. */
typedef ponder_status part_row_fn(void *user, char letter, str row, ponder_error *err);

/* Goes on with a file, or begins one. `state` gets that of the last whole chunk, and is empty when
 * there is none; `row` (NULL: nothing) is called for every row up to there. EIO. */
ponder_status part_open(part *p, const char *path, buf *state, part_row_fn *row, void *user,
                        ponder_error *err);
void part_close(part *p);
/* A row without ends of lines in it. */
void part_add(part *p, char letter, str row);
/* Ends a chunk; it is on the disk when this returns. */
ponder_status part_commit(part *p, str state, ponder_error *err);
/* All rows of a letter as a file that is there complete or not at all. */
ponder_status part_copy(const part *p, char letter, const char *path, ponder_error *err);

#endif
