/* Counting the distinct pieces of texts.
 * SPDX-License-Identifier: MIT */
#include "train/bpe_int.h"

#include <stdlib.h>

const bpe_added bpe_standard[] = {
    {"<｜begin▁of▁sentence｜>", true}, {"<｜end▁of▁sentence｜>", true},
    {"<｜User｜>", true},              {"<｜Assistant｜>", true},
    {"<think>", false},                {"</think>", false},
    {"<answer>", false},               {"</answer>", false},
    {NULL, false},
};

bool bpe_grow(void **p, size_t n, size_t *cap, size_t size)
{
    size_t want, bytes;
    if (n < *cap) return true;
    if (!size_add(&want, *cap, *cap / 2 + 64) || !size_mul(&bytes, want, size)) return false;
    void *more = realloc(*p, bytes);
    if (!more) return false;
    *p = more;
    *cap = want;
    return true;
}

ponder_status bpe_trainer_open(bpe_trainer **out, const bpe_options *o, ponder_error *err)
{
    *out = NULL;
    bpe_trainer *t = calloc(1, sizeof *t);
    if (!t) return err_set(err, PONDER_ENOMEM, "vocabulary: out of memory");
    t->o = *o;
    if (!o->added) t->o.added = bpe_standard;
    if (!o->min_count) t->o.min_count = 2;
    while (t->o.added[t->n_added].text) t->n_added++;
    ponder_status st = PONDER_OK;
    if (t->n_added < 2)
        st = err_set(err, PONDER_EARG, "vocabulary: it needs a token for the beginning and one for "
                                       "the end of a text");
    else if (o->size < BPE_BYTES + t->n_added || o->size > 1 << 20)
        st = err_set(err, PONDER_EARG,
                     "a vocabulary of %zu: want from %zu (the 256 bytes and %zu added tokens) to "
                     "%d", o->size, BPE_BYTES + t->n_added, t->n_added, 1 << 20);
    if (st == PONDER_OK) st = text_splitter_open(&t->splitter, o->pre, err);
    t->merges_wanted = o->size - size_min(o->size, BPE_BYTES + t->n_added);
    t->word_mask = (1 << 16) - 1;
    t->word_slot = calloc(t->word_mask + 1, sizeof *t->word_slot);
    if (st == PONDER_OK && !t->word_slot)
        st = err_set(err, PONDER_ENOMEM, "vocabulary: out of memory");
    if (st != PONDER_OK) bpe_trainer_close(t);
    else *out = t;
    return st;
}

void bpe_trainer_close(bpe_trainer *t)
{
    if (!t) return;
    text_splitter_close(t->splitter);
    buf_free(&t->text);
    buf_free(&t->token_text);
    free(t->word);
    free(t->word_slot);
    free(t->token);
    free(t->merge);
    free(t);
}

static bool rehash(bpe_trainer *t)
{
    size_t mask = 2 * t->word_mask + 1;
    uint32_t *slot = calloc(mask + 1, sizeof *slot);
    if (!slot) return false;
    for (size_t w = 0; w < t->words; w++) {
        size_t i = t->word[w].hash & mask;
        while (slot[i]) i = (i + 1) & mask;
        slot[i] = (uint32_t)w + 1;
    }
    free(t->word_slot);
    t->word_slot = slot;
    t->word_mask = mask;
    return true;
}

static void count(bpe_trainer *t, str piece)
{
    uint32_t hash = str_hash(piece);
    size_t i = hash & t->word_mask;
    for (; t->word_slot[i]; i = (i + 1) & t->word_mask) {
        bpe_word *w = &t->word[t->word_slot[i] - 1];
        if (w->hash != hash || w->n != piece.n || memcmp(t->text.p + w->at, piece.p, piece.n))
            continue;
        w->count++;
        return;
    }
    if (t->words >= UINT32_MAX / 2 ||
        !bpe_grow((void **)&t->word, t->words, &t->words_cap, sizeof *t->word)) {
        t->st = PONDER_ENOMEM;
        return;
    }
    t->word[t->words] = (bpe_word){t->text.n, (uint32_t)piece.n, hash, 1};
    t->word_slot[i] = (uint32_t)++t->words;
    buf_add_str(&t->text, piece);
    if (t->text.failed || (2 * t->words > t->word_mask && !rehash(t))) t->st = PONDER_ENOMEM;
}

static void take_piece(void *user, str piece)
{
    bpe_trainer *t = user;
    for (; t->st == PONDER_OK && piece.n > BPE_PIECE; piece.p += BPE_PIECE, piece.n -= BPE_PIECE)
        count(t, (str){piece.p, BPE_PIECE});
    if (t->st == PONDER_OK) count(t, piece);
}

ponder_status bpe_trainer_add(bpe_trainer *t, str text, ponder_error *err)
{
    size_t at = 0;
    while (at < text.n) {
        size_t first = text.n, len = 0;
        for (size_t k = 0; k < t->n_added; k++) {
            str added = str_of(t->o.added[k].text);
            size_t hit = str_find((str){text.p, size_min(text.n, first + added.n)}, added, at);
            if (hit > first || (hit == first && added.n <= len)) continue;
            first = hit;
            len = added.n;
        }
        TRY(text_split(t->splitter, (str){text.p + at, first - at}, take_piece, t, err));
        if (t->st != PONDER_OK) return err_set(err, t->st, "vocabulary: out of memory");
        at = first + len;
    }
    return PONDER_OK;
}

size_t bpe_trainer_size(const bpe_trainer *t) { return t->tokens + t->n_added; }
