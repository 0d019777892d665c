/* lend: one request a connection: descriptors 0, 1, 2 and one more by SCM_RIGHTS, with them that one's
 * number (4 bytes) and the words of the command, each with its NUL. The answer is its exit status, a
 * byte; when the connection ends before, so does the command. The container's root may so run curl as
 * the host's: the host is there for nothing else, and tasks without a container may do that as well. */
#include "cmd/runner/lend.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FDS = 4, MAX_WORDS = 16, REQUEST_BYTES = 64 << 10, PATH_BYTES = 4096 };

static const char door_inside[] = "/.furrow/root/door";
static const char *const programs[] = {"curl", "python3"};

struct request {
	int fds[FDS];
	int extra; /* the number that the last has */
	char *argv[MAX_WORDS + 1];
	char bytes[REQUEST_BYTES];
};

static int
open_socket(struct sockaddr_un *at, const char *door, const char *program)
{
	int n = snprintf(at->sun_path, sizeof(at->sun_path), "%s/%s", door, program);

	at->sun_family = AF_UNIX;
	if (n < 0 || (size_t)n >= sizeof(at->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

const char *
lend_program(void)
{
	char path[64];

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", door_inside, programs[i]);
		if (access(path, F_OK) == 0)
			return programs[i];
	}
	return NULL;
}

/* The client. */

static int
send_request(int to, int extra, char *const *words)
{
	static char bytes[REQUEST_BYTES];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS * sizeof(int))] = {0};
	const int fds[FDS] = {0, 1, 2, extra};
	size_t n = sizeof(extra);
	struct iovec part = {.iov_base = bytes};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	memcpy(bytes, &extra, sizeof(extra));
	for (size_t i = 0; words[i]; i++) {
		size_t word_n = strlen(words[i]) + 1;

		if (n + word_n > sizeof(bytes)) {
			errno = E2BIG;
			return -1;
		}
		memcpy(bytes + n, words[i], word_n);
		n += word_n;
	}
	part.iov_len = n;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	/* In one piece: the socket's buffer is larger, and empty. */
	return sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

int
borrow(char *const *argv)
{
	struct sockaddr_un at = {0};
	unsigned char status;
	const char *program = argv[BORROW_WORDS];
	int fd = open_socket(&at, door_inside, program);
	ssize_t n = -1;

	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		send_request(fd, (int)strtol(argv[2], NULL, 10), argv + BORROW_WORDS) == 0) {
		do
			n = read(fd, &status, 1);
		while (n < 0 && errno == EINTR);
	}
	if (n == 1)
		return status;
	fprintf(stderr, "%s: the host's cannot be used: %s\n", program,
		n == 0 ? "it was ended" : strerror(errno));
	return 126;
}

/* The server. */

static int
take_fds(const struct msghdr *m, struct request *r)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		c->cmsg_len != CMSG_LEN(sizeof(r->fds)) || m->msg_flags & MSG_CTRUNC)
		return -1;
	memcpy(r->fds, CMSG_DATA(c), sizeof(r->fds));
	return 0;
}

static bool
is_lent(const char *name)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (strcmp(name, programs[i]) == 0)
			return true;
	}
	return false;
}

static int
take_request(int fd, struct request *r)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS * sizeof(int))];
	struct iovec part = {.iov_base = r->bytes, .iov_len = sizeof(r->bytes)};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &m, 0);
	size_t words = 0, at = sizeof(r->extra);

	if (n <= (ssize_t)sizeof(r->extra) || take_fds(&m, r) != 0 || r->bytes[n - 1] != '\0')
		return -1;
	memcpy(&r->extra, r->bytes, sizeof(r->extra));
	for (; at < (size_t)n && words < MAX_WORDS; at += strlen(r->bytes + at) + 1)
		r->argv[words++] = r->bytes + at;
	r->argv[words] = NULL;
	return at == (size_t)n && r->extra > 2 && r->extra < 1000 && is_lent(r->argv[0]) ? 0 : -1;
}

static void
become_command(struct request *r)
{
	int high[FDS];

	/* First out of the way of the numbers that they get. */
	for (int i = 0; i < FDS; i++)
		high[i] = fcntl(r->fds[i], F_DUPFD_CLOEXEC, 1000);
	for (int i = 0; i < FDS; i++) {
		if (high[i] < 0 || dup2(high[i], i < 3 ? i : r->extra) < 0)
			_exit(126);
	}
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	execvp(r->argv[0], r->argv);
	_exit(127);
}

/* In a process of its own. */
static void
serve_one(int fd)
{
	static struct request r;
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN | POLLRDHUP}, {.events = POLLIN}};
	unsigned char code;
	int status = 0;
	pid_t pid;

	if (take_request(fd, &r) != 0)
		_exit(1);
	pid = fork();
	if (pid == 0)
		become_command(&r);
	if (pid > 0)
		setpgid(pid, pid); /* both do: it may have to be killed before it came to that */
	for (int i = 0; i < FDS; i++)
		close(r.fds[i]);
	p[1].fd = (int)syscall(SYS_pidfd_open, pid, 0);
	while (pid > 0 && p[1].fd >= 0 && poll(p, 2, -1) < 0 && errno == EINTR)
		;
	if (pid > 0 && !(p[1].revents & POLLIN))
		kill(-pid, SIGKILL);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		_exit(1);
	code = (unsigned char)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	_exit(write(fd, &code, 1) == 1 ? 0 : 1);
}

static bool
is_here(const char *program)
{
	const char *at = getenv("PATH");
	char path[PATH_BYTES];

	for (at = at ? at : "/usr/local/bin:/usr/bin:/bin"; *at; at += *at == ':') {
		size_t n = strcspn(at, ":");

		if (snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, program) <
				(int)sizeof(path) &&
			access(path, X_OK) == 0)
			return true;
		at += n;
	}
	return false;
}

static void
take_connections(int door_fd, int life_fd)
{
	struct pollfd p[2] = {{.fd = door_fd, .events = POLLIN}, {.fd = life_fd, .events = POLLIN}};

	for (;;) {
		int fd;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents)
			return;
		fd = p[0].revents ? accept4(door_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (fd >= 0 && fork() == 0) {
			signal(SIGCHLD, SIG_DFL);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve_one(fd);
		}
		if (fd >= 0)
			close(fd);
	}
}

int
lend(const char *door, const char *pid)
{
	const char *program = is_here("curl") ? "curl" : "python3";
	struct sockaddr_un at = {0};
	int life_fd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(pid, NULL, 10), 0);
	int fd = open_socket(&at, door, program);

	if (life_fd < 0 || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
		listen(fd, 64) != 0) {
		fprintf(stderr, "furrow-runner: lending %s at %s: %s\n", program, door,
			strerror(errno));
		return 1;
	}
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	take_connections(fd, life_fd);
	unlink(at.sun_path);
	return 0;
}
