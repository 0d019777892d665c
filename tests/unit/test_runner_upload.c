/* test_runner_upload: large outputs, put by the runner to a URL; the store is an HTTP server here. */
#include "tests/unit/session_fixture.h"

#include "tests/unit/http_fixture.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

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

static void
bed_init(struct bed *b)
{
	host_init(&b->h);
	http_server_start(&b->http);
	snprintf(b->h.url, sizeof(b->h.url), "http://127.0.0.1:%d/bucket/key", b->http.port);
	b->h.base.offer_over_bytes = 200000;
	b->path = NULL;
}

static int
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

static void
connect_to(struct host *h)
{
	struct error err = {0};

	if (host_connect_to(h, dial(h), &err) < 0)
		fail_msg("%s", err.message);
}

/* A runner that outlives its connections. */
static void
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

static void
cut(struct host *h)
{
	shutdown(h->fd, SHUT_RDWR);
	host_wait_lost(h);
	session_close(h->session, NS_PER_S, NULL);
}

static void
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
static pid_t
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

static void
bed_end(struct bed *b)
{
	assert_int_equal(child_of(b->h.runner, "curl"), -1);
	assert_int_equal(child_of(b->h.runner, "python3"), -1);
	host_end(&b->h);
	http_server_stop(&b->http);
}

static void
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
static struct seen *
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
static void
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

static void
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

static void
large_ones_are_put(void **state)
{
	static struct bed b;
	struct seen *s, *like;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	s = host_run(&b.h, large);
	like = run_without_url(&b.h, large);
	assert_int_equal(like->n_offers, 1);
	assert_int_equal(like->offered_bytes, like->tar.n);
	assert_true(like->tar.n > 800000);
	assert_int_equal(like->outcome.output_files, 3);
	assert_int_equal(s->n_offers, 1);
	assert_int_equal(s->offered_bytes, like->tar.n);
	assert_placed(&b, s, like);
	assert_put(&b, 0, 1, like);
	s = host_run(&b.h, small);
	assert_int_equal(s->n_offers, 0);
	assert_true(s->tar.n > 0);
	/* Neither what is nothing nor what failed is offered, and what cannot be is told. */
	s = host_run(&b.h, "true");
	assert_int_equal(s->n_offers + (int)s->tar.n, 0);
	s = host_run(&b.h, "seq 100000 >$FURROW_OUT/a; exit 3");
	assert_int_equal(s->n_offers + (int)s->tar.n, 0);
	s = host_run(&b.h, "seq 100000 >$FURROW_OUT/a; mkfifo $FURROW_OUT/p");
	assert_int_equal(s->n_offers, 0);
	assert_int_equal(s->why, ENDED_BAD_OUTPUT);
	assert_non_null(strstr(s->message, "p is a named pipe"));
	assert_int_equal(http_n_asked(&b.http), 1);
	bed_end(&b);
}

/* Furrow that doesn't speak of it isn't offered anything. */
static void
none_is_offered(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	bed_init(&b);
	b.h.base.offer_over_bytes = 0;
	bed_start(&b);
	s = host_run(&b.h, large);
	assert_int_equal(s->n_offers, 0);
	assert_true(s->tar.n > 800000);
	bed_end(&b);
}

/* Many entries: measuring goes on over many rounds, others have their turn meanwhile. */
static void
many_files(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	s = host_run(&b.h, "cd $FURROW_OUT; seq 5000 | xargs touch; seq 10000 >z");
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(s->outcome.output_files, 5001);
	assert_int_equal(s->placed_bytes, 5001 * 512 + 49152 + 1024);
	assert_int_equal(s->offered_bytes, s->placed_bytes);
	bed_end(&b);
}

static void
what_is_transient_is_tried_again(void **state)
{
	static struct bed b;
	struct seen *s, *like;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.close = true});
	http_set_step(&b.http, 1, (struct http_step){.answer = ANSWER("500 Internal Error")});
	http_set_step(&b.http, 2, (struct http_step){.answer = ANSWER("503 Slow Down")});
	http_set_step(&b.http, 3, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	s = host_run(&b.h, large);
	like = run_without_url(&b.h, large);
	assert_placed(&b, s, like);
	assert_int_equal(s->n_offers, 1);
	assert_int_equal(http_n_asked(&b.http), 4);
	for (size_t i = 0; i < 4; i++)
		assert_put(&b, i, 1, like);
	bed_end(&b);
}

