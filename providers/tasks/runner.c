/* runner: tasks on their way to a runner: sent, stopped, sent again after a cut, lost with it. */
#include "providers/tasks/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t
make_id(uint32_t index, uint32_t attempt)
{
	return (uint64_t)attempt << 32 | ((uint64_t)index + 1);
}

/* Takes out a task of this runner that is as `which` says, from index *at on; NULL: there is none. */
static struct task_run *
take_next(struct runner *r, uint32_t *at, bool (*which)(const struct task_run *, const void *),
	const void *ctx)
{
	struct tasks *all = r->tasks;
	struct task_run *found = NULL;

	pthread_mutex_lock(&all->lock);
	for (; !found && *at < all->job->n_tasks; ++*at) {
		struct task_run *t = all->v[*at];

		if (!t || t->runner != r || !which(t, ctx))
			continue;
		found = t;
		all->v[*at] = NULL;
	}
	pthread_mutex_unlock(&all->lock);
	return found;
}

static void
lose(struct task_run *t, const struct error *err)
{
	struct error lost = *err;

	t->outcome.place_lost = true;
	lost.code = ERR_HOST;
	lost.class = CLASS_INTERRUPTED;
	task_finish(t, STEP_FAILED, &lost);
}

static bool
any(const struct task_run *t, const void *ctx)
{
	(void)t;
	(void)ctx;
	return true;
}

static void
set_state(struct runner *r, enum runner_state state)
{
	pthread_mutex_lock(&r->tasks->lock);
	r->state = state;
	pthread_mutex_unlock(&r->tasks->lock);
}

void
runner_give_up(struct runner *r, const struct error *err)
{
	struct task_run *t;
	uint32_t at = 0;

	set_state(r, RUNNER_LOST);
	while ((t = take_next(r, &at, any, NULL)))
		lose(t, err);
}

void
runner_lost(void *ctx, const struct error *err)
{
	struct runner *r = ctx;

	set_state(r, RUNNER_CUT);
	if (!r->cut || !r->cut(r->ctx, err))
		runner_give_up(r, err);
}

static void
add_variable(struct arena *a, struct pairs *env, size_t room, const char *name, struct str value)
{
	if (env->n < room)
		env->v[env->n++] =
			(struct pair){.name = str_from(name), .value = arena_str(a, value)};
}

/* The command with what only this attempt knows. */
static void
make_command(struct task_run *t, struct arena *a, struct task_command *out)
{
	const struct call *call = t->call;
	struct task_command command;
	size_t room;

	job_task_command(t->all->job, t->index, a, &command);
	room = command.env.n + 2;
	out->argv = command.argv;
	out->env = (struct pairs){.v = ARENA_ARRAY(a, struct pair, room), .n = command.env.n};
	if (command.env.n)
		memcpy(out->env.v, command.env.v, command.env.n * sizeof(*command.env.v));
	add_variable(a, &out->env, room, "TRACEPARENT",
		arena_printf(a, "00-%s-%s-01", call->trace, call->span));
	input_wrap(t, a, out);
}

void
task_send(struct task_run *t)
{
	const struct job *job = t->all->job;
	struct session_task task = {.id = t->id,
		.attempt = t->attempt,
		.timeout_ns = t->call->timeout_ns,
		.grace_ns = 5 * NS_PER_S};
	struct arena scratch = {0};

	make_command(t, &scratch, &task.command);
	if (job->tasks[t->index].input_entry != UINT32_MAX)
		task.input = job->tasks[t->index].input;
	session_submit(t->runner->session, &task);
	arena_free(&scratch);
}

/* Puts a task into the table, from where the session's thread takes it, or whoever gives the runner up;
 * so it is sent before these can. With the door. A session that was cut as it began may be gone before the state
 * says so: then the task is sent over the next one. */
static enum runner_state
enter_and_send(struct runner *r, struct task_run *t)
{
	enum runner_state state;

	pthread_mutex_lock(&r->tasks->lock);
	state = r->state;
	if (state != RUNNER_LOST)
		r->tasks->v[t->index] = t;
	if (state == RUNNER_LIVE && r->session && !input_is_awaited_locked(t))
		task_send(t);
	pthread_mutex_unlock(&r->tasks->lock);
	return state;
}

