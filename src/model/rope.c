/* Rotary positions: the angle of each pair of columns under the scaling rules.
 * SPDX-License-Identifier: MIT
 *
 * llama3: wavelengths past the original context are stretched, the ones between are blended.
 * YaRN (Peng et al., 2023, arXiv 2309.00071): pairs that turn often in the original context keep
 * their speed, slow ones are interpolated; DeepSeek multiplies the softmax scale by mscale^2. */
#include "model/model_int.h"

#include <math.h>
#include <stdlib.h>

static const double PI = 3.14159265358979323846;

static double llama3(const model_config *c, double f)
{
    double wave = 2 * PI / f, original = c->rope_original;
    if (wave < original / c->rope_high) return f;
    if (wave > original / c->rope_low) return f / c->rope_factor;
    double s = (original / wave - c->rope_low) / (c->rope_high - c->rope_low);
    return (1 - s) * f / c->rope_factor + s * f;
}

double model_rope_llama3_divisor(const model_config *c, int pair)
{
    double f = pow(c->rope_base, -2.0 * pair / c->rope_dim);
    return f / llama3(c, f);
}

/* The pair that makes `turns` full turns within the original context. */
static double yarn_pair(const model_config *c, double turns)
{
    return c->rope_dim * log(c->rope_original / (turns * 2 * PI)) / (2 * log(c->rope_base));
}

static double yarn(const model_config *c, double f, int pair)
{
    double low = fmax(floor(yarn_pair(c, c->rope_beta_fast)), 0);
    double high = fmin(ceil(yarn_pair(c, c->rope_beta_slow)), c->rope_dim - 1);
    if (low == high) high += 0.001;
    double ramp = fmin(fmax((pair - low) / (high - low), 0), 1);
    return f * (1 - ramp) + f / c->rope_factor * ramp;
}

static double yarn_mscale(double factor, double m)
{
    return factor > 1 ? 0.1 * m * log(factor) + 1 : 1;
}

ponder_status model_rope_init(model *m, ponder_error *err)
{
    const model_config *c = &m->config;
    int pairs = c->rope_dim / 2;
    double scale = 1.0 / sqrt(c->head_dim);
    m->rope_scale = 1;
    m->rope_freq = calloc((size_t)pairs, sizeof *m->rope_freq);
    if (!m->rope_freq) return err_set(err, PONDER_ENOMEM, "no memory for %d angles", pairs);
    for (int i = 0; i < pairs; i++) {
        double f = pow(c->rope_base, -2.0 * i / c->rope_dim);
        if (c->rope == MODEL_ROPE_LLAMA3) f = llama3(c, f);
        if (c->rope == MODEL_ROPE_YARN) f = yarn(c, f, i);
        if (c->rope == MODEL_ROPE_LINEAR) f /= c->rope_factor;
        if (c->rope == MODEL_ROPE_FACTORS && m->rope_factors) f /= (double)m->rope_factors[i];
        if (!isfinite(f))
            return err_set(err, PONDER_EFORMAT, "rope_freqs.weight: factor %d is not usable", i);
        m->rope_freq[i] = f;
    }
    if (c->rope == MODEL_ROPE_YARN) {
        double all = yarn_mscale(c->rope_factor, c->rope_mscale_all);
        m->rope_scale = (float)(yarn_mscale(c->rope_factor, c->rope_mscale) / all);
        if (model_is_mla(c)) scale *= all * all;
    }
    m->attn_scale = (float)scale;
    return PONDER_OK;
}
