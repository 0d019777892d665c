/* critical: walks back from the end of a run. At every moment of it there is one node to say what
 * the run was waiting for, so the shares add up to the wall time by construction.
 *
 * From the end of an attempt the walk goes to where it held its slot or its worker from. Then, if
 * it had waited for a slot, to whatever freed that: the last process that ended at the same place,
 * or the environment that gave it; from an environment that was made again, to what its place was
 * lost to. Else to the attempt before it, or, from the first, to the last that ended of what the node
 * comes after, or to what failed later and had that cancelled. What lies between the two is the later
 * one's queue. No attempt is visited twice, so the walk ends whatever a journal claims. */
#include "planner/execute/critical.h"

#include "planner/execute/layout.h"

#include <stdlib.h>

enum { NOBODY = UINT32_MAX, NOT_LOOKED_FOR = UINT32_MAX - 1 };

/* A slot at a place becomes free (a task's process ended) or is new (the environment ended). */
struct release {
	uint32_t place;
	uint32_t node, attempt; /* attempt: index into its attempts */
	int64_t t_ns;
};

struct walk {
	struct timings *t;
	struct arena *scratch;
	struct release *releases; /* sorted by place, time */
	size_t n_releases;
	/* [n_releases] at the first release of a place: where its next search ends. */
	size_t *limits;
	/* [n_groups] the last to end of what a group comes after, NOBODY or NOT_LOOKED_FOR */
	uint32_t *latest;
	bool **visited; /* [n_nodes][n_attempts], NULL: none */
	/* where the walk is */
	uint32_t node, attempt;
	int64_t at_ns;
};

size_t
critical_lower_bound(const struct timings *t, enum kind kind, uint32_t index)
{
	size_t low = 0, high = t->n_nodes;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct timing_node *n = &t->nodes[mid];

		if (n->kind < kind || (n->kind == kind && n->index < index))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int64_t
end_of(const struct timings *t, const struct timing_attempt *a)
{
	return a->end_ns < 0 ? t->wall_ns : a->end_ns;
}

static int
compare_releases(const void *a, const void *b)
{
	const struct release *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return (x->attempt > y->attempt) - (x->attempt < y->attempt);
}

static void
gather_releases(struct walk *w)
{
	const struct timings *t = w->t;
	size_t n = 0;

	for (size_t i = 0; i < t->n_nodes; i++)
		n += t->nodes[i].n_attempts;
	w->releases = ARENA_ARRAY(w->scratch, struct release, n);
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct timing_node *node = &t->nodes[i];
		const struct timing_group *group = &t->groups[node->group];

		for (uint32_t k = 0; k < node->n_attempts; k++) {
			const struct timing_attempt *a = &node->attempts[k];
			struct release r = {.node = (uint32_t)i, .attempt = k};
			int64_t begun;

			if (a->end_ns < 0 || !(group->needs_slot || group->gives_slots))
				continue;
			if (group->needs_slot && !a->outcome.ran)
				continue; /* it never had one */
			r.place = group->needs_slot ? a->place : node->index;
			layout_process(a, a->end_ns, &begun, &r.t_ns);
			w->releases[w->n_releases++] = r;
		}
	}
	if (w->n_releases)
		qsort(w->releases, w->n_releases, sizeof(*w->releases), compare_releases);
	w->limits = ARENA_ARRAY(w->scratch, size_t, w->n_releases);
	for (size_t i = w->n_releases, end = i; i-- > 0;) {
		if (i + 1 < w->n_releases && w->releases[i].place != w->releases[i + 1].place)
			end = i + 1;
		w->limits[i] = end;
	}
}

/* The first release of a place, n_releases: it has none. */
static size_t
first_release(const struct walk *w, uint32_t place)
{
	size_t low = 0, high = w->n_releases;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->releases[mid].place < place)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->n_releases && w->releases[low].place == place ? low : w->n_releases;
}

static bool
was_visited(const struct walk *w, uint32_t node, uint32_t attempt)
{
	return w->visited[node] && w->visited[node][attempt];
}

/* The last release at a place after `after_ns` and until now; NULL: none. What is later than now,
 * or was visited, is never looked at again. */
static const struct release *
find_release(struct walk *w, uint32_t place, int64_t after_ns)
{
	size_t first = first_release(w, place), i;

	if (first == w->n_releases)
		return NULL;
	for (i = w->limits[first]; i > first; i--) {
		const struct release *r = &w->releases[i - 1];

		if (r->t_ns > w->at_ns || was_visited(w, r->node, r->attempt))
			continue;
		break;
	}
	w->limits[first] = i;
	return i > first && w->releases[i - 1].t_ns > after_ns ? &w->releases[i - 1] : NULL;
}

static uint32_t
look_for_latest(const struct timings *t, const struct timing_group *group)
{
	uint32_t latest = NOBODY;
	int64_t latest_ns = -1;

	for (size_t r = 0; r < group->n_after; r++) {
		const struct timing_ids *ids = &group->after[r];

		for (size_t i = critical_lower_bound(t, ids->kind, ids->first); i < t->n_nodes;
			i++) {
			const struct timing_node *n = &t->nodes[i];

			if (n->kind != ids->kind || n->index > ids->last)
				break;
			if (n->end_ns > latest_ns) {
				latest = (uint32_t)i;
				latest_ns = n->end_ns;
			}
		}
	}
	return latest;
}

/* Of what the node comes after: the one that ended last. */
static uint32_t
latest_before(struct walk *w, uint32_t node)
{
	uint32_t group = w->t->nodes[node].group;

	if (w->latest[group] == NOT_LOOKED_FOR)
		w->latest[group] = look_for_latest(w->t, &w->t->groups[group]);
	return w->latest[group];
}

