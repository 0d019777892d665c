/* start: from a waiting task to its process. */
#include "cmd/runner/start.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/child.h"
#include "cmd/runner/runner.h"
#include "cmd/runner/stream.h"
#include "cmd/runner/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* What only the runner knows; malloc'd with its strings behind it. */
static char **
own_environment(const struct runner *r, const struct task *t)
{
	static const char *const names[] = {"FURROW_OUT", "FURROW_TRACE_FILE"};
	static const char *const below[] = {"out", "trace.jsonl"};
	const char *tasks = r->folders.tasks;
	unsigned long long id = t->id;
	size_t n = strlen(tasks) + 64, run_n = strlen(r->run) + 32;
	size_t input_n = t->input[0] ? strlen(r->source) + strlen(t->input) + 32 : 0;
	char **env = must_alloc(6 * sizeof(*env) + 2 * n + run_n + 32 + input_n);
	char *at = (char *)(env + 6);
	size_t i = 0;

	for (; i < 2; i++) {
		env[i] = at;
		at += snprintf(at, n, "%s=%s/%llu/%s", names[i], tasks, id, below[i]) + 1;
	}
	env[i++] = at;
	at += snprintf(at, 32, "FURROW_ATTEMPT=%u", t->attempt) + 1;
	env[i++] = at;
	at += snprintf(at, run_n, "FURROW_RUN=%s", r->run) + 1;
	if (input_n) {
		env[i++] = at;
		snprintf(at, input_n, "FURROW_INPUT=%s/%s", r->source, t->input);
	}
	return env;
}

/* HOME and TMPDIR, which the task's own environment may name otherwise. */
static char **
home_environment(const struct runner *r, const struct task *t)
{
	size_t n = strlen(r->folders.tasks) + 64;
	char **env = must_alloc(3 * sizeof(*env) + 2 * n);

	env[0] = (char *)(env + 3);
	env[1] = env[0] + n;
	snprintf(env[0], n, "HOME=%s/%llu/tmp", r->folders.tasks, (unsigned long long)t->id);
	snprintf(env[1], n, "TMPDIR=%s/%llu/tmp", r->folders.tasks, (unsigned long long)t->id);
	return env;
}

static int
open_streams(struct runner *r, struct task *t)
{
	for (int i = 0; i < 2; i++) {
		struct stream *s = &t->streams[i];
		struct epoll_event in = {.events = EPOLLIN, .data.ptr = &s->watch};
		int fds[2];

		if (pipe2(fds, O_CLOEXEC) != 0)
			return -1;
		s->fd = fds[0];
		t->write_fds[i] = fds[1];
		/* Of the reading end only: the task's end must wait. */
		if (fcntl(s->fd, F_SETFL, O_NONBLOCK) != 0 ||
			epoll_ctl(r->epoll, EPOLL_CTL_ADD, s->fd, &in) != 0)
			return -1;
	}
	return 0;
}

static void
close_write_ends(struct task *t)
{
	for (int i = 0; i < 2; i++) {
		if (t->write_fds[i] >= 0)
			close(t->write_fds[i]);
		t->write_fds[i] = -1;
	}
}

void
start_undo(struct runner *r, struct task *t)
{
	close_write_ends(t);
	stream_close(r, &t->streams[0]);
	stream_close(r, &t->streams[1]);
	t->prepared = false;
}

static int __attribute__((format(printf, 2, 3))) fail(struct task *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->message, sizeof(t->message), fmt, ap);
	va_end(ap);
	return -1;
}

int
start_prepare(struct runner *r, struct task *t)
{
	if (t->prepared)
		return 0;
	if (folder_make(&r->folders, t->id) != 0)
		return fail(t, "making its folder %.300s/%llu: %s", r->folders.tasks,
			(unsigned long long)t->id, strerror(errno));
	t->has_folder = true;
	if (open_streams(r, t) != 0)
		return fail(t, "making pipes for %.200s: %s", t->argv[0], strerror(errno));
	t->prepared = true;
	return 0;
}

static const char *
hint(const struct task *t, int e)
{
	if (e == ENOENT && !strchr(t->argv[0], '/'))
		return " (it is in no folder of PATH)";
	if (e == ENOEXEC)
		return " (a script needs a first line like #!/bin/sh; a program must be built for "
		       "this machine)";
	if (e == EACCES)
		return " (is it executable?)";
	if (e == E2BIG)
		return " (command and environment are too long for the kernel)";
	return "";
}

int
start(struct runner *r, struct task *t)
{
	char **own, **home, **env, dir[PATH_MAX];
	const char *what;
	int e;

	if (start_prepare(r, t) != 0)
		return -1;
	own = own_environment(r, t);
	home = home_environment(r, t);
	env = text_merge((char *const *const[]){own, t->env, home, r->base_env, r->inherited}, 5);
	snprintf(dir, sizeof(dir), "%s/%llu/work", r->folders.tasks, (unsigned long long)t->id);
	t->begun_ns = runner_now();
	t->pid = child_start(
		&(struct child_plan){
			.argv = t->argv,
			.envp = env,
			.path = text_variable(env, "PATH"),
			.dir = dir,
			.null_fd = r->null_fd,
			.stdout_fd = t->write_fds[0],
			.stderr_fd = t->write_fds[1],
			.files = &r->files,
		},
		&what);
	e = errno;
	close_write_ends(t);
	free(own);
	free(home);
	free(env);
	if (t->pid > 0)
		return 0;
	t->pid = 0;
	t->begun_ns = 0;
	return fail(t, "%s %.200s: %s%s", what, t->argv[0], strerror(e), hint(t, e));
}
