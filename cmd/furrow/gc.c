/* gc: removes what is old and can be made again, or that nobody will ask for; in the cloud, what costs
 * money although nobody is at it. */
#include "cmd/furrow/cloud_left.h"
#include "cmd/furrow/file.h"
#include "cmd/furrow/find_store.h"
#include "cmd/furrow/gc_cloud.h"
#include "cmd/furrow/gc_store.h"
#include "cmd/furrow/images.h"
#include "cmd/furrow/interrupt.h"
#include "cmd/furrow/leftovers.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/run_dir.h"
#include "cmd/furrow/text.h"
#include "planner/base/clock.h"
#include "planner/base/json.h"
#include "planner/base/ulid.h"
#include "providers/store/collect.h"
#include "providers/store/lock.h"

#include <unistd.h>

static const int64_t default_age_ns = 30 * 86400 * NS_PER_S;
static const int64_t default_instance_age_ns = 3600 * NS_PER_S;

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
	"In regions of AWS, for all jobs of the account: instances with furrow's tags that\n"
	"were launched more than an hour ago and whose job nobody is at (its lock in the\n"
	"store tells), security groups without instances, and in the store what is older\n"
	"than 30 days: sources, what setup left, runners, locks, results, uploads that\n"
	"nobody finishes. Says what stays, since when it runs, and why.\n"
	"\n"
	"Examples:\n"
	"  furrow gc -n                     what would be removed\n"
	"  furrow gc --older-than 7d        be stricter\n"
	"  furrow gc --all-regions -n       whatever of furrow's is in the account\n"
	"\n"
	"Options:\n"
	"      --older-than AGE     30d (the default; 1h for instances), 12h, 0\n"
	"      --region REGION      look in this region of AWS; more with commas, or by\n"
	"                           giving it again. Default: the manifest's, when that\n"
	"                           is for AWS. Needs no manifest\n"
	"      --all-regions        look in all regions that the account may use\n"
	"  -n, --dry-run            only say what would be removed\n"
	"      --json               print what is removed as one JSON document\n"
	"  -m, --manifest FILE      its folder is meant (default: furrow.yaml)\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_ENGINE; for instances AWS_PROFILE, AWS_REGION and the like, as the AWS\n"
	"  SDKs take them\n"
	"\n"
	"Exit codes:\n"
	"  0    done\n"
	"  3    something could not be removed; what, and how to remove it by hand, is told\n"
	"  64   the command line is wrong\n"
	"  75   an apply runs\n"
	"  130  interrupted (128 + signal): what is still there is told\n";

struct gc {
	struct arena arena;
	struct options options;
	struct place place;
	struct state_dir state;
	bool has_state;		   /* something was applied here */
	struct manifest *manifest; /* NULL: it isn't there, or has errors */
	struct str results_dir;	   /* of it; absent without one */
	struct leftovers left;
	struct store *store;	     /* on this machine; NULL: none */
	struct store_gc results;     /* of all stores */
	struct collected *collected; /* what lies in results_dir, when that is a path */
	size_t n_collected;
	struct gc_cloud cloud;
	struct engine_handle *engine; /* NULL: none there, or no need of one */
	int64_t before_ns;	      /* since 1970 */
	struct lock *lock;
};

