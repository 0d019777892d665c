/* world: a heap of what is going to happen, and places where tasks run. */
#include "tests/exec/world.h"

#include "planner/base/arena.h"
#include "planner/base/buf.h"
#include "planner/execute/ready.h"

#include <stdio.h>
#include <stdlib.h>

enum { PLACES_MAX = 512 };

enum happening {
	HAPPEN_INTERRUPT,
	HAPPEN_LOSE_PLACE,
	HAPPEN_NOTICE,
	HAPPEN_GONE,
	HAPPEN_BEGUN, /* a task's process is there */
	HAPPEN_PROCESS_END,
	HAPPEN_ANSWER,
	HAPPEN_PHASE,
	HAPPEN_INTENT,
	HAPPEN_EFFECT
};

struct happen {
	enum happening what;
	uint32_t place;
	int64_t until_ns; /* of a notice */
	struct visit *visit;
	uint32_t turn; /* of the visit; an older one was called off */
};

/* A call that was not answered. */
struct visit {
	struct call *call;
	struct script script;
	uint32_t turn;
	bool running, ended, stopped, lost;
	int64_t begun_ns, ended_ns;
	struct visit *next; /* queue of its place; spare ones */
};

struct place {
	uint32_t slots, running, n_queued;
	bool lost;
	struct visit *queue, **queue_end;
	struct visit *here[64]; /* those that run, for losing it */
};

struct world {
	struct exec_port port;
	struct sink sink;
	struct exec_observer observer;
	const struct graph *graph;
	struct script *scripts;
	size_t n_scripts, cap_scripts;
	struct happen *happens; /* all that ever was to happen */
	uint32_t n_happens, cap_happens;
	struct ready coming; /* of these, by minus the time, then in the order of being said */
	int64_t now_ns;
	struct place places[PLACES_MAX];
	struct visit *spare;
	uint32_t running, max_running, max_queued;
	struct buf log;
	/* All of them: one whose step is given up while PENDING is never heard of again. */
	struct arena visits;
};

static void
happen(struct world *w, int64_t t_ns, enum happening what, struct visit *v, uint32_t place)
{
	if (w->n_happens == w->cap_happens) {
		w->cap_happens = w->cap_happens ? w->cap_happens * 2 : 64;
		w->happens = mem_realloc(w->happens, w->cap_happens * sizeof(*w->happens));
	}
	w->happens[w->n_happens] =
		(struct happen){.what = what, .place = place, .visit = v, .turn = v ? v->turn : 0};
	ready_push(&w->coming, -t_ns, w->n_happens++);
}

static struct script
find_script(const struct world *w, const struct call *call)
{
	for (size_t i = w->n_scripts; i-- > 0;) {
		const struct script *s = &w->scripts[i];

		if (s->kind == call->node->kind &&
			(s->index == WORLD_ANY || s->index == call->node->index) &&
			(s->attempt == 0 || s->attempt == call->attempt))
			return *s;
	}
	return (struct script){0};
}

static struct visit *
new_visit(struct world *w, struct call *call)
{
	struct visit *v = w->spare;
	uint32_t turn = 0;

	if (v) {
		w->spare = v->next;
		turn = v->turn + 1;
	} else {
		v = ARENA_NEW(&w->visits, struct visit);
	}
	*v = (struct visit){.call = call, .script = find_script(w, call), .turn = turn};
	call->provider_data = v;
	return v;
}

static void
tell(struct world *w, const struct call *call, const char *what)
{
	char id[KIND_ID_BYTES];

	kind_id(id, call->node->kind, call->node->index);
	buf_addf(&w->log, "%.3f %s %s\n", (double)w->now_ns / 1e9, what, id);
}

static void
run_process(struct world *w, struct place *p, struct visit *v)
{
	v->running = true;
	if (p->running < 64)
		p->here[p->running] = v;
	p->running++;
	if (++w->running > w->max_running)
		w->max_running = w->running;
	v->begun_ns = w->now_ns + v->script.lead_ns;
	v->ended_ns = v->begun_ns + v->script.run_ns;
	if (!v->script.not_run && !v->script.quiet)
		happen(w, v->begun_ns, HAPPEN_BEGUN, v, 0);
	happen(w, v->ended_ns, HAPPEN_PROCESS_END, v, 0);
}

static void
leave_place(struct world *w, struct place *p, const struct visit *v)
{
	for (uint32_t i = 0; i < p->running && i < 64; i++) {
		if (p->here[i] == v) {
			p->here[i] = p->running <= 64 ? p->here[p->running - 1] : NULL;
			break;
		}
	}
	p->running--;
	w->running--;
}

