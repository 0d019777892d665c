/* layout: phases of an attempt.
 *
 * A task: queue until the preparations begin (its host had no slot free yet), what it says of launch
 * to upload right before the process, run as long as that lived, then collect. One whose process
 * never was there: all of it is queue. One that was stopped: nothing is collected, the time until
 * its last process is gone is run. Otherwise what the provider said at the end, in the order of the
 * phases, the remainder being `other`; else what it said on the way. */
#include "planner/execute/layout.h"

/* What is asked for. */
struct window {
	int64_t *sums;
	int64_t from_ns, to_ns;
};

static int64_t
clamp(int64_t value, int64_t least, int64_t most)
{
	if (value < least)
		return least;
	return value > most ? most : value;
}

static void
add(const struct window *w, enum phase phase, int64_t from_ns, int64_t to_ns)
{
	if (from_ns < w->from_ns)
		from_ns = w->from_ns;
	if (to_ns > w->to_ns)
		to_ns = w->to_ns;
	if (to_ns > from_ns)
		w->sums[phase] += to_ns - from_ns;
}

void
layout_process(const struct timing_attempt *a, int64_t end_ns, int64_t *begun_ns, int64_t *ended_ns)
{
	*begun_ns = a->begin_ns;
	*ended_ns = end_ns;
	if (!a->needs_slot)
		return;
	if (a->outcome.ran)
		*begun_ns = clamp(a->outcome.begun_ns, a->begin_ns, end_ns);
	else if (a->end_ns < 0 && a->slot_ns >= 0)
		*begun_ns = clamp(a->slot_ns, a->begin_ns, end_ns);
	else
		*begun_ns = end_ns;
	if (a->outcome.ran && a->state != NODE_CANCELLED && !a->outcome.timed_out)
		*ended_ns = clamp(a->outcome.ended_ns, *begun_ns, end_ns);
}

static void
add_process(const struct window *w, const struct timing_attempt *a, int64_t end_ns)
{
	int64_t begun, ended, at;

	layout_process(a, end_ns, &begun, &ended);
	at = begun;
	for (int p = PHASE_UPLOAD; p >= PHASE_LAUNCH; p--) {
		int64_t from = at - clamp(a->outcome.phase_ns[p], 0, at - a->begin_ns);

		add(w, (enum phase)p, from, at);
		at = from;
	}
	add(w, PHASE_QUEUE, a->begin_ns, at);
	add(w, PHASE_RUN, begun, ended);
	add(w, PHASE_COLLECT, ended, end_ns);
}

static void
add_marks(const struct window *w, const struct timing_attempt *a, int64_t end_ns)
{
	enum phase phase = a->phase;
	int64_t at = a->begin_ns;

	for (uint32_t i = 0; i < a->n_marks; i++) {
		add(w, phase, at, a->marks[i].t_ns);
		at = a->marks[i].t_ns;
		phase = a->marks[i].phase;
	}
	add(w, phase, at, end_ns);
}

static bool
has_shares(const struct outcome *o)
{
	for (int p = 0; p < PHASE_COUNT; p++) {
		if (o->phase_ns[p] > 0)
			return true;
	}
	return false;
}

static void
add_shares(const struct window *w, const struct timing_attempt *a, int64_t end_ns)
{
	int64_t at = a->begin_ns;

	for (int p = 0; p < PHASE_COUNT; p++) {
		int64_t to = at + clamp(a->outcome.phase_ns[p], 0, end_ns - at);

		add(w, (enum phase)p, at, to);
		at = to;
	}
	add(w, PHASE_OTHER, at, end_ns);
}

void
layout_add(int64_t sums[PHASE_COUNT], const struct timing_attempt *a, int64_t end_ns,
	int64_t from_ns, int64_t to_ns)
{
	struct window w = {.sums = sums, .from_ns = from_ns, .to_ns = to_ns};

	if (a->needs_slot)
		add_process(&w, a, end_ns);
	else if (has_shares(&a->outcome))
		add_shares(&w, a, end_ns);
	else
		add_marks(&w, a, end_ns);
}
