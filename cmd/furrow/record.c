/* record: keeping durations for the next plan's estimates. */
#include "cmd/furrow/record.h"

#include "cmd/furrow/out.h"
#include "providers/store/store.h"

#include <stdlib.h>

static int
by_kind_and_label(const void *a, const void *b)
{
	const struct history_entry *x = a, *y = b;

	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : str_cmp(x->label, y->label);
}

/* How long a node took, without waiting for its turn: a task as long as its process ran. < 0: it
 * didn't go well. */
static int64_t
duration_ns(const struct timing_node *n)
{
	const struct timing_attempt *last;

	if (n->state != NODE_OK || n->n_attempts == 0)
		return -1;
	last = &n->attempts[n->n_attempts - 1];
	if (n->kind == KIND_TASK)
		return last->outcome.ran ? last->outcome.ended_ns - last->outcome.begun_ns : -1;
	return last->end_ns < 0 ? -1 : last->end_ns - last->begin_ns;
}

/* Nothing had to boot there. */
static bool
is_warm(const struct timing_node *n, const struct plan *plan, const struct timings *t)
{
	return plan->observed.fleet.there && n->kind == KIND_ENVIRONMENT &&
	       !timings_find(t, KIND_INSTANCE, n->index);
}

static bool
entry_of(struct history_entry *e, const struct timing_node *n, const struct plan *plan,
	const struct timings *t)
{
	int64_t ns = duration_ns(n);

	if (ns < 0 || (n->kind == KIND_TASK && n->index >= plan->job.n_tasks))
		return false;
	*e = (struct history_entry){.kind = n->kind, .label = STR("-"), .ns = ns, .count = 1};
	if (n->kind == KIND_TASK) {
		e->label = plan->job.tasks[n->index].label;
		e->key = plan->job.tasks[n->index].key;
	}
	if (is_warm(n, plan, t))
		e->label = STR("warm");
	return true;
}

void
record_history(
	struct arena *a, struct history *out, const struct plan *plan, const struct timings *t)
{
	size_t n = 0;

	out->v = ARENA_ARRAY(a, struct history_entry, t->n_nodes);
	for (size_t i = 0; i < t->n_nodes; i++)
		n += entry_of(&out->v[n], &t->nodes[i], plan, t);
	if (n)
		qsort(out->v, n, sizeof(*out->v), by_kind_and_label);
	out->n = 0;
	for (size_t i = 0; i < n; i++) {
		/* Several environments share a label: one of them stands for all. */
		if (out->n && by_kind_and_label(&out->v[out->n - 1], &out->v[i]) == 0)
			continue;
		out->v[out->n++] = out->v[i];
	}
}

static int
merge(struct store *store, const struct plan *plan, const struct timings *t,
	const struct history *known, struct error *err)
{
	struct history older = {0}, newer = {0};
	struct arena a = {0};
	struct buf text = {0};
	const char *name = arena_printf(&a, "history/%.*s", STR_ARG(plan->job.manifest->name)).p;
	struct str bytes = {0};
	int rc = 0;

	if (known)
		older = *known;
	else
		rc = store_get(store, &a, name, &bytes, err);
	if (rc == 0 && !known)
		history_parse(&a, &older, bytes);
	else if (rc == ERR_MISSING)
		rc = 0;
	if (rc == 0) {
		record_history(&a, &newer, plan, t);
		history_merge(&text, &older, &newer);
		rc = newer.n ? store_put(store, name, buf_str(&text), err) : 0;
	}
	buf_free(&text);
	arena_free(&a);
	return rc;
}

void
record_run(const struct plan *plan, const struct timings *t, struct store *store,
	const struct history *known)
{
	struct error err;

	if (merge(store, plan, t, known, &err) < 0)
		out_say("furrow: durations were not kept for the next plan: %s", err.message);
}
