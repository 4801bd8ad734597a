/* exp of non-positive numbers, written once for every vector length.
 * SPDX-License-Identifier: MIT
 *
 * x = n ln 2 + r, |r| <= ln 2 / 2; exp(r) = 1 + r + r^2 P(r) with P of degree 4 found by the Remez
 * exchange (relative error 3.1e-9); the result is 2^n exp(r), rounded once, gradually below the
 * normal numbers. Everything below -104 is 0, NaN stays NaN, exp(0) = 1 exactly. */
#ifndef KERN_EXP_H
#define KERN_EXP_H

static inline vf vf_exp(vf x)
{
    x = vf_max(vf_set1(-104.0f), x);
    vf n = vf_round(vf_mul(x, vf_set1(0x1.715476p+0f)));
    vf r = vf_fnma(n, vf_set1(0x1.62e43p-1f), x);
    r = vf_fnma(n, vf_set1(-0x1.05c61p-29f), r);
    vf p = vf_set1(0.00138145986467f);
    p = vf_fma(p, r, vf_set1(0.00836871687973f));
    p = vf_fma(p, r, vf_set1(0.0416683880453f));
    p = vf_fma(p, r, vf_set1(0.166665206317f));
    p = vf_fma(p, r, vf_set1(0.499999934478f));
    p = vf_fma(vf_mul(r, r), p, r);
    return vf_scale2(vf_add(p, vf_set1(1.0f)), n);
}

#endif
