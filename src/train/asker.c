/* Models that are asked.
 * SPDX-License-Identifier: MIT */
#include "train/asker.h"

#include "train/need.h"

#include <stddef.h>

#define AT(field) offsetof(asker_keys, field)
const key asker_key_list[] = {
    {"template", KEY_TEXT, AT(template), 0, 0},
    {"layout", KEY_TEXT, AT(layout), 0, 0},
    {"precision", KEY_TEXT, AT(precision), 0, 0},
    {"answer_tokens", KEY_SIZE, AT(answer_tokens), 1, 1 << 20},
    {"max_tokens", KEY_SIZE, AT(max_tokens), 2, 1 << 24},
    {"temperature", KEY_FLOAT, AT(temperature), 0, 10},
    {"top_p", KEY_FLOAT, AT(top_p), 0.01, 1},
    {0},
};
#undef AT

ponder_status asker_check_form(enum reward_layout *form, const char *layout, size_t answer_tokens,
                               size_t max_tokens, const char *where, ponder_error *err)
{
    if (!reward_layout_by_name(form, str_of(layout)))
        return err_set(err, PONDER_EFORMAT, "%s: \"layout\" \"%s\": want think or think_answer",
                       where, layout);
    if (answer_tokens < max_tokens) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   "%s: \"answer_tokens\" (%zu) leave no room for a question in \"max_tokens\" "
                   "(%zu)", where, answer_tokens, max_tokens);
}

ponder_status asker_check(asker_keys *k, const char *where, ponder_error *err)
{
    chat_template unused;
    if (strcmp(k->precision, "bf16") && strcmp(k->precision, "f32"))
        return err_set(err, PONDER_EFORMAT, "%s: \"precision\" \"%s\": want f32 or bf16", where,
                       k->precision);
    if (k->template && !stage_template_named(&unused, k->template))
        return err_set(err, PONDER_EFORMAT, "%s: no template \"%s\"", where, k->template);
    return asker_check_form(&k->form, k->layout, k->answer_tokens, k->max_tokens, where, err);
}

static ponder_status open_weights(asker *a, const stage_context *c, const char *path, bool bf16,
                                  const tokenizer *t, ponder_error *err)
{
    const model_options o = {.cpu_mask = c->o->cpu_mask, .pool = c->o->pool, .bf16 = bf16};
    fmt_model *file;
    TRY(fmt_open(&file, path, err));
    ponder_status st = t ? PONDER_OK : tokenizer_from_model(&a->own, file, err);
    if (st == PONDER_OK) st = model_open(&a->m, file, &o, err);
    fmt_close(file);
    return st;
}

/* At most, because keys and values are as many as answers are long. */
static void tell_memory(const asker *a, const stage_context *c, const engine_options *e)
{
    size_t bytes = model_weight_bytes(a->m) + e->kv_bytes +
                   mem_map_bytes(model_step_bytes(a->m, e->pool, engine_step_tokens(e))) +
                   mem_map_bytes(engine_table_bytes(e, (size_t)model_config_of(a->m)->vocab));
    if (c->o->screen)
        fprintf(c->o->screen, "%s: answers take at most %.0f MB of %.0f MB free\n", c->stage->name,
                (double)bytes * 1e-6, (double)(mem_available_bytes() + model_weight_bytes(a->m)) * 1e-6);
}

ponder_status asker_open(asker *a, const asker_keys *k, const stage_context *c, const char *path,
                         const tokenizer *t, size_t places, size_t group,
                         const answer_reward *reward, ponder_error *err)
{
    const bool bf16 = !strcmp(k->precision, "bf16");
    *a = (asker){0};
    TRY(open_weights(a, c, path, bf16, t, err));
    if (!t) t = a->own;
    int context = model_config_of(a->m)->context;
    if (k->max_tokens > (size_t)context)
        return err_set(err, PONDER_EARG, "\"max_tokens\" is %zu, the model has %d positions",
                       k->max_tokens, context);
    const enum kern_kv kv = bf16 ? KERN_KV_BF16 : KERN_KV_F32;
    const engine_options e = {.kv = kv, .context = k->max_tokens, .max_sequences = places * group,
                              .kv_bytes = need_pages(places * group, group, k->answer_tokens, k->max_tokens) *
                                          model_kv_page_bytes(model_config_of(a->m), kv),
                              .no_prefix_cache = true, .pool = c->o->pool};
    tell_memory(a, c, &e);
    answers_options o = {.questions = places, .group = group, .max_tokens = k->answer_tokens,
                         .context = k->max_tokens, .temperature = k->temperature,
                         .top_p = k->top_p, .numbered = true, .reward = *reward,
                         .prompts = {.t = t, .max_tokens = k->max_tokens,
                                     .template = tokenizer_template(t)}};
    o.reward.layout = k->form;
    if (k->template) (void)stage_template_named(&o.prompts.template, k->template);
    TRY(engine_open(&a->e, a->m, t, &e, err));
    return answers_open(&a->a, a->e, &o, err);
}

void asker_close(asker *a)
{
    answers_close(&a->a);
    engine_close(a->e);
    model_close(a->m);
    tokenizer_close(a->own);
    *a = (asker){0};
}
