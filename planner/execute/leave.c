/* leave: places that are taken away, at once or with notice, and others that are made instead. */
#include "planner/execute/journal.h"
#include "planner/execute/replace.h"
#include "planner/execute/state.h"
#include "planner/manifest.h"

#include <stdio.h>

uint32_t
environment_node(const struct run *r, uint32_t index)
{
	const struct graph *g = r->graph;
	uint32_t i = 0;

	while (i < g->n_nodes && !(g->nodes[i].gives_slots && g->nodes[i].index == index))
		i++;
	return i;
}

static void
say(struct run *r, const char *text)
{
	const struct exec_observer *o = r->observer;

	if (o && o->word)
		o->word(o->ctx, text, r->last_ns);
}

/* Its tasks are told to wait for it, if it may come again. */
static bool
await_place(struct run *r, const struct place *p)
{
	const struct exec_options *o = r->options;
	uint32_t environment = environment_node(r, p->index);

	return o->remake_places && r->level == LEVEL_GO && environment < r->graph->n_nodes &&
	       (o->retry.task_for_mask & RETRY_INTERRUPTION) &&
	       r->nodes[environment].attempts < o->retry.task_attempts &&
	       nodes_reopen(r, environment);
}

void
place_lost(struct run *r, const struct flight *teller, const struct error *why)
{
	struct place *p = &r->places.v[teller->place];

	if (p->lost)
		return;
	if (!r->lost.code)
		error_set(&r->lost, ERR_HOST, "environment[%u] was lost: %s", teller->call.place,
			why->message);
	places_lose(&r->places, teller->place);
	if (!p->awaited)
		p->awaited = await_place(r, p);
	for (struct flight *f = r->first; f; f = f->next) {
		if (f != teller && f->place == teller->place && !f->stopped)
			r->port->stop(r->port->ctx, &f->call, 0);
	}
}

/* Slots of the environments that are on their way, those left out about which it is not decided yet. */
static uint64_t
count_coming(const struct run *r, uint32_t slots_each)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < r->graph->n_nodes; i++) {
		if (r->graph->nodes[i].gives_slots && !node_has_ended(r, i) && !nodes_is_open(r, i))
			n += slots_each;
	}
	return n;
}

static void
count_tasks(const struct run *r, struct replace_facts *out, int64_t *estimate_ns)
{
	double sum_ns = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->graph->n_nodes; i++) {
		const struct node *node = &r->graph->nodes[i];

		if (!node->needs_slot || node_has_ended(r, i))
			continue;
		out->waiting += r->states[i] != NODE_RUNNING;
		if (node->estimate_ns >= 0) {
			sum_ns += (double)node->estimate_ns;
			n++;
		}
	}
	for (const struct flight *f = r->first; f; f = f->next) {
		const struct place *p = f->place == NO_PLACE ? NULL : &r->places.v[f->place];

		if (!p || p->lost || p->leaving)
			continue;
		out->running += f->begun;
		out->waiting += !f->begun;
	}
	*estimate_ns = n ? (int64_t)(sum_ns / n) : -1;
}

/* From how long it took in this run, else from what the plan thought. */
static int64_t
boot_ns(const struct run *r, uint32_t environment)
{
	const struct node *e = &r->graph->nodes[environment];
	uint32_t first = nodes_first(r, environment);
	const struct node *i = &r->graph->nodes[first];

	if (r->n_boots_seen)
		return r->boots_ns / r->n_boots_seen;
	if (e->estimate_ns < 0 || i->estimate_ns < 0)
		return -1;
	return e->estimate_ns + (first == environment ? 0 : i->estimate_ns);
}

static struct replace_facts
facts_of(const struct run *r, const struct place *p, uint32_t environment)
{
	const struct exec_options *o = r->options;
	struct replace_facts f = {.slots = r->places.slots,
		.gained = p->given,
		.coming = count_coming(r, p->given),
		.boot_ns = boot_ns(r, environment),
		.left_ns = o->deadline_ns > 0 ? o->deadline_ns - r->last_ns : -1,
		.too_dear = !money_allows_another(r, p->index)};
	int64_t estimate_ns;

	if (o->max_slots && o->max_slots < f.slots)
		f.slots = o->max_slots;
	if (o->max_slots && o->max_slots - f.slots < f.coming)
		f.coming = o->max_slots - f.slots;
	if (o->max_slots && o->max_slots - f.slots - f.coming < f.gained)
		f.gained = (uint32_t)(o->max_slots - f.slots - f.coming);
	count_tasks(r, &f, &estimate_ns);
	f.task_ns = r->n_tasks_seen ? r->tasks_ns / r->n_tasks_seen : estimate_ns;
	return f;
}

