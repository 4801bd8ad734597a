/* text_int: the tokenizer inside.
 * SPDX-License-Identifier: MIT
 *
 *   text -> added tokens cut out -> normalised -> cut by patterns (pretok) -> merged (bpe) -> ids
 *
 * Vocabulary keys are the bytes a token stands for, not its spelling in GPT-2's byte alphabet; the
 * spelling is undone once, at load. */
#ifndef TEXT_INT_H
#define TEXT_INT_H

#include "text/text.h"

#include <stdatomic.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { TEXT_MAX_STAGES = 16, TEXT_MAX_ADDED_BYTES = 1024 };

enum token_flag {
    TOKEN_KNOWN = 1,   /* the id is in use */
    TOKEN_SPECIAL = 2, /* dropped by skip_special */
    TOKEN_ADDED = 4,
    TOKEN_NORMALIZED = 8, /* an added token that is looked for after normalisation */
    TOKEN_END = 16,
    TOKEN_MERGEABLE = 32 /* stands in tokenizer.slot */
};

/* Does merging the token's bytes give the token alone? Found out on first use and kept: the answer
 * is a function of the vocabulary, so threads that race write the same value. */
enum whole { WHOLE_UNKNOWN, WHOLE_YES, WHOLE_NO };

typedef struct token {
    uint32_t at, n; /* its bytes in tokenizer.text */
    uint8_t flags;
    _Atomic uint8_t whole;
} token;

typedef struct vocab_slot {
    uint32_t hash;
    int32_t id; /* -1: free */
} vocab_slot;

typedef struct merge_slot {
    int32_t left, right; /* left -1: free */
    uint32_t rank;
    int32_t id;
} merge_slot;

typedef struct added_token {
    str text;
    int32_t id;
} added_token;

/* Added tokens in byte order, for leftmost-longest search. */
typedef struct added_list {
    added_token *token;
    size_t n;
    bool first[256]; /* bytes some token begins with */
} added_list;

typedef struct split_stage {
    pcre2_code *code;
    bool jit;
    bool drop_gaps, drop_matches;
} split_stage;

struct tokenizer {
    arena mem;
    token *token; /* [size] */
    int32_t size;
    char *text;
    size_t text_used, text_cap;

    vocab_slot *slot; /* [slot_mask + 1] */
    size_t slot_mask;
    merge_slot *merge; /* [merge_mask + 1] */
    size_t merge_mask;
    int32_t last_merged; /* the token of the merge added last */
    int32_t byte_id[256];
    size_t longest; /* bytes of the longest token in slot */
    bool ignore_merges, fuse_unknown;
    int32_t unknown; /* stands for bytes without a token; -1: they are dropped */

    added_list added[2]; /* [TOKEN_NORMALIZED set] */
    enum text_form form;
    split_stage stage[TEXT_MAX_STAGES];
    int n_stages;

    int32_t bos, eos;
    bool adds_bos;
    int32_t *ends;
    size_t n_ends;
    chat_template template;
};

/* ---- vocab.c: building and looking up ------------------------------------------------------- */

/* Room for ids [0, size) whose spellings have at most text_bytes bytes together, and n_merges. */
ponder_status vocab_begin(tokenizer **out, int64_t size, size_t text_bytes, size_t n_merges,
                          ponder_error *err);
/* Undoes GPT-2's byte alphabet into out (at least s.n bytes); false, nothing written that counts,
 * when s is not wholly spelled in it. */
bool vocab_unspell(char *out, size_t *n, str s);
/* A token merging can produce. */
ponder_status vocab_add(tokenizer *t, int64_t id, str spelling, ponder_error *err);
/* A token that is looked for in the text as it stands; may repeat one of vocab_add. */
ponder_status vocab_add_added(tokenizer *t, int64_t id, str spelling, unsigned flags,
                              ponder_error *err);
/* Merge number `rank`; later ones of the same pair win, as in the reference. scratch: at least
 * left.n + right.n bytes. */
