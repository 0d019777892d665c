/* gc: removes what is old and can be made again, or that nobody will ask for. */
#include "cmd/furrow/file.h"
#include "cmd/furrow/find_store.h"
#include "cmd/furrow/images.h"
#include "cmd/furrow/leftovers.h"
#include "cmd/furrow/manifest_file.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/run_dir.h"
#include "cmd/furrow/text.h"
#include "planner/base/clock.h"
#include "planner/base/json.h"
#include "planner/base/ulid.h"
#include "planner/history.h"
#include "providers/store/collect.h"
#include "providers/store/lock.h"

#include <stdlib.h>
#include <unistd.h>

static const int64_t default_age_ns = 30 * 86400 * NS_PER_S;

static const char help[] =
	"usage: furrow gc [options]\n"
	"\n"
	"Frees disk space: removes, when it is older than 30 days, the folders of runs\n"
	"(but the latest), exported sources, kept results of setup, and results in the\n"
	"store that are neither the newest of their task nor lie in the results folder.\n"
	"What is removed is made again when it is needed. Of the images that furrow made\n"
	"in the container engine, the newest setup and build of the job stay, and what\n"
	"the manifest names.\n"
	"\n"
	"Examples:\n"
	"  furrow gc -n                     what would be removed\n"
	"  furrow gc                        remove it\n"
	"  furrow gc --older-than 7d        be stricter\n"
	"\n"
	"Options:\n"
	"      --older-than AGE     30d (the default), 12h, 0\n"
	"  -n, --dry-run            only say what would be removed\n"
	"      --json               print what is removed as one JSON document\n"
	"  -m, --manifest FILE      its folder is meant (default: furrow.yaml)\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_ENGINE\n"
	"\n"
	"Exit codes:\n"
	"  0    done\n"
	"  3    something could not be removed\n"
	"  64   the command line is wrong\n"
	"  75   an apply runs\n";

struct gc {
	struct arena arena;
	struct options options;
	struct place place;
	struct state_dir state;
	struct leftovers left;
	struct store *store; /* NULL: none */
	struct store_gc results;
	struct engine_handle *engine; /* NULL: none there, or no need of one */
	int64_t before_ns;	      /* since 1970 */
	struct lock *lock;
};

/* The container engine's share, when the manifest has to do with one. No engine, no share. */
static void
add_images(struct gc *g)
{
	struct diagnostics diags = {.arena = &g->arena};
	struct manifest_file file;
	struct engine info;
	struct manifest m;

	if (manifest_file_read(&file, &g->arena, &g->place, (struct str){0}, NULL) != 0 ||
		manifest_file_parse(&file, &g->arena, &m, &diags, (struct str){0}, NULL) != 0 ||
		!images_may_be(&m))
		return;
	if (engine_open(&g->engine, &g->arena, &info, NULL) != 0) {
		g->engine = NULL;
		return;
	}
	images_add(&g->arena, &g->left, g->engine, &m, g->place.dir, IMAGES_OLD, g->before_ns);
}

static void
add_runs(struct gc *g)
{
	struct names names = file_names(&g->arena, g->state.runs);
	size_t latest = names.n;

	while (latest > 0 && !ulid_is(str_from(names.v[latest - 1])))
		latest--;
	for (size_t i = 0; i + 1 < latest; i++) {
		if (ulid_is(str_from(names.v[i])) &&
			ulid_wall_ns(str_from(names.v[i])) < g->before_ns)
			leftovers_add(&g->arena, &g->left, LEFT_FOLDER, "run", names.v[i],
				arena_printf(&g->arena, "%s/%s", g->state.runs, names.v[i]).p);
	}
}

static void
gather(struct gc *g)
{
	static const char *const apart[] = {"source", "env", NULL};
	struct arena *a = &g->arena;

	add_runs(g);
	leftovers_add_folder(a, &g->left, "exported source",
		arena_printf(a, "%s/source", g->state.cache).p, NULL, g->before_ns);
	leftovers_add_folder(a, &g->left, "kept setup", arena_printf(a, "%s/env", g->state.cache).p,
		NULL, g->before_ns);
	leftovers_add_folder(a, &g->left, "cached repository", g->state.cache, apart, g->before_ns);
	leftovers_add_folder(a, &g->left, "mark of an applied plan",
		arena_printf(a, "%s/applied", g->state.root).p, NULL, g->before_ns);
	add_images(g);
}

struct keys {
	struct digest *v;
	size_t n, cap;
};

static void
keep(struct keys *k, const struct digest *d)
{
	if (digest_is_zero(d))
		return;
	if (k->n == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 1024;
		k->v = mem_realloc(k->v, k->cap * sizeof(*k->v));
	}
	k->v[k->n++] = *d;
}

