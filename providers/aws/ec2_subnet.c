/* ec2_subnet: where instances go: regions, zones, and the subnets that launches name. */
#include "providers/aws/ec2_parts.h"

#include <stdlib.h>

/* Where the list of regions is asked for: one that every account of the partition has, so that a
 * region that isn't one gets an answer as well. */
static struct str
home_region(struct str region)
{
	if (str_starts(region, STR("cn-")))
		return STR("cn-north-1");
	if (str_starts(region, STR("us-gov-")))
		return STR("us-gov-west-1");
	if (str_starts(region, STR("eusc-")))
		return STR("eusc-de-east-1");
	return STR("us-east-1");
}

static struct strings
texts_of(struct arena *a, const struct xml *first, const char *path)
{
	struct ec2_list list = {0};

	for (; first; first = xml_next(first))
		*(struct str *)ec2_list_add(a, &list, sizeof(struct str)) =
			arena_str(a, xml_text(first, path));
	return (struct strings){list.v, list.n};
}

/* regionInfo's first item. all: those too that the account has not enabled. */
static int
ask_regions(struct aws *aws, struct arena *a, bool all, const struct xml **first, struct error *err)
{
	struct query q = {.service = AWS_EC2,
		.action = "DescribeRegions",
		.region = home_region(str_from(aws_region(aws)))};
	const struct xml *root;
	int rc;

	if (all)
		query_add_bool(&q, true, "AllRegions");
	rc = query_call(aws, a, &q, &root, NULL, err);
	query_free(&q);
	*first = rc == 0 ? xml_at(root, "regionInfo/item") : NULL;
	return rc;
}

int
ec2_regions(struct aws *aws, struct arena *a, struct strings *out, struct error *err)
{
	const struct xml *first;
	int rc = ask_regions(aws, a, false, &first, err);

	*out = (struct strings){0};
	if (rc < 0)
		return rc;
	*out = texts_of(a, first, "regionName");
	return 0;
}

int
ec2_check_region(struct aws *aws, struct arena *a, struct str region, struct error *err)
{
	const struct xml *first, *r;
	struct strings known;
	int rc = ask_regions(aws, a, true, &first, err);

	if (rc < 0)
		return rc;
	for (r = first; r && !str_eq(xml_text(r, "regionName"), region); r = xml_next(r))
		;
	if (r && str_is(xml_text(r, "optInStatus"), "not-opted-in"))
		return error_set(err, ERR_INPUT,
			"region %.*s is not enabled for this account: enable it in the account's "
			"settings, or with `aws account enable-region --region-name %.*s`",
			STR_ARG(region), STR_ARG(region));
	if (r)
		return 0;
	known = texts_of(a, first, "regionName");
	return ec2_unknown(a, err, "region", region, "in AWS", &known);
}

struct finding {
	struct arena *arena;
	struct ec2_list found;
};

static int64_t
count_of(struct str text)
{
	int64_t n;

	return str_to_i64(text, &n) && n >= 0 ? n : -1;
}

static int
add_page(void *ctx, const struct xml *root, struct error *err)
{
	struct finding *f = ctx;
	const struct xml *item = xml_at(root, "subnetSet/item");

	(void)err;
	for (; item; item = xml_next(item))
		*(struct ec2_subnet *)ec2_list_add(
			f->arena, &f->found, sizeof(struct ec2_subnet)) = (struct ec2_subnet){
			.id = arena_str(f->arena, xml_text(item, "subnetId")),
			.vpc = arena_str(f->arena, xml_text(item, "vpcId")),
			.zone = arena_str(f->arena, xml_text(item, "availabilityZone")),
			.public_address = str_is(xml_text(item, "mapPublicIpOnLaunch"), "true"),
			.free_addresses = count_of(xml_text(item, "availableIpAddressCount")),
		};
	return 0;
}

