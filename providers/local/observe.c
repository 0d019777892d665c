/* observe: what exists on this machine, read by the nodes of a small graph so that reads run
 * side by side. Changes nothing. */
#include "providers/local/internal.h"

#include "providers/container/archive.h"
#include "providers/inputs.h"
#include "providers/store/collect.h"

#include <fcntl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

bool
local_has_image(const struct local *l)
{
	const struct environment *e = &l->site.config.manifest->environment;

	return e->image.p || e->build.context.p;
}

static bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

const char *
local_source_dir(struct local *l, struct arena *a, const struct job *job)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &job->export_identity);
	return arena_printf(a, "%s/source/%s", l->site.config.state->cache, hex).p;
}

const char *
local_setup_dir(struct local *l, struct arena *a, const struct digest *environment)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, environment);
	return arena_printf(a, "%s/env/%s", l->site.config.state->cache, hex).p;
}

static enum arch
machine_arch(const char *name)
{
	if (strcmp(name, "x86_64") == 0)
		return ARCH_X86_64;
	if (strcmp(name, "aarch64") == 0)
		return ARCH_ARM64;
	return ARCH_ANY;
}

void
local_read_machine(struct arena *a, struct machine *out)
{
	struct utsname name;
	struct sysinfo info;

	uname(&name);
	sysinfo(&info);
	out->name = arena_str(a, str_from(name.nodename));
	out->arch = machine_arch(name.machine);
	out->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	out->memory_bytes = (int64_t)info.totalram * info.mem_unit;
}

static int
read_source(struct local *l, struct arena *a, struct error *err)
{
	int rc = source_open(&l->reader, &l->site.config.source, err);

	if (rc < 0)
		return rc;
	return source_list(l->reader, a, &l->site.seen.source, err);
}

static int
read_list(struct local *l, struct arena *a, struct error *err)
{
	return inputs_read_list(l->reader, a, l->site.config.manifest, &l->site.seen.source,
		&l->site.seen.inputs.list, err);
}

static int
read_image(struct local *l, struct arena *a, struct error *err)
{
	const struct environment *e = &l->site.config.manifest->environment;
	int rc;

	if (!local_has_image(l))
		return 0;
	rc = engine_open(&l->engine, a, &l->site.seen.observed.engine, err);
	if (rc < 0)
		return rc;
	l->image.image = archive_absolute(a, l->site.config.manifest_dir, e->image);
	l->image.build = e->build;
	l->image.job = arena_cstr(a, l->site.config.manifest->name);
	if (e->build.context.p)
		l->image.source_identity =
			job_build_identity(l->site.config.manifest, &l->site.seen.source);
	rc = engine_resolve(
		l->engine, a, &l->image, &l->image_digest, &l->site.seen.observed.image_ready, err);
	if (rc < 0)
		return rc;
	if (!e->build.context.p)
		l->site.seen.inputs.image_digest = l->image_digest;
	return 0;
}

static int
read_store(struct local *l, struct arena *a, struct error *err)
{
	struct observed *o = &l->site.seen.observed;
	struct str bytes;
	int rc;

	rc = store_open_dir(&l->site.store, l->site.config.store.p, false, err);
	if (rc == ERR_MISSING)
		return 0;
	if (rc == 0)
		rc = local_lock_store(l, err);
	if (rc < 0)
		return rc;
	rc = store_list_results(l->site.store, a, &o->results, &o->n_results, err);
	if (rc < 0)
		return rc;
	rc = store_get(l->site.store, a,
		arena_printf(a, "history/%.*s", STR_ARG(l->site.config.manifest->name)).p, &bytes,
		err);
	if (rc == ERR_MISSING)
		return 0;
	if (rc < 0)
		return rc;
	history_parse(a, &o->history, bytes);
	return 0;
}

static int
read_results(struct local *l, struct arena *a, struct error *err)
{
	struct observed *o = &l->site.seen.observed;

	return collect_observe(a, l->site.config.results.p, &o->collected, &o->n_collected, err);
}

enum step
local_read(struct local *l, enum read what, struct error *err)
{
	static int (*const reads[READ_COUNT])(struct local *, struct arena *, struct error *) = {
		[READ_SOURCE] = read_source,
		[READ_LIST] = read_list,
		[READ_IMAGE] = read_image,
		[READ_STORE] = read_store,
		[READ_RESULTS] = read_results,
	};

	return reads[what](l, &l->reads[what], err) < 0 ? STEP_FAILED : STEP_DONE;
}

static uint32_t
add_read(struct graph *g, enum read what, const uint32_t *after, uint32_t n)
{
	const struct node node = {.kind = KIND_READ,
		.verb = VERB_RUN,
		.index = what,
		.estimate_ns = -1,
		.p90_ns = -1};

	return graph_add(g, &node, after, n);
}

int
local_read_graph(struct site *i, struct arena *a, struct graph *out, struct error *err)
{
	const struct local *l = (const struct local *)i;
	uint32_t source;

	graph_init(out, a);
	source = add_read(out, READ_SOURCE, NULL, 0);
	if (l->site.config.manifest->map.kind == MAP_FILE)
		add_read(out, READ_LIST, &source, 1);
	if (local_has_image(l))
		add_read(out, READ_IMAGE, &source,
			l->site.config.manifest->environment.build.context.p ? 1 : 0);
	add_read(out, READ_STORE, NULL, 0);
	add_read(out, READ_RESULTS, NULL, 0);
	return graph_freeze(out, err);
}

void
local_observe_identities(struct site *i, const struct job *job, struct observed *obs)
{
	struct local *l = (struct local *)i;
	struct arena scratch = {0};
	const struct environment *e = &job->manifest->environment;

	obs->source_ready = is_there(local_source_dir(l, &scratch, job));
	if (!e->setup.p)
		obs->setup_ready = true;
	else if (local_has_image(l))
		obs->setup_ready = engine_has_setup(l->engine, &job->environment_identity);
	else
		obs->setup_ready = is_there(arena_printf(&scratch, "%s/.furrow-ready",
			local_setup_dir(l, &scratch, &job->environment_identity))
						    .p);
	arena_free(&scratch);
}
