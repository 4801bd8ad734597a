/* scorer: answers scored by a model that a reward_model stage has made.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_SCORER_H
#define TRAIN_SCORER_H

#include "train/stage.h"

typedef struct scorer scorer;

typedef struct scorer_text {
    str prompt, response; /* the response with its thinking, as it stands in training data */
} scorer_text;

/* OUT/STAGE/model.gguf and its head, with the stage's keys. `where` is for messages. Says what
 * memory it takes, and ELIMIT when that is more than there is; EFORMAT when head and model do not
 * belong together. */
ponder_status scorer_open(scorer **out, const stage_context *c, const char *stage,
                          const char *where, ponder_error *err);
void scorer_close(scorer *s);

/* score[i] of text i: a function of that text and the stage alone. It is the number the stage was
 * trained on: of pairs a number whose differences count, of labels the log of the odds of "good".
 * Responses longer than the stage's "max_tokens" lose their end; ELIMIT when a prompt alone is as
 * long. */
ponder_status scorer_score(scorer *s, const scorer_text *text, size_t n, float *score,
                           ponder_error *err);

#endif
