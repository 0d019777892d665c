/* find_store: where the manifest says that results are, without a word about what else is wrong
 * with it. */
#include "cmd/furrow/find_store.h"

#include "cmd/furrow/manifest_file.h"
#include "planner/job.h"

static bool
read_manifest(struct arena *a, const struct place *place, struct manifest *m)
{
	struct diagnostics diags = {.arena = a};
	struct manifest_file file;

	return manifest_file_read(&file, a, place, (struct str){0}, NULL) == 0 &&
	       manifest_file_parse(&file, a, m, &diags, (struct str){0}, NULL) == 0;
}

static const char *
absolute(struct arena *a, const struct place *place, struct str folder)
{
	if (folder.n && folder.p[0] == '/')
		return arena_cstr(a, folder);
	return arena_printf(a, "%s/%.*s", place->dir, STR_ARG(folder)).p;
}

struct store *
find_store(struct arena *a, const struct place *place, const struct state_dir *state)
{
	const char *path = state->store;
	struct store *store;
	struct manifest m;

	if (read_manifest(a, place, &m) && m.store.p)
		path = absolute(a, place, m.store);
	return store_open_dir(&store, path, false, NULL) == 0 ? store : NULL;
}

const char *
find_results(struct arena *a, const struct place *place)
{
	struct job unexpanded = {0};
	struct manifest m;

	if (!read_manifest(a, place, &m) || str_starts(m.results, STR("s3://")))
		return NULL;
	unexpanded.manifest = &m;
	return absolute(a, place, job_results_root(&unexpanded));
}
