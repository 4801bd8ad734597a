/* scan: reading an answer or a puzzle piece by piece, for the verifiers of puzzles.
 * SPDX-License-Identifier: MIT
 *
 * Each verifier has a grammar of its own and reads the whole answer with it: what the grammar does
 * not know is not equal. Nothing an answer says is ever evaluated as code. */
#ifndef SCAN_H
#define SCAN_H

#include "reward/reward_int.h"

/* What is left to read. */
typedef struct scan {
    const char *p, *end;
} scan;

enum { SCAN_BYTES = 8192 }; /* longer answers to puzzles are not read */

/* Starts after the wrapping that says nothing: blanks, one pair of $...$ or \(...\), a full stop at
 * the end. False: too long or nothing there. */
bool scan_begin(scan *s, str answer);
/* Skips blanks, the full-width one too. */
void scan_blanks(scan *s);
/* Skips blanks and what stands between the items of a list: , ; ， 、 ； */
void scan_separators(scan *s);
/* Blanks, and then the end? */
bool scan_done(scan *s);
/* Takes exactly these bytes. */
bool scan_take(scan *s, const char *text);
/* Takes the longest of the texts (ends with NULL) that is next; its index or -1. ASCII letters
 * match in either case, and a text that ends with one is taken only where no further letter
 * follows. */
int scan_any(scan *s, const char *const *texts);
/* Takes all following digits as one number of at most `max`; no leading zeros. */
bool scan_number(scan *s, int64_t max, int64_t *out);

/* ---- puzzles --------------------------------------------------------------------------------- */

/* An integer in [min, max]; an array of 1..cap of them, its length or 0; both are false for
 * anything else. */
bool puzzle_int(const json_t *v, int64_t min, int64_t max, int64_t *out);
size_t puzzle_ints(const json_t *v, int64_t min, int64_t max, int64_t *out, size_t cap);
/* Rows of equal length out of the given bytes: how many, or 0. cells[row * side + column]; at most
 * side rows of side columns. */
size_t puzzle_rows(const json_t *v, const char *bytes, size_t side, char *cells, size_t *columns);

/* For `*reason` and false in one expression. */
static inline bool scan_no(const char **reason, const char *why) { return *reason = why, false; }

#endif
