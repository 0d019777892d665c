/* invariants: what holds for the timings of any journal that can be read, be it made up. */
#ifndef FURROW_TEST_INVARIANTS_H
#define FURROW_TEST_INVARIANTS_H

#include "planner/execute/timings.h"

static inline int64_t
sum_of_phases(const int64_t phase_ns[PHASE_COUNT])
{
	int64_t sum = 0;

	for (int p = 0; p < PHASE_COUNT; p++) {
		if (phase_ns[p] < 0)
			return -1;
		sum += phase_ns[p];
	}
	return sum;
}

static inline const char *
broken_node(const struct timings *t, const struct timing_node *n)
{
	int64_t end = n->end_ns < 0 ? t->wall_ns : n->end_ns;

	if (n->n_attempts == 0)
		return n->ready_ns >= 0 || n->end_ns >= 0 || n->critical
			       ? "a node that never began has times"
			       : NULL;
	if (n->ready_ns < 0 || n->ready_ns > end || end > t->wall_ns)
		return "a node is not within the run";
	if (sum_of_phases(n->phase_ns) != end - n->ready_ns)
		return "phases of a node do not add up to its time";
	if (n->critical_ns < 0 || n->critical != (n->critical_ns > 0))
		return "a critical node without a share, or the other way round";
	for (uint32_t i = 0; i < n->n_attempts; i++) {
		const struct timing_attempt *a = &n->attempts[i];

		if (a->ready_ns > a->begin_ns || (a->end_ns >= 0 && a->end_ns < a->begin_ns))
			return "an attempt goes backwards";
		if (i + 1 < n->n_attempts &&
			(a->end_ns < 0 || a->end_ns > n->attempts[i + 1].ready_ns))
			return "attempts overlap";
	}
	return NULL;
}

/* NULL, or what does not hold. */
static inline const char *
broken_invariant(const struct timings *t)
{
	int64_t critical = 0;
	bool begun = false;

	for (size_t i = 0; i < t->n_nodes; i++) {
		const char *broken = broken_node(t, &t->nodes[i]);

		if (broken)
			return broken;
		if (timings_find(t, t->nodes[i].kind, t->nodes[i].index) != &t->nodes[i])
			return "a node is not found";
		critical += t->nodes[i].critical_ns;
		begun |= t->nodes[i].n_attempts > 0;
	}
	if (sum_of_phases(t->critical_phase_ns) != t->wall_ns)
		return "phases on the critical path do not add up to the wall time";
	if (begun && critical != t->wall_ns)
		return "shares of the critical path do not add up to the wall time";
	return NULL;
}

#endif
