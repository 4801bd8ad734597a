/* code: is a program right? Compiles it, runs it on tests in the sandbox, compares what came out.
 * SPDX-License-Identifier: MIT
 *
 * Expected outputs stay in the judge's memory: no file, argument or descriptor that the program can
 * reach holds them, and comparison happens when the program is gone. docs/sandbox.md tells the rules.
 * A judge may be used from several threads at once. */
#ifndef CODE_H
#define CODE_H

#include "base/base.h"
#include "json/json.h"
#include "sandbox/sandbox.h"

enum code_verdict {
    CODE_AC,  /* accepted */
    CODE_WA,  /* wrong answer */
    CODE_TLE, /* time limit */
    CODE_MLE, /* memory limit */
    CODE_RE,  /* run-time error: a signal, an exception, an exit status other than 0 */
    CODE_CE,  /* does not compile, or there is no code */
    CODE_OLE  /* output limit */
};
const char *code_verdict_name(enum code_verdict v); /* "AC" */

typedef struct code_judge code_judge;

typedef struct code_options {
    sandbox_options box;
    int repeat;         /* runs of each test, all of which must pass, 1..10; 0: once */
    bool stop_at_first; /* tests after the first failure are not run and count as failed */
} code_options;

/* Forks the sandbox's keeper: open early. Errors are those of sandbox_open. */
ponder_status code_open(code_judge **out, const code_options *o, ponder_error *err);
void code_close(code_judge *j);
enum sandbox_level code_level(const code_judge *j);

typedef struct code_result {
    enum code_verdict verdict; /* of the first test that fails */
    size_t passed, total;
    uint64_t time_ms, memory_kb; /* the most that a test took; processor time */
    buf message;                 /* why, for people; may be empty */
} code_result;

/* Judges one row:
 *   {"language": "c"|"cpp"|"python", "code": TEXT, or "prediction": a whole response whose last fenced
 *    block after the thinking is the code (its word names the language if "language" is absent),
 *    "tests": [{"input", "output"}], "checker": "tokens"|"lines"|"exact"|"float"|"unordered"|"special",
 *    "nocase": BOOL, "float_tolerance": X, "checker_code": a C program for "special",
 *    or "entry_point": NAME and "cases": [{"args", "expect"}] (python),
 *    "time_limit_ms": N, "memory_limit_mb": N}
 * `name` ("line 3") is for messages. EFORMAT for a malformed row, ENOTFOUND for a compiler or
 * interpreter that is not installed; what is wrong with the program is a verdict. */
ponder_status code_verify_row(code_judge *j, code_result *out, const json_t *row, const char *name,
                              ponder_error *err);
/* {"equal", "verdict", "tests_passed", "tests_total", "time_ms", "memory_kb", "message"?, "sandbox"} */
void code_result_write(buf *out, const code_result *r, enum sandbox_level level);
void code_result_free(code_result *r);

#endif
