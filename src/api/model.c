/* Models and tokens of the C interface.
 * SPDX-License-Identifier: MIT */
#include "api/api_int.h"

#include <stdlib.h>

enum { STRUCT_LIMIT = 4096, SCORE_CHUNK = 32 };

const char *ponder_version(void) { return PONDER_VERSION; }
const char *ponder_status_name(ponder_status status) { return err_name(status); }

/* ---- structs that grow
 * --------------------------------------------------------------------------- */

ponder_status api_take(void *own, size_t own_size, const void *given, const char *name,
                       ponder_error *err)
{
    size_t size;
    const unsigned char *bytes = given;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > STRUCT_LIMIT)
        return err_set(err, PONDER_EARG, "%s: size is %zu: fill it by its init function", name,
                       size);
    for (size_t i = own_size; i < size; i++)
        if (bytes[i])
            return err_set(err, PONDER_EUNSUPPORTED,
                           "%s: sets a field that ponder " PONDER_VERSION " does not have", name);
    memcpy(own, given, size_min(size, own_size));
    return PONDER_OK;
}

void api_give(void *out, size_t size, const void *own, size_t own_size)
{
    memset(out, 0, size);
    memcpy(out, own, size_min(size, own_size));
    memcpy(out, &size, size_min(size, sizeof size));
}

/* ---- models
 * -------------------------------------------------------------------------------------- */

static const ponder_model_options MODEL_DEFAULTS = {
    .size = sizeof MODEL_DEFAULTS,
    .cache = PONDER_CACHE_BF16,
};

void ponder_model_options_init(ponder_model_options *o, size_t size)
{
    api_give(o, size, &MODEL_DEFAULTS, sizeof MODEL_DEFAULTS);
}

static ponder_status open_parts(ponder_model *m, const char *path, const ponder_model_options *o,
                                ponder_error *err)
{
    static const enum kern_kv caches[] = {KERN_KV_F32, KERN_KV_F16, KERN_KV_BF16, KERN_KV_Q8};
    fmt_model *file = NULL;
    unsigned mask = ~0u;
    if (o->cpu && !cpu_mask_by_name(&mask, o->cpu))
        return err_set(err, PONDER_EARG, "cpu \"%s\": no such instruction set", o->cpu);
    if ((size_t)o->cache >= COUNT_OF(caches))
        return err_set(err, PONDER_EARG, "cache %d: no such type", (int)o->cache);
    m->kv = caches[o->cache];
    TRY(pool_open(&m->pool, o->threads ? o->threads : cpu_cores(), err));
    TRY(fmt_open(&file, path, err));
    ponder_status st = tokenizer_from_model(&m->tokenizer, file, err);
    if (st == PONDER_OK) m->template = tokenizer_template(m->tokenizer);
    model_options mo = {.cpu_mask = mask, .pool = m->pool};
    if (st == PONDER_OK) st = model_open(&m->model, file, &mo, err);
    fmt_close(file);
    engine_options eo = {.kv = m->kv, .context = o->context, .max_sequences = 1, .pool = m->pool};
    return st == PONDER_OK ? engine_open(&m->engine, m->model, m->tokenizer, &eo, err) : st;
}

ponder_status ponder_model_open(ponder_model **out, const char *path, const ponder_model_options *o,
                                ponder_error *err)
{
    *out = NULL;
    ponder_model_options own = MODEL_DEFAULTS;
    if (o) TRY(api_take(&own, sizeof own, o, "ponder_model_options", err));
    ponder_model *m = calloc(1, sizeof *m);
    if (!m) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    ponder_status st = open_parts(m, path, &own, err);
    if (st == PONDER_OK) *out = m;
    else ponder_model_close(m);
    return st;
}

void ponder_model_close(ponder_model *m)
{
    if (!m) return;
    engine_close(m->engine);
    tokenizer_close(m->tokenizer);
    model_close(m->model);
    pool_close(m->pool);
    free(m);
}

size_t ponder_model_vocab(const ponder_model *m)
{
    return (size_t)model_config_of(m->model)->vocab;
}
size_t ponder_model_context(const ponder_model *m) { return engine_state_of(m->engine).context; }

/* ---- tokens
 * -------------------------------------------------------------------------------------- */

