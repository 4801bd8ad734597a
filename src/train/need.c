/* The memory of a stage that trains.
 * SPDX-License-Identifier: MIT */
#include "train/need.h"

#include "engine/engine.h"

#include <stdlib.h>

/* Answers that must find room at a time: enough rows for the products to run at their speed. Beyond
 * them an engine uses what room there is, and the rest waits. */
enum { TOGETHER = 64 };

size_t need_parameters(const model_config *config, size_t rank, size_t *adapters)
{
    size_t n = model_tensors(config, NULL, 0), sum = 0;
    model_tensor *t = calloc(size_max(n, 1), sizeof *t);
    *adapters = 0;
    if (!t) return 0;
    model_tensors(config, t, n);
    for (size_t i = 0; i < n; i++) {
        size_t values = 1;
        for (int d = 0; d < t[i].n_dims; d++) values *= (size_t)t[i].dim[d];
        sum += values;
        if (t[i].role == MODEL_MATRIX)
            *adapters += rank * (size_t)(t[i].dim[0] + t[i].dim[1]) * (size_t)t[i].dim[2];
    }
    free(t);
    return sum;
}

/* Of the optimiser and, with adapters, of the base and of them and their gradients. */
static size_t optimiser_bytes(const training *t, size_t values, size_t adapters)
{
    const adamw_options moments = training_adamw(t);
    if (!t->lora_rank) return adamw_bytes(values, &moments);
    return values * sizeof(float) + 2 * adapters * sizeof(float) + adamw_bytes(adapters, &moments);
}

/* Answers to a question share the full pages of its prompt. */
size_t need_pages(size_t answers, size_t group, size_t answer_tokens, size_t max_tokens)
{
    size_t whole = size_ceil_div(max_tokens, KERN_PAGE), n = size_min(answers, TOGETHER);
    size_t prompt = (max_tokens - answer_tokens) / KERN_PAGE;
    size_t each = size_ceil_div(answer_tokens, KERN_PAGE) + 1;
    return size_max(size_min(size_ceil_div(n, group) * prompt + n * each, n * whole), whole);
}

static engine_options engine_of(const stage_besides *b, const training *t, const model_train_options *o)
{
    return (engine_options){.max_sequences = b->answers, .context = t->max_tokens, .pool = o->pool};
}

/* What sampling works with: the engine's step, and behind it keys and values. */
static size_t sampling_bytes(const stage_besides *b, const training *t, const model_config *config,
                             const model_train_options *o)
{
    const engine_options e = engine_of(b, t, o);
    enum kern_kv kv = o->precision == MODEL_F32 ? KERN_KV_F32 : KERN_KV_BF16;
    size_t step = model_trainable_step_bytes(config, o, engine_step_tokens(&e));
    return size_round_up(step, 4096) +
           need_pages(b->answers, b->group, b->answer_tokens, t->max_tokens) *
               model_kv_page_bytes(config, kv);
}

/* Of a micro-batch of that size; learnt from or only looked at. */
static size_t work_bytes(const model_config *config, const model_train_options *o, const micro_size *m,
                         bool look)
{
    model_train_options part = *o;
    if (!m->tokens) return 0;
    part.max_tokens = size_min(m->tokens, o->max_tokens);
    part.max_sequences = size_min(m->sequences, o->max_sequences);
    part.max_sequence = size_min(m->longest, part.max_tokens);
    model_train_size size = model_trainable_size(config, &part);
    return look ? size.look : size.work;
}

need need_of(const model_config *config, const training *t, model_train_options *o, size_t models,
             const stage_besides *b)
{
    size_t adapters, values = need_parameters(config, t->lora_rank, &adapters), lasting;
    if (b->answers) {
        o->max_tokens = size_min(o->max_tokens, b->answers * t->max_tokens);
        size_t prompts = b->prefixes ? b->answers / b->group : 0;
        o->max_sequences = size_min(o->max_sequences, b->answers + prompts);
        o->least_work = sampling_bytes(b, t, config, o);
    }
    model_train_size size = model_trainable_size(config, o);
    size_t work = size_max(work_bytes(config, o, &b->learnt, false), work_bytes(config, o, &b->looked, true));
    if (!b->learnt.tokens) work = size.work;
    lasting = models * (size.lasting + optimiser_bytes(t, values, adapters)) +
              b->copies * values * sizeof(float);
    if (b->answers) { /* the engine's tables; ids and two numbers of every token */
        const engine_options e = engine_of(b, t, o);
        lasting += mem_map_bytes(engine_table_bytes(&e, (size_t)config->vocab)) +
                   b->answers * t->max_tokens * 3 * sizeof(float);
    }
    return (need){lasting + size_min(work, size.work), lasting + size.work};
}
