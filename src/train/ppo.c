/* Advantages from values, and the loss of values.
 * SPDX-License-Identifier: MIT */
#include "train/ppo.h"

void ppo_advantages(float *advantage, float *target, const float *reward, const float *value,
                    size_t n, float gamma, float lambda)
{
    double next = 0, after = 0; /* advantage and value of the token after */
    for (size_t t = n; t-- > 0;) {
        double d = (double)reward[t] + (double)gamma * after - (double)value[t];
        next = d + (double)gamma * (double)lambda * next;
        after = (double)value[t];
        advantage[t] = (float)next;
        target[t] = (float)(next + after);
    }
}

double ppo_value_loss(double value, double old, double target, double clip, double *slope)
{
    double off = value - target, kept = value;
    if (clip > 0 && value > old + clip) kept = old + clip;
    if (clip > 0 && value < old - clip) kept = old - clip;
    double off_kept = kept - target;
    bool worse = off_kept * off_kept > off * off; /* then the bound counts, and is flat */
    *slope = worse ? 0 : off;
    return 0.5 * (worse ? off_kept * off_kept : off * off);
}
