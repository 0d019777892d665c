/* conn: two buffers and two descriptors. */
#include "cmd/runner/conn.h"

#include "cmd/runner/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { IN_BYTES = 64 << 10, KEEP_BYTES = 256 << 10 };

void
conn_init(struct conn *c, int epoll)
{
	*c = (struct conn){
		.in_watch.kind = WATCH_IN,
		.out_watch.kind = WATCH_OUT,
		.epoll = epoll,
		.in_fd = -1,
		.out_fd = -1,
	};
}

static int
no_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int
conn_open(struct conn *c, int in_fd, int out_fd)
{
	struct epoll_event in = {.events = EPOLLIN, .data.ptr = &c->in_watch};
	struct epoll_event out = {.events = 0, .data.ptr = &c->out_watch};

	c->in_fd = in_fd;
	c->out_fd = in_fd == out_fd ? fcntl(in_fd, F_DUPFD_CLOEXEC, 3) : out_fd;
	c->window = PROTOCOL_WINDOW_BYTES;
	if (c->out_fd < 0 || no_blocking(in_fd) != 0 || no_blocking(c->out_fd) != 0 ||
		epoll_ctl(c->epoll, EPOLL_CTL_ADD, in_fd, &in) != 0 ||
		epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->out_fd, &out) != 0) {
		conn_close(c);
		return -1;
	}
	return 0;
}

void
conn_close(struct conn *c)
{
	int epoll = c->epoll;

	/* Taken out by hand: a forked child may hold a copy for a moment, and then closing isn't
	 * enough. */
	if (c->in_fd >= 0) {
		epoll_ctl(epoll, EPOLL_CTL_DEL, c->in_fd, NULL);
		close(c->in_fd);
	}
	if (c->out_fd >= 0) {
		epoll_ctl(epoll, EPOLL_CTL_DEL, c->out_fd, NULL);
		close(c->out_fd);
	}
	free(c->in);
	free(c->out);
	conn_init(c, epoll);
}

int
conn_read(struct conn *c)
{
	ssize_t n;

	if (c->in_from) {
		memmove(c->in, c->in + c->in_from, c->in_n - c->in_from);
		c->in_n -= c->in_from;
		c->in_from = 0;
	}
	if (c->in_n == 0 && c->in_cap > KEEP_BYTES)
		c->in_cap = 0;
	if (c->in_cap - c->in_n < IN_BYTES) {
		c->in_cap = c->in_n + IN_BYTES;
		if (c->in_n)
			c->in_cap *= 2;
		c->in = must_realloc(c->in, c->in_cap);
	}
	n = read(c->in_fd, c->in + c->in_n, c->in_cap - c->in_n);
	if (n > 0)
		c->in_n += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? 0 : -1;
}

int
conn_next(struct conn *c, struct frame *out)
{
	struct str have = {.p = c->in + c->in_from, .n = c->in_n - c->in_from};
	int64_t n = c->in_fd < 0 ? 0 : frame_read(have, out);

	if (n > 0)
		c->in_from += (size_t)n;
	return n > 0 ? 1 : (int)n;
}

uint8_t *
conn_room(struct conn *c, size_t n)
{
	size_t need = FRAME_HEADER_BYTES + n;

	if (c->out_from == c->out_n)
		c->out_from = c->out_n = 0;
	if (c->out_cap - c->out_n < need && c->out_from) {
		memmove(c->out, c->out + c->out_from, c->out_n - c->out_from);
		c->out_n -= c->out_from;
		c->out_from = 0;
	}
	if (c->out_cap - c->out_n < need) {
		c->out_cap = c->out_n + need + c->out_n / 2 + 4096;
		c->out = must_realloc(c->out, c->out_cap);
	}
	return (uint8_t *)c->out + c->out_n + FRAME_HEADER_BYTES;
}

void
conn_add(struct conn *c, uint8_t type, uint8_t stream, uint64_t id, size_t n)
{
	struct frame f = {.type = type, .stream = stream, .id = id, .payload.n = n};

	frame_header((uint8_t *)c->out + c->out_n, &f);
	c->out_n += FRAME_HEADER_BYTES + n;
}

void
conn_send(struct conn *c, uint8_t type, uint64_t id, const void *payload, size_t n)
{
	uint8_t *at;

	if (!c->greeted)
		return;
	at = conn_room(c, n);
	if (n)
		memcpy(at, payload, n);
	conn_add(c, type, 0, id, n);
}

void
conn_note(struct conn *c, const char *fmt, ...)
{
	uint8_t payload[4 + 1024];
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn_send(c, FRAME_NOTE, 0, payload, (size_t)(put_str(payload, str_from(text)) - payload));
}

static void
wait_for_room(struct conn *c, bool wait)
{
	struct epoll_event out = {.events = wait ? EPOLLOUT : 0, .data.ptr = &c->out_watch};

	if (c->armed != wait && epoll_ctl(c->epoll, EPOLL_CTL_MOD, c->out_fd, &out) == 0)
		c->armed = wait;
}

int
conn_flush(struct conn *c)
{
	while (c->out_fd >= 0 && c->out_from < c->out_n) {
		ssize_t n = write(c->out_fd, c->out + c->out_from, c->out_n - c->out_from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			wait_for_room(c, true);
			return 0;
		}
		if (n < 0)
			return -1;
		c->out_from += (size_t)n;
	}
	if (c->armed)
		wait_for_room(c, false);
	if (c->out_cap > KEEP_BYTES && c->out_from == c->out_n) {
		free(c->out);
		c->out = NULL;
		c->out_from = c->out_n = c->out_cap = 0;
	}
	return 0;
}
