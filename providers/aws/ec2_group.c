/* ec2_group: the security group of furrow's instances: who reaches port 22. Made when missing, told
 * apart by its name in its VPC, which EC2 keeps unique. */
#include "providers/aws/ec2_parts.h"

enum { SSH_PORT = 22 };
/* How long EC2 may take to know its own new group. */
#define NEW_GROUP_NS (60 * NS_PER_S)

static bool
lets_ssh_in(const struct xml *permission)
{
	struct str protocol = xml_text(permission, "ipProtocol");

	if (str_is(protocol, "-1"))
		return true;
	return str_is(protocol, "tcp") && xml_int(permission, "fromPort", 65536) <= SSH_PORT &&
	       xml_int(permission, "toPort", -1) >= SSH_PORT;
}

static void
add_ranges(struct arena *a, struct ec2_list *list, const struct xml *range, const char *name)
{
	for (; range; range = xml_next(range)) {
		struct str cidr = xml_text(range, name);

		if (cidr.n)
			*(struct str *)ec2_list_add(a, list, sizeof(cidr)) = arena_str(a, cidr);
	}
}

void
ec2_parse_group(struct arena *a, const struct xml *item, struct ec2_group *out)
{
	const struct xml *p = xml_at(item, "ipPermissions/item");
	struct ec2_list cidrs = {0};

	for (; p; p = xml_next(p)) {
		if (!lets_ssh_in(p))
			continue;
		add_ranges(a, &cidrs, xml_at(p, "ipRanges/item"), "cidrIp");
		add_ranges(a, &cidrs, xml_at(p, "ipv6Ranges/item"), "cidrIpv6");
	}
	*out = (struct ec2_group){.id = arena_str(a, xml_text(item, "groupId")),
		.name = arena_str(a, xml_text(item, "groupName")),
		.cidrs = {cidrs.v, cidrs.n},
		.tags = ec2_parse_tags(a, xml_at(item, "tagSet"))};
}

struct finding {
	struct arena *arena;
	struct ec2_list found;
};

static int
add_page(void *ctx, const struct xml *root, struct error *err)
{
	struct finding *f = ctx;
	const struct xml *item = xml_at(root, "securityGroupInfo/item");

	(void)err;
	for (; item; item = xml_next(item))
		ec2_parse_group(f->arena, item,
			ec2_list_add(f->arena, &f->found, sizeof(struct ec2_group)));
	return 0;
}

int
ec2_find_group(struct aws *aws, struct arena *a, struct str vpc, struct str name,
	struct ec2_group *out, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeSecurityGroups"};
	struct finding f = {.arena = a};
	int rc;

	*out = (struct ec2_group){0};
	ec2_add_filter1(&q, 1, "vpc-id", vpc);
	ec2_add_filter1(&q, 2, "group-name", name);
	rc = ec2_each_page(aws, NULL, &q, add_page, &f, err);
	query_free(&q);
	if (rc < 0)
		return rc;
	if (!f.found.n)
		return error_set(err, ERR_MISSING, "no security group '%.*s' in %.*s",
			STR_ARG(name), STR_ARG(vpc));
	*out = *(struct ec2_group *)f.found.v;
	return 0;
}

int
ec2_list_groups(struct aws *aws, struct arena *a, struct str region, struct ec2_group **out,
	size_t *n, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeSecurityGroups", .region = region};
	struct finding f = {.arena = a};
	int rc;

	query_add_int(&q, 1000, "MaxResults");
	ec2_add_filter1(&q, 1, "tag-key", STR("furrow:job"));
	rc = ec2_each_page(aws, NULL, &q, add_page, &f, err);
	query_free(&q);
	*out = rc == 0 ? f.found.v : NULL;
	*n = rc == 0 ? f.found.n : 0;
	return rc;
}

