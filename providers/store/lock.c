/* lock: the lock file: {"pid":…,"run":…,"host":…,"since":"<RFC 3339>"} and LF, written by the
 * holder behind its flock(2), emptied before it is given back. The file stays: removing it would
 * let two hold a lock each. */
#include "providers/store/lock.h"

#include "planner/base/arena.h"
#include "planner/base/clock.h"
#include "planner/base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

enum {
	HOLDER_BYTES = 512,
	PATIENCE = 40, /* looks at a lock that is held, but by nobody who says so */
	PAUSE_NS = 5000000
};

struct lock {
	int fd;
};

struct holder {
	int pid; /* 0: nobody says that it has the lock */
	char run[32], host[HOST_NAME_MAX + 1], since[CLOCK_RFC3339_BYTES];
};

static void
copy_member(char *out, size_t size, const json_t *root, const char *name)
{
	const char *value = json_string_value(json_object_get(root, name));

	snprintf(out, size, "%s", value ? value : "");
	for (char *p = out; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

static void
read_holder(int fd, struct holder *out)
{
	char text[HOLDER_BYTES];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	json_t *root = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
	json_int_t pid = json_integer_value(json_object_get(root, "pid"));

	*out = (struct holder){.pid = pid > 0 && pid <= INT32_MAX ? (int)pid : 0};
	copy_member(out->run, sizeof(out->run), root, "run");
	copy_member(out->host, sizeof(out->host), root, "host");
	copy_member(out->since, sizeof(out->since), root, "since");
	json_decref(root);
}

static int
write_holder(int fd, const char *run)
{
	char host[HOST_NAME_MAX + 1] = "", since[CLOCK_RFC3339_BYTES];
	struct buf b = {0};
	ssize_t n;

	gethostname(host, sizeof(host) - 1);
	clock_format_rfc3339(since, clock_system()->wall_ns(clock_system()->ctx));
	buf_add_char(&b, '{');
	json_add_member_int(&b, "pid", getpid());
	json_add_member_string(&b, "run", str_from(run));
	json_add_member_string(&b, "host", str_from(host));
	json_add_member_string(&b, "since", str_from(since));
	buf_add_cstr(&b, "}\n");
	n = ftruncate(fd, 0) < 0 ? -1 : pwrite(fd, b.p, b.n, 0);
	if (n >= 0 && (size_t)n < b.n)
		errno = ENOSPC;
	n = n == (ssize_t)b.n ? 0 : -errno;
	buf_free(&b);
	return (int)n;
}

/* A lock may be held for a moment by somebody who only looks (lock_holder) while the file still
 * names a dead holder. */
static bool
is_credible(const struct holder *h)
{
	char host[HOST_NAME_MAX + 1] = "";

	gethostname(host, sizeof(host) - 1);
	return h->pid && (strcmp(h->host, host) != 0 || kill(h->pid, 0) == 0 || errno != ESRCH);
}

static int
held(const char *path, const struct holder *h, struct error *err)
{
	if (!h->pid)
		return error_set(err, ERR_LOCKED,
			"another furrow holds the lock %s, without saying which; wait for "
			"it to end, or look who "
			"it is: fuser %s",
			path, path);
	return error_set(err, ERR_LOCKED,
		"another furrow is at work here: process %d on %s, run %s, since %s; it holds %s: "
		"wait for it to end, or stop it: kill -INT %d",
		h->pid, h->host, h->run, h->since, path, h->pid);
}

int
lock_take(struct lock **out, const char *path, const char *run, struct error *err)
{
	struct holder h;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	int rc;

	*out = NULL;
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "open lock %s", path);
	for (int i = 0;; i++) {
		struct timespec pause = {.tv_nsec = PAUSE_NS};

		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK) {
			rc = error_set_errno(err, ERR_HOST, errno, "lock %s", path);
			close(fd);
			return rc;
		}
		read_holder(fd, &h);
		if (is_credible(&h) || i == PATIENCE) {
			close(fd);
			return held(path, &h, err);
		}
		nanosleep(&pause, NULL);
	}
	rc = write_holder(fd, run);
	if (rc < 0) {
		close(fd);
		return error_set_errno(err, ERR_HOST, -rc, "write lock %s", path);
	}
	*out = mem_alloc(sizeof(**out));
	(*out)->fd = fd;
	return 0;
}

void
lock_release(struct lock *l)
{
	if (!l)
		return;
	if (ftruncate(l->fd, 0) < 0) {
		/* then it names a process that will be gone */
	}
	close(l->fd);
	free(l);
}

int
lock_holder(const char *path, char run[32])
{
	struct holder h = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	run[0] = '\0';
	if (fd < 0)
		return 0;
	for (int i = 0; i < PATIENCE && !h.pid; i++) {
		struct timespec pause = {.tv_nsec = i ? PAUSE_NS : 0};

		nanosleep(&pause, NULL); /* it is just being taken, and not written yet */
		if (flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			break;
		read_holder(fd, &h);
	}
	close(fd);
	memcpy(run, h.run, sizeof(h.run));
	return h.pid;
}
