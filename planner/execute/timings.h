/* timings: a journal read back: its nodes, attempts and phases, sums by phase, the critical path.
 * Takes bytes, so a running journal can be read too; a torn last line is cut. */
#ifndef FURROW_TIMINGS_H
#define FURROW_TIMINGS_H

#include "planner/base/buf.h"
#include "planner/execute/executor.h"

/* More is no journal of ours, but one made up to eat memory. */
enum { TIMINGS_MAX_NODES = 1 << 20 };

/* From t_ns on the attempt was in this phase. */
struct timing_mark {
	int64_t t_ns;
	enum phase phase;
};

struct timing_attempt {
	uint32_t attempt;
	int64_t ready_ns;	  /* since when it could have begun */
	int64_t begin_ns, end_ns; /* end < 0: not ended */
	int64_t retry_ns;	  /* when another attempt was due; < 0: no other was wanted */
	enum node_state state; /* when not ended: RUNNING, or READY while it queues at its place */
	uint32_t place;	       /* of a slot node: index of the environment */
	bool abandoned;	       /* its place was lost under it */
	bool needs_slot;
	int64_t slot_ns; /* when it got one at its place; < 0: it queues there still, or never did */
	struct str why;	 /* of begin */
	struct str error; /* message; absent: none */
	char span[17];
	enum phase phase;	   /* from begin on, until the first mark */
	struct timing_mark *marks; /* upwards by time */
	uint32_t n_marks;
	struct outcome outcome;
};

struct timing_node {
	enum kind kind;
	uint32_t index;
	uint32_t group;	       /* in timings.groups */
	int64_t ready_ns;      /* < 0: never begun */
	int64_t end_ns;	       /* < 0: not ended, or never begun */
	enum node_state state; /* never begun: CANCELLED when the run is done, else WAITING */
	struct timing_attempt *attempts;
	uint32_t n_attempts;
	/* Sums to end - ready; of what has not ended, to wall - ready. */
	int64_t phase_ns[PHASE_COUNT];
	bool critical; /* on the critical path */
	/* Its share of the run's wall: sums to wall_ns over all critical nodes. */
	int64_t critical_ns;
};

/* kind[first..last] */
struct timing_ids {
	enum kind kind;
	uint32_t first, last;
};

/* The nodes that came with one `node` line: alike but for their index. */
struct timing_group {
	struct timing_ids *after;
	size_t n_after;
	bool needs_slot, gives_slots;
};

/* An action that was written down before it was done. */
struct timing_intent {
	uint32_t node; /* in timings.nodes */
	int64_t t_ns;
	struct str op, token; /* absent: an effect without an intent */
	struct str effect;    /* the id of what came of it; absent: nobody knows */
	int64_t effect_ns;    /* < 0: unknown */
};

/* An instance, from when it began to cost money in this run. */
struct timing_life {
	uint32_t index;		  /* of instance[i], environment[i], release[i] */
	struct str id;		  /* absent: it was there before */
	bool launched;		  /* by this run */
	int64_t begin_ns, end_ns; /* end < 0: it has not ended, nor was it let go of */
	double hourly_usd;	  /* < 0: unknown */
	double usd;		  /* up to its end, or the last event; < 0: unknown */
};

/* What became of a place in mid-run: it was to be taken away, or whether another one was made for it. */
struct timing_word {
	int64_t t_ns;
	uint32_t place; /* index of its environment */
	bool remake, made;
	struct str text;
};

struct timings {
	struct str run, trace, job, infra, commit, manifest, manifest_path, plan, patch;
	char span[17];	  /* the run's own: what attempts hang under */
	struct str wall0; /* RFC 3339 */
	bool dirty;
	int64_t pid;
	uint32_t n_tasks, n_in_place; /* of the job */
	struct timing_node *nodes;    /* all of the graph, sorted by kind, index */
	size_t n_nodes;
	struct timing_group *groups;
	size_t n_groups;
	struct timing_intent *intents; /* in the order of the journal */
	size_t n_intents;
	struct timing_life *lives; /* in the order of their begins */
	size_t n_lives;
	struct timing_word *words; /* in the order of the journal */
	size_t n_words;
	double usd;	 /* what they cost together, those of unknown price left out */
	bool usd_least;	 /* there is such a one */
	int64_t said_ns; /* what the plan said that it takes, < 0: nothing */
	double said_usd; /* and costs; < 0: nothing */
	bool done;	 /* the run ended in order; those below hold, up to out_of_money */
	int exit_code;
	uint32_t tasks_ok, tasks_failed, tasks_cancelled;
	bool interrupted, out_of_time, out_of_money;
	int64_t wall_ns;			/* up to the last event when not done */
	int64_t phase_ns[PHASE_COUNT];		/* over all nodes */
	int64_t critical_phase_ns[PHASE_COUNT]; /* over the critical path: sums to wall_ns */
	uint32_t torn_bytes;			/* cut at the end */
};

/* ERR_INPUT with line number for what is no journal, a newer version, a line in the middle that is
 * no event, a gap in the numbering. Everything in *out lives in the arena. name: what messages call
 * it. */
int timings_parse(
	struct arena *a, struct timings *out, struct str bytes, struct str name, struct error *err);

/* Only the head and the done line, quickly: for lists of runs. Without nodes, phases and lives; usd is known
 * of a run that is done. */
int timings_parse_head(
	struct arena *a, struct timings *out, struct str bytes, struct str name, struct error *err);

/* NULL: the journal names no such node. */
const struct timing_node *timings_find(const struct timings *t, enum kind kind, uint32_t index);

#endif
