/* stage: one step of a recipe, and what the kinds of stages share.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_STAGE_H
#define TRAIN_STAGE_H

#include "text/text.h"
#include "train/data.h"
#include "train/loop.h"
#include "train/recipe.h"

/* How a recipe is to be run on this machine; nothing here changes results but for cpu_mask. */
typedef struct pipeline_options {
    const char *out;   /* folder of everything the run makes */
    const char *only;  /* the one stage to run; NULL: all */
    pool *pool;
    unsigned cpu_mask;
    FILE *screen;      /* NULL: silent */
    const volatile sig_atomic_t *stop; /* not 0: save and end with ECANCELED; NULL: never */
} pipeline_options;

/* What a stage is given. */
typedef struct stage_context {
    const recipe *recipe;
    const recipe_stage *stage;
    const pipeline_options *o;
    const char *where;          /* for messages */
    const char *dir;            /* OUT/NAME */
    const char *metrics, *report;
    const char *start;          /* a model file or directory; NULL: fresh weights */
    const recipe_model *model;  /* of fresh weights; vocabulary filled in */
    const tokenizer *t;         /* of the model it begins with */
    const char *tokenizer_json; /* of t, for models that are saved; NULL: as in `start`, a GGUF */
    uint64_t identity, seed;    /* of the stage */
} stage_context;

/* What a kind of stage leaves for others in OUT/NAME. After one that makes no model, the next
 * stage begins with the model that this one began with. */
enum stage_makes {
    STAGE_MODEL,   /* model.gguf */
    STAGE_SAMPLES, /* samples.jsonl and, with "pairs", pairs.jsonl; no model */
    STAGE_SCORER,  /* model.gguf and a head: it scores, no stage goes on from it */
    STAGE_NOTHING  /* no model */
};

/* A kind of stage. A row in stage_kinds makes it usable in recipes. */
typedef struct stage_kind {
    const char *name, *about;
    /* Reads the stage's keys, before any stage runs. */
    ponder_status (*check)(const recipe *r, const recipe_stage *s, ponder_error *err);
    /* Does it, going on where it was stopped. */
    ponder_status (*run)(const stage_context *c, ponder_error *err);
    enum stage_makes makes;
} stage_kind;

extern const stage_kind stage_kinds[]; /* ends with name NULL */
const stage_kind *stage_kind_find(const char *name);

ponder_status supervised_check(const recipe *r, const recipe_stage *s, ponder_error *err);
ponder_status supervised_run(const stage_context *c, ponder_error *err);
ponder_status policy_check(const recipe *r, const recipe_stage *s, ponder_error *err);
ponder_status policy_run(const stage_context *c, ponder_error *err);
ponder_status sample_check(const recipe *r, const recipe_stage *s, ponder_error *err);
ponder_status sample_run(const stage_context *c, ponder_error *err);
ponder_status evaluate_check(const recipe *r, const recipe_stage *s, ponder_error *err);
ponder_status evaluate_run(const stage_context *c, ponder_error *err);
ponder_status reward_model_check(const recipe *r, const recipe_stage *s, ponder_error *err);
ponder_status reward_model_run(const stage_context *c, ponder_error *err);

/* ---- for stages that train ------------------------------------------------------------------- */

/* What a stage will hold besides a model that is learnt, and how much goes through it. */
typedef struct stage_besides {
    size_t copies;                        /* of the parameters */
    size_t answers, group, answer_tokens; /* sampled for a chunk, and for a question; 0: none */
    bool prefixes;                        /* answers are learnt behind a prompt that they share */
    micro_size learnt, looked; /* the largest micro-batches; tokens 0: full ones, and none */
} stage_besides;
/* The model the stage begins with, twice where one is learnt beside the other (second NULL: once); says
 * what it needs, and ELIMIT when that may become more than there is. The caller closes what is not NULL
 * whatever is returned. */
ponder_status stage_open_models(model_trainable **out, model_trainable **second,
                                const stage_context *c, const training *t,
                                const stage_besides *besides, ponder_error *err);
/* Everything but what depends on the kind; t->steps is set. */
ponder_status stage_loop_options(train_loop_options *out, const stage_context *c, const training *t,
                                 ponder_error *err);
/* OUT/NAME/model.gguf in F32, from which others go on, and what "save_as" lists: types of GGUF
 * files (model-TYPE.gguf) and "safetensors" (a Hugging Face directory model-hf). */
ponder_status stage_save_model(const stage_context *c, const training *t, const model_trainable *m,
                               ponder_error *err);
ponder_status training_check(const training *t, const char *where, ponder_error *err);
adamw_options training_adamw(const training *t);
/* A template by its name in recipes, "none" among them; false: there is no such. */
bool stage_template_named(chat_template *out, const char *name);
/* The template named, or the tokenizer's own. */
ponder_status stage_template(chat_template *out, const stage_context *c, const training *t,
                             ponder_error *err);

enum { STAGE_MICRO_TOKENS = 2048 }; /* unless the recipe says, or a sequence is longer */
static inline size_t training_micro_tokens(const training *t)
{
    return t->micro_tokens ? t->micro_tokens : size_max(STAGE_MICRO_TOKENS, t->max_tokens);
}
static inline size_t training_micro_sequences(const training *t)
{
    return size_max(2, training_micro_tokens(t) / 16);
}

/* The tokenizer's metadata for a GGUF file that is saved. */
typedef struct stage_vocab {
    const char *json;      /* a tokenizer.json, or */
    const fmt_model *gguf; /* the file whose tokenizer.* values are copied */
    const tokenizer *t;
    size_t rows;           /* of the embedding */
} stage_vocab;
ponder_status stage_vocab_write(void *user, gguf_writer *w, ponder_error *err); /* a stage_vocab */

/* Makes OUT/tokenizer as the recipe says; *json is its tokenizer.json (the caller frees). */
ponder_status stage_make_tokenizer(char **json, const recipe *r, const recipe_tokenizer *t,
                                   const pipeline_options *o, ponder_error *err);

/* ---- the whole recipe ------------------------------------------------------------------------ */

/* Checks all stages, then runs those that are not done. */
ponder_status pipeline_run(const recipe *r, const pipeline_options *o, ponder_error *err);

/* OUT/name[/more], the caller frees; NULL: out of memory. */
char *stage_path(const char *out, const char *name, const char *more);
ponder_status stage_write_file(const char *path, str text, ponder_error *err);

#endif
