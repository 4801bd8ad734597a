/* The vocabulary: tokens, their hash, merges, added tokens.
 * SPDX-License-Identifier: MIT
 *
 * Tables are open-addressed and at most half full. A hostile file could aim its tokens at one slot,
 * so runs longer than PROBE_LIMIT, which a sound file does not come near, are refused. */
#include "text/text_int.h"

#include <stdlib.h>

enum { PROBE_LIMIT = 512, SIZE_LIMIT = 1 << 24 };

/* Well-known names of end-of-turn tokens. They count where they are added tokens. */
static const char *const END_NAMES[] = {
    "<｜end▁of▁sentence｜>", "<|EOT|>",         "<|eot_id|>", "<|eom_id|>", "<|im_end|>",
    "<|endoftext|>",         "<|end_of_text|>",
};

/* A power of two of at least 2n slots. */
static size_t table_size(size_t n)
{
    size_t cap = 1024;
    while (cap < 2 * n) cap *= 2;
    return cap;
}

/* The one place that knows what a tokenizer's tables need. */
static bool place(tokenizer *t, arena *a)
{
    t->token = arena_new(a, token, (size_t)t->size);
    t->text = arena_new(a, char, t->text_cap);
    t->slot = arena_new(a, vocab_slot, t->slot_mask + 1);
    t->merge = arena_new(a, merge_slot, t->merge_mask + 1);
    t->added[0].token = arena_new(a, added_token, (size_t)t->size);
    t->added[1].token = arena_new(a, added_token, (size_t)t->size);
    t->ends = arena_new(a, int32_t, (size_t)t->size + COUNT_OF(END_NAMES));
    return t->token && t->text && t->slot && t->merge && t->added[0].token && t->added[1].token &&
           t->ends;
}

ponder_status vocab_begin(tokenizer **out, int64_t size, size_t text_bytes, size_t n_merges,
                          ponder_error *err)
{
    *out = NULL;
    if (size < 1 || size > SIZE_LIMIT || n_merges > 4 * (size_t)SIZE_LIMIT ||
        text_bytes > UINT32_MAX)
        return err_set(err, PONDER_EFORMAT,
                       "implausible vocabulary: %lld ids, %zu merges, %zu bytes", (long long)size,
                       n_merges, text_bytes);
    tokenizer *t = calloc(1, sizeof *t);
    if (!t) return err_set(err, PONDER_ENOMEM, "tokenizer: out of memory");
    t->size = (int32_t)size;
    t->text_cap = text_bytes;
    t->slot_mask = table_size((size_t)size) - 1;
    t->merge_mask = table_size(n_merges) - 1;
    t->bos = t->eos = t->unknown = -1;
    arena measure = {0};
    ponder_status st = PONDER_OK;
    if (!place(t, &measure)) st = err_set(err, PONDER_ELIMIT, "tokenizer: vocabulary too large");
    if (st == PONDER_OK) st = arena_open(&t->mem, measure.used, err);
    if (st != PONDER_OK) {
        free(t);
        return st;
    }
    place(t, &t->mem); /* fits: it was measured */
    memset(t->slot, 0xFF, (t->slot_mask + 1) * sizeof *t->slot);
    memset(t->merge, 0xFF, (t->merge_mask + 1) * sizeof *t->merge);
    *out = t;
    return PONDER_OK;
}

/* GPT-2's byte alphabet (bytes_to_unicode in openai/gpt-2 encoder.py): the bytes that print in
 * Latin-1 stand for themselves, the other 68 for U+0100 onwards in order. */
static int alphabet_byte(unsigned cp)
{
    if ((cp >= 0x21 && cp <= 0x7E) || (cp >= 0xA1 && cp <= 0xFF && cp != 0xAD)) return (int)cp;
    if (cp < 0x100 || cp >= 0x144) return -1;
    cp -= 0x100;
    return (int)(cp < 0x21 ? cp : cp < 0x43 ? cp - 0x21 + 0x7F : 0xAD);
}

