/* timings: a journal read back: a tree of nodes, attempts and phases, sums by phase, the critical path.
 * Takes bytes, so a running journal can be read too; a torn last line is cut. */
#ifndef FURROW_TIMINGS_H
#define FURROW_TIMINGS_H

#include "planner/base/buf.h"
#include "planner/execute/executor.h"

struct timing_attempt {
	uint32_t attempt;
	int64_t begin_ns, end_ns;  /* end < 0: not ended */
	enum node_state state;     /* RUNNING when not ended */
	struct str why;            /* of begin */
	struct str error;          /* message; absent: none */
	char span[17];
	struct outcome outcome;
};

struct timing_node {
	enum kind kind;
	uint32_t index;
	int64_t ready_ns;          /* < 0: never */
	int64_t end_ns;            /* < 0: not ended */
	enum node_state state;
	struct timing_attempt *attempts;
	uint32_t n_attempts;
	int64_t phase_ns[PHASE_COUNT]; /* sums to end - ready */
	bool critical;             /* on the critical path */
	int64_t critical_ns;       /* its share of the run's wall: sums to wall_ns over all critical nodes */
};

struct timings {
	struct str run, trace, job, infra, commit, manifest, manifest_path, plan;
	struct str wall0;          /* RFC 3339 */
	bool dirty;
	int64_t pid;
	uint32_t n_tasks, n_in_place; /* of the job */
	struct timing_node *nodes; /* those that the journal names a begin for, and folded ones expanded: sorted by kind, index */
	size_t n_nodes;
	bool done;                 /* the run ended in order */
	int exit_code;             /* when done */
	bool interrupted;
	int64_t wall_ns;           /* up to the last event when not done */
	int64_t phase_ns[PHASE_COUNT];          /* over all nodes */
	int64_t critical_phase_ns[PHASE_COUNT]; /* over the critical path: sums to wall_ns */
	uint32_t torn_bytes;       /* cut at the end */
};

/* ERR_INPUT with line number for what is no journal, a newer version, a line in the middle that is no event, a gap
 * in the numbering. Everything in *out lives in the arena. */
int timings_parse(struct arena *a, struct timings *out, struct str bytes, struct str name, struct error *err);

/* Only the head and the done line, quickly: for lists of runs. */
int timings_parse_head(struct arena *a, struct timings *out, struct str bytes, struct str name, struct error *err);

const struct timing_node *timings_find(const struct timings *t, enum kind kind, uint32_t index);

#endif
