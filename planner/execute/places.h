/* places: where tasks run, and which one takes the next. A place is an environment that is ready;
 * it has slots. */
#ifndef FURROW_PLACES_H
#define FURROW_PLACES_H

#include <stdbool.h>
#include <stdint.h>

struct place {
	uint32_t index; /* of its environment */
	uint32_t slots; /* 0: lost */
	uint32_t given; /* slots that it had when it was new */
	/* Tasks given to it and not answered: more than slots when some queue there. */
	uint32_t in_flight;
	uint32_t stopping; /* of these, how many were asked to end, */
	uint32_t recalled; /* and how many to come back, if they have not begun */
	bool lost;
	bool leaving; /* will be lost: nothing begins there any more */
	bool awaited; /* lost, and made again once nothing is in flight there */
};

struct places {
	struct place *v;
	uint32_t n, cap;
	uint32_t n_live;     /* neither lost nor leaving */
	uint64_t slots;	     /* of the live ones */
	uint64_t in_flight;  /* at the live ones */
	uint64_t ending;     /* at those that leave */
	uint32_t max_flight; /* tasks at a time over all of them; 0: no limit */
	uint32_t ahead;	     /* tasks given to a place beyond its slots */
};

enum { NO_PLACE = UINT32_MAX };

void places_init(struct places *p, uint32_t max_flight, uint32_t ahead);
void places_add(struct places *p, uint32_t index, uint32_t slots);

/* The place that takes one of `waiting` tasks (>= 1) now, as an index into v; NO_PLACE: none. A
 * free slot goes first, at the place that has the most. When all are taken, tasks queue ahead at
 * places as long as every slot can count on another one of those that wait: near the end of a run a
 * task rather waits here, for whichever place is free first. `coming` places that are not ready yet
 * count as being like those that are. */
uint32_t places_choose(const struct places *p, uint32_t waiting, uint32_t coming);

void places_take(struct places *p, uint32_t at);
void places_give_back(struct places *p, uint32_t at, bool was_stopping);
/* It gets nothing any more; what is in flight there may end. It keeps its slots, but they don't count. */
void places_leave(struct places *p, uint32_t at);
/* Its slots are gone; what is in flight there is still answered. */
void places_lose(struct places *p, uint32_t at);
void places_free(struct places *p);

#endif
