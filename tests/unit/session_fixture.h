/* session_fixture: a session with a real furrow-runner at its other end, and what it said, for the
 * tests of both. */
#ifndef SESSION_FIXTURE_H
#define SESSION_FIXTURE_H

#include "planner/base/protocol.h"
#include "providers/host/session.h"
#include "providers/host/spawn.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SEEN = 512, PATIENCE_S = 30 };

/* All that was said of one task; its number is the id. */
struct seen {
	int begun, ended;
	int64_t begun_ns;
	struct buf streams[STREAM_TRACE + 1], tar;
	bool keep_no_bytes;
	int64_t bytes;
	int n_offers, n_placed;
	int64_t offered_bytes, placed_bytes;
	struct outcome outcome;
	int why;
	char message[1024];
};

struct host {
	char dir[64], root[96], source[96];
	char run[40];
	struct session_base base;
	struct pair env[4];
	uint32_t linger_s;
	int64_t slow_ns; /* how long each stream event takes */
	bool no_ack;
	char url[128];	  /* what an offer is answered with; "": over the connection */
	bool offers_wait; /* they are not answered */
	pid_t runner;
	int fd; /* ours of the connection */
	struct session *session;
	struct session_host told;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct seen seen[MAX_SEEN];
	uint64_t last_id;
	char note[1024];
	int n_notices; /* of an interruption; the last one: */
	char action[32];
	int64_t notice_left_ns, notice_wall_s;
	bool lost;
	struct error why;
};

static inline void
pause_ns(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};

	nanosleep(&t, NULL);
}

static inline int64_t
now_of_test(void)
{
	return clock_system()->now_ns(NULL);
}

