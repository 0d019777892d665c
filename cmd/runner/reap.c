/* reap: waiting, orphans, killing. */
#include "cmd/runner/reap.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/proc.h"
#include "cmd/runner/runner.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_STRAGGLERS = 256 };

static int64_t
tv_ns(struct timeval t)
{
	return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

static bool
is_own(const struct runner *r, pid_t pid)
{
	return folders_is_remover(&r->folders, pid) || pid == r->record.helper || upload_of(r, pid);
}

/* Whose a process is that fell to us; 0: can't be told. */
static uint64_t
owner_of(struct runner *r, pid_t pid)
{
	size_t n = strlen(r->folders.tasks);
	char text[PATH_MAX];
	struct proc p;

	if (proc_variable(pid, "FURROW_OUT", text, sizeof(text)) &&
		strncmp(text, r->folders.tasks, n) == 0 && text[n] == '/')
		return strtoull(text + n + 1, NULL, 10);
	if (!proc_read(pid, &p))
		return 0;
	for (struct task *t = r->active.first; t; t = t->next) {
		if (p.group == t->group)
			return t->id;
		for (size_t i = 0; i < t->n_stragglers; i++) {
			if (t->stragglers[i].pid == pid && t->stragglers[i].start == p.start)
				return t->id;
		}
	}
	if (proc_folder(pid, text, sizeof(text)) && strncmp(text, r->folders.tasks, n) == 0 &&
		text[n] == '/')
		return strtoull(text + n + 1, NULL, 10);
	return 0;
}

static bool
was_orphan(const struct runner *r, pid_t pid, uint64_t *owner)
{
	for (size_t i = 0; i < r->n_orphans; i++) {
		if (r->orphans[i].pid == pid) {
			*owner = r->orphans[i].owner;
			return true;
		}
	}
	return false;
}

static void
forget_orphan(struct runner *r, pid_t pid)
{
	for (size_t i = 0; i < r->n_orphans; i++) {
		if (r->orphans[i].pid == pid)
			r->orphans[i] = r->orphans[--r->n_orphans];
	}
}

static void
kill_below(pid_t pid)
{
	struct proc_list all;

	proc_all(&all);
	proc_mark_below(&all, pid);
	for (size_t i = 0; i < all.n; i++) {
		if (all.v[i].below && all.v[i].pid != getpid())
			kill(all.v[i].pid, SIGKILL);
	}
	free(all.v);
	kill(pid, SIGKILL);
}

static void
add_orphan(struct runner *r, pid_t pid, uint64_t owner)
{
	if (r->n_orphans == r->cap_orphans) {
		r->cap_orphans = r->cap_orphans * 2 + 16;
		r->orphans = must_realloc(r->orphans, r->cap_orphans * sizeof(*r->orphans));
	}
	r->orphans[r->n_orphans++] = (struct orphan){.pid = pid, .owner = owner};
}

static bool
any_runs(const struct runner *r)
{
	const struct task *t = r->active.first;

	while (t && t->state != TASK_RUNNING)
		t = t->next;
	return t != NULL;
}

/* Lives on: its task does, or it has the rest of its task's grace. */
static bool
may_live(struct runner *r, uint64_t owner, int64_t now)
{
	struct task *t = runner_task(r, owner);

	if (owner == 0)
		return any_runs(r);
	if (!t)
		return false;
	if (t->state == TASK_ENDING) {
		t->n_orphans++;
		return t->kill_ns != INT64_MAX && now < t->kill_ns;
	}
	return t->state == TASK_RUNNING;
}

void
reap_orphans(struct runner *r)
{
	const pid_t *pids;
	size_t n = proc_children(r->children_fd, &pids);
	int64_t now = runner_now();

	for (struct task *t = r->active.first; t; t = t->next)
		t->n_orphans = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t owner = 0;

		if (is_own(r, pids[i]) || runner_task_of(r, pids[i]))
			continue;
		if (!was_orphan(r, pids[i], &owner)) {
			owner = owner_of(r, pids[i]);
			add_orphan(r, pids[i], owner);
		}
		if (!may_live(r, owner, now))
			kill_below(pids[i]);
	}
}

