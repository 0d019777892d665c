/* events: what the world tells the executor, and what follows. */
#include "planner/execute/journal.h"
#include "planner/execute/state.h"
#include "planner/manifest.h"

#include <stdio.h>

void
stop_flight(struct run *r, struct flight *f, int64_t grace_ns)
{
	if (!f->stopped)
		r->places.v[f->place].stopping++;
	f->stopped = true;
	r->port->stop(r->port->ctx, &f->call, grace_ns);
}

/* Tasks that still queue at their place have not begun, so they don't begin. */
static void
stop_queued(struct run *r)
{
	for (struct flight *f = r->last, *prev; f; f = prev) {
		struct place *p = f->place == NO_PLACE ? NULL : &r->places.v[f->place];

		prev = f->prev;
		if (!p || f->begun || f->stopped || f->call.node->always ||
			p->in_flight - p->stopping <= p->slots)
			continue;
		stop_flight(r, f, 0);
	}
}

static void
stop_tasks(struct run *r, int64_t grace_ns)
{
	for (struct flight *f = r->first; f; f = f->next) {
		bool asked = f->stopped && grace_ns > 0;

		if (f->call.node->always || asked)
			continue;
		if (f->place != NO_PLACE)
			stop_flight(r, f, grace_ns);
		else
			r->port->stop(r->port->ctx, &f->call, grace_ns);
	}
}

void
run_escalate(struct run *r, enum level level, enum error_code code, const char *why)
{
	enum level before = r->level;

	if (level <= before)
		return;
	r->level = level;
	if (before == LEVEL_GO) {
		error_set(&r->why, code, "not begun: %s", why);
		nodes_cancel_waiting(r, false, &r->why);
		stop_queued(r);
	}
	if (level >= LEVEL_STOP)
		stop_tasks(r, level == LEVEL_STOP ? r->options->grace_ns : 0);
}

static void
on_interrupt(struct run *r, const struct exec_event *ev)
{
	const struct exec_observer *o = r->observer;
	/* When the run is being stopped anyway, asking for it once more means: now. */
	bool stopping = r->result->out_of_time || r->journal_error.code ||
			(r->result->out_of_money && r->level >= LEVEL_STOP);
	int level = ++r->interrupts + (stopping ? LEVEL_STOP : LEVEL_GO);

	run_stamp(r, ev->t_ns);
	r->result->interrupted = true;
	if (o && o->interrupt)
		o->interrupt(o->ctx, r->interrupts);
	run_escalate(r, level > LEVEL_KILL ? LEVEL_KILL : (enum level)level, ERR_CANCELLED,
		"the run was interrupted");
}

static void
tell_end(struct run *r, const struct flight *f, enum node_state state,
	const struct outcome *outcome, const struct error *e, bool again, int64_t t_ns)
{
	const struct exec_observer *o = r->observer;

	if (o && o->end)
		o->end(o->ctx, f->call.node_index, f->call.attempt, state, outcome, e, again, t_ns);
}

/* How long tasks take here, and places to come about. */
static void
note_time(struct run *r, uint32_t node, int64_t begun_ns, int64_t t_ns)
{
	const struct node *n = &r->graph->nodes[node];
	uint32_t first = n->gives_slots ? nodes_first(r, node) : node;

	if (n->needs_slot && begun_ns >= 0) {
		r->tasks_ns += t_ns - begun_ns;
		r->n_tasks_seen++;
	} else if (first != node) {
		r->boots_ns += t_ns - r->nodes[first].ready_ns;
		r->n_boots_seen++;
	}
}

void
event_succeed(struct run *r, struct flight *f, const struct outcome *outcome, int64_t t_ns)
{
	const struct node *n = f->call.node;
	uint32_t node = f->call.node_index;
	int64_t f_begun_ns = f->begun ? f->begun_ns : -1;
	const struct exec_event *early;

	if (r->journal)
		run_wrote(r, journal_end(r->journal, &f->call, "ok", outcome, NULL, -1, t_ns,
				     &r->journal_error));
	tell_end(r, f, NODE_OK, outcome, NULL, false, t_ns);
	run_free_flight(r, f);
	retry_succeeded(&r->retry);
	note_time(r, node, f_begun_ns, t_ns);
	if (n->gives_slots && outcome->slots)
		places_add(&r->places, n->index, outcome->slots);
	money_ended(r, n, true);
	node_end(r, node, NODE_OK);
	early = r->nodes[node].early;
	r->nodes[node].early = NULL;
	if (early && n->gives_slots && outcome->slots) {
		nodes_settle(r); /* what has ended is known before it is taken back */
		place_noticed(r, early);
	}
}

