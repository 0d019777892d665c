/* permissions: calls with DryRun, which EC2 answers with DryRunOperation when they would be allowed, and reads
 * that change nothing anyway. */
#include "providers/doctor/internal.h"

#include "providers/aws/ec2_parts.h"
#include "providers/aws/prices_parts.h"

#include <stdio.h>

/* Of no instance: EC2 looks at permissions, then at ids. */
#define NO_INSTANCE "i-00000000000000000"

static void
tell(struct doctor_findings *f, const char *permission, const char *code, int rc,
	const struct error *err)
{
	const struct str tried = str_from(permission);

	/* A group in use is told of after the permission was asked for. */
	if (rc == 0 || strcmp(code, "DryRunOperation") == 0 ||
		strcmp(code, "DependencyViolation") == 0)
		doctor_add(f, "permission", DOCTOR_OK, tried, "allowed");
	else if (err->class == CLASS_DENIED)
		doctor_add_error(f, "permission", DOCTOR_FAIL, tried, err);
	else
		doctor_add_error(f, "permission", DOCTOR_WARN, tried, err);
}

/* Frees the query. */
static void
ask(struct doctor *d, struct doctor_findings *f, struct query *q)
{
	struct arena scratch = {0};
	struct aws_answer answer = {0};
	const struct xml *root;
	char permission[64];
	struct error err;
	int rc;

	query_add_bool(q, true, "DryRun");
	rc = query_call(d->aws, &scratch, q, &root, &answer, &err);
	snprintf(permission, sizeof(permission), "ec2:%s", q->action);
	tell(f, permission, answer.code, rc, &err);
	query_free(q);
	arena_free(&scratch);
}

void
doctor_reads(struct doctor *d, struct doctor_findings *f)
{
	static const char *const actions[] = {"DescribeInstances", "DescribeInstanceTypes",
		"DescribeImages", "DescribeSubnets", "DescribeSecurityGroups",
		"DescribeAvailabilityZones", "DescribeInstanceTypeOfferings"};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct query q = {.service = AWS_EC2, .action = actions[i]};

		ask(d, f, &q);
	}
}

/* Prices that are not to be had are assumed, so it goes on without. */
void
doctor_prices(struct doctor *d, struct doctor_findings *f)
{
	struct query spot = {.service = AWS_EC2, .action = "DescribeSpotPriceHistory"};
	struct doctor_finding *last;
	struct error err;
	int rc = price_list_may_ask(d->aws, str_from(aws_region(d->aws)), &err);

	if (rc == 0)
		doctor_add(f, "permission", DOCTOR_OK, STR("pricing:GetProducts"), "allowed");
	else
		doctor_advise(f,
			doctor_add_error(
				f, "permission", DOCTOR_WARN, STR("pricing:GetProducts"), &err),
			"until then prices on demand are not known, and no max_cost or "
			"max_hourly_cost can be kept to");
	ask(d, f, &spot);
	last = &f->v[f->n - 1];
	if (last->verdict == DOCTOR_FAIL) {
		last->verdict = DOCTOR_WARN;
		doctor_advise(f, last,
			"until then spot prices are not known, and what has none is taken last");
	}
}

static struct pair
job_tag(const struct doctor *d)
{
	return (struct pair){STR("furrow:job"), d->manifest->name};
}

/* An instance of the job that is there; "": none. */
static struct str
an_instance(struct doctor *d, struct arena *a)
{
	struct pair filters[] = {{STR("tag:furrow:job"), d->manifest->name},
		{STR("instance-state-name"), STR("pending,running")}};
	const struct pairs wanted = {.v = filters, .n = 2};
	struct ec2_instance *found;
	size_t n;

	if (ec2_describe_instances(d->aws, a, (struct str){0}, NULL, &wanted, &found, &n, NULL) <
			0 ||
		!n)
		return STR("");
	return found[0].id;
}

