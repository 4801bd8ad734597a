/* ponder bench: how fast a model runs here, and how near that is to what the machine can do.
 * SPDX-License-Identifier: MIT */
#include "cli/model_arg.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_RUNS = 100, READ_BYTES = 512 << 20, CHUNK = 512 };

typedef struct stats {
    double v[MAX_RUNS];
    int n;
} stats;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(stats *s)
{
    if (s->n == 0) return 0;
    qsort(s->v, (size_t)s->n, sizeof *s->v, by_value);
    return s->n % 2 ? s->v[s->n / 2] : 0.5 * (s->v[s->n / 2 - 1] + s->v[s->n / 2]);
}

static void add(stats *s, double v)
{
    if (s->n < MAX_RUNS) s->v[s->n++] = v;
}

typedef struct bench {
    int prompt, gen, batch, runs, depth;
    model_arg_options options;
    bool json;

    model_arg arg;
    const model *m;
    int threads;
    model_step *step;
    model_kv kv;
    uint32_t *pages;   /* [batch, pages_each] */
    size_t pages_each;
    int32_t *ids;
    float *logits;
    uint8_t *block;    /* READ_BYTES to read */
    size_t resident;   /* bytes, before the memory that is read for measuring */

    stats prompt_tps, decode_tps, read_gbps, int8_gops, bf16_gflops;
} bench;

/* ---- the machine's limits, measured between the runs --------------------------------------------- */

struct burn {
    bench *b;
    double (*fn)(size_t rounds);
    size_t rounds;
    double done[256];
};

static void burn_part(void *arg, size_t begin, size_t end, int worker)
{
    struct burn *j = arg;
    for (size_t i = begin; i < end; i++) j->done[worker] += j->fn(j->rounds);
}

static double burn_rate(bench *b, double (*fn)(size_t))
{
    struct burn j = {.b = b, .fn = fn, .rounds = 20000};
    double start = clock_seconds();
    do {
        pool_run(b->arg.pool, 16 * (size_t)b->threads, 1, burn_part, &j);
    } while (clock_seconds() - start < 0.05);
    double total = 0;
    for (int i = 0; i < 256; i++) total += j.done[i];
    return 1e-9 * total / (clock_seconds() - start);
}

static void read_part(void *arg, size_t begin, size_t end, int worker)
{
    struct burn *j = arg;
    j->done[worker] += (double)(model_kern(j->b->m)->read_memory(j->b->block + begin, end - begin) & 1);
}

static void measure_limits(bench *b)
{
    const kern *k = model_kern(b->m);
    struct burn j = {.b = b};
    double start = clock_seconds();
    pool_run(b->arg.pool, READ_BYTES, 1 << 20, read_part, &j);
    add(&b->read_gbps, 1e-9 * READ_BYTES / (clock_seconds() - start));
    add(&b->int8_gops, burn_rate(b, k->burn_int8));
    add(&b->bf16_gflops, burn_rate(b, k->burn_bf16));
}

/* ---- the runs ----------------------------------------------------------------------------------------- */

/* n tokens from position pos of `batch` sequences, one span each. */
static ponder_status forward(bench *b, int batch, size_t n, size_t pos, int want, ponder_error *err)
{
    const model_config *c = model_config_of(b->m);
    model_span spans[256];
    for (int s = 0; s < batch; s++) {
        int32_t *ids = b->ids + (size_t)s * CHUNK;
        for (size_t i = 0; i < n; i++)
            ids[i] = (int32_t)rng_below((uint64_t)c->vocab, 1, (uint64_t)s, pos + i, RNG_TEST);
        spans[s] = (model_span){.ids = ids, .n = n, .pos = pos, .pages = b->pages + (size_t)s * b->pages_each,
                                .want = want, .logits = b->logits + (size_t)s * (size_t)c->vocab};
    }
    return model_forward(b->step, b->m, &b->kv, spans, (size_t)batch, err);
}

static ponder_status fill(bench *b, int s_count, size_t from, size_t to, ponder_error *err)
{
    size_t chunk = CHUNK / (size_t)s_count;
    for (size_t pos = from; pos < to; pos += chunk) {
        size_t n = size_min(chunk, to - pos);
        TRY(forward(b, s_count, n, pos, pos + n == to, err));
    }
    return PONDER_OK;
}

static ponder_status run_once(bench *b, bool warm_up, ponder_error *err)
{
    if (b->prompt > 0) {
        double start = clock_seconds();
        TRY(fill(b, 1, (size_t)b->depth, (size_t)(b->depth + b->prompt), err));
        if (!warm_up) add(&b->prompt_tps, b->prompt / (clock_seconds() - start));
    }
    if (b->gen > 0) {
        double start = clock_seconds();
        int n = warm_up ? 1 : b->gen;
        for (int i = 0; i < n; i++) TRY(forward(b, b->batch, 1, (size_t)(b->depth + i), 1, err));
        if (!warm_up) add(&b->decode_tps, (double)n * b->batch / (clock_seconds() - start));
    }
    return PONDER_OK;
}

