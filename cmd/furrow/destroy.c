/* destroy: removes what is left of a job: on this machine, and in the account that it ran in. Results
 * stay: they are in the store and in `results`. */
#include "cmd/furrow/cloud_left.h"
#include "cmd/furrow/file.h"
#include "cmd/furrow/images.h"
#include "cmd/furrow/interrupt.h"
#include "cmd/furrow/leftovers.h"
#include "cmd/furrow/manifest_file.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/place.h"
#include "cmd/furrow/run_dir.h"
#include "cmd/furrow/text.h"
#include "cmd/furrow/wrap.h"
#include "planner/base/clock.h"
#include "planner/base/ulid.h"
#include "planner/regions.h"
#include "providers/parallel.h"
#include "providers/store/lock.h"

#include <ctype.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LATEST_RUNS = 8 };

static const char help[] =
	"usage: furrow destroy [MANIFEST] [options]\n"
	"\n"
	"Removes what is left of a job. On this machine: containers, processes and work\n"
	"folders of runs that died, kept results of setup; with --all also exported\n"
	"sources, and images that were built or loaded. With infra aws/REGION, too: the\n"
	"instances of the job, whoever launched them, and their security group; with\n"
	"--all also the job's sources in the store, and what setup left there. Says what,\n"
	"and asks. Ends only when EC2 says that the instances are terminated. Results, the\n"
	"store's bucket and the list of runs stay: the next apply makes again only what it\n"
	"needs.\n"
	"\n"
	"Examples:\n"
	"  furrow destroy -n                what would be removed\n"
	"  furrow destroy                   show it, ask, remove it\n"
	"  furrow destroy --all -y          everything but results, unasked\n"
	"\n"
	"Options:\n"
	"  -a, --all                exported sources and images, too\n"
	"  -n, --dry-run            only say what would be removed\n"
	"  -y, --yes                don't ask\n"
	"      --infra INFRA        instead of the manifest's instances.infra: where it was\n"
	"                           applied\n"
	"      --json               print what is removed as one JSON document\n"
	"  -m, --manifest FILE      the manifest, instead of the argument\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_ENGINE; for instances AWS_PROFILE, AWS_REGION and the like, as the AWS\n"
	"  SDKs take them\n"
	"\n"
	"Exit codes:\n"
	"  0    removed, or nothing there\n"
	"  3    something could not be removed; what, and how to remove it by hand, is told\n"
	"  64   the command line is wrong, or nobody said yes\n"
	"  75   the job runs, here or elsewhere\n"
	"  130  interrupted (128 + signal): what is still there is told\n";

struct destroy {
	struct arena arena;
	struct options options;
	struct place place;
	struct state_dir state;
	bool has_state;		   /* something was applied here */
	struct manifest_file file; /* what `manifest` was read from */
	struct manifest *manifest; /* NULL: it cannot be read */
	/* Of the manifest's regions, home first; none: the job is not in a cloud. */
	struct inventory **inventories;
	size_t n_inventories;
	struct inventory_locks *locks;
	int unread; /* a region other than home could not be looked at: why, an error code */
	struct leftovers left;
	struct engine_handle *engine; /* NULL: none there, or no need of one */
	struct lock *lock;
};

/* The run that a container's name tells of is one of this folder's. The job's name alone doesn't
 * say that: another clone of the repository has the same, and may be at work. */
static bool
is_ours(const struct destroy *d, struct arena *a, struct str container)
{
	static const char start[] = "furrow-";
	const char *const roots[] = {d->state.runs, d->state.work};
	char run[ULID_BYTES];

	if (!str_starts(container, str_from(start)) ||
		container.n < sizeof(start) - 1 + ULID_BYTES - 1)
		return false;
	for (size_t i = 0; i < ULID_BYTES - 1; i++)
		run[i] = (char)toupper((unsigned char)container.p[sizeof(start) - 1 + i]);
	run[ULID_BYTES - 1] = '\0';
	if (!ulid_is(str_from(run)))
		return false;
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		if (access(arena_printf(a, "%s/%s", roots[i], run).p, F_OK) == 0)
			return true;
	}
	return false;
}

