/* furrow-runner: runs tasks where they run. One static binary, started by furrow on its own
 * machine, as the first process of a container, or on a host. */
#include "cmd/runner/fetch.h"
#include "cmd/runner/host.h"
#include "cmd/runner/lend.h"
#include "cmd/runner/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char help[] =
	"furrow-runner runs the tasks of a furrow job; furrow starts it, people need not.\n"
	"\n"
	"  furrow-runner serve                  for the furrow at stdin and stdout (or a socket "
	"that is both)\n"
	"  furrow-runner serve --listen SOCKET  for a furrow that connects to this unix socket\n"
	"  furrow-runner attach SOCKET          carries stdin and stdout to and from such a "
	"socket\n"
	"  furrow-runner fetch COMMAND...       fetches a task's input, then becomes the task's "
	"command\n"
	"  furrow-runner host                   says what this host has, then serves the run that "
	"it is "
	"told\n"
	"  furrow-runner lend DOOR PID          lends this host's curl to the container that "
	"begins "
	"with PID\n"
	"  furrow-runner borrow FD COMMAND...   runs it with that, from within\n"
	"  furrow-runner --version\n"
	"\n"
	"Exit status: 0 the connection ended or said goodbye, 1 failure, 64 usage, 128+signal.\n";

static int
usage(const char *what)
{
	fprintf(stderr, "furrow-runner: %s\nTry: furrow-runner --help\n", what);
	return 64;
}

/* 0, 1 and 2 are open, so that no other descriptor ever gets one of these numbers; whatever else
 * the caller left open is no task's business. */
static int
fill_standard(void)
{
	int fd;

	close_range(3, ~0u, 0);
	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= 2);
	if (fd < 0) {
		fprintf(stderr, "furrow-runner: opening /dev/null: %s\n", strerror(errno));
		return -1;
	}
	return fd;
}

static int
serve_standard(void)
{
	int null_fd = fill_standard(), in_fd, out_fd, type;
	socklen_t n = sizeof(type);

	if (null_fd < 0)
		return 1;
	/* Away from 0 and 1, which tasks and stray prints could reach. */
	in_fd = out_fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
	if (getsockopt(0, SOL_SOCKET, SO_TYPE, &type, &n) != 0)
		out_fd = fcntl(1, F_DUPFD_CLOEXEC, 3);
	if (in_fd < 0 || out_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0) {
		fprintf(stderr, "furrow-runner: taking over stdin and stdout: %s\n",
			strerror(errno));
		return 1;
	}
	close(null_fd);
	return serve(in_fd, out_fd, NULL);
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (strcmp(mode, "--version") == 0) {
		puts("furrow-runner " FURROW_VERSION);
		return 0;
	}
	if (strcmp(mode, "--help") == 0 || strcmp(mode, "-h") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(mode, "serve") == 0 && argc == 2)
		return serve_standard();
	if (strcmp(mode, "serve") == 0 && argc == 4 && strcmp(argv[2], "--listen") == 0) {
		int null_fd = fill_standard();

		if (null_fd < 0)
			return 1;
		close(null_fd);
		return serve(-1, -1, argv[3]);
	}
	if (strcmp(mode, "fetch") == 0 && argc > 2)
		return fetch(argv + 2);
	if (strcmp(mode, "lend") == 0 && argc == 4)
		return lend(argv[2], argv[3]);
	if (strcmp(mode, "borrow") == 0 && argc > BORROW_WORDS)
		return borrow(argv);
	if (strcmp(mode, "host") == 0 && argc == 2)
		return host();
	if (strcmp(mode, "attach") == 0 && argc == 3) {
		signal(SIGPIPE, SIG_IGN);
		return attach(argv[2], 0, 1);
	}
	return usage(mode[0] ? "that is no way to call it" : "nothing to do");
}
