/* What the tests of whole models share: a temporary folder, random models, and running sequences.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_TINY_H
#define TESTS_TINY_H

#include "tests/check.h"

#include "model/model.h"

#include <stdlib.h>
#include <unistd.h>

/* A model with everything a step needs. */
typedef struct tiny {
    pool *pool;
    model *m;
    model_step *step;
    model_kv kv;
    uint32_t *pages; /* page numbers to give out, of every sequence in turn */
} tiny;

static inline const char *tiny_folder(void)
{
    static char path[] = "/tmp/ponder-test-XXXXXX";
    static bool made;
    if (!made && !mkdtemp(path)) fail_msg("cannot make a temporary folder");
    made = true;
    return path;
}

static inline void tiny_cleanup(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", tiny_folder());
    if (system(command) != 0) fail_msg("cannot remove %s", tiny_folder());
}

/* Writes a random model of a named configuration; out gets its path. */
static inline void tiny_write(const char *config, num_type type, char out[128])
{
    ponder_error err = {0};
    model_config c;
    check_ok(model_config_named(&c, config, &err));
    snprintf(out, 128, "%s/%s-%d.gguf", tiny_folder(), config, (int)type);
    model_init_options opt = {.type = type, .seed = 7};
    check_ok(model_init(out, &c, &opt, &err));
}

static inline void tiny_open_as(tiny *t, const char *path, model_options opt, int threads,
                                enum kern_kv kv, size_t pages, size_t max_tokens)
{
    ponder_error err = {0};
    fmt_model *file;
    *t = (tiny){0};
    check_ok(fmt_open(&file, path, &err));
    check_ok(pool_open(&t->pool, threads, &err));
    opt.pool = t->pool;
    check_ok(model_open(&t->m, file, &opt, &err));
    fmt_close(file);
    check_ok(model_step_open(&t->step, t->m, t->pool, max_tokens, &err));
    check_ok(model_kv_open(&t->kv, model_config_of(t->m), kv, pages, &err));
    t->pages = malloc(pages * sizeof *t->pages);
    assert_non_null(t->pages);
    for (size_t i = 0; i < pages; i++) t->pages[i] = (uint32_t)i;
}

static inline void tiny_open(tiny *t, const char *path, unsigned mask, int threads, enum kern_kv kv,
                             size_t pages, size_t max_tokens)
{
    tiny_open_as(t, path, (model_options){.cpu_mask = mask}, threads, kv, pages, max_tokens);
}

static inline void tiny_close(tiny *t)
{
    free(t->pages);
    model_kv_close(&t->kv);
    model_step_close(t->step);
    model_close(t->m);
    pool_close(t->pool);
}

#endif
