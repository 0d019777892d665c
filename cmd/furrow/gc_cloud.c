/* gc_cloud: regions side by side, each with an inventory of its own. */
#include "cmd/furrow/gc_cloud.h"

#include "cmd/furrow/cloud_left.h"
#include "cmd/furrow/gc_store.h"
#include "cmd/furrow/interrupt.h"
#include "planner/base/clock.h"
#include "planner/regions.h"
#include "providers/aws/s3.h"
#include "providers/parallel.h"
#include "providers/store/collect_s3.h"

enum { REGION_THREADS = 16 };

static bool
is_of_manifest(const struct gc_cloud *c, struct str region)
{
	return c->manifest && c->manifest->instances.infra.kind == INFRA_AWS &&
	       str_eq(region, c->manifest->instances.infra.region);
}

static void
add_region(struct gc_cloud *c, struct arena *a, struct str name, bool far)
{
	struct gc_region *v;

	for (size_t i = 0; i < c->n; i++) {
		if (str_eq(c->regions[i].name, name))
			return;
	}
	v = ARENA_ARRAY(a, struct gc_region, c->n + 1);
	if (c->n)
		memcpy(v, c->regions, c->n * sizeof(*v));
	v[c->n].name = arena_str(a, name);
	v[c->n].far = far;
	c->regions = v;
	c->n++;
}

static int
open_region(const struct gc_cloud *c, struct str region, struct inventory **out, struct error *err)
{
	const struct inventory_options options = {.region = region,
		.locks = c->locks,
		.store = is_of_manifest(c, region) ? c->manifest->store : (struct str){0},
		.as = STR("gc"),
		.clock = clock_system(),
		.stop = interrupt_flag};

	return inventory_open(out, &options, err);
}

/* The manifest's region is asked, else that of the environment, else one that is always there. */
static int
add_all(struct gc_cloud *c, struct arena *a, struct error *err)
{
	struct inventory *inv = NULL;
	struct strings names;
	int rc;

	if (c->manifest && c->manifest->instances.infra.kind == INFRA_AWS)
		rc = open_region(c, c->manifest->instances.infra.region, &inv, err);
	else if (open_region(c, (struct str){0}, &inv, err) < 0)
		rc = open_region(c, STR("us-east-1"), &inv, err);
	else
		rc = 0;
	if (rc == 0)
		rc = inventory_regions(inv, a, &names, err);
	for (size_t i = 0; rc == 0 && i < names.n; i++)
		add_region(c, a, names.v[i], false);
	inventory_close(inv);
	return rc;
}

static void
add_of_manifest(struct gc_cloud *c, struct arena *a)
{
	struct region_wish *regions;
	size_t n = regions_of(a, &c->manifest->instances, &regions);

	for (size_t i = 0; i < n; i++)
		add_region(c, a, regions[i].name, i > 0);
}

int
gc_cloud_regions(struct gc_cloud *c, struct arena *a, const struct options *o, struct error *err)
{
	for (int i = 0; i < o->regions.n; i++) {
		struct str rest = str_from(o->regions.v[i]);

		while (rest.p) {
			struct str name = str_trim(str_cut(&rest, ','));

			if (!name.n)
				return error_set(err, ERR_INPUT,
					"gc: --region: expected regions, got '%s'",
					o->regions.v[i]);
			add_region(c, a, name, false);
		}
	}
	if (o->all_regions)
		return add_all(c, a, err);
	if (c->n == 0 && c->manifest)
		add_of_manifest(c, a);
	return 0;
}

static void
read_region(void *ctx, size_t i)
{
	struct gc_cloud *c = ctx;
	struct gc_region *r = &c->regions[i];

	r->rc = open_region(c, r->name, &r->inventory, &r->err);
	if (r->rc == 0)
		r->rc = inventory_read(r->inventory, !r->far, &r->err);
	if (r->rc == 0)
		inventory_judge(r->inventory, &c->ages, c->dry);
}

void
gc_cloud_read(struct gc_cloud *c, struct arena *a, struct leftovers *left)
{
	c->locks = inventory_locks_open();
	parallel_for(c->n, REGION_THREADS, read_region, c);
	for (size_t i = 0; i < c->n; i++) {
		if (c->regions[i].rc == 0)
			cloud_left_add(a, left, c->regions[i].inventory);
	}
}

struct removing {
	struct gc_cloud *cloud;
	const struct collected *collected;
	size_t n_collected;
};

/* What lies in `results` of the manifest stays in its store. */
static int
clean_store(struct removing *r, struct gc_region *region, struct store *store, struct error *err)
{
	const struct gc_cloud *c = r->cloud;
	const struct clock *clock = clock_system();
	struct collected *collected = (struct collected *)r->collected;
	size_t n = r->n_collected;
	struct str bucket, prefix;
	struct arena a = {0};
	int rc = 0;

	if (is_of_manifest(c, region->name) && s3_parse_url(c->results, &bucket, &prefix))
		rc = collect_s3_observe(
			inventory_aws(region->inventory), &a, bucket, prefix, &collected, &n, err);
	if (rc == 0)
		rc = gc_store(store, collected, n, clock->wall_ns(clock->ctx) - c->ages.object_ns,
			c->dry, &region->results, err);
	arena_free(&a);
	return rc;
}

static void
remove_region(void *ctx, size_t i)
{
	struct removing *r = ctx;
	struct gc_region *region = &r->cloud->regions[i];
	struct store *store;
	struct error err;
	int rc;

	if (region->rc < 0)
		return;
	region->results_stay = inventory_busy(region->inventory);
	if (!r->cloud->dry)
		region->rc = inventory_remove(region->inventory, &region->err);
	if (region->far || region->results_stay.p || atomic_load(interrupt_flag))
		return;
	rc = inventory_open_store(region->inventory, &store, &err);
	if (rc == ERR_MISSING)
		return;
	if (rc == 0) {
		rc = clean_store(r, region, store, &err);
		store_close(store);
	}
	if (rc < 0 && region->rc == 0) {
		region->rc = rc;
		region->err = err;
	}
}

void
gc_cloud_remove(struct gc_cloud *c, const struct collected *collected, size_t n_collected)
{
	struct removing r = {.cloud = c, .collected = collected, .n_collected = n_collected};

	parallel_for(c->n, REGION_THREADS, remove_region, &r);
}

void
gc_cloud_close(struct gc_cloud *c)
{
	inventory_locks_close(c->locks);
	for (size_t i = 0; i < c->n; i++)
		inventory_close(c->regions[i].inventory);
}
