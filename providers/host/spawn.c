/* spawn: posix_spawn, which starts a program without a copy of furrow's memory, and waiting for
 * what it says. */
#include "providers/host/spawn.h"

#include "planner/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT_BYTES = 16 << 20, READ_BYTES = 64 << 10 };

/* What stands where the middle of a long output was. */
static const char left_out[] = "\n(much is left out here)\n";

static int64_t
now_ns(void)
{
	const struct clock *c = clock_system();

	return c->now_ns(c->ctx);
}

/* How a child begins. Descriptors < 0 are /dev/null. */
struct beginning {
	const char *dir; /* NULL: here */
	int in, out, errs;
	short flags; /* POSIX_SPAWN_SETPGROUP or POSIX_SPAWN_SETSID */
};

static int
add_fd(posix_spawn_file_actions_t *actions, int fd, int as)
{
	if (fd < 0)
		return posix_spawn_file_actions_addopen(
			actions, as, "/dev/null", as == 0 ? O_RDONLY : O_WRONLY, 0);
	return posix_spawn_file_actions_adddup2(actions, fd, as);
}

/* errno of what failed, or 0. */
static int
begin(pid_t *pid, const char *const *argv, const char *const *env, const struct beginning *b)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int e;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	e = add_fd(&actions, b->in, 0);
	if (e == 0)
		e = add_fd(&actions, b->out, 1);
	if (e == 0)
		e = add_fd(&actions, b->errs, 2);
	if (e == 0 && b->dir)
		e = posix_spawn_file_actions_addchdir_np(&actions, b->dir);
	if (e == 0)
		e = posix_spawnattr_setflags(&attributes,
			(short)(b->flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
	if (e == 0)
		e = posix_spawnattr_setsigmask(&attributes, &none);
	if (e == 0)
		e = posix_spawnattr_setsigdefault(&attributes, &all);
	if (e == 0)
		e = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv,
			env ? (char *const *)env : environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return e;
}

struct capture {
	struct buf *to;
	int fd;	     /* -1: at its end */
	size_t from; /* bytes that were in `to` before */
};

/* How it began says what it is, and how it ended what went wrong. */
static void
cut_middle(struct capture *c)
{
	const size_t n = sizeof(left_out) - 1, at = c->from + KEPT_BYTES / 2,
		     behind = at + KEPT_BYTES / 4;

	memcpy(c->to->p + at, left_out, n);
	memmove(c->to->p + at + n, c->to->p + behind, c->to->n - behind);
	c->to->n -= behind - at - n;
}

static void
read_some(struct capture *c)
{
	char bytes[READ_BYTES];
	ssize_t n = read(c->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 || !c->to) {
		close(c->fd);
		c->fd = -1;
		return;
	}
	if (c->to->n - c->from + (size_t)n > KEPT_BYTES)
		cut_middle(c);
	buf_add(c->to, bytes, (size_t)n);
}

enum { WAIT_MS = 10, AFTERWARDS_MS = 200 };

static _Thread_local const atomic_bool *heeded;

const atomic_bool *
spawn_heed(const atomic_bool *stop)
{
	const atomic_bool *before = heeded;

	heeded = stop;
	return before;
}

static bool
told_to_stop(void)
{
	return heeded && atomic_load(heeded);
}

/* Waits until the child ended and its output came to its end; what it left in the background may
 * hold that open for a moment longer only. false: the time came, or it is to stop. */
static bool
wait_for(pid_t pid, struct capture c[2], int64_t until, int *status)
{
	int64_t ended = 0;

	for (;;) {
		struct pollfd p[2] = {
			{.fd = c[0].fd, .events = POLLIN}, {.fd = c[1].fd, .events = POLLIN}};
		bool open = c[0].fd >= 0 || c[1].fd >= 0;
		bool block = !open && until == INT64_MAX && !heeded;

		if (!ended && waitpid(pid, status, block ? 0 : WNOHANG) == pid)
			ended = now_ns();
		if (ended && (!open || now_ns() - ended > AFTERWARDS_MS * NS_PER_MS))
			return true;
		if (!ended && (now_ns() >= until || told_to_stop()))
			return false;
		if (poll(p, 2, WAIT_MS) <= 0)
			continue;
		for (int i = 0; i < 2; i++) {
			if (p[i].revents)
				read_some(&c[i]);
		}
	}
}

static int
open_captures(struct capture c[2], int write_fds[2], struct buf *out, struct buf *errs)
{
	struct buf *to[2] = {out, errs};

	/* One buffer for both keeps the order in which lines came: one pipe. */
	for (int i = 0; i < 2; i++) {
		int fds[2];

		if (!to[i])
			continue;
		if (i == 1 && out == errs) {
			write_fds[1] = write_fds[0];
			continue;
		}
		if (pipe2(fds, O_CLOEXEC) != 0)
			return errno;
		c[i] = (struct capture){.to = to[i], .fd = fds[0], .from = to[i]->n};
		write_fds[i] = fds[1];
	}
	return 0;
}

int
spawn_run(const char *const *argv, const char *const *env, const char *dir, struct buf *out,
	struct buf *errs, int64_t timeout_ns, struct error *err)
{
	struct capture c[2] = {{.fd = -1}, {.fd = -1}};
	int write_fds[2] = {-1, -1}, status = 0, e;
	int64_t until = timeout_ns < 0 ? INT64_MAX : now_ns() + timeout_ns;
	pid_t pid = 0;
	bool ended = false;

	e = open_captures(c, write_fds, out, errs);
	if (e == 0)
		e = begin(&pid, argv, env,
			&(struct beginning){.dir = dir,
				.in = -1,
				.out = write_fds[0],
				.errs = write_fds[1],
				.flags = POSIX_SPAWN_SETPGROUP});
	if (write_fds[0] >= 0)
		close(write_fds[0]);
	if (write_fds[1] >= 0 && write_fds[1] != write_fds[0])
		close(write_fds[1]);
	if (e == 0)
		ended = wait_for(pid, c, until, &status);
	if (e == 0 && !ended) {
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	for (int i = 0; i < 2; i++) {
		if (c[i].fd >= 0)
			close(c[i].fd);
	}
	if (e)
		return error_set_errno(
			err, e == ENOENT ? ERR_MISSING : ERR_HOST, e, "running %s", argv[0]);
	if (!ended && told_to_stop())
		return error_set(err, ERR_CANCELLED, "%s was stopped", argv[0]);
	if (!ended)
		return error_set(err, ERR_HOST, "%s did not end within %.3g s and was killed",
			argv[0], (double)timeout_ns / (double)NS_PER_S);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
spawn_find_runner(char *out, size_t size, struct error *err)
{
	static const char *const places[] = {"furrow-runner", "../libexec/furrow/furrow-runner"};
	const char *named = getenv("FURROW_RUNNER");
	char self[PATH_MAX];
	ssize_t n;

	if (named && named[0]) {
		if (access(named, X_OK) != 0)
			return error_set_errno(err, ERR_HOST, errno,
				"FURROW_RUNNER names %s, which is no program", named);
		if (realpath(named, self) && (size_t)snprintf(out, size, "%s", self) < size)
			return 0;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/'))
		strrchr(self, '/')[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if ((size_t)snprintf(out, size, "%s%s", self, places[i]) < size &&
			access(out, X_OK) == 0)
			return 0;
	}
	return error_set(err, ERR_HOST,
		"furrow-runner is neither beside furrow in %s nor in ../libexec/furrow; install "
		"it, or set "
		"FURROW_RUNNER to its path",
		self[0] ? self : "(an unknown folder)");
}

int
spawn_runner(const char *runner, int log_fd, int *fd, pid_t *pid, struct error *err)
{
	/* Nothing of the caller's environment: tasks get what they are told. */
	static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
	const char *const argv[] = {runner, "serve", NULL};
	int pair[2], e;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return error_set_errno(err, ERR_HOST, errno, "making a socket for the runner");
	/* A session of its own: what the terminal sends (interrupt, hang-up) is furrow's to answer.
	 */
	e = begin(pid, argv, env,
		&(struct beginning){.in = pair[1],
			.out = pair[1],
			.errs = log_fd,
			.flags = POSIX_SPAWN_SETSID});
	close(pair[1]);
	if (e) {
		close(pair[0]);
		return error_set_errno(err, ERR_HOST, e, "starting the runner %s", runner);
	}
	*fd = pair[0];
	return 0;
}
