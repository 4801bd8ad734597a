/* Recipes and data lines of any content.
 * SPDX-License-Identifier: MIT */
#include "train/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    recipe r;
    recipe_model m;
    recipe_tokenizer t;
    json_t *j;
    ponder_error err;
    if (json_parse(&j, (str){(const char *)data, n}, "fuzz", &err) != PONDER_OK) return 0;
    if (recipe_of(&r, j, "fuzz", "", &err) != PONDER_OK) return 0;
    if (recipe_read_model(&m, &r, r.model, r.name, &err) == PONDER_OK && !m.start)
        (void)model_config_check(&m.config, &err);
    (void)recipe_read_tokenizer(&t, &r, &err);
    bool known = true;
    for (size_t i = 0; i < r.n; i++) {
        const stage_kind *k = stage_kind_find(r.stage[i].kind);
        uint64_t reads;
        known = known && k;
        if (k) (void)k->check(&r, &r.stage[i], &err);
        if (known && origin_check(&r, i, &err) == PONDER_OK) (void)origin_reads(&reads, &r, i, &err);
    }
    recipe_close(&r);
    return 0;
}
