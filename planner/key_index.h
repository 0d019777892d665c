/* key_index: finds digests among many in no time, whatever their order. */
#ifndef FURROW_KEY_INDEX_H
#define FURROW_KEY_INDEX_H

#include "planner/base/arena.h"
#include "planner/base/digest.h"

/* Zero-initialised finds nothing. Points into what was indexed. */
struct key_index {
	const char *first;
	size_t stride;
	uint32_t *slots; /* item + 1; 0: free */
	size_t n_slots;	 /* a power of two */
};

/* Indexes the n digests that lie stride bytes apart from first on; of equal ones the first. */
void key_index_init(struct arena *a, struct key_index *out, const struct digest *first,
	size_t stride, size_t n);

/* The number of the item with this digest; < 0: there is none. */
int64_t key_index_find(const struct key_index *x, const struct digest *key);

#endif
