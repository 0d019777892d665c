/* task: from the frame that brings it to the end that is told. */
#include "cmd/runner/task.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/child.h"
#include "cmd/runner/reap.h"
#include "cmd/runner/runner.h"
#include "cmd/runner/stream.h"
#include "cmd/runner/tell.h"
#include "cmd/runner/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS_NS INT64_C(1000000)

enum {
	LOOK_MS = 10,	   /* between looks at what an ended task left */
	HOLDERS_MS = 100,  /* after that long its streams' holders are searched for */
	GIVE_UP_MS = 5000, /* and after that long its end is told all the same */
	DRAIN_READS = 64   /* of a stream in one go, at the end of a process */
};

void
task_list_add(struct task_list *l, struct task *t)
{
	t->next = NULL;
	t->prev = l->last;
	if (l->last)
		l->last->next = t;
	else
		l->first = t;
	l->last = t;
	l->n++;
}

void
task_list_remove(struct task_list *l, struct task *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		l->first = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		l->last = t->prev;
	l->n--;
}

static void
say(struct task *t, const char *fmt, va_list ap)
{
	if (!t->message[0])
		vsnprintf(t->message, sizeof(t->message), fmt, ap);
}

static void
move(struct task_list *from, struct task_list *to, struct task *t)
{
	task_list_remove(from, t);
	task_list_add(to, t);
}

/* It has nothing (more) to run: what is left is to tell. Folders in which nothing happened go back
 * right now. */
static void
finish(struct runner *r, struct task *t)
{
	t->state = TASK_FINISHING;
	t->wake_ns = INT64_MAX;
	free(t->stragglers);
	t->stragglers = NULL;
	t->n_stragglers = 0;
	if (t->has_folder && folder_give_back_new(&r->folders, t->id))
		t->has_folder = false;
	tell(r, t);
}

/* Ends a task that was never started. */
static void __attribute__((format(printf, 4, 5)))
refuse(struct runner *r, struct task *t, enum ended_why why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(t, fmt, ap);
	va_end(ap);
	t->why = why;
	t->exit_status = -1;
	t->ended_ns = runner_now();
	move(&r->waiting, &r->active, t);
	finish(r, t);
}

void
task_fail(struct runner *r, struct task *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(t, fmt, ap);
	va_end(ap);
	if (t->why == ENDED_SELF)
		t->why = ENDED_BAD_OUTPUT;
	if (t->state == TASK_RUNNING && t->kill_ns == INT64_MAX) {
		t->kill_ns = t->wake_ns = runner_now();
		reap_kill(r, t);
	}
}

static struct task *
new_task(struct runner *r, uint64_t id)
{
	struct task *t = must_alloc(sizeof(*t)), **bucket = &r->by_id[id % RUNNER_BUCKETS];

	t->id = id;
	t->wake_ns = t->kill_ns = INT64_MAX;
	t->trace_fd = -1;
	stream_init(&t->streams[0], t, STREAM_STDOUT);
	stream_init(&t->streams[1], t, STREAM_STDERR);
	t->next_by_id = *bucket;
	*bucket = t;
	task_list_add(&r->waiting, t);
	return t;
}

static bool
parse(struct task *t, struct str payload)
{
	struct fields f = {.rest = payload};
	char *at;

	t->attempt = field_u32(&f);
	t->timeout_ms = field_i64(&f);
	t->grace_ms = field_u32(&f);
	t->block = at = must_alloc(payload.n + 1);
	return text_list(&f, &at, &t->argv) && text_list(&f, &at, &t->env) &&
	       text_string(&f, &at, &t->input);
}

void
task_submit(struct runner *r, const struct frame *f)
{
	struct task *t;

	if (runner_task(r, f->id)) {
		conn_note(&r->conn, "task id %llu is taken: a second task under it was not started",
			(unsigned long long)f->id);
		return;
	}
	t = new_task(r, f->id);
	if (!parse(t, f->payload) || !t->argv[0])
		refuse(r, t, ENDED_NOT_STARTED,
			"its command cannot be used: no program, or a NUL byte in it");
	else if (!r->has_base)
		refuse(r, t, ENDED_NOT_STARTED, "the runner has no base folder");
	else
		t->record = record_add(
			&r->record, t->id, t->attempt, text_variable(t->env, "FURROW_TASK_KEY"));
}

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

