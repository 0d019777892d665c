/* inventory: reading what there is. Parts are read side by side, each into an arena of its own. */
#include "providers/fleet/inventory_internal.h"

#include "providers/aws/ec2.h"
#include "providers/fleet/internal.h"
#include "providers/parallel.h"
#include "providers/store/s3.h"

#include <stdlib.h>

static const int64_t again_ns = NS_PER_S;

int
inventory_open(struct inventory **out, const struct inventory_options *options, struct error *err)
{
	const struct aws_options aws = {.region = options->region, .clock = options->clock};
	struct inventory *inv = mem_alloc(sizeof(*inv));
	int rc;

	*inv = (struct inventory){.clock = options->clock, .stop = options->stop};
	inv->as = arena_str(&inv->arena, options->as);
	inv->job = arena_str(&inv->arena, options->job);
	inv->store = arena_str(&inv->arena, options->store);
	inv->own_locks = options->locks == NULL;
	inv->locks = options->locks ? options->locks : inventory_locks_open();
	rc = aws_open(&inv->aws, &aws, err);
	if (rc < 0) {
		if (inv->own_locks)
			inventory_locks_close(inv->locks);
		arena_free(&inv->arena);
		free(inv);
		return rc;
	}
	*out = inv;
	return 0;
}

void
inventory_close(struct inventory *inv)
{
	if (!inv)
		return;
	if (inv->own_locks)
		inventory_locks_close(inv->locks);
	aws_close(inv->aws);
	for (int i = 0; i < INVENTORY_PARTS; i++)
		arena_free(&inv->reads[i]);
	arena_free(&inv->arena);
	free(inv);
}

const char *
inventory_region(const struct inventory *inv)
{
	return aws_region(inv->aws);
}

struct aws *
inventory_aws(struct inventory *inv)
{
	return inv->aws;
}

struct str
inventory_store(const struct inventory *inv, struct arena *a)
{
	return arena_printf(a, "s3://%.*s%s%.*s", STR_ARG(inv->bucket), inv->prefix.n ? "/" : "",
		STR_ARG(inv->prefix));
}

struct inventory_item *
inventory_items(struct inventory *inv, size_t *n)
{
	*n = inv->n;
	return inv->v;
}

int
inventory_locate(struct inventory *inv, struct error *err)
{
	if (inv->bucket.p)
		return 0;
	return fleet_name_bucket(
		inv->aws, &inv->arena, inv->store, &inv->bucket, &inv->prefix, err);
}

int
inventory_regions(struct inventory *inv, struct arena *a, struct strings *out, struct error *err)
{
	return ec2_regions(inv->aws, a, out, err);
}

int
inventory_open_store(struct inventory *inv, struct store **out, struct error *err)
{
	struct arena scratch = {0};
	int rc = inventory_locate(inv, err);

	if (rc == 0)
		rc = s3_head_bucket(inv->aws, &scratch, inv->bucket, NULL, err);
	if (rc == 0)
		rc = store_open_s3(out, inv->aws, inv->bucket, inv->prefix, err);
	arena_free(&scratch);
	return rc;
}

/* What the reads found: each thread has one of them. */
struct reading {
	struct inventory *inv;
	struct ec2_instance *instances;
	struct ec2_group *groups;
	struct s3_object *objects[INVENTORY_PARTS];
	size_t n[INVENTORY_PARTS];
	int rc[INVENTORY_PARTS];
	struct error err[INVENTORY_PARTS];
};

static int
read_instances(struct reading *r, struct arena *a, struct error *err)
{
	struct pair filters[] = {{STR("tag-key"), STR("furrow:job")},
		{STR("instance-state-name"),
			STR("pending,running,shutting-down,stopping,stopped")}};
	const struct pairs wanted = {.v = filters, .n = 2};

	if (r->inv->job.p)
		filters[0] = (struct pair){STR("tag:furrow:job"), r->inv->job};
	return ec2_describe_instances(r->inv->aws, a, (struct str){0}, NULL, &wanted, &r->instances,
		&r->n[PART_INSTANCES], err);
}

