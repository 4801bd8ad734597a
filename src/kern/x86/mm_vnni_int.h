/* Integer matrix products with VNNI, shared by the files that hold the weight formats.
 * SPDX-License-Identifier: MIT
 *
 * A pair of panels (32 rows) is expanded 256 columns at a time into unsigned bytes in L1, whatever the
 * format; then tiles of up to COLUMNS activation rows run over the step. So a format is one function,
 * and one row and many rows take the same path: the integer sums are exact, and the float operations
 * of an output are one fused multiply-add per scale, in order of k. */
#ifndef MM_VNNI_INT_H
#define MM_VNNI_INT_H

#include "kern/kern_int.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    PAIR = 2,        /* panels computed together */
    LANES = PAIR * KERN_ROWS,
    COLUMNS = 6,     /* activation rows of a tile: 12 dot and 12 sum registers of 32 */
    CHUNK = 96,      /* activation rows whose sums stay in L1 */
    STEP = 256       /* columns expanded at a time */
};

typedef float sums[LANES];

/* Masked store of the pair's valid rows. */
INLINE void store_sums(float *y, const float *acc, size_t rows)
{
    if (rows >= LANES) {
        _mm512_storeu_ps(y, _mm512_load_ps(acc));
        _mm512_storeu_ps(y + 16, _mm512_load_ps(acc + 16));
        return;
    }
    uint32_t mask = (1u << rows) - 1;
    _mm512_mask_storeu_ps(y, (__mmask16)mask, _mm512_load_ps(acc));
    _mm512_mask_storeu_ps(y + 16, (__mmask16)(mask >> 16), _mm512_load_ps(acc + 16));
}

INLINE __m512i load_bytes(const void *p) { return _mm512_loadu_si512(p); }

INLINE __m512i broadcast4(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

INLINE __m512 load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

INLINE __m512i and4(__m512i v, int byte) { return _mm512_and_si512(v, _mm512_set1_epi8((char)byte)); }

/* Ahead of where a panel is read: memory latency times bandwidth of one core. */
enum { AHEAD = 4096 };
INLINE void prefetch(const uint8_t *p) { _mm_prefetch((const char *)p + AHEAD, _MM_HINT_T0); }

#endif
