/* Hashes, and a set of them with open addresses.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <stdlib.h>

uint64_t hash_bytes(uint64_t h, str s)
{
    for (size_t i = 0; i < s.n; i++) h = (h ^ (uint8_t)s.p[i]) * 0x100000001B3u;
    return h;
}

uint64_t hash_mix(uint64_t h)
{
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
    return h ^ h >> 33;
}

/* ---- sets ------------------------------------------------------------------------------------ */

static uint64_t not_0(uint64_t h) { return h ? h : 1; }

/* Where h stands or would stand. The low bits of a hash may all be the same (keys of a split). */
static size_t place_of(const hash_set *s, uint64_t h)
{
    size_t at = (size_t)(h ^ h >> 32) & (s->cap - 1);
    while (s->slot[at] && s->slot[at] != h) at = (at + 1) & (s->cap - 1);
    return at;
}

bool hash_set_has(const hash_set *s, uint64_t h)
{
    return s->cap && s->slot[place_of(s, not_0(h))];
}

static ponder_status grow(hash_set *s, ponder_error *err)
{
    hash_set more = {.cap = size_max(1024, 2 * s->cap), .n = s->n};
    more.slot = calloc(more.cap, sizeof *more.slot);
    if (!more.slot) return err_set(err, PONDER_ENOMEM, "no memory for a set of %zu hashes", s->n);
    for (size_t i = 0; i < s->cap; i++)
        if (s->slot[i]) more.slot[place_of(&more, s->slot[i])] = s->slot[i];
    free(s->slot);
    *s = more;
    return PONDER_OK;
}

ponder_status hash_set_add(hash_set *s, uint64_t h, ponder_error *err)
{
    if (hash_set_has(s, h)) return PONDER_OK;
    if (2 * (s->n + 1) > s->cap) TRY(grow(s, err));
    s->slot[place_of(s, not_0(h))] = not_0(h);
    s->n++;
    return PONDER_OK;
}

void hash_set_free(hash_set *s)
{
    free(s->slot);
    *s = (hash_set){0};
}
