/* Any bytes as a question and an answer: kind index, gold, puzzle and answer, set apart by bytes 0;
 * and the answer alone through every term.
 * SPDX-License-Identifier: MIT */
#include "reward/reward.h"
#include "reward/terms.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static str next(str *rest)
{
    const char *end = rest->n ? memchr(rest->p, 0, rest->n) : NULL;
    str s = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    *rest = end ? (str){end + 1, rest->n - s.n - 1} : (str){rest->p + rest->n, 0};
    return s;
}

static void judge(const char *kind, str gold, const json_t *puzzle, str answer)
{
    ponder_error err;
    reward_verdict v, again;
    reward_question q = {str_of(kind), gold, puzzle};
    if (reward_verify(&v, &q, answer, REWARD_ANSWER, &err) != PONDER_OK) return;
    if (!v.reason) abort();
    reward_verify(&again, &q, answer, REWARD_ANSWER, &err);
    if (again.equal != v.equal) abort();
}

static void terms(str answer)
{
    static const char *const LANGUAGE[] = {"en", "zh", "ja", "fr"};
    for (size_t i = 0; i < COUNT_OF(LANGUAGE); i++) {
        reward_words w = reward_language(answer, str_of(LANGUAGE[i]));
        if (!(w.share >= 0 && w.share <= 1)) abort();
    }
    for (int k = 0; k < 4; k++) {
        double f = reward_format(answer, (enum reward_layout)(k / 2), k & 1);
        if (f != 0 && f != 1) abort();
    }
    size_t n = answer.n;
    int32_t *ids = malloc((n ? n : 1) * sizeof *ids);
    double out;
    reward_loop loop;
    if (!ids) return;
    for (size_t i = 0; i < n; i++) ids[i] = answer.p[i];
    for (int gram = 1; gram < 65; gram += 21)
        if (reward_repetition(&out, ids, n, gram, NULL) == PONDER_OK && !(out >= 0 && out < 1))
            abort();
    if (reward_find_loop(&loop, ids, n, 2, 4, NULL) == PONDER_OK)
        for (size_t i = n - loop.tokens; i + loop.period < n && loop.tokens; i++)
            if (ids[i] != ids[i + loop.period]) abort();
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const KIND[] = {"text", "integer", "choice",  "regex",
                                       "json", "format",  "language"};
    if (n == 0) return 0;
    const char *kind = KIND[data[0] % COUNT_OF(KIND)];
    str rest = {(const char *)data + 1, n - 1};
    str gold = next(&rest), puzzle = next(&rest);
    json_t *p = NULL;
    if (puzzle.n && json_parse(&p, puzzle, "puzzle", NULL) != PONDER_OK) return 0;
    judge(kind, gold, p, rest);
    judge(kind, gold, p, gold);
    json_decref(p);
    terms(rest);
    return 0;
}
