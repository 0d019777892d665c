/* ec2_run: launching one instance, ending many, tags. A launch is safe to send twice by its client
 * token; nothing is ever made without its tags. */
#include "providers/aws/ec2_parts.h"

#include "planner/units.h"
#include "providers/aws/user_data.h"

#include <ctype.h>

#include <openssl/evp.h>

enum {
	TERMINATE_AT_ONCE = 1000,
	TOKEN_BYTES = 64,
	HOP_LIMIT = 2, /* a container on a bridge is one further away */
};
#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
/* A security group that was just made is not known everywhere at once. */
#define NEW_GROUP_NS (30 * NS_PER_S)
/* VolumeInitializationRate takes no other. */
#define WARM_LEAST (100 * MIB)
#define WARM_MOST (300 * MIB)

/* ERR_INPUT, ERR_INTERNAL: what EC2 would refuse. */
static int
check_launch(const struct ec2_launch *l, struct error *err)
{
	struct arena a = {0};
	int rc = 0;

	if (!l->token.n || l->token.n > TOKEN_BYTES)
		rc = error_set(err, ERR_INTERNAL, "launch %.*s: a client token of %zu bytes",
			STR_ARG(l->type), l->token.n);
	else if (l->user_data.n > USER_DATA_MAX_BYTES)
		rc = error_set(err, ERR_INTERNAL,
			"launch %.*s: user data of %zu bytes, EC2 takes %d", STR_ARG(l->type),
			l->user_data.n, USER_DATA_MAX_BYTES);
	else if (l->disk_warm_bytes_per_s >= 0 &&
		 (l->disk_warm_bytes_per_s < WARM_LEAST || l->disk_warm_bytes_per_s > WARM_MOST))
		rc = error_set(err, ERR_INPUT,
			"instances.disk.warm of %.*s/s: EC2 reads a volume ahead at 100MiB/s to "
			"300MiB/s",
			STR_ARG(units_format_size(&a, l->disk_warm_bytes_per_s)));
	else if ((l->disk_bytes >= 0 || l->disk_warm_bytes_per_s >= 0) && !l->root_device.n)
		rc = error_set(err, ERR_INPUT,
			"instances.disk: image %.*s does not tell its root device, so its disk "
			"cannot be set; leave the wish out",
			STR_ARG(l->image));
	arena_free(&a);
	return rc;
}

static void
add_tags(struct query *q, const char *resource, size_t number, const struct pairs *tags)
{
	query_add(q, str_from(resource), "TagSpecification.%zu.ResourceType", number);
	for (size_t i = 0; i < tags->n; i++) {
		query_add(q, tags->v[i].name, "TagSpecification.%zu.Tag.%zu.Key", number, i + 1);
		query_add(q, tags->v[i].value, "TagSpecification.%zu.Tag.%zu.Value", number, i + 1);
	}
}

static void
add_disk(struct query *q, const struct ec2_launch *l)
{
	const char *ebs = "BlockDeviceMapping.1.Ebs";

	if (!l->root_device.n)
		return;
	query_add(q, l->root_device, "BlockDeviceMapping.1.DeviceName");
	query_add_bool(q, true, "%s.DeleteOnTermination", ebs);
	if (l->disk_bytes < 0 && l->disk_warm_bytes_per_s < 0)
		return;
	query_add(q, STR("gp3"), "%s.VolumeType", ebs);
	if (l->disk_bytes >= 0)
		query_add_int(q, (l->disk_bytes + GIB - 1) / GIB, "%s.VolumeSize", ebs);
	if (l->disk_warm_bytes_per_s >= 0)
		query_add_int(
			q, l->disk_warm_bytes_per_s / MIB, "%s.VolumeInitializationRate", ebs);
}

static void
add_network(struct query *q, const struct ec2_launch *l)
{
	const char *nic = "NetworkInterface.1";

	query_add(q, l->zone, "Placement.AvailabilityZone");
	if (!l->public_address) {
		query_add(q, l->subnet, "SubnetId");
		query_add(q, l->group, "SecurityGroupId.1");
		return;
	}
	query_add_int(q, 0, "%s.DeviceIndex", nic);
	query_add(q, l->subnet, "%s.SubnetId", nic);
	query_add_bool(q, true, "%s.AssociatePublicIpAddress", nic);
	query_add_bool(q, true, "%s.DeleteOnTermination", nic);
	query_add(q, l->group, "%s.SecurityGroupId.1", nic);
}

static void
add_market(struct query *q)
{
	const char *spot = "InstanceMarketOptions.SpotOptions";

	query_add(q, STR("spot"), "InstanceMarketOptions.MarketType");
	query_add(q, STR("one-time"), "%s.SpotInstanceType", spot);
	query_add(q, STR("terminate"), "%s.InstanceInterruptionBehavior", spot);
}

static struct str
base64(struct arena *a, struct str bytes)
{
	char *out = arena_alloc(a, (bytes.n + 2) / 3 * 4 + 1);
	int n = EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes.p, (int)bytes.n);

	return (struct str){out, (size_t)n};
}

