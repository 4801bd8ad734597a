/* Any bytes as a row to judge, as the frames of a function's results, and as program output. No
 * program is run.
 * SPDX-License-Identifier: MIT */
#include "reward/code/code_int.h"
#include "reward/reward.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char NONCE[] = "0123456789abcdef0123456789abcdef";

/* Everything a judge reads of a row before and after the program runs. */
static void judge_row(str text, str output)
{
    json_t *row;
    code_task t;
    ponder_error err;
    if (json_parse(&row, text, "fuzz", &err) != PONDER_OK) return;
    if (code_task_parse(&t, row, "fuzz", &err) == PONDER_OK && t.cases) {
        buf input = {0};
        enum code_call *calls = calloc(t.total, sizeof *calls);
        code_call_input(&input, &t, NONCE);
        if (calls) code_read_frames(calls, &t, output, NONCE, NULL);
        free(calls);
        buf_free(&input);
    }
    json_decref(row);
}

static void compare(str want, str got)
{
    const char *reason;
    for (int rule = CODE_TOKENS; rule < CODE_SPECIAL; rule++) {
        const code_task t = {.rule = (enum code_rule)rule, .nocase = rule % 2, .tolerance = 1e-6};
        code_same_output(&t, want, got, &reason);
        if (!code_same_output(&t, want, want, &reason)) __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    /* A NUL parts row and output. */
    const char *p = (const char *)data;
    const char *nul = n ? memchr(p, 0, n) : NULL;
    const str first = {p, nul ? (size_t)(nul - p) : n};
    const str second = {p + first.n + (nul != NULL), n - first.n - (nul != NULL)};
    str language, code;
    judge_row(first, second);
    compare(first, second);
    if (reward_extract_code(&language, &code, first) && (code.p < p || code.p + code.n > p + n))
        __builtin_trap();
    return 0;
}