static int
read_objects(struct reading *r, enum inventory_part part, struct arena *a, struct error *err)
{
	static const char *const folders[INVENTORY_PARTS] = {[PART_SOURCES] = "sources/",
		[PART_SETUPS] = "setups/",
		[PART_RUNNERS] = "runners/",
		[PART_LOCKS] = "locks/"};
	const struct inventory *inv = r->inv;
	struct str prefix;
	int rc;

	/* Of one job, others' runners are no business of ours, and its lock comes and goes. */
	if (inv->job.p && part != PART_SOURCES && part != PART_SETUPS)
		return 0;
	prefix = arena_printf(a, "%.*s%s%s%.*s%s", STR_ARG(inv->prefix), inv->prefix.n ? "/" : "",
		folders[part], STR_ARG(inv->job), inv->job.p ? "/" : "");
	rc = s3_list(inv->aws, a, inv->bucket, prefix, 0, &r->objects[part], &r->n[part], err);
	if (rc < 0)
		r->n[part] = 0;
	return rc == ERR_MISSING ? 0 : rc; /* no bucket: nothing in it */
}

static void
read_part(void *ctx, size_t i)
{
	struct reading *r = ctx;
	struct arena *a = &r->inv->reads[i];
	struct error *err = &r->err[i];

	if (i == PART_INSTANCES)
		r->rc[i] = read_instances(r, a, err);
	else if (i == PART_GROUPS)
		r->rc[i] =
			ec2_list_groups(r->inv->aws, a, (struct str){0}, &r->groups, &r->n[i], err);
	else
		r->rc[i] = read_objects(r, (enum inventory_part)i, a, err);
}

static int
by_launch(const void *a, const void *b)
{
	const struct ec2_instance *x = a, *y = b;

	if (x->launched_wall_ns != y->launched_wall_ns)
		return x->launched_wall_ns < y->launched_wall_ns ? -1 : 1;
	return str_cmp(x->id, y->id);
}

static void
add_instances(struct inventory *inv, const struct reading *r)
{
	if (r->n[PART_INSTANCES])
		qsort(r->instances, r->n[PART_INSTANCES], sizeof(*r->instances), by_launch);
	for (size_t i = 0; i < r->n[PART_INSTANCES]; i++) {
		const struct ec2_instance *e = &r->instances[i];

		inv->v[inv->n++] = (struct inventory_item){.kind = INVENTORY_INSTANCE,
			.what = "instance",
			.id = e->id,
			.job = ec2_tag(e, "furrow:job"),
			.store = ec2_tag(e, "furrow:store"),
			.run = ec2_tag(e, "furrow:run"),
			.type = e->type,
			.zone = e->zone,
			.token = e->client_token,
			.state = ec2_state_name(e->state),
			.spot = e->spot,
			.since_wall_ns = e->launched_wall_ns,
			.bytes = -1};
	}
	inv->n_instances = inv->n;
}

static void
add_groups(struct inventory *inv, const struct reading *r)
{
	for (size_t i = 0; i < r->n[PART_GROUPS]; i++) {
		const struct ec2_group *g = &r->groups[i];
		struct str job = ec2_tag_of(&g->tags, "furrow:job");

		if (inv->job.p && !str_eq(job, inv->job))
			continue;
		inv->v[inv->n++] = (struct inventory_item){.kind = INVENTORY_GROUP,
			.what = "security group",
			.id = g->id,
			.job = job,
			.store = ec2_tag_of(&g->tags, "furrow:store"),
			.name = g->name,
			.bytes = -1};
	}
}

/* "sources/JOB/…", "setups/JOB/…", "locks/JOB": the job. */
static struct str
job_of_key(struct str key, enum inventory_part part)
{
	struct str folder = str_cut(&key, '/'), job;

	(void)folder;
	if (part == PART_LOCKS)
		return key;
	job = str_cut(&key, '/');
	return (part == PART_SOURCES || part == PART_SETUPS) && key.p ? job : (struct str){0};
}

static void
add_objects(struct inventory *inv, const struct reading *r, enum inventory_part part)
{
	static const char *const what[INVENTORY_PARTS] = {[PART_SOURCES] = "source in the store",
		[PART_SETUPS] = "environment in the store",
		[PART_RUNNERS] = "runner in the store",
		[PART_LOCKS] = "lock in the store"};
	size_t n_prefix = inv->prefix.n ? inv->prefix.n + 1 : 0;

	for (size_t i = 0; i < r->n[part]; i++) {
		const struct s3_object *o = &r->objects[part][i];

		inv->v[inv->n++] = (struct inventory_item){
			.kind = (enum inventory_kind)(INVENTORY_SOURCE + part - PART_SOURCES),
			.what = what[part],
			.id = arena_printf(&inv->reads[part], "s3://%.*s/%.*s",
				STR_ARG(inv->bucket), STR_ARG(o->key)),
			.job = job_of_key(str_from_index(o->key, n_prefix), part),
			.since_wall_ns = o->modified_wall_ns,
			.bytes = o->size_bytes};
	}
}

