/* Reading recipes.
 * SPDX-License-Identifier: MIT */
#include "train/recipe.h"

#include "base/hash.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>

enum { RECIPE_BYTES = 4 << 20 };

/* ---- the file -------------------------------------------------------------------------------- */

static const key recipe_keys[] = {
    {"about", KEY_TEXT, offsetof(recipe, about), 0, 0},
    {"seed", KEY_COUNT, offsetof(recipe, seed), 0, 0},
    {"model", KEY_OBJECT, offsetof(recipe, model), 0, 0},
    {"tokenizer", KEY_OBJECT, offsetof(recipe, tokenizer), 0, 0},
    {0},
};

const key stage_keys[] = {
    {"about", KEY_NOTE, 0, 0, 0},
    {"name", KEY_NOTE, 0, 0, 0},
    {"kind", KEY_NOTE, 0, 0, 0},
    {"from", KEY_NOTE, 0, 0, 0},
    {"model", KEY_OBJECT, 0, 0, 0},
    {"seed", KEY_COUNT, 0, 0, 0},
    {0},
};

void recipe_where(char out[256], const recipe *r, const recipe_stage *s)
{
    snprintf(out, 256, "%s: stage \"%s\"", r->name, s->name);
}

char *recipe_path(const recipe *r, const char *path)
{
    buf b = {0};
    if (path[0] != '/' && r->dir[0]) buf_printf(&b, "%s/", r->dir);
    buf_add_str(&b, str_of(path));
    if (b.failed) buf_free(&b);
    return b.p;
}

/* Names are folders: letters, digits, - and _. */
static bool name_ok(const char *s)
{
    if (!*s || strlen(s) > 48) return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '-' && *s != '_') return false;
    return true;
}

size_t recipe_find(const recipe *r, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(r->stage[i].name, name)) return i;
    return r->n;
}

static ponder_status read_stage(recipe *r, const json_t *json, ponder_error *err)
{
    recipe_stage *s = &r->stage[r->n];
    const json_t *name = json_object_get(json, "name"), *kind = json_object_get(json, "kind"),
                 *from = json_object_get(json, "from");
    *s = (recipe_stage){.name = json_string_value(name), .kind = json_string_value(kind),
                        .from = json_string_value(from),
                        .model = json_object_get(json, "model"), .json = json};
    if (!s->kind)
        return err_set(err, PONDER_EFORMAT, "%s: stage %zu has no \"kind\"", r->name, r->n + 1);
    if (!s->name) s->name = s->kind;
    if (!name_ok(s->name) || !strcmp(s->name, "tokenizer"))
        return err_set(err, PONDER_EFORMAT,
                       "%s: \"%s\" cannot name a stage: letters, digits, - and _ can", r->name,
                       s->name);
    if (recipe_find(r, s->name, r->n) < r->n)
        return err_set(err, PONDER_EFORMAT, "%s: two stages are named \"%s\"", r->name, s->name);
    r->n++;
    return PONDER_OK;
}

/* The name of a list of data in a stage, or in the tokenizer, becomes the list, as if it stood there. */
static ponder_status expand(const recipe *r, const json_t *lists, json_t *to, ponder_error *err)
{
    static const char *const KEYS[] = {"data", "eval_data"};
    for (size_t k = 0; k < COUNT_OF(KEYS); k++) {
        const char *name = json_string_value(json_object_get(to, KEYS[k]));
        json_t *list = name ? json_object_get(lists, name) : NULL;
        if (name && !json_is_array(list))
            return err_set(err, PONDER_EFORMAT, "%s: \"%s\" \"%s\" is no list in the recipe's \"data\"",
                           r->name, KEYS[k], name);
        if (list && json_object_set(to, KEYS[k], list) != 0)
            return err_set(err, PONDER_ENOMEM, "%s: out of memory", r->name);
    }
    return PONDER_OK;
}

static ponder_status read_recipe(recipe *r, ponder_error *err)
{
    struct {
        const json_t *stages, *lists;
    } own = {0};
    const key keys[] = {{"stages", KEY_LIST, 0, 0, 0}, {"data", KEY_OBJECT, sizeof(json_t *), 0, 0},
                        {0}};
    const key_table tables[] = {{recipe_keys, r}, {keys, &own}};
    TRY(keys_read(r->json, r->name, tables, 2, err));
    const json_t *stages = own.stages;
    size_t n = json_array_size(stages);
    if (n < 1 || n > RECIPE_STAGES)
        return err_set(err, PONDER_EFORMAT, "%s: want 1 to %d \"stages\"", r->name, RECIPE_STAGES);
    TRY(expand(r, own.lists, json_object_get(r->json, "tokenizer"), err));
    for (size_t i = 0; i < n; i++) {
        TRY(expand(r, own.lists, json_array_get(stages, i), err));
        TRY(read_stage(r, json_array_get(stages, i), err));
    }
    return PONDER_OK;
}

