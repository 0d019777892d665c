/* executor: the loop. What is ready is handed out, then the world is waited for; what it says is
 * dealt with in events.c, what follows for other nodes in nodes.c. A dry run walks the same loop,
 * only that every attempt ends well at once. */
#include "planner/execute/executor.h"

#include "planner/execute/journal.h"
#include "planner/execute/state.h"

#include <assert.h>

enum { DRY_SLOTS = 1 << 30 };

static const char *
why_now(const struct run *r, uint32_t node, uint32_t place)
{
	const struct progress *p = &r->nodes[node];

	if (place != NO_PLACE &&
		(p->pass != r->pass || r->places.v[place].in_flight >= r->places.v[place].slots))
		return "slot";
	if (p->attempts > 0)
		return "retry";
	return r->graph->nodes[node].n_after ? "after" : "start";
}

/* What isn't written down isn't begun; `always` nodes are, since they put things away. */
static bool
write_begin(struct run *r, struct flight *f, int64_t t_ns, const char *why)
{
	uint32_t node = f->call.node_index;

	if (!r->journal)
		return true;
	run_wrote(r, journal_begin(r->journal, &f->call, f->phase, t_ns, r->nodes[node].ready_ns,
			     why, &r->journal_error));
	return !r->journal_error.code || f->call.node->always;
}

static void
begin(struct run *r, uint32_t node, uint32_t place)
{
	static const struct outcome nothing = {.slots = DRY_SLOTS};
	const struct exec_observer *o = r->observer;
	const char *why = why_now(r, node, place);
	struct flight *f = run_new_flight(r, node, place);
	int64_t t_ns = run_now(r);

	if (!write_begin(r, f, t_ns, why)) {
		r->nodes[node].attempts--;
		node_cancel(r, node, &r->journal_error);
		nodes_settle(r);
		return;
	}
	r->states[node] = NODE_RUNNING;
	money_begins(r, &f->call);
	if (o && o->begin)
		o->begin(o->ctx, node, f->call.attempt, t_ns);
	if (r->options->dry_run) {
		event_succeed(r, f, &nothing, t_ns);
		nodes_settle(r);
		return;
	}
	if (place == NO_PLACE) {
		r->port->start(r->port->ctx, &f->call);
		return;
	}
	places_take(&r->places, place);
	r->port->submit(r->port->ctx, &f->call);
}

/* Begins all that can begin. */
static void
hand_out(struct run *r)
{
	uint32_t node, place;
	struct error why;

	do {
		while (ready_pop(&r->steps, &node)) {
			if (r->states[node] == NODE_READY)
				begin(r, node, NO_PLACE);
		}
		while (r->tasks.n) {
			place = places_choose(&r->places, r->tasks.n, r->n_givers);
			if (place == NO_PLACE)
				break;
			ready_pop(&r->tasks, &node);
			if (r->states[node] != NODE_READY)
				continue;
			if (money_allows_task(r, node, &why))
				begin(r, node, place);
			else
				node_cancel(r, node, &why);
		}
		nodes_settle(r);
	} while (r->steps.n);
	r->pass++;
}

/* Whatever waits for a slot waits in vain once nothing gives one any more. */
static bool
is_placeless(const struct run *r)
{
	return !r->placeless && r->n_takers > 0 && r->n_givers == 0 && r->places.slots == 0;
}

static void
find_placeless(struct run *r)
{
	struct error why = {0};

	if (!is_placeless(r))
		return;
	r->placeless = true;
	error_set(&why, ERR_CANCELLED, "not begun: there is no place to run it (%s)",
		r->places.n ? r->places.ending
				      ? "every environment that was ready will be taken away"
				      : "every environment that was ready has been lost"
			    : "no environment got ready, or none gave a slot");
	nodes_cancel_waiting(r, true, &why);
}

static void
fire_timers(struct run *r, int64_t now_ns)
{
	const struct ready_item *next;
	uint32_t node;

	while ((next = ready_top(&r->timers)) && -next->rank <= now_ns) {
		int64_t due_ns = -next->rank;
		struct flight *f;

		ready_pop(&r->timers, &node);
		if (r->states[node] != NODE_PENDING)
			continue;
		f = r->nodes[node].flight;
		if (f) {
			r->states[node] = NODE_RUNNING;
			r->port->start(r->port->ctx, &f->call);
		} else {
			node_make_ready(r, node, due_ns);
		}
	}
}

