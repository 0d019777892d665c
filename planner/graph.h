/* graph: actions and what they come after. Built from changes, then frozen: nobody writes to it
 * after that. */
#ifndef FURROW_GRAPH_H
#define FURROW_GRAPH_H

#include "planner/base/error.h"
#include "planner/kind.h"

struct job;
struct observed;
struct changes;

struct node {
	enum kind kind;
	enum verb verb;
	uint32_t index;	     /* of its kind: task[index] */
	bool needs_slot;     /* takes a slot that an environment[i] gives, for as long as it runs */
	bool gives_slots;    /* environment[i]: its outcome says how many */
	bool warm;	     /* environment[i]: on an instance that was there before */
	bool always;	     /* runs whatever became of what it comes after: collect, release */
	struct str reason;   /* may be absent (tasks) */
	int64_t estimate_ns; /* < 0: unknown */
	int64_t p90_ns;	     /* < 0: unknown */
	/* What it costs until the run's end: of an instance, and of the environment on a warm one; 0 for
	 * all else, and on this machine. < 0: unknown. Set by plan_estimate. */
	double usd;
	double hourly_usd; /* from when it was made until its release; likewise; < 0: unknown */
	uint32_t after;	   /* first of n_after indices in graph->edges */
	uint32_t n_after;
	uint32_t before; /* set by graph_freeze: first of n_before indices in graph->back_edges */
	uint32_t n_before;
	int64_t rest_ns; /* set by graph_freeze: the longest path from its begin to the end of the
			  * graph, on which a node that needs a slot follows each one that gives
			  * some */
};

struct graph {
	struct arena *arena;
	struct node *nodes;
	uint32_t n_nodes, cap_nodes;
	uint32_t *edges;	     /* node indices */
	uint32_t n_edges, cap_edges; /* used of edges, which may hold gaps: go through the nodes */
	uint32_t *back_edges;
	bool frozen;
};

void graph_init(struct graph *g, struct arena *a);

/* Adds a node that comes after the n given ones; returns its index. Names of `after` may be added
 * before the nodes themselves (graph_add_edge), so a cycle is possible and graph_freeze finds it.
 */
uint32_t graph_add(struct graph *g, const struct node *node, const uint32_t *after, uint32_t n);

/* `node` comes after `after` too. Only before freezing; costs O(edges of node) unless node is the
 * last one. */
void graph_add_edge(struct graph *g, uint32_t node, uint32_t after);

/* Fills back edges and rest_ns, an unknown estimate counting as 1 s. ERR_INTERNAL with the path
 * "a -> b -> a" when there is a cycle, and when an edge names a node that was never added. */
int graph_freeze(struct graph *g, struct error *err);

/* The plan's graph. Estimates come from observed->history. Frozen. */
int graph_of_changes(struct arena *a, struct graph *out, const struct job *job,
	const struct observed *obs, const struct changes *changes, struct error *err);

/* How long the whole takes with `slots` task slots (0 counts as 1), and its 90th percentile; < 0:
 * unknown, as is the whole when an image, instance, environment or task has no estimate. Simulates
 * the executor: the ready node with the longest rest takes the next free slot. O(n log n). Defined
 * in estimate.c. */
void graph_estimate(const struct graph *g, uint32_t slots, int64_t *ns, int64_t *p90_ns);

/* When each node begins and ends in that: [n_nodes] each; false: unknown. */
bool graph_schedule(const struct graph *g, uint32_t slots, int64_t *begin_ns, int64_t *end_ns);

#endif
