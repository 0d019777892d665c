/* layout: how the time of one attempt divides into phases, without a gap and without an overlap. */
#ifndef FURROW_LAYOUT_H
#define FURROW_LAYOUT_H

#include "planner/execute/timings.h"

/* When a task's process ran, within begin and `end` of its attempt whatever its host's clock says:
 * its processes, rather, when it was stopped, since what it leaves has its grace too. Without one:
 * `end`, for both. Of what needs no slot: begin and end. */
void layout_process(
	const struct timing_attempt *a, int64_t end_ns, int64_t *begun_ns, int64_t *ended_ns);

/* Adds what lies between from_ns and to_ns of an attempt that lasts until end_ns, by phase: exactly
 * what the two have in common is added. */
void layout_add(int64_t sums[PHASE_COUNT], const struct timing_attempt *a, int64_t end_ns,
	int64_t from_ns, int64_t to_ns);

#endif
