/* find_store: where the manifest says that results are, without a word about what else is wrong
 * with it. */
#include "cmd/furrow/find_store.h"

#include "cmd/furrow/manifest_file.h"
#include "cmd/furrow/out.h"
#include "planner/base/clock.h"
#include "planner/job.h"
#include "providers/fleet/inventory.h"

struct manifest *
find_manifest(struct arena *a, const struct place *place)
{
	struct diagnostics diags = {.arena = a};
	struct manifest_file *file = ARENA_NEW(a, struct manifest_file);
	struct manifest *m = ARENA_NEW(a, struct manifest);

	if (manifest_file_read(file, a, place, (struct str){0}, NULL) != 0 ||
		manifest_file_parse(file, a, m, &diags, (struct str){0}, NULL) != 0)
		return NULL;
	return m;
}

static struct str
absolute(struct arena *a, const struct place *place, struct str folder)
{
	if ((folder.n && folder.p[0] == '/') || str_starts(folder, STR("s3://")))
		return arena_str(a, folder);
	return arena_printf(a, "%s/%.*s", place->dir, STR_ARG(folder));
}

struct store *
find_store_here(struct arena *a, const struct place *place, const struct state_dir *state,
	const struct manifest *manifest)
{
	struct str path = str_from(state->store);
	struct store *store;

	if (manifest && manifest->instances.infra.kind != INFRA_LOCAL)
		return NULL;
	if (manifest && manifest->store.p)
		path = absolute(a, place, manifest->store);
	return store_open_dir(&store, path.p, false, NULL) == 0 ? store : NULL;
}

void
find_store(struct found_store *out, struct arena *a, const struct place *place,
	const struct state_dir *state, const struct manifest *manifest)
{
	struct error err;
	int rc;

	*out = (struct found_store){.store = find_store_here(a, place, state, manifest)};
	if (!manifest || manifest->instances.infra.kind != INFRA_AWS)
		return;
	rc = inventory_open(&out->inventory,
		&(struct inventory_options){.region = manifest->instances.infra.region,
			.store = manifest->store,
			.clock = clock_system()},
		&err);
	if (rc == 0)
		rc = inventory_open_store(out->inventory, &out->store, &err);
	if (rc < 0 && rc != ERR_MISSING)
		out_say("furrow: the store was not reached: %s", err.message);
}

void
find_store_close(struct found_store *found)
{
	if (found->store)
		store_close(found->store);
	inventory_close(found->inventory);
}

struct str
find_results(struct arena *a, const struct place *place, const struct manifest *manifest)
{
	const struct job unexpanded = {.manifest = manifest};

	return absolute(a, place, job_results_root(&unexpanded));
}