static void
url_that_is_good_no_more(void **state)
{
	static struct bed b;
	struct seen *s, *like;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){REFUSED});
	http_set_step(&b.http, 1, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	s = host_run(&b.h, large);
	like = run_without_url(&b.h, large);
	assert_placed(&b, s, like);
	assert_int_equal(s->n_offers, 2);
	assert_put(&b, 0, 1, like);
	assert_put(&b, 1, 2, like);
	bed_end(&b);
}

static void
assert_over_connection(struct bed *b, const struct seen *s, const char *says)
{
	assert_int_equal(s->why, ENDED_SELF);
	assert_int_equal(s->n_placed, 0);
	assert_true(s->tar.n > 800000);
	assert_int_equal(s->outcome.output_files, 3);
	pthread_mutex_lock(&b->h.lock);
	assert_has(b->h.note, says);
	assert_lacks(b->h.note, "signed=");
	pthread_mutex_unlock(&b->h.lock);
}

static void
refused_for_good(void **state)
{
	static struct bed b;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){REFUSED});
	http_set_step(&b.http, 1, (struct http_step){REFUSED});
	http_set_step(&b.http, 2, (struct http_step){.answer = ANSWER("404 Not Found")});
	http_set_step(&b.http, 3, (struct http_step){.answer = ANSWER("307 Elsewhere")});
	bed_start(&b);
	assert_over_connection(&b, host_run(&b.h, large), "HTTP 403, AccessDenied");
	assert_int_equal(http_n_asked(&b.http), 2);
	assert_over_connection(&b, host_run(&b.h, large), "HTTP 404, no reason given (try 1)");
	assert_over_connection(&b, host_run(&b.h, large), "HTTP 307");
	assert_int_equal(http_n_asked(&b.http), 4);
	bed_end(&b);
}

/* All tries, with their pauses: 16 s. Another task goes on beside it. */
static void
nobody_there(void **state)
{
	static struct bed b;
	int64_t begun = now_of_test();
	uint64_t id;

	(void)state;
	bed_init(&b);
	snprintf(b.h.url, sizeof(b.h.url), "http://127.0.0.1:1/bucket/key");
	bed_start(&b);
	id = host_sh(&b.h, large);
	host_wait_for(&b.h, &b.h.seen[id].n_offers);
	for (int i = 0; i < 3; i++)
		assert_said(host_run(&b.h, "echo on"), "on\n");
	assert_int_equal(b.h.seen[id].ended, 0);
	assert_over_connection(&b, host_wait(&b.h, id), "curl: (7)");
	assert_has(b.h.note, "(try 7)");
	assert_true(now_of_test() - begun > 15 * NS_PER_S);
	bed_end(&b);
}

static void
urls_that_are_none(void **state)
{
	static struct bed b;
	static const char *const bad[] = {"file:///etc/passwd", "http://127.0.0.1:1/a\"\noutput=x",
		"http://127.0.0.1:1/a b", "nonsense"};

	(void)state;
	bed_init(&b);
	bed_start(&b);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(b.h.url, sizeof(b.h.url), "%s", bad[i]);
		b.h.note[0] = '\0';
		assert_over_connection(&b, host_run(&b.h, large), "the URL for them is none");
	}
	bed_end(&b);
}

static void
link_program(struct bed *b, const char *dir, const char *program)
{
	char path[256], target[256];

	snprintf(path, sizeof(path), "%s/%s", b->h.dir, dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", b->h.dir, dir, program);
	snprintf(target, sizeof(target), "/usr/bin/%s", program);
	assert_int_equal(symlink(target, path), 0);
}

static void
python_where_there_is_no_curl(void **state)
{
	static struct bed b;
	char path[128];
	struct seen *s, *like;

	(void)state;
	bed_init(&b);
	link_program(&b, "bin", "python3");
	snprintf(path, sizeof(path), "%s/bin", b.h.dir);
	b.path = path;
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("503 Slow Down")});
	http_set_step(&b.http, 1, (struct http_step){.close = true});
	http_set_step(&b.http, 2, (struct http_step){REFUSED, .early = true});
	http_set_step(&b.http, 3, (struct http_step){.answer = ANSWER("200 OK")});
	http_set_step(&b.http, 4, (struct http_step){.answer = ANSWER("404 Not Found")});
	bed_start(&b);
	s = host_run(&b.h, large);
	like = run_without_url(&b.h, large);
	assert_placed(&b, s, like);
	assert_put(&b, 0, 1, like);
	assert_put(&b, 3, s->n_offers, like);
	assert_over_connection(&b, host_run(&b.h, large), "HTTP 404");
	bed_end(&b);
}