ponder_status recipe_of(recipe *r, json_t *json, const char *name, const char *dir,
                        ponder_error *err)
{
    *r = (recipe){.json = json, .seed = 1, .name = strdup(name), .dir = strdup(dir)};
    ponder_status st = r->name && r->dir ? read_recipe(r, err)
                                         : err_set(err, PONDER_ENOMEM, "%s: out of memory", name);
    if (st != PONDER_OK) recipe_close(r);
    return st;
}

ponder_status recipe_open(recipe *r, const char *path, ponder_error *err)
{
    json_t *json;
    char dir[4096];
    *r = (recipe){0};
    TRY(json_parse_file(&json, path, RECIPE_BYTES, err));
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)size_min((size_t)(slash - path), 4000) : 0,
             path);
    return recipe_of(r, json, path, dir, err);
}

void recipe_close(recipe *r)
{
    json_decref(r->json);
    free(r->name);
    free(r->dir);
    *r = (recipe){0};
}

/* ---- model and tokenizer --------------------------------------------------------------------- */

#define AT(field) offsetof(model_config, field)
static const key form_keys[] = {
    {"layers", KEY_INT, AT(layers), 1, 1024},
    {"width", KEY_INT, AT(width), 1, 1 << 17},
    {"heads", KEY_INT, AT(heads), 1, 4096},
    {"kv_heads", KEY_INT, AT(kv_heads), 1, 4096},
    {"head_dim", KEY_INT, AT(head_dim), 1, 4096},
    {"ffn", KEY_INT, AT(ffn), 1, 1 << 20},
    {"context", KEY_INT, AT(context), 1, 1 << 24},
    {"norm_eps", KEY_FLOAT, AT(norm_eps), 1e-12, 1e-1},
    {"tied", KEY_FLAG, AT(tied), 0, 0},
    {"rope_base", KEY_REAL, AT(rope_base), 2, 1e12},
    {"rope_dim", KEY_INT, AT(rope_dim), 2, 4096},
    {"q_rank", KEY_INT, AT(q_rank), 0, 1 << 16},
    {"kv_rank", KEY_INT, AT(kv_rank), 0, 1 << 16},
    {"nope_dim", KEY_INT, AT(nope_dim), 0, 4096},
    {"v_dim", KEY_INT, AT(v_dim), 0, 4096},
    {"experts", KEY_INT, AT(experts), 0, 1 << 16},
    {"experts_used", KEY_INT, AT(experts_used), 0, 1 << 16},
    {"experts_shared", KEY_INT, AT(experts_shared), 0, 64},
    {"expert_ffn", KEY_INT, AT(expert_ffn), 0, 1 << 20},
    {"expert_groups", KEY_INT, AT(expert_groups), 1, 1 << 16},
    {"expert_groups_used", KEY_INT, AT(expert_groups_used), 1, 1 << 16},
    {"dense_layers", KEY_INT, AT(dense_layers), 0, 1024},
    {"gate_scale", KEY_FLOAT, AT(gate_scale), 0, 1e3},
    {"mtp_layers", KEY_INT, AT(mtp_layers), 0, 1},
    {0},
};
#undef AT

typedef struct model_words {
    const char *form, *config, *start;
    float init;
} model_words;

static const key word_keys[] = {
    {"about", KEY_NOTE, 0, 0, 0},
    {"form", KEY_TEXT, offsetof(model_words, form), 0, 0},
    {"config", KEY_TEXT, offsetof(model_words, config), 0, 0},
    {"start", KEY_TEXT, offsetof(model_words, start), 0, 0},
    {"init", KEY_FLOAT, offsetof(model_words, init), 1e-6, 1},
    {0},
};

/* What the numbers given leave open. */
static void complete(model_config *c, bool v3)
{
    if (!c->kv_heads) c->kv_heads = v3 ? 1 : c->heads;
    if (!c->context) c->context = 2048;
    if (v3) c->head_dim = c->nope_dim + c->rope_dim;
    else if (!c->head_dim && c->heads) c->head_dim = c->width / c->heads;
    if (!v3) c->rope_dim = c->head_dim;
    if (!c->ffn && !v3) c->ffn = (c->width * 8 / 3 + 63) / 64 * 64;
    if (!c->ffn && v3) c->ffn = c->expert_ffn;
}