static void
collect(struct runner *r, pid_t pid)
{
	struct task *t = runner_task_of(r, pid);
	struct rusage use;
	int status;

	/* Not reaped yet, so its number is still the group's and nobody else's. */
	if (t && t->kill_ns == INT64_MAX)
		kill(-pid, SIGKILL);
	if (wait4(pid, &status, 0, &use) != pid)
		return;
	if (t)
		task_exited(r, t, status, tv_ns(use.ru_utime) + tv_ns(use.ru_stime),
			(int64_t)use.ru_maxrss * 1024);
	else if (upload_of(r, pid))
		upload_child_ended(r, upload_of(r, pid), status);
	else if (!folders_removed(&r->folders, pid))
		forget_orphan(r, pid);
}

void
reap(struct runner *r)
{
	struct task *next;
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
			break;
		collect(r, info.si_pid);
	}
	if (!r->has_base)
		return;
	/* First what is ready to run: looking after what has ended goes on beside it, and gives the
	 * folders back that further ones then need not make. */
	task_start_prepared(r);
	reap_orphans(r);
	for (struct task *t = r->active.first; t; t = next) {
		next = t->next;
		if (t->state == TASK_ENDING)
			task_check_end(r, t);
	}
}

void
reap_ask(struct task *t)
{
	struct proc_list all;

	proc_all(&all);
	proc_mark_below(&all, t->pid);
	t->stragglers = must_realloc(t->stragglers, MAX_STRAGGLERS * sizeof(*t->stragglers));
	t->n_stragglers = 0;
	for (size_t i = 0; i < all.n && t->n_stragglers < MAX_STRAGGLERS; i++) {
		if (all.v[i].below && all.v[i].group != t->pid)
			t->stragglers[t->n_stragglers++] =
				(struct straggler){.pid = all.v[i].pid, .start = all.v[i].start};
	}
	free(all.v);
	kill(-t->pid, SIGTERM);
	kill(-t->pid, SIGCONT);
}

void
reap_kill(struct runner *r, struct task *t)
{
	struct proc p;

	if (t->pid) {
		kill_below(t->pid);
		kill(-t->pid, SIGKILL);
	}
	for (size_t i = 0; i < t->n_stragglers; i++) {
		if (proc_read(t->stragglers[i].pid, &p) && p.start == t->stragglers[i].start)
			kill_below(p.pid);
	}
	for (size_t i = 0; i < r->n_orphans; i++) {
		if (r->orphans[i].owner == t->id)
			kill_below(r->orphans[i].pid);
	}
}

static void
kill_holder(void *ctx, pid_t pid)
{
	(void)ctx;
	kill(pid, SIGKILL);
}

void
reap_holders(struct task *t)
{
	for (int i = 0; i < 2; i++) {
		if (t->streams[i].fd >= 0)
			proc_holders(t->streams[i].fd, kill_holder, NULL);
	}
}

/* One look: KILL to every child, and if one of them isn't the runner's own to all that is below. */
static void
kill_children(struct runner *r)
{
	const pid_t *pids;
	size_t n = proc_children(r->children_fd, &pids);
	bool strangers = false;
	struct proc_list all;

	for (size_t i = 0; i < n; i++) {
		strangers |= !is_own(r, pids[i]);
		kill(pids[i], SIGKILL);
	}
	if (!strangers)
		return;
	proc_all(&all);
	proc_mark_below(&all, getpid());
	for (size_t i = 0; i < all.n; i++) {
		if (all.v[i].below && all.v[i].pid != getpid())
			kill(all.v[i].pid, SIGKILL);
	}
	free(all.v);
}

void
reap_everything(struct runner *r)
{
	int64_t until = runner_now() + INT64_C(10000000000);
	struct timespec moment = {.tv_nsec = 5000000};
	sigset_t child;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (struct task *t = r->active.first; t; t = t->next) {
		if (t->pid)
			kill(-t->pid, SIGKILL);
	}
	for (int i = 0; i < UPLOADS_AT_ONCE; i++) {
		if (r->uploads[i])
			upload_rest(r, r->uploads[i]);
	}
	while (runner_now() < until) {
		kill_children(r);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return;
		sigtimedwait(&child, NULL, &moment);
	}
}
