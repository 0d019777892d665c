/* attach: carries bytes between two descriptors and a runner's socket, as the far end of an SSH
 * channel does. */
#include "cmd/runner/serve.h"

#include "planner/base/protocol.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAY_BYTES = 64 << 10 };

/* Where frames end in what passes. */
struct cutter {
	uint8_t head[FRAME_HEADER_BYTES];
	size_t n_head;
	uint64_t left; /* of a payload */
	bool any;      /* a whole one has passed */
};

struct way {
	int from, to;
	char bytes[WAY_BYTES + RELAY_SAY_BYTES];
	size_t at, n;
	bool ended;
	struct cutter *cutter; /* NULL: nothing is put between */
	char say[RELAY_SAY_BYTES];
	size_t n_say; /* waits for the end of a frame */
};

/* Takes note of bytes that pass. Behind the last frame that ends in them; SIZE_MAX: none does. */
static size_t
cut_frames(struct cutter *c, const char *bytes, size_t n)
{
	size_t at = 0, end = SIZE_MAX;

	while (at < n) {
		if (c->left) {
			size_t some = n - at < c->left ? n - at : (size_t)c->left;

			c->left -= some;
			at += some;
		} else {
			c->head[c->n_head++] = (uint8_t)bytes[at++];
			if (c->n_head < FRAME_HEADER_BYTES)
				continue;
			c->n_head = 0;
			c->left = c->head[0] | (uint64_t)c->head[1] << 8 |
				  (uint64_t)c->head[2] << 16 | (uint64_t)c->head[3] << 24;
		}
		if (c->left == 0)
			end = at;
	}
	c->any |= end != SIZE_MAX;
	return end;
}

static void
say_at(struct way *w, size_t at)
{
	memmove(w->bytes + at + w->n_say, w->bytes + at, w->n - at);
	memcpy(w->bytes + at, w->say, w->n_say);
	w->n += w->n_say;
	w->n_say = 0;
}

/* What is to be said goes out as soon as no frame is cut in two for it. */
static void
say(struct way *w)
{
	if (w->at < w->n || !w->cutter->any || w->cutter->left || w->cutter->n_head)
		return;
	w->at = w->n = 0;
	say_at(w, 0);
}

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
	got = read(w->from, w->bytes, WAY_BYTES);
	w->at = 0;
	w->n = got > 0 ? (size_t)got : 0;
	if (w->cutter) {
		size_t end = cut_frames(w->cutter, w->bytes, w->n);

		if (w->n_say && end != SIZE_MAX)
			say_at(w, end);
	}
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
relay(int fd, int in_fd, int out_fd, const struct relay_side *side)
{
	static struct way up, down;
	static struct cutter cutter;
	int say_fd = side ? side->say_fd : -1;

	cutter = (struct cutter){0};
	up = (struct way){.from = in_fd, .to = fd};
	down = (struct way){.from = fd, .to = out_fd, .cutter = say_fd >= 0 ? &cutter : NULL};
	for (;;) {
		struct way *ways[] = {&up, &down};
		struct pollfd p[3];

		if (down.n_say)
			say(&down);
		for (int i = 0; i < 2; i++) {
			bool writes = ways[i]->at < ways[i]->n;

			p[i].fd = ways[i]->ended ? -1 : writes ? ways[i]->to : ways[i]->from;
			p[i].events = writes ? POLLOUT : POLLIN;
			p[i].revents = 0;
		}
		p[2] = (struct pollfd){.fd = down.n_say ? -1 : say_fd, .events = POLLIN};
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return 1;
		if (!carry(&down, p[1].revents))
			return down.ended && !up.ended ? 0 : down.ended ? 1 : -1;
		if (p[2].revents) {
			ssize_t n = read(say_fd, down.say, sizeof(down.say));

			down.n_say = n > 0 ? (size_t)n : 0;
			say_fd = n > 0 ? say_fd : -1;
		}
		if (side && side->heard && p[0].revents & POLLIN)
			side->heard(side->ctx);
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

	return fd >= 0 && relay(fd, in_fd, out_fd, NULL) >= 0 ? 0 : 1;
}