static void
nothing_to_send_with(void **state)
{
	static struct bed b;

	(void)state;
	bed_init(&b);
	b.path = "/nonexistent";
	bed_start(&b);
	assert_over_connection(&b, host_run(&b.h, large), "neither curl nor python3");
	bed_end(&b);
}

/* The URL is in nobody's arguments, and a stop ends the upload. */
static void
stopped_while_uploading(void **state)
{
	static struct bed b;
	char path[64], text[4096];
	struct seen *s;
	uint64_t id;
	pid_t pid;
	ssize_t n;
	int fd;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.hang = true});
	bed_start(&b);
	id = host_sh(&b.h, large);
	wait_asked(&b, 1);
	pid = child_of(b.h.runner, "curl");
	assert_true(pid > 0);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : ' ';
	text[n] = '\0';
	assert_has(text, "curl");
	assert_lacks(text, "bucket");
	session_stop_task(b.h.session, id, 5 * NS_PER_S);
	s = host_wait(&b.h, id);
	assert_int_equal(s->why, ENDED_STOPPED);
	assert_int_equal(s->n_placed + (int)s->tar.n, 0);
	assert_true(gone_soon(pid));
	assert_said(host_run(&b.h, "echo on"), "on\n");
	bed_end(&b);
}

/* So does the end of the runner, or of its last hope for a connection. */
static void
ended_while_uploading(void **state)
{
	static struct bed b;
	pid_t pid;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.hang = true});
	http_set_step(&b.http, 1, (struct http_step){.hang = true});
	bed_start(&b);
	host_sh(&b.h, large);
	wait_asked(&b, 1);
	pid = child_of(b.h.runner, "curl");
	assert_true(pid > 0);
	host_end(&b.h);
	assert_true(gone_soon(pid));

	host_init(&b.h);
	b.h.base.offer_over_bytes = 200000;
	snprintf(b.h.url, sizeof(b.h.url), "http://127.0.0.1:%d/bucket/key", b.http.port);
	bed_start(&b);
	host_sh(&b.h, large);
	wait_asked(&b, 2);
	pid = child_of(b.h.runner, "curl");
	assert_true(pid > 0);
	kill(b.h.runner, SIGKILL);
	assert_true(gone_soon(pid));
	waitpid(b.h.runner, NULL, 0);
	host_wait_lost(&b.h);
	session_close(b.h.session, NS_PER_S, NULL);
	host_free(&b.h);
	http_server_stop(&b.http);
}

/* The upload doesn't need the connection: it goes on, and is told to the next one. */
static void
cut_while_uploading(void **state)
{
	static struct bed b;
	struct seen *s;
	uint64_t id;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK"), .delay_ms = 1500});
	bed_start(&b);
	id = host_sh(&b.h, large);
	wait_asked(&b, 1);
	cut_and_resume(&b.h, id);
	s = host_wait(&b.h, id);
	assert_int_equal(s->n_offers, 2);
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(s->tar.n, 0);
	assert_int_equal(s->outcome.output_files, 3);
	assert_int_equal(http_n_asked(&b.http), 1);
	bed_end(&b);
}

/* It ends while there is nobody to tell. */
static void
placed_without_us(void **state)
{
	static struct bed b;
	struct seen *s;
	uint64_t id;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0,
		(struct http_step){.answer = ANSWER("503 Slow Down"), .delay_ms = 1000});
	http_set_step(&b.http, 1, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	id = host_sh(&b.h, large);
	wait_asked(&b, 1);
	cut(&b.h);
	wait_asked(&b, 2);
	pause_ns(200 * NS_PER_MS);
	assert_int_equal(child_of(b.h.runner, "curl"), -1);
	connect_to(&b.h);
	session_resume(b.h.session, id, 0, 0);
	s = host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(http_n_asked(&b.http), 2);
	bed_end(&b);
}

