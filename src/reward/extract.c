/* reward: the answer inside a response.
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

bool reward_extract(str *answer, str response, enum reward_form form, const char **reason)
{
    (void)reason;
    *answer = response;
    return form == REWARD_ANSWER;
}
