/* What a program that judges answers may print.
 * SPDX-License-Identifier: MIT */
#include "train/terms_int.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    float r = 0;
    if (term_read_reward(&r, (str){(const char *)data, n}, 0) && !(fabsf(r) <= TERM_REWARD_MAX)) abort();
    return 0;
}
