/* attach: carries bytes between two descriptors and a runner's socket, as the far end of an SSH
 * channel does. */
#include "cmd/runner/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct way {
	int from, to;
	char bytes[64 << 10];
	size_t at, n;
	bool ended;
};

/* One read or write, whichever is due. false: broken, or at its end with everything passed on. */
static bool
carry(struct way *w, short events)
{
	ssize_t got;

	if (!events)
		return true;
	if (w->at < w->n) {
		got = write(w->to, w->bytes + w->at, w->n - w->at);
		if (got > 0)
			w->at += (size_t)got;
		return got > 0 || errno == EINTR || errno == EAGAIN;
	}
	got = read(w->from, w->bytes, sizeof(w->bytes));
	w->at = 0;
	w->n = got > 0 ? (size_t)got : 0;
	/* A socket that is reset is one whose other end left something unread. */
	w->ended = got == 0 || (got < 0 && errno == ECONNRESET);
	return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

static int
dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (n >= sizeof(a.sun_path))
		errno = ENAMETOOLONG;
	memcpy(a.sun_path, path, n < sizeof(a.sun_path) ? n : 0);
	if (fd >= 0 && n < sizeof(a.sun_path) && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	fprintf(stderr, "furrow-runner: connecting to the runner at %s: %s\n", path,
		strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

int
relay(int fd, int in_fd, int out_fd, void (*heard)(void *ctx), void *ctx)
{
	static struct way up, down;

	up = (struct way){.from = in_fd, .to = fd};
	down = (struct way){.from = fd, .to = out_fd};
	for (;;) {
		struct way *ways[] = {&up, &down};
		struct pollfd p[2];

		for (int i = 0; i < 2; i++) {
			bool writes = ways[i]->at < ways[i]->n;

			p[i].fd = ways[i]->ended ? -1 : writes ? ways[i]->to : ways[i]->from;
			p[i].events = writes ? POLLOUT : POLLIN;
			p[i].revents = 0;
		}
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (!carry(&down, p[1].revents))
			return down.ended && !up.ended ? 0 : down.ended ? 1 : -1;
		if (heard && p[0].revents & POLLIN)
			heard(ctx);
		/* The caller is done: the runner learns it, and what it still says is passed on. */
		if (!carry(&up, p[0].revents)) {
			up.ended = true;
			shutdown(fd, SHUT_WR);
		}
	}
}

int
attach(const char *socket_path, int in_fd, int out_fd)
{
	int fd = dial(socket_path);

	return fd >= 0 && relay(fd, in_fd, out_fd, NULL, NULL) >= 0 ? 0 : 1;
}
