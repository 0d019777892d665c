/* input: an input that is an object of S3. Its task is started as `furrow-runner fetch COMMAND…`, which
 * fetches it by a URL that is good for this attempt. */
#include "providers/tasks/internal.h"

#include "planner/base/protocol.h"

#include <stdlib.h>

int
input_sign(struct task_run *t, struct error *err)
{
	const struct tasks_config *config = &t->all->config;
	struct arena scratch = {0};
	struct str url;
	int rc;

	if (!t->all->job->objects)
		return 0;
	rc = config->input_url(config->input_ctx, t->index, &scratch, &url, err);
	if (rc == 0) {
		t->input_url = mem_alloc(url.n + 1);
		memcpy(t->input_url, url.p, url.n);
		t->input_url[url.n] = '\0';
	}
	arena_free(&scratch);
	return rc;
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
	/* The command did not run; another attempt has another URL. */
	t->outcome.ran = false;
	error_set(err, ERR_HOST, "its input cannot be fetched: %.*s", STR_ARG(said));
	err->class = CLASS_TRANSIENT;
	return true;
}
