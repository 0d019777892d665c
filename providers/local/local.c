/* local: opening this machine as a provider, and the frame of one run on it. */
#include "providers/local/internal.h"

#include "planner/execute/journal.h"
#include "planner/path.h"
#include "providers/base_env.h"
#include "providers/host/spawn.h"
#include "providers/store/lock.h"

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

	runner_submit(&l->run->seat, call);
}

static void
provider_stop(void *ctx, struct call *call, int64_t grace_ns)
{
	struct local *l = ctx;

	if (call->node->kind == KIND_TASK)
		runner_stop(&l->run->seat, call, grace_ns);
	else
		atomic_store(&l->run->stop_steps, true);
}

static uint32_t
slots_of(const struct site *i, const struct changes *changes)
{
	int64_t slots = i->config.manifest->map.per_instance;

	(void)changes;
	if (i->config.max_slots)
		return i->config.max_slots;
	if (slots < 1)
		slots = i->seen.observed.machine.cpus;
	return slots < 1 ? 1 : (uint32_t)slots;
}

uint32_t
local_slots(const struct local *l)
{
	return slots_of(&l->site, NULL);
}

/* Who cannot write there takes no lock; if anything is to be done, the store says so. */
int
local_lock_store(struct local *l, struct error *err)
{
	const struct site_config *c = &l->site.config;
	struct arena scratch = {0};
	const char *folder, *path;
	int rc = 0;

	if (!c->lock_run || l->store_lock || path_within(c->store, str_from(c->state->root)))
		return 0;
	folder = arena_printf(&scratch, "%.*s/locks", STR_ARG(c->store)).p;
	path = arena_printf(&scratch, "%s/%.*s", folder, STR_ARG(c->manifest->name)).p;
	if (state_make_dir(folder, NULL) == 0)
		rc = lock_take(&l->store_lock, path, c->lock_run, err);
	arena_free(&scratch);
	return rc == ERR_LOCKED ? rc : 0;
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
	const char *work = l->site.config.state->work;
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

static void
begin_tasks(struct local_run *r)
{
	const struct tasks_config config = {.plan = r->plan,
		.store = r->l->site.store,
		.clock = r->l->site.config.clock,
		.run = r->run,
		.dir = r->dir,
		.logs = r->logs};

	tasks_open(&r->tasks, &config);
	runner_init(&r->seat, r->tasks, "runner", "this machine");
}

static int
begin_run(struct site *i, const struct plan *plan, const char *run, const char *trace,
	struct error *err)
{
	struct local *l = (struct local *)i;
	struct local_run *r;
	char path[4096];
	int rc;

	rc = base_env_check(l->site.config.manifest, err);
	if (rc == 0)
		rc = sweep_dead_runs(l, err);
	if (rc == 0 && !l->site.store)
		rc = store_open_dir(&l->site.store, l->site.config.store.p, true, err);
	if (rc == 0)
		rc = local_lock_store(l, err);
	if (rc < 0)
		return rc;
	r = mem_alloc(sizeof(*r));
	*r = (struct local_run){.l = l, .plan = plan};
	l->run = r;
	memcpy(r->run, run, strnlen(run, sizeof(r->run) - 1));
	memcpy(r->trace, trace, strnlen(trace, sizeof(r->trace) - 1));
	r->dir = (char *)arena_printf(&r->arena, "%s/%s", l->site.config.state->runs, run).p;
	r->logs = (char *)arena_printf(&r->arena, "%s/logs", r->dir).p;
	r->work = (char *)arena_printf(&r->arena, "%s/%s", l->site.config.state->work, run).p;
	begin_tasks(r);
	if ((rc = state_make_dir(r->dir, err)) < 0 || (rc = state_make_dir(r->logs, err)) < 0 ||
		(rc = state_make_dir(r->work, err)) < 0 ||
		(rc = spawn_find_runner(path, sizeof(path), err)) < 0)
		return rc;
	r->runner = arena_cstr(&r->arena, str_from(path));
	spawn_adopt_orphans();
	return 0;
}

static void
end_run(struct site *i)
{
	struct local *l = (struct local *)i;
	struct local_run *r = l->run;
	struct session *session;

	if (!r)
		return;
	session = runner_take_session(&r->seat);
	if (session)
		session_close(session, 0, NULL);
	if (r->container[0])
		engine_remove(l->engine, r->container, NULL);
	spawn_kill_children();
	state_remove_tree(r->work, NULL);
	rmdir(r->logs); /* only when it is empty, */
	rmdir(r->dir);	/* as this is when the run failed before it began */
	tasks_close(r->tasks);
	if (r->tasks)
		runner_destroy(&r->seat);
	arena_free(&r->arena);
	free(r);
	l->run = NULL;
}

static void
close_local(struct site *i)
{
	struct local *l = (struct local *)i;

	end_run(i);
	if (l->reader)
		source_close(l->reader);
	if (i->store)
		store_close(i->store);
	lock_release(l->store_lock);
	if (l->engine)
		engine_close(l->engine);
	for (int at = 0; at < READ_COUNT; at++)
		arena_free(&l->reads[at]);
	arena_free(&l->arena);
	free(l);
}

static const struct site_ops ops = {
	.read_graph = local_read_graph,
	.observe_identities = local_observe_identities,
	.slots = slots_of,
	.begin_run = begin_run,
	.end_run = end_run,
	.close = close_local,
};

int
local_open(struct site **out, const struct site_config *config, struct error *err)
{
	struct local *l = mem_alloc(sizeof(*l));

	(void)err;
	*l = (struct local){.site = {.ops = &ops, .config = *config}};
	l->site.provider = (struct provider){
		.ctx = l, .step = provider_step, .submit = provider_submit, .stop = provider_stop};
	if (!l->site.config.store.p)
		l->site.config.store = str_from(config->state->store);
	local_read_machine(&l->arena, &l->site.seen.observed.machine);
	*out = &l->site;
	return 0;
}
