/* reward: the answer inside a response.
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

bool reward_extract(str *answer, str response, enum reward_form form, const char **reason)
{
    (void)reason;
    *answer = response;
    return form == REWARD_ANSWER;
}

str reward_after_thinking(str response)
{
    const str close = STR("</think>");
    str rest = response;
    for (size_t at; (at = str_find(rest, close, 0)) != SIZE_MAX;)
        rest = (str){rest.p + at + close.n, rest.n - at - close.n};
    /* Thought that never ends is no answer. */
    return str_find(rest, STR("<think>"), 0) == SIZE_MAX ? rest : (str){rest.p + rest.n, 0};
}
