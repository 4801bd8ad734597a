/* Attention, AVX-512 with float arithmetic.
 * SPDX-License-Identifier: MIT */
#include "kern/x86/simd_avx512.h"

enum { TILE_ROWS = 6, WIDE = 4, HALF = 2, NARROW = 1 }; /* 24 sums, 4 vectors of b, 1 of a: 29 registers */

#include "kern/x86/attn_f32.h"
#include "kern/x86/attn_store.h"

void kern_init_attn_avx512(kern *k) { overlay(k); }
