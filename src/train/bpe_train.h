/* bpe_train: vocabularies from text.
 * SPDX-License-Identifier: MIT
 *
 * Byte-level BPE (Sennrich et al., "Neural machine translation of rare words with subword units",
 * ACL 2016, over the bytes of the pieces a pre-tokenizer cuts): ids 0 to 255 are the bytes, then
 * comes a token per merge, then the added tokens. The same text in any pieces gives the same
 * vocabulary; of pairs that are equally frequent the one with the lower ids is merged first. With
 * `size` 256 and the added tokens alone it is a vocabulary of single characters (of bytes). */
#ifndef TRAIN_BPE_TRAIN_H
#define TRAIN_BPE_TRAIN_H

#include "text/text.h"

typedef struct bpe_added {
    const char *text;
    bool special; /* dropped when text is shown: ends and beginnings; not <think> */
} bpe_added;

/* Beginning and end of a text, marks of turns in DeepSeek's form (which is how a chat template is
 * recognised), thinking and answer. bpe_standard[0] and [1] are BOS and EOS; ends with text NULL.
 */
extern const bpe_added bpe_standard[];

typedef struct bpe_options {
    const char *pre; /* a name of text_splitter_open. "smollm", "qwen2": each digit is a token of
                      * its own; "gpt-2": runs of digits may become tokens */
    size_t size;     /* ids in all, at least 256 and the added ones; fewer where pairs run out */
    uint64_t min_count;  /* pairs that are rarer are left alone; 0: 2 */
    const bpe_added *added; /* NULL: bpe_standard; [0] is BOS and [1] EOS */
} bpe_options;

typedef struct bpe_trainer bpe_trainer;

ponder_status bpe_trainer_open(bpe_trainer **out, const bpe_options *o, ponder_error *err);
void bpe_trainer_close(bpe_trainer *t);
/* Counts the pieces of one text: a document, a line. Added tokens inside it are cut out. */
ponder_status bpe_trainer_add(bpe_trainer *t, str text, ponder_error *err);
/* Finds the merges; p may be NULL. Once, after the last text. */
ponder_status bpe_trainer_run(bpe_trainer *t, progress *p, ponder_error *err);
size_t bpe_trainer_size(const bpe_trainer *t); /* ids, after bpe_trainer_run */
/* Writes DIR/tokenizer.json and DIR/tokenizer_config.json in the Hugging Face form. */
ponder_status bpe_trainer_save(const bpe_trainer *t, const char *dir, ponder_error *err);

#endif
