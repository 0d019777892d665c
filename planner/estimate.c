/* estimate: durations of nodes from history, and of the whole by playing the schedule through. */
#include "planner/estimate.h"

#include "planner/history.h"
#include "planner/job.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { NO_NODE = UINT32_MAX };

void
estimator_init(struct estimator *e, const struct job *job, const struct history *history)
{
	*e = (struct estimator){
		.job = job, .history = history, .task_p50_ns = -1, .task_p90_ns = -1};
	if (!history_quantiles(history, KIND_TASK, &e->task_p50_ns, &e->task_p90_ns))
		e->task_p50_ns = e->task_p90_ns = -1;
}

void
estimate_node(const struct estimator *e, struct node *node)
{
	bool is_task = node->kind == KIND_TASK;
	struct str label = is_task ? e->job->tasks[node->index].label : STR("-");
	const struct history_entry *seen = NULL;

	if (node->warm)
		seen = history_find(e->history, node->kind, STR("warm"));
	if (!seen)
		seen = history_find(e->history, node->kind, label);
	node->estimate_ns = is_task ? e->task_p50_ns : -1;
	node->p90_ns = is_task ? e->task_p90_ns : -1;
	if (seen && seen->ns >= 0) {
		node->estimate_ns = seen->ns;
		if (__builtin_add_overflow(seen->ns, seen->ns / 4, &node->p90_ns))
			node->p90_ns = INT64_MAX;
	}
}

/* A binary heap of nodes; the smallest key first, among equals the node that was added to the graph
 * first. */
struct heap_item {
	int64_t key;
	uint32_t node;
};

struct heap {
	struct heap_item *v;
	uint32_t n;
};

static bool
comes_first(struct heap_item a, struct heap_item b)
{
	return a.key != b.key ? a.key < b.key : a.node < b.node;
}

static void
heap_push(struct heap *h, struct heap_item item)
{
	uint32_t at = h->n++;

	while (at > 0 && comes_first(item, h->v[(at - 1) / 2])) {
		h->v[at] = h->v[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	h->v[at] = item;
}

static struct heap_item
heap_pop(struct heap *h)
{
	struct heap_item top = h->v[0], last = h->v[--h->n];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && comes_first(h->v[child + 1], h->v[child]))
			child++;
		if (!comes_first(h->v[child], last))
			break;
		h->v[at] = h->v[child];
		at = child;
	}
	h->v[at] = last;
	return top;
}

/* The executor's walk without the work: time jumps from one end of a node to the next. */
struct play {
	const struct graph *g;
	struct heap waiting;   /* ready nodes without a slot, key: -rest_ns */
	struct heap running;   /* key: when it ends */
	uint32_t *waits;       /* of what a node comes after, how many have not ended */
	uint32_t *released_by; /* the node whose end let it begin; NO_NODE: the start of the run */
	int64_t *begin_ns, *end_ns; /* NULL: nobody asks */
	uint32_t free_slots, slots_left, givers_left;
	uint32_t n_ended, last;
	int64_t now_ns;
};

static void
play_open(struct play *p, const struct graph *g, uint32_t slots)
{
	size_t n = g->n_nodes;

	if (slots == 0 || slots > g->n_nodes)
		slots = slots ? g->n_nodes : 1;
	*p = (struct play){.g = g, .slots_left = slots, .last = NO_NODE};
	p->waiting.v = mem_alloc(n * sizeof(*p->waiting.v));
	p->running.v = mem_alloc(n * sizeof(*p->running.v));
	p->waits = mem_alloc(n * sizeof(*p->waits));
	p->released_by = mem_alloc(n * sizeof(*p->released_by));
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		p->waits[i] = g->nodes[i].n_after;
		p->givers_left += g->nodes[i].gives_slots;
	}
	if (p->givers_left == 0)
		p->free_slots = p->slots_left;
}

static void
play_close(struct play *p)
{
	free(p->waiting.v);
	free(p->running.v);
	free(p->waits);
	free(p->released_by);
}

static void
play_begin(struct play *p, uint32_t node, uint32_t by)
{
	int64_t ns = p->g->nodes[node].estimate_ns;
	int64_t end;

	if (ns < 0)
		ns = 0;
	if (__builtin_add_overflow(p->now_ns, ns, &end))
		end = INT64_MAX;
	p->released_by[node] = by;
	if (p->begin_ns)
		p->begin_ns[node] = p->now_ns;
	heap_push(&p->running, (struct heap_item){.key = end, .node = node});
}

