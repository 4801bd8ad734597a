/* ponder logits: what a model says about given tokens.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "model/model.h"
#include "json/json.h"

#include <errno.h>
#include <stdlib.h>

enum { LINE_BYTES = 64 << 20 };

struct options {
    int threads, top, chunk;
    const char *cpu, *kv, *mla;
    bool decode, full;
};

/* Everything a line of input needs; grown to the longest line. */
struct scorer {
    const struct options *opt;
    fmt_model *file;
    pool *pool;
    model *model;
    model_step *step;
    model_kv kv;
    enum kern_kv kv_type;
    uint32_t *pages;
    float *logits;   /* [chunk, vocab] */
    uint32_t *order; /* [vocab] */
};

static ponder_status open_scorer(struct scorer *s, const char *path, ponder_error *err)
{
    static const char *const kinds[KERN_KVS] = {"f32", "f16", "bf16", "q8_0"};
    unsigned mask;
    if (!cpu_mask_by_name(&mask, s->opt->cpu))
        return err_set(err, PONDER_EARG,
                       "--cpu \"%s\": use ref, avx2, avx512, avx512_vnni or native", s->opt->cpu);
    int kind = 0;
    while (kind < KERN_KVS && strcmp(s->opt->kv, kinds[kind])) kind++;
    if (kind == KERN_KVS)
        return err_set(err, PONDER_EARG, "--kv \"%s\": use f32, f16, bf16 or q8_0", s->opt->kv);
    s->kv_type = (enum kern_kv)kind;
    bool expanded = strcmp(s->opt->mla, "expanded") == 0;
    if (!expanded && strcmp(s->opt->mla, "absorbed"))
        return err_set(err, PONDER_EARG, "--mla-prefill \"%s\": use absorbed or expanded",
                       s->opt->mla);
    TRY(fmt_open(&s->file, path, err));
    TRY(pool_open(&s->pool, s->opt->threads ? s->opt->threads : cpu_cores(), err));
    model_options options = {.cpu_mask = mask, .pool = s->pool, .mla_expanded_prefill = expanded};
    TRY(model_open(&s->model, s->file, &options, err));
    size_t vocab = (size_t)model_config_of(s->model)->vocab, chunk = (size_t)s->opt->chunk;
    TRY(model_step_open(&s->step, s->model, s->pool, chunk, err));
    s->logits = malloc(chunk * vocab * sizeof *s->logits);
    s->order = malloc(vocab * sizeof *s->order);
    return s->logits && s->order
               ? PONDER_OK
               : err_set(err, PONDER_ENOMEM, "no memory for %zu logits", chunk * vocab);
}

static void close_scorer(struct scorer *s)
{
    free(s->order);
    free(s->logits);
    free(s->pages);
    model_kv_close(&s->kv);
    model_step_close(s->step);
    model_close(s->model);
    pool_close(s->pool);
    fmt_close(s->file);
}

/* Pages for n positions, in order. */
static ponder_status reserve(struct scorer *s, size_t n, ponder_error *err)
{
    size_t need = size_ceil_div(n, KERN_PAGE);
    if (s->kv.pages >= need) return PONDER_OK;
    model_kv_close(&s->kv);
    TRY(model_kv_open(&s->kv, model_config_of(s->model), s->kv_type, need, err));
    uint32_t *pages = realloc(s->pages, need * sizeof *pages);
    if (!pages) return err_set(err, PONDER_ENOMEM, "no memory for %zu pages", need);
    for (size_t i = 0; i < need; i++) pages[i] = (uint32_t)i;
    s->pages = pages;
    return PONDER_OK;
}

/* Puts the k most likely ids first; ties go to the lower id. */
static void select_top(const float *x, uint32_t *order, size_t vocab, size_t k)
{
    for (size_t i = 0; i < vocab; i++) order[i] = (uint32_t)i;
    for (size_t j = 0; j < k; j++) {
        size_t best = j;
        for (size_t i = j + 1; i < vocab; i++) {
            float a = x[order[i]], b = x[order[best]];
            if (a > b || (a == b && order[i] < order[best])) best = i;
        }
        uint32_t t = order[j];
        order[j] = order[best];
        order[best] = t;
    }
}

/* Log-probabilities of one position into the two lists. next < 0: no token follows. */
static void score(const struct scorer *s, const float *x, int64_t next, json_writer *probs,
                  json_writer *tops)
{
    const kern *k = model_kern(s->model);
    size_t vocab = (size_t)model_config_of(s->model)->vocab;
    double norm = ops_log_sum_exp(k, x, vocab, NULL);
    if (next >= 0) json_f64(probs, (double)x[next] - norm);
    if (!s->opt->top) return;
    size_t n = size_min((size_t)s->opt->top, vocab);
    select_top(x, s->order, vocab, n);
    json_open(tops, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(tops, '[');
        json_i64(tops, s->order[i]);
        json_f64(tops, (double)x[s->order[i]] - norm);
        json_close(tops, ']');
    }
    json_close(tops, ']');
}