static void
note_failure(struct run *r, const struct flight *f, const struct error *e, bool lost)
{
	struct exec_result *res = r->result;
	const struct node *n = f->call.node;

	if (!res->first_error.code) {
		res->first_error = *e;
		res->first_failed = f->call.node_index;
		kind_id(res->first_failed_id, n->kind, n->index);
	}
	if (e->code != ERR_TASK && !lost && !r->other_failure) {
		char id[KIND_ID_BYTES];

		kind_id(id, n->kind, n->index);
		r->other_failure = e->code;
		r->other_error = *e;
		error_wrap(&r->other_error, "%s", id);
	}
}

static bool
may_try_again(struct run *r, const struct flight *f, const struct outcome *o, const struct error *e,
	int64_t *delay_ns)
{
	bool is_task = f->place != NO_PLACE;

	if (r->level >= LEVEL_DRAIN)
		return false;
	if (is_task && r->places.slots == 0 && r->n_givers == 0)
		return false;
	if (is_task && o->place_lost && (!o->ran || f->drained))
		return true;
	return retry_again(&r->retry, is_task,
		f->call.attempt - r->nodes[f->call.node_index].unbegun, o, e, delay_ns);
}

/* Who lost a process with its place, or failed to hear how it ended, knows at least that it ran.
 * Without one there are no times of it. */
static void
read_process(const struct flight *f, struct outcome *outcome, int64_t t_ns)
{
	if (f->begun && !outcome->ran) {
		outcome->ran = true;
		outcome->begun_ns = f->begun_ns;
		outcome->ended_ns = t_ns;
		outcome->exit_status = -1;
	}
	if (!outcome->ran)
		outcome->phase_ns[PHASE_RUN] = outcome->phase_ns[PHASE_COLLECT] = 0;
}

/* What the answer of a failed attempt really says: a task that was stopped because its place was
 * lost was not cancelled, and one that was stopped in the queue did not begin. */
static struct error
read_failure(const struct run *r, const struct flight *f, const struct error *said,
	struct outcome *outcome)
{
	struct error e = *said;

	if (!e.code)
		error_set(&e, ERR_INTERNAL, "it failed without a reason (this is a bug)");
	if (f->place == NO_PLACE)
		return e;
	if (e.code == ERR_CANCELLED && (f->drained || f->recalled) && r->level == LEVEL_GO) {
		error_set(&e, ERR_HOST, "environment[%u], where it queued, %s", f->call.place,
			f->drained ? "will be taken away" : "has others before it");
		e.class = CLASS_INTERRUPTED;
		outcome->place_lost = true;
		return e;
	}
	if (e.code == ERR_CANCELLED && (f->stopped || f->recalled) && !outcome->ran)
		return r->why;
	if (f->stopped || !r->places.v[f->place].lost)
		return e;
	if (e.code == ERR_CANCELLED) {
		error_set(&e, ERR_HOST, "environment[%u], where it %s, was lost", f->call.place,
			outcome->ran ? "ran" : "queued");
		e.class = CLASS_INTERRUPTED;
		outcome->place_lost = true;
	}
	return e;
}

static void
end_attempt_badly(struct run *r, struct flight *f, const struct exec_event *ev, int64_t t_ns)
{
	struct outcome outcome = ev->outcome;
	uint32_t node = f->call.node_index;
	bool is_task = f->place != NO_PLACE, cancelled, again, lost;
	enum node_state state;
	int64_t delay_ns = 0;
	struct error e;

	if (is_task)
		read_process(f, &outcome, t_ns);
	e = read_failure(r, f, &ev->err, &outcome);
	again = e.code != ERR_CANCELLED && may_try_again(r, f, &outcome, &e, &delay_ns);
	lost = is_task && outcome.place_lost;
	r->lost_for_good |= lost && !again;
	if (lost && (!outcome.ran || f->drained)) {
		r->nodes[node].unbegun++;
		if (!again)
			error_set(&e, ERR_CANCELLED, "not begun: environment[%u] %s before",
				f->call.place, f->drained ? "was to be taken away" : "was lost");
	}
	cancelled = e.code == ERR_CANCELLED;
	state = cancelled ? NODE_CANCELLED : NODE_FAILED;
	if (r->journal)
		run_wrote(r, journal_end(r->journal, &f->call,
				     cancelled		  ? "cancelled"
				     : outcome.place_lost ? "abandoned"
							  : "failed",
				     &outcome, &e, again ? t_ns + delay_ns : -1, t_ns,
				     &r->journal_error));
	tell_end(r, f, state, &outcome, &e, again, t_ns);
	r->nodes[node].early = NULL;
	if (!cancelled && !again)
		note_failure(r, f, &e, lost);
	run_free_flight(r, f);
	if (again) {
		r->states[node] = NODE_PENDING;
		ready_push(&r->timers, -(t_ns + delay_ns), node);
		return;
	}
	r->nodes[node].cause = node;
	money_ended(r, &r->graph->nodes[node], false);
	node_end(r, node, state);
	if (is_task && !cancelled && r->options->fail_fast) {
		char why[KIND_ID_BYTES + 64];

		snprintf(why, sizeof(why), "task[%u] failed, and fail_fast is set",
			r->graph->nodes[node].index);
		run_escalate(r, LEVEL_DRAIN, ERR_CANCELLED, why);
	}
}