static void
run_next(struct world *w, struct place *p)
{
	while (p->queue && p->running < p->slots) {
		struct visit *v = p->queue;

		p->queue = v->next;
		if (!p->queue)
			p->queue_end = &p->queue;
		p->n_queued--;
		run_process(w, p, v);
	}
}

static void
port_submit(void *ctx, struct call *call)
{
	struct world *w = ctx;
	struct visit *v = new_visit(w, call);
	struct place *p = &w->places[call->place];

	if (p->lost) {
		v->lost = true;
		happen(w, w->now_ns, HAPPEN_ANSWER, v, 0);
	} else if (p->running < p->slots) {
		run_process(w, p, v);
	} else {
		v->next = NULL;
		if (!p->queue)
			p->queue_end = &p->queue;
		*p->queue_end = v;
		p->queue_end = &v->next;
		if (++p->n_queued > w->max_queued)
			w->max_queued = p->n_queued;
	}
}

static void
unqueue(struct place *p, const struct visit *v)
{
	for (struct visit **at = &p->queue; *at; at = &(*at)->next) {
		if (*at != v)
			continue;
		*at = v->next;
		if (!*at)
			p->queue_end = at;
		p->n_queued--;
		return;
	}
}

static void
port_stop(void *ctx, struct call *call, int64_t grace_ns)
{
	struct world *w = ctx;
	struct visit *v = call->provider_data;
	struct place *p;
	int64_t ends_ns;

	tell(w, call, grace_ns < 0 ? "recall" : grace_ns ? "stop" : "kill");
	/* A step may take its time: the scripted ones do. */
	if (!call->node->needs_slot || v->ended || (grace_ns < 0 && v->running))
		return;
	p = &w->places[call->place];
	v->turn++;
	v->stopped = true;
	if (p->lost) {
		happen(w, w->now_ns, HAPPEN_ANSWER, v, 0);
		return;
	}
	if (!v->running) {
		unqueue(p, v);
		happen(w, w->now_ns, HAPPEN_ANSWER, v, 0);
		return;
	}
	ends_ns = w->now_ns + grace_ns;
	if (!v->script.ignores_term && w->now_ns + v->script.term_ns < ends_ns)
		ends_ns = w->now_ns + v->script.term_ns;
	if (v->begun_ns > ends_ns)
		v->begun_ns = ends_ns;
	v->ended_ns = ends_ns;
	happen(w, ends_ns, HAPPEN_PROCESS_END, v, 0);
}

static void
port_start(void *ctx, struct call *call)
{
	struct world *w = ctx;
	struct visit *v = call->provider_data;
	const struct script *s;

	if (!v)
		v = new_visit(w, call);
	s = &v->script;
	if (s->pendings) {
		call->pending_until_ns = w->now_ns + s->pending_ns;
		happen(w, w->now_ns, HAPPEN_ANSWER, v, 0);
		return;
	}
	if (s->intent) {
		happen(w, w->now_ns, HAPPEN_INTENT, v, 0);
		return;
	}
	if (s->phase != PHASE_QUEUE)
		happen(w, w->now_ns + s->phase_after_ns, HAPPEN_PHASE, v, 0);
	happen(w, w->now_ns + s->run_ns, HAPPEN_ANSWER, v, 0);
}

static void
port_ack(void *ctx, void *waiter, int result)
{
	struct world *w = ctx;
	struct visit *v = waiter;

	if (result) {
		tell(w, v->call, "refused");
		v->script.fail = result == ERR_INPUT ? ERR_CANCELLED : result;
		v->script.message = "refused";
		happen(w, w->now_ns, HAPPEN_ANSWER, v, 0);
	} else if (v->ended) { /* the effect is written */
		happen(w, w->now_ns, HAPPEN_ANSWER, v, 0);
	} else if (v->script.effect) {
		happen(w, w->now_ns + v->script.run_ns, HAPPEN_EFFECT, v, 0);
	} else {
		happen(w, w->now_ns + v->script.run_ns, HAPPEN_ANSWER, v, 0);
	}
}

static void
answer_badly(const struct visit *v, struct exec_event *out)
{
	const struct script *s = &v->script;

	out->step = STEP_FAILED;
	out->outcome.place_lost = v->lost || s->place_lost;
	out->err = (struct error){.code = s->fail, .class = s->class};
	snprintf(out->err.message, sizeof(out->err.message), "%s",
		s->message ? s->message : "it failed");
	if (v->stopped) {
		error_set(&out->err, ERR_CANCELLED, "stopped");
		out->outcome.place_lost = false;
	} else if (v->lost) {
		error_set(&out->err, ERR_HOST, "the host went away");
		out->err.class = CLASS_INTERRUPTED;
	}
}

