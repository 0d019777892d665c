/* ready: a heap of node numbers: highest rank first, among equal ranks the lowest number. The
 * executor keeps ready nodes in one (rank: rest_ns, so the longest remaining path goes first, ties
 * in the order of the graph), and those that wait for a time in another (rank: minus that time). */
#ifndef FURROW_READY_H
#define FURROW_READY_H

#include <stdbool.h>
#include <stdint.h>

struct ready_item {
	int64_t rank;
	uint32_t node;
};

/* Zero-initialised is empty and ready; free with ready_free. */
struct ready {
	struct ready_item *v;
	uint32_t n, cap;
};

void ready_push(struct ready *r, int64_t rank, uint32_t node);

/* The one that ready_pop would give; NULL when empty. Valid until the next push or pop. */
const struct ready_item *ready_top(const struct ready *r);

/* false when empty. */
bool ready_pop(struct ready *r, uint32_t *node);

void ready_free(struct ready *r);

#endif
