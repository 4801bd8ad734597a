/* value: one number to be decided zero or not, and the means to do it.
 * SPDX-License-Identifier: MIT */
#ifndef MATH_VALUE_H
#define MATH_VALUE_H

#include "reward/math/math_int.h"

#include <acb.h>

/* a - b; or, with c set, (a - b) at point (c - d) at point2 less (a - b) at point2 (c - d) at
 * point. */
typedef struct formula {
    ref a, b, c, d;
    int point, point2;
} formula;

/* An enclosure of the value at this precision. False: a budget ran out. A value that does not
 * exist, or is not bounded at this precision, is not finite. */
bool math_ball(math_eval *e, acb_t out, ref r, slong prec);
bool math_ball_formula(math_eval *e, acb_t out, const formula *f, slong prec);

/* x pi with rational x? */
bool math_angle(math_eval *e, fmpq_t out, ref r);

/* An algebraic value that is not 0 is at least 2^-bits in size. False: not algebraic, or bits above
 * the limit. */
bool math_separation(math_eval *e, slong *bits, const formula *f);

/* What Calcium says: is the value zero? UNSURE where it would be too much work. */
enum truth math_calcium(math_eval *e, const formula *f);

#endif