static void
play_ready(struct play *p, uint32_t node, uint32_t by)
{
	const struct node *n = &p->g->nodes[node];

	if (n->needs_slot)
		heap_push(&p->waiting, (struct heap_item){.key = -n->rest_ns, .node = node});
	else
		play_begin(p, node, by);
}

static void
play_fill_slots(struct play *p, uint32_t by)
{
	while (p->free_slots && p->waiting.n) {
		p->free_slots--;
		play_begin(p, heap_pop(&p->waiting).node, by);
	}
}

/* Slots are dealt out evenly to the environments, the first ones to end getting what doesn't
 * divide. */
static void
play_add_slots(struct play *p)
{
	uint32_t share;

	assert(p->givers_left > 0);
	share = (p->slots_left + p->givers_left - 1) / p->givers_left;
	p->free_slots += share;
	p->slots_left -= share;
	p->givers_left--;
}

static void
play_end(struct play *p, struct heap_item item)
{
	const struct node *n = &p->g->nodes[item.node];

	p->now_ns = item.key;
	p->last = item.node;
	p->n_ended++;
	if (p->end_ns)
		p->end_ns[item.node] = item.key;
	p->free_slots += n->needs_slot;
	if (n->gives_slots)
		play_add_slots(p);
	for (uint32_t e = 0; e < n->n_before; e++) {
		uint32_t next = p->g->back_edges[n->before + e];

		if (--p->waits[next] == 0)
			play_ready(p, next, item.node);
	}
	play_fill_slots(p, item.node);
}

/* Whether all that usually takes time has an estimate, and anything at all has one. */
static bool
is_known(const struct graph *g)
{
	bool any = g->n_nodes == 0;

	for (uint32_t i = 0; i < g->n_nodes; i++) {
		const struct node *n = &g->nodes[i];

		if (n->estimate_ns >= 0)
			any = true;
		else if (n->kind == KIND_IMAGE || n->kind == KIND_INSTANCE ||
			 n->kind == KIND_ENVIRONMENT || n->kind == KIND_TASK)
			return false;
	}
	return any;
}

/* The spread of the chain of nodes that decided the end, each let go by the one before: as in PERT,
 * independent spreads add up in their squares. */
static double
spread_of_chain(const struct play *p)
{
	double squares = 0;

	for (uint32_t at = p->last; at != NO_NODE; at = p->released_by[at]) {
		const struct node *n = &p->g->nodes[at];

		if (n->estimate_ns >= 0 && n->p90_ns > n->estimate_ns) {
			double more = (double)(n->p90_ns - n->estimate_ns);

			squares += more * more;
		}
	}
	return sqrt(squares);
}

/* To the end; false: something never ends. */
static bool
play_all(struct play *p)
{
	for (uint32_t i = 0; i < p->g->n_nodes; i++) {
		if (p->waits[i] == 0)
			play_ready(p, i, NO_NODE);
	}
	play_fill_slots(p, NO_NODE);
	while (p->running.n)
		play_end(p, heap_pop(&p->running));
	return p->n_ended == p->g->n_nodes;
}

void
graph_estimate(const struct graph *g, uint32_t slots, int64_t *ns, int64_t *p90_ns)
{
	struct play p;

	*ns = *p90_ns = -1;
	if (!g->frozen || !is_known(g))
		return;
	play_open(&p, g, slots);
	if (play_all(&p)) {
		double p90 = (double)p.now_ns + spread_of_chain(&p);

		*ns = p.now_ns;
		*p90_ns = p90 < (double)INT64_MAX ? (int64_t)p90 : INT64_MAX;
	}
	play_close(&p);
}

bool
graph_schedule(const struct graph *g, uint32_t slots, int64_t *begin_ns, int64_t *end_ns)
{
	struct play p;
	bool whole;

	if (!g->frozen || !is_known(g))
		return false;
	play_open(&p, g, slots);
	p.begin_ns = begin_ns;
	p.end_ns = end_ns;
	whole = play_all(&p);
	play_close(&p);
	return whole;
}
