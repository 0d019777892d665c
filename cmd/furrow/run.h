/* run: one execution of a plan. The caller holds the job's lock. */
#ifndef FURROW_RUN_H
#define FURROW_RUN_H

#include "cmd/furrow/prepare.h"
#include "planner/execute/timings.h"

struct run {
	const char *id;		/* ULID */
	const char *path;	/* its folder, .furrow/runs/ID */
	int exit_status;	/* what apply ends with */
	struct error lost;	/* of a place, when tasks were left for that; code ERR_NONE: none */
	bool out_of_time;	/* max_duration was over */
	bool out_of_money;	/* max_cost would have been passed */
	struct pairs left;	/* as the site's: what still costs money */
	uint32_t n_warm;	/* as the site's: what was left for the next apply */
	struct timings timings; /* its journal, read back */
};

/* Executes p->plan under the run id `id`: run folder, journal, workers, view, signals, and the
 * durations that the next plan estimates from. 0 when it was executed, whatever became of it
 * (exit_status); < 0 when it could not be, or its journal could not be kept. *out lives in
 * p->arena. */
int run_plan(struct run *out, struct prepared *p, const struct options *o, const char *id,
	struct error *err);

/* -n: walks the plan with the executor's own loop but starts nothing; the order of nodes is added
 * to `out`, one a line. */
int run_dry(struct prepared *p, struct buf *out, struct error *err);

#endif