/* The answer to the offer was lost with the connection. */
static void
cut_while_offering(void **state)
{
	static struct bed b;
	struct seen *s;
	uint64_t id;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK")});
	b.h.offers_wait = true;
	bed_start(&b);
	id = host_sh(&b.h, large);
	host_wait_for(&b.h, &b.h.seen[id].n_offers);
	cut(&b.h);
	b.h.offers_wait = false;
	connect_to(&b.h);
	b.h.seen[id].begun = 0;
	session_resume(b.h.session, id, 0, 0);
	s = host_wait(&b.h, id);
	assert_int_equal(s->n_offers, 2);
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(http_n_asked(&b.http), 1);
	bed_end(&b);
}

/* Placed, ended, not acknowledged: what was put stays put, unless it is wanted elsewhere, or over the
 * connection. */
static void
resumed_after_the_end(void **state)
{
	static struct bed b;
	struct seen *s, *like;
	uint64_t id;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK")});
	http_set_step(&b.http, 1, (struct http_step){.answer = ANSWER("200 OK")});
	b.h.no_ack = true;
	bed_start(&b);
	id = host_sh(&b.h, large);
	s = host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 1);
	cut_and_resume(&b.h, id);
	host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 2);
	assert_int_equal(http_n_asked(&b.http), 1);
	/* Elsewhere. */
	snprintf(b.h.url, sizeof(b.h.url), "http://127.0.0.1:%d/bucket/key2", b.http.port);
	cut_and_resume(&b.h, id);
	host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 3);
	assert_int_equal(http_n_asked(&b.http), 2);
	assert_has(http_asked(&b.http, 1), "PUT /bucket/key2?signed=3 HTTP/1.1\r\n");
	/* Nowhere. */
	b.h.url[0] = '\0';
	cut_and_resume(&b.h, id);
	host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 3);
	assert_int_equal(s->tar.n, s->placed_bytes);
	session_ack(b.h.session, id);
	like = run_without_url(&b.h, large);
	assert_memory_equal(s->tar.p, like->tar.p, s->tar.n);
	bed_end(&b);
}

/* More of them than may go at a time. */
static void
many_at_once(void **state)
{
	static struct bed b;
	enum { MANY = 12 };
	uint64_t id[MANY];

	(void)state;
	bed_init(&b);
	b.h.base.slots = MANY;
	for (int i = 0; i < MANY; i++)
		http_set_step(&b.http, (size_t)i,
			(struct http_step){.answer = ANSWER("200 OK"), .delay_ms = 100});
	bed_start(&b);
	for (int i = 0; i < MANY; i++)
		id[i] = host_sh(&b.h, large);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(host_wait(&b.h, id[i])->n_placed, 1);
	assert_int_equal(http_n_asked(&b.http), MANY);
	bed_end(&b);
}

/* No room for the file: then without it. Needs the right to mount. */
static void
no_room_to_pack(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		print_message("cannot mount here\n");
		skip();
	}
	bed_init(&b);
	assert_int_equal(mkdir(b.h.root, 0755), 0);
	assert_int_equal(mount("none", b.h.root, "tmpfs", 0, "size=8m,mode=755"), 0);
	bed_start(&b);
	s = host_run(&b.h, large);
	assert_over_connection(&b, s, "no room");
	umount2(b.h.root, MNT_DETACH);
	bed_end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_ones_are_put),
		cmocka_unit_test(none_is_offered),
		cmocka_unit_test(many_files),
		cmocka_unit_test(what_is_transient_is_tried_again),
		cmocka_unit_test(url_that_is_good_no_more),
		cmocka_unit_test(refused_for_good),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(urls_that_are_none),
		cmocka_unit_test(python_where_there_is_no_curl),
		cmocka_unit_test(nothing_to_send_with),
		cmocka_unit_test(stopped_while_uploading),
		cmocka_unit_test(ended_while_uploading),
		cmocka_unit_test(cut_while_uploading),
		cmocka_unit_test(placed_without_us),
		cmocka_unit_test(cut_while_offering),
		cmocka_unit_test(resumed_after_the_end),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(no_room_to_pack),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
