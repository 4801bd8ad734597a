/* child: a program of the user's own that stays running and answers lines with lines.
 * SPDX-License-Identifier: MIT
 *
 * It is trusted: it has the user's rights, files and environment, and runs in a process group of its
 * own, so that Ctrl-C does not reach it and whatever it starts can be ended with it. Its input ends
 * when this process does. */
#ifndef SANDBOX_CHILD_H
#define SANDBOX_CHILD_H

#include "base/base.h"

#include <sys/types.h>

enum {
    CHILD_LINE = 64 << 10,   /* bytes of a line at most */
    CHILD_COMPLAINT = 4 << 10 /* last bytes of stderr that are kept */
};

typedef struct child {
    pid_t pid; /* 0: none */
    int in, out, err;
    buf lines;     /* what it answered last: whole lines */
    buf complaint; /* what it wrote last on stderr */
} child;

/* argv is NULL-terminated; argv[0] is looked for in PATH when it has no slash, else relative to dir,
 * where the program runs (NULL or empty: where we are). ENOTFOUND when it cannot be started. */
ponder_status child_open(child *c, const char *const *argv, const char *dir, ponder_error *err);
/* Ends its input, gives it a moment, and kills what is left of its group. */
void child_close(child *c);

enum child_end {
    CHILD_ANSWERED, /* as many lines as were asked for, and nothing after them */
    CHILD_ENDED,    /* it is gone, or closed its output; status says how it ended */
    CHILD_SILENT,   /* no line in time */
    CHILD_MORE,     /* more lines than asked for, or one before it was asked */
    CHILD_LONG      /* a line of more than CHILD_LINE bytes */
};

typedef struct child_report {
    enum child_end end;
    size_t lines; /* whole ones in c->lines */
    int status;   /* of CHILD_ENDED: as waitpid has it; -1: it closed its output and goes on */
} child_report;

/* Writes `input` and reads until there are `want` lines (with their line feeds, in c->lines), both at
 * once, so that neither side waits for the other. timeout_ms may pass between a line and the next.
 * What the program does is a report, never an error: EIO when the system refuses, ENOMEM. */
ponder_status child_ask(child *c, str input, size_t want, uint64_t timeout_ms, child_report *r,
                        ponder_error *err);

#endif
