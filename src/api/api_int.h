/* api, private: what stands behind the opaque handles of include/ponder/ponder.h.
 * SPDX-License-Identifier: MIT */
#ifndef API_INT_H
#define API_INT_H

#include "engine/engine.h"

#include <ponder/ponder.h>

struct ponder_model {
    pool *pool;
    model *model;
    tokenizer *tokenizer;
    engine *engine;
    enum kern_kv kv;
    chat_template template;
};

/* Copies a struct that begins with its size, as given by a caller compiled against another version:
 * what it does not have keeps its value in *own, what we do not know must be zero. EARG otherwise.
 */
ponder_status api_take(void *own, size_t own_size, const void *given, const char *name,
                       ponder_error *err);
/* Fills a caller's struct of `size` bytes: the beginning of *own, then zeros, its first field the
 * size. */
void api_give(void *out, size_t size, const void *own, size_t own_size);

#endif
