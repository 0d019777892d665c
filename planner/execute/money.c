/* money: the run's meter, and max_cost: what is not begun for it, and when what runs is stopped. */
#include "planner/execute/journal.h"
#include "planner/execute/state.h"

#include <stdio.h>

static struct budget
budget_of(const struct run *r)
{
	return (struct budget){
		.max_usd = r->options->max_cost_usd, .grace_ns = r->options->grace_ns};
}

static bool
has_limit(const struct run *r)
{
	return r->options->max_cost_usd > 0 && !r->options->dry_run;
}

/* "it would pass max_cost ($5.00; $4.20 is spent)" */
static void
describe(const struct run *r, char out[128])
{
	snprintf(out, 128, "it would pass max_cost ($%.2f; $%.2f is spent)",
		r->options->max_cost_usd, meter_usd(&r->meter, r->last_ns));
}

void
money_begins(struct run *r, const struct call *call)
{
	const struct node *n = call->node;

	/* One that is launched costs from then on. */
	if (n->kind == KIND_ENVIRONMENT && n->hourly_usd != 0 && call->attempt == 1)
		meter_begin(&r->meter, n->index, 0, n->hourly_usd, false);
}

/* The shortest task, by what is known. */
static int64_t
least_task_ns(const struct run *r)
{
	int64_t least = INT64_MAX;

	for (uint32_t i = 0; i < r->graph->n_nodes; i++) {
		const struct node *n = &r->graph->nodes[i];

		if (n->needs_slot && !node_has_ended(r, i) && n->estimate_ns < least)
			least = n->estimate_ns;
	}
	return least == INT64_MAX || least < 0 ? 0 : least;
}

static int64_t
useful_after_ns(const struct run *r, uint32_t index)
{
	uint32_t environment = environment_node(r, index);
	int64_t ns = least_task_ns(r);

	if (environment < r->graph->n_nodes && r->graph->nodes[environment].estimate_ns > 0)
		ns += r->graph->nodes[environment].estimate_ns;
	return ns;
}

bool
money_allows_launch(struct run *r, const struct call *call)
{
	const struct budget b = budget_of(r);

	if (call->hourly_usd == 0)
		return true;
	if (has_limit(r) && !budget_allows_launch(&b, &r->meter, r->last_ns, call->hourly_usd,
				    useful_after_ns(r, call->node->index))) {
		r->result->out_of_money = true;
		return false;
	}
	meter_ask(&r->meter, call->node->index, r->last_ns, call->hourly_usd);
	return true;
}

bool
money_allows_another(const struct run *r, uint32_t index)
{
	const struct budget b = budget_of(r);
	double hourly_usd = index < r->meter.n ? r->meter.v[index].hourly_usd : 0;

	return !has_limit(r) || hourly_usd == 0 ||
	       budget_allows_launch(
		       &b, &r->meter, r->last_ns, hourly_usd, useful_after_ns(r, index));
}

void
money_launched(struct run *r, const struct call *call)
{
	if (call->hourly_usd != 0)
		meter_begin(&r->meter, call->node->index, r->last_ns, call->hourly_usd, true);
}

void
money_gone(struct run *r, const struct exec_event *e)
{
	if (e->place >= r->meter.n || !r->meter.v[e->place].runs)
		return;
	run_stamp(r, e->t_ns);
	meter_end(&r->meter, e->place, r->last_ns);
	if (r->journal)
		run_wrote(r, journal_gone(r->journal, e->place, r->last_ns, &r->journal_error));
}

void
money_ended(struct run *r, const struct node *n, bool ok)
{
	if (n->kind == KIND_RELEASE && ok)
		meter_end(&r->meter, n->index, r->last_ns);
	else if ((n->kind == KIND_INSTANCE || n->kind == KIND_ENVIRONMENT) && !ok)
		meter_unask(&r->meter, n->index);
}

bool
money_allows_task(struct run *r, uint32_t node, struct error *why)
{
	const struct budget b = budget_of(r);
	char text[128];

	if (!has_limit(r) || r->level >= LEVEL_DRAIN ||
		budget_allows_task(&b, &r->meter, r->last_ns, r->graph->nodes[node].estimate_ns))
		return true;
	describe(r, text);
	r->result->out_of_money = true;
	error_set(why, ERR_CANCELLED, "not begun: %s", text);
	return false;
}

/* Whether a task waits, here or at its place. */
static bool
has_waiting(const struct run *r)
{
	uint32_t begun = 0;

	for (const struct flight *f = r->first; f; f = f->next)
		begun += f->place != NO_PLACE && f->begun;
	return r->n_takers > begun;
}

/* The meter goes on as foreseen, so what follows from it holds until it changes. */
static void
foresee(struct run *r)
{
	const struct budget b = budget_of(r);

	if (r->foreseen && r->foreseen_at == r->meter.changes)
		return;
	r->foreseen = true;
	r->foreseen_at = r->meter.changes;
	r->stop_ns = budget_stop_ns(&b, &r->meter, r->last_ns);
	r->drain_ns = r->stop_ns == INT64_MAX ? INT64_MAX : r->stop_ns - least_task_ns(r);
}

void
money_keep(struct run *r, int64_t now_ns)
{
	char text[128];

	if (!has_limit(r) || r->n_plain == 0)
		return;
	foresee(r);
	if (r->level < LEVEL_STOP && now_ns >= r->stop_ns) {
		describe(r, text);
		r->result->out_of_money = true;
		run_escalate(r, LEVEL_STOP, ERR_CANCELLED, text);
	} else if (r->level == LEVEL_GO && now_ns >= r->drain_ns) {
		r->drain_ns = INT64_MAX;
		if (!has_waiting(r))
			return;
		describe(r, text);
		r->result->out_of_money = true;
		run_escalate(r, LEVEL_DRAIN, ERR_CANCELLED, text);
	}
}

int64_t
money_next_ns(struct run *r)
{
	if (!has_limit(r) || r->n_plain == 0 || r->level >= LEVEL_STOP)
		return INT64_MAX;
	foresee(r);
	return r->level == LEVEL_GO && r->drain_ns < r->stop_ns ? r->drain_ns : r->stop_ns;
}