static int
create(struct aws *aws, struct arena *a, struct str vpc, struct str name, const struct pairs *tags,
	struct str *id, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "CreateSecurityGroup"};
	struct aws_answer answer = {0};
	const struct xml *root;
	struct ec2_group there;
	int rc;

	query_add(&q, vpc, "VpcId");
	query_add(&q, name, "GroupName");
	query_add(&q, STR("furrow: SSH from where it is applied"), "GroupDescription");
	query_add(&q, STR("security-group"), "TagSpecification.1.ResourceType");
	for (size_t i = 0; i < tags->n; i++) {
		query_add(&q, tags->v[i].name, "TagSpecification.1.Tag.%zu.Key", i + 1);
		query_add(&q, tags->v[i].value, "TagSpecification.1.Tag.%zu.Value", i + 1);
	}
	rc = query_call(aws, a, &q, &root, &answer, err);
	query_free(&q);
	if (rc == 0) {
		*id = arena_str(a, xml_text(root, "groupId"));
		return id->n ? 0
			     : error_set(err, ERR_HOST,
				       "ec2 CreateSecurityGroup %.*s: the answer names no group",
				       STR_ARG(name));
	}
	if (strcmp(answer.code, "InvalidGroup.Duplicate") != 0)
		return rc;
	/* Another furrow was faster, or our own first answer was lost. */
	rc = ec2_find_group(aws, a, vpc, name, &there, err);
	*id = there.id;
	return rc;
}

void
ec2_ingress_params(struct query *q, struct str group, struct str cidr)
{
	const char *permission = "IpPermissions.1";

	query_add(q, group, "GroupId");
	query_add(q, STR("tcp"), "%s.IpProtocol", permission);
	query_add_int(q, SSH_PORT, "%s.FromPort", permission);
	query_add_int(q, SSH_PORT, "%s.ToPort", permission);
	if (memchr(cidr.p, ':', cidr.n))
		query_add(q, cidr, "%s.Ipv6Ranges.1.CidrIpv6", permission);
	else
		query_add(q, cidr, "%s.IpRanges.1.CidrIp", permission);
}

static int
let_in(struct aws *aws, struct arena *a, struct str group, struct str cidr, struct error *err)
{
	struct ec2_patience p = ec2_patience(NEW_GROUP_NS);

	for (;;) {
		struct query q = {.service = AWS_EC2, .action = "AuthorizeSecurityGroupIngress"};
		struct aws_answer answer = {0};
		const struct xml *root;
		int rc;

		ec2_ingress_params(&q, group, cidr);
		rc = query_call(aws, a, &q, &root, &answer, err);
		query_free(&q);
		if (rc == 0 || strcmp(answer.code, "InvalidPermission.Duplicate") == 0)
			return 0;
		if (strcmp(answer.code, "InvalidGroup.NotFound") != 0 || !ec2_wait(&p))
			return rc;
	}
}

static bool
has_cidr(const struct ec2_group *g, struct str cidr)
{
	for (size_t i = 0; i < g->cidrs.n; i++) {
		if (str_eq(g->cidrs.v[i], cidr))
			return true;
	}
	return false;
}

static void
add_cidr(struct arena *a, struct ec2_group *g, struct str cidr)
{
	struct str *v = ARENA_ARRAY(a, struct str, g->cidrs.n + 1);

	if (g->cidrs.n)
		memcpy(v, g->cidrs.v, g->cidrs.n * sizeof(*v));
	v[g->cidrs.n] = arena_str(a, cidr);
	g->cidrs = (struct strings){v, g->cidrs.n + 1};
}

int
ec2_make_group(struct aws *aws, struct arena *a, struct str vpc, struct str name,
	const struct pairs *tags, struct str cidr, struct ec2_group *out, struct error *err)
{
	int rc = ec2_find_group(aws, a, vpc, name, out, err);

	if (rc == ERR_MISSING)
		rc = create(aws, a, vpc, name, tags, &out->id, err);
	if (rc < 0 || has_cidr(out, cidr))
		return rc;
	rc = let_in(aws, a, out->id, cidr, err);
	if (rc < 0)
		return rc;
	add_cidr(a, out, cidr);
	return 0;
}

int
ec2_delete_group(struct aws *aws, struct arena *a, struct str region, struct str id,
	int64_t timeout_ns, struct error *err)
{
	struct ec2_patience p = ec2_patience(timeout_ns);

	for (;;) {
		struct query q = {
			.service = AWS_EC2, .action = "DeleteSecurityGroup", .region = region};
		struct aws_answer answer = {0};
		const struct xml *root;
		int rc;

		query_add(&q, id, "GroupId");
		rc = query_call(aws, a, &q, &root, &answer, err);
		query_free(&q);
		if (rc == 0 || strcmp(answer.code, "InvalidGroup.NotFound") == 0)
			return 0;
		if (strcmp(answer.code, "DependencyViolation") != 0)
			return rc;
		if (!ec2_wait(&p)) {
			error_wrap(err, "an instance or network interface still uses it");
			return rc;
		}
	}
}
