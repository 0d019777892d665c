/* curve: what a job's wall time and cost would be with 1, 2, 5, 10, … instances, so that a person can
 * choose. Pure. */
#ifndef FURROW_CURVE_H
#define FURROW_CURVE_H

#include "planner/plan.h"

/* From being launched to running tasks, as long as nobody has seen one. */
#define CURVE_READY_NS (40 * INT64_C(1000000000))

/* How long a task takes: half of them, and 9 of 10, at most so long; zero: as history says. */
struct curve_times {
	int64_t p50_ns, p90_ns;
};

struct curve_point {
	uint32_t instances;
	struct offer offer; /* the best for so many */
	uint32_t slots;	    /* tasks at a time, over all */
	int64_t ns;	    /* from launching to having let go */
	double usd;	    /* < 0: unknown */
	bool is_max;	    /* the manifest's instances.max */
	bool beyond_max;
};

struct curve {
	uint32_t n_tasks; /* that are to run; all of the job's when none is */
	int64_t p50_ns, p90_ns;
	bool given;	  /* else from history */
	int64_t ready_ns; /* until an instance runs tasks */
	bool assumed;	  /* that: no instance was seen yet */
	uint32_t max;
	struct curve_point *points; /* upwards, up to what the tasks can use; >= 1 */
	size_t n_points;
	/* Up to this point each halving of the time costs little: KNEE_SHARE of the cheapest at most. */
	size_t knee;
	double before_usd,
		beyond_usd; /* per halving: at most up to there, at least beyond; < 0: unknown */
	bool faster_beyond; /* it gets faster beyond at all, by 5 % */
};

/* "90s", or "60s,90s": p50 and p90. ERR_INPUT. */
int curve_parse_times(struct str text, struct curve_times *out, struct error *err);

/* p: after diff. ERR_INPUT when the job's infra has no offers, or nobody knows how long a task takes. */
int curve_of_plan(struct arena *a, struct curve *out, const struct plan *p,
	const struct curve_times *given, struct error *err);

/* {"furrow_curve":1,"job":…,"infra":…,"tasks":…,"task":{"p50_s":…,"p90_s":…,"from":"history|given"},
 *  "ready":{"s":…,"from":"history|assumed"},"max":…,
 *  "points":[{"instances":…,"type":…,"zone":…|null,"market":"spot|on-demand","slots":…,"hourly_usd":…|null,
 *             "s":…,"usd":…|null,"beyond_max":…}],
 *  "knee":{"instances":…,"usd_per_halving":…|null,"beyond_usd_per_halving":…|null,"faster_beyond":…}} and a
 * newline. hourly_usd: of all of them. */
void curve_write_json(struct buf *out, const struct curve *c, const struct plan *p);

#endif
