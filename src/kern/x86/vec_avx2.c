/* Vector kernels, AVX2.
 * SPDX-License-Identifier: MIT */
#include "kern/x86/simd_avx2.h"

#include "kern/x86/vec.h"

void kern_init_vec_avx2(kern *k) { overlay(k); }
