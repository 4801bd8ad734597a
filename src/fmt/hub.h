/* hub: fetching models from a server that speaks the Hugging Face hub protocol.
 * SPDX-License-Identifier: MIT
 *
 * Protocol (huggingface_hub 0.2x, hf_api.py and file_download.py; facts only), below the endpoint:
 *   GET /api/models/{repo}/revision/{rev}   {"sha": commit, ...}
 *   GET /api/models/{repo}/tree/{commit}?recursive=true
 *       [{"type","path","size","oid","lfs"?:{"oid","size"}}, ...], in pages that are followed by
 *       Link: <...?cursor=...>; rel="next"
 *   GET /{repo}/resolve/{commit}/{path}     the bytes, mostly after a redirect; Range works
 * Large files are named by their SHA-256 (lfs.oid), small ones by their git blob SHA-1 (oid), so
 * every byte is verified. Errors carry X-Error-Message; 429 carries Retry-After, or
 * RateLimit: "api";r=0;t=SECONDS. The token goes to the endpoint's host and to no other. */
#ifndef HUB_H
#define HUB_H

#include "fmt/store.h"

#include <signal.h>

#define HUB_ENDPOINT "https://huggingface.co"

/* [hf:]OWNER/REPO[@REVISION][:FILE.gguf], or the revision at the end. */
typedef struct hub_name {
    char repo[200];
    char revision[132]; /* branch, tag or commit; "main" unless given */
    char file[1028];    /* empty: the whole checkpoint */
} hub_name;

ponder_status hub_name_parse(hub_name *out, const char *text, ponder_error *err);
/* Whether text has the form of such a name, as against a path. */
bool hub_is_name(const char *text);
/* The store's name for it: "owner/repo", "owner/repo@rev:dir/file.gguf"; "main" is left out. */
void hub_name_write(buf *out, const hub_name *n);

typedef struct hub_file {
    char *path;
    uint64_t size;
    char oid[STORE_OID_MAX + 1]; /* lower-case hex: 64 digits SHA-256, 40 digits git blob SHA-1 */
} hub_file;

typedef struct hub_tree {
    hub_file *v;
    size_t n;
} hub_tree;

/* Adds one page of a tree answer. EFORMAT for anything odd, a path that leads elsewhere above all;
 * ELIMIT beyond 100,000 files. `source` is for messages. */
ponder_status hub_tree_add(hub_tree *t, str page, const char *source, ponder_error *err);
/* Keeps, sorted by path, what the name asks for: all shards of a GGUF, or configuration, tokenizer
 * and weights of a checkpoint. ENOTFOUND says what there is instead. */
ponder_status hub_tree_select(hub_tree *t, const hub_name *n, ponder_error *err);
void hub_tree_free(hub_tree *t);

typedef struct hub_options {
    const char *endpoint; /* NULL: HUB_ENDPOINT */
    const char *token;    /* NULL: none */
    int retries;          /* after a failure without progress */
    double wait_s;        /* before the first retry; doubles each time, up to a minute */
    FILE *progress;       /* NULL: silent */
    const logger *log;    /* NULL: silent */
    const volatile sig_atomic_t *stop; /* set to end the download (ECANCELED); NULL: never */
} hub_options;

typedef struct hub_pulled {
    uint64_t bytes, fetched; /* of the model; of them over the network in this call */
    char commit[41];
    char *dir; /* where it stands; the caller frees */
} hub_pulled;

/* Brings a model into the store, or up to date. What a broken-off pull had is continued; the model
 * appears under its name complete and verified or not at all. */
ponder_status hub_pull(hub_pulled *out, const hub_name *n, const char *root, const hub_options *opt,
                       ponder_error *err);

#endif
