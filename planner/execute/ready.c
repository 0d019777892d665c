/* ready: a binary heap. */
#include "planner/execute/ready.h"

#include "planner/base/arena.h"

#include <stdlib.h>

static bool
goes_before(const struct ready_item *a, const struct ready_item *b)
{
	if (a->rank != b->rank)
		return a->rank > b->rank;
	return a->node < b->node;
}

void
ready_push(struct ready *r, int64_t rank, uint32_t node)
{
	struct ready_item item = {.rank = rank, .node = node};
	uint32_t at;

	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->v = mem_realloc(r->v, r->cap * sizeof(*r->v));
	}
	for (at = r->n++; at > 0; at = (at - 1) / 2) {
		const struct ready_item *parent = &r->v[(at - 1) / 2];

		if (!goes_before(&item, parent))
			break;
		r->v[at] = *parent;
	}
	r->v[at] = item;
}

const struct ready_item *
ready_top(const struct ready *r)
{
	return r->n ? &r->v[0] : NULL;
}

bool
ready_pop(struct ready *r, uint32_t *node)
{
	const struct ready_item *last;
	uint32_t at = 0, child;

	if (r->n == 0)
		return false;
	*node = r->v[0].node;
	last = &r->v[--r->n];
	while ((child = at * 2 + 1) < r->n) {
		if (child + 1 < r->n && goes_before(&r->v[child + 1], &r->v[child]))
			child++;
		if (!goes_before(&r->v[child], last))
			break;
		r->v[at] = r->v[child];
		at = child;
	}
	r->v[at] = *last;
	return true;
}

void
ready_free(struct ready *r)
{
	free(r->v);
	*r = (struct ready){0};
}
