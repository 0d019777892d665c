/* upload: what is to be uploaded, by whom, and what becomes of it. */
#include "cmd/runner/upload.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/child.h"
#include "cmd/runner/runner.h"
#include "cmd/runner/upload_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS_NS INT64_C(1000000)

enum {
	MEASURED_AT_ONCE = 1000, /* entries; something like a millisecond */
	TRIES = 7,
	FIRST_PAUSE_MS = 250 /* before the second try; then twice as long each time */
};

/* Of the disk, for others, when the file is there. */
static const uint64_t spare_bytes = UINT64_C(64) << 20;

struct upload {
	struct task *task;
	struct pack *measure; /* NULL: done */
	uint64_t tar_bytes;   /* as measured */
	bool over;	      /* for the connection, or for nobody */
	bool offered;	      /* over this connection */
	bool answered;	      /* and so was this */
	char *url;	      /* NULL: none yet, or no more */
	char *target;	      /* where the file goes, or went: a URL without its query */
	uint64_t sent_bytes;  /* 0: it is not there */
	int tar_fd;	      /* -1: none */
	bool packed;	      /* tar_fd has all */
	pid_t child;	      /* packs or sends; 0: none */
	int said_fd;	      /* of the sending one */
	unsigned n_tries;
	bool renewed;	       /* the URL */
	int64_t not_before_ns; /* the next try */
};

static void
end_child(struct runner *r, struct upload *u)
{
	if (u->child) {
		kill(-u->child, SIGKILL);
		kill(u->child, SIGKILL);
	}
	for (int i = 0; i < UPLOADS_AT_ONCE; i++) {
		if (r->uploads[i] == u)
			r->uploads[i] = NULL;
	}
	if (u->said_fd >= 0)
		close(u->said_fd);
	u->said_fd = -1;
	u->child = 0;
}

static void
drop_file(struct upload *u)
{
	if (u->tar_fd >= 0)
		close(u->tar_fd);
	u->tar_fd = -1;
	u->packed = false;
}

void
upload_rest(struct runner *r, struct upload *u)
{
	end_child(r, u);
	drop_file(u);
}

static void
end_measure(struct upload *u)
{
	if (u->measure)
		pack_close(u->measure);
	u->measure = NULL;
}

void
upload_free(struct runner *r, struct upload *u)
{
	upload_rest(r, u);
	end_measure(u);
	free(u->url);
	free(u->target);
	free(u);
}

static void
leave_to_connection(struct runner *r, struct upload *u)
{
	u->over = true;
	upload_rest(r, u);
}

static void __attribute__((format(printf, 3, 4)))
give_up(struct runner *r, struct upload *u, const char *fmt, ...)
{
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	conn_note(&r->conn, "the outputs of task %llu (%llu bytes) come over the connection: %s",
		(unsigned long long)u->task->id, (unsigned long long)u->tar_bytes, why);
	leave_to_connection(r, u);
}

bool
upload_stop(struct runner *r, struct upload *u)
{
	if (u->over || u->measure)
		return false;
	leave_to_connection(r, u);
	return true;
}

void
upload_again(struct upload *u)
{
	u->offered = u->answered = false;
}

static struct upload *
begin(struct runner *r, struct task *t)
{
	struct upload *u = must_alloc(sizeof(*u));
	int fd = folder_open(&r->folders, t->id);

	*u = (struct upload){.task = t, .tar_fd = -1, .said_fd = -1};
	u->measure = pack_open(fd, r->outputs, r->source);
	if (fd >= 0)
		close(fd);
	return u;
}

static void
measure(struct runner *r, struct upload *u)
{
	struct task *t = u->task;
	int rc = pack_measure(u->measure, MEASURED_AT_ONCE, &u->tar_bytes);

	if (rc == 0) {
		t->wake_ns = 0; /* goes on in the next round, when others had their turn */
		return;
	}
	/* What cannot be measured cannot be packed either, and then it is told why. */
	u->over = rc < 0 || u->tar_bytes <= r->offer_over;
	t->output_files = pack_files(u->measure);
	t->output_bytes = pack_bytes(u->measure);
	end_measure(u);
}

static void
say(struct runner *r, const struct upload *u, enum frame_type type, uint64_t bytes)
{
	uint8_t payload[1 + 8];

	put_u64(put_u8(payload, OFFER_TAR), bytes);
	conn_send(&r->conn, (uint8_t)type, u->task->id, payload, sizeof(payload));
}

/* Whether this URL is that of the target, signed again perhaps. */
static bool
is_target(const struct upload *u, const char *url)
{
	size_t n = u->target ? strlen(u->target) : 0;

	return n && url && strcspn(url, "?") == n && memcmp(url, u->target, n) == 0;
}

static bool
is_placed(const struct upload *u)
{
	return u->sent_bytes && u->answered && is_target(u, u->url);
}

enum upload_state
upload_tell(struct runner *r, struct task *t)
{
	struct upload *u = t->upload;

	if (!u)
		u = t->upload = begin(r, t);
	if (u->measure)
		measure(r, u);
	if (u->over)
		return UPLOAD_NONE;
	if (u->measure)
		return UPLOAD_WAITS;
	if (!u->offered) {
		say(r, u, FRAME_OFFER, u->tar_bytes);
		u->offered = true;
	}
	if (!is_placed(u))
		return UPLOAD_WAITS;
	say(r, u, FRAME_PLACED, u->sent_bytes);
	return UPLOAD_PLACED;
}

