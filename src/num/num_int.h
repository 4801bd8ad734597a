/* num, inside: one block of each format.
 * SPDX-License-Identifier: MIT */
#ifndef NUM_INT_H
#define NUM_INT_H

#include "num/num.h"

/* Decodes one block at `in` (any alignment) into its elements. */
typedef void num_decode_block(float *out, const void *in);
/* Encodes one block's elements into `out` (any alignment). Values that are not finite give some
 * block, never undefined behaviour. */
typedef void num_encode_block(void *out, const float *in);

num_decode_block num_decode_q4_0, num_decode_q4_1, num_decode_q5_0, num_decode_q5_1,
    num_decode_q8_0, num_decode_q2_k, num_decode_q3_k, num_decode_q4_k, num_decode_q5_k,
    num_decode_q6_k, num_decode_iq1_s, num_decode_iq1_m, num_decode_iq2_xxs, num_decode_iq2_xs,
    num_decode_iq2_s, num_decode_iq3_xxs, num_decode_iq3_s, num_decode_iq4_nl, num_decode_iq4_xs;

num_encode_block num_encode_q4_0, num_encode_q4_1, num_encode_q5_0, num_encode_q5_1,
    num_encode_q8_0, num_encode_q2_k, num_encode_q3_k, num_encode_q4_k, num_encode_q5_k,
    num_encode_q6_k, num_encode_iq4_nl;

#endif
