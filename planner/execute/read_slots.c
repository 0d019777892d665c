/* read_slots: which tasks had a slot, of those that a journal doesn't see end. A place begins what it
 * is given in that order, as many at a time as it has slots; so it follows from the lines who is
 * that far, and what is behind queues there. A process that ended gave its slot to the next one at
 * that moment, though the line about it came later. Of a place that nobody knows the slots of, all
 * tasks are taken to run. */
#include "planner/execute/reader.h"

struct slot_queue {
	uint32_t slots; /* 0: unknown */
	uint32_t taken;
	uint32_t *waiting; /* nodes from `first` on, in the order of their begins */
	size_t first, n, cap;
};

void
reader_open_queues(struct reader *r)
{
	r->queues = ARENA_ARRAY(r->a, struct slot_queue,
		r->first[KIND_ENVIRONMENT + 1] - r->first[KIND_ENVIRONMENT]);
}

static struct slot_queue *
queue_of(struct reader *r, uint32_t place)
{
	const struct timing_node *n = reader_find_node(r, KIND_ENVIRONMENT, place);

	return n ? &r->queues[(size_t)(n - r->t->nodes) - r->first[KIND_ENVIRONMENT]] : NULL;
}

static struct timing_attempt *
last_attempt(const struct timing_node *n)
{
	return &n->attempts[n->n_attempts - 1];
}

void
reader_make_slots(struct reader *r, const struct timing_node *environment)
{
	struct slot_queue *q = queue_of(r, environment->index);

	*q = (struct slot_queue){.slots = last_attempt(environment)->outcome.slots,
		.waiting = q->waiting,
		.cap = q->cap};
}

static void
add_waiting(struct reader *r, struct slot_queue *q, uint32_t node)
{
	if (q->first > q->n / 2) {
		q->n -= q->first;
		memmove(q->waiting, q->waiting + q->first, q->n * sizeof(*q->waiting));
		q->first = 0;
	}
	q->waiting = reader_grow(r, q->waiting, q->n, 1, &q->cap, sizeof(*q->waiting));
	q->waiting[q->n++] = node;
}

void
reader_take_slot(struct reader *r, struct timing_node *node)
{
	struct timing_attempt *a = last_attempt(node);
	struct slot_queue *q = queue_of(r, a->place);

	if (!q || q->slots == 0 || q->taken < q->slots) {
		a->slot_ns = a->begin_ns;
		if (q)
			q->taken++;
	} else {
		add_waiting(r, q, (uint32_t)(node - r->t->nodes));
	}
}

void
reader_give_slot(struct reader *r, const struct timing_node *node)
{
	const struct timing_attempt *a = last_attempt(node);
	struct slot_queue *q = queue_of(r, a->place);
	int64_t free_ns = a->end_ns;

	if (!q || a->slot_ns < 0)
		return; /* it ended in the queue */
	if (a->outcome.ran && a->outcome.ended_ns < free_ns)
		free_ns = a->outcome.ended_ns;
	if (q->taken)
		q->taken--;
	while (q->first < q->n && q->taken < q->slots) {
		const struct timing_node *next = &r->t->nodes[q->waiting[q->first++]];
		struct timing_attempt *b = last_attempt(next);

		if (b->end_ns >= 0 || b->slot_ns >= 0 || queue_of(r, b->place) != q)
			continue; /* it is gone from here */
		b->slot_ns = free_ns > b->begin_ns ? free_ns : b->begin_ns;
		q->taken++;
	}
}