void
upload_put(struct runner *r, struct upload *u, struct str url)
{
	if (!u->offered || u->answered || u->over)
		return;
	if (url.n == 0) {
		leave_to_connection(r, u);
		return;
	}
	if (!upload_child_takes(url)) {
		give_up(r, u, "what came as the URL for them is none");
		return;
	}
	free(u->url);
	u->url = must_copy(url.p, url.n);
	u->answered = true;
	/* What goes, or went, elsewhere is of no use any more. */
	if (!is_target(u, u->url)) {
		u->sent_bytes = 0;
		if (u->said_fd >= 0)
			end_child(r, u);
	}
}

/* A file without a name in the task's folder. */
static int
open_file(int folder_fd)
{
	static const char name[] = "outputs.tar";
	int fd = openat(folder_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* Not every file system has it: overlayfs only lately. */
	fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		unlinkat(folder_fd, name, 0);
	return fd;
}

/* false: it failed, and that is dealt with. */
static bool
start_packing(struct runner *r, struct upload *u)
{
	int folder_fd = folder_open(&r->folders, u->task->id);
	struct statvfs disk;
	bool fine = false;

	if (folder_fd < 0 || fstatvfs(folder_fd, &disk) != 0) {
		give_up(r, u, "their folder cannot be opened: %s", strerror(errno));
	} else if (disk.f_bavail * disk.f_frsize < u->tar_bytes + spare_bytes) {
		give_up(r, u, "the disk has no room to pack them beforehand (%llu MiB free)",
			(unsigned long long)(disk.f_bavail * disk.f_frsize >> 20));
	} else if ((u->tar_fd = open_file(folder_fd)) < 0) {
		give_up(r, u, "making a file for them: %s", strerror(errno));
	} else {
		u->child = upload_child_pack(folder_fd, u->tar_fd, r->outputs, r->source);
		fine = u->child > 0;
		if (!fine)
			give_up(r, u, "making a process to pack them: %s", strerror(errno));
	}
	if (folder_fd >= 0)
		close(folder_fd);
	return fine;
}

static bool
start_sending(struct runner *r, struct upload *u)
{
	const char *what;

	free(u->target);
	u->target = must_copy(u->url, strcspn(u->url, "?"));
	u->n_tries++;
	u->child = upload_child_send(u->tar_fd, u->url, &r->files, &u->said_fd, &what);
	if (u->child > 0)
		return true;
	u->child = 0;
	give_up(r, u, "%s: %s", what, strerror(errno));
	return false;
}

static bool
wants_child(const struct upload *u, int64_t now)
{
	return u && !u->over && !u->measure && !u->child && u->url && !u->sent_bytes &&
	       now >= u->not_before_ns;
}

void
uploads_go_on(struct runner *r)
{
	int64_t now = r->offer_over ? runner_now() : 0;
	int place = 0;

	for (struct task *t = r->active.first; t && r->offer_over; t = t->next) {
		struct upload *u = t->upload;

		if (t->state != TASK_FINISHING || !wants_child(u, now))
			continue;
		while (place < UPLOADS_AT_ONCE && r->uploads[place])
			place++;
		if (place == UPLOADS_AT_ONCE)
			break;
		if (u->packed ? start_sending(r, u) : start_packing(r, u))
			r->uploads[place] = u;
	}
}

struct upload *
upload_of(const struct runner *r, pid_t pid)
{
	for (int i = 0; i < UPLOADS_AT_ONCE; i++) {
		if (r->uploads[i] && r->uploads[i]->child == pid)
			return r->uploads[i];
	}
	return NULL;
}

static void
packed(struct runner *r, struct upload *u, int status)
{
	struct stat st;

	u->packed = WIFEXITED(status) && WEXITSTATUS(status) == 0 && fstat(u->tar_fd, &st) == 0;
	if (!u->packed)
		give_up(r, u, "packing them into a file of its folder: %s",
			WIFEXITED(status) ? strerror(WEXITSTATUS(status))
					  : "the packer was killed");
	else
		u->tar_bytes = (uint64_t)st.st_size;
}

static void
try_again(struct upload *u)
{
	u->not_before_ns = runner_now() + ((int64_t)FIRST_PAUSE_MS << (u->n_tries - 1)) * MS_NS;
	u->task->wake_ns = u->not_before_ns;
}

static void
sent(struct runner *r, struct upload *u, const struct upload_said *said)
{
	int http = said->http;

	if (http >= 200 && http < 300) {
		u->sent_bytes = u->tar_bytes;
		drop_file(u);
	} else if ((http == 403 || http == 400) && !u->renewed) {
		/* Its time is over, or that of the login that signed it. */
		u->renewed = true;
		free(u->url);
		u->url = NULL;
		u->offered = u->answered = false;
	} else if (u->n_tries < TRIES && (http == 0 || http == 408 || http == 429 || http >= 500)) {
		try_again(u);
	} else {
		give_up(r, u, "putting them into the store: %s (try %u)", said->words, u->n_tries);
	}
}

void
upload_child_ended(struct runner *r, struct upload *u, int status)
{
	struct upload_said said;
	bool was_sending = u->said_fd >= 0;

	u->child = 0;
	if (was_sending)
		upload_child_said(u->said_fd, status, &said);
	end_child(r, u);
	if (was_sending)
		sent(r, u, &said);
	else
		packed(r, u, status);
}