void
runner_submit(struct runner *r, struct call *call)
{
	const struct clock *clock = r->tasks->config.clock;
	struct task_run *t = mem_alloc(sizeof(*t));
	uint64_t id = make_id(call->node->index, call->attempt);
	enum runner_state state;
	bool unmade = false;
	struct error err;

	*t = (struct task_run){.all = r->tasks,
		.runner = r,
		.call = call,
		.index = call->node->index,
		.attempt = call->attempt,
		.id = id};
	t->run_start_ns = clock->now_ns(clock->ctx) - call->sink->now_ns(call);
	pthread_mutex_lock(&r->door);
	state = enter_and_send(r, t);
	pthread_mutex_unlock(&r->door);
	if (state != RUNNER_LOST && r->tasks->job->objects)
		unmade = !offers_input(r, id);
	if (unmade)
		input_make(r, id);
	if (state == RUNNER_LOST) {
		error_set(&err, ERR_HOST, "the runner of %s is gone", r->shown);
		lose(t, &err);
	}
}

/* A task that still waits for the URL of its input; NULL: it doesn't. */
static struct task_run *
take_unsent(struct runner *r, uint64_t id)
{
	struct task_run *t;

	pthread_mutex_lock(&r->tasks->lock);
	t = task_find_locked(r, id);
	if (t && input_is_awaited_locked(t))
		r->tasks->v[t->index] = NULL;
	else
		t = NULL;
	pthread_mutex_unlock(&r->tasks->lock);
	return t;
}

void
runner_stop(struct runner *r, const struct call *call, int64_t grace_ns)
{
	uint64_t id = make_id(call->node->index, call->attempt);
	struct task_run *unsent;
	struct error err;

	pthread_mutex_lock(&r->door);
	unsent = take_unsent(r, id);
	if (r->session && !unsent)
		session_stop_task(r->session, id, grace_ns);
	pthread_mutex_unlock(&r->door);
	if (unsent) {
		error_set(&err, ERR_CANCELLED, "stopped");
		task_finish(unsent, STEP_FAILED, &err);
	}
}

static bool
knows(const struct session_host *host, uint64_t id)
{
	for (size_t i = 0; i < host->n_tasks; i++) {
		if (host->tasks[i] == id)
			return true;
	}
	return false;
}

/* Begun, and the runner that began it knows nothing of it: another runner, after a reboot. */
static bool
forgotten(const struct task_run *t, const void *ctx)
{
	return t->begun && !knows(ctx, t->id);
}

/* What came of a result before the cut comes again, but for the streams. Outputs that were placed are
 * offered again: they have to be placed where they are. */
static void
rewind_output_locked(struct task_run *t)
{
	struct buf path = {0};

	if (t->placed) {
		t->offer = t->result;
		t->offer_placed = true;
	} else if (t->result) {
		store_result_abort(t->result);
	}
	t->result = NULL;
	t->has_tar = t->placed = false;
	task_trace_path(&path, t);
	unlink(buf_cstr(&path));
	buf_free(&path);
}

void
runner_resume(struct runner *r, struct session *session, const struct session_host *host)
{
	struct tasks *all = r->tasks;
	struct task_run *t;
	struct error err;
	uint32_t at = 0;

	error_set(&err, ERR_HOST, "the runner of %s was reached again, but had lost the task",
		r->shown);
	while ((t = take_next(r, &at, forgotten, host)))
		lose(t, &err);
	pthread_mutex_lock(&r->door);
	r->session = session;
	pthread_mutex_lock(&all->lock);
	r->n_cuts++;
	for (uint32_t i = 0; i < all->job->n_tasks; i++) {
		t = all->v[i];
		if (!t || t->runner != r)
			continue;
		if (knows(host, t->id)) {
			rewind_output_locked(t);
			session_resume(session, t->id, (uint64_t)t->streams[STDOUT].bytes,
				(uint64_t)t->streams[STDERR].bytes);
		} else if (!input_is_awaited_locked(t)) {
			task_send(t);
		}
	}
	r->state = RUNNER_LIVE;
	pthread_mutex_unlock(&all->lock);
	pthread_mutex_unlock(&r->door);
}

struct session *
runner_take_session(struct runner *r)
{
	struct session *session;

	pthread_mutex_lock(&r->door);
	session = r->session;
	r->session = NULL;
	pthread_mutex_unlock(&r->door);
	return session;
}

void
runner_renew(struct runner *r)
{
	set_state(r, RUNNER_LIVE);
}

enum runner_state
runner_state(struct runner *r)
{
	enum runner_state state;

	pthread_mutex_lock(&r->tasks->lock);
	state = r->state;
	pthread_mutex_unlock(&r->tasks->lock);
	return state;
}

void
runner_init(struct runner *r, struct tasks *all, const char *name, const char *shown)
{
	*r = (struct runner){.tasks = all};
	snprintf(r->name, sizeof(r->name), "%s", name);
	snprintf(r->shown, sizeof(r->shown), "%s", shown);
	pthread_mutex_init(&r->door, NULL);
}

void
runner_destroy(struct runner *r)
{
	pthread_mutex_destroy(&r->door);
}