static void
add_launch(struct query *q, struct arena *a, const struct ec2_launch *l, bool dry)
{
	if (dry)
		query_add_bool(q, true, "DryRun");
	query_add(q, l->token, "ClientToken");
	query_add_int(q, 1, "MinCount");
	query_add_int(q, 1, "MaxCount");
	query_add(q, l->image, "ImageId");
	query_add(q, l->type, "InstanceType");
	add_network(q, l);
	add_disk(q, l);
	query_add(q, STR("terminate"), "InstanceInitiatedShutdownBehavior");
	query_add(q, STR("enabled"), "MetadataOptions.HttpEndpoint");
	query_add(q, STR("required"), "MetadataOptions.HttpTokens");
	query_add_int(q, HOP_LIMIT, "MetadataOptions.HttpPutResponseHopLimit");
	if (l->spot)
		add_market(q);
	add_tags(q, "instance", 1, &l->tags);
	add_tags(q, "volume", 2, &l->tags);
	add_tags(q, "network-interface", 3, &l->tags);
	if (l->spot)
		add_tags(q, "spot-instances-request", 4, &l->tags);
	if (l->user_data.n)
		query_add(q, base64(a, l->user_data), "UserData");
}

/* The call, without a word on what a failure means for a launch. */
static int
run(struct aws *aws, struct arena *a, const struct ec2_launch *l, bool dry,
	struct ec2_instance *out, uint32_t *sent, struct error *err)
{
	struct ec2_patience patience = ec2_patience(NEW_GROUP_NS);
	struct query q = {.service = AWS_EC2, .action = "RunInstances"};
	struct aws_answer answer;
	const struct xml *root, *item;
	int rc;

	add_launch(&q, a, l, dry);
	do {
		answer = (struct aws_answer){0};
		rc = query_call(aws, a, &q, &root, &answer, err);
		*sent += answer.sends;
	} while (
		rc < 0 && strcmp(answer.code, "InvalidGroup.NotFound") == 0 && ec2_wait(&patience));
	query_free(&q);
	if (rc < 0)
		return dry && strcmp(answer.code, "DryRunOperation") == 0 ? 0 : rc;
	item = xml_at(root, "instancesSet/item");
	if (!item || !xml_text(item, "instanceId").n)
		return error_set(err, ERR_HOST,
			"ec2 RunInstances: the answer names no instance (request %s)%s",
			answer.request_id,
			dry ? ""
			    : "; `furrow gc` finds one that was launched all the same, by its "
			      "tags");
	ec2_parse_instance(a, item, out);
	return 0;
}

int
ec2_run_instance(struct aws *aws, struct arena *a, const struct ec2_launch *launch, bool dry,
	struct ec2_instance *out, uint32_t *sent, struct error *err)
{
	int rc = check_launch(launch, err);
	uint32_t own = 0;

	*out = (struct ec2_instance){0};
	sent = sent ? sent : &own;
	*sent = 0;
	if (rc < 0)
		return rc;
	rc = run(aws, a, launch, dry, out, sent, err);
	if (rc < 0)
		ec2_explain_launch(launch, err);
	return rc;
}

static bool
names(struct str body, struct str id)
{
	const char *at = body.p, *end = body.p + body.n;

	while (id.n && at && (at = memmem(at, (size_t)(end - at), id.p, id.n))) {
		at += id.n;
		/* Ids of two lengths are in use. */
		if (at == end || !isalnum((unsigned char)*at))
			return true;
	}
	return false;
}

/* Those of ids that the answer to a failed call names. */
static struct strings
ids_in(struct arena *a, const struct strings *ids, struct str body)
{
	struct strings out = {.v = ARENA_ARRAY(a, struct str, ids->n)};

	for (size_t i = 0; i < ids->n; i++) {
		if (names(body, ids->v[i]))
			out.v[out.n++] = ids->v[i];
	}
	return out;
}

/* Leaves those out that are in `gone`. */
static void
leave_out(struct strings *ids, const struct strings *gone)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < ids->n; i++) {
		/* In the same order. */
		if (k < gone->n && str_eq(ids->v[i], gone->v[k]))
			k++;
		else
			ids->v[n++] = ids->v[i];
	}
	ids->n = n;
}

/* EC2 ends all or none, and names those that it doesn't know. ids is changed. */
static int
terminate(
	struct aws *aws, struct arena *a, struct str region, struct strings *ids, struct error *err)
{
	while (ids->n) {
		struct query q = {
			.service = AWS_EC2, .action = "TerminateInstances", .region = region};
		struct aws_answer answer = {0};
		const struct xml *root;
		struct strings unknown;
		int rc;

		for (size_t i = 0; i < ids->n; i++)
			query_add(&q, ids->v[i], "InstanceId.%zu", i + 1);
		rc = query_call(aws, a, &q, &root, &answer, err);
		query_free(&q);
		if (rc == 0)
			return 0;
		if (strcmp(answer.code, "InvalidInstanceID.NotFound") != 0)
			return rc;
		unknown = ids_in(a, ids, answer.body);
		if (!unknown.n)
			return rc;
		leave_out(ids, &unknown);
	}
	return 0;
}

int
ec2_terminate(struct aws *aws, struct arena *a, struct str region, const struct strings *ids,
	struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < ids->n && rc == 0; i += TERMINATE_AT_ONCE) {
		size_t left = ids->n - i;
		struct strings some = {.n = left < TERMINATE_AT_ONCE ? left : TERMINATE_AT_ONCE};

		some.v = ARENA_ARRAY(a, struct str, some.n);
		memcpy(some.v, ids->v + i, some.n * sizeof(*some.v));
		rc = terminate(aws, a, region, &some, err);
	}
	return rc;
}

int
ec2_terminate_one(struct aws *aws, struct str id, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "TerminateInstances"};
	struct arena scratch = {0};
	const struct xml *root;
	int rc;

	query_add(&q, id, "InstanceId.1");
	rc = query_call(aws, &scratch, &q, &root, NULL, err);
	query_free(&q);
	arena_free(&scratch);
	return rc;
}
