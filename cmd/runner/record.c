/* record: a log, and a child that waits for the disk. */
#include "cmd/runner/record.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_BYTES = 128, KEY_BYTES = 64 };

/* The child: a byte in, the disk, errno as a byte out. */
static _Noreturn void
help(int fd, int log_fd)
{
	char byte;

	while (read(fd, &byte, 1) == 1) {
		byte = fdatasync(log_fd) == 0 ? 0 : (char)errno;
		if (write(fd, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static void
start_helper(struct record *r)
{
	struct epoll_event in = {.events = EPOLLIN, .data.ptr = &r->watch};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return;
	r->helper = child_fork(pair[1], r->log_fd);
	if (r->helper == 0)
		help(pair[1], r->log_fd);
	close(pair[1]);
	if (r->helper < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, pair[0], &in) != 0)
		close(pair[0]);
	else
		r->helper_fd = pair[0];
}

int
record_open(struct record *r, int root_fd, int epoll, char *why, size_t why_bytes)
{
	*r = (struct record){.watch.kind = WATCH_RECORD, .epoll = epoll, .helper_fd = -1};
	r->log_fd = openat(root_fd, "attempts.log",
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* The folder's entry has to last as well, once. */
	if (r->log_fd < 0 || fsync(root_fd) != 0) {
		snprintf(why, why_bytes, "opening attempts.log: %s", strerror(errno));
		return -1;
	}
	start_helper(r);
	return 0;
}

static bool
is_key(const char *key)
{
	return key && strlen(key) == KEY_BYTES && strspn(key, "0123456789abcdef") == KEY_BYTES;
}

uint64_t
record_add(struct record *r, uint64_t id, uint32_t attempt, const char *key)
{
	if (r->cap - r->n < LINE_BYTES) {
		r->cap = r->cap * 2 + LINE_BYTES;
		r->lines = must_realloc(r->lines, r->cap);
	}
	r->n += (size_t)snprintf(r->lines + r->n, LINE_BYTES, "%llu %u %s\n",
		(unsigned long long)id, attempt, is_key(key) ? key : "-");
	return ++r->added;
}

static void
finish(struct record *r, int error)
{
	if (error) {
		r->failed = r->asked;
		r->error = error;
	}
	r->durable = r->asked;
}

static int
write_lines(struct record *r)
{
	size_t at = 0;
	int error = 0;

	while (at < r->n && !error) {
		ssize_t n = write(r->log_fd, r->lines + at, r->n - at);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno != EINTR)
			error = errno;
	}
	r->n = 0;
	return error;
}

void
record_sync(struct record *r)
{
	int error;

	if (r->durable != r->asked || r->asked == r->added)
		return;
	r->asked = r->added;
	error = write_lines(r);
	if (error)
		finish(r, error);
	else if (r->helper_fd < 0 || write(r->helper_fd, "", 1) != 1)
		finish(r, fdatasync(r->log_fd) == 0 ? 0 : errno);
}

void
record_answered(struct record *r)
{
	unsigned char error;

	if (r->helper_fd < 0)
		return;
	if (read(r->helper_fd, &error, 1) == 1) {
		finish(r, error);
		return;
	}
	/* Someone ended it: from now on the runner waits for the disk itself. */
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, r->helper_fd, NULL);
	close(r->helper_fd);
	r->helper_fd = -1;
	if (r->durable != r->asked)
		finish(r, fdatasync(r->log_fd) == 0 ? 0 : errno);
}

void
record_close(struct record *r)
{
	if (r->helper_fd >= 0)
		close(r->helper_fd);
	if (r->log_fd >= 0)
		close(r->log_fd);
	free(r->lines);
	*r = (struct record){.log_fd = -1, .helper_fd = -1};
}
