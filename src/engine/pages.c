/* Who owns which page of keys and values.
 * SPDX-License-Identifier: MIT
 *
 *            pages_take                   pages_drop, last, no name
 *   FREE ------------------> HELD(1..) ------------------------------> FREE
 *                             |     ^
 *      pages_drop, last, named|     | pages_hold (found by name)
 *                             v     |
 *                            CACHED -- pages_take when none is free: the oldest --> HELD
 *
 * Invariants:
 *  P1  A page is in exactly one of three states: free (on the free stack), held (refs > 0), cached
 *      (refs == 0, named, on the list of old ones). So free + held + cached == count.
 *  P2  refs is the number of page-table entries that name the page.
 *  P3  A named page is full and is not written again until it is taken anew. A page that is written
 *      has refs == 1 and no name.
 *  P4  A name stands for the token ids of the page and the name of the page before it (0: none), so
 *      equal names mean equal ids from the start of the sequence on. Names are given once and never
 *      again: a page that outlived its predecessor cannot be found by a stranger's.
 *  P5  Every named page is in the bucket of its (parent, ids) and no two named pages agree in both.
 *
 * Found pages are compared id by id; the hash only finds the bucket. */
#include "engine/engine_int.h"

ponder_status pages_place(page_pool *p, size_t count, arena *a)
{
    *p = (page_pool){.count = (uint32_t)count};
    p->buckets = 1;
    while (p->buckets < count) p->buckets *= 2;
    p->page = arena_new(a, kv_page, count);
    p->free_list = arena_new(a, uint32_t, count);
    p->bucket = arena_new(a, uint32_t, p->buckets);
    return p->page && p->free_list && p->bucket ? PONDER_OK : PONDER_ENOMEM;
}

void pages_reset(page_pool *p)
{
    p->old_first = p->old_last = PAGE_NONE;
    p->n_free = p->count;
    p->n_cached = 0;
    p->names = 0;
    /* Low numbers come out first, so that memory is touched only as far as it is used. */
    for (uint32_t i = 0; i < p->count; i++) p->free_list[i] = p->count - 1 - i;
    for (size_t i = 0; i < p->buckets; i++) p->bucket[i] = PAGE_NONE;
    for (uint32_t i = 0; i < p->count; i++) p->page[i].refs = 0, p->page[i].name = 0;
}

static uint32_t *bucket_of(const page_pool *p, uint64_t parent, const int32_t *ids)
{
    uint64_t h = parent * 0x9E3779B97F4A7C15u + 1;
    for (int i = 0; i < KERN_PAGE; i++) {
        h = (h ^ (uint32_t)ids[i]) * 0xFF51AFD7ED558CCDu;
        h ^= h >> 29;
    }
    return &p->bucket[h & (p->buckets - 1)];
}

static void old_remove(page_pool *p, uint32_t i)
{
    kv_page *g = &p->page[i];
    *(g->older == PAGE_NONE ? &p->old_first : &p->page[g->older].newer) = g->newer;
    *(g->newer == PAGE_NONE ? &p->old_last : &p->page[g->newer].older) = g->older;
    p->n_cached--;
}

static void old_append(page_pool *p, uint32_t i)
{
    kv_page *g = &p->page[i];
    g->older = p->old_last;
    g->newer = PAGE_NONE;
    *(p->old_last == PAGE_NONE ? &p->old_first : &p->page[p->old_last].newer) = i;
    p->old_last = i;
    p->n_cached++;
}

static void forget(page_pool *p, uint32_t i)
{
    kv_page *g = &p->page[i];
    uint32_t *at = bucket_of(p, g->parent, g->ids);
    while (*at != i) at = &p->page[*at].next;
    *at = g->next;
    g->name = 0;
}

uint32_t pages_take(page_pool *p)
{
    uint32_t i;
    if (p->n_free) {
        i = p->free_list[--p->n_free];
    } else {
        i = p->old_first;
        if (i == PAGE_NONE) return PAGE_NONE;
        old_remove(p, i);
        forget(p, i);
    }
    p->page[i].refs = 1;
    return i;
}

void pages_hold(page_pool *p, uint32_t i)
{
    if (p->page[i].refs++ == 0) old_remove(p, i);
}

void pages_drop(page_pool *p, uint32_t i)
{
    if (--p->page[i].refs) return;
    if (p->page[i].name) old_append(p, i);
    else p->free_list[p->n_free++] = i;
}

uint32_t pages_find(const page_pool *p, uint64_t parent, const int32_t *ids)
{
    uint32_t i = *bucket_of(p, parent, ids);
    while (i != PAGE_NONE &&
           (p->page[i].parent != parent || memcmp(p->page[i].ids, ids, sizeof p->page[i].ids) != 0))
        i = p->page[i].next;
    return i;
}

void pages_name(page_pool *p, uint32_t i, uint64_t parent, const int32_t *ids)
{
    kv_page *g = &p->page[i];
    uint32_t *at = bucket_of(p, parent, ids);
    g->name = ++p->names;
    g->parent = parent;
    memcpy(g->ids, ids, sizeof g->ids);
    g->next = *at;
    *at = i;
}
