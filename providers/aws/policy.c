/* policy: statements by what they are for. An action that furrow calls and that is in none of them fails
 * tests/cli/70-policy.sh. */
#include "providers/aws/policy.h"

#include "providers/aws/ecr.h"

#include "planner/base/arena.h"
#include "planner/base/json.h"
#include "providers/aws/endpoint.h"

#define WORDS(...)                \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

struct policy {
	struct buf *out;
	struct arena arena;
	const struct policy_wish *wish;
	const char *partition;
	bool begun;
};

static void
add_words(struct policy *p, const char *name, const char *const *words)
{
	buf_addf(p->out, ",\n      \"%s\": [", name);
	for (size_t i = 0; words[i]; i++) {
		buf_add_cstr(p->out, i ? ",\n        " : "\n        ");
		json_add_string(p->out, str_from(words[i]));
	}
	buf_add_cstr(p->out, "\n      ]");
}

/* condition: as JSON, NULL: none. */
static void
add_statement(struct policy *p, const char *sid, const char *const *actions,
	const char *const *resources, const char *condition)
{
	buf_addf(p->out, "%s\n    {\n      \"Sid\": \"%s\",\n      \"Effect\": \"Allow\"",
		p->begun ? "," : "", sid);
	add_words(p, "Action", actions);
	add_words(p, "Resource", resources);
	if (condition)
		buf_addf(p->out, ",\n      \"Condition\": %s", condition);
	buf_add_cstr(p->out, "\n    }");
	p->begun = true;
}

static const char *
arn(struct policy *p, const char *service, const char *what)
{
	struct str account = p->wish->account.p ? p->wish->account : STR("*");

	return arena_printf(&p->arena, "arn:%s:%s:%.*s:%.*s:%s", p->partition, service,
		STR_ARG(p->wish->region), STR_ARG(account), what)
		.p;
}

/* What AWS itself, or any account, may own. */
static const char *
arn_of_any(struct policy *p, const char *service, const char *account, const char *what)
{
	return arena_printf(&p->arena, "arn:%s:%s:%.*s:%s:%s", p->partition, service,
		STR_ARG(p->wish->region), account, what)
		.p;
}

/* {"StringEquals": {"WHICH/furrow:job": "JOB"}} */
static const char *
of_job(struct policy *p, const char *which)
{
	return arena_printf(&p->arena, "{\"StringEquals\": {\"%s/furrow:job\": \"%.*s\"}}", which,
		STR_ARG(p->wish->job))
		.p;
}

static void
add_looking(struct policy *p)
{
	struct str ami = p->wish->ami;

	add_statement(p, "Look",
		WORDS("ec2:DescribeAvailabilityZones", "ec2:DescribeImages",
			"ec2:DescribeInstances", "ec2:DescribeInstanceTypes",
			"ec2:DescribeInstanceTypeOfferings", "ec2:DescribeRegions",
			"ec2:DescribeSecurityGroups", "ec2:DescribeSpotPriceHistory",
			"ec2:DescribeSubnets", "pricing:GetProducts",
			"servicequotas:GetServiceQuota", "sts:GetCallerIdentity"),
		WORDS("*"), NULL);
	if (ami.p && str_starts(ami, STR("ami-")))
		return;
	add_statement(p, "FindImage", WORDS("ssm:GetParameter"),
		WORDS(!ami.p || str_starts(ami, STR("/aws/service/"))
				? arn_of_any(p, "ssm", "", "parameter/aws/service/*")
				: arn(p, "ssm",
					  arena_printf(&p->arena, "parameter%.*s", STR_ARG(ami))
						  .p)),
		NULL);
}

static void
add_launching(struct policy *p)
{
	const char *made[] = {arn(p, "ec2", "instance/*"), arn(p, "ec2", "volume/*"),
		arn(p, "ec2", "network-interface/*"),
		p->wish->spot ? arn(p, "ec2", "spot-instances-request/*") : NULL, NULL};
	const char *tagged[] = {
		made[0], made[1], made[2], arn(p, "ec2", "security-group/*"), made[3], NULL};

	add_statement(p, "Launch", WORDS("ec2:RunInstances"), made, of_job(p, "aws:RequestTag"));
	add_statement(p, "LaunchFrom", WORDS("ec2:RunInstances"),
		WORDS(arn_of_any(p, "ec2", "", "image/*"), arn(p, "ec2", "subnet/*")), NULL);
	add_statement(p, "LaunchInto", WORDS("ec2:RunInstances"),
		WORDS(arn(p, "ec2", "security-group/*")), of_job(p, "aws:ResourceTag"));
	add_statement(p, "TagWhatIsMade", WORDS("ec2:CreateTags"), tagged,
		arena_printf(&p->arena,
			"{\"StringEquals\": {\"aws:RequestTag/furrow:job\": \"%.*s\", "
			"\"ec2:CreateAction\": [\"RunInstances\", \"CreateSecurityGroup\"]}}",
			STR_ARG(p->wish->job))
			.p);
	add_statement(p, "End", WORDS("ec2:TerminateInstances"), WORDS(made[0]),
		of_job(p, "aws:ResourceTag"));
}

