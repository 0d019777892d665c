/* ec2_describe: instances as EC2 tells of them. Ids are asked for by filter: so one that EC2 doesn't
 * know, or doesn't know yet, is left out of the answer instead of failing all of it, and pages work. */
#include "providers/aws/ec2_parts.h"

#include <time.h>

const char *
ec2_state_name(enum ec2_state s)
{
	switch (s) {
	case EC2_PENDING:
		return "pending";
	case EC2_RUNNING:
		return "running";
	case EC2_SHUTTING_DOWN:
		return "shutting-down";
	case EC2_TERMINATED:
		return "terminated";
	case EC2_STOPPING:
		return "stopping";
	case EC2_STOPPED:
		return "stopped";
	}
	return "unknown";
}

struct str
ec2_tag_of(const struct pairs *tags, const char *name)
{
	for (size_t i = 0; i < tags->n; i++) {
		if (str_is(tags->v[i].name, name))
			return tags->v[i].value;
	}
	return (struct str){0};
}

struct str
ec2_tag(const struct ec2_instance *i, const char *name)
{
	return ec2_tag_of(&i->tags, name);
}

int64_t
ec2_parse_time(struct str text)
{
	char copy[40] = "";
	struct tm tm = {0};
	const char *rest;

	if (text.n >= sizeof(copy))
		return 0;
	if (text.n)
		memcpy(copy, text.p, text.n);
	rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		return 0;
	return (int64_t)timegm(&tm) * NS_PER_S;
}

struct pairs
ec2_parse_tags(struct arena *a, const struct xml *set)
{
	const struct xml *first = xml_at(set, "item");
	struct pairs tags = {0};

	for (const struct xml *t = first; t; t = xml_next(t))
		tags.n++;
	tags.v = ARENA_ARRAY(a, struct pair, tags.n);
	tags.n = 0;
	for (const struct xml *t = first; t; t = xml_next(t))
		tags.v[tags.n++] = (struct pair){
			arena_str(a, xml_text(t, "key")), arena_str(a, xml_text(t, "value"))};
	return tags;
}

static struct str
text_of(struct arena *a, const struct xml *item, const char *path)
{
	struct str s = xml_text(item, path);

	return s.n ? arena_str(a, s) : (struct str){0};
}

void
ec2_parse_instance(struct arena *a, const struct xml *item, struct ec2_instance *out)
{
	*out = (struct ec2_instance){
		.id = text_of(a, item, "instanceId"),
		.type = text_of(a, item, "instanceType"),
		.zone = text_of(a, item, "placement/availabilityZone"),
		.image = text_of(a, item, "imageId"),
		.subnet = text_of(a, item, "subnetId"),
		.client_token = text_of(a, item, "clientToken"),
		.public_address = text_of(a, item, "ipAddress"),
		.private_address = text_of(a, item, "privateIpAddress"),
		.reason_code = text_of(a, item, "stateReason/code"),
		.reason = text_of(a, item, "stateReason/message"),
		/* The high byte is EC2's own. */
		.state = (enum ec2_state)(xml_int(item, "instanceState/code", 0) & 0xff),
		.spot = str_is(xml_text(item, "instanceLifecycle"), "spot"),
		.launched_wall_ns = ec2_parse_time(xml_text(item, "launchTime")),
		.tags = ec2_parse_tags(a, xml_at(item, "tagSet")),
	};
	if (!out->reason.p)
		out->reason = text_of(a, item, "reason");
}

/* Of a DescribeInstances answer: adds to a list of struct ec2_instance. */
static void
parse_reservations(struct arena *a, const struct xml *root, struct ec2_list *list)
{
	const struct xml *r = xml_at(root, "reservationSet/item");

	for (; r; r = xml_next(r)) {
		const struct xml *i = xml_at(r, "instancesSet/item");

		for (; i; i = xml_next(i)) {
			if (xml_text(i, "instanceId").n)
				ec2_parse_instance(
					a, i, ec2_list_add(a, list, sizeof(struct ec2_instance)));
		}
	}
}

struct describing {
	struct aws *aws;
	struct arena *arena;
	struct str region;
	struct ec2_list found;
};

static int
add_page(void *ctx, const struct xml *root, struct error *err)
{
	struct describing *d = ctx;

	(void)err;
	parse_reservations(d->arena, root, &d->found);
	return 0;
}

static int
describe_once(struct describing *d, const struct ec2_filter *filters, size_t n, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeInstances", .region = d->region};
	int rc;

	query_add_int(&q, 1000, "MaxResults");
	for (size_t i = 0; i < n; i++)
		ec2_add_filter(&q, i + 1, &filters[i]);
	rc = ec2_each_page(d->aws, NULL, &q, add_page, d, err);
	query_free(&q);
	return rc;
}

/* A filter with more values than EC2 takes is asked in parts. */
static int
describe(struct describing *d, struct ec2_filter *filters, size_t n, size_t from, struct error *err)
{
	struct strings all;
	int rc = 0;

	while (from < n && filters[from].values.n <= EC2_FILTER_VALUES)
		from++;
	if (from == n)
		return describe_once(d, filters, n, err);
	all = filters[from].values;
	for (size_t i = 0; i < all.n && rc == 0; i += EC2_FILTER_VALUES) {
		size_t left = all.n - i;

		filters[from].values = (struct strings){
			all.v + i, left < EC2_FILTER_VALUES ? left : EC2_FILTER_VALUES};
		rc = describe(d, filters, n, from + 1, err);
	}
	filters[from].values = all;
	return rc;
}

int
ec2_describe_instances(struct aws *aws, struct arena *a, struct str region,
	const struct strings *ids, const struct pairs *filters, struct ec2_instance **out,
	size_t *n, struct error *err)
{
	struct describing d = {.aws = aws, .arena = a, .region = region};
	size_t n_filters = ids ? 1 : filters->n;
	struct ec2_filter *split = ARENA_ARRAY(a, struct ec2_filter, n_filters);
	int rc;

	*out = NULL;
	*n = 0;
	if (ids && !ids->n)
		return 0;
	if (ids)
		split[0] = (struct ec2_filter){STR("instance-id"), *ids};
	for (size_t i = 0; !ids && i < n_filters; i++)
		split[i] =
			(struct ec2_filter){filters->v[i].name, ec2_split(a, filters->v[i].value)};
	rc = describe(&d, split, n_filters, 0, err);
	if (rc < 0)
		return rc;
	*out = d.found.v;
	*n = d.found.n;
	return 0;
}
