/* Names: what is a sound one, and finding an item by it.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "fmt/fmt_int.h"

#include <stdlib.h>

/* At most half the slots are used, so honest names never come near this many steps; names made to
 * collide are refused instead of taking quadratic time. */
enum { MAX_STEPS = 256 };

/* The weak low bits are mixed by a multiply and shift. */
static uint32_t hash_of(str s)
{
    uint64_t h = hash_bytes(HASH_BEGIN, s);
    h = (h ^ h >> 32) * 0x9E3779B97F4A7C15;
    return (uint32_t)(h >> 32);
}

static str name_at(const fmt_index *x, size_t item)
{
    str name;
    memcpy(&name, x->items + item * x->stride, sizeof name);
    return name;
}

ponder_status fmt_index_build(fmt_index *x, const void *items, size_t n, size_t stride,
                              const char *path, const char *what, ponder_error *err)
{
    size_t slots = 16;
    while (slots < 2 * n) slots *= 2;
    *x = (fmt_index){.slot = calloc(slots, sizeof *x->slot),
                     .mask = slots - 1,
                     .items = items,
                     .stride = stride};
    if (!x->slot) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < n; i++) {
        str name = name_at(x, i);
        uint32_t hash = hash_of(name);
        size_t at = hash & x->mask;
        for (int step = 0; x->slot[at].item; at = (at + 1) & x->mask) {
            if (x->slot[at].hash == hash && str_eq(name_at(x, x->slot[at].item - 1), name))
                return err_set(err, PONDER_EFORMAT, "%s: two %s are named \"%.*s\"", path, what,
                               STR_ARG(name));
            if (++step == MAX_STEPS)
                return err_set(err, PONDER_EFORMAT, "%s: the names of its %s were made to collide",
                               path, what);
        }
        x->slot[at].hash = hash;
        x->slot[at].item = (uint32_t)i + 1;
    }
    return PONDER_OK;
}

size_t fmt_index_find(const fmt_index *x, str name)
{
    if (!x->slot) return SIZE_MAX;
    uint32_t hash = hash_of(name);
    for (size_t at = hash & x->mask; x->slot[at].item; at = (at + 1) & x->mask)
        if (x->slot[at].hash == hash && str_eq(name_at(x, x->slot[at].item - 1), name))
            return x->slot[at].item - 1;
    return SIZE_MAX;
}

void fmt_index_free(fmt_index *x)
{
    free(x->slot);
    *x = (fmt_index){0};
}

bool fmt_name_ok(str name, size_t limit)
{
    if (name.n == 0 || name.n > limit) return false;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7F) return false;
    return true;
}
