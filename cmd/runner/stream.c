/* stream: a task's stdout or stderr on its way to furrow. */
#include "cmd/runner/stream.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	MEMORY_BYTES = 4096,	    /* held in memory of one stream */
	ALL_MEMORY_BYTES = 1 << 20, /* and of all */
	WIDE_BYTES = 512 << 10,	    /* of the pipe of a task that writes much */
	OFFSET_BYTES = 8
};

void
stream_init(struct stream *s, struct task *t, enum frame_stream number)
{
	*s = (struct stream){
		.watch.kind = WATCH_STREAM,
		.task = t,
		.number = number,
		.fd = -1,
		.spool_fd = -1,
	};
}

static const char *
name_of(const struct stream *s)
{
	return s->number == STREAM_STDOUT ? "stdout" : "stderr";
}

static int
open_spool(struct runner *r, struct stream *s, int flags)
{
	char name[FOLDER_NAME_BYTES + 16];

	if (s->spool_fd >= 0)
		return 0;
	folder_name(name, s->task->id, name_of(s));
	s->spool_fd =
		openat(r->folders.tasks_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	return s->spool_fd < 0 ? -1 : 0;
}

static int
write_at(int fd, const char *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t done = pwrite(fd, p, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
		at += (uint64_t)done;
	}
	return 0;
}

static void
forget_memory(struct runner *r, struct stream *s)
{
	if (!s->memory)
		return;
	free(s->memory);
	s->memory = NULL;
	s->memory_n = 0;
	r->held_bytes -= MEMORY_BYTES;
}

static bool
hold_in_memory(struct runner *r, struct stream *s, const char *p, size_t n)
{
	if (s->spooled || s->memory_n + n > MEMORY_BYTES)
		return false;
	if (!s->memory) {
		if (r->held_bytes + MEMORY_BYTES > ALL_MEMORY_BYTES)
			return false;
		s->memory = must_alloc(MEMORY_BYTES);
		r->held_bytes += MEMORY_BYTES;
	}
	memcpy(s->memory + s->memory_n, p, n);
	s->memory_n += n;
	return true;
}

/* Holds n bytes more, which are not counted in kept yet. */
static void
hold(struct runner *r, struct stream *s, const char *p, size_t n)
{
	if (hold_in_memory(r, s, p, n))
		return;
	if (open_spool(r, s, O_CREAT) != 0 ||
		(!s->spooled && write_at(s->spool_fd, s->memory, s->memory_n, 0) != 0) ||
		write_at(s->spool_fd, p, n, s->kept - s->held_from) != 0) {
		task_fail(r, s->task,
			"keeping its %s in %s/%llu: %s (free some space there, then run this "
			"again)",
			name_of(s), r->folders.tasks, (unsigned long long)s->task->id,
			strerror(errno));
		return;
	}
	s->spooled = true;
	forget_memory(r, s);
}

/* Everything has been sent, and no later connection will ask for it. */
static void
forget_sent(struct runner *r, struct stream *s)
{
	if (runner_keeps(r) || s->sent != s->kept)
		return;
	forget_memory(r, s);
	if (s->spooled && s->held_from != s->kept && ftruncate(s->spool_fd, 0) == 0)
		s->spooled = false;
	if (!s->spooled)
		s->held_from = s->kept;
}

/* Reads and throws away. Without copying where the kernel can. */
static ssize_t
drop(struct runner *r, struct stream *s)
{
	static char chunk[FRAME_CHUNK_BYTES];
	ssize_t n = splice(s->fd, NULL, r->null_fd, NULL, WIDE_BYTES, SPLICE_F_NONBLOCK);

	if (n < 0 && errno == EINVAL)
		n = read(s->fd, chunk, sizeof(chunk));
	return n;
}

/* Reads straight into a frame. */
static ssize_t
take_and_send(struct runner *r, struct stream *s, size_t n)
{
	struct conn *c = &r->conn;
	uint8_t *at;
	ssize_t got;

	if (n > c->window)
		n = c->window;
	at = conn_room(c, OFFSET_BYTES + n);
	got = read(s->fd, at + OFFSET_BYTES, n);
	if (got <= 0)
		return got;
	put_u64(at, s->kept);
	conn_add(c, FRAME_STREAM, (uint8_t)s->number, s->task->id, OFFSET_BYTES + (size_t)got);
	c->window -= (uint32_t)got;
	if (runner_keeps(r))
		hold(r, s, (const char *)at + OFFSET_BYTES, (size_t)got);
	else
		s->held_from += (uint64_t)got;
	s->kept += (uint64_t)got;
	s->sent = s->kept;
	return got;
}

static ssize_t
take_and_hold(struct runner *r, struct stream *s, size_t n)
{
	static char chunk[FRAME_CHUNK_BYTES];
	ssize_t got = read(s->fd, chunk, n);

	if (got > 0) {
		hold(r, s, chunk, (size_t)got);
		s->kept += (uint64_t)got;
	}
	return got;
}

bool
stream_take(struct runner *r, struct stream *s)
{
	uint64_t room = r->cap - s->kept;
	size_t n = room < FRAME_CHUNK_BYTES ? (size_t)room : FRAME_CHUNK_BYTES;
	ssize_t got;

	if (s->fd < 0)
		return false;
	if (n == 0)
		got = drop(r, s);
	else if (runner_can_send(r, s->task) && s->sent == s->kept && r->conn.window > 0)
		got = take_and_send(r, s, n);
	else
		got = take_and_hold(r, s, n);
	if (got > 0) {
		s->written += (uint64_t)got;
		if (got == FRAME_CHUNK_BYTES && !s->wide) {
			s->wide = true;
			(void)fcntl(s->fd, F_SETPIPE_SZ, WIDE_BYTES);
		}
		return true;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR))
		stream_close(r, s);
	return false;
}