static ponder_status read_form(recipe_model *out, const json_t *json, const char *form,
                               const char *where, ponder_error *err)
{
    static const char *const forms[] = {"llama", "qwen2", "deepseek_v3"};
    model_words w;
    size_t k = 0;
    while (k < COUNT_OF(forms) && strcmp(form, forms[k])) k++;
    if (k == COUNT_OF(forms))
        return err_set(err, PONDER_EFORMAT, "%s: \"form\" \"%s\": want llama, qwen2 or deepseek_v3",
                       where, form);
    bool v3 = k == 2;
    out->config = model_config_defaults(v3 ? MODEL_DEEPSEEK2 : k ? MODEL_QWEN2 : MODEL_LLAMA);
    model_config *c = &out->config;
    if (v3) {
        c->gate = MODEL_GATE_SIGMOID;
        c->gate_normalize = true;
    }
    c->rope_pairs = c->arch != MODEL_QWEN2; /* as GGUF files have it */
    const key_table tables[] = {{word_keys, &w}, {form_keys, c}};
    TRY(keys_read(json, where, tables, COUNT_OF(tables), err));
    complete(c, v3);
    snprintf(c->name, sizeof c->name, "%s", form);
    return PONDER_OK;
}

ponder_status recipe_read_model(recipe_model *out, const recipe *r, const json_t *json,
                                const char *name, ponder_error *err)
{
    char where[320];
    model_words w = {.init = 0.02f};
    *out = (recipe_model){0};
    snprintf(where, sizeof where, "%s: \"model\"", name);
    if (!json) return err_set(err, PONDER_EFORMAT, "%s is missing", where);
    bool form = json_object_get(json, "form") != NULL;
    bool config = json_object_get(json, "config") != NULL;
    if (form + config + (json_object_get(json, "start") != NULL) != 1)
        return err_set(err, PONDER_EFORMAT, "%s: want one of \"start\", \"config\" and \"form\"",
                       where);
    model_config unused;
    const key_table tables[] = {{word_keys, &w}, {form_keys, &unused}};
    TRY(keys_read(json, where, tables, form ? 2 : 1, err));
    out->start = w.start;
    out->init = w.init;
    if (form) return read_form(out, json, w.form, where, err);
    if (!w.config) return PONDER_OK;
    char *path = str_ends(str_of(w.config), STR(".json")) ? recipe_path(r, w.config) : NULL;
    ponder_status st = model_config_named(&out->config, path ? path : w.config, err);
    free(path);
    return st;
}

static const key tokenizer_keys[] = {
    {"about", KEY_NOTE, 0, 0, 0},
    {"path", KEY_TEXT, offsetof(recipe_tokenizer, path), 0, 0},
    {"pre", KEY_TEXT, offsetof(recipe_tokenizer, pre), 0, 0},
    {"data", KEY_LIST, offsetof(recipe_tokenizer, data), 0, 0},
    {"size", KEY_SIZE, offsetof(recipe_tokenizer, size), 256, 1 << 20},
    {"examples", KEY_COUNT, offsetof(recipe_tokenizer, examples), 0, 0},
    {0},
};

ponder_status recipe_read_tokenizer(recipe_tokenizer *out, const recipe *r, ponder_error *err)
{
    char where[256];
    *out = (recipe_tokenizer){.pre = "smollm"};
    snprintf(where, sizeof where, "%s: \"tokenizer\"", r->name);
    if (!r->tokenizer) return PONDER_OK;
    const key_table table = {tokenizer_keys, out};
    TRY(keys_read(r->tokenizer, where, &table, 1, err));
    if ((out->path != NULL) == (out->size != 0))
        return err_set(err, PONDER_EFORMAT,
                       "%s: want a \"path\", or the \"size\" of one to be made", where);
    if (out->size > 264 && !out->data)
        return err_set(err, PONDER_EFORMAT, "%s: more than single bytes (264) need \"data\"",
                       where);
    return PONDER_OK;
}

/* ---- training -------------------------------------------------------------------------------- */

