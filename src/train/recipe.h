/* recipe: one file = one experiment that can be repeated.
 * SPDX-License-Identifier: MIT
 *
 * A recipe is JSON; docs/training.md lists its keys. "about" may stand in every object. Stages run
 * in order, each from the model of the one before it unless "from" names another. */
#ifndef TRAIN_RECIPE_H
#define TRAIN_RECIPE_H

#include "model/train.h"
#include "train/keys.h"
#include "train/optim.h"

enum { RECIPE_STAGES = 64 };

typedef struct recipe_stage {
    const char *name, *kind,
        *from; /* from: NULL for the stage before; else a stage or a model file */
    const json_t *model; /* of its own, instead of `from`; NULL: none */
    const json_t *json;  /* the whole object */
} recipe_stage;

typedef struct recipe {
    json_t *json;
    char *name, *dir; /* for messages; where relative paths begin */
    const char *about;
    uint64_t seed;
    const json_t *model, *tokenizer;
    recipe_stage stage[RECIPE_STAGES];
    size_t n;
} recipe;

/* Reads and checks names and order; what stands in a stage is checked by its kind. */
ponder_status recipe_open(recipe *r, const char *path, ponder_error *err);
/* The same of an object, which is taken over in any case. */
ponder_status recipe_of(recipe *r, json_t *json, const char *name, const char *dir,
                        ponder_error *err);
void recipe_close(recipe *r);
/* Which of the first n stages has the name; r->n: none. */
size_t recipe_find(const recipe *r, const char *name, size_t n);

/* "model": {"start": PATH} (a GGUF file or Hugging Face directory to begin with), or
 * {"config": NAME or config.json}, or {"form": "llama", "layers": ...}. A config's vocabulary is
 * that of the tokenizer. */
typedef struct recipe_model {
    const char *start;
    model_config config;
    float init; /* standard deviation of fresh weights */
} recipe_model;
/* `json` is the recipe's "model" or a stage's; `where` stands in messages. */
ponder_status recipe_read_model(recipe_model *out, const recipe *r, const json_t *json,
                                const char *where, ponder_error *err);

/* "tokenizer": {"path": tokenizer.json}, or one to be made: {"size", "pre", "data", "examples"}. */
typedef struct recipe_tokenizer {
    const char *path, *pre;
    const json_t *data;
    size_t size;
    uint64_t examples; /* texts to make it of; 0: all, and of tasks 20000 */
} recipe_tokenizer;
ponder_status recipe_read_tokenizer(recipe_tokenizer *out, const recipe *r, ponder_error *err);

/* ---- what stages that update a model have in common ------------------------------------------ */

typedef struct training {
    const char *schedule, *precision, *template;
    const json_t *data, *eval_data, *save_as;
    uint64_t steps;
    double passes;                      /* over the data, instead of steps */
    uint64_t batch, batch_from,
        ramp; /* examples of a step; grows from batch_from over `ramp` steps */
    double lr, lr_end;                  /* lr_end -1: a tenth of lr */
    uint64_t warmup;
    float beta1, beta2, eps, decay;
    double clip;
    bool bf16_moments, recompute, cut;
    size_t max_tokens, micro_tokens, lora_rank;
    double lora_alpha; /* 0: twice the rank */
    uint64_t save_every, eval_every, eval_examples;
    int keep;
    float balance_speed, balance_loss, mtp_weight;
} training;

extern const key training_keys[];
training training_defaults(void);
/* The schedule by name, with lr, warmup and steps; precision and template by name. `where` for
 * messages. */
ponder_status training_schedule(lr_schedule *out, const training *t, const char *where,
                                ponder_error *err);
ponder_status training_precision(enum model_precision *out, const training *t, const char *where,
                                 ponder_error *err);

/* Keys every stage has. */
extern const key stage_keys[];
/* FILE: stage "NAME", for messages. */
void recipe_where(char out[256], const recipe *r, const recipe_stage *s);
/* DIR/path, or path itself when it is absolute; the caller frees. NULL: out of memory. */
char *recipe_path(const recipe *r, const char *path);

/* hash_bytes over the canonical text of an object without what does not change results ("about", how
 * often things are saved or shown, how long is waited). */
uint64_t recipe_hash(uint64_t h, const json_t *obj);

#endif
