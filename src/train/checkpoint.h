/* checkpoint: the whole state of a run in one file that is there or is not.
 * SPDX-License-Identifier: MIT
 *
 * DIR/step-N.safetensors holds each section as a tensor and the rest of the state as JSON text in
 * the tensor "state"; DIR/latest names the one to go on from. Files are written beside their names,
 * synced and renamed, the pointer after the file it points to, and old files are removed last: a
 * kill at any moment leaves a pointer to a complete file. Where the pointer or its file is damaged,
 * the newest file that can be read is taken. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "json/json.h"
#include "num/num.h"

/* Memory to be saved and restored: n elements of a type without blocks. */
typedef struct checkpoint_section {
    const char *name; /* not "state" */
    num_type type;
    void *p;
    size_t n;
} checkpoint_section;

enum { CHECKPOINT_SECTIONS = 64 };

/* Keeps the newest `keep` files. ELIMIT with the numbers when the disk has no room, EIO when
 * writing fails: what was there before stays as it was. */
ponder_status checkpoint_save(const char *dir, uint64_t step, str state,
                              const checkpoint_section *s, size_t n, int keep, ponder_error *err);

/* The file to go on from; ENOTFOUND when there is none. The caller frees. Removes what a killed
 * process left half-written. */
ponder_status checkpoint_find(char **path, const char *dir, ponder_error *err);
/* The state alone; an object. */
ponder_status checkpoint_state(json_t **state, const char *path, ponder_error *err);
/* Fills all sections, which must have the file's names, types and sizes: EFORMAT otherwise, before
 * anything was written to. */
ponder_status checkpoint_load(const char *path, const checkpoint_section *s, size_t n,
                              ponder_error *err);

#endif
