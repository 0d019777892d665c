/* show_curve: the curve of instances as text for people. */
#ifndef FURROW_SHOW_CURVE_H
#define FURROW_SHOW_CURVE_H

#include "planner/curve.h"

/* A heading, a line for each count with its offer, time and cost, and the knee in words. */
void show_curve(struct buf *out, const struct curve *c, const struct plan *p, bool color);

#endif