/* A provider may forget the old place when nothing is in flight there, not before. */
void
place_emptied(struct run *r, uint32_t at)
{
	struct place *p = at == NO_PLACE ? NULL : &r->places.v[at];
	char why[REPLACE_WORDS_BYTES], text[REPLACE_WORDS_BYTES + 64];
	struct replace_facts f;
	uint32_t environment;
	bool pays;

	if (!p || !p->awaited || p->in_flight > 0)
		return;
	p->awaited = false;
	environment = environment_node(r, p->index);
	if (!nodes_is_open(r, environment))
		return;
	f = facts_of(r, p, environment);
	pays = replace_pays(&f, why);
	snprintf(text, sizeof(text), "%s for environment[%u]: %s",
		pays ? "another instance" : "no other instance", p->index, why);
	say(r, text);
	if (r->journal)
		run_wrote(r, journal_remake(r->journal, p->index, pays, why, r->last_ns,
				     &r->journal_error));
	if (pays)
		nodes_remake(r, environment);
	else
		nodes_close(r, environment);
}

/* What queues there goes elsewhere; what runs may end. */
static uint32_t
drain(struct run *r, uint32_t at)
{
	const struct place *p = &r->places.v[at];
	uint32_t n = 0;

	for (struct flight *f = r->last, *prev; f; f = prev) {
		prev = f->prev;
		if (f->place != at || f->begun || f->stopped ||
			p->in_flight - p->stopping <= p->slots)
			continue;
		f->drained = true;
		stop_flight(r, f, 0);
		n++;
	}
	return n;
}

/* The place that an environment has given and still has; NO_PLACE: none, or it is told already. */
static uint32_t
find_place(const struct run *r, uint32_t index)
{
	for (uint32_t i = 0; i < r->places.n; i++) {
		const struct place *p = &r->places.v[i];

		if (p->index == index && !p->lost && !p->leaving)
			return i;
	}
	return NO_PLACE;
}

/* The environment's answer may come after what its host tells. */
static void
keep_early(struct run *r, const struct exec_event *e)
{
	uint32_t node = environment_node(r, e->place);

	if (node == r->graph->n_nodes || node_has_ended(r, node) ||
		r->states[node] == NODE_WAITING || r->nodes[node].early)
		return;
	r->nodes[node].early = ARENA_NEW(r->a, struct exec_event);
	*r->nodes[node].early = *e;
}

void
place_noticed(struct run *r, const struct exec_event *e)
{
	uint32_t at = find_place(r, e->place), queued, running;
	struct place *p;
	char text[sizeof(e->text) + 128], more[64] = "";

	run_stamp(r, e->t_ns);
	if (at == NO_PLACE) {
		keep_early(r, e);
		return;
	}
	if (r->journal)
		run_wrote(r, journal_notice(r->journal, e->place, e->until_ns, e->text, r->last_ns,
				     &r->journal_error));
	if (!r->lost.code)
		error_set(&r->lost, ERR_HOST, "environment[%u] was taken away: %s", e->place,
			e->text);
	places_leave(&r->places, at);
	queued = drain(r, at);
	p = &r->places.v[at];
	running = p->in_flight - p->stopping;
	if (queued)
		snprintf(more, sizeof(more), ", %u that wait%s there go%s elsewhere", queued,
			queued == 1 ? "s" : "", queued == 1 ? "es" : "");
	if (running)
		snprintf(text, sizeof(text), "%s; its %u running task%s %s until then%s", e->text,
			running, running == 1 ? "" : "s", running == 1 ? "has" : "have", more);
	else
		snprintf(text, sizeof(text), "%s; no task runs there%s", e->text, more);
	say(r, text);
	p->awaited = await_place(r, p);
	place_emptied(r, at);
}