static void
add_of_engine(struct destroy *d)
{
	struct strings names = {0};
	struct engine info;
	struct error err;

	/* Without a manifest there is no name to look for. */
	if (!d->manifest || !images_may_be(d->manifest))
		return;
	if (engine_open(&d->engine, &d->arena, &info, &err) != 0) {
		d->engine = NULL;
		out_say("furrow: containers and images were not looked for: %s", err.message);
		return;
	}
	if (engine_list(d->engine, &d->arena, arena_cstr(&d->arena, d->manifest->name), &names,
		    NULL) != 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		if (is_ours(d, &d->arena, names.v[i]))
			leftovers_add(&d->arena, &d->left, LEFT_CONTAINER, "container",
				arena_cstr(&d->arena, names.v[i]), NULL);
	}
	images_add(&d->arena, &d->left, d->engine, d->manifest, d->place.dir,
		d->options.all ? IMAGES_ALL : IMAGES_SETUPS, INT64_MAX);
}

static void
add_of_machine(struct destroy *d)
{
	static const char *const apart[] = {"source", "env", NULL};
	struct names work = file_names(&d->arena, d->state.work);

	for (size_t i = 0; i < work.n; i++) {
		if (ulid_is(str_from(work.v[i])))
			leftovers_add(&d->arena, &d->left, LEFT_RUN, "run that died", work.v[i],
				arena_printf(&d->arena, "%s/%s", d->state.work, work.v[i]).p);
	}
	add_of_engine(d);
	leftovers_add_folder(&d->arena, &d->left, "kept setup",
		arena_printf(&d->arena, "%s/env", d->state.cache).p, NULL, INT64_MAX);
	if (!d->options.all)
		return;
	leftovers_add_folder(&d->arena, &d->left, "exported source",
		arena_printf(&d->arena, "%s/source", d->state.cache).p, NULL, INT64_MAX);
	leftovers_add_folder(
		&d->arena, &d->left, "cached repository", d->state.cache, apart, INT64_MAX);
}

static void
add_launches(struct destroy *d, const struct run_dir *run, struct strings *tokens,
	int64_t *asked_wall_ns)
{
	struct timings t;
	struct stat st;
	struct str *v;

	if (run->state != RUN_INTERRUPTED || run_dir_timings(&d->arena, run, &t, NULL) != 0 ||
		t.n_intents == 0 ||
		stat(arena_printf(&d->arena, "%s/journal.jsonl", run->path).p, &st) != 0)
		return;
	v = ARENA_ARRAY(&d->arena, struct str, tokens->n + t.n_intents);
	if (tokens->n)
		memcpy(v, tokens->v, tokens->n * sizeof(*v));
	tokens->v = v;
	for (size_t i = 0; i < t.n_intents; i++) {
		if (str_is(t.intents[i].op, "RunInstances"))
			v[tokens->n++] = t.intents[i].token;
	}
	if (((int64_t)st.st_mtim.tv_sec + 1) * NS_PER_S > *asked_wall_ns)
		*asked_wall_ns = ((int64_t)st.st_mtim.tv_sec + 1) * NS_PER_S;
}

/* Launches that the latest runs had no answer to, because they were killed, may be of instances that
 * EC2 does not show yet. */
static struct strings
read_launches(struct destroy *d, int64_t *asked_wall_ns)
{
	struct strings tokens = {0};
	struct run_dir *runs = NULL;
	size_t n = 0, all;

	if (d->has_state)
		run_dir_list(&d->arena, &d->state, LATEST_RUNS, &runs, &n, &all);
	for (size_t i = 0; i < n; i++)
		add_launches(d, &runs[i], &tokens, asked_wall_ns);
	return tokens;
}

/* Home's comes locked, and the others have its store. */
static int
open_regions(struct destroy *d, struct error *err)
{
	struct inventory_options options = {
		.job = d->manifest->name,
		.store = d->manifest->store,
		.as = STR("destroy"),
		.clock = clock_system(),
		.stop = interrupt_flag,
	};
	struct region_wish *regions;
	size_t n = regions_of(&d->arena, &d->manifest->instances, &regions);
	int rc = 0;

	options.locks = d->locks = inventory_locks_open();
	d->inventories = ARENA_ARRAY(&d->arena, struct inventory *, n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		options.region = regions[i].name;
		rc = inventory_open(&d->inventories[i], &options, err);
		d->n_inventories += rc == 0;
		if (rc == 0 && i == 0)
			rc = inventory_lock(d->inventories[0], d->options.dry_run, err);
		if (rc == 0 && i == 0)
			options.store = inventory_store(d->inventories[0], &d->arena);
	}
	return rc;
}

