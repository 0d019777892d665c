/* child: fork, clone and exec. */
#include "cmd/runner/child.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void
close_between(int first, int last)
{
	if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0)
		return;
	if (last > (int)sysconf(_SC_OPEN_MAX))
		last = (int)sysconf(_SC_OPEN_MAX);
	for (int fd = first; fd <= last; fd++)
		close(fd);
}

pid_t
child_fork(int keep, int keep2)
{
	int low = keep < keep2 ? keep : keep2, high = keep < keep2 ? keep2 : keep;
	pid_t runner = getpid();
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != runner)
		_exit(1);
	close_between(0, 1);
	close_between(3, low - 1);
	close_between(low + 1, high - 1);
	close_between(high + 1, INT_MAX);
	return 0;
}

struct start {
	const struct child_plan *plan;
	pid_t runner;
	const char *what;
	int error;
};

int
child_exec(char *const *argv, char *const *envp, const char *path)
{
	const char *name = argv[0], *at = path ? path : "/usr/local/bin:/usr/bin:/bin";
	char file[PATH_MAX];
	int error = ENOENT;

	if (strchr(name, '/')) {
		execve(name, argv, envp);
		return errno;
	}
	while (at && name[0]) {
		const char *end = strchrnul(at, ':');
		int n = snprintf(file, sizeof(file), "%.*s%s%s", (int)(end - at), at,
			end > at ? "/" : "", name);

		if (n > 0 && (size_t)n < sizeof(file)) {
			execve(file, argv, envp);
			if (errno == EACCES)
				error = EACCES;
			else if (errno != ENOENT && errno != ENOTDIR)
				return errno;
		}
		at = *end ? end + 1 : NULL;
	}
	return error;
}

/* The child between clone and exec, in the runner's memory. */
static int
child_main(void *arg)
{
	struct start *s = arg;
	const struct child_plan *p = s->plan;
	sigset_t none;

	sigemptyset(&none);
	s->what = "preparing its process";
	if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != s->runner ||
		dup2(p->null_fd, 0) < 0 || dup2(p->stdout_fd, 1) < 0 || dup2(p->stderr_fd, 2) < 0 ||
		setrlimit(RLIMIT_NOFILE, p->files) != 0) {
		s->error = errno;
		_exit(127);
	}
	s->what = "entering its folder";
	if (chdir(p->dir) != 0) {
		s->error = errno;
		_exit(127);
	}
	s->what = "starting";
	/* Dispositions are the defaults since the runner began; exec keeps them so. */
	sigprocmask(SIG_SETMASK, &none, NULL);
	s->error = child_exec(p->argv, p->envp, p->path);
	_exit(127);
}

pid_t
child_start(const struct child_plan *plan, const char **what)
{
	static _Alignas(64) char stack[64 << 10];
	struct start s = {.plan = plan, .runner = getpid(), .what = "making a process"};
	pid_t pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &s);

	*what = s.what;
	if (pid > 0 && s.error) {
		/* It ended before it became anything: nobody needs to hear of it. */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		errno = s.error;
		return -1;
	}
	return pid;
}
