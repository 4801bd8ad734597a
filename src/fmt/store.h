/* store: the models that `pull` brought, one directory each, and what is known about them.
 * SPDX-License-Identifier: MIT
 *
 *   ROOT/<name>/...                a complete, verified model: its files and store.json
 *   ROOT/.partial/<name>/...       a download under way: store.json (the plan), <oid>.partial
 * (being fetched), <oid> (complete and verified) ROOT/.removed/...              on its way out
 *
 * A directory is named after the model ('/' becomes '+', anything unusual %XX), so no name can lead
 * out of ROOT. A model appears and disappears by one rename. */
#ifndef STORE_H
#define STORE_H

#include "json/json.h"

enum { STORE_OID_MAX = 64 };

/* One file of a model. `oid` is the hub's name for the content: the SHA-256 of a large file, the
 * git blob SHA-1 of a small one. `sha256` is empty until the file is verified. */
typedef struct store_file {
    str path, oid, sha256;
    uint64_t size;
} store_file;

typedef struct store_model {
    str name, kind, source, revision, commit, date; /* kind: "gguf" or "hf"; date: ISO 8601, UTC */
    store_file *files;
    size_t n_files;
    uint64_t bytes; /* of all files */
    uint64_t have;  /* bytes on disk: less than `bytes` while incomplete */
    bool complete;
    char *dir;
    json_t *doc; /* owns the texts; NULL when they are borrowed from elsewhere */
} store_model;

typedef struct store_list {
    store_model *v;
    size_t n;
} store_list;

/* A relative path that stays where it is put: no empty, "." or ".." component, no backslash, no
 * control byte, components of at most 200 bytes, 1024 in all. */
bool store_path_ok(str path);

/* ROOT/<name> or ROOT/.partial/<name>; the caller frees. ELIMIT when the name is too long. */
ponder_status store_dir(char **out, const char *root, str name, bool complete, ponder_error *err);

/* Reads DIR/store.json; ENOTFOUND when there is none. */
ponder_status store_read(store_model *out, const char *dir, bool complete, ponder_error *err);
ponder_status store_write(const store_model *m, const char *dir, ponder_error *err);
void store_free(store_model *m);

/* All models, by name; incomplete ones only where no complete one has the name. A store that does
 * not exist is empty. Directories without a readable store.json are left out. */
ponder_status store_all(store_list *out, const char *root, ponder_error *err);
void store_list_free(store_list *l);

/* What to open for a model: its directory, or its first GGUF file. `name` is the full name, or the
 * part behind the owner where only one model has it. ENOTFOUND names the remedy. The caller frees.
 */
ponder_status store_find(char **path, const char *root, const char *name, ponder_error *err);

/* Removes a model and what a broken-off download of it left behind; *bytes is what that freed. */
ponder_status store_remove(const char *root, const char *name, uint64_t *bytes, ponder_error *err);

/* Moves a finished directory to its final place, in exchange for an older one there. */
ponder_status store_publish(const char *root, const char *from, const char *to, ponder_error *err);

/* Removes a directory and everything in it, following no links. OK when it does not exist. */
ponder_status store_remove_tree(const char *path, ponder_error *err);

/* "DIR/NAME", or NULL when memory is out; the caller frees. */
char *store_join(const char *dir, str name);

#endif