static bool
has_ticks(const struct run *r)
{
	return r->observer && r->observer->tick && r->observer->tick_ns > 0;
}

static bool
has_deadline(const struct run *r)
{
	return r->options->deadline_ns > 0 && r->level < LEVEL_STOP && r->n_plain > 0;
}

/* What is due by now. */
static void
keep_time(struct run *r)
{
	int64_t now_ns = run_now(r);

	if (has_deadline(r) && now_ns >= r->options->deadline_ns) {
		r->result->out_of_time = true;
		run_escalate(r, LEVEL_STOP, ERR_CANCELLED, "max_duration passed");
	}
	money_keep(r, now_ns);
	fire_timers(r, now_ns);
	if (now_ns >= r->sync_due_ns)
		run_commit(r);
	if (has_ticks(r) && now_ns >= r->next_tick_ns) {
		r->observer->tick(r->observer->ctx, now_ns);
		r->next_tick_ns = now_ns + r->observer->tick_ns;
	}
}

static int64_t
next_time(struct run *r)
{
	const struct ready_item *timer = ready_top(&r->timers);
	int64_t until_ns = timer ? -timer->rank : INT64_MAX, money_ns = money_next_ns(r);
	int64_t even_ns;

	if (money_ns < until_ns)
		until_ns = money_ns;
	even_ns = even_next_ns(r);
	if (even_ns < until_ns)
		until_ns = even_ns;
	if (r->sync_due_ns < until_ns)
		until_ns = r->sync_due_ns;
	if (has_ticks(r) && r->next_tick_ns < until_ns)
		until_ns = r->next_tick_ns;
	if (has_deadline(r) && r->options->deadline_ns < until_ns)
		until_ns = r->options->deadline_ns;
	return until_ns;
}

/* Those who wait for the disk wait until nobody else wants to: one write serves all. */
static bool
next_event(struct run *r, struct exec_event *e)
{
	const struct exec_port *port = r->port;

	if (r->n_acks) {
		if (port->wait(port->ctx, 0, e))
			return true;
		run_commit(r);
	}
	return port->wait(port->ctx, next_time(r), e);
}

/* A graph with a cycle would wait for ever. */
static void
cancel_stuck(struct run *r)
{
	struct error why = {0};

	error_set(&why, ERR_INTERNAL, "it waits for something that never ends (this is a bug)");
	for (uint32_t i = 0; i < r->graph->n_nodes; i++) {
		if (!node_has_ended(r, i))
			node_cancel(r, i, &why);
	}
	r->n_told = r->n_ended;
	r->other_failure = ERR_INTERNAL;
	r->other_error = why;
}

/* Handing out has shown that the run has to be ended, or (in a dry run) who has no place. */
static bool
has_news(const struct run *r)
{
	return (r->journal_error.code && r->level < LEVEL_STOP) || is_placeless(r);
}

static void
loop(struct run *r)
{
	struct exec_event e;

	for (;;) {
		if (r->journal_error.code)
			run_escalate(
				r, LEVEL_STOP, ERR_CANCELLED, "the journal could not be written");
		find_placeless(r);
		hand_out(r);
		if (r->n_ended == r->graph->n_nodes)
			return;
		if (has_news(r))
			continue;
		even_out(r);
		if (r->n_flights == 0 && r->timers.n == 0) {
			cancel_stuck(r);
			return;
		}
		if (next_event(r, &e))
			event_handle(r, &e);
		keep_time(r);
	}
}

