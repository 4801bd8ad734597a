/* The tokenizer of a recipe, made once.
 * SPDX-License-Identifier: MIT */
#include "train/bpe_train.h"
#include "train/stage.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TASK_EXAMPLES = 20000, IDENTITY_BYTES = 64 };

static ponder_status count_texts(bpe_trainer *b, const recipe *r, const recipe_tokenizer *t,
                                 const pipeline_options *o, const char *where, ponder_error *err)
{
    train_source *s;
    buf text = {0};
    const example_options none = {0};
    progress p = {0};
    TRY(data_open(&s, t->data, where, r->dir, &none, r->seed, err));
    uint64_t n = t->examples ? t->examples : s->n ? s->n : TASK_EXAMPLES;
    ponder_status st = PONDER_OK;
    progress_begin(&p, o->screen, "tokenizer: reading", "texts", 0, (double)n, 1);
    for (uint64_t i = 0; i < n && st == PONDER_OK; i++) {
        buf_clear(&text);
        st = s->text(s, i, &text, err);
        if (st == PONDER_OK && text.failed)
            st = err_set(err, PONDER_ENOMEM, "%s: out of memory", where);
        if (st == PONDER_OK) st = bpe_trainer_add(b, buf_str(&text), err);
        if (st == PONDER_OK && o->stop && *o->stop)
            st = err_set(err, PONDER_ECANCELED, "stopped while the tokenizer was made");
        progress_update(&p, (double)i);
    }
    progress_end(&p, (double)n);
    buf_free(&text);
    train_source_close(s);
    return st;
}

static ponder_status make(const char *dir, const recipe *r, const recipe_tokenizer *t,
                          const pipeline_options *o, ponder_error *err)
{
    char where[256];
    bpe_trainer *b;
    progress p = {.out = o->screen};
    snprintf(where, sizeof where, "%s: \"tokenizer\"", r->name);
    ponder_status st = bpe_trainer_open(&b, &(bpe_options){.pre = t->pre, .size = t->size}, err);
    if (st != PONDER_OK) return err_context(err, st, "%s", where);
    if (t->data) st = count_texts(b, r, t, o, where, err);
    if (st == PONDER_OK) st = bpe_trainer_run(b, &p, err);
    if (st == PONDER_OK) st = bpe_trainer_save(b, dir, err);
    if (st == PONDER_OK && o->screen)
        fprintf(o->screen, "tokenizer: %zu tokens\n", bpe_trainer_size(b));
    bpe_trainer_close(b);
    return st;
}

/* Is it there, made by the same settings? */
static bool made(const char *path, str identity)
{
    buf have = {0};
    bool same = file_read(&have, path, IDENTITY_BYTES, NULL) == PONDER_OK &&
                str_eq(buf_str(&have), identity);
    buf_free(&have);
    return same;
}

ponder_status stage_make_tokenizer(char **json, const recipe *r, const recipe_tokenizer *t,
                                   const pipeline_options *o, ponder_error *err)
{
    char identity[IDENTITY_BYTES];
    *json = NULL;
    if (t->path) {
        *json = recipe_path(r, t->path);
        return *json ? PONDER_OK : err_set(err, PONDER_ENOMEM, "%s: out of memory", r->name);
    }
    snprintf(identity, sizeof identity, "%016" PRIx64 "\n", recipe_hash(r->seed, r->tokenizer));
    char *dir = stage_path(o->out, "tokenizer", NULL);
    char *mark = stage_path(o->out, "tokenizer", "identity");
    *json = stage_path(o->out, "tokenizer", "tokenizer.json");
    ponder_status st = PONDER_OK;
    if (!dir || !mark || !*json) st = err_set(err, PONDER_ENOMEM, "%s: out of memory", r->name);
    if (st == PONDER_OK && !made(mark, str_of(identity))) {
        st = make(dir, r, t, o, err);
        if (st == PONDER_OK) st = stage_write_file(mark, str_of(identity), err);
    }
    free(dir), free(mark);
    if (st != PONDER_OK) free(*json), *json = NULL;
    return st;
}
