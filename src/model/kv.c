/* Paged memory of keys and values: sizes and the block itself.
 * SPDX-License-Identifier: MIT */
#include "model/model_int.h"

size_t model_kv_layer_bytes(const model_config *c, enum kern_kv t, size_t *head_bytes,
                            size_t *value_at)
{
    if (model_is_mla(c)) {
        *value_at = 0;
        *head_bytes = kern_kv_key_bytes(t, (size_t)(c->kv_rank + c->rope_dim));
        return *head_bytes;
    }
    size_t d = (size_t)c->head_dim;
    *value_at = kern_kv_key_bytes(t, d);
    *head_bytes = *value_at + kern_kv_value_bytes(t, d);
    return *head_bytes * (size_t)c->kv_heads;
}

size_t model_kv_layer_at(const model_kv *kv, const model_config *c, int layer, size_t *head_bytes,
                         size_t *value_at)
{
    return (size_t)(layer % kv->layers) * model_kv_layer_bytes(c, kv->type, head_bytes, value_at);
}

size_t model_kv_page_bytes(const model_config *c, enum kern_kv t)
{
    size_t head_bytes, value_at;
    return model_kv_layer_bytes(c, t, &head_bytes, &value_at) * (size_t)(c->layers + c->mtp_layers);
}

void model_kv_place(model_kv *kv, const model_config *c, enum kern_kv t, size_t pages, void *memory)
{
    *kv = (model_kv){.base = memory,
                     .type = t,
                     .layers = c->layers + c->mtp_layers,
                     .pages = pages,
                     .page_bytes = model_kv_page_bytes(c, t)};
}

ponder_status model_kv_open(model_kv *kv, const model_config *c, enum kern_kv t, size_t pages,
                            ponder_error *err)
{
    model_kv_place(kv, c, t, pages, NULL);
    int width = model_is_mla(c) ? c->kv_rank + c->rope_dim : c->head_dim;
    if (t == KERN_KV_Q8 && width % 32)
        return err_set(err, PONDER_EUNSUPPORTED,
                       "keys of %d columns cannot be kept as Q8_0: use f16 or bf16", width);
    size_t bytes, have = mem_available_bytes();
    if (pages == 0 || !size_mul(&bytes, pages, kv->page_bytes))
        return err_set(err, PONDER_EARG, "%zu pages of keys and values", pages);
    if (bytes > have)
        return err_set(err, PONDER_ELIMIT,
                       "keys and values of %zu positions take %.2f GB and %.2f GB of memory are "
                       "free: ask for a "
                       "shorter context or a smaller cache type",
                       pages * KERN_PAGE, (double)bytes * 1e-9, (double)have * 1e-9);
    void *p;
    TRY(mem_map(&p, bytes, err));
    kv->base = p;
    return PONDER_OK;
}

void model_kv_close(model_kv *kv)
{
    mem_unmap(kv->base, kv->pages * kv->page_bytes);
    *kv = (model_kv){0};
}
