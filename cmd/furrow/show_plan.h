/* show_plan: a plan as text for people. */
#ifndef FURROW_SHOW_PLAN_H
#define FURROW_SHOW_PLAN_H

#include "planner/plan.h"

/* Header, one line a kind of change (like ones folded), and a summary; "Nothing to do" when there
 * is nothing. */
void show_plan(struct buf *out, const struct plan *p, bool color);

/* "about 12 s (p90 15 s)", or "time unknown yet: no history" (of what). */
void show_plan_time(struct buf *out, const struct plan *p);

/* "about $0.12, and up to $0.04 more if nobody uses it again within 10m"; "price unknown yet: $0.0728 an
 * hour"; "price unknown: " and why. */
void show_plan_usd(struct buf *out, const struct plan *p);

#endif
