/* lines: going through JSON lines.
 * SPDX-License-Identifier: MIT */
#ifndef JSON_LINES_H
#define JSON_LINES_H

#include "base/base.h"

/* Begins as {.text = ...}. */
typedef struct json_lines {
    str text;
    size_t at, number; /* number: of the line given last, from 1 */
} json_lines;

/* The next line that is not blank, without blanks at its end; false: there is none. */
bool json_lines_next(json_lines *l, str *line);

#endif
