/* cost: what a plan costs: how long each instance lives, times its price. Pure. */
#ifndef FURROW_COST_H
#define FURROW_COST_H

#include "planner/plan.h"

/* EC2 bills by the second, and so long at least. */
#define COST_LEAST_NS (60 * INT64_C(1000000000))

/* What `ns` of that cost; launched: from a launch on, so that the least counts. < 0: unknown, as the
 * price is. */
double cost_usd(double hourly_usd, int64_t ns, bool launched);

/* Fills ns, p90_ns, usd, hourly_usd, idle_usd and why_usd of a plan whose graph is frozen and whose slots
 * are known, and usd and hourly_usd of its nodes. An instance counts from its launch, a warm one from the
 * run's begin, both until their release. */
void plan_estimate(struct arena *a, struct plan *p);

/* 0, or ERR_INPUT when the manifest's max_cost cannot hold: the estimate is more, a minute of all
 * instances is, or what they cost is not known. Tells the figures, and how many instances would fit. */
int plan_check_cost(const struct plan *p, struct error *err);

#endif
