/* Vector kernels, AVX-512.
 * SPDX-License-Identifier: MIT */
#include "kern/x86/simd_avx512.h"

#include "kern/x86/vec.h"

void kern_init_vec_avx512(kern *k) { overlay(k); }
