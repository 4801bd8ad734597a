/* bpe_int: the trainer inside.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_BPE_INT_H
#define TRAIN_BPE_INT_H

#include "train/bpe_train.h"

enum { BPE_BYTES = 256, BPE_PIECE = 1024 /* bytes of a piece; longer ones are cut */ };

/* A distinct piece: first its bytes in `text`, then its symbols in `symbol`. */
typedef struct bpe_word {
    size_t at;
    uint32_t n, hash;
    uint64_t count;
} bpe_word;

typedef struct bpe_token {
    size_t at; /* its bytes in token_text */
    uint32_t n;
    int32_t left, right; /* what it was merged from first; -1: a byte */
} bpe_token;

typedef struct bpe_merge {
    int32_t left, right, id;
} bpe_merge;

struct bpe_trainer {
    bpe_options o;
    size_t n_added, merges_wanted;
    text_splitter *splitter;
    ponder_status st; /* of adding pieces, which has no return value */

    buf text; /* bytes of all words */
    bpe_word *word;
    size_t words, words_cap;
    uint32_t *word_slot; /* index + 1; 0: free */
    size_t word_mask;

    buf token_text;
    bpe_token *token; /* [tokens]: bytes, then what merges made */
    size_t tokens, tokens_cap;
    bpe_merge *merge;
    size_t merges, merges_cap;
};

/* Makes room for one more element of `size` bytes; false: out of memory. */
bool bpe_grow(void **p, size_t n, size_t *cap, size_t size);
/* The id of the token with these bytes, made if there is none; -1: out of memory. */
int32_t bpe_token_of(bpe_trainer *t, int32_t left, int32_t right);

#endif
