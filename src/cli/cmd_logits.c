/* ponder logits: what a model says about given tokens.
 * SPDX-License-Identifier: MIT */
#include "cli/jsonl.h"
#include "cli/model_arg.h"

#include <stdlib.h>

struct options {
    model_arg_options model;
    int top, chunk;
    bool decode, full;
};

/* Everything a line of input needs; grown to the longest line. */
struct scorer {
    const struct options *opt;
    model_arg arg;
    const model *model;
    model_step *step;
    model_kv kv;
    uint32_t *pages;
    float *logits;   /* [chunk, vocab] */
    uint32_t *order; /* [vocab] */
};

static ponder_status open_scorer(struct scorer *s, const char *path, ponder_error *err)
{
    TRY(model_arg_open(&s->arg, path, &s->opt->model, err));
    s->model = s->arg.m;
    size_t vocab = (size_t)model_config_of(s->model)->vocab, chunk = (size_t)s->opt->chunk;
    TRY(model_step_open(&s->step, s->model, s->arg.pool, chunk, err));
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
    model_arg_close(&s->arg);
}

/* Pages for n positions, in order. */
static ponder_status reserve(struct scorer *s, size_t n, ponder_error *err)
{
    size_t need = size_ceil_div(n, KERN_PAGE);
    if (s->kv.pages >= need) return PONDER_OK;
    model_kv_close(&s->kv);
    TRY(model_kv_open(&s->kv, model_config_of(s->model), s->arg.kv, need, err));
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

static ponder_status answer_row(void *context, const json_t *row, const char *name, buf *out,
                                ponder_error *err)
{
    struct scorer *s = context;
    int32_t *ids = NULL;
    size_t n = 0;
    ponder_status st = read_ids(row, &ids, &n, err);
    if (st == PONDER_OK) st = score_ids(s, ids, n, out, err);
    free(ids);
    return st == PONDER_OK ? st : err_context(err, st, "%s", name);
}

int cmd_logits(int argc, char **argv)
{
    struct options o = {.chunk = 128, .model = {.cpu = "native", .quiet = true, .ids_only = true}};
    const cli_option table[] = {
        {"top", 0, CLI_INT, &o.top, "K", "also the K most likely tokens of each position", 0, 1000},
        {"chunk", 0, CLI_INT, &o.chunk, "N", "tokens computed together", 1, 4096},
        {"decode", 0, CLI_FLAG, &o.decode, NULL, "one token at a time", 0, 0},
        {"full", 0, CLI_FLAG, &o.full, NULL, "all logits of the last position", 0, 0},
        MODEL_ARG_ROWS(&o.model),
        {0},
    };
    const cli_command c = {
        .usage = "logits [MODEL] [options] < ids.jsonl",
        .about = "Reads lines {\"ids\": [...]} and prints {\"logprobs\": [...]}: at each position "
                 "the natural\n"
                 "logarithm of the probability of the next given id. Without MODEL: by the embedded one.",
        .examples = "  echo '{\"ids\":[1,2,3]}' | ponder logits model.gguf --top 5\n"
                    "  ponder logits model.gguf --decode --kv f32 < ids.jsonl",
        .options = table,
        .max_args = 1,
    };
    const char *args[1];
    ponder_error err = {0};
    int status = cli_parse(&c, argc, argv, args);
    if (status >= 0) return status;
    struct scorer s = {.opt = &o};
    ponder_status st = open_scorer(&s, args[0], &err);
    status = st == PONDER_OK ? cli_each_row(argv[0], answer_row, &s) : cli_fail(argv[0], &err);
    close_scorer(&s);
    return status;
}