static ponder_status setup(bench *b, const char *path, ponder_error *err)
{
    TRY(model_arg_open(&b->arg, path, &b->options, err));
    b->m = b->arg.m;
    b->threads = pool_threads(b->arg.pool);
    const model_config *c = model_config_of(b->m);
    size_t longest = (size_t)(b->depth + (b->prompt > b->gen ? b->prompt : b->gen)) + 1;
    b->pages_each = size_ceil_div(longest, KERN_PAGE);
    size_t pages = b->pages_each * (size_t)b->batch;
    TRY(model_kv_open(&b->kv, c, b->arg.kv, pages, err));
    TRY(model_step_open(&b->step, b->m, b->arg.pool, CHUNK, err));
    b->pages = calloc(pages, sizeof *b->pages);
    b->ids = calloc((size_t)b->batch * CHUNK, sizeof *b->ids);
    b->logits = calloc((size_t)b->batch * (size_t)c->vocab, sizeof *b->logits);
    if (!b->pages || !b->ids || !b->logits) return err_set(err, PONDER_ENOMEM, "out of memory");
    for (size_t i = 0; i < pages; i++) b->pages[i] = (uint32_t)i;
    return PONDER_OK;
}

static void teardown(bench *b)
{
    model_step_close(b->step);
    model_kv_close(&b->kv);
    model_arg_close(&b->arg);
    mem_unmap(b->block, READ_BYTES);
    free(b->pages);
    free(b->ids);
    free(b->logits);
}

/* ---- the report ------------------------------------------------------------------------------------------ */

static void json_stats(json_writer *w, const char *key, stats *s)
{
    double mid = median(s); /* sorts */
    json_key(w, key);
    if (s->n == 0) {
        json_none(w);
        return;
    }
    json_open(w, '{');
    json_key(w, "median"), json_f64(w, mid);
    json_key(w, "min"), json_f64(w, s->v[0]);
    json_key(w, "max"), json_f64(w, s->v[s->n - 1]);
    json_close(w, '}');
}

typedef struct costs {
    double weight_bytes, kv_bytes, macs;  /* of a decoded token at the middle of the run */
    double prompt_macs;                   /* of a prompt token, mean */
    double decode_limit, prompt_limit;    /* tokens per second */
} costs;

static costs count_costs(bench *b)
{
    costs k = {0};
    double weights, kv;
    model_token_cost(b->m, (size_t)(b->depth + b->gen / 2), &k.weight_bytes, &k.kv_bytes, &k.macs, b->arg.kv);
    model_token_cost(b->m, (size_t)(b->depth + b->prompt / 2), &weights, &kv, &k.prompt_macs, b->arg.kv);
    const model_config *c = model_config_of(b->m);
    if (b->prompt > 0) /* the head is computed for the last token only */
        k.prompt_macs -= (double)c->vocab * c->width * (b->prompt - 1) / b->prompt;
    /* a batch shares the weights; keys and values are each sequence's own */
    k.decode_limit = 1e9 * median(&b->read_gbps) * b->batch / (k.weight_bytes + b->batch * k.kv_bytes);
    k.prompt_limit = 1e9 * median(&b->int8_gops) / (2 * k.prompt_macs);
    return k;
}

static void print_json(bench *b, const costs *k)
{
    buf out = {0};
    json_writer w = {.out = &out};
    json_open(&w, '{');
    json_key(&w, "model"), json_text(&w, str_of(model_config_of(b->m)->name));
    json_key(&w, "cpu"), json_text(&w, str_of(cpu_level_name(model_kern(b->m)->cpu)));
    json_key(&w, "threads"), json_i64(&w, b->threads);
    json_key(&w, "batch"), json_i64(&w, b->batch);
    json_key(&w, "depth"), json_i64(&w, b->depth);
    json_key(&w, "kv"), json_text(&w, str_of(b->arg.kv_name));
    json_key(&w, "prompt"), json_i64(&w, b->prompt);
    json_key(&w, "gen"), json_i64(&w, b->gen);
    json_stats(&w, "prompt_tps", &b->prompt_tps);
    json_stats(&w, "decode_tps", &b->decode_tps);
    json_key(&w, "load_ms"), json_f64(&w, b->arg.load_ms);
    json_key(&w, "weight_bytes"), json_i64(&w, (int64_t)model_weight_bytes(b->m));
    json_key(&w, "resident_bytes"), json_i64(&w, (int64_t)b->resident);
    json_key(&w, "token_bytes"), json_f64(&w, k->weight_bytes + k->kv_bytes);
    json_key(&w, "token_ops"), json_f64(&w, 2 * k->macs);
    json_key(&w, "limits"), json_open(&w, '{');
    json_stats(&w, "read_gbps", &b->read_gbps);
    json_stats(&w, "int8_gops", &b->int8_gops);
    json_stats(&w, "bf16_gflops", &b->bf16_gflops);
    json_key(&w, "decode_tps"), json_f64(&w, k->decode_limit);
    json_key(&w, "prompt_tps"), json_f64(&w, k->prompt_limit);
    json_close(&w, '}');
    json_key(&w, "decode_ratio"), json_f64(&w, median(&b->decode_tps) / k->decode_limit);
    json_key(&w, "prompt_ratio"), json_f64(&w, median(&b->prompt_tps) / k->prompt_limit);
    json_close(&w, '}');
    puts(out.p ? out.p : "{}");
    buf_free(&out);
}