/* A region that cannot be looked at keeps nothing from being removed in the others. */
static void
read_others(struct destroy *d)
{
	struct error err;
	size_t n = 1;

	for (size_t i = 1; i < d->n_inventories; i++) {
		struct inventory *inv = d->inventories[i];

		if (inventory_read(inv, false, &err) == 0) {
			d->inventories[n++] = inv;
			continue;
		}
		out_say("furrow: what is in %s is not known, and stays: %s", inventory_region(inv),
			err.message);
		d->unread = err.code;
		inventory_close(inv);
	}
	d->n_inventories = n;
}

/* Then all is read anew. */
static int
await_launches(
	struct destroy *d, const struct strings *launches, int64_t asked_wall_ns, struct error *err)
{
	int rc = inventory_await(d->inventories, d->n_inventories, launches, asked_wall_ns, err);

	for (size_t i = 0; rc == 0 && i < d->n_inventories; i++)
		rc = inventory_read(d->inventories[i], d->options.all && i == 0, err);
	return rc;
}

/* With the lock held, whatever is found stays as it is; the tags may name another store, whose lock
 * counts as well. */
static int
add_of_cloud(struct destroy *d, struct error *err)
{
	int64_t asked_wall_ns = 0;
	struct strings launches = read_launches(d, &asked_wall_ns);
	int rc = open_regions(d, err);

	/* The store is home's. */
	if (rc == 0)
		rc = inventory_read(d->inventories[0], d->options.all, err);
	if (rc == 0)
		read_others(d);
	if (rc == 0 && launches.n)
		rc = await_launches(d, &launches, asked_wall_ns, err);
	for (size_t i = 0; rc == 0 && i < d->n_inventories; i++)
		rc = inventory_lock(d->inventories[i], d->options.dry_run, err);
	for (size_t i = 0; rc == 0 && i < d->n_inventories; i++)
		cloud_left_add(&d->arena, &d->left, d->inventories[i]);
	return rc;
}

static int
gather(struct destroy *d, struct error *err)
{
	int rc = 0;

	if (d->manifest && d->manifest->instances.infra.kind == INFRA_AWS)
		rc = add_of_cloud(d, err);
	if (rc == 0 && d->has_state)
		add_of_machine(d);
	return rc;
}

static int
show(const struct destroy *d)
{
	struct buf b = {0};
	int status = 0;

	if (d->options.json) {
		buf_add_cstr(&b, "{\"furrow_destroy\":1,\"removed\":");
		leftovers_write_json(&b, &d->left);
		buf_addf(&b, ",\"dry_run\":%s}\n", d->options.dry_run ? "true" : "false");
		status = out_data(&b);
	} else if (d->options.dry_run) {
		leftovers_write(&b, &d->left);
		wrap_for(&b, STDOUT_FILENO);
		status = out_data(&b);
	} else {
		leftovers_write(&b, &d->left);
		wrap_for(&b, STDERR_FILENO);
		out_words(&b);
	}
	buf_free(&b);
	return status;
}

static int
confirm(const struct destroy *d, struct error *err)
{
	if (d->options.yes)
		return 0;
	if (!out_can_ask())
		return error_set(err, ERR_INPUT,
			"destroy asks before it removes anything, and there is no terminal to ask "
			"on: -y says yes");
	return out_ask("\nRemove these?") ? 0 : error_set(err, ERR_INPUT, "nothing was removed");
}

/* A manifest that cannot be read names no job to look for elsewhere; its folder may still hold things
 * of it, unless it is all that there could be. */
static int
read_manifest(struct destroy *d, struct error *err)
{
	struct diagnostics diags = {.arena = &d->arena};
	struct manifest *m = ARENA_NEW(&d->arena, struct manifest);
	int rc = manifest_file_read(&d->file, &d->arena, &d->place, (struct str){0}, err);

	if (rc == 0)
		rc = manifest_file_parse(
			&d->file, &d->arena, m, &diags, str_from(d->options.infra), err);
	if (rc == 0)
		d->manifest = m;
	else if (d->options.infra)
		return rc;
	else if (diags.n_errors)
		out_say("furrow: %s has errors (furrow validate shows them), so no containers, "
			"images "
			"or instances are looked for",
			d->place.shown);
	return 0;
}

