/* local: opening this machine as a provider, and the frame of one run on it. */
#include "providers/local/internal.h"

#include "planner/execute/journal.h"
#include "providers/host/spawn.h"
#include "providers/local/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static enum step
provider_step(void *ctx, struct call *call, struct outcome *outcome, struct error *err)
{
	struct local *l = ctx;

	if (call->node->kind == KIND_READ)
		return local_read(l, (enum read)call->node->index, err);
	return local_step(l->run, call, outcome, err);
}

static void
provider_submit(void *ctx, struct call *call)
{
	struct local *l = ctx;

	place_submit(&l->run->place, call);
}

static void
provider_stop(void *ctx, struct call *call, int64_t grace_ns)
{
	struct local *l = ctx;

	if (call->node->kind == KIND_TASK)
		place_stop(&l->run->place, call, grace_ns);
	else
		atomic_store(&l->run->stop_steps, true);
}

int
local_open(struct local **out, const struct local_config *config, struct error *err)
{
	struct local *l = mem_alloc(sizeof(*l));

	(void)err;
	*l = (struct local){.config = *config};
	l->provider = (struct provider){
		.ctx = l, .step = provider_step, .submit = provider_submit, .stop = provider_stop};
	local_read_machine(&l->arena, &l->seen.observed.machine);
	*out = l;
	return 0;
}

const struct provider *
local_provider(struct local *l)
{
	return &l->provider;
}

uint32_t
local_slots(const struct local *l)
{
	int64_t cpus = l->seen.observed.machine.cpus;
	int64_t slots = l->config.manifest->map.per_instance;

	if (l->config.max_slots)
		return l->config.max_slots;
	if (slots < 1)
		slots = cpus;
	if (slots < 1)
		slots = 1;
	return (uint32_t)slots;
}

static int
sweep_containers(struct local *l, const char *run, struct error *err)
{
	struct arena scratch = {0};
	struct strings names = {0};
	int rc = 0;

	if (l->engine)
		rc = engine_list_run(l->engine, &scratch, run, &names, err);
	for (size_t i = 0; rc == 0 && i < names.n; i++)
		rc = engine_remove(l->engine, names.v[i].p, err);
	arena_free(&scratch);
	return rc;
}

/* Runs that died left their work folder: end what is left of their processes and containers, then
 * remove it. We hold the job's lock, so no run that has one here is alive. */
static int
sweep_dead_runs(struct local *l, struct error *err)
{
	const char *work = l->config.state->work;
	struct arena scratch = {0};
	struct dirent *entry;
	DIR *dir = opendir(work);
	int rc = 0;

	if (!dir && errno != ENOENT)
		return error_set_errno(err, ERR_HOST, errno, "cannot read %s", work);
	while (rc == 0 && dir && (entry = readdir(dir))) {
		const char *run = entry->d_name;

		if (run[0] == '.')
			continue;
		spawn_sweep(run);
		rc = sweep_containers(l, run, err);
		if (rc == 0)
			rc = state_remove_tree(arena_printf(&scratch, "%s/%s", work, run).p, err);
	}
	if (dir)
		closedir(dir);
	arena_free(&scratch);
	return rc;
}

static int
check_secrets(const struct manifest *m, struct error *err)
{
	struct arena scratch = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->environment.secrets.n; i++) {
		struct str name = m->environment.secrets.v[i];

		if (!getenv(arena_cstr(&scratch, name)))
			rc = error_set(err, ERR_INPUT,
				"%.*s:%u: the secret %.*s is not set in your environment: export "
				"it, then "
				"apply again",
				STR_ARG(m->environment.pos_secrets.file),
				m->environment.pos_secrets.line, STR_ARG(name));
	}
	arena_free(&scratch);
	return rc;
}

static void
begin_tasks(struct local_run *r)
{
	const struct tasks_config config = {.plan = r->plan,
		.store = r->l->store,
		.clock = r->l->config.clock,
		.run = r->run,
		.dir = r->dir,
		.logs = r->logs};

	tasks_open(&r->tasks, &config);
	r->place = (struct place){.tasks = r->tasks, .name = "runner", .shown = "this machine"};
}

int
local_begin_run(struct local *l, const struct plan *plan, const char *run, const char *trace,
	struct error *err)
{
	struct local_run *r;
	char path[4096];
	int rc;

	rc = check_secrets(l->config.manifest, err);
	if (rc == 0)
		rc = sweep_dead_runs(l, err);
	if (rc == 0 && !l->store)
		rc = store_open_dir(&l->store, l->config.store_path.p, true, err);
	if (rc < 0)
		return rc;
	r = mem_alloc(sizeof(*r));
	*r = (struct local_run){.l = l, .plan = plan};
	l->run = r;
	memcpy(r->run, run, strnlen(run, sizeof(r->run) - 1));
	memcpy(r->trace, trace, strnlen(trace, sizeof(r->trace) - 1));
	r->dir = (char *)arena_printf(&r->arena, "%s/%s", l->config.state->runs, run).p;
	r->logs = (char *)arena_printf(&r->arena, "%s/logs", r->dir).p;
	r->work = (char *)arena_printf(&r->arena, "%s/%s", l->config.state->work, run).p;
	begin_tasks(r);
	if ((rc = state_make_dir(r->dir, err)) < 0 || (rc = state_make_dir(r->logs, err)) < 0 ||
		(rc = state_make_dir(r->work, err)) < 0 ||
		(rc = spawn_find_runner(path, sizeof(path), err)) < 0)
		return rc;
	r->runner = arena_cstr(&r->arena, str_from(path));
	spawn_adopt_orphans();
	return 0;
}

void
local_end_run(struct local *l)
{
	struct local_run *r = l->run;

	if (!r)
		return;
	if (r->place.session)
		session_close(r->place.session, 0, NULL);
	if (r->container[0])
		engine_remove(l->engine, r->container, NULL);
	spawn_kill_children();
	state_remove_tree(r->work, NULL);
	rmdir(r->logs); /* only when it is empty, */
	rmdir(r->dir);	/* as this is when the run failed before it began */
	tasks_close(r->tasks);
	arena_free(&r->arena);
	free(r);
	l->run = NULL;
}

void
local_close(struct local *l)
{
	if (!l)
		return;
	local_end_run(l);
	if (l->reader)
		source_close(l->reader);
	if (l->store)
		store_close(l->store);
	if (l->engine)
		engine_close(l->engine);
	for (int i = 0; i < READ_COUNT; i++)
		arena_free(&l->reads[i]);
	arena_free(&l->arena);
	free(l);
}
