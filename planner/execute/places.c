/* places: slots and who has them. A linear look over the places: there are hundreds at most. */
#include "planner/execute/places.h"

#include "planner/base/arena.h"

#include <stdlib.h>

void
places_init(struct places *p, uint32_t max_flight, uint32_t ahead)
{
	*p = (struct places){.max_flight = max_flight, .ahead = ahead};
}

void
places_add(struct places *p, uint32_t index, uint32_t slots)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 8;
		p->v = mem_realloc(p->v, p->cap * sizeof(*p->v));
	}
	p->v[p->n++] = (struct place){.index = index, .slots = slots, .given = slots};
	p->n_live++;
	p->slots += slots;
}

/* The least busy place below `limit` tasks beyond its slots; ties go to the first. */
static uint32_t
least_busy(const struct places *p, int64_t limit)
{
	uint32_t best = NO_PLACE;
	int64_t best_excess = limit;

	for (uint32_t i = 0; i < p->n; i++) {
		int64_t excess = (int64_t)p->v[i].in_flight - p->v[i].slots;

		if (!p->v[i].lost && !p->v[i].leaving && excess < best_excess) {
			best = i;
			best_excess = excess;
		}
	}
	return best;
}

uint32_t
places_choose(const struct places *p, uint32_t waiting, uint32_t coming)
{
	uint64_t n_all = (uint64_t)p->n_live + coming;
	bool capped = p->max_flight && p->max_flight < p->slots;
	uint32_t at;

	if (capped && p->in_flight + p->ending >= p->max_flight)
		return NO_PLACE;
	if (p->in_flight >= p->slots + (uint64_t)p->n_live * p->ahead)
		return NO_PLACE;
	at = least_busy(p, 0);
	if (at != NO_PLACE || capped || p->ahead == 0)
		return at;
	if (n_all > 1 && waiting * (uint64_t)p->n_live <= p->slots * n_all)
		return NO_PLACE;
	return least_busy(p, p->ahead);
}

void
places_take(struct places *p, uint32_t at)
{
	p->v[at].in_flight++;
	p->in_flight++;
}

void
places_give_back(struct places *p, uint32_t at, bool was_stopping)
{
	p->v[at].stopping -= was_stopping;
	p->v[at].in_flight--;
	if (p->v[at].lost)
		return;
	*(p->v[at].leaving ? &p->ending : &p->in_flight) -= 1;
}

static void
discount(struct places *p, uint32_t at)
{
	p->n_live--;
	p->slots -= p->v[at].slots;
	p->in_flight -= p->v[at].in_flight;
}

void
places_leave(struct places *p, uint32_t at)
{
	if (p->v[at].lost || p->v[at].leaving)
		return;
	p->v[at].leaving = true;
	discount(p, at);
	p->ending += p->v[at].in_flight;
}

void
places_lose(struct places *p, uint32_t at)
{
	if (p->v[at].lost)
		return;
	if (p->v[at].leaving)
		p->ending -= p->v[at].in_flight;
	else
		discount(p, at);
	p->v[at].lost = true;
	p->v[at].slots = 0;
}

void
places_free(struct places *p)
{
	free(p->v);
	*p = (struct places){0};
}