static void
prepare(struct run *r)
{
	const struct graph *g = r->graph;

	r->states = r->result->states = ARENA_ARRAY(r->a, uint8_t, g->n_nodes);
	r->nodes = ARENA_ARRAY(r->a, struct progress, g->n_nodes);
	r->ended = ARENA_ARRAY(r->a, uint32_t, g->n_nodes);
	places_init(&r->places, r->options->max_slots, r->options->ahead);
	retry_init(&r->retry, &r->options->retry);
	if (r->observer && r->observer->meter)
		r->observer->meter(r->observer->ctx, &r->meter);
	run_now(r);
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		r->nodes[i].waits = g->nodes[i].n_after;
		r->n_givers += g->nodes[i].gives_slots;
		r->n_takers += g->nodes[i].needs_slot;
		r->n_plain += !g->nodes[i].always;
	}
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		if (r->nodes[i].waits == 0)
			node_make_ready(r, i, r->last_ns);
	}
}

/* Whether all that the run is for is there, although an instance or an environment is not: the others
 * did its share. */
static bool
is_whole(const struct run *r)
{
	const struct exec_result *res = r->result;

	if (res->tasks_ok == 0 || res->tasks_failed || res->tasks_cancelled || res->interrupted)
		return false;
	for (uint32_t i = 0; i < r->graph->n_nodes; i++) {
		enum kind kind = r->graph->nodes[i].kind;

		if (r->states[i] != NODE_OK && kind != KIND_INSTANCE && kind != KIND_ENVIRONMENT)
			return false;
	}
	return true;
}

/* What the run as a whole is to be called, in the order of what outweighs what. */
static int
judge(const struct run *r, struct error *err)
{
	const struct exec_result *res = r->result;
	uint32_t n_tasks = res->tasks_ok + res->tasks_failed + res->tasks_cancelled;

	if (r->journal_error.code) {
		if (err)
			*err = r->journal_error;
		return r->journal_error.code;
	}
	if ((res->n_failed == 0 && res->n_cancelled == 0) || is_whole(r))
		return 0;
	if (res->interrupted)
		return error_set(err, ERR_CANCELLED,
			"interrupted: %u of %u tasks are done, the others "
			"are left for the next time",
			res->tasks_ok, n_tasks);
	if (r->other_failure) {
		if (err)
			*err = r->other_error;
		return r->other_failure;
	}
	if (res->lost.code)
		return error_set(err, ERR_HOST,
			"%s; %u of %u tasks are done: apply again, what is finished is kept",
			res->lost.message, res->tasks_ok, n_tasks);
	if (res->out_of_money)
		return error_set(err, ERR_TASK,
			"max_cost ($%.2f) allows no more: %u of %u tasks are done for $%.2f; raise "
			"it, or run "
			"this again to go on",
			r->options->max_cost_usd, res->tasks_ok, n_tasks, res->usd);
	if (r->placeless)
		return error_set(err, ERR_HOST, "no task could begin: no environment gave a slot");
	if (res->tasks_failed)
		return error_set(err, ERR_TASK, "%u of %u tasks failed; the first was %s: %s",
			res->tasks_failed, n_tasks, res->first_failed_id, res->first_error.message);
	if (res->out_of_time)
		return error_set(err, ERR_TASK,
			"max_duration passed when %u of %u tasks were done; raise "
			"it, or run this again to go on",
			res->tasks_ok, n_tasks);
	return error_set(
		err, ERR_CANCELLED, "%u of %u tasks were cancelled", res->tasks_cancelled, n_tasks);
}

int
executor_run(struct arena *a, const struct graph *graph, const struct exec_options *options,
	const struct exec_port *port, struct journal *journal, const struct exec_observer *observer,
	struct exec_result *result, struct error *err)
{
	struct run r = {.a = a,
		.graph = graph,
		.options = options,
		.port = port,
		.journal = journal,
		.observer = observer,
		.result = result,
		.sync_due_ns = INT64_MAX};

	assert(graph->frozen);
	*result = (struct exec_result){0};
	prepare(&r);
	loop(&r);
	result->wall_ns = run_now(&r);
	result->usd = meter_usd(&r.meter, result->wall_ns);
	result->usd_least = r.meter.least;
	if (r.lost_for_good || r.placeless)
		result->lost = r.lost;
	run_commit(&r);
	ready_free(&r.steps);
	ready_free(&r.tasks);
	ready_free(&r.timers);
	places_free(&r.places);
	meter_free(&r.meter);
	return judge(&r, err);
}
