/* The table: the reference, overlaid by what the processor offers.
 * SPDX-License-Identifier: MIT */
#include "kern/kern_int.h"

void kern_init(kern *k, unsigned cpu_mask)
{
    *k = (kern){.cpu = cpu_features() & cpu_mask};
    kern_init_mm_ref(k);
    kern_init_vec_ref(k);
    kern_init_attn_ref(k);
    kern_init_limits_ref(k);
#if defined(__x86_64__)
    if (k->cpu & CPU_AVX2) {
        kern_init_act_avx2(k);
        kern_init_mm_avx2(k);
        kern_init_mm_float_avx2(k);
        kern_init_vec_avx2(k);
        kern_init_attn_avx2(k);
        kern_init_limits_avx2(k);
    }
    if (k->cpu & CPU_AVX512) {
        kern_init_act_avx512(k);
        kern_init_mm_f32_avx512(k);
        kern_init_vec_avx512(k);
        kern_init_attn_avx512(k);
    }
    if (k->cpu & CPU_AVX512_VNNI) kern_init_mm_vnni(k);
    if (k->cpu & CPU_AVX512_BF16) {
        kern_init_mm_bf16(k);
        kern_init_attn_bf16(k);
        kern_init_limits_bf16(k);
    }
#endif
    k->mm_e4m3 = k->mm[NUM_BF16];
    k->mm_e4m3.act = KERN_ACT_E4M3;
}

int kern_slot(num_type t)
{
    if (t == NUM_F8_E4M3) return KERN_TYPES - 1;
    return t >= 0 && t < KERN_TYPES - 1 ? (int)t : -1;
}

const kern_mm *kern_mm_of(const kern *k, num_type t)
{
    int slot = kern_slot(t);
    return slot >= 0 && k->mm[slot].mul ? &k->mm[slot] : NULL;
}

size_t kern_act_bytes(enum kern_act act, size_t M, size_t K)
{
    switch (act) {
    case KERN_ACT_F32: return M * K * sizeof(float);
    case KERN_ACT_E4M3:
    case KERN_ACT_BF16: return M * size_round_up(K, 2) * sizeof(uint16_t);
    case KERN_ACT_Q8: return M * (K / 32) * sizeof(kern_q8);
    case KERN_ACT_Q8K: return M * (K / NUM_QK) * sizeof(kern_q8k);
    }
    return 0;
}