/* With no instance of the job's, a policy by tags refuses, as it should. */
static void
ask_terminate(struct doctor *d, struct doctor_findings *f)
{
	struct query q = {.service = AWS_EC2, .action = "TerminateInstances"};
	struct arena scratch = {0};
	struct str id = an_instance(d, &scratch), tried = STR("ec2:TerminateInstances");
	struct aws_answer answer = {0};
	const struct xml *root;
	struct error err;
	int rc;

	query_add(&q, id.n ? id : STR(NO_INSTANCE), "InstanceId.1");
	query_add_bool(&q, true, "DryRun");
	rc = query_call(d->aws, &scratch, &q, &root, &answer, &err);
	if (rc < 0 && strncmp(answer.code, "InvalidInstanceID", 17) == 0)
		doctor_add(
			f, "permission", DOCTOR_OK, tried, "not refused, for an id that is none");
	else if (rc < 0 && err.class == CLASS_DENIED && !id.n)
		doctor_advise(f, doctor_add_error(f, "permission", DOCTOR_WARN, tried, &err),
			"when the policy allows it by tags all is well: this was an id that is "
			"none, as no instance of the job is there; ask again when one is");
	else
		tell(f, tried.p, answer.code, rc, &err);
	query_free(&q);
	arena_free(&scratch);
}

/* group absent: there is none yet, and EC2 counts on the default one, which a policy by tags shuts out. */
static void
ask_launch(struct doctor *d, struct doctor_findings *f, struct str group)
{
	const struct instances *in = &d->manifest->instances;
	struct pair tag = job_tag(d);
	struct arena scratch = {0};
	struct ec2_instance made;
	const struct ec2_launch l = {.token = STR("furrow-doctor"),
		.image = d->image.id,
		.root_device = d->image.root_device,
		.type = d->offer.type,
		.spot = d->offer.spot,
		.subnet = d->subnets[0].id,
		.zone = d->subnets[0].zone,
		.group = group,
		.public_address = d->subnets[0].public_address,
		.disk_bytes = in->disk.size_bytes,
		.disk_warm_bytes_per_s = in->disk.warm_bytes_per_s,
		.tags = {&tag, 1}};
	struct error err;
	struct str tried = STR("ec2:RunInstances, ec2:CreateTags");
	int rc = ec2_run_instance(d->aws, &scratch, &l, true, &made, NULL, &err);

	if (rc == 0)
		doctor_add(f, "permission", DOCTOR_OK, tried, "allowed, with these tags");
	else if (!group.p && err.class == CLASS_DENIED && strstr(err.message, ":security-group/"))
		doctor_add(f, "permission", DOCTOR_OK, tried,
			"allowed but for the default security group, which is not used");
	else
		doctor_add_error(f, "permission",
			err.class == CLASS_CAPACITY ? DOCTOR_WARN : DOCTOR_FAIL, tried, &err);
	arena_free(&scratch);
}

static void
ask_make_group(struct doctor *d, struct doctor_findings *f, struct str name)
{
	struct query q = {.service = AWS_EC2, .action = "CreateSecurityGroup"};
	struct pair tag = job_tag(d);

	query_add(&q, name, "GroupName");
	query_add(&q, STR("furrow: SSH from where jobs are applied"), "GroupDescription");
	query_add(&q, d->subnets[0].vpc, "VpcId");
	query_add(&q, STR("security-group"), "TagSpecification.1.ResourceType");
	query_add(&q, tag.name, "TagSpecification.1.Tag.1.Key");
	query_add(&q, tag.value, "TagSpecification.1.Tag.1.Value");
	ask(d, f, &q);
}

static void
ask_change_group(struct doctor *d, struct doctor_findings *f, struct str group)
{
	struct query in = {.service = AWS_EC2, .action = "AuthorizeSecurityGroupIngress"};
	struct query gone = {.service = AWS_EC2, .action = "DeleteSecurityGroup"};

	ec2_ingress_params(&in, group, STR("192.0.2.1/32")); /* of no machine: RFC 5737 */
	ask(d, f, &in);
	query_add(&gone, group, "GroupId");
	ask(d, f, &gone);
}

void
doctor_launch(struct doctor *d, struct doctor_findings *f)
{
	struct arena scratch = {0};
	struct ec2_group group = {0};
	struct str name = arena_printf(&scratch, "furrow-%.*s", STR_ARG(d->manifest->name));
	struct error err;
	int rc = ERR_MISSING;

	ask_terminate(d, f);
	if (d->n_subnets)
		rc = ec2_find_group(d->aws, &scratch, d->subnets[0].vpc, name, &group, &err);
	if (rc == 0)
		ask_change_group(d, f, group.id);
	else if (d->n_subnets && rc == ERR_MISSING)
		ask_make_group(d, f, name);
	/* What lacks was told. */
	if (d->n_subnets && d->has_offer && d->image.id.p)
		ask_launch(d, f, group.id);
	arena_free(&scratch);
}
