/* even: tasks that queue at one place while another one has a slot free. They were given ahead, so that no slot
 * waits for a round trip; where tasks are long that is worth less than a slot. What queues is taken back, and what
 * has begun meanwhile goes on where it is. */
#include "planner/execute/state.h"

#include "planner/base/clock.h"

/* Many round trips; a shorter one is done before it is somewhere else. */
static const int64_t long_ns = NS_PER_S;
static const int64_t again_ns = 10 * NS_PER_MS;

static bool
is_live(const struct place *p)
{
	return !p->lost && !p->leaving;
}

/* Slots that nothing is on its way to. */
static uint64_t
count_free(const struct run *r)
{
	uint64_t n_free = 0, n_recalled = 0;

	for (uint32_t i = 0; i < r->places.n; i++) {
		const struct place *p = &r->places.v[i];

		if (is_live(p) && p->in_flight < p->slots)
			n_free += p->slots - p->in_flight;
		n_recalled += p->recalled;
	}
	return n_free > n_recalled ? n_free - n_recalled : 0;
}

static int64_t
queued_at(const struct place *p)
{
	return is_live(p) ? (int64_t)p->in_flight - p->stopping - p->recalled - p->slots : 0;
}

/* The one that would begin last at the place where most queue; NULL: none does. */
static struct flight *
last_queued(const struct run *r)
{
	uint32_t most = NO_PLACE;

	for (uint32_t i = 0; i < r->places.n; i++) {
		int64_t n = queued_at(&r->places.v[i]);

		if (n > 0 && (most == NO_PLACE || n > queued_at(&r->places.v[most])))
			most = i;
	}
	for (struct flight *f = most == NO_PLACE ? NULL : r->last; f; f = f->prev) {
		if (f->place == most && !f->begun && !f->stopped && !f->recalled)
			return f;
	}
	return NULL;
}

/* Since when something runs there, as far as it is known; INT64_MAX: nothing does. */
static int64_t
runs_since(const struct run *r, uint32_t place)
{
	int64_t since_ns = INT64_MAX;

	for (const struct flight *f = r->first; f; f = f->next) {
		if (f->place == place && f->begun && f->begun_ns < since_ns)
			since_ns = f->begun_ns;
	}
	return since_ns;
}

/* When a task there is known to be long. */
static int64_t
long_from(const struct run *r, uint32_t place)
{
	int64_t since_ns;

	if (r->n_tasks_seen && r->tasks_ns / r->n_tasks_seen >= long_ns)
		return 0;
	since_ns = runs_since(r, place);
	return since_ns == INT64_MAX ? INT64_MAX : since_ns + long_ns;
}

static bool
may_be_uneven(const struct run *r)
{
	return r->level == LEVEL_GO && r->places.n_live > 1 && r->tasks.n == 0 &&
	       r->places.in_flight > 0;
}

void
even_out(struct run *r)
{
	uint64_t n_free = may_be_uneven(r) ? count_free(r) : 0;
	struct flight *f;

	while (n_free-- > 0 && (f = last_queued(r)) && long_from(r, f->place) <= run_now(r)) {
		f->recalled = true;
		r->places.v[f->place].recalled++;
		r->port->stop(r->port->ctx, &f->call, STOP_UNBEGUN);
	}
}

int64_t
even_next_ns(struct run *r)
{
	const struct flight *f = may_be_uneven(r) && count_free(r) ? last_queued(r) : NULL;
	int64_t at_ns = f ? long_from(r, f->place) : INT64_MAX;

	return at_ns > run_now(r) ? at_ns : run_now(r) + again_ns;
}
