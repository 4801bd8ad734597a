/* math: are two answers the same?
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

bool math_equal(str gold, str prediction, const char **reason)
{
    if (reason) *reason = "text";
    return str_eq(gold, prediction);
}
