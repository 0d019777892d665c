/* regions: the regions that a manifest names: where its store is, and where its instances may be. Pure. */
#ifndef FURROW_REGIONS_H
#define FURROW_REGIONS_H

#include "planner/manifest.h"

struct region_wish {
	struct str name;
	struct str key; /* that names it first: "instances.infra", "instances.any_of[1].infra" */
	const struct instances
		*wish; /* of it: `instances` itself, or the first of any_of that is there */
	/* Whose ami and pos_ami are the region's: `instances` itself, or the first there that says its own. */
	const struct instances *image;
	bool launches; /* instances may be launched there; else only the store is */
};

/* Home first, the region of instances.infra, where the store is; then the others as any_of has them. None for
 * infra local. In the arena. */
size_t regions_of(struct arena *a, const struct instances *in, struct region_wish **out);

/* An alternative's, not that of instances.ami. */
bool region_has_own_image(const struct instances *in, const struct instances *one);

#endif
