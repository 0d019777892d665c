/* graph: actions and what they come after, as two flat arrays: nodes, and one run of edges a node.
 * Freezing turns the edges around, finds cycles and the longest way to the end. Knows nothing of
 * what an action does. */
#include "planner/graph.h"

#include "planner/base/buf.h"
#include "planner/base/clock.h"
#include "planner/diff.h"
#include "planner/estimate.h"

#include <stdlib.h>

enum { NO_NODE = UINT32_MAX, CYCLE_SHOWN = 12 };

void
graph_init(struct graph *g, struct arena *a)
{
	*g = (struct graph){.arena = a};
}

static uint32_t
grown(uint32_t cap, uint32_t wanted)
{
	uint32_t more = cap < UINT32_MAX / 2 ? cap * 2 : UINT32_MAX;

	return more > wanted ? more : wanted;
}

/* Room for so many more; only spares growing. */
static void
reserve(struct graph *g, uint32_t n_nodes, uint32_t n_edges)
{
	if (g->cap_nodes - g->n_nodes < n_nodes) {
		struct node *old = g->nodes;

		g->cap_nodes = grown(g->cap_nodes, g->n_nodes + n_nodes);
		g->nodes = ARENA_ARRAY(g->arena, struct node, g->cap_nodes);
		if (g->n_nodes)
			memcpy(g->nodes, old, g->n_nodes * sizeof(*old));
	}
	if (g->cap_edges - g->n_edges < n_edges) {
		uint32_t *old = g->edges;

		g->cap_edges = grown(g->cap_edges, g->n_edges + n_edges);
		g->edges = ARENA_ARRAY(g->arena, uint32_t, g->cap_edges);
		if (g->n_edges)
			memcpy(g->edges, old, g->n_edges * sizeof(*old));
	}
}

uint32_t
graph_add(struct graph *g, const struct node *node, const uint32_t *after, uint32_t n)
{
	uint32_t index = g->n_nodes;
	struct node *copy;

	reserve(g, 1, n);
	copy = &g->nodes[g->n_nodes++];
	*copy = *node;
	copy->after = g->n_edges;
	copy->n_after = n;
	copy->before = copy->n_before = 0;
	copy->rest_ns = 0;
	if (n)
		memcpy(g->edges + g->n_edges, after, n * sizeof(*after));
	g->n_edges += n;
	return index;
}

void
graph_add_edge(struct graph *g, uint32_t node, uint32_t after)
{
	uint32_t n = g->nodes[node].n_after;

	if (g->nodes[node].after + n != g->n_edges) {
		uint32_t from = g->nodes[node].after;

		reserve(g, 0, n + 1);
		if (n)
			memcpy(g->edges + g->n_edges, g->edges + from, n * sizeof(*g->edges));
		g->nodes[node].after = g->n_edges;
		g->n_edges += n;
	}
	reserve(g, 0, 1);
	g->edges[g->n_edges++] = after;
	g->nodes[node].n_after++;
}

static int
check_edges(const struct graph *g, struct error *err)
{
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		const struct node *n = &g->nodes[i];

		for (uint32_t e = 0; e < n->n_after; e++) {
			char id[KIND_ID_BYTES];

			if (g->edges[n->after + e] < g->n_nodes)
				continue;
			kind_id(id, n->kind, n->index);
			return error_set(err, ERR_INTERNAL,
				"the plan's graph: %s comes after node %u, which is not in it (%u "
				"nodes)",
				id, g->edges[n->after + e], g->n_nodes);
		}
	}
	return 0;
}

static void
turn_edges(struct graph *g)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < g->n_nodes; i++)
		g->nodes[i].n_before = 0;
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		for (uint32_t e = 0; e < g->nodes[i].n_after; e++)
			g->nodes[g->edges[g->nodes[i].after + e]].n_before++;
		total += g->nodes[i].n_after;
	}
	g->back_edges = ARENA_ARRAY(g->arena, uint32_t, total);
	total = 0;
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		g->nodes[i].before = total;
		total += g->nodes[i].n_before;
		g->nodes[i].n_before = 0;
	}
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		for (uint32_t e = 0; e < g->nodes[i].n_after; e++) {
			struct node *first = &g->nodes[g->edges[g->nodes[i].after + e]];

			g->back_edges[first->before + first->n_before++] = i;
		}
	}
}