/* The newest key of every task of every job that the store remembers: histories know them. */
static int
keep_newest(struct gc *g, struct keys *k, struct error *err)
{
	struct names jobs = file_names(
		&g->arena, arena_printf(&g->arena, "%s/history", store_where(g->store)).p);

	for (size_t i = 0; i < jobs.n; i++) {
		struct history h = {0};
		struct str bytes;
		int rc = store_get(g->store, &g->arena,
			arena_printf(&g->arena, "history/%s", jobs.v[i]).p, &bytes, err);

		if (rc == ERR_MISSING)
			continue;
		/* A history that cannot be read names no key: to go on would be to remove what it
		 * keeps. */
		if (rc < 0)
			return rc;
		history_parse(&g->arena, &h, bytes);
		for (size_t e = 0; e < h.n; e++)
			keep(k, &h.v[e].key);
	}
	return 0;
}

static int
keep_collected(struct gc *g, struct keys *k, struct error *err)
{
	const char *results = find_results(&g->arena, &g->place);
	struct collected *collected;
	size_t n;
	int rc = results ? collect_observe(&g->arena, results, &collected, &n, err) : 0;

	for (size_t i = 0; rc == 0 && results && i < n; i++)
		keep(k, &collected[i].key);
	return rc;
}

static int
by_digest(const void *a, const void *b)
{
	return digest_cmp(a, b);
}

static int
clean_store(struct gc *g, struct error *err)
{
	struct keys k = {0};
	int rc;

	if (!g->store)
		return 0;
	rc = keep_newest(g, &k, err);
	if (rc == 0)
		rc = keep_collected(g, &k, err);
	if (k.n)
		qsort(k.v, k.n, sizeof(*k.v), by_digest);
	if (rc == 0)
		rc = store_gc(
			g->store, k.v, k.n, g->before_ns, g->options.dry_run, &g->results, err);
	free(k.v);
	return rc;
}

static int
report(const struct gc *g)
{
	bool dry = g->options.dry_run;
	struct buf b = {0};
	char size[TEXT_BYTES];
	int status = 0;

	if (g->options.json) {
		buf_add_cstr(&b, "{\"furrow_gc\":1,\"removed\":");
		leftovers_write_json(&b, &g->left);
		json_add_member_int(&b, "results", (int64_t)g->results.n_results);
		json_add_member_int(&b, "temporary", (int64_t)g->results.n_temporary);
		json_add_member_int(&b, "bytes", leftovers_bytes(&g->left) + g->results.bytes);
		json_add_member_bool(&b, "dry_run", dry);
		buf_add_cstr(&b, "}\n");
		status = out_data(&b);
	} else if (dry) {
		leftovers_write(&b, &g->left);
		status = out_data(&b);
	}
	buf_free(&b);
	out_say("%zu thing%s and %llu result%s %s, %s %s", leftovers_count(&g->left),
		leftovers_count(&g->left) == 1 ? "" : "s", (unsigned long long)g->results.n_results,
		g->results.n_results == 1 ? "" : "s", dry ? "would be removed" : "removed",
		text_bytes(size, leftovers_bytes(&g->left) + g->results.bytes),
		dry ? "in all" : "freed");
	return status;
}

static int
collect_garbage(struct gc *g, struct error *err)
{
	const struct clock *clock = clock_system();

	g->before_ns = clock->wall_ns(clock->ctx) -
		       (g->options.older_than_ns < 0 ? default_age_ns : g->options.older_than_ns);
	if (place_find(&g->arena, &g->place, g->options.manifest, err) < 0 ||
		place_state(&g->arena, &g->state, &g->place, err) < 0 ||
		lock_take(&g->lock, g->state.lock, "gc", err) < 0)
		return out_fail(err);
	g->store = find_store(&g->arena, &g->place, &g->state);
	gather(g);
	if (clean_store(g, err) < 0 ||
		(!g->options.dry_run && leftovers_remove(&g->left, g->engine, err) < 0))
		return out_fail(err);
	return report(g);
}

static int
run(int argc, char **argv)
{
	struct gc g = {0};
	struct error err;
	int status = options_parse(
		&g.options, &command_gc, "older-than dry-run json manifest", 0, argc, argv);

	if (status >= 0)
		return status;
	status = collect_garbage(&g, &err);
	if (g.store)
		store_close(g.store);
	if (g.engine)
		engine_close(g.engine);
	lock_release(g.lock);
	arena_free(&g.arena);
	return status;
}

const struct command command_gc = {
	.name = "gc",
	.summary = "free disk space: old runs, sources, results that nobody needs",
	.help = help,
	.run = run,
};
