/* tail: the last words of a task that failed, from its stderr in the run's folder. */
#ifndef FURROW_TAIL_H
#define FURROW_TAIL_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"

/* The last lines of an attempt's stderr; absent when it wrote none, or when logs is NULL. */
struct str tail_of(struct arena *a, const char *logs, uint32_t task, uint32_t attempt);

/* The same as indented lines, "    | …" each, `eol` before every newline; columns: 0, or where to
 * cut. */
void tail_add(struct buf *b, const char *logs, uint32_t task, uint32_t attempt, bool color,
	const char *eol, size_t columns);

#endif
