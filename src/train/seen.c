/* A hash set with open addresses.
 * SPDX-License-Identifier: MIT */
#include "train/seen.h"

#include <stdlib.h>

static uint64_t hash_text(uint64_t h, str s)
{
    for (size_t i = 0; i < s.n; i++) h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3u;
    return (h ^ 0x100) * 0x100000001b3u; /* no byte: where a text ends matters */
}

uint64_t seen_hash(str a, str b)
{
    return hash_text(hash_text(0xcbf29ce484222325u, a), b) | 1;
}

static size_t place_of(const seen *s, uint64_t hash)
{
    size_t at = (size_t)(hash >> 1) & (s->cap - 1);
    while (s->slot[at] && s->slot[at] != hash) at = (at + 1) & (s->cap - 1);
    return at;
}

bool seen_has(const seen *s, uint64_t hash) { return s->cap && s->slot[place_of(s, hash)]; }

static ponder_status grow(seen *s, ponder_error *err)
{
    seen more = {.cap = size_max(1024, 2 * s->cap), .n = s->n};
    more.slot = calloc(more.cap, sizeof *more.slot);
    if (!more.slot) return err_set(err, PONDER_ENOMEM, "no memory for a set of %zu texts", s->n);
    for (size_t i = 0; i < s->cap; i++)
        if (s->slot[i]) more.slot[place_of(&more, s->slot[i])] = s->slot[i];
    free(s->slot);
    *s = more;
    return PONDER_OK;
}

ponder_status seen_add(seen *s, uint64_t hash, ponder_error *err)
{
    if (seen_has(s, hash)) return PONDER_OK;
    if (2 * (s->n + 1) > s->cap) TRY(grow(s, err));
    s->slot[place_of(s, hash)] = hash;
    s->n++;
    return PONDER_OK;
}

void seen_free(seen *s)
{
    free(s->slot);
    *s = (seen){0};
}