static inline void
host_begun(void *ctx, uint64_t id, int64_t t_ns)
{
	struct host *h = ctx;

	pthread_mutex_lock(&h->lock);
	h->seen[id].begun++;
	h->seen[id].begun_ns = t_ns;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

static inline void
host_stream(void *ctx, uint64_t id, int stream, uint64_t offset, struct str bytes)
{
	struct host *h = ctx;
	struct seen *s = &h->seen[id];

	(void)offset;
	if (h->slow_ns)
		pause_ns(h->slow_ns);
	pthread_mutex_lock(&h->lock);
	s->bytes += (int64_t)bytes.n;
	if (!s->keep_no_bytes)
		buf_add_str(&s->streams[stream], bytes);
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

static inline void
host_trace(void *ctx, uint64_t id, struct str bytes)
{
	host_stream(ctx, id, STREAM_TRACE, 0, bytes);
}

static inline void
host_output(void *ctx, uint64_t id, struct str bytes)
{
	struct host *h = ctx;

	pthread_mutex_lock(&h->lock);
	buf_add_str(&h->seen[id].tar, bytes);
	pthread_mutex_unlock(&h->lock);
}

static inline void
host_offer(void *ctx, uint64_t id, int64_t tar_bytes)
{
	struct host *h = ctx;
	char url[160] = "";

	pthread_mutex_lock(&h->lock);
	h->seen[id].offered_bytes = tar_bytes;
	if (h->url[0])
		snprintf(url, sizeof(url), "%s?signed=%d", h->url, ++h->seen[id].n_offers);
	else
		h->seen[id].n_offers++;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	if (!h->offers_wait)
		session_put(h->session, id, url);
}

static inline void
host_placed(void *ctx, uint64_t id, int64_t tar_bytes)
{
	struct host *h = ctx;

	pthread_mutex_lock(&h->lock);
	h->seen[id].n_placed++;
	h->seen[id].placed_bytes = tar_bytes;
	pthread_mutex_unlock(&h->lock);
}

static inline void
host_ended(void *ctx, uint64_t id, const struct outcome *outcome, int why, struct str message)
{
	struct host *h = ctx;
	struct seen *s = &h->seen[id];

	pthread_mutex_lock(&h->lock);
	s->ended++;
	s->outcome = *outcome;
	s->why = why;
	snprintf(s->message, sizeof(s->message), "%.*s", STR_ARG(message));
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	if (!h->no_ack)
		session_ack(h->session, id);
}

static inline void
host_note(void *ctx, struct str text)
{
	struct host *h = ctx;

	pthread_mutex_lock(&h->lock);
	snprintf(h->note, sizeof(h->note), "%.*s", STR_ARG(text));
	pthread_mutex_unlock(&h->lock);
}

static inline void
host_notice(void *ctx, const char *action, int64_t left_ns, int64_t wall_s)
{
	struct host *h = ctx;

	pthread_mutex_lock(&h->lock);
	snprintf(h->action, sizeof(h->action), "%s", action);
	h->notice_left_ns = left_ns;
	h->notice_wall_s = wall_s;
	h->n_notices++;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

static inline void
host_lost(void *ctx, const struct error *err)
{
	struct host *h = ctx;

	pthread_mutex_lock(&h->lock);
	h->lost = true;
	h->why = *err;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

/* A folder, an empty source, two slots. What a test wants otherwise it sets before host_start. */
static inline void
host_init(struct host *h)
{
	static int n;
	pthread_condattr_t attributes;

	memset(h, 0, sizeof(*h));
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	snprintf(h->dir, sizeof(h->dir), "/tmp/furrow-session.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	snprintf(h->root, sizeof(h->root), "%s/root", h->dir);
	snprintf(h->source, sizeof(h->source), "%s/source", h->dir);
	assert_int_equal(mkdir(h->source, 0755), 0);
	snprintf(h->run, sizeof(h->run), "TEST-%d-%d", (int)getpid(), n++);
	h->env[0] = (struct pair){
		.name = STR("PATH"), .value = STR("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")};
	h->base = (struct session_base){.root = h->root,
		.source = h->source,
		.env = {.v = h->env, .n = 1},
		.cap_bytes = 16 << 20,
		.slots = 2};
}

static inline int
host_connect_to(struct host *h, int fd, struct error *err)
{
	const struct session_events events = {.ctx = h,
		.begun = host_begun,
		.stream = host_stream,
		.trace = host_trace,
		.output = host_output,
		.offer = host_offer,
		.placed = host_placed,
		.ended = host_ended,
		.note = host_note,
		.notice = host_notice,
		.lost = host_lost};

	h->fd = fd;
	h->lost = false;
	return session_open(&h->session, &(struct transport){.read_fd = fd, .write_fd = fd}, h->run,
		h->linger_s, &h->base, &events, 10 * NS_PER_S, &h->told, err);
}

static inline void
find_runner(char runner[4096])
{
	struct error err;

	if (!getenv("FURROW_RUNNER"))
		setenv("FURROW_RUNNER", "build/furrow-runner", 1);
	if (spawn_find_runner(runner, 4096, &err) < 0)
		fail_msg("%s", err.message);
}

static inline void
host_start(struct host *h)
{
	char runner[4096];
	struct error err = {0};
	int fd;

	find_runner(runner);
	if (spawn_runner(runner, 2, &fd, &h->runner, &err) < 0 || host_connect_to(h, fd, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(h->told.pid, h->runner);
}

/* The end of the argument list is NULL. */
static inline uint64_t
host_submit_as(struct host *h, const struct session_task *like, const char *const *argv)
{
	struct session_task task = *like;
	struct str words[16];
	size_t n = 0;

	for (; argv[n]; n++)
		words[n] = str_from(argv[n]);
	task.command.argv = (struct strings){.v = words, .n = n};
	task.id = ++h->last_id;
	assert_true(task.id < MAX_SEEN);
	session_submit(h->session, &task);
	return task.id;
}

static const struct session_task plain_task = {
	.attempt = 1, .timeout_ns = -1, .grace_ns = 5 * NS_PER_S};

static inline uint64_t
host_sh(struct host *h, const char *script)
{
	const char *const argv[] = {"sh", "-c", script, NULL};

	return host_submit_as(h, &plain_task, argv);
}

/* Waits until *what is not 0, or the session is lost. */
static inline void
host_wait_for(struct host *h, const int *what)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&h->lock);
	while (!*what && !h->lost) {
		if (pthread_cond_timedwait(&h->changed, &h->lock, &until) != 0) {
			pthread_mutex_unlock(&h->lock);
			fail_msg("nothing came for %d s", PATIENCE_S);
		}
	}
	pthread_mutex_unlock(&h->lock);
}

static inline void
host_wait_notice(struct host *h)
{
	host_wait_for(h, &h->n_notices);
	if (!h->n_notices)
		fail_msg("lost: %s", h->why.message);
}

static inline struct seen *
host_wait(struct host *h, uint64_t id)
{
	host_wait_for(h, &h->seen[id].ended);
	if (!h->seen[id].ended)
		fail_msg("lost: %s", h->why.message);
	assert_int_equal(h->seen[id].ended, 1);
	return &h->seen[id];
}

/* Until the task has written at least n bytes of stdout. */
static inline void
host_wait_bytes(struct host *h, uint64_t id, int64_t n)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&h->lock);
	while (h->seen[id].bytes < n && !h->lost)
		assert_int_equal(pthread_cond_timedwait(&h->changed, &h->lock, &until), 0);
	pthread_mutex_unlock(&h->lock);
}

static inline void
host_wait_lost(struct host *h)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&h->lock);
	while (!h->lost)
		assert_int_equal(pthread_cond_timedwait(&h->changed, &h->lock, &until), 0);
	pthread_mutex_unlock(&h->lock);
}

static inline bool
is_lost(struct host *h)
{
	bool lost;

	pthread_mutex_lock(&h->lock);
	lost = h->lost;
	pthread_mutex_unlock(&h->lock);
	return lost;
}

static inline struct seen *
host_run(struct host *h, const char *script)
{
	return host_wait(h, host_sh(h, script));
}

static inline struct str
said(const struct seen *s, int stream)
{
	return buf_str(&s->streams[stream]);
}

#define assert_said(s, text)                                                     \
	do {                                                                     \
		struct seen *seen_ = (s);                                        \
		if (!str_is(said(seen_, STREAM_STDOUT), (text)))                 \
			fail_msg("stdout is \"%.*s\", not \"%s\"; stderr: %.*s", \
				STR_ARG(said(seen_, STREAM_STDOUT)), (text),     \
				STR_ARG(said(seen_, STREAM_STDERR)));            \
	} while (0)

static inline void
run_quietly(const char *const *argv)
{
	struct error err;

	if (spawn_run(argv, NULL, NULL, NULL, NULL, 60 * NS_PER_S, &err) < 0)
		fail_msg("%s", err.message);
}

static inline void
host_free(struct host *h)
{
	const char *const remove[] = {"rm", "-rf", h->dir, NULL};

	run_quietly(remove);
	for (size_t i = 0; i < MAX_SEEN; i++) {
		for (int k = 0; k <= STREAM_TRACE; k++)
			buf_free(&h->seen[i].streams[k]);
		buf_free(&h->seen[i].tar);
	}
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->changed);
}

/* Ends the session, sees that the runner ended well and left nothing. */
static inline void
host_end(struct host *h)
{
	struct error err = {0};
	char tasks[128];
	int status = 0;

	if (session_close(h->session, 20 * NS_PER_S, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(waitpid(h->runner, &status, 0), h->runner);
	assert_int_equal(status, 0);
	snprintf(tasks, sizeof(tasks), "%s/tasks", h->root);
	assert_int_equal(access(tasks, F_OK), -1);
	host_free(h);
}

/* Whether a process lives (a zombie doesn't). */
static inline bool
lives(pid_t pid)
{
	char path[64], text[512];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')');
	return at && at[2] != 'Z' && at[2] != 'X';
}

static inline bool
gone_soon(pid_t pid)
{
	for (int i = 0; i < 500 && lives(pid); i++)
		pause_ns(10 * NS_PER_MS);
	return !lives(pid);
}

static inline pid_t
pid_in(struct str text)
{
	int64_t v = 0;

	assert_true(str_to_i64(str_trim(text), &v));
	assert_true(v > 1);
	return (pid_t)v;
}

#endif
