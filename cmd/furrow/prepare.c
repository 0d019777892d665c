/* prepare: from a manifest to a plan. */
#include "cmd/furrow/prepare.h"

#include "cmd/furrow/file.h"
#include "cmd/furrow/out.h"
#include "planner/base/ulid.h"
#include "planner/cost.h"
#include "planner/execute/pool.h"
#include "planner/path.h"
#include "providers/fleet/fleet.h"
#include "providers/local/local.h"
#include "providers/store/collect.h"

#include <sys/random.h>

enum { READ_WORKERS = 10 };

void
prepare_ulid(char out[27])
{
	const struct clock *clock = clock_system();
	uint8_t random[ULID_RANDOM_BYTES] = {0};
	ssize_t n = getrandom(random, sizeof(random), 0);

	(void)n; /* so few bytes come whole, once the machine is up */
	ulid_format(out, clock->wall_ns(clock->ctx), random);
}

/* Shows what diags hold; ERR_INPUT when there is an error among them. */
static int
settle(struct prepared *p, struct diagnostics *diags, int rc, struct error *err)
{
	bool told = diags->n_errors > 0;

	if (diags->n)
		manifest_file_show(&p->file, diags);
	if (!told)
		return rc;
	return error_set(err, ERR_INPUT, "%s: %zu error%s in it; nothing was done", p->place.shown,
		diags->n_errors, diags->n_errors == 1 ? "" : "s");
}

static bool
in_git_folder(struct str folder)
{
	while (folder.p) {
		if (str_is(str_cut(&folder, '/'), ".git"))
			return true;
	}
	return false;
}

static bool
is_url(struct str folder)
{
	return str_starts(folder, STR("s3://"));
}

/* A folder of the manifest as an absolute path; s3:// is for clouds. */
static int
resolve_folder(struct prepared *p, struct str folder, struct pos pos, const char *key,
	struct str *out, struct error *err)
{
	if (is_url(folder) && p->manifest.instances.infra.kind == INFRA_AWS) {
		*out = arena_str(&p->arena, folder);
		return 0;
	}
	if (is_url(folder))
		return error_set(err, ERR_INPUT,
			"%.*s:%u:%u: %s: %.*s: infra local keeps its files in folders; name one",
			STR_ARG(pos.file), pos.line, pos.col, key, STR_ARG(folder));
	*out = path_join(&p->arena, str_from(p->place.dir), folder);
	if (!in_git_folder(folder))
		return 0;
	return error_set(err, ERR_INPUT,
		"%.*s:%u:%u: %s: %.*s: that is git's own folder; name another", STR_ARG(pos.file),
		pos.line, pos.col, key, STR_ARG(folder));
}

/* Each keeps what it finds in its folder for its own. The store that nobody named lies in .furrow,
 * where no results go. */
static int
check_apart(const struct prepared *p, struct error *err)
{
	const struct manifest *m = &p->manifest;
	const struct pos *pos = &m->pos_store;

	if (!m->store.p || is_url(p->store) || is_url(p->results) ||
		(!path_within(p->results, p->store) && !path_within(p->store, p->results)))
		return 0;
	return error_set(err, ERR_INPUT,
		"%.*s:%u:%u: store: %.*s: the store and `results` (%.*s) cannot lie within each "
		"other; name another folder for one of them",
		STR_ARG(pos->file), pos->line, pos->col, STR_ARG(m->store), STR_ARG(m->results));
}

static int
resolve_folders(struct prepared *p, struct error *err)
{
	const struct manifest *m = &p->manifest;
	const struct job unexpanded = {.manifest = m};
	int rc = resolve_folder(
		p, job_results_root(&unexpanded), m->pos_results, "results", &p->results, err);

	if (rc < 0)
		return rc;
	if (m->store.p)
		rc = resolve_folder(p, m->store, m->pos_store, "store", &p->store, err);
	return rc < 0 ? rc : check_apart(p, err);
}

/* What the manifest says of this job is stronger than what the config file says of all. */
static uint32_t
decide_jobs(const struct config *config, const struct manifest *m)
{
	if (config->jobs_from == FROM_FILE && m->map.per_instance >= 1)
		return 0;
	return config->jobs;
}

int
prepare_manifest(
	struct prepared *p, const struct options *o, const char *argument, struct error *err)
{
	struct diagnostics diags = {.arena = &p->arena};
	struct plan *plan = &p->plan;
	int rc = place_from_options(&p->arena, &p->place, o, argument, err);

	if (rc == 0)
		rc = manifest_file_read(&p->file, &p->arena, &p->place, str_from(o->rev), err);
	if (rc < 0)
		return rc;
	rc = manifest_file_parse(
		&p->file, &p->arena, &p->manifest, &diags, str_from(o->infra), err);
	rc = settle(p, &diags, rc, err);
	if (rc == 0)
		rc = state_dir_open(&p->arena, &p->state, p->place.dir, false, err);
	if (rc == 0)
		rc = resolve_folders(p, err);
	p->refresh_prices = o->refresh_prices;
	p->max_slots = decide_jobs(&o->config, &p->manifest);
	plan->manifest_path = str_from(p->place.path);
	plan->manifest_digest = manifest_file_digest(&p->file);
	plan->rev = str_from(o->rev);
	plan->infra_override = str_from(o->infra);
	plan->allow_dirty = o->allow_dirty;
	return rc;
}

