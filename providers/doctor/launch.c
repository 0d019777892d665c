/* launch: what an instance would be, where it would be, and whom it would let in. */
#include "providers/doctor/internal.h"

#include "planner/units.h"

static bool
is_arm64(const struct doctor *d)
{
	return d->manifest->instances.arch == ARCH_ARM64;
}

void
doctor_image(struct doctor *d, struct doctor_findings *f)
{
	const struct instances *in = d->where->image;
	struct arena scratch = {0};
	struct str tried =
		in->ami.p ? in->ami : STR("Amazon Linux 2023, by its public parameter of SSM");
	struct error err;

	if (ec2_find_image(d->aws, f->arena, in, is_arm64(d), d->manifest->environment.image.p,
		    &d->image, &err) < 0) {
		d->image = (struct ec2_image){0};
		doctor_add_error(f, "image", DOCTOR_FAIL, tried, &err);
	} else {
		doctor_add(f, "image", DOCTOR_OK, tried,
			"%.*s (%.*s) for %s, %.*s on %.*s, logs in as %.*s", STR_ARG(d->image.id),
			STR_ARG(d->image.name), is_arm64(d) ? "arm64" : "x86_64",
			STR_ARG(units_format_size(&scratch, d->image.disk_bytes)),
			STR_ARG(d->image.root_device), STR_ARG(d->image.user));
	}
	arena_free(&scratch);
}

/* What `instances.max` of them would be, if that many were wanted: the fleet's offers, the best first. 1: they are
 * there. */
static int
find_offer(struct doctor *d, struct error *err)
{
	struct fleet_site *s = d->fleet;
	const struct instances *in = &d->manifest->instances;
	struct fleet *seen = &s->site.seen.observed.fleet;
	struct offer_need need = {.tasks = (uint32_t)in->max, .max_instances = (uint32_t)in->max};

	if (fleet_read(s, READ_TYPE, err) == STEP_FAILED)
		return err->code;
	if (regions_read(s, false, REGION_NETWORK, fleet_read_subnets, err) < 0)
		return 0; /* the finding on subnets says so */
	if (fleet_read(s, READ_OFFERS, err) == STEP_FAILED)
		return err->code;
	offers_rank(seen->offers, seen->n_offers, &need);
	return 1;
}

void
doctor_take_offer(struct doctor *d)
{
	const struct fleet *seen = d->fleet ? &d->fleet->site.seen.observed.fleet : NULL;

	for (size_t i = 0; seen && i < seen->n_offers && !d->has_offer; i++) {
		d->has_offer = str_eq(seen->offers[i].region, d->where->name);
		if (d->has_offer)
			d->offer = seen->offers[i];
	}
}

void
doctor_type(struct doctor *d, struct doctor_findings *f)
{
	struct str tried = STR("the types of the region against the wishes of the manifest");
	const struct offer *o;
	struct arena scratch = {0};
	struct str missing;
	struct error err;
	int rc;

	if (!d->fleet)
		return; /* the runner's finding says why */
	rc = find_offer(d, &err);
	if (rc < 0) {
		/* That is the image's finding. */
		if (!strstr(err.message, "instances.ami: "))
			doctor_add_error(f, "type", DOCTOR_FAIL, tried, &err);
		return;
	}
	if (rc == 0)
		return;
	o = d->fleet->site.seen.observed.fleet.offers;
	doctor_add(f, "type", DOCTOR_OK, tried, "%.*s, %lld cpus, %.*s, %s an hour",
		STR_ARG(offer_name(&scratch, o)), (long long)o->cpus,
		STR_ARG(units_format_size(&scratch, o->memory_bytes)),
		offer_money(&scratch, offer_hourly_usd(o)).p);
	missing = d->fleet->site.seen.observed.fleet.prices_missing;
	if (missing.p)
		doctor_add(f, "prices", DOCTOR_WARN, STR("the price list and the spot prices"),
			"%.*s", STR_ARG(missing));
	arena_free(&scratch);
}

void
doctor_subnet(struct doctor *d, struct doctor_findings *f)
{
	const struct instances *in = &d->manifest->instances;
	struct str tried = STR("ec2 DescribeSubnets");
	struct doctor_finding *finding;
	int64_t n_free = 0;
	bool told = false;
	struct error err;
	const struct str any = {0}, zone = in->n_any_of ? any : in->infra.zone;

	if (ec2_subnets(d->aws, f->arena, zone, &d->subnets, &d->n_subnets, &err) < 0) {
		doctor_add_error(f, "subnet", DOCTOR_FAIL, tried, &err);
		return;
	}
	for (size_t i = 0; i < d->n_subnets; i++) {
		told |= d->subnets[i].free_addresses >= 0;
		n_free += d->subnets[i].free_addresses > 0 ? d->subnets[i].free_addresses : 0;
	}
	finding = doctor_add(f, "subnet", DOCTOR_OK, tried,
		"%zu in %.*s, from %.*s (%.*s) on: %lld free addresses, %s", d->n_subnets,
		STR_ARG(d->subnets[0].vpc), STR_ARG(d->subnets[0].id), STR_ARG(d->subnets[0].zone),
		(long long)n_free,
		d->subnets[0].public_address ? "public ones for instances"
					     : "no public ones for instances");
	if (told && n_free < in->max) {
		finding->verdict = n_free > 0 || d->many ? DOCTOR_WARN : DOCTOR_FAIL;
		doctor_advise(f, finding,
			"the manifest wants up to %lld instances: free some, or name a larger "
			"subnet in FURROW_SUBNET",
			(long long)in->max);
	} else if (!d->subnets[0].public_address) {
		finding->verdict = DOCTOR_WARN;
		doctor_advise(f, finding,
			"this machine has to reach the private addresses: by a VPN, from within "
			"the VPC; or let the subnet give public addresses");
	}
}

void
doctor_address(struct doctor *d, struct doctor_findings *f)
{
	struct str cidr, tried = STR("this machine's address, as instances would see it");
	struct arena scratch = {0};
	struct error err;

	(void)d;
	if (fleet_ask_caller(&scratch, &cidr, &err) < 0)
		doctor_add_error(f, "address", DOCTOR_FAIL, tried, &err);
	else
		doctor_add(f, "address", DOCTOR_OK, tried, "%.*s: it alone is let in, on port 22",
			STR_ARG(cidr));
	arena_free(&scratch);
}
