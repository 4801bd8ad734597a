/* Random weights of any architecture as a GGUF file.
 * SPDX-License-Identifier: MIT
 *
 * A value is the sum of the four bytes of a counted random word, centred and scaled: near enough to
 * a normal distribution for weights that nobody trained, and fast. */
#include "model/model_int.h"

#include <math.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 16 << 20 };
static const float DEVIATION = 0.02f;

/* ---- types
 * ------------------------------------------------------------------------------------------- */

static bool ends(const model_tensor *t, const char *suffix)
{
    return str_ends(str_of(t->name), str_of(suffix));
}

/* The layers that the q4_k_m mix gives more bits. */
static bool use_more(int i, int n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

static num_type mix_type(const model_config *c, const model_tensor *t)
{
    if (t->role == MODEL_HEAD || (t->role == MODEL_EMBEDDING && c->tied)) return NUM_Q6_K;
    bool down = ends(t, "ffn_down.weight") || ends(t, "ffn_down_exps.weight") ||
                ends(t, "ffn_down_shexp.weight");
    if ((down || ends(t, "attn_v.weight")) && use_more(t->layer, c->layers)) return NUM_Q6_K;
    if (c->experts >= 8 && ends(t, "attn_output.weight")) return NUM_Q5_K;
    return NUM_Q4_K;
}

num_type model_file_type(const model_config *c, const model_tensor *t, num_type asked)
{
    bool matrix = t->role == MODEL_MATRIX || t->role == MODEL_EMBEDDING || t->role == MODEL_HEAD;
    if (!matrix) return NUM_F32;
    num_type type = asked == NUM_NONE ? mix_type(c, t) : asked;
    if (t->dim[0] % num_info_of(type)->block == 0) return type;
    return t->dim[0] % num_info_of(NUM_Q8_0)->block == 0 ? NUM_Q8_0 : NUM_BF16;
}

/* ---- metadata
 * ------------------------------------------------------------------------------------------ */

/* Puts "ARCH.key"; the first failure sticks. */
struct putter {
    gguf_writer *w;
    const char *arch;
    ponder_status st;
    ponder_error *err;
};

static const char *full_key(const struct putter *p, const char *key, char out[96])
{
    snprintf(out, 96, "%s.%s", p->arch, key);
    return out;
}

static void put_int(struct putter *p, const char *key, int v)
{
    char full[96];
    if (p->st == PONDER_OK) p->st = gguf_put_u32(p->w, full_key(p, key, full), (uint32_t)v, p->err);
}

static void put_real(struct putter *p, const char *key, double v)
{
    char full[96];
    if (p->st == PONDER_OK) p->st = gguf_put_f32(p->w, full_key(p, key, full), (float)v, p->err);
}

static void put_mla(struct putter *p, const model_config *c)
{
    char full[96];
    put_int(p, "attention.key_length", c->kv_rank + c->rope_dim);
    put_int(p, "attention.value_length", c->kv_rank);
    put_int(p, "attention.key_length_mla", c->head_dim);
    put_int(p, "attention.value_length_mla", c->v_dim);
    if (c->q_rank) put_int(p, "attention.q_lora_rank", c->q_rank);
    put_int(p, "attention.kv_lora_rank", c->kv_rank);
    put_int(p, "vocab_size", c->vocab);
    if (c->mtp_layers) put_int(p, "nextn_predict_layers", c->mtp_layers);
    put_int(p, "leading_dense_block_count", c->experts ? c->dense_layers : c->layers);
    put_int(p, "expert_count", c->experts);
    put_int(p, "expert_used_count", c->experts_used);
    put_int(p, "expert_shared_count", c->experts_shared);
    put_int(p, "expert_feed_forward_length", c->expert_ffn);
    put_int(p, "expert_gating_func", c->gate);
    put_int(p, "expert_group_count", c->expert_groups);
    put_int(p, "expert_group_used_count", c->expert_groups_used);
    put_real(p, "expert_weights_scale", (double)c->gate_scale);
    if (p->st == PONDER_OK)
        p->st = gguf_put_bool(p->w, full_key(p, "expert_weights_norm", full), c->gate_normalize,
                              p->err);
}

static void put_rope(struct putter *p, const model_config *c)
{
    char full[96];
    put_int(p, "rope.dimension_count", c->rope_dim);
    put_real(p, "rope.freq_base", c->rope_base);
    if (c->rope != MODEL_ROPE_YARN && c->rope != MODEL_ROPE_LINEAR) return;
    if (p->st == PONDER_OK)
        p->st = gguf_put_str(p->w, full_key(p, "rope.scaling.type", full),
                             c->rope == MODEL_ROPE_YARN ? STR("yarn") : STR("linear"), p->err);
    put_real(p, "rope.scaling.factor", c->rope_factor);
    put_int(p, "rope.scaling.original_context_length", c->rope_original);
    if (model_is_mla(c)) put_real(p, "rope.scaling.yarn_log_multiplier", 0.1 * c->rope_mscale_all);
}

ponder_status model_metadata_write(gguf_writer *w, const model_config *c, bool mix, ponder_error *err)
{
    static const char *const archs[] = {"llama", "qwen2", "deepseek2"};
    struct putter p = {w, archs[c->arch], PONDER_OK, err};
    TRY(gguf_put_str(w, "general.architecture", str_of(p.arch), err));
    TRY(gguf_put_str(w, "general.name", str_of(c->name), err));
    TRY(gguf_put_u32(w, "general.quantization_version", 2, err));
    if (mix) TRY(gguf_put_u32(w, "general.file_type", 15, err));
    put_int(&p, "block_count", c->layers + c->mtp_layers);
    put_int(&p, "context_length", c->context);
    put_int(&p, "embedding_length", c->width);
    put_int(&p, "feed_forward_length", c->ffn);
    put_int(&p, "attention.head_count", c->heads);
    put_int(&p, "attention.head_count_kv", c->kv_heads);
    put_real(&p, "attention.layer_norm_rms_epsilon", (double)c->norm_eps);
    if (model_is_mla(c)) put_mla(&p, c);
    else if (c->head_dim * c->heads != c->width) put_int(&p, "attention.key_length", c->head_dim);
    put_rope(&p, c);
    return p.st;
}

/* ---- values
 * ---------------------------------------------------------------------------------------------- */

/* Rows [first, first + n) of tensor number `index`, encoded into out. */
struct rows {
    const model_config *c;
    const model_tensor *t;
    num_type type;
    uint64_t seed, index;
    size_t K, row_bytes, first;
    uint8_t *out;
    float *room; /* [worker, K] */
};

/* Four values a counted block of random bits; a row starts at a fresh block. */
static void random_row(const struct rows *r, size_t row, float *x)
{
    const float scale = DEVIATION / sqrtf(4 * 5461.25f); /* a byte's variance is (256^2 - 1) / 12 */
    uint64_t blocks = size_ceil_div(r->K, 4);
    for (size_t k = 0; k < r->K; k += 4) {
        rng_bits b = rng_at(r->seed, r->index, row * blocks + k / 4, RNG_INIT);
        for (size_t i = 0; i < 4 && k + i < r->K; i++) {
            uint32_t v = b.v[i], pairs = (v & 0x00FF00FFu) + (v >> 8 & 0x00FF00FFu);
            x[k + i] = scale * (float)((int)((pairs & 0xFFFF) + (pairs >> 16)) - 510);
        }
    }
}

static void fill_rows(void *arg, size_t begin, size_t end, int worker)
{
    const struct rows *r = arg;
    float *x = r->room + (size_t)worker * r->K;
    for (size_t i = begin; i < end; i++) {
        if (r->t->role == MODEL_NORM)
            for (size_t k = 0; k < r->K; k++) x[k] = 1;
        else if (r->t->role == MODEL_FACTORS)
            for (size_t k = 0; k < r->K; k++) x[k] = (float)model_rope_llama3_divisor(r->c, (int)k);
        else random_row(r, r->first + i, x);
        (void)num_encode(r->type, r->out + i * r->row_bytes, x, r->K);
    }
}

static ponder_status write_tensor(gguf_writer *w, struct rows *r, const model_init_options *opt,
                                  uint8_t *chunk, uint64_t *done, ponder_error *err)
{
    size_t rows = 1, step = size_max(1, CHUNK_BYTES / r->row_bytes);
    for (int i = 1; i < FMT_MAX_DIMS; i++) rows *= (size_t)r->t->dim[i];
    r->out = chunk;
    for (r->first = 0; r->first < rows; r->first += step) {
        size_t n = size_min(step, rows - r->first);
        pool_run(opt->pool, n, size_max(1, 65536 / r->K), fill_rows, r);
        TRY(gguf_write_data(w, chunk, n * r->row_bytes, err));
        *done += n * r->row_bytes;
        if (opt->progress) progress_update(opt->progress, (double)*done);
    }
    return PONDER_OK;
}

static ponder_status write_all(gguf_writer *w, const model_config *c, const model_init_options *opt,
                               const model_tensor *t, size_t n, ponder_error *err)
{
    size_t widest = 1, row_bytes, longest_row = CHUNK_BYTES;
    uint64_t total = 0, done = 0;
    for (size_t i = 0; i < n; i++) {
        num_type type = model_file_type(c, &t[i], opt->type);
        TRY(gguf_declare(w, t[i].name, type, t[i].n_dims, t[i].dim, err));
        if (!num_row_bytes(&row_bytes, type, (size_t)t[i].dim[0]))
            return err_set(err, PONDER_EARG, "%s: rows of %llu cannot be %s", t[i].name,
                           (unsigned long long)t[i].dim[0], num_info_of(type)->name);
        widest = size_max(widest, (size_t)t[i].dim[0]);
        longest_row = size_max(longest_row, row_bytes);
        total += row_bytes * t[i].dim[1] * t[i].dim[2];
    }
    TRY(gguf_write_begin(w, err));
    uint8_t *chunk = malloc(longest_row);
    float *room = malloc((size_t)pool_threads(opt->pool) * widest * sizeof *room);
    ponder_status st =
        chunk && room ? PONDER_OK : err_set(err, PONDER_ENOMEM, "no memory for a tensor's rows");
    if (opt->progress)
        progress_begin(opt->progress, opt->progress->out, "writing", "MB", 0, (double)total, 1e-6);
    for (size_t i = 0; i < n && st == PONDER_OK; i++) {
        struct rows r = {.c = c,
                         .t = &t[i],
                         .type = model_file_type(c, &t[i], opt->type),
                         .seed = opt->seed,
                         .index = i,
                         .K = (size_t)t[i].dim[0],
                         .room = room};
        (void)num_row_bytes(&r.row_bytes, r.type, r.K);
        st = write_tensor(w, &r, opt, chunk, &done, err);
    }
    if (opt->progress) progress_end(opt->progress, (double)done);
    free(room);
    free(chunk);
    return st;
}

ponder_status model_init(const char *path, const model_config *c, const model_init_options *opt,
                         ponder_error *err)
{
    if (opt->type != NUM_NONE && !num_can_encode(opt->type))
        return err_set(err, PONDER_EUNSUPPORTED,
                       "random weights cannot be written as %s: use f32, f16, bf16, q8_0, "
                       "q4_k, q6_k or q4_k_m",
                       num_info_of(opt->type) ? num_info_of(opt->type)->name : "that type");
    gguf_writer *w = NULL;
    size_t n = model_tensors(c, NULL, 0);
    model_tensor *t = calloc(n, sizeof *t);
    ponder_status st = t ? gguf_write_open(&w, path, err)
                         : err_set(err, PONDER_ENOMEM, "no memory for %zu tensors", n);
    if (st == PONDER_OK) st = model_metadata_write(w, c, opt->type == NUM_NONE, err);
    if (st == PONDER_OK) st = model_vocab_write(w, c, opt->tokenizer, err);
    if (st == PONDER_OK) {
        model_tensors(c, t, n);
        st = write_all(w, c, opt, t, n, err);
    }
    if (st == PONDER_OK) st = gguf_write_commit(w, err);
    gguf_write_close(w);
    free(t);
    return st;
}