static bool
answer(struct world *w, struct visit *v, struct exec_event *out)
{
	const struct script *s = &v->script;

	out->type = EVENT_ANSWER;
	out->call = v->call;
	out->t_ns = w->now_ns;
	out->outcome = (struct outcome){.slots = s->slots};
	if (s->pendings) {
		v->script.pendings--;
		out->step = STEP_PENDING;
		return true;
	}
	if (v->call->node->needs_slot && v->ended && !s->not_run) {
		out->outcome.ran = true;
		out->outcome.begun_ns = v->begun_ns;
		out->outcome.ended_ns = v->ended_ns;
		out->outcome.exit_status = v->stopped ? -1 : s->exit_status;
		out->outcome.signal = v->stopped ? 15 : 0;
		out->outcome.timed_out = s->timed_out;
		out->outcome.cpu_ns = 1000;
		out->outcome.max_rss_bytes = 4096;
	}
	out->step = STEP_DONE;
	out->err.code = ERR_NONE;
	if (s->fail || v->stopped || v->lost)
		answer_badly(v, out);
	else if (v->call->node->gives_slots)
		w->places[v->call->node->index] = (struct place){.slots = s->slots};
	v->call->provider_data = NULL;
	v->turn++; /* what was still to happen to it doesn't */
	v->next = w->spare;
	w->spare = v;
	return true;
}

static void
lose_place(struct world *w, uint32_t index)
{
	struct place *p = &w->places[index];

	p->lost = true;
	buf_addf(&w->log, "%.3f lost environment[%u]\n", (double)w->now_ns / 1e9, index);
	for (uint32_t i = 0; i < p->running && i < 64; i++) {
		p->here[i]->turn++;
		if (i == 0) {
			p->here[i]->lost = true;
			happen(w, w->now_ns, HAPPEN_ANSWER, p->here[i], 0);
		}
	}
	w->running -= p->running;
	p->running = p->n_queued = 0;
	p->queue = NULL;
}

static bool
end_process(struct world *w, struct visit *v, struct exec_event *out)
{
	struct place *p = &w->places[v->call->place];

	v->ended = true;
	leave_place(w, p, v);
	run_next(w, p);
	if (v->script.collect_ns == 0)
		return answer(w, v, out);
	happen(w, w->now_ns + v->script.collect_ns, HAPPEN_ANSWER, v, 0);
	return false;
}

/* Lets it happen; true when the executor is to know. */
static bool
let_happen(struct world *w, const struct happen *h, struct exec_event *out)
{
	struct visit *v = h->visit;

	out->t_ns = w->now_ns;
	out->call = v ? v->call : NULL;
	switch (h->what) {
	case HAPPEN_INTERRUPT:
		out->type = EVENT_INTERRUPT;
		out->signal = 2;
		return true;
	case HAPPEN_LOSE_PLACE:
		lose_place(w, h->place);
		return false;
	case HAPPEN_NOTICE:
		out->type = EVENT_NOTICE;
		out->place = h->place;
		out->until_ns = h->until_ns;
		snprintf(out->text, sizeof(out->text), "host %u will be interrupted", h->place);
		return true;
	case HAPPEN_GONE:
		out->type = EVENT_GONE;
		out->place = h->place;
		return true;
	case HAPPEN_BEGUN:
		out->type = EVENT_BEGUN;
		return true;
	case HAPPEN_PROCESS_END:
		return end_process(w, v, out);
	case HAPPEN_PHASE:
		out->type = EVENT_PHASE;
		out->phase = v->script.phase;
		return true;
	case HAPPEN_INTENT:
	case HAPPEN_EFFECT:
		out->type = h->what == HAPPEN_INTENT ? EVENT_INTENT : EVENT_EFFECT;
		v->ended = h->what == HAPPEN_EFFECT;
		snprintf(out->text, sizeof(out->text), "%s",
			v->ended ? v->script.effect : v->script.intent);
		v->call->hourly_usd = v->script.hourly_usd;
		snprintf(out->text2, sizeof(out->text2), "token-%u", v->call->node->index);
		out->waiter = v;
		return true;
	case HAPPEN_ANSWER:
		break;
	}
	return answer(w, v, out);
}

static bool
port_wait(void *ctx, int64_t until_ns, struct exec_event *out)
{
	struct world *w = ctx;

	for (;;) {
		const struct ready_item *next = ready_top(&w->coming);
		struct happen h;
		uint32_t index;

		if (!next && until_ns == INT64_MAX) {
			fprintf(stderr, "the executor waits for ever:\n%s", world_log(w));
			abort();
		}
		if (!next || (-next->rank > until_ns && -next->rank > w->now_ns)) {
			if (until_ns > w->now_ns)
				w->now_ns = until_ns;
			return false;
		}
		if (-next->rank > w->now_ns)
			w->now_ns = -next->rank;
		ready_pop(&w->coming, &index);
		h = w->happens[index];
		if (h.visit && h.turn != h.visit->turn)
			continue;
		if (let_happen(w, &h, out))
			return true;
	}
}

