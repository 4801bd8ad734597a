/* What training leaves behind: a file that any program of the family reads; and the balancing of experts,
 * which no gradient does.
 * SPDX-License-Identifier: MIT */
#include "model/train_int.h"

#include <stdlib.h>

void model_train_balance(model_trainable *t, const uint64_t *load, float speed)
{
    const model_config *c = &t->m.config;
    size_t E = (size_t)c->experts;
    for (int l = 0; l < c->layers + c->mtp_layers; l++) {
        const float *bound = t->m.layers[l].router_bias;
        const uint64_t *n = load + (size_t)l * E;
        uint64_t all = 0;
        if (!bound) continue;
        float *bias = t->masters + (bound - t->masters);
        for (size_t e = 0; e < E; e++) all += n[e];
        for (size_t e = 0; e < E; e++) { /* n[e] against all / E, in whole numbers */
            if (n[e] * E > all) bias[e] -= speed;
            else if (n[e] * E < all) bias[e] += speed;
        }
    }
}

static num_type saved_type(const model_tensor *t, num_type asked)
{
    bool matrix = t->role == MODEL_MATRIX || t->role == MODEL_EMBEDDING || t->role == MODEL_HEAD;
    if (!matrix) return NUM_F32;
    return t->dim[0] % num_info_of(asked)->block == 0 ? asked : NUM_BF16;
}

struct save {
    const model_trainable *t;
    const model_tensor *tensor;
    const float *values;
    num_type type;
    size_t K, row_bytes;
    uint8_t *out;
};

static void encode_rows(void *arg, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct save *s = arg;
    for (size_t r = begin; r < end; r++)
        (void)num_encode(s->type, s->out + r * s->row_bytes, s->values + r * s->K, s->K);
}

/* The values of a tensor: masters, or the factors of the rope, which are made in `room`. */
static const float *values_of(const model_trainable *t, const model_tensor *tensor, size_t param, float *room)
{
    if (tensor->role != MODEL_FACTORS) return t->masters + t->params[param].at;
    for (size_t i = 0; i < (size_t)tensor->dim[0]; i++)
        room[i] = t->factors ? t->factors[i] : (float)model_rope_llama3_divisor(&t->m.config, (int)i);
    return room;
}

static ponder_status write_tensors(const model_trainable *t, gguf_writer *w, const model_tensor *tensor, size_t n,
                                   num_type type, ponder_error *err)
{
    size_t most = 0, row_bytes;
    for (size_t i = 0; i < n; i++) {
        num_type as = saved_type(&tensor[i], type);
        TRY(gguf_declare(w, tensor[i].name, as, tensor[i].n_dims, tensor[i].dim, err));
        (void)num_row_bytes(&row_bytes, as, (size_t)tensor[i].dim[0]);
        most = size_max(most, row_bytes * (size_t)(tensor[i].dim[1] * tensor[i].dim[2]));
    }
    TRY(gguf_write_begin(w, err));
    struct save s = {.t = t, .out = malloc(most)};
    float *room = malloc(((size_t)t->m.config.rope_dim + 1) * sizeof *room);
    ponder_status st = s.out && room ? PONDER_OK : err_set(err, PONDER_ENOMEM, "no memory for a tensor");
    for (size_t i = 0, param = 0; i < n && st == PONDER_OK; i++) {
        s.tensor = &tensor[i];
        s.type = saved_type(&tensor[i], type);
        s.K = (size_t)tensor[i].dim[0];
        s.values = values_of(t, &tensor[i], param, room);
        param += tensor[i].role != MODEL_FACTORS;
        (void)num_row_bytes(&s.row_bytes, s.type, s.K);
        size_t rows = (size_t)(tensor[i].dim[1] * tensor[i].dim[2]);
        pool_run(t->o.pool, rows, size_max(1, 16384 / s.K), encode_rows, &s);
        st = gguf_write_data(w, s.out, rows * s.row_bytes, err);
    }
    free(s.out);
    free(room);
    return st;
}

ponder_status model_trainable_save(const model_trainable *t, const char *path, num_type type,
                                   model_vocab_fn *vocab, void *user, ponder_error *err)
{
    if (!num_can_encode(type))
        return err_set(err, PONDER_EUNSUPPORTED, "%s: weights cannot be written as that type", path);
    const model_config *c = &t->m.config;
    size_t n = model_tensors(c, NULL, 0);
    gguf_writer *w = NULL;
    model_tensor *tensor = calloc(n, sizeof *tensor);
    ponder_status st = tensor ? gguf_write_open(&w, path, err)
                              : err_set(err, PONDER_ENOMEM, "no memory for %zu tensors", n);
    if (st == PONDER_OK) st = model_metadata_write(w, c, err);
    if (st == PONDER_OK) st = vocab ? vocab(user, w, err) : model_vocab_write(w, c, NULL, err);
    if (st == PONDER_OK) {
        model_tensors(c, tensor, n);
        st = write_tensors(t, w, tensor, n, type, err);
    }
    if (st == PONDER_OK) st = gguf_write_commit(w, err);
    gguf_write_close(w);
    free(tensor);
    return st;
}