static void print_stats(const char *label, stats *s, double limit, const char *of)
{
    if (s->n == 0) return;
    double mid = median(s);
    printf("%-8s %8.1f tok/s  (%.1f to %.1f)  %3.0f %% of %s\n", label, mid, s->v[0], s->v[s->n - 1],
           100 * mid / limit, of);
}

static void print_text(bench *b, const costs *k)
{
    printf("%s, %s, %d threads, kv %s, load %.0f ms, resident %.2f GB\n", model_config_of(b->m)->name,
           cpu_level_name(model_kern(b->m)->cpu), b->threads, b->arg.kv_name, b->arg.load_ms,
           1e-9 * (double)b->resident);
    printf("limits   %.1f GB/s read, %.0f Gop/s int8, %.0f GFLOP/s bf16 (medians between the runs)\n",
           median(&b->read_gbps), median(&b->int8_gops), median(&b->bf16_gflops));
    printf("token    %.3f GB read at %d positions, %.2f Gop\n", 1e-9 * (k->weight_bytes + k->kv_bytes),
           b->depth + b->gen / 2, 2e-9 * k->macs);
    print_stats("prompt", &b->prompt_tps, k->prompt_limit, "the int8 limit");
    print_stats("decode", &b->decode_tps, k->decode_limit, "the bandwidth limit");
}

static ponder_status run_all(bench *b, const char *path, ponder_error *err)
{
    TRY(setup(b, path, err));
    if (b->depth > 0) TRY(fill(b, b->batch, 0, (size_t)b->depth, err));
    TRY(run_once(b, true, err));
    b->resident = mem_resident_bytes();
    void *block;
    TRY(mem_map(&block, READ_BYTES, err));
    b->block = block;
    memset(block, 1, READ_BYTES);
    for (int r = 0; r < b->runs; r++) {
        measure_limits(b);
        TRY(run_once(b, false, err));
    }
    return PONDER_OK;
}

int cmd_bench(int argc, char **argv)
{
    bench b = {.prompt = 512, .gen = 128, .batch = 1, .runs = 5,
               .options = {.cpu = "native", .quiet = true, .ids_only = true}};
    const cli_option options[] = {
        {"prompt", 'p', CLI_INT, &b.prompt, "N", "prompt tokens to process", 0, 1 << 20},
        {"gen", 'n', CLI_INT, &b.gen, "N", "tokens to generate", 0, 1 << 20},
        {"batch", 'b', CLI_INT, &b.batch, "N", "sequences that decode together", 1, 256},
        {"depth", 'd', CLI_INT, &b.depth, "N", "positions already in the context", 0, 1 << 20},
        {"runs", 'r', CLI_INT, &b.runs, "N", "runs; medians are reported", 1, MAX_RUNS},
        MODEL_ARG_ROWS(&b.options),
        {"json", 0, CLI_FLAG, &b.json, NULL, "one JSON document", 0, 0},
        {0},
    };
    const cli_command command = {
        "bench [MODEL] [options]",
        "Measures prompt and decode speed, and the machine's limits between the runs. Without MODEL:\n"
        "of the embedded one.",
        "  ponder bench model.gguf -p 512 -n 128 -r 5 -t 2\n"
        "  ponder bench model.gguf -p 0 -n 64 -b 16 --json",
        options, 1};
    const char *args[1];
    int status = cli_parse(&command, argc, argv, args);
    if (status >= 0) return status;
    ponder_error err = {0};
    ponder_status st = run_all(&b, args[0], &err);
    if (st == PONDER_OK) {
        costs k = count_costs(&b);
        if (b.json) print_json(&b, &k);
        else print_text(&b, &k);
    }
    teardown(&b);
    return st == PONDER_OK ? CLI_DONE : cli_fail("bench", &err);
}
