/* child: processes that are the runner's own, and the one that becomes a task. */
#ifndef RUNNER_CHILD_H
#define RUNNER_CHILD_H

#include <sys/resource.h>
#include <sys/types.h>

/* fork() into a child that keeps these two descriptors (they may be the same) and stderr, and ends
 * with the runner. Nothing else stays open: a copy of the connection would keep furrow waiting
 * after the runner is gone. */
pid_t child_fork(int keep, int keep2);

/* What a task is started with. */
struct child_plan {
	char *const *argv;
	char *const *envp;
	const char *path; /* PATH of the task; NULL: it has none */
	const char *dir;
	int null_fd, stdout_fd, stderr_fd;
	const struct rlimit *files; /* RLIMIT_NOFILE for it */
};

/* Starts a process in its own group, killed when the runner dies. Returns its pid, or -1 with
 * errno, and in *what what could not be done. The caller is stopped until the program is there: no
 * copy of the runner's memory is made. */
pid_t child_start(const struct child_plan *plan, const char **what);

/* execvp with a task's PATH (NULL: the usual one), without making a script of what has no first line
 * for that. Returns errno. Allocates nothing. */
int child_exec(char *const *argv, char *const *envp, const char *path);

#endif
