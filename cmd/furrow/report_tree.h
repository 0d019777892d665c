/* report_tree: a run's timings as a tree for people, or as JSON. */
#ifndef FURROW_REPORT_TREE_H
#define FURROW_REPORT_TREE_H

#include "cmd/furrow/run_dir.h"

struct report_facts {
	struct run_dir run;
	struct timings timings;
	struct run_tasks tasks; /* for their names */
	bool all;		/* every task, not only the longest and the failed ones */
	bool color;
};

void report_write(struct buf *out, const struct report_facts *f);

/* {"furrow_report":1,"run","job","when","result","exit"?,"wall_s","commit","tasks","in_place","phases":{…},
 *  "critical_phases":{…},"nodes":[{"id","label"?,"state","ready_s"?,"end_s"?,"wall_s"?,"critical_s"?,"phases":{…},
 *  "attempts":[{"attempt","begin_s","end_s"?,"state","why","error"?,"exit"?,"signal"?,"cpu_s"?,"max_rss"?,
 *  "stdout_bytes"?,"stdout_kept"?,"stderr_bytes"?,"stderr_kept"?,
 *  "spans"?:[{"name","start_s","end_s"}]}]}]} and a newline. Times are seconds since the run began.
 */
void report_write_json(struct buf *out, const struct report_facts *f);

/* "ok", "failed", "running", … */
const char *report_state_name(enum node_state state);

/* When the run began, in nanoseconds since 1970, from the journal's wall0. */
int64_t report_wall0_ns(const struct timings *t);

#endif