/* Fills order with the nodes such that each stands behind all it comes after, and returns how many
 * there are: fewer than n_nodes when there is a cycle. waits[i] is 0 for those. */
static uint32_t
sort_nodes(const struct graph *g, uint32_t *order, uint32_t *waits)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_nodes; i++) {
		waits[i] = g->nodes[i].n_after;
		if (waits[i] == 0)
			order[n++] = i;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct node *done = &g->nodes[order[i]];

		for (uint32_t e = 0; e < done->n_before; e++) {
			uint32_t next = g->back_edges[done->before + e];

			if (--waits[next] == 0)
				order[n++] = next;
		}
	}
	return n;
}

/* One that `node` comes after and that waits for ever, as it does itself. */
static uint32_t
stuck_before(const struct graph *g, const uint32_t *waits, uint32_t node)
{
	const struct node *n = &g->nodes[node];

	for (uint32_t e = 0; e < n->n_after; e++) {
		if (waits[g->edges[n->after + e]])
			return g->edges[n->after + e];
	}
	return NO_NODE;
}

static void
add_id(struct buf *b, const struct graph *g, uint32_t node)
{
	char id[KIND_ID_BYTES];

	kind_id(id, g->nodes[node].kind, g->nodes[node].index);
	buf_addf(b, "%s%s", b->n ? " -> " : "", id);
}

/* Every stuck node comes after a stuck one, so going from one to the next must come back to where
 * it was. The way is then told from front to back: each comes after the one named before it. */
static int
tell_cycle(const struct graph *g, const uint32_t *waits, struct error *err)
{
	uint32_t *way = mem_alloc(g->n_nodes * sizeof(*way));
	uint32_t *seen_at = mem_alloc(g->n_nodes * sizeof(*seen_at));
	uint32_t n = 0, at = 0, first;
	struct buf path = {0};
	int r;

	for (uint32_t i = 0; i < g->n_nodes; i++)
		seen_at[i] = NO_NODE;
	while (!waits[at])
		at++;
	while (seen_at[at] == NO_NODE) {
		seen_at[at] = n;
		way[n++] = at;
		at = stuck_before(g, waits, at);
	}
	first = seen_at[at];
	add_id(&path, g, at);
	for (uint32_t i = n; i-- > first;) {
		if (n - i == CYCLE_SHOWN && i > first + 1) {
			buf_addf(&path, " -> (%u more)", i - first);
			i = first;
		}
		add_id(&path, g, way[i]);
	}
	r = error_set(err, ERR_INTERNAL,
		"the plan's graph has a cycle, each coming after the one before: %s",
		buf_cstr(&path));
	buf_free(&path);
	free(seen_at);
	free(way);
	return r;
}

static int64_t
counted_ns(const struct node *n)
{
	return n->estimate_ns < 0 ? NS_PER_S : n->estimate_ns;
}

