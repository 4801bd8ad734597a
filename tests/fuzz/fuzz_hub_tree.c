/* The hub's list of files, and the choice among them.
 * SPDX-License-Identifier: MIT */
#include "fmt/hub_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Whatever a server lists: every path that is kept stays inside the model's directory, once. */
static void check_kept(const hub_tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!store_path_ok(str_of(t->v[i].path))) abort();
        if (i && strcmp(t->v[i - 1].path, t->v[i].path) >= 0) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const files[] = {"", "x.gguf", "d/x-00001-of-00002.gguf"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        hub_tree t = {0};
        hub_name name = {.repo = "a/b", .revision = "main"};
        snprintf(name.file, sizeof name.file, "%s", files[i]);
        if (hub_tree_add(&t, (str){(const char *)data, n}, "fuzz", NULL) == PONDER_OK &&
            hub_tree_select(&t, &name, NULL) == PONDER_OK)
            check_kept(&t);
        hub_tree_free(&t);
    }
    buf b = {0};
    hub_link_next((str){(const char *)data, n}, &b);
    buf_free(&b);
    return 0;
}
