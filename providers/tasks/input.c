/* input: an input that is an object of S3. Its task is started as `furrow-runner fetch COMMAND…`, which
 * fetches it by a URL that is good for this attempt. Making that may have to wait for credentials, which
 * who submits a task must not: it is done on the thread of offers, and the task is sent then. */
#include "providers/tasks/internal.h"

#include "planner/base/protocol.h"

#include <stdlib.h>

bool
input_is_awaited_locked(const struct task_run *t)
{
	return t->all->job->objects && !t->input_url;
}

/* Of the task that waits for it; there may be none any more. */
static void
give_url(struct runner *r, uint64_t id, struct str url)
{
	struct task_run *t;

	pthread_mutex_lock(&r->door);
	pthread_mutex_lock(&r->tasks->lock);
	t = task_find_locked(r, id);
	if (t) {
		t->input_url = mem_alloc(url.n + 1);
		memcpy(t->input_url, url.p, url.n);
		t->input_url[url.n] = '\0';
		if (r->state == RUNNER_LIVE && r->session)
			task_send(t); /* else it is sent once the runner is reached again */
	}
	pthread_mutex_unlock(&r->tasks->lock);
	pthread_mutex_unlock(&r->door);
}

void
input_make(struct runner *r, uint64_t id)
{
	const struct tasks_config *config = &r->tasks->config;
	uint32_t index = (uint32_t)id - 1;
	struct arena scratch = {0};
	struct task_run *t;
	struct error err;
	struct str url;

	if (config->input_url(config->input_ctx, index, &scratch, &url, &err) == 0) {
		give_url(r, id, url);
	} else {
		t = task_take(r, id);
		if (t)
			task_finish(t, STEP_FAILED, &err);
	}
	arena_free(&scratch);
}

void
input_wrap(const struct task_run *t, struct arena *a, struct task_command *command)
{
	struct strings argv = {.v = ARENA_ARRAY(a, struct str, command->argv.n + 2)};
	struct pairs env = {.v = ARENA_ARRAY(a, struct pair, command->env.n + 2)};

	if (!t->input_url)
		return;
	argv.v[argv.n++] = STR("/proc/self/exe");
	argv.v[argv.n++] = STR("fetch");
	for (size_t i = 0; i < command->argv.n; i++)
		argv.v[argv.n++] = command->argv.v[i];
	for (size_t i = 0; i < command->env.n; i++)
		env.v[env.n++] = command->env.v[i];
	env.v[env.n++] = (struct pair){.name = STR(FETCH_URL), .value = str_from(t->input_url)};
	env.v[env.n++] = (struct pair){
		.name = STR(FETCH_ETAG), .value = t->all->job->objects[t->index].etag};
	command->argv = argv;
	command->env = env;
}

bool
input_failed(struct task_run *t, struct error *err)
{
	struct str said = buf_str(&t->streams[STDERR].head);
	int status = t->outcome.exit_status;

	if (!t->input_url || t->outcome.signal ||
		(status != FETCH_CHANGED && status != FETCH_FAILED) ||
		!str_starts(said, STR(FETCH_SAYS)))
		return false;
	said = str_from_index(said, strlen(FETCH_SAYS));
	said = str_cut(&said, '\n');
	if (status == FETCH_CHANGED) {
		error_set(err, ERR_STALE, "%.*s", STR_ARG(said));
		return true;
	}
	/* Another attempt has another URL. */
	t->outcome.fetching = true;
	error_set(err, ERR_HOST, "its input cannot be fetched: %.*s", STR_ARG(said));
	err->class = CLASS_TRANSIENT;
	return true;
}