bool vocab_unspell(char *out, size_t *n, str s)
{
    char *o = out;
    for (size_t i = 0; i < s.n;) {
        unsigned c = (unsigned char)s.p[i++];
        if (c >= 0x80) {
            if (c < 0xC2 || c > 0xC5 || i == s.n) return false;
            c = (c & 31) << 6 | ((unsigned char)s.p[i++] & 63);
        }
        int byte = alphabet_byte(c);
        if (byte < 0) return false;
        *o++ = (char)byte;
    }
    *n = (size_t)(o - out);
    return true;
}

int32_t vocab_find(const tokenizer *t, const char *p, size_t n)
{
    uint32_t hash = str_hash((str){p, n});
    for (size_t i = hash & t->slot_mask; t->slot[i].id >= 0; i = (i + 1) & t->slot_mask) {
        if (t->slot[i].hash != hash) continue;
        const token *k = &t->token[t->slot[i].id];
        if (k->n == n && memcmp(t->text + k->at, p, n) == 0) return t->slot[i].id;
    }
    return -1;
}

/* Checks the id and room, and returns where the bytes may be written. */
static ponder_status claim(tokenizer *t, int64_t id, str spelling, char **at, ponder_error *err)
{
    if (id < 0 || id >= t->size)
        return err_set(err, PONDER_EFORMAT, "token \"%.*s\" has id %lld, outside 0 to %d",
                       STR_ARG(spelling), (long long)id, t->size - 1);
    if (t->token[id].flags & TOKEN_KNOWN)
        return err_set(err, PONDER_EFORMAT, "token \"%.*s\" has id %lld, which is taken",
                       STR_ARG(spelling), (long long)id);
    if (spelling.n > t->text_cap - t->text_used)
        return err_set(err, PONDER_EINTERNAL, "token text was measured too small");
    *at = t->text + t->text_used;
    return PONDER_OK;
}

/* The n bytes at the claimed place become the token's. */
static str keep(tokenizer *t, int64_t id, size_t n)
{
    token *k = &t->token[id];
    k->at = (uint32_t)t->text_used;
    k->n = (uint32_t)n;
    k->flags = TOKEN_KNOWN;
    t->text_used += n;
    return tokenizer_bytes(t, (int32_t)id);
}

ponder_status vocab_add(tokenizer *t, int64_t id, str spelling, ponder_error *err)
{
    char *at;
    size_t n;
    TRY(claim(t, id, spelling, &at, err));
    if (spelling.n == 0 || !vocab_unspell(at, &n, spelling)) {
        /* Stands for its own spelling, as in the reference; no merge can produce it. */
        if (spelling.n) memcpy(at, spelling.p, spelling.n);
        keep(t, id, spelling.n);
        return PONDER_OK;
    }
    str bytes = keep(t, id, n);
    uint32_t hash = str_hash((str){bytes.p, n});
    size_t i = hash & t->slot_mask;
    for (int probes = 0; t->slot[i].id >= 0; i = (i + 1) & t->slot_mask) {
        if (t->slot[i].hash == hash && str_eq(tokenizer_bytes(t, t->slot[i].id), bytes))
            return err_set(err, PONDER_EFORMAT, "token \"%.*s\" stands twice, as ids %d and %lld",
                           STR_ARG(spelling), t->slot[i].id, (long long)id);
        if (++probes > PROBE_LIMIT)
            return err_set(err, PONDER_EFORMAT, "token \"%.*s\": the vocabulary is made to collide",
                           STR_ARG(spelling));
    }
    t->slot[i] = (vocab_slot){hash, (int32_t)id};
    t->token[id].flags |= TOKEN_MERGEABLE;
    t->longest = size_max(t->longest, n);
    return PONDER_OK;
}

