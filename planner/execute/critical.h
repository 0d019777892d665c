/* critical: the chain of nodes that a run's wall time consists of. */
#ifndef FURROW_CRITICAL_H
#define FURROW_CRITICAL_H

#include "planner/execute/timings.h"

/* Fills critical, critical_ns and critical_phase_ns of a journal that was read. last_ended: the
 * node that ended last, UINT32_MAX: none did. scratch is not needed afterwards. */
void critical_mark(struct timings *t, uint32_t last_ended, struct arena *scratch);

/* The first node of kind[index..] in t->nodes that is not before it: n_nodes when there is none. */
size_t critical_lower_bound(const struct timings *t, enum kind kind, uint32_t index);

#endif
