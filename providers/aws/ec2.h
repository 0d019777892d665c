/* ec2: what furrow asks of EC2 (Query protocol, 2016-11-15), STS and SSM: one function a need, a
 * struct in, a struct out. All block; errors as aws_call's. Strings live in the arena. */
#ifndef FURROW_AWS_EC2_H
#define FURROW_AWS_EC2_H

#include "providers/aws/client.h"

enum ec2_state {
	EC2_PENDING = 0,
	EC2_RUNNING = 16,
	EC2_SHUTTING_DOWN = 32,
	EC2_TERMINATED = 48,
	EC2_STOPPING = 64,
	EC2_STOPPED = 80
};
enum { EC2_TAG_BYTES = 256 }; /* of a value, at most */
const char *ec2_state_name(enum ec2_state s);

struct ec2_instance {
	struct str id, type, zone, image, subnet, client_token;
	struct str public_address, private_address; /* absent: none (yet) */
	struct str reason_code, reason;		    /* stateReason */
	enum ec2_state state;
	bool spot;
	int64_t launched_wall_ns;
	struct pairs tags;
};

/* By ids, or by filters (names as EC2's: "tag:furrow:job"; a value "a,b" is two values), not both. All pages.
 * With ids, one that EC2 doesn't know (yet, or any more) is simply absent from the result. region
 * absent: the client's. */
int ec2_describe_instances(struct aws *aws, struct arena *a, struct str region,
	const struct strings *ids, const struct pairs *filters, struct ec2_instance **out,
	size_t *n, struct error *err);

/* The tag's value, absent when there is none. */
struct str ec2_tag_of(const struct pairs *tags, const char *name);
struct str ec2_tag(const struct ec2_instance *i, const char *name);

struct ec2_launch {
	struct str token; /* ClientToken, <= 64 ASCII */
	struct str image, type, zone, subnet, group;
	struct str root_device;	       /* of the image: "/dev/xvda" */
	int64_t disk_bytes;	       /* < 0: as the image has it */
	int64_t disk_warm_bytes_per_s; /* < 0: none: VolumeInitializationRate */
	bool spot;
	bool public_address;
	struct str user_data; /* raw; <= 16 KiB */
	struct pairs
		tags; /* put on instance, volumes and network interfaces in the creating call */
};

/* One instance, with IMDSv2 required, terminate on shutdown, DeleteOnTermination. Repeatable by its token.
 * dry: only asks whether it would be allowed: 0 when it would. CLASS_CAPACITY: elsewhere;
 * CLASS_QUOTA: the message names the quota. *sent (may be NULL): how often it went out; once only, and
 * a refusal is one of all there was. */
int ec2_run_instance(struct aws *aws, struct arena *a, const struct ec2_launch *launch, bool dry,
	struct ec2_instance *out, uint32_t *sent, struct error *err);

/* At most 1,000. Unknown ones are left out and the others tried again (EC2 is all or nothing). */
int ec2_terminate(struct aws *aws, struct arena *a, struct str region, const struct strings *ids,
	struct error *err);

/* One. ERR_MISSING: EC2 doesn't know it: any more, or not yet, as it was launched just now. */
int ec2_terminate_one(struct aws *aws, struct str id, struct error *err);

/* Where instances go: the zone's default subnet (or those of FURROW_SUBNET that are here), its VPC, and whether it gives public
 * addresses. zone absent: every zone that has one, in order. ERR_INPUT: unknown zone (lists those
 * there are), no default VPC. */
struct ec2_subnet {
	struct str id, vpc, zone;
	bool public_address;
	int64_t free_addresses; /* < 0: not told */
};
int ec2_subnets(struct aws *aws, struct arena *a, struct str zone, struct ec2_subnet **out,
	size_t *n, struct error *err);

/* A security group of furrow's in a VPC, by name. ERR_MISSING: none. cidrs: who may reach port 22. */
struct ec2_group {
	struct str id, name;
	struct strings cidrs;
	struct pairs tags; /* absent after ec2_make_group made it */
};
int ec2_find_group(struct aws *aws, struct arena *a, struct str vpc, struct str name,
	struct ec2_group *out, struct error *err);
