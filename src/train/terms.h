/* terms: what answers earn beside accuracy and form, by the rows of a recipe's "rewards". A row has a
 * weight and one of the kinds in docs/training.md; a whole batch of answers is judged at a time.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_TERMS_H
#define TRAIN_TERMS_H

#include "train/questions.h"
#include "train/rollout.h"
#include "train/stage.h"

enum { TERMS_MAX = 16 };

/* An answer that is to be judged; everything is borrowed. */
typedef struct term_answer {
    const question *asked;
    str response;                 /* with its thinking */
    const rollout_sample *sample; /* its tokens; NULL: there is text only */
} term_answer;

typedef struct terms terms;

/* `list` may be NULL: no terms. With c NULL the list is only checked: nothing is started or loaded,
 * and nothing may be judged. `where` is for messages. */
ponder_status terms_open(terms **out, const json_t *list, const recipe *r, const char *where,
                         const stage_context *c, ponder_error *err);
void terms_close(terms *t);
size_t terms_count(const terms *t); /* of NULL: 0 */
/* Letters, digits, - and _; no two are the same. */
const char *terms_name(const terms *t, size_t i);
double terms_weight(const terms *t, size_t i);
/* Is there one for questions without a known answer ("of": "open")? */
bool terms_for_open(const terms *t);
/* A verifier that a term wants all questions to be fit for, or NULL; i < terms_count. */
const char *terms_verifier(const terms *t, size_t i);

/* *earned[k * TERMS_MAX + i] is what answer k of n earns by term i, a finite number, not weighted.
 * Errors name the term and what would mend it. */
ponder_status terms_judge(terms *t, const term_answer *a, size_t n, float *earned,
                          ponder_error *err);

#endif
