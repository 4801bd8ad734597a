/* vocab_dir: a small tokenizer in a temporary directory, for tests.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_VOCAB_DIR_H
#define TESTS_VOCAB_DIR_H

#include "tests/check.h"
#include "train/bpe_train.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct vocab_dir {
    char dir[32];
    tokenizer *t;
} vocab_dir;

/* Bytes and the standard added tokens. */
static void vocab_dir_open(vocab_dir *v)
{
    ponder_error err;
    bpe_trainer *b;
    char path[64];
    strcpy(v->dir, "/tmp/vocab-XXXXXX");
    assert_non_null(mkdtemp(v->dir));
    check_ok(bpe_trainer_open(&b, &(bpe_options){.pre = "smollm", .size = 264}, &err));
    check_ok(bpe_trainer_run(b, NULL, &err));
    check_ok(bpe_trainer_save(b, v->dir, &err));
    bpe_trainer_close(b);
    snprintf(path, sizeof path, "%s/tokenizer.json", v->dir);
    check_ok(tokenizer_open(&v->t, path, &err));
}

/* Writes DIR/name and returns its path, valid until the next call. */
static const char *vocab_dir_file(const vocab_dir *v, const char *name, const char *text)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", v->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void vocab_dir_close(vocab_dir *v)
{
    char command[64];
    tokenizer_close(v->t);
    snprintf(command, sizeof command, "rm -rf %s", v->dir);
    assert_int_equal(system(command), 0);
}

#endif
