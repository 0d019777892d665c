/* spans: which node a span belongs to: a hash table from 16 hex digits to a number. */
#ifndef FURROW_SPANS_H
#define FURROW_SPANS_H

#include "planner/base/str.h"

enum { SPANS_NONE = UINT32_MAX };

/* Zero-initialised is empty and ready; free with spans_free. */
struct spans {
	struct span_entry *v;
	uint32_t n, cap; /* cap: a power of two */
};

/* false when it is no span (16 lower-case hex digits, not all 0), or known already. */
bool spans_add(struct spans *s, struct str span, uint32_t node);

/* SPANS_NONE when unknown. */
uint32_t spans_find(const struct spans *s, struct str span);

void spans_free(struct spans *s);

#endif
