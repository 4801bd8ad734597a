/* vote: the answer most samples agree on (self-consistency, Wang et al., 2022, arXiv 2203.11171).
 * SPDX-License-Identifier: MIT */
#ifndef REWARD_VOTE_H
#define REWARD_VOTE_H

#include "reward/reward.h"

/* Samples whose answers are the same by the verifier of a kind. */
typedef struct vote_class {
    buf answer; /* as the sample that opened the class gave it */
    size_t count;
    size_t first; /* lowest number of its samples */
} vote_class;

typedef struct vote {
    const reward_kind *kind; /* NULL: math */
    vote_class *classes;
    size_t n, cap;
    size_t cast, blank; /* samples with and without an answer */
} vote;

/* Sample number `sample` answered; empty answers are blank. *class (unless NULL) is the number of
 * its class, VOTE_BLANK for a blank; the first sample cast for a class opens it. */
#define VOTE_BLANK SIZE_MAX
ponder_status vote_cast(vote *v, str answer, size_t sample, size_t *class, ponder_error *err);
/* Most votes, then lowest sample number; NULL: nothing but blanks. */
const vote_class *vote_winner(const vote *v);
/* Whatever the samples still to come answer, the winner stays. */
bool vote_decided(const vote *v, size_t to_come);
void vote_free(vote *v);

#endif
