/* state: the run's clock, its flights, and what it wrote. */
#include "planner/execute/state.h"

#include "planner/execute/journal.h"

int64_t
run_stamp(struct run *r, int64_t t_ns)
{
	if (t_ns > r->last_ns)
		r->last_ns = t_ns;
	return r->last_ns;
}

int64_t
run_now(struct run *r)
{
	return run_stamp(r, r->port->now_ns(r->port->ctx));
}

static void
set_trace(struct run *r, struct flight *f)
{
	if (r->journal)
		memcpy(f->call.trace, journal_trace(r->journal), sizeof(f->call.trace));
	else
		memset(f->call.trace, '0', sizeof(f->call.trace) - 1);
}

struct flight *
run_new_flight(struct run *r, uint32_t node, uint32_t place)
{
	struct flight *f = r->spare;
	int64_t timeout = r->options->task_timeout_ns;

	if (f)
		r->spare = f->next;
	else
		f = ARENA_NEW(r->a, struct flight);
	*f = (struct flight){
		.call = {.sink = r->port->sink,
			.node = &r->graph->nodes[node],
			.node_index = node,
			.attempt = ++r->nodes[node].attempts,
			.place = place == NO_PLACE ? 0 : r->places.v[place].index,
			.timeout_ns = place == NO_PLACE || timeout <= 0 ? -1 : timeout},
		.prev = r->last,
		.place = place,
		.phase = journal_kind_phase(r->graph->nodes[node].kind),
	};
	set_trace(r, f);
	journal_span(f->call.span, f->call.trace, ++r->spans);
	*(r->last ? &r->last->next : &r->first) = f;
	r->last = f;
	r->n_flights++;
	r->nodes[node].flight = f;
	r->nodes[node].again = false;
	return f;
}

void
run_free_flight(struct run *r, struct flight *f)
{
	*(f->prev ? &f->prev->next : &r->first) = f->next;
	*(f->next ? &f->next->prev : &r->last) = f->prev;
	r->n_flights--;
	r->nodes[f->call.node_index].flight = NULL;
	f->next = r->spare;
	r->spare = f;
}

void
run_wrote(struct run *r, int code)
{
	if (code == 0 && r->sync_due_ns == INT64_MAX)
		r->sync_due_ns = r->last_ns + SYNC_AFTER_NS;
}

void
run_commit(struct run *r)
{
	int code = r->journal ? journal_sync(r->journal, &r->journal_error) : 0;

	r->sync_due_ns = INT64_MAX;
	for (uint32_t i = 0; i < r->n_acks; i++)
		r->port->ack(r->port->ctx, r->acks[i].waiter, r->acks[i].always ? 0 : code);
	r->n_acks = 0;
}
