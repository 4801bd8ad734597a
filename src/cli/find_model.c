/* Which model a command line means: a path, a name in the local store, or the embedded one.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "fmt/hub.h"

#include <stdlib.h>

ponder_status cli_store_root(char **out, ponder_error *err)
{
    const char *home = getenv("PONDER_HOME"), *data = getenv("XDG_DATA_HOME"),
               *user = getenv("HOME");
    buf b = {0};
    *out = NULL;
    if (home && *home) buf_printf(&b, "%s/models", home);
    else if (data && *data == '/')
        buf_printf(&b, "%s/ponder/models", data); /* a relative one is to be ignored */
    else if (user && *user) buf_printf(&b, "%s/.local/share/ponder/models", user);
    else return err_set(err, PONDER_EARG, "no place for models: set PONDER_HOME or HOME");
    if (b.failed) return err_set(err, PONDER_ENOMEM, "out of memory");
    *out = b.p;
    return PONDER_OK;
}

ponder_status cli_find_model(char **path, const char *model, ponder_error *err)
{
    char *root;
    *path = NULL;
    if (file_exists(model)) {
        *path = strdup(model);
        return *path ? PONDER_OK : err_set(err, PONDER_ENOMEM, "out of memory");
    }
    TRY(cli_store_root(&root, err));
    ponder_status st = store_find(path, root, model, err);
    free(root);
    if (st != PONDER_ENOTFOUND || strstr(err->message, "ponder pull")) return st;
    if (hub_is_name(model))
        return err_set(err, st,
                       "%s: neither a file nor in the local store; `ponder pull %s` would fetch it",
                       model, model);
    return err_set(err, st,
                   "%s: no such file or model; `ponder list` shows the local ones, "
                   "`ponder pull OWNER/REPO` fetches one",
                   model);
}

ponder_status cli_open_model(fmt_model **out, const char *model, ponder_error *err)
{
    char *path;
    mapped own = cli_embedded_model();
    *out = NULL;
    if (!model && !own.n)
        return err_set(err, PONDER_EARG,
                       "no model is embedded in this program: name one: a .gguf file, a Hugging Face "
                       "directory, or what `ponder list` shows");
    if (!model) return fmt_open_bytes(out, FMT_GGUF, own.p, own.n, CLI_EMBEDDED, err);
    TRY(cli_find_model(&path, model, err));
    ponder_status st = fmt_open(out, path, err);
    free(path);
    return st;
}
