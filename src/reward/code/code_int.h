/* code_int: a row taken apart, the rules of comparison, building, and the frames of function calls.
 * SPDX-License-Identifier: MIT */
#ifndef CODE_INT_H
#define CODE_INT_H

#include "reward/code/code.h"

enum code_language { CODE_C, CODE_CPP, CODE_PYTHON };
enum code_rule { CODE_TOKENS, CODE_LINES, CODE_EXACT, CODE_FLOAT, CODE_UNORDERED, CODE_SPECIAL };

enum {
    CODE_TESTS_MOST = 10000,
    CODE_SOURCE_MOST = 4 << 20,
    CODE_CASES_MOST = 64 << 20 /* bytes of all arguments of a row */
};

/* ---- rows --------------------------------------------------------------------------------------- */

/* Strings and values are borrowed from the row. */
typedef struct code_task {
    enum code_language language;
    str code;              /* empty: the prediction has none */
    const json_t *tests;   /* array of {"input", "output"}, or NULL */
    str entry;             /* name of a function, or empty */
    const json_t *cases;   /* array of {"args", "expect"}, or NULL */
    enum code_rule rule;
    bool nocase;
    double tolerance;
    str checker;           /* C source for CODE_SPECIAL */
    int64_t time_ms, memory_mb;
    size_t total;          /* tests or cases */
} code_task;

ponder_status code_task_parse(code_task *out, const json_t *row, const char *name, ponder_error *err);

/* ---- comparison --------------------------------------------------------------------------------- */

/* Not for CODE_SPECIAL. *reason is static text. */
bool code_same_output(const code_task *t, str want, str got, const char **reason);
/* JSON values as Python's == sees them, tuples being lists: numbers by value, within the tolerance
 * (absolute or relative) if it is not 0. */
bool code_same_value(const json_t *want, const json_t *got, double tolerance);

/* ---- function calls ----------------------------------------------------------------------------- */

enum { CODE_NONCE = 32 };

extern const char CODE_HARNESS[]; /* Python source of the program that calls the function */

/* What the harness reads: nonce, entry point, then one line of arguments per case. */
void code_call_input(buf *out, const code_task *t, const char nonce[CODE_NONCE + 1]);

enum code_call { CALL_MISSING, CALL_SAME, CALL_OTHER, CALL_RAISED, CALL_MEMORY };

/* Reads the harness's frames, results[0..t->total). False: bytes that are no frame, so that whoever
 * wrote them was not the harness; what comes after is ignored. `raised` (may be NULL) gets the first
 * explanation: of an exception, or of a value that JSON has no form for. */
bool code_read_frames(enum code_call *results, const code_task *t, str frames,
                      const char nonce[CODE_NONCE + 1], buf *raised);

/* ---- building ----------------------------------------------------------------------------------- */

/* A program ready to run; shared, counted. */
typedef struct code_program {
    uint8_t key[32];
    int refs;
    uint64_t used; /* when last, by the cache's clock */
    bool built;
    buf bytes;     /* the executable, or why there is none */
} code_program;

typedef struct code_cache code_cache;
ponder_status code_cache_open(code_cache **out, ponder_error *err);
void code_cache_close(code_cache *c);
void code_program_release(code_cache *c, code_program *p);

/* Compiles C or C++ in the sandbox, or finds it compiled. ENOTFOUND without a compiler. */
ponder_status code_build(code_cache *c, sandbox *box, enum code_language language, str source,
                         code_program **out, ponder_error *err);
/* The interpreter's path; ENOTFOUND if there is none. */
ponder_status code_python(const char **out, ponder_error *err);

#endif
