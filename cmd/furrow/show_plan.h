/* show_plan: a plan as text for people. */
#ifndef FURROW_SHOW_PLAN_H
#define FURROW_SHOW_PLAN_H

#include "planner/plan.h"

/* Header, one line a kind of change (like ones folded), and a summary; "Nothing to do" when there
 * is nothing. */
void show_plan(struct buf *out, const struct plan *p, bool color);

#endif
