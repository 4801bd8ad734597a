/* The masters as a GGUF file.
 * SPDX-License-Identifier: MIT */
#include "model/train_int.h"

#include <stdlib.h>

enum { CHUNK_VALUES = 4 << 20 };

/* Rows of one tensor on their way into the file. */
struct save {
    const model_trainable *t;
    const float *x; /* [rows, K] */
    size_t K, rows, row_bytes, first;
    size_t head; /* rows of a head whose halves become pairs; 0: rows keep their place */
    num_type type;
    uint8_t *out;
};

/* Files of llama have the rotated pairs (2i, 2i + 1) beside each other, Hugging Face's (i, i + n/2):
 * so which row of the masters goes to row r of the file. */
static size_t source_row(const struct save *s, size_t r)
{
    if (!s->head) return r;
    size_t i = r % s->head;
    return r - i + i / 2 + i % 2 * (s->head / 2);
}

static void encode_rows(void *arg, size_t begin, size_t end, int worker)
{
    const struct save *s = arg;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        (void)num_encode(s->type, s->out + i * s->row_bytes,
                         s->x + source_row(s, s->first + i) * s->K, s->K);
}

static ponder_status write_rows(struct save *s, gguf_writer *w, ponder_error *err)
{
    size_t step = size_max(1, CHUNK_VALUES / s->K), bytes;
    if (!size_mul(&bytes, size_min(step, s->rows), s->row_bytes) || !(s->out = malloc(bytes)))
        return err_set(err, PONDER_ENOMEM, "no memory for a tensor's rows");
    ponder_status st = PONDER_OK;
    for (s->first = 0; s->first < s->rows && st == PONDER_OK; s->first += step) {
        size_t n = size_min(step, s->rows - s->first);
        pool_run(s->t->o.pool, n, size_max(1, 65536 / s->K), encode_rows, s);
        st = gguf_write_data(w, s->out, n * s->row_bytes, err);
    }
    free(s->out);
    return st;
}

static bool interleaves(const model_config *c, const model_tensor *t)
{
    return c->arch == MODEL_LLAMA && !c->rope_pairs &&
           (str_ends(str_of(t->name), STR("attn_q.weight")) ||
            str_ends(str_of(t->name), STR("attn_k.weight")));
}

static ponder_status write_factors(const model_trainable *t, gguf_writer *w, size_t n,
                                   ponder_error *err)
{
    for (size_t k = 0; k < n; k++) {
        float x = t->factors ? t->factors[k] : (float)model_rope_llama3_divisor(&t->m.config, (int)k);
        TRY(gguf_write_data(w, &x, sizeof x, err));
    }
    return PONDER_OK;
}

/* The parameter of that name; NULL for what is not learnt. */
static const model_param *param_of(const model_trainable *t, const model_tensor *x)
{
    for (size_t i = 0; i < t->n_params; i++)
        if (!strcmp(t->params[i].tensor.name, x->name)) return &t->params[i];
    return NULL;
}

static ponder_status write_tensor(const model_trainable *t, gguf_writer *w, const model_tensor *x,
                                  num_type type, ponder_error *err)
{
    const model_param *p = param_of(t, x);
    struct save s = {.t = t, .K = (size_t)x->dim[0], .type = model_file_type(&t->m.config, x, type)};
    if (!p && x->role == MODEL_FACTORS) return write_factors(t, w, s.K, err);
    if (!p) return err_set(err, PONDER_EINTERNAL, "%s has no master", x->name);
    s.x = t->masters + p->at;
    s.rows = p->n / s.K;
    if (interleaves(&t->m.config, x)) s.head = (size_t)t->m.config.head_dim;
    if (!num_row_bytes(&s.row_bytes, s.type, s.K))
        return err_set(err, PONDER_EARG, "%s: rows of %zu cannot be %s", x->name, s.K,
                       num_info_of(s.type)->name);
    return write_rows(&s, w, err);
}

static ponder_status write_file(const model_trainable *t, gguf_writer *w, const model_tensor *x,
                                size_t n, num_type type, model_vocab_fn *vocab, void *user,
                                ponder_error *err)
{
    TRY(model_metadata_write(w, &t->m.config, false, err));
    TRY(vocab ? vocab(user, w, err) : model_vocab_write(w, &t->m.config, NULL, err));
    for (size_t i = 0; i < n; i++)
        TRY(gguf_declare(w, x[i].name, model_file_type(&t->m.config, &x[i], type), x[i].n_dims,
                         x[i].dim, err));
    TRY(gguf_write_begin(w, err));
    for (size_t i = 0; i < n; i++) TRY(write_tensor(t, w, &x[i], type, err));
    return gguf_write_commit(w, err);
}

ponder_status model_trainable_save(const model_trainable *t, const char *path, num_type type,
                                   model_vocab_fn *vocab, void *user, ponder_error *err)
{
    if (!num_can_encode(type))
        return err_set(err, PONDER_EUNSUPPORTED, "%s: a model cannot be saved in that type", path);
    size_t n = model_tensors(&t->m.config, NULL, 0);
    model_tensor *x = calloc(n, sizeof *x);
    gguf_writer *w = NULL;
    ponder_status st = x ? gguf_write_open(&w, path, err)
                         : err_set(err, PONDER_ENOMEM, "no memory for %zu tensors", n);
    if (st == PONDER_OK) {
        model_tensors(&t->m.config, x, n);
        st = write_file(t, w, x, n, type, vocab, user, err);
    }
    gguf_write_close(w);
    free(x);
    return st;
}

/* ---- balancing ---------------------------------------------------------------------------------- */

void model_train_balance(model_trainable *t, const uint64_t *load, float speed)
{
    const model_config *c = &t->m.config;
    size_t E = (size_t)c->experts;
    for (int l = 0; l < c->layers + c->mtp_layers; l++) {
        const float *bound = t->m.layers[l].router_bias;
        if (!bound) continue;
        float *bias = t->masters + (bound - t->masters);
        double sum = 0;
        for (size_t e = 0; e < E; e++) sum += (double)load[(size_t)l * E + e];
        for (size_t e = 0; e < E; e++) {
            double more = (double)load[(size_t)l * E + e] * (double)E - sum;
            if (more != 0) bias[e] += more > 0 ? -speed : speed;
        }
    }
}