static ponder_status score_ids(struct scorer *s, const int32_t *ids, size_t n, buf *out,
                               ponder_error *err)
{
    buf top_bytes = {0};
    json_writer w = {.out = out}, tops = {.out = &top_bytes};
    size_t vocab = (size_t)model_config_of(s->model)->vocab, at = 0, got = 0;
    ponder_status st = reserve(s, n, err);
    json_open(&w, '{');
    json_key(&w, "logprobs");
    json_open(&w, '[');
    json_open(&tops, '[');
    for (; at < n && st == PONDER_OK; at += got) {
        got = size_min(s->opt->decode ? 1 : (size_t)s->opt->chunk, n - at);
        model_span span = {.ids = ids + at,
                           .n = got,
                           .pos = at,
                           .pages = s->pages,
                           .want = 2,
                           .logits = s->logits};
        st = model_forward(s->step, s->model, &s->kv, &span, 1, err);
        for (size_t i = 0; i < got && st == PONDER_OK; i++)
            score(s, s->logits + i * vocab, at + i + 1 < n ? ids[at + i + 1] : -1, &w, &tops);
    }
    json_close(&w, ']');
    json_close(&tops, ']');
    if (s->opt->top) {
        json_key(&w, "top");
        json_raw(&w, buf_str(&top_bytes));
    }
    if (s->opt->full && st == PONDER_OK) {
        json_key(&w, "logits");
        json_open(&w, '[');
        for (size_t i = 0; i < vocab; i++) json_f32(&w, s->logits[(got - 1) * vocab + i]);
        json_close(&w, ']');
    }
    json_close(&w, '}');
    if (st == PONDER_OK && (out->failed || top_bytes.failed))
        st = err_set(err, PONDER_ENOMEM, "no memory for the answer");
    buf_free(&top_bytes);
    return st;
}

/* {"ids": [..]} to numbers; the caller frees. */
static ponder_status read_ids(const json_t *line, int32_t **ids, size_t *n, ponder_error *err)
{
    const json_t *list = json_object_get(line, "ids");
    *n = json_array_size(list);
    if (*n == 0) return err_set(err, PONDER_EFORMAT, "want {\"ids\": [number, ...]}");
    *ids = malloc(*n * sizeof **ids);
    if (!*ids) return err_set(err, PONDER_ENOMEM, "no memory for %zu ids", *n);
    for (size_t i = 0; i < *n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
            return err_set(err, PONDER_EFORMAT, "ids[%zu] is no token id", i);
        (*ids)[i] = (int32_t)json_integer_value(v);
    }
    return PONDER_OK;
}

static ponder_status answer_line(struct scorer *s, str text, size_t number, ponder_error *err)
{
    char name[32];
    json_t *line = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    buf out = {0};
    snprintf(name, sizeof name, "line %zu", number);
    TRY(json_parse(&line, text, name, err));
    ponder_status st = read_ids(line, &ids, &n, err);
    if (st == PONDER_OK) st = score_ids(s, ids, n, &out, err);
    if (st == PONDER_OK) {
        fwrite(out.p, 1, out.n, stdout);
        putchar('\n');
    } else {
        err_context(err, st, "%s", name);
    }
    buf_free(&out);
    free(ids);
    json_decref(line);
    return st;
}

static ponder_status answer_all(struct scorer *s, ponder_error *err)
{
    buf in = {0};
    ponder_status st = file_read_fd(&in, 0, "standard input", LINE_BYTES, err);
    size_t number = 0;
    for (size_t at = 0; at < in.n && st == PONDER_OK;) {
        size_t end = size_min(str_find(buf_str(&in), STR("\n"), at), in.n);
        number++;
        if (end > at) st = answer_line(s, (str){in.p + at, end - at}, number, err);
        at = end + 1;
    }
    buf_free(&in);
    return st;
}

int cmd_logits(int argc, char **argv)
{
    struct options o = {.chunk = 128, .cpu = "native", .kv = "f16", .mla = "absorbed"};
    const cli_option table[] = {
        {"top", 0, CLI_INT, &o.top, "K", "also the K most likely tokens of each position", 0, 1000},
        {"chunk", 0, CLI_INT, &o.chunk, "N", "tokens computed together", 1, 4096},
        {"decode", 0, CLI_FLAG, &o.decode, NULL, "one token at a time", 0, 0},
        {"full", 0, CLI_FLAG, &o.full, NULL, "all logits of the last position", 0, 0},
        {"kv", 0, CLI_TEXT, &o.kv, "TYPE", "keys and values as f32, f16, bf16 or q8_0", 0, 0},
        {"mla-prefill", 0, CLI_TEXT, &o.mla, "FORM",
         "latent attention of prompts: absorbed or expanded", 0, 0},
        {"cpu", 0, CLI_TEXT, &o.cpu, "LEVEL", "ref, avx2, avx512, avx512_vnni or native", 0, 0},
        {"threads", 't', CLI_INT, &o.threads, "N", "threads; 0: the physical cores", 0, 256},
        {0},
    };
    const cli_command c = {
        .usage = "logits MODEL [options] < ids.jsonl",
        .about = "Reads lines {\"ids\": [...]} and prints {\"logprobs\": [...]}: at each position "
                 "the natural\n"
                 "logarithm of the probability of the next given id.",
        .examples = "  echo '{\"ids\":[1,2,3]}' | ponder logits model.gguf --top 5\n"
                    "  ponder logits model.gguf --decode --kv f32 < ids.jsonl",
        .options = table,
        .max_args = 1,
    };
    const char *args[1];
    ponder_error err = {0};
    int status = cli_parse(&c, argc, argv, args);
    if (status >= 0) return status;
    if (!args[0])
        return err_set(&err, PONDER_EARG, "which model? see --help"), cli_fail(argv[0], &err);
    struct scorer s = {.opt = &o};
    ponder_status st = open_scorer(&s, args[0], &err);
    if (st == PONDER_OK) st = answer_all(&s, &err);
    close_scorer(&s);
    return st == PONDER_OK ? CLI_DONE : cli_fail(argv[0], &err);
}