/* What failed or was broken off in (after_ns, until_ns], the last of it; NOBODY: nothing. What was
 * cancelled for it never began, and so tells nothing of what had those wait that come after. */
static uint32_t
last_failed(const struct timings *t, int64_t after_ns, int64_t until_ns)
{
	uint32_t found = NOBODY;

	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct timing_node *n = &t->nodes[i];

		if (n->state == NODE_OK || n->end_ns <= after_ns || n->end_ns > until_ns)
			continue;
		found = (uint32_t)i;
		after_ns = n->end_ns;
	}
	return found;
}

/* What a node's first attempt waited for; NOBODY: nothing. */
static uint32_t
awaited(struct walk *w)
{
	const struct timing_node *n = &w->t->nodes[w->node];
	uint32_t latest = latest_before(w, w->node), failed;
	int64_t since_ns = latest == NOBODY ? -1 : w->t->nodes[latest].end_ns;

	if (w->t->groups[n->group].n_after == 0 || since_ns >= n->ready_ns)
		return latest;
	failed = last_failed(w->t, since_ns, n->ready_ns);
	return failed == NOBODY ? latest : failed;
}

/* Gives [from_ns, at] to the node where the walk is, and goes back to from_ns. */
static void
attribute(struct walk *w, int64_t from_ns)
{
	struct timing_node *n = &w->t->nodes[w->node];
	const struct timing_attempt *a = &n->attempts[w->attempt];
	int64_t end = end_of(w->t, a);

	if (from_ns >= w->at_ns)
		return;
	if (from_ns < a->begin_ns)
		w->t->critical_phase_ns[PHASE_QUEUE] +=
			(w->at_ns < a->begin_ns ? w->at_ns : a->begin_ns) - from_ns;
	if (w->at_ns > end) /* nothing came after it */
		w->t->critical_phase_ns[PHASE_OTHER] += w->at_ns - (from_ns > end ? from_ns : end);
	layout_add(w->t->critical_phase_ns, a, end, from_ns, w->at_ns);
	n->critical = true;
	n->critical_ns += w->at_ns - from_ns;
	w->at_ns = from_ns;
}

/* Goes over to another attempt, giving the time until its end (or the end of its process) to this
 * one. */
static bool
go_to(struct walk *w, uint32_t node, uint32_t attempt, int64_t t_ns)
{
	struct timing_node *n = &w->t->nodes[node];

	if (was_visited(w, node, attempt))
		return false;
	if (!w->visited[node])
		w->visited[node] = ARENA_ARRAY(w->scratch, bool, n->n_attempts);
	w->visited[node][attempt] = true;
	attribute(w, t_ns);
	w->node = node;
	w->attempt = attempt;
	return true;
}

/* One attempt back; false: there is nothing before it. */
static bool
step_back(struct walk *w)
{
	const struct timing_node *n = &w->t->nodes[w->node];
	const struct timing_attempt *a = &n->attempts[w->attempt];
	const struct release *r = NULL;
	int64_t begun, ended;
	uint32_t latest;

	layout_process(a, end_of(w->t, a), &begun, &ended);
	attribute(w, begun);
	if (str_is(a->why, "slot"))
		r = find_release(w, a->place, a->ready_ns);
	else if (w->attempt > 0 && n->attempts[w->attempt - 1].state == NODE_OK)
		r = find_release(w, n->index, n->attempts[w->attempt - 1].end_ns);
	if (r)
		return go_to(w, r->node, r->attempt, r->t_ns);
	if (w->attempt > 0)
		return go_to(w, w->node, w->attempt - 1, n->attempts[w->attempt - 1].end_ns);
	latest = awaited(w);
	if (latest == NOBODY)
		return false;
	return go_to(w, latest, w->t->nodes[latest].n_attempts - 1, w->t->nodes[latest].end_ns);
}

/* What had the run wait at its end: of those that go on, the one that began first; else the last
 * that ended. */
static uint32_t
last_node(const struct timings *t, uint32_t last_ended)
{
	uint32_t found = NOBODY;
	int64_t begin = INT64_MAX;

	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct timing_node *n = &t->nodes[i];
		const struct timing_attempt *a;

		if (n->n_attempts == 0)
			continue;
		a = &n->attempts[n->n_attempts - 1];
		if (a->end_ns < 0 && a->begin_ns < begin) {
			found = (uint32_t)i;
			begin = a->begin_ns;
		}
	}
	return found == NOBODY ? last_ended : found;
}

void
critical_mark(struct timings *t, uint32_t last_ended, struct arena *scratch)
{
	struct walk w = {.t = t, .scratch = scratch, .at_ns = t->wall_ns};

	w.node = last_node(t, last_ended);
	if (w.node == NOBODY) { /* nothing ever began: the run was cancelled before */
		t->critical_phase_ns[PHASE_OTHER] = t->wall_ns;
		return;
	}
	gather_releases(&w);
	w.latest = ARENA_ARRAY(scratch, uint32_t, t->n_groups);
	for (size_t i = 0; i < t->n_groups; i++)
		w.latest[i] = NOT_LOOKED_FOR;
	w.visited = ARENA_ARRAY(scratch, bool *, t->n_nodes);
	w.attempt = t->nodes[w.node].n_attempts - 1;
	w.visited[w.node] = ARENA_ARRAY(scratch, bool, w.attempt + 1);
	w.visited[w.node][w.attempt] = true;
	while (step_back(&w))
		;
	attribute(&w, 0);
}
