/* kern, inside: who fills the table.
 * SPDX-License-Identifier: MIT */
#ifndef KERN_INT_H
#define KERN_INT_H

#include "kern/kern.h"

/* A body that its callers complete by constant arguments. */
#define KERN_INLINE static inline __attribute__((always_inline))

/* Twelve rows of activations are addressed as three pointers and multiples of the distance between rows. Left
 * alone, compilers keep an address for each row, more than there are registers, and spill them in the
 * innermost loop (8 % of a product); a pointer whose value they cannot know stays one. */
#define KERN_OPAQUE(p) __asm__("" : "+r"(p))

/* Where the operands of a pair of panels stand: of w, units `step` bytes apart; of x, rows ldx numbers apart, or
 * where x is columns, those. */
typedef struct kern_operands {
    const uint8_t *w0, *w1;
    const void *x;
    size_t step, ldx;
} kern_operands;

/* Each overlays its family's entries; the reference goes first and fills everything. */
void kern_init_mm_ref(kern *k);
float kern_max_abs_ref(const float *x, size_t n);
void kern_round_e4m3_ref(float *y, const float *x, size_t n, float top);
void kern_init_vec_ref(kern *k);
void kern_init_attn_ref(kern *k);
void kern_init_limits_ref(kern *k);

void kern_init_act_avx2(kern *k);
void kern_init_mm_avx2(kern *k);
void kern_init_mm_float_avx2(kern *k);
void kern_init_act_avx512(kern *k);
void kern_init_mm_f32_avx512(kern *k);
void kern_init_mm_vnni(kern *k);
void kern_init_mm_bf16(kern *k);
void kern_init_limits_avx2(kern *k);
void kern_init_limits_bf16(kern *k);
void kern_init_vec_avx2(kern *k);
void kern_init_vec_avx512(kern *k);
void kern_init_attn_avx2(kern *k);
void kern_init_attn_avx512(kern *k);
void kern_init_attn_bf16(kern *k);

#endif
