/* cloud_left: what of furrow's is in an account, as destroy and gc show it.
 *
 * Beside {"what","name"} of leftovers.h an item has in JSON: "region", "job"?, and an instance
 * "type","zone","state","spot","run"?,"since"?; an object "bytes","since". */
#ifndef FURROW_CLOUD_LEFT_H
#define FURROW_CLOUD_LEFT_H

#include "cmd/furrow/leftovers.h"
#include "providers/fleet/inventory.h"

/* Whatever is to be removed; the inventory is not read again as long as the list is used. */
void cloud_left_add(struct arena *a, struct leftovers *l, struct inventory *inv);
/* After inventory_remove: what is still there stays. */
void cloud_left_settle(struct leftovers *l);

/* "  m5.large in us-east-2a, running, launched 3 hours ago, of job x". */
void cloud_left_add_words(struct buf *b, const struct inventory_item *item);
void cloud_left_add_members(struct buf *b, const struct inventory_item *item, const char *region);

/* Instances and groups that gc leaves alone, a line each: "= instance i-… …: why". In JSON [{…,"why"},…] without its
 * brackets, so that regions can be put together: n counts over them. */
void cloud_left_write_kept(struct buf *b, struct inventory *inv);
void cloud_left_write_kept_json(struct buf *b, struct inventory *inv, size_t *n);

/* What should have gone and is still there, why, and how to remove it by hand. Returns how many. */
size_t cloud_left_write_problems(struct buf *b, struct inventory *inv);

#endif
