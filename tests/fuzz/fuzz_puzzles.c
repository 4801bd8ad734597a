/* Three lines and the rest as a kind, a puzzle, a known answer, and an answer to judge.
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static str take_line(str *rest)
{
    size_t end = str_find(*rest, STR("\n"), 0);
    str line = {rest->p, end == SIZE_MAX ? rest->n : end};
    size_t used = end == SIZE_MAX ? rest->n : end + 1;
    *rest = (str){rest->p + used, rest->n - used};
    return line;
}

static void judge(const reward_question *q, str answer)
{
    ponder_error err;
    reward_verdict v, again;
    ponder_status st = reward_verify(&v, q, answer, REWARD_ANSWER, &err);
    if (st != reward_verify(&again, q, answer, REWARD_ANSWER, &err)) abort();
    if (st != PONDER_OK && st != PONDER_EFORMAT) abort();
    if (st == PONDER_OK && (!v.reason || v.equal != again.equal || v.reason != again.reason))
        abort();
    if (st != PONDER_OK && v.equal) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ponder_error err;
    str answer = {(const char *)data, n};
    reward_question q = {.kind = take_line(&answer)};
    const reward_kind *k = reward_kind_find(q.kind);
    if (!k || k->check != check_puzzle) return 0; /* other kinds have targets of their own */
    str puzzle = take_line(&answer);
    json_t *parsed = NULL;
    q.gold = take_line(&answer);
    if (json_parse(&parsed, puzzle, "puzzle", &err) == PONDER_OK) q.puzzle = parsed;
    judge(&q, answer);
    q.puzzle = NULL;
    judge(&q, answer);
    judge(&q, q.gold);
    json_decref(parsed);
    return 0;
}