ponder_status ponder_tokenize(const ponder_model *m, const char *text, size_t n, unsigned flags,
                              int32_t *ids, size_t cap, size_t *count, ponder_error *err)
{
    tokens got = {0};
    unsigned how = (flags & PONDER_CONTROL ? 0 : TEXT_PLAIN) | (flags & PONDER_BOS ? TEXT_BOS : 0);
    *count = 0;
    ponder_status st = tokenizer_encode(m->tokenizer, &got, (str){text, n}, how, err);
    if (st == PONDER_OK && got.failed) st = err_set(err, PONDER_ENOMEM, "tokenize: out of memory");
    if (st == PONDER_OK) {
        if (got.n && cap) memcpy(ids, got.p, size_min(got.n, cap) * sizeof *ids);
        *count = got.n;
    }
    tokens_free(&got);
    return st;
}

ponder_status ponder_detokenize(const ponder_model *m, const int32_t *ids, size_t count, char *text,
                                size_t cap, size_t *n, ponder_error *err)
{
    buf got = {0};
    tokenizer_decode(m->tokenizer, &got, ids, count, false);
    ponder_status st =
        got.failed ? err_set(err, PONDER_ENOMEM, "detokenize: out of memory") : PONDER_OK;
    *n = st == PONDER_OK ? got.n : 0;
    if (*n && cap) memcpy(text, got.p, size_min(*n, cap));
    buf_free(&got);
    return st;
}

/* ---- scores
 * -------------------------------------------------------------------------------------- */

/* What scoring needs beside the weights: a cache and a step of its own, so that sessions keep
 * theirs. */
typedef struct scorer {
    model_kv kv;
    model_step *step;
    uint32_t *pages;
    float *logits; /* [SCORE_CHUNK, V] */
} scorer;

static void scorer_close(scorer *s)
{
    free(s->logits);
    free(s->pages);
    model_step_close(s->step);
    model_kv_close(&s->kv);
}

static ponder_status scorer_open(scorer *s, const ponder_model *m, size_t count, ponder_error *err)
{
    size_t pages = size_ceil_div(count, KERN_PAGE), bytes;
    TRY(model_kv_open(&s->kv, model_config_of(m->model), m->kv, pages, err));
    TRY(model_step_open(&s->step, m->model, m->pool, SCORE_CHUNK, err));
    s->pages = calloc(pages, sizeof *s->pages);
    if (size_mul(&bytes, SCORE_CHUNK * sizeof(float), ponder_model_vocab(m)))
        s->logits = malloc(bytes);
    if (!s->pages || !s->logits) return err_set(err, PONDER_ENOMEM, "score: out of memory");
    for (size_t i = 0; i < pages; i++) s->pages[i] = (uint32_t)i;
    return PONDER_OK;
}

static ponder_status score_all(scorer *s, const ponder_model *m, const int32_t *ids, size_t count,
                               float *logprobs, ponder_error *err)
{
    const kern *k = model_kern(m->model);
    size_t vocab = ponder_model_vocab(m);
    for (size_t at = 0; at + 1 < count; at += SCORE_CHUNK) {
        size_t n = size_min(SCORE_CHUNK, count - 1 - at);
        model_span span = {
            .ids = ids + at, .n = n, .pos = at, .pages = s->pages, .want = 2, .logits = s->logits};
        TRY(model_forward(s->step, m->model, &s->kv, &span, 1, err));
        for (size_t i = 0; i < n; i++) {
            const float *row = s->logits + i * vocab;
            double norm = ops_log_sum_exp(k, row, vocab, NULL);
            logprobs[at + i] = (float)((double)row[ids[at + i + 1]] - norm);
        }
    }
    return PONDER_OK;
}

ponder_status ponder_score(ponder_model *m, const int32_t *ids, size_t count, float *logprobs,
                           ponder_error *err)
{
    size_t vocab = ponder_model_vocab(m), context = (size_t)model_config_of(m->model)->context;
    if (count < 2) return err_set(err, PONDER_EARG, "score: %zu tokens, want at least 2", count);
    if (count > context)
        return err_set(err, PONDER_ELIMIT, "score: %zu tokens, the model was made for %zu", count,
                       context);
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocab)
            return err_set(err, PONDER_EARG, "score: token %d at %zu: the model has %zu", ids[i], i,
                           vocab);
    scorer s = {0};
    ponder_status st = scorer_open(&s, m, count, err);
    if (st == PONDER_OK) st = score_all(&s, m, ids, count, logprobs, err);
    scorer_close(&s);
    return st;
}
