/* host_turn: of several ends of furrow's connections to this host, one at a time prepares it. The
 * newest has the word: one that is still at it is that of a connection which is gone, only nobody told
 * this host so. */
#include "cmd/runner/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { STEP_MS = 10 };

static volatile sig_atomic_t told;

static void
on_term(int signal_number)
{
	(void)signal_number;
	told = 1;
}

bool
host_is_left(void)
{
	struct pollfd in = {.fd = 0, .events = POLLRDHUP};

	return told ||
	       (poll(&in, 1, 0) > 0 && in.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL));
}

static int
write_pid(int fd)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%d\n", (int)getpid());

	return ftruncate(fd, 0) == 0 && pwrite(fd, line, (size_t)n, 0) == n ? 0 : -1;
}

static void
tell_holder(int fd)
{
	char line[32];
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
	long pid;

	line[n > 0 ? n : 0] = '\0';
	pid = strtol(line, NULL, 10);
	if (pid > 1 && pid != getpid())
		kill((pid_t)pid, SIGTERM);
}

int
host_take_turn(void)
{
	const struct sigaction ends = {.sa_handler = on_term};
	char path[HOST_PATH_BYTES];
	int fd = -1;

	sigaction(SIGTERM, &ends, NULL);
	if (host_path(path, "/run/furrow/turn"))
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	while (fd >= 0) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (write_pid(fd) == 0)
				return fd;
			break;
		}
		if ((errno != EWOULDBLOCK && errno != EINTR) || host_is_left())
			break;
		tell_holder(fd);
		poll(NULL, 0, STEP_MS);
	}
	fprintf(stderr, "furrow-runner: waiting for the turn in %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

void
host_give_turn(int fd)
{
	signal(SIGTERM, SIG_DFL);
	close(fd);
}
