/* seen: which texts there were before.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_SEEN_H
#define TRAIN_SEEN_H

#include "base/base.h"

/* A set of hashes; zeroed to begin. Among a million texts two are taken for the same with a chance
 * below one in ten million. */
typedef struct seen {
    uint64_t *slot; /* [cap], a power of two; 0: empty */
    size_t n, cap;
} seen;

/* Of two texts, as FNV-1a; never 0. */
uint64_t seen_hash(str a, str b);
bool seen_has(const seen *s, uint64_t hash);
ponder_status seen_add(seen *s, uint64_t hash, ponder_error *err); /* ENOMEM */
void seen_free(seen *s);

#endif