/* Makes it unless it is there, tagged, and lets the cidr in unless it is. */
int ec2_make_group(struct aws *aws, struct arena *a, struct str vpc, struct str name,
	const struct pairs *tags, struct str cidr, struct ec2_group *out, struct error *err);
/* Waits out DependencyViolation for timeout_ns. None there: 0. */
int ec2_delete_group(struct aws *aws, struct arena *a, struct str region, struct str id,
	int64_t timeout_ns, struct error *err);
/* Groups that carry the tag key "furrow:job" (any value). */
int ec2_list_groups(struct aws *aws, struct arena *a, struct str region, struct ec2_group **out,
	size_t *n, struct error *err);

/* What a manifest wishes of an instance, against the region's types. */
struct ec2_type {
	struct str name;
	int64_t cpus, memory_bytes;
	bool x86_64, arm64, spot, on_demand, current, bare_metal;
	int64_t gpus;
	struct str gpu_name; /* absent: none */
};
/* All types of the region, cached for 4 hours below cache_dir (NULL: not cached). */
int ec2_types(struct aws *aws, struct arena *a, const char *cache_dir, struct ec2_type **out,
	size_t *n, struct error *err);
/* Only these (one call, nothing cached): what a warm plan with an explicit type needs. ERR_INPUT: an
 * unknown one, with "did you mean". */
int ec2_types_named(struct aws *aws, struct arena *a, const struct strings *names,
	struct ec2_type **out, size_t *n, struct error *err);
/* What it would cost by its size, in no unit: cpus and memory in the proportion that instances are
 * priced by, special families and previous generations counted dearer. Ranks where no price is known. */
int64_t ec2_type_weight(const struct ec2_type *type);
/* Those that fit, fewest GPUs first, then the lesser weight, then by name. Prices are not looked at. Pure.
 * Bare-metal ones only when named, ones of less than
 * 1 GiB only when named or when memory is wished for. ERR_INPUT: none fits: the message says which
 * wish excludes how many types, err->line and col where the worst stands. */
int ec2_choose(struct arena *a, const struct instances *wish, const struct ec2_type *types,
	size_t n, const struct ec2_type ***out, size_t *n_out, struct error *err);

/* The image to boot: wish->ami ("ami-…", or an SSM parameter's path "/aws/service/…"), else Amazon
 * Linux 2023's for the architecture, by its public SSM parameter; for containers the one that ECS
 * uses, which has docker, and with GPUs what these need. ERR_INPUT: no such image, or of another architecture. */
struct ec2_image {
	struct str id, name, root_device,
		user; /* user: whom to log in as: "ec2-user", "ubuntu", "admin" */
	bool arm64;
	int64_t disk_bytes;
};
int ec2_find_image(struct aws *aws, struct arena *a, const struct instances *wish, bool arm64,
	bool containers, struct ec2_image *out, struct error *err);

/* The quota of vCPUs that instances of a type count against; NULL: not one that is known here. */
struct ec2_quota {
	const char *families; /* letters before the generation, between blanks */
	bool spot;
	const char *name, *code;
};
const struct ec2_quota *ec2_quota_of(struct str type, bool spot);

/* All regions that the account may use. */
int ec2_regions(struct aws *aws, struct arena *a, struct strings *out, struct error *err);

/* Why a region cannot be reached: ERR_INPUT when there is none of this name (lists those there are,
 * "did you mean"), or the account has not enabled it; 0 when nothing is wrong with the name. Asks
 * another region, so it is for after a call has failed. */
int ec2_check_region(struct aws *aws, struct arena *a, struct str region, struct error *err);

/* The account's 12 digits, and the ARN of who asks. One call each time: keep what it gave. */
int sts_account(
	struct aws *aws, struct arena *a, struct str *account, struct str *arn, struct error *err);
/* The account alone; asked for once for each access key, then kept below cache_dir (NULL: not kept). */
int sts_account_kept(struct aws *aws, struct arena *a, const char *cache_dir, struct str *account,
	struct error *err);

#endif