/* An account's first spot request makes a role of EC2's own. */
static void
add_spot_role(struct policy *p)
{
	struct str account = p->wish->account.p ? p->wish->account : STR("*");

	if (!p->wish->spot)
		return;
	add_statement(p, "FirstSpotRequest", WORDS("iam:CreateServiceLinkedRole"),
		WORDS(arena_printf(&p->arena,
			"arn:%s:iam::%.*s:role/aws-service-role/spot.amazonaws.com/*", p->partition,
			STR_ARG(account))
				.p),
		"{\"StringEquals\": {\"iam:AWSServiceName\": \"spot.amazonaws.com\"}}");
}

static void
add_group(struct policy *p)
{
	const char *groups = arn(p, "ec2", "security-group/*");

	add_statement(p, "MakeGroup", WORDS("ec2:CreateSecurityGroup"), WORDS(groups),
		of_job(p, "aws:RequestTag"));
	add_statement(p, "MakeGroupIn", WORDS("ec2:CreateSecurityGroup"),
		WORDS(arn(p, "ec2", "vpc/*")), NULL);
	add_statement(p, "ChangeGroup",
		WORDS("ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup"),
		WORDS(groups), of_job(p, "aws:ResourceTag"));
}

/* The registry asks for what pulling takes, of whoever the login is. */
static void
add_registry(struct policy *p)
{
	struct str account, region, name = p->wish->image;

	if (!name.p || !ecr_is_there(name, &account, &region))
		return;
	str_cut(&name, '/');
	name.n = strcspn(arena_cstr(&p->arena, name), ":@");
	add_statement(p, "LogInToRegistry", WORDS("ecr:GetAuthorizationToken"), WORDS("*"), NULL);
	add_statement(p, "PullContainers",
		WORDS("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage",
			"ecr:GetDownloadUrlForLayer"),
		WORDS(arena_printf(&p->arena, "arn:%s:ecr:%.*s:%.*s:repository/%.*s", p->partition,
			STR_ARG(region), STR_ARG(account), STR_ARG(name))
				.p),
		NULL);
}

static const char *
bucket_arn(struct policy *p, const struct policy_place *place)
{
	return arena_printf(&p->arena, "arn:%s:s3:::%.*s", p->partition, STR_ARG(place->bucket)).p;
}

/* A prefix is one with a slash, or the begin of keys. */
static const char *
objects_arn(struct policy *p, const struct policy_place *place)
{
	bool folder = place->prefix.n && place->prefix.p[place->prefix.n - 1] != '/' &&
		      place != &p->wish->inputs;

	return arena_printf(&p->arena, "%s/%.*s%s*", bucket_arn(p, place), STR_ARG(place->prefix),
		folder ? "/" : "")
		.p;
}

static void
add_store(struct policy *p)
{
	const struct policy_place *store = &p->wish->store;

	add_statement(p, "StoreBucket",
		WORDS("s3:CreateBucket", "s3:GetBucketPublicAccessBlock", "s3:ListBucket",
			"s3:ListBucketMultipartUploads", "s3:PutBucketPublicAccessBlock"),
		WORDS(bucket_arn(p, store)), NULL);
	add_statement(p, "StoreObjects",
		WORDS("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
		WORDS(objects_arn(p, store)), NULL);
}

static void
add_results(struct policy *p)
{
	const struct policy_place *results = &p->wish->results;

	if (!results->bucket.p)
		return;
	add_statement(p, "ResultsBucket", WORDS("s3:ListBucket", "s3:ListBucketMultipartUploads"),
		WORDS(bucket_arn(p, results)), NULL);
	add_statement(p, "ResultsObjects",
		WORDS("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
		WORDS(objects_arn(p, results)), NULL);
}

static void
add_inputs(struct policy *p)
{
	const struct policy_place *inputs = &p->wish->inputs;

	if (!inputs->bucket.p)
		return;
	add_statement(
		p, "InputsBucket", WORDS("s3:ListBucket"), WORDS(bucket_arn(p, inputs)), NULL);
	add_statement(
		p, "InputsObjects", WORDS("s3:GetObject"), WORDS(objects_arn(p, inputs)), NULL);
}

void
policy_write(struct buf *out, const struct policy_wish *wish)
{
	struct policy p = {.out = out, .wish = wish, .partition = endpoint_partition(wish->region)};

	buf_add_cstr(out, "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [");
	add_looking(&p);
	add_launching(&p);
	add_spot_role(&p);
	add_group(&p);
	add_registry(&p);
	add_store(&p);
	add_results(&p);
	add_inputs(&p);
	buf_add_cstr(out, "\n  ]\n}\n");
	arena_free(&p.arena);
}
