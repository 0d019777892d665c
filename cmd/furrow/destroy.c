/* destroy: removes what is left of a job on this machine. Results stay: they are in the store and
 * in `results`. */
#include "cmd/furrow/file.h"
#include "cmd/furrow/images.h"
#include "cmd/furrow/leftovers.h"
#include "cmd/furrow/manifest_file.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/place.h"
#include "cmd/furrow/text.h"
#include "planner/base/ulid.h"
#include "providers/store/lock.h"

#include <ctype.h>
#include <unistd.h>

static const char help[] =
	"usage: furrow destroy [MANIFEST] [options]\n"
	"\n"
	"Removes what is left of a job on this machine: containers, processes and work\n"
	"folders of runs that died, kept results of setup; with --all also exported\n"
	"sources, and images that were built or loaded. Says what, and asks. Results and\n"
	"the list of runs stay: the next apply makes again only what it needs.\n"
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
	"      --json               print what is removed as one JSON document\n"
	"  -m, --manifest FILE      the manifest, instead of the argument\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_ENGINE\n"
	"\n"
	"Exit codes:\n"
	"  0    removed, or nothing there\n"
	"  3    something could not be removed\n"
	"  64   the command line is wrong, or nobody said yes\n"
	"  75   the job runs\n";

struct destroy {
	struct arena arena;
	struct options options;
	struct place place;
	struct state_dir state;
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
	struct diagnostics diags = {.arena = &d->arena};
	struct strings names = {0};
	struct manifest_file file;
	struct engine info;
	struct manifest m;
	struct error err;

	/* Without a manifest there is no name to look for. */
	if (manifest_file_read(&file, &d->arena, &d->place, (struct str){0}, NULL) != 0 ||
		manifest_file_parse(&file, &d->arena, &m, &diags, (struct str){0}, NULL) != 0)
		return;
	if (!images_may_be(&m))
		return;
	if (engine_open(&d->engine, &d->arena, &info, &err) != 0) {
		d->engine = NULL;
		out_say("furrow: containers and images were not looked for: %s", err.message);
		return;
	}
	if (engine_list(d->engine, &d->arena, arena_cstr(&d->arena, m.name), &names, NULL) != 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		if (is_ours(d, &d->arena, names.v[i]))
			leftovers_add(&d->arena, &d->left, LEFT_CONTAINER, "container",
				arena_cstr(&d->arena, names.v[i]), NULL);
	}
	images_add(&d->arena, &d->left, d->engine, &m, d->place.dir,
		d->options.all ? IMAGES_ALL : IMAGES_SETUPS, INT64_MAX);
}

static void
gather(struct destroy *d)
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
		status = out_data(&b);
	} else {
		leftovers_write(&b, &d->left);
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

static int
destroy(struct destroy *d, struct error *err)
{
	char size[TEXT_BYTES];
	int status;

	if (place_from_options(
		    &d->arena, &d->place, &d->options, options_arg(&d->options, 0), err) < 0 ||
		place_state(&d->arena, &d->state, &d->place, err) < 0 ||
		lock_take(&d->lock, d->state.lock, "destroy", err) < 0)
		return out_fail(err);
	gather(d);
	status = show(d);
	if (d->left.n == 0 && !d->options.json)
		out_say("nothing is left to remove");
	if (d->left.n == 0 || d->options.dry_run || status != 0)
		return status;
	if (confirm(d, err) < 0 || leftovers_remove(&d->left, d->engine, err) < 0)
		return out_fail(err);
	out_say("%zu removed, %s freed", leftovers_count(&d->left),
		text_bytes(size, leftovers_bytes(&d->left)));
	return 0;
}

static int
run(int argc, char **argv)
{
	struct destroy d = {0};
	struct error err;
	int status = options_parse(
		&d.options, &command_destroy, "all dry-run yes json manifest", 1, argc, argv);

	if (status >= 0)
		return status;
	status = destroy(&d, &err);
	if (d.engine)
		engine_close(d.engine);
	lock_release(d.lock);
	arena_free(&d.arena);
	return status;
}

const struct command command_destroy = {
	.name = "destroy",
	.summary = "remove what is left of a job on this machine",
	.help = help,
	.run = run,
};
