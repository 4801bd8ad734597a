/* pattern: regular expressions over PCRE2, with a budget. A pattern is immutable after opening and
 * may be used by several threads at once.
 * SPDX-License-Identifier: MIT */
#ifndef PATTERN_H
#define PATTERN_H

#include "base/base.h"

enum pattern_flag {
    PATTERN_WHOLE = 1, /* must match the whole subject; else it is looked for inside */
    PATTERN_ECMA = 2   /* read as ECMA-262 does: ASCII \d and \w, \u escapes; else Perl, Unicode */
};
enum pattern_verdict { PATTERN_NO, PATTERN_YES, PATTERN_GAVE_UP };

typedef struct pattern pattern;

/* EFORMAT with PCRE2's reason and the byte, ELIMIT for a pattern of 64 KiB and more. */
ponder_status pattern_open(pattern **out, str text, unsigned flags, ponder_error *err);
void pattern_close(pattern *p);
/* Bytes of the subject that are not UTF-8 match nothing. Gives up when the steps are used up: *steps
 * is what may be spent and then what is left; with NULL it is a number that grows linearly with the
 * subject, as the time then does. */
enum pattern_verdict pattern_match(const pattern *p, str subject, size_t *steps);

#endif
