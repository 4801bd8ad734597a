/* asker: a model that is asked questions and not trained, for the kinds of stages that only sample.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_ASKER_H
#define TRAIN_ASKER_H

#include "train/answers.h"
#include "train/stage.h"

/* How it answers. */
typedef struct asker_keys {
    const char *template, *layout, *precision; /* template NULL: the tokenizer's own */
    size_t answer_tokens, max_tokens;
    float temperature, top_p;
    enum reward_layout form; /* of `layout`, once checked */
} asker_keys;

extern const key asker_key_list[];
ponder_status asker_check(asker_keys *k, const char *where, ponder_error *err);
/* The part of it that stages which train have too: `layout` by name, and room for a question. */
ponder_status asker_check_form(enum reward_layout *form, const char *layout, size_t answer_tokens,
                               size_t max_tokens, const char *where, ponder_error *err);

typedef struct asker {
    tokenizer *own; /* the model's, where none was given */
    model *m;
    engine *e;
    answers a;
} asker;

/* The model in the file or directory `path`, with `places` for questions of `group` answers each,
 * which earn `reward` (its layout is that of the keys). t NULL: the model's own. Answers depend on
 * the number of their question, not on what is asked beside it. Close it in any case. */
ponder_status asker_open(asker *out, const asker_keys *k, const stage_context *c, const char *path,
                         const tokenizer *t, size_t places, size_t group,
                         const answer_reward *reward, ponder_error *err);
void asker_close(asker *a);

#endif
