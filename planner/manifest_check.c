/* manifest_check: what a manifest wishes for and this machine cannot give. */
#include "planner/diag.h"
#include "planner/manifest.h"
#include "planner/manifest_read.h"
#include "planner/regions.h"
#include "planner/units.h"

/* Of a gp3 volume. */
#define LARGEST_DISK_BYTES (INT64_C(64) << 40)

static const struct str none = {0};

static void
warn(struct diagnostics *diags, struct pos pos, const char *message)
{
	if (pos.line)
		diag_add(diags, DIAG_WARNING, pos, none, "%s", message);
}

static void
check_size(
	const struct instances *in, int64_t cpus, int64_t memory_bytes, struct diagnostics *diags)
{
	struct str wanted, there;

	if (in->pos_cpus.line && in->cpus.min > cpus)
		diag_add(diags, DIAG_WARNING, in->pos_cpus, none,
			"instances.cpus: at least %lld wanted, this machine has %lld; tasks run "
			"with those",
			(long long)in->cpus.min, (long long)cpus);
	if (!in->pos_memory.line || in->memory_bytes.min <= memory_bytes)
		return;
	wanted = units_format_size(diags->arena, in->memory_bytes.min);
	there = units_format_size(diags->arena, memory_bytes);
	diag_add(diags, DIAG_WARNING, in->pos_memory, none,
		"instances.memory: at least %.*s wanted, this machine has %.*s; tasks run with "
		"that",
		STR_ARG(wanted), STR_ARG(there));
}

static void
check_arch(const struct instances *in, enum arch machine_arch, struct diagnostics *diags)
{
	static const char *const names[] = {"x86_64", "arm64", "neither x86_64 nor arm64"};

	if (in->arch == ARCH_ANY || in->arch == machine_arch)
		return;
	diag_add(diags, DIAG_ERROR, in->pos_arch, none,
		"instances.arch: this machine is %s, so what is made for %s doesn't run here; "
		"leave the key out, or name another infra",
		names[machine_arch], names[in->arch]);
}

static void
check_wishes(const struct instances *in, struct diagnostics *diags)
{
	warn(diags, in->pos_gpus,
		"instances.gpus: on this machine GPUs are neither looked for nor assigned");
	warn(diags, in->pos_disk,
		"instances.disk: has no effect on this machine; tasks have the disk that is there");
	warn(diags, in->pos_type, "instances.type: has no effect on this machine");
	warn(diags, in->pos_ami, "instances.ami: has no effect on this machine");
	warn(diags, in->pos_max_hourly_cost,
		"instances.max_hourly_cost: has no effect on this machine, which costs nothing");
	warn(diags, in->pos_any_of,
		"instances.any_of: has no effect on this machine; there is nothing to choose from");
	if (in->spot == TRI_TRUE)
		warn(diags, in->pos_spot, "instances.spot: has no effect on this machine");
	if (in->max > 1)
		warn(diags, in->pos_max,
			"instances.max: this machine is the only instance; map.per_instance and -j "
			"say how many tasks run at a time");
	warn(diags, in->pos_warm_files,
		"instances.warm_files: has no effect on this machine; its disk is as it is");
	if (in->idle_ns > 0)
		warn(diags, in->pos_idle,
			"instances.idle: has no effect on this machine; nothing waits for a next "
			"apply");
}

static void
refuse_s3(struct diagnostics *diags, struct pos pos, const char *key, struct str url)
{
	if (url.p && is_s3(url))
		diag_add(diags, DIAG_ERROR, pos, none,
			"%s: '%.*s' cannot be reached with infra local; expected a folder here, or "
			"an infra such as aws/us-east-2",
			key, STR_ARG(url));
}

void
manifest_check_local(const struct manifest *m, int64_t cpus, int64_t memory_bytes,
	enum arch machine_arch, struct diagnostics *diags)
{
	check_size(&m->instances, cpus, memory_bytes, diags);
	check_arch(&m->instances, machine_arch, diags);
	check_wishes(&m->instances, diags);
	if (m->map.kind == MAP_S3)
		refuse_s3(diags, m->map.pos_inputs, "map.inputs", m->map.glob);
	refuse_s3(diags, m->pos_results, "results", m->results);
	refuse_s3(diags, m->pos_store, "store", m->store);
	warn(diags, m->pos_max_cost,
		"max_cost: has no effect on this machine, which costs nothing");
	if (m->retry.for_mask == RETRY_NO_CAPACITY)
		warn(diags, m->pos_retry,
			"retry: a lack of capacity never happens on this machine, so nothing is "
			"tried again");
	diag_sort(diags);
}

static void
refuse(struct diagnostics *diags, struct pos pos, const char *message)
{
	if (pos.line)
		diag_add(diags, DIAG_ERROR, pos, none, "%s", message);
}

/* An image's id is of one region; a path of SSM's is a name in each. */
static void
check_far_image(const struct instances *in, const struct region_wish *r, struct diagnostics *diags)
{
	if (!str_starts(in->ami, STR("ami-")) || r->image != in)
		return;
	diag_add(diags, DIAG_ERROR, r->wish->infra.pos, none,
		"%.*s: %.*s is an image of %.*s: say beside it which `ami` %.*s has, or name the "
		"image of "
		"both by a parameter of SSM",
		STR_ARG(r->key), STR_ARG(in->ami), STR_ARG(in->infra.region), STR_ARG(r->name));
}

static const struct region_wish *
region_named(const struct region_wish *v, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(v[i].name, name))
			return &v[i];
	}
	return NULL;
}

/* A run has one image in a region; tasks are made for one architecture. */
static void
check_any_of(const struct instances *in, struct diagnostics *diags)
{
	struct region_wish *regions;
	size_t n = regions_of(diags->arena, in, &regions);

	for (size_t i = 1; i < n; i++)
		check_far_image(in, &regions[i], diags);
	for (size_t i = 0; i < in->n_any_of; i++) {
		const struct instances *one = &in->any_of[i];
		const struct region_wish *r = region_named(regions, n, one->infra.region);

		if (one->arch != in->arch)
			diag_add(diags, DIAG_ERROR, one->pos_arch, none,
				"instances.any_of[%zu].arch: tasks are made for one architecture; "
				"say it in "
				"instances.arch",
				i);
		if (r && region_has_own_image(in, one) && !str_eq(one->ami, r->image->ami))
			diag_add(diags, DIAG_ERROR, one->pos_ami, none,
				"instances.any_of[%zu].ami: a run has one image in %.*s; %s", i,
				STR_ARG(r->name),
				r == regions ? "say it in instances.ami"
					     : "another one is named before");
		if (one->disk.size_bytes != in->disk.size_bytes ||
			one->disk.warm_bytes_per_s != in->disk.warm_bytes_per_s)
			diag_add(diags, DIAG_ERROR, one->pos_disk, none,
				"instances.any_of[%zu].disk: a run has one kind of disk; say it in "
				"instances.disk",
				i);
	}
}

void
manifest_check_aws(const struct manifest *m, struct diagnostics *diags)
{
	const struct instances *in = &m->instances;

	check_any_of(in, diags);
	if (in->disk.size_bytes > LARGEST_DISK_BYTES)
		refuse(diags, in->pos_disk, "instances.disk: EC2 has none of more than 64TiB");
	if (m->store.p && !is_s3(m->store))
		diag_add(diags, DIAG_ERROR, m->pos_store, none,
			"store: '%.*s' is a folder here, which instances cannot reach; expected "
			"s3://bucket/prefix, or nothing for a bucket of furrow's own",
			STR_ARG(m->store));
	diag_sort(diags);
}
