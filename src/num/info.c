/* The table of number formats.
 * SPDX-License-Identifier: MIT */
#include "num/num.h"

#include <ctype.h>

static const struct row {
    num_type type;
    num_info info;
} TYPES[] = {
    {NUM_F32, {"F32", 1, 4}},
    {NUM_F16, {"F16", 1, 2}},
    {NUM_BF16, {"BF16", 1, 2}},
    {NUM_F64, {"F64", 1, 8}},
    {NUM_F8_E4M3, {"F8_E4M3", 1, 1}},
    {NUM_I8, {"I8", 1, 1}},
    {NUM_I16, {"I16", 1, 2}},
    {NUM_I32, {"I32", 1, 4}},
    {NUM_I64, {"I64", 1, 8}},
    {NUM_Q4_0, {"Q4_0", 32, sizeof(num_q4_0)}},
    {NUM_Q4_1, {"Q4_1", 32, sizeof(num_q4_1)}},
    {NUM_Q5_0, {"Q5_0", 32, sizeof(num_q5_0)}},
    {NUM_Q5_1, {"Q5_1", 32, sizeof(num_q5_1)}},
    {NUM_Q8_0, {"Q8_0", 32, sizeof(num_q8_0)}},
    {NUM_Q2_K, {"Q2_K", NUM_QK, sizeof(num_q2_k)}},
    {NUM_Q3_K, {"Q3_K", NUM_QK, sizeof(num_q3_k)}},
    {NUM_Q4_K, {"Q4_K", NUM_QK, sizeof(num_q4_k)}},
    {NUM_Q5_K, {"Q5_K", NUM_QK, sizeof(num_q5_k)}},
    {NUM_Q6_K, {"Q6_K", NUM_QK, sizeof(num_q6_k)}},
    {NUM_IQ1_S, {"IQ1_S", NUM_QK, sizeof(num_iq1_s)}},
    {NUM_IQ1_M, {"IQ1_M", NUM_QK, sizeof(num_iq1_m)}},
    {NUM_IQ2_XXS, {"IQ2_XXS", NUM_QK, sizeof(num_iq2_xxs)}},
    {NUM_IQ2_XS, {"IQ2_XS", NUM_QK, sizeof(num_iq2_xs)}},
    {NUM_IQ2_S, {"IQ2_S", NUM_QK, sizeof(num_iq2_s)}},
    {NUM_IQ3_XXS, {"IQ3_XXS", NUM_QK, sizeof(num_iq3_xxs)}},
    {NUM_IQ3_S, {"IQ3_S", NUM_QK, sizeof(num_iq3_s)}},
    {NUM_IQ4_NL, {"IQ4_NL", 32, sizeof(num_iq4_nl)}},
    {NUM_IQ4_XS, {"IQ4_XS", NUM_QK, sizeof(num_iq4_xs)}},
};

const num_info *num_info_of(num_type t)
{
    for (size_t i = 0; i < COUNT_OF(TYPES); i++)
        if (TYPES[i].type == t) return &TYPES[i].info;
    return NULL;
}

num_type num_type_by_name(str name)
{
    for (size_t i = 0; i < COUNT_OF(TYPES); i++) {
        const char *z = TYPES[i].info.name;
        size_t k = 0;
        while (k < name.n && z[k] && toupper((unsigned char)name.p[k]) == z[k]) k++;
        if (k == name.n && !z[k]) return TYPES[i].type;
    }
    return NUM_NONE;
}

bool num_row_bytes(size_t *bytes, num_type t, size_t n)
{
    const num_info *info = num_info_of(t);
    return info && n % info->block == 0 && size_mul(bytes, n / info->block, info->block_bytes);
}
