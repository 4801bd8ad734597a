/* Merging the bytes of one piece into tokens.
 * SPDX-License-Identifier: MIT
 *
 * Always the lowest-ranked pair, leftmost first (Sennrich et al., "Neural machine translation of
 * rare words with subword units", ACL 2016). Short pieces, nearly all, are merged in an array; long
 * ones with a queue of (rank, position) over a linked list, in O(n log n). In the longest the pairs
 * of the bytes are sorted once, and only those that merging makes go through a heap. An entry is
 * dead when its position no longer begins a pair of that rank; a pair that has gone never comes
 * back, because symbols only grow. */
#include "text/text_int.h"

#include <stdlib.h>

enum { SHORT_PIECE = 48, LONG_PIECE = 2048 };
static const uint32_t NO_RANK = UINT32_MAX, NO_SYMBOL = UINT32_MAX;

static inline uint32_t rank_of(const tokenizer *t, int32_t left, int32_t right)
{
    const merge_slot *m = merge_find(t, left, right);
    return m ? m->rank : NO_RANK;
}

/* The token of byte c after the token `last`; -1 when there is none to add. */
static inline int32_t byte_token(const tokenizer *t, char c, int32_t last)
{
    int32_t id = t->byte_id[(unsigned char)c];
    if (id >= 0) return id;
    return t->fuse_unknown && last == t->unknown ? -1 : t->unknown;
}

/* Returns the number of tokens left in id. */
static size_t merge_short(const tokenizer *t, str s, int32_t *id)
{
    uint32_t rank[SHORT_PIECE];
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int32_t b = byte_token(t, s.p[i], n ? id[n - 1] : -1);
        if (b >= 0) id[n++] = b;
    }
    for (size_t i = 0; i + 1 < n; i++) rank[i] = rank_of(t, id[i], id[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == NO_RANK) break;
        id[best] = merge_find(t, id[best], id[best + 1])->id;
        n--;
        memmove(id + best + 1, id + best + 2, (n - best - 1) * sizeof *id);
        memmove(rank + best, rank + best + 1, (n - best - 1) * sizeof *rank);
        if (best + 1 < n) rank[best] = rank_of(t, id[best], id[best + 1]);
        if (best > 0) rank[best - 1] = rank_of(t, id[best - 1], id[best]);
    }
    return n;
}

/* A 4-ary heap of rank << 32 | position: half the levels, and children share a cache line. */
static void sift_up(uint64_t *h, size_t i)
{
    uint64_t v = h[i];
    for (; i > 0 && h[(i - 1) / 4] > v; i = (i - 1) / 4) h[i] = h[(i - 1) / 4];
    h[i] = v;
}

static void sift_down(uint64_t *h, size_t n, size_t i)
{
    uint64_t v = h[i];
    for (size_t c; (c = 4 * i + 1) < n; i = c) {
        size_t end = size_min(c + 4, n);
        for (size_t k = c + 1; k < end; k++)
            if (h[k] < h[c]) c = k;
        if (h[c] >= v) break;
        h[i] = h[c];
    }
    h[i] = v;
}

static bool room(uint64_t **p, size_t *cap, size_t n)
{
    if (n <= *cap) return true;
    size_t to = size_max(n, *cap + *cap / 2);
    uint64_t *q = realloc(*p, to * sizeof *q);
    if (!q) return false;
    *p = q;
    *cap = to;
    return true;
}