ponder_status vocab_add_merge(tokenizer *t, uint32_t rank, str left, str right, char *scratch,
                              ponder_error *err);
/* After the last token: sorts the added ones, finds the bytes and the well-known ends. Before it,
 * tokenizer_find does not see added tokens. */
ponder_status vocab_finish(tokenizer *t, ponder_error *err);
void vocab_add_end(tokenizer *t, int32_t id); /* -1 and repeats are ignored */
int32_t vocab_find(const tokenizer *t, const char *p, size_t n);

static inline uint32_t merge_hash(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

static inline const merge_slot *merge_find(const tokenizer *t, int32_t left, int32_t right)
{
    for (size_t i = merge_hash(left, right) & t->merge_mask;; i = (i + 1) & t->merge_mask) {
        const merge_slot *m = &t->merge[i];
        if (m->left == left && m->right == right) return m;
        if (m->left < 0) return NULL;
    }
}

/* ---- pretok.c: patterns
 * -------------------------------------------------------------------------- */

/* Adds one stage: a regular expression as tokenizer.json has it (Oniguruma). */
ponder_status pretok_add(tokenizer *t, str pattern, bool drop_matches, bool drop_gaps,
                         ponder_error *err);
ponder_status pretok_add_literal(tokenizer *t, str text, bool drop_matches, bool drop_gaps,
                                 ponder_error *err);
/* The pattern of the ByteLevel pre-tokenizer and of GPT-2. */
extern const char PRETOK_GPT2[];
/* Pattern j of what a GGUF file's tokenizer.ggml.pre names; NULL past the last. */
const char *pretok_pattern(const char *name, size_t j);
/* The i-th such name, those that mean the same left out; NULL past the last. */
const char *pretok_name(size_t i);
/* Which of these means the same; static. NULL: unknown. */
const char *pretok_canonical(const char *name);
/* All that a GGUF file's tokenizer.ggml.pre implies: stages, normal form, ignore_merges. */
ponder_status pretok_by_name(tokenizer *t, str name, ponder_error *err);

/* ---- encode.c, bpe.c ------------------------------------------------------------------------ */

typedef struct symbol {
    int32_t id;                /* -1: merged into the one before */
    uint32_t prev, next, rank; /* rank of the pair (this, next) */
} symbol;

/* What one call of tokenizer_encode works with. */
typedef struct encoder encoder;
typedef ponder_status piece_fn(encoder *e, str s);
struct encoder {
    const tokenizer *t;
    piece_fn *piece; /* what is done with the pieces: bpe_piece, but when only cutting */
    tokens *out;
    text_piece_fn *user_piece;
    void *user;
    pcre2_match_data *match;
    pcre2_match_context *context;
    symbol *symbol;
    uint64_t *pair, *heap; /* rank << 32 | position: the first pairs in order, and later ones */
    size_t symbol_cap, pair_cap, heap_cap, heap_n;
    ponder_error *err;
};

bool pretok_begin(encoder *e, size_t text_bytes); /* false: out of memory; end it all the same */
ponder_status pretok_split(encoder *e, str s);    /* s is valid UTF-8 */
void pretok_end(encoder *e);
piece_fn bpe_piece;
/* Valid runs of UTF-8 through the patterns; other bytes are pieces of their own. */
ponder_status encode_valid(encoder *e, str s);

/* ---- normal.c
 * ------------------------------------------------------------------------------------ */

/* true when s surely is in the form already. */
bool normal_already(enum text_form form, str s);

/* ---- loading -------------------------------------------------------------------------------- */

ponder_status load_json(tokenizer **out, const char *path, ponder_error *err);
/* The text of a tokenizer.json; settings are looked for in dir ("" or ending in '/'; p NULL:
 * nowhere). */
ponder_status load_json_text(tokenizer **out, str text, const char *name, str dir,
                             ponder_error *err);
ponder_status load_gguf(tokenizer **out, const fmt_model *m, ponder_error *err);

#endif
