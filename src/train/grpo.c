/* grpo: advantages and the clipped objective.
 * SPDX-License-Identifier: MIT */
#include "train/grpo.h"

#include <math.h>

static bool all_same(const float *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (x[i] != x[0]) return false;
    return true;
}

static void advantages_of(float *out, const float *reward, size_t n, bool no_deviation)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += (double)reward[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = (double)reward[i] - mean;
        square += d * d;
    }
    double by = no_deviation ? 1 : sqrt(square / (double)n) + 1e-4;
    for (size_t i = 0; i < n; i++) out[i] = (float)(((double)reward[i] - mean) / by);
}

size_t grpo_advantages(float *out, const float *reward, size_t n, size_t size, bool no_deviation)
{
    size_t mixed = 0;
    for (size_t g = 0; g < n; g++) {
        float *a = out + g * size;
        if (all_same(reward + g * size, size)) {
            memset(a, 0, size * sizeof *a);
            continue;
        }
        advantages_of(a, reward + g * size, size, no_deviation);
        mixed++;
    }
    return mixed;
}

float grpo_token(const grpo_objective *o, float lp, float old, float ref, float a, float weight,
                 grpo_tokens *log)
{
    double ratio = lp == old ? 1 : exp((double)lp - (double)old); /* equal bits: exactly one */
    bool clipped = a > 0 ? ratio > 1 + (double)o->clip_high : ratio < 1 - (double)o->clip_low;
    double bound = a > 0 ? 1 + (double)o->clip_high : 1 - (double)o->clip_low;
    double loss = -(double)a * (clipped ? bound : ratio), slope = clipped ? 0 : -(double)a * ratio;
    double kl = 0;
    if (o->kl > 0) {
        double d = (double)ref - (double)lp, e = exp(d);
        kl = e - d - 1;
        loss += (double)o->kl * kl;
        slope += (double)o->kl * (1 - e);
    }
    log->loss += (double)weight * loss;
    log->kl += kl;
    log->ratio += ratio;
    log->n++;
    log->clipped += a != 0 && clipped;
    log->exact += lp == old;
    return (float)((double)weight * slope);
}

float grpo_weight(const grpo_objective *o, size_t length, size_t responses, size_t tokens)
{
    switch (o->mean) {
    case GRPO_MEAN_TOKEN: return 1.0f / (float)tokens;
    case GRPO_MEAN_CONSTANT: return 1.0f / (o->constant * (float)responses);
    default: return 1.0f / ((float)length * (float)responses);
    }
}