/* Sorts by rank, keeping the order of positions: 11 bits a pass. Ends in v; spare has n entries. */
static void sort_pairs(uint64_t *v, uint64_t *spare, size_t n, uint32_t top)
{
    uint64_t *from = v, *to = spare;
    for (int shift = 32; shift < 64 && top >> (shift - 32); shift += 11) {
        size_t start[2049] = {0};
        for (size_t i = 0; i < n; i++) start[(from[i] >> shift & 2047) + 1]++;
        for (int k = 1; k <= 2048; k++) start[k] += start[k - 1];
        for (size_t i = 0; i < n; i++) to[start[from[i] >> shift & 2047]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != v) memcpy(v, from, n * sizeof *v);
}

/* Sets the rank of the pair at `at` and queues it. */
static bool queue_pair(encoder *e, uint32_t at)
{
    symbol *s = &e->symbol[at];
    s->rank = s->next == NO_SYMBOL ? NO_RANK : rank_of(e->t, s->id, e->symbol[s->next].id);
    if (s->rank == NO_RANK) return true;
    if (!room(&e->heap, &e->heap_cap, e->heap_n + 1)) return false;
    e->heap[e->heap_n] = (uint64_t)s->rank << 32 | at;
    sift_up(e->heap, e->heap_n++);
    return true;
}

/* One symbol a byte, and their pairs in order; false: out of memory. */
static bool lay_out(encoder *e, str s, size_t *pairs)
{
    if (s.n > e->symbol_cap) {
        free(e->symbol);
        e->symbol = malloc(s.n * sizeof *e->symbol);
        e->symbol_cap = e->symbol ? s.n : 0;
    }
    if (!e->symbol || !room(&e->pair, &e->pair_cap, s.n) || !room(&e->heap, &e->heap_cap, s.n))
        return false;
    uint32_t n = 0, top = 0;
    for (size_t i = 0; i < s.n; i++) {
        int32_t b = byte_token(e->t, s.p[i], n ? e->symbol[n - 1].id : -1);
        if (b < 0) continue;
        e->symbol[n] = (symbol){b, n - 1 /* NO_SYMBOL for the first */, n + 1, NO_RANK};
        n++;
    }
    *pairs = e->heap_n = 0;
    if (n == 0) e->symbol[n++].id = -1; /* a dead one: the list is never empty */
    e->symbol[n - 1].next = NO_SYMBOL;
    for (uint32_t i = 0; i + 1 < n; i++) {
        symbol *k = &e->symbol[i];
        k->rank = rank_of(e->t, k->id, k[1].id);
        if (k->rank == NO_RANK) continue;
        e->pair[(*pairs)++] = (uint64_t)k->rank << 32 | i;
        if (k->rank > top) top = k->rank;
    }
    if (*pairs >= LONG_PIECE) {
        sort_pairs(e->pair, e->heap, *pairs, top);
        return true;
    }
    memcpy(e->heap, e->pair, *pairs * sizeof *e->heap); /* too few to pay for the sort's counters */
    e->heap_n = *pairs;
    *pairs = 0;
    for (size_t i = e->heap_n / 4 + 1; i-- > 0;)
        if (i < e->heap_n) sift_down(e->heap, e->heap_n, i);
    return true;
}

static uint64_t pop(encoder *e)
{
    uint64_t first = e->heap[0];
    e->heap[0] = e->heap[--e->heap_n];
    if (e->heap_n) sift_down(e->heap, e->heap_n, 0);
    return first;
}

static ponder_status merge_long(encoder *e, str s)
{
    size_t pairs, taken = 0;
    if (!lay_out(e, s, &pairs)) return err_set(e->err, PONDER_ENOMEM, "encode: out of memory");
    symbol *y = e->symbol;
    while (taken < pairs || e->heap_n) {
        bool sorted = taken < pairs && (!e->heap_n || e->pair[taken] < e->heap[0]);
        uint64_t entry = sorted ? e->pair[taken++] : pop(e);
        uint32_t rank = (uint32_t)(entry >> 32), at = (uint32_t)entry;
        if (y[at].id < 0 || y[at].rank != rank) continue;
        uint32_t gone = y[at].next;
        y[at].id = merge_find(e->t, y[at].id, y[gone].id)->id;
        y[at].next = y[gone].next;
        y[gone].id = -1;
        if (y[at].next != NO_SYMBOL) y[y[at].next].prev = at;
        if (!queue_pair(e, at) || (y[at].prev != NO_SYMBOL && !queue_pair(e, y[at].prev)))
            return err_set(e->err, PONDER_ENOMEM, "encode: out of memory");
    }
    for (uint32_t i = 0; i != NO_SYMBOL; i = y[i].next)
        if (y[i].id >= 0) tokens_add(e->out, y[i].id);
    return PONDER_OK;
}

ponder_status bpe_piece(encoder *e, str s)
{
    const tokenizer *t = e->t;
    int32_t whole = s.n <= t->longest ? vocab_find(t, s.p, s.n) : -1;
    if (whole >= 0) {
        uint8_t known = t->ignore_merges
                            ? WHOLE_YES
                            : atomic_load_explicit(&t->token[whole].whole, memory_order_relaxed);
        if (known == WHOLE_YES) {
            tokens_add(e->out, whole);
            return PONDER_OK;
        }
    }
    if (s.n > SHORT_PIECE) return merge_long(e, s);
    int32_t id[SHORT_PIECE];
    size_t n = merge_short(t, s, id);
    if (whole >= 0)
        atomic_store_explicit(&t->token[whole].whole,
                              n == 1 && id[0] == whole ? WHOLE_YES : WHOLE_NO,
                              memory_order_relaxed);
    for (size_t i = 0; i < n; i++) tokens_add(e->out, id[i]);
    return PONDER_OK;
}
