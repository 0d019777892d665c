/* host_notice: whether the instance is to be interrupted: spot/instance-action of its metadata, looked at
 * every few seconds by a process of its own, since a service that is slow must not hold up what furrow and
 * the runner say to each other. */
#include "cmd/runner/host.h"

#include "cmd/runner/child.h"
#include "cmd/runner/imds.h"
#include "cmd/runner/serve.h"
#include "planner/base/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOK_MS = 5000,
	/* Told two minutes before; what is further away than this is no such time. */
	FAR_S = 86400,
	SHOWN_BYTES = 80
};

struct notice {
	char action[NOTICE_ACTION_BYTES + 1];
	int64_t wall_s;
};

/* The next string in double quotes, without escapes; NULL: there is none here. */
static const char *
take_string(const char **at, size_t *n)
{
	const char *from = *at, *end;

	if (*from != '"')
		return NULL;
	end = from + 1 + strcspn(from + 1, "\"\\");
	if (*end != '"')
		return NULL;
	*n = (size_t)(end - from - 1);
	*at = end + 1;
	return from + 1;
}

static const char *
skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* A member of an object of strings and numbers; false: it is none. A value that is no string is passed
 * over. */
static bool
take_member(const char **at, const char **name, size_t *n_name, const char **value, size_t *n)
{
	*at = skip_blanks(*at);
	*name = take_string(at, n_name);
	*at = skip_blanks(*at);
	if (!*name || **at != ':')
		return false;
	*at = skip_blanks(*at + 1);
	*value = take_string(at, n);
	if (!*value)
		*at += strcspn(*at, "\"{}[],");
	*at = skip_blanks(*at);
	return **at == ',' || **at == '}';
}

static int
digits(const char *at, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++)
		v = at[i] < '0' || at[i] > '9' || v < 0 ? -1 : v * 10 + (at[i] - '0');
	return v;
}

/* "2026-11-28T12:00:03Z", with or without a fraction; -1: no such time. */
static int64_t
read_time(const char *s, size_t n)
{
	struct tm t = {0}, again;
	time_t at;

	if (n < 20 || n > 32 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' ||
		s[16] != ':' || s[n - 1] != 'Z' ||
		(n > 20 && (s[19] != '.' || strspn(s + 20, "0123456789") != n - 21)))
		return -1;
	t.tm_year = digits(s, 4) - 1900;
	t.tm_mon = digits(s + 5, 2) - 1;
	t.tm_mday = digits(s + 8, 2);
	t.tm_hour = digits(s + 11, 2);
	t.tm_min = digits(s + 14, 2);
	t.tm_sec = digits(s + 17, 2);
	again = t;
	at = timegm(&again);
	/* One that timegm had to put right, the 31st of June, is none. */
	if (again.tm_year != t.tm_year || again.tm_mon != t.tm_mon || again.tm_mday != t.tm_mday ||
		again.tm_hour != t.tm_hour || again.tm_min != t.tm_min || again.tm_sec != t.tm_sec)
		return -1;
	return at;
}

static bool
is_named(const char *name, size_t n, const char *as)
{
	return n == strlen(as) && memcmp(name, as, n) == 0;
}

static bool
read_notice(struct notice *out, const char *at)
{
	const char *name, *value;
	size_t n_name, n;

	*out = (struct notice){.wall_s = -1};
	at = skip_blanks(at);
	if (*at != '{')
		return false;
	do {
		at++;
		if (!take_member(&at, &name, &n_name, &value, &n))
			return false;
		if (value && is_named(name, n_name, "time"))
			out->wall_s = read_time(value, n);
		if (value && is_named(name, n_name, "action") && n <= NOTICE_ACTION_BYTES)
			snprintf(out->action, sizeof(out->action), "%.*s", (int)n, value);
	} while (*at == ',');
	if (*skip_blanks(at + 1) || !out->action[0] ||
		out->action[strspn(out->action, "abcdefghijklmnopqrstuvwxyz")])
		return false;
	return out->wall_s > 0;
}

