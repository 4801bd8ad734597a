/* hash: of bytes, for values that are kept, and sets of such hashes.
 * SPDX-License-Identifier: MIT
 *
 * Seeds, splits and identities of runs come from these functions, so they stay as they are; a table
 * in memory may also use str_hash, which is faster. They tell apart and protect nothing. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/base.h"

/* FNV-1a with 64 bits (Fowler, Noll, Vo): of the bytes after those that h is of. */
#define HASH_BEGIN UINT64_C(0xCBF29CE484222325)
uint64_t hash_bytes(uint64_t h, str s);
/* The last steps of MurmurHash3 (Appleby): every bit of h counts in every bit. */
uint64_t hash_mix(uint64_t h);

/* Zeroed to begin; 0 and 1 are one hash to it. Among a million hashes two are the same by accident
 * with a chance below one in ten million. */
typedef struct hash_set {
    uint64_t *slot; /* [cap], a power of two; 0: empty */
    size_t n, cap;
} hash_set;

bool hash_set_has(const hash_set *s, uint64_t h);
ponder_status hash_set_add(hash_set *s, uint64_t h, ponder_error *err); /* ENOMEM */
void hash_set_free(hash_set *s);

#endif
