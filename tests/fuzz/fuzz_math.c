/* Any two texts as mathematical answers, split at the first NUL; the second also as a response.
 * SPDX-License-Identifier: MIT */
#include "reward/reward.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void inside(str part, str whole)
{
    if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *nul = n ? memchr(data, 0, n) : NULL;
    size_t first = nul ? (size_t)(nul - data) : n;
    str gold = {(const char *)data, first};
    str answer = nul ? (str){(const char *)nul + 1, n - first - 1} : gold;
    str found, language, code;
    const char *reason;
    bool equal = math_equal(gold, answer, &reason);
    if (equal != math_equal(gold, answer, NULL) || !reason) abort();
    for (int form = REWARD_ANSWER; form <= REWARD_LENIENT; form++)
        if (reward_extract(&found, answer, (enum reward_form)form, &reason)) inside(found, answer);
    inside(reward_after_thinking(answer), answer);
    if (reward_extract_code(&language, &code, answer))
        inside(code, answer), inside(language, answer);
    return 0;
}
