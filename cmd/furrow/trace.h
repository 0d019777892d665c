/* trace: what a task said of its own time. It appends lines to $FURROW_TRACE_FILE,
 *
 *   {"name":"load","start":1763870000.25,"end":1763870001.5}
 *
 * with seconds since 1970 (`date +%s.%N`), or nanoseconds (`date +%s%N`). They are kept as
 * logs/INDEX.ATTEMPT.trace in the run's folder, and hang under their attempt in `furrow report`. */
#ifndef FURROW_TRACE_H
#define FURROW_TRACE_H

#include "planner/base/arena.h"

struct trace_span {
	struct str name;
	int64_t start_ns, end_ns; /* since the run began */
	uint32_t depth;		  /* within how many others of the same attempt it lies */
};

struct trace {
	struct trace_span *v; /* by start, longer ones first */
	size_t n;
	size_t n_bad; /* lines that are no span */
};

enum { TRACE_MAX_SPANS = 10000 };

/* wall0_ns: when the run began, since 1970. Lines that are no span are counted, not fatal. */
void trace_parse(struct arena *a, struct trace *out, struct str bytes, int64_t wall0_ns);

/* Of one attempt; none there: empty. */
void trace_read(struct arena *a, struct trace *out, const char *run_path, uint32_t task,
	uint32_t attempt, int64_t wall0_ns);

#endif
