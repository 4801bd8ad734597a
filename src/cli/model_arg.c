/* Finding and opening the model of a command line.
 * SPDX-License-Identifier: MIT */
#include "cli/model_arg.h"

#include <strings.h>
#include <unistd.h>

static const char *const KV_NAMES[KERN_KVS] = {"f32", "f16", "bf16", "q8_0"};

static ponder_status kv_by_name(enum kern_kv *out, const char *name, ponder_error *err)
{
    for (int i = 0; i < KERN_KVS; i++)
        if (!strcasecmp(name, KV_NAMES[i])) return *out = (enum kern_kv)i, PONDER_OK;
    return err_set(err, PONDER_EARG, "--kv \"%s\": use f32, f16, bf16 or q8_0", name);
}

/* Weights that are exact deserve an exact cache. */
static enum kern_kv kv_of(const fmt_model *file)
{
    for (size_t i = 0; i < fmt_tensor_count(file); i++) {
        const fmt_tensor *t = fmt_tensor_at(file, i);
        if (t->n_dims > 1 && t->type != NUM_F32) return KERN_KV_BF16;
    }
    return KERN_KV_F32;
}

static ponder_status open_parts(model_arg *a, const fmt_model *file, const model_options *mo,
                                const model_arg_options *o, ponder_error *err)
{
    ponder_status st = o->ids_only ? PONDER_OK : tokenizer_from_model(&a->t, file, err);
    a->kv = kv_of(file);
    if (st == PONDER_OK && o->kv) st = kv_by_name(&a->kv, o->kv, err);
    a->kv_name = KV_NAMES[a->kv];
    return st == PONDER_OK ? model_open(&a->m, file, mo, err) : st;
}

ponder_status model_arg_open(model_arg *out, const char *arg, const model_arg_options *o,
                             ponder_error *err)
{
    uint64_t start = clock_ns();
    fmt_model *file;
    model_options mo = {0};
    progress bar = {.out = !o->quiet && isatty(STDERR_FILENO) ? stderr : NULL};
    *out = (model_arg){0};
    if (!cpu_mask_by_name(&mo.cpu_mask, o->cpu))
        return err_set(err, PONDER_EARG,
                       "--cpu \"%s\": use ref, avx2, avx512, avx512_vnni or native", o->cpu);
    mo.mla_expanded_prefill = o->mla && !strcmp(o->mla, "expanded");
    if (o->mla && !mo.mla_expanded_prefill && strcmp(o->mla, "absorbed"))
        return err_set(err, PONDER_EARG, "--mla-prefill \"%s\": use absorbed or expanded", o->mla);
    TRY(cli_open_model(&file, arg, err));
    ponder_status st = pool_open(&out->pool, o->threads ? o->threads : cpu_cores(), err);
    mo.pool = out->pool;
    mo.progress = &bar;
    if (st == PONDER_OK) st = open_parts(out, file, &mo, o, err);
    fmt_close(file);
    out->load_ms = (double)(clock_ns() - start) * 1e-6;
    return st;
}

void model_arg_close(model_arg *a)
{
    tokenizer_close(a->t);
    model_close(a->m);
    pool_close(a->pool);
    *a = (model_arg){0};
}