ponder_status vocab_add_added(tokenizer *t, int64_t id, str spelling, unsigned flags,
                              ponder_error *err)
{
    if (spelling.n == 0 || spelling.n > TEXT_MAX_ADDED_BYTES)
        return err_set(err, PONDER_EFORMAT, "added token %lld has %zu bytes, must be 1 to %d",
                       (long long)id, spelling.n, TEXT_MAX_ADDED_BYTES);
    bool again = id >= 0 && id < t->size && !(t->token[id].flags & TOKEN_ADDED) &&
                 str_eq(tokenizer_bytes(t, (int32_t)id), spelling);
    if (!again) {
        char *at;
        TRY(claim(t, id, spelling, &at, err));
        memcpy(at, spelling.p, spelling.n);
        keep(t, id, spelling.n);
    }
    t->token[id].flags |= (uint8_t)(flags | TOKEN_ADDED);
    added_list *list = &t->added[(flags & TOKEN_NORMALIZED) != 0];
    list->token[list->n++] = (added_token){tokenizer_bytes(t, (int32_t)id), (int32_t)id};
    return PONDER_OK;
}

/* As vocab_find, trying `likely` first. */
static int32_t find_near(const tokenizer *t, int32_t likely, const char *p, size_t n)
{
    str s = tokenizer_bytes(t, likely);
    bool hit =
        s.n == n && n > 1 && memcmp(s.p, p, n) == 0 && t->token[likely].flags & TOKEN_MERGEABLE;
    return hit ? likely : vocab_find(t, p, n);
}

ponder_status vocab_add_merge(tokenizer *t, uint32_t rank, str left, str right, char *scratch,
                              ponder_error *err)
{
    size_t nl, nr;
    int32_t l = -1, r = -1, id = -1;
    if (vocab_unspell(scratch, &nl, left) && vocab_unspell(scratch + nl, &nr, right)) {
        l = vocab_find(t, scratch, nl);
        r = vocab_find(t, scratch + nl, nr);
        /* Tokens are mostly numbered in the order of the merges that make them: most look-ups,
         * which miss the cache, are saved by trying the next number first. */
        id = find_near(t, t->last_merged + 1, scratch, nl + nr);
        t->last_merged = id;
    }
    if (l < 0 || r < 0 || id < 0)
        return err_set(err, PONDER_EFORMAT,
                       "merge %u, \"%.*s %.*s\", names a token that the "
                       "vocabulary does not have",
                       rank, STR_ARG(left), STR_ARG(right));
    size_t i = merge_hash(l, r) & t->merge_mask;
    int probes = 0;
    while (t->merge[i].left >= 0 && (t->merge[i].left != l || t->merge[i].right != r)) {
        i = (i + 1) & t->merge_mask;
        if (++probes > PROBE_LIMIT)
            return err_set(err, PONDER_EFORMAT, "merge %u: the merges are made to collide", rank);
    }
    t->merge[i] = (merge_slot){l, r, rank, id};
    return PONDER_OK;
}

static int by_bytes(const void *a, const void *b)
{
    str x = ((const added_token *)a)->text, y = ((const added_token *)b)->text;
    int c = memcmp(x.p, y.p, size_min(x.n, y.n));
    return c ? c : (x.n > y.n) - (x.n < y.n);
}

void vocab_add_end(tokenizer *t, int32_t id)
{
    if (id < 0 || id >= t->size || t->token[id].flags & TOKEN_END) return;
    t->token[id].flags |= TOKEN_END;
    t->ends[t->n_ends++] = id;
}

ponder_status vocab_finish(tokenizer *t, ponder_error *err)
{
    for (int k = 0; k < 2; k++) {
        added_list *list = &t->added[k];
        qsort(list->token, list->n, sizeof *list->token, by_bytes);
        for (size_t i = 0; i < list->n; i++) {
            list->first[(unsigned char)list->token[i].text.p[0]] = true;
            if (i && str_eq(list->token[i].text, list->token[i - 1].text))
                return err_set(err, PONDER_EFORMAT, "added token \"%.*s\" stands twice",
                               STR_ARG(list->token[i].text));
        }
    }
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        t->byte_id[b] = vocab_find(t, &c, 1);
    }
    for (size_t i = 0; i < COUNT_OF(END_NAMES); i++) {
        int32_t id = tokenizer_find(t, str_of(END_NAMES[i]));
        if (id >= 0 && t->token[id].flags & TOKEN_ADDED) vocab_add_end(t, id);
    }
    return PONDER_OK;
}
