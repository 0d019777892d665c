/* host_engine: podman or docker on a host, whichever is there, as root: what the boot has fetched is in
 * root's keeping, and docker's daemon takes no word from others. */
#include "cmd/runner/host.h"

#include "cmd/runner/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORDS = 64, QUICK_MS = 4000, STEP_MS = 5, AWAIT_S = 120, AWAIT_STEP_MS = 200 };

/* What user data's script looks in. */
static const char search_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static bool
is_program(const char *name)
{
	const char *at = getenv("PATH");
	char path[4096];

	for (at = at ? at : search_path; *at; at += *at == ':') {
		size_t n = strcspn(at, ":");

		if (snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, name) < (int)sizeof(path) &&
			access(path, X_OK) == 0)
			return true;
		at += n;
	}
	return false;
}

static const char *
engine_name(void)
{
	return is_program("podman") ? "podman" : is_program("docker") ? "docker" : NULL;
}

bool
host_engine_is_docker(void)
{
	const char *name = engine_name();

	return name && strcmp(name, "docker") == 0;
}

static void
become_engine(const char *name, const char *const *words, int out, int err)
{
	const char *argv[MAX_WORDS + 4];
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (geteuid() != 0) {
		argv[n++] = "sudo";
		argv[n++] = "-n";
	}
	argv[n++] = name;
	for (size_t i = 0; i < MAX_WORDS && words[i]; i++)
		argv[n++] = words[i];
	argv[n] = NULL;
	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || chdir("/") != 0)
		_exit(127);
	if (!getenv("PATH"))
		setenv("PATH", search_path, 1);
	execvp(argv[0], (char *const *)argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* For who asks in passing: an engine that hangs is left alone. */
static int
wait_briefly(pid_t pid)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	int status;

	for (int i = 0; i < QUICK_MS / STEP_MS; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		nanosleep(&step, NULL);
	}
	kill(-pid, SIGKILL);
	return 128 + SIGKILL;
}

static void
read_end(int fd, char *said, size_t size)
{
	off_t all = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, said, size - 1, all >= (off_t)size ? all - (off_t)size + 1 : 0);

	n = n > 0 ? n : 0;
	while (n > 0 && strchr(" \n", said[n - 1]))
		n--;
	said[n] = '\0';
}

int
host_engine(const struct order *o, char *said, size_t size, const char *const *words)
{
	return host_engine_to(o, -1, said, size, words);
}

int
host_engine_to(const struct order *o, int out_fd, char *said, size_t size, const char *const *words)
{
	const char *name = engine_name();
	int out, status;
	pid_t pid;

	said[0] = '\0';
	if (!name)
		return HOST_NO_ENGINE;
	out = memfd_create("said", MFD_CLOEXEC);
	pid = out < 0 ? -1 : fork();
	if (pid == 0)
		become_engine(name, words, out_fd < 0 ? out : out_fd, out);
	if (pid > 0) {
		setpgid(pid, pid);
		status = o ? host_wait_for(pid, o->lease_s) : wait_briefly(pid);
		read_end(out, said, size);
	} else {
		status = 127;
		snprintf(said, size, "%s: %s", name, strerror(errno));
	}
	if (out >= 0)
		close(out);
	return status;
}

int
host_engine_await(const struct order *o, char *said, size_t size)
{
	const char *const words[] = {"version", NULL};
	const struct timespec step = {.tv_nsec = AWAIT_STEP_MS * 1000000L};
	int status = host_engine(o, said, size, words);

	for (int i = 0; i < AWAIT_S * 1000 / AWAIT_STEP_MS && status != 0 &&
			host_engine_is_docker() && !host_is_left();
		i++) {
		host_lease_renew(o->lease_s, 0);
		nanosleep(&step, NULL);
		status = host_engine(o, said, size, words);
	}
	return status;
}
