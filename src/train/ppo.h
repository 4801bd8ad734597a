/* ppo: proximal policy optimisation with a value network, token by token: what differs from grpo.h.
 * SPDX-License-Identifier: MIT
 *
 * Schulman et al., 2017, arXiv 1707.06347; the advantages are those of Schulman et al., 2016,
 * "High-dimensional continuous control using generalized advantage estimation",
 * arXiv 1506.02438. */
#ifndef TRAIN_PPO_H
#define TRAIN_PPO_H

#include "base/base.h"

/* Of an answer's n tokens: reward[t] is earned by token t, value[t] was expected before it; nothing
 * is expected after the last one.
 *   d_t = reward[t] + gamma value[t + 1] - value[t]
 *   advantage[t] = d_t + gamma lambda advantage[t + 1]
 * and target[t] = advantage[t] + value[t] is what value[t] is to become. */
void ppo_advantages(float *advantage, float *target, const float *reward, const float *value,
                    size_t n, float gamma, float lambda);

/* Half the squared error of a value, or of the value kept within `clip` of what it was when that is
 * worse (clip 0: never); *slope is its derivative by the value. */
double ppo_value_loss(double value, double old, double target, double clip, double *slope);

#endif
