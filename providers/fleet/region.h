/* region: one of the regions that a job's instances may be in: what was read of it, and asking it. The first of a
 * site's is its home, where the store is; most jobs have no other. */
#ifndef FURROW_FLEET_REGION_H
#define FURROW_FLEET_REGION_H

#include "planner/regions.h"
#include "providers/aws/ec2.h"
#include "providers/aws/prices.h"

struct fleet_site;

/* A type, and the wish that it fits: of `instances`, or of one of its any_of. */
struct fit {
	const struct ec2_type *type;
	const struct instances *wish;
};

/* What is read of each region, side by side, into an arena of its own. */
enum region_read {
	REGION_NETWORK,
	REGION_TYPES,
	REGION_PRICES,
	REGION_ZONES,
	REGION_HOSTS,
	REGION_READS
};

struct region {
	struct fleet_site *site;
	const struct region_wish *wish;
	struct aws *aws;
	struct arena reads[REGION_READS];
	struct str away[REGION_READS]; /* why it is left out: it did not answer; absent: it did */
	bool asked, bad; /* under the site's lock: whether it is a region, once that is in doubt */
	struct error why;
	struct ec2_subnet *subnets;
	size_t n_subnets;
	struct ec2_group group; /* id absent: none yet */
	bool group_ready;
	struct fit *fits; /* types that a new instance may be of */
	size_t n_fits;
	struct error unfit; /* why some wish has none here; code ERR_NONE: each has */
	struct ec2_prices prices;
	struct ec2_offering *offerings; /* none: not known */
	size_t n_offerings;
	struct ec2_interruption *interruptions;
	size_t n_interruptions;
	struct str zones_missing; /* why offerings are not known; absent: they are */
	struct ec2_image image;
	struct ec2_instance *found; /* of the job, that run or are about to */
	size_t n_found;
};

/* The manifest's regions, home first, each with a client. ERR_INPUT: settings are wrong. */
int regions_open(struct fleet_site *s, struct error *err);
void regions_close(struct fleet_site *s);

/* Of an offer; absent: home. */
struct region *region_named(struct fleet_site *s, struct str name);

/* Calls read for each region that may get instances (all: for each), side by side, with the arena of `what`. The
 * first failure in their order, told with its place in the manifest when the region is none. */
int regions_read(struct fleet_site *s, bool all, enum region_read what,
	int (*read)(struct region *r, struct arena *a, struct error *err), struct error *err);

/* Whether the region is none, asked once, when a call has failed: then *err says so, at its place. */
bool region_explain(struct region *r, struct arena *a, struct error *err);

/* For a read that failed with rc. 0: it is another region than home, which has not answered: it is left out, and `away`
 * says why. Else err->code. */
int region_left_out(
	struct region *r, enum region_read what, struct arena *a, int rc, struct error *err);

/* Why no instance is launched there, after its network and types were read; absent: some may be. */
struct str region_is_away(const struct region *r);

/* Whether there is more than one. */
bool regions_are_many(const struct fleet_site *s);

#endif