static pid_t
start_process(struct runner *r, struct task *t, int out_fd, int err_fd, const char **what)
{
	char **own = own_environment(r, t), **home = home_environment(r, t);
	char *const *const envs[] = {own, t->env, home, r->base_env, r->inherited};
	char **env = text_merge(envs, 5);
	char dir[PATH_MAX];
	struct child_plan plan = {
		.argv = t->argv,
		.envp = env,
		.path = text_variable(env, "PATH"),
		.dir = dir,
		.null_fd = r->null_fd,
		.stdout_fd = out_fd,
		.stderr_fd = err_fd,
		.files = &r->files,
	};
	pid_t pid;
	int e;

	if (!plan.path)
		plan.path = "/usr/local/bin:/usr/bin:/bin";
	snprintf(dir, sizeof(dir), "%s/%llu/work", r->folders.tasks, (unsigned long long)t->id);
	pid = child_start(&plan, what);
	e = errno;
	free(own);
	free(home);
	free(env);
	errno = e;
	return pid;
}

static int
open_streams(struct runner *r, struct task *t, int write_fds[2])
{
	for (int i = 0; i < 2; i++) {
		struct stream *s = &t->streams[i];
		struct epoll_event in = {.events = EPOLLIN, .data.ptr = &s->watch};
		int fds[2];

		if (pipe2(fds, O_CLOEXEC) != 0)
			return -1;
		s->fd = fds[0];
		write_fds[i] = fds[1];
		/* Of the reading end only: the task's end must wait. */
		if (fcntl(s->fd, F_SETFL, O_NONBLOCK) != 0 ||
			epoll_ctl(r->epoll, EPOLL_CTL_ADD, s->fd, &in) != 0)
			return -1;
	}
	return 0;
}

static void
free_command(struct task *t)
{
	free(t->block);
	free(t->argv);
	free(t->env);
	t->block = t->input = NULL;
	t->argv = t->env = NULL;
}

static void
refuse_program(struct runner *r, struct task *t, const char *what, int e)
{
	const char *hint = "";

	if (e == ENOENT && !strchr(t->argv[0], '/'))
		hint = " (it is in no folder of PATH)";
	else if (e == ENOEXEC)
		hint = " (a script needs a first line like #!/bin/sh; a program must be built for "
		       "this machine)";
	else if (e == EACCES)
		hint = " (is it executable?)";
	else if (e == E2BIG)
		hint = " (command and environment are too long for the kernel)";
	refuse(r, t, ENDED_NOT_STARTED, "%s %.200s: %s%s", what, t->argv[0], strerror(e), hint);
}

static void
start(struct runner *r, struct task *t)
{
	struct task **bucket;
	int write_fds[2] = {-1, -1}, e;
	const char *what = "making pipes for";

	if (folder_make(&r->folders, t->id) != 0) {
		refuse(r, t, ENDED_NOT_STARTED, "making its folder %.300s/%llu: %s",
			r->folders.tasks, (unsigned long long)t->id, strerror(errno));
		return;
	}
	t->has_folder = true;
	t->begun_ns = runner_now();
	if (open_streams(r, t, write_fds) == 0)
		t->pid = start_process(r, t, write_fds[0], write_fds[1], &what);
	else
		t->pid = -1;
	e = errno;
	for (int i = 0; i < 2; i++) {
		if (write_fds[i] >= 0)
			close(write_fds[i]);
	}
	if (t->pid < 0) {
		t->pid = 0;
		t->begun_ns = 0;
		stream_close(r, &t->streams[0]);
		stream_close(r, &t->streams[1]);
		refuse_program(r, t, what, e);
		return;
	}
	t->group = t->pid;
	bucket = &r->by_pid[(unsigned)t->pid % RUNNER_BUCKETS];
	t->next_by_pid = *bucket;
	*bucket = t;
	t->state = TASK_RUNNING;
	if (t->timeout_ms > 0 && t->timeout_ms < (INT64_MAX - t->begun_ns) / MS_NS)
		t->wake_ns = t->begun_ns + t->timeout_ms * MS_NS;
	r->n_slots_taken++;
	move(&r->waiting, &r->active, t);
	free_command(t);
	tell_begun(r, t);
}

void
task_start_waiting(struct runner *r)
{
	struct task *t;

	while ((t = r->waiting.first) && t->record <= r->record.durable) {
		if (t->record <= r->record.failed)
			refuse(r, t, ENDED_NOT_STARTED,
				"recording the attempt in %.300s/attempts.log: %s", r->root,
				strerror(r->record.error));
		else if (r->n_slots_taken < r->slots)
			start(r, t);
		else
			break;
	}
}

