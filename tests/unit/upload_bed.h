/* upload_bed: a runner that outlives its connections, tasks with large outputs and with small ones, and an
 * HTTP server to put them to. */
#ifndef FURROW_TESTS_UPLOAD_BED_H
#define FURROW_TESTS_UPLOAD_BED_H

#include "tests/unit/session_fixture.h"

#include "tests/unit/http_fixture.h"

#define ANSWER(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n"
#define REFUSED                                 \
	.answer = "HTTP/1.1 403 Forbidden\r\n", \
	.body = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"

/* About a MiB of tar, of some files; and a little. */
static const char large[] =
	"mkdir $FURROW_OUT/d; seq 90000 >$FURROW_OUT/d/a; seq 70000 >$FURROW_OUT/b; : "
	">$FURROW_OUT/c; ln -s d/a $FURROW_OUT/l";
static const char small[] = "echo x >$FURROW_OUT/x";

struct bed {
	struct host h;
	struct http_server http;
	const char *path; /* PATH of the runner; NULL: as usual */
};

static inline void
bed_init(struct bed *b)
{
	host_init(&b->h);
	http_server_start(&b->http);
	snprintf(b->h.url, sizeof(b->h.url), "http://127.0.0.1:%d/bucket/key", b->http.port);
	b->h.base.offer_over_bytes = 200000;
	b->path = NULL;
}

static inline int
dial(const struct host *h)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/sock", h->dir);
	for (int i = 0; i < 500; i++) {
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
		pause_ns(10 * NS_PER_MS);
	}
	fail_msg("no runner at %s: %s", a.sun_path, strerror(errno));
	return -1;
}

static inline void
connect_to(struct host *h)
{
	struct error err = {0};

	if (host_connect_to(h, dial(h), &err) < 0)
		fail_msg("%s", err.message);
}

/* A runner that outlives its connections. */
static inline void
bed_start(struct bed *b)
{
	char runner[4096], path[128];

	find_runner(runner);
	snprintf(path, sizeof(path), "%s/sock", b->h.dir);
	b->h.linger_s = 30;
	b->h.runner = fork();
	if (b->h.runner == 0) {
		if (b->path)
			setenv("PATH", b->path, 1);
		execl(runner, runner, "serve", "--listen", path, (char *)NULL);
		_exit(127);
	}
	connect_to(&b->h);
}

static inline void
cut(struct host *h)
{
	shutdown(h->fd, SHUT_RDWR);
	host_wait_lost(h);
	session_close(h->session, NS_PER_S, NULL);
}

static inline void
cut_and_resume(struct host *h, uint64_t id)
{
	struct seen *s = &h->seen[id];

	cut(h);
	connect_to(h);
	buf_clear(&s->tar);
	s->ended = s->begun = 0;
	session_resume(h->session, id, 0, 0);
}

/* A child of the runner; -1: it has none, or no such one. */
static inline pid_t
child_of(pid_t runner, const char *name)
{
	char path[64], comm[64] = "";
	pid_t found = -1, pid;
	FILE *f, *g;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)runner, (int)runner);
	f = fopen(path, "r");
	assert_non_null(f);
	while (found < 0 && fscanf(f, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		g = fopen(path, "r");
		if (g && fgets(comm, sizeof(comm), g) && strncmp(comm, name, strlen(name)) == 0)
			found = pid;
		if (g)
			fclose(g);
	}
	fclose(f);
	return found;
}

static inline void
bed_end(struct bed *b)
{
	assert_int_equal(child_of(b->h.runner, "curl"), -1);
	assert_int_equal(child_of(b->h.runner, "python3"), -1);
	host_end(&b->h);
	http_server_stop(&b->http);
}

static inline void
wait_asked(struct bed *b, size_t n)
{
	for (int i = 0; http_n_asked(&b->http) < n; i++) {
		if (i > PATIENCE_S * 100)
			fail_msg("the store was asked %zu times, not %zu", http_n_asked(&b->http),
				n);
		pause_ns(10 * NS_PER_MS);
	}
}

/* What the outputs are when they come over the connection. */
static inline struct seen *
run_without_url(struct host *h, const char *script)
{
	char url[sizeof(h->url)];
	struct seen *s;

	memcpy(url, h->url, sizeof(url));
	pthread_mutex_lock(&h->lock);
	h->url[0] = '\0';
	pthread_mutex_unlock(&h->lock);
	s = host_run(h, script);
	pthread_mutex_lock(&h->lock);
	memcpy(h->url, url, sizeof(url));
	pthread_mutex_unlock(&h->lock);
	return s;
}

/* The i-th request put what s has, to the n-th URL. */
static inline void
assert_put(struct bed *b, size_t i, int n, const struct seen *s)
{
	const char *asked = http_asked(&b->http, i), *body;
	char first[128];

	snprintf(first, sizeof(first), "PUT /bucket/key?signed=%d HTTP/1.1\r\n", n);
	assert_memory_equal(asked, first, strlen(first));
	assert_null(strcasestr(asked, "\r\nTransfer-Encoding:"));
	assert_null(strcasestr(asked, "\r\nAuthorization:"));
	body = strstr(asked, "\r\n\r\n") + 4;
	assert_int_equal(content_length(asked), s->tar.n);
	assert_memory_equal(body, s->tar.p, s->tar.n);
}

static inline void
assert_placed(struct bed *b, const struct seen *s, const struct seen *like)
{
	(void)b;
	assert_int_equal(s->why, ENDED_SELF);
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(s->placed_bytes, like->tar.n);
	assert_int_equal(s->tar.n, 0);
	assert_int_equal(s->outcome.output_files, like->outcome.output_files);
	assert_int_equal(s->outcome.output_bytes, like->outcome.output_bytes);
}

#endif
