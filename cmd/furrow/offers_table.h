/* offers_table: ranked offers for people and for programs. */
#ifndef FURROW_OFFERS_TABLE_H
#define FURROW_OFFERS_TABLE_H

#include "planner/plan.h"

struct offers_shown {
	struct str job; /* absent: none, they are for wishes alone */
	const struct fleet *fleet;
	struct offer *offers; /* ranked */
	size_t n;
	size_t most;	     /* to show of them */
	uint32_t n_tasks;    /* that are to run */
	uint32_t n_launched; /* that an apply would launch, of the first */
};

/* A line for each type, market and price; its zones stand together. */
void offers_add_table(struct buf *b, const struct offers_shown *s, bool color);

/* {"furrow_offers":1,"job":…|null,"region":…,"n_offers":…,"prices_missing":…|null,
 *  "offers":[{"rank":…,"chosen":…,"type":…,"zone":…,"region":…,"market":…,"cpus":…,"memory_bytes":…,"gpus":…,
 *             "gpu":…|null,"slots":…,"hourly_usd":…|null,"slot_hourly_usd":…|null,…}]}: as a plan's, and more. */
void offers_add_json(struct buf *b, const struct offers_shown *s);

#endif