static void
ask_to_end(struct runner *r, struct task *t, enum ended_why why, uint32_t grace_ms)
{
	int64_t until = runner_now() + (int64_t)grace_ms * MS_NS;
	bool first = t->kill_ns == INT64_MAX;

	if (first)
		t->why = why;
	if (until < t->kill_ns)
		t->kill_ns = until;
	t->wake_ns = t->kill_ns;
	if (grace_ms == 0)
		reap_kill(r, t);
	else if (first)
		reap_ask(t);
}

void
task_stop(struct runner *r, struct task *t, uint32_t grace_ms)
{
	if (t->state == TASK_WAITING)
		refuse(r, t, ENDED_STOPPED, "stopped before it was started");
	else if (t->state == TASK_RUNNING)
		ask_to_end(r, t, ENDED_STOPPED, grace_ms);
}

void
task_wake(struct runner *r, struct task *t)
{
	int64_t now = runner_now();

	if (now < t->wake_ns)
		return;
	if (t->state == TASK_ENDING) {
		t->wake_ns = now + LOOK_MS * MS_NS;
		reap_orphans(r);
		task_check_end(r, t);
	} else if (t->state == TASK_RUNNING && t->kill_ns == INT64_MAX) {
		ask_to_end(r, t, ENDED_TIMEOUT, t->grace_ms);
	} else if (t->state == TASK_RUNNING) {
		t->wake_ns = now + LOOK_MS * MS_NS;
		reap_kill(r, t);
	} else {
		t->wake_ns = INT64_MAX;
	}
}

static void
forget_pid(struct runner *r, struct task *t)
{
	struct task **at = &r->by_pid[(unsigned)t->pid % RUNNER_BUCKETS];

	while (*at && *at != t)
		at = &(*at)->next_by_pid;
	if (*at)
		*at = t->next_by_pid;
	t->pid = 0;
}

void
task_exited(struct runner *r, struct task *t, int status, int64_t cpu_ns, int64_t max_rss_bytes)
{
	forget_pid(r, t);
	t->state = TASK_ENDING;
	t->ended_ns = runner_now();
	t->wake_ns = t->ended_ns + LOOK_MS * MS_NS;
	t->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	t->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	t->cpu_ns = cpu_ns;
	t->max_rss_bytes = max_rss_bytes;
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < DRAIN_READS && stream_take(r, &t->streams[i]); k++)
			;
	}
}

void
task_check_end(struct runner *r, struct task *t)
{
	bool open = t->streams[0].fd >= 0 || t->streams[1].fd >= 0;
	int64_t late =
		runner_now() -
		(t->kill_ns == INT64_MAX || t->kill_ns < t->ended_ns ? t->ended_ns : t->kill_ns);

	if (t->state != TASK_ENDING)
		return;
	if ((t->n_orphans || open) && late < GIVE_UP_MS * MS_NS) {
		if (!t->n_orphans && late > HOLDERS_MS * MS_NS)
			reap_holders(t);
		return;
	}
	if (t->n_orphans || open)
		conn_note(&r->conn, "a process that task %llu left behind cannot be ended",
			(unsigned long long)t->id);
	stream_close(r, &t->streams[0]);
	stream_close(r, &t->streams[1]);
	r->n_slots_taken--;
	finish(r, t);
}

void
task_mute(struct task *t)
{
	t->muted = true;
	tell_stop(t);
}

void
task_resume(struct runner *r, struct task *t, uint64_t stdout_from, uint64_t stderr_from)
{
	if (!t->muted)
		return;
	stream_rewind(&t->streams[0], stdout_from);
	stream_rewind(&t->streams[1], stderr_from);
	if (t->state == TASK_DONE) {
		move(&r->done, &r->active, t);
		t->state = TASK_FINISHING;
	}
	tell_again(r, t);
}

void
task_free(struct runner *r, struct task *t)
{
	struct task **at = &r->by_id[t->id % RUNNER_BUCKETS];

	while (*at != t)
		at = &(*at)->next_by_id;
	*at = t->next_by_id;
	tell_stop(t);
	stream_free(r, &t->streams[0]);
	stream_free(r, &t->streams[1]);
	free_command(t);
	free(t->stragglers);
	free(t);
}

void
task_ack(struct runner *r, struct task *t)
{
	if (t->state != TASK_DONE)
		return;
	if (t->has_folder)
		folder_give_back(&r->folders, t->id);
	task_list_remove(&r->done, t);
	task_free(r, t);
}
