/* units_meant: what was probably meant by a text that is no quantity. Part of units; a proposal
 * holds only when the strict reader takes it. */
#ifndef FURROW_UNITS_MEANT_H
#define FURROW_UNITS_MEANT_H

#include "planner/units.h"

/* A text under construction; `bad`: it makes no proposal. */
struct meant {
	char text[sizeof(((struct unit_problem *)0)->proposal)];
	size_t n;
	bool bad;
};

typedef void (*meant_fn)(struct str s, struct meant *d);

void meant_duration(struct str s, struct meant *d);
void meant_size(struct str s, struct meant *d);
void meant_rate(struct str s, struct meant *d);
void meant_count(struct str s, struct meant *d);
void meant_money(struct str s, struct meant *d);
void meant_count_range(struct str s, struct meant *d);
void meant_size_range(struct str s, struct meant *d);

struct str meant_str(const struct meant *d);

#endif