/* Why a region's answer failed is most often its name. */
static int
explain(struct inventory *inv, const struct error *failed, struct error *err)
{
	struct error why;

	*err = *failed;
	if (failed->class != CLASS_DENIED && failed->code != ERR_INPUT &&
		ec2_check_region(inv->aws, &inv->arena, str_from(aws_region(inv->aws)), &why) ==
			ERR_INPUT)
		*err = why;
	return err->code;
}

int
inventory_read(struct inventory *inv, bool objects, struct error *err)
{
	struct reading r = {.inv = inv};
	size_t n_parts = objects ? INVENTORY_PARTS : PART_SOURCES, n = 0;
	int rc = objects ? inventory_locate(inv, err) : 0;

	if (rc < 0)
		return explain(inv, err, err);
	for (int i = 0; i < INVENTORY_PARTS; i++)
		arena_reset(&inv->reads[i]);
	inv->n = inv->n_instances = 0;
	parallel_for(n_parts, n_parts, read_part, &r);
	for (size_t i = 0; i < n_parts; i++) {
		if (r.rc[i] < 0)
			return explain(inv, &r.err[i], err);
		n += r.n[i];
	}
	inv->v = ARENA_ARRAY(&inv->reads[PART_INSTANCES], struct inventory_item, n);
	add_instances(inv, &r);
	add_groups(inv, &r);
	for (size_t i = PART_SOURCES; i < n_parts; i++)
		add_objects(inv, &r, (enum inventory_part)i);
	return 0;
}

/* Those that show in the region are taken from the list. Of any state, also terminated: a launch that came and went
 * is one that is known. */
static int
take_seen(struct inventory *inv, struct strings *tokens, struct error *err)
{
	struct arena scratch = {0};
	struct pair filter = {STR("tag:furrow:job"), inv->job};
	const struct pairs wanted = {.v = &filter, .n = 1};
	struct ec2_instance *found;
	size_t n_found, n = 0;
	int rc = ec2_describe_instances(
		inv->aws, &scratch, (struct str){0}, NULL, &wanted, &found, &n_found, err);

	for (size_t i = 0; rc == 0 && i < tokens->n; i++) {
		bool seen = false;

		for (size_t k = 0; k < n_found; k++)
			seen |= str_eq(found[k].client_token, tokens->v[i]);
		if (!seen)
			tokens->v[n++] = tokens->v[i];
	}
	if (rc == 0)
		tokens->n = n;
	arena_free(&scratch);
	return rc;
}

int
inventory_await(struct inventory *const *v, size_t n, const struct strings *tokens,
	int64_t asked_wall_ns, struct error *err)
{
	const struct clock *clock = v[0]->clock;
	int64_t until_wall_ns = asked_wall_ns + EC2_SHOWS_NS;
	struct arena scratch = {0};
	struct strings unseen = {.v = ARENA_ARRAY(&scratch, struct str, tokens->n)};
	int rc = 0;

	for (; unseen.n < tokens->n; unseen.n++)
		unseen.v[unseen.n] = tokens->v[unseen.n];
	for (;;) {
		bool last = clock->wall_ns(clock->ctx) >= until_wall_ns;

		for (size_t i = 0; i < n && rc == 0 && unseen.n; i++)
			rc = take_seen(v[i], &unseen, err);
		if (rc < 0 || !unseen.n || last)
			break;
		if (!inventory_sleep(v[0], again_ns))
			rc = error_set(err, ERR_CANCELLED,
				"interrupted while EC2 was asked for "
				"what the last run launched");
	}
	arena_free(&scratch);
	return rc;
}

struct str
inventory_by_hand(struct arena *a, const struct inventory_item *item, const char *region)
{
	switch (item->kind) {
	case INVENTORY_INSTANCE:
		return arena_printf(a,
			"aws ec2 terminate-instances --region %s --instance-ids %.*s", region,
			STR_ARG(item->id));
	case INVENTORY_GROUP:
		return arena_printf(a, "aws ec2 delete-security-group --region %s --group-id %.*s",
			region, STR_ARG(item->id));
	default:
		return arena_printf(a, "aws s3 rm %.*s", STR_ARG(item->id));
	}
}