/* The container engine's share, when the manifest has to do with one. No engine, no share. */
static void
add_images(struct gc *g)
{
	struct engine info;

	if (!g->manifest || !images_may_be(g->manifest))
		return;
	if (engine_open(&g->engine, &g->arena, &info, NULL) != 0) {
		g->engine = NULL;
		return;
	}
	images_add(&g->arena, &g->left, g->engine, g->manifest, g->place.dir, IMAGES_OLD,
		g->before_ns);
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

static void
add_results(struct store_gc *sum, const struct store_gc *more)
{
	sum->n_results += more->n_results;
	sum->n_damaged += more->n_damaged;
	sum->n_temporary += more->n_temporary;
	sum->bytes += more->bytes;
}

static void
write_json(struct buf *b, const struct gc *g)
{
	size_t n = 0;

	buf_add_cstr(b, "{\"furrow_gc\":1,\"removed\":");
	leftovers_write_json(b, &g->left);
	if (g->cloud.n) {
		json_add_name(b, "kept");
		buf_add_char(b, '[');
		for (size_t i = 0; i < g->cloud.n; i++) {
			if (g->cloud.regions[i].inventory)
				cloud_left_write_kept_json(b, g->cloud.regions[i].inventory, &n);
		}
		buf_add_char(b, ']');
	}
	json_add_member_int(b, "results", (int64_t)g->results.n_results);
	json_add_member_int(b, "temporary", (int64_t)g->results.n_temporary);
	json_add_member_int(b, "bytes", leftovers_bytes(&g->left) + g->results.bytes);
	json_add_member_bool(b, "dry_run", g->options.dry_run);
	buf_add_cstr(b, "}\n");
}

/* What is removed is shown by -n, and what stays in the cloud always: it costs money. */
static void
write_text(struct buf *b, const struct gc *g)
{
	if (g->options.dry_run || g->cloud.n)
		leftovers_write(b, &g->left);
	for (size_t i = 0; i < g->cloud.n; i++) {
		if (g->cloud.regions[i].inventory)
			cloud_left_write_kept(b, g->cloud.regions[i].inventory);
	}
}

/* What went wrong in the regions. Returns the exit status that it stands for. */
static int
tell_regions(const struct gc *g, int caught)
{
	struct buf b = {0};
	int status = 0;

	for (size_t i = 0; i < g->cloud.n; i++) {
		const struct gc_region *r = &g->cloud.regions[i];
		size_t n_left = 0;

		if (r->results_stay.p)
			buf_addf(&b, "furrow: %.*s: results were not looked through: %.*s\n",
				STR_ARG(r->name), STR_ARG(r->results_stay));
		if (r->rc == 0)
			continue;
		if (r->inventory && !g->options.dry_run)
			n_left = cloud_left_write_problems(&b, r->inventory);
		if (n_left == 0)
			buf_addf(&b, "furrow: %.*s: %s\n", STR_ARG(r->name), r->err.message);
		status = status ? status : error_exit_code(r->err.code);
	}
	out_words(&b);
	buf_free(&b);
	if (caught)
		out_say("furrow: interrupted");
	return caught ? caught : status;
}

static int
report(const struct gc *g)
{
	bool dry = g->options.dry_run;
	struct buf b = {0};
	char size[TEXT_BYTES];
	int status;

	if (g->options.json)
		write_json(&b, g);
	else
		write_text(&b, g);
	status = out_data(&b);
	buf_free(&b);
	out_say("%zu thing%s and %llu result%s %s, %s %s", leftovers_count(&g->left),
		leftovers_count(&g->left) == 1 ? "" : "s", (unsigned long long)g->results.n_results,
		g->results.n_results == 1 ? "" : "s", dry ? "would be removed" : "removed",
		text_bytes(size, leftovers_bytes(&g->left) + g->results.bytes),
		dry ? "in all" : "freed");
	return status;
}

static int
open_machine(struct gc *g, struct error *err)
{
	int rc = place_find(&g->arena, &g->place, g->options.manifest, err);

	if (rc < 0)
		return rc;
	g->manifest = find_manifest(&g->arena, &g->place);
	if (g->manifest)
		g->results_dir = find_results(&g->arena, &g->place, g->manifest);
	g->cloud.manifest = g->manifest;
	g->cloud.results = g->results_dir;
	rc = place_state(&g->arena, &g->state, &g->place, err);
	if (rc == 0)
		rc = lock_take(&g->lock, g->state.lock, "gc", err);
	g->has_state = rc == 0;
	return rc;
}

static int
gather_machine(struct gc *g, struct error *err)
{
	gather(g);
	g->store = find_store_here(&g->arena, &g->place, &g->state, g->manifest);
	if (!g->results_dir.p || str_starts(g->results_dir, STR("s3://")))
		return 0;
	return collect_observe(&g->arena, g->results_dir.p, &g->collected, &g->n_collected, err);
}

/* Exit status of what is in regions. */
static int
clean_cloud(struct gc *g)
{
	int caught;

	interrupt_catch();
	gc_cloud_read(&g->cloud, &g->arena, &g->left);
	gc_cloud_remove(&g->cloud, g->collected, g->n_collected);
	caught = interrupt_release();
	for (size_t i = 0; i < g->cloud.n; i++)
		add_results(&g->results, &g->cloud.regions[i].results);
	if (!g->options.dry_run)
		cloud_left_settle(&g->left);
	return tell_regions(g, caught);
}

static int
clean_machine(struct gc *g, struct error *err)
{
	struct store_gc results = {0};
	int rc = 0;

	if (g->store)
		rc = gc_store(g->store, g->collected, g->n_collected, g->before_ns,
			g->options.dry_run, &results, err);
	add_results(&g->results, &results);
	if (rc == 0 && !g->options.dry_run)
		rc = leftovers_remove(&g->left, g->engine, err);
	return rc;
}

static int
collect_garbage(struct gc *g, struct error *err)
{
	const struct clock *clock = clock_system();
	int64_t age = g->options.older_than_ns;
	int status, told, rc;
	struct error why;
	bool nothing_here;

	g->cloud.ages.object_ns = age < 0 ? default_age_ns : age;
	g->cloud.ages.instance_ns = age < 0 ? default_instance_age_ns : age;
	g->cloud.dry = g->options.dry_run;
	g->before_ns = clock->wall_ns(clock->ctx) - g->cloud.ages.object_ns;
	rc = open_machine(g, err);
	nothing_here = rc == ERR_MISSING;
	if (rc == 0)
		rc = gather_machine(g, err);
	if (rc < 0 && !nothing_here)
		return out_fail(err);
	if (gc_cloud_regions(&g->cloud, &g->arena, &g->options, &why) < 0)
		return out_fail(&why);
	/* Whoever names no region means what is here. */
	if (nothing_here && g->cloud.n == 0)
		return out_fail(err);
	status = clean_cloud(g);
	if (g->has_state && status <= 128 && clean_machine(g, err) < 0)
		return out_fail(err);
	told = report(g);
	return status ? status : told;
}

static int
run(int argc, char **argv)
{
	struct gc g = {0};
	struct error err;
	int status = options_parse(&g.options, &command_gc,
		"older-than region all-regions dry-run json manifest", 0, argc, argv);

	if (status >= 0)
		return status;
	status = collect_garbage(&g, &err);
	gc_cloud_close(&g.cloud);
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
	.summary = "free disk space: old runs, sources, results; end forgotten instances",
	.help = help,
	.run = run,
};