#define AT(field) offsetof(training, field)
const key training_keys[] = {
    {"data", KEY_LIST, AT(data), 0, 0},
    {"steps", KEY_COUNT, AT(steps), 1, 1e12},
    {"passes", KEY_REAL, AT(passes), 0, 1e6},
    {"batch", KEY_COUNT, AT(batch), 1, 1e6},
    {"batch_from", KEY_COUNT, AT(batch_from), 1, 1e6},
    {"batch_ramp", KEY_COUNT, AT(ramp), 0, 1e12},
    {"lr", KEY_REAL, AT(lr), 0, 10},
    {"lr_end", KEY_REAL, AT(lr_end), 0, 10},
    {"schedule", KEY_TEXT, AT(schedule), 0, 0},
    {"warmup", KEY_COUNT, AT(warmup), 0, 1e12},
    {"beta1", KEY_FLOAT, AT(beta1), 0, 0.99999},
    {"beta2", KEY_FLOAT, AT(beta2), 0, 0.999999},
    {"eps", KEY_FLOAT, AT(eps), 0, 1},
    {"decay", KEY_FLOAT, AT(decay), 0, 10},
    {"clip", KEY_REAL, AT(clip), 0, 1e9},
    {"bf16_moments", KEY_FLAG, AT(bf16_moments), 0, 0},
    {"precision", KEY_TEXT, AT(precision), 0, 0},
    {"recompute", KEY_FLAG, AT(recompute), 0, 0},
    {"max_tokens", KEY_SIZE, AT(max_tokens), 2, 1 << 24},
    {"micro_tokens", KEY_SIZE, AT(micro_tokens), 2, 1 << 24},
    {"lora_rank", KEY_SIZE, AT(lora_rank), 0, 4096},
    {"lora_alpha", KEY_REAL, AT(lora_alpha), 0, 1e6},
    {"cut", KEY_FLAG, AT(cut), 0, 0},
    {"template", KEY_TEXT, AT(template), 0, 0},
    {"save_every", KEY_COUNT, AT(save_every), 1, 1e12},
    {"keep", KEY_INT, AT(keep), 1, 1000},
    {"save_as", KEY_LIST, AT(save_as), 0, 0},
    {"eval_data", KEY_LIST, AT(eval_data), 0, 0},
    {"eval_every", KEY_COUNT, AT(eval_every), 1, 1e12},
    {"eval_examples", KEY_COUNT, AT(eval_examples), 1, 1e6},
    {"balance_speed", KEY_FLOAT, AT(balance_speed), 0, 1},
    {"balance_loss", KEY_FLOAT, AT(balance_loss), 0, 1},
    {"mtp_weight", KEY_FLOAT, AT(mtp_weight), 0, 10},
    {0},
};
#undef AT

training training_defaults(void)
{
    return (training){.schedule = "cosine", .precision = "bf16", .batch = 32, .lr = 1e-3,
                      .lr_end = -1, .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .decay = 0.1f,
                      .clip = 1, .max_tokens = 1024, .save_every = 200, .keep = 2,
                      .eval_examples = 64, .balance_speed = 1e-3f, .balance_loss = 1e-4f,
                      .mtp_weight = 0.3f};
}

ponder_status training_schedule(lr_schedule *out, const training *t, const char *where,
                                ponder_error *err)
{
    *out = (lr_schedule){.peak = t->lr, .end = t->lr_end < 0 ? t->lr / 10 : t->lr_end,
                         .warmup = t->warmup, .steps = t->steps};
    if (lr_shape_by_name(&out->shape, str_of(t->schedule))) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   "%s: \"schedule\" \"%s\": want constant, linear, cosine or v3", where,
                   t->schedule);
}

ponder_status training_precision(enum model_precision *out, const training *t, const char *where,
                                 ponder_error *err)
{
    static const char *const names[] = {[MODEL_F32] = "f32", [MODEL_BF16] = "bf16",
                                        [MODEL_FP8] = "fp8"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(t->precision, names[i])) return *out = (enum model_precision)i, PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "%s: \"precision\" \"%s\": want f32, bf16 or fp8", where,
                   t->precision);
}

/* ---- identity -------------------------------------------------------------------------------- */

/* Takes out, at any depth, what changes no result. */
static void strip(json_t *v)
{
    static const char *const harmless[] = {"about", "save_every", "keep", "save_as", "timeout_s",
                                           "at_once"};
    const char *name;
    size_t at;
    json_t *part;
    for (size_t i = 0; i < COUNT_OF(harmless) && json_is_object(v); i++)
        json_object_del(v, harmless[i]);
    json_object_foreach (v, name, part) strip(part);
    json_array_foreach (v, at, part) strip(part);
}

uint64_t recipe_hash(uint64_t h, const json_t *obj)
{
    json_t *copy = json_deep_copy(obj);
    strip(copy);
    char *text = copy ? json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
    if (text) h = hash_bytes(h, str_of(text));
    free(text);
    json_decref(copy);
    return h;
}
