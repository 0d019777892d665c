/* gc_store: which results of a store gc may remove. */
#ifndef FURROW_GC_STORE_H
#define FURROW_GC_STORE_H

#include "planner/observed.h"
#include "providers/store/store.h"

/* Removes results that are older than before_wall_ns, and neither the newest of their task, of whatever
 * job, nor among those that were collected. */
int gc_store(struct store *s, const struct collected *collected, size_t n_collected,
	int64_t before_wall_ns, bool dry, struct store_gc *out, struct error *err);

#endif
