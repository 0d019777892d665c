/* record: what a finished run leaves in the store for the next plan: durations, and which key each
 * task had. */
#ifndef FURROW_RECORD_H
#define FURROW_RECORD_H

#include "planner/execute/timings.h"
#include "planner/plan.h"
#include "providers/store/store.h"

/* The durations of what went well in a run, as history entries sorted as history wants them. */
void record_history(
	struct arena *a, struct history *out, const struct plan *plan, const struct timings *t);

/* Merges them into history/JOB of the store. That it failed is said, and no more: history is a
 * help, never a condition. known: what stands there, where nobody else can have changed it since it
 * was read; NULL: it is read anew. */
void record_run(const struct plan *plan, const struct timings *t, struct store *store,
	const struct history *known);

#endif