static int
not_in_zone(struct aws *aws, struct arena *a, struct str zone, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeAvailabilityZones"};
	struct strings known;
	const struct xml *root;
	int rc = query_call(aws, a, &q, &root, NULL, err);

	query_free(&q);
	if (rc < 0)
		return rc;
	known = texts_of(a, xml_at(root, "availabilityZoneInfo/item"), "zoneName");
	for (size_t i = 0; i < known.n; i++) {
		if (str_eq(known.v[i], zone))
			return error_set(err, ERR_INPUT,
				"zone %.*s has no default subnet: make one with `aws ec2 "
				"create-default-subnet --availability-zone %.*s`, name another "
				"zone, or a subnet of yours in FURROW_SUBNET",
				STR_ARG(zone), STR_ARG(zone));
	}
	return ec2_unknown(a, err, "zone", zone,
		arena_printf(a, "in %s, or none that this account may use", aws_region(aws)).p,
		&known);
}

static int
no_subnet(struct aws *aws, struct arena *a, struct str zone, struct error *err)
{
	if (zone.p)
		return not_in_zone(aws, a, zone, err);
	return error_set(err, ERR_INPUT,
		"%s has no default VPC for instances to be in: make it with `aws ec2 "
		"create-default-vpc --region %s`, or name a subnet of yours in FURROW_SUBNET",
		aws_region(aws), aws_region(aws));
}

static int
by_zone(const void *a, const void *b)
{
	const struct ec2_subnet *x = a, *y = b;

	return str_cmp(x->zone, y->zone);
}

/* The user's own subnets, of which those of this region count: they share a security group. */
static int
named_subnets(
	struct aws *aws, struct str ids, struct str zone, struct finding *f, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeSubnets"};
	const struct ec2_filter filter = {STR("subnet-id"), ec2_split(f->arena, ids)};
	struct ec2_subnet *v;
	size_t n = 0;
	int rc;

	ec2_add_filter(&q, 1, &filter);
	rc = ec2_each_page(aws, NULL, &q, add_page, f, err);
	query_free(&q);
	if (rc < 0)
		return rc;
	if (!f->found.n)
		return error_set(err, ERR_INPUT,
			"FURROW_SUBNET: no subnet '%.*s' in %s; `aws ec2 describe-subnets` lists "
			"those there are",
			STR_ARG(ids), aws_region(aws));
	v = f->found.v;
	for (size_t i = 0; i < f->found.n; i++) {
		if (!str_eq(v[i].vpc, v[0].vpc))
			return error_set(err, ERR_INPUT,
				"FURROW_SUBNET: %.*s is in %.*s and %.*s in %.*s; those of one "
				"region have to be in one VPC",
				STR_ARG(v[0].id), STR_ARG(v[0].vpc), STR_ARG(v[i].id),
				STR_ARG(v[i].vpc));
		if (!zone.p || str_eq(v[i].zone, zone))
			v[n++] = v[i];
	}
	if (!n)
		return error_set(err, ERR_INPUT,
			"FURROW_SUBNET: %.*s is in %.*s, but the manifest's infra wants %.*s",
			STR_ARG(v[0].id), STR_ARG(v[0].zone), STR_ARG(zone));
	f->found.n = n;
	qsort(v, n, sizeof(*v), by_zone);
	return 0;
}

static int
default_subnets(
	struct aws *aws, struct arena *a, struct str zone, struct finding *f, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeSubnets"};
	int rc;

	ec2_add_filter1(&q, 1, "default-for-az", STR("true"));
	if (zone.p)
		ec2_add_filter1(&q, 2, "availability-zone", zone);
	rc = ec2_each_page(aws, NULL, &q, add_page, f, err);
	query_free(&q);
	if (rc == 0 && !f->found.n)
		return no_subnet(aws, a, zone, err);
	if (rc == 0)
		qsort(f->found.v, f->found.n, sizeof(struct ec2_subnet), by_zone);
	return rc;
}

int
ec2_subnets(struct aws *aws, struct arena *a, struct str zone, struct ec2_subnet **out, size_t *n,
	struct error *err)
{
	struct str named = str_from(getenv("FURROW_SUBNET"));
	struct finding f = {.arena = a};
	int rc = named.n ? named_subnets(aws, named, zone, &f, err)
			 : default_subnets(aws, a, zone, &f, err);

	*out = rc == 0 ? f.found.v : NULL;
	*n = rc == 0 ? f.found.n : 0;
	return rc;
}
