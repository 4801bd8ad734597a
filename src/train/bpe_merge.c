/* Finding merges: always the most frequent pair.
 * SPDX-License-Identifier: MIT
 *
 * Counts of pairs are kept up to date word by word. A queue holds (count, pair) as of when it was
 * put there; between two merges counts of old pairs only fall, so an entry that is too high is put
 * back with what is true now, and one that is right is the greatest. */
#include "train/bpe_int.h"

#include <stdlib.h>

typedef struct pair {
    int32_t left, right;
    uint64_t count;
    uint32_t *where; /* words that have or had it; may repeat */
    size_t n, cap;
    size_t stamp; /* the merge that last made it, from 1 */
} pair;

typedef struct entry {
    uint64_t count;
    uint32_t pair;
} entry;

typedef struct merger {
    bpe_trainer *t;
    int32_t *symbol;
    pair *pair;
    size_t pairs, pairs_cap;
    uint32_t *slot; /* index + 1 */
    size_t mask;
    entry *heap;
    size_t heaped, heap_cap;
    uint32_t *fresh; /* pairs that the merge under way has made */
    size_t n_fresh, fresh_cap;
    size_t stamp;
    bool failed;
} merger;

/* ---- tokens ---------------------------------------------------------------------------------- */

int32_t bpe_token_of(bpe_trainer *t, int32_t left, int32_t right)
{
    if (!bpe_grow((void **)&t->token, t->tokens, &t->tokens_cap, sizeof *t->token)) return -1;
    size_t at = t->token_text.n;
    if (left < 0) {
        buf_add_char(&t->token_text, (char)right);
    } else {
        bpe_token a = t->token[left], b = t->token[right];
        if (!buf_reserve(&t->token_text, a.n + b.n)) return -1;
        buf_add(&t->token_text, t->token_text.p + a.at, a.n);
        buf_add(&t->token_text, t->token_text.p + b.at, b.n);
        /* Two ways to the same bytes are one token. Rare: the last symbols decide quickly. */
        for (size_t i = BPE_BYTES; i < t->tokens; i++)
            if (t->token[i].n == a.n + b.n &&
                !memcmp(t->token_text.p + t->token[i].at, t->token_text.p + at, a.n + b.n)) {
                t->token_text.n = at;
                return (int32_t)i;
            }
    }
    if (t->token_text.failed) return -1;
    t->token[t->tokens] = (bpe_token){at, (uint32_t)(t->token_text.n - at), left, right};
    return (int32_t)t->tokens++;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static size_t pair_hash(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (size_t)(h >> 32);
}

static bool rehash(merger *m)
{
    size_t mask = 2 * m->mask + 1;
    uint32_t *slot = calloc(mask + 1, sizeof *slot);
    if (!slot) return false;
    for (size_t k = 0; k < m->pairs; k++) {
        size_t i = pair_hash(m->pair[k].left, m->pair[k].right) & mask;
        while (slot[i]) i = (i + 1) & mask;
        slot[i] = (uint32_t)k + 1;
    }
    free(m->slot);
    m->slot = slot;
    m->mask = mask;
    return true;
}

/* NULL: out of memory. */
static pair *pair_at(merger *m, int32_t left, int32_t right)
{
    size_t i = pair_hash(left, right) & m->mask;
    for (; m->slot[i]; i = (i + 1) & m->mask) {
        pair *p = &m->pair[m->slot[i] - 1];
        if (p->left == left && p->right == right) return p;
    }
    if (m->pairs >= UINT32_MAX / 2 ||
        !bpe_grow((void **)&m->pair, m->pairs, &m->pairs_cap, sizeof *m->pair))
        return NULL;
    m->pair[m->pairs] = (pair){.left = left, .right = right};
    m->slot[i] = (uint32_t)++m->pairs;
    if (2 * m->pairs > m->mask && !rehash(m)) return NULL;
    return &m->pair[m->pairs - 1];
}

/* ---- the queue ------------------------------------------------------------------------------- */

static bool before(const merger *m, entry a, entry b)
{
    if (a.count != b.count) return a.count > b.count;
    const pair *p = &m->pair[a.pair], *q = &m->pair[b.pair];
    return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static bool push(merger *m, uint32_t k)
{
    if (!bpe_grow((void **)&m->heap, m->heaped, &m->heap_cap, sizeof *m->heap)) return false;
    entry e = {m->pair[k].count, k};
    size_t i = m->heaped++;
    for (; i > 0 && before(m, e, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = e;
    return true;
}

static entry pop(merger *m)
{
    entry first = m->heap[0], e = m->heap[--m->heaped];
    size_t i = 0;
    for (size_t c; (c = 2 * i + 1) < m->heaped; i = c) {
        if (c + 1 < m->heaped && before(m, m->heap[c + 1], m->heap[c])) c++;
        if (!before(m, m->heap[c], e)) break;
        m->heap[i] = m->heap[c];
    }
    if (m->heaped) m->heap[i] = e;
    return first;
}

/* ---- merging --------------------------------------------------------------------------------- */

/* Adds word w to the pair's list; the pair will be put into the queue. */
static bool note(merger *m, pair *p, uint32_t w)
{
    if (p->n == 0 || p->where[p->n - 1] != w) {
        if (!bpe_grow((void **)&p->where, p->n, &p->cap, sizeof *p->where)) return false;
        p->where[p->n++] = w;
    }
    if (p->stamp == m->stamp) return true;
    if (!bpe_grow((void **)&m->fresh, m->n_fresh, &m->fresh_cap, sizeof *m->fresh)) return false;
    p->stamp = m->stamp;
    m->fresh[m->n_fresh++] = (uint32_t)(p - m->pair);
    return true;
}

static bool push_fresh(merger *m)
{
    bool ok = true;
    for (size_t i = 0; i < m->n_fresh; i++) ok = ok && push(m, m->fresh[i]);
    m->n_fresh = 0;
    return ok;
}

/* Bytes become symbols; every pair is counted. */
static bool begin(merger *m)
{
    bpe_trainer *t = m->t;
    m->mask = (1 << 16) - 1;
    m->stamp = 1;
    m->slot = calloc(m->mask + 1, sizeof *m->slot);
    m->symbol = malloc(size_max(t->text.n, 1) * sizeof *m->symbol);
    if (!m->slot || !m->symbol) return false;
    for (size_t i = 0; i < t->text.n; i++) m->symbol[i] = (uint8_t)t->text.p[i];
    for (size_t w = 0; w < t->words; w++)
        for (size_t i = t->word[w].at; i + 1 < t->word[w].at + t->word[w].n; i++) {
            pair *p = pair_at(m, m->symbol[i], m->symbol[i + 1]);
            if (!p || !note(m, p, (uint32_t)w)) return false;
            p->count += t->word[w].count;
        }
    return push_fresh(m);
}

/* In word w every (left, right) becomes id. */
static bool merge_word(merger *m, uint32_t w, int32_t left, int32_t right, int32_t id)
{
    bpe_word *word = &m->t->word[w];
    int32_t *s = m->symbol + word->at;
    size_t n = 0, first = 0;
    while (first + 1 < word->n && (s[first] != left || s[first + 1] != right)) first++;
    if (first + 1 >= word->n) return true;
    for (size_t i = 0; i + 1 < word->n; i++) pair_at(m, s[i], s[i + 1])->count -= word->count;
    for (size_t i = 0; i < word->n;) {
        bool hit = i + 1 < word->n && s[i] == left && s[i + 1] == right;
        s[n++] = hit ? id : s[i];
        i += hit ? 2 : 1;
    }
    word->n = (uint32_t)n;
    for (size_t i = 0; i + 1 < n; i++) {
        pair *p = pair_at(m, s[i], s[i + 1]);
        if (!p) return false;
        p->count += word->count;
        if ((s[i] == id || s[i + 1] == id) && !note(m, p, w)) return false;
    }
    return true;
}

static bool merge_pair(merger *m, uint32_t k)
{
    bpe_trainer *t = m->t;
    int32_t left = m->pair[k].left, right = m->pair[k].right;
    int32_t id = bpe_token_of(t, left, right);
    if (id < 0 || !bpe_grow((void **)&t->merge, t->merges, &t->merges_cap, sizeof *t->merge))
        return false;
    t->merge[t->merges++] = (bpe_merge){left, right, id};
    m->stamp++;
    for (size_t i = 0; i < m->pair[k].n; i++) /* the list may move: it is read afresh */
        if (!merge_word(m, m->pair[k].where[i], left, right, id)) return false;
    free(m->pair[k].where);
    m->pair[k].where = NULL;
    m->pair[k].n = m->pair[k].cap = 0;
    return push_fresh(m);
}

static bool merge_all(merger *m, progress *p)
{
    bpe_trainer *t = m->t;
    size_t before_merges = t->tokens;
    while (t->tokens - before_merges < t->merges_wanted && m->heaped) {
        entry e = pop(m);
        uint64_t now = m->pair[e.pair].count;
        if (e.count != now) {
            if (now >= t->o.min_count && now < e.count && !push(m, e.pair)) return false;
            continue;
        }
        if (now < t->o.min_count) break;
        if (!merge_pair(m, e.pair)) return false;
        if (p) progress_update(p, (double)(t->tokens - before_merges));
    }
    return true;
}

static void end(merger *m)
{
    for (size_t i = 0; i < m->pairs; i++) free(m->pair[i].where);
    free(m->pair);
    free(m->slot);
    free(m->heap);
    free(m->fresh);
    free(m->symbol);
}

ponder_status bpe_trainer_run(bpe_trainer *t, progress *p, ponder_error *err)
{
    merger m = {.t = t};
    bool ok = true;
    for (int b = 0; b < BPE_BYTES && ok; b++) ok = bpe_token_of(t, -1, b) == b;
    if (p) progress_begin(p, p->out, "merges", "tokens", 0, (double)t->merges_wanted, 1);
    ok = ok && begin(&m) && merge_all(&m, p);
    if (p) progress_end(p, (double)(t->tokens - size_min(t->tokens, BPE_BYTES)));
    end(&m);
    return ok ? PONDER_OK : err_set(err, PONDER_ENOMEM, "vocabulary: out of memory");
}
