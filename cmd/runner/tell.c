/* tell: BEGUN, STREAM, OUTPUT and ENDED of one task. */
#include "cmd/runner/tell.h"

#include "cmd/runner/runner.h"
#include "cmd/runner/stream.h"
#include "cmd/runner/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void
tell_begun(struct runner *r, const struct task *t)
{
	uint8_t payload[8];

	put_i64(payload, t->begun_ns);
	if (runner_can_send(r, t))
		conn_send(&r->conn, FRAME_BEGUN, t->id, payload, sizeof(payload));
}

/* One piece of what a file holds, at most as much as the window. false: no more of it. */
static bool
tell_trace_piece(struct runner *r, struct task *t)
{
	struct conn *c = &r->conn;
	uint64_t left = TRACE_MAX_BYTES - t->trace_sent;
	size_t n = left < FRAME_CHUNK_BYTES ? (size_t)left : FRAME_CHUNK_BYTES;
	uint8_t *at;
	ssize_t got;

	if (n > c->window)
		n = c->window;
	at = conn_room(c, 8 + n);
	got = pread(t->trace_fd, at + 8, n, (off_t)t->trace_sent);
	if (got <= 0)
		return false;
	put_u64(at, t->trace_sent);
	conn_add(c, FRAME_STREAM, STREAM_TRACE, t->id, 8 + (size_t)got);
	c->window -= (uint32_t)got;
	t->trace_sent += (uint64_t)got;
	return true;
}

static int
open_trace(struct runner *r, const struct task *t)
{
	char name[FOLDER_NAME_BYTES + 16];
	struct stat st;
	int fd;

	folder_name(name, t->id, "trace.jsonl");
	fd = openat(r->folders.tasks_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
tell_trace(struct runner *r, struct task *t)
{
	if (t->trace_done || !t->has_folder)
		return true;
	if (t->trace_fd < 0)
		t->trace_fd = open_trace(r, t);
	while (t->trace_fd >= 0) {
		if (r->conn.window == 0)
			return false;
		if (!tell_trace_piece(r, t)) {
			close(t->trace_fd);
			t->trace_fd = -1;
		}
	}
	t->trace_done = true;
	return true;
}

static void
start_pack(struct runner *r, struct task *t)
{
	int fd = folder_open(&r->folders, t->id);

	t->pack = pack_open(fd, r->outputs, r->source);
	if (fd >= 0)
		close(fd);
}

static bool
tell_output(struct runner *r, struct task *t)
{
	struct conn *c = &r->conn;
	ssize_t got = 1;

	if (t->pack_done || !t->has_folder || t->why != ENDED_SELF || t->exit_status != 0)
		return true;
	if (r->offer_over) {
		enum upload_state state = upload_tell(r, t);

		t->pack_done = state == UPLOAD_PLACED;
		if (state != UPLOAD_NONE)
			return t->pack_done;
	}
	if (!t->pack)
		start_pack(r, t);
	while (got > 0) {
		size_t n = c->window < FRAME_CHUNK_BYTES ? c->window : FRAME_CHUNK_BYTES;
		uint8_t *at;

		if (n == 0)
			return false;
		at = conn_room(c, n);
		got = pack_read(t->pack, at, n);
		if (got > 0) {
			conn_add(c, FRAME_OUTPUT, 0, t->id, (size_t)got);
			c->window -= (uint32_t)got;
		}
	}
	if (got < 0) {
		t->why = ENDED_BAD_OUTPUT;
		snprintf(t->message, sizeof(t->message), "%s", pack_error(t->pack));
	}
	t->output_files = pack_files(t->pack);
	t->output_bytes = pack_bytes(t->pack);
	t->pack_done = true;
	pack_close(t->pack);
	t->pack = NULL;
	return true;
}

static void
tell_end(struct runner *r, struct task *t)
{
	struct stream *out = &t->streams[0], *errs = &t->streams[1];
	struct str message = str_from(t->message);
	uint8_t *payload = conn_room(&r->conn, 128 + message.n), *at = payload;

	at = put_u32(at, (uint32_t)t->exit_status);
	at = put_u32(at, (uint32_t)t->signal);
	at = put_u8(at, (uint8_t)t->why);
	at = put_i64(at, t->begun_ns);
	at = put_i64(at, t->ended_ns);
	at = put_i64(at, t->cpu_ns);
	at = put_i64(at, t->max_rss_bytes);
	at = put_u64(at, out->written);
	at = put_u64(at, errs->written);
	at = put_u64(at, out->kept);
	at = put_u64(at, errs->kept);
	at = put_u64(at, t->output_bytes);
	at = put_u64(at, t->output_files);
	at = put_str(at, message);
	conn_add(&r->conn, FRAME_ENDED, 0, t->id, (size_t)(at - payload));
	if (t->upload)
		upload_rest(r, t->upload);
	task_list_remove(&r->active, t);
	task_list_add(&r->done, t);
	t->state = TASK_DONE;
}

void
tell(struct runner *r, struct task *t)
{
	if (!runner_can_send(r, t))
		return;
	for (int i = 0; i < 2; i++)
		stream_pump(r, &t->streams[i]);
	if (t->state != TASK_FINISHING || t->streams[0].sent != t->streams[0].kept ||
		t->streams[1].sent != t->streams[1].kept)
		return;
	if (tell_trace(r, t) && tell_output(r, t))
		tell_end(r, t);
}

void
tell_stop(struct task *t)
{
	if (t->trace_fd >= 0)
		close(t->trace_fd);
	t->trace_fd = -1;
	if (t->pack)
		pack_close(t->pack);
	t->pack = NULL;
}

void
tell_again(struct runner *r, struct task *t)
{
	t->muted = false;
	t->trace_done = t->pack_done = false;
	t->trace_sent = 0;
	if (t->upload)
		upload_again(t->upload);
	if (t->begun_ns)
		tell_begun(r, t);
}
