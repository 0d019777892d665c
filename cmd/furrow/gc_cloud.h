/* gc_cloud: gc in the regions of an account, side by side: what has furrow's tags and nobody is at, and
 * what is old in the stores. */
#ifndef FURROW_GC_CLOUD_H
#define FURROW_GC_CLOUD_H

#include "cmd/furrow/leftovers.h"
#include "cmd/furrow/options.h"
#include "planner/observed.h"
#include "providers/fleet/inventory.h"
#include "providers/store/store.h"

struct gc_region {
	struct str name;
	bool far; /* the manifest has its store elsewhere: only instances and groups are looked for */
	struct inventory *inventory; /* NULL: not opened */
	struct store_gc results;
	struct str results_stay; /* why results were not looked through; absent: they were */
	int rc;			 /* of reading, then of removing */
	struct error err;
};

struct gc_cloud {
	struct gc_region *regions;
	size_t n;
	struct inventory_locks *locks;	 /* of all of them */
	const struct manifest *manifest; /* NULL: none */
	struct str results;		 /* of the manifest; absent, a path, or s3://… */
	struct inventory_ages ages;
	bool dry;
};

/* Which regions: those of --region, all with --all-regions (a call), else the manifest's when it says
 * aws, else none. */
int gc_cloud_regions(
	struct gc_cloud *c, struct arena *a, const struct options *o, struct error *err);
/* What is there, and what of it stays; each region's rc tells how that went. Adds what goes. */
void gc_cloud_read(struct gc_cloud *c, struct arena *a, struct leftovers *left);
/* Also old results. dry: only counts these. collected: of `results`, when that is a path. */
void gc_cloud_remove(struct gc_cloud *c, const struct collected *collected, size_t n_collected);
void gc_cloud_close(struct gc_cloud *c);

#endif
