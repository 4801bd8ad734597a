/* Attention, AVX2.
 * SPDX-License-Identifier: MIT */
#include "kern/x86/simd_avx2.h"

enum { TILE_ROWS = 6, WIDE = 2, HALF = 2, NARROW = 2 }; /* 12 sums, 2 vectors of b, 1 of a: 15 registers */

#include "kern/x86/attn_f32.h"
#include "kern/x86/attn_store.h"

void kern_init_attn_avx2(kern *k) { overlay(k); }
