/* access: what has to be there before instances can be launched and reached: the bucket that they
 * share with this machine, and in each region a security group that lets this machine in, on port 22 alone. */
#include "providers/fleet/internal.h"

#include "providers/aws/s3.h"

static int
make_bucket(struct fleet_site *s, struct arena *a, struct error *err)
{
	int rc = s3_create_bucket(s->aws, a, s->bucket, err);

	if (rc == 0 && s->lock_run[0])
		rc = fleet_take_lock(s, a, err);
	if (rc == 0 && s->lock_run[0])
		rc = error_set(err, ERR_HOST, "the bucket %.*s was made, but is not found",
			STR_ARG(s->bucket));
	return rc;
}

static int
make_group(struct region *r, struct arena *a, struct error *err)
{
	const struct fleet_site *s = r->site;
	struct pair pairs[] = {{STR("furrow:job"), s->site.config.manifest->name},
		{STR("furrow:store"), s->site.seen.observed.fleet.store}};
	const struct pairs tags = {.v = pairs, .n = pairs[1].value.n <= EC2_TAG_BYTES ? 2 : 1};

	return r->group_ready || !r->n_subnets
		       ? 0
		       : ec2_make_group(r->aws, a, r->subnets[0].vpc, s->group_name, &tags,
				 s->caller_cidr, &r->group, err);
}

int
fleet_access(struct fleet_run *r, struct arena *a, struct error *err)
{
	struct fleet_site *s = r->site;
	const struct fleet *f = &s->site.seen.observed.fleet;
	int rc = fleet_check_lock(s, err);

	if (rc == 0 && !f->bucket_ready)
		rc = make_bucket(s, a, err);
	if (rc == 0 && !f->group_ready)
		rc = regions_read(s, false, REGION_NETWORK, make_group, err);
	return rc;
}