/* A folder relative to the manifest's, absent when it lies elsewhere: what a run leaves there is no
 * source. */
static struct str
within(const struct prepared *p, struct str folder)
{
	size_t n = strlen(p->place.dir);

	if (!folder.p || !str_starts(folder, str_from(p->place.dir)) || folder.p[n] != '/')
		return (struct str){0};
	return str_from_index(folder, n + 1);
}

struct site_config
prepare_site_config(const struct prepared *p)
{
	return (struct site_config){
		.state = &p->state,
		.manifest = &p->manifest,
		.manifest_dir = p->place.dir,
		.results = p->results,
		.store = p->store,
		.clock = clock_system(),
		.max_slots = p->max_slots,
		.refresh_prices = p->refresh_prices,
		.lock_run = p->lock_run,
		.source =
			{
				.manifest_dir = p->place.dir,
				.manifest_name = p->place.name,
				.workdir = p->manifest.workdir,
				.rev = p->plan.rev,
				.allow_dirty = p->plan.allow_dirty,
				.prefer_commit = p->prefer_commit,
				.results = within(p, p->results),
				.store = within(p, p->store),
				.cache_dir = p->state.cache,
			},
	};
}

static int
open_infra(struct prepared *p, struct error *err)
{
	const struct site_config config = prepare_site_config(p);

	if (p->manifest.instances.infra.kind == INFRA_AWS)
		return fleet_open(&p->site, &config, err);
	return local_open(&p->site, &config, err);
}

/* The wishes of the manifest that the infra cannot grant. */
static int
check_wishes(struct prepared *p, struct error *err)
{
	const struct machine *machine = &p->site->seen.observed.machine;
	struct diagnostics diags = {.arena = &p->arena};

	if (p->manifest.instances.infra.kind == INFRA_AWS)
		manifest_check_aws(&p->manifest, &diags);
	else
		manifest_check_local(
			&p->manifest, machine->cpus, machine->memory_bytes, machine->arch, &diags);
	return settle(p, &diags, 0, err);
}

int
prepare_observe(struct prepared *p, struct error *err)
{
	const struct exec_options options = {.deadline_ns = -1,
		.task_timeout_ns = -1,
		.retry = {.task_attempts = 1, .step_attempts = 1}};
	struct exec_result result;
	struct graph reads;
	struct pool *pool;
	int rc = open_infra(p, err);

	if (rc == 0)
		rc = check_wishes(p, err);
	if (rc == 0 && p->lock_run && p->site->ops->lock)
		p->site->ops->lock(p->site, p->lock_run);
	if (rc == 0)
		rc = p->site->ops->read_graph(p->site, &p->arena, &reads, err);
	if (rc < 0)
		return rc;
	pool = pool_open(&p->site->provider, clock_system(), READ_WORKERS);
	rc = executor_run(&p->arena, &reads, &options, pool_port(pool), NULL, NULL, &result, err);
	pool_close(pool);
	if (rc < 0 && result.first_error.code != ERR_NONE) {
		*err = result.first_error;
		rc = err->code;
	}
	return rc;
}

int
prepare_diff(struct prepared *p, struct error *err)
{
	const struct site_observation *seen = &p->site->seen;
	struct diagnostics diags = {.arena = &p->arena};
	struct plan *plan = &p->plan;
	int rc = job_resolve(
		&p->arena, &plan->job, &p->manifest, &seen->source, &seen->inputs, &diags, err);

	rc = settle(p, &diags, rc, err);
	if (rc < 0)
		return rc;
	plan->observed = seen->observed;
	p->site->ops->observe_identities(p->site, &plan->job, &plan->observed);
	diff(&p->arena, &plan->changes, &plan->job, &plan->observed);
	return 0;
}

int
prepare_check_results(struct prepared *p, struct error *err)
{
	const struct job *job = &p->plan.job;
	struct collect_item *items;
	struct arena arena = {0};
	int rc;

	if (p->plan.changes.n_todo == 0 || is_url(p->results))
		return 0;
	items = ARENA_ARRAY(&arena, struct collect_item, job->n_tasks);
	for (uint32_t i = 0; i < job->n_tasks; i++)
		items[i] = (struct collect_item){
			.key = job->tasks[i].key, .folder = job_task_folder(job, i, &arena)};
	rc = collect_check_items(p->results.p, items, job->n_tasks, err);
	arena_free(&arena);
	return rc;
}

int
prepare_graph(struct prepared *p, struct error *err)
{
	struct plan *plan = &p->plan;
	char id[27];
	int rc = graph_of_changes(
		&p->arena, &plan->graph, &plan->job, &plan->observed, &plan->changes, err);

	if (rc < 0)
		return rc;
	plan->slots = p->site->ops->slots(p->site, &plan->changes);
	plan_estimate(&p->arena, plan);
	prepare_ulid(id);
	plan->id = arena_str(&p->arena, str_from(id));
	plan_state(plan);
	return 0;
}

int
prepare_plan(struct prepared *p, const struct options *o, const char *argument, struct error *err)
{
	int rc = prepare_manifest(p, o, argument, err);

	if (rc == 0)
		rc = prepare_observe(p, err);
	if (rc == 0)
		rc = prepare_diff(p, err);
	if (rc == 0)
		rc = prepare_graph(p, err);
	return rc;
}

void
prepare_close(struct prepared *p)
{
	if (p->site)
		p->site->ops->close(p->site);
	arena_free(&p->arena);
}