static void
on_pending(struct run *r, struct flight *f, int64_t t_ns)
{
	uint32_t node = f->call.node_index;
	int64_t until_ns = f->call.pending_until_ns;

	r->states[node] = NODE_PENDING;
	if (r->level >= LEVEL_DRAIN && !f->call.node->always)
		node_cancel(r, node, &r->why);
	else
		ready_push(&r->timers, -(until_ns > t_ns ? until_ns : t_ns), node);
}

static void
on_answer(struct run *r, const struct exec_event *ev)
{
	struct flight *f = (struct flight *)ev->call;
	uint32_t place = f->place;
	int64_t t_ns = run_stamp(r, ev->t_ns);

	if (f->place != NO_PLACE) {
		places_give_back(&r->places, f->place, f->stopped);
		r->places.v[f->place].recalled -= f->recalled;
		if (ev->outcome.place_lost && ev->step != STEP_DONE)
			place_lost(r, f, &ev->err);
	}
	if (ev->step == STEP_PENDING)
		on_pending(r, f, t_ns);
	else if (ev->step == STEP_DONE)
		event_succeed(r, f, &ev->outcome, t_ns);
	else
		end_attempt_badly(r, f, ev, t_ns);
	place_emptied(r, place);
	nodes_settle(r);
}

static void
on_begun(struct run *r, const struct exec_event *ev)
{
	const struct exec_observer *o = r->observer;
	struct flight *f = (struct flight *)ev->call;

	f->begun = true;
	f->begun_ns = ev->t_ns;
	if (o && o->begun)
		o->begun(o->ctx, f->call.node_index, ev->t_ns);
}

/* The phases of a task follow from the times of its process, so the journal isn't told. */
static void
on_phase(struct run *r, const struct exec_event *ev)
{
	const struct exec_observer *o = r->observer;
	struct flight *f = (struct flight *)ev->call;
	int64_t t_ns = run_stamp(r, ev->t_ns);

	if (f->phase == ev->phase)
		return;
	f->phase = ev->phase;
	if (r->journal && f->place == NO_PLACE)
		run_wrote(
			r, journal_phase(r->journal, &f->call, ev->phase, t_ns, &r->journal_error));
	if (o && o->phase)
		o->phase(o->ctx, f->call.node_index, ev->phase, t_ns);
}

/* 0: the line is written. An effect has happened, so it is written in any case. */
static int
write_intent(struct run *r, const struct exec_event *ev, int64_t t_ns)
{
	if (ev->type == EVENT_INTENT)
		return journal_intent(
			r->journal, ev->call, ev->text, ev->text2, t_ns, &r->journal_error);
	return journal_effect(r->journal, ev->call, ev->text, t_ns, &r->journal_error);
}

/* An `always` node puts away what costs money, so it may act even when that cannot be written
 * down. */
static void
on_intent(struct run *r, const struct exec_event *ev)
{
	bool always = ev->call->node->always;
	int64_t t_ns = run_stamp(r, ev->t_ns);
	int code = 0;

	if (ev->type == EVENT_EFFECT)
		money_launched(r, ev->call);
	if (ev->type == EVENT_EFFECT && ev->call->hourly_usd != 0)
		r->nodes[ev->call->node_index].early = NULL; /* it was of the one before */
	if (ev->type == EVENT_INTENT && r->level >= LEVEL_DRAIN && !always)
		code = ERR_CANCELLED;
	else if (ev->type == EVENT_INTENT && !money_allows_launch(r, ev->call))
		code = ERR_INPUT;
	else if (r->journal)
		code = write_intent(r, ev, t_ns);
	if (code || !r->journal) {
		r->port->ack(r->port->ctx, ev->waiter, always ? 0 : code);
		return;
	}
	run_wrote(r, 0);
	r->acks[r->n_acks++] = (struct ack){.waiter = ev->waiter, .always = always};
	if (r->n_acks == ACKS_MAX)
		run_commit(r);
}

void
event_handle(struct run *r, const struct exec_event *ev)
{
	switch (ev->type) {
	case EVENT_BEGUN:
		on_begun(r, ev);
		break;
	case EVENT_PHASE:
		on_phase(r, ev);
		break;
	case EVENT_INTENT:
	case EVENT_EFFECT:
		on_intent(r, ev);
		break;
	case EVENT_ANSWER:
		on_answer(r, ev);
		break;
	case EVENT_NOTICE:
		place_noticed(r, ev);
		break;
	case EVENT_GONE:
		money_gone(r, ev);
		break;
	case EVENT_INTERRUPT:
		on_interrupt(r, ev);
		break;
	}
}