static int64_t
port_now_ns(void *ctx)
{
	return world_now_ns(ctx);
}

struct world *
world_new(void)
{
	struct world *w = mem_alloc(sizeof(*w));

	*w = (struct world){.port = {.ctx = w,
				    .now_ns = port_now_ns,
				    .start = port_start,
				    .submit = port_submit,
				    .stop = port_stop,
				    .wait = port_wait,
				    .ack = port_ack,
				    .sink = &w->sink}};
	return w;
}

void
world_free(struct world *w)
{
	arena_free(&w->visits);
	buf_free(&w->log);
	free(w->scripts);
	free(w->happens);
	ready_free(&w->coming);
	free(w);
}

void
world_add(struct world *w, const struct script *s)
{
	if (w->n_scripts == w->cap_scripts) {
		w->cap_scripts = w->cap_scripts ? w->cap_scripts * 2 : 16;
		w->scripts = mem_realloc(w->scripts, w->cap_scripts * sizeof(*w->scripts));
	}
	w->scripts[w->n_scripts++] = *s;
}

void
world_interrupt_at(struct world *w, int64_t t_ns)
{
	happen(w, t_ns, HAPPEN_INTERRUPT, NULL, 0);
}

void
world_lose_place_at(struct world *w, uint32_t place, int64_t t_ns)
{
	happen(w, t_ns, HAPPEN_LOSE_PLACE, NULL, place);
}

void
world_notice_at(struct world *w, uint32_t place, int64_t t_ns, int64_t left_ns)
{
	happen(w, t_ns, HAPPEN_NOTICE, NULL, place);
	w->happens[w->n_happens - 1].until_ns = t_ns + left_ns;
}

void
world_gone_at(struct world *w, uint32_t place, int64_t t_ns)
{
	happen(w, t_ns, HAPPEN_GONE, NULL, place);
}

const struct exec_port *
world_port(struct world *w)
{
	return &w->port;
}

static void
add_line(struct world *w, const char *what, uint32_t node, int64_t t_ns)
{
	const struct node *n = &w->graph->nodes[node];
	char id[KIND_ID_BYTES];

	kind_id(id, n->kind, n->index);
	buf_addf(&w->log, "%.3f %s %s", (double)t_ns / 1e9, what, id);
}

static void
observe_begin(void *ctx, uint32_t node, uint32_t attempt, int64_t t_ns)
{
	struct world *w = ctx;

	add_line(w, "begin", node, t_ns);
	if (attempt > 1)
		buf_addf(&w->log, " again (%u)", attempt);
	buf_add_char(&w->log, '\n');
}

static void
observe_phase(void *ctx, uint32_t node, enum phase phase, int64_t t_ns)
{
	struct world *w = ctx;

	add_line(w, phase_name(phase), node, t_ns);
	buf_add_char(&w->log, '\n');
}

static void
observe_end(void *ctx, uint32_t node, uint32_t attempt, enum node_state state,
	const struct outcome *outcome, const struct error *err, bool will_retry, int64_t t_ns)
{
	struct world *w = ctx;

	(void)outcome;
	if (attempt == 0)
		add_line(w, "skip", node, t_ns);
	else
		add_line(w,
			state == NODE_OK       ? "ok"
			: state == NODE_FAILED ? "fail"
					       : "cancel",
			node, t_ns);
	if (err)
		buf_addf(&w->log, ": %s", err->message);
	buf_addf(&w->log, "%s\n", will_retry ? " (will retry)" : "");
}

static void
observe_interrupt(void *ctx, int count)
{
	struct world *w = ctx;

	buf_addf(&w->log, "%.3f interrupt %d\n", (double)w->now_ns / 1e9, count);
}

static void
observe_word(void *ctx, const char *text, int64_t t_ns)
{
	struct world *w = ctx;

	buf_addf(&w->log, "%.3f %s\n", (double)t_ns / 1e9, text);
}

const struct exec_observer *
world_observer(struct world *w, const struct graph *graph)
{
	w->graph = graph;
	w->observer = (struct exec_observer){.ctx = w,
		.begin = observe_begin,
		.phase = observe_phase,
		.end = observe_end,
		.interrupt = observe_interrupt,
		.word = observe_word};
	return &w->observer;
}

const char *
world_log(struct world *w)
{
	return buf_cstr(&w->log);
}

int64_t
world_now_ns(const struct world *w)
{
	return w->now_ns;
}

uint32_t
world_max_running(const struct world *w)
{
	return w->max_running;
}

uint32_t
world_max_queued(const struct world *w)
{
	return w->max_queued;
}
