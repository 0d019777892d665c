/* place_fixture: `furrow-runner host` in a root of its own, as user data leaves one, and a connection to
 * it. */
#ifndef PLACE_FIXTURE_H
#define PLACE_FIXTURE_H

#include "tests/unit/session_fixture.h"

#include <jansson.h>
#include <sys/prctl.h>

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

enum { WORDS_BYTES = 64 << 10 };

/* A host, and the connection to it that was made last. */
struct place {
	struct host h;
	char root[160];
	int fd;
	pid_t pid;
	bool ignores_children; /* whoever starts it does */
	char imds[32]; /* "ADDRESS:PORT" of its metadata service; "": one that nobody serves */
	json_t *words;
	char text[WORDS_BYTES];
};

struct wish {
	const char *run;
	uint32_t lease_s, idle_s;
	const char *source_id, *source_url, *env_id, *setup, *files[4], *vars[4];
	const char *image, *image_id, *image_url, *image_login; /* NULL: no container */
};

static struct place place;

static inline const char *
at(const char *fmt, ...)
{
	static char path[4][512];
	static unsigned turn;
	char *out = path[turn++ % 4];
	int n = snprintf(out, 512, "%s", place.h.dir);
	va_list args;

	va_start(args, fmt);
	vsnprintf(out + n, 512 - (size_t)n, fmt, args);
	va_end(args);
	return out;
}

