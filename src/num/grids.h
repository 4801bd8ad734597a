/* The code books of the IQ formats. Facts of the format that no formula reproduces.
 * SPDX-License-Identifier: MIT */
#ifndef NUM_GRIDS_H
#define NUM_GRIDS_H

#include <stdint.h>

/* One entry stands for 8 (iq1, iq2) or 4 (iq3) neighbouring elements, the first in the lowest byte:
 * magnitudes 8, 25, 43 (iq2), 4 ... 62 (iq3_xxs), 1, 3 ... 15 (iq3_s); signed -1, 0, 1 (iq1). */
extern const uint64_t num_grid_iq1[2048];
extern const uint64_t num_grid_iq2_xxs[256];
extern const uint64_t num_grid_iq2_xs[512];
extern const uint64_t num_grid_iq2_s[1024];
extern const uint32_t num_grid_iq3_xxs[256];
extern const uint32_t num_grid_iq3_s[512];

/* What the sixteen codes of IQ4_NL and IQ4_XS stand for. */
extern const int8_t num_grid_iq4[16];

/* The signs of eight elements from their 7-bit code, bit set = minus: the eighth makes the number of
 * minus signs even. */
static inline uint8_t num_grid_signs(unsigned code)
{
    unsigned odd = code ^ code >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return (uint8_t)(code | (odd & 1) << 7);
}

#endif
