/* origin: what a stage begins with, and what it reads of the stages before it.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_ORIGIN_H
#define TRAIN_ORIGIN_H

#include "train/stage.h"

/* The model of a stage. Stages that make no model are looked through. */
typedef struct origin {
    size_t maker; /* the stage that makes it; r->n: none, it is the one that `giver` names */
    size_t giver; /* the stage where the line of models began, with a "model" of its own, a file in
                   * "from", or the recipe's model; the whole line has its tokenizer */
} origin;

/* Of stage i; all stages up to i are of known kinds. */
origin origin_of(const recipe *r, size_t i);
/* The model file or directory that giver names, as it stands in the recipe; NULL: fresh weights. */
const char *origin_given(const recipe *r, size_t giver);
/* Does giver begin with the recipe's "model"? */
bool origin_is_recipes(const recipe *r, size_t giver);

/* EFORMAT for a beginning that is no earlier stage and no file, or that is fresh weights where the
 * kind only uses a model. */
ponder_status origin_check(const recipe *r, size_t i, ponder_error *err);

/* The model that stage k leaves, its own or the one it passes on; the caller frees. ENOTFOUND when it
 * is not there yet. */
ponder_status origin_model(char **path, const recipe *r, size_t k, const char *dir,
                           ponder_error *err);

/* The stages that stage i reads besides the one it begins with, a bit each: samples, which
 * {"stage": NAME, "weight", "pairs"} in its data lists names; reward models, which {"model": NAME} in
 * its "rewards" does; and those of its list "stages", whose models it looks at. EFORMAT when one is
 * not there, comes later or makes something else. */
ponder_status origin_reads(uint64_t *out, const recipe *r, size_t i, ponder_error *err);
/* The object of stage i with the files of samples in place of the stages' names (the caller
 * decrefs). ENOTFOUND for files that are not there yet. */
ponder_status origin_resolve(json_t **out, const recipe *r, size_t i, const char *dir,
                             ponder_error *err);

#endif