/* Durations come from a file, so they may be anything. */
static int64_t
sum_ns(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t
longest_after(const struct graph *g, const struct node *n)
{
	int64_t longest = 0;

	for (uint32_t e = 0; e < n->n_before; e++) {
		int64_t rest = g->nodes[g->back_edges[n->before + e]].rest_ns;

		if (rest > longest)
			longest = rest;
	}
	return longest;
}

/* From the end to the front. A slot is a way on as well, so nodes that give some are worth what the
 * longest taker of one is: the second round knows that from the first. */
static void
measure_rest(struct graph *g, const uint32_t *order)
{
	int64_t slot_rest = 0;

	for (int round = 0; round < 2; round++) {
		bool giver = false;

		for (uint32_t i = g->n_nodes; i-- > 0;) {
			struct node *n = &g->nodes[order[i]];
			int64_t longest = longest_after(g, n);

			if (n->gives_slots && slot_rest > longest)
				longest = slot_rest;
			n->rest_ns = sum_ns(counted_ns(n), longest);
			giver |= n->gives_slots;
		}
		if (!giver)
			return;
		for (uint32_t i = 0; round == 0 && i < g->n_nodes; i++) {
			if (g->nodes[i].needs_slot && g->nodes[i].rest_ns > slot_rest)
				slot_rest = g->nodes[i].rest_ns;
		}
	}
}

int
graph_freeze(struct graph *g, struct error *err)
{
	uint32_t *order, *waits;
	int r = check_edges(g, err);

	if (r)
		return r;
	turn_edges(g);
	order = mem_alloc(g->n_nodes * sizeof(*order));
	waits = mem_alloc(g->n_nodes * sizeof(*waits));
	if (sort_nodes(g, order, waits) < g->n_nodes) {
		r = tell_cycle(g, waits, err);
	} else {
		measure_rest(g, order);
		g->frozen = true;
	}
	free(waits);
	free(order);
	return r;
}

/* Nodes of one kind, which stand together because changes are sorted by kind. */
struct span {
	uint32_t first, n;
};

static void
add_edges(struct graph *g, uint32_t node, struct span to)
{
	reserve(g, 0, to.n);
	for (uint32_t i = 0; i < to.n; i++)
		graph_add_edge(g, node, to.first + i);
}

static void
add_edge_to_index(struct graph *g, uint32_t node, struct span to, uint32_t index)
{
	for (uint32_t i = to.first; i < to.first + to.n; i++) {
		if (g->nodes[i].index == index)
			graph_add_edge(g, node, i);
	}
}

/* What a change comes after, by its kind. Uploading needs the bucket; launching needs the security group, and the
 * job's lock, which is in the bucket: `access` makes what is missing. */
static void
connect(struct graph *g, uint32_t at, const struct span *kinds, const struct fleet *fleet,
	bool builds_image)
{
	struct node *n = &g->nodes[at];

	switch (n->kind) {
	case KIND_IMAGE:
		if (builds_image)
			add_edges(g, at, kinds[KIND_SOURCE]);
		break;
	case KIND_ACCESS:
		if (fleet->there && !fleet->bucket_ready && kinds[KIND_SOURCE].n)
			graph_add_edge(g, kinds[KIND_SOURCE].first, at);
		if (fleet->there && !fleet->bucket_ready && kinds[KIND_IMAGE].n)
			graph_add_edge(g, kinds[KIND_IMAGE].first, at);
		break;
	case KIND_INSTANCE:
		add_edges(g, at, kinds[KIND_ACCESS]);
		break;
	case KIND_ENVIRONMENT:
		add_edges(g, at, kinds[KIND_SOURCE]);
		add_edges(g, at, kinds[KIND_IMAGE]);
		add_edges(g, at, kinds[KIND_ACCESS]);
		add_edge_to_index(g, at, kinds[KIND_INSTANCE], n->index);
		break;
	case KIND_COLLECT:
		add_edges(g, at, kinds[KIND_TASK]);
		break;
	case KIND_RELEASE:
		add_edge_to_index(g, at, kinds[KIND_INSTANCE], n->index);
		add_edge_to_index(g, at, kinds[KIND_ENVIRONMENT], n->index);
		if (n->n_after) /* else no task comes there */
			add_edges(g, at, kinds[KIND_TASK]);
		break;
	default: /* source: nothing; a task needs a slot, not a certain environment */
		break;
	}
}

int
graph_of_changes(struct arena *a, struct graph *out, const struct job *job,
	const struct observed *obs, const struct changes *changes, struct error *err)
{
	bool builds_image = job->manifest->environment.build.context.p != NULL;
	struct span kinds[KIND_COUNT] = {0};
	struct estimator estimator;

	graph_init(out, a);
	reserve(out, (uint32_t)changes->n_todo,
		(2 + changes->n_instances) * changes->n_tasks_run + 4 * (uint32_t)KIND_COUNT);
	estimator_init(&estimator, job, &obs->history);
	for (size_t i = 0; i < changes->n_todo; i++) {
		const struct change *c = &changes->todo[i];
		struct node n = {.kind = c->kind,
			.verb = c->verb,
			.index = c->index,
			.needs_slot = c->kind == KIND_TASK,
			.gives_slots = c->kind == KIND_ENVIRONMENT,
			.always = c->kind == KIND_COLLECT || c->kind == KIND_RELEASE,
			.reason = c->reason};
		uint32_t at;

		/* Those that are there have the first numbers. */
		n.warm = obs->fleet.there && n.kind == KIND_ENVIRONMENT &&
			 (kinds[KIND_INSTANCE].n == 0 ||
				 n.index < out->nodes[kinds[KIND_INSTANCE].first].index);
		estimate_node(&estimator, &n);
		at = graph_add(out, &n, NULL, 0);
		if (kinds[c->kind].n++ == 0)
			kinds[c->kind].first = at;
		connect(out, at, kinds, &obs->fleet, builds_image);
	}
	return graph_freeze(out, err);
}
