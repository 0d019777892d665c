/* collect_plan: what of a results folder stays, what is new, and what the index says about it; the same
 * for a folder and for a bucket. Pure. */
#ifndef FURROW_STORE_COLLECT_PLAN_H
#define FURROW_STORE_COLLECT_PLAN_H

#include "providers/store/collect.h"
#include "providers/store/collect_index.h"

/* What becomes of one item. */
struct collect_entry {
	const struct collect_item *item;
	bool kept;     /* lies there as it should */
	bool replaces; /* a folder of ours lies there */
	bool changes;  /* there is a new state for the index */
	bool prepared; /* there is a folder to be brought */
	bool unsure;   /* begun, but not finished: stays pending */
	uint32_t number;
};

struct collect_plan {
	const char *where; /* for messages */
	struct collect_index old;
	struct collect_entry *entries; /* sorted by folder */
	size_t n;
};

/* Fills entries. ERR_INPUT: a folder that cannot be one, or two tasks with the same. */
int collect_plan_items(struct collect_plan *p, struct arena *a, const struct collect_item *items,
	size_t n, struct error *err);

/* Decides, against p->old, what is kept and what is new, before anything is written. check_free:
 * ERR_INPUT when something of the user's own lies under a task's name. */
int collect_plan_decide(struct collect_plan *p, uint32_t *n_kept,
	int (*check_free)(void *ctx, struct str folder, struct error *err), void *ctx,
	struct error *err);

/* The old index with what changed: pending, or as it is now. */
struct collect_index collect_plan_merge(
	const struct collect_plan *p, struct arena *a, bool pending);

#endif
