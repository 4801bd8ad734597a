/* A head with one output.
 * SPDX-License-Identifier: MIT */
#include "train/head.h"

#include "fmt/fmt.h"

#include <math.h>
#include <stdlib.h>

ponder_status head_open(scalar_head *h, size_t D, float deviation, uint64_t seed,
                        const adamw_options *o, ponder_error *err)
{
    const adamw_range range[] = {{0, D, true}, {D, 1, false}};
    *h = (scalar_head){.D = D};
    h->value = calloc(D + 1, sizeof *h->value);
    h->gradient = calloc(D + 1, sizeof *h->gradient);
    ponder_status st = h->value && h->gradient
                           ? adamw_open(&h->adamw, D + 1, range, COUNT_OF(range), o, err)
                           : err_set(err, PONDER_ENOMEM, "no memory for a head of %zu", D);
    if (st != PONDER_OK) {
        head_close(h);
        return st;
    }
    for (size_t i = 0; i < D; i += 2) {
        float two[2];
        rng_normal2(two, seed, 0, i / 2, RNG_INIT);
        h->value[i] = deviation * two[0];
        if (i + 1 < D) h->value[i + 1] = deviation * two[1];
    }
    return PONDER_OK;
}

void head_close(scalar_head *h)
{
    adamw_close(&h->adamw);
    free(h->value), free(h->gradient);
    *h = (scalar_head){0};
}

double head_score(const scalar_head *h, const float *hidden)
{
    double sum = (double)h->value[h->D];
    for (size_t i = 0; i < h->D; i++) sum += (double)h->value[i] * (double)hidden[i];
    return sum;
}

void head_back(scalar_head *h, const float *hidden, double slope, float *gradient)
{
    float s = (float)slope;
    for (size_t i = 0; i < h->D; i++) {
        h->gradient[i] += s * hidden[i];
        gradient[i] += s * h->value[i];
    }
    h->gradient[h->D] += s;
}

ponder_status head_step(scalar_head *h, uint64_t steps, double lr, double clip, ponder_error *err)
{
    double norm = adamw_norm(&h->adamw, h->gradient, NULL);
    if (!isfinite(norm))
        return err_set(err, PONDER_EFORMAT, "the gradient of the scalar head is not finite");
    h->adamw.steps = steps - 1;
    adamw_step(&h->adamw, h->value, h->gradient, (float)lr, clip_scale(norm, clip), NULL);
    memset(h->gradient, 0, (h->D + 1) * sizeof *h->gradient);
    return PONDER_OK;
}

/* ---- keeping --------------------------------------------------------------------------------- */

size_t head_sections(scalar_head *h, checkpoint_section out[HEAD_SECTIONS])
{
    num_type moments = h->adamw.o.bf16_moments ? NUM_BF16 : NUM_F32;
    out[0] = (checkpoint_section){"head", NUM_F32, h->value, h->D + 1};
    out[1] = (checkpoint_section){"head.m", moments, h->adamw.m, h->D + 1};
    out[2] = (checkpoint_section){"head.v", moments, h->adamw.v, h->D + 1};
    return HEAD_SECTIONS;
}

static ponder_status write_head(safetensors_writer *w, const scalar_head *h, ponder_error *err)
{
    TRY(safetensors_declare(w, "weight", NUM_F32, 1, &(uint64_t){h->D}, err));
    TRY(safetensors_declare(w, "bias", NUM_F32, 1, &(uint64_t){1}, err));
    TRY(safetensors_write_begin(w, err));
    TRY(safetensors_write_data(w, h->value, h->D * sizeof *h->value, err));
    TRY(safetensors_write_data(w, h->value + h->D, sizeof *h->value, err));
    return safetensors_write_commit(w, err);
}

ponder_status head_save(const scalar_head *h, const char *path, ponder_error *err)
{
    safetensors_writer *w = NULL;
    ponder_status st = safetensors_write_open(&w, path, err);
    if (st == PONDER_OK) st = write_head(w, h, err);
    safetensors_write_close(w);
    return st;
}

static ponder_status read_part(float *to, size_t n, const fmt_model *m, const char *name,
                               const char *path, ponder_error *err)
{
    const fmt_tensor *t = fmt_find(m, name);
    if (!t || t->type != NUM_F32 || t->n_dims != 1 || t->dim[0] != n)
        return err_set(err, PONDER_EFORMAT,
                       "%s: no head of this model: want \"%s\" with %zu numbers in F32", path, name,
                       n);
    memcpy(to, t->data, n * sizeof *to);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(to[i]))
            return err_set(err, PONDER_EFORMAT, "%s: \"%s\" has numbers that are not finite", path,
                           name);
    return PONDER_OK;
}

ponder_status head_load(scalar_head *h, const char *path, ponder_error *err)
{
    fmt_model *m = NULL;
    ponder_status st = fmt_open(&m, path, err);
    if (st == PONDER_OK) st = read_part(h->value, h->D, m, "weight", path, err);
    if (st == PONDER_OK) st = read_part(h->value + h->D, 1, m, "bias", path, err);
    fmt_close(m);
    return st;
}

/* ---- loss ------------------------------------------------------------------------------------ */

double logistic_loss(double margin, double *slope)
{
    double e = exp(-fabs(margin)); /* at most 1: nothing overflows */
    *slope = margin > 0 ? -e / (1 + e) : -1 / (1 + e);
    return (margin > 0 ? 0 : -margin) + log1p(e);
}
