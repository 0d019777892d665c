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

/* Images, and AWS's own parameters, are of other accounts. */
static bool
is_of_any(const char *what)
{
	return strcmp(what, "image/*") == 0 || strncmp(what, "parameter/aws/", 14) == 0;
}

static const char *
arn(struct policy *p, struct str region, const char *service, const char *what)
{
	struct str account = p->wish->account.p ? p->wish->account : STR("*");

	return arena_printf(&p->arena, "arn:%s:%s:%.*s:%.*s:%s", p->partition, service,
		STR_ARG(region), STR_ARG(is_of_any(what) ? STR("") : account), what)
		.p;
}

/* Of each region these of EC2's. */
static const char *const *
arns(struct policy *p, const char *const *what)
{
	const char **all;
	size_t each = 0, n = 0;

	while (what[each])
		each++;
	all = ARENA_ARRAY(&p->arena, const char *, p->wish->n_regions *each + 1);
	for (size_t r = 0; r < p->wish->n_regions; r++) {
		for (size_t i = 0; i < each; i++)
			all[n++] = arn(p, p->wish->regions[r].name, "ec2", what[i]);
	}
	all[n] = NULL;
	return all;
}

/* {"StringEquals": {"WHICH/furrow:job": "JOB"}} */
static const char *
of_job(struct policy *p, const char *which)
{
	return arena_printf(&p->arena, "{\"StringEquals\": {\"%s/furrow:job\": \"%.*s\"}}", which,
		STR_ARG(p->wish->job))
		.p;
}

/* Each region's image, where that is told by a name. */
static void
add_images(struct policy *p)
{
	const char **all = ARENA_ARRAY(&p->arena, const char *, p->wish->n_regions + 1);
	size_t n = 0;

	for (size_t r = 0; r < p->wish->n_regions; r++) {
		struct str ami = p->wish->regions[r].ami;

		if (ami.p && str_starts(ami, STR("ami-")))
			continue;
		all[n] = arn(p, p->wish->regions[r].name, "ssm",
			!ami.p || str_starts(ami, STR("/aws/service/"))
				? "parameter/aws/service/*"
				: arena_printf(&p->arena, "parameter%.*s", STR_ARG(ami)).p);
		n++;
	}
	all[n] = NULL;
	if (n)
		add_statement(p, "FindImage", WORDS("ssm:GetParameter"), all, NULL);
}

static void
add_looking(struct policy *p)
{
	add_statement(p, "Look",
		WORDS("ec2:DescribeAvailabilityZones", "ec2:DescribeImages",
			"ec2:DescribeInstances", "ec2:DescribeInstanceTypes",
			"ec2:DescribeInstanceTypeOfferings", "ec2:DescribeRegions",
			"ec2:DescribeSecurityGroups", "ec2:DescribeSpotPriceHistory",
			"ec2:DescribeSubnets", "pricing:GetProducts",
			"servicequotas:GetServiceQuota", "sts:GetCallerIdentity"),
		WORDS("*"), NULL);
	add_images(p);
}

static void
add_launching(struct policy *p)
{
	const char *spot = p->wish->spot ? "spot-instances-request/*" : NULL;

	add_statement(p, "Launch", WORDS("ec2:RunInstances"),
		arns(p, WORDS("instance/*", "volume/*", "network-interface/*", spot)),
		of_job(p, "aws:RequestTag"));
	add_statement(p, "LaunchFrom", WORDS("ec2:RunInstances"),
		arns(p, WORDS("image/*", "subnet/*")), NULL);
	add_statement(p, "LaunchInto", WORDS("ec2:RunInstances"),
		arns(p, WORDS("security-group/*")), of_job(p, "aws:ResourceTag"));
	add_statement(p, "TagWhatIsMade", WORDS("ec2:CreateTags"),
		arns(p, WORDS("instance/*", "volume/*", "network-interface/*", "security-group/*",
				spot)),
		arena_printf(&p->arena,
			"{\"StringEquals\": {\"aws:RequestTag/furrow:job\": \"%.*s\", "
			"\"ec2:CreateAction\": [\"RunInstances\", \"CreateSecurityGroup\"]}}",
			STR_ARG(p->wish->job))
			.p);
	add_statement(p, "End", WORDS("ec2:TerminateInstances"), arns(p, WORDS("instance/*")),
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
	const char *const *groups = arns(p, WORDS("security-group/*"));

	add_statement(p, "MakeGroup", WORDS("ec2:CreateSecurityGroup"), groups,
		of_job(p, "aws:RequestTag"));
	add_statement(
		p, "MakeGroupIn", WORDS("ec2:CreateSecurityGroup"), arns(p, WORDS("vpc/*")), NULL);
	add_statement(p, "ChangeGroup",
		WORDS("ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup"), groups,
		of_job(p, "aws:ResourceTag"));
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
	struct policy p = {
		.out = out, .wish = wish, .partition = endpoint_partition(wish->regions[0].name)};

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