/* Reads held bytes from s->sent on. */
static ssize_t
read_held(struct runner *r, struct stream *s, void *out, size_t n)
{
	uint64_t at = s->sent - s->held_from;

	if (!s->spooled) {
		memcpy(out, s->memory + at, n);
		return (ssize_t)n;
	}
	if (open_spool(r, s, 0) != 0)
		return -1;
	return pread(s->spool_fd, out, n, (off_t)at);
}

void
stream_pump(struct runner *r, struct stream *s)
{
	struct conn *c = &r->conn;

	while (s->sent < s->kept && c->window > 0) {
		uint64_t left = s->kept - s->sent;
		size_t n = left < FRAME_CHUNK_BYTES ? (size_t)left : FRAME_CHUNK_BYTES;
		uint8_t *at;
		ssize_t got;

		if (n > c->window)
			n = c->window;
		at = conn_room(c, OFFSET_BYTES + n);
		got = read_held(r, s, at + OFFSET_BYTES, n);
		if (got <= 0) {
			/* The task did away with the file in its folder, or the disk failed. */
			task_fail(r, s->task, "reading its %s, kept in its folder: %s", name_of(s),
				got < 0 ? strerror(errno) : "the file became shorter");
			s->kept = s->sent;
			return;
		}
		put_u64(at, s->sent);
		conn_add(c, FRAME_STREAM, (uint8_t)s->number, s->task->id,
			OFFSET_BYTES + (size_t)got);
		c->window -= (uint32_t)got;
		s->sent += (uint64_t)got;
	}
	forget_sent(r, s);
}

void
stream_rewind(struct stream *s, uint64_t from)
{
	s->sent = from < s->held_from ? s->held_from : from > s->kept ? s->kept : from;
}

void
stream_close(struct runner *r, struct stream *s)
{
	if (s->fd < 0)
		return;
	/* By hand, since closing isn't enough while a child holds a copy: a forked one, or one
	 * between clone and exec, which lets us go on before the kernel closes its descriptors. */
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	close(s->fd);
	s->fd = -1;
	if (s->spool_fd >= 0)
		close(s->spool_fd);
	s->spool_fd = -1;
}

void
stream_free(struct runner *r, struct stream *s)
{
	stream_close(r, s);
	forget_memory(r, s);
	if (s->spool_fd >= 0)
		close(s->spool_fd);
	s->spool_fd = -1;
}