static inline void
write_file(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static inline void
write_text(const char *path, const char *text)
{
	write_file(path, text, strlen(text));
}

/* Valid until the next call. */
static inline const char *
read_text(const char *path)
{
	static char text[WORDS_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static inline const char *
errors(void)
{
	return read_text(at("/stderr"));
}

static inline bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static inline bool
there_soon(const char *path)
{
	for (int i = 0; i < 500 && !is_there(path); i++)
		pause_ns(10 * NS_PER_MS);
	return is_there(path);
}

static inline bool
gone_in_time(const char *path)
{
	for (int i = 0; i < 500 && is_there(path); i++)
		pause_ns(10 * NS_PER_MS);
	return !is_there(path);
}

static inline int64_t
uptime_s(void)
{
	return now_of_test() / NS_PER_S;
}

static inline long
until(void)
{
	return strtol(read_text(at("/run/furrow/until")), NULL, 10);
}

/* As user data leaves it. */
static inline int
set_up(void **state)
{
	static int n;

	(void)state;
	memset(&place, 0, sizeof(place));
	place.fd = -1;
	host_init(&place.h);
	/* As furrow names them: nothing but letters and digits. */
	snprintf(place.h.run, sizeof(place.h.run), "TEST%dX%d", (int)getpid(), n++);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (const char *const *d = (const char *const[]){"/run", "/run/furrow", "/var", "/var/lib",
		     "/var/lib/furrow", "/var/lib/furrow/runner", "/var/lib/furrow/source",
		     "/var/lib/furrow/env", "/var/lib/furrow/run", NULL};
		*d; d++)
		assert_int_equal(mkdir(at("%s", *d), 0755), 0);
	write_text(at("/run/furrow/until"), "9999999\n");
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	if (place.fd >= 0)
		close(place.fd);
	json_decref(place.words);
	spawn_sweep(place.h.run);
	spawn_kill_children();
	host_free(&place.h);
	return 0;
}

static inline void
start(void)
{
	char runner[4096];
	int pair[2];

	find_runner(runner);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	place.pid = fork();
	if (place.pid == 0) {
		int log = open(at("/stderr"), O_WRONLY | O_CREAT | O_APPEND, 0644);

		setenv("FURROW_ROOT", place.h.dir, 1);
		setenv("FURROW_IMDS", place.imds[0] ? place.imds : "127.0.0.1:1", 1);
		setenv("TEST_STRAY", "not for setup", 1);
		dup2(pair[1], 0);
		dup2(pair[1], 1);
		dup2(log, 2);
		if (place.ignores_children)
			signal(SIGCHLD, SIG_IGN);
		execl(runner, runner, "host", (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	place.fd = pair[0];
}

/* Connects, and takes in the words. */
static inline void
call(void)
{
	size_t n = 0;
	json_error_t why;

	start();
	while (n < WORDS_BYTES - 1 && read(place.fd, place.text + n, 1) == 1 &&
		place.text[n] != '\n')
		n++;
	place.text[n] = '\0';
	json_decref(place.words);
	place.words = json_loads(place.text, JSON_REJECT_DUPLICATES, &why);
	if (!place.words)
		fail_msg("%s in %s; %s", why.text, place.text, errors());
	assert_int_equal(json_integer_value(json_object_get(place.words, "furrow_host")), 1);
}

static inline json_t *
word(const char *name)
{
	return json_object_get(place.words, name);
}

/* A list of strings, or of objects with a member "run", sorted, with a blank between two. */
static inline const char *
listed(const char *name)
{
	static char out[1024];
	const char *seen[16];
	size_t i, n = 0;
	json_t *item;

	assert_true(json_is_array(word(name)));
	json_array_foreach(word(name), i, item)
	{
		const char *s = json_string_value(
			json_is_object(item) ? json_object_get(item, "run") : item);
		size_t k = n++;

		assert_non_null(s);
		assert_true(n <= 16);
		for (; k && strcmp(seen[k - 1], s) > 0; k--)
			seen[k] = seen[k - 1];
		seen[k] = s;
	}
	out[0] = '\0';
	for (i = 0; i < n; i++)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i ? " " : "",
			seen[i]);
	return out;
}

static inline int
exit_status_of(pid_t pid)
{
	int status;

	for (int i = 0; i < PATIENCE_S * 100; i++) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		assert_true(got >= 0);
		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		pause_ns(10 * NS_PER_MS);
	}
	fail_msg("the host's end does not end; %s", errors());
	return -1;
}

static inline int
exit_status(void)
{
	return exit_status_of(place.pid);
}

static inline void
hang_up(void)
{
	close(place.fd);
	place.fd = -1;
}

static inline uint8_t *
put_list(uint8_t *to, const char *const *v)
{
	uint32_t n = 0;

	while (v[n])
		n++;
	to = put_u32(to, n);
	for (uint32_t i = 0; i < n; i++)
		to = put_str(to, str_from(v[i]));
	return to;
}

static inline struct str
or_empty(const char *s)
{
	return str_from(s ? s : "");
}

static inline void
send_frame(uint8_t type, const void *payload, size_t n)
{
	uint8_t head[FRAME_HEADER_BYTES];

	frame_header(head, &(struct frame){.type = type, .payload = {.p = payload, .n = n}});
	assert_int_equal(send(place.fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	assert_int_equal(send(place.fd, payload, n, MSG_NOSIGNAL), n);
}

static inline void
order(const struct wish *w)
{
	static uint8_t payload[16 << 10];
	uint8_t *to = put_str(payload, str_from(w->run ? w->run : place.h.run));

	to = put_u32(to, w->lease_s ? w->lease_s : 600);
	to = put_u32(to, w->idle_s);
	to = put_str(to, or_empty(w->source_id));
	to = put_str(to, or_empty(w->source_url));
	to = put_str(to, or_empty(w->env_id));
	to = put_str(to, or_empty(w->setup));
	to = put_list(to, w->files);
	to = put_list(to, w->vars);
	if (w->image) {
		to = put_str(to, STR("job"));
		to = put_str(to, or_empty(w->image));
		to = put_str(to, or_empty(w->image_id));
		to = put_str(to, or_empty(w->image_url));
		to = put_str(to, or_empty(w->image_login));
	}
	send_frame(FRAME_ORDER, payload, (size_t)(to - payload));
}

/* The session from here on. */
static inline void
open_session(void)
{
	struct error err = {0};
	int fd = place.fd;

	place.fd = -1;
	snprintf(place.root, sizeof(place.root), "%s/var/lib/furrow/run/%s", place.h.dir,
		place.h.run);
	place.h.base.root = place.root;
	if (host_connect_to(&place.h, fd, &err) < 0)
		fail_msg("%s; %s", err.message, errors());
}

static inline void
begin(const struct wish *w)
{
	call();
	order(w);
	open_session();
}

static inline void
cut(void)
{
	shutdown(place.h.fd, SHUT_RDWR);
	host_wait_lost(&place.h);
	session_close(place.h.session, NS_PER_S, NULL);
}

static inline void
goodbye(void)
{
	struct error err = {0};

	if (session_close(place.h.session, 20 * NS_PER_S, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(exit_status(), 0);
}

/* It was of no use: the exit status, and what it said on stderr. */
static inline void
refused(const struct wish *w, int status, const char *said)
{
	call();
	order(w);
	assert_int_equal(exit_status(), status);
	hang_up();
	if (!strstr(errors(), said))
		fail_msg("\"%s\" is not in: %s", said, errors());
}

#endif
