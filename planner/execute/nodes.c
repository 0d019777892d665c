/* nodes: how nodes become ready and how they end without an attempt of their own. */
#include "planner/execute/journal.h"
#include "planner/execute/state.h"

#include <assert.h>

bool
node_has_ended(const struct run *r, uint32_t node)
{
	return r->states[node] >= NODE_OK;
}

void
node_end(struct run *r, uint32_t node, enum node_state state)
{
	const struct node *n = &r->graph->nodes[node];
	struct exec_result *res = r->result;

	r->states[node] = (uint8_t)state;
	r->ended[r->n_ended++] = node;
	r->n_givers -= n->gives_slots;
	r->n_takers -= n->needs_slot;
	r->n_plain -= !n->always;
	*(state == NODE_OK	       ? &res->n_ok
		: state == NODE_FAILED ? &res->n_failed
				       : &res->n_cancelled) += 1;
	if (!n->needs_slot)
		return;
	*(state == NODE_OK	       ? &res->tasks_ok
		: state == NODE_FAILED ? &res->tasks_failed
				       : &res->tasks_cancelled) += 1;
}

void
node_cancel(struct run *r, uint32_t node, const struct error *why)
{
	const struct exec_observer *o = r->observer;
	struct progress *p = &r->nodes[node];

	p->cause = node;
	if (p->again) {
		p->again = false;
		node_end(r, node, NODE_OK);
		return;
	}
	if (p->flight && r->journal)
		run_wrote(r, journal_end(r->journal, &p->flight->call, "cancelled", NULL, why, -1,
				     r->last_ns, &r->journal_error));
	if (p->flight)
		run_free_flight(r, p->flight);
	node_end(r, node, NODE_CANCELLED);
	if (o && o->end)
		o->end(o->ctx, node, p->attempts, NODE_CANCELLED, NULL, why, false, r->last_ns);
}

void
node_make_ready(struct run *r, uint32_t node, int64_t t_ns)
{
	const struct node *n = &r->graph->nodes[node];

	if (r->level >= LEVEL_DRAIN && !n->always) {
		node_cancel(r, node, &r->why);
		return;
	}
	r->states[node] = NODE_READY;
	r->nodes[node].ready_ns = t_ns;
	r->nodes[node].pass = r->pass;
	ready_push(n->needs_slot ? &r->tasks : &r->steps, n->rest_ns, node);
}

static void
cancel_for(struct run *r, uint32_t node, uint32_t before)
{
	uint32_t cause = r->states[before] == NODE_FAILED ? before : r->nodes[before].cause;
	const struct node *n = &r->graph->nodes[cause];
	struct error why = {0};
	char id[KIND_ID_BYTES];

	kind_id(id, n->kind, n->index);
	error_set(&why, ERR_CANCELLED, "not begun, since %s %s", id,
		r->states[cause] == NODE_FAILED ? "failed" : "was cancelled");
	node_cancel(r, node, &why);
	r->nodes[node].cause = cause;
}

/* What comes after a node that ended badly goes the same way at once, but for `always` nodes, which
 * wait for all. */
void
nodes_settle(struct run *r)
{
	while (r->n_told < r->n_ended) {
		uint32_t i = r->ended[r->n_told++];
		const struct node *n = &r->graph->nodes[i];

		for (uint32_t e = 0; e < n->n_before; e++) {
			uint32_t next = r->graph->back_edges[n->before + e];

			if (node_has_ended(r, next))
				continue;
			r->nodes[next].waits--;
			if (r->states[i] != NODE_OK && !r->graph->nodes[next].always)
				cancel_for(r, next, i);
			else if (r->nodes[next].waits == 0)
				node_make_ready(r, next, r->last_ns);
		}
	}
}

uint32_t
nodes_first(const struct run *r, uint32_t environment)
{
	const struct graph *g = r->graph;
	const struct node *n = &g->nodes[environment];

	for (uint32_t e = 0; e < n->n_after; e++) {
		const struct node *before = &g->nodes[g->edges[n->after + e]];

		if (before->kind == KIND_INSTANCE && before->index == n->index)
			return g->edges[n->after + e];
	}
	return environment;
}

static bool
may_reopen(const struct run *r, uint32_t node, uint32_t besides)
{
	const struct node *n = &r->graph->nodes[node];

	for (uint32_t e = 0; e < n->n_before; e++) {
		uint32_t next = r->graph->back_edges[n->before + e];

		if (next != besides && r->states[next] != NODE_WAITING)
			return false;
	}
	return r->states[node] == NODE_OK;
}

/* What node_end did, and telling those after it, the other way round. */
static void
reopen(struct run *r, uint32_t node)
{
	const struct node *n = &r->graph->nodes[node];
	uint32_t at = r->n_ended;

	while (r->ended[--at] != node)
		;
	assert(at < r->n_told);
	r->n_ended--;
	r->n_told--;
	memmove(&r->ended[at], &r->ended[at + 1], (r->n_ended - at) * sizeof(*r->ended));
	r->n_givers += n->gives_slots;
	r->n_plain += !n->always;
	r->result->n_ok--;
	r->states[node] = NODE_WAITING;
	r->nodes[node].again = true;
	for (uint32_t e = 0; e < n->n_before; e++)
		r->nodes[r->graph->back_edges[n->before + e]].waits++;
}

bool
nodes_reopen(struct run *r, uint32_t environment)
{
	uint32_t instance = nodes_first(r, environment);

	if (!may_reopen(r, environment, environment) || !may_reopen(r, instance, environment))
		return false;
	reopen(r, environment);
	if (instance != environment)
		reopen(r, instance);
	return true;
}

bool
nodes_is_open(const struct run *r, uint32_t environment)
{
	uint32_t first = nodes_first(r, environment);

	return r->states[first] == NODE_WAITING && r->nodes[first].again;
}

void
nodes_remake(struct run *r, uint32_t environment)
{
	node_make_ready(r, nodes_first(r, environment), r->last_ns);
}

void
nodes_close(struct run *r, uint32_t environment)
{
	uint32_t first = nodes_first(r, environment);

	node_cancel(r, first, &r->why);
	nodes_settle(r); /* it waits for nothing any more, also when it is taken back once more */
	if (!node_has_ended(r, environment))
		node_cancel(r, environment, &r->why);
	nodes_settle(r);
}

void
nodes_cancel_waiting(struct run *r, bool takers_only, const struct error *why)
{
	for (uint32_t i = 0; i < r->graph->n_nodes; i++) {
		const struct node *n = &r->graph->nodes[i];

		if (node_has_ended(r, i) || r->states[i] == NODE_RUNNING)
			continue;
		if (takers_only ? n->needs_slot : !n->always)
			node_cancel(r, i, why);
	}
	nodes_settle(r);
}