/* false: nobody hears it any more. */
static bool
tell(int fd, const struct notice *n, int64_t left_ms)
{
	uint8_t bytes[RELAY_SAY_BYTES], *at = bytes + FRAME_HEADER_BYTES;
	struct frame f = {.type = FRAME_NOTICE};
	ssize_t all;

	at = put_str(at, str_from(n->action));
	at = put_i64(at, left_ms > 0 ? left_ms : 0);
	at = put_i64(at, n->wall_s);
	f.payload.n = (size_t)(at - bytes) - FRAME_HEADER_BYTES;
	frame_header(bytes, &f);
	all = at - bytes;
	return write(fd, bytes, (size_t)all) == all;
}

/* Once is enough. */
static void
complain(const struct imds_answer *a)
{
	static bool done;
	char shown[SHOWN_BYTES + 1];
	size_t n = 0;

	for (; n < SHOWN_BYTES && n < a->n; n++)
		shown[n] = a->body[n];
	shown[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (shown[i] < ' ' || shown[i] > '~')
			shown[i] = '?';
	}
	if (!done)
		fprintf(stderr,
			"furrow-runner: what the metadata service says of an interruption makes no "
			"sense, and is not heeded: HTTP %d, \"%s\"\n",
			a->status, shown);
	done = true;
}

/* One look; false: nobody hears any more. *told is the time that was told of. */
static bool
look(struct imds *m, int fd, int64_t *told)
{
	static struct imds_answer answer;
	struct timespec now;
	struct notice n;
	int64_t left_ms;

	imds_get(m, "spot/instance-action", &answer);
	/* 404: none is to come. No answer: maybe it is there the next time. */
	if (answer.status == 404 || answer.status == 0)
		return true;
	clock_gettime(CLOCK_REALTIME, &now);
	if (answer.status != 200 || !read_notice(&n, answer.body) ||
		n.wall_s - now.tv_sec > FAR_S || now.tv_sec - n.wall_s > FAR_S) {
		complain(&answer);
		return true;
	}
	if (n.wall_s == *told)
		return true;
	*told = n.wall_s;
	left_ms = (n.wall_s - now.tv_sec) * 1000 - now.tv_nsec / 1000000;
	return tell(fd, &n, left_ms);
}

static void
watch(int fd)
{
	struct imds m = {0};
	int64_t told = 0;

	while (look(&m, fd, &told))
		poll(NULL, 0, LOOK_MS);
}

/* Where what is told is to be read; -1: nothing is. */
static int watched_fd = -1;

pid_t
host_watch_notices(int *fd)
{
	int ends[2];
	pid_t pid = -1;

	*fd = -1;
	if (pipe2(ends, O_CLOEXEC) == 0) {
		pid = child_fork(ends[1], ends[1]);
		if (pid == 0) {
			watch(ends[1]);
			_exit(0);
		}
		close(ends[1]);
		*fd = ends[0];
	}
	watched_fd = *fd;
	if (pid < 0)
		fprintf(stderr, "furrow-runner: no interruption is told of: %s\n", strerror(errno));
	return pid;
}

void
host_pass_notices(void)
{
	struct pollfd p = {.fd = watched_fd, .events = POLLIN};
	uint8_t bytes[RELAY_SAY_BYTES];
	ssize_t n, done;

	if (watched_fd < 0 || poll(&p, 1, 0) <= 0)
		return;
	n = read(watched_fd, bytes, sizeof(bytes));
	if (n <= 0)
		watched_fd = -1;
	for (ssize_t at = 0; at < n; at += done) {
		done = write(1, bytes + at, (size_t)(n - at));
		if (done < 0)
			return;
	}
}

void
host_end_watch(pid_t watcher, int fd)
{
	watched_fd = -1;
	if (fd >= 0)
		close(fd);
	if (watcher < 0)
		return;
	kill(watcher, SIGKILL);
	while (waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
		;
}