static int
open_place(struct destroy *d, struct error *err)
{
	int rc = place_from_options(
		&d->arena, &d->place, &d->options, options_arg(&d->options, 0), err);

	if (rc == 0)
		rc = read_manifest(d, err);
	if (rc == 0)
		rc = place_state(&d->arena, &d->state, &d->place, err);
	/* What is in a cloud may have been applied from another folder, or machine. */
	if (rc == ERR_MISSING && d->manifest && d->manifest->instances.infra.kind == INFRA_AWS)
		return 0;
	d->has_state = rc == 0;
	return rc < 0 ? rc : lock_take(&d->lock, d->state.lock, "destroy", err);
}

struct removing {
	struct inventory **v;
	struct error *errors;
	int *rc;
};

static void
remove_region(void *ctx, size_t i)
{
	struct removing *r = ctx;

	r->rc[i] = inventory_remove(r->v[i], &r->errors[i]);
}

/* All regions, whatever becomes of one; the first failure. */
static int
remove_regions(struct destroy *d, struct error *err)
{
	struct removing r = {.v = d->inventories,
		.errors = ARENA_ARRAY(&d->arena, struct error, d->n_inventories),
		.rc = ARENA_ARRAY(&d->arena, int, d->n_inventories)};
	int rc = 0;

	parallel_for(d->n_inventories, d->n_inventories, remove_region, &r);
	for (size_t i = 0; i < d->n_inventories && rc == 0; i++) {
		rc = r.rc[i];
		if (rc < 0)
			*err = r.errors[i];
	}
	return rc;
}

/* Exit status: 0, or of what was not removed. */
static int
remove_of_cloud(struct destroy *d, struct error *err)
{
	struct buf b = {0};
	int rc, caught;

	if (!d->n_inventories)
		return 0;
	interrupt_catch();
	rc = remove_regions(d, err);
	caught = interrupt_release();
	cloud_left_settle(&d->left);
	if (rc == 0)
		return 0;
	if (caught)
		out_say("furrow: interrupted");
	for (size_t i = 0; i < d->n_inventories; i++)
		cloud_left_write_problems(&b, d->inventories[i]);
	out_words(&b);
	buf_free(&b);
	return caught ? caught : error_exit_code(err->code);
}

static int
remove_all(struct destroy *d, struct error *err)
{
	char size[TEXT_BYTES];
	int status = remove_of_cloud(d, err);

	if (status <= 128 && leftovers_remove(&d->left, d->engine, err) < 0)
		status = out_fail(err);
	if (status == 0 && leftovers_bytes(&d->left))
		out_say("%zu removed, %s freed", leftovers_count(&d->left),
			text_bytes(size, leftovers_bytes(&d->left)));
	else if (status == 0)
		out_say("%zu removed", leftovers_count(&d->left));
	return status;
}

static int
destroy(struct destroy *d, struct error *err)
{
	int status;

	if (open_place(d, err) < 0 || gather(d, err) < 0)
		return out_fail(err);
	status = show(d);
	if (d->left.n == 0 && !d->options.json)
		out_say("nothing is left to remove");
	if (d->left.n && !d->options.dry_run && status == 0) {
		if (confirm(d, err) < 0)
			return out_fail(err);
		status = remove_all(d, err);
	}
	return status || !d->unread ? status : error_exit_code(d->unread);
}

static int
run(int argc, char **argv)
{
	struct destroy d = {0};
	struct error err;
	int status = options_parse(
		&d.options, &command_destroy, "all dry-run yes infra json manifest", 1, argc, argv);

	if (status >= 0)
		return status;
	status = destroy(&d, &err);
	if (d.engine)
		engine_close(d.engine);
	inventory_locks_close(d.locks);
	for (size_t i = 0; i < d.n_inventories; i++)
		inventory_close(d.inventories[i]);
	lock_release(d.lock);
	arena_free(&d.arena);
	return status;
}

const struct command command_destroy = {
	.name = "destroy",
	.summary = "remove what is left of a job, here and in the cloud",
	.help = help,
	.run = run,
};
